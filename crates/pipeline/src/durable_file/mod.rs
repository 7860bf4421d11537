//! A file that lines are appended to, which are on the disk before anybody is told so.
//!
//! A crash leaves at most a part of the last commit at its end, which was not acknowledged: that is removed when the file is
//! opened again.

mod appended;
mod opening;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use self::appended::{Appended, Waiting};
pub(crate) use self::opening::Units;
#[cfg(feature = "sources-file")]
pub(crate) use self::opening::complete_lines;
use self::opening::{Opening, folder, is_in_place};
use crate::component::ComponentError;
use crate::compression::Compression;

/// A file that is opened when there is something to commit.
#[derive(Debug)]
pub(crate) struct DurableFile {
    path: PathBuf,
    units: Units,
    is_shared: bool,
    file: Option<Appended>,
    /// What is to be appended.
    lines: Waiting,
    /// What that was in, once it was appended.
    spare: Vec<Vec<u8>>,
    /// How long it was after the last write that succeeded.
    len: u64,
    lengths: Lengths,
    /// Whether something was written since the last commit.
    is_written: bool,
    /// When it was last written to.
    pub(crate) used: Instant,
    /// When it was begun, if it was opened.
    begun: Option<Instant>,
}

impl DurableFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        DurableFile {
            path,
            units: Units::Lines,
            is_shared: false,
            file: None,
            lines: Waiting::default(),
            spare: Vec::new(),
            len: 0,
            lengths: Lengths::default(),
            is_written: false,
            used: Instant::now(),
            begun: None,
        }
    }

    /// The same of a file that may have been closed before, by one that had the same `lengths`.
    #[cfg(feature = "sinks-file")]
    pub(crate) fn with_lengths(path: PathBuf, lengths: &Lengths) -> Self {
        DurableFile { lengths: lengths.clone(), ..DurableFile::new(path) }
    }

    /// The same for what need not be lines.
    #[cfg(feature = "sinks-file")]
    pub(crate) fn of(self, units: Units) -> Self {
        DurableFile { units, ..self }
    }

    /// The same of a file that others append to as well: it is nobody's between commits, and a commit waits for theirs.
    pub(crate) fn shared(self) -> Self {
        DurableFile { is_shared: true, ..self }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes lines that the next write or commit is to append.
    pub(crate) fn push(&mut self, lines: Vec<u8>) {
        self.lines.push(lines);
    }

    /// Buffers of lines that were appended, emptied.
    pub(crate) fn take_spare(&mut self) -> impl Iterator<Item = Vec<u8>> {
        self.spare.drain(..)
    }

    /// Appends the lines, and waits until the disk has them, and all that was written before.
    pub(crate) fn commit(&mut self, compression: Compression, now: Instant) -> Result<(), ComponentError> {
        self.used = now;
        // What a disk lost that was to be flushed does not come back, whatever it says when it is asked again: that is the end,
        // also where it had no room.
        let committed = self.append(compression, true).and_then(|()| self.sync().map_err(io::Error::other));
        committed.map_err(|error| self.failed(error))?;
        if self.is_shared {
            self.close();
        }
        Ok(())
    }

    /// Appends what is worth it without waiting for the disk, while the processor still has it at hand. What is compressed waits
    /// for the commit, which is a member of its own.
    pub(crate) fn write(&mut self, compression: Compression) -> Result<(), ComponentError> {
        if compression == Compression::None {
            self.append(compression, false).map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// How many bytes it has, as they lie on the disk; 0 before it is opened.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// When its first line was written, also by an earlier run; `None` if it is empty.
    pub(crate) fn begun(&self) -> Option<Instant> {
        self.begun.filter(|_| self.len > 0)
    }

    /// Gives the file another name, under which nothing may be; the next commit begins a new one. To be called behind a
    /// commit: whenever the process ends, all that was committed is under the one name or the other, once.
    pub(crate) fn publish(&mut self, name: &Path) -> Result<(), ComponentError> {
        // Which gives back the room that it has not filled, as long as nobody else looks at it.
        self.file = None;
        let published = match fs::rename(&self.path, name) {
            // Somebody else has given it one.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            renamed => renamed.and_then(|()| File::open(folder(&self.path))?.sync_all()),
        };
        published.map_err(|error| {
            let text = format!("cannot give {} the name {}", self.path.display(), name.display());
            ComponentError::new(text).caused_by(error)
        })?;
        (self.len, self.begun) = (0, None);
        Ok(())
    }

    /// Lets go of the file, which is opened again when there is more to commit.
    pub(crate) fn close(&mut self) {
        if self.file.take().is_some() && !self.is_written {
            self.lengths.note(&self.path, self.len);
        }
    }

    #[cfg(feature = "sinks-file")]
    pub(crate) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Whether lines wait to be appended.
    pub(crate) fn has_lines(&self) -> bool {
        self.lines.bytes() > 0
    }

    /// Whether anything waits for a commit.
    pub(crate) fn is_dirty(&self) -> bool {
        self.is_written || self.has_lines()
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.file().sync_data())?;
        self.is_written = false;
        Ok(())
    }

    fn failed(&self, error: io::Error) -> ComponentError {
        ComponentError::new(format!("cannot write to {}", self.path.display())).caused_by(error)
    }

    /// Appends all lines, or whole pieces of them. Where it fails the lines are still there, and the file is as it was: it may be
    /// tried again.
    fn append(&mut self, compression: Compression, all: bool) -> io::Result<()> {
        if self.file.as_ref().is_some_and(|file| !is_in_place(file.file(), &self.path)) {
            self.let_go()?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let (units, is_shared, known) = (self.units, self.is_shared, self.lengths.take(&self.path));
                let file = Opening { compression, units, is_shared, known }.open(&self.path)?;
                let metadata = file.metadata()?;
                self.len = metadata.len();
                let age = metadata.created().ok().and_then(|created| created.elapsed().ok()).unwrap_or_default();
                let now = Instant::now();
                self.begun.get_or_insert(if self.len == 0 { now } else { now.checked_sub(age).unwrap_or(now) });
                self.file.insert(Appended::new(file))
            }
        };
        let bytes = if all { self.lines.bytes() } else { self.lines.whole_pieces(self.len) };
        let written = match compression {
            Compression::None => file.append(&self.lines, bytes, self.len),
            Compression::Gzip | Compression::Zstd => {
                // A member, or a frame, of its own.
                let mut member = Waiting::default();
                member.push(compression.compress(&self.lines.joined())?);
                file.append(&member, member.bytes(), self.len)
            }
        };
        if let Err(error) = written {
            self.step_back()?;
            return Err(error);
        }
        self.len = file.file().metadata()?.len();
        self.is_written |= bytes > 0;
        // Whoever does not take them has no use for them.
        self.spare.clear();
        self.lines.advance(bytes, &mut self.spare);
        Ok(())
    }

    /// Lets go of a file that somebody has moved, as logrotate does, or removed. It is theirs, but for a line that was begun in it, and
    /// is whole in the next.
    fn let_go(&mut self) -> io::Result<()> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        let begun = self.lines.begun();
        if begun > 0 && file.file().metadata().is_ok_and(|metadata| metadata.len() == self.len) {
            // If it cannot be made shorter, half a line stays.
            let _ = file.cut(self.len - begun);
        }
        self.lines.take_back();
        (self.len, self.begun) = (0, None);
        match file.file().sync_data() {
            // It was removed on another machine.
            Err(error) if error.kind() == io::ErrorKind::StaleNetworkFileHandle => Ok(()),
            synced => synced.map_err(io::Error::other),
        }
    }

    /// Removes what was written in part, and lets go of the file, which may be moved meanwhile. A file that cannot even be made
    /// shorter or flushed is not as it was, and not to be tried again.
    fn step_back(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        // Also of lines that were begun by a piece before: whoever opens the file next, this one too, takes half a line for what a
        // crash has left. The file may be shorter than that: somebody may have cut it.
        let whole = self.len.saturating_sub(self.lines.begun());
        if file.file().metadata()?.len() > whole {
            file.cut(whole).map_err(io::Error::other)?;
        }
        self.lines.take_back();
        self.len = whole;
        if self.is_written {
            self.sync().map_err(io::Error::other)?;
            // What is on the disk now still waits for its commit.
            self.is_written = true;
        }
        self.file = None;
        Ok(())
    }
}

