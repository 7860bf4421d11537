//! Texts with the values of events in them.

use std::fmt::Write;
use std::ops::Range;

use super::field::FieldPath;
use crate::component::{Event, Problem, Value, ValueRef};

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// Text, by where it stands.
    Text(Range<usize>),
    /// A value.
    Field(FieldPath),
}

/// Takes a template apart that stands at the key `key`: `{{ name }}` is a member, `{{ %aws.log_group }}` metadata.
pub(crate) fn parts(text: &str, key: &str) -> Result<Vec<Part>, Problem> {
    let mut parts = Vec::new();
    let mut from = 0;
    while let Some(begin) = text[from..].find("{{").map(|at| from + at) {
        let Some(end) = text[begin..].find("}}").map(|at| begin + at + 2) else {
            let problem = Problem::new("the name of a field does not end").key(key).within(begin..text.len());
            return Err(problem.hint("}} ends it"));
        };
        let field = FieldPath::parse(&text[begin..end], key).map_err(|problem| problem.within(begin..end))?;
        parts.extend([Part::Text(from..begin), Part::Field(field)]);
        from = end;
    }
    parts.push(Part::Text(from..text.len()));
    parts.retain(|part| !matches!(part, Part::Text(range) if range.is_empty()));
    Ok(parts)
}

/// A line with values in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    text: String,
    parts: Vec<Part>,
}

impl Template {
    pub(super) fn parse(text: &str, key: &str) -> Result<Self, Problem> {
        if text.is_empty() {
            return Err(Problem::new("the template is empty")
                .key(key)
                .hint("as in \"{{ srcaddr }} -> {{ dstaddr }}\""));
        }
        Ok(Template { text: text.to_owned(), parts: parts(text, key)? })
    }

    pub(super) fn encode(&self, event: &Event<'_>, out: &mut Vec<u8>) {
        let mut value = String::new();
        for part in &self.parts {
            match part {
                Part::Text(range) => out.extend_from_slice(&self.text.as_bytes()[range.clone()]),
                Part::Field(field) => {
                    value.clear();
                    push_value(field.get(event), &mut value);
                    out.extend_from_slice(if value.is_empty() {
                        b"-"
                    } else {
                        value.trim_end_matches('\n').as_bytes()
                    });
                }
            }
        }
    }
}

/// Appends a value as text; nothing for one that is missing or null.
pub(crate) fn push_value(value: Option<ValueRef<'_>>, text: &mut String) {
    // Writing to a string cannot fail.
    let _ = match value {
        None | Some(ValueRef::Null) => Ok(()),
        Some(ValueRef::Integer(number)) => write!(text, "{number}"),
        Some(ValueRef::Address(address)) => write!(text, "{address}"),
        Some(ValueRef::Text(value)) => write!(text, "{value}"),
        Some(ValueRef::Timestamp(time)) => write!(text, "{time}"),
        Some(ValueRef::Value(value)) => match &*value {
            Value::Text(value) => write!(text, "{value}"),
            Value::Null => Ok(()),
            other => write!(text, "{}", serde_json::to_string(other).unwrap_or_default()),
        },
    };
}
