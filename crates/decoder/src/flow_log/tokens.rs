//! A line and where its fields stand in it.
#![allow(unsafe_code, reason = "looking again at what was found costs a quarter of what typing a line does")]

use std::mem::MaybeUninit;

use super::format::MAX_FIELDS;
use super::layout::FourPlaces;
use super::marks::{Before, Block, LineMarks};
use crate::number::{Chunk, Four};
use crate::scan::{BLOCK, Lanes, with_lanes};

/// A line, split at its spaces.
#[derive(Clone)]
pub(super) struct Tokens<'a> {
    line: &'a str,
    /// The line and what stands behind it, so that words can be loaded.
    window: &'a [u8],
    /// How many tokens there are, if one space stands between each. Tokens begin and end within the line, at its ends or next to
    /// a space; only [`Tokens::find`] writes these three.
    count: usize,
    /// Where what stands around tokens is: [`BEFORE`] the first, then the space or the end behind each. Those of the tokens
    /// are written, and nothing else: a whole table would take as long to write as it takes to find them.
    gaps: [MaybeUninit<u16>; PLACES],
    /// From where to where each goes, if more than one space stands between some.
    uneven: Option<Box<[(u16, u16)]>>,
}

/// Room for as many fields as there may be, and for all that a block may have, which are written in one go.
const PLACES: usize = MAX_FIELDS + 1 + BLOCK / 2;

/// One less than where a line begins.
const BEFORE: u16 = u16::MAX;

/// What places can tell.
pub(super) const MAX_LEN: usize = u16::MAX as usize;

impl<'a> Tokens<'a> {
    /// No line.
    #[inline(always)]
    pub(super) fn none() -> Self {
        // A constant would be copied, all of it.
        Tokens { line: "", window: &[], count: 0, gaps: [const { MaybeUninit::uninit() }; PLACES], uneven: None }
    }

    /// Finds the tokens of `line`, which `window` must begin with, and tells how many there are: one more than fields there
    /// may be stands for any number above, and there are none in a line that is too long.
    #[inline]
    pub(super) fn find(&mut self, line: &'a str, window: &'a [u8]) -> usize {
        self.begin(line, window);
        let found = match self.line.len() {
            0 | 0x1_0000.. => Some(0),
            len => find_fields(self.window, len, &mut self.gaps),
        };
        self.found(found)
    }

    /// The same, and marks what stands where, if the line is not too long for it.
    #[inline(always)]
    pub(super) fn find_marked<L: Lanes>(
        &mut self,
        lanes: L,
        line: &'a str,
        window: &'a [u8],
        marks: &mut LineMarks,
    ) -> usize {
        self.begin(line, window);
        let len = self.line.len();
        match marks.blocks(self.window, len) {
            0 => self.find(self.line, self.window),
            _ if len == 0 => 0,
            blocks => {
                let found = find_fields_marked(lanes, self.window, len, blocks, &mut self.gaps, marks);
                self.found(found)
            }
        }
    }

    #[inline(always)]
    fn begin(&mut self, line: &'a str, window: &'a [u8]) {
        (self.line, self.window) = trim(line, window);
        (self.count, self.uneven) = (0, None);
    }

    #[inline(always)]
    fn found(&mut self, found: Option<usize>) -> usize {
        let Some(found) = found else { return self.find_uneven() };
        if found <= MAX_FIELDS {
            self.count = found;
        }
        found
    }

