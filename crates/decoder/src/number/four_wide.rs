//! Whole numbers, four at once.
//!
//! The digits of each are shuffled to the end of sixteen bytes, with zeros before them; neighbours then join into pairs,
//! fours and eights in all four numbers together. Each takes a third of the instructions that it takes alone, and a flow
//! log has eight.
#![allow(unsafe_code, reason = "the intrinsics ask for it; see above for what it wins")]

use std::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm256_add_epi64, _mm256_andnot_si256, _mm256_castsi256_pd, _mm256_cmpeq_epi64,
    _mm256_cmpgt_epi64, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_movemask_pd,
    _mm256_mul_epu32, _mm256_or_si256, _mm256_packus_epi32, _mm256_set_m128i, _mm256_set1_epi8, _mm256_set1_epi16,
    _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi64,
    _mm256_storeu_si256, _mm256_sub_epi8, _mm256_subs_epu8, _mm256_unpackhi_epi64, _mm256_unpacklo_epi64,
};

use super::{Chunk, Four};
use crate::scan::Avx2;

/// See [`Lanes::four`](crate::scan::Lanes::four).
#[inline(always)]
pub(crate) fn parse(chunks: [&Chunk; 4], lens: [usize; 4], max: &[i64; 4], _lanes: Avx2) -> Four {
    let mut four = Four { numbers: [0; 4], right: 0 };
    if lens.iter().fold(0, |all, len| all | len.wrapping_sub(1)) > 15 {
        return four; // some are not 1 to 16
    }
    // SAFETY: an `Avx2` proves that the processor has these. The loads are of a chunk's 16 bytes, of 16 of the 32 bytes of
    // `SHUFFLES` from one of the first 17 on, as no length is above 16, and of the 32 bytes of `max`; the store is of as
    // many. None needs alignment.
    unsafe {
        // Numbers 0 and 2, and 1 and 3, so that they are in order once these are packed.
        let even = digits([chunks[0], chunks[2]], [lens[0], lens[2]]);
        let odd = digits([chunks[1], chunks[3]], [lens[1], lens[3]]);
        let fours = _mm256_packus_epi32(digits_to_fours(even), digits_to_fours(odd));
        let eights = _mm256_madd_epi16(fours, _mm256_set1_epi32(1 << 16 | 10_000));
        let high = _mm256_mul_epu32(eights, _mm256_set1_epi64x(100_000_000));
        let numbers = _mm256_add_epi64(high, _mm256_srli_epi64(eights, 32));

        let nine = _mm256_set1_epi8(9);
        let (even, odd) = (_mm256_subs_epu8(even, nine), _mm256_subs_epu8(odd, nine));
        let wrong = _mm256_or_si256(_mm256_unpacklo_epi64(even, odd), _mm256_unpackhi_epi64(even, odd));
        let digits_only = _mm256_cmpeq_epi64(wrong, _mm256_setzero_si256());
        let too_large = _mm256_cmpgt_epi64(numbers, _mm256_loadu_si256(max.as_ptr().cast()));
        four.right = _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_andnot_si256(too_large, digits_only))) as u32;
        _mm256_storeu_si256(four.numbers.as_mut_ptr().cast(), numbers);
    }
    four
}

/// The digits of two tokens, each at the end of its half, and zeros before them.
///
/// # Safety
///
/// The processor must have AVX2, and no length may be above 16.
#[inline(always)]
unsafe fn digits(chunks: [&Chunk; 2], lens: [usize; 2]) -> __m256i {
    // SAFETY: as the caller has it.
    unsafe {
        let shuffle = |len: usize| -> __m128i { _mm_loadu_si128(SHUFFLES.as_ptr().add(len).cast()) };
        let text =
            _mm256_set_m128i(_mm_loadu_si128(chunks[1].as_ptr().cast()), _mm_loadu_si128(chunks[0].as_ptr().cast()));
        let digits = _mm256_sub_epi8(text, _mm256_set1_epi8(b'0' as i8));
        _mm256_shuffle_epi8(digits, _mm256_set_m128i(shuffle(lens[1]), shuffle(lens[0])))
    }
}

/// # Safety
///
/// The processor must have AVX2.
#[inline(always)]
unsafe fn digits_to_fours(digits: __m256i) -> __m256i {
    // SAFETY: as the caller has it.
    unsafe {
        let pairs = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(1 << 8 | 10));
        _mm256_madd_epi16(pairs, _mm256_set1_epi32(1 << 16 | 100))
    }
}

/// From `len` on: what moves the first `len` of 16 bytes to their end.
static SHUFFLES: [u8; 32] = {
    let mut shuffles = [0x80; 32];
    let mut n = 0;
    while n < 16 {
        shuffles[16 + n] = n as u8;
        n += 1;
    }
    shuffles
};
