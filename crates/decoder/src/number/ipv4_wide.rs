//! IPv4 addresses, all four octets at once.
//!
//! Where the dots stand tells how the digits must be shuffled to where hundreds, tens and ones stand, and two
//! multiplications add them up. An address takes a third as long as octet by octet, and a flow log has two to four.
#![allow(unsafe_code, reason = "the intrinsics ask for it; see above for what it wins")]

use std::arch::x86_64::{
    _mm_cmpeq_epi8, _mm_cmpgt_epi16, _mm_cvtsi128_si32, _mm_loadl_epi64, _mm_loadu_si128, _mm_madd_epi16,
    _mm_maddubs_epi16, _mm_movemask_epi8, _mm_or_si128, _mm_packus_epi16, _mm_packus_epi32, _mm_set1_epi8,
    _mm_set1_epi16, _mm_set1_epi32, _mm_shuffle_epi8, _mm_sub_epi8, _mm_subs_epu8, _mm_testz_si128,
};
use std::net::Ipv4Addr;

use super::Chunk;
use crate::scan::Avx2;

/// The address that the first `len` bytes are in the usual notation. `None` leaves the matter open.
#[inline(always)]
pub(crate) fn parse(chunk: &Chunk, len: usize, _lanes: Avx2) -> Option<Ipv4Addr> {
    if len.wrapping_sub(7) > 8 {
        return None; // not 7 to 15
    }
    // SAFETY: an `Avx2` proves that the processor has these; the load is of the chunk's 16 bytes and needs no alignment.
    let (digits, dots) = unsafe {
        let text = _mm_loadu_si128(chunk.as_ptr().cast());
        let dots = _mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8(b'.' as i8))) as u32;
        (_mm_sub_epi8(text, _mm_set1_epi8(b'0' as i8)), dots)
    };
    let ends = dots & ((1 << len) - 1) | 1 << len;
    let shape = &SHAPES[hash(ends)];
    if shape.ends != ends {
        return None; // not four octets of one to three bytes
    }
    // SAFETY: as above; the loads are of the 16 bytes of `shuffle`, and of the eight of `smallest`.
    let (octets, right) = unsafe {
        let places = _mm_shuffle_epi8(digits, _mm_loadu_si128(shape.shuffle.as_ptr().cast()));
        let weights = _mm_set1_epi32(i32::from_le_bytes([0, 100, 10, 1]));
        let octets = _mm_madd_epi16(_mm_maddubs_epi16(places, weights), _mm_set1_epi16(1));
        let octets = _mm_packus_epi32(octets, octets);
        let no_digit = _mm_subs_epu8(places, _mm_set1_epi8(9));
        let too_large = _mm_cmpgt_epi16(octets, _mm_set1_epi16(255));
        let leading_zero = _mm_cmpgt_epi16(_mm_loadl_epi64(shape.smallest.as_ptr().cast()), octets);
        let wrong = _mm_or_si128(no_digit, _mm_or_si128(too_large, leading_zero));
        (_mm_cvtsi128_si32(_mm_packus_epi16(octets, octets)), _mm_testz_si128(wrong, wrong) != 0)
    };
    right.then(|| Ipv4Addr::from(octets.to_le_bytes()))
}

/// How long each of the four octets is.
#[derive(Clone, Copy)]
#[repr(align(16))]
struct Shape {
    /// Moves the digits of an octet to its four bytes: nothing, hundreds, tens, ones.
    shuffle: [u8; 16],
    /// What octets of as many digits are at least, without leading zeros.
    smallest: [i16; 4],
    /// A bit behind each octet; no bits where there is no shape of this hash.
    ends: u32,
}

/// No two shapes have the same.
#[inline(always)]
const fn hash(ends: u32) -> usize {
    (ends.wrapping_mul(0x00cf_7800) >> 24) as usize
}

/// By the hash of `ends`.
static SHAPES: [Shape; 256] = {
    const NOTHING: u8 = 0x80;
    let mut shapes = [Shape { shuffle: [NOTHING; 16], smallest: [0; 4], ends: 0 }; 256];
    let mut which = 0;
    while which < 81 {
        let lens = [which / 27 % 3 + 1, which / 9 % 3 + 1, which / 3 % 3 + 1, which % 3 + 1];
        let mut shape = Shape { shuffle: [NOTHING; 16], smallest: [0; 4], ends: 0 };
        let (mut octet, mut at) = (0, 0);
        while octet < 4 {
            let mut digit = 0;
            while digit < lens[octet] {
                shape.shuffle[4 * octet + 4 - lens[octet] + digit] = (at + digit) as u8;
                digit += 1;
            }
            shape.smallest[octet] = [0, 10, 100][lens[octet] - 1];
            at += lens[octet] + 1;
            shape.ends |= 1 << (at - 1);
            octet += 1;
        }
        assert!(shapes[hash(shape.ends)].ends == 0, "two shapes have the same hash");
        shapes[hash(shape.ends)] = shape;
        which += 1;
    }
    shapes
};
