//! Reads the shards of one stream that this worker holds leases of, and checkpoints what is settled.
//!
//! ```text
//!              poll_request(now) -> SchedulerRequest                 perform it
//!   driver  <──────────────────────────────────────── Scheduler ──┬── LeaseCoordinator   which shards are ours
//!           ────────────────────────────────────────>             ├── StreamConsumer     what to ask Kinesis
//!              handle_*(answer) -> Vec<Lent>                      └── AckWindow          one a shard that is read
//!              handle_ack(id, outcome)
//!
//!   a shard:   lease readable ──> granted ──> batches lent ──> settled ──> watermark ──> checkpoint
//!                  ^                 │  ^          │
//!                  │      lease lost │  └──────────┘ abandoned: read again from the watermark, under a new epoch
//!                  └─────────────────┘
//! ```
//!
//! # What it guarantees
//!
//! *At least once.* A checkpoint never passes a batch that is not settled, a shard's end is written only when all of it
//! is settled, and its children are read only after that. So whatever is not settled when a worker dies is read again,
//! by it or by another. Records come twice where that happened: what was lent and not checkpointed before a crash, the
//! loss of a lease, or an abandonment.
//!
//! *In order.* Within an epoch a shard's batches are lent in order, and after an abandonment again from the first that
//! was not settled. Answers of an earlier epoch are ignored.
//!
//! *Exactly once* is for a sink that commits a batch's range together with its data, and looks there for what it has
//! before it adds: (shard, sequence number, sub-sequence number) identifies a record for good.

mod identity;
mod reading;
mod subscriptions;
mod telling;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::diagnostics::ConsumerEvent;
use super::fan_out::FanOut;
use super::lease::{Checkpoint, ExtendedSequenceNumber, Leader, Lease, LeaseWrite, WriteOutcome};
use super::lease_coordinator::{LeaseConfig, LeaseCoordinator, LeaseEvent, LeaseRequest};
use super::messages::{RecordPage, Request, ShardPage};
use super::pacing::{Failures, Pacing, RetryPolicy};
use super::position::{StartPosition, Stop, UnusableCheckpoint};
use super::shard::{Shard, ShardId, StreamId};
use super::shard_consumer::Finish;
use super::shard_sync::StartAt;
use super::stream_consumer::{ConsumerConfig, Progress, ShardSelection, StreamConsumer};
use crate::error::{ApiError, Error, LeaseStoreError};
use crate::record::Batch;
use identity::Created;
use reading::Reading;

/// What a [`Scheduler`] reads, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SchedulerConfig {
    /// Where it begins if there are no leases yet.
    pub start: StartPosition,
    /// Where it ends. A shard ends before its first record that arrived at the end or later.
    pub stop: Stop,
    /// Ends after this many records, all of them settled. Those of a batch that is abandoned, or whose lease is lost, do not
    /// count: it goes on until so many others are.
    pub count: Option<u64>,
    /// What it does about checkpoints of another stream, and such as Kinesis refuses.
    pub unusable_checkpoint: UnusableCheckpoint,
    /// How fast it reads each shard.
    pub pacing: Pacing,
    /// By enhanced fan-out, or else by polling.
    pub fan_out: Option<FanOut>,
    /// What it does about failures.
    pub retry: RetryPolicy,
    /// How it shares the stream.
    pub leases: LeaseConfig,
    /// The most bytes of payload in a batch that has more than one record: 1 MiB.
    pub max_batch_bytes: usize,
    /// How many bytes of a shard may be lent and not settled before it is read no further: 8 MiB. An answer, of up to
    /// 10 MiB, is taken whole.
    pub max_unsettled_bytes_per_shard: usize,
    /// The same for all shards together: 64 MiB.
    pub max_unsettled_bytes: usize,
}

