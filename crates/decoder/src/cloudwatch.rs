//! The CloudWatch Logs envelope: one JSON object a batch of log events ([AWS]).
//!
//! The members may come in any order, unknown ones are skipped (`policyLevel` was one once), and values that producers
//! other than AWS write differently (times as text, numbers for text) are taken as what they mean.
//!
//! [AWS]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html

use std::ops::Range;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::flow_log::Format;
use crate::json::{self, RawString, RawValue, Reader, Result};
use crate::limits::Limits;
use crate::scan::BLOCK;
use crate::text::{Span, Text, TextBuffer};
use crate::usual::{self, Events};

/// What all events of an envelope share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Envelope {
    pub(crate) message_type: Span,
    pub(crate) owner: Span,
    pub(crate) log_group: Span,
    pub(crate) log_stream: Span,
    pub(crate) policy_level: Span,
    /// The JSON array as it stands in the text.
    pub(crate) subscription_filters: Span,
    /// Which record of a container it came in.
    pub(crate) sub_sequence_number: Option<u64>,
    /// The index of its header line in [`Tables::headers`].
    pub(crate) header: Option<u32>,
}

impl Envelope {
    /// An envelope that says nothing.
    pub(crate) fn empty(sub_sequence_number: Option<u64>) -> Self {
        Envelope {
            message_type: Span::NONE,
            owner: Span::NONE,
            log_group: Span::NONE,
            log_stream: Span::NONE,
            policy_level: Span::NONE,
            subscription_filters: Span::NONE,
            sub_sequence_number,
            header: None,
        }
    }
}

/// Kept small: there is one for each line, beside a text of some 200 bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogEvent {
    /// The number as it stands, mostly never looked at.
    pub(crate) timestamp: Span,
    pub(crate) id: Span,
    pub(crate) message: Span,
    pub(crate) extracted_fields: Span,
    pub(crate) envelope: u32,
}

/// What a record's text turned out to hold; kept from record to record for its allocations.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) envelopes: Vec<Envelope>,
    pub(crate) events: Vec<LogEvent>,
    pub(crate) errors: Vec<DecodeError>,
    /// What header lines state, where the text was lines.
    pub(crate) headers: Vec<Format>,
    /// Envelopes, and what stood in their place.
    pub(crate) objects: usize,
    pub(crate) control_messages: usize,
    pub(crate) user_records: usize,
    pub(crate) outside_hash_range: usize,
}

impl Tables {
    pub(crate) fn clear(&mut self) {
        self.envelopes.clear();
        self.events.clear();
        self.errors.clear();
        self.headers.clear();
        (self.objects, self.control_messages) = (0, 0);
        (self.user_records, self.outside_hash_range) = (0, 0);
    }

    /// The bytes of its tables. Errors and headers are few.
    pub(crate) fn allocated(&self) -> usize {
        self.envelopes.capacity() * size_of::<Envelope>() + self.events.capacity() * size_of::<LogEvent>()
    }

    /// Makes room for an event more, and for as many as are to be expected where `read` bytes of a text held those since
    /// the first `before`, `left` bytes are left, and no more than `limit` may be. Doubling would reserve far more.
    #[cold]
    pub(crate) fn make_room(&mut self, before: usize, read: usize, left: usize, limit: usize) {
        let size = (read / (self.events.len() - before).max(1)).max(32);
        let expected = left / size + left / size / 64 + 2;
        self.events.reserve_exact(expected.min(limit.saturating_sub(self.events.len())).max(1));
    }
}

/// What a text turned out to be.
pub(crate) enum Found {
    /// Envelopes, or mistakes, all of which are in the tables.
    Envelopes,
    /// An AWS event that carries records as base64: where in the text they stand.
    Records(Vec<Range<usize>>),
}

