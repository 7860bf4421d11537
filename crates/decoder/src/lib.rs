//! Decodes what Amazon CloudWatch Logs puts into an Amazon Kinesis data stream: bytes in, values out.
//!
//! One Kinesis record holds one gzip stream, which holds one JSON envelope, which holds the log events of one log
//! stream ([subscription filters, AWS]). This crate opens them. It does no I/O, is not asynchronous, reads no clock and
//! builds for `wasm32-unknown-unknown`.
//!
//! ```
//! use kinesis_logs_decoder::Decoder;
//!
//! let record = br#"{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/vpc/flow",
//!     "logStream":"eni-1235b8ca-all","subscriptionFilters":["all"],"logEvents":[{"id":"1","timestamp":1418530010000,
//!     "message":"2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"}]}"#;
//!
//! let mut decoder = Decoder::new(); // keeps its buffers: make one, use it for every record
//! let decoded = decoder.decode(record);
//! assert!(decoded.errors().is_empty());
//!
//! for event in decoded.events() {
//!     assert_eq!(event.log_group(), Some("/vpc/flow"));
//!     let flow = event.flow_log().expect("a line in the default flow log format");
//!     assert_eq!(flow.dstport(), Some(22));
//!     assert_eq!(flow.action(), Some("ACCEPT"));
//! }
//! ```
//!
//! # What it accepts
//!
//! | form | where it comes from |
//! |---|---|
//! | gzip of an envelope | CloudWatch Logs to Kinesis |
//! | several gzip members, gzip within gzip | Firehose to S3 |
//! | plain envelopes, also back to back | Firehose with decompression |
//! | KPL aggregation ([`kpl`]) | records re-published with the Kinesis Producer Library |
//!
//! # What goes wrong, and what then
//!
//! [`Decoder::decode`] always returns: what could be read is in [`Decoded::events`], what could not is in
//! [`Decoded::errors`]. A truncated gzip stream gives the events before the cut *and* an error. Nothing panics, and
//! memory stays within [`Limits`].
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `kpl` | yes | [`kpl`], de-aggregation of Kinesis Producer Library containers |
//! | `arrow` | no | `flow_log::Columns`, flow logs as Arrow record batches |
//! | `libdeflate` | no | inflates whole buffers with libdeflate (C): about twice as fast as pure Rust |
//!
//! [subscription filters, AWS]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html

mod cloudwatch;
mod container;
mod decoded;
mod decoder;
mod error;
mod event;
mod extracted;
pub mod flow_log;
mod json;
#[cfg(feature = "kpl")]
pub mod kpl;
mod limits;
mod lines;
mod number;
mod scan;
mod text;
mod usual;

pub use container::Compression;
pub use decoded::{Decoded, Events};
pub use decoder::{Decoder, Payload, decode};
pub use error::{DecodeError, DecodeErrorKind};
pub use event::Event;
pub use extracted::{ExtractedFields, FieldTable, FieldText, FieldValue, Fields};
pub use flow_log::FlowLog;
pub use limits::Limits;
