//! `file`: records and lines that lie in files, from the first to the last.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use kinesis_logs_decoder::flow_log::Format;
use kinesis_logs_source::Record;
use serde::Deserialize;
use tokio::runtime::Handle;

use super::pending::Pending;
use crate::captured;
use crate::codecs::{DecodingAhead, DecodingConfig, RecordDecoder, UNDECODABLE};
use crate::component::{
    BuildContext, BuildError, ComponentError, Problem, Shutdown, Source, SourceConfig, SourceContext,
};

/// Reads files to their ends, in the order of their names: captured records (as `read --undecodable` and `aws kinesis
/// get-records` write them), a record's bytes, flow log lines with a header or without, and with `decoding.codec = "lines"`
/// any lines and JSON objects.
///
/// Records that cannot be decoded go to the output `<id>.undecodable`.
///
/// ```toml
/// [sources.captured]
/// type = "file"
/// include = ["/data/captured/**/*.ndjson"]
/// ```
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct FileConfig {
    /// Paths, in which `*`, `?`, `[...]` and `**` stand for others.
    include: Vec<String>,
    /// Paths to leave out, written likewise. Default: none.
    #[serde(default)]
    exclude: Vec<String>,
    /// How records are decoded.
    #[serde(default)]
    decoding: DecodingConfig,
}

impl SourceConfig for FileConfig {
    fn build(&self, _: &BuildContext) -> Result<Box<dyn Source>, BuildError> {
        if self.include.is_empty() {
            return Err(Problem::new("no files are named").key("include").into());
        }
        let pattern = |text: &String, key: &str| {
            glob::Pattern::new(text).map_err(|error| Problem::new(format!("{text:?}: {}", error.msg)).key(key))
        };
        self.include.iter().try_for_each(|text| pattern(text, "include").map(drop))?;
        let exclude = self.exclude.iter().map(|text| pattern(text, "exclude")).collect::<Result<_, _>>()?;
        Ok(Box::new(FileSource { include: self.include.clone(), exclude, decoder: self.decoding.build()? }))
    }

    fn outputs(&self) -> Vec<String> {
        vec![UNDECODABLE.to_owned()]
    }
}

struct FileSource {
    include: Vec<String>,
    exclude: Vec<glob::Pattern>,
    decoder: RecordDecoder,
}

#[async_trait]
impl Source for FileSource {
    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), ComponentError> {
        let SourceContext { outputs, shutdown, .. } = context;
        let pending = Pending::default();
        let reading = Reading {
            decoding: DecodingAhead::new(self.decoder.clone(), outputs),
            pending: pending.clone(),
            runtime: Handle::current(),
            waiting: Vec::new(),
            waiting_bytes: 0,
            shutdown,
        };
        match tokio::task::spawn_blocking(move || reading.run(&self)).await {
            Ok(result) => result?,
            Err(error) => return Err(ComponentError::new("reading ended").caused_by(error)),
        }
        pending.settled().await
    }
}

impl FileSource {
    fn paths(&self) -> Result<Vec<PathBuf>, ComponentError> {
        let mut paths = Vec::new();
        for pattern in &self.include {
            let before = paths.len();
            let found = glob::glob(pattern).map_err(|error| ComponentError::new(pattern.clone()).caused_by(error))?;
            for path in found {
                let path = path.map_err(|error| ComponentError::new("cannot look for files").caused_by(error))?;
                if path.is_file() && !self.exclude.iter().any(|pattern| pattern.matches_path(&path)) {
                    paths.push(path);
                }
            }
            if paths.len() == before {
                return Err(ComponentError::new(format!("there is no file {pattern}")));
            }
        }
        paths.sort();
        paths.dedup();
        Ok(paths)
    }
}

/// How many bytes of payload make a batch.
const BATCH_BYTES: usize = 128 << 10;

/// Reads where it may block.
struct Reading {
    decoding: DecodingAhead,
    pending: Pending,
    runtime: Handle,
    waiting: Vec<Record>,
    waiting_bytes: usize,
    shutdown: Shutdown,
}

impl Reading {
    fn run(mut self, source: &FileSource) -> Result<(), ComponentError> {
        let result = self.read(source);
        // All that was read is sent on, whatever came then.
        self.runtime.block_on(self.decoding.finish());
        result
    }

    fn read(&mut self, source: &FileSource) -> Result<(), ComponentError> {
        for path in source.paths()? {
            let name = path.display().to_string();
            let failed = |error: io::Error| ComponentError::new(format!("cannot read {name}")).caused_by(error);
            let mut input = BufReader::with_capacity(64 << 10, File::open(&path).map_err(failed)?);
            let read = if is_text_of_lines(input.fill_buf().map_err(failed)?) {
                self.lines(input, &path).map_err(failed)?
            } else {
                let mut flow = ControlFlow::Continue(());
                captured::read(input, &name, |record| {
                    flow = self.take(record);
                    flow
                })
                .map_err(|error| ComponentError::new("a file is not what it began as").caused_by(error))?;
                flow
            };
            if read.is_break() {
                return Ok(());
            }
        }
        let _ = self.flush();
        Ok(())
    }

    /// Lines, in pieces that are records to the decoder. A header is that of every piece.
    fn lines(&mut self, mut input: impl BufRead, path: &Path) -> io::Result<ControlFlow<()>> {
        let mut header = Vec::new();
        let mut piece = Vec::new();
        let mut number = 0;
        loop {
            let before = piece.len();
            let read = input.read_until(b'\n', &mut piece)?;
            if number == 0
                && before == 0
                && str::from_utf8(&piece).is_ok_and(|line| Format::from_header(line).is_some())
            {
                header = std::mem::take(&mut piece);
            }
            if read == 0 || piece.len() >= BATCH_BYTES {
                if !piece.is_empty() {
                    let data = [&header[..], &piece].concat();
                    piece.clear();
                    let name = path.display().to_string();
                    if self.take(Record::new(name, "-", number.to_string(), data)).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                    number += 1;
                }
                if read == 0 {
                    return Ok(ControlFlow::Continue(()));
                }
            }
        }
    }

    fn take(&mut self, record: Record) -> ControlFlow<()> {
        self.waiting_bytes += record.data.len();
        self.waiting.push(record);
        if self.waiting_bytes >= BATCH_BYTES { self.flush() } else { ControlFlow::Continue(()) }
    }

    fn flush(&mut self) -> ControlFlow<()> {
        let records = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        if records.is_empty() {
            return ControlFlow::Continue(());
        }
        let acknowledgement = self.pending.acknowledgement();
        match self.runtime.block_on(self.decoding.send(records, None, acknowledgement)) {
            Ok(()) if !self.shutdown.is_requested() => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }
}

/// Whether a file is lines, not compressed, JSON or base64, which are taken as a whole.
fn is_text_of_lines(start: &[u8]) -> bool {
    let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    !matches!(first, None | Some(b'{' | b'['))
        && line.contains(&b' ')
        && line.iter().all(|byte| *byte >= b' ' || *byte == b'\t' || *byte == b'\r')
}
