//! `shards`: the stream's shards as a table.

use kinesis_logs_testkit::Emulator;

use crate::util::{STREAM, fake, record, run};

#[tokio::test(flavor = "multi_thread")]
async fn state_parents_range_and_age_are_shown() {
    let (fake, server) = fake(2).await;
    fake.world().put_at(0, "2026-10-05T08:00:00Z".parse().unwrap(), record("old"));
    fake.world().put(0, record("new"));
    fake.world().merge(0, 1);
    let table = run(Some(server.endpoint()), &["shards", STREAM]).await.clean();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["SHARD", "STATE", "PARENTS", "HASH", "KEYS", "OLDEST", "RECORD", "BEHIND"]);
    assert_eq!(rows[1][..6], ["shardId-000000000000", "closed", "-", "50.0", "%", "2026-10-05T08:00:00Z"]);
    assert_eq!(
        rows[3][..5],
        ["shardId-000000000002", "open", "shardId-000000000000,shardId-000000000001", "100.0", "%"]
    );
    assert_eq!(rows.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_emulators_shards_are_listed() {
    let emulator = Emulator::start().await;
    emulator.create_stream(STREAM, 3).await;
    emulator.split(STREAM, "shardId-000000000001").await;
    let table = run(Some(emulator.endpoint()), &["shards", STREAM]).await.clean();
    assert_eq!(table.lines().filter(|line| line.contains(" open ")).count(), 4);
    assert_eq!(table.lines().filter(|line| line.contains(" closed ")).count(), 1);
}
