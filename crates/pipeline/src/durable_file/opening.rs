//! A file to append to is opened: it is there for good, nobody else writes to it, and what a crash cut off is removed.

#![allow(clippy::disallowed_types, reason = "what is inflated here is counted, not kept")]

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::bufread::GzDecoder;

use crate::compression::{Compression, pass_over_zstd_frame};
use crate::file_system::is_on_smb;

/// What is appended, of which a crash may leave a part at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Units {
    /// Lines: what ends in no line feed was cut off.
    Lines,
    /// Rows of CSV, which may have line feeds within quotes.
    #[cfg_attr(not(feature = "sinks-file"), allow(dead_code, reason = "only this sink writes them"))]
    Rows,
    /// Anything: as long as it is not compressed nothing tells a part from a whole, and nothing is removed.
    #[cfg_attr(not(feature = "sinks-file"), allow(dead_code, reason = "only this sink writes them"))]
    Bytes,
}

/// How a file is opened.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) compression: Compression,
    pub(super) units: Units,
    /// Whether others who have it now are waited for.
    pub(super) is_shared: bool,
    /// A length with which it is known to be complete, and is not looked through.
    pub(super) known: Option<u64>,
}

impl Opening {
    /// Opens a file to append to, which is made with its folders if it is not there.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::ResourceBusy`] if somebody else appends to it, in this process or in another.
    pub(super) fn open(&self, path: &Path) -> io::Result<File> {
        make_folder(folder(path))?;
        let (mut file, is_new) = self.of_its_own(path)?;
        if is_new {
            // Its name must be as durable as what it holds.
            flush(folder(path))?;
        } else if self.known.is_none_or(|known| file.metadata().is_ok_and(|metadata| metadata.len() != known)) {
            let complete = self.complete(&mut file)?;
            let len = file.metadata()?.len();
            if complete < len {
                tracing::warn!(path = %path.display(), bytes = len - complete, "a commit that was cut off is removed");
                file.set_len(complete)?;
            }
        }
        Ok(file)
    }

    /// The file, locked, and whether it was not there.
    fn of_its_own(&self, path: &Path) -> io::Result<(File, bool)> {
        let mut is_new = false;
        for _ in 0..8 {
            is_new |= !path.exists();
            let file = File::options().read(true).append(true).create(true).open(path)?;
            lock(&file, self.is_shared)?;
            // Whoever had it may have given it another name before.
            if is_in_place(&file, path) {
                return Ok((file, is_new));
            }
        }
        Err(io::Error::other("somebody moves it again and again"))
    }

    /// How long a file is without what was cut off at its end.
    fn complete(&self, file: &mut File) -> io::Result<u64> {
        match (self.compression, self.units) {
            (Compression::None, Units::Lines) => complete_lines(file),
            (Compression::None, Units::Rows) => match complete_rows(file)? {
                Some(complete) => Ok(complete),
                None => complete_lines(file),
            },
            (Compression::None, Units::Bytes) => Ok(file.metadata()?.len()),
            (Compression::Gzip, _) => {
                complete_members(file, |reader| io::copy(&mut GzDecoder::new(reader), &mut io::sink()).map(drop))
            }
            (Compression::Zstd, _) => complete_members(file, |reader| pass_over_zstd_frame(reader)),
        }
    }
}

/// Sees that nobody else appends to a file as long as it is open: what one has half written the other would remove. The lock is
/// advisory (flock(2)), and holds up no reader. Where there are none, nobody is held up; where it would hold up readers, as on SMB,
/// there is none.
fn lock(file: &File, waits: bool) -> io::Result<()> {
    use std::fs::TryLockError;

    if !cfg!(unix) || !file.metadata()?.is_file() || is_on_smb(file) {
        return Ok(());
    }
    match file.try_lock() {
        Err(TryLockError::WouldBlock) if waits => file.lock(),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(io::ErrorKind::ResourceBusy, "it is locked")),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Whether a file is still the one that a path leads to, and was neither moved nor removed.
#[cfg(unix)]
pub(super) fn is_in_place(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    let inode = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata().map(inode), fs::metadata(path).map(inode)) {
        (Ok(open), Ok(there)) => open == there,
        // As of a file on another machine that was removed there.
        (Err(_), _) => false,
        (_, Err(error)) => error.kind() != io::ErrorKind::NotFound,
    }
}

#[cfg(not(unix))]
pub(super) fn is_in_place(_: &File, _: &Path) -> bool {
    true
}

/// Makes a folder and those above it, with names as durable as what will be in them.
fn make_folder(path: &Path) -> io::Result<()> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.is_dir();
    let missing: Vec<&Path> = path.ancestors().take_while(is_missing).collect();
    fs::create_dir_all(path)?;
    missing.into_iter().try_for_each(|made| flush(folder(made)))
}

/// Makes names in a folder durable, where that can be done.
fn flush(folder: &Path) -> io::Result<()> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};

    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Not every file system can, nor everybody who may write there.
        Err(error) if matches!(error.kind(), InvalidInput | PermissionDenied | Unsupported) => Ok(()),
        flushed => flushed,
    }
}

/// The folder that a file is in.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// How long a file is up to its last line feed: every commit ends in one, so that what stands behind it was never
/// acknowledged.
pub(crate) fn complete_lines(file: &mut File) -> io::Result<u64> {
    const BLOCK: u64 = 64 << 10;
    let mut end = file.metadata()?.len();
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        block.clear();
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(file).take(end - start).read_to_end(&mut block)?;
        match block.iter().rposition(|byte| *byte == b'\n') {
            Some(index) => return Ok(start + index as u64 + 1),
            None => end = start,
        }
    }
    Ok(0)
}

