//! From one record's bytes to its log events.
//!
//! ```text
//! bytes -> gzip layers -> text (UTF-8) -> envelopes -> table of events, each a few offsets into the text
//! ```

use crate::cloudwatch::{self, Envelope, LogEvent, Tables};
use crate::error::{DecodeError, DecodeErrorKind};
use crate::extracted::{ExtractedFields, FieldValue};
use crate::flow_log::FlowLog;
use crate::gzip::{self, Buffer, Inflater};
use crate::json::{RawValue, Reader};
use crate::limits::{Limits, MAX_JSON_DEPTH};
use crate::text::{Span, Text};

/// Decodes records, one at a time, and keeps its buffers between them.
///
/// See the [crate's front page](crate) for an example.
pub struct Decoder {
    limits: Limits,
    inflater: Inflater,
    text: Buffer,
    /// The layer outside the one in `text`, while gzip within gzip is opened.
    outer: Buffer,
    /// The text with replacement characters, where it was no UTF-8.
    repaired: String,
    tables: Tables,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Decoder {
    /// A decoder with the default [`Limits`].
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// A decoder that spends at most `limits` on a record.
    pub fn with_limits(limits: Limits) -> Self {
        Decoder {
            limits: limits.clamped(),
            inflater: Inflater::new(),
            text: Buffer::default(),
            outer: Buffer::default(),
            repaired: String::new(),
            tables: Tables::default(),
        }
    }

    /// Decodes the bytes of one record.
    ///
    /// `data` is what Kinesis holds (`Record.Data` with its base64 undone, which SDKs do), of one user record if it is
    /// aggregated (see [`kpl`](crate::kpl)). Mistakes are values in the result: see [`Decoded::errors`].
    pub fn decode<'a>(&'a mut self, data: &'a [u8]) -> Decoded<'a> {
        self.tables.clear();
        let bytes = if gzip::is_gzip(data) {
            self.open_gzip(data);
            self.text.as_slice()
        } else if data.len() > self.limits.decompressed_bytes {
            let limit = self.limits.decompressed_bytes;
            self.tables.errors.push(DecodeError::new(DecodeErrorKind::TooLarge { limit }));
            &[]
        } else {
            data
        };
        let text = match simdutf8::basic::from_utf8(bytes) {
            Ok(text) => text,
            Err(_) => repair(bytes, &mut self.repaired, &mut self.tables.errors),
        };
        match text.as_bytes().iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => cloudwatch::read_envelopes(text, &self.limits, &mut self.tables),
            // A mistake found before explains the rest.
            _ if !self.tables.errors.is_empty() => {}
            None => self.tables.errors.push(DecodeError::new(DecodeErrorKind::Empty)),
            Some(_) => {
                let start = bytes[..bytes.len().min(8)].to_vec();
                self.tables.errors.push(DecodeError::new(DecodeErrorKind::UnknownContainer { start }));
            }
        }
        Decoded { text: Text { record: text, unescaped: &self.tables.unescaped }, tables: &self.tables }
    }

    /// Inflates until no gzip is left; what was recovered before a mistake is opened further.
    fn open_gzip(&mut self, data: &[u8]) {
        let limit = self.limits.decompressed_bytes;
        let mut layers = 1;
        let mut result = self.inflater.inflate(data, limit, &mut self.text);
        loop {
            if let Err(kind) = result {
                self.tables.errors.push(DecodeError::new(kind));
            }
            if !gzip::is_gzip(self.text.as_slice()) {
                return;
            }
            if layers >= self.limits.gzip_layers {
                self.tables
                    .errors
                    .push(DecodeError::new(DecodeErrorKind::TooManyLayers { limit: self.limits.gzip_layers }));
                return;
            }
            layers += 1;
            std::mem::swap(&mut self.text, &mut self.outer);
            result = self.inflater.inflate(self.outer.as_slice(), limit, &mut self.text);
        }
    }
}

/// Replaces what is no UTF-8, and reports it unless a cut that is reported already explains it.
fn repair<'a>(bytes: &[u8], repaired: &'a mut String, errors: &mut Vec<DecodeError>) -> &'a str {
    let mut chunks = bytes.utf8_chunks();
    repaired.clear();
    let mut offset = None;
    for chunk in &mut chunks {
        repaired.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            offset.get_or_insert(repaired.len());
            repaired.push(char::REPLACEMENT_CHARACTER);
        }
    }
    let cut_explains_it = !errors.is_empty() && offset == Some(repaired.len() - char::REPLACEMENT_CHARACTER.len_utf8());
    // Bytes that are no text at all are an unknown container, which is said elsewhere.
    let looks_like_json = repaired.trim_start().starts_with('{');
    if let (Some(offset), false, true) = (offset, cut_explains_it, looks_like_json) {
        errors.push(DecodeError::at(DecodeErrorKind::Utf8, offset));
    }
    repaired
}

