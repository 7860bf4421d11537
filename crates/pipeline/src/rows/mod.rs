//! Log events as rows: TSV, CSV, NDJSON, or the raw lines.
//!
//! ```
//! use kinesis_logs_decoder::Decoder;
//! use kinesis_logs_pipeline::rows::{RowFormat, RowWriter};
//!
//! let record = br#"{"messageType":"DATA_MESSAGE","logEvents":[
//!     {"message":"GET / 200","extractedFields":{"verb":"GET","path":"/","status":"200"}}]}"#;
//! let mut decoder = Decoder::new();
//! let mut writer = RowWriter::new(RowFormat::Tsv);
//! let mut out = Vec::new();
//! for event in decoder.decode(record).events() {
//!     writer.write(&event, None, &mut out)?;
//! }
//! assert_eq!(out, b"path\tstatus\tverb\n/\t200\tGET\n");
//! # Ok::<(), kinesis_logs_pipeline::rows::RowError>(())
//! ```
//!
//! # Which columns
//!
//! Those asked for with [`RowWriter::columns`]; otherwise what the event has: its extracted fields, else the fields of
//! its flow log line, else `timestamp`, `log_group`, `log_stream` and `message`. TSV and CSV have one header, which the
//! first event decides (sorted by name); NDJSON has each event's own.

pub(crate) mod column;
pub(crate) mod encode;
mod writer;

pub use column::Column;
pub use writer::{RowError, RowFormat, RowWriter};
