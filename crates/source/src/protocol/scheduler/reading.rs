//! A shard that is read: where that begins, how what is read becomes batches, when it waits, and what happens when one is
//! abandoned.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{BatchId, Lent, PositionRange, Scheduler};
use crate::protocol::ack_window::{AckWindow, WindowLimits};
use crate::protocol::diagnostics::ConsumerEvent;
use crate::protocol::lease::{Checkpoint, ExtendedSequenceNumber, Lease};
use crate::protocol::messages::{Fetched, RawRecord};
use crate::protocol::position::{ShardPosition, StartPosition};
use crate::protocol::shard::{Shard, ShardId};
use crate::protocol::shard_consumer::Finish;
use crate::record::{Batch, Record, open};

/// How long to wait before reading again what was abandoned, at first and at most.
const ABANDONED_WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// The most batches of a shard that may be open.
const MAX_OPEN_BATCHES: usize = 4096;

/// A shard that is read, or was, with batches not settled yet.
pub(super) struct Reading {
    pub(super) shard: Shard,
    pub(super) epoch: u64,
    grant: Grant,
    /// The checkpoint it was taken up with.
    pub(super) begun_with: Checkpoint,
    /// Behind what the next batch begins.
    pub(super) from: Checkpoint,
    /// All up to this was settled before.
    pub(super) resume_after: Option<ExtendedSequenceNumber>,
    /// What arrived earlier is not wanted.
    pub(super) not_before: Option<Timestamp>,
    pub(super) window: AckWindow,
    pub(super) paused: bool,
    /// Whether records were read that may not be lent, as the count is used up: it is read no further until it is not, and
    /// then from behind what was lent.
    pub(super) is_cut: bool,
    pub(super) millis_behind_latest: Option<i64>,
    pub(super) last_arrival: Option<Timestamp>,
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) throttled: u64,
    /// How often the batch that ended there was abandoned, of those that are not settled since.
    pub(super) abandoned: BTreeMap<ExtendedSequenceNumber, u32>,
    pub(super) end: Option<(Finish, Vec<Shard>)>,
}

/// True while batches read under an epoch may be delivered; seen from wherever they wait.
#[derive(Default)]
struct Grant(Arc<AtomicBool>);

