//! Events per CPU second of `read` and of the ancestor, kinesis_logs_reader, from one emulator in one run.
//!
//! ```sh
//! cargo bench --bench against_ancestor
//! ```
//!
//! Both commands read the same stream of 4 shards with 500 events a record, with `extractedFields` (without them the
//! ancestor fails), and write their rows to a pipe that is thrown away. Counted is the CPU time, user and system, of the
//! whole process. Rounds are interleaved; the ratio is the median of the rounds' ratios. Inflating the same bytes with
//! libdeflate, buffers reused, is the unit that other figures are multiples of.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

mod measure;
#[path = "../tests/python.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod python;

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use kinesis_logs_generator::FlowLogs;
use kinesis_logs_testkit::Emulator;

use measure::{children, inflate};

const STREAM: &str = "flow-logs";
const RECORDS: usize = 400;
const EVENTS_PER_RECORD: usize = 500;
const EVENTS: usize = RECORDS * EVENTS_PER_RECORD;
const ROUNDS: usize = 5;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (emulator, records) = runtime.block_on(fill());
    let start = ["--start-time", "2026-01-01 00:00:00"];
    let mut ratios = Vec::new();
    println!("{EVENTS} events in {RECORDS} records on 4 shards; CPU time of the whole process\n");
    println!("round  ancestor      read    ratio   inflate   read / inflate");
    for round in 1..=ROUNDS {
        let mut ancestor = Command::new(python::bin().join("kinesis_logs_reader"));
        let theirs = cpu_of(ancestor.arg(STREAM).args(start), emulator.endpoint());
        let mut read = Command::new(env!("CARGO_BIN_EXE_kinesis-logs-reader"));
        let ours = cpu_of(read.args(["read", STREAM]).args(start), emulator.endpoint());
        let inflate = inflate(&records);
        let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
        ratios.push((ratio, ours, theirs));
        println!(
            "{round:5}  {:6.2} s  {:6.3} s  {ratio:6.1}  {:6.3} s  {:6.2}",
            theirs.as_secs_f64(),
            ours.as_secs_f64(),
            inflate.as_secs_f64(),
            ours.as_secs_f64() / inflate.as_secs_f64(),
        );
    }
    ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ratio, ours, theirs) = ratios[ROUNDS / 2];
    let per_second = |cpu: Duration| EVENTS as f64 / cpu.as_secs_f64();
    println!(
        "\nmedian: {ratio:.1} times the ancestor's events per CPU second ({:.0} against {:.0})",
        per_second(ours),
        per_second(theirs)
    );
}

async fn fill() -> (Emulator, Vec<Vec<u8>>) {
    let emulator = Emulator::start().await;
    emulator.create_stream(STREAM, 4).await;
    let mut flow_logs = FlowLogs::new(1).events_per_record(EVENTS_PER_RECORD).extracted_fields(true);
    let records: Vec<_> = (0..RECORDS).map(|_| flow_logs.next_record()).collect();
    emulator.put(STREAM, records.iter().map(|record| (record.partition_key.clone(), record.data.clone()))).await;
    (emulator, records.into_iter().map(|record| record.data).collect())
}

/// Runs a command, checks that it printed a header and a row an event, and tells its CPU time.
fn cpu_of(command: &mut Command, endpoint: &str) -> Duration {
    let before = children();
    let mut child = command
        .envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("TZ", "UTC"),
        ])
        .env_remove("PYTHONUNBUFFERED")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let (mut lines, mut buffer) = (0, vec![0; 1 << 20]);
    loop {
        let read = stdout.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        lines += buffer[..read].iter().filter(|&&byte| byte == b'\n').count();
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(lines, EVENTS + 1, "lines printed");
    children() - before
}
