//! What must hold for any bytes: one function a fuzz target.
//!
//! Each target is a module with `run`, which panics if something does not hold, and `seeds`, inputs worth beginning with.
//! `tests/corpus.rs` runs them on a stable compiler over the seeds, over [what was found before](regressions), and over
//! mutations of both; `fuzz/`, at the repository's root, gives the same functions to libFuzzer.

#![forbid(unsafe_code)]

pub mod envelope;
mod everything;
pub mod flow_line;
pub mod format_string;
pub mod gzip;
pub mod kpl;
pub mod record;

use std::path::Path;

/// A function that panics if something does not hold, and how to try it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name, which `cargo fuzz run` takes.
    pub name: &'static str,
    /// Panics if something does not hold for these bytes.
    pub run: fn(&[u8]),
    /// Inputs to begin with, the same ones every time.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target.
pub const TARGETS: [Target; 6] = [
    Target { name: "gzip", run: gzip::run, seeds: gzip::seeds },
    Target { name: "kpl", run: kpl::run, seeds: kpl::seeds },
    Target { name: "envelope", run: envelope::run, seeds: envelope::seeds },
    Target { name: "flow_line", run: flow_line::run, seeds: flow_line::seeds },
    Target { name: "format_string", run: format_string::run, seeds: format_string::seeds },
    Target { name: "record", run: record::run, seeds: record::seeds },
];

impl Target {
    /// The target of a name.
    pub fn named(name: &str) -> Option<Target> {
        TARGETS.into_iter().find(|target| target.name == name)
    }
}

/// Inputs that once made a target panic, in the order of their names: the files in `regressions/<target>`.
///
/// # Errors
///
/// If they cannot be read. That there are none is none.
pub fn regressions(target: &str) -> std::io::Result<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions").join(target);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut paths = folder.read_dir()?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    paths.into_iter().map(std::fs::read).collect()
}
