//! What one record held.

use crate::cloudwatch::{LogEvent, Tables};
use crate::error::DecodeError;
use crate::event::Event;
use crate::text::Text;

/// What one record held: its text, and where in that its log events lie.
///
/// It owns its buffers. [`Decoder::decode`](crate::Decoder::decode) lends the decoder's own until the next record;
/// [`Decoder::decode_into`](crate::Decoder::decode_into) fills the caller's.
#[derive(Debug, Default)]
pub struct Decoded {
    pub(crate) text: Text,
    pub(crate) tables: Tables,
    /// Bytes that were decompressed, whatever became of them.
    pub(crate) spent: usize,
}

impl Decoded {
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.tables.clear();
        self.spent = 0;
    }

    /// The log events, in the order they came.
    pub fn events(&self) -> Events<'_> {
        Events { decoded: self, events: self.tables.events.iter() }
    }

    /// The log event at a place in that order.
    #[inline]
    pub fn event(&self, index: usize) -> Option<Event<'_>> {
        self.tables.events.get(index).map(|event| Event { decoded: self, event })
    }

    /// What was wrong. Empty if the record was whole.
    pub fn errors(&self) -> &[DecodeError] {
        &self.tables.errors
    }

    /// How many control messages (CloudWatch Logs testing its destination) the record held. They give no events.
    pub fn control_messages(&self) -> usize {
        self.tables.control_messages
    }

    /// How many records were in the KPL containers and Lambda events that were opened.
    pub fn user_records(&self) -> usize {
        self.tables.user_records
    }

    /// How many of them were left out by [`Decoder::hash_range`](crate::Decoder::hash_range).
    pub fn outside_hash_range(&self) -> usize {
        self.tables.outside_hash_range
    }

    /// The size of the decompressed text in bytes.
    pub fn text_len(&self) -> usize {
        self.text.record.len()
    }

    /// How many bytes its buffers take, in use or not: what is kept of it from record to record.
    pub fn allocated(&self) -> usize {
        self.text.allocated() + self.tables.allocated()
    }
}

/// Iterator over the [`Event`]s of a record.
#[derive(Debug, Clone)]
pub struct Events<'a> {
    decoded: &'a Decoded,
    events: std::slice::Iter<'a, LogEvent>,
}

impl<'a> Iterator for Events<'a> {
    type Item = Event<'a>;

    #[inline]
    fn next(&mut self) -> Option<Event<'a>> {
        let event = self.events.next()?;
        Some(Event { decoded: self.decoded, event })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.events.size_hint()
    }
}

impl ExactSizeIterator for Events<'_> {}
