//! `file`: lines in files, named by when events happened.
//!
//! # When an event counts as written
//!
//! Lines are collected in memory, and committed about every second, or when there are many: appended to their files, which are
//! then flushed to the disk. Only then are their batches acknowledged. A file therefore holds whole commits, and behind them
//! at most a part of one that a crash cut off, which was not acknowledged and comes again. When a file is opened again, what was
//! cut off at its end is removed: half a line, or, of a compressed file, in which every commit is a member of its own, half a
//! member of gzip or frame of zstd. While the disk is full it waits, and what lies before it does; any other failure ends it.
//!
//! A file that is complete (`rotation.rs`) is renamed behind a commit, and nothing else is done to it: whenever a process is killed,
//! a commit is in one file, under one name.

mod rotation;
mod template;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;

use self::rotation::RotateConfig;
use self::template::PathTemplate;
use crate::codecs::{Encoder, EncodingConfig};
use crate::component::{
    Acknowledgement, Batch, BuildContext, BuildError, ComponentError, Healthcheck, Input, Outcome, Sink, SinkConfig,
    SinkContext,
};
use crate::compression::Compression;
use crate::durable_file::{DurableFile, is_full};
use crate::folders::{check_writable, look};
use crate::run::sleep_until;

/// Appends events to files, a line each. An event counts as delivered when it is on the disk, about once a second; while the
/// disk is full, the sink waits.
///
/// ```toml
/// [sinks.files]
/// type = "file"
/// inputs = ["flows"]
/// path = "/data/flows-%Y-%m-%d.ndjson"
/// encoding.codec = "json"
/// ```
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct FileConfig {
    /// The file, in which `%Y-%m-%d` and the like (strftime, UTC) stand for the time of each event, and `{{ name }}` for a
    /// member or `{{ %aws.log_group }}` for metadata. `%%` is a percent sign. A value is always part of a name: `/` in it
    /// becomes `_`, and what is missing `-`.
    path: String,
    /// How events are written.
    encoding: EncodingConfig,
    /// How files are compressed: `none`, `gzip` (a member a commit) or `zstd` (a frame a commit). Default: `none`.
    #[serde(default)]
    compression: Compression,
    /// When a file is complete, and gets a name with the time in it. Default: never.
    #[serde(default)]
    rotate: RotateConfig,
    /// Seconds after which a file that nothing more came for is closed. Default: 30.
    #[serde(default = "thirty")]
    idle_timeout_secs: u64,
}

fn thirty() -> u64 {
    30
}

impl SinkConfig for FileConfig {
    fn build(&self, context: &BuildContext) -> Result<Box<dyn Sink>, BuildError> {
        let mut problems = Vec::new();
        let template = PathTemplate::parse(&self.path).map_err(|problem| problems.push(problem.key("path")));
        let encoder = self.encoding.build().map_err(|problem| problems.push(problem));
        problems.extend(self.compression.problem());
        problems.extend(self.rotate.problems());
        match (template, encoder) {
            (Ok(template), Ok(encoder)) if problems.is_empty() => Ok(Box::new(FileSink {
                id: context.id.clone(),
                template,
                encoder,
                compression: self.compression,
                rotate: self.rotate,
                idle: Duration::from_secs(self.idle_timeout_secs),
                files: HashMap::new(),
                current: None,
                acknowledgements: Vec::new(),
                collected: 0,
                waiting: 0,
                complete: None,
            })),
            _ => Err(BuildError { problems }),
        }
    }
}

/// How long lines wait at most.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// How many bytes of them, in all files.
const COMMIT_BYTES: usize = 8 << 20;
/// How many files stay open.
const MAX_OPEN: usize = 256;
/// How long it waits at most until it looks whether a full disk has room.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How many are written in one go.
const WRITE_BYTES: usize = 1 << 20;

struct FileSink {
    /// The component's name.
    id: String,
    template: PathTemplate,
    encoder: Encoder,
    compression: Compression,
    rotate: RotateConfig,
    idle: Duration,
    files: HashMap<PathBuf, DurableFile>,
    /// The file that was written to last, which is not among the others.
    current: Option<DurableFile>,
    /// Of batches whose lines are not committed yet.
    acknowledgements: Vec<Acknowledgement>,
    /// Bytes of lines that are not committed yet.
    collected: usize,
    /// Bytes of lines that are not written yet.
    waiting: usize,
    /// When the next file is complete by its age.
    complete: Option<Instant>,
}

