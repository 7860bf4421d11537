//! Which leases are this worker's, which others keep alive, and which to take.

use std::time::Instant;

use super::{LeaseCoordinator, LeaseEvent, Seen};
use crate::protocol::diagnostics::ConsumerEvent;
use crate::protocol::lease::Leader;
use crate::protocol::planner::{Candidate, leases_to_take};
use crate::protocol::shard::ShardId;

impl LeaseCoordinator {
    /// Whether the row says what this worker believes of a lease that it holds. A write whose answer did not come yet, or
    /// never, may show in it.
    pub(super) fn is_mine(&self, shard: &ShardId) -> bool {
        let (Some(held), Some(seen)) = (self.held.get(shard), self.seen.get(shard)) else { return false };
        let open = held.in_doubt.is_some() || self.under_way.contains(shard);
        let counter_fits = seen.lease.counter <= held.counter + u64::from(open);
        match seen.lease.owner.as_deref() {
            Some(owner) => owner == self.config.worker_id && counter_fits,
            None => held.releasing && open && counter_fits,
        }
    }

    /// Decides anew which leases to take.
    pub(super) fn plan(&mut self, now: Instant) {
        if self.leaving {
            return;
        }
        self.is_ruled = self.leader.as_ref().is_some_and(|(leader, since)| now < *since + leader.lease_duration);
        if self.is_ruled {
            self.to_take.clear();
            self.keep_children_alone();
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
        // What is being taken may fail, and is then tried again.
        self.to_take.retain(|shard| self.under_way.is_taking(shard));
        self.to_take.extend(take);
    }

    /// Who keeps a lease alive. A row that names this worker, which does not hold it, is one of an earlier run.
    pub(super) fn holder<'a>(&'a self, seen: &'a Seen, now: Instant) -> Option<&'a str> {
        let worker = self.config.worker_id.as_str();
        if self.held.contains_key(&seen.lease.shard) || self.under_way.is_taking(&seen.lease.shard) {
            return Some(worker);
        }
        let alive = !self.exclusive && now < seen.since + self.config.failover_time;
        // Until it is handed over, it is the one's that hands it over.
        let owner = seen.lease.checkpoint_owner.as_deref().or(seen.lease.owner.as_deref());
        owner.filter(|owner| alive && *owner != worker)
    }

    /// A leader lives while its heartbeats are seen, by this worker's clock, and at first for as long as it may go
    /// without.
    pub(super) fn note_leader(&mut self, leader: Option<Leader>, now: Instant) {
        let before = self.leader.take();
        self.leader = leader.map(|leader| match before {
            Some((before, since)) if before.record_version == leader.record_version => (leader, since),
            Some((before, _)) if before.owner == leader.owner => (leader, now),
            _ => {
                self.news.push_back(ConsumerEvent::LeaderRules { leader: leader.owner.clone() });
                (leader, now)
            }
        });
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
