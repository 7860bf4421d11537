//! The files that are read: found by their patterns, known again under other names.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::checkpoints::{Checkpoints, Row};
use super::config::ReadFrom;
use super::identity::{Head, Inode};
use super::positions::FileId;
use super::tail::{Change, Tail, inflated_len};
use super::{FileSource, Settled};
use crate::component::ComponentError;
use crate::durable_file::complete_lines;
use crate::sources::unit::Taken;

/// All files, and what is remembered of them. It blocks.
#[derive(Debug)]
pub(super) struct Files {
    source: Arc<FileSource>,
    settled: Arc<Settled>,
    tails: Vec<Tail>,
    checkpoints: Checkpoints,
    next_id: FileId,
    /// Behind which file the next is looked for.
    turn: usize,
    is_first_look: bool,
    /// Files that could not be read, which was said.
    failed: HashSet<PathBuf>,
    /// Whether checkpoints could not be written, which was said.
    is_unsaved: bool,
}

/// What was read of one of them.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) file: FileId,
    pub(super) inode: Inode,
    pub(super) taken: Taken,
}

impl Files {
    pub(super) fn new(source: Arc<FileSource>, settled: Arc<Settled>) -> Result<Self, ComponentError> {
        let checkpoints = Checkpoints::load(source.checkpoints.clone()).map_err(|error| {
            let path = source.checkpoints.clone().unwrap_or_default();
            ComponentError::new(format!("cannot read the checkpoints in {}", path.display())).caused_by(error)
        })?;
        Ok(Files {
            source,
            settled,
            tails: Vec::new(),
            checkpoints,
            next_id: 0,
            turn: 0,
            is_first_look: true,
            failed: HashSet::new(),
            is_unsaved: false,
        })
    }

