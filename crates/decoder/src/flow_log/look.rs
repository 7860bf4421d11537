//! What values look like, which tells formats with as many fields apart.

use crate::number::Chunk;
use crate::scan::{BASELINE, Lanes};

/// What a field's values look like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Look {
    /// They begin so.
    Prefix(&'static str),
    /// Digits, or `unknown`.
    Account,
    /// There are no others.
    OneOf(&'static [&'static str]),
    /// Capital letters.
    Capitals,
    /// Small letters and digits, with hyphens in between.
    Region,
}

impl Look {
    pub(super) fn fits(self, value: &str) -> bool {
        match self {
            Look::Prefix(prefix) => value.starts_with(prefix),
            Look::Account => value.bytes().all(|byte| byte.is_ascii_digit()) || value == "unknown",
            Look::OneOf(values) => values.contains(&value),
            Look::Capitals => value.bytes().all(|byte| byte.is_ascii_uppercase()),
            Look::Region => {
                value.contains('-') && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            }
        }
    }
}

/// A look at the first bytes of a value, all at once. Most values that fit are seen to.
#[derive(Debug, Clone)]
pub(super) enum Glance {
    /// They begin so.
    Prefix(Prefix),
    /// They are no more than a chunk has, and all from one ASCII character up to another.
    AllOf { low: u8, high: u8 },
    /// They are one of these texts.
    OneOf(Vec<ShortText>),
    /// There is more to see.
    None,
}

/// What a chunk may begin with, and which of its bits that are.
#[derive(Debug, Clone)]
pub(super) struct Prefix {
    text: u128,
    mask: u128,
    len: usize,
}

impl Prefix {
    /// If it is no longer than a chunk.
    fn new(text: &str) -> Option<Prefix> {
        let (mut chunk, mut mask): (Chunk, Chunk) = ([0; 16], [0; 16]);
        chunk.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        mask[..text.len()].fill(u8::MAX);
        Some(Prefix { text: u128::from_le_bytes(chunk), mask: u128::from_le_bytes(mask), len: text.len() })
    }
}

/// A text of up to eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ShortText {
    text: u64,
    len: usize,
}

impl ShortText {
    /// If it is no longer.
    fn new(text: &str) -> Option<ShortText> {
        let mut bytes = [0; 8];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(ShortText { text: u64::from_le_bytes(bytes), len: text.len() })
    }

    /// The first bytes of a chunk, `len` of them or all eight.
    #[inline(always)]
    fn of(chunk: &Chunk, len: usize) -> ShortText {
        let [first, _] = chunk.as_chunks().0 else { return ShortText { text: 0, len: 0 } };
        let behind = 64 - 8 * len.clamp(1, 8) as u32;
        ShortText { text: u64::from_le_bytes(*first) << behind >> behind, len }
    }
}

impl Glance {
    /// What can be seen at a glance of values that look so.
    pub(super) fn of(look: Look) -> Glance {
        match look {
            Look::Prefix(prefix) => Prefix::new(prefix).map_or(Glance::None, Glance::Prefix),
            Look::Account => Glance::AllOf { low: b'0', high: b'9' },
            Look::Capitals => Glance::AllOf { low: b'A', high: b'Z' },
            Look::OneOf(texts) => Glance::OneOf(texts.iter().filter_map(|text| ShortText::new(text)).collect()),
            Look::Region => Glance::None,
        }
    }

    /// Whether a value of `len` bytes, of which `chunk` has the first, is seen to fit. If not, it may fit all the same.
    #[inline(always)]
    pub(super) fn fits(&self, chunk: &Chunk, len: usize) -> bool {
        match self {
            Glance::Prefix(prefix) => {
                (len >= prefix.len) & ((u128::from_le_bytes(*chunk) ^ prefix.text) & prefix.mask == 0)
            }
            Glance::AllOf { low, high } => {
                len <= chunk.len() && !BASELINE.between16(chunk, *low, *high) & first(len) == 0
            }
            // Which of them it is nobody can foresee: going through all takes less time than stopping in the wrong place.
            Glance::OneOf(texts) => {
                let value = ShortText::of(chunk, len);
                texts.iter().fold(false, |fits, text| fits | (value == *text))
            }
            Glance::None => false,
        }
    }
}

/// A bit for each of the first `len` bytes of a chunk, 16 of them at most.
#[inline(always)]
fn first(len: usize) -> u32 {
    (1 << len) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Field;
    use super::*;

    const TEXTS: &str = "-|unknown|ACCEPT|REJECT|IPv4|IPv6|EFA|ingress|egress|eni-[0-9a-f]{0,20}|en|vpc-1|subnet-1|i-1|i|\
                         tgw-attach-[0-9a-z]{0,9}|tgw-attac|arn:aws:ecs|OK|NODATA|[A-Z]{1,20}|[0-9]{1,20}|[0-9a-z]{1,20}|use1-az4";

    proptest! {
        #[test]
        fn what_fits_at_a_glance_fits(
            value in TEXTS, behind in "[ -~]{0,3}", cut in 0..4usize,
        ) {
            let value = &value[..value.len() - cut.min(value.len() - 1)];
            let mut window = [value, &behind, "ACCEPT eni-1 and more"].concat().into_bytes();
            window.extend([0; 16]);
            let chunk = window.first_chunk().unwrap();
            for look in Field::ALL.iter().filter_map(|field| field.look()) {
                let at_a_glance = Glance::of(look).fits(chunk, value.len());
                prop_assert!(!at_a_glance || look.fits(value), "{look:?} {value:?}");
                // And most that fit are seen to.
                let is_odd = value.len() > 16 || value == "unknown" || matches!(look, Look::Region);
                prop_assert!(at_a_glance || is_odd || !look.fits(value), "{look:?} {value:?}");
            }
        }
    }
}
