//! A pipeline that is killed with -9 at random moments, over and over, while its stream is written to and resharded: a file,
//! a server and another stream must have every event, and what comes again must lie behind what was checkpointed.
//!
//! `KILLS=200 cargo test --workspace --test integration -- --nocapture killed_at_random` kills 200 times; by default it is 8.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use kinesis_logs_generator::FlowLogs;
use kinesis_logs_source::FileLeaseStore;
use kinesis_logs_source::protocol::{Checkpoint, Lease};
use kinesis_logs_testkit::{Collector, Emulator};

use crate::util::{Running, STREAM, command, run, scratch, scratch_file};

/// The stream that is written to by what is killed.
const REJECTS: &str = "rejects";

fn kills() -> usize {
    std::env::var("KILLS").map_or(8, |kills| kills.parse().unwrap())
}

fn pipeline(folder: &Path, kinesis: &str, collector: &str, stop: &str) -> String {
    format!(
        r#"
        data_dir = "{folder}"
        [sources.flows]
        type = "aws_kinesis_streams"
        streams = ["{STREAM}"]
        endpoint = "{kinesis}"
        start = "trim_horizon"
        stop = "{stop}"
        checkpoint = {{ failover_time_secs = 1 }}
        [transforms.rejects]
        type = "filter"
        inputs = ["flows"]
        condition = '.action == "REJECT"'
        [sinks.file]
        type = "file"
        inputs = ["rejects"]
        path = "{folder}/out.csv"
        encoding.codec = "csv"
        encoding.csv.fields = ["%kinesis.shard_id", "%kinesis.sequence_number", "%kinesis.event_index", "message"]
        [sinks.server]
        type = "http"
        inputs = ["rejects"]
        uri = "{collector}/events"
        encoding.codec = "text"
        batch.timeout_secs = 0.1
        request.retry_initial_backoff_secs = 0.05
        [sinks.stream]
        type = "aws_kinesis_streams"
        inputs = ["rejects"]
        stream_name = "{REJECTS}"
        endpoint = "{kinesis}"
        encoding.codec = "text"
        compression = "gzip"
        batch.timeout_secs = 0.1
        "#,
        folder = folder.display(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_no_file_server_or_stream_misses_an_event() {
    let (emulator, collector) = (Emulator::start().await, Collector::start(7).await);
    emulator.create_stream(STREAM, 4).await;
    emulator.create_stream(REJECTS, 2).await;
    let folder = scratch("kills").with_extension("data");
    let _ = std::fs::remove_dir_all(&folder);
    let config = |stop| pipeline(&folder, emulator.endpoint(), collector.endpoint(), stop);
    let path = scratch_file("kills.toml", config("never").as_bytes());
    let (kills, seed) = (kills(), fastrand::u64(..));
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut flow_logs = FlowLogs::new(seed).events_per_record(20);
    let mut expected: BTreeMap<String, usize> = BTreeMap::new();
    let (mut seen, mut checkpointed) = (0, Vec::new());
    for kill in 0..kills {
        let records: Vec<_> = (0..random.usize(1..40)).map(|_| flow_logs.next_record()).collect();
        for line in records.iter().flat_map(|record| &record.lines).filter(|line| line.contains(" REJECT ")) {
            *expected.entry(line.clone()).or_insert(0) += 1;
        }
        emulator.put(STREAM, records.into_iter().map(|record| (record.partition_key, record.data))).await;
        if kill == kills / 3 {
            emulator.split(STREAM, "shardId-000000000001").await;
        }
        if kill == kills * 2 / 3 {
            emulator.merge(STREAM, "shardId-000000000002", "shardId-000000000003").await;
        }
        let mut running = Running::start(command(None, &["run", &path]));
        tokio::time::sleep(Duration::from_millis(random.u64(20..2500))).await;
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        let lines = whole_lines(&folder);
        assert_behind(&checkpointed, &lines[seen..]);
        (seen, checkpointed) = (lines.len(), leases(&folder));
    }
    let path = scratch_file("kills.toml", config("at_tip").as_bytes());
    let last = run(None, &["run", &path]).await;
    assert_eq!(last.status, 0, "{}", last.stderr);
    let written = whole_lines(&folder);
    let messages = |lines: &[String]| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        lines.iter().for_each(|line| *counts.entry(line.clone()).or_insert(0) += 1);
        counts
    };
    let of_file: Vec<String> = written.iter().map(|line| line.splitn(4, ',').nth(3).unwrap().to_owned()).collect();
    let read = ["read", REJECTS, "--start-time", "trim_horizon", "--payload", "lines", "--format", "raw"];
    let of_stream = run(Some(emulator.endpoint()), &read).await.clean().lines().map(str::to_owned).collect();
    for (sink, lines) in [("file", of_file), ("server", collector.lines()), ("stream", of_stream)] {
        let counts = messages(&lines);
        for (line, times) in &expected {
            let found = counts.get(line).copied().unwrap_or_default();
            assert!(found >= *times, "the {sink} has {found} of {times} times {line}; seed {seed}");
        }
        let made_up: BTreeSet<&String> = counts.keys().filter(|line| !expected.contains_key(*line)).collect();
        assert!(made_up.is_empty(), "the {sink} has lines that nobody put, as {made_up:?}; seed {seed}");
        let all: usize = expected.values().sum();
        println!("{sink}: {} of {all} lines, {} of them again, after {kills} kills", lines.len(), lines.len() - all);
    }
    let nothing = run(None, &["run", &path]).await;
    assert_eq!(nothing.status, 0, "{}", nothing.stderr);
    assert_eq!(whole_lines(&folder).len(), written.len(), "what was checkpointed does not come again");
}

/// The lines of the file, without one that was cut off.
fn whole_lines(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join("out.csv")).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    whole.lines().map(str::to_owned).collect()
}

/// What a run has written lies behind what was checkpointed when it began.
fn assert_behind(leases: &[Lease], lines: &[String]) {
    for line in lines {
        let mut columns = line.splitn(4, ',');
        let (shard, number) = (columns.next().unwrap(), columns.next().unwrap());
        let Some(lease) = leases.iter().find(|lease| lease.shard.as_str() == shard) else { continue };
        // As numbers: they are too large for any that Rust has.
        let order = |number: &str| (number.len(), number.to_owned());
        match &lease.checkpoint {
            Checkpoint::After(at) => {
                assert!(order(number) > order(at.sequence_number.as_str()), "{line} lies before {at:?}");
            }
            Checkpoint::ShardEnd => panic!("{line} is of a shard that was read to its end"),
            _ => {}
        }
    }
}

/// The leases as they are on the disk.
fn leases(folder: &Path) -> Vec<Lease> {
    let files = std::fs::read_dir(folder.join("flows")).into_iter().flatten().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.flat_map(|path| FileLeaseStore::new(path, STREAM).peek().unwrap()).collect()
}
