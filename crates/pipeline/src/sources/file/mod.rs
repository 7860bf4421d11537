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
//! nothing else of it is under way.

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
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use self::config::FileConfig;
use self::config::ReadFrom;
use self::files::Files;
use self::positions::{FileId, Positions, Sent};
use super::pending::rejected_error;
use super::unit::{Cutting, Taken};
use crate::codecs::{DecodingAhead, RecordDecoder};
use crate::component::{Acknowledgement, ComponentError, Healthcheck, Outcome, Shutdown, Source, SourceContext};
use crate::folders::{check_readable, look};

/// How often checkpoints are written at most.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
struct FileSource {
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
        let SourceContext { outputs, shutdown, .. } = context;
        let source: Arc<FileSource> = Arc::from(self);
        let settled = Arc::new(Settled::default());
        let (of, with) = (source.clone(), settled.clone());
        let mut files = Lent::new(move || Files::new(of, with)).await?;
        let are_remembered = source.checkpoints.is_some();
        let decoding = DecodingAhead::new(source.decoder.clone(), outputs);
        let reading = Reading { source, settled: settled.clone(), decoding, shutdown };
        let read = reading.run(&mut files).await;
        settled.all().await;
        let saved = files.with(Files::save).await;
        read.and(saved)?;
        let positions = settled.lock();
        match (positions.rejected(), positions.abandoned()) {
            (0, 0) => Ok(()),
            (0, _) if are_remembered => Ok(()),
            (0, abandoned) => Err(ComponentError::new(format!(
                "{abandoned} batches were not delivered to all that take them, and it is not remembered which"
            ))),
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
    shutdown: Shutdown,
}

impl Reading {
    async fn run(mut self, files: &mut Lent) -> Result<(), ComponentError> {
        let read = self.read(files).await;
        // What lies behind has all of it then, and finishes.
        self.decoding.finish().await;
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
            let Some((file, taken)) = files.with(read_next).await? else { return Ok(()) };
            self.send(file, taken).await;
            if Instant::now() >= save {
                files.with(Files::try_to_save).await?;
                save = Instant::now() + SAVE_INTERVAL;
            }
        }
        Ok(())
    }

    async fn send(&mut self, file: FileId, taken: Taken) {
        let sent = self.settled.lock().send(file, taken.end);
        let settled = self.settled.clone();
        let acknowledgement = Acknowledgement::new(move |outcome| settled.answer(sent, outcome));
        if taken.units.is_empty() {
            return acknowledgement.answer(Outcome::Delivered);
        }
        if self.decoding.send(taken.into_records(), None, acknowledgement).await.is_err() {
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

    async fn with<T: Send + 'static>(
        &mut self,
        work: fn(&mut Files) -> Result<T, ComponentError>,
    ) -> Result<T, ComponentError> {
        let Some(mut files) = self.0.take() else { return Err(ComponentError::new("reading ended")) };
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
    ComponentError::new("reading ended").caused_by(error)
}

fn read_next(files: &mut Files) -> Result<Option<(FileId, Taken)>, ComponentError> {
    files.next().map(|index| files.read(index)).transpose()
}

/// What is settled, for those who read and those who answer.
#[derive(Debug, Default)]
struct Settled {
    positions: Mutex<Positions>,
    changed: Notify,
}

impl Settled {
    fn lock(&self) -> MutexGuard<'_, Positions> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, sent: Sent, outcome: Outcome) {
        self.lock().answer(sent, outcome);
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
