//! Drives the [`Scheduler`] over a [`KinesisApi`] and a [`LeaseStore`], as a stream of batches to be acknowledged.
//!
//! One task a consumer, whatever the number of shards and of workers that share the stream.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use futures::{FutureExt, Stream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::api::KinesisApi;
use crate::calls::{Answer, Calls};
use crate::clock::{now, sleep_until};
use crate::error::{Error, LeaseStoreError};
use crate::lease_store::LeaseStore;
use crate::protocol::{
    BatchId, Failures, FanOut, Lease, LeaseConfig, Lent, Outcome, Pacing, PositionRange, RetryPolicy, Scheduler,
    SchedulerConfig, SchedulerRequest, StartPosition, Stop, StreamId, WriteOutcome,
};
use crate::record::Batch;
use crate::stats::StatsHandle;
use crate::subscriptions::Brought;

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

    /// Ends after this many records, if not before; exactly, and the next run goes on behind them.
    pub fn count(mut self, records: u64) -> Self {
        self.config.count = Some(records);
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

    /// How long a shutdown waits for what is delivered to be settled. Default: 30 s.
    pub fn drain_timeout(mut self, time: Duration) -> Self {
        self.drain_timeout = time;
        self
    }

    /// Determines jitter and the choice among leases, for tests that must repeat.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
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
        let stats = StatsHandle::default();
        let exclusive = self.store.is_exclusive();
        let fan_out = self.config.fan_out.as_ref();
        let driver = Driver {
            calls: Calls::new(self.api, self.stream.clone(), fan_out, stats.clone()),
            retry: self.config.retry,
            core: Scheduler::new(self.stream.clone(), self.config, exclusive, self.seed, now()),
            stream: self.stream,
            store: Arc::new(self.store),
            calls_in_flight: FuturesUnordered::new(),
            store_in_flight: FuturesUnordered::new(),
            waiting: VecDeque::new(),
            acks,
            max_in_flight: self.max_in_flight,
            drain_timeout: self.drain_timeout,
            seed: self.seed,
            stats: stats.clone(),
        };
        let task = tokio::spawn(driver.run(sender, acks_receiver, shutdown_receiver));
        Deliveries { receiver, shutdown: ShutdownHandle { signal: Arc::new(shutdown) }, stats, task: Some(task) }
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
    stats: StatsHandle,
    /// Until its end was seen.
    task: Option<JoinHandle<()>>,
}

