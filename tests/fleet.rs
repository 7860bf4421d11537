//! Processes that share a stream through a DynamoDB table, killed and restarted while it is resharded.
//!
//! ```sh
//! cargo test --test integration -- --ignored --nocapture fleet
//! FLEET_SECONDS=600 FLEET_RECORDS=1000000 cargo test --test integration -- --ignored --nocapture fleet
//! ```

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kinesis_logs_testkit::{DynamoDbEmulator, Emulator};

use crate::util::{STREAM, command, finish, record, scratch};

const WORKERS: usize = 3;
const SHARDS: i32 = 4;
const KILL_EVERY: Duration = Duration::from_secs(4);

/// A number from the environment, for longer runs than CI's.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

fn text(n: u64) -> String {
    format!("record-{n:09}")
}

struct Fleet {
    emulator: Emulator,
    dynamodb: DynamoDbEmulator,
    outputs: Vec<PathBuf>,
}

impl Fleet {
    fn with_table(&self, args: &[&str]) -> Command {
        let mut command = command(Some(self.emulator.endpoint()), args);
        command.env("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb.endpoint()).env("AWS_REGION", "us-east-1");
        command
    }

    /// Starts a worker whose rows go to a file of its own.
    fn worker(&mut self) -> Child {
        let output = scratch(&format!("fleet-{}.txt", self.outputs.len()));
        let args = ["read", STREAM, "--start-time", "trim_horizon", "--follow", "--format", "raw"];
        let mut command = self.with_table(&[&args[..], &["--checkpoint", "dynamodb:fleet"]].concat());
        let child = command.stdin(Stdio::null()).stdout(File::create(&output).unwrap()).spawn().unwrap();
        self.outputs.push(output);
        child
    }

    /// How often each text was printed. A line that a kill cut short was not.
    fn printed(&self) -> BTreeMap<String, usize> {
        let mut printed = BTreeMap::new();
        for output in &self.outputs {
            let all = std::fs::read_to_string(output).unwrap();
            for line in all.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
                *printed.entry(line.to_owned()).or_default() += 1;
            }
        }
        printed
    }

    /// How many open shards each worker reads.
    async fn loads(&self) -> BTreeMap<String, usize> {
        let shown = finish(self.with_table(&["checkpoints", "show", "dynamodb:fleet", STREAM])).await.clean();
        let mut loads = BTreeMap::new();
        for line in shown.lines().skip(1).filter(|line| !line.contains("SHARD_END")) {
            let owner = line.split_whitespace().nth(2).unwrap_or("-");
            *loads.entry(owner.to_owned()).or_default() += 1;
        }
        loads
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or two"]
async fn a_fleet_that_is_killed_again_and_again_prints_every_record_and_shares_the_shards_evenly() {
    let (records, seconds) = (setting("FLEET_RECORDS", 20_000), setting("FLEET_SECONDS", 24));
    let emulator = Emulator::start().await;
    emulator.create_stream(STREAM, SHARDS).await;
    let mut fleet = Fleet { emulator, dynamodb: DynamoDbEmulator::start().await, outputs: Vec::new() };
    let mut workers: Vec<Child> = (0..WORKERS).map(|_| fleet.worker()).collect();

    let began = Instant::now();
    let run = Duration::from_secs(seconds);
    let (mut put, mut killed, mut resharded) = (0, 0, 0);
    let mut rng = fastrand::Rng::with_seed(1);
    while put < records || began.elapsed() < run {
        let due = (records as f64 * (began.elapsed().as_secs_f64() / run.as_secs_f64()).min(1.0)) as u64;
        let batch = (put..due).map(|n| (text(n), record(&text(n))));
        fleet.emulator.put(STREAM, batch).await;
        put = put.max(due);
        if began.elapsed() > KILL_EVERY * (killed + 1) && began.elapsed() < run {
            let victim = rng.usize(..WORKERS);
            workers[victim].kill().unwrap();
            workers[victim].wait().unwrap();
            workers[victim] = fleet.worker();
            killed += 1;
        }
        // Halfway a split, later a merge of its halves.
        match resharded {
            0 if began.elapsed() > run / 3 => fleet.emulator.split(STREAM, "shardId-000000000001").await,
            1 if began.elapsed() > run * 2 / 3 => {
                fleet.emulator.merge(STREAM, "shardId-000000000004", "shardId-000000000005").await;
            }
            _ => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        }
        resharded += 1;
    }

    let deadline = Instant::now() + Duration::from_secs(180);
    let mut printed = fleet.printed();
    while printed.len() < records as usize && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_secs(1)).await;
        printed = fleet.printed();
    }
    let missing: Vec<String> = (0..records).map(text).filter(|text| !printed.contains_key(text)).take(5).collect();
    assert!(missing.is_empty(), "lost, among others: {missing:?}");
    assert_eq!(printed.len(), records as usize, "nothing is printed that was not put");
    let repeated = printed.values().sum::<usize>() - printed.len();
    println!("{records} records, {killed} kills, {resharded} reshardings: none lost, {repeated} printed again");

    let is_even = |loads: &BTreeMap<String, usize>| {
        let mean = loads.values().sum::<usize>() as f64 / WORKERS as f64;
        loads.len() == WORKERS && loads.values().all(|load| (*load as f64 - mean).abs() <= 1.0)
    };
    let mut loads = fleet.loads().await;
    while !is_even(&loads) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_secs(2)).await;
        loads = fleet.loads().await;
    }
    println!("at rest: {:?}", loads.values().collect::<Vec<_>>());
    assert!(is_even(&loads), "the workers do not come to share evenly: {loads:?}");
    for mut worker in workers {
        worker.kill().unwrap();
        worker.wait().unwrap();
    }
}
