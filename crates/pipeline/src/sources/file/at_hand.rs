//! A file that is read with or without waiting for the disk.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use crate::file_system::is_in_memory;

/// Reading waits for the disk, as any file's does, or gives what memory has of it and says [`ErrorKind::WouldBlock`] of the rest:
/// that takes so little time that it need not be done where it may block. Also of its end, which only those who wait are told.
#[derive(Debug)]
pub(super) struct FileAtHand {
    file: File,
    waits: bool,
    /// Whether it is known that nobody can read it without waiting.
    must_wait: bool,
    /// Whether all of it is in memory.
    is_in_memory: bool,
}

impl FileAtHand {
    /// Opens a file, of which reading waits.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let (must_wait, is_in_memory) = (cfg!(not(target_os = "linux")), is_in_memory(&file));
        Ok(FileAtHand { file, waits: true, must_wait, is_in_memory })
    }

    /// Whether reading waits from now on.
    pub(super) fn set_waits(&mut self, waits: bool) {
        self.waits = waits;
    }

    /// Nothing of it is at hand from now on.
    #[cfg(test)]
    pub(super) fn must_wait(&mut self) {
        self.must_wait = true;
    }
}

impl Read for FileAtHand {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        if self.waits {
            return self.file.read(block);
        }
        if self.must_wait {
            return Err(ErrorKind::WouldBlock.into());
        }
        // Such file systems know no reading without waiting, as there is nothing to wait for.
        let read = if self.is_in_memory { self.file.read(block) } else { read_at_hand(&self.file, block) };
        match read {
            // Linux 5.9 and 5.10 say so also where there is more (preadv2(2), bugs).
            Ok(0) => Err(ErrorKind::WouldBlock.into()),
            Ok(read) => Ok(read),
            Err(error) => {
                // Not every file system can. What is wrong otherwise, reading that waits will tell.
                self.must_wait = !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted);
                Err(ErrorKind::WouldBlock.into())
            }
        }
    }
}

impl Seek for FileAtHand {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Reads on where the file was read to.
#[cfg(target_os = "linux")]
fn read_at_hand(file: &File, block: &mut [u8]) -> io::Result<usize> {
    const WHERE_IT_IS: u64 = u64::MAX;
    let mut blocks = [io::IoSliceMut::new(block)];
    Ok(rustix::io::preadv2(file, &mut blocks, WHERE_IT_IS, rustix::io::ReadWriteFlags::NOWAIT)?)
}

#[cfg(not(target_os = "linux"))]
fn read_at_hand(_: &File, _: &mut [u8]) -> io::Result<usize> {
    Err(ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn what_lies_in_memory_is_at_hand() {
        let path = std::path::PathBuf::from(format!("/dev/shm/kinesis-logs-pipeline-at-hand-{}", std::process::id()));
        // Not every machine has such a place.
        if std::fs::write(&path, "text").is_err() {
            return;
        }
        let mut file = FileAtHand::open(&path).unwrap();
        if !file.is_in_memory {
            return std::fs::remove_file(&path).unwrap();
        }
        file.set_waits(false);
        let mut block = [0; 8];
        assert_eq!(file.read(&mut block).unwrap(), 4);
        assert_eq!(file.read(&mut block).unwrap_err().kind(), ErrorKind::WouldBlock, "its end is told by waiting");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_is_not_at_hand_is_read_once_it_may_be_waited_for_and_nothing_twice() {
        let path = std::env::temp_dir().join(format!("kinesis-logs-pipeline-at-hand-{}", std::process::id()));
        let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n / 7) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        // As far as the file system does so, memory has nothing of it then.
        let written = File::open(&path).unwrap();
        written.sync_all().unwrap();
        #[cfg(target_os = "linux")]
        let _ = rustix::fs::fadvise(&written, 0, None, rustix::fs::Advice::DontNeed);
        let mut file = FileAtHand::open(&path).unwrap();
        let (mut read, mut block) = (Vec::new(), vec![0; 4096]);
        let mut waits = false;
        loop {
            file.set_waits(waits);
            match file.read(&mut block) {
                Ok(0) => break,
                Ok(len) => {
                    read.extend_from_slice(&block[..len]);
                    waits = false;
                }
                Err(error) => {
                    assert!(error.kind() == ErrorKind::WouldBlock && !waits, "{error}");
                    waits = true;
                }
            }
        }
        assert!(read == bytes, "{} bytes", read.len());
        std::fs::remove_file(&path).unwrap();
    }
}
