//! A worker's part in sharing a stream's shards: which leases it holds, keeps alive, takes, checkpoints and gives back.
//!
//! ```text
//!              poll_request(now) -> LeaseRequest     perform it
//!   caller <───────────────────────────────────── LeaseCoordinator
//!          ──────────────────────────────────────>
//!              handle_leases, handle_written         what the store answered
//!              handle_shards                         what shards the stream has
//!              checkpoint, complete, release         what became of the shards that are read
//!              poll_event() -> LeaseEvent            begin to read, cease to read
//! ```
//!
//! A lease is held from the answer to the write that took it. It is lost when a write is refused, when a listing shows
//! another owner, or when no write succeeded for the failover time, counted from when the last good one was *sent*:
//! the others cannot have seen its counter earlier, so they cannot take it earlier. A lost lease is never written again.
//!
//! Each lease is written once in a third of the failover time: its checkpoint if that moved, else a renewal. Several
//! batches of writes are under way at once, so that what is slow or fails holds up nothing else; two of a lease never.

mod planning;
#[cfg(test)]
mod tests;
mod under_way;
mod writes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::diagnostics::ConsumerEvent;
use super::lease::{Checkpoint, Leader, Lease, LeaseWrite, WriteOutcome};
use super::pacing::{Failures, RetryPolicy};
use super::shard::{Shard, ShardId};
use super::shard_sync::{StartAt, leases_to_create};
use crate::error::{LeaseStoreError, LeaseStoreErrorKind};
use under_way::UnderWay;

/// How a worker shares the stream with others.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseConfig {
    /// This worker's name, unlike any other's that shares the stream.
    pub worker_id: String,
    /// How long a lease may go without a write before others take it: 10 s, as KCL's `failoverTimeMillis`. All workers
    /// should have the same.
    pub failover_time: Duration,
    /// How often checkpoints are written at most: 1 s. In a shared table they are written with the renewals, once in a
    /// third of the failover time, unless this is longer.
    pub checkpoint_interval: Duration,
    /// The most leases to hold: no bound.
    pub max_leases: usize,
}

impl LeaseConfig {
    /// The defaults, for a worker of this name.
    pub fn new(worker_id: impl Into<String>) -> Self {
        LeaseConfig {
            worker_id: worker_id.into(),
            failover_time: Duration::from_secs(10),
            checkpoint_interval: Duration::from_secs(1),
            max_leases: usize::MAX,
        }
    }

    /// A little before a third, as KCL: three attempts before the lease is lost.
    fn renew_interval(&self) -> Duration {
        (self.failover_time / 3).saturating_sub(Duration::from_millis(25))
    }
}

/// Something to do for a [`LeaseCoordinator`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LeaseRequest {
    List,
    Write { batch: u64, writes: Vec<LeaseWrite> },
}

/// What happened to a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LeaseEvent {
    /// It is held, and no parent stands in the way: read on from its checkpoint.
    Readable(Box<Lease>),
    /// It is held no longer: deliver nothing more.
    Lost(ShardId),
}

/// How often leases are listed while one that is held waits for its parents, which others may be reading.
const WAIT_FOR_PARENTS: Duration = Duration::from_secs(2);

pub(crate) struct LeaseCoordinator {
    config: LeaseConfig,
    retry: RetryPolicy,
    /// Whether nobody else writes to the store.
    exclusive: bool,
    /// The leases as last seen.
    seen: BTreeMap<ShardId, Seen>,
    held: BTreeMap<ShardId, Held>,
    /// Leases to add.
    to_create: BTreeMap<ShardId, Lease>,
    /// Leases to take, as planned last.
    to_take: BTreeSet<ShardId>,
    /// Leases to remove, with their counters.
    to_delete: BTreeMap<ShardId, u64>,
    /// Leases of an earlier stream of this name, with their counters.
    outdated: BTreeMap<ShardId, u64>,
    /// Complete leases of shards that the last listing did not show.
    gone: BTreeSet<ShardId>,
    /// KCL 3's leader, and since when it is seen with its last heartbeat.
    leader: Option<(Leader, Instant)>,
    /// Whether it lived when leases were last planned.
    is_ruled: bool,
    stream_created: Option<Timestamp>,
    listing: Listing,
    /// Whether leases were ever listed.
    listed: bool,
    under_way: UnderWay,
    began: Instant,
    /// What [`next_wake`](Self::next_wake) said last, while it holds: with thousands of leases, going through them for
    /// every answer from Kinesis costs more than all else.
    wake: Wake,
    /// Of listings.
    failures: Failures,
    events: VecDeque<LeaseEvent>,
    news: VecDeque<ConsumerEvent>,
    /// Whether no more leases are wanted.
    leaving: bool,
    rng: fastrand::Rng,
}

