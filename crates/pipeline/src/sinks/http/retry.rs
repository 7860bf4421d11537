//! What an answer means, and how long to wait before the next attempt. Neither clock nor chance is looked at here.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;

/// The longest that a server may ask to wait.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// What a status means for the events of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The server has them.
    Delivered,
    /// It may take them later.
    Retry,
    /// It will never take them as they are.
    Rejected,
}

impl Verdict {
    pub(super) fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            200..=299 => Verdict::Delivered,
            // Credentials can be mended where the server is; were they taken for the events' fault, all would be put aside.
            401 | 403 | 408 | 429 | 500..=599 => Verdict::Retry,
            _ => Verdict::Rejected,
        }
    }
}

/// Exponential backoff with full jitter: the bound of a wait doubles from attempt to attempt, and chance takes any part of it,
/// so that senders that failed together do not come back together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    /// The bound of the first wait.
    pub(super) initial: Duration,
    /// The bound that it grows to.
    pub(super) max: Duration,
    /// How often a request is sent again; `None` is for ever.
    pub(super) retries: Option<u64>,
}

impl Backoff {
    /// How long to wait when a request was sent `failed` times in vain; `None` if that is enough. `asked` is what the server
    /// wants, which waits are not shorter than, and `random` lies between 0 and 1.
    pub(super) fn wait(&self, failed: u64, asked: Option<Duration>, random: f64) -> Option<Duration> {
        if self.retries.is_some_and(|retries| failed > retries) {
            return None;
        }
        let doublings = u32::try_from(failed.saturating_sub(1)).unwrap_or(u32::MAX).min(31);
        let bound = self.initial.saturating_mul(1 << doublings).min(self.max);
        Some(bound.mul_f64(random.clamp(0.0, 1.0)).max(asked.unwrap_or_default()))
    }
}

/// What a header `Retry-After` asks for: seconds, or a time ([RFC 9110, 10.2.3]). `now` is the server's time.
///
/// [RFC 9110, 10.2.3]: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
pub(super) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let asked = match value.trim().parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => Duration::try_from(http_date(value)?.duration_since(now)).unwrap_or_default(),
    };
    Some(asked.min(LONGEST_ASKED))
}

/// A time as HTTP writes it: `Tue, 24 Nov 2026 08:00:00 GMT`.
pub(super) fn http_date(value: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(value.trim()).ok().map(|time| time.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whether_events_are_delivered_come_again_or_are_never_taken() {
        for (statuses, verdict) in [
            (&[200, 201, 202, 204][..], Verdict::Delivered),
            (&[401, 403, 408, 429, 500, 502, 503, 504, 507], Verdict::Retry),
            // A redirect that is followed with another method would lose them.
            (&[301, 302, 307, 400, 404, 413, 422], Verdict::Rejected),
        ] {
            for status in statuses {
                assert_eq!(Verdict::of(StatusCode::from_u16(*status).unwrap()), verdict, "{status}");
            }
        }
    }

    #[test]
    fn waits_double_up_to_their_bound_and_chance_takes_any_part_of_them() {
        let backoff = Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(30), retries: None };
        let bounds: Vec<u64> = (1..=8).map(|failed| backoff.wait(failed, None, 1.0).unwrap().as_secs()).collect();
        assert_eq!(bounds, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(backoff.wait(u64::MAX, None, 1.0), Some(Duration::from_secs(30)));
        assert_eq!(backoff.wait(3, None, 0.0), Some(Duration::ZERO));
        assert_eq!(backoff.wait(3, None, 0.25), Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_server_that_asks_for_time_gets_it() {
        let backoff = Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(30), retries: None };
        assert_eq!(backoff.wait(1, Some(Duration::from_secs(90)), 0.5), Some(Duration::from_secs(90)));
        assert_eq!(backoff.wait(6, Some(Duration::from_secs(2)), 1.0), Some(Duration::from_secs(30)));
    }

    #[test]
    fn a_request_is_sent_once_and_as_often_again_as_is_allowed() {
        let backoff = |retries| Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(1), retries };
        assert_eq!(backoff(Some(0)).wait(1, None, 1.0), None);
        assert!(backoff(Some(2)).wait(2, None, 1.0).is_some());
        assert_eq!(backoff(Some(2)).wait(3, Some(Duration::from_secs(1)), 1.0), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_time() {
        let now = "2026-11-24T08:00:00Z".parse().unwrap();
        let seconds = |value| retry_after(value, now).map(|wait| wait.as_secs());
        assert_eq!(seconds("7"), Some(7));
        assert_eq!(seconds("Tue, 24 Nov 2026 08:00:09 GMT"), Some(9));
        assert_eq!(seconds("Tue, 24 Nov 2026 07:00:00 GMT"), Some(0), "that is past");
        assert_eq!(seconds("18446744073709551615"), Some(3600), "not for ever");
        assert_eq!(seconds("soon"), None);
        assert_eq!(seconds("-1"), None);
    }
}