impl Deliveries {
    /// A handle to the consumer's counters.
    pub fn stats(&self) -> StatsHandle {
        self.stats.clone()
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
            if delivery.as_ref().map_or(true, |delivery| delivery.acker.is_current()) {
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

/// Ends a consumer in an orderly way, from anywhere.
#[derive(Debug, Clone)]
pub struct ShutdownHandle {
    signal: Arc<watch::Sender<bool>>,
}

impl ShutdownHandle {
    /// Reads no further. What was delivered may still be settled; then checkpoints are written, shards given back so that
    /// others can take them at once, and the stream ends.
    pub fn shut_down(&self) {
        self.signal.send_replace(true);
    }
}

/// A batch, and the duty to say what became of it.
#[derive(Debug)]
#[must_use = "dropping a delivery abandons it: it will be delivered again"]
pub struct Delivery {
    batch: Batch,
    acker: Acker,
}

impl Delivery {
    /// The records.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// What will answer for them.
    pub fn acker(&self) -> &Acker {
        &self.acker
    }

    /// Takes it apart.
    pub fn split(self) -> (Batch, Acker) {
        (self.batch, self.acker)
    }
}

/// Answers for a batch, once. Dropped without an answer it abandons it.
#[must_use = "dropping an acker abandons its batch: it will be delivered again"]
pub struct Acker {
    id: BatchId,
    range: PositionRange,
    abandoned: u32,
    answers: Option<mpsc::UnboundedSender<(BatchId, Outcome)>>,
}

impl Acker {
    /// All of the batch was durably accepted, or deliberately left out, or put where what is not accepted goes. It may be
    /// checkpointed from now on.
    pub fn settle(mut self) {
        self.answer(Outcome::Settled);
    }

    /// Nobody will answer for the batch: the shard is read again from its first unsettled record on, and later answers
    /// for what was delivered of it before change nothing. The same as dropping.
    pub fn abandon(self) {}

    /// What the batch covers of its shard.
    pub fn range(&self) -> &PositionRange {
        &self.range
    }

    /// How often a batch that ended within this one has been abandoned: whoever meets a poison record again and again can
    /// put it aside and settle.
    pub fn abandoned(&self) -> u32 {
        self.abandoned
    }

    /// A number that grows whenever the shard is taken up again: batches of one epoch come in order, without repeats.
    pub fn epoch(&self) -> u64 {
        self.id.epoch()
    }

    /// Whether the batch is still this worker's: its lease is held, and nothing delivered before it was abandoned. If not,
    /// its answer will change nothing, and its records are delivered again, here or elsewhere.
    pub fn is_current(&self) -> bool {
        self.id.is_current()
    }

    fn answer(&mut self, outcome: Outcome) {
        if let Some(answers) = self.answers.take() {
            if outcome == Outcome::Abandoned {
                self.id.revoke();
            }
            // If the consumer is gone, nothing can be checkpointed: the batch will come again.
            let _ = answers.send((self.id.clone(), outcome));
        }
    }
}

impl Drop for Acker {
    fn drop(&mut self) {
        self.answer(Outcome::Abandoned);
    }
}

impl fmt::Debug for Acker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acker").field("id", &self.id).finish_non_exhaustive()
    }
}

struct Driver<A, S> {
    stream: StreamId,
    calls: Calls<A>,
    store: Arc<S>,
    core: Scheduler,
    calls_in_flight: FuturesUnordered<BoxFuture<'static, Answer>>,
    /// At most a listing and a write. They wait for no call to Kinesis: leases must be renewed in time.
    store_in_flight: FuturesUnordered<BoxFuture<'static, StoreAnswer>>,
    /// Batches that the caller has not taken yet. What they weigh is bounded by the windows.
    waiting: VecDeque<Lent>,
    acks: mpsc::UnboundedSender<(BatchId, Outcome)>,
    max_in_flight: usize,
    drain_timeout: Duration,
    /// For making the store ready, and the seed of its jitter.
    retry: RetryPolicy,
    seed: u64,
    stats: StatsHandle,
}

enum StoreAnswer {
    Leases(Result<Vec<Lease>, LeaseStoreError>),
    Written(Vec<Result<WriteOutcome, LeaseStoreError>>),
}

impl<A: KinesisApi, S: LeaseStore> Driver<A, S> {
    async fn run(
        mut self,
        sender: mpsc::Sender<Result<Delivery, Error>>,
        mut acks: mpsc::UnboundedReceiver<(BatchId, Outcome)>,
        mut shutdown: watch::Receiver<bool>,
    ) {
        if let Err(error) = prepare(&self.stream, &*self.store, &self.retry, self.seed).await {
            return self.fail(error, &sender).await;
        }
        let mut deadline = None;
        loop {
            if let Err(error) = self.update_subscriptions() {
                return self.fail(error, &sender).await;
            }
            self.send_requests();
            if self.core.is_finished() {
                return;
            }
            self.waiting.retain(|lent| lent.id.is_current());
            let wake = self.core.next_wake(self.may_call());
            let may_take_events = self.core.may_take_events();
            let step = tokio::select! {
                biased;
                Ok(_) = shutdown.wait_for(|asked| *asked), if deadline.is_none() => {
                    deadline = Some(now() + self.drain_timeout);
                    self.core.shut_down();
                    Ok(())
                }
                Some((id, outcome)) = acks.recv() => {
                    self.core.handle_ack(&id, outcome, now());
                    while let Ok((id, outcome)) = acks.try_recv() {
                        self.core.handle_ack(&id, outcome, now());
                    }
                    Ok(())
                }
                Some(answer) = self.store_in_flight.next() => self.handle_store(answer),
                Some(answer) = self.calls_in_flight.next() => self.handle(answer),
                permit = sender.reserve(), if !self.waiting.is_empty() => match permit {
                    Ok(permit) => {
                        if let Some(lent) = self.waiting.pop_front() {
                            permit.send(Ok(self.delivery(lent)));
                        }
                        Ok(())
                    }
                    Err(_) => return, // the caller is gone
                },
                Some(brought) = self.calls.subscriptions.next(), if may_take_events => self.handle_brought(brought),
                () = sleep_until(wake), if wake.is_some() => Ok(()),
                () = sleep_until(deadline), if deadline.is_some_and(|at| at > now()) => {
                    self.core.abandon_all();
                    Ok(())
                }
            };
            if let Err(error) = step {
                return self.fail(error, &sender).await;
            }
        }
    }

    /// A failure ends the stream. What is settled is not lost: a next run goes on from the last checkpoint.
    async fn fail(&mut self, error: Error, sender: &mpsc::Sender<Result<Delivery, Error>>) {
        // The caller may be gone, who then does not care.
        let _ = sender.send(Err(error)).await;
    }

