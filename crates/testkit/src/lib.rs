//! Kinesis servers for tests and demos.
//!
//! | server | good for |
//! |---|---|
//! | [`Emulator`] | the real wire and storage of a Kinesis emulator, embedded |
//! | [`FakeKinesis`] | what the emulator does not show: lag, child shards, odd pages, large records, faults on demand, held time |
//! | [`serve`] | any [`KinesisApi`](kinesis_logs_source::KinesisApi), such as the fake, over HTTP |
//!
//! All listen on loopback, on ports that the system chooses.

#![forbid(unsafe_code)]

mod emulator;
mod fake;
mod http;

pub use emulator::Emulator;
pub use fake::{FakeKinesis, FanOut, Operation, World};
pub use http::{Server, serve};
