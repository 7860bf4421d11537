//! Paths with the time of events in them.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::component::Problem;

/// A path in which strftime's specifiers stand for an event's time.
#[derive(Debug)]
pub(super) struct PathTemplate {
    text: String,
    has_time: bool,
    /// The second that was asked for last, and what its path is.
    last: Option<(i64, PathBuf)>,
}

impl PathTemplate {
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        if text.is_empty() {
            return Err(Problem::new("the path is empty"));
        }
        if let Some(start) = text.find("{{") {
            return Err(Problem::new("fields cannot be in paths yet")
                .within(start..text.len())
                .hint("strftime's specifiers can, as in %Y-%m-%d"));
        }
        let has_time = text.contains('%');
        if has_time {
            jiff::fmt::strtime::format(text, Timestamp::UNIX_EPOCH).map_err(|error| {
                Problem::new(format!("not a path with a time: {error}"))
                    .hint("specifiers are strftime's, as %Y-%m-%d; %% is a percent sign")
            })?;
        }
        Ok(PathTemplate { text: text.to_owned(), has_time, last: None })
    }

    /// The path for an event of a time, which is asked for if it matters. Finer than seconds it does not change.
    pub(super) fn path(&mut self, time: impl FnOnce() -> Timestamp) -> &Path {
        let time = if self.has_time { time() } else { Timestamp::UNIX_EPOCH };
        let second = time.as_second();
        let is_known = self.last.as_ref().is_some_and(|(last, _)| *last == second);
        if !is_known {
            let path = if self.has_time {
                // It was tried when it was read.
                jiff::fmt::strtime::format(&self.text, time).unwrap_or_default()
            } else {
                self.text.clone()
            };
            self.last = Some((second, path.into()));
        }
        self.last.as_ref().map_or(Path::new(""), |(_, path)| path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_an_event_is_in_its_path() {
        let mut template = PathTemplate::parse("out/%Y-%m-%d/100%%-%H.ndjson").unwrap();
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(template.path(|| time("2026-11-24T08:59:59Z")), Path::new("out/2026-11-24/100%-08.ndjson"));
        assert_eq!(template.path(|| time("2026-11-24T09:00:00Z")), Path::new("out/2026-11-24/100%-09.ndjson"));
        assert!(PathTemplate::parse("out/%!").is_err());
        assert!(PathTemplate::parse("out/{{ account_id }}").is_err());
    }
}