/// Reads every envelope in the text from `start` on, back to back or with white space between. Events that were complete
/// before a mistake stay in the tables.
pub(crate) fn read_envelopes(
    text: &mut Text,
    start: usize,
    sub_sequence_number: Option<u64>,
    limits: &Limits,
    tables: &mut Tables,
) -> Found {
    let Text { record, unescaped } = text;
    let mut reader = Reader::new(record.as_str().as_bytes(), start, limits.json_depth);
    let mut records = Vec::new();
    while reader.peek().is_some() {
        let offset = reader.position() - start;
        let limit = limits.envelopes;
        let mistake = |kind| DecodeError::at(kind, offset).of(sub_sequence_number);
        if tables.objects == limit {
            tables.errors.push(mistake(DecodeErrorKind::TooManyEnvelopes { limit }));
            break;
        }
        tables.objects += 1;
        let (envelopes, events) = (tables.envelopes.len(), tables.events.len());
        tables.envelopes.push(Envelope::empty(sub_sequence_number));
        let mut parser =
            EnvelopeParser { text: record, unescaped, limits, tables, saw_log_events: false, carried: None };
        let outcome = parser.envelope(&mut reader);
        let (saw_log_events, carried) = (parser.saw_log_events, parser.carried);

        let message_type = piece(record, unescaped, tables.envelopes[envelopes].message_type);
        let keep = match message_type {
            Some("DATA_MESSAGE") => true,
            Some("CONTROL_MESSAGE") => {
                tables.control_messages += 1;
                false
            }
            Some(other) => {
                let message_type = other.chars().take(64).collect();
                tables.errors.push(mistake(DecodeErrorKind::UnknownMessageType { message_type }));
                false
            }
            // Events without a type: a lenient producer, or a cut before the type.
            None if saw_log_events => true,
            None => {
                match carried {
                    Some(carried) => records.extend(carried),
                    None if outcome.is_ok() => tables.errors.push(mistake(DecodeErrorKind::NotAnEnvelope)),
                    None => {}
                }
                false
            }
        };
        if !keep {
            tables.envelopes.truncate(envelopes);
            tables.events.truncate(events);
        }
        if let Err(error) = outcome {
            tables.errors.push(error.of(sub_sequence_number));
            break; // where the next envelope would begin is unknown
        }
    }
    if records.is_empty() { Found::Envelopes } else { Found::Records(records) }
}

fn piece<'a>(record: &'a TextBuffer, unescaped: &'a str, span: Span) -> Option<&'a str> {
    span.of(record.as_str(), unescaped)
}

struct EnvelopeParser<'a> {
    text: &'a TextBuffer,
    unescaped: &'a mut String,
    limits: &'a Limits,
    tables: &'a mut Tables,
    saw_log_events: bool,
    /// Records that the object carries as base64, if it is no envelope.
    carried: Option<Vec<Range<usize>>>,
}

impl<'a> EnvelopeParser<'a> {
    fn envelope(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let index = self.tables.envelopes.len() - 1;
        let head = usual::head(self.padded(), reader.position()).filter(|_| self.limits.json_depth > 0);
        let Some((head, behind)) = head else {
            return reader.object(|reader, key| self.member(reader, key, index));
        };
        let sub_sequence_number = self.tables.envelopes[index].sub_sequence_number;
        self.tables.envelopes[index] = Envelope { sub_sequence_number, ..head };
        reader.set_position(behind);
        self.log_events_or_null(reader, index)?;
        reader.rest_of_object(|reader, key| self.member(reader, key, index))
    }

    fn member(&mut self, reader: &mut Reader<'_>, key: RawString, index: usize) -> Result<()> {
        match self.key(key) {
            "messageType" => self.tables.envelopes[index].message_type = self.text_value(reader)?,
            "owner" => self.tables.envelopes[index].owner = self.text_value(reader)?,
            "logGroup" => self.tables.envelopes[index].log_group = self.text_value(reader)?,
            "logStream" => self.tables.envelopes[index].log_stream = self.text_value(reader)?,
            "policyLevel" => self.tables.envelopes[index].policy_level = self.text_value(reader)?,
            "subscriptionFilters" => {
                self.tables.envelopes[index].subscription_filters = raw_if(reader.value()?, self.text, b'[');
            }
            "logEvents" => self.log_events_or_null(reader, index)?,
            // Lambda's events: of CloudWatch Logs, of Kinesis, of Firehose's transformation.
            "awslogs" if reader.peek() == Some(b'{') => self.data_member(reader)?,
            "Records" | "records" if reader.peek() == Some(b'[') => self.records(reader)?,
            _ => {
                reader.value()?;
            }
        }
        Ok(())
    }

    fn log_events_or_null(&mut self, reader: &mut Reader<'_>, envelope: usize) -> Result<()> {
        self.saw_log_events = true;
        match reader.peek() {
            Some(b'[') => self.log_events(reader, envelope),
            _ if matches!(reader.value()?, RawValue::Null) => Ok(()),
            _ => Err(reader.error("an array of log events")),
        }
    }

