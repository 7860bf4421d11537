//! Processes that share a stream through a DynamoDB table, killed and restarted while it is resharded.
//!
//! ```sh
//! cargo test --workspace --test integration -- --ignored --nocapture fleet
//! FLEET_SECONDS=600 FLEET_RECORDS=1000000 FLEET_SHARDS=16 \
//!     cargo test --release --workspace --test integration -- --ignored --nocapture fleet
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kinesis_logs_testkit::{DynamoDbEmulator, Emulator};

use crate::util::{STREAM, command, finish, record, scratch};

const WORKERS: usize = 3;
const KILL_EVERY: Duration = Duration::from_secs(4);
/// What a worker did not checkpoint for so long is not its to print any more.
const FAILOVER_TIME: Duration = Duration::from_secs(10);
/// Outputs are looked at this often, or a little less.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A number from the environment, for longer runs than CI's.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

fn text(n: u64) -> String {
    format!("record-{n:09}")
}

/// A line of output: the record's number, and when it was seen there.
#[derive(Clone, Copy)]
struct Print {
    n: u64,
    at: Instant,
}

/// What a worker writes, as far as it was looked at.
struct Output {
    file: File,
    /// A line that is not complete. One that a kill cut short never is.
    partial: Vec<u8>,
    shards: HashMap<String, Vec<Print>>,
}

impl Output {
    fn look(&mut self) {
        let at = Instant::now();
        let mut new = std::mem::take(&mut self.partial);
        self.file.read_to_end(&mut new).unwrap();
        let complete = new.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.partial = new.split_off(complete);
        for line in std::str::from_utf8(&new).unwrap().lines().filter(|line| line.starts_with("record-")) {
            let (text, shard) = line.split_once('\t').unwrap();
            let n = text.trim_start_matches("record-").parse().unwrap();
            match self.shards.get_mut(shard) {
                Some(prints) => prints.push(Print { n, at }),
                None => drop(self.shards.insert(shard.to_owned(), vec![Print { n, at }])),
            }
        }
    }
}

struct Fleet {
    emulator: Emulator,
    dynamodb: DynamoDbEmulator,
    outputs: Vec<Output>,
}

