//! All shards of a stream: which there are, which may be read, and what to ask next.
//!
//! A shard is read once all its parents have been read to their ends; a parent that is listed no longer is past its
//! retention and blocks nobody. Shards known from the first listing begin at the start position, later ones at their
//! beginning.

mod listing;
mod placing;
mod subscriptions;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use jiff::Timestamp;

use self::listing::{LIST_AGAIN, Listing};
use super::fan_out::FanOut;
use super::messages::{Fetched, RecordPage, Request, ShardPage};
use super::pacing::{Failures, Pacing, RetryPolicy};
use super::position::{ShardPosition, StartPosition, Stop, Window};
use super::shard::{Shard, ShardId, StreamId};
use super::shard_consumer::{Finish, ShardConsumer, Step, Way};
use crate::error::{ApiError, Error};

/// What a [`StreamConsumer`] reads, and how.
#[derive(Debug, Clone, Default)]
pub struct ConsumerConfig {
    /// Where it begins.
    pub start: StartPosition,
    /// Where it begins in single shards, whatever `start` says: those that must be in the stream. Shards that descend from
    /// them are read from their beginning, unless they stand here as well. Nothing with grants.
    pub positions: BTreeMap<ShardId, ShardPosition>,
    /// Where it ends.
    pub stop: Stop,
    /// Which shards it reads.
    pub shards: ShardSelection,
    /// How fast it reads each.
    pub pacing: Pacing,
    /// What it does about failures.
    pub retry: RetryPolicy,
    /// By enhanced fan-out, or else by polling.
    pub fan_out: Option<FanOut>,
}

impl ConsumerConfig {
    fn way(&self) -> Way {
        match &self.fan_out {
            Some(fan_out) => Way::FanOut { fall_back_to_polling: fan_out.fall_back_to_polling },
            None => Way::Polling,
        }
    }
}

/// Which shards to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ShardSelection {
    /// All there are, and all that appear.
    #[default]
    All,
    /// These alone, without their children.
    Only(Vec<ShardId>),
    /// Those that are granted, while they are: what a [`Scheduler`](super::Scheduler) holds leases of.
    Granted,
}

/// How far a consumer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Shards known.
    pub shards: usize,
    /// Shards being read.
    pub reading: usize,
    /// Shards read to their end, or to the read's.
    pub finished: usize,
    /// The largest distance from the tip among the shards being read, in milliseconds.
    pub millis_behind_latest: Option<i64>,
}

#[derive(Debug)]
enum Phase {
    /// Parents are still being read.
    Waiting,
    Reading(Box<ShardConsumer>),
    Finished(Finish),
}

/// A granted shard that was read to an end.
#[derive(Debug)]
pub(crate) struct FinishedShard {
    pub(crate) shard: ShardId,
    pub(crate) epoch: u64,
    pub(crate) finish: Finish,
    /// The shards that continue it, where its end named them.
    pub(crate) children: Vec<Shard>,
}

struct Tracked {
    shard: Shard,
    /// The children that its end named.
    children: Vec<Shard>,
    from: ShardPosition,
    /// Whether that is the shard's own, so that the start's time does not hold for it.
    is_placed: bool,
    phase: Phase,
}

/// Reads one stream. See the [module](super) for how it is driven.
pub struct StreamConsumer {
    stream: StreamId,
    config: ConsumerConfig,
    window: Option<Window>,
    shards: BTreeMap<ShardId, Tracked>,
    /// When each shard that is being read may take its next step.
    ready: BTreeSet<(Instant, ShardId)>,
    listing: Listing,
    listing_failures: Failures,
    /// Whether the stream has ever answered.
    connected: bool,
    connect_failures: u32,
    /// Whether a listing was ever complete.
    listed: bool,
    /// Whether a shard wants a listing younger than the one under way.
    list_again: bool,
    /// Whether a shard's end named children that only a listing can place.
    children_to_list: bool,
    /// With grants: the listing that was not taken yet, and the shards that were read to an end.
    unseen_listing: Option<Vec<Shard>>,
    finished: VecDeque<FinishedShard>,
    /// Before when shards that were revoked may not be subscribed to again.
    subscribe_from: BTreeMap<ShardId, Instant>,
    server_time: Option<Timestamp>,
    /// The shards that were closed then.
    closed_at_first: BTreeSet<ShardId>,
    rng: fastrand::Rng,
}

