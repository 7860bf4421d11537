//! What a worker writes to its leases, and what the answers mean.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Held, LeaseCoordinator, LeaseEvent, Listing, Seen};
use crate::protocol::diagnostics::ConsumerEvent;
use crate::protocol::lease::{Checkpoint, Lease, LeaseWrite, WriteOutcome};
use crate::protocol::shard::ShardId;

impl LeaseCoordinator {
    pub(super) fn writes(&mut self, now: Instant) -> Vec<LeaseWrite> {
        // Parents first: a shard without a lease of which a descendant has one counts as dealt with.
        let awaits_parent = |lease: &Lease| lease.parents.iter().any(|parent| self.to_create.contains_key(parent));
        let creatable = self.to_create.values().filter(|lease| !awaits_parent(lease));
        let create = |lease: &Lease| match self.outdated.get(&lease.shard) {
            Some(&counter) => LeaseWrite::Replace { lease: lease.clone(), counter },
            None => LeaseWrite::Create { lease: lease.clone() },
        };
        let mut writes: Vec<LeaseWrite> = creatable.map(create).collect();
        for (shard, &counter) in &self.to_delete {
            writes.push(LeaseWrite::Delete { shard: shard.clone(), counter });
        }
        let owner = &self.config.worker_id;
        for shard in &self.to_take {
            if let Some(seen) = self.seen.get(shard) {
                writes.push(LeaseWrite::Take {
                    shard: shard.clone(),
                    owner: owner.clone(),
                    counter: seen.lease.counter,
                    stream_creation_timestamp: self.stream_created,
                });
            }
        }
        for (shard, held) in &self.held {
            // A parent's end is written once its children have their leases.
            let waits = held.children.iter().any(|child| self.to_create.contains_key(child));
            if waits || self.write_due(held).is_none_or(|at| at > now) {
                continue;
            }
            let (shard, owner, counter) = (shard.clone(), owner.clone(), held.counter);
            writes.push(if held.is_dirty() {
                let (checkpoint, children) = (held.wanted.clone(), held.children.clone());
                LeaseWrite::Checkpoint { shard, owner, counter, checkpoint, children }
            } else if held.releasing {
                LeaseWrite::Release { shard, owner }
            } else {
                LeaseWrite::Renew { shard, owner, counter }
            });
        }
        writes
    }

    /// When a held lease is to be written next.
    pub(super) fn write_due(&self, held: &Held) -> Option<Instant> {
        if held.releasing || (held.is_dirty() && held.wanted == Checkpoint::ShardEnd) {
            return Some(held.renewed);
        }
        let interval = self.config.renew_interval();
        let renewal = (!self.exclusive).then(|| held.renewed + interval);
        let least = if self.exclusive { Duration::ZERO } else { interval };
        let checkpoint = held.is_dirty().then(|| held.checkpointed + self.config.checkpoint_interval.max(least));
        renewal.into_iter().chain(checkpoint).min()
    }

    pub(super) fn written(&mut self, write: LeaseWrite, outcome: WriteOutcome, sent: Instant, now: Instant) {
        let shard = write.shard().clone();
        match (write, outcome) {
            (LeaseWrite::Create { lease }, outcome) => {
                self.to_create.remove(&shard);
                let lease = match outcome {
                    WriteOutcome::Done => lease,
                    // Another worker was faster.
                    WriteOutcome::Refused(Some(row)) => *row,
                    WriteOutcome::Refused(None) => return,
                };
                self.seen.entry(shard).or_insert(Seen::new(lease, now));
                self.plan(now);
            }
            (LeaseWrite::Replace { lease, counter }, WriteOutcome::Done) => {
                self.to_create.remove(&shard);
                self.outdated.remove(&shard);
                let lease = Lease { counter: counter + 1, ..lease };
                self.seen.insert(shard, Seen::new(lease, now));
                self.plan(now);
            }
            (LeaseWrite::Delete { .. }, WriteOutcome::Done) => {
                self.to_delete.remove(&shard);
                self.outdated.remove(&shard);
                if self.seen.remove(&shard).is_some() {
                    self.news.push_back(ConsumerEvent::LeaseDeleted { shard });
                }
            }
            (LeaseWrite::Replace { .. } | LeaseWrite::Delete { .. }, WriteOutcome::Refused(_)) => {
                // Another worker was faster; a listing tells to what.
                self.to_create.remove(&shard);
                self.to_delete.remove(&shard);
                self.outdated.remove(&shard);
                self.listing = Listing::Due(now);
            }
            (write @ LeaseWrite::Take { .. }, WriteOutcome::Done) => {
                self.to_take.remove(&shard);
                let from = self.other_owner(&shard);
                self.news.push_back(ConsumerEvent::LeaseTaken { shard, from });
                if let Some(lease) = self.note(&write, now) {
                    self.hold(lease, sent);
                }
            }
            (LeaseWrite::Take { .. }, WriteOutcome::Refused(row)) => {
                self.to_take.remove(&shard);
                self.note_row(&shard, row, now);
            }
            (LeaseWrite::Release { .. }, WriteOutcome::Done) => {
                self.held.remove(&shard);
                self.news.push_back(ConsumerEvent::LeaseReleased { shard });
            }
            (write, WriteOutcome::Done) => {
                if let Some(held) = self.held.get_mut(&shard) {
                    held.counter += 1;
                    held.renewed = sent;
                    held.in_doubt = false;
                    if let LeaseWrite::Checkpoint { checkpoint, .. } = &write {
                        held.written = checkpoint.clone();
                        held.checkpointed = sent;
                        let (shard, checkpoint) = (shard.clone(), checkpoint.clone());
                        self.news.push_back(ConsumerEvent::Checkpointed { shard, checkpoint });
                    }
                }
                self.note(&write, now);
                self.end_if_complete(&shard);
            }
            (write, WriteOutcome::Refused(row)) => self.refused(&write, row, sent, now),
        }
    }

