#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

//! What months bring: streams that are made anew, checkpoints that mean nothing, leases of shards long gone, other
//! programs' leaders, and people who want to know how it stands.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use kinesis_logs_source::protocol::{
    Checkpoint, ConsumerEvent, Leader, Lease, LeaseWrite, ShardState, StreamSummary, WriteOutcome,
};
use kinesis_logs_source::{
    ApiErrorKind, Consumer, ConsumerBuilder, Deliveries, Error, LeaseStore, LeaseStoreError, MemoryLeaseStore,
    StartPosition, Stop, UnusableCheckpoint,
};
use kinesis_logs_testkit::{FakeKinesis, Operation, World};

const STREAM: &str = "flow-logs";

struct Test {
    kinesis: Arc<FakeKinesis>,
    store: Store,
}

impl Test {
    fn new(shards: usize) -> Self {
        Test { kinesis: Arc::new(FakeKinesis::new(STREAM, shards)), store: Store::default() }
    }

    fn put(&self, shard: usize, data: &[&'static str]) {
        let mut world = self.kinesis.world();
        data.iter().for_each(|data| world.put(shard, *data));
    }

    fn consumer(&self) -> ConsumerBuilder<Arc<FakeKinesis>, Store> {
        let consumer = Consumer::builder(self.kinesis.clone(), self.store.clone(), STREAM);
        consumer.start(StartPosition::TrimHorizon).seed(1)
    }

    async fn read_to_the_tip(&self, policy: UnusableCheckpoint) -> Result<Vec<String>, Error> {
        settle_all(self.consumer().stop(Stop::AtTip).unusable_checkpoint(policy).batches()).await
    }

    /// The stream is deleted, and made anew under its name.
    fn recreate(&mut self, shards: usize) {
        self.kinesis = Arc::new(FakeKinesis::new(STREAM, shards));
        self.kinesis.world().creation_timestamp = Timestamp::from_second(1_700_000_000).unwrap();
    }
}

/// Rows in memory, beside a leader.
#[derive(Clone, Default)]
struct Store {
    rows: MemoryLeaseStore,
    leader: Arc<Mutex<Option<Leader>>>,
}

impl Store {
    fn lease(&self, shard: usize) -> Option<Lease> {
        self.rows.rows().into_iter().find(|row| row.shard == World::shard_id(shard))
    }

    fn set_leader(&self, record_version: Option<u64>) {
        *self.leader.lock().unwrap() = record_version.map(|version| Leader {
            owner: "kcl".to_owned(),
            record_version: version.to_string(),
            lease_duration: Duration::from_secs(120),
        });
    }
}

#[async_trait]
impl LeaseStore for Store {
    async fn prepare(&self) -> Result<(), LeaseStoreError> {
        self.rows.prepare().await
    }

    async fn list(&self) -> Result<Vec<Lease>, LeaseStoreError> {
        self.rows.list().await
    }

    async fn leader(&self) -> Result<Option<Leader>, LeaseStoreError> {
        Ok(self.leader.lock().unwrap().clone())
    }

