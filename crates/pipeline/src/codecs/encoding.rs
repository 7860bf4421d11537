//! From events to bytes.

use serde::Deserialize;

use super::json::{Shape, TimestampFormat, cell, json_lines, json_object};
use super::native::{message, native, raw_message};
use super::template::Template;
use crate::component::{Batch, Event, Problem, Value, ValueRef};
#[cfg(feature = "sinks-file")]
use crate::durable_file::Units;
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
    /// For the codec `template`.
    template: Option<TemplateConfig>,
    /// For the codec `json`: the members that are written, where an event has them. Default: all.
    only_fields: Option<Vec<String>>,
    /// For the codec `json`: members that are not written. Default: none.
    except_fields: Option<Vec<String>>,
    /// For the codec `json`: how members that are times are written. Default: `rfc3339`.
    timestamp_format: Option<TimestampFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum Codec {
    /// A JSON object a line: the fields of a flow log, or what was extracted, or `timestamp`, `log_group`, `log_stream` and
    /// `message`; and what transforms added.
    Json,
    /// The member `message`: the log line as it came, or what transforms made of it.
    Text,
    /// The bytes of the member `message`, a line feed at their end too, and nothing behind them.
    RawMessage,
    /// The log line as it came; of a flow log that was changed the line that it would be by now, in its own format. Members that
    /// are no fields of the format are left out, null is `-`, and white space in a value `_`.
    Native,
    /// A text with the values of members in it.
    Template,
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

/// What a line says.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct TemplateConfig {
    /// The text, in which `{{ name }}` is the value of a member, and `{{ %aws.log_group }}` metadata; what is missing or null is
    /// `-`. Percent signs are themselves.
    format: String,
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
        let (only, except) = (self.only_fields.as_deref(), self.except_fields.as_deref());
        for (key, is_set) in [
            ("only_fields", only.is_some()),
            ("except_fields", except.is_some()),
            ("timestamp_format", self.timestamp_format.is_some()),
        ] {
            if is_set && self.codec != Codec::Json {
                let problem = Problem::new(format!("{key} is for the codec json")).key(&format!("encoding.{key}"));
                return Err(problem.hint("other codecs write what they are told to"));
            }
        }
        Ok(match self.codec {
            Codec::Json => match Shape::new(only, except, self.timestamp_format.unwrap_or_default())? {
                None => Encoder::Json,
                Some(shape) => Encoder::ShapedJson(shape),
            },
            Codec::Text => Encoder::Text,
            Codec::RawMessage => Encoder::RawMessage,
            Codec::Native => Encoder::Native,
            Codec::Template => match &self.template {
                Some(template) => Encoder::Template(Template::parse(&template.format, "encoding.template.format")?),
                None => {
                    return Err(Problem::new("the codec template needs a text")
                        .key("encoding")
                        .hint("set encoding.template.format = \"{{ srcaddr }} -> {{ dstaddr }}\""));
                }
            },
            Codec::Csv => Encoder::Csv(fields("csv", &self.csv)?),
            Codec::Tsv => Encoder::Tsv(fields("tsv", &self.tsv)?),
        })
    }
}

/// Writes events.
#[derive(Debug, Clone)]
pub(crate) enum Encoder {
    Json,
    ShapedJson(Shape),
    Text,
    RawMessage,
    Native,
    Template(Template),
    Csv(Vec<String>),
    Tsv(Vec<String>),
}

impl Encoder {
    /// Whether an event is a JSON object.
    #[cfg(feature = "sinks-http")]
    pub(crate) fn is_json(&self) -> bool {
        matches!(self, Encoder::Json | Encoder::ShapedJson(_))
    }

    /// Appends an event as it stands among others: with a line feed behind it, unless the codec writes nothing but messages.
    pub(crate) fn encode(&self, event: &Event<'_>, out: &mut Vec<u8>) {
        self.encode_alone(event, out);
        if self.is_lines() {
            out.push(b'\n');
        }
    }

    /// Appends all events of a batch as they stand among others.
    pub(crate) fn encode_all(&self, batch: &Batch, out: &mut Vec<u8>) {
        match self {
            Encoder::Json => json_lines(batch, out),
            _ => batch.for_each(|event| self.encode(event, out)),
        }
    }

    /// Whether events are lines, with a line feed at their ends.
    pub(crate) fn is_lines(&self) -> bool {
        !matches!(self, Encoder::RawMessage)
    }

    /// What a file of events holds.
    #[cfg(feature = "sinks-file")]
    pub(crate) fn units(&self) -> Units {
        match self {
            Encoder::RawMessage => Units::Bytes,
            Encoder::Csv(_) => Units::Rows,
            _ => Units::Lines,
        }
    }

    /// Appends an event with nothing behind it.
    pub(crate) fn encode_alone(&self, event: &Event<'_>, out: &mut Vec<u8>) {
        match self {
            Encoder::Json => json_object(event, out),
            Encoder::ShapedJson(shape) => shape.encode(event, out),
            Encoder::Text => message(event, out),
            Encoder::RawMessage => raw_message(event, out),
            Encoder::Native => native(event, out),
            Encoder::Template(template) => template.encode(event, out),
            Encoder::Csv(fields) => separated(event, fields, b',', encode::csv, out),
            Encoder::Tsv(fields) => separated(event, fields, b'\t', encode::tsv, out),
        }
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
