//! Lanes of x86-64: SSE2, which every such processor has, and AVX2 and AVX-512 where they are detected.
//!
//! No closures here: code is compiled for a processor's features only where it is inlined, and they might not be.
#![allow(unsafe_code, reason = "the intrinsics ask for it; words in their place take three times as long")]

use std::arch::x86_64::*;
use std::mem::MaybeUninit;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU8, Ordering};

use super::{BLOCK, Lanes};
use crate::number::{Chunk, Four, four_wide, ipv4_wide};

/// Sixteen bytes at a time.
#[derive(Clone, Copy)]
pub(crate) struct Sse2;

impl Lanes for Sse2 {
    #[inline(always)]
    fn equal(self, block: &[u8; BLOCK], byte: u8) -> u64 {
        let (chunks, _) = block.as_chunks::<16>();
        let low = u64::from(equal16(&chunks[0], byte) | equal16(&chunks[1], byte) << 16);
        let high = u64::from(equal16(&chunks[2], byte) | equal16(&chunks[3], byte) << 16);
        low | high << 32
    }

    #[inline(always)]
    fn below(self, block: &[u8; BLOCK], limit: u8) -> u64 {
        let (chunks, _) = block.as_chunks::<16>();
        let low = u64::from(below16(&chunks[0], limit) | below16(&chunks[1], limit) << 16);
        let high = u64::from(below16(&chunks[2], limit) | below16(&chunks[3], limit) << 16);
        low | high << 32
    }

    #[inline(always)]
    fn equal16(self, chunk: &[u8; 16], byte: u8) -> u32 {
        equal16(chunk, byte)
    }

    #[inline(always)]
    fn between16(self, chunk: &[u8; 16], low: u8, high: u8) -> u32 {
        // SAFETY: SSE2 belongs to every x86-64 processor.
        unsafe {
            // It is within if that brings it no further.
            let chunk = load(chunk);
            let within = _mm_min_epu8(_mm_max_epu8(chunk, _mm_set1_epi8(low as i8)), _mm_set1_epi8(high as i8));
            _mm_movemask_epi8(_mm_cmpeq_epi8(within, chunk)) as u32
        }
    }

    #[inline(always)]
    fn ipv4(self, chunk: &Chunk, len: usize) -> Option<Ipv4Addr> {
        ipv4_wide::parse_with_sse2(chunk, len)
    }
}

#[inline(always)]
fn equal16(chunk: &[u8; 16], byte: u8) -> u32 {
    // SAFETY: SSE2 belongs to every x86-64 processor.
    unsafe { _mm_movemask_epi8(_mm_cmpeq_epi8(load(chunk), _mm_set1_epi8(byte as i8))) as u32 }
}

#[inline(always)]
fn below16(chunk: &[u8; 16], limit: u8) -> u32 {
    // SAFETY: SSE2 belongs to every x86-64 processor.
    unsafe {
        let chunk = load(chunk);
        // A byte is at least the limit if it is the larger of both.
        let at_least = _mm_cmpeq_epi8(_mm_max_epu8(chunk, _mm_set1_epi8(limit as i8)), chunk);
        !_mm_movemask_epi8(at_least) as u32 & 0xffff
    }
}

#[inline(always)]
fn load(chunk: &[u8; 16]) -> __m128i {
    // SAFETY: SSE2 belongs to every x86-64 processor; the load is of 16 bytes and needs no alignment.
    unsafe { _mm_loadu_si128(chunk.as_ptr().cast()) }
}

/// Thirty-two bytes at a time. That there is one proves that the processor can.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    #[inline]
    pub(crate) fn detect() -> Option<Avx2> {
        (widest() >= WITH_AVX2).then_some(Avx2(()))
    }
}

/// Sixty-four bytes at a time. That there is one proves that the processor can.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(Avx2);

impl Avx512 {
    #[inline]
    pub(crate) fn detect() -> Option<Avx512> {
        (widest() == WITH_AVX512).then_some(Avx512(Avx2(())))
    }
}

/// What the processor has, once it was asked: a line is looked at several times, and one answer is read faster than six.
static WIDEST: AtomicU8 = AtomicU8::new(UNKNOWN);

const UNKNOWN: u8 = 0;
const WITH_SSE2: u8 = 1;
const WITH_AVX2: u8 = 2;
const WITH_AVX512: u8 = 3;

#[inline]
fn widest() -> u8 {
    match WIDEST.load(Ordering::Relaxed) {
        UNKNOWN => detect(),
        widest => widest,
    }
}

