//! Which leases are this worker's, which others keep alive, and which to take.

use std::time::Instant;

use super::{LeaseCoordinator, LeaseEvent, Seen};
use crate::protocol::lease::LeaseWrite;
use crate::protocol::planner::{Candidate, leases_to_take};
use crate::protocol::shard::ShardId;

impl LeaseCoordinator {
    /// Whether the row says what this worker believes of a lease that it holds. A write whose answer did not come yet, or
    /// never, may show in it.
    pub(super) fn is_mine(&self, shard: &ShardId) -> bool {
        let (Some(held), Some(seen)) = (self.held.get(shard), self.seen.get(shard)) else { return false };
        let is_written = |(writes, _): &(Vec<LeaseWrite>, Instant)| writes.iter().any(|write| write.shard() == shard);
        let open = held.in_doubt || self.writing.as_ref().is_some_and(is_written);
        let counter_fits = seen.lease.counter <= held.counter + u64::from(open);
        seen.lease.owner.as_deref() == Some(&self.config.worker_id) && counter_fits
    }

    /// Decides anew which leases to take.
    pub(super) fn plan(&mut self, now: Instant) {
        if self.leaving {
            return;
        }
        let mut rng = self.rng.fork();
        let candidates: Vec<Candidate<'_>> = self
            .seen
            .values()
            .filter(|seen| !seen.lease.is_complete())
            .map(|seen| Candidate { shard: &seen.lease.shard, holder: self.holder(seen, now) })
            .collect();
        let worker = &self.config.worker_id;
        let take = leases_to_take(worker, &candidates, self.config.max_leases, &mut rng);
        self.to_take = take.into_iter().collect();
    }

    /// Who keeps a lease alive. A row that names this worker, which does not hold it, is one of an earlier run.
    pub(super) fn holder<'a>(&'a self, seen: &'a Seen, now: Instant) -> Option<&'a str> {
        let worker = self.config.worker_id.as_str();
        if self.held.contains_key(&seen.lease.shard) {
            return Some(worker);
        }
        let alive = !self.exclusive && now < seen.since + self.config.failover_time;
        seen.lease.owner.as_deref().filter(|owner| alive && *owner != worker)
    }

    /// Announces the leases that are held and whose parents are all read.
    pub(super) fn announce(&mut self) {
        for (shard, held) in &mut self.held {
            let Some(seen) = self.seen.get(shard).filter(|_| !held.readable && !held.releasing) else { continue };
            let is_open = |parent: &ShardId| self.seen.get(parent).is_some_and(|seen| !seen.lease.is_complete());
            if !seen.lease.parents.iter().any(is_open) {
                held.readable = true;
                self.events.push_back(LeaseEvent::Readable(Box::new(seen.lease.clone())));
            }
        }
    }
}
