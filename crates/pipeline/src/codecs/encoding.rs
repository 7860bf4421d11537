//! From events to bytes.

use std::io::Write;

use serde::Deserialize;

use crate::component::{Changes, Event, Problem, Value, ValueRef, flow_value, value_ref};
use crate::rows::column::Cell;
use crate::rows::encode;

/// How events are written.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct EncodingConfig {
    /// What an event becomes.
    codec: Codec,
    /// For the codec `csv`.
    csv: Option<FieldsConfig>,
    /// For the codec `tsv`.
    tsv: Option<FieldsConfig>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum Codec {
    /// A JSON object a line: the fields of a flow log, or what was extracted, or `timestamp`, `log_group`, `log_stream` and
    /// `message`; and what transforms added.
    Json,
    /// The log line as it came.
    Text,
    /// Comma-separated values, as in RFC 4180.
    Csv,
    /// Tab-separated values.
    Tsv,
}

/// Which columns rows have.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct FieldsConfig {
    /// Members of events, or metadata (`%aws.log_group`), in this order.
    fields: Vec<String>,
}

impl EncodingConfig {
    /// The encoder, or what is wrong with the key `encoding`.
    pub(crate) fn build(&self) -> Result<Encoder, Problem> {
        let fields = |name: &str, config: &Option<FieldsConfig>| match config {
            Some(config) if !config.fields.is_empty() => Ok(config.fields.clone()),
            _ => Err(Problem::new(format!("the codec {name} needs columns"))
                .key("encoding")
                .hint(format!("set encoding.{name}.fields = [\"srcaddr\", \"dstaddr\", ...]"))),
        };
        Ok(match self.codec {
            Codec::Json => Encoder::Json,
            Codec::Text => Encoder::Text,
            Codec::Csv => Encoder::Csv(fields("csv", &self.csv)?),
            Codec::Tsv => Encoder::Tsv(fields("tsv", &self.tsv)?),
        })
    }
}

/// Writes events, a line each.
#[derive(Debug, Clone)]
pub(crate) enum Encoder {
    Json,
    Text,
    Csv(Vec<String>),
    Tsv(Vec<String>),
}

impl Encoder {
    /// Appends an event with a line feed behind it.
    pub(crate) fn encode(&self, event: &Event<'_>, out: &mut Vec<u8>) {
        match self {
            Encoder::Json => json_object(event, out),
            Encoder::Text => match event.get("message") {
                Some(ValueRef::Text(line)) => {
                    out.extend_from_slice(line.strip_suffix('\n').unwrap_or(&line).as_bytes())
                }
                Some(other) => json_value(&other, out),
                None => {}
            },
            Encoder::Csv(fields) => separated(event, fields, b',', encode::csv, out),
            Encoder::Tsv(fields) => separated(event, fields, b'\t', encode::tsv, out),
        }
        out.push(b'\n');
    }
}

fn json_object(event: &Event<'_>, out: &mut Vec<u8>) {
    if flow_log(event, out) {
        return;
    }
    out.push(b'{');
    for (index, (name, value)) in event.members().into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        member(&name, &value, out);
    }
    out.push(b'}');
}

/// Writes the event, if it is a flow log that shows its fields: many times as fast as going through its members.
fn flow_log(event: &Event<'_>, out: &mut Vec<u8>) -> bool {
    let is_replaced = event.changes().is_some_and(Changes::is_replaced);
    let Some(read) = event.read().filter(|read| !is_replaced && read.extracted_fields().is_none()) else {
        return false;
    };
    let formats = event.formats();
    let Some(changes) = event.changes() else { return matches!(formats.write_json(read, out), Some(Ok(()))) };
    // A header may name any fields.
    if read.header().is_none() && changes.members().all(|(name, _)| !formats.may_have(name)) {
        // What nobody changed is copied from where it lies.
        if !matches!(formats.write_json(read, out), Some(Ok(()))) {
            return false;
        }
        out.pop();
        for (name, value) in changes.members().filter_map(|(name, value)| Some((name, value?))) {
            out.push(b',');
            member(name, &value_ref(value), out);
        }
        out.push(b'}');
        return true;
    }
    let Some(flow) = event.flow_log() else { return false };
    out.push(b'{');
    let fields =
        flow.values().filter_map(|(name, value)| match changes.members().find(|(changed, _)| *changed == name) {
            None => Some((name, flow_value(value))),
            Some((_, changed)) => changed.map(|value| (name, value_ref(value))),
        });
    let added = changes.members().filter(|(name, _)| flow.format().place_of_name(name).is_none());
    let added = added.filter_map(|(name, value)| Some((name, value_ref(value?))));
    for (index, (name, value)) in fields.chain(added).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        member(name, &value, out);
    }
    out.push(b'}');
    true
}

fn member(name: &str, value: &ValueRef<'_>, out: &mut Vec<u8>) {
    encode::json_text(name, out);
    out.push(b':');
    json_value(value, out);
}

fn json_value(value: &ValueRef<'_>, out: &mut Vec<u8>) {
    match value {
        ValueRef::Value(value) => match &**value {
            // As it stands in the rows of the command.
            Value::Text(text) => encode::json_text(text, out),
            // Writing to memory cannot fail, and names of members are text.
            other => drop(serde_json::to_writer(out, other)),
        },
        // A cell has no sign.
        ValueRef::Integer(number @ ..0) => out.extend_from_slice(number.to_string().as_bytes()),
        // Writing to memory cannot fail.
        ValueRef::Address(address) => drop(write!(out, "\"{address}\"")),
        other => encode::json(&cell(other), out),
    }
}

fn separated(
    event: &Event<'_>,
    fields: &[String],
    separator: u8,
    encode: impl Fn(&Cell<'_>, &mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    for (index, name) in fields.iter().enumerate() {
        if index > 0 {
            out.push(separator);
        }
        match event.get(name) {
            None => encode(&Cell::Null, out),
            Some(ValueRef::Value(value)) if !matches!(*value, Value::Text(_)) => {
                let json = serde_json::to_string(&*value).unwrap_or_default();
                encode(&Cell::Line(&json), out);
            }
            Some(ValueRef::Text(text)) => encode(&Cell::Line(&text), out),
            Some(value) => encode(&cell(&value), out),
        }
    }
}

/// A value as a cell of a row.
fn cell<'a>(value: &'a ValueRef<'_>) -> Cell<'a> {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => match u64::try_from(*number) {
            Ok(number) => Cell::Integer(number),
            Err(_) => Cell::Text(number.to_string().into()),
        },
        ValueRef::Address(address) => Cell::Text(address.to_string().into()),
        ValueRef::Text(text) => Cell::Text((&**text).into()),
        ValueRef::Timestamp(time) => Cell::Text(format!("{time:.3}").into()),
        ValueRef::Value(value) => match &**value {
            Value::Text(text) => Cell::Text(text.as_str().into()),
            other => Cell::Text(serde_json::to_string(other).unwrap_or_default().into()),
        },
    }
}
