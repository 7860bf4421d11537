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

#[derive(Debug)]
struct Begun {
    /// Whether bytes waited that were no record yet.
    had_rest: bool,
    /// Whether nothing was read since.
    is_quiet: bool,
    /// What is wrong with what follows.
    damage: Option<io::Error>,
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
        let Some(Open { content, framer, begun, .. }) = &mut self.open else { return Ok(()) };
        *begun = None;
        let found = content.go_to(position);
        match &found {
            Ok(()) => framer.go_to(position),
            // It is somewhere else. Opened anew, it begins where it should.
            Err(_) => self.open = None,
        }
        found
    }

    /// Reads what makes a batch, or what there is.
    pub(super) fn read(&mut self) -> io::Result<Taken> {
        self.open()?;
        self.read_on(true)?.ok_or_else(|| ErrorKind::WouldBlock.into())
    }

    /// The same where nothing may block; `None` if it is to be read on where it may.
    pub(super) fn read_at_hand(&mut self) -> io::Result<Option<Taken>> {
        if self.open.is_none() {
            return Ok(None);
        }
        // Waiting is the rule, whoever reads next.
        self.set_waits(false);
        let read = self.read_on(false);
        self.set_waits(true);
        read
    }

    fn set_waits(&mut self, waits: bool) {
        if let Some(file) = self.open.as_mut().and_then(|open| open.content.source()) {
            file.set_waits(waits);
        }
    }

    fn read_on(&mut self, waits: bool) -> io::Result<Option<Taken>> {
        let Some(Open { content, framer, block, begun }) = &mut self.open else { return Ok(Some(Taken::default())) };
        if self.is_ending {
            content.ends();
        }
        let mut is_damaged = false;
        let Begun { had_rest, mut is_quiet, mut damage } =
            begun.take().unwrap_or_else(|| Begun { had_rest: framer.has_rest(), is_quiet: true, damage: None });
        let mut blocks = 0;
        while !framer.is_full() {
            blocks += 1;
            let step = match damage.take() {
                Some(error) => Err(error),
                None if !waits && blocks > MOST_AT_HAND => Ok(Step::Wait),
                None => content.read(block),
            };
            match step {
                Ok(Step::Bytes(read)) => {
                    framer.push(&block[..read]);
                    (self.has_grown, is_quiet) = (true, false);
                    continue;
                }
                Ok(Step::End) => {}
                Ok(Step::Wait) => {
                    *begun = Some(Begun { had_rest, is_quiet, damage: None });
                    return Ok(None);
                }
                Err(error) if !waits => {
                    // What is to be done about it may take a while.
                    *begun = Some(Begun { had_rest, is_quiet, damage: Some(error) });
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::sources::unit::Unit;

    /// A file that is followed, of which the test takes care itself.
    fn tail(name: &str, bytes: &[u8]) -> Tail {
        let path = std::env::temp_dir().join(format!("kinesis-logs-pipeline-tail-{name}-{}", std::process::id()));
        fs::write(&path, bytes).unwrap();
        let (inode, head) = (Inode::of(&fs::metadata(&path).unwrap(), &path), Head::of(&path).unwrap());
        let mut tail = Tail::new(1, path, inode, head, 0, Cutting { max_bytes: 1 << 20, objects_are_lines: false });
        tail.open().unwrap();
        tail
    }

    /// Reads what there is at hand, and the rest of it where that may wait.
    fn read(tail: &mut Tail) -> Taken {
        let at_hand = tail.read_at_hand().unwrap();
        at_hand.unwrap_or_else(|| tail.read().unwrap())
    }

    fn text(taken: Taken) -> String {
        let records = taken.units.into_iter().map(|unit| match unit {
            Unit::Record(record) | Unit::Lines(record, _) | Unit::Aside(record, _) => record.data,
        });
        records.map(|data| String::from_utf8_lossy(&data).into_owned()).collect()
    }

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn lines(count: u64) -> String {
        (0..count).map(|n| format!("{n:06} {:x}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect()
    }

    #[test]
    fn all_is_read_whether_it_is_at_hand_or_not() {
        let lines = lines(40_000);
        for (name, bytes) in [("plain", lines.clone().into_bytes()), ("packed", gzip(&lines))] {
            for must_wait in [false, true] {
                let mut tail = tail(name, &bytes);
                let mut all = String::new();
                while tail.has_more {
                    if must_wait && let Some(file) = tail.open.as_mut().and_then(|open| open.content.source()) {
                        file.must_wait();
                    }
                    all += &text(read(&mut tail));
                }
                assert!(all == lines, "{name}: {} of {} bytes", all.len(), lines.len());
                fs::remove_file(&tail.path).unwrap();
            }
        }
    }

    #[test]
    fn going_back_waits_for_what_is_not_at_hand() {
        let lines = lines(40_000);
        for (name, bytes) in [("back-plain", lines.clone().into_bytes()), ("back-packed", gzip(&lines))] {
            let mut tail = tail(name, &bytes);
            let first = read(&mut tail).end;
            while tail.has_more {
                read(&mut tail);
            }
            if let Some(file) = tail.open.as_mut().and_then(|open| open.content.source()) {
                file.must_wait();
            }
            tail.read_at_hand().unwrap();
            tail.go_to(first).unwrap();
            let mut again = String::new();
            while tail.has_more {
                again += &text(read(&mut tail));
            }
            assert!(again == lines[first as usize..], "{name}: {:?}", again.get(..40));
            fs::remove_file(&tail.path).unwrap();
        }
    }

    #[test]
    fn what_is_one_record_is_not_taken_for_whole_because_reading_it_was_interrupted() {
        let mut tail = tail("whole", &[1; 2000]);
        assert!(tail.read_at_hand().unwrap().is_none(), "nothing tells where it ends");
        assert_eq!(tail.read().unwrap().units, []);
        // Nobody has written more since.
        assert_eq!(tail.read().unwrap().units.len(), 1);
        fs::remove_file(&tail.path).unwrap();
    }

    #[test]
    fn damage_that_is_found_at_hand_is_dealt_with_where_it_may_be_waited_for() {
        let mut bytes = gzip(&lines(2000));
        let len = bytes.len();
        bytes[len - 6] ^= 1;
        let mut tail = tail("damaged", &bytes);
        let taken = loop {
            let taken = read(&mut tail);
            if taken.end == BEHIND_ALL {
                break taken;
            }
        };
        assert!(matches!(taken.units.last(), Some(Unit::Aside(_, why)) if why.contains("damaged gzip")));
        fs::remove_file(&tail.path).unwrap();
    }
}