/// What one record held. Borrows the decoder's buffers; copy out what must outlive the next record.
#[derive(Debug, Clone, Copy)]
pub struct Decoded<'a> {
    text: Text<'a>,
    tables: &'a Tables,
}

impl<'a> Decoded<'a> {
    /// The log events, in the order they came.
    pub fn events(&self) -> Events<'a> {
        Events { decoded: *self, events: self.tables.events.iter() }
    }

    /// What was wrong. Empty if the record was whole.
    pub fn errors(&self) -> &'a [DecodeError] {
        &self.tables.errors
    }

    /// How many control messages (CloudWatch Logs testing its destination) the record held. They give no events.
    pub fn control_messages(&self) -> usize {
        self.tables.control_messages
    }

    /// The size of the decompressed text in bytes.
    pub fn text_len(&self) -> usize {
        self.text.record.len()
    }
}

/// Iterator over the [`Event`]s of a record.
#[derive(Debug, Clone)]
pub struct Events<'a> {
    decoded: Decoded<'a>,
    events: std::slice::Iter<'a, LogEvent>,
}

impl<'a> Iterator for Events<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        let event = self.events.next()?;
        Some(Event { decoded: self.decoded, event })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.events.size_hint()
    }
}

impl ExactSizeIterator for Events<'_> {}

/// One log event, with what its envelope says of it. A few offsets into the record's text: nothing is copied, and
/// fields are parsed when asked for.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    decoded: Decoded<'a>,
    event: &'a LogEvent,
}

impl<'a> Event<'a> {
    /// The log line as it came, which may end in a line feed or hold several lines. Empty if the event has none.
    pub fn message(&self) -> &'a str {
        self.get(self.event.message).unwrap_or_default()
    }

    /// The event's time in milliseconds since the Unix epoch; for flow logs their `start`.
    pub fn timestamp_millis(&self) -> Option<i64> {
        self.event.timestamp
    }

    /// CloudWatch Logs' id of the event: opaque, some 56 digits, the same when an event is delivered twice.
    pub fn id(&self) -> Option<&'a str> {
        self.get(self.event.id)
    }

    /// The account that the log group belongs to.
    pub fn owner(&self) -> Option<&'a str> {
        self.get(self.envelope().owner)
    }

    /// The log group's name.
    pub fn log_group(&self) -> Option<&'a str> {
        self.get(self.envelope().log_group)
    }

    /// The log stream's name.
    pub fn log_stream(&self) -> Option<&'a str> {
        self.get(self.envelope().log_stream)
    }

    /// `ACCOUNT_LEVEL_POLICY` where a subscription policy of the account sent the event.
    pub fn policy_level(&self) -> Option<&'a str> {
        self.get(self.envelope().policy_level)
    }

    /// The names of the subscription filters that matched.
    pub fn subscription_filters(&self) -> Vec<String> {
        let json = self.get(self.envelope().subscription_filters).unwrap_or("[]");
        let mut names = Vec::new();
        // The array was read over once already: it cannot fail here.
        let _ = Reader::new(json, MAX_JSON_DEPTH).array(|reader| {
            if let RawValue::String(raw) = reader.value()? {
                let mut name = String::new();
                if crate::json::unescape(&json[raw.start..raw.end], &mut name).is_some() {
                    names.push(name);
                }
            }
            Ok(())
        });
        names
    }

    /// `extractedFields`, present if the filter's pattern names fields.
    pub fn extracted_fields(&self) -> Option<ExtractedFields<'a>> {
        let range = self.event.extracted_fields?;
        Some(ExtractedFields::new(self.decoded.text, &self.decoded.tables.fields, range))
    }

    /// The value of one extracted field.
    pub fn extracted_field(&self, name: &str) -> Option<FieldValue<'a>> {
        self.extracted_fields()?.get(name)
    }

    /// The message as a VPC Flow Log line in the default format, if it is one.
    pub fn flow_log(&self) -> Option<FlowLog<'a>> {
        FlowLog::parse(self.message()).ok()
    }

    fn get(&self, span: Option<Span>) -> Option<&'a str> {
        span.map(|span| self.decoded.text.get(span))
    }

    fn envelope(&self) -> &'a Envelope {
        &self.decoded.tables.envelopes[self.event.envelope as usize]
    }
}
