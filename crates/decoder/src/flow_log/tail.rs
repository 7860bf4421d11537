//! Bytes that become the end of a vector.
#![allow(unsafe_code, reason = "zeroing the room first takes as long as half of what is written there")]

use std::fmt;
use std::mem::MaybeUninit;

use super::tokens::LONG_CHUNK;

/// Room behind a vector's bytes, of which the first `len` are written.
pub(super) struct Tail<'t> {
    room: &'t mut [MaybeUninit<u8>],
    len: usize,
    /// A chunk may be put wherever less than this is written.
    room_of_chunks: usize,
}

/// Lets `write` append up to `room` bytes, which stay if it succeeds.
#[inline(always)]
pub(super) fn append<E>(
    out: &mut Vec<u8>,
    room: usize,
    write: impl for<'t> FnOnce(Tail<'t>) -> Result<Tail<'t>, E>,
) -> Result<(), E> {
    out.reserve(room);
    let room = out.spare_capacity_mut();
    let room_of_chunks = (room.len() + 1).saturating_sub(LONG_CHUNK);
    let written = write(Tail { room, len: 0, room_of_chunks })?.len;
    // SAFETY: a tail's first `len` bytes are written, and it is that of this vector: it has its lifetime, which no other
    // has.
    unsafe { out.set_len(out.len() + written) };
    Ok(())
}

impl Tail<'_> {
    /// Appends the first `len` bytes of a chunk, which there must be room for as a whole.
    #[inline(always)]
    pub(super) fn put(&mut self, chunk: &[u8; LONG_CHUNK], len: usize) {
        assert!(self.len < self.room_of_chunks, "no room");
        // SAFETY: there is room for a chunk.
        unsafe { self.put_unchecked(chunk, len.min(LONG_CHUNK)) };
    }

    /// Makes sure of room for `len` bytes, and a chunk behind them.
    #[inline(always)]
    pub(super) fn assert_room(&self, len: usize) {
        assert!(self.len + len < self.room_of_chunks, "no room");
    }

    /// The same as [`put`](Self::put), without looking.
    ///
    /// # Safety
    ///
    /// There must be room for the chunk as a whole, and `len` be no more than it has.
    #[inline(always)]
    pub(super) unsafe fn put_unchecked(&mut self, chunk: &[u8; LONG_CHUNK], len: usize) {
        debug_assert!(self.len < self.room_of_chunks && len <= LONG_CHUNK);
        // SAFETY: as many bytes as a chunk has follow in the room, as the caller has made sure.
        unsafe { self.room.as_mut_ptr().add(self.len).cast::<[u8; LONG_CHUNK]>().write_unaligned(*chunk) };
        self.len += len;
    }

    #[inline(always)]
    pub(super) fn push(&mut self, byte: u8) {
        self.room[self.len].write(byte);
        self.len += 1;
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.room[self.len..self.len + bytes.len()].write_copy_of_slice(bytes);
        self.len += bytes.len();
    }

    /// Takes the last byte back.
    pub(super) fn pop(&mut self) {
        self.len = self.len.saturating_sub(1);
    }
}

impl fmt::Write for Tail<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.extend(text.as_bytes());
        Ok(())
    }
}
