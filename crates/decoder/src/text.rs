//! A record's text, and where its strings lie.

use crate::scan::BLOCK;

/// A piece of a record's text, eight bytes wide. Strings without escapes lie in the text itself; the others were
/// unescaped into a second buffer, which bit 31 of the length tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    len_and_place: u32,
}

const UNESCAPED: u32 = 1 << 31;

impl Span {
    /// No piece at all: not even an empty one.
    pub(crate) const NONE: Span = Span { start: u32::MAX, len_and_place: u32::MAX };

    /// A piece of the record's own text. Offsets fit: [`Limits`](crate::Limits) bound the text.
    #[inline]
    pub(crate) fn in_text(start: usize, end: usize) -> Self {
        Span { start: start as u32, len_and_place: (end - start) as u32 }
    }

    /// The piece out of the two buffers.
    #[inline]
    pub(crate) fn of<'a>(self, record: &'a str, unescaped: &'a str) -> Option<&'a str> {
        if self == Span::NONE {
            return None;
        }
        let buffer = if self.len_and_place & UNESCAPED == 0 { record } else { unescaped };
        let start = self.start as usize;
        buffer.get(start..start + (self.len_and_place & !UNESCAPED) as usize)
    }

    /// Where it begins in the record's own text; `None` if it lies elsewhere, or is no piece.
    pub(crate) fn start_in_text(self) -> Option<usize> {
        (self.len_and_place & UNESCAPED == 0).then_some(self.start as usize)
    }

    /// A piece of the buffer of unescaped strings.
    pub(crate) fn in_unescaped(start: usize, end: usize) -> Self {
        Span { start: start as u32, len_and_place: (end - start) as u32 | UNESCAPED }
    }
}

/// The two buffers that spans point into.
#[derive(Debug, Default)]
pub(crate) struct Text {
    pub(crate) record: TextBuffer,
    pub(crate) unescaped: String,
}

impl Text {
    pub(crate) fn clear(&mut self) {
        self.record.clear();
        self.unescaped.clear();
    }

    pub(crate) fn allocated(&self) -> usize {
        self.record.bytes.capacity() + self.unescaped.capacity()
    }

    #[inline]
    pub(crate) fn get(&self, span: Span) -> Option<&str> {
        span.of(self.record.as_str(), &self.unescaped)
    }

    /// A piece, and the bytes from its beginning up to the end of its buffer and beyond, for those who read in blocks. Of
    /// no piece, nothing.
    #[inline(always)]
    pub(crate) fn with_window(&self, span: Span) -> (&str, &[u8]) {
        let (start, len) = (span.start as usize, span.len_and_place as usize);
        // Of no piece, or an unescaped one, the length is beyond any text.
        match self.record.as_str().get(start..start + len) {
            Some(piece) => (piece, &self.record.padded()[start..]),
            None => {
                let piece = self.get(span).unwrap_or_default();
                (piece, piece.as_bytes())
            }
        }
    }
}

/// Bytes that stay allocated and initialised between records: first the text, then what is being appended to it, then
/// padding, so that whoever reads in blocks need not look where the end is.
#[derive(Debug, Default)]
pub(crate) struct TextBuffer {
    bytes: Vec<u8>,
    /// How many bytes are in use.
    len: usize,
    /// How many of them were found to be UTF-8. Only [`TextBuffer::validate`] raises it, and what lies before it is
    /// never written to.
    valid: usize,
}

impl TextBuffer {
    pub(crate) fn clear(&mut self) {
        (self.len, self.valid) = (0, 0);
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The bytes in use from `start` on, text or not.
    pub(crate) fn bytes_from(&self, start: usize) -> &[u8] {
        &self.bytes[start..self.len]
    }

    /// At least `size` bytes behind those in use, to be filled and then taken with [`advance`](Self::advance).
    pub(crate) fn spare(&mut self, size: usize) -> &mut [u8] {
        let needed = self.len + size + BLOCK;
        if self.bytes.len() < needed {
            self.bytes.reserve_exact(needed - self.bytes.len());
            self.bytes.resize(needed, 0);
        }
        let end = self.bytes.len() - BLOCK;
        &mut self.bytes[self.len..end]
    }

    /// How many bytes [`spare`](Self::spare) gives without growing.
    pub(crate) fn room(&self) -> usize {
        self.bytes.len().saturating_sub(self.len + BLOCK)
    }

    pub(crate) fn advance(&mut self, written: usize) {
        self.len += written;
        debug_assert!(self.len + BLOCK <= self.bytes.len());
    }

    /// Forgets what was appended behind `len` and is not text yet.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len.max(self.valid));
    }