#[async_trait]
impl Sink for FileSink {
    fn healthcheck(&self) -> Healthcheck {
        let folder = self.template.folder();
        look(move || check_writable(&folder))
    }

    async fn run(mut self: Box<Self>, mut input: Input, _: SinkContext) -> Result<(), ComponentError> {
        let mut due: Option<Instant> = None;
        loop {
            let batch = tokio::select! {
                biased;
                () = sleep_until(due.into_iter().chain(self.complete).min()) => {
                    due = None;
                    self.commit().await?;
                    continue;
                }
                batch = input.recv() => batch,
            };
            let Some(batch) = batch else { break };
            self.collect(batch);
            if self.waiting >= WRITE_BYTES {
                self.write().await?;
            }
            if self.collected >= COMMIT_BYTES {
                due = None;
                self.commit().await?;
            } else if due.is_none() {
                due = Some(Instant::now() + COMMIT_INTERVAL);
            }
        }
        self.commit().await
    }
}

impl FileSink {
    fn collect(&mut self, mut batch: Batch) {
        let acknowledgement = batch.take_acknowledgement();
        let now = Timestamp::now();
        for event in batch.events() {
            let path = self.template.path(&event, now);
            // Mostly the same as before, which is seen sooner than looked up.
            if let Some(other) = self.current.take_if(|file| file.path().as_os_str() != path.as_os_str()) {
                self.files.insert(other.path().to_owned(), other);
            }
            let new = || match self.encoder.is_lines() {
                true => DurableFile::new(path.to_owned()),
                false => DurableFile::new(path.to_owned()).not_of_lines(),
            };
            let open = || self.files.remove(path).unwrap_or_else(new);
            let file = self.current.get_or_insert_with(open);
            let before = file.lines.len();
            self.encoder.encode(&event, &mut file.lines);
            self.collected += file.lines.len() - before;
            self.waiting += file.lines.len() - before;
        }
        self.acknowledgements.push(acknowledgement);
    }

    /// Writes what was collected.
    async fn write(&mut self) -> Result<(), ComponentError> {
        self.waiting = 0;
        if self.files.len() >= MAX_OPEN {
            return Ok(());
        }
        let compression = self.compression;
        self.with_files(move |files| files.values_mut().try_for_each(|file| file.write(compression))).await
    }

    /// Makes durable what was collected, and then says so.
    async fn commit(&mut self) -> Result<(), ComponentError> {
        let (compression, rotate) = (self.compression, self.rotate);
        let (now, idle) = (Instant::now(), self.idle);
        self.with_files(move |files| {
            let stay_open = files.len() <= MAX_OPEN;
            for file in files.values_mut() {
                if file.is_dirty() {
                    file.commit(compression, now)?;
                    if !stay_open {
                        file.close();
                    }
                }
                rotate.rotate(file, now)?;
            }
            files.retain(|_, file| {
                let is_used = stay_open && now.duration_since(file.used) < idle;
                if !is_used {
                    file.close();
                }
                is_used || rotate.due(file, now).is_some()
            });
            Ok(())
        })
        .await?;
        self.complete = self.files.values().filter_map(|file| self.rotate.due(file, now)).min();
        (self.collected, self.waiting) = (0, 0);
        self.acknowledgements.drain(..).for_each(|acknowledgement| acknowledgement.answer(Outcome::Delivered));
        Ok(())
    }

    /// Lets `work` have the files where it may block; again and again while the disk is full.
    async fn with_files(
        &mut self,
        work: impl Fn(&mut HashMap<PathBuf, DurableFile>) -> Result<(), ComponentError> + Clone + Send + 'static,
    ) -> Result<(), ComponentError> {
        self.files.extend(self.current.take().map(|file| (file.path().to_owned(), file)));
        let mut wait = Duration::from_secs(1);
        loop {
            let (mut files, work) = (std::mem::take(&mut self.files), work.clone());
            let done = tokio::task::spawn_blocking(move || {
                let done = work(&mut files);
                (files, done)
            });
            let (files, done) = done.await.map_err(|error| ComponentError::new("writing ended").caused_by(error))?;
            self.files = files;
            match done {
                Err(error) if is_full(&error) => {
                    tracing::error!(component_id = %self.id, "{error}: the disk is full; tried again in {wait:?}");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                done => return done,
            }
        }
    }
}
