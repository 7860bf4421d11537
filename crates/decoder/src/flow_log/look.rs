//! What values look like, which tells formats with as many fields apart.

use crate::number::Chunk;

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
    /// They begin with these bits.
    Prefix { bits: u128, mask: u128, len: usize },
    /// They are no more than a chunk has, and all of a range: what is added to each byte so that the top bit tells whether it is
    /// one of those or above, and whether it is above all of them.
    AllOf { within: u128, above: u128 },
    /// They are one of these texts, of so many bytes.
    OneOf(Vec<(u128, usize)>),
    /// There is more to see.
    None,
}

impl Glance {
    /// What can be seen at a glance of values that look so.
    pub(super) fn of(look: Look) -> Glance {
        let bits = |text: &str| {
            let mut chunk: Chunk = [0; 16];
            chunk[..text.len()].copy_from_slice(text.as_bytes());
            u128::from_le_bytes(chunk)
        };
        match look {
            Look::Prefix(prefix) => Glance::Prefix { bits: bits(prefix), mask: first(prefix.len()), len: prefix.len() },
            Look::Account => Glance::all_of(b'0', b'9'),
            Look::Capitals => Glance::all_of(b'A', b'Z'),
            Look::OneOf(texts) => Glance::OneOf(texts.iter().map(|text| (bits(text), text.len())).collect()),
            Look::Region => Glance::None,
        }
    }

    /// All values from one ASCII character up to another.
    fn all_of(low: u8, high: u8) -> Glance {
        Glance::AllOf { within: u128::from(0x80 - low) * EACH_BYTE, above: u128::from(0x7f - high) * EACH_BYTE }
    }

    /// Whether a value of `len` bytes, of which `chunk` has the first, is seen to fit. If not, it may fit all the same.
    #[inline]
    pub(super) fn fits(&self, chunk: &Chunk, len: usize) -> bool {
        match self {
            Glance::Prefix { bits, mask, len: least } => len >= *least && u128::from_le_bytes(*chunk) & mask == *bits,
            Glance::AllOf { within, above } => {
                let bytes = u128::from_le_bytes(*chunk);
                let seven_bits = bytes & !TOP_BITS;
                let outside = !(seven_bits + within) | (seven_bits + above) | bytes;
                len <= chunk.len() && outside & TOP_BITS & first(len) == 0
            }
            Glance::OneOf(texts) => {
                let value = u128::from_le_bytes(*chunk) & first(len);
                // Which of them it is nobody can foresee: going through all takes less time than stopping in the wrong place.
                texts.iter().fold(false, |fits, (bits, of)| fits | ((*of == len) & (*bits == value)))
            }
            Glance::None => false,
        }
    }
}

const EACH_BYTE: u128 = u128::MAX / 0xff;
const TOP_BITS: u128 = 0x80 * EACH_BYTE;

/// The bits of the first `len` bytes.
#[inline]
fn first(len: usize) -> u128 {
    FIRST[len.min(16)]
}

/// Shifting as far takes longer than to look here.
static FIRST: [u128; 17] = {
    let mut first = [u128::MAX; 17];
    let mut len = 0;
    while len < 16 {
        first[len] = (1 << (8 * len)) - 1;
        len += 1;
    }
    first
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Field;
    use super::*;

    const TEXTS: &str = "-|unknown|ACCEPT|REJECT|IPv4|IPv6|EFA|ingress|egress|eni-[0-9a-f]{0,20}|en|vpc-1|subnet-1|i-1|i|\\
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