impl SchedulerConfig {
    /// The defaults.
    pub fn new(leases: LeaseConfig) -> Self {
        SchedulerConfig {
            start: StartPosition::default(),
            stop: Stop::default(),
            count: None,
            unusable_checkpoint: UnusableCheckpoint::default(),
            pacing: Pacing::default(),
            fan_out: None,
            retry: RetryPolicy::default(),
            leases,
            max_batch_bytes: 1 << 20,
            max_unsettled_bytes_per_shard: 8 << 20,
            max_unsettled_bytes: 64 << 20,
        }
    }
}

/// Something to do for a [`Scheduler`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchedulerRequest {
    /// `DescribeStreamSummary`; the answer goes to [`Scheduler::handle_stream`].
    DescribeStream,
    /// A call to Kinesis; the answer goes to [`Scheduler::handle_shards`] and its like.
    Kinesis(Request),
    /// A listing of the leases, and who leads; the answer goes to [`Scheduler::handle_leases`].
    ListLeases,
    /// Writes to the lease store; the answers go to [`Scheduler::handle_written`]. Several such batches may be outstanding.
    WriteLeases {
        /// Its number.
        batch: u64,
        /// The writes, of different shards.
        writes: Vec<LeaseWrite>,
    },
}

/// Names a batch in an acknowledgement.
#[derive(Debug, Clone)]
pub struct BatchId {
    shard: ShardId,
    epoch: u64,
    index: u64,
    grant: Arc<AtomicBool>,
}

impl BatchId {
    /// The number of the grant it was read under: it grows whenever the shard is taken up again.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the batch is still this worker's to deliver: its lease is held, and nothing before it was abandoned.
    pub fn is_current(&self) -> bool {
        self.grant.load(Ordering::Acquire)
    }

    /// Lets nothing more of its epoch be delivered: for whoever abandons it, before the scheduler knows.
    pub fn revoke(&self) {
        self.grant.store(false, Ordering::Release);
    }
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All of it was durably accepted, or put where what is not accepted goes: it may be checkpointed.
    Settled,
    /// Nobody will answer for it: it must be read again.
    Abandoned,
}

/// A batch that is handed on, to be answered by [`Scheduler::handle_ack`].
#[derive(Debug)]
pub struct Lent {
    /// Its name.
    pub id: BatchId,
    /// The records.
    pub batch: Batch,
    /// What it covers of the shard.
    pub range: PositionRange,
    /// How often a batch that ended within it has been abandoned.
    pub abandoned: u32,
}

/// A stretch of a shard: what lies behind `from`, up to `to`, which is included. The ranges of a shard's batches join
/// without gaps, so that some hold more than the batch's records: those that were read and left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionRange {
    /// What lies before, or the sentinel that reading began with.
    pub from: Checkpoint,
    /// The last record's place.
    pub to: ExtendedSequenceNumber,
}

/// Reads the shards that this worker holds leases of. What it guarantees stands at the top of `protocol/scheduler.rs`.
pub struct Scheduler {
    name: Arc<str>,
    config: SchedulerConfig,
    stream: StreamConsumer,
    leases: LeaseCoordinator,
    stream_id: StreamId,
    created: Created,
    describe_failures: Failures,
    reading: BTreeMap<ShardId, Reading>,
    /// The shards of the latest listing.
    shards: BTreeMap<ShardId, Shard>,
    /// Shards read to the read's own end.
    stopped: BTreeSet<ShardId>,
    unsettled_bytes: usize,
    epoch: u64,
    /// Records that may still be lent: of the count, those that are neither settled nor lent.
    remaining: Option<u64>,
    draining: bool,
    events: VecDeque<ConsumerEvent>,
    rng: fastrand::Rng,
}

