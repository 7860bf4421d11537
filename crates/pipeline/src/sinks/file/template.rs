//! Paths with the time of events, and values of their members, in them.

use std::ops::Range;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::fmt::strtime;

use crate::codecs::{self, FieldPath, parts};
use crate::component::{Event, Problem, ValueRef};

/// The longest that a value may be in a path, in bytes: names of files have at most 255.
const MAX_VALUE: usize = 200;
/// The longest that a name may be that several values make, so that one more can be told from it by what is put behind.
const MAX_NAME: usize = 220;

/// A path in which strftime's specifiers stand for an event's time, and `{{ name }}` for the value of a member, which cannot
/// lead out of the folder that it is in.
#[derive(Debug, Clone)]
pub(super) struct PathTemplate {
    parts: Vec<Part>,
    has_time: bool,
    has_fields: bool,
    /// The second that was asked for last.
    second: Option<i64>,
    /// What was made of it, and of the members, last.
    text: String,
    path: PathBuf,
}

#[derive(Debug, Clone)]
enum Part {
    /// As it stands, with the time in it, and what the latest time made of it.
    Text { format: String, shown: String },
    /// A member's value.
    Field(FieldPath),
}

impl PathTemplate {
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        if text.is_empty() {
            return Err(Problem::new("the path is empty"));
        }
        let mut template = PathTemplate {
            parts: Vec::new(),
            has_time: false,
            has_fields: false,
            second: None,
            text: String::new(),
            path: PathBuf::new(),
        };
        for part in parts(text, "path")? {
            match part {
                codecs::Part::Text(range) => template.push_text(text, range)?,
                codecs::Part::Field(field) => {
                    template.parts.push(Part::Field(field));
                    template.has_fields = true;
                }
            }
        }
        Ok(template)
    }

    fn push_text(&mut self, text: &str, range: Range<usize>) -> Result<(), Problem> {
        let format = text[range.clone()].to_owned();
        if format.contains('%') {
            strtime::format(&format, Timestamp::UNIX_EPOCH).map_err(|error| {
                Problem::new(format!("not a path with a time: {error}"))
                    .within(range)
                    .hint("specifiers are strftime's, as %Y-%m-%d; %% is a percent sign")
            })?;
            self.has_time = true;
        }
        self.parts.push(Part::Text { shown: format.clone(), format });
        Ok(())
    }

    /// The folder that all paths begin with.
    pub(super) fn folder(&self) -> PathBuf {
        let mut fixed = String::new();
        for part in &self.parts {
            let Part::Text { format, .. } = part else { break };
            let is_fixed = !format.contains('%');
            fixed.push_str(format.split('%').next().unwrap_or_default());
            if !is_fixed {
                break;
            }
        }
        match fixed.rfind('/') {
            Some(end) => PathBuf::from(&fixed[..end.max(1)]),
            None => PathBuf::new(),
        }
    }

    /// Whether it is the same path for all events.
    pub(super) fn is_fixed(&self) -> bool {
        !self.has_time && !self.has_fields
    }

    /// The path for an event; one that has no time is of `now`. Finer than seconds it does not change.
    pub(super) fn path(&mut self, event: &Event<'_>, now: Timestamp) -> &Path {
        let time = if self.has_time { event.timestamp().unwrap_or(now) } else { Timestamp::UNIX_EPOCH };
        let is_known = self.second == Some(time.as_second());
        if is_known && !self.has_fields {
            return &self.path;
        }
        let mut text = String::with_capacity(self.text.len());
        for part in &mut self.parts {
            match part {
                Part::Text { format, shown } => {
                    if !is_known && format.contains('%') {
                        // It was tried when it was read.
                        *shown = strtime::format(&*format, time).unwrap_or_default();
                    }
                    text.push_str(shown);
                }
                Part::Field(field) => push_name(field.get(event), &mut text),
            }
        }
        self.second = Some(time.as_second());
        if self.has_fields && text.split('/').any(|name| name.len() > MAX_NAME) {
            let names = text.split('/').map(|name| &name[..name.floor_char_boundary(MAX_NAME)]);
            text = names.collect::<Vec<_>>().join("/");
        }
        if text != self.text {
            self.path = PathBuf::from(&text);
            self.text = text;
        }
        &self.path
    }
}