struct Seen {
    lease: Lease,
    /// When its counter was first seen as it is.
    since: Instant,
    /// Whether another worker was seen to renew it.
    renewed_elsewhere: bool,
}

impl Seen {
    fn new(lease: Lease, since: Instant) -> Self {
        Seen { lease, since, renewed_elsewhere: false }
    }
}

/// When something is due next, if that is known.
#[derive(Debug, Clone, Copy)]
enum Wake {
    Unknown,
    At(Option<Instant>),
}

#[derive(Debug)]
enum Listing {
    Due(Instant),
    /// Asked for at this time.
    InFlight(Instant),
}

pub(crate) struct Held {
    counter: u64,
    /// When the last write that succeeded was sent.
    renewed: Instant,
    pub(crate) written: Checkpoint,
    /// Where the checkpoint is to go.
    wanted: Checkpoint,
    children: Vec<ShardId>,
    pub(crate) checkpointed: Instant,
    /// When the first write was sent of those whose outcome is not known, of which one may have been done: a further one
    /// then finds the row changed by it, and others have seen that change for as long.
    in_doubt: Option<Instant>,
    /// Whether it was announced as readable.
    pub(crate) readable: bool,
    pub(crate) releasing: bool,
}

impl Held {
    fn is_dirty(&self) -> bool {
        self.wanted != self.written
    }
}

impl LeaseCoordinator {
    pub(crate) fn new(config: LeaseConfig, retry: RetryPolicy, exclusive: bool, seed: u64, now: Instant) -> Self {
        // Three attempts should fit into the failover time.
        let retry = RetryPolicy { longest_wait: retry.longest_wait.min(config.renew_interval()), ..retry };
        LeaseCoordinator {
            config,
            retry,
            exclusive,
            seen: BTreeMap::new(),
            held: BTreeMap::new(),
            to_create: BTreeMap::new(),
            to_take: BTreeSet::new(),
            to_delete: BTreeMap::new(),
            outdated: BTreeMap::new(),
            gone: BTreeSet::new(),
            leader: None,
            is_ruled: false,
            stream_created: None,
            listing: Listing::Due(now),
            listed: false,
            under_way: UnderWay::new(exclusive),
            began: now,
            wake: Wake::Unknown,
            failures: Failures::default(),
            events: VecDeque::new(),
            news: VecDeque::new(),
            leaving: false,
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// The next request that is due.
    pub(crate) fn poll_request(&mut self, now: Instant) -> Option<LeaseRequest> {
        if matches!(self.wake, Wake::At(wake) if wake.is_none_or(|at| now < at)) {
            return None;
        }
        self.wake = Wake::Unknown;
        let request = self.find_request(now);
        if request.is_none() {
            self.wake = Wake::At(self.find_wake());
        }
        request
    }

    fn find_request(&mut self, now: Instant) -> Option<LeaseRequest> {
        self.drop_expired(now);
        let writes = self.writes(now);
        if !writes.is_empty() {
            let batch = self.under_way.send(writes.clone(), now);
            return Some(LeaseRequest::Write { batch, writes });
        }
        if matches!(self.listing, Listing::Due(at) if at <= now) && !self.leaving {
            self.listing = Listing::InFlight(now);
            return Some(LeaseRequest::List);
        }
        None
    }

    /// When to call [`poll_request`](Self::poll_request) again if no answer comes before.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        match self.wake {
            Wake::At(wake) => wake,
            Wake::Unknown => self.find_wake(),
        }
    }