    /// A write to a lease that was held is refused: by another owner, or because an earlier attempt, whose answer never
    /// came, was done after all.
    pub(super) fn refused(&mut self, write: &LeaseWrite, row: Option<Box<Lease>>, sent: Instant, now: Instant) {
        let shard = write.shard().clone();
        let own = row.as_deref().filter(|row| row.owner.as_deref() == Some(&self.config.worker_id)).cloned();
        match (self.held.get_mut(&shard), own) {
            (Some(held), Some(row)) if held.in_doubt && row.counter == held.counter + 1 => {
                held.counter = row.counter;
                held.in_doubt = false;
                held.renewed = sent;
                held.written = row.checkpoint.clone();
                self.note_row(&shard, Some(Box::new(row)), now);
                self.end_if_complete(&shard);
            }
            _ => {
                self.note_row(&shard, row, now);
                self.lose(&shard);
            }
        }
    }

    /// A shard whose end is written needs no owner. KCL, too, gives such leases back.
    pub(super) fn end_if_complete(&mut self, shard: &ShardId) {
        if let Some(held) = self.held.get_mut(shard).filter(|held| held.written == Checkpoint::ShardEnd) {
            held.releasing = true;
        }
    }

    /// Does a write that was done to what is known, and returns the row.
    pub(super) fn note(&mut self, write: &LeaseWrite, now: Instant) -> Option<Lease> {
        let seen = self.seen.get_mut(write.shard())?;
        let mut row = BTreeMap::from([(seen.lease.shard.clone(), seen.lease.clone())]);
        write.apply_to(&mut row);
        seen.lease = row.pop_first()?.1;
        seen.since = now;
        Some(seen.lease.clone())
    }

    pub(super) fn note_row(&mut self, shard: &ShardId, row: Option<Box<Lease>>, now: Instant) {
        match row {
            Some(row) => self.seen.insert(shard.clone(), Seen::new(*row, now)),
            None => self.seen.remove(shard),
        };
    }

    pub(super) fn hold(&mut self, lease: Lease, renewed: Instant) {
        let held = Held {
            counter: lease.counter,
            renewed,
            written: lease.checkpoint.clone(),
            wanted: lease.checkpoint,
            children: Vec::new(),
            checkpointed: renewed,
            in_doubt: false,
            readable: false,
            releasing: self.leaving,
        };
        self.held.insert(lease.shard, held);
    }

    pub(super) fn lose(&mut self, shard: &ShardId) {
        let Some(held) = self.held.remove(shard) else { return };
        let to = self.other_owner(shard);
        self.news.push_back(ConsumerEvent::LeaseLost { shard: shard.clone(), to });
        if held.readable {
            self.events.push_back(LeaseEvent::Lost(shard.clone()));
        }
    }

    /// The other worker that a lease's row names, if it names one.
    fn other_owner(&self, shard: &ShardId) -> Option<String> {
        let owner = self.seen.get(shard)?.lease.owner.as_ref();
        owner.filter(|owner| **owner != self.config.worker_id).cloned()
    }

    /// Gives up what was not written for so long that others may have taken it.
    pub(super) fn drop_expired(&mut self, now: Instant) {
        let is_expired = |held: &Held| !self.exclusive && now >= held.renewed + self.config.failover_time;
        let expired: Vec<ShardId> =
            self.held.iter().filter(|(_, held)| is_expired(held)).map(|(shard, _)| shard.clone()).collect();
        for shard in expired {
            self.lose(&shard);
        }
    }
}
