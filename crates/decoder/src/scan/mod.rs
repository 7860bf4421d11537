//! Sixty-four bytes at a time: where certain bytes stand, one bit each.
//!
//! Written once over [`Lanes`], which there are four of: AVX-512 or AVX2 where the processor has it, SSE2 on any other
//! x86-64, and plain words elsewhere. [`with_lanes!`] chooses once for a whole loop.

mod words;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use std::mem::MaybeUninit;
use std::net::Ipv4Addr;

use crate::number::{self, Chunk, Four};

/// How many bytes a mask covers.
pub(crate) const BLOCK: usize = 64;

/// A way of comparing many bytes at once.
pub(crate) trait Lanes: Copy {
    /// Bit n is set where byte n is `byte`.
    fn equal(self, block: &[u8; BLOCK], byte: u8) -> u64;

    /// Bit n is set where byte n is below `limit`.
    fn below(self, block: &[u8; BLOCK], limit: u8) -> u64;

    /// Bit n is set where byte n of 16 is `byte`.
    fn equal16(self, chunk: &[u8; 16], byte: u8) -> u32;

    /// Bit n is set where byte n of 16 is from `low` to `high`.
    #[inline(always)]
    fn between16(self, chunk: &[u8; 16], low: u8, high: u8) -> u32 {
        (0..16).fold(0, |mask, n| mask | u32::from((low..=high).contains(&chunk[n])) << n)
    }

    /// The IPv4 address that the first `len` bytes are. `None` leaves the matter open.
    #[inline(always)]
    fn ipv4(self, chunk: &Chunk, len: usize) -> Option<Ipv4Addr> {
        number::ipv4_by_octets(self.equal16(chunk, b'.'), chunk, len)
    }

    /// The numbers that the first `lens` bytes are, and which of them are right: at most `max`, which is not negative.
    #[inline(always)]
    fn four(self, chunks: [&Chunk; 4], lens: [usize; 4], max: &[i64; 4]) -> Four {
        Four::each(chunks, lens, max)
    }

    /// Writes where the bits of `mask` are, of which no more than half are set, each with `base` added, and perhaps something
    /// behind these.
    #[inline(always)]
    fn positions(self, mut mask: u64, base: u16, at: &mut [MaybeUninit<u16>; BLOCK / 2]) {
        for at in at {
            if mask == 0 {
                break;
            }
            at.write(base.wrapping_add(mask.trailing_zeros() as u16));
            mask &= mask - 1;
        }
    }

    /// Bit n is set where byte `at + n` is a space.
    #[inline(always)]
    fn spaces(self, bytes: &[u8], at: usize) -> u64 {
        match block(bytes, at) {
            Some(block) => self.equal(block, b' '),
            None => Words.equal(&last_block(bytes, at), b' '),
        }
    }

    /// Bit n is set where byte `at + n` cannot stand in a JSON string as it is: a quote, backslash or control character.
    #[inline(always)]
    fn specials(self, block: &[u8; BLOCK]) -> u64 {
        self.equal(block, b'"') | self.equal(block, b'\\') | self.below(block, 0x20)
    }
}

/// The 64 bytes at `at`, if there are as many.
#[inline(always)]
pub(crate) fn block(bytes: &[u8], at: usize) -> Option<&[u8; BLOCK]> {
    bytes.get(at..)?.first_chunk()
}

/// Fewer bytes than 64, and zeros behind them, which no mask looks for.
#[cold]
#[inline(never)]
fn last_block(bytes: &[u8], at: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let rest = bytes.get(at..).unwrap_or_default();
    block[..rest.len()].copy_from_slice(rest);
    block
}

/// Where quotes and backslashes stand, found block by block for who goes through a text from front to back. The text must
/// be padded: it ends where fewer bytes follow than a block has.
pub(crate) struct Marks<'a, L> {
    lanes: L,
    bytes: &'a [u8],
    /// Where the block begins that `mask` is of.
    block: usize,
    mask: u64,
}

impl<'a, L: Lanes> Marks<'a, L> {
    #[inline(always)]
    pub(crate) fn new(lanes: L, bytes: &'a [u8], from: usize) -> Self {
        let mut marks = Marks { lanes, bytes, block: from, mask: 0 };
        marks.look();
        marks
    }

    /// The first quote or backslash at `from` or behind it. `from` must not lie before that of an earlier call.
    #[inline(always)]
    pub(crate) fn next(&mut self, from: usize) -> Option<usize> {
        let within = from - self.block;
        if within < BLOCK {
            let rest = self.mask & u64::MAX << within;
            if rest != 0 {
                return Some(self.block + rest.trailing_zeros() as usize);
            }
        }
        self.block = from.max(self.block + BLOCK);
        loop {
            self.look()?;
            if self.mask != 0 {
                return Some(self.block + self.mask.trailing_zeros() as usize);
            }
            self.block += BLOCK;
        }
    }

