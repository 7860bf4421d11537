//! What is cut out of files, and how.

use kinesis_logs_source::Record;
use serde::Deserialize;

use super::form::LOOKED_AT;
use crate::codecs::Records;
use crate::component::{Lines, Problem};

/// A record, or one that cannot be decoded, with why.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Unit {
    Record(Record),
    /// One that is made of lines, which are each of their own.
    Lines(Record, Lines),
    Aside(Record, String),
}

/// What was cut into units, and the position behind it, in bytes of what was read.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Taken {
    pub(super) units: Vec<Unit>,
    pub(super) end: u64,
}

impl Taken {
    /// The records, and those that cannot be decoded, with why.
    pub(super) fn into_records(self) -> Records {
        let mut records = Records { whole: Vec::with_capacity(self.units.len()), broken: Vec::new() };
        for unit in self.units {
            match unit {
                Unit::Record(record) => records.whole.push((record, None)),
                Unit::Lines(record, lines) => records.whole.push((record, Some(lines))),
                Unit::Aside(record, why) => records.broken.push((record, why)),
            }
        }
        records
    }
}

/// How to cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cutting {
    /// The longest that a record may be, in bytes.
    pub(super) max_bytes: usize,
    /// Whether JSON objects are lines like others, which make records together.
    pub(super) objects_are_lines: bool,
}

/// The longest that a line may be, in bytes: at least as long as what is looked at to tell what it is.
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(transparent)]
pub(super) struct MaxLineBytes(pub(super) usize);

impl Default for MaxLineBytes {
    fn default() -> Self {
        MaxLineBytes(16 << 20)
    }
}

impl MaxLineBytes {
    /// What is wrong with the key `max_line_bytes`.
    pub(super) fn problem(self) -> Option<Problem> {
        let is_wrong = !(LOOKED_AT..=1 << 30).contains(&self.0);
        let problem = || Problem::new("a line may have 1024 bytes to 1 GiB").key("max_line_bytes");
        is_wrong.then(|| problem().hint("16777216 is the default"))
    }
}
