//! What shards cost on which nothing happens: memory and CPU of one process that holds the leases of many.
//!
//! ```sh
//! cargo run -p kinesis-logs-source --example idle_cost
//! ```
//!
//! Every row is a process of its own. `protocol and driver`: over an API in the process that always answers at once that
//! there is nothing new. `with the SDK`: over an emulator in another process. Leases are in memory, in a store that others
//! could write to, so that they are renewed as in a table.
#![allow(clippy::unwrap_used, reason = "an example that cannot go on should stop")]

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::StreamExt;
use jiff::Timestamp;
use kinesis_logs_source::aws::{AwsOptions, KinesisClient};
use kinesis_logs_source::protocol::{RecordPage, Shard, ShardPage, ShardPosition};
use kinesis_logs_source::{ApiError, Consumer, KinesisApi, MemoryLeaseStore, ShardId, StartPosition, StreamId};
use kinesis_logs_testkit::Emulator;

const STREAM: &str = "stream";
/// Long enough to list, take all leases, and get the first iterators.
const SETTLE: Duration = Duration::from_secs(25);
const MEASURE: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => compare(),
        ["emulator", shards] => serve(shards.parse().unwrap()).await,
        ["idle", shards] => measure(Nothing { shards: shards.parse().unwrap() }).await,
        ["sdk", endpoint] => {
            let mut options = AwsOptions::default();
            options.endpoint_url = Some(endpoint.to_owned());
            measure(KinesisClient::connect(options).await.unwrap()).await;
        }
        _ => panic!("no such arguments: {arguments:?}"),
    }
}

fn compare() {
    println!("{:<22} {:>7} {:>12} {:>14} {:>12}", "", "shards", "memory, MiB", "KiB per shard", "CPU, % of 1");
    let report = |name: &str, of: &dyn Fn(usize) -> (f64, f64)| {
        let mut base = None;
        for shards in [1, 1000] {
            let (kib, cpu) = of(shards);
            let per_shard = base.map(|base| format!("{:.1}", (kib - base) / (shards - 1) as f64)).unwrap_or_default();
            println!("{name:<22} {shards:>7} {:>12.1} {per_shard:>14} {cpu:>12.2}", kib / 1024.0);
            base = Some(kib);
        }
    };
    report("protocol and driver", &|shards| child(&["idle", &shards.to_string()]));
    report("with the SDK", &|shards| {
        let mut server = command(&["emulator", &shards.to_string()]).stdin(Stdio::piped()).spawn().unwrap();
        let mut endpoint = String::new();
        let mut stdout = std::io::BufReader::new(server.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut stdout, &mut endpoint).unwrap();
        let measured = child(&["sdk", endpoint.trim()]);
        server.kill().unwrap();
        server.wait().unwrap();
        measured
    });
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let credentials = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")];
    command.args(arguments).envs(credentials).stdout(Stdio::piped());
    command
}

/// Memory in KiB, and CPU in percent, as a process that measures itself prints them.
fn child(arguments: &[&str]) -> (f64, f64) {
    let output = command(arguments).stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

async fn serve(shards: i32) {
    let emulator = Emulator::start().await;
    emulator.create_stream(STREAM, shards).await;
    println!("{}", emulator.endpoint());
    // Until the parent ends.
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
}

async fn measure(api: impl KinesisApi) {
    let consumer = Consumer::builder(api, MemoryLeaseStore::new(), STREAM).start(StartPosition::TrimHorizon);
    let mut deliveries = consumer.batches();
    let stats = deliveries.stats();
    let nothing = tokio::time::timeout(SETTLE, deliveries.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    let (cpu, began) = (cpu_time(), Instant::now());
    let nothing = tokio::time::timeout(MEASURE, deliveries.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    let share = (cpu_time() - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    assert!(stats.get().progress.reading > 0);
    println!("{} {}", resident_kib(), share * 100.0);
}

/// User and system time of this process, of which Linux tells hundredths of a second.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |index: usize| fields[index].parse::<u64>().unwrap();
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A stream on which nothing happens.
struct Nothing {
    shards: usize,
}

#[async_trait]
impl KinesisApi for Nothing {
    async fn list_shards(&self, _: &StreamId, _: Option<String>, _: Option<Timestamp>) -> Result<ShardPage, ApiError> {
        let shard = |index| Shard {
            id: format!("shardId-{index:012}").into(),
            parents: Vec::new(),
            hash_key_range: Some((index as u128, index as u128)),
            closed: false,
        };
        let shards = (0..self.shards).map(shard).collect();
        Ok(ShardPage { shards, next_token: None, server_time: Timestamp::now() })
    }

    async fn get_shard_iterator(&self, _: &StreamId, shard: &ShardId, _: &ShardPosition) -> Result<String, ApiError> {
        // As long as AWS's are.
        Ok(format!("{shard:_<228}"))
    }

    async fn get_records(&self, _: &StreamId, iterator: &str, _: Option<i32>) -> Result<RecordPage, ApiError> {
        Ok(RecordPage {
            records: Vec::new(),
            next_iterator: Some(iterator.to_owned()),
            millis_behind_latest: Some(0),
            child_shards: Vec::new(),
            server_time: Timestamp::now(),
        })
    }
}
