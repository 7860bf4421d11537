//! A column's texts.
#![allow(
    unsafe_code,
    reason = "looking for the ends of characters again takes as long as a tenth of all that a batch does"
)]

use arrow_array::StringArray;
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};

use super::column::take;
use crate::flow_log::tokens::{LONG_CHUNK, LongToken};

/// Texts one behind the other, and where each begins; the last offset is the end. What stands between two offsets is a
/// whole text, or nothing.
pub(super) struct Texts {
    offsets: Vec<i32>,
    bytes: Vec<u8>,
}

impl Texts {
    pub(super) fn new() -> Texts {
        Texts { offsets: vec![0], bytes: Vec::new() }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.offsets.push(self.bytes.len() as i32);
    }

    /// Appends a token, or nothing in its place, without deciding.
    #[inline(always)]
    pub(super) fn push_long(&mut self, token: LongToken<'_>, is_there: bool) {
        let len = if is_there { token.text().len() } else { 0 };
        if len > LONG_CHUNK {
            return self.push(token.text());
        }
        let end = self.bytes.len() + len;
        self.bytes.extend_from_slice(token.long_chunk());
        self.bytes.truncate(end);
        self.offsets.push(end as i32);
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.offsets.truncate(rows + 1);
        self.bytes.truncate(self.offsets.last().map_or(0, |end| *end as usize));
    }

    pub(super) fn finish(&mut self, nulls: Option<NullBuffer>) -> StringArray {
        let offsets = take(&mut self.offsets);
        self.offsets.push(0);
        // Batches of as many rows have about as much text, and room for a copy of a fixed size must be behind it.
        let room = self.bytes.len() + self.bytes.len() / 8 + LONG_CHUNK;
        let bytes = std::mem::replace(&mut self.bytes, Vec::with_capacity(room));
        let (rows, offsets) = (offsets.len() - 1, OffsetBuffer::new(ScalarBuffer::from(offsets)));
        assert!(nulls.as_ref().is_none_or(|nulls| nulls.len() == rows), "every row has its bit");
        // SAFETY: the offsets were checked, there are as many nulls as rows, and between two offsets stands a text.
        unsafe { StringArray::new_unchecked(offsets, Buffer::from_vec(bytes), nulls) }
    }
}
