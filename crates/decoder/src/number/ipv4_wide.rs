//! IPv4 addresses, all four octets at once.
//!
//! Where the dots stand tells how the digits must be shuffled to where hundreds, tens and ones stand, and two
//! multiplications add them up. An address takes a third as long as octet by octet, and a flow log has two to four.
#![allow(unsafe_code, reason = "the intrinsics ask for it; see above for what it wins")]

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_and_si128, _mm_cmpeq_epi8, _mm_cmpgt_epi16, _mm_cvtsi128_si32, _mm_loadl_epi64,
    _mm_loadu_si128, _mm_madd_epi16, _mm_maddubs_epi16, _mm_movemask_epi8, _mm_or_si128, _mm_packs_epi32,
    _mm_packus_epi16, _mm_set_epi32, _mm_set1_epi8, _mm_set1_epi16, _mm_set1_epi32, _mm_setzero_si128,
    _mm_shuffle_epi8, _mm_srli_epi16, _mm_sub_epi8, _mm_subs_epu8,
};
use std::net::Ipv4Addr;

use super::Chunk;
use crate::scan::{Avx2, BASELINE, Lanes};

/// The address that the first `len` bytes are in the usual notation. `None` leaves the matter open.
#[inline(always)]
pub(crate) fn parse(chunk: &Chunk, len: usize, _lanes: Avx2) -> Option<Ipv4Addr> {
    let shape = Shape::of(chunk, len)?;
    // SAFETY: an `Avx2` proves that the processor has these; the loads are of the 16 bytes of the chunk and of `shuffle`,
    // and need no alignment.
    unsafe {
        let digits = _mm_sub_epi8(_mm_loadu_si128(chunk.as_ptr().cast()), _mm_set1_epi8(b'0' as i8));
        let places = _mm_shuffle_epi8(digits, _mm_loadu_si128(shape.shuffle.as_ptr().cast()));
        let weights = _mm_set1_epi32(i32::from_le_bytes([0, 100, 10, 1]));
        let octets = _mm_madd_epi16(_mm_maddubs_epi16(places, weights), _mm_set1_epi16(1));
        address(places, octets, shape)
    }
}

/// The same with SSE2, which cannot shuffle: each octet is loaded for itself, and moved so that its ones come last.
#[inline(always)]
pub(crate) fn parse_with_sse2(chunk: &Chunk, len: usize) -> Option<Ipv4Addr> {
    let shape = Shape::of(chunk, len)?;
    let mut places = [0; 4];
    for (place, &(start, shift)) in places.iter_mut().zip(&shape.moves) {
        let digits: &[u8; 4] = chunk.get(usize::from(start)..)?.first_chunk()?;
        *place = ((u32::from_le_bytes(*digits) ^ 0x3030_3030) << (shift & 31)) as i32;
    }
    let [a, b, c, d] = places;
    // SAFETY: SSE2 belongs to every x86-64 processor.
    unsafe {
        let places = _mm_set_epi32(d, c, b, a);
        let hundreds_and_ones = _mm_madd_epi16(_mm_srli_epi16(places, 8), _mm_set1_epi32(1 << 16 | 100));
        let tens = _mm_madd_epi16(_mm_and_si128(places, _mm_set1_epi16(0xff)), _mm_set1_epi32(10 << 16));
        address(places, _mm_add_epi32(hundreds_and_ones, tens), shape)
    }
}

/// The address of four octets, if their digits are, if none is above 255, and none has leading zeros.
#[inline(always)]
fn address(places: __m128i, octets: __m128i, shape: &Shape) -> Option<Ipv4Addr> {
    // SAFETY: SSE2 belongs to every x86-64 processor; the load is of the eight bytes of `smallest`.
    unsafe {
        let octets = _mm_packs_epi32(octets, octets);
        let no_digit = _mm_subs_epu8(places, _mm_set1_epi8(9));
        let too_large = _mm_cmpgt_epi16(octets, _mm_set1_epi16(255));
        let leading_zero = _mm_cmpgt_epi16(_mm_loadl_epi64(shape.smallest.as_ptr().cast()), octets);
        let wrong = _mm_or_si128(no_digit, _mm_or_si128(too_large, leading_zero));
        let right = _mm_movemask_epi8(_mm_cmpeq_epi8(wrong, _mm_setzero_si128())) == 0xffff;
        right.then(|| Ipv4Addr::from(_mm_cvtsi128_si32(_mm_packus_epi16(octets, octets)).to_le_bytes()))
    }
}

/// How long each of the four octets is.
#[derive(Clone, Copy)]
struct Shape {
    /// Moves the digits of an octet to its four bytes: nothing, hundreds, tens, ones.
    shuffle: [u8; 16],
    /// What octets of as many digits are at least, without leading zeros.
    smallest: [i16; 4],
    /// A bit behind each octet; no bits where there is no shape of this hash.
    ends: u16,
    /// Where each octet begins, and by how many bits its digits must move up in a word for its ones to come last.
    moves: [(u8, u8); 4],
}

impl Shape {
    /// The shape of what the first `len` bytes are, if it is one of four octets.
    #[inline(always)]
    fn of(chunk: &Chunk, len: usize) -> Option<&'static Shape> {
        if len.wrapping_sub(7) > 8 {
            return None; // not 7 to 15
        }
        let ends = BASELINE.equal16(chunk, b'.') & ((1 << len) - 1) | 1 << len;
        let shape = &SHAPES[hash(ends)];
        if u32::from(shape.ends) == ends { Some(shape) } else { None }
    }
}

/// No two shapes have the same.
#[inline(always)]
const fn hash(ends: u32) -> usize {
    (ends.wrapping_mul(0x00cf_7800) >> 24) as usize
}

/// By the hash of `ends`.
static SHAPES: [Shape; 256] = {
    const NOTHING: u8 = 0x80;
    let none = Shape { shuffle: [NOTHING; 16], smallest: [0; 4], ends: 0, moves: [(0, 0); 4] };
    let mut shapes = [none; 256];
    let mut which = 0;
    while which < 81 {
        let lens = [which / 27 % 3 + 1, which / 9 % 3 + 1, which / 3 % 3 + 1, which % 3 + 1];
        let mut shape = none;
        let (mut octet, mut at) = (0, 0);
        while octet < 4 {
            let mut digit = 0;
            while digit < lens[octet] {
                shape.shuffle[4 * octet + 4 - lens[octet] + digit] = (at + digit) as u8;
                digit += 1;
            }
            shape.smallest[octet] = [0, 10, 100][lens[octet] - 1];
            shape.moves[octet] = (at as u8, 32 - 8 * lens[octet] as u8);
            at += lens[octet] + 1;
            shape.ends |= 1 << (at - 1);
            octet += 1;
        }
        assert!(shapes[hash(shape.ends as u32)].ends == 0, "two shapes have the same hash");
        shapes[hash(shape.ends as u32)] = shape;
        which += 1;
    }
    shapes
};
