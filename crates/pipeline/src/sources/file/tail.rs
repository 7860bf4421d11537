//! One file that is read, and may grow.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::at_hand::FileAtHand;
use super::identity::{Head, Inode};
use super::positions::FileId;
use crate::sources::content::{Content, Step, is_damage};
use crate::sources::framer::Framer;
use crate::sources::unit::{Cutting, Taken};

/// A position behind all that will ever be in a file: it is damaged.
const BEHIND_ALL: u64 = u64::MAX;
/// How much is read at once.
const BLOCK: usize = 64 << 10;
/// How many blocks are read where others wait for it.
const MOST_AT_HAND: usize = 8;

#[derive(Debug)]
pub(super) struct Tail {
    pub(super) id: FileId,
    pub(super) path: PathBuf,
    pub(super) inode: Inode,
    pub(super) head: Head,
    /// Whether there may be more to read now.
    pub(super) has_more: bool,
    /// Whether no pattern matches it any more: it was renamed or removed.
    pub(super) is_gone: bool,
    /// Whether its end is its end, so that what stands there without a line feed is a line.
    pub(super) is_ending: bool,
    /// Whether all of it was read, and it is closed.
    pub(super) is_finished: bool,
    /// What it was when it was looked at last.
    seen: Option<(u64, SystemTime)>,
    /// Whether something was read since.
    has_grown: bool,
    cutting: Cutting,
    position: u64,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    content: Content<FileAtHand>,
    framer: Framer,
    /// What is read goes here first.
    block: Vec<u8>,
    /// What it was like when a batch was begun that is to be read on.
    begun: Option<Begun>,
}

#[derive(Debug, Clone, Copy)]
struct Begun {
    /// Whether bytes waited that were no record yet.
    had_rest: bool,
    /// Whether nothing was read since.
    is_quiet: bool,
}

/// What became of a file since it was looked at last.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// It may have grown.
    Grown,
    /// It was truncated, or written anew.
    Replaced,
}

impl Tail {
    /// A file that is to be read on at `position`.
    pub(super) fn new(id: FileId, path: PathBuf, inode: Inode, head: Head, position: u64, cutting: Cutting) -> Self {
        Tail {
            id,
            path,
            inode,
            head,
            has_more: position != BEHIND_ALL,
            is_gone: false,
            is_ending: false,
            is_finished: position == BEHIND_ALL,
            seen: None,
            has_grown: true,
            cutting,
            position,
            open: None,
        }
    }

    /// Opens it, so that it can be read to its end whatever becomes of its name.
    pub(super) fn open(&mut self) -> io::Result<()> {
        if self.open.is_some() || self.is_finished {
            return Ok(());
        }
        let mut content = Content::new(FileAtHand::open(&self.path)?, !self.is_ending);
        let mut framer = Framer::new(self.path.display().to_string().into(), self.cutting);
        let mut block = vec![0; BLOCK];
        if self.position > 0 {
            while !framer.is_known() {
                match content.read(&mut block)? {
                    Step::Bytes(read) => framer.push(&block[..read]),
                    Step::End | Step::Wait => break,
                }
            }
            content.go_to(self.position)?;
            framer.go_to(self.position);
        }
        self.open = Some(Open { content, framer, block, begun: None });
        Ok(())
    }

    /// Notes whether it is no longer among those that are named.
    pub(super) fn set_gone(&mut self, is_gone: bool) {
        if is_gone && !self.is_gone {
            // Who writes to it may not know yet: it is quiet from now on, if it is.
            self.has_grown = true;
        }
        if !is_gone && self.is_gone {
            // It has another name, or a look has missed it, and is read on.
            (self.is_ending, self.is_finished) = (false, self.position == BEHIND_ALL);
            (self.open, self.seen) = (None, None);
        }
        self.is_gone = is_gone;
    }

    /// Lets the next look see a change, whatever there is.
    pub(super) fn look_again(&mut self) {
        self.seen = None;
    }

    /// Looks how the file at its path, which is this one, has changed.
    pub(super) fn look(&mut self) -> io::Result<Change> {
        let metadata = fs::metadata(&self.path)?;
        let seen = Some((metadata.len(), metadata.modified()?));
        if seen == self.seen {
            return Ok(Change::None);
        }
        if metadata.len() < self.taken() || !self.head.is_of(&self.path)? {
            return Ok(Change::Replaced);
        }
        if self.head.is_short() {
            self.head = Head::of(&self.path)?;
        }
        self.seen = seen;
        Ok(Change::Grown)
    }

