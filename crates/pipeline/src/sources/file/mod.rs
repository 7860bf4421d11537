//! `file`: records and lines that lie in files, from the first to the last, and as they are written.
//!
//! # What is read, and when it counts
//!
//! A file is known by its inode and by what it begins with, not by its name. One that is renamed is read on; one that is
//! truncated, or written anew, is read from its beginning. With `follow` every file is looked at again and again: one that no
//! pattern matches any more is read to its end, until nothing was added between two looks, and before those that took its
//! place. A last line without a line feed waits for it until then.
//!
//! What is read is sent in batches, each of one file. A file's position moves over those that all sinks have accepted, without
//! a gap (`positions.rs`), and is what checkpoints say. If a batch is abandoned, its file is read again from its position once
//! nothing else of it is under way. One that is abandoned again and again is set aside (`given_up.rs`).

mod at_hand;
mod checkpoints;
mod config;
mod files;
mod identity;
mod positions;
mod tail;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use kinesis_logs_source::protocol::{Checkpoint, ExtendedSequenceNumber, PositionRange};
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use self::config::FileConfig;
use self::config::ReadFrom;
use self::files::{Files, Piece};
use self::identity::Inode;
use self::positions::{Positions, Sent};
use super::given_up::{REJECTED, given_up};
use super::pending::rejected_error;
use super::unit::Cutting;
use crate::codecs::{DecodingAhead, RecordDecoder};
use crate::component::{
    Acknowledgement, ComponentError, CutOffs, Healthcheck, Origin, Outcome, Outputs, Shutdown, Source, SourceContext,
};
use crate::folders::{check_readable, look};

/// How often checkpoints are written at most.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
struct FileSource {
    /// Its name in the configuration.
    id: Arc<str>,
    include: Vec<String>,
    exclude: Vec<glob::Pattern>,
    follow: bool,
    read_from: ReadFrom,
    /// The file that they are in; `None` remembers nothing.
    checkpoints: Option<PathBuf>,
    cooldown: Duration,
    cutting: Cutting,
    decoder: RecordDecoder,
}

#[async_trait]
impl Source for FileSource {
    fn healthcheck(&self) -> Healthcheck {
        let folders: BTreeSet<PathBuf> = self.include.iter().map(|pattern| folder(pattern)).collect();
        look(move || folders.iter().try_for_each(|folder| check_readable(folder)))
    }

    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), ComponentError> {
        let SourceContext { outputs, shutdown, first_epoch, cut_offs, .. } = context;
        let source: Arc<FileSource> = Arc::from(self);
        let settled = Arc::new(Settled::new(first_epoch, cut_offs));
        let (of, with) = (source.clone(), settled.clone());
        let mut files = Lent::new(move || Files::new(of, with)).await?;
        let are_remembered = source.checkpoints.is_some();
        let (follows, asked) = (source.follow, shutdown.clone());
        let decoding = DecodingAhead::new(source.decoder.clone(), outputs.clone());
        let reading = Reading { source, settled: settled.clone(), decoding, outputs, shutdown };
        let read = reading.run(&mut files).await;
        settled.all().await;
        let saved = files.with(Files::save).await;
        read.and(saved)?;
        let positions = settled.lock();
        match (positions.rejected(), positions.abandoned()) {
            (0, 0) => Ok(()),
            // They come again, if not now.
            (0, _) if are_remembered && (follows || asked.is_requested()) => Ok(()),
            (0, abandoned) => {
                let then = if are_remembered { "the next run reads them again" } else { "it is not remembered which" };
                let what = format!("{abandoned} batches were not delivered to all that take them");
                Err(ComponentError::new(format!("{what}, and {then}")))
            }
            (rejected, _) => Err(rejected_error(format!("{rejected} batches"))),
        }
    }
}

/// The folder that a pattern names before what may stand for anything.
fn folder(pattern: &str) -> PathBuf {
    let fixed = &pattern[..pattern.find(['*', '?', '[']).unwrap_or(pattern.len())];
    match fixed.rfind('/') {
        Some(end) => Path::new(&fixed[..end.max(1)]).to_owned(),
        None => PathBuf::new(),
    }
}

struct Reading {
    source: Arc<FileSource>,
    settled: Arc<Settled>,
    decoding: DecodingAhead,
    /// For what is set aside undecoded.
    outputs: Outputs,
    shutdown: Shutdown,
}

impl Reading {
    async fn run(mut self, files: &mut Lent) -> Result<(), ComponentError> {
        let read = self.read(files).await;
        // What lies behind has all of it then, and finishes.
        drop(self.outputs);
        let can_read_again = self.source.checkpoints.is_some();
        tokio::select! {
            () = self.decoding.finish() => {}
            () = self.shutdown.overdue(), if can_read_again => {}
        }
        read
    }

