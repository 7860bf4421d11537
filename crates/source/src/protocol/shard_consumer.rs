//! One shard, read from a position to its end.
//!
//! ```text
//!               iterator                page                    null iterator, no children
//! NeedSource  ────────────> Reading ─────────────> Reading ─────────────────────────────┐
//!      ^                     │ │ │                                                      v
//!      │ expired             │ │ │ null iterator and children,      closed, or   ConfirmingEnd
//!      └─────────────────────┘ │ │ or closed and at the tip         not listed         │
//!      ^                       │ └──────────────> Ended <─────────────────────────────│
//!      └───────────────────────│───────────────────────────────────────── still open ─┘
//!                              │ the shard is not found: as without children, but ConfirmingGone, and Ended only if it is
//!                              │ not listed any more
//!                              │ the read's own end
//!                              ├───────────────────> Stopped
//!                              └─> ConfirmingStop ──────^   (still open; if closed, back to Reading)
//! ```
//!
//! That a shard has reached the read's own end means that its children hold nothing wanted. A page without records
//! proves that only of a shard that was open at that time: a closed one is read to its end, lest its children be skipped.
//!
//! The position moves with every page, before the page is delivered: an iterator that is made anew continues behind the
//! last record handed on, or at the original position if there was none.
//!
//! By fan-out the source is a subscription instead of an iterator, and events come instead of pages: see
//! [`subscription`].

mod subscription;

use std::time::{Duration, Instant};

use jiff::Timestamp;

use subscription::Subscription;

use super::messages::{RawRecord, RecordPage};
use super::pacing::{Failures, Pacer, Pacing, RetryPolicy};
use super::position::{ShardPosition, Window};
use super::shard::ShardId;
use crate::error::{ApiError, ApiErrorKind};

/// How long to wait after a page without records that is not the tip, where pacing does not say longer.
const EMPTY_PAGE_WAIT: Duration = Duration::from_millis(20);

/// What a shard wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    GetIterator(ShardPosition),
    GetRecords(String),
    Subscribe(ShardPosition),
    /// The stream's shards, to learn whether this one is closed.
    List,
    /// Nothing, an answer is outstanding.
    Wait,
}

/// How a shard's reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    /// All its records were read; its children may start.
    Ended,
    /// The read's own end was reached; its children hold nothing that is wanted.
    Stopped,
}

/// How a shard is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Polling,
    FanOut { fall_back_to_polling: bool },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    NeedSource,
    Reading(Source),
    ConfirmingEnd,
    /// The shard, or the consumer that subscribes to it, was not found.
    ConfirmingGone,
    /// With the iterator to go on with, if the shard was polled.
    ConfirmingStop(Option<String>),
    Finished(Finish),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Iterator(String),
    Subscription(Subscription),
}

/// A page or an event.
struct Answer {
    records: Vec<RawRecord>,
    /// With what reading goes on, unless this was the shard's end.
    next: Option<Source>,
    names_children: bool,
    millis_behind_latest: Option<i64>,
    /// The server's clock when the answer was made, or before.
    server_time: Timestamp,
    /// Whether the shard was known to be closed before it was made: only then is a tip its end.
    made_when_closed: bool,
}

#[derive(Debug)]
pub(crate) struct ShardConsumer {
    shard: ShardId,
    /// Tells it from an earlier consumer of the same shard, whose answers may still come.
    epoch: u64,
    way: Way,
    position: ShardPosition,
    state: State,
    /// Whether nothing more is to be asked for now.
    paused: bool,
    /// Whether a listing showed it closed.
    closed: bool,
    in_flight: Option<Instant>,
    /// Whether it was known to be closed when the outstanding page was asked for: only then is a tip its end.
    asked_when_closed: bool,
    /// Not before this time is anything asked: the wait at the tip, or after a failure.
    not_before: Instant,
    iterator_pacer: Pacer,
    records_pacer: Pacer,
    /// Before this time no subscription is asked for.
    subscribe_from: Instant,
    failures: Failures,
    millis_behind_latest: Option<i64>,
}

impl ShardConsumer {
    /// A consumer that asks for nothing before `from`.
    pub(crate) fn new(
        shard: ShardId,
        epoch: u64,
        way: Way,
        position: ShardPosition,
        closed: bool,
        from: Instant,
    ) -> Self {
        ShardConsumer {
            shard,
            epoch,
            way,
            paused: false,
            closed,
            position,
            state: State::NeedSource,
            in_flight: None,
            asked_when_closed: false,
            not_before: from,
            iterator_pacer: Pacer::default(),
            records_pacer: Pacer::default(),
            subscribe_from: from,
            failures: Failures::default(),
            millis_behind_latest: None,
        }
    }