impl StreamConsumer {
    /// A consumer that has asked nothing yet. `seed` determines its jitter.
    pub fn new(stream: StreamId, config: ConsumerConfig, seed: u64, now: Instant) -> Self {
        StreamConsumer {
            stream,
            config,
            window: None,
            shards: BTreeMap::new(),
            ready: BTreeSet::new(),
            listing: Listing::Due(now),
            listing_failures: Failures::default(),
            connected: false,
            connect_failures: 0,
            listed: false,
            list_again: false,
            children_to_list: false,
            unseen_listing: None,
            finished: VecDeque::new(),
            subscribe_from: BTreeMap::new(),
            server_time: None,
            closed_at_first: BTreeSet::new(),
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// The next request that is due, if any. It counts as outstanding until its answer is handled.
    pub fn poll_request(&mut self, now: Instant) -> Option<Request> {
        if let Some(request) = self.poll_listing(now) {
            return Some(request);
        }
        let pacing = self.config.pacing;
        while let Some((at, id)) = self.ready.first() {
            if *at > now {
                return None;
            }
            let id = id.clone();
            self.ready.pop_first();
            let Some(consumer) = self.consumer(&id) else { continue };
            // What the queue says may be older than what the shard now wants.
            match consumer.ready_at(&pacing, now) {
                Some(at) if at > now => {
                    self.ready.insert((at, id));
                    continue;
                }
                Some(_) => {}
                None => continue,
            }
            let epoch = consumer.epoch();
            match consumer.take_step(&pacing, now) {
                Step::GetIterator(position) => return Some(Request::GetShardIterator { shard: id, epoch, position }),
                Step::GetRecords(iterator) => return Some(Request::GetRecords { shard: id, epoch, iterator }),
                Step::Subscribe(position) => return Some(Request::SubscribeToShard { shard: id, epoch, position }),
                Step::List => {
                    self.want_listing(now);
                    if let Some(request) = self.poll_listing(now) {
                        return Some(request);
                    }
                }
                Step::Wait => {}
            }
        }
        None
    }

    /// When to call [`poll_request`](Self::poll_request) again if no answer comes before.
    pub fn next_wake(&self) -> Option<Instant> {
        // A further page is asked for at once, by the poll that follows its predecessor's answer.
        let listing = match &self.listing {
            Listing::Due(at) => Some(*at),
            Listing::InFlight(_) | Listing::More { .. } => None,
        };
        let shard = self.ready.first().map(|(at, _)| *at);
        listing.into_iter().chain(shard).min()
    }

    /// Whether all that was asked for has been read. Never while following.
    pub fn is_finished(&self) -> bool {
        let follows = match &self.config.shards {
            ShardSelection::All => self.config.stop == Stop::Never,
            ShardSelection::Only(_) => false,
            // Whoever grants knows.
            ShardSelection::Granted => true,
        };
        self.listed
            && !self.children_to_list
            && !follows
            && self.shards.values().all(|shard| matches!(shard.phase, Phase::Finished(_)))
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        let mut progress = Progress { shards: self.shards.len(), ..Progress::default() };
        for shard in self.shards.values() {
            match &shard.phase {
                Phase::Waiting => {}
                Phase::Reading(consumer) => {
                    progress.reading += 1;
                    progress.millis_behind_latest = progress.millis_behind_latest.max(consumer.millis_behind_latest());
                }
                Phase::Finished(_) => progress.finished += 1,
            }
        }
        progress
    }

    /// How far a shard is behind the tip, by the last answer; nothing while it is not read.
    pub fn millis_behind_latest(&self, shard: &ShardId) -> Option<i64> {
        match &self.shards.get(shard)?.phase {
            Phase::Reading(consumer) => consumer.millis_behind_latest(),
            Phase::Waiting | Phase::Finished(_) => None,
        }
    }

    /// Takes the answer to [`Request::ListShards`].
    pub fn handle_shards(&mut self, answer: Result<ShardPage, ApiError>, now: Instant) -> Result<(), Error> {
        let Listing::InFlight(mut shards) = std::mem::replace(&mut self.listing, Listing::Due(now)) else {
            return Ok(());
        };
        let page = match answer {
            Ok(page) => page,
            Err(error) => return self.listing_failed(error, now),
        };
        self.connected = true;
        self.listing_failures.succeeded();
        // A page of a later second, as of a long listing or one that was begun anew, does not tell what was closed then.
        if page.server_time <= *self.server_time.get_or_insert(page.server_time) && !self.listed {
            let closed = page.shards.iter().filter(|shard| shard.closed);
            self.closed_at_first.extend(closed.map(|shard| shard.id.clone()));
        }
        let granted = self.config.shards == ShardSelection::Granted;
        self.window.get_or_insert_with(|| {
            let window = Window::pin(self.config.start, self.config.stop, page.server_time);
            if granted { window.ending_at_first_past() } else { window }
        });
        shards.extend(page.shards);
        if let Some(token) = page.next_token {
            self.listing = Listing::More { token, shards };
            return Ok(());
        }
        self.listing = Listing::Due(now + LIST_AGAIN);
        self.listed(shards, now)
    }

    /// Takes the answer to [`Request::GetShardIterator`].
    pub fn handle_iterator(
        &mut self,
        shard: &ShardId,
        epoch: u64,
        answer: Result<String, ApiError>,
        now: Instant,
    ) -> Result<(), Error> {
        if !self.is_current(shard, epoch) {
            return Ok(());
        }
        match answer {
            Ok(iterator) => {
                if let Some(consumer) = self.consumer(shard) {
                    consumer.handle_iterator(iterator);
                }
                self.schedule(shard, now);
                Ok(())
            }
            Err(error) => self.shard_failed(shard, error, now),
        }
    }

    /// Takes the answer to [`Request::GetRecords`].
    pub fn handle_records(
        &mut self,
        shard: &ShardId,
        epoch: u64,
        answer: Result<RecordPage, ApiError>,
        now: Instant,
    ) -> Result<Fetched, Error> {
        if !self.is_current(shard, epoch) {
            return Ok(Fetched::default());
        }
        let page = match answer {
            Ok(page) => page,
            Err(error) => return self.shard_failed(shard, error, now).map(|()| Fetched::default()),
        };
        let window = self.window_of(shard);
        let pacing = self.config.pacing;
        let children = page.child_shards.clone();
        let at_end = page.next_iterator.is_none();
        let Some(consumer) = self.consumer(shard) else { return Ok(Fetched::default()) };
        let records = consumer.handle_page(page, &window, &pacing, now);
        let fetched = Fetched { records, millis_behind_latest: consumer.millis_behind_latest() };
        let finished = consumer.finish().is_some();
        if at_end {
            self.track_children(shard, children, now);
        }
        self.schedule(shard, now);
        if finished {
            self.start_shards(now);
        }
        Ok(fetched)
    }

    /// Reads a shard from `position` on, not before `from`, and not its children. `epoch` tells this grant from others of
    /// the same shard.
    pub(crate) fn grant(&mut self, shard: Shard, epoch: u64, position: ShardPosition, from: Instant, now: Instant) {
        let id = shard.id.clone();
        let way = self.config.way();
        let mut consumer = ShardConsumer::new(id.clone(), epoch, way, position.clone(), shard.closed, from);
        if let Some(at) = self.subscribe_from.remove(&id) {
            consumer = consumer.not_subscribing_before(at);
        }
        let phase = Phase::Reading(Box::new(consumer));
        let tracked = Tracked { shard, children: Vec::new(), from: position, is_placed: false, phase };
        self.shards.insert(id.clone(), tracked);
        self.schedule(&id, now);
    }

    /// Reads a shard no further. What is outstanding will be ignored.
    pub(crate) fn revoke(&mut self, shard: &ShardId) {
        let subscribe_from = self.consumer(shard).map(|consumer| consumer.subscribe_from());
        if let Some(at) = subscribe_from.filter(|_| self.config.fan_out.is_some()) {
            self.subscribe_from.insert(shard.clone(), at);
        }
        self.shards.remove(shard);
        self.finished.retain(|finished| finished.shard != *shard);
    }

    /// Holds a granted shard, or lets it go on.
    pub(crate) fn set_paused(&mut self, shard: &ShardId, paused: bool, now: Instant) {
        if let Some(consumer) = self.consumer(shard) {
            consumer.set_paused(paused);
        }
        self.schedule(shard, now);
    }

    /// The latest complete listing, once.
    pub(crate) fn take_listing(&mut self) -> Option<Vec<Shard>> {
        self.unseen_listing.take()
    }

    /// A granted shard that was read to an end; it is granted no longer.
    pub(crate) fn take_finished(&mut self) -> Option<FinishedShard> {
        self.finished.pop_front()
    }

    /// The server's time at the first listing, in whole seconds.
    pub(crate) fn server_time(&self) -> Option<Timestamp> {
        self.server_time
    }

    /// The shards that were closed at that time.
    pub(crate) fn closed_at_first(&self) -> &BTreeSet<ShardId> {
        &self.closed_at_first
    }

    /// Whether an answer belongs to the consumer that the shard has now.
    fn is_current(&mut self, shard: &ShardId, epoch: u64) -> bool {
        self.consumer(shard).is_some_and(|consumer| consumer.epoch() == epoch)
    }

    /// Takes the children that a shard's end names. One whose other parent is not known yet waits for a listing, which
    /// has both, or shows that the parent is gone.
    fn track_children(&mut self, parent: &ShardId, children: Vec<Shard>, now: Instant) {
        if self.config.shards == ShardSelection::Granted {
            if let Some(tracked) = self.shards.get_mut(parent) {
                tracked.children = children;
            }
            return;
        }
        let (known, other): (Vec<Shard>, Vec<Shard>) =
            children.into_iter().partition(|child| child.parents.iter().all(|parent| self.shards.contains_key(parent)));
        self.track_all(known, ShardPosition::TrimHorizon);
        if !other.is_empty() && self.config.shards == ShardSelection::All {
            self.children_to_list = true;
            self.want_listing(now);
        }
    }

    fn track_all(&mut self, shards: Vec<Shard>, from: ShardPosition) {
        for shard in shards {
            let selected = match &self.config.shards {
                ShardSelection::All => true,
                ShardSelection::Only(wanted) => wanted.contains(&shard.id),
                ShardSelection::Granted => false,
            };
            if selected {
                let (from, phase) = (from.clone(), Phase::Waiting);
                let tracked = Tracked { shard, children: Vec::new(), from, is_placed: false, phase };
                self.shards.entry(tracked.shard.id.clone()).or_insert(tracked);
            }
        }
    }

    /// Starts every waiting shard whose parents allow it, and their children in turn where they are skipped.
    fn start_shards(&mut self, now: Instant) {
        loop {
            let mut decided: Vec<(ShardId, Phase)> = Vec::new();
            for (id, tracked) in &self.shards {
                if !matches!(tracked.phase, Phase::Waiting) {
                    continue;
                }
                let parents = || tracked.shard.parents.iter().filter_map(|parent| self.shards.get(parent));
                if parents().any(|parent| matches!(parent.phase, Phase::Finished(Finish::Stopped))) {
                    decided.push((id.clone(), Phase::Finished(Finish::Stopped)));
                } else if parents().all(|parent| matches!(parent.phase, Phase::Finished(Finish::Ended))) {
                    let (way, from, closed) = (self.config.way(), tracked.from.clone(), tracked.shard.closed);
                    let consumer = ShardConsumer::new(id.clone(), 0, way, from, closed, now);
                    decided.push((id.clone(), Phase::Reading(Box::new(consumer))));
                }
            }
            let skipped = decided.iter().any(|(_, phase)| matches!(phase, Phase::Finished(_)));
            for (id, phase) in decided {
                if let Some(tracked) = self.shards.get_mut(&id) {
                    tracked.phase = phase;
                }
                self.schedule(&id, now);
            }
            if !skipped {
                return;
            }
        }
    }

    /// Queues a shard's next step, or notes that it has none left.
    fn schedule(&mut self, id: &ShardId, now: Instant) {
        let pacing = self.config.pacing;
        let Some(tracked) = self.shards.get_mut(id) else { return };
        let Phase::Reading(consumer) = &tracked.phase else { return };
        if let Some(finish) = consumer.finish() {
            if self.config.shards == ShardSelection::Granted {
                let (epoch, children) = (consumer.epoch(), std::mem::take(&mut tracked.children));
                self.finished.push_back(FinishedShard { shard: id.clone(), epoch, finish, children });
                self.shards.remove(id);
                return;
            }
            tracked.phase = Phase::Finished(finish);
        } else if let Some(at) = consumer.ready_at(&pacing, now) {
            self.ready.insert((at, id.clone()));
        }
    }

    fn consumer(&mut self, id: &ShardId) -> Option<&mut ShardConsumer> {
        match &mut self.shards.get_mut(id)?.phase {
            Phase::Reading(consumer) => Some(consumer),
            Phase::Waiting | Phase::Finished(_) => None,
        }
    }

    fn shard_failed(&mut self, id: &ShardId, error: ApiError, now: Instant) -> Result<(), Error> {
        let (retry, mut rng) = (self.config.retry, self.rng.fork());
        if let Some(consumer) = self.consumer(id) {
            let result = consumer.handle_error(error, &retry, &mut rng, now);
            result.map_err(|source| self.error(Some(id), source))?;
        }
        self.schedule(id, now);
        Ok(())
    }

    fn error(&self, shard: Option<&ShardId>, source: ApiError) -> Error {
        Error::Api { stream: self.stream.clone(), shard: shard.cloned(), source }
    }
}
