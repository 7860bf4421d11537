//! Drives the protocol over a [`KinesisApi`], as a stream of batches or of records.
//!
//! One task a reader, whatever the number of shards: it keeps the requests that are due in flight, and hands their
//! records to the stream that the caller polls. While the caller is busy the task goes on with what is in flight, so
//! that no connection times out, but asks for nothing more once enough is buffered.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::Stream;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::api::KinesisApi;
use crate::calls::{Answer, Calls};
use crate::clock::{now, sleep_until};
use crate::error::Error;
use crate::protocol::{
    ConsumerConfig, FanOut, Fetched, Pacing, RetryPolicy, ShardId, ShardPosition, ShardSelection, StartPosition, Stop,
    StreamConsumer, StreamId,
};
use crate::record::{Batch, Record};
use crate::stats::StatsHandle;
use crate::subscriptions::Brought;
use crate::telemetry::Telemetry;

/// Entry point: see [`Reader::builder`] and the [crate's front page](crate).
#[derive(Debug)]
pub struct Reader;

impl Reader {
    /// Prepares to read `stream`, given by name or ARN, through `api`.
    pub fn builder<A: KinesisApi>(api: A, stream: impl Into<StreamId>) -> ReaderBuilder<A> {
        ReaderBuilder {
            api,
            stream: stream.into(),
            config: ConsumerConfig::default(),
            count: None,
            max_in_flight: 8,
            max_buffered_bytes: 16 << 20,
        }
    }
}

/// What to read and how; ends in [`records`](Self::records) or [`batches`](Self::batches).
#[derive(Debug)]
#[must_use = "nothing is read before `records` or `batches`"]
pub struct ReaderBuilder<A> {
    api: A,
    stream: StreamId,
    config: ConsumerConfig,
    count: Option<u64>,
    max_in_flight: usize,
    max_buffered_bytes: usize,
}

impl<A: KinesisApi> ReaderBuilder<A> {
    /// Where to begin. Default: [`StartPosition::Latest`].
    pub fn start(mut self, start: StartPosition) -> Self {
        self.config.start = start;
        self
    }

    /// Where to begin in one shard, whatever [`start`](Self::start) says of the others; may be told of several. So a reader
    /// goes on behind a record that it knows, by its sequence number, which is a place in its shard alone:
    ///
    /// ```
    /// # use kinesis_logs_source::{KinesisApi, Reader, Record};
    /// use kinesis_logs_source::protocol::ShardPosition;
    ///
    /// # fn go_on(api: impl KinesisApi, last: Record) {
    /// let behind = ShardPosition::AfterSequenceNumber(last.sequence_number.clone());
    /// let reader = Reader::builder(api, "vpc-flow-logs").start_shard(last.shard_id.clone(), behind);
    /// # }
    /// ```
    ///
    /// Shards that descend from it are read from their beginning, unless they have a position of their own: they hold what
    /// came behind. The stream must have the shard. A sequence number that it does not have is refused by Kinesis, as
    /// [`ApiErrorKind::InvalidArgument`](crate::ApiErrorKind::InvalidArgument); one that is older than all that it still holds
    /// means the oldest. Of records that were aggregated, those of one sequence number are read together.
    pub fn start_shard(mut self, shard: impl Into<ShardId>, position: ShardPosition) -> Self {
        self.config.positions.insert(shard.into(), position);
        self
    }

    /// Where to end. Default: [`Stop::Never`].
    pub fn stop(mut self, stop: Stop) -> Self {
        self.config.stop = stop;
        self
    }

    /// Ends after this many records, if not before; exactly.
    pub fn count(mut self, records: u64) -> Self {
        self.count = Some(records);
        self
    }

    /// Reads these shards alone, without their children. Default: all.
    pub fn shards(mut self, shards: impl IntoIterator<Item = impl Into<ShardId>>) -> Self {
        self.config.shards = ShardSelection::Only(shards.into_iter().map(Into::into).collect());
        self
    }

    /// How fast to read each shard. Default: AWS's limits.
    pub fn pacing(mut self, pacing: Pacing) -> Self {
        self.config.pacing = pacing;
        self
    }

