//! What the source `file` is told.

use std::time::Duration;

use serde::Deserialize;

use super::FileSource;
use crate::codecs::{DecodingConfig, UNDECODABLE};
use crate::component::{BuildContext, BuildError, Problem, Source, SourceConfig};
use crate::sources::given_up::REJECTED;
use crate::sources::unit::{Cutting, MaxLineBytes};

/// Reads files: captured records (as `read --undecodable` and `aws kinesis get-records` write them), envelopes, flow log lines
/// with a header or without, with `decoding.codec = "lines"` any lines and JSON objects, all of it also compressed with gzip.
/// What cannot be decoded goes to the output `<id>.undecodable`. With `follow` a batch that is abandoned five times in a row, as
/// by a component that cannot deal with it, is not sent again: its records go to the output `<id>.rejected`.
///
/// ```toml
/// [sources.recorded]
/// type = "file"
/// include = ["/var/lib/kinesis-logs-reader/quarantine/*.ndjson.gz"]
/// ```
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct FileConfig {
    /// Paths, in which `*`, `?`, `[...]` and `**` stand for others.
    include: Vec<String>,
    /// Paths to leave out, likewise. Default: none.
    #[serde(default)]
    exclude: Vec<String>,
    /// Whether to go on with what is appended to the files, and with new ones, until the pipeline ends. Otherwise what is there
    /// is read, file by file in the order of their names, and then the source ends. Default: `false`.
    #[serde(default)]
    follow: bool,
    /// With `follow`: where to begin in files that are there at the start and were never read: `beginning` or `end`. Later ones
    /// are read from their beginning. Default: `beginning`.
    #[serde(default)]
    read_from: ReadFrom,
    /// Whether to begin anew, and remember nothing of what was read. Default: `false` with `follow`, else `true`. What is
    /// remembered lies below `data_dir`.
    ignore_checkpoints: Option<bool>,
    /// With `follow`: milliseconds between two looks for new files and lines. Default: 1000.
    #[serde(default = "second")]
    glob_minimum_cooldown_ms: u64,
    /// The longest that a line, a JSON value, or a file that is one record may be, in bytes, after inflating; the beginning of
    /// a longer one goes to `undecodable`. What is the default is enough for any captured record. Default: 16777216.
    #[serde(default)]
    max_line_bytes: MaxLineBytes,
    /// How records are decoded.
    #[serde(default)]
    decoding: DecodingConfig,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub(super) enum ReadFrom {
    /// The oldest line.
    #[default]
    Beginning,
    /// What is written from now on.
    End,
}

fn second() -> u64 {
    1000
}

impl SourceConfig for FileConfig {
    fn build(&self, context: &BuildContext) -> Result<Box<dyn Source>, BuildError> {
        let mut problems = Vec::new();
        if self.include.is_empty() {
            problems
                .push(Problem::new("no files are named").key("include").hint("include = [\"/var/log/flows/*.log\"]"));
        }
        let mut patterns = |texts: &[String], key: &str| {
            let parsed = texts.iter().filter_map(|text| match glob::Pattern::new(text) {
                Ok(pattern) => Some(pattern),
                Err(error) => {
                    problems.push(Problem::new(format!("{text:?}: {}", error.msg)).key(key));
                    None
                }
            });
            parsed.collect::<Vec<_>>()
        };
        patterns(&self.include, "include");
        let exclude = patterns(&self.exclude, "exclude");
        if self.read_from == ReadFrom::End && !self.follow {
            let problem = Problem::new("behind the end of a file that is not followed there is nothing to read");
            problems.push(problem.key("read_from").hint("set follow = true"));
        }
        if self.glob_minimum_cooldown_ms == 0 {
            let problem = Problem::new("between two looks must be some time");
            problems.push(problem.key("glob_minimum_cooldown_ms").hint("1000 is the default"));
        }
        problems.extend(self.max_line_bytes.problem());
        let remembers = !self.ignore_checkpoints.unwrap_or(!self.follow);
        let checkpoints = context.data_dir.as_ref().map(|folder| folder.join(&context.id).join("files.json"));
        if remembers && checkpoints.is_none() {
            let problem = Problem::new("there is no place for checkpoints");
            let key = if self.ignore_checkpoints.is_some() { "ignore_checkpoints" } else { "follow" };
            problems.push(
                problem.key(key).hint("set data_dir at the top, or ignore_checkpoints = true to begin anew every time"),
            );
        }
        match self.decoding.build() {
            Ok(decoder) if problems.is_empty() => Ok(Box::new(FileSource {
                id: context.id.as_str().into(),
                include: self.include.clone(),
                exclude,
                follow: self.follow,
                read_from: self.read_from,
                checkpoints: checkpoints.filter(|_| remembers),
                cooldown: Duration::from_millis(self.glob_minimum_cooldown_ms),
                cutting: Cutting { max_bytes: self.max_line_bytes.0, objects_are_lines: decoder.takes_lines() },
                decoder,
            })),
            decoder => {
                problems.extend(decoder.err());
                Err(BuildError { problems })
            }
        }
    }

    fn outputs(&self) -> Vec<String> {
        vec![UNDECODABLE.to_owned(), REJECTED.to_owned()]
    }
}
