//! When lines are written, and when they are committed: one thing at a time, while others are encoded.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::files::Files;
use super::lines::Lines;
use super::pace::{Pace, Turn};
use crate::component::{Acknowledgement, ComponentError, Outcome};
use crate::durable_file::waits_for;
use crate::in_order::InOrder;
use crate::run::sleep_until;

/// How long lines wait at most for their commit.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// How many bytes of them, in all files.
const COMMIT_BYTES: usize = 8 << 20;
/// How many are written in one go, while the processor still has them at hand.
const WRITE_BYTES: usize = 512 << 10;
/// How many wait to be written before no more are taken.
const MAX_WAITING: usize = WRITE_BYTES;
/// What a batch counts for at least, as those do of which nothing is left: also their acknowledgements wait.
const LEAST_OF_BATCH: usize = 256;
/// How long it waits at first, and at most, until it looks whether a full disk has room.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Takes lines, and says that they are delivered when they are on the disk.
#[derive(Debug)]
pub(super) struct Disk {
    /// The component's name.
    id: String,
    state: State,
    pace: Pace,
    /// What no file has yet, in order, and how many bytes that counts for.
    waiting: Vec<Lines>,
    waiting_bytes: usize,
    /// Bytes that were taken since the last commit began.
    uncommitted: usize,
    /// Of lines that files have, and which are not committed.
    acknowledgements: Vec<Acknowledgement>,
    /// When the next commit is due.
    due: Option<Instant>,
    /// When the next file is complete by its age.
    complete: Option<Instant>,
    /// Whether the last commit has begun.
    is_last: bool,
    /// How long it waits until it tries again.
    wait: Duration,
    /// Buffers that are used again.
    spare: Vec<Vec<u8>>,
}

#[derive(Debug)]
enum State {
    Free(Files),
    Works(Work, JoinHandle<Worked>),
    /// There was no room, or the file is somebody else's, and it is tried again.
    Waits {
        files: Files,
        work: Work,
        again: Instant,
    },
    /// All is committed.
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Write,
    Commit,
}

/// What came of it.
#[derive(Debug)]
struct Worked {
    files: Files,
    result: Result<(), ComponentError>,
    took: Duration,
}

impl Disk {
    pub(super) fn new(id: String, files: Files) -> Self {
        Disk {
            id,
            state: State::Free(files),
            pace: Pace::default(),
            waiting: Vec::new(),
            waiting_bytes: 0,
            uncommitted: 0,
            acknowledgements: Vec::new(),
            due: None,
            complete: None,
            is_last: false,
            wait: FIRST_WAIT,
            spare: Vec::new(),
        }
    }

    /// Whether lines may be taken.
    pub(super) fn has_room(&self) -> bool {
        self.waiting_bytes < MAX_WAITING
    }

    pub(super) fn take(&mut self, lines: Lines) {
        self.waiting_bytes += lines.bytes().max(LEAST_OF_BATCH);
        self.uncommitted += lines.bytes();
        self.due.get_or_insert_with(|| Instant::now() + COMMIT_INTERVAL);
        self.waiting.push(lines);
    }

    /// An empty buffer.
    pub(super) fn spare(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Begins what is due, if nothing is under way. If nothing more will be taken, that is the last commit.
    pub(super) fn begin(&mut self, is_last: bool) {
        let State::Free(_) = &self.state else { return };
        let now = Instant::now();
        let is_due = self.due.into_iter().chain(self.complete).any(|due| due <= now);
        let work = if is_last || is_due || self.uncommitted >= COMMIT_BYTES {
            Work::Commit
        } else if self.waiting_bytes >= WRITE_BYTES {
            Work::Write
        } else {
            return;
        };
        let State::Free(mut files) = std::mem::replace(&mut self.state, State::Done) else { return };
        for Lines { of_files, acknowledgement } in self.waiting.drain(..) {
            of_files.into_iter().for_each(|(path, lines)| files.push(path, lines));
            self.acknowledgements.push(acknowledgement);
        }
        self.waiting_bytes = 0;
        if work == Work::Commit {
            (self.uncommitted, self.due, self.is_last) = (0, None, is_last);
        }
        let turn = if work == Work::Write && !files.must_open() { self.pace.turn() } else { None };
        self.state = State::Works(work, work.begin(files, turn));
    }

    /// Whether all is committed, and nothing more will come.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Whether something is under way.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.state, State::Works(..))
    }

    /// Waits for what is under way, or until something is due. Nothing is lost if it is not waited for to the end.
    ///
    /// # Errors
    ///
    /// Why nothing can be written any more; a disk that is full is waited for.
    pub(super) async fn progress(&mut self) -> Result<(), ComponentError> {
        match &mut self.state {
            State::Free(_) => sleep_until(self.due.into_iter().chain(self.complete).min()).await,
            State::Waits { again, .. } => {
                tokio::time::sleep_until(*again).await;
                self.try_again();
            }
            State::Works(work, task) => {
                let work = *work;
                let worked = task.await;
                let worked = worked.map_err(|error| ComponentError::new("writing ended").caused_by(error))?;
                return self.ended(work, worked);
            }
            State::Done => std::future::pending().await,
        }
        Ok(())
    }

    fn ended(&mut self, work: Work, worked: Worked) -> Result<(), ComponentError> {
        let Worked { mut files, result, took } = worked;
        if work == Work::Write {
            self.pace.note(took);
        }
        match result {
            Ok(()) => {
                self.wait = FIRST_WAIT;
                self.spare.extend(files.take_spare());
                self.spare.truncate(2 + InOrder::<()>::most());
                if work == Work::Commit {
                    self.complete = files.next_complete(Instant::now());
                    self.acknowledgements.drain(..).for_each(|batch| batch.answer(Outcome::Delivered));
                }
                self.state = if self.is_last { State::Done } else { State::Free(files) };
                Ok(())
            }
            Err(error) => {
                let Some(reason) = waits_for(&error) else { return Err(error) };
                let wait = self.wait;
                self.wait = (wait * 2).min(LONGEST_WAIT);
                tracing::error!(component_id = %self.id, "{error}: {reason}; tried again in {wait:?}");
                self.state = State::Waits { files, work, again: Instant::now() + wait };
                Ok(())
            }
        }
    }

    fn try_again(&mut self) {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Waits { files, work, .. } => self.state = State::Works(work, work.begin(files, None)),
            other => self.state = other,
        }
    }
}

impl Work {
    /// Does it, by a worker whose turn it is, or where it may block.
    fn begin(self, mut files: Files, turn: Option<Turn>) -> JoinHandle<Worked> {
        let now = Instant::now();
        let work = move || {
            let begun = std::time::Instant::now();
            let result = match self {
                Work::Write => files.write(),
                Work::Commit => files.commit(now),
            };
            Worked { files, result, took: begun.elapsed() }
        };
        match turn {
            Some(turn) => tokio::spawn(async move {
                let _turn = turn;
                work()
            }),
            None => tokio::task::spawn_blocking(work),
        }
    }
}