    #[inline(always)]
    fn look(&mut self) -> Option<()> {
        let block = block(self.bytes, self.block)?;
        self.mask = self.lanes.equal(block, b'"') | self.lanes.equal(block, b'\\');
        Some(())
    }
}

/// The lanes that need no detection at run time.
pub(crate) const BASELINE: Baseline = Baseline;

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use words::Words as Baseline;
use words::Words;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::Sse2 as Baseline;

/// Defines a function whose body is compiled for AVX2, and once more for the lanes that are always there; calling it
/// chooses. The body sees the chosen lanes under the name given.
macro_rules! with_lanes {
    (
        $(#[$attr:meta])*
        $vis:vis fn $name:ident $(<$life:lifetime>)? ($($arg:ident: $type:ty),* $(,)?) -> $result:ty |$lanes:ident| $body:block
    ) => {
        $(#[$attr])*
        #[inline]
        $vis fn $name $(<$life>)? ($($arg: $type),*) -> $result {
            #[inline(always)]
            fn body<$($life,)? L: $crate::scan::Lanes>($lanes: L, $($arg: $type),*) -> $result $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
                fn for_avx2 $(<$life>)? (lanes: $crate::scan::Avx2, $($arg: $type),*) -> $result {
                    body(lanes, $($arg),*)
                }
                #[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,avx2,bmi1,bmi2,lzcnt,popcnt")]
                fn for_avx512 $(<$life>)? (lanes: $crate::scan::Avx512, $($arg: $type),*) -> $result {
                    body(lanes, $($arg),*)
                }
                if let Some(lanes) = $crate::scan::Avx512::detect() {
                    #[allow(unsafe_code, reason = "what the function asks for was detected")]
                    // SAFETY: an `Avx512` proves that the processor has these features.
                    return unsafe { for_avx512(lanes, $($arg),*) };
                }
                if let Some(lanes) = $crate::scan::Avx2::detect() {
                    #[allow(unsafe_code, reason = "what the function asks for was detected")]
                    // SAFETY: an `Avx2` proves that the processor has these features.
                    return unsafe { for_avx2(lanes, $($arg),*) };
                }
            }
            body($crate::scan::BASELINE, $($arg),*)
        }
    };
}
pub(crate) use with_lanes;

#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::{Avx2, Avx512};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check<L: Lanes>(lanes: L, bytes: &[u8], at: usize) -> Result<(), TestCaseError> {
        let there = |n: usize, wanted: &[u8]| bytes.get(at + n).is_some_and(|byte| wanted.contains(byte));
        let slow = |wanted: &[u8]| (0..BLOCK).filter(|&n| there(n, wanted)).map(|n| 1u64 << n).sum::<u64>();
        prop_assert_eq!(lanes.spaces(bytes, at), slow(b" "));
        let len = at.min(bytes.len());
        if let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
            prop_assert_eq!(lanes.equal16(chunk, b'.'), slow(b".") as u32 & 0xffff);
            prop_assert_eq!(
                lanes.between16(chunk, b'!', b'b'),
                slow(&(b'!'..=b'b').collect::<Vec<_>>()) as u32 & 0xffff
            );
        }
        // Never more than half of the bits are set: fields have spaces between them.
        let mask = slow(b" ") & !(slow(b" ") << 1);
        let mut positions = [MaybeUninit::new(0); BLOCK / 2];
        lanes.positions(mask, 1000, &mut positions);
        #[allow(unsafe_code, reason = "it asks for room that nobody has written to")]
        // SAFETY: all were written above, and perhaps once more.
        let positions = positions.map(|position| unsafe { position.assume_init() });
        let set: Vec<u16> = (0..64).filter(|n| mask >> n & 1 == 1).map(|n| n + 1000).collect();
        prop_assert_eq!(&positions[..set.len()], &set);
        let padded = [bytes, &[0; BLOCK]].concat();
        let mut marks = Marks::new(lanes, &padded, len);
        let mut from = len;
        loop {
            let next = bytes[from..].iter().position(|byte| b"\"\\".contains(byte)).map(|n| from + n);
            prop_assert_eq!(marks.next(from), next);
            let Some(next) = next else { break };
            from = next + 1;
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn all_lanes_see_what_is_there(
            text in r#"[ "\\.!a-c😀\x00-\x21]{0,200}|[ !a-c]{200}"#,
            at in 0..210usize,
        ) {
            let bytes = text.as_bytes();
            check(Words, bytes, at)?;
            check(BASELINE, bytes, at)?;
            #[cfg(target_arch = "x86_64")]
            if let Some(lanes) = Avx2::detect() {
                check(lanes, bytes, at)?;
            }
            #[cfg(target_arch = "x86_64")]
            if let Some(lanes) = Avx512::detect() {
                check(lanes, bytes, at)?;
            }
        }
    }
}
