//! Drives the [`Scheduler`] over a [`KinesisApi`] and a [`LeaseStore`], as a stream of batches to be acknowledged.
//!
//! One task a consumer, whatever the number of shards and of workers that share the stream.

mod auto_checkpoint;
mod delivery;
mod driver;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{FutureExt, Stream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::api::KinesisApi;
use crate::error::Error;
use crate::lease_store::LeaseStore;
use crate::protocol::{
    ConsumerSnapshot, FanOut, LeaseConfig, Pacing, RetryPolicy, SchedulerConfig, StartPosition, Stop, StreamId,
    UnusableCheckpoint,
};
use crate::stats::StatsHandle;
use crate::telemetry::{ConsumerEvents, Telemetry};
pub use auto_checkpoint::AutoCheckpointed;
pub use delivery::{Acker, Delivery};
use driver::Driver;

/// Entry point: see [`Consumer::builder`].
#[derive(Debug)]
pub struct Consumer;

impl Consumer {
    /// Prepares to read `stream`, given by name or ARN, through `api`, keeping leases and checkpoints in `store`.
    ///
    /// ```
    /// # use kinesis_logs_source::KinesisApi;
    /// use futures::StreamExt;
    /// use kinesis_logs_source::{Consumer, MemoryLeaseStore, StartPosition};
    ///
    /// # async fn work(records: &[kinesis_logs_source::Record]) -> bool { true }
    /// # async fn run(api: impl KinesisApi) -> Result<(), kinesis_logs_source::Error> {
    /// let mut deliveries = Consumer::builder(api, MemoryLeaseStore::new(), "vpc-flow-logs")
    ///     .start(StartPosition::TrimHorizon)
    ///     .batches();
    /// while let Some(delivery) = deliveries.next().await {
    ///     let (batch, acker) = delivery?.split();
    ///     if work(&batch.records).await {
    ///         acker.settle(); // from now on it may be checkpointed
    ///     } // else dropped: it will be delivered again
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder<A: KinesisApi, S: LeaseStore>(
        api: A,
        store: S,
        stream: impl Into<StreamId>,
    ) -> ConsumerBuilder<A, S> {
        ConsumerBuilder {
            api,
            store,
            stream: stream.into(),
            config: SchedulerConfig::new(LeaseConfig::new(random_worker_id())),
            max_in_flight: 8,
            drain_timeout: Duration::from_secs(30),
            seed: fastrand::u64(..),
        }
    }
}

/// A name that no other worker has.
fn random_worker_id() -> String {
    format!("kinesis-logs-reader-{:016x}", fastrand::u64(..))
}

/// What to read and how; ends in [`batches`](Self::batches).
#[derive(Debug)]
#[must_use = "nothing is read before `batches`"]
pub struct ConsumerBuilder<A, S> {
    api: A,
    store: S,
    stream: StreamId,
    config: SchedulerConfig,
    max_in_flight: usize,
    drain_timeout: Duration,
    seed: u64,
}

impl<A: KinesisApi, S: LeaseStore> ConsumerBuilder<A, S> {
    /// Where to begin if the store holds no leases. Default: [`StartPosition::Latest`], as of when the first worker of
    /// all first saw the stream.
    pub fn start(mut self, start: StartPosition) -> Self {
        self.config.start = start;
        self
    }

    /// Where to end. Each shard ends before its first record that arrived at the end or later, and the next run goes on
    /// there. Default: [`Stop::Never`].
    pub fn stop(mut self, stop: Stop) -> Self {
        self.config.stop = stop;
        self
    }

    /// Ends when this many records are settled, if not before; exactly, and the next run goes on behind them. Those of a batch
    /// that is abandoned come again, and are counted then.
    pub fn count(mut self, records: u64) -> Self {
        self.config.count = Some(records);
        self
    }

