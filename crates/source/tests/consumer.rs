#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

//! The consumer over a scripted stream, in held time: what one run leaves to the next, and one worker to another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use kinesis_logs_generator::aggregate;
use kinesis_logs_source::protocol::{Checkpoint, ConsumerEvent, Lease, LeaseWrite, WriteOutcome};
use kinesis_logs_source::{
    ApiErrorKind, Consumer, ConsumerBuilder, Deliveries, Delivery, Error, LeaseStore, LeaseStoreError,
    LeaseStoreErrorKind, MemoryLeaseStore, Pacing, ShardId, StartPosition, Stop,
};
use kinesis_logs_testkit::{FakeKinesis, Operation, World};
use tokio::time::{Instant, timeout};

const STREAM: &str = "stream";

struct Test {
    kinesis: Arc<FakeKinesis>,
    store: MemoryLeaseStore,
}

impl Test {
    fn new(shards: usize) -> Self {
        Test { kinesis: Arc::new(FakeKinesis::new(STREAM, shards)), store: MemoryLeaseStore::new() }
    }

    fn put(&self, shard: usize, texts: &[&str]) {
        texts.iter().for_each(|text| self.kinesis.world().put(shard, text.as_bytes().to_vec()));
    }

    /// A consumer that begins at the horizon, and follows.
    fn consumer(&self) -> ConsumerBuilder<Arc<FakeKinesis>, MemoryLeaseStore> {
        Consumer::builder(self.kinesis.clone(), self.store.clone(), STREAM).start(StartPosition::TrimHorizon).seed(1)
    }

    /// The same, to the tip.
    fn to_the_tip(&self) -> Deliveries {
        self.consumer().stop(Stop::AtTip).batches()
    }

    fn lease(&self, shard: usize) -> Lease {
        let id = World::shard_id(shard);
        self.store.rows().into_iter().find(|lease| lease.shard == id).expect("a lease of the shard")
    }

    /// Where the shard's lease stands: the index of the last record that is checkpointed.
    fn checkpoint(&self, shard: usize) -> Option<usize> {
        match self.lease(shard).checkpoint {
            Checkpoint::After(position) => {
                let numbers = self.kinesis.world().sequence_numbers(shard);
                numbers.iter().position(|number| *number == position.sequence_number)
            }
            _ => None,
        }
    }
}

fn texts(delivery: &Delivery) -> Vec<String> {
    let records = delivery.batch().records.iter();
    records.map(|record| String::from_utf8_lossy(&record.data).into_owned()).collect()
}

/// Settles all that comes until the end.
async fn settle_all(mut deliveries: Deliveries) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(delivery) = deliveries.next().await {
        let delivery = delivery.expect("no failure");
        all.extend(texts(&delivery));
        delivery.split().1.settle();
    }
    all
}

