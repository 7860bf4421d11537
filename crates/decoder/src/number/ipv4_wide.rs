//! IPv4 addresses, all four octets at once.
//!
//! The digits of each octet are shuffled to where hundreds, tens and ones stand, and two multiplications add them up. An
//! address takes half as long as octet by octet, and a flow log has two to four.
#![allow(unsafe_code, reason = "the intrinsics ask for it; see above for what it wins")]

use std::arch::x86_64::{
    _mm_cmpeq_epi8, _mm_cmpgt_epi32, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_madd_epi16, _mm_maddubs_epi16,
    _mm_min_epu8, _mm_movemask_epi8, _mm_packus_epi16, _mm_packus_epi32, _mm_set_epi64x, _mm_set1_epi8, _mm_set1_epi16,
    _mm_set1_epi32, _mm_setzero_si128, _mm_shuffle_epi8, _mm_sub_epi8,
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
    let (digits, dots, is_digit, is_zero) = unsafe {
        let text = _mm_loadu_si128(chunk.as_ptr().cast());
        let digits = _mm_sub_epi8(text, _mm_set1_epi8(b'0' as i8));
        let dots = _mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8(b'.' as i8))) as u32;
        let is_digit = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(digits, _mm_set1_epi8(9)), digits)) as u32;
        let is_zero = _mm_movemask_epi8(_mm_cmpeq_epi8(digits, _mm_setzero_si128())) as u32;
        (digits, dots, is_digit, is_zero)
    };
    let within = (1u32 << len) - 1;
    let dots = dots & within;

    // One bit where an octet begins, and one behind it.
    let (starts, ends) = (dots << 1 | 1, dots | 1 << len);
    let leading_zeros = is_zero & starts & !(ends >> 1);
    if (is_digit | dots) & within != within || starts & ends != 0 || leading_zeros != 0 {
        return None;
    }
    let (a, ends) = (ends.trailing_zeros() as usize, ends & ends.wrapping_sub(1));
    let (b, ends) = (ends.trailing_zeros() as usize, ends & ends.wrapping_sub(1));
    let (c, ends) = (ends.trailing_zeros() as usize, ends & ends.wrapping_sub(1));
    let (d, rest) = (ends.trailing_zeros() as usize, ends & ends.wrapping_sub(1));
    if ends == 0 || rest != 0 {
        return None; // not four octets
    }
    let (b_len, c_len, d_len) = (b - a - 1, c - b - 1, d - c - 1);
    if (a | b_len | c_len | d_len) > 3 {
        return None;
    }
    let low = shuffle(0, a) | shuffle(a + 1, b_len) << 32;
    let high = shuffle(b + 1, c_len) | shuffle(c + 1, d_len) << 32;
    // SAFETY: as above.
    let (octets, too_large) = unsafe {
        let places = _mm_shuffle_epi8(digits, _mm_set_epi64x(high as i64, low as i64));
        let weights = _mm_set1_epi32(i32::from_le_bytes([0, 100, 10, 1]));
        let octets = _mm_madd_epi16(_mm_maddubs_epi16(places, weights), _mm_set1_epi16(1));
        let too_large = _mm_movemask_epi8(_mm_cmpgt_epi32(octets, _mm_set1_epi32(255)));
        let words = _mm_packus_epi32(octets, octets);
        (_mm_cvtsi128_si32(_mm_packus_epi16(words, words)), too_large)
    };
    (too_large == 0).then(|| Ipv4Addr::from(octets.to_le_bytes()))
}

/// Moves the digits of an octet to its four bytes: nothing, hundreds, tens, ones.
#[inline(always)]
fn shuffle(start: usize, len: usize) -> u64 {
    u64::from(SHUFFLES[start & 15][len & 3])
}

/// By where an octet begins, and how many digits it has.
static SHUFFLES: [[u32; 4]; 16] = {
    const NOTHING: u8 = 0x80;
    let mut shuffles = [[0; 4]; 16];
    let mut start = 0;
    while start < 16 {
        let s = start as u8;
        shuffles[start][0] = u32::from_le_bytes([NOTHING; 4]);
        shuffles[start][1] = u32::from_le_bytes([NOTHING, NOTHING, NOTHING, s]);
        shuffles[start][2] = u32::from_le_bytes([NOTHING, NOTHING, s, s + 1]);
        shuffles[start][3] = u32::from_le_bytes([NOTHING, s, s + 1, s + 2]);
        start += 1;
    }
    shuffles
};