    #[inline]
    pub(super) fn line(&self) -> &'a str {
        self.line
    }

    #[inline]
    pub(super) fn window(&self) -> &'a [u8] {
        self.window
    }

    /// The same of any line.
    #[cold]
    fn find_uneven(&mut self) -> usize {
        let tokens = find_fields_of_any(self.line);
        let found = tokens.len();
        self.uneven = (found <= MAX_FIELDS).then(|| tokens.into());
        found
    }

    /// From where to where in the line a token goes.
    #[inline]
    fn range(&self, place: usize) -> (usize, usize) {
        if place >= self.count {
            return self.uneven_range(place);
        }
        // SAFETY: the gaps before and behind each of the tokens are written.
        unsafe {
            let before = self.gaps.get_unchecked(place).assume_init();
            (before.wrapping_add(1).into(), self.gaps.get_unchecked(place + 1).assume_init().into())
        }
    }

    #[cold]
    fn uneven_range(&self, place: usize) -> (usize, usize) {
        let token = self.uneven.as_ref().and_then(|tokens| tokens.get(place));
        token.map_or((0, 0), |&(start, end)| (start.into(), end.into()))
    }

    /// A token, nothing if there are fewer.
    #[inline]
    pub(super) fn get(&self, place: usize) -> &'a str {
        let (start, end) = self.range(place);
        // SAFETY: tokens lie within the line, and what stands before and behind each is a space, or nothing, so that it
        // does not end within a character.
        unsafe { self.line.get_unchecked(start..end) }
    }

    /// A token and what it begins with.
    ///
    /// # Safety
    ///
    /// The line must be padded, and a token have that range.
    #[inline(always)]
    unsafe fn long(&self, (start, end): (usize, usize)) -> LongToken<'a> {
        // SAFETY: tokens lie within the line, with a space or nothing around them, and a block stands behind it.
        unsafe {
            let chunk = &*self.window.as_ptr().add(start).cast::<[u8; LONG_CHUNK]>();
            LongToken { text: self.line.get_unchecked(start..end), chunk }
        }
    }

    /// The bytes that a token begins with, if there are as many, and its length.
    #[inline]
    pub(super) fn chunk(&self, place: usize) -> Option<(&'a Chunk, usize)> {
        let (start, end) = self.range(place);
        Some((self.window.get(start..start + size_of::<Chunk>())?.first_chunk()?, end - start))
    }

    /// The tokens, if chunks can be loaded from wherever one begins, and one space stands between each.
    #[inline]
    pub(super) fn padded(&self) -> Option<PaddedTokens<'_, 'a>> {
        let is_padded = self.window.len() >= self.line.len() + BLOCK && self.uneven.is_none();
        is_padded.then_some(PaddedTokens(self))
    }
}

/// Tokens of a line that at least a block stands behind, with one space between each.
#[derive(Clone, Copy)]
pub(super) struct PaddedTokens<'t, 'a>(&'t Tokens<'a>);

impl<'t, 'a> PaddedTokens<'t, 'a> {
    #[cfg(feature = "arrow")]
    #[inline(always)]
    pub(super) fn get(self, place: usize) -> &'a str {
        self.0.get(place)
    }

    /// From where to where in the line a token goes.
    #[inline(always)]
    pub(super) fn range(self, place: usize) -> (usize, usize) {
        self.0.range(place)
    }

    /// A token, if it is no `-`.
    #[inline(always)]
    pub(super) fn text(self, place: usize) -> Option<&'a str> {
        let token = self.long(place);
        if token.is_dash() { None } else { Some(token.text()) }
    }

    /// Four numbers, as far as they are usual.
    #[inline(always)]
    pub(super) fn four<L: Lanes>(self, lanes: L, four: &FourPlaces) -> Four {
        let tokens = four.places.map(|place| self.chunk(place.into()));
        lanes.four(tokens.map(|(chunk, _)| chunk), tokens.map(|(_, len)| len), &four.max)
    }

    /// The bytes that a token begins with, and its length.
    #[inline(always)]
    pub(super) fn chunk(self, place: usize) -> (&'a Chunk, usize) {
        let (start, end) = self.range(place);
        // SAFETY: tokens lie within the line, and more bytes than a chunk has stand behind it.
        (unsafe { &*self.0.window.as_ptr().add(start).cast::<Chunk>() }, end - start)
    }

    /// A token with more of the bytes that it begins with.
    #[inline(always)]
    pub(super) fn long(self, place: usize) -> LongToken<'a> {
        // SAFETY: as above.
        unsafe { self.0.long(self.range(place)) }
    }

    /// All tokens, in order, with more of the bytes that they begin with.
    #[inline(always)]
    pub(super) fn all(self) -> impl Iterator<Item = LongToken<'a>> + use<'t, 'a> {
        let gaps = if self.0.count == 0 { &[] } else { &self.0.gaps[..=self.0.count] };
        // SAFETY: the gaps before and behind each of the tokens are written.
        let gaps = unsafe { gaps.assume_init_ref() };
        // SAFETY: as above.
        gaps.array_windows().map(move |gaps| unsafe { self.0.long(range(*gaps)) })
    }
}

