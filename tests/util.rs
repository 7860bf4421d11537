//! Running the command and looking at what it says.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use kinesis_logs_generator::gzip;
use kinesis_logs_testkit::{FakeKinesis, Server, serve};

pub(crate) const STREAM: &str = "flow-logs";

/// What the command did.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The lines of standard output, sorted, as shards come in any order.
    pub(crate) fn sorted_lines(&self) -> Vec<&str> {
        let mut lines: Vec<&str> = self.stdout.lines().collect();
        lines.sort_unstable();
        lines
    }

    /// Standard output of a run without complaints.
    #[track_caller]
    pub(crate) fn clean(self) -> String {
        assert_eq!((self.status, self.stderr.as_str()), (0, ""), "stdout: {}", self.stdout);
        self.stdout
    }
}

/// The command with an environment that knows of no AWS but the test's.
pub(crate) fn command(endpoint: Option<&str>, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kinesis-logs-reader"));
    command.args(args);
    without_aws(&mut command);
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    if let Some(endpoint) = endpoint {
        command.args(["--endpoint-url", endpoint]);
    }
    command
}

/// Hides what the machine knows of AWS.
pub(crate) fn without_aws(command: &mut Command) {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("AWS_CONFIG_FILE", "/nonexistent").env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
}

/// Runs the command to its end, with nothing on standard input.
pub(crate) async fn run(endpoint: Option<&str>, args: &[&str]) -> Finished {
    finish(command(endpoint, args)).await
}

pub(crate) async fn finish(mut command: Command) -> Finished {
    tokio::task::spawn_blocking(move || finished(command.stdin(Stdio::null()).output().expect("the command starts")))
        .await
        .expect("the command is waited for")
}

/// Runs the command to its end, with a text on standard input.
pub(crate) async fn run_with_input(args: &[&str], input: &str) -> Finished {
    let (mut command, input) = (command(None, args), input.to_owned());
    tokio::task::spawn_blocking(move || {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command starts");
        let mut stdin = child.stdin.take().unwrap();
        let writing = std::thread::spawn(move || Write::write_all(&mut stdin, input.as_bytes()));
        let output = child.wait_with_output().expect("the command ends");
        writing.join().unwrap().expect("the command reads");
        finished(output)
    })
    .await
    .expect("the command is waited for")
}

fn finished(output: std::process::Output) -> Finished {
    Finished {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// A command that runs on, line by line.
pub(crate) struct Running {
    pub(crate) child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Running { child, stdout }
    }

    /// Waits for the next line of standard output.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    /// Closes the pipe and waits for the end. The exit status, and standard error.
    pub(crate) fn close(self) -> (i32, String) {
        drop(self.stdout);
        let output = self.child.wait_with_output().unwrap();
        (output.status.code().unwrap_or(-1), String::from_utf8(output.stderr).unwrap())
    }

    /// Waits for the end. The exit status, and the rest of standard output.
    pub(crate) fn wait(mut self) -> (i32, String) {
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.stdout, &mut rest).unwrap();
        (self.child.wait().unwrap().code().unwrap_or(-1), rest)
    }
}

/// A scriptable stream over HTTP.
pub(crate) async fn fake(shards: usize) -> (Arc<FakeKinesis>, Server) {
    let fake = Arc::new(FakeKinesis::new(STREAM, shards));
    let server = serve(fake.clone(), STREAM).await;
    (fake, server)
}

/// A record with one event whose message is `text`.
pub(crate) fn record(text: &str) -> Vec<u8> {
    let event = serde_json::json!({"id": "1", "timestamp": 1_758_700_800_000_u64, "message": text});
    let envelope = serde_json::json!({
        "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "group", "logStream": "stream",
        "subscriptionFilters": ["filter"], "logEvents": [event],
    });
    gzip(envelope.to_string().as_bytes())
}

/// A fresh path for a file of the test's own.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{}", name, std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join(name);
    let _ = std::fs::remove_file(&path);
    path
}

/// Writes a file of the test's own.
pub(crate) fn scratch_file(name: &str, content: &[u8]) -> String {
    let path = scratch(name);
    std::fs::File::create(&path).unwrap().write_all(content).unwrap();
    path.display().to_string()
}

/// The lines of all files in a folder, but for one that is renamed at this moment.
pub(crate) fn lines_of(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    files
        .flat_map(|path| {
            std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}
