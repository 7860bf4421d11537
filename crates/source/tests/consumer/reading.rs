//! What is delivered, what comes again, and what one run leaves to the next.

use super::*;

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