    pub(crate) fn finish(&self) -> Option<Finish> {
        match self.state {
            State::Finished(finish) => Some(finish),
            _ => None,
        }
    }

    pub(crate) fn millis_behind_latest(&self) -> Option<i64> {
        self.millis_behind_latest
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Holds it, or lets it go on. What is outstanding is taken all the same.
    pub(crate) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Whether it waits for a listing that it asked for.
    pub(crate) fn is_confirming(&self) -> bool {
        self.in_flight.is_some()
            && matches!(self.state, State::ConfirmingEnd | State::ConfirmingGone | State::ConfirmingStop(_))
    }

    /// When the next step may be taken; `None` while an answer is outstanding or nothing is left to do.
    pub(crate) fn ready_at(&self, pacing: &Pacing, now: Instant) -> Option<Instant> {
        if self.in_flight.is_some() || self.paused {
            return None;
        }
        let pacer = match (&self.state, self.way) {
            (State::NeedSource, Way::Polling) => &self.iterator_pacer,
            (State::NeedSource, Way::FanOut { .. }) => return Some(self.subscribe_from.max(self.not_before).max(now)),
            (State::Reading(Source::Iterator(_)), _) => &self.records_pacer,
            // Events come by themselves.
            (State::Reading(Source::Subscription(subscription)), _) => {
                return subscription.too_old.then(|| self.subscribe_from.max(now));
            }
            (State::ConfirmingEnd | State::ConfirmingGone | State::ConfirmingStop(_), _) => {
                return Some(self.not_before.max(now));
            }
            (State::Finished(_), _) => return None,
        };
        Some(pacer.ready_at(pacing, now).max(self.not_before))
    }

    /// Takes the next step, which counts as outstanding from now on.
    pub(crate) fn take_step(&mut self, pacing: &Pacing, now: Instant) -> Step {
        let step = match (&self.state, self.way) {
            (State::NeedSource, Way::Polling) => {
                self.iterator_pacer.called(pacing, now);
                Step::GetIterator(self.position.clone())
            }
            (State::NeedSource, Way::FanOut { .. }) | (State::Reading(Source::Subscription(_)), _) => {
                self.subscribe_from = now + subscription::BETWEEN_CALLS;
                self.state = State::NeedSource;
                Step::Subscribe(self.position.clone())
            }
            (State::Reading(Source::Iterator(iterator)), _) => {
                self.records_pacer.called(pacing, now);
                Step::GetRecords(iterator.clone())
            }
            (State::ConfirmingEnd | State::ConfirmingGone | State::ConfirmingStop(_), _) => Step::List,
            (State::Finished(_), _) => return Step::Wait,
        };
        self.in_flight = Some(now);
        self.asked_when_closed = self.closed;
        step
    }

    pub(crate) fn handle_iterator(&mut self, iterator: String) {
        self.in_flight = None;
        self.state = State::Reading(Source::Iterator(iterator));
    }

    /// Moves the position over the page and returns the records that the window lets through.
    pub(crate) fn handle_page(
        &mut self,
        page: RecordPage,
        window: &Window,
        pacing: &Pacing,
        now: Instant,
    ) -> Vec<RawRecord> {
        let called = self.in_flight.take().unwrap_or(now);
        if page.next_iterator.is_some() {
            self.failures.succeeded();
        }
        let bytes = page.records.iter().map(|record| record.data.len() as u64).sum();
        self.records_pacer.answered(pacing, called, bytes);
        let is_empty = page.records.is_empty();
        let at_tip = is_empty && page.millis_behind_latest.unwrap_or(0) == 0;
        let records = self.take_answer(
            Answer {
                records: page.records,
                next: page.next_iterator.map(Source::Iterator),
                names_children: !page.child_shards.is_empty(),
                millis_behind_latest: page.millis_behind_latest,
                server_time: page.server_time,
                made_when_closed: self.asked_when_closed,
            },
            window,
        );
        self.not_before = match self.state {
            State::Reading(_) if at_tip => now + pacing.poll_interval,
            State::Reading(_) if is_empty => now + EMPTY_PAGE_WAIT,
            _ => now,
        };
        records
    }

    /// Moves the position over what a page or an event holds, and decides how it goes on.
    fn take_answer(&mut self, answer: Answer, window: &Window) -> Vec<RawRecord> {
        let Answer { mut records, next, names_children, server_time, made_when_closed, .. } = answer;
        // Where it is not said, nothing is known: least of all that this is the tip.
        let behind = answer.millis_behind_latest;
        self.millis_behind_latest = answer.millis_behind_latest;

        let past_end = window.first_past_end(records.iter().map(|record| record.arrival));
        if let Some(first) = past_end {
            records.truncate(first);
        }
        let is_empty = records.is_empty();
        let last_arrival = records.iter().filter_map(|record| record.arrival).max();
        if let Some(last) = records.last() {
            self.position = ShardPosition::AfterSequenceNumber(last.sequence_number.clone());
        }
        self.state = match next {
            _ if past_end.is_some() => State::Finished(Finish::Stopped),
            Some(_) if last_arrival.is_some_and(|arrival| window.is_passed_by(arrival)) => {
                State::Finished(Finish::Stopped)
            }
            // Some servers never end a closed shard by themselves.
            Some(_) if made_when_closed && is_empty && behind == Some(0) => State::Finished(Finish::Ended),
            Some(source)
                if !self.closed && is_empty && behind.is_some_and(|behind| window.is_past(behind, server_time)) =>
            {
                match (window.ends_after_first_listing, source) {
                    (false, _) => State::Finished(Finish::Stopped),
                    (true, Source::Iterator(iterator)) => State::ConfirmingStop(Some(iterator)),
                    (true, Source::Subscription(_)) => State::ConfirmingStop(None),
                }
            }
            Some(source) => State::Reading(source),
            None if names_children => State::Finished(Finish::Ended),
            None => State::ConfirmingEnd,
        };
        records.retain(|record| window.contains(record.arrival));
        records
    }

    /// The listing that was asked for has come. `open` is `None` if the shard is not in it.
    pub(crate) fn handle_listing(
        &mut self,
        open: Option<bool>,
        policy: &RetryPolicy,
        rng: &mut fastrand::Rng,
        now: Instant,
    ) -> Result<(), ApiError> {
        self.in_flight = None;
        self.closed |= open != Some(true);
        let state = std::mem::replace(&mut self.state, State::NeedSource);
        self.state = match (state, self.closed) {
            (State::ConfirmingEnd, true) => State::Finished(Finish::Ended),
            (State::ConfirmingGone, _) if open.is_none() => State::Finished(Finish::Ended),
            // The shard is there. If it is the consumer that is not, it will be registered again.
            (State::ConfirmingGone, _) => {
                return self.wait_after_failure(policy, rng, now).ok_or_else(|| match self.way {
                    Way::Polling => {
                        let message = format!("{} is listed, but not found", self.shard);
                        ApiError::new(ApiErrorKind::NotFound, "GetRecords", message)
                    }
                    Way::FanOut { .. } => {
                        let message = format!("the consumer that subscribes to {} is not found", self.shard);
                        ApiError::new(ApiErrorKind::NotFound, "SubscribeToShard", message)
                    }
                });
            }
            (State::ConfirmingStop(_), false) => State::Finished(Finish::Stopped),
            (State::ConfirmingStop(Some(iterator)), true) => State::Reading(Source::Iterator(iterator)),
            (State::ConfirmingStop(None), true) => State::NeedSource,
            // An answer that cannot be: ask again, from where we are, but not for ever.
            (State::ConfirmingEnd, false) => {
                return self.wait_after_failure(policy, rng, now).ok_or_else(|| {
                    let operation = if self.way == Way::Polling { "GetRecords" } else { "SubscribeToShard" };
                    let message = format!("the server keeps ending {}, which is open", self.shard);
                    ApiError::new(ApiErrorKind::Other, operation, message)
                });
            }
            (other, _) => other,
        };
        Ok(())
    }

    /// A listing that was not asked for shows the shard closed.
    pub(crate) fn handle_closed(&mut self) {
        self.closed = true;
    }

    /// A call failed. `Err` gives the failure back if it is final.
    pub(crate) fn handle_error(
        &mut self,
        error: ApiError,
        policy: &RetryPolicy,
        rng: &mut fastrand::Rng,
        now: Instant,
    ) -> Result<(), ApiError> {
        self.in_flight = None;
        match error.kind {
            ApiErrorKind::ExpiredIterator => {
                self.state = State::NeedSource;
                self.not_before = now;
                Ok(())
            }
            // The shard, or the stream: the listing tells. While it is there, it is read to its end.
            ApiErrorKind::NotFound => {
                self.state = State::ConfirmingGone;
                self.not_before = now;
                Ok(())
            }
            kind => match policy.of(kind) {
                Some(policy) => self.wait_after_failure(&policy, rng, now).ok_or(error),
                None => Err(error),
            },
        }
    }

    fn wait_after_failure(&mut self, policy: &RetryPolicy, rng: &mut fastrand::Rng, now: Instant) -> Option<()> {
        self.not_before = self.failures.failed(policy, rng, now)?;
        Some(())
    }
}