    /// Reads by enhanced fan-out, as the consumer of this name, instead of by polling: records come sooner, and nobody else's
    /// reading slows this down. [`FanOut`] says what it takes.
    ///
    /// ```
    /// # use kinesis_logs_source::{FanOut, KinesisApi, Reader};
    /// # fn read(api: impl KinesisApi) {
    /// let reader = Reader::builder(api, "vpc-flow-logs").fan_out("flow-log-search");
    /// # }
    /// # fn or(api: impl KinesisApi) {
    /// let reader = Reader::builder(api, "vpc-flow-logs").fan_out(FanOut::new("search").fall_back_to_polling(true));
    /// # }
    /// ```
    pub fn fan_out(mut self, consumer: impl Into<FanOut>) -> Self {
        self.config.fan_out = Some(consumer.into());
        self
    }

    /// What to do about failures.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.config.retry = retry;
        self
    }

    /// How many calls may be in flight at once. Default: 8. Subscriptions that are open do not count.
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.max_in_flight = calls.max(1);
        self
    }

    /// How many bytes may wait for the caller before the reader stops asking for more. Default: 16 MiB. Answers to calls
    /// that are in flight then (10 MiB each at most) come on top, but no events of subscriptions.
    pub fn max_buffered_bytes(mut self, bytes: usize) -> Self {
        self.max_buffered_bytes = bytes.max(1);
        self
    }

    /// Starts reading and gives the records one by one.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn records(self) -> Records {
        Records { batches: self.batches(), current: Vec::new().into_iter() }
    }

    /// Starts reading and gives the records as they came, an answer at a time.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn batches(self) -> Batches {
        let (sender, receiver) = mpsc::channel(1);
        let telemetry = Telemetry::new(self.stream.clone());
        let stats = telemetry.stats.clone();
        let now = now();
        let fan_out = self.config.fan_out.as_ref();
        let driver = Driver {
            stream: self.stream.clone(),
            calls: Calls::new(self.api, self.stream.clone(), fan_out, telemetry.clone()),
            core: StreamConsumer::new(self.stream, self.config, fastrand::u64(..), now),
            in_flight: FuturesUnordered::new(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            max_in_flight: self.max_in_flight,
            max_buffered_bytes: self.max_buffered_bytes,
            telemetry,
        };
        let task = tokio::spawn(driver.run(sender));
        Batches { receiver, remaining: self.count, stats, task }
    }
}

/// Stream of [`Batch`]es. Dropping it ends the reading.
#[derive(Debug)]
pub struct Batches {
    receiver: mpsc::Receiver<Result<Batch, Error>>,
    /// Records left of the count that was asked for.
    remaining: Option<u64>,
    stats: StatsHandle,
    task: JoinHandle<()>,
}

impl Batches {
    /// A handle to the reader's counters.
    pub fn stats(&self) -> StatsHandle {
        self.stats.clone()
    }
}

