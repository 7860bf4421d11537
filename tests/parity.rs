//! Beside the ancestor: the same stream, read by `kinesis_logs_reader` and by `read`, gives the same rows.

use std::process::Command;

use kinesis_logs_generator::{FlowLogs, control_message};
use kinesis_logs_testkit::Emulator;

use crate::python;
use crate::util::{Finished, STREAM, finish, run, without_aws};

async fn ancestor(endpoint: &str, args: &[&str]) -> Finished {
    let mut command = Command::new(python::bin().join("kinesis_logs_reader"));
    without_aws(&mut command);
    command.args(args).envs([
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", endpoint),
        ("TZ", "UTC"),
    ]);
    finish(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_header_equal_the_ancestors_for_1_4_and_16_shards() {
    for shards in [1, 4, 16] {
        let emulator = Emulator::start().await;
        emulator.create_stream(STREAM, shards).await;
        let mut flow_logs = FlowLogs::new(shards as u64).events_per_record(30).extracted_fields(true);
        let records = (0..60).map(|_| flow_logs.next_record()).map(|record| (record.partition_key, record.data));
        emulator.put(STREAM, records.chain([("control".to_owned(), control_message())])).await;

        let args = [STREAM, "--start-time", "2026-01-01 00:00:00"];
        let theirs = ancestor(emulator.endpoint(), &args).await;
        let ours = run(Some(emulator.endpoint()), &[&["read"], &args[..]].concat()).await;
        assert_eq!(theirs.status, 0, "{}", theirs.stderr);
        assert_eq!(theirs.stdout.lines().count(), 60 * 30 + 1);
        assert_eq!(ours.stdout.lines().next(), theirs.stdout.lines().next(), "the header");
        assert_eq!(ours.sorted_lines(), theirs.sorted_lines(), "{shards} shards");
        ours.clean();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ancestors_time_format_and_count_mean_the_same() {
    let emulator = Emulator::start().await;
    emulator.create_stream(STREAM, 1).await;
    let mut flow_logs = FlowLogs::new(3).events_per_record(10).extracted_fields(true);
    emulator
        .put(STREAM, (0..3).map(|_| flow_logs.next_record()).map(|record| (record.partition_key, record.data)))
        .await;

    let args = [STREAM, "--start-time", "01/01/2026", "--time-format", "%d/%m/%Y", "--count", "7"];
    let theirs = ancestor(emulator.endpoint(), &args).await;
    let ours = run(Some(emulator.endpoint()), &[&["read"], &args[..]].concat()).await;
    assert_eq!(theirs.status, 0, "{}", theirs.stderr);
    assert_eq!(ours.clean(), theirs.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_without_extracted_fields_on_which_the_ancestor_fails_give_rows_of_the_line() {
    let emulator = Emulator::start().await;
    emulator.create_stream(STREAM, 1).await;
    let record = FlowLogs::new(3).events_per_record(2).next_record();
    let lines = record.lines.clone();
    emulator.put(STREAM, [(record.partition_key, record.data)]).await;

    let args = [STREAM, "--start-time", "2026-01-01 00:00:00"];
    assert_ne!(ancestor(emulator.endpoint(), &args).await.status, 0, "the ancestor fails");
    let ours = run(Some(emulator.endpoint()), &[&["read"], &args[..]].concat()).await.clean();
    let mut rows = ours.lines();
    let header: Vec<&str> = rows.next().unwrap().split('\t').collect();
    assert_eq!(header[0..3], ["account_id", "action", "bytes"]);
    for line in lines {
        let values: Vec<&str> = line.split(' ').collect();
        let row: Vec<&str> = rows.next().unwrap().split('\t').collect();
        assert_eq!((row[0], row[1], row[2]), (values[1], values[12], values[9]));
    }
}