    fn find_wake(&self) -> Option<Instant> {
        let listing = match self.listing {
            Listing::Due(at) if !self.leaving => Some(at),
            _ => None,
        };
        let writes = self.wanted().map(|(at, _)| at).min();
        let expiry = self.held.values().map(|held| held.renewed + self.config.failover_time);
        let expiry = expiry.min().filter(|_| !self.exclusive);
        listing.into_iter().chain(writes).chain(expiry).min()
    }

    pub(crate) fn poll_event(&mut self) -> Option<LeaseEvent> {
        self.events.pop_front()
    }

    /// What happened that is worth telling.
    pub(crate) fn poll_news(&mut self) -> Option<ConsumerEvent> {
        self.news.pop_front()
    }

    /// When the stream was created, if that is known: before leases are listed.
    pub(crate) fn set_stream_created(&mut self, created: Option<Timestamp>) {
        self.wake = Wake::Unknown;
        self.stream_created = created;
    }

    /// Takes the answer to [`LeaseRequest::List`]: the leases, and KCL 3's leader if there is one. `Err` gives the failure
    /// back if it is final.
    pub(crate) fn handle_leases(
        &mut self,
        answer: Result<(Vec<Lease>, Option<Leader>), LeaseStoreError>,
        now: Instant,
    ) -> Result<(), LeaseStoreError> {
        self.wake = Wake::Unknown;
        let (leases, leader) = match answer {
            Ok(listed) => listed,
            Err(error) => {
                let Some(retry) = self.may_pass(&error) else { return Err(error) };
                self.listing = Listing::Due(self.failures.failed(&retry, &mut self.rng, now).ok_or(error)?);
                return Ok(());
            }
        };
        let Listing::InFlight(asked) = self.listing else { return Ok(()) };
        self.failures.succeeded();
        self.listed = true;
        self.note_leader(leader, now);
        self.outdated.clear();
        let mut before = std::mem::take(&mut self.seen);
        for lease in leases {
            let is_replaced = before.get(&lease.shard).is_some_and(|seen| seen.since >= asked);
            if self.stream_created.is_some_and(|created| lease.is_of_another(created)) && !is_replaced {
                before.remove(&lease.shard);
                self.outdated.insert(lease.shard, lease.counter);
                continue;
            }
            let seen = match before.remove(&lease.shard) {
                // As it was; or written by this worker since the store was asked.
                Some(seen) if seen.lease.counter >= lease.counter => seen,
                Some(seen) => Seen { renewed_elsewhere: seen.lease.owner == lease.owner, ..Seen::new(lease, now) },
                None => Seen::new(lease, now),
            };
            self.seen.insert(seen.lease.shard.clone(), seen);
        }
        // What was learned since the store was asked may be younger than its answer.
        self.seen.extend(before.into_iter().filter(|(_, seen)| seen.since >= asked));
        let lost: Vec<ShardId> = self.held.keys().filter(|shard| !self.is_mine(shard)).cloned().collect();
        for shard in lost {
            self.lose(&shard);
        }
        self.plan(now);
        self.announce();
        let waits = self.held.values().any(|held| !held.readable && !held.releasing);
        let interval = match (self.exclusive, waits) {
            (true, _) => Duration::from_secs(3600),
            (false, true) => WAIT_FOR_PARENTS.min(self.config.failover_time),
            (false, false) => self.config.failover_time / 2,
        };
        self.listing = Listing::Due(now + interval);
        Ok(())
    }

