//! Pipelines into a stream, and what is read of it again.

use std::path::{Path, PathBuf};

use kinesis_logs_generator::FlowLogs;
use kinesis_logs_testkit::Emulator;
use serde_json::Value;

use crate::util::{Finished, STREAM, command, finish, run, scratch, scratch_file};

/// What a pipeline is to do that puts the lines of a file into a stream; `keys` are the sink's.
fn pipeline(name: &str, lines: &[String], endpoint: &str, keys: &str) -> String {
    let path = scratch_file(&format!("{name}.log"), lines.join("\n").as_bytes());
    let toml = format!(
        r#"
        data_dir = "{data_dir}"
        [sources.lines]
        type = "file"
        include = ["{path}"]
        decoding.codec = "lines"
        [sinks.out]
        type = "aws_kinesis_streams"
        inputs = ["lines"]
        stream_name = "{STREAM}"
        endpoint = "{endpoint}"
        encoding.codec = "text"
        request.retry_initial_backoff_secs = 0.05
        request.retry_max_duration_secs = 0.2
        {keys}
    "#,
        data_dir = data_dir(name).display(),
    );
    let _ = std::fs::remove_dir_all(data_dir(name));
    scratch_file(&format!("{name}.toml"), toml.as_bytes())
}

fn data_dir(name: &str) -> PathBuf {
    scratch(name).with_extension("data")
}

/// Lines of flow logs, no two the same.
fn lines(records: usize) -> Vec<String> {
    let mut flow_logs = FlowLogs::new(7).events_per_record(100);
    let mut lines: Vec<String> = (0..records).flat_map(|_| flow_logs.next_record().lines).collect();
    lines.sort();
    lines.dedup();
    lines
}

