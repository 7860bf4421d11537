//! Beside kcl-rs, a port of the Kinesis Client Library 3: each goes on from the leases that the other wrote.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, Stdio};

use kinesis_logs_generator::aggregate;
use kinesis_logs_testkit::{DynamoDbEmulator, Emulator};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::python;
use crate::util::{STREAM, command, finish, record, without_aws};

const RECORDS: usize = 2000;
/// Every other Kinesis record holds this many, so that checkpoints come to stand within one.
const AGGREGATED: usize = 4;

/// Long enough for a pipe that nobody reads to hold a small part of them only.
fn text(n: usize) -> String {
    format!("record-{n:05} {}", "x".repeat(500))
}

struct Servers {
    kinesis: Emulator,
    dynamodb: DynamoDbEmulator,
}

impl Servers {
    /// A stream of four shards with all records.
    async fn start() -> Self {
        let kinesis = Emulator::start().await;
        kinesis.create_stream(STREAM, 4).await;
        let texts: Vec<Vec<u8>> = (0..RECORDS).map(|n| record(&text(n))).collect();
        let mut records = Vec::new();
        for (n, group) in texts.chunks(2 * AGGREGATED).enumerate() {
            let key = format!("key-{n}");
            let (plain, together) = group.split_at(AGGREGATED);
            records.extend(plain.iter().map(|data| (key.clone(), data.clone())));
            let together: Vec<(&str, &[u8])> = together.iter().map(|data| (key.as_str(), data.as_slice())).collect();
            records.push((key.clone(), aggregate(&together)));
        }
        kinesis.put(STREAM, records).await;
        Servers { kinesis, dynamodb: DynamoDbEmulator::start().await }
    }

    fn with_table(&self, mut command: Command) -> Command {
        command.env("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb.endpoint()).env("AWS_REGION", "us-east-1");
        command
    }

    /// What kcl-rs printed, having checkpointed it, when it stopped after so many records.
    fn kcl(&self, records: usize) -> Vec<String> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/kcl_worker.py");
        let mut worker = Command::new(python::bin().join("python"));
        worker.args([script, STREAM, "shared", "kcl-worker", &records.to_string()]);
        without_aws(&mut worker);
        // It complains of files that are named and not there.
        worker.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        worker.env("AWS_ENDPOINT_URL_KINESIS", self.kinesis.endpoint());
        worker.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        let mut worker = Worker::start(self.with_table(worker));
        let printed = worker.lines(records);
        assert_eq!(printed.len(), records, "kcl-rs ended early: {}", worker.complaints());
        assert_eq!(worker.end(), Vec::<String>::new());
        printed
    }

    fn ours(&self, more: &[&str]) -> Command {
        let args =
            ["read", STREAM, "--start-time", "trim_horizon", "--format", "raw", "--checkpoint", "dynamodb:shared"];
        self.with_table(command(Some(self.kinesis.endpoint()), &[&args[..], more].concat()))
    }

    /// What our command printed when it was interrupted after so many lines, or soon after.
    fn ours_interrupted_after(&self, records: usize) -> Vec<String> {
        let mut worker = Worker::start(self.ours(&["--follow"]));
        let mut printed = worker.lines(records);
        assert_eq!(printed.len(), records, "the command ended early: {}", worker.complaints());
        kill(Pid::from_raw(worker.child.id() as i32), Signal::SIGINT).unwrap();
        printed.extend(worker.end());
        printed
    }
}

/// A process that prints lines; it ends with the test.
struct Worker {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Worker {
    fn start(mut command: Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Worker { stdin: child.stdin.take(), stdout, child }
    }

    fn lines(&mut self, count: usize) -> Vec<String> {
        (&mut self.stdout).lines().take(count).map(Result::unwrap).collect()
    }

    /// Waits for the end without complaints. The rest of what it printed.
    fn end(mut self) -> Vec<String> {
        let rest = (&mut self.stdout).lines().map(Result::unwrap).collect();
        let complaints = self.complaints();
        assert_eq!((self.child.wait().unwrap().code(), complaints.as_str()), (Some(0), ""));
        rest
    }

    fn complaints(&mut self) -> String {
        drop(self.stdin.take());
        let mut complaints = String::new();
        self.child.stderr.as_mut().unwrap().read_to_string(&mut complaints).unwrap();
        complaints
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn assert_each_once(parts: &[&[String]]) {
    let mut printed = BTreeMap::<&str, usize>::new();
    for line in parts.iter().copied().flatten() {
        *printed.entry(line.split(' ').next().unwrap()).or_default() += 1;
    }
    let repeated: Vec<_> = printed.iter().filter(|(_, times)| **times > 1).collect();
    assert!(repeated.is_empty(), "read again though it was checkpointed: {repeated:?}");
    let missing: Vec<_> = (0..RECORDS).map(text).filter(|text| !printed.contains_key(&text[..12])).collect();
    assert!(missing.is_empty(), "{} were passed over, among them {:?}", missing.len(), missing.first());
    assert_eq!(printed.len(), RECORDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_made_by_kcl_is_gone_on_from_and_left_for_it_to_go_on() {
    let servers = Servers::start().await;
    let printed = tokio::task::spawn_blocking(move || {
        let first = servers.kcl(701);
        let ours = servers.ours_interrupted_after(501);
        assert!(first.len() + ours.len() < RECORDS, "all was read before the interruption");
        let rest = servers.kcl(RECORDS - first.len() - ours.len());
        [first, ours, rest]
    });
    let [first, ours, rest] = printed.await.unwrap();
    assert_each_once(&[&first, &ours, &rest]);
}

#[tokio::test(flavor = "multi_thread")]
async fn kcl_goes_on_from_a_table_of_ours_and_we_from_what_it_made_of_it() {
    let servers = Servers::start().await;
    let (servers, first, kcl) = tokio::task::spawn_blocking(move || {
        let first = servers.ours_interrupted_after(501);
        let kcl = servers.kcl(701);
        (servers, first, kcl)
    })
    .await
    .unwrap();
    assert!(first.len() + kcl.len() < RECORDS, "nothing is left for the third");
    let rest = finish(servers.ours(&["--no-follow"])).await.clean();
    assert_each_once(&[&first, &kcl, &rest.lines().map(str::to_owned).collect::<Vec<_>>()]);
}
