//! Servers for tests and demos, of Kinesis and of what it is read with.
//!
//! | server | good for |
//! |---|---|
//! | [`Emulator`] | the real wire and storage of a Kinesis emulator, embedded |
//! | [`FakeKinesis`] | what the emulator does not show: lag, child shards, odd pages, large records, faults on demand, held time |
//! | `DynamoDbEmulator` (feature `dynamodb`) | the wire and conditions of a DynamoDB emulator, embedded |
//! | [`serve`] | any [`KinesisApi`](kinesis_logs_source::KinesisApi), such as the fake, over HTTP |
//!
//! All listen on loopback, on ports that the system chooses.

#![forbid(unsafe_code)]

#[cfg(feature = "dynamodb")]
mod dynamodb;
mod emulator;
mod fake;
mod http;

#[cfg(feature = "dynamodb")]
pub use dynamodb::DynamoDbEmulator;
pub use emulator::Emulator;
pub use fake::{FakeKinesis, FanOut, Operation, World};
pub use http::{Collector, Server, answer_all, serve};