    pub(crate) fn append(&mut self, data: &[u8]) {
        self.spare(data.len())[..data.len()].copy_from_slice(data);
        self.advance(data.len());
    }

    /// Makes what was appended part of the text, if it is UTF-8.
    pub(crate) fn validate(&mut self) -> bool {
        if self.len > self.valid && simdutf8::basic::from_utf8(&self.bytes[self.valid..self.len]).is_err() {
            return false;
        }
        self.valid = self.len;
        if let Some(padding) = self.bytes.get_mut(self.len..self.len + BLOCK) {
            padding.fill(0);
        }
        true
    }

    /// The text.
    #[inline]
    #[allow(
        unsafe_code,
        reason = "checking a whole record again for each value asked for would cost more than decoding it"
    )]
    pub(crate) fn as_str(&self) -> &str {
        // SAFETY: `validate` found `bytes[..valid]` to be UTF-8, piece by piece, and nothing writes before `valid`:
        // `spare` lends what lies behind `len`, which is never below `valid`.
        unsafe { str::from_utf8_unchecked(&self.bytes[..self.valid]) }
    }

    /// The text and at least [`BLOCK`] bytes behind it.
    #[inline]
    pub(crate) fn padded(&self) -> &[u8] {
        &self.bytes
    }
}

/// Whether two short pieces are equal, without a call to `memcmp`: field names are compared by the million.
#[inline]
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match (a.first_chunk::<8>(), b.first_chunk::<8>(), a.last_chunk::<8>(), b.last_chunk::<8>()) {
        // The first and the last eight bytes overlap, or meet, up to a length of 16.
        (Some(a_first), Some(b_first), Some(a_last), Some(b_last)) if a.len() <= 16 => {
            a_first == b_first && a_last == b_last
        }
        (Some(_), ..) => a == b,
        _ => a.iter().zip(b).all(|(a, b)| a == b),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_is_valid_becomes_text() {
        let mut buffer = TextBuffer::default();
        buffer.append("né".as_bytes());
        assert!(buffer.validate());
        buffer.append(b"\xff");
        assert!(!buffer.validate());
        assert_eq!(buffer.as_str(), "né");
        buffer.truncate(3);
        buffer.append(b"!");
        assert!(buffer.validate());
        assert_eq!(buffer.as_str(), "né!");
        assert!(buffer.padded()[4..].len() >= BLOCK);
        assert_eq!(buffer.padded()[4..4 + BLOCK], [0; BLOCK]);
    }

    #[test]
    fn a_cut_within_a_character_takes_the_text_before_it_only() {
        let mut buffer = TextBuffer::default();
        buffer.append("é".as_bytes());
        assert!(buffer.validate());
        buffer.clear();
        buffer.append(b"\xc3");
        assert!(!buffer.validate());
        assert_eq!(buffer.as_str(), "");
    }

    proptest! {
        #[test]
        fn equal_is_equality(a in "[ab]{0,20}", b in "[ab]{0,20}", at in 0..20usize) {
            let mut changed = a.clone().into_bytes();
            if let Some(byte) = changed.get_mut(at) {
                *byte ^= 1;
            }
            prop_assert!(equal(a.as_bytes(), a.as_bytes()));
            prop_assert_eq!(equal(a.as_bytes(), &changed), a.as_bytes() == changed);
            prop_assert_eq!(equal(a.as_bytes(), b.as_bytes()), a == b);
        }
    }
}
