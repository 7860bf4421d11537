//! Which writes are under way, and which wait since they failed.
//!
//! Writes go out in batches, several at a time, each with its own time of sending: what is known of a lease is as old as
//! its batch, whose answers come with the slowest of them. So that a row which cannot be written, or one that takes
//! long, costs no other lease its renewal,
//! - batches are small, and one that hangs leaves the others their places;
//! - rows whose last write failed share batches with their like alone, which have a part of the places;
//! - each of them waits for itself until it is tried again.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::protocol::lease::LeaseWrite;
use crate::protocol::pacing::{Failures, RetryPolicy};
use crate::protocol::shard::ShardId;

/// Writes in a batch.
pub(super) const MOST_WRITES: usize = 16;

/// Batches under way at once: of all, and of rows that failed. By 0.1 s a batch a thousand leases are written in less
/// than a second.
const MOST_BATCHES: usize = 8;
const MOST_FAILING: usize = 4;

/// Attempts for a row once time is up.
const LAST_ATTEMPTS: u32 = 3;

pub(super) struct UnderWay {
    /// Whether all that is due goes in one batch, and the next one after its answer: a store of one process takes them as
    /// a whole, or not at all.
    is_whole: bool,
    batches: BTreeMap<u64, Sent>,
    /// The number of the next batch.
    next: u64,
    /// The shards in those batches, and whether they are being taken.
    shards: BTreeMap<ShardId, bool>,
    failing: BTreeMap<ShardId, Failing>,
    is_time_up: bool,
}

/// A batch that was sent.
pub(super) struct Sent {
    pub(super) writes: Vec<LeaseWrite>,
    pub(super) at: Instant,
    is_failing: bool,
}

#[derive(Default)]
struct Failing {
    failures: Failures,
    not_before: Option<Instant>,
    /// Attempts since time was up.
    last_attempts: u32,
}

impl UnderWay {
    pub(super) fn new(is_whole: bool) -> Self {
        UnderWay {
            is_whole,
            batches: BTreeMap::new(),
            next: 0,
            shards: BTreeMap::new(),
            failing: BTreeMap::new(),
            is_time_up: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Whether a write of the shard's lease is under way.
    pub(super) fn contains(&self, shard: &ShardId) -> bool {
        self.shards.contains_key(shard)
    }

    /// Whether it is one that takes it.
    pub(super) fn is_taking(&self, shard: &ShardId) -> bool {
        self.shards.get(shard).copied().unwrap_or(false)
    }

    /// Whether the last write of the shard's lease failed.
    pub(super) fn is_failing(&self, shard: &ShardId) -> bool {
        !self.is_whole && self.failing.contains_key(shard)
    }

    /// Before when the shard's lease is not written again.
    pub(super) fn not_before(&self, shard: &ShardId) -> Option<Instant> {
        self.failing.get(shard)?.not_before
    }

    /// Whether a further batch may be sent, of rows that failed or of others.
    pub(super) fn has_room(&self, is_failing: bool) -> bool {
        if self.is_whole {
            return self.batches.is_empty();
        }
        let failing = self.batches.values().filter(|sent| sent.is_failing).count();
        self.batches.len() < MOST_BATCHES && !(is_failing && failing >= MOST_FAILING)
    }

    /// How many writes a batch may have.
    pub(super) fn most_writes(&self) -> usize {
        if self.is_whole { usize::MAX } else { MOST_WRITES }
    }

    /// Notes a batch, and numbers it.
    pub(super) fn send(&mut self, writes: Vec<LeaseWrite>, now: Instant) -> u64 {
        let is_failing = writes.iter().any(|write| self.is_failing(write.shard()));
        for write in &writes {
            self.shards.insert(write.shard().clone(), matches!(write, LeaseWrite::Take { .. }));
        }
        let batch = self.next;
        self.next += 1;
        self.batches.insert(batch, Sent { writes, at: now, is_failing });
        batch
    }

    /// The batch that is answered now.
    pub(super) fn answered(&mut self, batch: u64) -> Option<Sent> {
        let sent = self.batches.remove(&batch)?;
        for write in &sent.writes {
            self.shards.remove(write.shard());
        }
        Some(sent)
    }

    /// The store has answered for the shard's lease.
    pub(super) fn succeeded(&mut self, shard: &ShardId) {
        self.failing.remove(shard);
    }

    /// A write failed in a way that may pass. Nothing if it is to be given up.
    pub(super) fn failed(
        &mut self,
        shard: &ShardId,
        policy: &RetryPolicy,
        rng: &mut fastrand::Rng,
        now: Instant,
    ) -> Option<()> {
        let failing = self.failing.entry(shard.clone()).or_default();
        failing.last_attempts += u32::from(self.is_time_up);
        if failing.last_attempts >= LAST_ATTEMPTS {
            return None;
        }
        failing.not_before = Some(failing.failures.failed(policy, rng, now)?);
        Some(())
    }

    /// From now on a failing write is given up soon.
    pub(super) fn time_is_up(&mut self) {
        self.is_time_up = true;
    }
}
