//! The tests' Python environment, with the packages of peers beside those of the end-to-end tests.

#[path = "../../../../tests/python.rs"]
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
mod shared;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const REQUIREMENTS: &str = include_str!("../python/requirements.txt");

/// An interpreter that finds the peers' packages. Other processes wait while one installs them.
fn interpreter() -> PathBuf {
    let bin = shared::bin();
    let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let lock = File::create(base.join("python-peers.lock")).unwrap();
    lock.lock().expect("a lock on the Python environment");
    let made_of = bin.join("../made-of-peers.txt");
    if fs::read_to_string(&made_of).ok().as_deref() != Some(REQUIREMENTS) {
        let requirements = base.join("requirements-peers.txt");
        fs::write(&requirements, REQUIREMENTS).unwrap();
        let mut pip = Command::new(bin.join("pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&requirements);
        let status = pip.status().unwrap_or_else(|error| panic!("pip install: {error}"));
        assert!(status.success(), "pip install: {status}");
        fs::write(&made_of, REQUIREMENTS).unwrap();
    }
    bin.join("python")
}

/// Python about to run a script, its output buffered.
pub(crate) fn python(script: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(interpreter());
    command.arg(script).env_remove("PYTHONUNBUFFERED");
    command
}

/// Gives a script one line of base64 for each input, and takes one line of JSON for each.
#[allow(dead_code, reason = "the benchmark talks to its script otherwise")]
pub(crate) fn ask<'a>(name: &str, inputs: impl Iterator<Item = &'a [u8]>) -> Vec<serde_json::Value> {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    let lines: Vec<String> = inputs.map(|input| BASE64_STANDARD.encode(input)).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name);
    let mut child = python(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
    let mut stdin = child.stdin.take().unwrap();
    let count = lines.len();
    let writer = std::thread::spawn(move || stdin.write_all((lines.join("\n") + "\n").as_bytes()));
    let answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let answers: Vec<_> = answers.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert!(child.wait().unwrap().success(), "{name} failed");
    writer.join().unwrap().unwrap();
    assert_eq!(answers.len(), count, "{name} answered");
    answers
}
