//! Workers that share shards, and what they write of each.

use super::*;

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
