//! Columns of text.
#![allow(
    unsafe_code,
    reason = "looking for the ends of characters again takes as long as a tenth of all that a batch does"
)]

use arrow_array::StringArray;
use arrow_buffer::{OffsetBuffer, ScalarBuffer};

use super::MAX_TEXT;
use super::memory::{BLOCK, Memory, Nulls};
use crate::flow_log::tokens::{LONG_CHUNK, LongToken, PaddedTokens};

/// Columns of text, to all of which rows are appended together.
pub(super) struct Texts {
    columns: Vec<TextColumn>,
    /// How many rows the block has, always below [`BLOCK`].
    block_rows: usize,
}

struct TextColumn {
    /// Where its texts come from.
    place: usize,
    /// The texts one behind the other, and room.
    bytes: Memory<u8>,
    /// Where the texts of all blocks before begin and where the last of them ends.
    offsets: Memory<i32>,
    /// The same of the block. Up to the number of rows they do not descend, and what stands between two is a whole text,
    /// or nothing.
    ends: [u32; BLOCK + 1],
    nulls: Nulls,
}

impl Texts {
    pub(super) fn of_places(places: impl Iterator<Item = usize>) -> Texts {
        Texts { columns: places.map(TextColumn::of_place).collect(), block_rows: 0 }
    }

    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().map(|column| column.place)
    }

    /// Appends a row of tokens.
    #[inline(always)]
    pub(super) fn push_tokens(&mut self, tokens: PaddedTokens<'_, '_>) {
        let row = self.block_rows;
        assert!(row < BLOCK);
        for column in &mut self.columns {
            column.put_token(row, tokens.long(column.place));
        }
        self.end_row();
    }

    /// Appends a row of any texts.
    pub(super) fn push<'t>(&mut self, text: impl Fn(usize) -> Option<&'t str>) {
        for column in &mut self.columns {
            column.put(self.block_rows, text(column.place));
        }
        self.end_row();
    }

    #[inline(always)]
    fn end_row(&mut self) {
        self.block_rows += 1;
        if self.block_rows == BLOCK {
            self.end_block();
        }
    }

    #[inline(never)]
    fn end_block(&mut self) {
        let rows = std::mem::take(&mut self.block_rows);
        self.columns.iter_mut().for_each(|column| column.end_block(rows));
    }

    /// The columns of a batch of some rows, and their places.
    pub(super) fn finish(&mut self) -> impl Iterator<Item = (usize, StringArray)> {
        if self.block_rows > 0 {
            self.end_block();
        }
        self.columns.iter_mut().map(|column| (column.place, column.finish()))
    }
}

impl TextColumn {
    fn of_place(place: usize) -> TextColumn {
        TextColumn { place, bytes: Memory::new(), offsets: Memory::new(), ends: [0; BLOCK + 1], nulls: Nulls::none() }
    }

    /// Puts a token into a row, nothing where it is `-`: nulls are frequent in some columns, in no order that could be
    /// predicted, and this does not decide.
    #[inline(always)]
    fn put_token(&mut self, row: usize, token: LongToken<'_>) {
        let null = token.is_dash();
        let len = if null { 0 } else { token.text().len() };
        let start = self.ends[row] as usize;
        match self.bytes.values().get_mut(start..start + LONG_CHUNK) {
            Some(room) if len <= LONG_CHUNK => {
                room.copy_from_slice(token.long_chunk());
                self.ends[row + 1] = (start + len) as u32;
                self.nulls.set(row, null);
            }
            _ => self.put(row, if null { None } else { Some(token.text()) }),
        }
    }

    /// Puts any text into a row.
    #[inline(never)]
    fn put(&mut self, row: usize, text: Option<&str>) {
        let bytes = text.unwrap_or_default().as_bytes();
        let start = self.ends[row] as usize;
        let end = start + bytes.len();
        assert!(end <= MAX_TEXT);
        if self.bytes.values().is_empty() {
            self.bytes.begin();
        }
        let room = self.bytes.values();
        // A copy of a fixed size must find room, too.
        if room.len() < end + LONG_CHUNK {
            let enough = (end + LONG_CHUNK).max(2 * room.len()).max(room.capacity());
            room.resize(enough, 0);
        }
        room[start..end].copy_from_slice(bytes);
        self.ends[row + 1] = end as u32;
        self.nulls.set(row, text.is_none());
    }

    fn end_block(&mut self, rows: usize) {
        assert!(self.ends[rows] as usize <= MAX_TEXT);
        // The first offset of a batch is where its first text begins.
        let from = if self.offsets.values().is_empty() { 0 } else { 1 };
        self.offsets.append(self.ends[from..=rows].iter().map(|end| *end as i32));
        self.ends[0] = self.ends[rows];
        self.nulls.end_block();
    }

    fn finish(&mut self) -> StringArray {
        let (offsets, end) = (self.offsets.values().len(), std::mem::take(&mut self.ends[0]));
        assert!(offsets > 0, "a batch has rows");
        let rows = offsets - 1;
        self.bytes.values().truncate(end as usize);
        let (offsets, bytes, nulls) = (self.offsets.finish(), self.bytes.finish(), self.nulls.finish(rows));
        let offsets = ScalarBuffer::new(offsets, 0, rows + 1);
        // SAFETY: blocks' offsets do not descend, each block begins where the one before ended, and the last was found not
        // to be above what 31 bits hold. Between two of them stands a text; there are as many nulls as rows.
        unsafe { StringArray::new_unchecked(OffsetBuffer::new_unchecked(offsets), bytes, nulls) }
    }
}
