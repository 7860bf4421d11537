//! The file that remembers how far files were read.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::identity::{Head, Inode};

/// How long a file is remembered that is not there, in seconds.
const REMEMBERED: i64 = 24 * 60 * 60;

/// How far a file was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    /// What it was called, for those who look.
    pub(super) path: PathBuf,
    #[serde(flatten)]
    pub(super) inode: Inode,
    pub(super) head: Head,
    /// Bytes that are settled, of a compressed file inflated ones.
    pub(super) position: u64,
    /// When it was there last, in seconds since 1970.
    pub(super) seen: i64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Table {
    files: Vec<Row>,
}

/// The rows, and where they are kept.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    /// `None` keeps them nowhere.
    path: Option<PathBuf>,
    rows: HashMap<Inode, Row>,
    is_changed: bool,
}

impl Checkpoints {
    /// Reads what an earlier run kept.
    pub(super) fn load(path: Option<PathBuf>) -> io::Result<Self> {
        let table = match path.as_ref().map(fs::read) {
            None => Table::default(),
            Some(Err(error)) if error.kind() == ErrorKind::NotFound => Table::default(),
            Some(text) => serde_json::from_slice(&text?)?,
        };
        let rows = table.files.into_iter().map(|row| (row.inode, row)).collect();
        Ok(Checkpoints { path, rows, is_changed: false })
    }

    /// How far the file at a path was read, if it is one that was.
    pub(super) fn find(&self, inode: Inode, path: &Path) -> io::Result<Option<&Row>> {
        match self.rows.get(&inode) {
            Some(row) if row.head.is_of(path)? => Ok(Some(row)),
            _ => Ok(None),
        }
    }

    /// Notes how far a file was read.
    pub(super) fn note(&mut self, row: Row) {
        let is_news = |known: &Row| Row { seen: row.seen, ..known.clone() } != row;
        self.is_changed |= self.rows.get(&row.inode).is_none_or(is_news);
        self.rows.insert(row.inode, row);
    }

    /// Writes them, if there is news, and forgets files that are long gone.
    pub(super) fn save(&mut self, now: Timestamp) -> io::Result<()> {
        let Some(path) = self.path.as_ref().filter(|_| self.is_changed) else { return Ok(()) };
        self.rows.retain(|_, row| now.as_second() - row.seen < REMEMBERED);
        let mut files: Vec<Row> = self.rows.values().cloned().collect();
        files.sort_by(|one, other| one.path.cmp(&other.path));
        replace(path, &serde_json::to_vec_pretty(&Table { files })?)?;
        self.is_changed = false;
        Ok(())
    }
}

/// Puts another file in the place of one: whoever looks has the one or the other, also after a crash.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let fresh = path.with_extension("json.new");
    let mut file = File::create(&fresh)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_inode_and_beginning_and_forgotten_after_a_day() {
        let folder = std::env::temp_dir().join(format!("kinesis-logs-checkpoints-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (log, store) = (folder.join("a.log"), folder.join("in").join("files.json"));
        fs::write(&log, "one\n").unwrap();
        let inode = Inode::of(&fs::metadata(&log).unwrap(), &log);
        let seen: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
        let row = Row { path: log.clone(), inode, head: Head::of(&log).unwrap(), position: 4, seen: seen.as_second() };
        let mut checkpoints = Checkpoints::load(Some(store.clone())).unwrap();
        checkpoints.note(row.clone());
        checkpoints.save(seen).unwrap();

        let loaded = Checkpoints::load(Some(store.clone())).unwrap();
        fs::write(&log, "one\ntwo\n").unwrap();
        assert_eq!(loaded.find(inode, &log).unwrap(), Some(&row), "it has grown");
        fs::write(&log, "other\n").unwrap();
        assert_eq!(loaded.find(inode, &log).unwrap(), None, "it is another file at the same place");

        let mut later = Checkpoints::load(Some(store.clone())).unwrap();
        later.note(Row { position: 8, ..row });
        later.save(seen + jiff::SignedDuration::from_hours(25)).unwrap();
        fs::write(&log, "one\n").unwrap();
        assert_eq!(Checkpoints::load(Some(store)).unwrap().find(inode, &log).unwrap(), None);
        fs::remove_dir_all(&folder).unwrap();
    }
}