impl Scheduler {
    /// A worker that has asked nothing yet. `exclusive` says that nobody else writes to the lease store; `seed`
    /// determines jitter and the choice among leases.
    pub fn new(stream: StreamId, config: SchedulerConfig, exclusive: bool, seed: u64, now: Instant) -> Self {
        let reads = ConsumerConfig {
            start: StartPosition::TrimHorizon,
            positions: BTreeMap::new(),
            stop: config.stop,
            shards: ShardSelection::Granted,
            pacing: config.pacing,
            retry: config.retry,
            fan_out: config.fan_out.clone(),
        };
        Scheduler {
            name: stream.shared_name(),
            stream: StreamConsumer::new(stream.clone(), reads, seed, now),
            leases: LeaseCoordinator::new(config.leases.clone(), config.retry, exclusive, !seed, now),
            stream_id: stream,
            created: Created::Due(now),
            describe_failures: Failures::default(),
            reading: BTreeMap::new(),
            shards: BTreeMap::new(),
            stopped: BTreeSet::new(),
            unsettled_bytes: 0,
            epoch: 0,
            remaining: config.count,
            draining: config.count == Some(0),
            events: VecDeque::new(),
            rng: fastrand::Rng::with_seed(seed.rotate_left(32)),
            config,
        }
    }

    /// The next request that is due, if any; `may_call` allows calls to Kinesis. It counts as outstanding until its answer
    /// is handled.
    pub fn poll_request(&mut self, may_call: bool, now: Instant) -> Option<SchedulerRequest> {
        self.advance(now);
        match self.created {
            Created::Due(at) if at <= now && may_call => {
                self.created = Created::InFlight;
                return Some(SchedulerRequest::DescribeStream);
            }
            Created::Due(_) | Created::InFlight => return self.poll_stream(may_call, now),
            Created::Known(_) => {}
        }
        match self.leases.poll_request(now) {
            Some(LeaseRequest::List) => return Some(SchedulerRequest::ListLeases),
            Some(LeaseRequest::Write { batch, writes }) => {
                return Some(SchedulerRequest::WriteLeases { batch, writes });
            }
            None => self.advance(now),
        }
        self.poll_stream(may_call, now)
    }

    fn poll_stream(&mut self, may_call: bool, now: Instant) -> Option<SchedulerRequest> {
        if !may_call || !self.may_read() {
            return None;
        }
        self.stream.poll_request(now).map(SchedulerRequest::Kinesis)
    }

    /// When to call [`poll_request`](Self::poll_request) again if no answer comes before.
    pub fn next_wake(&self, may_call: bool) -> Option<Instant> {
        let stream = self.stream.next_wake().filter(|_| may_call && self.may_read());
        let leases = match self.created {
            Created::Known(_) => self.leases.next_wake(),
            Created::Due(at) => Some(at).filter(|_| may_call),
            Created::InFlight => None,
        };
        stream.into_iter().chain(leases).min()
    }

    /// Whether there is nothing more to do: all was read and settled, or given back.
    pub fn is_finished(&self) -> bool {
        self.draining && self.reading.is_empty() && self.leases.holds_nothing()
    }

    /// How far the shards that are read here have come.
    pub fn progress(&self) -> Progress {
        Progress { shards: self.shards.len(), ..self.stream.progress() }
    }

    /// How far a shard is behind the tip, by the last answer; nothing while it is not read.
    pub fn millis_behind_latest(&self, shard: &ShardId) -> Option<i64> {
        self.reading.get(shard)?.millis_behind_latest
    }

