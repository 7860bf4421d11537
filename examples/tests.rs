//! The programs run. `cargo test -p kinesis-logs-examples` builds them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::PathBuf;
use std::process::Command;

use kinesis_logs_generator::FlowLogs;
use kinesis_logs_testkit::Emulator;

/// A program, which cargo puts beside the tests.
fn example(name: &str) -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.extend(["examples", name]);
    path.set_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.exists(), "{} is not built: run all tests of the package", path.display());
    let mut command = Command::new(path);
    for (name, value) in [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")]
    {
        command.env(name, value);
    }
    command
}

/// What it prints, without complaints.
fn printed(mut command: Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && stderr.is_empty(), "{}: {stderr}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn components_of_ones_own_count_all_events() {
    let printed = printed(example("custom_component"));
    let counts: Vec<u64> =
        printed.lines().map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect();
    assert_eq!(counts.iter().sum::<u64>(), 10_000, "{printed}");
    assert!(printed.contains("ssh"), "{printed}");
}

#[test]
fn the_decoder_alone_decodes_a_record() {
    let printed = printed(example("decode_only"));
    assert!(printed.contains("1000 events, "), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_read_from_its_beginning_to_its_tip() {
    let emulator = Emulator::start().await;
    emulator.create_stream("flow-logs", 2).await;
    let mut flow_logs = FlowLogs::new(1).events_per_record(10);
    let records: Vec<_> = (0..5).map(|_| flow_logs.next_record()).collect();
    let mut expected: Vec<String> = records.iter().flat_map(|record| record.lines.clone()).collect();
    emulator.put("flow-logs", records.into_iter().map(|record| (record.partition_key, record.data))).await;
    let mut command = example("embed_stream");
    command.args(["flow-logs", emulator.endpoint()]);
    let printed = tokio::task::spawn_blocking(move || printed(command)).await.unwrap();
    let mut lines: Vec<&str> = printed.lines().map(|line| line.split_once('\t').unwrap().1).collect();
    lines.sort_unstable();
    expected.sort_unstable();
    assert_eq!(lines, expected);
}
