//! Where a string of a record lies: in the decompressed text, or unescaped beside it.

/// A piece of a record's [`Text`], eight bytes wide. Strings without escapes lie in the record's own text; the others
/// were unescaped into a second buffer, which bit 31 of the length tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    len_and_place: u32,
}

const UNESCAPED: u32 = 1 << 31;

impl Span {
    /// A piece of the record's own text. Offsets fit: [`MAX_TEXT`](crate::limits::MAX_TEXT) bounds the text.
    pub(crate) fn in_text(start: usize, end: usize) -> Self {
        Span { start: start as u32, len_and_place: (end - start) as u32 }
    }

    /// The bytes of the record's own text that it covers, if it does.
    pub(crate) fn range_in_text(self) -> Option<std::ops::Range<usize>> {
        let start = self.start as usize;
        (self.len_and_place & UNESCAPED == 0).then(|| start..start + self.len_and_place as usize)
    }

    /// A piece of the buffer of unescaped strings.
    pub(crate) fn in_unescaped(start: usize, end: usize) -> Self {
        Span { start: start as u32, len_and_place: (end - start) as u32 | UNESCAPED }
    }
}

/// The two buffers that spans point into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) record: &'a str,
    pub(crate) unescaped: &'a str,
}

impl<'a> Text<'a> {
    pub(crate) fn get(&self, span: Span) -> &'a str {
        let buffer = if span.len_and_place & UNESCAPED == 0 { self.record } else { self.unescaped };
        let start = span.start as usize;
        &buffer[start..start + (span.len_and_place & !UNESCAPED) as usize]
    }
}