async fn next(deliveries: &mut Deliveries) -> Delivery {
    timeout(Duration::from_secs(60), deliveries.next()).await.expect("a delivery in time").unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_on_behind_what_the_last_one_settled() {
    let test = Test::new(1);
    test.put(0, &["a", "b"]);
    assert_eq!(settle_all(test.to_the_tip()).await, ["a", "b"]);
    assert_eq!(test.checkpoint(0), Some(1));
    test.put(0, &["c"]);
    assert_eq!(settle_all(test.to_the_tip()).await, ["c"]);
    assert_eq!(settle_all(test.to_the_tip()).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_buffers_ahead_and_dies_loses_nothing() {
    let test = Test::new(1);
    test.put(0, &["a", "b", "c", "d"]);
    let mut deliveries = test.consumer().max_batch_bytes(1).batches();
    next(&mut deliveries).await.split().1.settle();
    let (_batch, unanswered) = next(&mut deliveries).await.split();
    next(&mut deliveries).await.split().1.settle();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(test.checkpoint(0), Some(0), "a checkpoint stays before what is not settled");
    drop(deliveries);
    drop(unanswered);
    assert_eq!(settle_all(test.to_the_tip()).await, ["b", "c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn latest_is_when_the_stream_was_first_seen_also_for_a_later_run() {
    let test = Test::new(2);
    test.put(0, &["before"]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let latest = || test.consumer().start(StartPosition::Latest);
    let first = latest().batches();
    tokio::time::sleep(Duration::from_secs(5)).await;
    drop(first);
    test.put(0, &["between"]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(settle_all(latest().stop(Stop::AtTip).batches()).await, ["between"]);
}

#[tokio::test(start_paused = true)]
async fn what_arrives_behind_the_end_of_a_bounded_run_is_left_to_the_next() {
    let test = Test::new(1);
    let start = test.kinesis.world().now();
    let at = |second: i64| start + jiff::SignedDuration::from_secs(second);
    for (second, text) in [(1, "a"), (3, "past the end"), (2, "out of order"), (4, "b")] {
        test.kinesis.world().put_at(0, at(second), text);
    }
    let run = |end: i64| test.consumer().stop(Stop::At(at(end))).batches();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(settle_all(run(3)).await, ["a"]);
    assert_eq!(settle_all(run(5)).await, ["past the end", "out of order", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_count_is_exact_and_the_next_run_goes_on_behind_it() {
    let test = Test::new(1);
    test.put(0, &["a", "b", "c", "d", "e"]);
    assert_eq!(settle_all(test.consumer().count(2).batches()).await, ["a", "b"]);
    assert_eq!(settle_all(test.consumer().count(2).batches()).await, ["c", "d"]);
    assert_eq!(settle_all(test.consumer().count(0).batches()).await, [""; 0]);
    assert_eq!(settle_all(test.to_the_tip()).await, ["e"]);
}

#[tokio::test(start_paused = true)]
async fn a_count_that_ends_within_a_closed_shards_last_page_leaves_the_rest_of_it_to_the_next_run() {
    for fan_out in [false, true] {
        let test = Test::new(1);
        test.put(0, &["a", "b", "c", "d", "e"]);
        let (left, _) = test.kinesis.world().split(0);
        test.put(left, &["child"]);
        let consumer = || if fan_out { test.consumer().fan_out("reader") } else { test.consumer() };
        assert_eq!(settle_all(consumer().count(2).batches()).await, ["a", "b"]);
        assert_eq!(test.checkpoint(0), Some(1), "by fan-out: {fan_out}");
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(settle_all(consumer().stop(Stop::AtTip).batches()).await, ["c", "d", "e", "child"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_counted_batch_that_is_abandoned_comes_again_before_the_run_ends() {
    let test = Test::new(2);
    test.put(0, &["a", "b", "c", "d"]);
    test.put(1, &["x", "y", "z"]);
    let mut deliveries = test.consumer().count(5).max_batch_bytes(1).batches();
    let (mut settled, mut has_abandoned) = (Vec::new(), false);
    while let Some(delivery) = deliveries.next().await {
        let delivery = delivery.unwrap();
        if texts(&delivery) == ["b"] && !has_abandoned {
            has_abandoned = true;
            delivery.split().1.abandon();
        } else if delivery.acker().is_current() {
            settled.extend(texts(&delivery));
            delivery.split().1.settle();
        }
    }
    assert!(has_abandoned);
    let settled_for_good = [0, 1].map(|shard| test.checkpoint(shard).map_or(0, |index| index + 1));
    assert_eq!(settled_for_good.iter().sum::<usize>(), 5, "{settled:?}, checkpoints {settled_for_good:?}");
}

#[tokio::test(start_paused = true)]
async fn a_shard_whose_records_the_count_had_no_room_for_is_read_on_if_another_gives_some_back() {
    let test = Test::new(2);
    test.put(0, &["a", "b"]);
    test.put(1, &["x", "y", "z"]);
    let mut deliveries = test.consumer().count(4).worker_id("w").batches();
    let (first, second) = (next(&mut deliveries).await, next(&mut deliveries).await);
    assert_eq!(texts(&first).len() + texts(&second).len(), 4);
    // The lease of the shard that is read whole is another's now, and so are its two records.
    let (whole, cut) = if texts(&first) == ["a", "b"] { (first, second) } else { (second, first) };
    assert_eq!((texts(&whole).len(), texts(&cut).len()), (2, 2), "one is cut");
    let lease = test.lease(0);
    test.store.write_now(&LeaseWrite::Take {
        shard: lease.shard,
        owner: "thief".to_owned(),
        counter: lease.counter,
        stream_creation_timestamp: None,
    });
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(!whole.acker().is_current());
    cut.split().1.settle();
    assert_eq!(texts(&next(&mut deliveries).await), ["z"], "what was cut is read on");
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_on_in_the_middle_of_an_aggregated_record() {
    let test = Test::new(1);
    test.kinesis.world().put(0, aggregate(&[("k", b"a"), ("k", b"b"), ("k", b"c")]));
    test.put(0, &["d"]);
    assert_eq!(settle_all(test.consumer().count(2).batches()).await, ["a", "b"]);
    assert_eq!(test.lease(0).checkpoint.sub_sequence_number(), 1);
    assert_eq!(settle_all(test.to_the_tip()).await, ["c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_batch_comes_again_with_all_behind_it_and_late_answers_change_nothing() {
    let test = Test::new(1);
    test.put(0, &["a", "b", "c"]);
    let mut deliveries = test.consumer().max_batch_bytes(1).batches();
    let first = next(&mut deliveries).await;
    let (poison, late) = (next(&mut deliveries).await, next(&mut deliveries).await);
    first.split().1.settle();
    let epoch = poison.acker().epoch();
    drop(poison);
    let again = next(&mut deliveries).await;
    assert_eq!((texts(&again), again.acker().abandoned()), (vec!["b".to_owned()], 1));
    assert!(again.acker().epoch() > epoch);
    assert!(!late.acker().is_current(), "what was delivered behind it is no longer its deliverer's");
    late.split().1.settle();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(test.checkpoint(0), Some(0), "an answer of an earlier epoch settles nothing");
    again.split().1.abandon();
    let third = next(&mut deliveries).await;
    assert_eq!((texts(&third), third.acker().abandoned()), (vec!["b".to_owned()], 2));
    third.split().1.settle();
    let last = next(&mut deliveries).await;
    assert_eq!((texts(&last), last.acker().abandoned()), (vec!["c".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn a_shard_whose_records_are_not_settled_waits_and_others_go_on() {
    let test = Test::new(2);
    let (slow, fast) = (World::shard_id(0), World::shard_id(1));
    test.kinesis.world().page_records = 1;
    for _ in 0..50 {
        test.put(0, &["x"]);
        test.put(1, &["x"]);
    }
    let mut deliveries = test.consumer().max_unsettled_bytes(1 << 20, 2000).pacing(Pacing::unlimited()).batches();
    let (mut seen, mut held) = (BTreeMap::new(), Vec::new());
    while let Ok(Some(delivery)) = timeout(Duration::from_secs(60), deliveries.next()).await {
        let delivery = delivery.unwrap();
        *seen.entry(delivery.batch().shard_id.clone()).or_insert(0) += 1;
        if delivery.batch().shard_id == slow { held.push(delivery) } else { delivery.split().1.settle() }
    }
    assert_eq!(seen[&fast], 50);
    assert!((2..25).contains(&seen[&slow]), "{seen:?}");
    let calls = test.kinesis.world().calls(Operation::GetRecords);
    assert!(calls < 50 + 25 + 61 * 10 + 10, "a shard that waits is not asked: {calls}");
    held.into_iter().for_each(|delivery| delivery.split().1.settle());
    next(&mut deliveries).await.split().1.settle();
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_answers_writes_checkpoints_and_gives_shards_back() {
    let test = Test::new(2);
    test.put(0, &["a"]);
    test.put(1, &["b"]);
    let mut deliveries = test.consumer().batches();
    let (a, b) = (next(&mut deliveries).await, next(&mut deliveries).await);
    deliveries.shutdown_handle().shut_down();
    test.put(0, &["not any more"]);
    let ends = tokio::spawn(settle_all(deliveries));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(!ends.is_finished(), "it waits for answers");
    a.split().1.settle();
    b.split().1.settle();
    assert_eq!(ends.await.unwrap(), [""; 0]);
    for shard in 0..2 {
        assert_eq!((test.lease(shard).owner, test.checkpoint(shard)), (None, Some(0)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_ever() {
    let test = Test::new(1);
    test.put(0, &["a"]);
    let mut deliveries = test.consumer().drain_timeout(Duration::from_secs(3)).batches();
    let _unanswered = next(&mut deliveries).await;
    deliveries.shutdown_handle().shut_down();
    let began = Instant::now();
    assert!(deliveries.next().await.is_none());
    assert_eq!(began.elapsed().as_secs(), 3);
    assert_eq!((test.lease(0).owner, test.checkpoint(0)), (None, None));
    assert!(deliveries.next().await.is_none(), "the end stays the end");
}

#[tokio::test(start_paused = true)]
async fn the_time_for_a_shutdown_is_kept_also_if_something_else_is_due_in_the_same_moment() {
    let test = Test::new(1);
    test.put(0, &["a"]);
    // With the renewal of the lease.
    let failover = Duration::from_secs(10);
    let timeout = failover / 3 - Duration::from_millis(25);
    let mut deliveries = test.consumer().failover_time(failover).drain_timeout(timeout).batches();
    let _unanswered = next(&mut deliveries).await;
    deliveries.shutdown_handle().shut_down();
    let ended = tokio::time::timeout(Duration::from_secs(60), deliveries.next()).await;
    assert!(ended.expect("it ends").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_answers_for_what_lies_before_an_abandoned_batch() {
    let test = Test::new(1);
    test.put(0, &["a", "b", "c", "d"]);
    test.kinesis.world().split(0);
    let mut deliveries = test.consumer().max_batch_bytes(1).batches();
    let (a, b) = (next(&mut deliveries).await, next(&mut deliveries).await);
    let (c, d) = (next(&mut deliveries).await, next(&mut deliveries).await);
    deliveries.shutdown_handle().shut_down();
    d.split().1.settle();
    drop(c);
    let ends = tokio::spawn(settle_all(deliveries));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!ends.is_finished(), "it waits for those");
    a.split().1.settle();
    b.split().1.settle();
    assert_eq!(ends.await.unwrap(), [""; 0]);
    assert_eq!((test.lease(0).owner, test.checkpoint(0)), (None, Some(1)), "not its end, which is settled too");
    assert_eq!(settle_all(test.to_the_tip()).await, ["c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn workers_share_the_shards_and_take_over_within_seconds_from_one_that_leaves() {
    let test = Test::new(6);
    let start = |name: &str| {
        let deliveries = test.consumer().worker_id(name).batches();
        (deliveries.shutdown_handle(), tokio::spawn(settle_all(deliveries)))
    };
    let loads = || {
        let mut loads: BTreeMap<String, usize> = BTreeMap::new();
        for lease in test.store.rows() {
            *loads.entry(lease.owner.unwrap_or_default()).or_default() += 1;
        }
        loads.into_iter().map(|(owner, load)| format!("{owner}:{load}")).collect::<Vec<_>>().join(" ")
    };
    let (_a, _a_task) = start("a");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(loads(), "a:6");
    let (b, b_task) = start("b");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(loads(), "a:3 b:3");
    b.shut_down();
    b_task.await.unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(loads(), "a:6", "nobody waits for the failover time");
}

#[tokio::test(start_paused = true)]
async fn records_that_checkpoint_by_themselves_are_settled_when_the_next_is_asked_for() {
    let test = Test::new(1);
    test.put(0, &["a", "b", "c"]);
    let mut records = test.consumer().max_batch_bytes(1).auto_checkpoint();
    let first = records.next().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(test.checkpoint(0), None, "it may still be at work on the first");
    records.next().await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(test.checkpoint(0), Some(0), "{first:?}");
    drop(records);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(settle_all(test.to_the_tip()).await, ["b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_taken_stops_delivery_and_is_written_no_more() {
    let test = Test::new(1);
    test.put(0, &["a"]);
    let mut deliveries = test.consumer().worker_id("loser").max_batch_bytes(1).batches();
    let first = next(&mut deliveries).await;
    let lease = test.lease(0);
    let take = LeaseWrite::Take {
        shard: lease.shard,
        owner: "thief".to_owned(),
        counter: lease.counter,
        stream_creation_timestamp: None,
    };
    test.store.write_now(&take);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!first.acker().is_current());
    first.split().1.settle();
    test.put(0, &["b"]);
    let more = timeout(Duration::from_secs(5), deliveries.next()).await;
    assert!(more.is_err(), "delivered {more:?} of a lost lease");
    assert_eq!((test.lease(0).owner.as_deref(), test.checkpoint(0)), (Some("thief"), None));
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_gone_has_ended_and_its_children_are_read() {
    let test = Test::new(1);
    test.put(0, &["gone"]);
    drop(test.to_the_tip());
    test.store.write_now(&LeaseWrite::Create { lease: Lease::new(World::shard_id(0), Checkpoint::TrimHorizon) });
    {
        let mut world = test.kinesis.world();
        let (left, _) = world.split(0);
        world.trim(0);
        world.put(left, "a");
    }
    assert_eq!(settle_all(test.to_the_tip()).await, ["a"]);
    assert_eq!(test.lease(0).checkpoint, Checkpoint::ShardEnd);
}

#[tokio::test(start_paused = true)]
async fn children_have_their_leases_before_their_parents_end_is_written() {
    let test = Test::new(1);
    test.put(0, &["a"]);
    let (left, right) = (1, 2);
    test.kinesis.world().before_call(1, |world| {
        world.split(0);
        world.put(1, "b");
    });
    let store = Noting { rows: test.store.clone(), ..Noting::default() };
    let consumer = Consumer::builder(test.kinesis.clone(), store.clone(), STREAM).start(StartPosition::TrimHorizon);
    // The end is found when the stream has been split already, and the run knows no lease of a child.
    let end = test.kinesis.world().now() + jiff::SignedDuration::from_secs(20);
    assert_eq!(settle_all(consumer.stop(Stop::At(end)).batches()).await, ["a", "b"]);
    let done = store.done.lock().unwrap().clone();
    let place = |is_it: &dyn Fn(&LeaseWrite) -> bool| done.iter().position(is_it).expect("it was written");
    let end_written = place(&|write| {
        let is_end = matches!(write, LeaseWrite::Checkpoint { checkpoint: Checkpoint::ShardEnd, .. });
        is_end && *write.shard() == World::shard_id(0)
    });
    for child in [left, right] {
        let is_created =
            |write: &LeaseWrite| matches!(write, LeaseWrite::Create { .. }) && *write.shard() == World::shard_id(child);
        assert!(place(&is_created) < end_written, "the lease of child {child} comes first: {done:#?}");
    }
    let parent = test.lease(0);
    assert_eq!(parent.checkpoint, Checkpoint::ShardEnd);
    assert_eq!(parent.children, [World::shard_id(left), World::shard_id(right)]);
    assert_eq!(test.lease(left).parents, [World::shard_id(0)]);
}

#[tokio::test(start_paused = true)]
async fn a_shards_end_is_never_written_over() {
    let test = Test::new(1);
    test.put(0, &["a"]);
    let (left, _) = test.kinesis.world().split(0);
    assert_eq!(settle_all(test.to_the_tip()).await, ["a"]);
    let before = test.lease(0);
    assert_eq!(before.checkpoint, Checkpoint::ShardEnd);
    // Others come, with other ideas of where to begin, and follow.
    let running: Vec<_> = [StartPosition::TrimHorizon, StartPosition::Latest]
        .map(|start| tokio::spawn(settle_all(test.consumer().start(start).batches())))
        .into_iter()
        .collect();
    for _ in 0..5 {
        test.put(left, &["b"]);
        tokio::time::sleep(Duration::from_secs(40)).await;
    }
    running.iter().for_each(|task| task.abort());
    assert_eq!(test.lease(0), before, "nobody has touched it");
    assert_eq!(test.checkpoint(left), Some(4));
}

/// A store that notes what is done, in the order in which it is.
#[derive(Clone, Default)]
struct Noting {
    rows: MemoryLeaseStore,
    done: Arc<Mutex<Vec<LeaseWrite>>>,
}

#[async_trait::async_trait]
impl LeaseStore for Noting {
    async fn prepare(&self) -> Result<(), LeaseStoreError> {
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Lease>, LeaseStoreError> {
        Ok(self.rows.rows())
    }

    async fn write(&self, writes: Vec<LeaseWrite>) -> Vec<Result<WriteOutcome, LeaseStoreError>> {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let write = |write: LeaseWrite| {
            let outcome = self.rows.write_now(&write);
            if outcome == WriteOutcome::Done {
                self.done.lock().unwrap().push(write);
            }
            Ok(outcome)
        };
        writes.into_iter().map(write).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn ranges_of_batches_join_without_gaps() {
    let test = Test::new(1);
    test.put(0, &["a", "b", "c"]);
    let mut deliveries = test.consumer().max_batch_bytes(1).batches();
    let mut from = Checkpoint::TrimHorizon;
    let numbers = test.kinesis.world().sequence_numbers(0);
    for number in numbers {
        let (_, acker) = next(&mut deliveries).await.split();
        assert_eq!(acker.range().from, from);
        assert_eq!(acker.range().to.sequence_number, number);
        from = Checkpoint::After(acker.range().to.clone());
        acker.settle();
    }
}

/// A store that takes its time, or fails.
#[derive(Clone, Default)]
struct Slow {
    rows: MemoryLeaseStore,
    /// How long the first listing takes.
    first_list: Arc<Mutex<Duration>>,
    /// How long 16 writes take, which are done at once.
    write: Duration,
    /// The row of which every write times out after five seconds, once it is owned.
    stuck: Option<ShardId>,
    is_full: Arc<AtomicBool>,
    is_exclusive: bool,
}

#[async_trait::async_trait]
impl LeaseStore for Slow {
    async fn prepare(&self) -> Result<(), LeaseStoreError> {
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Lease>, LeaseStoreError> {
        let wait = std::mem::take(&mut *self.first_list.lock().unwrap());
        tokio::time::sleep(wait).await;
        Ok(self.rows.rows())
    }

    async fn write(&self, writes: Vec<LeaseWrite>) -> Vec<Result<WriteOutcome, LeaseStoreError>> {
        let failed = |message: &str| LeaseStoreError::new(LeaseStoreErrorKind::Unavailable, "store", message);
        if self.is_full.load(Ordering::Relaxed) {
            return writes.iter().map(|_| Err(failed("no space left on device"))).collect();
        }
        tokio::time::sleep(self.write * u32::try_from(writes.len().div_ceil(16)).unwrap()).await;
        let is_stuck = |write: &LeaseWrite| {
            Some(write.shard()) == self.stuck.as_ref()
                && !matches!(write, LeaseWrite::Create { .. } | LeaseWrite::Take { .. })
        };
        if writes.iter().any(is_stuck) {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        let write = |write: &LeaseWrite| match is_stuck(write) {
            true => Err(failed("timed out")),
            false => Ok(self.rows.write_now(write)),
        };
        writes.iter().map(write).collect()
    }

    fn is_exclusive(&self) -> bool {
        self.is_exclusive
    }
}

/// The shards whose leases are lost within a minute.
async fn lost_leases(shards: usize, store: Slow) -> BTreeSet<String> {
    let kinesis = Arc::new(FakeKinesis::new(STREAM, shards));
    let deliveries = Consumer::builder(kinesis, store.clone(), STREAM).worker_id("worker").seed(1).batches();
    let mut events = deliveries.events();
    let reading = tokio::spawn(settle_all(deliveries));
    tokio::time::sleep(Duration::from_secs(60)).await;
    reading.abort();
    assert!(store.rows.rows().iter().all(|row| row.owner.as_deref() == Some("worker")), "all were taken");
    let mut lost = BTreeSet::new();
    while let Some(event) = events.next().await {
        if let ConsumerEvent::LeaseLost { shard, .. } = event {
            lost.insert(shard.to_string());
        }
    }
    lost
}

#[tokio::test(start_paused = true)]
async fn hundreds_of_leases_are_renewed_in_time_however_long_a_write_takes() {
    let store = Slow { write: Duration::from_millis(200), ..Slow::default() };
    assert_eq!(lost_leases(600, store).await, BTreeSet::new());
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_written_costs_no_other_its_lease() {
    let stuck = World::shard_id(3);
    let store = Slow { write: Duration::from_millis(10), stuck: Some(stuck.clone()), ..Slow::default() };
    assert_eq!(lost_leases(40, store).await, BTreeSet::from([stuck.to_string()]));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_with_an_error_if_the_store_cannot_be_written() {
    for is_exclusive in [true, false] {
        let kinesis = Arc::new(FakeKinesis::new(STREAM, 1));
        kinesis.world().put(0, "a");
        let store = Slow { is_exclusive, ..Slow::default() };
        let consumer = Consumer::builder(kinesis, store.clone(), STREAM).start(StartPosition::TrimHorizon);
        let consumer = consumer.failover_time(Duration::from_secs(600)).drain_timeout(Duration::from_secs(20));
        let mut deliveries = consumer.batches();
        let delivery = next(&mut deliveries).await;
        store.is_full.store(true, Ordering::Relaxed);
        delivery.split().1.settle();
        deliveries.shutdown_handle().shut_down();
        let began = Instant::now();
        let error = timeout(Duration::from_secs(120), deliveries.next()).await.expect("an end").unwrap().unwrap_err();
        assert!(with_causes(&error).ends_with("no space left on device"), "{error}");
        assert!(began.elapsed() >= Duration::from_secs(20), "until then it may be written yet");
        assert!(deliveries.next().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_split_while_leases_are_listed_first_is_read_from_when_the_stream_was_seen() {
    let kinesis = Arc::new(FakeKinesis::new(STREAM, 1));
    kinesis.world().put(0, "before");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let store = Slow { first_list: Arc::new(Mutex::new(Duration::from_secs(70))), ..Slow::default() };
    let mut deliveries = Consumer::builder(kinesis.clone(), store, STREAM).seed(1).batches();
    // From now on it is known that the stream is there, but not until the next listing of shards which leases there are.
    assert!(timeout(Duration::from_secs(5), deliveries.next()).await.is_err());
    {
        let mut world = kinesis.world();
        world.put(0, "parent");
        let (left, _) = world.split(0);
        world.put(left, "child");
    }
    for expected in ["parent", "child"] {
        let delivery =
            timeout(Duration::from_secs(120), deliveries.next()).await.expect("a delivery").unwrap().unwrap();
        assert_eq!(texts(&delivery), [expected]);
        delivery.split().1.settle();
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_error_nothing_is_delivered_that_may_be_anothers_by_then() {
    let test = Test::new(1);
    test.put(0, &["a", "b"]);
    test.kinesis.world().page_records = 1;
    test.kinesis.world().before_call(2, |world| world.fail(Operation::GetRecords, [ApiErrorKind::AccessDenied; 2]));
    let mut deliveries = test.consumer().batches();
    // The first batch waits here, while nobody renews its lease any more.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let first = deliveries.next().await.unwrap();
    assert!(first.is_err(), "{first:?}");
    assert!(deliveries.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_store_whose_credentials_fail_for_a_while_is_asked_again_if_it_has_taken_them_before() {
    let kinesis = Arc::new(FakeKinesis::new(STREAM, 1));
    let store = Broken { kind: LeaseStoreErrorKind::Credentials, is_ready: true };
    let mut deliveries = Consumer::builder(kinesis.clone(), store, STREAM).batches();
    let error = timeout(Duration::from_secs(5), deliveries.next()).await.expect("at once").unwrap().unwrap_err();
    assert!(matches!(error, Error::LeaseStore { .. }));

    let expired = Arc::new(AtomicBool::new(false));
    let store = Expiring { rows: MemoryLeaseStore::new(), expired: expired.clone() };
    let mut deliveries = Consumer::builder(kinesis.clone(), store, STREAM).start(StartPosition::TrimHorizon).batches();
    assert!(timeout(Duration::from_secs(5), deliveries.next()).await.is_err());
    expired.store(true, Ordering::Relaxed);
    assert!(timeout(Duration::from_secs(60), deliveries.next()).await.is_err());
    expired.store(false, Ordering::Relaxed);
    kinesis.world().put(0, "a");
    next(&mut deliveries).await.split().1.settle();
    expired.store(true, Ordering::Relaxed);
    let error = timeout(Duration::from_secs(400), deliveries.next()).await.expect("not for ever").unwrap().unwrap_err();
    assert!(matches!(error, Error::LeaseStore { .. }));
}

/// Rows in memory, which may be asked for with credentials that are not expired.
struct Expiring {
    rows: MemoryLeaseStore,
    expired: Arc<AtomicBool>,
}

impl Expiring {
    fn check(&self) -> Result<(), LeaseStoreError> {
        match self.expired.load(Ordering::Relaxed) {
            true => Err(LeaseStoreError::new(LeaseStoreErrorKind::Credentials, "table", "the token is expired")),
            false => Ok(()),
        }
    }
}

#[async_trait::async_trait]
impl LeaseStore for Expiring {
    async fn prepare(&self) -> Result<(), LeaseStoreError> {
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Lease>, LeaseStoreError> {
        self.check().map(|()| self.rows.rows())
    }

    async fn write(&self, writes: Vec<LeaseWrite>) -> Vec<Result<WriteOutcome, LeaseStoreError>> {
        writes.iter().map(|write| self.check().map(|()| self.rows.write_now(write))).collect()
    }
}

/// A store that cannot be used, or not even made ready.
struct Broken {
    kind: LeaseStoreErrorKind,
    is_ready: bool,
}

impl Broken {
    fn error(&self) -> LeaseStoreError {
        LeaseStoreError::new(self.kind, "/var/lib/leases.json", "line 3: expected a number")
    }
}

#[async_trait::async_trait]
impl LeaseStore for Broken {
    async fn prepare(&self) -> Result<(), LeaseStoreError> {
        if self.is_ready { Ok(()) } else { Err(self.error()) }
    }

    async fn list(&self) -> Result<Vec<Lease>, LeaseStoreError> {
        assert!(self.is_ready, "it is not used before it is ready");
        Err(self.error())
    }

    async fn write(&self, _: Vec<LeaseWrite>) -> Vec<Result<WriteOutcome, LeaseStoreError>> {
        unreachable!("nothing is known to write")
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_used_is_an_error_that_names_it() {
    let kinesis = Arc::new(FakeKinesis::new(STREAM, 1));
    let store = Broken { kind: LeaseStoreErrorKind::Corrupt, is_ready: true };
    let mut deliveries = Consumer::builder(kinesis, store, STREAM).batches();
    let error = deliveries.next().await.unwrap().unwrap_err();
    assert!(matches!(error, Error::LeaseStore { .. }));
    let text = with_causes(&error);
    assert_eq!(text, "cannot keep the checkpoints of stream stream: /var/lib/leases.json: line 3: expected a number");
    assert!(deliveries.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_reached_at_the_start_is_final_after_a_few_attempts() {
    let kinesis = Arc::new(FakeKinesis::new(STREAM, 1));
    let store = Broken { kind: LeaseStoreErrorKind::Unavailable, is_ready: false };
    let mut deliveries = Consumer::builder(kinesis, store, STREAM).batches();
    let error = timeout(Duration::from_secs(5), deliveries.next()).await.expect("an answer soon").unwrap().unwrap_err();
    assert!(matches!(error, Error::LeaseStore { .. }));
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
