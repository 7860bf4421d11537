//! What a worker writes to its leases, and what the answers mean.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::{Held, LeaseCoordinator, LeaseEvent, Listing, Seen};
use crate::protocol::diagnostics::ConsumerEvent;
use crate::protocol::lease::{Checkpoint, Lease, LeaseWrite, WriteOutcome};
use crate::protocol::shard::ShardId;

/// Something to write.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// A lease that is held: its checkpoint, a renewal, or its release.
    Keep(&'a ShardId, &'a Held),
    Take(&'a Lease),
    Create(&'a Lease),
    /// With the counter last seen.
    Delete(&'a ShardId, u64),
}

impl<'a> Wanted<'a> {
    fn shard(&self) -> &'a ShardId {
        match *self {
            Wanted::Keep(shard, _) | Wanted::Delete(shard, _) => shard,
            Wanted::Take(lease) | Wanted::Create(lease) => &lease.shard,
        }
    }
}

impl LeaseCoordinator {
    /// The next batch of writes that are due.
    pub(super) fn writes(&self, now: Instant) -> Vec<LeaseWrite> {
        let mut due: Vec<(Instant, Wanted<'_>)> = self.wanted().filter(|(at, _)| *at <= now).collect();
        // What must not be late first, and what has waited longest.
        due.sort_by_key(|(at, wanted)| (!matches!(wanted, Wanted::Keep(..)), *at));
        let is_failing = |wanted: &Wanted<'_>| self.under_way.is_failing(wanted.shard());
        let all_failing = due.iter().all(|(_, wanted)| is_failing(wanted));
        let mut shards = BTreeSet::new();
        due.into_iter()
            .filter(|(_, wanted)| is_failing(wanted) == all_failing && shards.insert(wanted.shard()))
            .take(self.under_way.most_writes())
            .map(|(_, wanted)| self.write(&wanted))
            .collect()
    }

    /// What is to be written for which there is room, and from when on.
    pub(super) fn wanted(&self) -> impl Iterator<Item = (Instant, Wanted<'_>)> {
        let room = [false, true].map(|is_failing| self.under_way.has_room(is_failing));
        let keep =
            self.held.iter().filter_map(|(shard, held)| Some((self.write_due(held)?, Wanted::Keep(shard, held))));
        let take = self.to_take.iter().filter_map(|shard| Some(&self.seen.get(shard)?.lease));
        let take = take.filter(|lease| !lease.is_complete()).map(Wanted::Take);
        // Parents first: a shard without a lease of which a descendant has one counts as dealt with.
        let awaits_parent = |lease: &Lease| lease.parents.iter().any(|parent| self.to_create.contains_key(parent));
        let create = self.to_create.values().filter(move |lease| !awaits_parent(lease)).map(Wanted::Create);
        let delete = self.to_delete.iter().map(|(shard, &counter)| Wanted::Delete(shard, counter));
        let planned = take.chain(create).chain(delete).map(|wanted| (self.began, wanted));
        keep.chain(planned).filter_map(move |(at, wanted)| {
            let shard = wanted.shard();
            let has_room = room[usize::from(self.under_way.is_failing(shard))];
            let may_be = has_room && !self.under_way.contains(shard);
            may_be.then(|| (self.under_way.not_before(shard).map_or(at, |from| at.max(from)), wanted))
        })
    }

    fn write(&self, wanted: &Wanted<'_>) -> LeaseWrite {
        let owner = self.config.worker_id.clone();
        match *wanted {
            Wanted::Create(lease) => match self.outdated.get(&lease.shard) {
                Some(&counter) => LeaseWrite::Replace { lease: lease.clone(), counter },
                None => LeaseWrite::Create { lease: lease.clone() },
            },
            Wanted::Delete(shard, counter) => LeaseWrite::Delete { shard: shard.clone(), counter },
            Wanted::Take(lease) => LeaseWrite::Take {
                shard: lease.shard.clone(),
                owner,
                counter: lease.counter,
                stream_creation_timestamp: self.stream_created,
            },
            Wanted::Keep(shard, held) => {
                let (shard, counter) = (shard.clone(), held.counter);
                if self.awaits_children(held) {
                    LeaseWrite::Renew { shard, owner, counter }
                } else if held.is_dirty() {
                    let (checkpoint, children) = (held.wanted.clone(), held.children.clone());
                    LeaseWrite::Checkpoint { shard, owner, counter, checkpoint, children }
                } else if held.releasing {
                    LeaseWrite::Release { shard, owner }
                } else {
                    LeaseWrite::Renew { shard, owner, counter }
                }
            }
        }
    }

    /// A parent's end is written once its children have their leases.
    fn awaits_children(&self, held: &Held) -> bool {
        held.children.iter().any(|child| self.to_create.contains_key(child))
    }

    /// When a held lease is to be written next.
    fn write_due(&self, held: &Held) -> Option<Instant> {
        let interval = self.config.renew_interval();
        let renewal = (!self.exclusive).then(|| held.renewed + interval);
        if self.awaits_children(held) {
            return renewal;
        }
        if held.releasing || (held.is_dirty() && held.wanted == Checkpoint::ShardEnd) {
            return Some(held.renewed);
        }
        let least = if self.exclusive { Duration::ZERO } else { interval };
        let checkpoint = held.is_dirty().then(|| held.checkpointed + self.config.checkpoint_interval.max(least));
        renewal.into_iter().chain(checkpoint).min()
    }

    pub(super) fn written(&mut self, write: LeaseWrite, outcome: WriteOutcome, sent: Instant, now: Instant) {
        let shard = write.shard().clone();
        if let LeaseWrite::Renew { .. } | LeaseWrite::Checkpoint { .. } | LeaseWrite::Release { .. } = write {
            // If the lease was lost meanwhile, and is to be taken again, that was planned before this was known.
            self.to_take.remove(&shard);
        }
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
            (write @ LeaseWrite::Take { counter, .. }, WriteOutcome::Done) => {
                self.to_take.remove(&shard);
                let from = self.other_owner(&shard);
                let row = self.note(&write, now);
                // Others may have taken it since, which a listing tells, or how long the answer took.
                let worker = Some(self.config.worker_id.as_str());
                let is_mine = |row: &Lease| row.owner.as_deref() == worker && row.counter == counter + 1;
                if let Some(lease) = row.filter(|row| is_mine(row) && !self.is_expired(sent, now)) {
                    self.news.push_back(ConsumerEvent::LeaseTaken { shard, from });
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
            (LeaseWrite::Release { .. }, WriteOutcome::Refused(row))
                if row.as_deref().is_none_or(|row| row.owner.is_none()) =>
            {
                // An earlier attempt was done.
                self.note_row(&shard, row, now);
                if self.held.remove(&shard).is_some() {
                    self.news.push_back(ConsumerEvent::LeaseReleased { shard });
                }
            }
            (write, WriteOutcome::Done) => {
                if let Some(held) = self.held.get_mut(&shard) {
                    held.counter += 1;
                    held.renewed = sent;
                    held.in_doubt = None;
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
            (write, WriteOutcome::Refused(row)) => self.refused(&write, row, now),
        }
    }

    /// A write to a lease that was held is refused: by another owner, or because an earlier attempt, whose answer never
    /// came, was done after all.
    fn refused(&mut self, write: &LeaseWrite, row: Option<Box<Lease>>, now: Instant) {
        let shard = write.shard().clone();
        let own = row.as_deref().filter(|row| row.owner.as_deref() == Some(&self.config.worker_id)).cloned();
        match (self.held.get_mut(&shard), own) {
            (Some(held), Some(row)) if held.in_doubt.is_some() && row.counter == held.counter + 1 => {
                held.counter = row.counter;
                // It may be the first of them that was done, and the others have seen its counter since.
                held.renewed = held.in_doubt.take().unwrap_or(held.renewed);
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
            in_doubt: None,
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
        let expired = self.held.iter().filter(|(_, held)| self.is_expired(held.renewed, now));
        let expired: Vec<ShardId> = expired.map(|(shard, _)| shard.clone()).collect();
        for shard in expired {
            self.lose(&shard);
        }
    }

    /// Whether others may have taken a lease that was written last at that time.
    fn is_expired(&self, renewed: Instant, now: Instant) -> bool {
        !self.exclusive && now >= renewed + self.config.failover_time
    }
}
