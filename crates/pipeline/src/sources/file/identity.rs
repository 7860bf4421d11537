//! Which file a file is, whatever it is called.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use flate2::Crc;
use serde::{Deserialize, Serialize};

/// Where a file lies. Another may lie there when it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Inode {
    device: u64,
    inode: u64,
}

impl Inode {
    /// What the file is known by among all that a pipeline reads.
    pub(super) fn id(self) -> String {
        format!("{:x}-{:x}", self.device, self.inode)
    }

    #[cfg(unix)]
    pub(super) fn of(metadata: &Metadata, _: &Path) -> Self {
        use std::os::unix::fs::MetadataExt;
        Inode { device: metadata.dev(), inode: metadata.ino() }
    }

    /// Where files have no such numbers, their paths have to do.
    #[cfg(not(unix))]
    pub(super) fn of(_: &Metadata, path: &Path) -> Self {
        let mut crc = Crc::new();
        crc.update(path.as_os_str().as_encoded_bytes());
        Inode { device: u64::from(crc.amount()), inode: u64::from(crc.sum()) }
    }
}

/// What a file begins with: it only grows while that stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    bytes: u64,
    crc: u32,
}

/// How many bytes are compared.
const MOST: u64 = 1 << 10;

impl Head {
    /// Of the file that is at a path now.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Head::first(path, MOST)
    }

    /// Whether the file at a path begins with the same bytes still.
    pub(super) fn is_of(self, path: &Path) -> io::Result<bool> {
        Ok(Head::first(path, self.bytes)? == self)
    }

    /// Whether a longer file would tell more.
    pub(super) fn is_short(self) -> bool {
        self.bytes < MOST
    }

    fn first(path: &Path, bytes: u64) -> io::Result<Self> {
        let mut start = Vec::new();
        File::open(path)?.take(bytes).read_to_end(&mut start)?;
        let mut crc = Crc::new();
        crc.update(&start);
        Ok(Head { bytes: start.len() as u64, crc: crc.sum() })
    }
}
