//! What a shutdown waits for, and how long.

use super::*;

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
