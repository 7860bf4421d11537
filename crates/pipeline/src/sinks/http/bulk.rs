//! Bulk requests, as OpenSearch and Elasticsearch take them: a line in front of each event says what is to be done with it, and
//! the answer says of each event what became of it. Without I/O.

use jiff::Timestamp;
use jiff::fmt::strtime;
use serde::Deserialize;

use crate::codecs::{FieldPath, Part, parts, push_value};
use crate::component::{Event, Problem, ValueRef};

/// Bulk requests, as OpenSearch and Elasticsearch take them at `/_bulk`: a line in front of each event says what is to be done with
/// it, and the answer says of each event what became of it. What the server has no room for (429, 5xx) is sent again alone; what it
/// cannot take goes to `<id>.rejected` alone.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct BulkConfig {
    /// What is done with events. Default: `create`.
    #[serde(default)]
    action: Action,
    /// The index, or data stream, in which strftime's `%Y.%m.%d` and the like stand for the time of each event (UTC), and `{{ name }}`
    /// for a member; what is missing or null is `-`. Default: the one that the `uri` names.
    index: Option<String>,
    /// What an event is known by, such as `{{ %kinesis.shard_id }}-{{ %kinesis.sequence_number }}-{{ %kinesis.event_index }}`: one
    /// that is sent twice is stored once. It must tell all events apart. Null is `-`; where a member is missing, or all are null, the
    /// server makes an id up. Default: the server makes one up.
    id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub(super) enum Action {
    /// It is stored unless one of its id is there, which counts as delivered. Data streams take nothing else.
    #[default]
    Create,
    /// It is stored, in place of one of its id.
    Index,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::Index => "index",
        }
    }
}

impl BulkConfig {
    pub(super) fn action(&self) -> Action {
        self.action
    }

    /// What writes the lines, or what is wrong with the templates.
    pub(super) fn build(&self) -> Result<Actions, Problem> {
        let template = |text: &Option<String>, key: &str, has_time| {
            text.as_ref().map(|text| pieces(text, key, has_time)).transpose()
        };
        Ok(Actions {
            action: self.action,
            index: template(&self.index, "bulk.index", true)?,
            id: template(&self.id, "bulk.id", false)?,
            now: Timestamp::now,
        })
    }
}

/// Writes the lines in front of events.
#[derive(Debug)]
pub(super) struct Actions {
    action: Action,
    index: Option<Vec<Piece>>,
    id: Option<Vec<Piece>>,
    /// The time of events that have none.
    now: fn() -> Timestamp,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    /// Text with specifiers of strftime.
    Time(String),
    Field(FieldPath),
}

fn pieces(text: &str, key: &str, has_time: bool) -> Result<Vec<Piece>, Problem> {
    if text.is_empty() {
        return Err(Problem::new("the template is empty").key(key).hint("leave the key out"));
    }
    let piece = |part| match part {
        Part::Field(field) => Ok(Piece::Field(field)),
        Part::Text(range) if has_time && text[range.clone()].contains('%') => {
            let format = text[range.clone()].to_owned();
            match strtime::format(&format, Timestamp::UNIX_EPOCH) {
                Ok(_) => Ok(Piece::Time(format)),
                Err(error) => Err(Problem::new(format!("not a name with a time: {error}"))
                    .key(key)
                    .within(range)
                    .hint("specifiers are strftime's, as %Y.%m.%d; %% is a percent sign")),
            }
        }
        Part::Text(range) => Ok(Piece::Text(text[range].to_owned())),
    };
    parts(text, key)?.into_iter().map(piece).collect()
}

impl Actions {
    /// Appends what stands in front of an event.
    pub(super) fn line(&self, event: &Event<'_>, out: &mut Vec<u8>) {
        let index = self.index.as_ref().map(|pieces| self.text(pieces, event).0);
        let id = self.id.as_ref().map(|pieces| self.text(pieces, event)).filter(|(_, is_known)| *is_known);
        out.extend_from_slice(b"{\"");
        out.extend_from_slice(self.action.name().as_bytes());
        out.extend_from_slice(b"\":{");
        let mut separator = "";
        for (name, value) in [("_index", index), ("_id", id.map(|(id, _)| id))] {
            let Some(value) = value else { continue };
            out.extend_from_slice(format!("{separator}\"{name}\":").as_bytes());
            // Writing to memory cannot fail.
            let _ = serde_json::to_writer(&mut *out, &value);
            separator = ",";
        }
        out.extend_from_slice(b"}}\n");
    }