    /// What to do about checkpoints of an earlier stream of this name, and such as Kinesis refuses. Default:
    /// [`UnusableCheckpoint::Fail`].
    pub fn unusable_checkpoint(mut self, policy: UnusableCheckpoint) -> Self {
        self.config.unusable_checkpoint = policy;
        self
    }

    /// This worker's name, unlike any other's that shares the stream. Default: a random one.
    pub fn worker_id(mut self, id: impl Into<String>) -> Self {
        self.config.leases.worker_id = id.into();
        self
    }

    /// How long a worker may be silent before others take its shards; the same for all workers. Default: 10 s.
    pub fn failover_time(mut self, time: Duration) -> Self {
        self.config.leases.failover_time = time;
        self
    }

    /// How often checkpoints are written at most. Default: 1 s; in a shared table not more often than leases are renewed,
    /// which takes a third of the failover time.
    pub fn checkpoint_interval(mut self, interval: Duration) -> Self {
        self.config.leases.checkpoint_interval = interval;
        self
    }

    /// The most shards that this worker reads. Default: no bound.
    pub fn max_leases(mut self, leases: usize) -> Self {
        self.config.leases.max_leases = leases;
        self
    }

    /// How fast to read each shard. Default: AWS's limits.
    pub fn pacing(mut self, pacing: Pacing) -> Self {
        self.config.pacing = pacing;
        self
    }

    /// Reads by enhanced fan-out, as the consumer of this name, instead of by polling. Workers that share the stream share
    /// the name; a shard's subscription follows its lease. [`FanOut`] says what it takes.
    pub fn fan_out(mut self, consumer: impl Into<FanOut>) -> Self {
        self.config.fan_out = Some(consumer.into());
        self
    }

    /// What to do about failures.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.config.retry = retry;
        self
    }

    /// How many calls to Kinesis may be in flight at once. Default: 8.
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.max_in_flight = calls.max(1);
        self
    }

    /// The most bytes of payload in a batch of more than one record. Default: 1 MiB.
    pub fn max_batch_bytes(mut self, bytes: usize) -> Self {
        self.config.max_batch_bytes = bytes.max(1);
        self
    }

    /// How many bytes may be delivered and not settled, in all and of one shard, before reading waits. Default: 64 and
    /// 8 MiB. Answers to calls that are in flight then (10 MiB each at most) come on top.
    pub fn max_unsettled_bytes(mut self, in_all: usize, per_shard: usize) -> Self {
        self.config.max_unsettled_bytes = in_all.max(1);
        self.config.max_unsettled_bytes_per_shard = per_shard.max(1);
        self
    }

    /// How long a shutdown waits for what is delivered to be settled; more than thirty years count as that. Default: 30 s.
    pub fn drain_timeout(mut self, time: Duration) -> Self {
        // What lies beyond all times would be no time.
        self.drain_timeout = time.min(Duration::from_secs(86_400 * 365 * 30));
        self
    }

    /// Determines jitter and the choice among leases, for tests that must repeat.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Starts reading, record by record, and checkpoints by itself: a batch counts as processed when a record is asked for
    /// behind its last.
    ///
    /// So whoever asks for more records than it has processed (with `buffered`, `chunks`, or a channel between) loses some
    /// when it dies; [`batches`](Self::batches) is for them. What was delivered of a batch that was not finished comes
    /// again.
    ///
    /// ```
    /// # use kinesis_logs_source::KinesisApi;
    /// use futures::StreamExt;
    /// use kinesis_logs_source::{Consumer, FileLeaseStore};
    ///
    /// # async fn run(api: impl KinesisApi) -> Result<(), kinesis_logs_source::Error> {
    /// let store = FileLeaseStore::new("vpc-flow-logs.json", "vpc-flow-logs");
    /// let mut records = Consumer::builder(api, store, "vpc-flow-logs").auto_checkpoint();
    /// while let Some(record) = records.next().await {
    ///     println!("{} bytes", record?.data.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn auto_checkpoint(self) -> AutoCheckpointed {
        AutoCheckpointed::new(self.batches())
    }

    /// Starts reading.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn batches(self) -> Deliveries {
        // One batch waits with the receiver, the others with the driver, where a lost lease takes them back.
        let (sender, receiver) = mpsc::channel(1);
        let (acks, acks_receiver) = mpsc::unbounded_channel();
        let (shutdown, shutdown_receiver) = watch::channel(false);
        let (snapshots, snapshots_receiver) = mpsc::unbounded_channel();
        let telemetry = Telemetry::new(self.stream.clone());
        let driver = Driver::new(self, acks, telemetry.clone());
        let task = tokio::spawn(driver.run(sender, acks_receiver, shutdown_receiver, snapshots_receiver));
        Deliveries {
            receiver,
            shutdown: ShutdownHandle { signal: Arc::new(shutdown) },
            telemetry,
            snapshots: SnapshotHandle { ask: snapshots },
            task: Some(task),
        }
    }
}

