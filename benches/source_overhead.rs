//! CPU time for getting records' bytes out of a stream, without decoding them: by `Reader`, by `Consumer` with leases
//! in DynamoDB, and by kcl-rs, a port of the Kinesis Client Library 3, polling.
//!
//! ```sh
//! cargo bench --workspace --bench source_overhead
//! ```
//!
//! Each reads all of a stream of 16 shards with 500 default flow log events a record, in a process of its own, from
//! emulators in another. Counted is that process's CPU time, user and system, less what it takes for a stream of one
//! record a shard. Inflating the same records with libdeflate, buffers reused, is the unit. Rounds are interleaved;
//! ratios are medians of the rounds' ratios.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

mod measure;
#[path = "../tests/python.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod python;

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use futures::StreamExt;
use kinesis_logs_generator::FlowLogs;
use kinesis_logs_source::aws::{AwsOptions, DynamoDbLeaseStore, KinesisClient};
use kinesis_logs_source::protocol::{Checkpoint, Lease, LeaseWrite};
use kinesis_logs_source::{Consumer, LeaseStore, Reader, StartPosition, Stop, StreamId, list_all_shards};
use kinesis_logs_testkit::{DynamoDbEmulator, Emulator};

use measure::{children, inflate};

const STREAM: &str = "flow-logs";
/// One record a shard: what starting takes.
const START: &str = "start";
const SHARDS: usize = 16;
const RECORDS: usize = 4000;
const EVENTS_PER_RECORD: usize = 500;
const ROUNDS: usize = 5;
const READERS: [&str; 3] = ["Reader", "Consumer", "kcl-rs"];

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let args: Vec<String> = std::env::args().collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "serve"] => runtime.block_on(serve()),
        [_, "Reader", stream, _] => runtime.block_on(read(stream)),
        [_, "Consumer", stream, table] => runtime.block_on(consume(stream, table)),
        [_, "make-leases", stream, table] => runtime.block_on(make_leases(stream, table)),
        _ => compare(),
    }
}

fn records() -> Vec<Vec<u8>> {
    let mut flow_logs = FlowLogs::new(1).events_per_record(EVENTS_PER_RECORD);
    (0..RECORDS).map(|_| flow_logs.next_record().data).collect()
}

/// Serves until standard input closes.
async fn serve() {
    let (kinesis, dynamodb) = (Emulator::start().await, DynamoDbEmulator::start().await);
    kinesis.create_stream(STREAM, SHARDS as i32).await;
    kinesis.put(STREAM, records().into_iter().enumerate().map(|(n, data)| (format!("key-{n}"), data))).await;
    kinesis.create_stream(START, SHARDS as i32).await;
    for shard in 0..SHARDS as u128 {
        kinesis.put_at(START, shard * (u128::MAX / SHARDS as u128 + 1), b"record".to_vec()).await;
    }
    println!("{} {}", kinesis.endpoint(), dynamodb.endpoint());
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
}

async fn read(stream: &str) {
    let client = KinesisClient::connect(AwsOptions::default()).await.unwrap();
    let mut batches = Reader::builder(client, stream).start(StartPosition::TrimHorizon).stop(Stop::AtTip).batches();
    let mut bytes = 0;
    while let Some(batch) = batches.next().await {
        bytes += batch.unwrap().bytes();
    }
    println!("{bytes}");
}

async fn consume(stream: &str, table: &str) {
    let client = KinesisClient::connect(AwsOptions::default()).await.unwrap();
    let store = DynamoDbLeaseStore::connect(AwsOptions::default(), table).await.unwrap();
    let mut deliveries =
        Consumer::builder(client, store, stream).start(StartPosition::TrimHorizon).stop(Stop::AtTip).batches();
    let mut bytes = 0;
    while let Some(delivery) = deliveries.next().await {
        let (batch, acker) = delivery.unwrap().split();
        bytes += batch.bytes();
        acker.settle();
    }
    println!("{bytes}");
}

/// Leases for kcl-rs to find, which waits for up to half a minute before it makes its own.
async fn make_leases(stream: &str, table: &str) {
    let client = KinesisClient::connect(AwsOptions::default()).await.unwrap();
    let store = DynamoDbLeaseStore::connect(AwsOptions::default(), table).await.unwrap();
    store.prepare().await.unwrap();
    let shards = list_all_shards(&client, &StreamId::new(stream)).await.unwrap();
    let create = |shard| LeaseWrite::Create { lease: Lease::of_shard(shard, Checkpoint::TrimHorizon, None) };
    for written in store.write(shards.iter().map(create).collect()).await {
        written.unwrap();
    }
    println!("0");
}