    /// The text of a template, and whether it tells events apart: no member is missing, and not all are null.
    fn text(&self, pieces: &[Piece], event: &Event<'_>) -> (String, bool) {
        let mut text = String::new();
        let (mut is_missing, mut is_null, mut fields) = (false, true, 0);
        for piece in pieces {
            match piece {
                Piece::Text(part) => text.push_str(part),
                Piece::Time(format) => {
                    let time = event.timestamp().unwrap_or_else(self.now);
                    // It was tried when it was read.
                    text.push_str(&strtime::format(format, time).unwrap_or_default());
                }
                Piece::Field(field) => {
                    let value = field.get(event);
                    fields += 1;
                    is_missing |= value.is_none();
                    is_null &= matches!(value, None | Some(ValueRef::Null));
                    let before = text.len();
                    push_value(value, &mut text);
                    if text.len() == before {
                        text.push('-');
                    }
                }
            }
        }
        (text, !is_missing && (fields == 0 || !is_null))
    }
}

/// What an answer says of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Delivered,
    /// It may be taken later.
    Again(String),
    /// It will never be taken.
    Rejected(String),
}

/// What the answer to a request of so many events says of each, in order.
///
/// # Errors
///
/// Why nothing can be told from it. That is never taken for success.
pub(super) fn fates(action: Action, answer: &[u8], events: usize) -> Result<Vec<Fate>, String> {
    let answer: BulkAnswer =
        serde_json::from_slice(answer).map_err(|error| format!("the answer is none of a bulk request: {error}"))?;
    if answer.items.len() != events {
        return Err(format!(
            "the answer has {} items for {events} events; a filter_path must leave items.*.status and items.*.error",
            answer.items.len()
        ));
    }
    let fate = |item: Item| {
        let result = match action {
            Action::Create => item.create,
            Action::Index => item.index,
        };
        let result = result.ok_or_else(|| format!("an item of the answer is of no {}", action.name()))?;
        Ok(match result.status {
            200..=299 if result.error.is_none() => Fate::Delivered,
            // It is there already: it was sent before, and the answer did not come.
            409 if action == Action::Create => Fate::Delivered,
            429 | 500..=599 => Fate::Again(result.cause()),
            _ => Fate::Rejected(result.cause()),
        })
    };
    answer.items.into_iter().map(fate).collect()
}

#[derive(Debug, Deserialize)]
struct BulkAnswer {
    items: Vec<Item>,
}

/// By the action.
#[derive(Debug, Deserialize)]
struct Item {
    create: Option<ItemResult>,
    index: Option<ItemResult>,
}

#[derive(Debug, Deserialize)]
struct ItemResult {
    status: u16,
    error: Option<Cause>,
}

#[derive(Debug, Deserialize)]
struct Cause {
    #[serde(rename = "type")]
    kind: Option<String>,
    reason: Option<String>,
    caused_by: Option<Box<Cause>>,
}