/// Appends a value that is no more than a part of a name.
fn push_name(value: Option<ValueRef<'_>>, path: &mut String) {
    let mut text = String::new();
    codecs::push_value(value, &mut text);
    text.truncate(text.floor_char_boundary(MAX_VALUE));
    let is_name = |char: char| !char.is_control() && !matches!(char, '/' | '\\');
    for (index, char) in text.chars().enumerate() {
        // With a dot in front it would be hidden, or lead upwards.
        path.push(if is_name(char) && (index > 0 || char != '.') { char } else { '_' });
    }
    if text.is_empty() {
        path.push('-');
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::component::{Acknowledgement, Batch, Changes, Value};

    fn paths(template: &str, members: &[(&str, Value)]) -> String {
        let mut template = PathTemplate::parse(template).unwrap();
        let mut builder = Batch::builder(Arc::default());
        let mut changes = Changes::default();
        members.iter().for_each(|(name, value)| changes.set(*name, value.clone()));
        builder.event(None, changes);
        let batch = builder.build(Acknowledgement::none());
        let event = batch.event(0).unwrap();
        let mut at = |time: &str| template.path(&event, time.parse().unwrap()).display().to_string();
        let (first, second) = (at("2026-11-24T08:59:59Z"), at("2026-11-24T09:00:00Z"));
        if first == second { first } else { format!("{first} {second}") }
    }

    #[test]
    fn the_time_of_an_event_is_in_its_path() {
        assert_eq!(
            paths("out/%Y-%m-%d/100%%-%H.ndjson", &[]),
            "out/2026-11-24/100%-08.ndjson out/2026-11-24/100%-09.ndjson"
        );
        assert_eq!(paths("out.ndjson", &[]), "out.ndjson");
    }

    #[test]
    fn values_make_no_name_that_is_too_long_together() {
        let long = Value::from("é".repeat(500));
        let path = paths("out/{{ a }}-{{ b }}/{{ a }}{{ b }}", &[("a", long.clone()), ("b", long)]);
        let lengths: Vec<usize> = path.split('/').map(str::len).collect();
        assert_eq!(lengths, [3, 219, 220]);
    }

    #[test]
    fn values_are_in_a_path_and_do_not_lead_out_of_their_folder() {
        let account = |value: Value| paths("out/{{ account_id }}/%H.log", &[("account_id", value)]);
        assert_eq!(account("1234".into()), "out/1234/08.log out/1234/09.log");
        let at = |value: &str| paths("out/{{account_id}}.log", &[("account_id", value.into())]);
        for (value, path) in [
            ("../../etc/passwd", "out/_._.._etc_passwd.log"),
            ("..", "out/_..log"),
            (".", "out/_.log"),
            ("", "out/-.log"),
            ("a\\b\0c", "out/a_b_c.log"),
            ("100%H", "out/100%H.log"),
        ] {
            assert_eq!(at(value), path, "{value}");
        }
        assert_eq!(at(&"ä".repeat(500)).len(), "out/.log".len() + 200);
        assert_eq!(paths("{{ missing }}-{{ n }}", &[("n", 7_i64.into())]), "--7");
        let group = [("%aws.log_group", Value::from("/aws/vpc"))];
        assert_eq!(paths("out/{{ %aws.log_group }}.log", &group), "out/_aws_vpc.log");
    }

    #[test]
    fn the_folder_of_all_paths_is_what_stands_before_what_varies() {
        for (template, folder) in [
            ("/data/flows.log", "/data"),
            ("/data/%Y/%m.log", "/data"),
            ("/data/flows-%Y.log", "/data"),
            ("/data/{{ account_id }}/flows.log", "/data"),
            ("/flows.log", "/"),
            ("%Y.log", ""),
            ("flows.log", ""),
        ] {
            assert_eq!(PathTemplate::parse(template).unwrap().folder(), Path::new(folder), "{template}");
        }
    }

    #[test]
    fn what_is_no_template_says_where() {
        for text in ["", "out/%!", "out/{{ a b }}", "out/{{ a", "out/{{ }}"] {
            assert!(PathTemplate::parse(text).is_err(), "{text}");
        }
    }
}
