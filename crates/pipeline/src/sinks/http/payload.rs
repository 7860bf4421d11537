//! How events become the body of a request.

use std::ops::Range;

use serde::Deserialize;

use crate::codecs::Encoder;
use crate::component::{Event, Problem};
use crate::sinks::requests::Form;

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
        let is_json = encoder.is_json();
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
            (Encoder::Json | Encoder::ShapedJson(_), Some(b'\n')) => Some("application/x-ndjson"),
            (Encoder::Json | Encoder::ShapedJson(_), Some(b',') | None) => Some("application/json"),
            (Encoder::Json | Encoder::ShapedJson(_), Some(_)) => None,
            (Encoder::Text | Encoder::Native | Encoder::Template(_), _) => Some("text/plain"),
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
}

/// What is sent.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    /// Where what came before the last event ends, and where that begins, behind what separates the two.
    last: Option<Range<usize>>,
}

impl Form for Payload {
    type Body = Body;

    fn open(&self) -> Body {
        Body { bytes: self.opening.clone(), last: None }
    }

    fn push(&self, event: &Event<'_>, body: &mut Body) {
        let before = body.bytes.len();
        if let Some(separator) = self.separator.filter(|_| body.last.is_some()) {
            body.bytes.push(separator);
        }
        body.last = Some(before..body.bytes.len());
        self.encoder.encode(event, &mut body.bytes);
        // The encoder ends a line, and here it is said otherwise what stands between events.
        body.bytes.pop();
    }

    fn bytes(&self, body: &Body) -> usize {
        body.bytes.len() + self.closing.len()
    }

    fn split_last(&self, body: &mut Body) -> Body {
        let Range { start: before, end: begin } = body.last.take().unwrap_or_default();
        let mut split = self.open();
        let opened = split.bytes.len();
        split.bytes.extend_from_slice(&body.bytes[begin..]);
        split.last = Some(opened..opened);
        body.bytes.truncate(before);
        split
    }

    fn close(&self, body: &mut Body) {
        body.bytes.extend_from_slice(&self.closing);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::component::{Acknowledgement, Batch, Changes};

    fn two_events() -> Batch {
        let mut builder = Batch::builder(Arc::default());
        for number in 1..=2 {
            let mut members = Changes::default();
            members.set("message", format!("m{number}"));
            builder.event(None, members);
        }
        builder.build(Acknowledgement::none())
    }

    fn closed(payload: &Payload, mut body: Body) -> String {
        let bytes = payload.bytes(&body);
        payload.close(&mut body);
        assert_eq!(bytes, body.bytes.len());
        String::from_utf8(body.bytes).unwrap()
    }

    fn body(encoder: Encoder, config: &str, around: [&str; 2]) -> (String, Option<&'static str>) {
        let payload = Payload::new(encoder, &serde_json::from_str(config).unwrap(), around[0], around[1]).unwrap();
        let mut body = payload.open();
        two_events().events().for_each(|event| payload.push(&event, &mut body));
        (closed(&payload, body), payload.content_type())
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

    #[test]
    fn the_last_event_goes_into_a_body_of_its_own_as_if_it_were_the_first() {
        let comma = r#"{ "method": "character_delimited", "character_delimited": { "delimiter": "," } }"#;
        let payload = Payload::new(Encoder::Json, &serde_json::from_str(comma).unwrap(), "", "").unwrap();
        let (batch, mut body) = (two_events(), payload.open());
        batch.events().for_each(|event| payload.push(&event, &mut body));
        let mut split = payload.split_last(&mut body);
        assert_eq!(closed(&payload, body), r#"[{"message":"m1"}]"#);
        payload.push(&batch.event(0).unwrap(), &mut split);
        assert_eq!(closed(&payload, split), r#"[{"message":"m2"},{"message":"m1"}]"#);
    }
}