impl ItemResult {
    /// In words: the status, and what the server says of it.
    fn cause(&self) -> String {
        let mut text = format!("status {}", self.status);
        let mut cause = self.error.as_ref();
        while let Some(Cause { kind, reason, caused_by }) = cause {
            for part in [kind, reason].into_iter().flatten() {
                text.push_str(": ");
                text.push_str(part);
            }
            cause = caused_by.as_deref();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::component::{Acknowledgement, Batch, Changes, Value};

    fn line(config: &str, members: &[(&str, Value)]) -> String {
        let config: BulkConfig = serde_json::from_str(config).unwrap();
        let actions = Actions { now: || "2026-11-24T08:00:00Z".parse().unwrap(), ..config.build().unwrap() };
        let mut changes = Changes::default();
        members.iter().for_each(|(name, value)| changes.set(*name, value.clone()));
        let mut builder = Batch::builder(Arc::default());
        builder.event(None, changes);
        let batch = builder.build(Acknowledgement::none());
        let mut line = Vec::new();
        actions.line(&batch.event(0).unwrap(), &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_line_says_what_is_done_with_an_event() {
        let members = [("group", Value::from("a\"b")), ("n", Value::Integer(7)), ("none", Value::Null)];
        for (config, expected) in [
            ("{}", r#"{"create":{}}"#),
            (r#"{ "action": "index", "index": "flows-%Y.%m.%d" }"#, r#"{"index":{"_index":"flows-2026.11.24"}}"#),
            (r#"{ "index": "{{ group }}-%%", "id": "{{ n }}-%d" }"#, r#"{"create":{"_index":"a\"b-%","_id":"7-%d"}}"#),
            (r#"{ "id": "{{ none }}-{{ n }}" }"#, r#"{"create":{"_id":"--7"}}"#),
        ] {
            assert_eq!(line(config, &members), format!("{expected}\n"), "{config}");
        }
    }

    #[test]
    fn an_id_that_does_not_tell_events_apart_is_left_out() {
        let members = [("n", Value::Integer(7)), ("none", Value::Null)];
        for id in ["{{ n }}-{{ missing }}", "{{ none }}", "x-{{ none }}-{{ none }}"] {
            assert_eq!(line(&format!("{{ \"id\": \"{id}\" }}"), &members), "{\"create\":{}}\n", "{id}");
        }
    }

    #[test]
    fn what_is_no_template_is_told() {
        for config in [r#"{ "index": "%!" }"#, r#"{ "id": "{{ a" }"#, r#"{ "index": "" }"#] {
            let config: BulkConfig = serde_json::from_str(config).unwrap();
            assert!(config.build().is_err(), "{config:?}");
        }
    }

    #[test]
    fn an_answer_says_of_each_event_what_became_of_it() {
        let answer = br#"{ "took": 3, "errors": true, "items": [
            { "create": { "_index": "flows", "_id": "1", "result": "created", "status": 201 } },
            { "create": { "status": 409, "error": { "type": "version_conflict_engine_exception", "reason": "it exists" } } },
            { "create": { "status": 429, "error": { "type": "rejected_execution_exception", "reason": "full" } } },
            { "create": { "status": 503 } },
            { "create": { "status": 400, "error": { "type": "mapper_parsing_exception", "reason": "failed to parse",
                "caused_by": { "type": "number_format_exception", "reason": "For input string: \"x\"" } } } },
            { "create": { "status": 404, "error": { "type": "index_not_found_exception", "reason": null } } }
        ] }"#;
        let again = |cause: &str| Fate::Again(cause.to_owned());
        let rejected = |cause: &str| Fate::Rejected(cause.to_owned());
        assert_eq!(
            fates(Action::Create, answer, 6).unwrap(),
            [
                Fate::Delivered,
                Fate::Delivered,
                again("status 429: rejected_execution_exception: full"),
                again("status 503"),
                rejected(
                    "status 400: mapper_parsing_exception: failed to parse: number_format_exception: For input string: \"x\""
                ),
                rejected("status 404: index_not_found_exception"),
            ]
        );
    }

    #[test]
    fn a_conflict_of_what_is_to_replace_another_is_no_success() {
        let answer = br#"{"items":[{"index":{"status":409}},{"index":{"status":200}}]}"#;
        let fates = fates(Action::Index, answer, 2).unwrap();
        assert_eq!(fates, [Fate::Rejected("status 409".to_owned()), Fate::Delivered]);
    }

    #[test]
    fn what_cannot_be_told_from_an_answer_is_never_taken_for_success() {
        for answer in [
            "",
            "{}",
            "ok",
            r#"{"errors":false}"#,
            r#"{"errors":false,"items":[]}"#,
            r#"{"items":[{"create":{"status":201}},{"create":{"status":201}}]}"#,
            r#"{"items":[{"create":{}}]}"#,
            r#"{"items":[{"index":{"status":201}}]}"#,
            r#"{"items":[{"create":{"status":201}}"#,
        ] {
            assert!(fates(Action::Create, answer.as_bytes(), 1).is_err(), "{answer}");
        }
    }
}