async fn read(emulator: &Emulator, args: &[&str]) -> Finished {
    let all = ["read", STREAM, "--start-time", "trim_horizon", "--no-follow", "--payload", "lines"];
    run(Some(emulator.endpoint()), &[&all[..], args].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_into_a_stream_is_what_is_read_of_it() {
    let lines = lines(20);
    for compression in ["none", "gzip"] {
        let emulator = Emulator::start().await;
        emulator.create_stream(STREAM, 3).await;
        let keys =
            format!("compression = \"{compression}\"\npartition_key_field = \"srcaddr\"\nbatch.max_events = 150");
        let toml = pipeline(&format!("put-{compression}"), &lines, emulator.endpoint(), &keys);
        let finished = run(None, &["run", &toml]).await;
        assert_eq!(finished.status, 0, "{}", finished.stderr);
        let read_again = read(&emulator, &["--format", "raw"]).await;
        assert_eq!(read_again.sorted_lines(), lines, "each once");
        let keys = read(&emulator, &["--format", "csv", "--fields", "srcaddr,%kinesis.partition_key"]).await.clean();
        let (mut of_members, mut random) = (0, 0);
        for (source, key) in keys.lines().skip(1).filter_map(|row| row.split_once(',')) {
            match source {
                "" => random += usize::from(key.len() == 16),
                _ => of_members += usize::from(key == source),
            }
        }
        assert!(of_members > 0 && random > 0);
        assert_eq!(of_members + random, lines.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_throttled_gets_everything_once() {
    let emulator = Emulator::start_with_limits_of_shards().await;
    emulator.create_stream(STREAM, 1).await;
    // More than a shard takes in two seconds.
    let lines = lines(25);
    assert!(lines.len() > 2000, "{}", lines.len());
    let toml = pipeline("throttled", &lines, emulator.endpoint(), "");
    let finished = run(None, &["run", &toml]).await;
    assert_eq!(finished.status, 0, "{}", finished.stderr);
    assert!(finished.stderr.contains("ProvisionedThroughputExceededException"), "{}", finished.stderr);
    assert_eq!(read(&emulator, &["--format", "raw"]).await.sorted_lines(), lines);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_goes_into_quarantine_and_the_rest_into_the_stream() {
    // By the sink's own limit, and by the stream's.
    for (limit, cause) in [
        (1 << 20, "rejected by out: the record has 1200016 bytes, and may have 1048576"),
        (2 << 20, "rejected by out: PutRecords: ValidationException: "),
    ] {
        let emulator = Emulator::start().await;
        emulator.create_stream(STREAM, 1).await;
        let small = lines(1);
        let mut lines = small.clone();
        lines.insert(40, "x".repeat(1_200_000));
        let name = format!("large-{limit}");
        let toml = pipeline(&name, &lines, emulator.endpoint(), &format!("batch.max_record_bytes = {limit}"));
        let finished = run(None, &["run", &toml]).await;
        assert_eq!(finished.status, 0, "{}", finished.stderr);
        assert_eq!(read(&emulator, &["--format", "raw"]).await.sorted_lines(), small);
        let files = std::fs::read_dir(data_dir(&name).join("quarantine")).unwrap().map(|entry| entry.unwrap().path());
        let kept: String = files.map(|path| std::fs::read_to_string(path).unwrap()).collect();
        let kept: Vec<Value> = kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(kept.len(), 1);
        assert!(kept[0]["Error"].as_str().unwrap().starts_with(cause), "{}", kept[0]["Error"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_stream_is_named_when_attempts_are_used_up() {
    let emulator = Emulator::start().await;
    let toml = pipeline("missing", &lines(1), emulator.endpoint(), "request.retry_attempts = 2");
    let finished = run(None, &["run", &toml]).await;
    assert_eq!(finished.status, 1);
    let said = "cannot deliver to stream flow-logs, tried 3 times: PutRecords: ResourceNotFoundException: ";
    assert!(finished.stderr.contains(said), "{}", finished.stderr);
    assert!(finished.stderr.contains("hint: check stream_name, the Region and the account"), "{}", finished.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_takes_rejects_of_one_stream_into_another() {
    let emulator = Emulator::start().await;
    emulator.create_stream("in", 2).await;
    emulator.create_stream(STREAM, 2).await;
    let mut flow_logs = FlowLogs::new(3).events_per_record(50);
    let records: Vec<_> = (0..20).map(|_| flow_logs.next_record()).collect();
    let put = records.iter().map(|record| (record.partition_key.clone(), record.data.clone()));
    emulator.put("in", put).await;
    let rejects = records.iter().flat_map(|record| &record.lines).filter(|line| line.contains(" REJECT "));
    let mut rejects: Vec<String> = rejects.map(|line| line.split(' ').nth(3).unwrap().replace('-', "null")).collect();
    rejects.sort();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/kinesis_to_kinesis.toml");
    let example = std::fs::read_to_string(example).unwrap();
    let until_tip = example.replace("start = \"trim_horizon\"", "start = \"trim_horizon\"\nstop = \"at_tip\"");
    assert_ne!(until_tip, example);
    let path = scratch_file("kinesis_to_kinesis.toml", until_tip.as_bytes());
    let _ = std::fs::remove_dir_all(data_dir("to-kinesis"));
    let mut example = command(None, &["run", &path]);
    example.env("AWS_ENDPOINT_URL", emulator.endpoint()).env("AWS_REGION", "us-east-1");
    example.env("STREAM", "in").env("REJECTS_STREAM", STREAM).env("DATA_DIR", data_dir("to-kinesis"));
    let finished = finish(example).await;
    assert_eq!(finished.status, 0, "{}", finished.stderr);
    let shown = read(&emulator, &["--format", "raw"]).await.clean();
    let objects = shown.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut sources: Vec<String> = objects
        .map(|object| {
            assert_eq!(object["action"], "REJECT");
            object["srcaddr"].as_str().unwrap_or("null").to_owned()
        })
        .collect();
    sources.sort();
    assert_eq!(sources, rejects);
}
