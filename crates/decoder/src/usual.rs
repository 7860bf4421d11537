//! The shape in which AWS writes log events, read without asking what comes next:
//!
//! ```json
//! {"id":"…","timestamp":…,"message":"…","extractedFields":{"name":"value",…}},…
//! ```
//!
//! Whatever differs (another order, white space, escapes, numbers for text) ends it, and the general reader takes that
//! event from its start. Both give the same for what both can read.

use crate::cloudwatch::{LogEvent, Tables};
use crate::number::{self, Chunk};
use crate::scan::{Lanes, Marks, with_lanes};
use crate::text::Span;

with_lanes! {
/// Reads events from `pos`, where one begins, into the table, as long as they have the usual shape and there may be more.
/// Tells where the last one ended, which is `pos` if there was none.
pub(crate) fn log_events(bytes: &[u8], pos: usize, events: &Events, tables: &mut Tables) -> usize |lanes| {
    let mut pos = pos;
    let mut cursor = Cursor { bytes, pos, marks: Marks::new(lanes, bytes, pos) };
    for _ in tables.events.len()..events.limit {
        let Some(event) = cursor.log_event() else { break };
        pos = cursor.pos;
        events.push(event, pos, tables);
        if cursor.take(b",").is_none() {
            break;
        }
    }
    pos
}
}

/// What the events of one array have in common.
pub(crate) struct Events {
    /// The index of their envelope.
    pub(crate) envelope: u32,
    /// Where in the text the array of them began, and how many events were in the table then.
    pub(crate) begin: usize,
    pub(crate) before: usize,
    /// Where the text ends.
    pub(crate) end: usize,
    /// How many there may be in the table.
    pub(crate) limit: usize,
}

impl Events {
    /// Puts an event that ended at `pos` into the table.
    #[inline(always)]
    pub(crate) fn push(&self, event: LogEvent, pos: usize, tables: &mut Tables) {
        if tables.events.len() == tables.events.capacity() {
            tables.make_room(self.before, pos - self.begin, self.end - pos, self.limit);
        }
        tables.events.push(LogEvent { envelope: self.envelope, ..event });
    }
}

struct Cursor<'a, L> {
    bytes: &'a [u8],
    pos: usize,
    /// Quotes and backslashes.
    marks: Marks<'a, L>,
}

impl<L: Lanes> Cursor<'_, L> {
    #[inline(always)]
    fn log_event(&mut self) -> Option<LogEvent> {
        self.take(b"{\"id\":\"")?;
        let id = self.string()?;
        self.take(b"\",\"timestamp\":")?;
        let timestamp = self.millis()?;
        self.take(b",\"message\":\"")?;
        let message = self.string()?;
        let extracted_fields = match self.take(b"\"}") {
            Some(()) => Span::NONE,
            None => {
                self.take(b"\",\"extractedFields\":")?;
                let start = self.pos;
                self.take(b"{\"")?;
                self.members()?;
                let end = self.pos;
                self.take(b"}")?;
                Span::in_text(start, end)
            }
        };
        Some(LogEvent { envelope: 0, id, timestamp, message, extracted_fields })
    }

    /// The members of an object of which `{"` was taken, all of them text without escapes, and its end.
    #[inline(always)]
    fn members(&mut self) -> Option<()> {
        loop {
            self.string()?;
            self.take(b"\":\"")?;
            self.string()?;
            if self.take(b"\",\"").is_none() {
                return self.take(b"\"}");
            }
        }
    }

    #[inline(always)]
    fn take(&mut self, expected: &[u8]) -> Option<()> {
        let end = self.pos + expected.len();
        (self.bytes.get(self.pos..end)? == expected).then(|| self.pos = end)
    }

    /// A string whose opening quote was taken, up to the quote that must be taken next. If it is a backslash that stands
    /// there, it cannot be.
    #[inline(always)]
    fn string(&mut self) -> Option<Span> {
        let start = self.pos;
        self.pos = self.marks.next(start)?;
        Some(Span::in_text(start, self.pos))
    }

    /// Milliseconds as AWS writes them, which are 13 digits until the year 2286; other producers' may be up to 15.
    #[inline(always)]
    fn millis(&mut self) -> Option<Span> {
        let chunk: &Chunk = self.bytes.get(self.pos..)?.first_chunk()?;
        let len =
            if chunk[13] == b',' { 13 } else { chunk[..15].iter().take_while(|byte| byte.is_ascii_digit()).count() };
        number::integer(chunk, len)?;
        let start = self.pos;
        self.pos += len;
        Some(Span::in_text(start, self.pos))
    }
}
