//! What a stream's subscriptions bring: see [`fan_out`](crate::protocol::fan_out).

use std::time::Instant;

use jiff::Timestamp;

use super::{Phase, StreamConsumer};
use crate::error::{ApiError, Error};
use crate::protocol::messages::{Fetched, SubscriptionEvent};
use crate::protocol::shard::ShardId;

impl StreamConsumer {
    /// Takes the answer to [`Request::SubscribeToShard`](crate::protocol::Request::SubscribeToShard): the subscription is
    /// open, and events may follow. A failure goes to [`handle_subscription_ended`](Self::handle_subscription_ended).
    ///
    /// `server_time` is the server's clock (the answer's `Date`), in whole seconds.
    pub fn handle_subscription_opened(&mut self, shard: &ShardId, epoch: u64, server_time: Timestamp, now: Instant) {
        if self.is_current(shard, epoch)
            && let Some(consumer) = self.consumer(shard)
        {
            consumer.handle_subscription(server_time, now);
            self.schedule(shard, now);
        }
    }

    /// Takes what an open subscription brought.
    pub fn handle_subscription_event(
        &mut self,
        shard: &ShardId,
        epoch: u64,
        event: SubscriptionEvent,
        now: Instant,
    ) -> Result<Fetched, Error> {
        if self.wants_events(shard, epoch).is_none() {
            return Ok(Fetched::default());
        }
        let window = self.window_of(shard);
        let children = event.child_shards.clone();
        let Some(consumer) = self.consumer(shard) else { return Ok(Fetched::default()) };
        let records = consumer.handle_event(event, &window, now);
        let fetched = Fetched { records, millis_behind_latest: consumer.millis_behind_latest() };
        let finished = consumer.finish().is_some();
        if finished {
            self.track_children(shard, children, now);
        }
        self.schedule(shard, now);
        if finished {
            self.start_shards(now);
        }
        Ok(fetched)
    }

    /// Takes the end of a subscription, as it comes after five minutes, or its failure: when it was asked for, or since.
    pub fn handle_subscription_ended(
        &mut self,
        shard: &ShardId,
        epoch: u64,
        ended: Result<(), ApiError>,
        now: Instant,
    ) -> Result<(), Error> {
        if !self.is_current(shard, epoch) {
            return Ok(());
        }
        let (retry, mut rng) = (self.config.retry, self.rng.fork());
        if let Some(consumer) = self.consumer(shard) {
            let result = consumer.handle_subscription_ended(ended, &retry, &mut rng, now);
            result.map_err(|source| self.error(Some(shard), source))?;
        }
        self.schedule(shard, now);
        Ok(())
    }

    /// Whether events of a shard's subscription are to be read now (`true`) or later (`false`); `None` if the subscription
    /// is to be dropped: the shard is read no longer, or otherwise.
    pub fn wants_events(&self, shard: &ShardId, epoch: u64) -> Option<bool> {
        match &self.shards.get(shard)?.phase {
            Phase::Reading(consumer) if consumer.epoch() == epoch => consumer.wants_events(),
            _ => None,
        }
    }
}