impl Stream for Batches {
    type Item = Result<Batch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.remaining == Some(0) {
            self.task.abort();
            return Poll::Ready(None);
        }
        let mut next = self.receiver.poll_recv(cx);
        if let Poll::Ready(None) = next {
            // The task is over. Had it panicked, an end without a word would look like success.
            return match std::task::ready!(self.task.poll_unpin(cx)) {
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                _ => {
                    self.remaining = Some(0);
                    Poll::Ready(None)
                }
            };
        }
        if let (Poll::Ready(Some(Ok(batch))), Some(remaining)) = (&mut next, &mut self.remaining) {
            let taken = usize::try_from(*remaining).map_or(batch.records.len(), |left| left.min(batch.records.len()));
            batch.records.truncate(taken);
            *remaining -= taken as u64;
        }
        next
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Stream of [`Record`]s. Dropping it ends the reading.
#[derive(Debug)]
pub struct Records {
    batches: Batches,
    current: std::vec::IntoIter<Record>,
}

impl Records {
    /// A handle to the reader's counters.
    pub fn stats(&self) -> StatsHandle {
        self.batches.stats()
    }
}

impl Stream for Records {
    type Item = Result<Record, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(record) = self.current.next() {
                return Poll::Ready(Some(Ok(record)));
            }
            match std::task::ready!(self.batches.poll_next_unpin(cx)) {
                Some(Ok(batch)) => self.current = batch.records.into_iter(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

struct Driver<A> {
    stream: StreamId,
    calls: Calls<A>,
    core: StreamConsumer,
    in_flight: FuturesUnordered<BoxFuture<'static, Answer>>,
    /// Batches that the caller has not taken yet.
    waiting: VecDeque<Batch>,
    waiting_bytes: usize,
    max_in_flight: usize,
    max_buffered_bytes: usize,
    telemetry: Telemetry,
}

impl<A: KinesisApi> Driver<A> {
    async fn run(mut self, sender: mpsc::Sender<Result<Batch, Error>>) {
        loop {
            if let Err(error) = self.update_subscriptions() {
                return self.fail(error, &sender).await;
            }
            self.send_requests();
            if self.core.is_finished() && self.in_flight.is_empty() && self.waiting.is_empty() {
                return;
            }
            // While too much waits for the caller, nothing is asked for, so no wake is needed either.
            let may_ask = self.may_ask();
            let wake = self.core.next_wake().filter(|_| may_ask);
            let may_buffer = self.may_buffer();
            tokio::select! {
                Some(answer) = self.in_flight.next() => {
                    if let Err(error) = self.handle(answer) {
                        return self.fail(error, &sender).await;
                    }
                }
                Some(brought) = self.calls.subscriptions.next(), if may_buffer => {
                    if let Err(error) = self.handle_brought(brought) {
                        return self.fail(error, &sender).await;
                    }
                }
                permit = sender.reserve(), if !self.waiting.is_empty() => match permit {
                    Ok(permit) => if let Some(batch) = self.take_waiting() {
                        permit.send(Ok(batch));
                    },
                    Err(_) => return, // the caller is gone
                },
                () = sleep_until(wake), if wake.is_some() => {}
            }
        }
    }

    /// What was read before a failure is handed on before it.
    async fn fail(&mut self, error: Error, sender: &mpsc::Sender<Result<Batch, Error>>) {
        while let Some(batch) = self.take_waiting() {
            if sender.send(Ok(batch)).await.is_err() {
                return;
            }
        }
        // The caller may be gone, who then does not care.
        let _ = sender.send(Err(error)).await;
    }

    fn may_ask(&self) -> bool {
        self.may_buffer() && self.in_flight.len() < self.max_in_flight
    }

    fn may_buffer(&self) -> bool {
        self.waiting_bytes < self.max_buffered_bytes
    }

    fn send_requests(&mut self) {
        while self.may_ask() {
            let Some(request) = self.core.poll_request(now()) else { return };
            tracing::trace!(stream = %self.stream, ?request, "request");
            self.in_flight.push(self.calls.perform(request));
        }
    }

    fn update_subscriptions(&mut self) -> Result<(), Error> {
        for (shard, epoch) in self.calls.subscriptions.update(|shard, epoch| self.core.wants_events(shard, epoch)) {
            self.core.handle_subscription_ended(&shard, epoch, Ok(()), now())?;
        }
        Ok(())
    }

    fn handle(&mut self, answer: Answer) -> Result<(), Error> {
        let now = now();
        self.calls.note_answer(&answer);
        match answer {
            Answer::Shards(answer) => self.core.handle_shards(answer, now)?,
            Answer::Iterator(shard, epoch, answer) => self.core.handle_iterator(&shard, epoch, answer, now)?,
            Answer::Records(shard, epoch, answer) => {
                let fetched = self.core.handle_records(&shard, epoch, answer, now)?;
                self.telemetry.lag(&shard, self.core.millis_behind_latest(&shard));
                self.buffer(shard, fetched);
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

    fn handle_brought(&mut self, brought: Brought) -> Result<(), Error> {
        let Brought { shard, epoch, what } = brought;
        match what {
            Some(Ok(event)) => {
                let fetched = self.core.handle_subscription_event(&shard, epoch, event, now())?;
                self.telemetry.lag(&shard, self.core.millis_behind_latest(&shard));
                self.buffer(shard, fetched);
            }
            Some(Err(error)) => {
                self.telemetry.call_failed(Some(&shard), &error);
                self.core.handle_subscription_ended(&shard, epoch, Err(error), now())?;
            }
            None => self.core.handle_subscription_ended(&shard, epoch, Ok(()), now())?,
        }
        self.note_progress();
        Ok(())
    }

    fn note_progress(&self) {
        let progress = self.core.progress();
        self.telemetry.stats.update(|stats| stats.progress = progress);
    }

    fn buffer(&mut self, shard: ShardId, fetched: Fetched) {
        if fetched.records.is_empty() {
            return;
        }
        let batch = Batch::new(self.stream.shared_name(), shard, fetched.records, fetched.millis_behind_latest);
        self.telemetry.records(&batch);
        self.waiting_bytes += batch.weight();
        self.waiting.push_back(batch);
    }

    fn take_waiting(&mut self) -> Option<Batch> {
        let batch = self.waiting.pop_front()?;
        self.waiting_bytes -= batch.weight();
        Some(batch)
    }
}
