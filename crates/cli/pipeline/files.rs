//! The files of a configuration: as they are named, and as patterns name them.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use glob::Pattern;
use kinesis_logs_pipeline::config::{ConfigError, ConfigFile};

use crate::args::FilesArgs;
use crate::failure::Failure;

/// Reads all files, or says of all that cannot be read why. Patterns are looked at anew every time.
pub(super) fn read_files(args: &FilesArgs) -> Result<Vec<ConfigFile>, Failure> {
    let (mut files, mut wrong) = (Vec::new(), Vec::new());
    let mut paths: Vec<PathBuf> = Vec::new();
    for named in &args.files {
        match expanded(named) {
            Ok(found) => paths.extend(found),
            Err(why) => wrong.push(why),
        }
    }
    let mut seen: Vec<&PathBuf> = Vec::new();
    for path in &paths {
        // What two patterns match, or a name and a pattern, is one file.
        if seen.contains(&path) {
            continue;
        }
        seen.push(path);
        match ConfigFile::read(path) {
            Ok(file) => files.push(file),
            Err(error) => wrong.push(format!("{:#}", anyhow::Error::new(error))),
        }
    }
    match wrong.is_empty() {
        true => Ok(files),
        false => Err(Failure::failed(anyhow::Error::msg(wrong.join("\nerror: ")))),
    }
}

/// The files that an argument names. What is there is no pattern, whatever it is called.
fn expanded(named: &Path) -> Result<Vec<PathBuf>, String> {
    let pattern = named.to_string_lossy();
    if !pattern.contains(['*', '?', '[']) || named.exists() {
        return Ok(vec![named.to_owned()]);
    }
    if let Err(error) = Pattern::new(&pattern) {
        return Err(format!("{pattern} is no pattern: {}", error.msg));
    }
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
    let found =
        glob::glob_with(&pattern, options).map_err(|error| format!("{pattern} is no pattern: {}", error.msg))?;
    let mut paths = Vec::new();
    for path in found {
        match path {
            Ok(path) if path.is_dir() => {}
            Ok(path) => paths.push(path),
            Err(error) => return Err(format!("cannot read {}: {}", error.path().display(), error.error())),
        }
    }
    match paths.is_empty() {
        true => Err(format!("no file matches {pattern}")),
        false => Ok(paths),
    }
}

/// Mistakes, each where it stands.
pub(super) fn shown(error: ConfigError) -> Failure {
    Failure::config(error.render(std::io::stderr().is_terminal()))
}