#[cold]
fn detect() -> u8 {
    // The others came with AVX2, but for a hypervisor that hides some. Benchmarks can do without.
    let avx2 = !cfg!(kinesis_logs_baseline)
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt");
    let avx512 = avx2
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi2");
    let widest = match (avx2, avx512) {
        (_, true) => WITH_AVX512,
        (true, _) => WITH_AVX2,
        _ => WITH_SSE2,
    };
    WIDEST.store(widest, Ordering::Relaxed);
    widest
}

impl Lanes for Avx512 {
    #[inline(always)]
    fn equal(self, block: &[u8; BLOCK], byte: u8) -> u64 {
        // SAFETY: `self` proves that the processor has AVX-512; the load is of 64 bytes and needs no alignment.
        unsafe { _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(block.as_ptr().cast()), _mm512_set1_epi8(byte as i8)) }
    }

    #[inline(always)]
    fn below(self, block: &[u8; BLOCK], limit: u8) -> u64 {
        // SAFETY: as above.
        unsafe { _mm512_cmplt_epu8_mask(_mm512_loadu_si512(block.as_ptr().cast()), _mm512_set1_epi8(limit as i8)) }
    }

    #[inline(always)]
    fn equal16(self, chunk: &[u8; 16], byte: u8) -> u32 {
        equal16(chunk, byte)
    }

    #[inline(always)]
    fn ipv4(self, chunk: &Chunk, len: usize) -> Option<Ipv4Addr> {
        ipv4_wide::parse(chunk, len, self.0)
    }

    #[inline(always)]
    fn four(self, chunks: [&Chunk; 4], lens: [usize; 4], max: &[i64; 4]) -> Four {
        four_wide::parse(chunks, lens, max, self.0)
    }

    #[inline(always)]
    fn positions(self, mask: u64, base: u16, at: &mut [MaybeUninit<u16>; BLOCK / 2]) {
        // SAFETY: as above; the load and the store are of 64 bytes each.
        unsafe {
            let all = _mm512_loadu_si512(INDICES.as_ptr().cast());
            let set = _mm512_castsi512_si256(_mm512_maskz_compress_epi8(mask, all));
            let wide = _mm512_add_epi16(_mm512_cvtepu8_epi16(set), _mm512_set1_epi16(base as i16));
            _mm512_storeu_si512(at.as_mut_ptr().cast(), wide);
        }
    }
}

static INDICES: [u8; BLOCK] = {
    let mut indices = [0; BLOCK];
    let mut n = 0;
    while n < BLOCK {
        indices[n] = n as u8;
        n += 1;
    }
    indices
};

impl Lanes for Avx2 {
    #[inline(always)]
    fn ipv4(self, chunk: &Chunk, len: usize) -> Option<Ipv4Addr> {
        ipv4_wide::parse(chunk, len, self)
    }

    #[inline(always)]
    fn four(self, chunks: [&Chunk; 4], lens: [usize; 4], max: &[i64; 4]) -> Four {
        four_wide::parse(chunks, lens, max, self)
    }

    #[inline(always)]
    fn equal(self, block: &[u8; BLOCK], byte: u8) -> u64 {
        let (chunks, _) = block.as_chunks::<32>();
        // SAFETY: `self` proves that the processor has AVX2; the loads are of 32 bytes each and need no alignment.
        unsafe {
            let byte = _mm256_set1_epi8(byte as i8);
            let low = _mm256_cmpeq_epi8(_mm256_loadu_si256(chunks[0].as_ptr().cast()), byte);
            let high = _mm256_cmpeq_epi8(_mm256_loadu_si256(chunks[1].as_ptr().cast()), byte);
            u64::from(_mm256_movemask_epi8(low) as u32) | u64::from(_mm256_movemask_epi8(high) as u32) << 32
        }
    }

    #[inline(always)]
    fn below(self, block: &[u8; BLOCK], limit: u8) -> u64 {
        let (chunks, _) = block.as_chunks::<32>();
        // SAFETY: as above. A byte is at least the limit if it is the larger of both.
        unsafe {
            let limit = _mm256_set1_epi8(limit as i8);
            let low = _mm256_loadu_si256(chunks[0].as_ptr().cast());
            let high = _mm256_loadu_si256(chunks[1].as_ptr().cast());
            let low = _mm256_cmpeq_epi8(_mm256_max_epu8(low, limit), low);
            let high = _mm256_cmpeq_epi8(_mm256_max_epu8(high, limit), high);
            !(u64::from(_mm256_movemask_epi8(low) as u32) | u64::from(_mm256_movemask_epi8(high) as u32) << 32)
        }
    }

    #[inline(always)]
    fn equal16(self, chunk: &[u8; 16], byte: u8) -> u32 {
        equal16(chunk, byte)
    }
}
