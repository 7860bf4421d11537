//! Random histories of several workers that share a stream, in simulated time: the stream reshards, trims, throttles,
//! expires iterators, ends subscriptions, and returns odd pages and events; half of the workers read by fan-out, half by polling;
//! the lease store fails before or after it has written; calls to either hang, some for twice as long as a lease lasts; workers
//! crash, leave, come back, end after a count, abandon what they were given, and settle it in any order. The
//! [referee](referee) sees everything.
//!
//! A failing seed prints its history. To run others, or one: `SIMULATION_SEEDS=1000..2000 cargo test -p
//! kinesis-logs-source --test simulation`.

#![allow(clippy::unwrap_used, reason = "tests")]

mod referee;
mod stalls;
mod store;

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use kinesis_logs_source::protocol::Lease;
use kinesis_logs_source::{ApiErrorKind, Consumer, MemoryLeaseStore, RetryPolicy, ShardId, StartPosition};
use kinesis_logs_testkit::{FakeKinesis, Operation, World};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

use referee::Referee;
use stalls::{Stalling, Stalls};
use store::FaultyStore;

const FAILOVER: Duration = Duration::from_secs(10);

/// The worker that reads what is left.
const LAST: &str = "last";

#[test]
fn nothing_is_lost_and_every_repeat_is_explained() {
    let seeds = seeds();
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let totals = Mutex::new((0, 0, 0));
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (seeds, totals) = (seeds.clone(), &totals);
            scope.spawn(move || {
                for seed in seeds.filter(|seed| seed % threads == thread) {
                    let (put, delivered, repeated) = run(seed);
                    let mut totals = totals.lock().unwrap();
                    *totals = (totals.0 + put, totals.1 + delivered, totals.2 + repeated);
                }
            });
        }
    });
    let (put, delivered, repeated) = totals.into_inner().unwrap();
    println!("{} histories: {put} records put, {delivered} delivered, {repeated} of them again", seeds.count());
    assert!(put > 0 && delivered > put, "the histories must be such that something is repeated");
}

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("SIMULATION_SEEDS") else { return 0..300 };
    let (from, to) = text.split_once("..").expect("SIMULATION_SEEDS=FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

/// Runs one history. What was put, delivered, and repeated.
fn run(seed: u64) -> (usize, usize, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let referee = runtime.block_on(async {
        let history = History::new(seed);
        history.play().await;
        history.referee
    });
    let violations = referee.violations();
    assert!(violations.is_empty(), "{}\nseed {seed}: {violations:#?}", referee.history());
    assert!(referee.is_all_settled(), "{}\nseed {seed}: something is lost", referee.history());
    referee.counts()
}

struct History {
    seed: u64,
    rng: Mutex<fastrand::Rng>,
    kinesis: Arc<FakeKinesis>,
    rows: MemoryLeaseStore,
    referee: Arc<Referee>,
    faults: u32,
    /// Calls to the stream and to the store that hang.
    stalls: Stalls,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let shards = rng.usize(1..4);
        let kinesis = FakeKinesis::new("stream", shards);
        let referee = Arc::new(Referee::new(FAILOVER));
        {
            let mut world = kinesis.world();
            world.page_records = rng.usize(1..30);
            world.list_page = rng.usize(1..5);
            world.names_children = rng.bool();
            world.late_timestamp_gives_all = rng.bool();
            world.empty_pages = rng.usize(0..3);
            world.late_end = rng.usize(0..3);
            world.least_lag = if rng.u8(..4) == 0 { 1000 } else { 0 };
            world.iterator_ttl = Duration::from_millis(rng.u64(500..20_000));
            world.fan_out.lifetime = Duration::from_millis(rng.u64(500..60_000));
            world.fan_out.creating = rng.usize(0..3);
            world.fan_out.odd_continuations = rng.bool();
            world.fan_out.names_children_early = rng.bool();
        }
        (0..shards).for_each(|shard| referee.shard(&World::shard_id(shard), &[]));
        let faults = [0, 0, 2, 10][rng.usize(..4)];
        let stalls = Stalls { percent: [0, 0, 1, 4][rng.usize(..4)], longest: 2 * FAILOVER };
        History {
            seed,
            rng: Mutex::new(rng),
            kinesis: Arc::new(kinesis),
            rows: MemoryLeaseStore::new(),
            referee,
            faults,
            stalls,
        }
    }

    fn dice(&self, sides: u32) -> u32 {
        self.rng.lock().unwrap().u32(..sides)
    }

    async fn play(&self) {
        let mut workers: Vec<Option<Worker>> = Vec::new();
        for _ in 0..=self.dice(3) {
            workers.push(None);
        }
        let mut names = 0;
        let mut open: Vec<usize> = (0..self.kinesis.world().open_shards().len()).collect();
        for _ in 0..self.dice(80) + 20 {
            sleep(Duration::from_millis(u64::from(self.dice(1500)))).await;
            for _ in 0..self.dice(12) {
                self.put(open[self.dice(open.len() as u32) as usize]);
            }
            let slot = self.dice(workers.len() as u32) as usize;
            match self.dice(16) {
                0 => self.reshard(&mut open),
                1 => self.fail(),
                2 if workers[slot].is_some() => {
                    self.referee.note(&format!("{} crashes", workers[slot].as_ref().unwrap().name));
                    workers[slot] = None;
                }
                10 => self.trim(),
                3 if workers[slot].is_some() => {
                    // What hangs holds the end up.
                    let most = Duration::from_secs(if self.stalls.percent == 0 { 120 } else { 300 });
                    workers[slot].take().unwrap().leave(&self.referee, most).await;
                }
                4..10 if workers[slot].is_none() => {
                    names += 1;
                    workers[slot] = Some(self.worker(format!("worker-{names}"), self.dice(30)));
                }
                _ => {}
            }
        }
        drop(workers);
        self.finish().await;
    }

    /// A last worker, which always settles, reads what is left.
    async fn finish(&self) {
        self.referee.note("the last worker begins");
        let _last = self.worker(LAST.to_owned(), 0);
        // Where calls hang for longer than a lease lasts it gets on slowly, but it does: one in a hundred thousand takes more than
        // an hour.
        let deadline = Instant::now() + Duration::from_secs(36_000);
        while !(self.referee.is_all_settled() && self.closed_shards_are_complete()) && Instant::now() < deadline {
            sleep(Duration::from_millis(500)).await;
        }
        assert!(
            self.closed_shards_are_complete(),
            "{}\nseed {}: a closed shard is not checkpointed to its end: {:#?}",
            self.referee.history(),
            self.seed,
            self.rows.rows()
        );
    }

    fn closed_shards_are_complete(&self) -> bool {
        let open: Vec<ShardId> = self.kinesis.world().open_shards().into_iter().map(World::shard_id).collect();
        let rows = self.rows.rows();
        open.iter().all(|shard| rows.iter().any(|lease| lease.shard == *shard))
            && rows.iter().all(|lease| open.contains(&lease.shard) != lease.is_complete())
    }

    fn put(&self, shard: usize) {
        let mut world = self.kinesis.world();
        world.put(shard, "x");
        let number = world.sequence_numbers(shard).pop().expect("just put");
        drop(world);
        self.referee.put(&World::shard_id(shard), number);
    }

    fn reshard(&self, open: &mut Vec<usize>) {
        let from = open.swap_remove(self.dice(open.len() as u32) as usize);
        let mut world = self.kinesis.world();
        if !open.is_empty() && self.dice(2) == 0 {
            let other = open.swap_remove(self.dice(open.len() as u32) as usize);
            let merged = world.merge(from, other);
            open.push(merged);
            self.referee.shard(&World::shard_id(merged), &[World::shard_id(from), World::shard_id(other)]);
        } else {
            let (a, b) = world.split(from);
            for child in [a, b] {
                open.push(child);
                self.referee.shard(&World::shard_id(child), &[World::shard_id(from)]);
            }
        }
    }

    /// Shards that were read to their ends get too old to be listed.
    fn trim(&self) {
        let complete = self.rows.rows().into_iter().filter(Lease::is_complete);
        for lease in complete.filter(|_| self.dice(2) == 0) {
            self.referee.note(&format!("{} is trimmed", lease.shard));
            let shard = (0..).find(|&shard| World::shard_id(shard) == lease.shard).expect("rows are of shards");
            self.kinesis.world().trim(shard);
        }
    }

    fn fail(&self) {
        let operations = [
            Operation::DescribeStreamSummary,
            Operation::ListShards,
            Operation::GetShardIterator,
            Operation::GetRecords,
            Operation::RegisterStreamConsumer,
            Operation::SubscribeToShard,
            Operation::SubscriptionEvent,
        ];
        let kinds =
            [ApiErrorKind::Throttled, ApiErrorKind::Unavailable, ApiErrorKind::Timeout, ApiErrorKind::ExpiredIterator];
        if self.dice(4) == 0 {
            self.referee.note("all subscriptions end");
            return self.kinesis.world().end_subscriptions();
        }
        let operation = operations[self.dice(operations.len() as u32) as usize];
        let kinds = if operation == Operation::GetRecords { &kinds[..] } else { &kinds[..3] };
        let times = self.dice(4) + 1;
        let failures: Vec<ApiErrorKind> = (0..times).map(|_| kinds[self.dice(kinds.len() as u32) as usize]).collect();
        self.referee.note(&format!("{operation:?} will fail: {failures:?}"));
        self.kinesis.world().fail(operation, failures);
    }

    /// Starts a worker that abandons so many of a hundred batches.
    fn worker(&self, name: String, abandons: u32) -> Worker {
        let mut rng = self.rng.lock().unwrap().fork();
        let is_pushed = rng.bool();
        self.referee.note(&format!("{name} begins, by {}", if is_pushed { "fan-out" } else { "polling" }));
        let store = FaultyStore {
            rows: self.rows.clone(),
            worker: name.clone(),
            referee: self.referee.clone(),
            rng: Mutex::new(rng.fork()),
            faults: self.faults,
            stalls: self.stalls,
        };
        let kinesis = Stalling { kinesis: self.kinesis.clone(), stalls: self.stalls, rng: Mutex::new(rng.fork()) };
        let mut retry = RetryPolicy::default();
        retry.attempts_to_connect = u32::MAX;
        let mut consumer = Consumer::builder(kinesis, store, "stream");
        if is_pushed {
            consumer = consumer.fan_out("fleet");
        }
        if name != LAST && rng.u8(..6) == 0 {
            let count = rng.u64(1..60);
            self.referee.counts_to(&name, count);
            consumer = consumer.count(count);
        }
        let mut deliveries = consumer
            .worker_id(&name)
            .failover_time(FAILOVER)
            .checkpoint_interval(Duration::from_millis(rng.u64(100..5000)))
            .start(StartPosition::TrimHorizon)
            .max_in_flight(rng.usize(1..5))
            .max_batch_bytes(rng.usize(1..5000))
            .max_unsettled_bytes(rng.usize(1..20_000), rng.usize(1..10_000))
            .retry(retry)
            .seed(rng.u64(..))
            .batches();
        let shutdown = deliveries.shutdown_handle();
        let (referee, worker) = (self.referee.clone(), name.clone());
        let task = tokio::spawn(async move {
            let mut answers = JoinSet::new();
            while let Some(delivery) = deliveries.next().await {
                let delivery = match delivery {
                    Ok(delivery) => delivery,
                    Err(error) => {
                        referee.failed(&worker, &error);
                        break;
                    }
                };
                referee.delivered(&worker, &delivery);
                let (batch, acker) = delivery.split();
                let wait = Duration::from_millis([0, 0, rng.u64(..300), rng.u64(..8000)][rng.usize(..4)]);
                let abandons = rng.u32(..100) < abandons;
                let (referee, worker) = (referee.clone(), worker.clone());
                answers.spawn(async move {
                    sleep(wait).await;
                    if abandons {
                        referee.abandoned(&worker, &batch.shard_id);
                        acker.abandon();
                    } else {
                        let numbers = batch.records.iter().map(|record| record.sequence_number.clone());
                        referee.settled(&batch.shard_id, numbers);
                        acker.settle();
                    }
                });
                if rng.u8(..8) == 0 {
                    sleep(Duration::from_millis(rng.u64(..3000))).await;
                }
            }
        });
        Worker { name, task, shutdown }
    }
}

/// Dropping it is a crash.
struct Worker {
    name: String,
    task: JoinHandle<()>,
    shutdown: kinesis_logs_source::ShutdownHandle,
}

impl Worker {
    /// It leaves in an orderly way.
    async fn leave(mut self, referee: &Referee, most: Duration) {
        referee.note(&format!("{} leaves", self.name));
        self.shutdown.shut_down();
        let ended = tokio::time::timeout(most, &mut self.task).await;
        if ended.is_err() {
            referee.violated(format!("{} does not end though it was told to", self.name));
        }
        referee.note(&format!("{} has left", self.name));
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}
