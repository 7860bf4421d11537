//! Answers, and what their status means.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;

/// The longest that a server may ask to wait.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// What a server answered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// How long the server wants to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// What its body begins with, without secrets.
    pub(super) text: String,
    /// All of its body.
    pub(super) body: Result<Vec<u8>, Unread>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
}

/// Why an answer's body is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// Nobody wants to know.
    NotAsked,
    TooLong,
    BrokenOff,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unread::NotAsked => "the answer was not read",
            Unread::TooLong => "the answer is longer than what is read of one; a filter_path makes it shorter",
            Unread::BrokenOff => "the answer broke off",
        })
    }
}

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

/// Whether a status by which events are rejected may be about some of them, so that the others are worth another attempt.
pub(super) fn is_about_some(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 413 | 422)
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
