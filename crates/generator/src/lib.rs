//! Makes records as CloudWatch Logs puts them into Kinesis, with VPC Flow Log lines that compress as real ones do.
//!
//! Everything follows from a seed: the same seed gives the same bytes. Demos, tests and benchmarks share it, so that
//! their figures speak of the same data: 500 events a record make some 220 bytes of JSON and 31 bytes of gzip each.
//!
//! ```
//! use kinesis_logs_generator::FlowLogs;
//!
//! let mut flow_logs = FlowLogs::new(1).events_per_record(500);
//! let record = flow_logs.next_record();
//! assert_eq!(record.lines.len(), 500);
//! assert!(record.data.starts_with(&[0x1f, 0x8b]));
//! ```

#![forbid(unsafe_code)]

mod flow_logs;
mod kpl;
mod line;
mod sample_lines;
mod samples;

pub use flow_logs::{FlowLogs, Record};
pub use kpl::{aggregate, aggregate_with_hash_keys};
pub use samples::samples;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// The envelope that CloudWatch Logs sends to see whether a stream accepts records, gzipped.
pub fn control_message() -> Vec<u8> {
    gzip(
        br#"{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1758700800000,"message":"CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."}]}"#,
    )
}

/// Gzip at level 6, as AWS says CloudWatch Logs compresses.
///
/// # Panics
///
/// Never: writing to memory cannot fail.
pub fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(data).and_then(|()| encoder.finish()).expect("writing to memory cannot fail")
}
