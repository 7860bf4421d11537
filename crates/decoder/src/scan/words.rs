//! Lanes of any processor: eight bytes in a word.

use super::{BLOCK, Lanes};

/// Eight bytes at a time.
#[derive(Clone, Copy)]
pub(crate) struct Words;

impl Lanes for Words {
    #[inline(always)]
    fn equal16(self, chunk: &[u8; 16], byte: u8) -> u32 {
        let (words, _) = chunk.as_chunks::<8>();
        (equal8(&words[0], byte) | equal8(&words[1], byte) << 8) as u32
    }

    #[inline(always)]
    fn equal(self, block: &[u8; BLOCK], byte: u8) -> u64 {
        let (words, _) = block.as_chunks::<8>();
        words.iter().enumerate().fold(0, |mask, (n, word)| mask | equal8(word, byte) << (8 * n))
    }

    #[inline(always)]
    fn below(self, block: &[u8; BLOCK], limit: u8) -> u64 {
        block.iter().enumerate().fold(0, |mask, (n, byte)| mask | u64::from(*byte < limit) << n)
    }
}

/// The top bit of each equal byte, exactly, gathered into eight bits by a multiplication.
#[inline(always)]
fn equal8(word: &[u8; 8], byte: u8) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let word = u64::from_le_bytes(*word) ^ u64::from_ne_bytes([byte; 8]);
    let zero = !(((word & LOW) + LOW) | word | LOW);
    (zero >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}
