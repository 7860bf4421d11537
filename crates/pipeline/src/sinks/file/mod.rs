//! `file`: lines in files, named by when events happened.
//!
//! # When an event counts as written
//!
//! Lines are collected in memory, and committed about every second, or when there are many: appended to their files in one
//! go, which are then flushed to the disk. Only then are their batches acknowledged. A file therefore holds whole commits,
//! and behind them at most a part of one that a crash cut off, which was not acknowledged and comes again. When a file is
//! opened again, a commit that was cut off at its end is removed: half a line, or, of a compressed file, in which every commit
//! is a member of its own, half a member.

mod open_file;
mod template;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;

use self::open_file::OpenFile;
use self::template::PathTemplate;
use crate::codecs::{Encoder, EncodingConfig};
use crate::component::{
    Acknowledgement, Batch, BuildContext, BuildError, ComponentError, Input, Outcome, Sink, SinkConfig, SinkContext,
};
use crate::run::sleep_until;

/// Appends events to files, a line each.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct FileConfig {
    /// The file, in which `%Y-%m-%d` and the like (strftime, UTC) stand for the time of each event. `%%` is a percent sign.
    path: String,
    /// How events are written.
    encoding: EncodingConfig,
    /// How files are compressed. Default: `none`.
    #[serde(default)]
    compression: Compression,
    /// Seconds after which a file that nothing more came for is closed. Default: 30.
    #[serde(default = "thirty")]
    idle_timeout_secs: u64,
}

fn thirty() -> u64 {
    30
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Compression {
    #[default]
    None,
    Gzip,
}

impl SinkConfig for FileConfig {
    fn build(&self, _: &BuildContext) -> Result<Box<dyn Sink>, BuildError> {
        let mut problems = Vec::new();
        let template = PathTemplate::parse(&self.path).map_err(|problem| problems.push(problem.key("path")));
        let encoder = self.encoding.build().map_err(|problem| problems.push(problem));
        match (template, encoder) {
            (Ok(template), Ok(encoder)) => Ok(Box::new(FileSink {
                template,
                encoder,
                compression: self.compression,
                idle: Duration::from_secs(self.idle_timeout_secs),
                files: HashMap::new(),
                acknowledgements: Vec::new(),
                collected: 0,
            })),
            _ => Err(BuildError { problems }),
        }
    }
}

/// How long lines wait at most.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// How many bytes of them, in all files.
const COMMIT_BYTES: usize = 8 << 20;

struct FileSink {
    template: PathTemplate,
    encoder: Encoder,
    compression: Compression,
    idle: Duration,
    files: HashMap<PathBuf, OpenFile>,
    /// Of batches whose lines are not committed yet.
    acknowledgements: Vec<Acknowledgement>,
    /// Bytes of lines that are not committed yet.
    collected: usize,
}

#[async_trait]
impl Sink for FileSink {
    async fn run(mut self: Box<Self>, mut input: Input, _: SinkContext) -> Result<(), ComponentError> {
        let mut due: Option<Instant> = None;
        loop {
            let batch = tokio::select! {
                biased;
                () = sleep_until(due) => {
                    due = None;
                    self.commit().await?;
                    continue;
                }
                batch = input.recv() => batch,
            };
            let Some(batch) = batch else { break };
            self.collect(batch);
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
            let path = self.template.path(event.timestamp().unwrap_or(now));
            // Mostly the same as before: no copy of the path is made then.
            let file = match self.files.get_mut(path) {
                Some(file) => file,
                None => self.files.entry(path.to_owned()).or_insert_with(|| OpenFile::new(path.to_owned())),
            };
            let before = file.lines.len();
            self.encoder.encode(&event, &mut file.lines);
            self.collected += file.lines.len() - before;
        }
        self.acknowledgements.push(acknowledgement);
    }

    /// Makes durable what was collected, and then says so.
    async fn commit(&mut self) -> Result<(), ComponentError> {
        let compression = self.compression;
        let (now, idle) = (Instant::now(), self.idle);
        let mut files = std::mem::take(&mut self.files);
        let committed = tokio::task::spawn_blocking(move || {
            for file in files.values_mut().filter(|file| !file.lines.is_empty()) {
                file.commit(compression, now)?;
            }
            files.retain(|_, file| now.duration_since(file.used) < idle);
            Ok(files)
        });
        self.files = match committed.await {
            Ok(committed) => committed?,
            Err(error) => return Err(ComponentError::new("writing ended").caused_by(error)),
        };
        self.collected = 0;
        self.acknowledgements.drain(..).for_each(|acknowledgement| acknowledgement.answer(Outcome::Delivered));
        Ok(())
    }
}
