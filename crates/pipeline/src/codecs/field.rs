//! Members of events, as configurations name them.

use std::borrow::Cow;

use crate::component::{Event, Problem, Value, ValueRef};

/// Names a member: `srcaddr` or `.srcaddr`, with dots members within it, with `%` in front metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldPath {
    name: String,
    within: Vec<String>,
}

impl FieldPath {
    /// Reads a name that stands at the key `key`. As Vector has it, `{{ name }}` is one too.
    pub(crate) fn parse(text: &str, key: &str) -> Result<Self, Problem> {
        let bare = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).unwrap_or(text).trim();
        let (metadata, names) = match bare.strip_prefix('%') {
            Some(names) => (true, names),
            None => (false, bare.strip_prefix('.').unwrap_or(bare)),
        };
        let mut names = names.split('.').map(str::to_owned).collect::<Vec<_>>();
        if names.iter().any(|name| name.is_empty() || name.contains(['{', '}', '"', '[', ' '])) {
            let problem = Problem::new(format!("{text:?} names no member of an event")).key(key);
            return Err(problem.hint("members are called like srcaddr, extracted_fields.user or %aws.log_group"));
        }
        let taken = if metadata { names.len().min(2) } else { 1 };
        let within = names.split_off(taken);
        let name = if metadata { format!("%{}", names.join(".")) } else { names.concat() };
        Ok(FieldPath { name, within })
    }

    /// The name, if it is that of a member, and not of something in one, or of metadata.
    pub(super) fn member(&self) -> Option<&str> {
        (self.within.is_empty() && !self.name.starts_with('%')).then_some(&self.name)
    }

    /// The event's member of that name.
    pub(crate) fn get<'a>(&self, event: &'a Event<'_>) -> Option<ValueRef<'a>> {
        let value = event.get(&self.name)?;
        if self.within.is_empty() {
            return Some(value);
        }
        let ValueRef::Value(value) = value else { return None };
        let mut value = value.into_owned();
        for name in &self.within {
            let Value::Object(mut members) = value else { return None };
            value = members.remove(name)?;
        }
        Some(ValueRef::Value(Cow::Owned(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_named_with_and_without_a_dot_and_as_in_templates() {
        let parsed = |text| FieldPath::parse(text, "key").map(|path| (path.name, path.within));
        let plain = Ok(("srcaddr".to_owned(), Vec::new()));
        for text in ["srcaddr", ".srcaddr", "{{ srcaddr }}", "{{srcaddr}}", "{{ .srcaddr }}"] {
            assert_eq!(parsed(text), plain, "{text}");
        }
        assert_eq!(parsed("%aws.log_group"), Ok(("%aws.log_group".to_owned(), Vec::new())));
        assert_eq!(parsed("%a.b.c"), Ok(("%a.b".to_owned(), vec!["c".to_owned()])));
        assert_eq!(
            parsed("extracted_fields.user.name"),
            Ok(("extracted_fields".to_owned(), vec!["user".to_owned(), "name".to_owned()]))
        );
        for text in ["", ".", "a..b", "{{ a }} {{ b }}", "a[0]", "%"] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
