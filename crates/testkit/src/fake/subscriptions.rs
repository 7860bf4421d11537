//! Enhanced fan-out of the fake: one subscription a consumer and shard, which ends after a while.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use kinesis_logs_source::protocol::{ShardPosition, SubscriptionEvent};
use kinesis_logs_source::{ApiError, ApiErrorKind, SequenceNumber, ShardId, Subscription};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{FakeKinesis, Operation, World};

/// How subscriptions behave, and those that are open.
pub struct FanOut {
    /// How long a subscription lives. 5 minutes.
    pub lifetime: Duration,
    /// How often an event comes though there is nothing to say, the first at once. 5 s.
    pub heartbeat: Duration,
    /// How long after a subscription was granted a further one is refused; later it takes over. 5 s.
    pub refused_for: Duration,
    /// How often registering says that the consumer is not active yet. 0.
    pub creating: usize,
    /// Continuations that no record has, that stand still and that go back. No: the last record's number, and in events
    /// without records that of the last record of all the stream.
    pub odd_continuations: bool,
    /// Whether all events of a closed shard name its children and go on, as some emulators' do, up to one without records.
    /// No.
    pub names_children_early: bool,
    /// When, and as which, the last subscription was granted, by consumer and shard.
    granted: BTreeMap<(String, ShardId), (Instant, u64)>,
    events: u64,
    pub(super) changed: Arc<Notify>,
}

impl Default for FanOut {
    fn default() -> Self {
        FanOut {
            lifetime: Duration::from_secs(300),
            heartbeat: Duration::from_secs(5),
            refused_for: Duration::from_secs(5),
            creating: 0,
            odd_continuations: false,
            names_children_early: false,
            granted: BTreeMap::new(),
            events: 0,
            changed: Arc::default(),
        }
    }
}

const NAME: &str = "SubscribeToShard";

impl FakeKinesis {
    pub(super) fn subscribe(
        &self,
        consumer: &str,
        shard: &ShardId,
        position: &ShardPosition,
    ) -> Result<Subscription, ApiError> {
        let mut world = self.world();
        world.called_any_stream(Operation::SubscribeToShard, NAME)?;
        let index = world.find(shard.as_str(), NAME)?;
        let key = (consumer.to_owned(), shard.clone());
        let now = Instant::now();
        let before = world.fan_out.granted.get(&key).copied();
        if before.is_some_and(|(granted, _)| now.duration_since(granted) < world.fan_out.refused_for) {
            let message = format!("Another active subscription exists for this consumer: {shard}");
            return Err(ApiError::new(ApiErrorKind::ResourceInUse, NAME, message));
        }
        let number = before.map_or(0, |(_, number)| number + 1);
        world.fan_out.granted.insert(key.clone(), (now, number));
        world.fan_out.changed.notify_waiters();
        let open = Open {
            world: self.world.clone(),
            key,
            number,
            shard: index,
            next: world.first_index(index, position),
            ends: now + world.fan_out.lifetime,
            begun: false,
            over: false,
        };
        Ok(Subscription {
            server_time: world.server_time(),
            events: futures::stream::unfold(open, Open::event).boxed(),
        })
    }
}

struct Open {
    world: Arc<Mutex<World>>,
    key: (String, ShardId),
    number: u64,
    shard: usize,
    next: usize,
    ends: Instant,
    begun: bool,
    over: bool,
}

/// What a look at the shard gives.
enum Look {
    Event(SubscriptionEvent),
    Failure(ApiError),
    Nothing,
}

impl Open {
    async fn event(mut self) -> Option<(Result<SubscriptionEvent, ApiError>, Self)> {
        tokio::task::yield_now().await;
        let (changed, heartbeat) = {
            let world = self.lock();
            let wait = if self.begun { world.fan_out.heartbeat } else { Duration::ZERO };
            (world.fan_out.changed.clone(), Instant::now() + wait)
        };
        self.begun = true;
        loop {
            if self.over {
                return None;
            }
            // Whatever changes after the look wakes.
            let change = changed.notified();
            tokio::pin!(change);
            change.as_mut().enable();
            let is_due = Instant::now() >= heartbeat;
            match self.look(is_due) {
                Look::Event(event) => return Some((Ok(event), self)),
                Look::Failure(error) => {
                    self.over = true;
                    return Some((Err(error), self));
                }
                Look::Nothing => {}
            }
            if Instant::now() >= self.ends {
                return None;
            }
            let until = heartbeat.min(self.ends);
            let _ = tokio::time::timeout_at(until, change).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn look(&mut self, is_due: bool) -> Look {
        let world = self.world.clone();
        let mut world = world.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if world.fan_out.granted.get(&self.key).is_some_and(|(_, number)| *number != self.number) {
            return Look::Failure(ApiError::new(ApiErrorKind::ResourceInUse, NAME, "taken over"));
        }
        if Instant::now() >= self.ends {
            self.over = true;
            return Look::Nothing;
        }
        let closed = world.shards[self.shard].shard.closed;
        let ends = closed && world.ends_withheld.get(&self.key.1).copied().unwrap_or(0) >= world.late_end;
        if world.shards[self.shard].records.len() == self.next && !ends && !is_due {
            return Look::Nothing;
        }
        if let Err(error) = world.called_any_stream(Operation::SubscriptionEvent, NAME) {
            return Look::Failure(error);
        }
        world.run_scripts();
        if world.find(self.key.1.as_str(), NAME).is_err() {
            return Look::Failure(ApiError::new(ApiErrorKind::NotFound, NAME, "the shard is gone"));
        }
        let read = world.read(self.shard, self.next, None);
        self.next = read.next;
        self.over = read.is_end;
        let (mut child_shards, mut is_end) = (read.child_shards, read.is_end);
        if world.fan_out.names_children_early && closed && (is_end || !read.records.is_empty()) {
            child_shards = world.children(self.shard);
            is_end = false;
            self.over = read.records.is_empty();
        }
        let continuation = world.continuation(self.shard, self.next, read.records.is_empty());
        Look::Event(SubscriptionEvent {
            records: read.records,
            continuation: (!is_end).then_some(continuation),
            millis_behind_latest: Some(read.behind),
            child_shards,
        })
    }
}

impl World {
    /// Up to where a subscription that has come to `next` has read.
    fn continuation(&mut self, shard: usize, next: usize, is_empty: bool) -> SequenceNumber {
        let records = &self.shards[shard].records;
        let last = next.checked_sub(1).and_then(|last| records.get(last)).map(|record| record.sequence_number.clone());
        // What other shards hold by now has smaller numbers than whatever this one will.
        let of_all = World::sequence_number(self.sequence);
        let start = || World::sequence_number(0);
        self.fan_out.events += 1;
        match (self.fan_out.odd_continuations, self.fan_out.events % 3) {
            (false, _) if is_empty && next == records.len() => of_all,
            (false, _) => last.unwrap_or_else(start),
            (true, 0) => start(),
            // Between this record and the next there is room.
            (true, 1) if next > 0 => World::number_behind(next.checked_sub(1).map(|last| &records[last])),
            (true, _) => last.unwrap_or_else(start),
        }
    }

    /// Drops all open subscriptions, as a server does that is deployed anew: each ends at its next look.
    pub fn end_subscriptions(&mut self) {
        for (_, number) in self.fan_out.granted.values_mut() {
            *number += 1;
        }
        self.fan_out.changed.notify_waiters();
    }
}
