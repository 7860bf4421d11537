//! What a worker tells of itself: see [`ConsumerEvent`] and [`ConsumerSnapshot`].

use std::collections::BTreeMap;
use std::time::Instant;

use super::{Reading, Scheduler};
use crate::error::{ApiError, ApiErrorKind};
use crate::protocol::diagnostics::{ConsumerEvent, ConsumerSnapshot, ShardSnapshot, ShardState};
use crate::protocol::shard::ShardId;

/// Events that nobody asks for are forgotten, the oldest first.
const MAX_EVENTS: usize = 4096;

impl Scheduler {
    /// What happened since this was asked last, one by one.
    pub fn poll_event(&mut self) -> Option<ConsumerEvent> {
        self.events.pop_front()
    }

    /// How it stands.
    pub fn snapshot(&self, now: Instant) -> ConsumerSnapshot {
        let mut owners: BTreeMap<&str, usize> = BTreeMap::new();
        for lease in self.leases().filter(|lease| !lease.is_complete()) {
            *owners.entry(lease.owner.as_deref().unwrap_or_default()).or_default() += 1;
        }
        ConsumerSnapshot {
            stream: self.stream_id.clone(),
            worker_id: self.config.leases.worker_id.clone(),
            shards: self
                .leases
                .held()
                .map(|(shard, held)| {
                    let reading = self.reading.get(shard);
                    let state = match reading {
                        _ if held.releasing => ShardState::Releasing,
                        None if held.readable => ShardState::Settling,
                        None => ShardState::WaitingForParents,
                        Some(reading) => reading.state(),
                    };
                    ShardSnapshot {
                        shard: shard.clone(),
                        state,
                        epoch: reading.map_or(0, |reading| reading.epoch),
                        millis_behind_latest: reading.and_then(|reading| reading.millis_behind_latest),
                        last_arrival: reading.and_then(|reading| reading.last_arrival),
                        records: reading.map_or(0, |reading| reading.records),
                        bytes: reading.map_or(0, |reading| reading.bytes),
                        throttled: reading.map_or(0, |reading| reading.throttled),
                        unsettled_bytes: reading.map_or(0, |reading| reading.window.bytes()),
                        checkpoint: held.written.clone(),
                        checkpoint_age: now.saturating_duration_since(held.checkpointed),
                    }
                })
                .collect(),
            leases_by_owner: owners.into_iter().map(|(owner, leases)| (owner.to_owned(), leases)).collect(),
            unsettled_bytes: self.unsettled_bytes,
        }
    }

    /// Counts a call for a shard that was throttled.
    pub(super) fn note_throttling(&mut self, shard: &ShardId, error: &ApiError) {
        if error.kind == ApiErrorKind::Throttled
            && let Some(reading) = self.reading.get_mut(shard)
        {
            reading.throttled += 1;
        }
    }

    pub(super) fn tell(&mut self, event: ConsumerEvent) {
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

impl Reading {
    fn state(&self) -> ShardState {
        match (&self.end, self.paused) {
            (Some(_), _) => ShardState::Settling,
            (None, true) => ShardState::Held,
            (None, false) => ShardState::Reading,
        }
    }
}