/// From where to where a token goes that stands between two gaps.
#[inline(always)]
fn range([before, behind]: [u16; 2]) -> (usize, usize) {
    (before.wrapping_add(1).into(), behind.into())
}

/// Most tokens are no longer than this, and copying a fixed size needs no call.
pub(super) const LONG_CHUNK: usize = 32;

/// A token, and the bytes of a fixed number that it begins with, if it is no longer.
#[derive(Clone, Copy)]
pub(super) struct LongToken<'a> {
    text: &'a str,
    chunk: &'a [u8; LONG_CHUNK],
}

impl<'a> LongToken<'a> {
    #[inline(always)]
    pub(super) fn text(self) -> &'a str {
        self.text
    }

    #[inline(always)]
    pub(super) fn long_chunk(self) -> &'a [u8; LONG_CHUNK] {
        self.chunk
    }

    #[inline(always)]
    pub(super) fn is_dash(self) -> bool {
        self.text.len() == 1 && self.chunk[0] == b'-'
    }
}

with_lanes! {
/// Finds the gaps around the fields of a line of `len` bytes, and tells how many fields there are: one more than there may be
/// stands for any number above. `None` if more than one space stands between some.
fn find_fields(window: &[u8], len: usize, gaps: &mut [MaybeUninit<u16>; PLACES]) -> Option<usize> |lanes| {
    let mut found = 0;
    let mut before = 0;
    let mut block = 0;
    gaps[0].write(BEFORE);
    while block < len {
        let within = if len - block < BLOCK { (1 << (len - block)) - 1 } else { u64::MAX };
        let spaces = lanes.spaces(window, block) & within;
        if spaces & (spaces << 1 | before) != 0 {
            return None;
        }
        before = spaces >> 63;
        let Some(room) = gaps.get_mut(found + 1..).and_then(|rest| rest.first_chunk_mut()) else {
            return Some(MAX_FIELDS + 1);
        };
        lanes.positions(spaces, block as u16, room);
        found += spaces.count_ones() as usize;
        block += BLOCK;
    }
    match gaps.get_mut(found + 1) {
        Some(end) if found < MAX_FIELDS => drop(end.write(len as u16)),
        _ => return Some(MAX_FIELDS + 1),
    }
    Some(found + 1)
}
}

/// The same of a line of so many blocks, which are marked too.
#[inline(always)]
fn find_fields_marked<L: Lanes>(
    lanes: L,
    window: &[u8],
    len: usize,
    blocks: usize,
    gaps: &mut [MaybeUninit<u16>; PLACES],
    marks: &mut LineMarks,
) -> Option<usize> {
    let mut before = Before::NONE;
    gaps[0].write(BEFORE);
    for number in 0..blocks {
        let block = Block::new(lanes, window, len, number)?;
        if block.spaces & (block.spaces << 1 | before.begins) != 0 {
            return None;
        }
        let Some(room) = gaps.get_mut(before.ended + 1..).and_then(|rest| rest.first_chunk_mut()) else {
            return Some(MAX_FIELDS + 1);
        };
        lanes.positions(block.spaces, (number * BLOCK) as u16, room);
        before = marks.mark(lanes, &block, before);
    }
    Some(before.ended.min(MAX_FIELDS + 1))
}

/// From where to where each field of any line goes; of one with more fields than there may be, one more than that.
fn find_fields_of_any(line: &str) -> Vec<(u16, u16)> {
    let start = |token: &str| token.as_ptr().addr() - line.as_ptr().addr();
    let tokens = line.split(' ').filter(|token| !token.is_empty());
    let range = |token: &str| (start(token) as u16, (start(token) + token.len()) as u16);
    tokens.map(range).take(MAX_FIELDS + 1).collect()
}

/// White space around the line, of which there mostly is none.
#[inline]
fn trim<'a>(line: &'a str, window: &'a [u8]) -> (&'a str, &'a [u8]) {
    let bytes = line.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) if *first > b' ' && *last > b' ' => (line, window),
        _ => {
            let behind = line.trim_ascii_start();
            (behind.trim_ascii_end(), &window[line.len() - behind.len()..])
        }
    }
}