/// How long files were when they were closed behind a commit: one that has that length still is complete, however long it takes to
/// see that of a compressed one. Clones are of the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lengths(Arc<Mutex<HashMap<PathBuf, u64>>>);

impl Lengths {
    /// How many are remembered. Without it a file is looked through once more.
    const MOST: usize = 1 << 16;

    fn note(&self, path: &Path, len: u64) {
        let mut lengths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lengths.len() >= Self::MOST {
            lengths.clear();
        }
        lengths.insert(path.to_owned(), len);
    }

    fn take(&self, path: &Path) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(path)
    }
}

/// Why a file cannot be written to now, if it can be some day.
#[cfg(feature = "sinks-file")]
pub(crate) fn waits_for(error: &ComponentError) -> Option<&'static str> {
    match cause(error)?.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some("the disk is full"),
        _ if is_locked(error) => Some("somebody else writes to it"),
        _ => None,
    }
}

/// Whether somebody else appends to the file: what the system says is busy, as a mount point, stays so.
#[cfg(feature = "sinks-file")]
pub(crate) fn is_locked(error: &ComponentError) -> bool {
    cause(error).is_some_and(|cause| cause.kind() == io::ErrorKind::ResourceBusy && cause.raw_os_error().is_none())
}

#[cfg(feature = "sinks-file")]
fn cause(error: &ComponentError) -> Option<&io::Error> {
    std::error::Error::source(error)?.downcast_ref()
}