    fn log_events(&mut self, reader: &mut Reader<'_>, envelope: usize) -> Result<()> {
        let padded = self.padded();
        let events = Events {
            envelope: envelope as u32,
            begin: reader.position(),
            before: self.tables.events.len(),
            end: self.text.len(),
            limit: self.limits.events,
        };
        reader.array(|reader| {
            reader.peek();
            let start = reader.position();
            let usual_end = usual::log_events(padded, start, &events, self.tables);
            if usual_end > start {
                reader.set_position(usual_end);
                return Ok(());
            }
            let event = self.log_event(reader)?;
            events.push(event, reader.position(), self.tables);
            Ok(())
        })
    }

    fn log_event(&mut self, reader: &mut Reader<'_>) -> Result<LogEvent> {
        let limit = self.limits.events;
        if self.tables.events.len() == limit {
            return Err(reader.mistake(DecodeErrorKind::TooManyEvents { limit }));
        }
        let mut event = LogEvent {
            timestamp: Span::NONE,
            id: Span::NONE,
            message: Span::NONE,
            extracted_fields: Span::NONE,
            envelope: 0,
        };
        reader.object(|reader, key| {
            match self.key(key) {
                "id" => event.id = self.text_value(reader)?,
                "timestamp" => event.timestamp = self.text_value(reader)?,
                "message" => event.message = self.text_value(reader)?,
                "extractedFields" if reader.peek() == Some(b'{') => {
                    event.extracted_fields = self.object_of_any(reader)?
                }
                _ => {
                    reader.value()?;
                }
            }
            Ok(())
        })?;
        Ok(event)
    }

    /// Reads over an object so that reading it again cannot fail.
    fn object_of_any(&mut self, reader: &mut Reader<'_>) -> Result<Span> {
        let start = reader.position();
        reader.object(|reader, key| {
            self.check_escapes(reader, key)?;
            match reader.value()? {
                RawValue::String(raw) => self.check_escapes(reader, raw),
                _ => Ok(()),
            }
        })?;
        Ok(Span::in_text(start, reader.position()))
    }

    /// The `data` of an object, which is taken, and is a record in base64.
    fn data_member(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        reader.object(|reader, key| {
            let is_data = matches!(self.key(key), "data" | "Data");
            match reader.value()? {
                RawValue::String(raw) if is_data => self.carried.get_or_insert_default().push(raw.start..raw.end),
                _ => {}
            }
            Ok(())
        })
    }

    /// The records of a Lambda event: of each its `data`, or that of its `kinesis`.
    fn records(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        self.carried.get_or_insert_default();
        reader.array(|reader| {
            if reader.peek() != Some(b'{') {
                return reader.value().map(drop);
            }
            reader.object(|reader, key| {
                let key = self.key(key);
                let (is_data, is_kinesis) = (matches!(key, "data" | "Data"), key == "kinesis");
                if is_kinesis && reader.peek() == Some(b'{') {
                    return self.data_member(reader);
                }
                match reader.value()? {
                    RawValue::String(raw) if is_data => self.carried.get_or_insert_default().push(raw.start..raw.end),
                    _ => {}
                }
                Ok(())
            })
        })
    }

    fn padded(&self) -> &'a [u8] {
        &self.text.padded()[..self.text.len() + BLOCK]
    }

    /// Keys are compared as they stand: nobody escapes them.
    fn key(&self, key: RawString) -> &str {
        &self.text.as_str()[key.start..key.end]
    }

    /// A text; of other values their JSON, as producers other than AWS may write a number or an object.
    fn text_value(&mut self, reader: &mut Reader<'_>) -> Result<Span> {
        Ok(match reader.value()? {
            RawValue::Null => Span::NONE,
            RawValue::Other(start, end) => Span::in_text(start, end),
            RawValue::String(raw) => self.string(reader, raw)?,
        })
    }

    fn string(&mut self, reader: &Reader<'_>, raw: RawString) -> Result<Span> {
        let RawString { start, end, escaped } = raw;
        if !escaped {
            return Ok(Span::in_text(start, end));
        }
        let from = self.unescaped.len();
        json::unescape(&self.text.as_str()[start..end], self.unescaped)
            .ok_or_else(|| reader.error_at(start, "a valid escape"))?;
        Ok(Span::in_unescaped(from, self.unescaped.len()))
    }

    fn check_escapes(&mut self, reader: &Reader<'_>, raw: RawString) -> Result<()> {
        let len = self.unescaped.len();
        let checked = self.string(reader, raw).map(drop);
        self.unescaped.truncate(len);
        checked
    }
}

/// The value's JSON if it begins with `open`, nothing otherwise.
fn raw_if(value: RawValue, text: &TextBuffer, open: u8) -> Span {
    match value {
        RawValue::Other(start, end) if text.as_str().as_bytes()[start] == open => Span::in_text(start, end),
        _ => Span::NONE,
    }
}