impl Fleet {
    fn with_table(&self, args: &[&str]) -> Command {
        let mut command = command(Some(self.emulator.endpoint()), args);
        command.env("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb.endpoint()).env("AWS_REGION", "us-east-1");
        command
    }

    /// Starts a worker whose rows go to a file of its own.
    fn worker(&mut self) -> Child {
        let path = scratch(&format!("fleet-{}.txt", self.outputs.len()));
        let args = ["read", STREAM, "--start-time", "trim_horizon", "--follow", "--format", "tsv"];
        let fields = ["--fields", "message,%kinesis.shard_id", "--checkpoint", "dynamodb:fleet"];
        let mut command = self.with_table(&[&args[..], &fields].concat());
        let child = command.stdin(Stdio::null()).stdout(File::create(&path).unwrap()).spawn().unwrap();
        let file = File::open(path).unwrap();
        self.outputs.push(Output { file, partial: Vec::new(), shards: HashMap::new() });
        child
    }

    fn look(&mut self) {
        self.outputs.iter_mut().for_each(Output::look);
    }

    /// Which records were printed, of so many that were put.
    fn printed(&self, records: u64) -> Vec<bool> {
        let mut printed = vec![false; records as usize];
        for print in self.outputs.iter().flat_map(|output| output.shards.values()).flatten() {
            printed[print.n as usize] = true;
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

/// What came more than once, and why.
#[derive(Debug, Default)]
struct Repeats {
    lines: usize,
    /// Changes of leases. A shard consists of stretches that one worker printed in one go, and all but its first follow
    /// one.
    changes: usize,
    /// Times that a worker went back within a shard, which only one does that lost its lease and got it again.
    went_back: usize,
    /// How long before the end of its stretch a line was printed that came again.
    oldest: Duration,
}

/// Looks at each shard's lines by workers. A worker prints a shard's records in order without gaps, from the checkpoint
/// on that it found, until its lease ends. So what comes again must have been printed shortly before such an end: since
/// the last checkpoint, which lies no further back than the failover time.
fn repeats(outputs: &[Output]) -> Repeats {
    let mut repeats = Repeats::default();
    let mut shards: BTreeMap<&str, Vec<&[Print]>> = BTreeMap::new();
    for (shard, prints) in outputs.iter().flat_map(|output| &output.shards) {
        shards.entry(shard).or_default().push(prints);
    }
    for (shard, by_worker) in shards {
        // Records are put one after the other, so that their numbers grow along a shard.
        let mut order: Vec<u64> = by_worker.iter().copied().flatten().map(|print| print.n).collect();
        order.sort_unstable();
        order.dedup();
        let place = |print: &Print| order.binary_search(&print.n).unwrap();
        // For each record how long before the end of a stretch it was printed, by each that printed it.
        let mut ages: HashMap<u64, Vec<Duration>> = HashMap::new();
        for prints in by_worker {
            repeats.went_back += prints.windows(2).filter(|pair| pair[1].n <= pair[0].n).count();
            for stretch in prints.chunk_by(|a, b| place(a) + 1 == place(b)) {
                repeats.changes += 1;
                let end = stretch[stretch.len() - 1].at;
                for print in stretch {
                    ages.entry(print.n).or_default().push(end - print.at);
                }
            }
        }
        repeats.changes -= 1; // its first stretch
        for (n, mut ages) in ages {
            ages.sort_unstable();
            // One is the last that printed it, and may have gone on for long.
            ages.pop();
            repeats.lines += ages.len();
            repeats.oldest = repeats.oldest.max(ages.last().copied().unwrap_or_default());
            assert!(
                ages.iter().all(|age| *age <= FAILOVER_TIME),
                "{shard}: {} came again though it must have been checkpointed, {ages:?} before the lease ended",
                text(n),
            );
        }
    }
    repeats
}

/// Splits the stream's first shards and merges the halves, one after the other.
struct Resharding {
    due: u64,
    done: u64,
    next_shard: u64,
}

impl Resharding {
    async fn step(&mut self, emulator: &Emulator, run: Duration, elapsed: Duration) {
        let shard = |n: u64| format!("shardId-{n:012}");
        let at = run.mul_f64((self.done + 1) as f64 / (self.due + 1) as f64);
        if self.done == self.due || elapsed < at {
            return;
        }
        if self.done.is_multiple_of(2) {
            emulator.split(STREAM, &shard(self.done / 2)).await;
            self.next_shard += 2;
        } else {
            emulator.merge(STREAM, &shard(self.next_shard - 2), &shard(self.next_shard - 1)).await;
            self.next_shard += 1;
        }
        self.done += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or two"]
async fn a_fleet_that_is_killed_again_and_again_prints_every_record_and_shares_the_shards_evenly() {
    let (records, seconds) = (setting("FLEET_RECORDS", 20_000), setting("FLEET_SECONDS", 24));
    let shards = setting("FLEET_SHARDS", 4);
    let emulator = Emulator::start().await;
    emulator.create_stream(STREAM, shards as i32).await;
    let mut fleet = Fleet { emulator, dynamodb: DynamoDbEmulator::start().await, outputs: Vec::new() };
    let mut workers: Vec<Child> = (0..WORKERS).map(|_| fleet.worker()).collect();

    let began = Instant::now();
    let run = Duration::from_secs(seconds);
    let (mut put, mut killed) = (0, 0);
    let mut resharding = Resharding { due: (seconds / 60).clamp(1, shards) * 2, done: 0, next_shard: shards };
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
        resharding.step(&fleet.emulator, run, began.elapsed()).await;
        fleet.look();
        tokio::time::sleep(LOOK_EVERY).await;
    }
    assert_eq!(resharding.done, resharding.due);
    let put_in = began.elapsed();

    let deadline = Instant::now() + Duration::from_secs(180);
    while fleet.printed(records).contains(&false) && Instant::now() < deadline {
        tokio::time::sleep(LOOK_EVERY).await;
        fleet.look();
    }
    let printed = fleet.printed(records);
    let missing: Vec<String> = (0..records).filter(|n| !printed[*n as usize]).map(text).take(5).collect();
    assert!(missing.is_empty(), "lost, among others: {missing:?}");
    let repeats = repeats(&fleet.outputs);
    println!(
        "{records} records on {shards} shards in {put_in:.0?}, all printed {:.0?} later\n\
         {killed} kills, {} reshardings\n\
         none lost, {} printed again, {:.1?} before the end of a lease at most; {} leases changed hands, {} came back",
        began.elapsed() - put_in,
        resharding.done,
        repeats.lines,
        repeats.oldest,
        repeats.changes,
        repeats.went_back,
    );

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