/// Stream of [`Delivery`]s. It ends when all that was asked for is read and settled, or after a
/// [shutdown](Self::shutdown_handle), or behind an error.
///
/// Dropping it is what a crash is to other workers: nothing more is read or written, and they take its leases when the
/// failover time is over.
#[derive(Debug)]
pub struct Deliveries {
    receiver: mpsc::Receiver<Result<Delivery, Error>>,
    shutdown: ShutdownHandle,
    telemetry: Telemetry,
    snapshots: SnapshotHandle,
    /// Until its end was seen.
    task: Option<JoinHandle<()>>,
}

impl Deliveries {
    /// A handle to the consumer's counters.
    pub fn stats(&self) -> StatsHandle {
        self.telemetry.stats.clone()
    }

    /// What happens to this worker's leases, shards and calls from now on. It ends with the consumer. Whoever falls more
    /// than a thousand events behind misses the oldest, which is logged.
    pub fn events(&self) -> ConsumerEvents {
        self.telemetry.events()
    }

    /// A handle to how the consumer stands, shard by shard.
    pub fn snapshot_handle(&self) -> SnapshotHandle {
        self.snapshots.clone()
    }

    /// A handle that ends the stream in an orderly way.
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        self.shutdown.clone()
    }
}

impl Stream for Deliveries {
    type Item = Result<Delivery, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while let Some(delivery) = std::task::ready!(self.receiver.poll_recv(cx)) {
            // One that waited here while its lease was lost is another worker's now.
            if delivery.as_ref().map_or(true, |delivery| delivery.acker().is_current()) {
                return Poll::Ready(Some(delivery));
            }
        }
        let Some(task) = &mut self.task else { return Poll::Ready(None) };
        let ended = std::task::ready!(task.poll_unpin(cx));
        self.task = None;
        match ended {
            // An end without a word would look like success.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            _ => Poll::Ready(None),
        }
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Asks a consumer how it stands, from anywhere.
#[derive(Debug, Clone)]
pub struct SnapshotHandle {
    ask: mpsc::UnboundedSender<oneshot::Sender<ConsumerSnapshot>>,
}

impl SnapshotHandle {
    /// How it stands now; nothing if it has ended.
    pub async fn snapshot(&self) -> Option<ConsumerSnapshot> {
        let (answer, receiver) = oneshot::channel();
        self.ask.send(answer).ok()?;
        receiver.await.ok()
    }
}

/// Ends a consumer in an orderly way, from anywhere.
#[derive(Debug, Clone)]
pub struct ShutdownHandle {
    signal: Arc<watch::Sender<bool>>,
}

impl ShutdownHandle {
    /// Reads no further. What was delivered may still be settled; then checkpoints are written, shards given back so that
    /// others can take them at once, and the stream ends. What is abandoned meanwhile, and what was read behind it, is left
    /// to the next run; what was delivered before it may be settled all the same.
    pub fn shut_down(&self) {
        self.signal.send_replace(true);
    }
}
