//! The shape in which AWS writes a log event, read without asking what comes next:
//!
//! ```json
//! {"id":"…","timestamp":…,"message":"…","extractedFields":{"name":"value",…}}
//! ```
//!
//! Whatever differs (another order, white space, escapes, numbers for text) makes [`log_event`] give up, and the general
//! reader takes the event from its start. Both give the same for what both can read.

use crate::cloudwatch::LogEvent;
use crate::extracted::{Field, Kind, NamesId, Range};
use crate::json::{Reader, next_quote_or_backslash};
use crate::text::{Span, equal};

/// Reads the event that begins at the reader's position and moves the reader behind it. Its fields are appended to
/// `fields`, of which there may be `max_fields`; on `None` nothing has changed.
///
/// `before` are the fields of the event before: events of one filter have the same names in the same order.
pub(crate) fn log_event(
    reader: &mut Reader<'_>,
    fields: &mut Vec<Field>,
    before: Range,
    max_fields: usize,
) -> Option<LogEvent> {
    let len = fields.len();
    let mut cursor = Cursor { bytes: reader.bytes(), pos: reader.position() };
    let event = cursor.log_event(fields, before, max_fields);
    match event {
        Some(_) => reader.set_position(cursor.pos),
        None => fields.truncate(len),
    }
    event
}

struct Cursor<'a> {
    bytes: &'a [u8],
    pos: usize,
}

impl Cursor<'_> {
    fn log_event(&mut self, fields: &mut Vec<Field>, before: Range, max_fields: usize) -> Option<LogEvent> {
        self.take(b"{\"id\":\"")?;
        let id = Some(self.string()?);
        self.take(b",\"timestamp\":")?;
        let timestamp = Some(self.integer()?);
        self.take(b",\"message\":\"")?;
        let message = Some(self.string()?);
        let extracted_fields = match self.bytes.get(self.pos)? {
            b'}' => None,
            _ => {
                self.take(b",\"extractedFields\":{\"")?;
                Some(self.fields(fields, before, max_fields)?)
            }
        };
        self.take(b"}")?;
        Some(LogEvent { envelope: 0, id, timestamp, message, extracted_fields })
    }

    /// The members of an object of which `{"` was taken, and its end.
    fn fields(&mut self, fields: &mut Vec<Field>, before: Range, max_fields: usize) -> Option<Range> {
        let start = fields.len();
        let mut foretold = before.start as usize..before.end as usize;
        let mut all_foretold = true;
        loop {
            if fields.len() == max_fields {
                return None;
            }
            let name = match foretold.next().and_then(|index| self.repeat(fields[index].name)) {
                Some(name) => name,
                None => {
                    all_foretold = false;
                    let name = self.string()?;
                    self.take(b":\"")?;
                    name
                }
            };
            let value = self.string()?;
            fields.push(Field { name, value, kind: Kind::Text });
            match self.take_any()? {
                b',' => self.take(b"\"")?,
                b'}' => {
                    let names = if all_foretold && foretold.is_empty() { before.names } else { NamesId::fresh() };
                    return Some(Range { start: start as u32, end: fields.len() as u32, names });
                }
                _ => return None,
            }
        }
    }

    /// Takes a name and what follows it up to the value, if they are those of an earlier field.
    #[inline]
    fn repeat(&mut self, earlier: Span) -> Option<Span> {
        const BEHIND: &[u8] = b"\":\"";
        let range = earlier.range_in_text()?;
        let (start, end) = (self.pos, self.pos + range.len());
        let segment = self.bytes.get(range.start..range.end + BEHIND.len())?;
        let here = self.bytes.get(start..end + BEHIND.len())?;
        if segment.ends_with(BEHIND) && equal(segment, here) {
            self.pos = end + BEHIND.len();
            return Some(Span::in_text(start, end));
        }
        None
    }

    #[inline]
    fn take(&mut self, expected: &[u8]) -> Option<()> {
        let rest = self.bytes.get(self.pos..)?;
        rest.starts_with(expected).then(|| self.pos += expected.len())
    }

    #[inline]
    fn take_any(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.pos)?;
        self.pos += 1;
        Some(byte)
    }

    /// A string whose opening quote was taken, and its closing quote; none with escapes.
    #[inline]
    fn string(&mut self) -> Option<Span> {
        let (start, end) = (self.pos, next_quote_or_backslash(self.bytes, self.pos));
        self.pos = end;
        (self.take_any()? == b'"').then(|| Span::in_text(start, end))
    }

    /// Up to 15 digits, which is any time in milliseconds for thousands of years.
    #[inline]
    fn integer(&mut self) -> Option<i64> {
        let rest = self.bytes.get(self.pos..)?;
        let digits = rest.iter().take(16).take_while(|byte| byte.is_ascii_digit()).count();
        self.pos += digits;
        matches!(digits, 1..=15)
            .then(|| rest[..digits].iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
    }
}
