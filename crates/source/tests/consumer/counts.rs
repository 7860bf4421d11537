//! Runs that end behind a number of records.

use super::*;

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
