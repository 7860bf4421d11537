//! What the subscriptions of leased shards bring: see [`fan_out`](crate::protocol::fan_out).

use std::time::Instant;

use jiff::Timestamp;

use super::{Lent, Scheduler};
use crate::error::{ApiError, Error};
use crate::protocol::messages::SubscriptionEvent;
use crate::protocol::shard::ShardId;

impl Scheduler {
    /// Takes the answer to [`Request::SubscribeToShard`](crate::protocol::Request::SubscribeToShard); a failure goes to
    /// [`handle_subscription_ended`](Self::handle_subscription_ended).
    pub fn handle_subscription_opened(&mut self, shard: &ShardId, epoch: u64, server_time: Timestamp, now: Instant) {
        self.stream.handle_subscription_opened(shard, epoch, server_time, now);
    }

    /// Takes what an open subscription brought, and lends it.
    pub fn handle_subscription_event(
        &mut self,
        shard: &ShardId,
        epoch: u64,
        event: SubscriptionEvent,
        now: Instant,
    ) -> Result<Vec<Lent>, Error> {
        let fetched = self.stream.handle_subscription_event(shard, epoch, event, now)?;
        Ok(self.hand_on(shard, fetched, now))
    }

    /// Takes the end of a subscription, or its failure.
    pub fn handle_subscription_ended(
        &mut self,
        shard: &ShardId,
        epoch: u64,
        ended: Result<(), ApiError>,
        now: Instant,
    ) -> Result<(), Error> {
        let ended = match ended {
            Ok(()) => Ok(()),
            Err(error) => match self.check_refusal(shard, epoch, error, now)? {
                Some(error) => Err(error),
                None => return Ok(()),
            },
        };
        if let Err(error) = &ended {
            self.note_throttling(shard, error);
        }
        self.stream.handle_subscription_ended(shard, epoch, ended, now)?;
        self.advance(now);
        Ok(())
    }

    /// Whether events of a shard's subscription are to be read now (`true`) or later (`false`); `None` if the subscription
    /// is to be dropped: the lease is lost, or given back, or the shard is read anew.
    pub fn wants_events(&self, shard: &ShardId, epoch: u64) -> Option<bool> {
        self.stream.wants_events(shard, epoch)
    }

    /// Whether events of any subscription are to be read now: not while too much in all is lent and not settled.
    pub fn may_take_events(&self) -> bool {
        self.may_read()
    }
}
