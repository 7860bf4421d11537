//! Embedding the crate: five programs, from the simplest to a fleet, and what each promises.
//!
//! | you want | use | after a crash |
//! |---|---|---|
//! | records, now | [`Reader`](crate::Reader) | begins where you tell it to |
//! | ... behind records that you know, by their sequence numbers | [`ReaderBuilder::start_shard`](crate::ReaderBuilder::start_shard) | the same |
//! | records, and to go on where you were | [`ConsumerBuilder::auto_checkpoint`](crate::ConsumerBuilder::auto_checkpoint) | repeats what was not checkpointed |
//! | to go on where you were, and be sure | [`Consumer`](crate::Consumer) with a [`FileLeaseStore`](crate::FileLeaseStore) | repeats what was not checkpointed, at most the last seconds |
//! | several processes on one stream | the same with a [`DynamoDbLeaseStore`](crate::aws::DynamoDbLeaseStore) | others go on, after the failover time at the latest |
//! | all that arrived in an hour | either, with start and [`Stop`](crate::Stop) | goes on in the hour |
//! | checkpoints beside your data | a [`LeaseStore`](crate::LeaseStore) of your own | what your store says |
//!
//! # 1. Simple: a stream of records
//!
//! ```no_run
//! use futures::StreamExt;
//! use kinesis_logs_source::aws::{AwsOptions, KinesisClient};
//! use kinesis_logs_source::{Reader, StartPosition};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = KinesisClient::connect(AwsOptions::default()).await?;
//!     let mut records = Reader::builder(client, "vpc-flow-logs").start(StartPosition::Latest).records();
//!     while let Some(record) = records.next().await {
//!         let record = record?;
//!         println!("{} {}: {} bytes", record.shard_id, record.sequence_number, record.data.len());
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # 2. Acknowledged: what is done is remembered, and nothing else
//!
//! A batch comes with an [`Acker`](crate::Acker). Settle it when its records are where they should be, durably: not when
//! they are in a buffer. Batches may be settled in any order and from any task; a checkpoint stays before the first that
//! is not. Dropping an acker abandons its batch, which then comes again with all that lies behind it.
//!
//! ```no_run
//! use futures::StreamExt;
//! use kinesis_logs_source::aws::{AwsOptions, KinesisClient};
//! use kinesis_logs_source::{Batch, Consumer, FileLeaseStore, StartPosition};
//!
//! async fn store(batch: &Batch) -> std::io::Result<()> {
//!     Ok(()) // a transaction, an fsync, an answer with status 200
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = KinesisClient::connect(AwsOptions::default()).await?;
//!     let checkpoints = FileLeaseStore::new("/var/lib/my-program/vpc-flow-logs.json", "vpc-flow-logs");
//!     let mut deliveries = Consumer::builder(client, checkpoints, "vpc-flow-logs")
//!         .start(StartPosition::TrimHorizon) // the first time
//!         .batches();
//!     while let Some(delivery) = deliveries.next().await {
//!         let (batch, acker) = delivery?.split();
//!         match store(&batch).await {
//!             Ok(()) => acker.settle(),
//!             // It comes again. What fails for the fifth time is put aside, so that the shard goes on.
//!             Err(error) if acker.abandoned() < 5 => drop(acker),
//!             Err(error) => {
//!                 eprintln!("{} is put aside: {error}", acker.range().to);
//!                 acker.settle();
//!             }
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # 3. A fleet: several processes share a stream
//!
//! The same program, started as often as you like, on as many machines: the lease table says who reads what. Workers
//! that join get their share of the shards; those that leave in an orderly way give theirs back, and others take them
//! within half the failover time; those that die lose them after the failover time. The table is that of the Kinesis
//! Client Library: workers of its version 2 may share it, and the checkpoints of versions 2 and 3 can be taken over by
//! stopping them first. Where a living leader of version 3 assigns the leases to its own kind, none is taken, and
//! [`ConsumerEvent::LeaderRules`](crate::protocol::ConsumerEvent) says so.
//!
//! A worker tells what happens to it as [events](crate::Deliveries::events), how it stands as a
//! [snapshot](crate::Deliveries::snapshot_handle), both to the log (`tracing`), and, with the feature `metrics`, to the
//! program's recorder.
//!
//! ```no_run
//! use futures::StreamExt;
//! use kinesis_logs_source::aws::{AwsOptions, DynamoDbLeaseStore, KinesisClient};
//! use kinesis_logs_source::Consumer;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = KinesisClient::connect(AwsOptions::default()).await?;
//!     let leases = DynamoDbLeaseStore::connect(AwsOptions::default(), "my-application").await?;
//!     let mut deliveries = Consumer::builder(client, leases, "vpc-flow-logs").batches();
//!
//!     let shutdown = deliveries.shutdown_handle();
//!     tokio::spawn(async move {
//!         // In a service, when it is asked to end.
//!         tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
//!         shutdown.shut_down();
//!     });
//!     while let Some(delivery) = deliveries.next().await {
//!         let (batch, acker) = delivery?.split();
//!         println!("{}: {} records", batch.shard_id, batch.records.len());
//!         acker.settle();
//!     }
//!     Ok(()) // all is settled, checkpointed and given back
//! }
//! ```
//!
//! What it costs in DynamoDB, with the default failover time of 10 s: every lease is written once in 3.3 s, checkpoint or
//! renewal, which are 18 writes a shard and minute (each one write unit, as rows are below 1 KiB). Every worker scans the
//! table once in 5 s, consistently: 12 times a minute one read unit for every 4 KiB, or some eight shards. With a failover
//! time of 30 s it is a third of both. With each scan goes one read for KCL 3's leader.
//!
//! Several streams are several consumers, whose streams of batches [`select_all`](futures::stream::select_all()) joins. They can share a
//! table, as in KCL's multi-stream mode: each has its store with the stream's
//! [identifier](crate::protocol::StreamSummary::identifier), which begins its leases' keys:
//!
//! ```no_run
//! # use kinesis_logs_source::aws::{AwsOptions, DynamoDbLeaseStore, KinesisClient};
//! # use kinesis_logs_source::{Consumer, Deliveries, KinesisApi};
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let client = KinesisClient::connect(AwsOptions::default()).await?;
//! let mut streams: Vec<Deliveries> = Vec::new();
//! for stream in ["vpc-flow-logs", "cloudtrail"] {
//!     let summary = client.describe_stream(&stream.into()).await?;
//!     let leases = DynamoDbLeaseStore::connect(AwsOptions::default(), "my-application").await?;
//!     let leases = leases.multi_stream(summary.identifier().ok_or("the answer did not say enough")?);
//!     streams.push(Consumer::builder(client.clone(), leases, stream).batches());
//! }
//! let deliveries = futures::stream::select_all(streams);
//! # Ok(())
//! # }
//! ```
//!
//! # 4. Bounded replay: an hour, whatever happens
//!
//! With checkpoints a run that is bounded goes on where it was broken off, and a shard ends before its first record that
//! arrived at the end or later, so that two adjoining runs neither overlap nor leave a gap.
//!
//! ```no_run
//! use futures::StreamExt;
//! use kinesis_logs_source::aws::{AwsOptions, KinesisClient};
//! use kinesis_logs_source::{Consumer, FileLeaseStore, StartPosition, Stop};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = KinesisClient::connect(AwsOptions::default()).await?;
//!     let checkpoints = FileLeaseStore::new("replay-08.json", "vpc-flow-logs");
//!     let mut deliveries = Consumer::builder(client, checkpoints, "vpc-flow-logs")
//!         .start(StartPosition::AtTimestamp("2026-11-24T08:00:00Z".parse()?))
//!         .stop(Stop::At("2026-11-24T09:00:00Z".parse()?))
//!         .batches();
//!     let mut bytes = 0;
//!     while let Some(delivery) = deliveries.next().await {
//!         let (batch, acker) = delivery?.split();
//!         bytes += batch.bytes();
//!         acker.settle();
//!     }
//!     println!("{bytes} bytes");
//!     Ok(())
//! }
//! ```
//!
//! # 5. A store of your own
//!
//! A store does conditional writes of rows, and decides nothing. [`LeaseWrite::apply_to`](crate::protocol::LeaseWrite::apply_to)
//! is what a write means; what holds its rows itself needs nothing else. `conformance::lease_store` tests it.
//!
//! ```no_run
//! use std::collections::BTreeMap;
//! use std::sync::Mutex;
//!
//! use async_trait::async_trait;
//! use kinesis_logs_source::aws::{AwsOptions, KinesisClient};
//! use kinesis_logs_source::protocol::{Lease, LeaseWrite, WriteOutcome};
//! use kinesis_logs_source::{Consumer, LeaseStore, LeaseStoreError, ShardId};
//!
//! /// Rows in memory, of which something else takes a snapshot.
//! #[derive(Default)]
//! struct Rows(Mutex<BTreeMap<ShardId, Lease>>);
//!
//! #[async_trait]
//! impl LeaseStore for Rows {
//!     async fn prepare(&self) -> Result<(), LeaseStoreError> {
//!         Ok(())
//!     }
//!
//!     async fn list(&self) -> Result<Vec<Lease>, LeaseStoreError> {
//!         Ok(self.0.lock().unwrap().values().cloned().collect())
//!     }
//!
//!     async fn write(&self, writes: Vec<LeaseWrite>) -> Vec<Result<WriteOutcome, LeaseStoreError>> {
//!         let mut rows = self.0.lock().unwrap();
//!         writes.iter().map(|write| Ok(write.apply_to(&mut rows))).collect()
//!     }
//!
//!     fn is_exclusive(&self) -> bool {
//!         true // nobody else writes to it
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = KinesisClient::connect(AwsOptions::default()).await?;
//!     let deliveries = Consumer::builder(client, Rows::default(), "vpc-flow-logs").batches();
//!     drop(deliveries);
//!     Ok(())
//! }
//! ```