/// The most that a part of a row can be that a crash has left: what is written before it is committed, and a large event.
const MOST_OF_ROW: u64 = 32 << 20;

/// How long a file of CSV is up to the last line feed that ends a row. One within quotes does not, and which do only the beginning
/// tells: the file is read through.
///
/// `None` if it is none that this has written, or more would go than a crash can have left: then quotes tell nothing.
fn complete_rows(file: &mut File) -> io::Result<Option<u64>> {
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::with_capacity(256 << 10, file);
    let (mut at, mut end, mut place) = (0, 0, InRow::CellBegins);
    loop {
        let block = reader.fill_buf()?;
        if block.is_empty() {
            return Ok((at - end <= MOST_OF_ROW).then_some(end));
        }
        for byte in block {
            at += 1;
            place = match (place, byte) {
                (InRow::Quoted, b'"') => InRow::QuoteEnds,
                (InRow::Quoted, _) | (InRow::CellBegins | InRow::QuoteEnds, b'"') => InRow::Quoted,
                (_, b'\n') => {
                    end = at;
                    InRow::CellBegins
                }
                (_, b',') => InRow::CellBegins,
                (InRow::Unquoted, b'"') | (InRow::QuoteEnds, _) => return Ok(None),
                (InRow::CellBegins | InRow::Unquoted, _) => InRow::Unquoted,
            };
        }
        let len = block.len();
        reader.consume(len);
    }
}

/// Where a byte of CSV stands.
#[derive(Debug, Clone, Copy)]
enum InRow {
    CellBegins,
    Unquoted,
    Quoted,
    /// Behind a quote that ends a cell, or stands for itself with another behind it.
    QuoteEnds,
}

/// How long a file is up to the end of its last whole gzip member, or zstd frame: every commit is one. What was appended behind
/// half of one could not be read again.
///
/// # Errors
///
/// If a member is damaged and not just cut off: that is not what a crash leaves, and what lies behind it may be data.
fn complete_members(
    file: &mut File,
    mut pass_over: impl FnMut(&mut BufReader<&mut File>) -> io::Result<()>,
) -> io::Result<u64> {
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::with_capacity(256 << 10, file);
    let mut end = 0;
    while !reader.fill_buf()?.is_empty() {
        match pass_over(&mut reader) {
            Ok(()) => end = reader.stream_position()?,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => {
                return Err(io::Error::new(error.kind(), format!("it is damaged at byte {end} or behind: {error}")));
            }
        }
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Removes what a crash has left of rows.
    fn open_rows(path: &Path) {
        let opening = Opening { compression: Compression::None, units: Units::Rows, is_shared: false, known: None };
        opening.open(path).unwrap();
    }

    #[test]
    fn a_row_that_was_cut_off_is_removed_also_within_quotes_and_nothing_else() {
        let path = std::env::temp_dir().join(format!("kinesis-logs-pipeline-rows-{}", std::process::id()));
        let rows = ["a,b\n", "a,\"one\nand \"\"two\"\"\n\"\n", "\"\n\n\",\"\"\n", "\n", "é,c\n"];
        let all = rows.concat();
        let whole = |len: usize| {
            let ends = rows.iter().scan(0, |end, row| {
                *end += row.len();
                Some(*end)
            });
            ends.take_while(|end| *end <= len).last().unwrap_or(0)
        };
        for len in 0..=all.len() {
            fs::write(&path, &all.as_bytes()[..len]).unwrap();
            open_rows(&path);
            assert_eq!(fs::read(&path).unwrap(), all.as_bytes()[..whole(len)], "cut off at {len}");
        }
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn of_what_is_no_csv_only_a_line_is_removed_that_was_cut_off() {
        let path = std::env::temp_dir().join(format!("kinesis-logs-pipeline-no-rows-{}", std::process::id()));
        let rows = "3,c,\"d\"\n".repeat(1000);
        // JSON, text, and a row that was torn within quotes and written on.
        for before in ["{\"a\":\"5\\\" pipe\"}\n", "it is 5\" long\n", "1,a,\"one\nand tw\n"] {
            let whole = [before, &rows].concat();
            fs::write(&path, format!("{whole}4,cut o")).unwrap();
            open_rows(&path);
            assert_eq!(fs::read_to_string(&path).unwrap(), whole, "{before:?}");
        }
        // Quotes that are never closed.
        let whole = ["\"torn\n", &"plain,row\n".repeat((MOST_OF_ROW / 10) as usize + 1)].concat();
        fs::write(&path, &whole).unwrap();
        assert_eq!(complete_rows(&mut File::open(&path).unwrap()).unwrap(), None);
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn folders_are_made_from_the_nearest_that_is_there() {
        let top = std::env::temp_dir().join(format!("kinesis-logs-pipeline-folders-{}", std::process::id()));
        make_folder(&top.join("a/b/c")).unwrap();
        make_folder(&top.join("a/b/c")).unwrap();
        make_folder(Path::new("")).unwrap();
        fs::write(top.join("file"), "").unwrap();
        make_folder(&top.join("file/d")).unwrap_err();
        fs::remove_dir_all(&top).unwrap();
    }
}
