//! A sink that is down for a while: what does not depend on it goes on, what waits for it stays bounded, and nothing of it is
//! lost.
//!
//! `OUTAGE_SECONDS=60 cargo test --workspace --test integration -- --nocapture is_down_for_a_while` lets it be down for a
//! minute; by default it is three seconds.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use kinesis_logs_generator::FlowLogs;
use kinesis_logs_testkit::{Collector, Emulator};

use crate::util::{STREAM, command, scratch, scratch_file};

const OTHER: &str = "other-logs";
/// What the command may take in the meantime: the records that are read and not settled, what both sinks' buffers hold, and
/// itself. All events would take three times as much.
const MAX_MEMORY: usize = 100 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn while_a_server_is_down_for_a_while_others_go_on_and_nothing_is_lost() {
    let seconds = std::env::var("OUTAGE_SECONDS").map_or(3, |seconds| seconds.parse().unwrap());
    let (emulator, collector) = (Emulator::start().await, Collector::start(u64::MAX).await);
    emulator.create_stream(STREAM, 2).await;
    emulator.create_stream(OTHER, 1).await;
    let folder = scratch("outage").with_extension("data");
    let _ = std::fs::remove_dir_all(&folder);
    let toml = format!(
        r#"
        data_dir = "{folder}"
        [sources.flows]
        type = "aws_kinesis_streams"
        streams = ["{STREAM}"]
        endpoint = "{endpoint}"
        start = "trim_horizon"
        [sources.others]
        type = "aws_kinesis_streams"
        streams = ["{OTHER}"]
        endpoint = "{endpoint}"
        start = "trim_horizon"
        [sinks.server]
        type = "http"
        inputs = ["flows"]
        uri = "{server}/"
        encoding.codec = "text"
        buffer.max_size = 8_000_000
        request.retry_initial_backoff_secs = 0.1
        request.retry_max_duration_secs = 1
        [sinks.file]
        type = "file"
        inputs = ["flows"]
        path = "{folder}/flows.log"
        encoding.codec = "text"
        [sinks.other_file]
        type = "file"
        inputs = ["others"]
        path = "{folder}/others.log"
        encoding.codec = "text"
        "#,
        folder = folder.display(),
        endpoint = emulator.endpoint(),
        server = collector.endpoint(),
    );
    let mut flow_logs = FlowLogs::new(11).events_per_record(500);
    collector.set_down(true);
    let flows = put(&emulator, STREAM, &mut flow_logs, 800).await;
    let mut child = command(None, &["run", &scratch_file("outage.toml", toml.as_bytes())]).spawn().unwrap();
    let down_since = Instant::now();
    // The file beside it gets what fits into the buffer, and the other stream all of it, also what comes later.
    wait_for(|| !lines(&folder.join("flows.log")).is_empty());
    let mut others = BTreeMap::new();
    let mut memory = 0;
    while down_since.elapsed() < Duration::from_secs(seconds) || others.is_empty() {
        add(&mut others, put(&emulator, OTHER, &mut flow_logs, 2).await);
        wait_for(|| counts(lines(&folder.join("others.log"))) == others);
        memory = memory.max(anonymous_memory(child.id()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(collector.lines().len(), 0, "it was down all the while");
    collector.set_down(false);
    wait_for(|| collector.lines().len() >= flows.values().sum());
    wait_for(|| lines(&folder.join("flows.log")).len() >= flows.values().sum());
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), nix::sys::signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    println!(
        "down for {:.0?}: {} events waited, {} went past them, {} MB at most",
        down_since.elapsed(),
        flows.values().sum::<usize>(),
        others.values().sum::<usize>(),
        memory >> 20
    );
    assert!(counts(collector.lines()) == flows, "the server has every event once");
    assert!(counts(lines(&folder.join("flows.log"))) == flows, "the file beside it has every event once");
    assert!(counts(lines(&folder.join("others.log"))) == others, "the other file has every event once");
    assert!(memory < MAX_MEMORY, "{memory} bytes");
}

/// Puts records, and gives their lines.
async fn put(emulator: &Emulator, stream: &str, flow_logs: &mut FlowLogs, records: usize) -> BTreeMap<String, usize> {
    let records: Vec<_> = (0..records).map(|_| flow_logs.next_record()).collect();
    let lines = counts(records.iter().flat_map(|record| record.lines.clone()).collect());
    emulator.put(stream, records.into_iter().map(|record| (record.partition_key, record.data))).await;
    lines
}

/// How often each line is there.
fn counts(lines: Vec<String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    lines.into_iter().for_each(|line| *counts.entry(line).or_insert(0) += 1);
    counts
}

fn add(all: &mut BTreeMap<String, usize>, more: BTreeMap<String, usize>) {
    more.into_iter().for_each(|(line, times)| *all.entry(line).or_insert(0) += times);
}

fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[track_caller]
fn wait_for(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(120), "it does not come");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What a process takes of memory that is no file's, in bytes; 0 where nobody tells.
fn anonymous_memory(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.map_or(0, |line| line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10)
}