    /// The leases as last seen.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.leases.leases()
    }

    /// Bytes that are lent and not settled.
    pub fn unsettled_bytes(&self) -> usize {
        self.unsettled_bytes
    }

    /// Reads no further. What is lent may still be settled; each shard is given back when all of its is. Of one of which a
    /// batch is abandoned, what was lent before that.
    pub fn shut_down(&mut self) {
        if self.draining {
            return;
        }
        self.draining = true;
        self.leases.leave();
        for shard in self.reading.keys() {
            self.stream.revoke(shard);
        }
        self.give_back();
    }

    /// Gives all shards back at once, whatever is still lent: for when [`shut_down`](Self::shut_down) takes too long. A store
    /// that cannot be written then is given up on after a few attempts.
    pub fn abandon_all(&mut self) {
        self.shut_down();
        self.leases.time_is_up();
        for shard in std::mem::take(&mut self.reading).into_keys() {
            self.leases.release(&shard);
        }
        self.unsettled_bytes = 0;
    }

    /// Lets nothing more be delivered, and asks for nothing: for when it is driven no further.
    pub fn forsake(&mut self) {
        self.reading.clear();
    }

    /// Takes the answer to [`Request::ListShards`].
    pub fn handle_shards(&mut self, answer: Result<ShardPage, ApiError>, now: Instant) -> Result<(), Error> {
        self.stream.handle_shards(answer, now)?;
        if let Some(shards) = self.stream.take_listing() {
            self.shards = shards.into_iter().map(|shard| (shard.id.clone(), shard)).collect();
            self.sync_shards();
            self.leases.clean_up(&self.shards);
        }
        Ok(())
    }

    /// Takes the answer to [`Request::GetShardIterator`].
    pub fn handle_iterator(
        &mut self,
        shard: &ShardId,
        epoch: u64,
        answer: Result<String, ApiError>,
        now: Instant,
    ) -> Result<(), Error> {
        let answer = match answer {
            Ok(iterator) => Ok(iterator),
            Err(error) => match self.check_refusal(shard, epoch, error, now)? {
                Some(error) => Err(error),
                None => return Ok(()),
            },
        };
        if let Err(error) = &answer {
            self.note_throttling(shard, error);
        }
        self.stream.handle_iterator(shard, epoch, answer, now)
    }

    /// Takes the answer to [`Request::GetRecords`], and lends what it brought.
    pub fn handle_records(
        &mut self,
        shard: &ShardId,
        epoch: u64,
        answer: Result<RecordPage, ApiError>,
        now: Instant,
    ) -> Result<Vec<Lent>, Error> {
        if let Err(error) = &answer {
            self.note_throttling(shard, error);
        }
        let fetched = self.stream.handle_records(shard, epoch, answer, now)?;
        Ok(self.hand_on(shard, fetched, now))
    }

    /// Takes the answer to [`SchedulerRequest::ListLeases`].
    pub fn handle_leases(
        &mut self,
        answer: Result<(Vec<Lease>, Option<Leader>), LeaseStoreError>,
        now: Instant,
    ) -> Result<(), Error> {
        if let Ok((leases, _)) = &answer {
            self.check_leases(leases)?;
        }
        self.leases.handle_leases(answer, now).map_err(|source| self.lease_error(source))?;
        self.sync_shards();
        self.advance(now);
        Ok(())
    }

    /// Takes the answers to the [`SchedulerRequest::WriteLeases`] of this number, in the order of its writes.
    pub fn handle_written(
        &mut self,
        batch: u64,
        answers: Vec<Result<WriteOutcome, LeaseStoreError>>,
        now: Instant,
    ) -> Result<(), Error> {
        self.leases.handle_written(batch, answers, now).map_err(|source| self.lease_error(source))?;
        self.advance(now);
        Ok(())
    }

    /// Takes what became of a batch. An answer of an earlier epoch, or a second one, changes nothing.
    pub fn handle_ack(&mut self, id: &BatchId, outcome: Outcome, now: Instant) {
        let Some(reading) = self.reading.get_mut(&id.shard).filter(|reading| reading.epoch == id.epoch) else { return };
        match outcome {
            Outcome::Settled => {
                let before = reading.window.bytes();
                if reading.window.settle(id.index)
                    && let Some(watermark) = reading.window.watermark()
                {
                    reading.abandoned.retain(|position, _| position > watermark);
                    self.leases.checkpoint(&id.shard, Checkpoint::After(watermark.clone()));
                }
                self.unsettled_bytes -= before - reading.window.bytes();
                self.pace(&id.shard, now);
                self.end_if_settled(&id.shard, now);
            }
            Outcome::Abandoned => self.abandoned(id, now),
        }
        self.advance(now);
    }

    fn may_read(&self) -> bool {
        !self.draining && self.remaining != Some(0) && self.unsettled_bytes < self.config.max_unsettled_bytes
    }

    /// Follows up on what the parts report.
    fn advance(&mut self, now: Instant) {
        while let Some(news) = self.leases.poll_news() {
            self.tell(news);
        }
        // Before the stream has answered, the read's own end is not known.
        while let Some(event) = self.stream.server_time().and_then(|_| self.leases.poll_event()) {
            match event {
                LeaseEvent::Readable(lease) if self.draining => self.leases.release(&lease.shard),
                LeaseEvent::Readable(lease) => self.take_up(*lease, now),
                LeaseEvent::Lost(shard) => self.forget(&shard),
            }
        }
        while let Some(finished) = self.stream.take_finished() {
            if let Some(reading) = self.reading.get_mut(&finished.shard)
                && reading.epoch == finished.epoch
            {
                reading.end = Some((finished.finish, finished.children));
                self.end_if_settled(&finished.shard, now);
            }
        }
        if self.draining {
            self.give_back();
        } else if self.is_counted_out() || self.is_all_read(now) {
            self.shut_down();
        } else {
            self.read_what_was_cut(now);
        }
    }

    /// Ends a shard of which all is read, if all is settled.
    fn end_if_settled(&mut self, shard: &ShardId, now: Instant) {
        let is_settled = |reading: &Reading| reading.end.is_some() && reading.window.is_empty();
        if !self.reading.get(shard).is_some_and(is_settled) {
            return;
        }
        let Some((finish, mut children)) = self.reading.remove(shard).and_then(|reading| reading.end) else { return };
        if finish == Finish::Stopped {
            self.stopped.insert(shard.clone());
            return;
        }
        if children.is_empty() {
            children = self.shards.values().filter(|child| child.parents.contains(shard)).cloned().collect();
        }
        if children.is_empty() {
            self.stream.want_listing(now);
        }
        let names = children.iter().map(|child| child.id.clone()).collect();
        self.tell(ConsumerEvent::ShardEnded { shard: shard.clone(), children: names });
        self.leases.complete(shard, children);
    }

    /// Reads a shard no further, and expects no answers for it.
    fn forget(&mut self, shard: &ShardId) {
        self.stream.revoke(shard);
        self.stopped.remove(shard);
        if let Some(reading) = self.reading.remove(shard) {
            self.unsettled_bytes -= reading.window.bytes();
            // They are delivered again, by whoever has the lease.
            self.remaining = self.remaining.map(|left| left + reading.window.records());
        }
    }

    /// Whether as many records as were asked for are settled.
    fn is_counted_out(&self) -> bool {
        self.remaining == Some(0) && self.reading.values().all(|reading| reading.window.is_empty())
    }

    /// While draining: gives back the shards of which nothing is lent any more.
    fn give_back(&mut self) {
        self.reading.retain(|_, reading| !reading.window.is_empty());
        self.leases.release_but(|shard| self.reading.contains_key(shard));
    }

    fn sync_shards(&mut self) {
        let Some(time) = self.stream.server_time().filter(|_| self.leases.has_listed()) else { return };
        let (checkpoint, timestamp) = match self.config.start {
            StartPosition::Latest => (Checkpoint::Latest, Some(time)),
            StartPosition::TrimHorizon => (Checkpoint::TrimHorizon, None),
            StartPosition::AtTimestamp(time) => (Checkpoint::AtTimestamp, Some(time)),
        };
        let start = StartAt { checkpoint, timestamp, closed_before: self.stream.closed_at_first().clone() };
        self.leases.handle_shards(self.shards.values(), &start);
    }

    /// Whether every shard has been read to the end, here or elsewhere. Never while following.
    fn is_all_read(&self, now: Instant) -> bool {
        let known = self.stream.server_time().is_some() && self.leases.has_listed() && !self.shards.is_empty();
        self.config.stop != Stop::Never
            && known
            && self.reading.is_empty()
            && !self.leases.is_creating()
            && self.leases.leases().next().is_some()
            && self.leases.leases().all(|lease| {
                let stopped = self.stopped.contains(&lease.shard) && self.leases.is_written(&lease.shard);
                lease.is_complete() || stopped || self.leases.is_read_elsewhere(&lease.shard, now)
            })
    }

    fn lease_error(&self, source: LeaseStoreError) -> Error {
        Error::LeaseStore { stream: self.stream_id.clone(), source }
    }
}