    fn send_requests(&mut self) {
        while let Some(request) = self.core.poll_request(self.may_call(), now()) {
            tracing::trace!(stream = %self.stream, ?request, "request");
            let store = self.store.clone();
            match request {
                SchedulerRequest::Kinesis(request) => self.calls_in_flight.push(self.calls.perform(request)),
                SchedulerRequest::ListLeases => {
                    self.store_in_flight.push(Box::pin(async move { StoreAnswer::Leases(store.list().await) }));
                }
                SchedulerRequest::WriteLeases(writes) => {
                    self.store_in_flight.push(Box::pin(async move { StoreAnswer::Written(store.write(writes).await) }));
                }
            }
        }
    }

    fn update_subscriptions(&mut self) -> Result<(), Error> {
        for (shard, epoch) in self.calls.subscriptions.update(|shard, epoch| self.core.wants_events(shard, epoch)) {
            self.core.handle_subscription_ended(&shard, epoch, Ok(()), now())?;
        }
        Ok(())
    }

    fn may_call(&self) -> bool {
        self.calls_in_flight.len() < self.max_in_flight
    }

    fn handle(&mut self, answer: Answer) -> Result<(), Error> {
        let now = now();
        self.calls.note_answer(&answer);
        match answer {
            Answer::Shards(answer) => self.core.handle_shards(answer, now)?,
            Answer::Iterator(shard, epoch, answer) => self.core.handle_iterator(&shard, epoch, answer, now)?,
            Answer::Records(shard, epoch, answer) => {
                let lent = self.core.handle_records(&shard, epoch, answer, now)?;
                self.keep(lent);
            }
            Answer::Subscribed(shard, epoch, Ok(subscription)) => {
                self.core.handle_subscription_opened(&shard, epoch, subscription.server_time, now);
                self.calls.subscriptions.add(shard, epoch, subscription.events);
            }
            Answer::Subscribed(shard, epoch, Err(error)) => {
                self.core.handle_subscription_ended(&shard, epoch, Err(error), now)?;
            }
        }
        self.note_progress();
        Ok(())
    }

    fn handle_store(&mut self, answer: StoreAnswer) -> Result<(), Error> {
        let failure = match &answer {
            StoreAnswer::Leases(answer) => answer.as_ref().err(),
            StoreAnswer::Written(answers) => answers.iter().find_map(|answer| answer.as_ref().err()),
        };
        if let Some(error) = failure {
            tracing::warn!(stream = %self.stream, %error, kind = ?error.kind, "the lease store failed");
        }
        match answer {
            StoreAnswer::Leases(answer) => self.core.handle_leases(answer, now())?,
            StoreAnswer::Written(answers) => self.core.handle_written(answers, now())?,
        }
        self.note_progress();
        Ok(())
    }

    fn handle_brought(&mut self, brought: Brought) -> Result<(), Error> {
        let Brought { shard, epoch, what } = brought;
        match what {
            Some(Ok(event)) => {
                let lent = self.core.handle_subscription_event(&shard, epoch, event, now())?;
                self.keep(lent);
            }
            Some(Err(error)) => {
                self.calls.note_failure(Some(&shard), &error);
                self.core.handle_subscription_ended(&shard, epoch, Err(error), now())?;
            }
            None => self.core.handle_subscription_ended(&shard, epoch, Ok(()), now())?,
        }
        self.note_progress();
        Ok(())
    }

    /// Keeps batches until the caller takes them.
    fn keep(&mut self, lent: Vec<Lent>) {
        for lent in lent {
            self.stats.update(|stats| {
                stats.records += lent.batch.records.len() as u64;
                stats.bytes += lent.batch.bytes() as u64;
            });
            self.waiting.push_back(lent);
        }
    }

    fn note_progress(&self) {
        let progress = self.core.progress();
        self.stats.update(|stats| stats.progress = progress);
    }

    fn delivery(&self, lent: Lent) -> Delivery {
        let Lent { id, batch, range, abandoned } = lent;
        Delivery { batch, acker: Acker { id, range, abandoned, answers: Some(self.acks.clone()) } }
    }
}

/// Makes the store ready. One that cannot be reached may be named wrongly, so that a few attempts must do.
async fn prepare<S: LeaseStore>(stream: &StreamId, store: &S, retry: &RetryPolicy, seed: u64) -> Result<(), Error> {
    let (mut failures, mut rng) = (Failures::default(), fastrand::Rng::with_seed(seed));
    for attempt in 1.. {
        let Err(source) = store.prepare().await else { break };
        let may_pass = source.is_retryable() && attempt < retry.attempts_to_connect;
        match failures.failed(retry, &mut rng, now()).filter(|_| may_pass) {
            Some(again) => {
                tracing::warn!(%stream, error = %source, "the lease store cannot be reached yet");
                sleep_until(Some(again)).await;
            }
            None => return Err(Error::LeaseStore { stream: stream.clone(), source }),
        }
    }
    Ok(())
}
