//! Shards that are split and merged while the command reads.

use std::time::Duration;

use kinesis_logs_testkit::{Emulator, World};

use crate::util::{Running, STREAM, command, fake, record, run};

/// `prefix000` and on.
fn texts(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n:03}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_and_a_merge_in_the_emulator_lose_and_repeat_nothing() {
    let emulator = Emulator::start().await;
    emulator.create_stream(STREAM, 2).await;
    let put = async |prefix: &str| {
        let records = texts(prefix, 40).into_iter().map(|text| (text.clone(), record(&text)));
        emulator.put(STREAM, records).await;
    };
    put("before").await;
    let args = ["read", STREAM, "--start-time", "trim_horizon", "--follow", "--count", "160", "--format", "raw"];
    let mut reading = Running::start(command(Some(emulator.endpoint()), &args));
    let mut seen = vec![reading.line().trim_end().to_owned()];

    emulator.split(STREAM, "shardId-000000000000").await;
    put("split").await;
    emulator.merge(STREAM, "shardId-000000000003", "shardId-000000000001").await;
    put("merged").await;
    emulator.split(STREAM, "shardId-000000000004").await;
    put("again").await;

    let (status, rest) = tokio::task::spawn_blocking(move || reading.wait()).await.unwrap();
    assert_eq!(status, 0);
    seen.extend(rest.lines().map(str::to_owned));
    seen.sort();
    let mut expected = [texts("before", 40), texts("split", 40), texts("merged", 40), texts("again", 40)].concat();
    expected.sort();
    assert_eq!(seen, expected);

    // And once more, from the beginning, when all is over: closed shards are read to their ends.
    let all =
        run(Some(emulator.endpoint()), &["read", STREAM, "--start-time", "trim_horizon", "--format", "raw"]).await;
    assert_eq!(all.sorted_lines(), expected);
    all.clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn by_fan_out_the_same_rows_come() {
    let emulator = Emulator::start().await;
    emulator.create_stream(STREAM, 2).await;
    let put = async |prefix: &str| {
        let records = texts(prefix, 40).into_iter().map(|text| (text.clone(), record(&text)));
        emulator.put(STREAM, records).await;
    };
    put("before").await;
    let args = ["read", STREAM, "--start-time", "trim_horizon", "--follow", "--count", "80", "--format", "raw"];
    let args = [&args[..], &["--fan-out", "reader"]].concat();
    let mut reading = Running::start(command(Some(emulator.endpoint()), &args));
    let mut seen = vec![reading.line().trim_end().to_owned()];
    emulator.split(STREAM, "shardId-000000000000").await;
    put("split").await;
    let (status, rest) = tokio::task::spawn_blocking(move || reading.wait()).await.unwrap();
    assert_eq!(status, 0);
    seen.extend(rest.lines().map(str::to_owned));
    seen.sort();
    assert_eq!(seen, [texts("before", 40), texts("split", 40)].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn child_shards_lag_and_odd_pages_as_aws_shows_them_lose_and_repeat_nothing() {
    let (fake, server) = fake(2).await;
    {
        let mut world = fake.world();
        world.page_records = 7;
        world.empty_pages = 1;
        world.false_ends.insert(World::shard_id(1), 1);
        for text in texts("a", 20) {
            world.put(0, record(&text));
        }
        for text in texts("b", 20) {
            world.put(1, record(&text));
        }
        world.before_call(4, |world| {
            let (left, right) = world.split(0);
            texts("left", 10).iter().for_each(|text| world.put(left, record(text)));
            texts("right", 10).iter().for_each(|text| world.put(right, record(text)));
        });
        world.before_call(9, |world| {
            let merged = world.merge(3, 1);
            texts("merged", 10).iter().for_each(|text| world.put(merged, record(text)));
        });
    }
    let args = ["read", STREAM, "--start-time", "trim_horizon", "--follow", "--count", "70", "--format", "raw"];
    let read = run(Some(server.endpoint()), &args).await;
    let mut expected =
        [texts("a", 20), texts("b", 20), texts("left", 10), texts("right", 10), texts("merged", 10)].concat();
    expected.sort();
    assert_eq!(read.sorted_lines(), expected);
    read.clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn following_goes_on_with_the_children_of_a_shard_that_is_split() {
    let (fake, server) = fake(1).await;
    let args = ["read", STREAM, "--format", "raw"];
    let mut reading = Running::start(command(Some(server.endpoint()), &args));
    while fake.world().calls(kinesis_logs_testkit::Operation::GetRecords) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    fake.world().put(0, record("parent"));
    let (left, _) = fake.world().split(0);
    fake.world().put(left, record("child"));
    let (lines, reading) =
        tokio::task::spawn_blocking(move || ([reading.line(), reading.line()], reading)).await.unwrap();
    assert_eq!(lines, ["parent\n", "child\n"]);
    let (status, stderr) = tokio::task::spawn_blocking(move || reading.close()).await.unwrap();
    assert_eq!((status, stderr.as_str()), (0, ""), "a closed pipe ends an idle follower quietly");
}