    /// Looks what is to be done, given how it has changed.
    pub(super) fn settle(&mut self, change: &Change) {
        let was_quiet = !std::mem::take(&mut self.has_grown);
        let waits = self.open.as_ref().is_some_and(|open| open.framer.is_whole() && open.framer.has_rest());
        self.is_ending |= self.is_gone && was_quiet;
        self.has_more =
            !self.is_finished && (self.has_more || self.is_gone || *change == Change::Grown || (waits && was_quiet));
    }

    /// Goes back to a position, to read again what follows.
    pub(super) fn go_to(&mut self, position: u64) -> io::Result<()> {
        self.position = position;
        (self.has_more, self.is_finished) = (true, false);
        if let Some(Open { content, framer, begun, .. }) = &mut self.open {
            *begun = None;
            content.go_to(position)?;
            framer.go_to(position);
        }
        Ok(())
    }

    /// Reads what makes a batch, or what there is.
    pub(super) fn read(&mut self) -> io::Result<Taken> {
        self.open()?;
        self.read_on(true)?.ok_or_else(|| ErrorKind::WouldBlock.into())
    }

    /// The same where nothing may block; `None` if it is to be read on where it may.
    pub(super) fn read_at_hand(&mut self) -> io::Result<Option<Taken>> {
        if self.open.is_none() { Ok(None) } else { self.read_on(false) }
    }

    fn read_on(&mut self, waits: bool) -> io::Result<Option<Taken>> {
        let Some(Open { content, framer, block, begun }) = &mut self.open else { return Ok(Some(Taken::default())) };
        if self.is_ending {
            content.ends();
        }
        if let Some(file) = content.source() {
            file.set_waits(waits);
        }
        let mut is_damaged = false;
        let Begun { had_rest, mut is_quiet } =
            begun.take().unwrap_or(Begun { had_rest: framer.has_rest(), is_quiet: true });
        let mut blocks = 0;
        while !framer.is_full() {
            blocks += 1;
            if !waits && blocks > MOST_AT_HAND {
                *begun = Some(Begun { had_rest, is_quiet });
                return Ok(None);
            }
            match content.read(block) {
                Ok(Step::Bytes(read)) => {
                    framer.push(&block[..read]);
                    (self.has_grown, is_quiet) = (true, false);
                    continue;
                }
                Ok(Step::End) => {}
                Ok(Step::Wait) => {
                    *begun = Some(Begun { had_rest, is_quiet });
                    return Ok(None);
                }
                Err(error) if content.is_gzip() && is_damage(&error) => {
                    framer.finish();
                    // One that is gone cannot be looked at again.
                    let start = beginning(&self.path, self.cutting.max_bytes).unwrap_or_default();
                    framer.set_aside(start, format!("damaged gzip: {error}"));
                    is_damaged = true;
                }
                Err(error) => return Err(error),
            }
            self.has_more = false;
            if self.is_ending || (framer.is_whole() && had_rest && is_quiet) {
                framer.finish();
            }
            break;
        }
        let mut taken = framer.take();
        if is_damaged {
            taken.end = BEHIND_ALL;
        }
        self.position = taken.end;
        if !self.has_more && (self.is_ending || is_damaged) {
            self.is_finished = true;
            // What was removed can only be read again while it is open.
            if !self.is_gone {
                self.open = None;
            }
        }
        Ok(Some(taken))
    }

    /// How far it was read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    fn taken(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.content.taken())
    }
}

/// How many bytes a file inflates to as far as it is there; `None` if it is not compressed.
pub(super) fn inflated_len(path: &Path) -> io::Result<Option<u64>> {
    let mut content = Content::new(File::open(path)?, true);
    let mut block = vec![0; BLOCK];
    let mut len = 0;
    loop {
        match content.read(&mut block) {
            Ok(Step::Bytes(_)) if !content.is_gzip() => return Ok(None),
            Ok(Step::Bytes(read)) => len += read as u64,
            Ok(Step::End | Step::Wait) => return Ok(content.is_gzip().then_some(len)),
            Err(error) if is_damage(&error) => return Ok(Some(BEHIND_ALL)),
            Err(error) => return Err(error),
        }
    }
}

fn beginning(path: &Path, bytes: usize) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    File::open(path)?.take(bytes as u64).read_to_end(&mut start)?;
    Ok(start)
}
