//! Bytes that become the end of a vector.
#![allow(unsafe_code, reason = "zeroing the room first takes as long as half of what is written there")]

use std::fmt;
use std::mem::MaybeUninit;

/// Room behind a vector's bytes, of which the first `len` are written.
pub(super) struct Tail<'t> {
    room: &'t mut [MaybeUninit<u8>],
    len: usize,
}

/// Lets `write` append up to `room` bytes, which stay if it succeeds.
#[inline(always)]
pub(super) fn append<E>(
    out: &mut Vec<u8>,
    room: usize,
    write: impl for<'t> FnOnce(Tail<'t>) -> Result<Tail<'t>, E>,
) -> Result<(), E> {
    out.reserve(room);
    let written = write(Tail { room: out.spare_capacity_mut(), len: 0 })?.len;
    // SAFETY: a tail's first `len` bytes are written, and it is that of this vector: it has its lifetime, which no other
    // has.
    unsafe { out.set_len(out.len() + written) };
    Ok(())
}

impl Tail<'_> {
    /// Appends the first `len` bytes of a chunk, which there must be room for as a whole.
    #[inline(always)]
    pub(super) fn put<const N: usize>(&mut self, chunk: &[u8; N], len: usize) {
        self.room[self.len..self.len + N].write_copy_of_slice(chunk);
        self.len += len.min(N);
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