#[cfg(test)]
#[allow(clippy::disallowed_types, reason = "what is inflated here was written here")]
mod tests {
    use std::io::Read as _;

    use flate2::bufread::MultiGzDecoder;

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("kinesis-logs-pipeline-{name}-{}", std::process::id()))
    }

    fn commit(path: &Path, compression: Compression, lines: &[u8]) -> Result<(), ComponentError> {
        let mut file = DurableFile::new(path.to_owned());
        file.push(lines.to_vec());
        file.commit(compression, Instant::now())
    }

    /// Whatever a crash leaves of the second of two commits, the third stands behind whole ones.
    fn cut_off_anywhere(name: &str, compression: Compression, inflate: impl Fn(&[u8]) -> String) {
        let path = scratch(name);
        commit(&path, compression, b"one\n").unwrap();
        let first = fs::read(&path).unwrap();
        commit(&path, compression, b"two\n").unwrap();
        let both = fs::read(&path).unwrap();
        for len in first.len()..=both.len() {
            fs::write(&path, &both[..len]).unwrap();
            commit(&path, compression, b"new\n").unwrap();
            let expected = if len == both.len() { "one\ntwo\nnew\n" } else { "one\nnew\n" };
            assert_eq!(inflate(&fs::read(&path).unwrap()), expected, "cut off at {len} of {}", both.len());
        }
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_gzip_member_that_was_cut_off_anywhere_is_removed_and_nothing_else() {
        cut_off_anywhere("members", Compression::Gzip, |bytes| {
            let mut text = String::new();
            MultiGzDecoder::new(bytes).read_to_string(&mut text).unwrap();
            text
        });
    }

    #[cfg(feature = "zstd")]
    #[test]
    fn a_zstd_frame_that_was_cut_off_anywhere_is_removed_and_nothing_else() {
        let inflate = |bytes: &[u8]| String::from_utf8(zstd::stream::decode_all(bytes).unwrap()).unwrap();
        cut_off_anywhere("frames", Compression::Zstd, inflate);
    }

    #[cfg(feature = "sinks-file")]
    #[test]
    fn a_file_that_was_closed_is_looked_through_again_only_if_it_has_another_length() {
        let path = scratch("closed");
        let lengths = Lengths::default();
        let commit = |line: &[u8]| {
            let mut file = DurableFile::with_lengths(path.clone(), &lengths);
            file.push(line.to_vec());
            file.commit(Compression::Gzip, Instant::now()).inspect(|()| file.close())
        };
        commit(b"one\n").unwrap();
        // Whoever looks through it finds it damaged now.
        let mut damaged = fs::read(&path).unwrap();
        damaged[12] ^= 0xff;
        fs::write(&path, &damaged).unwrap();
        commit(b"two\n").unwrap();
        let mut longer = fs::read(&path).unwrap();
        assert!(longer.len() > damaged.len() && longer.starts_with(&damaged));
        longer.push(0x1f);
        fs::write(&path, &longer).unwrap();
        commit(b"three\n").unwrap_err();
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_is_no_gzip_or_damaged_within_is_not_appended_to() {
        foreign("foreign", Compression::Gzip, 12);
    }

    #[cfg(feature = "zstd")]
    #[test]
    fn what_is_no_zstd_or_damaged_within_is_not_appended_to() {
        foreign("foreign-zstd", Compression::Zstd, 9);
    }

    fn foreign(name: &str, compression: Compression, damaged_at: usize) {
        let path = scratch(name);
        commit(&path, compression, b"one\n").unwrap();
        commit(&path, compression, b"two\n").unwrap();
        let mut damaged = fs::read(&path).unwrap();
        damaged[damaged_at] ^= 0xff;
        for before in [&b"plain text, and not compressed at all\n"[..], &damaged] {
            fs::write(&path, before).unwrap();
            let error = commit(&path, compression, b"new\n").unwrap_err();
            assert!(format!("{error:?}").contains("damaged at byte 0"), "{error:?}");
            assert_eq!(fs::read(&path).unwrap(), before);
        }
        fs::remove_file(&path).unwrap();
    }

    /// A write that finds the disk full lets go of the file, which somebody may then move to make room.
    fn full_behind_pieces(name: &str, lines: &[Vec<u8>], is_moved: bool, units: Units) {
        let (path, moved) = (scratch(name), scratch(&format!("{name}-moved")));
        let mut file = DurableFile { units, ..DurableFile::new(path.clone()) };
        for lines in lines {
            file.push(lines.clone());
            file.write(Compression::None).unwrap();
            file.step_back().unwrap();
        }
        assert!(file.len() >= 600_000 && file.is_dirty());
        let first = if is_moved {
            fs::rename(&path, &moved).unwrap();
            fs::read(&moved).unwrap()
        } else {
            Vec::new()
        };
        let is_lines = units == Units::Lines;
        assert!(!is_lines || first.last().is_none_or(|last| *last == b'\n'), "half a line is in a file that was moved");
        file.commit(Compression::None, Instant::now()).unwrap();
        assert!(
            [first, fs::read(&path).unwrap()].concat() == lines.concat(),
            "the file does not have what it was given"
        );
        assert!(!file.is_dirty());
        fs::remove_file(&path).unwrap();
        let _ = fs::remove_file(&moved);
    }

    #[test]
    fn what_was_written_before_the_disk_was_full_is_neither_lost_nor_torn() {
        let line = |n: usize| format!("{n:0>997}\n").into_bytes();
        let lines: Vec<Vec<u8>> = (0..9).map(|push| (0..300).flat_map(|n| line(push * 300 + n)).collect()).collect();
        full_behind_pieces("full", &lines, false, Units::Lines);
        full_behind_pieces("full-moved", &lines, true, Units::Lines);
        full_behind_pieces("full-not-of-lines", &lines, false, Units::Bytes);
        full_behind_pieces("full-not-of-lines-moved", &lines, true, Units::Bytes);
        // One line that is longer than a piece.
        let long = [[vec![b'x'; 700_000], b"\n".to_vec()].concat(), [vec![b'y'; 1_400_000], b"\n".to_vec()].concat()];
        full_behind_pieces("full-long", &[lines.concat(), long.concat()], true, Units::Lines);
    }

    #[test]
    fn what_comes_when_somebody_has_moved_or_removed_the_file_is_in_another_of_its_name() {
        let (path, moved) = (scratch("moved-away"), scratch("moved-away.1"));
        let mut file = DurableFile::new(path.clone());
        let mut commit = |line: &str| {
            file.push(line.as_bytes().to_vec());
            file.commit(Compression::None, Instant::now()).unwrap();
            assert_eq!(file.len(), fs::metadata(&path).unwrap().len());
        };
        commit("one\n");
        fs::rename(&path, &moved).unwrap();
        commit("two\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        fs::rename(&path, &moved).unwrap();
        // As logrotate makes one.
        fs::write(&path, "").unwrap();
        commit("three\n");
        assert_eq!(fs::read_to_string(&moved).unwrap(), "two\n");
        fs::remove_file(&path).unwrap();
        commit("four\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "four\n");
        fs::remove_file(&path).unwrap();
        fs::remove_file(&moved).unwrap();
    }

    #[test]
    fn what_somebody_has_added_to_a_file_that_was_moved_stays() {
        let (path, moved) = (scratch("added"), scratch("added.1"));
        let mut file = DurableFile::new(path.clone());
        file.push(b"one\n".to_vec());
        file.commit(Compression::None, Instant::now()).unwrap();
        fs::rename(&path, &moved).unwrap();
        fs::write(&moved, "one\nanother's\n").unwrap();
        file.push(b"two\n".to_vec());
        file.commit(Compression::None, Instant::now()).unwrap();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "one\nanother's\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        fs::remove_file(&path).unwrap();
        fs::remove_file(&moved).unwrap();
    }

    #[test]
    fn what_was_written_in_part_when_the_file_was_moved_is_whole_in_the_next() {
        let (path, moved) = (scratch("moved-within"), scratch("moved-within.1"));
        let mut file = DurableFile::new(path.clone());
        let line = |byte: u8| [vec![byte; 399_999], b"\n".to_vec()].concat();
        file.push(line(b'1'));
        file.push(line(b'2'));
        file.write(Compression::None).unwrap();
        assert_eq!(file.len(), 512 << 10);
        fs::rename(&path, &moved).unwrap();
        file.push(line(b'3'));
        file.commit(Compression::None, Instant::now()).unwrap();
        assert!(fs::read(&moved).unwrap() == line(b'1'));
        assert!(fs::read(&path).unwrap() == [line(b'2'), line(b'3')].concat());
        fs::remove_file(&path).unwrap();
        fs::remove_file(&moved).unwrap();
    }

    #[cfg(feature = "sinks-file")]
    #[test]
    fn a_file_has_one_who_appends_to_it_at_a_time() {
        let path = scratch("locked");
        let append = |file: &mut DurableFile, line: &str| {
            file.push(line.as_bytes().to_vec());
            file.commit(Compression::None, Instant::now())
        };
        let (mut one, mut other) = (DurableFile::new(path.clone()), DurableFile::new(path.clone()));
        append(&mut one, "one\n").unwrap();
        let error = append(&mut other, "two\n").unwrap_err();
        assert_eq!(waits_for(&error), Some("somebody else writes to it"));
        let of_the_system = io::Error::from_raw_os_error(rustix::io::Errno::BUSY.raw_os_error());
        assert_eq!(waits_for(&ComponentError::new("cannot rename").caused_by(of_the_system)), None);
        drop(one);
        // It is tried again with what it has.
        other.commit(Compression::None, Instant::now()).unwrap();
        drop(other);
        let mut shared = [(); 2].map(|()| DurableFile::new(path.clone()).shared());
        for line in ["three\n", "four\n"] {
            shared.iter_mut().for_each(|file| append(file, line).unwrap());
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\nthree\nfour\nfour\n");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn of_what_is_not_of_lines_nothing_is_removed() {
        let path = scratch("not-of-lines");
        for bytes in ["one\ntwo", "three"] {
            let mut file = DurableFile { units: Units::Bytes, ..DurableFile::new(path.clone()) };
            file.push(bytes.as_bytes().to_vec());
            file.commit(Compression::None, Instant::now()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwothree");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_line_that_was_cut_off_is_removed_and_nothing_else() {
        let long = vec![b'x'; 200_000];
        for (before, after) in [
            (&b""[..], &b""[..]),
            (b"one\n", b"one\n"),
            (b"one\ntw", b"one\n"),
            (b"tw", b""),
            (&[&b"one\n"[..], &long].concat(), b"one\n"),
        ] {
            let path = scratch("lines");
            fs::write(&path, before).unwrap();
            commit(&path, Compression::None, b"new\n").unwrap();
            assert_eq!(fs::read(&path).unwrap(), [after, b"new\n"].concat());
            fs::remove_file(&path).unwrap();
        }
    }
}
