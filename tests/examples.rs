//! The examples run, and not only pass as configurations.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kinesis_logs_generator::{FlowLogs, Record};
use kinesis_logs_testkit::{DynamoDbEmulator, Emulator};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::util::{Running, command, finish, run, scratch};

/// `run` of an example, with a folder of the test's own.
fn example(name: &str) -> (Command, PathBuf) {
    let folder = scratch(&format!("example_{name}")).parent().unwrap().join("data");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let mut command = command(None, &["run", path.to_str().unwrap()]);
    command.env("DATA_DIR", folder.join("state")).current_dir(env!("CARGO_MANIFEST_DIR"));
    (command, folder)
}

/// Asks it to end, and it ends in order.
fn end(running: Running) -> String {
    kill(Pid::from_raw(running.child.id() as i32), Signal::SIGTERM).unwrap();
    let (status, rest) = running.wait();
    assert_eq!(status, 0);
    rest
}

/// The files in a folder, also in those in it, with this in their names.
fn found(folder: &Path, part: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let named = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().contains(part);
    files.filter(named).filter(|path| path.metadata().is_ok_and(|metadata| metadata.len() > 0)).collect()
}

async fn until(is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it comes to be so");
}

fn records(count: usize) -> Vec<Record> {
    let mut flow_logs = FlowLogs::new(3).events_per_record(50);
    (0..count).map(|_| flow_logs.next_record()).collect()
}

async fn put(emulator: &Emulator, stream: &str, records: &[Record]) {
    emulator.put(stream, records.iter().map(|record| (record.partition_key.clone(), record.data.clone()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_counted() {
    let (command, _) = example("files.toml");
    let finished = finish(command).await;
    assert_eq!((finished.status, finished.stdout.as_str()), (0, ""), "{}", finished.stderr);
    let row = finished.stderr.lines().rfind(|line| line.contains("blackhole")).unwrap();
    assert!(row.split_whitespace().any(|cell| cell.parse::<u64>().is_ok_and(|events| events > 0)), "{row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_followed_into_compressed_ones() {
    let (mut command, folder) = example("follow.toml");
    let lines = records(2).into_iter().flat_map(|record| record.lines).collect::<Vec<_>>();
    std::fs::write(folder.join("flows.log"), lines.join("\n") + "\n").unwrap();
    command.env("LOGS", folder.join("*.log"));
    let running = Running::start(command);
    until(async || !found(&folder.join("state"), "rejects.log.zst").is_empty()).await;
    end(running);
    let written = found(&folder.join("state"), "rejects.log.zst").remove(0);
    let decoded = run(None, &["decode", "--format", "raw", written.to_str().unwrap()]).await.clean();
    let rejected: Vec<&String> = lines.iter().filter(|line| line.contains(" REJECT ")).collect();
    assert!(!rejected.is_empty());
    assert_eq!(decoded.lines().collect::<Vec<_>>(), rejected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_written_to_files() {
    let emulator = Emulator::start().await;
    emulator.create_stream("vpc-flow-logs", 2).await;
    let records = records(4);
    put(&emulator, "vpc-flow-logs", &records).await;
    let (mut command, folder) = example("kinesis_to_file.toml");
    command.env("AWS_ENDPOINT_URL", emulator.endpoint()).env("AWS_REGION", "us-east-1");
    let running = Running::start(command);
    until(async || !found(&folder.join("state"), "rejects-").is_empty()).await;
    end(running);
    let mut decoded = Vec::new();
    for path in found(&folder.join("state"), "rejects-") {
        let gzip = std::fs::read(&path).unwrap();
        assert_eq!(gzip[..2], [0x1f, 0x8b], "{path:?}");
        let lines = run(None, &["decode", "--payload", "lines", "--format", "raw", path.to_str().unwrap()]).await;
        decoded.extend(lines.clean().lines().map(str::to_owned));
    }
    let lines = records.iter().flat_map(|record| &record.lines);
    assert_eq!(decoded.len(), lines.filter(|line| line.contains(" REJECT ")).count());
    assert!(decoded.iter().all(|line| line.contains("\"action\":\"REJECT\"")), "{decoded:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_a_fleet_reads_by_fan_out_with_its_leases_in_a_table() {
    let (emulator, table) = (Emulator::start().await, DynamoDbEmulator::start().await);
    for stream in ["vpc-flow-logs", "tgw-flow-logs"] {
        emulator.create_stream(stream, 1).await;
    }
    let (mut command, _) = example("fleet.toml");
    command.env("AWS_ENDPOINT_URL_KINESIS", emulator.endpoint()).env("AWS_ENDPOINT_URL_DYNAMODB", table.endpoint());
    let mut running = Running::start(command);
    // It begins with what arrives from its start on, which nothing tells from outside: there is more until something came.
    let putting = async {
        loop {
            for stream in ["vpc-flow-logs", "tgw-flow-logs"] {
                put(&emulator, stream, &records(1)).await;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let reading = tokio::task::spawn_blocking(move || (running.line(), running));
    let (line, running) = tokio::select! {
        read = reading => read.unwrap(),
        () = putting => unreachable!("it goes on"),
    };
    assert_eq!(line.trim_end().split(',').count(), 5, "{line}");
    kill(Pid::from_raw(running.child.id() as i32), Signal::SIGTERM).unwrap();
    let (status, rest) = tokio::task::spawn_blocking(move || running.wait()).await.unwrap();
    assert_eq!(status, 0);
    assert!(rest.lines().all(|line| line.split(',').count() == 5));
}
