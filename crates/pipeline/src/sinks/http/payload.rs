//! How events become the body of a request.

use serde::Deserialize;

use crate::codecs::Encoder;
use crate::component::{Event, Problem};

/// How events are told from one another in a body.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub(super) struct FramingConfig {
    /// What stands between events. Default: `newline_delimited`.
    method: Framing,
    /// For the method `character_delimited`: which character.
    character_delimited: Option<DelimiterConfig>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
enum Framing {
    /// A line feed, behind the last one too.
    #[default]
    NewlineDelimited,
    /// Another character, which with the codec `json` and a comma makes the body a JSON array.
    CharacterDelimited,
    /// Nothing.
    Bytes,
}

#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct DelimiterConfig {
    /// One ASCII character.
    delimiter: String,
}

/// Writes bodies: an opening, events with something between them, a closing.
#[derive(Debug)]
pub(super) struct Payload {
    encoder: Encoder,
    opening: Vec<u8>,
    separator: Option<u8>,
    closing: Vec<u8>,
    content_type: Option<&'static str>,
}

impl Payload {
    /// What writes bodies, or what is wrong with the key `framing` or with what stands around the events.
    pub(super) fn new(encoder: Encoder, framing: &FramingConfig, prefix: &str, suffix: &str) -> Result<Self, Problem> {
        let separator = match (framing.method, &framing.character_delimited) {
            (Framing::CharacterDelimited, Some(config)) => match config.delimiter.as_bytes() {
                [delimiter] if delimiter.is_ascii() => Some(*delimiter),
                _ => {
                    return Err(Problem::new("the delimiter is one ASCII character")
                        .key("framing.character_delimited.delimiter"));
                }
            },
            (Framing::CharacterDelimited, None) => {
                return Err(Problem::new("the method character_delimited needs a character")
                    .key("framing")
                    .hint("set framing.character_delimited.delimiter = \",\""));
            }
            (_, Some(_)) => {
                return Err(Problem::new("a delimiter is for the method character_delimited")
                    .key("framing.character_delimited")
                    .hint("set framing.method = \"character_delimited\""));
            }
            (Framing::NewlineDelimited, None) => Some(b'\n'),
            (Framing::Bytes, None) => None,
        };
        let is_json = matches!(encoder, Encoder::Json);
        let is_array = is_json && separator == Some(b',');
        let (open, close) = match separator {
            Some(b',') if is_array => ("[", "]"),
            Some(b'\n') => ("", "\n"),
            _ => ("", ""),
        };
        if is_array && serde_json::from_str::<serde::de::IgnoredAny>(&format!("{prefix}[]{suffix}")).is_err() {
            return Err(Problem::new("what stands around the array of events makes no JSON of it")
                .key(if prefix.is_empty() { "payload_suffix" } else { "payload_prefix" })
                .hint("as payload_prefix = '{\"events\":' and payload_suffix = '}' do"));
        }
        let content_type = match (&encoder, separator) {
            (Encoder::Json, Some(b'\n')) => Some("application/x-ndjson"),
            (Encoder::Json, Some(b',') | None) => Some("application/json"),
            (Encoder::Json, Some(_)) => None,
            (Encoder::Text, _) => Some("text/plain"),
            (Encoder::Csv(_), _) => Some("text/csv"),
            (Encoder::Tsv(_), _) => Some("text/tab-separated-values"),
        };
        Ok(Payload {
            encoder,
            opening: format!("{prefix}{open}").into(),
            separator,
            closing: format!("{close}{suffix}").into(),
            content_type,
        })
    }

    /// The media type of bodies, if they have one.
    pub(super) fn content_type(&self) -> Option<&'static str> {
        self.content_type
    }

    /// Begins a body.
    pub(super) fn open(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(&self.opening);
    }

    /// Appends an event, and tells where in the body it begins, behind what separates it from the last.
    pub(super) fn push(&self, event: &Event<'_>, is_first: bool, body: &mut Vec<u8>) -> usize {
        if let Some(separator) = self.separator.filter(|_| !is_first) {
            body.push(separator);
        }
        let start = body.len();
        self.encoder.encode(event, body);
        // The encoder ends a line, and here it is said otherwise what stands between events.
        body.pop();
        start
    }

    /// Ends a body.
    pub(super) fn close(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(&self.closing);
    }

    /// How many bytes ending a body adds to it.
    pub(super) fn closing_len(&self) -> usize {
        self.closing.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::component::{Acknowledgement, Batch, Changes};

    fn body(encoder: Encoder, config: &str, around: [&str; 2]) -> (String, Option<&'static str>) {
        let payload = Payload::new(encoder, &serde_json::from_str(config).unwrap(), around[0], around[1]).unwrap();
        let mut builder = Batch::builder(Arc::default());
        for number in 1..=2 {
            let mut members = Changes::default();
            members.set("message", format!("m{number}"));
            builder.event(None, members);
        }
        let batch = builder.build(Acknowledgement::none());
        let mut body = Vec::new();
        payload.open(&mut body);
        for (index, event) in batch.events().enumerate() {
            payload.push(&event, index == 0, &mut body);
        }
        payload.close(&mut body);
        (String::from_utf8(body).unwrap(), payload.content_type())
    }

    #[test]
    fn events_are_framed_as_configured() {
        let comma = r#"{ "method": "character_delimited", "character_delimited": { "delimiter": "," } }"#;
        let (one, two) = (r#"{"message":"m1"}"#, r#"{"message":"m2"}"#);
        let around = [r#"{"events":"#, "}"];
        for (encoder, config, around, expected, content_type) in [
            (Encoder::Json, "{}", ["", ""], format!("{one}\n{two}\n"), "application/x-ndjson"),
            (Encoder::Json, comma, ["", ""], format!("[{one},{two}]"), "application/json"),
            (Encoder::Json, comma, around, format!("{{\"events\":[{one},{two}]}}"), "application/json"),
            (Encoder::Text, "{}", ["<", ">"], "<m1\nm2\n>".to_owned(), "text/plain"),
            (Encoder::Text, comma, ["", ""], "m1,m2".to_owned(), "text/plain"),
            (Encoder::Text, r#"{ "method": "bytes" }"#, ["", ""], "m1m2".to_owned(), "text/plain"),
            (Encoder::Csv(vec!["message".to_owned()]), "{}", ["", ""], "m1\nm2\n".to_owned(), "text/csv"),
        ] {
            assert_eq!(body(encoder, config, around), (expected, Some(content_type)), "{config} {around:?}");
        }
    }
}