    async fn read(&mut self, files: &mut Lent) -> Result<(), ComponentError> {
        files.with(Files::look).await?;
        // Where reading begins must not be forgotten before anything was read.
        files.with(Files::save).await?;
        loop {
            self.read_all(files).await?;
            files.with(Files::try_to_save).await?;
            if !self.source.follow || self.is_over() {
                return Ok(());
            }
            let settled = self.settled.clone();
            tokio::select! {
                biased;
                () = self.shutdown.requested() => return Ok(()),
                () = settled.is_rejected() => return Ok(()),
                () = tokio::time::sleep(self.source.cooldown) => {}
            }
            files.with(Files::look).await?;
        }
    }

    /// Whether nothing more is to be read.
    fn is_over(&self) -> bool {
        self.shutdown.is_requested() || self.settled.lock().rejected() > 0
    }

    /// Reads what is there.
    async fn read_all(&mut self, files: &mut Lent) -> Result<(), ComponentError> {
        let mut save = Instant::now() + SAVE_INTERVAL;
        while !self.is_over() {
            let Some(piece) = files.read_next().await? else { return Ok(()) };
            let (can_read_again, mut overdue) = (self.source.checkpoints.is_some(), self.shutdown.clone());
            tokio::select! {
                biased;
                () = self.send(piece) => {}
                () = overdue.overdue(), if can_read_again => {}
            }
            if Instant::now() >= save {
                files.with(Files::try_to_save).await?;
                save = Instant::now() + SAVE_INTERVAL;
            }
        }
        Ok(())
    }

    async fn send(&mut self, Piece { file, inode, taken }: Piece) {
        let sent = self.settled.lock().send(file, taken.end);
        let settled = self.settled.clone();
        let cut_offs = settled.cut_offs.get();
        let acknowledgement = Acknowledgement::new(move |outcome| settled.answer(sent, cut_offs, outcome));
        if taken.units.is_empty() {
            return acknowledgement.answer(Outcome::Delivered);
        }
        let (records, origin) = (taken.into_records(), sent.origin(&self.source.id, inode));
        let is_given_up = self.settled.lock().is_given_up(sent);
        let sent = match is_given_up {
            true => self.outputs.send_to(REJECTED, given_up(records, Some(origin), acknowledgement)).await,
            false => self.decoding.send(records, Some(origin), acknowledgement).await,
        };
        if sent.is_err() {
            // Somebody behind it has failed, and said why; this source is being ended for it.
            self.shutdown.requested().await;
        }
    }
}

/// Files that work is done on where it may block.
struct Lent(Option<Files>);

impl Lent {
    async fn new(
        open: impl FnOnce() -> Result<Files, ComponentError> + Send + 'static,
    ) -> Result<Self, ComponentError> {
        let opened = tokio::task::spawn_blocking(open).await;
        opened.map_err(ended)?.map(|files| Lent(Some(files)))
    }

    /// Reads on in the file whose turn it is. What is at hand is read here: going where it may block costs as much.
    async fn read_next(&mut self) -> Result<Option<Piece>, ComponentError> {
        let files = self.0.as_mut().ok_or_else(lost)?;
        let Some(index) = files.next() else { return Ok(None) };
        match files.read_at_hand(index)? {
            Some(piece) => Ok(Some(piece)),
            None => self.with(move |files| files.read(index)).await.map(Some),
        }
    }

    async fn with<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Files) -> Result<T, ComponentError> + Send + 'static,
    ) -> Result<T, ComponentError> {
        let mut files = self.0.take().ok_or_else(lost)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&mut files);
            (files, done)
        });
        let (files, done) = done.await.map_err(ended)?;
        self.0 = Some(files);
        done
    }
}

fn ended(error: tokio::task::JoinError) -> ComponentError {
    lost().caused_by(error)
}

fn lost() -> ComponentError {
    ComponentError::new("reading ended")
}

/// What is settled, for those who read and those who answer.
#[derive(Debug)]
struct Settled {
    positions: Mutex<Positions>,
    changed: Notify,
    cut_offs: CutOffs,
}

impl Sent {
    /// What the batch covers of the file at `inode`.
    fn origin(self, source: &Arc<str>, inode: Inode) -> Origin {
        let at = |position: u64| ExtendedSequenceNumber::new(position.to_string(), 0);
        let from = if self.from == 0 { Checkpoint::TrimHorizon } else { Checkpoint::After(at(self.from)) };
        Origin {
            source: source.clone(),
            stream: "file".into(),
            shard_id: inode.id().into(),
            range: PositionRange { from, to: at(self.end) },
            epoch: self.epoch,
        }
    }
}

impl Settled {
    fn new(first_epoch: u64, cut_offs: CutOffs) -> Self {
        Settled { positions: Mutex::new(Positions::new(first_epoch)), changed: Notify::new(), cut_offs }
    }

    fn lock(&self) -> MutexGuard<'_, Positions> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, sent: Sent, cut_offs: u64, outcome: Outcome) {
        self.lock().answer(sent, outcome, self.cut_offs.get() != cut_offs);
        self.changed.notify_one();
    }

    /// Waits until all batches are answered for.
    async fn all(&self) {
        while !self.lock().is_settled() {
            self.changed.notified().await;
        }
    }

    /// Waits until somebody rejects what nobody takes.
    async fn is_rejected(&self) {
        while self.lock().rejected() == 0 {
            self.changed.notified().await;
        }
    }
}
