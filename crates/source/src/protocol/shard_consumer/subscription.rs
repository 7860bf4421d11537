//! A shard read over subscriptions instead of iterators: the part of [`ShardConsumer`] that only fan-out has.
//!
//! ```text
//!                 opened                  event                  a younger proof is needed
//!   NeedSource ─────────────> Reading ─────────────> Reading ─────────────────────────────┐
//!       ^                        │                                                        │
//!       │ ended, or failed       │ children and nothing else, or no continuation:         │
//!       ├────────────────────────┤ as a null iterator                                     │
//!       │        still listed    │ the shard, or the consumer, not found         gone     │
//!       ├────────────────────────┴──────> ConfirmingGone ──────> Ended                    │
//!       └─────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! # What an event proves
//!
//! Whether a bounded read is over is decided by the server's clock, and events carry none. They carry how far they are
//! behind the tip, and come on an answer that has a `Date`; each was made after that. So an event without records shows
//! that all up to *that* `Date`, less the lag, was read, however long it was under way or waited here unread. Where that
//! does not reach the read's end, but would if the event had been made just now by this machine's measure of time, the
//! shard is subscribed to anew: the new answer's `Date` is late enough. The measure only says when to ask; the proof is
//! the server's alone.
//!
//! In the same way an event at the tip is the end of a closed shard, for servers that do not end one, only if the shard
//! was known to be closed before the subscription was asked for.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::{Answer, ShardConsumer, Source, State, Way};
use crate::error::{ApiError, ApiErrorKind};
use crate::protocol::messages::{RawRecord, SubscriptionEvent};
use crate::protocol::pacing::RetryPolicy;
use crate::protocol::position::{ShardPosition, Window};
use crate::protocol::shard::SequenceNumber;

/// [One call a second] for a consumer and shard.
///
/// [One call a second]: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_SubscribeToShard.html
pub(super) const BETWEEN_CALLS: Duration = Duration::from_secs(1);

/// Until so long after a call that succeeded, a further one is refused as `ResourceInUse`; later it takes the place of the
/// subscription that there is, whoever's that be.
const AFTER_SUCCESS: Duration = Duration::from_secs(5);

/// A subscription that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscription {
    /// The server's clock when it was opened, in whole seconds: all its events were made later.
    server_time: Timestamp,
    opened: Instant,
    /// Whether the shard was known to be closed when it was asked for.
    asked_when_closed: bool,
    /// Whether only a younger one can prove what this one suggests.
    pub(super) too_old: bool,
}

impl ShardConsumer {
    /// Whether events of its subscription are to be read; `None` if there should be no subscription.
    pub(crate) fn wants_events(&self) -> Option<bool> {
        matches!(self.state, State::Reading(Source::Subscription(_))).then_some(!self.paused)
    }

    /// Before this time the server would refuse a subscription.
    pub(crate) fn subscribe_from(&self) -> Instant {
        self.subscribe_from
    }

    /// Asks for no subscription before `at`: an earlier consumer of the shard had one.
    pub(crate) fn not_subscribing_before(mut self, at: Instant) -> Self {
        self.subscribe_from = self.subscribe_from.max(at);
        self
    }

    pub(crate) fn handle_subscription(&mut self, server_time: Timestamp, now: Instant) {
        if self.in_flight.take().is_none() || self.state != State::NeedSource {
            return;
        }
        self.subscribe_from = now + AFTER_SUCCESS;
        let asked_when_closed = self.asked_when_closed;
        let subscription = Subscription { server_time, opened: now, asked_when_closed, too_old: false };
        self.state = State::Reading(Source::Subscription(subscription));
    }

    /// Moves the position over the event and returns the records that the window lets through.
    pub(crate) fn handle_event(&mut self, event: SubscriptionEvent, window: &Window, now: Instant) -> Vec<RawRecord> {
        let State::Reading(Source::Subscription(subscription)) = &self.state else { return Vec::new() };
        let subscription = Subscription { too_old: false, ..subscription.clone() };
        let (server_time, opened) = (subscription.server_time, subscription.opened);
        let made_when_closed = subscription.asked_when_closed;
        let is_empty = event.records.is_empty();
        let behind = event.millis_behind_latest;
        let names_children = !event.child_shards.is_empty();
        // Some servers name the children with every event of a closed shard, also when more records follow.
        let goes_on = event.continuation.is_some() && !(is_empty && names_children);
        if goes_on {
            self.failures.succeeded();
        }
        let records = self.take_answer(
            Answer {
                records: event.records,
                next: goes_on.then_some(Source::Subscription(subscription)),
                names_children,
                millis_behind_latest: event.millis_behind_latest,
                server_time,
                made_when_closed,
            },
            window,
        );
        if let Some(number) = event.continuation {
            self.advance_to(number);
        }
        if let State::Reading(Source::Subscription(subscription)) = &mut self.state {
            let elapsed = SignedDuration::try_from(now.duration_since(opened)).unwrap_or(SignedDuration::MAX);
            let by_now = server_time.saturating_add(elapsed).unwrap_or(server_time);
            let may_be_past = !self.closed && behind.is_some_and(|behind| window.is_past(behind, by_now));
            let may_be_ended = self.closed && !made_when_closed && behind == Some(0);
            subscription.too_old = is_empty && (may_be_past || may_be_ended);
        }
        records
    }

    /// It is over, as every five minutes, or was lost, or never came to be. `Err` gives the failure back if it is final.
    pub(crate) fn handle_subscription_ended(
        &mut self,
        ended: Result<(), ApiError>,
        policy: &RetryPolicy,
        rng: &mut fastrand::Rng,
        now: Instant,
    ) -> Result<(), ApiError> {
        if !matches!(self.state, State::NeedSource | State::Reading(Source::Subscription(_))) {
            return Ok(());
        }
        self.in_flight = None;
        self.state = State::NeedSource;
        self.not_before = now;
        let Err(error) = ended else { return Ok(()) };
        match error.kind {
            // The shard, the consumer or the stream: the listing tells of the shard and the stream.
            ApiErrorKind::NotFound => {
                self.state = State::ConfirmingGone;
                Ok(())
            }
            ApiErrorKind::AccessDenied | ApiErrorKind::LimitExceeded | ApiErrorKind::Unsupported
                if self.way == (Way::FanOut { fall_back_to_polling: true }) =>
            {
                self.way = Way::Polling;
                Ok(())
            }
            ApiErrorKind::ResourceInUse => {
                self.wait_after_failure(policy, rng, now).ok_or(error)?;
                self.not_before = self.not_before.max(now + AFTER_SUCCESS);
                Ok(())
            }
            kind => match policy.of(kind) {
                Some(policy) => self.wait_after_failure(&policy, rng, now).ok_or(error),
                None => Err(error),
            },
        }
    }

    /// Moves the position behind `number`, which no record need have. Never back: what was handed on is not asked for again.
    fn advance_to(&mut self, number: SequenceNumber) {
        let is_ahead = match &self.position {
            // The record at the position was not read, and a server that is there still is not ahead.
            ShardPosition::AtSequenceNumber(at) | ShardPosition::AfterSequenceNumber(at) => number > *at,
            ShardPosition::TrimHorizon | ShardPosition::AtTimestamp(_) => true,
        };
        if is_ahead {
            self.position = ShardPosition::AfterSequenceNumber(number);
        }
    }
}