struct Servers {
    kinesis: String,
    dynamodb: String,
}

impl Servers {
    /// Lets a reader read a stream, checks that all came, and tells its CPU time.
    fn cpu_of(&self, reader: &str, stream: &str, table: &str, records: usize, bytes: usize) -> Duration {
        let this = || Command::new(std::env::current_exe().unwrap());
        if reader == "kcl-rs" {
            self.run(this().args(["make-leases", stream, table]), 0);
            let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/kcl_worker.py");
            let mut python = Command::new(python::bin().join("python"));
            // As many a call as its default.
            return self.run(python.args([script, stream, table, "worker", &records.to_string(), "10000"]), bytes);
        }
        self.run(this().args([reader, stream, table]), bytes)
    }

    /// The CPU time of a command that prints how many bytes came.
    fn run(&self, command: &mut Command, bytes: usize) -> Duration {
        let before = children();
        let mut child = command
            .envs([
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
                ("AWS_REGION", "us-east-1"),
                ("AWS_ENDPOINT_URL_KINESIS", &self.kinesis),
                ("AWS_ENDPOINT_URL_DYNAMODB", &self.dynamodb),
                ("AWS_EC2_METADATA_DISABLED", "true"),
            ])
            .env_remove("PYTHONUNBUFFERED")
            // Its end would stop kcl-rs.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let mut printed = String::new();
        child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        assert!(child.wait().unwrap().success(), "{command:?}");
        drop(stdin);
        assert_eq!(printed.trim().parse(), Ok(bytes), "bytes that came by {command:?}");
        children() - before
    }
}

struct Round {
    inflate: f64,
    /// By reader, without starting.
    cpu: [f64; 3],
}

fn compare() {
    let mut server = Command::new(std::env::current_exe().unwrap())
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut endpoints = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut endpoints).unwrap();
    let (kinesis, dynamodb) = endpoints.trim().split_once(' ').unwrap();
    let servers = Servers { kinesis: kinesis.to_owned(), dynamodb: dynamodb.to_owned() };
    let records = records();
    let bytes: usize = records.iter().map(Vec::len).sum();
    println!("{RECORDS} records of {EVENTS_PER_RECORD} events, {bytes} bytes, on {SHARDS} shards; CPU seconds\n");
    println!(
        "round  inflate  {:>8}  {:>8}  {:>8}  (starting: {})",
        READERS[0],
        READERS[1],
        READERS[2],
        READERS.join(", ")
    );
    let mut rounds: Vec<Round> = Vec::new();
    for round in 1..=ROUNDS {
        let inflate = inflate(&records).as_secs_f64();
        let [starting, reading] =
            [(START, SHARDS, SHARDS * b"record".len()), (STREAM, RECORDS, bytes)].map(|(stream, records, bytes)| {
                READERS.map(|reader| {
                    let table = format!("{stream}-{reader}-{round}");
                    servers.cpu_of(reader, stream, &table, records, bytes).as_secs_f64()
                })
            });
        let cpu: [f64; 3] = std::array::from_fn(|reader| reading[reader] - starting[reader]);
        println!(
            "{round:5}  {inflate:7.3}  {:8.3}  {:8.3}  {:8.3}  ({:.3}, {:.3}, {:.3})",
            cpu[0], cpu[1], cpu[2], starting[0], starting[1], starting[2]
        );
        rounds.push(Round { inflate, cpu });
    }
    let median = |ratio: &dyn Fn(&Round) -> f64| {
        let mut ratios: Vec<f64> = rounds.iter().map(ratio).collect();
        ratios.sort_by(f64::total_cmp);
        ratios[ROUNDS / 2]
    };
    println!();
    for (n, reader) in READERS.iter().enumerate() {
        println!(
            "{reader:8}  {:.2} of inflating, {:.2} of kcl-rs",
            median(&|round| round.cpu[n] / round.inflate),
            median(&|round| round.cpu[n] / round.cpu[2])
        );
    }
    drop(server.stdin.take());
    server.wait().unwrap();
}