    /// Looks which files there are, and what has become of those that were.
    pub(super) fn look(&mut self) -> Result<(), ComponentError> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        for path in self.source.paths()? {
            match fs::metadata(&path) {
                Ok(metadata) => {
                    let inode = Inode::of(&metadata, &path);
                    if seen.insert(inode) {
                        found.push((inode, path));
                    }
                }
                Err(error) => self.fail(&path, error)?,
            }
        }
        for index in 0..self.tails.len() {
            let tail = &mut self.tails[index];
            let path = found.iter().position(|(inode, _)| *inode == tail.inode).map(|at| found.remove(at).1);
            tail.set_gone(path.is_none());
            let change = match path {
                None => Change::None,
                Some(path) => {
                    tail.path = path;
                    match tail.look() {
                        Ok(change) => change,
                        // It is gone since.
                        Err(_) => Change::None,
                    }
                }
            };
            tail.settle(&change);
            let again = self.settled.lock().rewind(tail.id);
            if let Some(position) = again
                && let Err(error) = tail.go_to(position)
            {
                let path = tail.path.clone();
                self.fail(&path, error)?;
            }
            if change == Change::Replaced {
                let (inode, path) = (self.tails[index].inode, self.tails[index].path.clone());
                tracing::info!(path = %path.display(), "a file was truncated, and is read from its beginning");
                self.settled.lock().end(self.tails[index].id);
                self.tails[index] = self.tail(inode, Head::of(&path).unwrap_or_default(), path, 0);
            }
        }
        for (inode, path) in found {
            if let Err(error) = self.add(inode, &path) {
                self.fail(&path, error)?;
            }
        }
        self.close();
        self.is_first_look = false;
        Ok(())
    }

    /// Which file is to be read next, if any: those that are gone before those that took their place, else each in turn, or
    /// one after the other where none is followed.
    pub(super) fn next(&mut self) -> Option<usize> {
        let positions = self.settled.lock();
        let is_due = |tail: &Tail| tail.has_more && !(self.source.follow && positions.is_abandoned(tail.id));
        let count = self.tails.len();
        let from = if self.source.follow { self.turn } else { 0 };
        let gone = (0..count).find(|index| self.tails[*index].is_gone && is_due(&self.tails[*index]));
        let mut turns = (from..from + count).map(|index| index % count);
        let next = gone.or_else(|| turns.find(|index| is_due(&self.tails[*index])))?;
        self.turn = next + 1;
        Some(next)
    }

    /// Reads on in one of them. What it gives may be nothing.
    pub(super) fn read(&mut self, index: usize) -> Result<Piece, ComponentError> {
        let read = self.tails[index].read();
        self.piece(index, read)
    }

    /// The same without blocking; `None` if it is to be [read](Self::read) on.
    pub(super) fn read_at_hand(&mut self, index: usize) -> Result<Option<Piece>, ComponentError> {
        let read = self.tails[index].read_at_hand().transpose();
        read.map(|read| self.piece(index, read)).transpose()
    }

    fn piece(&mut self, index: usize, read: io::Result<Taken>) -> Result<Piece, ComponentError> {
        let tail = &mut self.tails[index];
        let (file, inode) = (tail.id, tail.inode);
        match read {
            Ok(taken) => {
                self.failed.remove(&self.tails[index].path);
                Ok(Piece { file, inode, taken })
            }
            Err(error) => {
                tail.has_more = false;
                tail.look_again();
                let (path, end) = (tail.path.clone(), tail.position());
                self.fail(&path, error)?;
                Ok(Piece { file, inode, taken: Taken { units: Vec::new(), end } })
            }
        }
    }

    /// Notes how far everything is settled, or says once that it cannot: reading goes on, and the next time may do.
    pub(super) fn try_to_save(&mut self) -> Result<(), ComponentError> {
        let saved = self.save();
        if let Err(error) = &saved
            && !self.is_unsaved
        {
            let cause: &dyn std::error::Error = error;
            tracing::error!(error = cause, "what was read is not remembered, and would come again");
        }
        self.is_unsaved = saved.is_err();
        Ok(())
    }

    /// Notes how far everything is settled.
    pub(super) fn save(&mut self) -> Result<(), ComponentError> {
        let now = Timestamp::now();
        let positions = self.settled.lock();
        for tail in &self.tails {
            let position = positions.position(tail.id);
            let (path, inode, head) = (tail.path.clone(), tail.inode, tail.head);
            self.checkpoints.note(Row { path, inode, head, position, seen: now.as_second() });
        }
        drop(positions);
        let saved = self.checkpoints.save(now);
        saved.map_err(|error| ComponentError::new("cannot write checkpoints").caused_by(error))
    }

    /// Takes up a file that was found.
    fn add(&mut self, inode: Inode, path: &Path) -> io::Result<()> {
        let known = self.checkpoints.find(inode, path)?.map(|row| row.position);
        let begins_at_end = self.source.read_from == ReadFrom::End && self.is_first_look && known.is_none();
        let position = if begins_at_end { end_of(path)? } else { known.unwrap_or(0) };
        let mut tail = self.tail(inode, Head::of(path)?, path.to_owned(), position);
        if self.source.follow {
            tail.open()?;
        }
        self.failed.remove(path);
        self.tails.push(tail);
        Ok(())
    }

    fn tail(&mut self, inode: Inode, head: Head, path: PathBuf, position: u64) -> Tail {
        self.next_id += 1;
        self.settled.lock().begin(self.next_id, position);
        let mut tail = Tail::new(self.next_id, path, inode, head, position, self.source.cutting);
        tail.is_ending = !self.source.follow;
        tail
    }

    /// Lets go of files that are gone, of which all was delivered.
    fn close(&mut self) {
        let mut positions = self.settled.lock();
        let seen = Timestamp::now().as_second();
        self.tails.retain(|tail| {
            let stays = !(tail.is_gone && tail.is_finished && positions.is_delivered(tail.id));
            if !stays {
                // Under a name that no look has seen, it may come back.
                let position = positions.position(tail.id);
                let (path, inode, head) = (tail.path.clone(), tail.inode, tail.head);
                self.checkpoints.note(Row { path, inode, head, position, seen });
                positions.end(tail.id);
            }
            stays
        });
    }

    /// A file that cannot be read ends a source that reads what is there; one that follows says so once, and tries again.
    fn fail(&mut self, path: &Path, error: io::Error) -> Result<(), ComponentError> {
        if !self.source.follow {
            return Err(ComponentError::new(format!("cannot read {}", path.display())).caused_by(error));
        }
        if self.failed.insert(path.to_owned()) {
            tracing::warn!(path = %path.display(), %error, "a file cannot be read, and is tried again");
        }
        Ok(())
    }
}

impl FileSource {
    /// The files that there are, sorted.
    fn paths(&self) -> Result<Vec<PathBuf>, ComponentError> {
        let mut paths = Vec::new();
        for pattern in &self.include {
            let before = paths.len();
            let found = glob::glob(pattern).map_err(|error| ComponentError::new(pattern.clone()).caused_by(error))?;
            for path in found {
                match path {
                    Ok(path) if path.is_file() && !self.exclude.iter().any(|pattern| pattern.matches_path(&path)) => {
                        paths.push(path);
                    }
                    Ok(_) => {}
                    // Somebody else's folder, or one that went while it was looked at.
                    Err(error) if self.follow => tracing::debug!(%error, "a folder cannot be looked at"),
                    Err(error) => return Err(ComponentError::new("cannot look for files").caused_by(error)),
                }
            }
            if paths.len() == before && !self.follow {
                return Err(ComponentError::new(format!("there is no file {pattern}")));
            }
        }
        paths.sort();
        paths.dedup();
        Ok(paths)
    }
}

/// Where the last line of a file ends; of a compressed one, as much of it as there is.
fn end_of(path: &Path) -> io::Result<u64> {
    match inflated_len(path)? {
        Some(len) => Ok(len),
        None => complete_lines(&mut File::open(path)?),
    }
}