impl Grant {
    fn new() -> Self {
        Grant(Arc::new(AtomicBool::new(true)))
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Scheduler {
    /// Begins to read a shard whose lease is held.
    pub(super) fn take_up(&mut self, lease: Lease, now: Instant) {
        let fallback = match self.config.start {
            StartPosition::AtTimestamp(time) => Some(time),
            _ => self.stream.server_time(),
        };
        let (resume_after, not_before) = match &lease.checkpoint {
            Checkpoint::After(position) => (Some(position.clone()), None),
            Checkpoint::Latest | Checkpoint::AtTimestamp => (None, lease.start_timestamp.or(fallback)),
            Checkpoint::TrimHorizon | Checkpoint::ShardEnd => (None, None),
        };
        let listed = self.shards.get(&lease.shard);
        let shard = Shard {
            id: lease.shard.clone(),
            parents: lease.parents,
            hash_key_range: lease.hash_key_range,
            closed: listed.is_some_and(|shard| shard.closed),
        };
        let reading = Reading {
            epoch: 0,
            grant: Grant::default(),
            begun_with: lease.checkpoint.clone(),
            from: lease.checkpoint,
            resume_after,
            not_before,
            window: AckWindow::default(),
            paused: false,
            is_cut: false,
            millis_behind_latest: None,
            last_arrival: None,
            records: 0,
            bytes: 0,
            throttled: 0,
            abandoned: BTreeMap::new(),
            end: None,
            shard,
        };
        self.stopped.remove(&lease.shard);
        self.reading.insert(lease.shard.clone(), reading);
        self.grant(&lease.shard, now, now);
    }

    pub(super) fn grant(&mut self, shard: &ShardId, from: Instant, now: Instant) {
        self.epoch += 1;
        let Some(reading) = self.reading.get_mut(shard) else { return };
        reading.epoch = self.epoch;
        reading.grant = Grant::new();
        let position = match (&reading.resume_after, reading.not_before) {
            (Some(after), _) => ShardPosition::AtSequenceNumber(after.sequence_number.clone()),
            (None, Some(time)) => ShardPosition::AtTimestamp(time),
            (None, None) => ShardPosition::TrimHorizon,
        };
        let (shard, from_checkpoint) = (reading.shard.clone(), reading.from.clone());
        self.tell(ConsumerEvent::ShardStarted { shard: shard.id.clone(), epoch: self.epoch, from: from_checkpoint });
        self.stream.grant(shard, self.epoch, position, from, now);
    }

    /// Lends what was read, and follows up on it.
    pub(super) fn hand_on(&mut self, shard: &ShardId, fetched: Fetched, now: Instant) -> Vec<Lent> {
        let lent = self.lend(shard, fetched.records, fetched.millis_behind_latest);
        self.pace(shard, now);
        self.advance(now);
        lent
    }

    /// Opens aggregated records, leaves out what is not wanted, and cuts the rest into batches.
    fn lend(&mut self, shard: &ShardId, raw: Vec<RawRecord>, millis_behind_latest: Option<i64>) -> Vec<Lent> {
        let Some(reading) = self.reading.get_mut(shard) else { return Vec::new() };
        let mut lent = Vec::new();
        let mut records = Vec::new();
        for record in raw {
            open(&self.name, shard, record, &mut records);
        }
        reading.millis_behind_latest = millis_behind_latest.or(reading.millis_behind_latest);
        let before = reading.window.bytes();
        let mut part = Part::default();
        for record in records {
            let position = record.extended_sequence_number();
            let is_done = reading.resume_after.as_ref().is_some_and(|after| position <= *after);
            let is_too_old = reading.not_before.zip(record.arrival).is_some_and(|(start, arrival)| arrival < start);
            let is_wanted = !is_done && !is_too_old;
            if is_wanted && self.remaining == Some(0) {
                reading.is_cut = true;
                break;
            }
            if is_wanted && !part.has_room_for(&record, self.config.max_batch_bytes) {
                lent.extend(reading.lend(std::mem::take(&mut part), &self.name, millis_behind_latest));
            }
            part.to = Some(position);
            if is_wanted {
                part.bytes += record.weight();
                reading.records += 1;
                reading.bytes += record.data.len() as u64;
                reading.last_arrival = record.arrival.or(reading.last_arrival);
                part.records.push(record);
                self.remaining = self.remaining.map(|left| left - 1);
            }
        }
        lent.extend(reading.lend(part, &self.name, millis_behind_latest));
        if reading.is_cut {
            // With it goes the shard's end, if the page that was cut came with that: not all before it was lent.
            self.stream.revoke(shard);
        }
        self.unsettled_bytes += reading.window.bytes() - before;
        if let Some(watermark) = reading.window.watermark() {
            self.leases.checkpoint(shard, Checkpoint::After(watermark.clone()));
        }
        lent
    }

    /// Holds a shard of which enough is lent, or lets it go on.
    pub(super) fn pace(&mut self, shard: &ShardId, now: Instant) {
        let limits = WindowLimits { batches: MAX_OPEN_BATCHES, bytes: self.config.max_unsettled_bytes_per_shard };
        let Some(reading) = self.reading.get_mut(shard) else { return };
        let is_full = reading.window.is_full(&limits);
        if is_full != reading.paused {
            reading.paused = is_full;
            self.stream.set_paused(shard, is_full, now);
        }
    }

    /// A batch was abandoned: reads its shard again from the watermark on; or, while draining, gives up what lies behind it.
    pub(super) fn abandoned(&mut self, id: &BatchId, now: Instant) {
        match self.draining {
            true => self.truncate(id),
            false => self.rewind(id, now),
        }
    }

    /// What lies before the batch was handed on, and may still be settled.
    fn truncate(&mut self, id: &BatchId) {
        let Some(reading) = self.reading.get_mut(&id.shard) else { return };
        let before = reading.window.bytes();
        if reading.window.truncate(id.index) {
            // Its end is not reached any more.
            reading.end = None;
            self.unsettled_bytes -= before - reading.window.bytes();
        }
    }

    fn rewind(&mut self, id: &BatchId, now: Instant) {
        let shard = &id.shard;
        let Some(reading) = self.reading.get_mut(shard) else { return };
        let Some(to) = reading.window.end_of(id.index).cloned() else { return };
        let times = reading.abandoned.entry(to).or_default();
        let wait = ABANDONED_WAIT.0.saturating_mul(1 << (*times).min(16)).min(ABANDONED_WAIT.1);
        *times += 1;
        let event = ConsumerEvent::Abandoned { shard: shard.clone(), epoch: id.epoch, times: *times };
        self.tell(event);
        self.read_again(shard, now + wait, now);
    }

    /// Reads on where the count had cut shards, once there are records to be lent again and what was lent is settled.
    pub(super) fn read_what_was_cut(&mut self, now: Instant) {
        // Without a count nothing is cut, and going through the shards at every answer costs more than all else.
        if self.remaining.is_none_or(|left| left == 0) {
            return;
        }
        let cut = self.reading.values().filter(|reading| reading.is_cut && reading.window.is_empty());
        let cut: Vec<ShardId> = cut.map(|reading| reading.shard.id.clone()).collect();
        for shard in cut {
            self.read_again(&shard, now, now);
        }
    }

    /// Reads a shard from the watermark on, under a new epoch.
    fn read_again(&mut self, shard: &ShardId, from: Instant, now: Instant) {
        let Some(reading) = self.reading.get_mut(shard) else { return };
        self.unsettled_bytes -= reading.window.bytes();
        self.remaining = self.remaining.map(|left| left + reading.window.records());
        if let Some(watermark) = reading.window.watermark() {
            reading.resume_after = Some(watermark.clone());
        }
        reading.from = reading.resume_after.clone().map_or(reading.begun_with.clone(), Checkpoint::After);
        reading.window = AckWindow::default();
        reading.paused = false;
        reading.is_cut = false;
        reading.end = None;
        self.stream.revoke(shard);
        self.grant(shard, from, now);
    }
}

/// A batch being put together.
#[derive(Default)]
struct Part {
    records: Vec<Record>,
    bytes: usize,
    /// Up to where it covers the shard, records left out included.
    to: Option<ExtendedSequenceNumber>,
}

impl Part {
    fn has_room_for(&self, record: &Record, max_bytes: usize) -> bool {
        self.records.is_empty() || self.bytes + record.weight() <= max_bytes
    }
}

impl Reading {
    /// Opens a batch in the window. One without records settles at once, when all before it does.
    fn lend(&mut self, part: Part, stream: &Arc<str>, millis_behind_latest: Option<i64>) -> Option<Lent> {
        let to = part.to?;
        let index = self.window.open(to.clone(), part.bytes, part.records.len() as u64);
        let abandoned = self.abandoned.range(..=&to).next_back();
        let abandoned = abandoned.filter(|(position, _)| self.from < Checkpoint::After((*position).clone()));
        let abandoned = abandoned.map_or(0, |(_, times)| *times);
        let range = PositionRange { from: std::mem::replace(&mut self.from, Checkpoint::After(to.clone())), to };
        if part.records.is_empty() {
            self.window.settle(index);
            return None;
        }
        let (shard, grant) = (self.shard.id.clone(), self.grant.0.clone());
        let id = BatchId { shard, epoch: self.epoch, index, grant };
        let batch = Batch {
            stream: stream.clone(),
            shard_id: self.shard.id.clone(),
            records: part.records,
            millis_behind_latest,
        };
        Some(Lent { id, batch, range, abandoned })
    }
}
