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
//! - Nothing is repeated within one run. (Nothing is remembered between runs either: checkpoints are yet to come.)
//! - A shard is asked at most five times and for at most 2 MiB a second, as AWS allows; see [`Pacing`]. By enhanced fan-out
//!   ([`ReaderBuilder::fan_out`]) its records are pushed instead, as fast as AWS sends and the caller takes them.
//! - Memory is bounded: see [`ReaderBuilder::max_buffered_bytes`].
//! - Records that the Kinesis Producer Library aggregated are handed on one by one, each with its
//!   [`sub_sequence_number`](Record::sub_sequence_number).
//!
//! # How it is made
//!
//! [`protocol`] decides what to ask next and when, without I/O; [`Reader`] drives it over a [`KinesisApi`];
//! [`aws::KinesisClient`] is that trait over the official SDK.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `driver` | yes | [`Reader`] and [`KinesisApi`] (tokio) |
//! | `aws` | yes | [`aws`], the official SDK |
//! | `conformance` | no | [`conformance`], tests for implementers of [`LeaseStore`] |
//! | `rustls` | yes | TLS; without it only plain HTTP, for emulators |
//!
//! Without any, the crate is [`protocol`] alone.

#![forbid(unsafe_code)]

#[cfg(feature = "driver")]
mod api;
#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "driver")]
mod consumer;
mod error;
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
pub use api::{KinesisApi, Subscription, SubscriptionEvents, list_all_shards};
#[cfg(feature = "driver")]
pub use consumer::{Acker, Consumer, ConsumerBuilder, Deliveries, Delivery, ShutdownHandle};
pub use error::{ApiError, ApiErrorKind, Error, LeaseStoreError, LeaseStoreErrorKind};
#[cfg(feature = "driver")]
pub use lease_store::LeaseStore;
#[cfg(feature = "driver")]
pub use memory::MemoryLeaseStore;
pub use protocol::{FanOut, Pacing, RetryPolicy, SequenceNumber, ShardId, StartPosition, Stop, StreamId};
#[cfg(feature = "driver")]
pub use reader::{Batches, Reader, ReaderBuilder, Records};
pub use record::{Batch, Record};
#[cfg(feature = "driver")]
pub use stats::{Stats, StatsHandle};
