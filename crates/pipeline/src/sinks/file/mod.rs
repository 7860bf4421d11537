//! `file`: lines in files, named by when events happened.
//!
//! # When an event counts as written
//!
//! Several batches are encoded at once (`lines.rs`). Their lines are appended to their files in order, and about every second, or
//! when there are many, flushed to the disk, which is a commit (`disk.rs`); meanwhile the next are encoded. Only behind a commit
//! are batches acknowledged. A file therefore holds whole commits, and behind them
//! at most a part of one that a crash cut off, which was not acknowledged and comes again. When a file is opened again, what was
//! cut off at its end is removed: half a line or a row of CSV, or, of a compressed file, in which every commit is a member of its own,
//! half a member of gzip or frame of zstd. While the disk is full, or somebody else has the file, it waits, and what lies before it
//! does; any other failure ends it.
//!
//! A file that is complete (`rotation.rs`) is renamed behind a commit, and nothing else is done to it: whenever a process is killed,
//! a commit is in one file, under one name.

mod disk;
mod files;
mod lines;
mod pace;
mod rotation;
mod template;

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;

use self::disk::Disk;
use self::files::Files;
use self::lines::LineEncoder;
use self::rotation::RotateConfig;
use self::template::PathTemplate;
use crate::codecs::EncodingConfig;
use crate::component::{BuildContext, BuildError, ComponentError, Healthcheck, Input, Sink, SinkConfig, SinkContext};
use crate::compression::Compression;
use crate::folders::{check_writable, look};
use crate::in_order::InOrder;

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
            (Ok(template), Ok(encoder)) if problems.is_empty() => {
                let idle = Duration::from_secs(self.idle_timeout_secs);
                let files = Files::new(self.compression, self.rotate, encoder.units(), idle);
                let disk = Disk::new(context.id.clone(), files);
                Ok(Box::new(FileSink { encoding: LineEncoder::new(template, encoder), disk }))
            }
            _ => Err(BuildError { problems }),
        }
    }

    fn writes_alone(&self) -> Option<&str> {
        Some(&self.path)
    }
}

struct FileSink {
    encoding: LineEncoder,
    disk: Disk,
}

#[async_trait]
impl Sink for FileSink {
    fn healthcheck(&self) -> Healthcheck {
        let folder = self.encoding.folder();
        look(move || check_writable(&folder))
    }

    async fn run(self: Box<Self>, mut input: Input, _: SinkContext) -> Result<(), ComponentError> {
        let FileSink { encoding, mut disk } = *self;
        let mut idle = vec![encoding; InOrder::<()>::most()];
        let mut under_way = InOrder::new();
        let mut has_ended = false;
        loop {
            disk.begin(has_ended && under_way.is_empty());
            if disk.is_done() {
                return Ok(());
            }
            let is_busy = disk.is_busy() || !under_way.is_empty();
            tokio::select! {
                biased;
                result = disk.progress() => result?,
                (encoding, lines) = under_way.next(), if disk.has_room() => {
                    idle.push(encoding);
                    disk.take(lines);
                }
                batch = input.recv_beside(is_busy), if !has_ended && !idle.is_empty() => match (batch, idle.pop()) {
                    (Some(batch), Some(mut encoding)) => {
                        let buffer = disk.spare();
                        under_way.begin(move || {
                            let lines = encoding.lines(batch, buffer);
                            (encoding, lines)
                        });
                    }
                    _ => has_ended = true,
                },
            }
        }
    }
}
