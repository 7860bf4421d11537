//! libdeflate's whole-buffer inflate, by the call that tells where the member ended.
//!
//! This module has the crate's only foreign calls. The safe wrapper that there is, `libdeflater`, offers no call that
//! reports how much input was consumed; without it a second gzip member would be passed over silently, or every record
//! searched for one and its checksum computed twice, which costs a tenth of inflating it.
#![allow(unsafe_code, reason = "see above; fuzzed against the streaming inflater")]

use std::ffi::c_void;
use std::ptr::NonNull;

use libdeflate_sys::{
    libdeflate_alloc_decompressor, libdeflate_decompressor, libdeflate_free_decompressor,
    libdeflate_gzip_decompress_ex, libdeflate_result_LIBDEFLATE_SUCCESS,
};

/// A decompressor, kept for its tables.
pub(super) struct OneShot(NonNull<libdeflate_decompressor>);

// SAFETY: a decompressor is plain memory that belongs to nobody's thread; calls that use it take `&mut`.
unsafe impl Send for OneShot {}
// SAFETY: there is nothing that `&OneShot` could do.
unsafe impl Sync for OneShot {}

/// What one member held.
pub(super) struct Member {
    /// How long it was, its header and trailer included.
    pub(super) consumed: usize,
    /// How much came out.
    pub(super) produced: usize,
}

impl OneShot {
    /// # Panics
    ///
    /// If there is no memory for it, as other allocations do.
    pub(super) fn new() -> Self {
        // SAFETY: the function has no preconditions.
        let decompressor = unsafe { libdeflate_alloc_decompressor() };
        OneShot(NonNull::new(decompressor).expect("memory for a decompressor"))
    }

    /// Inflates the gzip member that `data` begins with, and verifies its checksum and length. `None` if it is damaged,
    /// or if `out` is too small.
    pub(super) fn gzip_member(&mut self, data: &[u8], out: &mut [u8]) -> Option<Member> {
        let (mut consumed, mut produced) = (0, 0);
        // SAFETY: the decompressor came from `libdeflate_alloc_decompressor` and was not freed, `&mut self` excludes
        // other users; both buffers are as long as stated, initialised, and do not overlap as one of them is `&mut`; the
        // counts are written to only.
        let result = unsafe {
            libdeflate_gzip_decompress_ex(
                self.0.as_ptr(),
                data.as_ptr().cast::<c_void>(),
                data.len(),
                out.as_mut_ptr().cast::<c_void>(),
                out.len(),
                &raw mut consumed,
                &raw mut produced,
            )
        };
        let whole = result == libdeflate_result_LIBDEFLATE_SUCCESS && consumed <= data.len() && produced <= out.len();
        whole.then_some(Member { consumed, produced })
    }
}

impl Drop for OneShot {
    fn drop(&mut self) {
        // SAFETY: it came from `libdeflate_alloc_decompressor`, and nobody can use it any more.
        unsafe { libdeflate_free_decompressor(self.0.as_ptr()) }
    }
}
