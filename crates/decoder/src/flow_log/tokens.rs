//! A line and where its fields stand in it.
#![allow(unsafe_code, reason = "looking again at what was found costs a quarter of what typing a line does")]

use super::format::MAX_FIELDS;
use super::layout::FourPlaces;
use crate::number::{Chunk, Four};
use crate::scan::{BLOCK, Lanes, with_lanes};

/// A line, split at its spaces.
#[derive(Clone)]
pub(super) struct Tokens<'a> {
    line: &'a str,
    /// The line and what stands behind it, so that words can be loaded.
    window: &'a [u8],
    /// How many tokens there are. Each of them begins and ends within the line, at its ends or next to a space; only
    /// [`Tokens::find`] writes these four.
    count: usize,
    /// Where each begins.
    starts: [u16; PLACES],
    /// Where each ends.
    ends: [u16; PLACES],
}

/// Room for as many fields as there may be, and for all that a block may have, which are written in one go.
const PLACES: usize = MAX_FIELDS + 1 + BLOCK / 2;

/// What places can tell.
pub(super) const MAX_LEN: usize = u16::MAX as usize;

impl<'a> Tokens<'a> {
    /// No line.
    pub(super) const NONE: Tokens<'a> =
        Tokens { line: "", window: &[], count: 0, starts: [0; PLACES], ends: [0; PLACES] };

    /// Finds the tokens of `line`, which `window` must begin with, and tells how many there are: one more than fields there
    /// may be stands for any number above, and there are none in a line that is too long.
    #[inline]
    pub(super) fn find(&mut self, line: &'a str, window: &'a [u8]) -> usize {
        (self.line, self.window) = trim(line, window);
        self.count = 0;
        let found = match self.line.len() {
            0 | 0x1_0000.. => 0,
            len => find_fields(self.window, len, &mut self.starts, &mut self.ends)
                .unwrap_or_else(|| find_fields_of_any(self.line, &mut self.starts, &mut self.ends)),
        };
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

    /// From where to where in the line a token goes.
    #[inline]
    fn range(&self, place: usize) -> (usize, usize) {
        if place >= self.count {
            return (0, 0);
        }
        // SAFETY: there are no more than `MAX_FIELDS` tokens, and more places than that.
        unsafe { ((*self.starts.get_unchecked(place)).into(), (*self.ends.get_unchecked(place)).into()) }
    }

    /// A token, nothing if there are fewer.
    #[inline]
    pub(super) fn get(&self, place: usize) -> &'a str {
        let (start, end) = self.range(place);
        // SAFETY: tokens lie within the line, and what stands before and behind each is a space, or nothing, so that it
        // does not end within a character.
        unsafe { self.line.get_unchecked(start..end) }
    }

    /// The bytes that a token begins with, if there are as many, and its length.
    #[inline]
    pub(super) fn chunk(&self, place: usize) -> Option<(&'a Chunk, usize)> {
        let (start, end) = self.range(place);
        Some((self.window.get(start..start + size_of::<Chunk>())?.first_chunk()?, end - start))
    }

    /// The tokens, if chunks can be loaded from wherever one begins.
    #[inline]
    pub(super) fn padded(&self) -> Option<PaddedTokens<'_, 'a>> {
        (self.window.len() >= self.line.len() + BLOCK).then_some(PaddedTokens(self))
    }
}

/// Tokens of a line that at least a block stands behind.
#[derive(Clone, Copy)]
pub(super) struct PaddedTokens<'t, 'a>(&'t Tokens<'a>);

impl<'a> PaddedTokens<'_, 'a> {
    #[inline(always)]
    pub(super) fn get(self, place: usize) -> &'a str {
        self.0.get(place)
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
        let (start, end) = self.0.range(place);
        // SAFETY: tokens lie within the line, and more bytes than a chunk has stand behind it.
        (unsafe { &*self.0.window.as_ptr().add(start).cast::<Chunk>() }, end - start)
    }

    /// A token with more of the bytes that it begins with.
    #[inline(always)]
    pub(super) fn long(self, place: usize) -> LongToken<'a> {
        let (start, _) = self.0.range(place);
        // SAFETY: as above.
        let chunk = unsafe { &*self.0.window.as_ptr().add(start).cast::<[u8; LONG_CHUNK]>() };
        LongToken { text: self.get(place), chunk }
    }
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
    pub(super) fn chunk(self) -> &'a Chunk {
        &self.chunk.as_chunks().0[0]
    }

    #[inline(always)]
    pub(super) fn is_dash(self) -> bool {
        self.text.len() == 1 && self.chunk[0] == b'-'
    }
}

with_lanes! {
/// Finds where the fields of a line of `len` bytes begin and end, and tells how many there are: one more than there may be
/// stands for any number above. `None` if more than one space stands between some.
fn find_fields(
    window: &[u8], len: usize, starts: &mut [u16; PLACES], ends: &mut [u16; PLACES],
) -> Option<usize> |lanes| {
    let mut found = 0;
    let mut before = 0;
    let mut block = 0;
    starts[0] = 0;
    while block < len {
        let within = if len - block < BLOCK { (1 << (len - block)) - 1 } else { u64::MAX };
        let spaces = lanes.spaces(window, block) & within;
        if spaces & (spaces << 1 | before) != 0 {
            return None;
        }
        before = spaces >> 63;
        let (Some(at), Some(behind)) = (room(ends, found), room(starts, found + 1)) else {
            return Some(MAX_FIELDS + 1);
        };
        lanes.positions(spaces, block as u16, at, behind);
        found += spaces.count_ones() as usize;
        block += BLOCK;
    }
    match ends.get_mut(found) {
        Some(end) if found < MAX_FIELDS => *end = len as u16,
        _ => return Some(MAX_FIELDS + 1),
    }
    Some(found + 1)
}
}

#[inline(always)]
fn room(places: &mut [u16; PLACES], from: usize) -> Option<&mut [u16; BLOCK / 2]> {
    places.get_mut(from..from + BLOCK / 2)?.first_chunk_mut()
}

/// The same of any line.
#[cold]
fn find_fields_of_any(line: &str, starts: &mut [u16; PLACES], ends: &mut [u16; PLACES]) -> usize {
    let (mut start, mut found) = (0, 0);
    for token in line.split(' ') {
        if !token.is_empty() {
            if found == MAX_FIELDS {
                return found + 1;
            }
            (starts[found], ends[found]) = (start as u16, (start + token.len()) as u16);
            found += 1;
        }
        start += token.len() + 1;
    }
    found
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
