//! How to decode what, one recipe for each form of input.
//!
//! | you have | recipe |
//! |---|---|
//! | the bytes of one record | [one record](#one-record) |
//! | many records | [many records](#many-records) |
//! | records that go to other threads | [results that travel](#results-that-travel) |
//! | a record that somebody aggregated with KPL | [KPL containers](#kpl-containers) |
//! | a Lambda function's event | [Lambda events](#lambda-events) |
//! | an object that Firehose wrote | [Firehose](#firehose) |
//! | flow logs of a format of your own | [flow logs](#flow-logs) |
//! | an object of flow logs in S3 | [files with a header](#files-with-a-header) |
//! | a filter pattern that names fields | [extracted fields](#extracted-fields) |
//! | CloudTrail, WAF and other logs | [other logs](#other-logs) |
//! | records that may be broken, or hostile | [what goes wrong](#what-goes-wrong) |
//!
//! # One record
//!
//! ```
//! # let data = br#"{"messageType":"DATA_MESSAGE","logGroup":"app","logEvents":[{"message":"hello"}]}"#;
//! let decoded = kinesis_logs_decoder::decode(data);
//! for event in decoded.events() {
//!     println!("{:?}: {}", event.log_group(), event.message());
//! }
//! ```
//!
//! `data` is a Kinesis record's data as the SDK gives it. The base64 text of it, as it stands in JSON, is recognised too.
//!
//! # Many records
//!
//! Keep a [`Decoder`](crate::Decoder): it keeps its buffers, and once they are as large as the largest record it allocates
//! nothing more.
//!
//! ```
//! use kinesis_logs_decoder::Decoder;
//!
//! # let records = [br#"{"messageType":"DATA_MESSAGE","logEvents":[{"message":"a"},{"message":"b"}]}"#; 2];
//! let mut decoder = Decoder::new();
//! let mut events = 0;
//! for data in records {
//!     events += decoder.decode(data).events().len();
//! }
//! assert_eq!(events, 4);
//! ```
//!
//! # Results that travel
//!
//! [`Decoder::decode_into`](crate::Decoder::decode_into) fills a [`Decoded`](crate::Decoded) of yours, which owns what it
//! holds; give it back to be filled again. A single event is taken out with
//! [`Event::into_owned`](crate::Event::into_owned).
//!
//! # KPL containers
//!
//! [`Decoder::decode`](crate::Decoder::decode) opens them, and [`Event::sub_sequence_number`](crate::Event::sub_sequence_number)
//! tells which user record an event came in. Who opens containers before, with [`kpl`](crate::kpl) or by the source, calls
//! [`Decoder::decode_user_record`](crate::Decoder::decode_user_record), so that nothing is opened twice.
//!
//! # Lambda events
//!
//! The JSON that a function is given, or that one tests it with, is decoded as it is: `awslogs.data` of a subscription to
//! the function itself, `Records[].kinesis.data` of an event source mapping (whose containers Lambda does not open), and
//! `records[].data` of Firehose's transformation.
//!
//! ```
//! let event = br#"{"awslogs":{"data":"eyJtZXNzYWdlVHlwZSI6IkRBVEFfTUVTU0FHRSIsImxvZ0V2ZW50cyI6W3sibWVzc2FnZSI6ImhpIn1dfQ=="}}"#;
//! assert_eq!(kinesis_logs_decoder::decode(event).events().next().unwrap().message(), "hi");
//! ```
//!
//! # Firehose
//!
//! Objects of gzip members, also compressed once more, and of envelopes one after another are recognised. Where Firehose
//! extracts messages, envelopes are lost: flow log lines are recognised all the same, other text takes
//! [`Payload::Lines`](crate::Payload::Lines).
//!
//! ```
//! use kinesis_logs_decoder::{Decoder, Payload};
//!
//! let mut decoder = Decoder::new().payload(Payload::Lines);
//! let decoded = decoder.decode(br#"{"order":17}{"order":18}"#);
//! let messages: Vec<_> = decoded.events().map(|event| event.message()).collect();
//! assert_eq!(messages, [r#"{"order":17}"#, r#"{"order":18}"#]);
//! ```
//!
//! # Flow logs
//!
//! Give the format as the flow log has it; it is split once, and values are typed when you ask.
//!
//! ```
//! use kinesis_logs_decoder::flow_log::{FlowLog, Format};
//!
//! # let data = br#"{"messageType":"DATA_MESSAGE","logEvents":[{"message":"3 vpc-1 10.0.0.1 -"}]}"#;
//! let format: Format = "${version} ${vpc-id} ${srcaddr} ${dstport}".parse()?;
//! let decoded = kinesis_logs_decoder::decode(data);
//! let mut flow = FlowLog::new(&format);
//! for event in decoded.events() {
//!     flow.read(&event)?;
//!     assert_eq!(flow.dstport(), None);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Formats`](crate::flow_log::Formats) chooses by log group and log stream. Without a format,
//! [`Event::flow_log`](crate::Event::flow_log) guesses among those that AWS documents.
//!
//! # Files with a header
//!
//! The text objects that flow logs write to S3 begin with a line of names, which is taken as the format of the lines that
//! follow.
//!
//! ```
//! let decoded = kinesis_logs_decoder::decode(b"version account-id action\n2 123456789010 ACCEPT\n");
//! let flow = decoded.events().next().unwrap().flow_log().unwrap();
//! assert_eq!(flow.action(), Some("ACCEPT"));
//! ```
//!
//! # Extracted fields
//!
//! [`Event::extracted_fields`](crate::Event::extracted_fields) yields names and values; for many events keep a
//! [`FieldTable`](crate::FieldTable).
//!
//! # Other logs
//!
//! [`Event::log_type`](crate::Event::log_type) tells which service wrote a message, [`LogTypes`](crate::LogTypes) takes
//! rules of yours. The feature `json` parses messages that are JSON, and
//! [`PlatformLine`](crate::log_type::lambda::PlatformLine) those lines that Lambda writes about a function.
//!
//! # What goes wrong
//!
//! Nothing fails as a whole: look at [`Decoded::errors`](crate::Decoded::errors) beside the events.
//! [`DecodeError`](crate::DecodeError) tells kind and place, [`Limits`](crate::Limits) what a record may cost.
//!
//! ```
//! use kinesis_logs_decoder::{DecodeErrorKind, Decoder, Limits};
//!
//! let mut decoder = Decoder::with_limits(Limits::default().decompressed_bytes(1 << 20).events(1_000));
//! let decoded = decoder.decode(br#"{"messageType":"DATA_MESSAGE","logEvents":[{"message":"kept"},{"mess"#);
//! assert_eq!(decoded.events().len(), 1);
//! assert!(matches!(decoded.errors()[0].kind(), DecodeErrorKind::Json { .. }));
//! ```
