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
    /// A piece of the record's own text. Offsets fit: [`Limits`](crate::Limits) bound the text.
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
    #[inline]
    pub(crate) fn get(&self, span: Span) -> &'a str {
        let buffer = if span.len_and_place & UNESCAPED == 0 { self.record } else { self.unescaped };
        let start = span.start as usize;
        &buffer[start..start + (span.len_and_place & !UNESCAPED) as usize]
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

    proptest! {
        #[test]
        fn equal_is_equality(a in "[ab]{0,20}", b in "[ab]{0,20}", at in 0..20usize) {
            let mut changed = a.clone().into_bytes();
            if let Some(byte) = changed.get_mut(at) {
                *byte ^= 1;
            }
            prop_assert!(super::equal(a.as_bytes(), a.as_bytes()));
            prop_assert_eq!(super::equal(a.as_bytes(), &changed), a.as_bytes() == changed);
            prop_assert_eq!(super::equal(a.as_bytes(), b.as_bytes()), a == b);
        }
    }
}
