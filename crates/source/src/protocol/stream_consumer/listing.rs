//! Which shards there are: when they are listed, and what a listing tells.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Phase, ShardSelection, StreamConsumer};
use crate::error::{ApiError, ApiErrorKind, Error};
use crate::protocol::messages::Request;
use crate::protocol::position::{ShardPosition, StartPosition};
use crate::protocol::shard::{Shard, ShardId};

/// How often the shards are listed again while following a stream. Resharding is seen at once at a shard's end; this
/// finds what that missed.
pub(super) const LIST_AGAIN: Duration = Duration::from_secs(60);

pub(super) enum Listing {
    /// To be asked for from this time on.
    Due(Instant),
    /// Asked for; shards of the pages so far.
    InFlight(Vec<Shard>),
    /// A further page is to be asked for.
    More { token: String, shards: Vec<Shard> },
}

impl StreamConsumer {
    pub(super) fn poll_listing(&mut self, now: Instant) -> Option<Request> {
        let (next_token, so_far) = match &mut self.listing {
            Listing::Due(at) if *at <= now => (None, Vec::new()),
            Listing::More { token, shards } => (Some(std::mem::take(token)), std::mem::take(shards)),
            Listing::Due(_) | Listing::InFlight(_) => return None,
        };
        self.listing = Listing::InFlight(so_far);
        let from = match (self.config.start, &self.config.shards) {
            (StartPosition::AtTimestamp(time), ShardSelection::All) if self.config.positions.is_empty() => Some(time),
            // A shard that was asked for by id exists also if it holds nothing of that time.
            _ => None,
        };
        Some(Request::ListShards { next_token, from })
    }

    /// Asks for a listing that begins from now on: one under way may not show what has just happened.
    pub(crate) fn want_listing(&mut self, now: Instant) {
        match &mut self.listing {
            Listing::Due(at) => *at = now,
            Listing::InFlight(_) | Listing::More { .. } => self.list_again = true,
        }
    }

    /// Takes a complete listing.
    pub(super) fn listed(&mut self, shards: Vec<Shard>, now: Instant) -> Result<(), Error> {
        let is_first = !std::mem::replace(&mut self.listed, true);
        if is_first {
            self.check_named(&shards)?;
        }
        if self.config.shards == ShardSelection::Granted {
            self.unseen_listing = Some(shards.clone());
        }
        let open: BTreeMap<ShardId, bool> = shards.iter().map(|shard| (shard.id.clone(), !shard.closed)).collect();
        if is_first {
            let mut placed = self.placed(&shards);
            let (own, other): (Vec<Shard>, Vec<Shard>) =
                shards.into_iter().partition(|shard| placed.contains_key(&shard.id));
            self.track_all(other, self.window.unwrap_or_default().first_position());
            for shard in own {
                let (id, from) = (shard.id.clone(), placed.remove(&shard.id).unwrap_or(ShardPosition::TrimHorizon));
                self.track_all(vec![shard], from);
                if let Some(tracked) = self.shards.get_mut(&id) {
                    tracked.is_placed = true;
                }
            }
        } else {
            self.track_all(shards, ShardPosition::TrimHorizon);
        }

        for (id, _) in open.iter().filter(|(_, open)| !**open) {
            if let Some(consumer) = self.consumer(id) {
                consumer.handle_closed();
            }
        }
        if std::mem::take(&mut self.list_again) {
            self.listing = Listing::Due(now);
            self.start_shards(now);
            return Ok(());
        }
        self.children_to_list = false;
        let confirming: Vec<ShardId> = self.confirming().cloned().collect();
        for id in confirming {
            let (retry, mut rng) = (self.config.retry, self.rng.fork());
            if let Some(consumer) = self.consumer(&id) {
                let result = consumer.handle_listing(open.get(&id).copied(), &retry, &mut rng, now);
                result.map_err(|source| self.error(Some(&id), source))?;
            }
            self.schedule(&id, now);
        }
        self.start_shards(now);
        Ok(())
    }

    fn confirming(&self) -> impl Iterator<Item = &ShardId> {
        self.shards.iter().filter_map(|(id, tracked)| match &tracked.phase {
            Phase::Reading(consumer) if consumer.is_confirming() => Some(id),
            _ => None,
        })
    }

    pub(super) fn listing_failed(&mut self, error: ApiError, now: Instant) -> Result<(), Error> {
        let mut retry = self.config.retry;
        match error.kind {
            ApiErrorKind::NotFound => {
                return Err(Error::StreamNotFound { stream: self.stream.clone(), source: error });
            }
            ApiErrorKind::ExpiredNextToken => {
                self.listing = Listing::Due(now);
                return Ok(());
            }
            ApiErrorKind::Connection | ApiErrorKind::Timeout if !self.connected => {
                self.connect_failures += 1;
                if self.connect_failures >= retry.attempts_to_connect {
                    return Err(self.error(None, error));
                }
            }
            ApiErrorKind::Credentials if self.connected => retry = retry.of_credentials(),
            kind if kind.is_retryable() => {}
            _ => return Err(self.error(None, error)),
        }
        match self.listing_failures.failed(&retry, &mut self.rng, now) {
            Some(at) => {
                self.listing = Listing::Due(at);
                Ok(())
            }
            None => Err(self.error(None, error)),
        }
    }
}
