//! A Python environment for the tests' peers, made once under the target directory.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

const REQUIREMENTS: &str = include_str!("python/requirements.txt");

/// The environment's `bin` directory. Other test processes wait while one makes it.
pub(crate) fn bin() -> PathBuf {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let lock = File::create(base.join("python.lock")).unwrap();
    lock.lock().expect("a lock on the Python environment");
    let environment = base.join("python");
    let made_of = environment.join("made-of.txt");
    if fs::read_to_string(&made_of).ok().as_deref() != Some(REQUIREMENTS) {
        let _ = fs::remove_dir_all(&environment);
        succeed(
            Command::new("python3").args(["-m", "venv"]).arg(&environment),
            "python3 -m venv (Debian: python3-venv)",
        );
        let requirements = base.join("requirements.txt");
        fs::write(&requirements, REQUIREMENTS).unwrap();
        let mut pip = Command::new(environment.join("bin/pip"));
        succeed(
            pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&requirements),
            "pip install",
        );
        fs::write(&made_of, REQUIREMENTS).unwrap();
    }
    environment.join("bin")
}

fn succeed(command: &mut Command, what: &str) {
    let status = command.status().unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(status.success(), "{what}: {status}");
}

/// A moto server, which ends with the test.
pub(crate) struct Moto {
    pub(crate) endpoint: String,
    child: Child,
    _stdin: ChildStdin,
}

impl Moto {
    pub(crate) fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/moto_server.py");
        let mut child = Command::new(bin().join("python"))
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("moto starts");
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Moto { endpoint: format!("http://127.0.0.1:{}", port.trim()), _stdin: child.stdin.take().unwrap(), child }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
