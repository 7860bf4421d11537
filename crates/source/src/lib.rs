//! Reads Amazon Kinesis data streams: every shard at once, through resharding, as a [`Stream`](futures::Stream) of
//! records.
//!
//! ```no_run
//! use futures::StreamExt;
//! use kinesis_logs_source::aws::{AwsOptions, KinesisClient};
//! use kinesis_logs_source::{Reader, StartPosition, Stop};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = KinesisClient::connect(AwsOptions::default()).await?;
//! let mut records = Reader::builder(client, "vpc-flow-logs")
//!     .start(StartPosition::TrimHorizon)
//!     .stop(Stop::AtTip)
//!     .records();
//! while let Some(record) = records.next().await {
//!     let record = record?;
//!     println!("{} {} {} bytes", record.shard_id, record.sequence_number, record.data.len());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! - Within a shard records come in order; a shard's children follow when it, and for a merge its other parent, has been
//!   read to its end. Between other shards there is no order.
//! - No record of the requested range is skipped: expired iterators are renewed behind the last record handed on, empty
//!   pages are not taken for the end, and shards that appear while reading are read from their beginning.
//! - A [`Reader`] repeats nothing within one run, and remembers nothing between runs.
//! - A [`Consumer`] checkpoints what is acknowledged, and nothing else: whatever was not when it died is read again, by it
//!   or by another worker that shares the stream. What comes twice was delivered and not checkpointed before a crash, the
//!   loss of a lease, or an abandonment. Why that is so stands at the top of `protocol/scheduler.rs`, and is checked in
//!   thousands of random histories (`tests/simulation`).
//! - A shard is asked at most five times and for at most 2 MiB a second, as AWS allows; see [`Pacing`]. By enhanced fan-out
//!   ([`ReaderBuilder::fan_out`]) its records are pushed instead, as fast as AWS sends and the caller takes them.
//! - Memory is bounded: see [`ReaderBuilder::max_buffered_bytes`].
//! - Records that the Kinesis Producer Library aggregated are handed on one by one, each with its
//!   [`sub_sequence_number`](Record::sub_sequence_number).
//!
//! # How it is made
//!
//! [`protocol`] decides what to ask next and when, without I/O; [`Reader`] drives it over a [`KinesisApi`], [`Consumer`]
//! also over a [`LeaseStore`]; [`aws::KinesisClient`] is the first trait over the official SDK, and puts records as well. The module `guide` has five
//! whole programs, [`correctness`] what can go wrong and the tests of it.
//!
//! # What it costs
//!
//! CPU time, user and system, for 4,000 records of 500 flow log events (63 MB) on 16 shards, without starting and without
//! decoding, on a machine of two cores with other work on it; medians of five interleaved rounds of
//! `cargo bench --workspace --bench source_overhead` at the repository's root:
//!
//! | reader | beside inflating the same records | beside kcl-rs 0.1.4 |
//! |---|---|---|
//! | [`Reader`] | 0.28 to 0.32 | 0.27 to 0.29 |
//! | [`Consumer`], leases in DynamoDB | 0.26 to 0.39 | 0.23 to 0.34 |
//! | kcl-rs 0.1.4, polling | 1.0 to 1.2 | 1 |
//!
//! Rounds differ by more than the first two do. Half of what is left is the kernel's, for bringing the answers.
//!
//! Shards on which nothing happens cost, one process with the leases of all of them, each asked once a second (`cargo run
//! -p kinesis-logs-source --example idle_cost`, Linux, in the profile `dev`, which builds this crate optimised):
//!
//! | | shards | memory | a shard | CPU of one core |
//! |---|---|---|---|---|
//! | protocol and driver | 1,000 | 11.6 MiB | 3.8 KiB | 1.3 % |
//! | with the SDK, over a socket | 1,000 | 18.4 MiB | 4.1 KiB | 21 % |
//!
//! A consumer is one task, whatever the number of shards; what waits is in queues, and nothing has a timer of its own.
//!
//! From being put to being delivered a record takes, over an emulator in the same process (`cargo run -p kinesis-logs-source
//! --all-features --example fan_out_latency`, medians of 40): 812 ms by polling, which asks an idle shard once a second, and 100 ms by
//! enhanced fan-out, for which the emulator itself looks every 200 ms. Of that the reader takes 0.1 ms: so long it is over a stream
//! that pushes at once.
//!
//! # Stores of leases
//!
//! A [`LeaseStore`] keeps a row for each shard: who reads it, and how far it has come ([`protocol::Lease`]).
//!
//! | store | for | lasts |
//! |---|---|---|
//! | [`MemoryLeaseStore`] | tests; acknowledgements without remembering | as long as the process |
//! | [`FileLeaseStore`] | one process on one machine: a JSON file, locked while it is open | as the file |
//! | `aws::DynamoDbLeaseStore` | any number of processes, beside or after KCL's: its DynamoDB table | as the table |
//!
//! What a store must do is [`protocol::LeaseWrite::apply_to`], atomically and durably; the feature `conformance` has the
//! tests for one of your own.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `driver` | yes | [`Reader`], [`Consumer`], [`KinesisApi`], [`LeaseStore`], and the stores in memory and in a file (tokio, serde) |
//! | `aws` | yes | [`aws`], the official SDK |
//! | `rustls` | yes | TLS; without it only plain HTTP, for emulators |
//! | `dynamodb` | no | `aws::DynamoDbLeaseStore`; its SDK takes as long to build as that of Kinesis |
//! | `metrics` | no | counters and gauges for the program's recorder of the crate `metrics` |
//! | `conformance` | no | the module `conformance`, tests for implementers of [`LeaseStore`] and [`KinesisApi`] |
//!
//! Without any, the crate is [`protocol`] alone.

#![forbid(unsafe_code)]

#[cfg(feature = "driver")]
mod api;
#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "driver")]
mod calls;
#[cfg(feature = "driver")]
mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "driver")]
mod consumer;
pub mod correctness;
mod error;
#[cfg(feature = "driver")]
mod file;
#[cfg(feature = "dynamodb")]
pub mod guide;
#[cfg(feature = "driver")]
mod lease_store;
#[cfg(feature = "driver")]
mod memory;
pub mod protocol;
#[cfg(feature = "driver")]
mod reader;
mod record;
#[cfg(feature = "driver")]
mod stats;
#[cfg(feature = "driver")]
mod subscriptions;
#[cfg(feature = "driver")]
mod telemetry;

#[cfg(feature = "driver")]
pub use api::{KinesisApi, Subscription, SubscriptionEvents, list_all_shards};
#[cfg(feature = "driver")]
pub use consumer::{
    Acker, AutoCheckpointed, Consumer, ConsumerBuilder, Deliveries, Delivery, ShutdownHandle, SnapshotHandle,
};
pub use error::{ApiError, ApiErrorKind, Error, LeaseStoreError, LeaseStoreErrorKind};
#[cfg(feature = "driver")]
pub use file::FileLeaseStore;
#[cfg(feature = "driver")]
pub use lease_store::LeaseStore;
#[cfg(feature = "driver")]
pub use memory::MemoryLeaseStore;
pub use protocol::{
    FanOut, Pacing, RetryPolicy, SequenceNumber, ShardId, StartPosition, Stop, StreamId, UnusableCheckpoint,
};
#[cfg(feature = "driver")]
pub use reader::{Batches, Reader, ReaderBuilder, Records};
pub use record::{Batch, Record};
#[cfg(feature = "driver")]
pub use stats::{Stats, StatsHandle};
#[cfg(feature = "driver")]
pub use telemetry::ConsumerEvents;
