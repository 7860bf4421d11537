//! From events to bytes.

use serde::Deserialize;

use crate::component::{Event, Problem, Value, ValueRef};
use crate::rows::column::Cell;
use crate::rows::encode;

/// How events are written.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct EncodingConfig {
    /// What an event becomes.
    codec: Codec,
    /// For the codec `csv`.
    csv: Option<FieldsConfig>,
    /// For the codec `tsv`.
    tsv: Option<FieldsConfig>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
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
    // What nobody changed is written straight from where it lies.
    if let (Some(read), None) = (event.read(), event.changes())
        && read.extracted_fields().is_none()
        && let Some(Ok(())) = event.formats().write_json(read, out)
    {
        return;
    }
    out.push(b'{');
    for (index, (name, value)) in event.members().into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        encode::json_text(&name, out);
        out.push(b':');
        json_value(&value, out);
    }
    out.push(b'}');
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
