//! How events become the body of a request.

use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;

use super::bulk::Actions;
use crate::codecs::Encoder;
use crate::component::{Event, Problem};
use crate::sinks::requests::Form;

/// How events are told from one another in a body.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub(super) struct FramingConfig {
    /// What stands between events. Default: `newline_delimited`; with the codec `raw_message` `bytes`.
    method: Option<Framing>,
    /// For the method `character_delimited`: which character.
    character_delimited: Option<DelimiterConfig>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
enum Framing {
    /// A line feed, behind the last one too.
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
    /// What writes a line in front of each event, if there is to be one.
    actions: Option<Actions>,
    encoder: Encoder,
    frame: Arc<Frame>,
    content_type: Option<&'static str>,
}

/// What stands around events, and between them.
#[derive(Debug)]
pub(super) struct Frame {
    opening: Vec<u8>,
    separator: Option<u8>,
    closing: Vec<u8>,
}

impl Frame {
    /// Where an event stands in a body.
    fn event(&self, ends: &[usize], place: usize) -> Range<usize> {
        let begin = match place.checked_sub(1) {
            None => self.opening.len(),
            Some(before) => ends[before] + usize::from(self.separator.is_some()),
        };
        begin..ends[place]
    }

    /// A body with some of the events of another one, by their places in it.
    pub(super) fn part(&self, body: &[u8], ends: &[usize], places: &[usize]) -> Vec<u8> {
        let mut part = self.opening.clone();
        for (index, place) in places.iter().enumerate() {
            part.extend(self.separator.filter(|_| index > 0));
            part.extend_from_slice(&body[self.event(ends, *place)]);
        }
        part.extend_from_slice(&self.closing);
        part
    }
}

impl Payload {
    /// What writes bodies, or what is wrong with the key `framing` or with what stands around the events.
    pub(super) fn new(encoder: Encoder, framing: &FramingConfig, prefix: &str, suffix: &str) -> Result<Self, Problem> {
        let usual = if encoder.is_lines() { Framing::NewlineDelimited } else { Framing::Bytes };
        let separator = match (framing.method.unwrap_or(usual), &framing.character_delimited) {
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
            (Encoder::Text | Encoder::RawMessage | Encoder::Native | Encoder::Template(_), _) => Some("text/plain"),
            (Encoder::Csv(_), _) => Some("text/csv"),
            (Encoder::Tsv(_), _) => Some("text/tab-separated-values"),
        };
        let (opening, closing) = (format!("{prefix}{open}").into(), format!("{close}{suffix}").into());
        let frame = Arc::new(Frame { opening, separator, closing });
        Ok(Payload { actions: None, encoder, frame, content_type })
    }

    /// The same with a line in front of each event, or why that cannot be.
    pub(super) fn of_bulk(self, actions: Actions) -> Result<Self, Problem> {
        let Frame { opening, separator, closing } = &*self.frame;
        if !self.encoder.is_json() {
            let problem = Problem::new("bulk requests are of JSON objects").key("encoding.codec");
            return Err(problem.hint("set encoding.codec = \"json\""));
        }
        if !opening.is_empty() || *separator != Some(b'\n') || closing != b"\n" {
            let problem = Problem::new("bulk requests are lines, and nothing stands around them").key("bulk");
            return Err(problem.hint("leave out framing, payload_prefix and payload_suffix"));
        }
        Ok(Payload { actions: Some(actions), ..self })
    }

    /// What stands around events, and between them.
    pub(super) fn frame(&self) -> Arc<Frame> {
        self.frame.clone()
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
    /// Where each event ends.
    pub(super) ends: Vec<usize>,
}

impl Form for Payload {
    type Body = Body;

    fn open(&self) -> Body {
        Body { bytes: self.frame.opening.clone(), ends: Vec::new() }
    }

    fn push(&self, event: &Event<'_>, body: &mut Body) {
        body.bytes.extend(self.frame.separator.filter(|_| !body.ends.is_empty()));
        if let Some(actions) = &self.actions {
            actions.line(event, &mut body.bytes);
        }
        self.encoder.encode_alone(event, &mut body.bytes);
        body.ends.push(body.bytes.len());
    }

    fn bytes(&self, body: &Body) -> usize {
        body.bytes.len() + self.frame.closing.len()
    }

    fn split_last(&self, body: &mut Body) -> Body {
        let mut split = self.open();
        if let Some(last) = body.ends.len().checked_sub(1) {
            split.bytes.extend_from_slice(&body.bytes[self.frame.event(&body.ends, last)]);
            split.ends.push(split.bytes.len());
            body.ends.truncate(last);
            body.bytes.truncate(body.ends.last().copied().unwrap_or(self.frame.opening.len()));
        }
        split
    }

    fn close(&self, body: &mut Body) {
        body.bytes.extend_from_slice(&self.frame.closing);
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
            (Encoder::RawMessage, "{}", ["", ""], "m1m2".to_owned(), "text/plain"),
            (
                Encoder::RawMessage,
                r#"{ "method": "newline_delimited" }"#,
                ["", ""],
                "m1\nm2\n".to_owned(),
                "text/plain",
            ),
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
        batch.for_each(|event| payload.push(event, &mut body));
        let mut split = payload.split_last(&mut body);
        assert_eq!(closed(&payload, body), r#"[{"message":"m1"}]"#);
        payload.push(&batch.event(0).unwrap(), &mut split);
        assert_eq!(closed(&payload, split), r#"[{"message":"m2"},{"message":"m1"}]"#);
    }

    #[test]
    fn some_of_the_events_make_a_body_as_if_there_were_no_others() {
        let comma = r#"{ "method": "character_delimited", "character_delimited": { "delimiter": "," } }"#;
        for (config, around, second) in
            [(comma, ["", ""], r#"[{"message":"m2"}]"#), ("{}", ["<", ">"], "<{\"message\":\"m2\"}\n>")]
        {
            let framing = serde_json::from_str(config).unwrap();
            let payload = Payload::new(Encoder::Json, &framing, around[0], around[1]).unwrap();
            let mut body = payload.open();
            two_events().events().for_each(|event| payload.push(&event, &mut body));
            payload.close(&mut body);
            let part = |places: &[usize]| payload.frame.part(&body.bytes, &body.ends, places);
            assert_eq!(part(&[0, 1]), body.bytes);
            assert_eq!(String::from_utf8(part(&[1])).unwrap(), second);
        }
    }
}
