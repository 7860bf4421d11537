//! How bytes come to the end of a file with little work for the kernel.
//!
//! Where much is written, it is written in pieces that end at round places of the file, so that the kernel keeps it in large parts of
//! memory of which none is filled twice; and room on the disk is taken a few pieces ahead, in one go. Together that takes a third off
//! the time of writing and flushing. Pieces of 2 MiB or more took up to ten times as long instead: for parts as large the kernel
//! moves its memory about.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice, Write};

use crate::file_system::is_in_memory;

/// Where pieces end.
const PIECE: u64 = 512 << 10;
/// How much room is taken at once.
#[cfg(target_os = "linux")]
const AHEAD: u64 = 4 << 20;

/// Bytes that wait to be appended, in order.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    buffers: VecDeque<Vec<u8>>,
    /// How much of the first was appended.
    taken: usize,
    bytes: u64,
}

impl Waiting {
    pub(super) fn push(&mut self, buffer: Vec<u8>) {
        self.bytes += buffer.len() as u64;
        self.buffers.push_back(buffer);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many of them are whole pieces of a file that has `len` bytes before them.
    pub(super) fn whole_pieces(&self, len: u64) -> u64 {
        ((len + self.bytes) / PIECE * PIECE).saturating_sub(len)
    }

    /// All in one buffer.
    pub(super) fn joined(&self) -> Vec<u8> {
        let mut joined = Vec::with_capacity(self.bytes as usize);
        self.slices(0, self.bytes).iter().for_each(|slice| joined.extend_from_slice(slice));
        joined
    }

    /// Those from one on up to another.
    fn slices(&self, from: u64, to: u64) -> Vec<IoSlice<'_>> {
        let mut slices = Vec::new();
        let mut end = 0;
        let mut skip = self.taken;
        for buffer in &self.buffers {
            let buffer = &buffer[std::mem::take(&mut skip)..];
            let start = end;
            end += buffer.len() as u64;
            let (from, to) = (from.clamp(start, end) - start, to.clamp(start, end) - start);
            if from < to {
                slices.push(IoSlice::new(&buffer[from as usize..to as usize]));
            }
        }
        slices
    }

    /// How many bytes of the first buffer were let go of, which itself is still there.
    pub(super) fn begun(&self) -> u64 {
        self.taken as u64
    }

    /// Lets those wait again too.
    pub(super) fn take_back(&mut self) {
        self.bytes += self.begun();
        self.taken = 0;
    }

    /// Lets go of the first `bytes`. Buffers of which nothing is left are emptied, and put into `spare`.
    pub(super) fn advance(&mut self, bytes: u64, spare: &mut Vec<Vec<u8>>) {
        self.bytes -= bytes;
        self.taken += bytes as usize;
        while let Some(mut first) = self.buffers.pop_front_if(|first| first.len() <= self.taken) {
            self.taken -= first.len();
            first.clear();
            spare.push(first);
        }
    }
}

/// A file that is appended to.
#[derive(Debug)]
pub(super) struct Appended {
    file: File,
    /// Up to where room was taken; none if there is no taking room.
    room: Option<u64>,
}

