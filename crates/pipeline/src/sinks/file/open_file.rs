//! One file, and the lines that are to be appended to it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use tokio::time::Instant;

use super::Compression;
use crate::component::ComponentError;

/// A file that is opened when there is something to commit.
#[derive(Debug)]
pub(super) struct OpenFile {
    path: PathBuf,
    file: Option<File>,
    /// What was encoded and not committed.
    pub(super) lines: Vec<u8>,
    /// When it was last written to.
    pub(super) used: Instant,
}

impl OpenFile {
    pub(super) fn new(path: PathBuf) -> Self {
        OpenFile { path, file: None, lines: Vec::new(), used: Instant::now() }
    }

    /// Appends the lines, and waits until the disk has them.
    pub(super) fn commit(&mut self, compression: Compression, now: Instant) -> Result<(), ComponentError> {
        self.used = now;
        self.append(compression)
            .map_err(|error| ComponentError::new(format!("cannot write to {}", self.path.display())).caused_by(error))
    }

    fn append(&mut self, compression: Compression) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(open(&self.path, compression)?),
        };
        match compression {
            Compression::None => file.write_all(&self.lines)?,
            Compression::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(&self.lines)?;
                file.write_all(&encoder.finish()?)?;
            }
        }
        file.sync_data()?;
        self.lines.clear();
        Ok(())
    }
}

/// Opens a file to append to, which is made with its folders if it is not there.
fn open(path: &Path, compression: Compression) -> io::Result<File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::create_dir_all(folder)?;
    }
    let is_new = !path.exists();
    let mut file = File::options().read(true).append(true).create(true).open(path)?;
    if is_new {
        // Its name must be as durable as what it holds.
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    } else if compression == Compression::None {
        remove_cut_line(&mut file, path)?;
    }
    Ok(file)
}

/// Shortens a file to its last line feed: every commit ends in one, so that what stands behind it was never acknowledged.
fn remove_cut_line(file: &mut File, path: &Path) -> io::Result<()> {
    const BLOCK: u64 = 64 << 10;
    let len = file.metadata()?.len();
    let mut end = len;
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        block.clear();
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(file).take(end - start).read_to_end(&mut block)?;
        match block.iter().rposition(|byte| *byte == b'\n') {
            Some(index) => {
                end = start + index as u64 + 1;
                break;
            }
            None => end = start,
        }
    }
    if end < len {
        tracing::warn!(path = %path.display(), bytes = len - end, "a line that was cut off is removed");
        file.set_len(end)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let path = std::env::temp_dir().join(format!("kinesis-logs-pipeline-cut-{}", std::process::id()));
            fs::write(&path, before).unwrap();
            let mut file = OpenFile::new(path.clone());
            file.lines.extend_from_slice(b"new\n");
            file.commit(Compression::None, Instant::now()).unwrap();
            assert_eq!(fs::read(&path).unwrap(), [after, b"new\n"].concat());
            fs::remove_file(&path).unwrap();
        }
    }
}
