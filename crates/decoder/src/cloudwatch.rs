//! The CloudWatch Logs envelope: one JSON object a batch of log events ([AWS]).
//!
//! The members may come in any order, unknown ones are skipped (`policyLevel` was one once), and values that producers
//! other than AWS write differently (times as text, numbers for text) are taken as what they mean.
//!
//! [AWS]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html

use crate::error::{DecodeError, DecodeErrorKind};
use crate::extracted::{Field, Kind, NamesId, Range};
use crate::json::{self, RawString, RawValue, Reader, Result};
use crate::limits::Limits;
use crate::text::Span;
use crate::usual;

/// What all events of an envelope share.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Envelope {
    pub(crate) message_type: Option<Span>,
    pub(crate) owner: Option<Span>,
    pub(crate) log_group: Option<Span>,
    pub(crate) log_stream: Option<Span>,
    pub(crate) policy_level: Option<Span>,
    /// The JSON array as it stands in the text.
    pub(crate) subscription_filters: Option<Span>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LogEvent {
    pub(crate) envelope: u32,
    pub(crate) id: Option<Span>,
    pub(crate) timestamp: Option<i64>,
    pub(crate) message: Option<Span>,
    /// Its part of [`Tables::fields`].
    pub(crate) extracted_fields: Option<Range>,
}

/// What a record's text turned out to hold; kept from record to record for its allocations.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) envelopes: Vec<Envelope>,
    pub(crate) events: Vec<LogEvent>,
    pub(crate) fields: Vec<Field>,
    pub(crate) errors: Vec<DecodeError>,
    pub(crate) unescaped: String,
    pub(crate) control_messages: usize,
}

impl Tables {
    pub(crate) fn clear(&mut self) {
        self.envelopes.clear();
        self.events.clear();
        self.fields.clear();
        self.errors.clear();
        self.unescaped.clear();
        self.control_messages = 0;
    }
}

/// Reads every envelope in `text`, back to back or with white space between. Events that were complete before a mistake
/// stay in the tables.
pub(crate) fn read_envelopes(text: &str, limits: &Limits, tables: &mut Tables) {
    let mut reader = Reader::new(text, limits.json_depth);
    let mut seen = 0;
    while reader.peek().is_some() {
        let start = reader.position();
        if seen == limits.envelopes {
            tables.errors.push(DecodeError::at(DecodeErrorKind::TooManyEnvelopes { limit: seen }, start));
            return;
        }
        seen += 1;
        let (envelopes, events) = (tables.envelopes.len(), tables.events.len());
        tables.envelopes.push(Envelope::default());
        let mut parser = EnvelopeParser { text, limits, tables, saw_log_events: false };
        let outcome = parser.envelope(&mut reader);
        let saw_log_events = parser.saw_log_events;

        let message_type = tables.envelopes[envelopes].message_type.map(|span| message_type(text, tables, span));
        let keep = match message_type.as_deref() {
            Some("DATA_MESSAGE") => true,
            Some("CONTROL_MESSAGE") => {
                tables.control_messages += 1;
                false
            }
            Some(other) => {
                let message_type = other.chars().take(64).collect();
                tables.errors.push(DecodeError::at(DecodeErrorKind::UnknownMessageType { message_type }, start));
                false
            }
            // Events without a type: a lenient producer, or a cut before the type.
            None if saw_log_events => true,
            None => {
                if outcome.is_ok() {
                    tables.errors.push(DecodeError::at(DecodeErrorKind::NotAnEnvelope, start));
                }
                false
            }
        };
        if !keep {
            tables.envelopes.truncate(envelopes);
            tables.events.truncate(events);
        }
        if let Err(error) = outcome {
            tables.errors.push(error);
            return; // where the next envelope would begin is unknown
        }
    }
}

fn message_type(text: &str, tables: &Tables, span: Span) -> String {
    crate::text::Text { record: text, unescaped: &tables.unescaped }.get(span).to_owned()
}

struct EnvelopeParser<'a> {
    text: &'a str,
    limits: &'a Limits,
    tables: &'a mut Tables,
    saw_log_events: bool,
}