impl Appended {
    /// The file must have been opened to append. Room that a killed process took and did not fill is given back.
    pub(super) fn new(file: File) -> Self {
        give_back_room(&file);
        let room = (!is_in_memory(&file)).then_some(0);
        Appended { file, room }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Appends the first `bytes` of those that wait, which go on waiting, to the `len` bytes that the file has.
    pub(super) fn append(&mut self, waiting: &Waiting, bytes: u64, len: u64) -> io::Result<()> {
        let (mut at, end) = (len, len + bytes);
        while at < end {
            let next = end.min((at / PIECE + 1) * PIECE);
            if next - at == PIECE {
                self.take_room(next);
            }
            write_all(&mut self.file, &mut waiting.slices(at - len, next - len))?;
            at = next;
        }
        Ok(())
    }

    /// Takes room for a piece that ends there and some behind it, if there is none.
    #[cfg(target_os = "linux")]
    fn take_room(&mut self, end: u64) {
        use rustix::fs::{FallocateFlags, fallocate};

        let Some(room) = self.room.filter(|room| *room < end) else { return };
        let from = room.max(end - PIECE);
        // Not every file system can; and of a full one it will be told when it is written to.
        let taken = fallocate(&self.file, FallocateFlags::KEEP_SIZE, from, AHEAD);
        self.room = taken.is_ok().then_some(from + AHEAD);
    }

    #[cfg(not(target_os = "linux"))]
    fn take_room(&mut self, _: u64) {}

    /// Cuts the file to `len` bytes.
    pub(super) fn cut(&mut self, len: u64) -> io::Result<()> {
        self.room = self.room.map(|_| 0);
        self.file.set_len(len)
    }
}

impl Drop for Appended {
    fn drop(&mut self) {
        if self.room.is_some_and(|room| room > 0) {
            give_back_room(&self.file);
        }
    }
}

/// Gives back room behind a file's end, if there is some. If that fails it stays taken, and that is all.
#[cfg(target_os = "linux")]
fn give_back_room(file: &File) {
    use std::os::unix::fs::MetadataExt as _;

    if let Ok(metadata) = file.metadata()
        && metadata.blocks() * 512 > metadata.len() + PIECE
    {
        let _ = file.set_len(metadata.len());
    }
}

#[cfg(not(target_os = "linux"))]
fn give_back_room(_: &File) {}

fn write_all(file: &mut File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn scratch(name: &str) -> (PathBuf, File) {
        let path = std::env::temp_dir().join(format!("kinesis-logs-pipeline-appended-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let file = File::options().create(true).append(true).open(&path).unwrap();
        (path, file)
    }

    #[test]
    fn what_waits_is_appended_in_order_however_it_is_cut() {
        let (path, file) = scratch("order");
        let mut appended = Appended::new(file);
        let (mut waiting, mut spare) = (Waiting::default(), Vec::new());
        let (mut len, mut expected) = (0, Vec::new());
        for size in [10, 0, 1, PIECE as usize - 11, 3 * PIECE as usize + 5, 700_000, 0, 2] {
            let buffer: Vec<u8> = (0..size).map(|n| (n * 31 + size) as u8).collect();
            expected.extend_from_slice(&buffer);
            waiting.push(buffer);
            let whole = waiting.whole_pieces(len);
            appended.append(&waiting, whole, len).unwrap();
            waiting.advance(whole, &mut spare);
            len += whole;
            assert!(len.is_multiple_of(PIECE) && waiting.bytes() < PIECE);
            assert_eq!(waiting.joined(), expected[len as usize..]);
        }
        appended.append(&waiting, waiting.bytes(), len).unwrap();
        waiting.advance(waiting.bytes(), &mut spare);
        assert!(std::fs::read(&path).unwrap() == expected, "what is in the file is not what was appended");
        assert!(waiting.buffers.is_empty() && spare.len() == 8 && spare.iter().all(Vec::is_empty));
        std::fs::remove_file(&path).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn in_memory_no_room_is_taken_ahead() {
        let path = PathBuf::from(format!("/dev/shm/kinesis-logs-pipeline-appended-{}", std::process::id()));
        // Not every machine has such a place.
        let Ok(file) = File::options().create(true).append(true).open(&path) else { return };
        if !is_in_memory(&file) {
            return std::fs::remove_file(&path).unwrap();
        }
        let mut appended = Appended::new(file);
        let mut waiting = Waiting::default();
        waiting.push(vec![1; 2 * PIECE as usize]);
        appended.append(&waiting, waiting.bytes(), 0).unwrap();
        assert_eq!(appended.room, None);
        std::fs::remove_file(&path).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn room_that_was_not_filled_is_given_back_also_behind_a_process_that_was_killed() {
        use std::os::unix::fs::MetadataExt as _;

        for is_killed in [false, true] {
            let (path, file) = scratch("room");
            let mut appended = Appended::new(file);
            let mut waiting = Waiting::default();
            waiting.push(vec![1; PIECE as usize + 1]);
            appended.append(&waiting, waiting.bytes(), 0).unwrap();
            let taken = || std::fs::metadata(&path).unwrap().blocks() * 512;
            // Not every file system can.
            assert!(taken() >= AHEAD || appended.room.is_none(), "{} bytes are taken", taken());
            if is_killed {
                std::mem::forget(appended);
                drop(Appended::new(File::options().append(true).open(&path).unwrap()));
            } else {
                drop(appended);
            }
            assert!(taken() < AHEAD, "{} bytes are taken still", taken());
            assert_eq!(std::fs::read(&path).unwrap(), [1; PIECE as usize + 1]);
            std::fs::remove_file(&path).unwrap();
        }
    }
}
