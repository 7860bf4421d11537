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
//! | KPL aggregation ([`kpl`]), and any of these in it | records re-published with the Kinesis Producer Library |
//! | zlib, Zstandard | other producers |
//! | base64 of any of these | JSON transport |
//! | Lambda events: `awslogs.data`, `Records[].kinesis.data`, `records[].data` | Lambda functions, Firehose's transformation |
//! | flow log lines, with or without a header | Firehose with message extraction, objects in S3 |
//!
//! They are recognised in this order: a KPL container by its digest; compression by its first bytes, layer by layer;
//! base64 by what it holds; then text by its first character and, for lines, by the first of them.
//! [`Decoder::compression`] and [`Decoder::payload`] fix what is known. [`how_to`] has a recipe for each.
//!
//! # What goes wrong, and what then
//!
//! [`Decoder::decode`] always returns: what could be read is in [`Decoded::events`], what could not is in
//! [`Decoded::errors`]. A truncated gzip stream gives the events before the cut *and* an error. Nothing panics, and
//! memory stays within [`Limits`].
//!
//! # What it costs
//!
//! Nanoseconds an event, also as a multiple of inflating the same bytes with libdeflate in one go, and, of others, as a
//! multiple of *typed*. Medians of 60 rounds on two shared cores of an AMD EPYC with AVX-512. The feature `libdeflate` is
//! on; one row has zlib-rs, which is what inflates without it. The lines are of the default format, 222 bytes of JSON each.
//!
//! | 500 events a record | ns | / inflate | / typed |
//! |---|---|---|---|
//! | inflating alone | 116 | 1.00 | |
//! | every event's message found | 135 | 1.16 | |
//! | *typed*: every field of every line, by [`FlowLog::values_into`] | 179 | 1.54 | 1.0 |
//! | the same, inflated by zlib-rs | 221 | 1.91 | |
//! | the same, by the 14 getters | 199 | 1.72 | |
//! | every line as JSON, by [`FlowLog::write_json`] | 201 | 1.73 | |
//! | the same, its format inferred, by [`Formats::write_json`](flow_log::Formats::write_json) | 215 | 1.86 | |
//! | every line into Arrow record batches, dropped when full | 200 | 1.72 | |
//! | Rust as it is usually written: flate2, serde_json into structs, `split(' ')`, `parse` | 749 | | 4.2 |
//! | Python, gzip and json of the standard library; no line is read | 906 | | 5.1 |
//! | Python, isal, orjson, `split(' ')`, `int()` | 2672 | | 14.9 |
//! | the vrl crate, in a loop over the events | 2186 | | 12.2 |
//! | the vrl crate, a program for each event, as Vector has it | 8160 | | 45.7 |
//!
//! | / inflate | 1 | 50 | 500 | 5,000 events a record |
//! |---|---|---|---|---|
//! | typed | 1.08 | 1.34 | 1.54 | 1.59 |
//! | typed, with `extractedFields` beside the lines | 1.09 | 1.37 | 1.50 | 1.54 |
//! | typed, version 5's 29 fields | | | 1.80 | |
//!
//! On two threads *typed* scales 1.05 times as well as inflating does (0.94 to 1.08 in four of five rounds).
//! `cargo bench -p kinesis-logs-peers --bench decoding` in the repository prints all of this where you are.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `kpl` | yes | [`kpl`], de-aggregation of Kinesis Producer Library containers |
//! | `json` | no | `Event::json`, messages as parsed JSON |
//! | `serde` | no | `serde::Serialize` for events, flow logs, extracted fields and errors; `Deserialize` for [`OwnedEvent`] |
//! | `zstd` | no | Zstandard, in pure Rust |
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
pub mod how_to;
mod json;
#[cfg(feature = "kpl")]
pub mod kpl;
mod limits;
mod lines;
pub mod log_type;
#[cfg(feature = "json")]
mod message_json;
mod number;
mod opener;
mod owned;
mod scan;
#[cfg(feature = "serde")]
mod serialize;
mod text;
mod usual;

pub use container::Compression;
pub use container::gzip::Backend;
pub use decoded::{Decoded, Events};
pub use decoder::{Decoder, Payload, decode};
pub use error::{DecodeError, DecodeErrorKind};
pub use event::Event;
pub use extracted::{ExtractedFields, FieldTable, FieldText, FieldValue, Fields};
pub use flow_log::FlowLog;
pub use limits::Limits;
pub use log_type::{LogType, LogTypes};
pub use owned::{OwnedEvent, OwnedFieldValue};
