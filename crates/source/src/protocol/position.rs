//! Where reading begins and where it ends.

use jiff::{SignedDuration, Timestamp};

use super::shard::SequenceNumber;

/// Where a reader begins.
///
/// It holds for the shards that exist when the reader first sees the stream. Shards that appear later are read from
/// their beginning, whatever stands here.
///
/// There is no sequence number here: one is a place in its shard, and says nothing of others. Single shards begin at one by
/// [`ConsumerConfig::positions`](super::ConsumerConfig::positions).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartPosition {
    /// With what arrives from now on. "Now" is the server's second in which the reader first listed the shards, so that
    /// nothing is skipped between listing and reading.
    #[default]
    Latest,
    /// With the oldest record that the stream still holds.
    TrimHorizon,
    /// With what arrived at this time or later. A time before the stream's horizon means the horizon.
    AtTimestamp(Timestamp),
}

/// Where a reader ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stop {
    /// Never: it follows the stream.
    #[default]
    Never,
    /// When all that had arrived by the moment it started has been read; also on a stream that never rests.
    AtTip,
    /// When all that arrived before this time has been read. What arrived at it or later is not delivered.
    At(Timestamp),
}

/// What to do about checkpoints that say nothing of the stream: those of a stream of the same name that was deleted, and
/// those that Kinesis refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnusableCheckpoint {
    /// End with an error: the table, the file or the stream may be the wrong one.
    #[default]
    Fail,
    /// Read the stream, or the shard, from its beginning.
    TrimHorizon,
}

/// Where a shard iterator is to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShardPosition {
    /// At the oldest record.
    TrimHorizon,
    /// At the first record of this time or later.
    AtTimestamp(Timestamp),
    /// At this record.
    AtSequenceNumber(SequenceNumber),
    /// Behind this record.
    AfterSequenceNumber(SequenceNumber),
}

/// The times of arrival that are delivered: from `not_before` up to, not including, `end`.
///
/// `ApproximateArrivalTimestamp` is just that: within a shard it may step back a little. The end of a bounded read is
/// therefore seen only once a record is later than `end` by [`ARRIVAL_TOLERANCE`]. A record without the timestamp is
/// always delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Window {
    not_before: Option<Timestamp>,
    end: Option<End>,
    /// Whether the end lies behind the first listing, which then does not tell what is open at the end.
    pub(crate) ends_after_first_listing: bool,
    ends_at_first_past: bool,
}

/// By how much times of arrival may step back within a shard.
const ARRIVAL_TOLERANCE: SignedDuration = SignedDuration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    at: Timestamp,
    /// Whether having caught up ends the read, or only the time does.
    tip_is_enough: bool,
}

impl Window {
    /// Fixes the window when the server's clock is first seen. The clock has whole seconds: "now" lies within
    /// `[server_time, server_time + 1 s)`.
    pub(crate) fn pin(start: StartPosition, stop: Stop, server_time: Timestamp) -> Self {
        let not_before = match start {
            StartPosition::Latest => Some(server_time),
            StartPosition::TrimHorizon => None,
            StartPosition::AtTimestamp(time) => Some(time),
        };
        let end = match stop {
            Stop::Never => None,
            Stop::AtTip => Some(End { at: after(server_time, SignedDuration::from_secs(1)), tip_is_enough: true }),
            Stop::At(at) => Some(End { at, tip_is_enough: false }),
        };
        let ends_after_first_listing = matches!(stop, Stop::At(at) if at > server_time);
        Window { not_before, end, ends_after_first_listing, ends_at_first_past: false }
    }

    /// Lets the first record at or past the end end its shard, so that nothing behind it is delivered before it. So it must
    /// be where positions are kept: all before a checkpoint was delivered.
    pub(crate) fn ending_at_first_past(self) -> Self {
        Window { ends_at_first_past: true, ..self }
    }

    /// The same for a shard that begins at a position of its own.
    pub(crate) fn beginning_at(self, position: &ShardPosition) -> Self {
        let not_before = match position {
            ShardPosition::AtTimestamp(time) => Some(*time),
            _ => None,
        };
        Window { not_before, ..self }
    }

    /// Where shards that exist at the start are begun.
    pub(crate) fn first_position(&self) -> ShardPosition {
        self.not_before.map_or(ShardPosition::TrimHorizon, ShardPosition::AtTimestamp)
    }

    pub(crate) fn contains(&self, arrival: Option<Timestamp>) -> bool {
        let Some(arrival) = arrival else { return true };
        self.not_before.is_none_or(|start| arrival >= start) && self.end.is_none_or(|end| arrival < end.at)
    }

    /// The first of these arrivals that ends the shard, where such a one does.
    pub(crate) fn first_past_end(&self, arrivals: impl Iterator<Item = Option<Timestamp>>) -> Option<usize> {
        let end = self.end.filter(|_| self.ends_at_first_past)?;
        arrivals.into_iter().position(|arrival| arrival.is_some_and(|arrival| arrival >= end.at))
    }

    /// Whether a record that arrived then proves that all before the end were read.
    pub(crate) fn is_passed_by(&self, arrival: Timestamp) -> bool {
        self.end.is_some_and(|end| arrival >= after(end.at, ARRIVAL_TOLERANCE))
    }

    /// Whether a page without records proves it, of a shard that is open.
    ///
    /// `millis_behind_latest` may stay above zero on an idle shard, and some servers always say zero. The page shows
    /// that everything up to the server's time less that lag was read.
    pub(crate) fn is_past(&self, millis_behind_latest: i64, server_time: Timestamp) -> bool {
        self.end.is_some_and(|end| {
            let read_up_to = after(server_time, SignedDuration::from_millis(-millis_behind_latest));
            (end.tip_is_enough && millis_behind_latest == 0) || read_up_to >= end.at
        })
    }
}

/// `time + span`, held within what a timestamp can be.
fn after(time: Timestamp, span: SignedDuration) -> Timestamp {
    time.saturating_add(span).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_window_is_half_open() {
        let window = Window::pin(StartPosition::AtTimestamp(second(10)), Stop::At(second(20)), second(100));
        let inside: Vec<i64> = (8..23).filter(|&at| window.contains(Some(second(at)))).collect();
        assert_eq!(inside, (10..20).collect::<Vec<_>>());
        assert!(window.contains(None));
    }

    #[test]
    fn a_busy_stream_ends_the_read_only_behind_the_tolerance() {
        let window = Window::pin(StartPosition::TrimHorizon, Stop::At(second(20)), second(100));
        assert!(!window.is_passed_by(second(20)));
        assert!(window.is_passed_by(second(21)));
    }

    #[test]
    fn an_idle_shard_ends_the_read_when_the_clock_less_the_lag_has_passed() {
        let window = Window::pin(StartPosition::TrimHorizon, Stop::At(second(100)), second(95));
        assert!(window.ends_after_first_listing);
        assert!(!window.is_past(0, second(99)), "the tip is not the end before its time");
        assert!(!window.is_past(5_000, second(104)));
        assert!(window.is_past(5_000, second(105)));
    }

    #[test]
    fn having_caught_up_is_an_end_only_where_asked_for() {
        let window = Window::pin(StartPosition::TrimHorizon, Stop::AtTip, second(100));
        assert!(!window.ends_after_first_listing);
        assert!(window.is_past(0, second(100)));
        assert!(!window.is_past(1, second(100)));
        assert!(!Window::pin(StartPosition::TrimHorizon, Stop::Never, second(100)).is_past(0, second(1000)));
    }
}
