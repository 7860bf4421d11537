//! What kind of file system a file lies on, where that makes a difference. Magic numbers are of Linux's `magic.h`.

use std::fs::File;

/// Whether it lies in memory: reading waits for no disk, and room that is taken ahead is filled with zeros at once.
pub(crate) fn is_in_memory(file: &File) -> bool {
    /// `TMPFS_MAGIC`.
    const TMPFS: u32 = 0x0102_1994;
    kind(file) == Some(TMPFS)
}

/// Whether it lies on another machine that is asked by SMB: there locks are mandatory.
pub(crate) fn is_on_smb(file: &File) -> bool {
    /// `SMB_SUPER_MAGIC`, `CIFS_SUPER_MAGIC` and `SMB2_SUPER_MAGIC`.
    const SMB: [u32; 3] = [0x517b, 0xff53_4d42, 0xfe53_4d42];
    kind(file).is_some_and(|kind| SMB.contains(&kind))
}

#[cfg(target_os = "linux")]
fn kind(file: &File) -> Option<u32> {
    // As wide as a word; no number is wider than this.
    rustix::fs::fstatfs(file).ok().map(|system| system.f_type as u32)
}

#[cfg(not(target_os = "linux"))]
fn kind(_: &File) -> Option<u32> {
    None
}
