//! A line's fields, one after the other.

use crate::scan::{BLOCK, Lanes};

/// Where a line's fields begin and end: between any number of spaces.
pub(super) struct Tokens<'a, L> {
    lanes: L,
    window: &'a [u8],
    len: usize,
    /// Where the block begins that `ends` is of.
    block: usize,
    /// The spaces that are not behind the last field yet, and the line's end, as if that were one.
    ends: u64,
    /// Behind the space that ended the last field.
    start: usize,
}

impl<'a, L: Lanes> Tokens<'a, L> {
    /// The fields of a line of `len` bytes, which `window` begins with.
    #[inline(always)]
    pub(super) fn new(lanes: L, window: &'a [u8], len: usize) -> Self {
        let mut tokens = Tokens { lanes, window, len, block: 0, ends: 0, start: 0 };
        tokens.look();
        tokens
    }

    /// From where to where the next field goes.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<(usize, usize)> {
        loop {
            while self.ends == 0 {
                self.block += BLOCK;
                if self.block > self.len {
                    return None;
                }
                self.look();
            }
            let (start, end) = (self.start, self.block + self.ends.trailing_zeros() as usize);
            self.ends &= self.ends - 1;
            self.start = end + 1;
            if start != end {
                return Some((start, end));
            }
        }
    }

    #[inline(always)]
    fn look(&mut self) {
        let left = self.len - self.block;
        self.ends = self.lanes.spaces(self.window, self.block);
        if left < BLOCK {
            self.ends = self.ends & ((1 << left) - 1) | 1 << left;
        }
    }
}