impl EnvelopeParser<'_> {
    fn envelope(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let index = self.tables.envelopes.len() - 1;
        reader.object(|reader, key| {
            match self.key(key) {
                "messageType" => self.tables.envelopes[index].message_type = self.text_value(reader)?,
                "owner" => self.tables.envelopes[index].owner = self.text_value(reader)?,
                "logGroup" => self.tables.envelopes[index].log_group = self.text_value(reader)?,
                "logStream" => self.tables.envelopes[index].log_stream = self.text_value(reader)?,
                "policyLevel" => self.tables.envelopes[index].policy_level = self.text_value(reader)?,
                "subscriptionFilters" => {
                    self.tables.envelopes[index].subscription_filters = raw_if(reader.value()?, self.text, b'[');
                }
                "logEvents" => {
                    self.saw_log_events = true;
                    if reader.peek() == Some(b'[') {
                        reader.array(|reader| self.log_event(reader, index))?;
                    } else if !matches!(reader.value()?, RawValue::Null) {
                        return Err(reader.error("an array of log events"));
                    }
                }
                _ => {
                    reader.value()?;
                }
            }
            Ok(())
        })
    }

    fn log_event(&mut self, reader: &mut Reader<'_>, envelope: usize) -> Result<()> {
        let limit = self.limits.events;
        if self.tables.events.len() == limit {
            return Err(DecodeError::at(DecodeErrorKind::TooManyEvents { limit }, reader.position()));
        }
        reader.peek();
        let before = self.tables.events.last().and_then(|event| event.extracted_fields).unwrap_or_default();
        let max_fields = self.limits.extracted_fields;
        if let Some(event) = usual::log_event(reader, &mut self.tables.fields, before, max_fields) {
            self.tables.events.push(LogEvent { envelope: envelope as u32, ..event });
            return Ok(());
        }
        let mut event = LogEvent { envelope: envelope as u32, ..LogEvent::default() };
        reader.object(|reader, key| {
            match self.key(key) {
                "id" => event.id = self.text_value(reader)?,
                "timestamp" => event.timestamp = self.timestamp(reader)?,
                "message" => event.message = self.text_value(reader)?,
                "extractedFields" if reader.peek() == Some(b'{') => {
                    event.extracted_fields = Some(self.extracted_fields(reader)?);
                }
                _ => {
                    reader.value()?;
                }
            }
            Ok(())
        })?;
        self.tables.events.push(event);
        Ok(())
    }

    fn extracted_fields(&mut self, reader: &mut Reader<'_>) -> Result<Range> {
        let start = self.tables.fields.len();
        reader.object(|reader, key| {
            let limit = self.limits.extracted_fields;
            if self.tables.fields.len() == limit {
                return Err(DecodeError::at(DecodeErrorKind::TooManyFields { limit }, reader.position()));
            }
            let name = self.string(key)?;
            let (value, kind) = match reader.value()? {
                RawValue::String(raw) => (self.string(raw)?, Kind::Text),
                RawValue::Other(start, end) => (Span::in_text(start, end), Kind::Json),
                RawValue::Null => (Span::default(), Kind::Null),
            };
            self.tables.fields.push(Field { name, value, kind });
            Ok(())
        })?;
        // The limit on fields fits 32 bits.
        Ok(Range { start: start as u32, end: self.tables.fields.len() as u32, names: NamesId::fresh() })
    }

    /// Keys are compared as they stand: nobody escapes them.
    fn key(&self, key: RawString) -> &str {
        &self.text[key.start..key.end]
    }

    /// A text; of other values their JSON, as producers other than AWS may write a number or an object.
    fn text_value(&mut self, reader: &mut Reader<'_>) -> Result<Option<Span>> {
        Ok(match reader.value()? {
            RawValue::Null => None,
            RawValue::Other(start, end) => Some(Span::in_text(start, end)),
            RawValue::String(raw) => Some(self.string(raw)?),
        })
    }

    fn string(&mut self, raw: RawString) -> Result<Span> {
        let RawString { start, end, escaped } = raw;
        if !escaped {
            return Ok(Span::in_text(start, end));
        }
        let from = self.tables.unescaped.len();
        json::unescape(&self.text[start..end], &mut self.tables.unescaped)
            .ok_or_else(|| DecodeError::at(DecodeErrorKind::Json { expected: "a valid escape" }, start))?;
        Ok(Span::in_unescaped(from, self.tables.unescaped.len()))
    }

    /// Milliseconds since the epoch: a number, or one written as text.
    fn timestamp(&mut self, reader: &mut Reader<'_>) -> Result<Option<i64>> {
        let (start, end) = match reader.value()? {
            RawValue::Null => return Ok(None),
            RawValue::Other(start, end) | RawValue::String(RawString { start, end, .. }) => (start, end),
        };
        let digits = &self.text[start..end];
        Ok(digits.parse().ok().or_else(|| {
            let float = digits.parse::<f64>().ok().filter(|float| float.abs() < i64::MAX as f64)?;
            Some(float as i64)
        }))
    }
}

/// The value's JSON if it begins with `open`, nothing otherwise.
fn raw_if(value: RawValue, text: &str, open: u8) -> Option<Span> {
    match value {
        RawValue::Other(start, end) if text.as_bytes()[start] == open => Some(Span::in_text(start, end)),
        _ => None,
    }
}