    /// Takes the answers to [`LeaseRequest::Write`]. `Err` gives a failure back that is final.
    pub(crate) fn handle_written(
        &mut self,
        batch: u64,
        answers: Vec<Result<WriteOutcome, LeaseStoreError>>,
        now: Instant,
    ) -> Result<(), LeaseStoreError> {
        self.wake = Wake::Unknown;
        let Some(sent) = self.under_way.answered(batch) else { return Ok(()) };
        let mut failure = None;
        for (write, answer) in sent.writes.into_iter().zip(answers) {
            match answer {
                Ok(outcome) => {
                    self.under_way.succeeded(write.shard());
                    self.written(write, outcome, sent.at, now);
                }
                Err(error) => {
                    if let Some(held) = self.held.get_mut(write.shard()) {
                        held.in_doubt.get_or_insert(sent.at);
                    }
                    let again = self
                        .may_pass(&error)
                        .and_then(|retry| self.under_way.failed(write.shard(), &retry, &mut self.rng, now));
                    if again.is_none() {
                        failure = Some(error);
                    }
                }
            }
        }
        self.announce();
        failure.map_or(Ok(()), Err)
    }

    /// Takes a complete listing of the stream's shards: those without a lease that should have one get one.
    ///
    /// `start` is where a worker begins that finds no leases at all.
    pub(crate) fn handle_shards<'a>(&mut self, shards: impl Iterator<Item = &'a Shard>, start: &StartAt) {
        self.wake = Wake::Unknown;
        if !self.listed || self.leaving || self.is_ruled {
            return;
        }
        // All of a stream that was made anew is new.
        let anew = StartAt { checkpoint: Checkpoint::TrimHorizon, timestamp: None, closed_before: BTreeSet::new() };
        let start = if self.outdated.is_empty() { start } else { &anew };
        let shards: Vec<&Shard> = shards.collect();
        let leases = self.seen.iter().map(|(shard, seen)| (shard, &seen.lease)).collect();
        for lease in leases_to_create(&shards, &leases, start) {
            self.add(lease);
        }
        let is_listed = |shard: &ShardId| shards.iter().any(|listed| listed.id == *shard);
        let unlisted = self.outdated.iter().filter(|(shard, _)| !is_listed(shard));
        self.to_delete.extend(unlisted.map(|(shard, counter)| (shard.clone(), *counter)));
    }

    /// Removes the leases of shards that were read to their ends and that two complete listings, of which `shards` is the
    /// second, did not show: they are past their retention. One of which a child has no lease yet says where that begins.
    pub(crate) fn clean_up(&mut self, shards: &BTreeMap<ShardId, Shard>) {
        self.wake = Wake::Unknown;
        if self.leaving || self.is_ruled {
            return;
        }
        let is_needed = |shard: &ShardId| {
            let mut children = shards.values().filter(|child| child.parents.contains(shard));
            children.any(|child| !self.seen.contains_key(&child.id))
        };
        let complete = self.seen.values().filter(|seen| seen.lease.is_complete());
        let gone = complete
            .map(|seen| (&seen.lease.shard, seen.lease.counter))
            .filter(|(shard, _)| !shards.contains_key(*shard) && !self.held.contains_key(*shard) && !is_needed(shard));
        let gone: BTreeMap<ShardId, u64> = gone.map(|(shard, counter)| (shard.clone(), counter)).collect();
        let before = std::mem::replace(&mut self.gone, gone.keys().cloned().collect());
        self.to_delete.extend(gone.into_iter().filter(|(shard, _)| before.contains(shard)));
    }

    /// Whether leases were listed, so that shards without one can be told.
    pub(crate) fn has_listed(&self) -> bool {
        self.listed
    }

    /// All before `checkpoint` is settled.
    pub(crate) fn checkpoint(&mut self, shard: &ShardId, checkpoint: Checkpoint) {
        let Some(held) = self.held.get_mut(shard) else { return };
        let was_dirty = held.is_dirty();
        held.wanted = checkpoint;
        // When it is due has not changed by that; nor while it is being written, whose answer changes it anyway.
        if !was_dirty && !self.under_way.contains(shard) {
            self.wake = Wake::Unknown;
        }
    }

    /// All of the shard is settled. Its children get their leases first, but for one whose other parent has none, and must
    /// not come to be taken for dealt with: that one waits for a listing.
    pub(crate) fn complete(&mut self, shard: &ShardId, children: Vec<Shard>) {
        self.wake = Wake::Unknown;
        let Some(held) = self.held.get_mut(shard) else { return };
        held.wanted = Checkpoint::ShardEnd;
        held.children = children.iter().map(|child| child.id.clone()).collect();
        for child in children {
            let has_parents = child.parents.iter().all(|parent| self.seen.contains_key(parent));
            if has_parents && !self.seen.contains_key(&child.id) {
                self.add(Lease::of_shard(&child, Checkpoint::TrimHorizon, None));
            }
        }
    }

    /// Plans a lease, of the stream that there is.
    fn add(&mut self, lease: Lease) {
        let lease = Lease { stream_creation_timestamp: self.stream_created, ..lease };
        self.to_create.insert(lease.shard.clone(), lease);
    }

    /// Takes nothing more, and gives back what was not announced yet.
    pub(crate) fn leave(&mut self) {
        self.wake = Wake::Unknown;
        self.leaving = true;
        self.keep_children_alone();
        self.to_take.clear();
        self.to_delete.clear();
        for held in self.held.values_mut() {
            held.releasing |= !held.readable;
        }
    }

    /// Gives a shard back, once its checkpoint is written.
    pub(crate) fn release(&mut self, shard: &ShardId) {
        self.wake = Wake::Unknown;
        if let Some(held) = self.held.get_mut(shard) {
            held.releasing = true;
        }
    }

    /// Gives all shards back but these.
    pub(crate) fn release_but(&mut self, keep: impl Fn(&ShardId) -> bool) {
        self.wake = Wake::Unknown;
        for (shard, held) in &mut self.held {
            held.releasing |= !keep(shard);
        }
    }

    /// What cannot be written now is given up after a few attempts.
    pub(crate) fn time_is_up(&mut self) {
        self.under_way.time_is_up();
    }

    pub(crate) fn holds_nothing(&self) -> bool {
        self.held.is_empty() && self.under_way.is_empty()
    }

    /// The leases as last seen.
    pub(crate) fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.seen.values().map(|seen| &seen.lease)
    }

    /// Whether another worker was seen to keep the lease alive. One that only has its name there may be dead.
    pub(crate) fn is_read_elsewhere(&self, shard: &ShardId, now: Instant) -> bool {
        self.seen.get(shard).is_some_and(|seen| {
            let holder = self.holder(seen, now);
            seen.renewed_elsewhere && holder.is_some_and(|holder| holder != self.config.worker_id)
        })
    }

    /// Whether what is settled of the shard has been written.
    pub(crate) fn is_written(&self, shard: &ShardId) -> bool {
        self.held.get(shard).is_none_or(|held| !held.is_dirty())
    }

    /// Whether leases are still to be added.
    pub(crate) fn is_creating(&self) -> bool {
        !(self.to_create.is_empty() && self.outdated.is_empty())
    }

    /// The leases that are held, and how they stand.
    pub(crate) fn held(&self) -> impl Iterator<Item = (&ShardId, &Held)> {
        self.held.iter()
    }

    /// How a failure is met that may pass: one of credentials only if the store has taken them before.
    fn may_pass(&self, error: &LeaseStoreError) -> Option<RetryPolicy> {
        match error.kind {
            LeaseStoreErrorKind::Credentials => self.listed.then(|| self.retry.of_credentials()),
            _ => error.is_retryable().then_some(self.retry),
        }
    }

    /// Adds no leases but those of children whose parents' ends are to be written, which must not stand without them; and of
    /// their other ancestors, which would count as dealt with.
    fn keep_children_alone(&mut self) {
        let mut kept = BTreeSet::new();
        let mut next: Vec<&ShardId> = self.held.values().flat_map(|held| &held.children).collect();
        while let Some(shard) = next.pop() {
            if let Some(lease) = self.to_create.get(shard)
                && kept.insert(shard.clone())
            {
                next.extend(&lease.parents);
            }
        }
        self.to_create.retain(|shard, _| kept.contains(shard));
    }
}
