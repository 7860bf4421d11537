//! Points in time as a person types them.

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use crate::failure::Failure;

/// Without a zone, times are UTC.
const FORMATS: [&str; 4] = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"];

/// Reads `text` by `format`, as for strptime, or if there is none in any of the forms that `--help` names.
pub(crate) fn parse(option: &str, text: &str, format: Option<&str>, now: Timestamp) -> Result<Timestamp, Failure> {
    if let Some(format) = format {
        return by_format(format, text).map_err(|error| {
            Failure::usage(format!("{option}: {text:?} is not of the form {format:?}: {error}"))
                .hint("--time-format takes strptime's directives, such as '%Y-%m-%d %H:%M:%S'")
        });
    }
    let text = text.trim();
    relative(text, now)
        .or_else(|| epoch(text))
        .or_else(|| text.parse().ok())
        .or_else(|| FORMATS.iter().find_map(|format| by_format(format, text).ok()))
        .ok_or_else(|| {
            Failure::usage(format!("{option}: {text:?} is not a time")).hint(
                "write '2026-11-24 08:00:00' (UTC), 2026-11-24T08:00:00+01:00, epoch seconds, or -15m; \
                 for other forms see --time-format",
            )
        })
}

fn by_format(format: &str, text: &str) -> Result<Timestamp, jiff::Error> {
    let parsed = strtime::parse(format, text)?;
    if parsed.offset().is_some() {
        return parsed.to_timestamp();
    }
    let datetime: DateTime = parsed.to_datetime()?;
    TimeZone::UTC.to_timestamp(datetime)
}

/// `-15m`, `-1h30m`, `-2d`, `now`
fn relative(text: &str, now: Timestamp) -> Option<Timestamp> {
    if text == "now" {
        return Some(now);
    }
    let span: Span = text.strip_prefix('-')?.parse().ok()?;
    let ago: SignedDuration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    now.checked_sub(ago).ok()
}

fn epoch(text: &str) -> Option<Timestamp> {
    let seconds: f64 = text.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0)?;
    Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-24T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_forms_that_the_help_names_are_read() {
        for (text, expected) in [
            ("2026-11-24 08:00:00", "2026-11-24T08:00:00Z"),
            ("2026-11-24T08:00:00", "2026-11-24T08:00:00Z"),
            ("2026-11-24 08:00", "2026-11-24T08:00:00Z"),
            ("2026-11-24", "2026-11-24T00:00:00Z"),
            ("2026-11-24T08:00:00+01:00", "2026-11-24T07:00:00Z"),
            ("2026-11-24T08:00:00.250Z", "2026-11-24T08:00:00.25Z"),
            ("1418530010", "2014-12-14T04:06:50Z"),
            ("1418530010.5", "2014-12-14T04:06:50.5Z"),
            ("-15m", "2026-11-24T11:45:00Z"),
            ("-1h30m", "2026-11-24T10:30:00Z"),
            ("-2d", "2026-11-22T12:00:00Z"),
            ("now", "2026-11-24T12:00:00Z"),
        ] {
            let parsed = parse("--start-time", text, None, now()).unwrap();
            assert_eq!(parsed, expected.parse().unwrap(), "{text}");
        }
    }

    #[test]
    fn a_format_alone_decides() {
        let parsed = parse("--start-time", "24/11/2026 08h", Some("%d/%m/%Y %Hh"), now()).unwrap();
        assert_eq!(parsed, "2026-11-24T08:00:00Z".parse().unwrap());
        let parsed = parse("--start-time", "2026-11-24 08:00 +0100", Some("%Y-%m-%d %H:%M %z"), now()).unwrap();
        assert_eq!(parsed, "2026-11-24T07:00:00Z".parse().unwrap());
        assert!(parse("--start-time", "-15m", Some("%Y"), now()).is_err());
    }

    #[test]
    fn anything_else_is_refused_with_the_forms() {
        for text in ["yesterday", "", "-", "-15x", "2026-13-01", "2026-11-24 25:00:00", "-1418530010"] {
            let failure = parse("--start-time", text, None, now()).unwrap_err();
            assert!(failure.to_string().contains("is not a time"), "{text}: {failure}");
        }
    }
}