    async fn write(&self, writes: Vec<LeaseWrite>) -> Vec<Result<WriteOutcome, LeaseStoreError>> {
        self.rows.write(writes).await
    }
}

async fn settle_all(mut deliveries: Deliveries) -> Result<Vec<String>, Error> {
    let mut read = Vec::new();
    while let Some(delivery) = deliveries.next().await {
        let (batch, acker) = delivery?.split();
        read.extend(batch.records.iter().map(|record| String::from_utf8(record.data.to_vec()).unwrap()));
        acker.settle();
    }
    Ok(read)
}

/// The events so far.
fn told(events: &mut (impl StreamExt<Item = ConsumerEvent> + Unpin)) -> Vec<ConsumerEvent> {
    std::iter::from_fn(|| events.next().now_or_never().flatten()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_made_anew_is_an_error_that_names_both_times() {
    let mut test = Test::new(1);
    test.put(0, &["a"]);
    assert_eq!(test.read_to_the_tip(UnusableCheckpoint::Fail).await.unwrap(), ["a"]);
    test.recreate(1);
    test.put(0, &["b"]);
    let before = test.store.rows.rows();
    let error = test.read_to_the_tip(UnusableCheckpoint::Fail).await.unwrap_err();
    assert!(matches!(error, Error::StreamRecreated { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("created at 2023-11-14") && text.contains("of one created at 1970-01-01"), "{text}");
    assert_eq!(test.store.rows.rows(), before, "nothing is changed");
}

#[tokio::test(start_paused = true)]
async fn where_told_so_a_stream_that_was_made_anew_is_read_from_its_beginning_whatever_the_start() {
    let mut test = Test::new(3);
    test.put(0, &["a"]);
    // One of the earlier stream's shards was read to its end, and one does not exist any more.
    test.kinesis.world().split(0);
    assert_eq!(test.read_to_the_tip(UnusableCheckpoint::Fail).await.unwrap(), ["a"]);
    test.recreate(2);
    test.put(0, &["b"]);
    test.put(1, &["c"]);
    let consumer = test.consumer().start(StartPosition::Latest).stop(Stop::AtTip);
    let deliveries = consumer.unusable_checkpoint(UnusableCheckpoint::TrimHorizon).batches();
    let mut events = deliveries.events();
    let mut read = settle_all(deliveries).await.unwrap();
    read.sort_unstable();
    assert_eq!(read, ["b", "c"]);
    let created = test.kinesis.world().creation_timestamp;
    let rows = test.store.rows.rows();
    assert_eq!(rows.len(), 2, "{rows:#?}");
    assert!(rows.iter().all(|row| row.stream_creation_timestamp == Some(created)), "{rows:#?}");
    assert!(told(&mut events).iter().any(|event| matches!(event, ConsumerEvent::StreamRecreated { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_may_not_be_described_is_read_without_knowing_when_it_was_created() {
    for failures in [
        vec![ApiErrorKind::Throttled, ApiErrorKind::AccessDenied],
        vec![ApiErrorKind::InvalidArgument],
        vec![ApiErrorKind::Unavailable; 1000],
    ] {
        let test = Test::new(1);
        test.put(0, &["a"]);
        test.kinesis.world().fail(Operation::DescribeStreamSummary, failures);
        assert_eq!(test.read_to_the_tip(UnusableCheckpoint::Fail).await.unwrap(), ["a"]);
        assert_eq!(test.store.lease(0).unwrap().stream_creation_timestamp, None);
    }
    let test = Test::new(1);
    test.put(0, &["a"]);
    test.kinesis.world().fail(Operation::DescribeStreamSummary, vec![ApiErrorKind::AccessDenied]);
    assert_eq!(test.read_to_the_tip(UnusableCheckpoint::Fail).await.unwrap(), ["a"]);
    // The next worker may, and says so in the rows that it takes.
    assert_eq!(test.read_to_the_tip(UnusableCheckpoint::Fail).await.unwrap(), [""; 0]);
    assert_eq!(test.store.lease(0).unwrap().stream_creation_timestamp, Some(Timestamp::UNIX_EPOCH));
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_kinesis_refuses_is_an_error_or_where_told_so_the_beginning() {
    for fan_out in [false, true] {
        let test = Test::new(1);
        test.put(0, &["a"]);
        let foreign = Lease::new(World::shard_id(0), Checkpoint::after("7", 0));
        test.store.rows.write_now(&LeaseWrite::Create { lease: foreign });
        let operation = if fan_out { Operation::SubscribeToShard } else { Operation::GetShardIterator };
        let read = async |policy| {
            test.kinesis.world().fail(operation, vec![ApiErrorKind::InvalidArgument]);
            let mut consumer = test.consumer().stop(Stop::AtTip).unusable_checkpoint(policy);
            if fan_out {
                consumer = consumer.fan_out("reader");
            }
            settle_all(consumer.batches()).await
        };
        let error = read(UnusableCheckpoint::Fail).await.unwrap_err();
        assert!(matches!(error, Error::CheckpointRefused { .. }), "{error}");
        assert!(error.to_string().contains("checkpoint 7 of shardId-000000000000 of stream flow-logs"), "{error}");
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(read(UnusableCheckpoint::TrimHorizon).await.unwrap(), ["a"]);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_while_a_leader_of_kcl_3_lives_and_all_once_it_is_dead() {
    let test = Test::new(2);
    test.put(0, &["a"]);
    let mut owned = Lease::new(World::shard_id(0), Checkpoint::TrimHorizon);
    owned.owner = Some("kcl".to_owned());
    test.store.rows.write_now(&LeaseWrite::Create { lease: owned });
    let deliveries = test.consumer().worker_id("ours").batches();
    let mut events = deliveries.events();
    test.store.set_leader(Some(0));
    let reading = tokio::spawn(settle_all(deliveries));
    for heartbeat in 1..20 {
        tokio::time::sleep(Duration::from_secs(30)).await;
        test.store.set_leader(Some(heartbeat));
    }
    let rows = test.store.rows.rows();
    assert_eq!(rows.len(), 1, "{rows:#?}");
    assert_eq!(rows[0].owner.as_deref(), Some("kcl"), "though it renews nothing");
    let rules = ConsumerEvent::LeaderRules { leader: "kcl".to_owned() };
    assert_eq!(told(&mut events), [rules], "told once");
    tokio::time::sleep(Duration::from_secs(140)).await;
    let owners: Vec<Option<String>> = test.store.rows.rows().into_iter().map(|row| row.owner).collect();
    assert_eq!(owners, [Some("ours".to_owned()), Some("ours".to_owned())]);
    reading.abort();
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_steps_down_is_waited_for_no_longer() {
    let test = Test::new(1);
    test.store.set_leader(Some(1));
    let reading = tokio::spawn(settle_all(test.consumer().worker_id("ours").batches()));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(test.store.rows.rows(), []);
    test.store.set_leader(None);
    tokio::time::sleep(Duration::from_secs(70)).await;
    assert_eq!(test.store.lease(0).unwrap().owner.as_deref(), Some("ours"));
    reading.abort();
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_being_handed_to_this_worker_is_left_to_the_one_that_hands_it_over() {
    let test = Test::new(1);
    let mut handed = Lease::new(World::shard_id(0), Checkpoint::TrimHorizon);
    (handed.owner, handed.checkpoint_owner) = (Some("ours".to_owned()), Some("kcl".to_owned()));
    test.store.rows.write_now(&LeaseWrite::Create { lease: handed });
    let reading = tokio::spawn(settle_all(test.consumer().worker_id("ours").batches()));
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(test.store.lease(0).unwrap().checkpoint_owner.as_deref(), Some("kcl"));
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(test.store.lease(0).unwrap().checkpoint_owner, None, "its counter stood still for the failover time");
    reading.abort();
}

#[tokio::test(start_paused = true)]
async fn leases_of_shards_that_are_read_and_gone_are_removed() {
    let test = Test::new(1);
    test.put(0, &["a"]);
    let (left, right) = test.kinesis.world().split(0);
    test.put(left, &["b"]);
    let deliveries = test.consumer().batches();
    let mut events = deliveries.events();
    let reading = tokio::spawn(settle_all(deliveries));
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(test.store.lease(0).unwrap().checkpoint, Checkpoint::ShardEnd, "while it is listed its row stays");
    test.kinesis.world().trim(0);
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(test.store.lease(0), None);
    assert!(test.store.lease(left).is_some() && test.store.lease(right).is_some());
    assert!(told(&mut events).contains(&ConsumerEvent::LeaseDeleted { shard: World::shard_id(0) }));
    reading.abort();
}

#[tokio::test(start_paused = true)]
async fn events_tell_a_shards_life() {
    let test = Test::new(1);
    test.put(0, &["a"]);
    let (left, right) = test.kinesis.world().split(0);
    let mut deliveries = test.consumer().worker_id("ours").stop(Stop::AtTip).batches();
    let mut events = deliveries.events();
    let (_, acker) = deliveries.next().await.unwrap().unwrap().split();
    acker.settle();
    assert!(deliveries.next().await.is_none());
    let parent = World::shard_id(0);
    let of_parent: Vec<String> =
        told(&mut events).iter().map(ToString::to_string).filter(|line| line.contains(parent.as_str())).collect();
    let number = test.kinesis.world().sequence_numbers(0).pop().unwrap();
    let expected = [
        format!("took the lease of {parent}"),
        format!("reads {parent} from TRIM_HORIZON on"),
        format!("has read {parent} to its end"),
        format!("checkpointed {parent} at SHARD_END"),
        format!("gave back the lease of {parent}"),
    ];
    assert_eq!(of_parent, expected, "children {left} and {right}, record {number}");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_tells_how_each_shard_stands() {
    let test = Test::new(2);
    test.put(0, &["aaaa"]);
    test.kinesis.world().before_call(4, |world| world.fail(Operation::GetRecords, [ApiErrorKind::Throttled; 3]));
    let mut deliveries = test.consumer().worker_id("ours").batches();
    let handle = deliveries.snapshot_handle();
    let (_, acker) = deliveries.next().await.unwrap().unwrap().split();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let snapshot = handle.snapshot().await.unwrap();
    assert_eq!(snapshot.worker_id, "ours");
    assert_eq!(snapshot.leases_by_owner, [("ours".to_owned(), 2)]);
    let [first, second] = &snapshot.shards[..] else { panic!("{snapshot:#?}") };
    assert_eq!(
        (first.state, first.records, first.bytes, &first.checkpoint),
        (ShardState::Reading, 1, 4, &Checkpoint::TrimHorizon)
    );
    assert!(first.unsettled_bytes > 0 && first.last_arrival.is_some(), "{first:#?}");
    assert_eq!((second.records, second.unsettled_bytes, second.millis_behind_latest), (0, 0, Some(0)));
    assert_eq!(first.throttled + second.throttled, 3, "{snapshot:#?}");
    acker.settle();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let snapshot = handle.snapshot().await.unwrap();
    assert_eq!(snapshot.unsettled_bytes, 0);
    assert!(matches!(snapshot.shards[0].checkpoint, Checkpoint::After(_)), "{snapshot:#?}");
    drop(deliveries);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(handle.snapshot().await, None);
}

#[test]
fn a_streams_identifier_among_several_is_kcls() {
    let created = Timestamp::from_second(1_700_000_000).unwrap();
    let summary = |arn: &str| StreamSummary::new(Some(arn.to_owned()), Some(created)).identifier();
    let arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/flow-logs";
    assert_eq!(summary(arn).as_deref(), Some("123456789012:flow-logs:1700000000"));
    assert_eq!(summary("flow-logs"), None);
    assert_eq!(StreamSummary::new(Some(arn.to_owned()), None).identifier(), None);
}
