//! From where to where: start and end times, counts, shards, following.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kinesis_logs_testkit::{Operation, World};

use crate::util::{Running, STREAM, command, fake, record, run};

#[tokio::test(flavor = "multi_thread")]
async fn start_and_end_time_select_exactly() {
    let (fake, server) = fake(2).await;
    let base: Timestamp = "2026-10-05T08:00:00Z".parse().unwrap();
    for n in 0..60 {
        let arrival = base + SignedDuration::from_secs(n * 60);
        fake.world().put_at((n % 2) as usize, arrival, record(&format!("minute {n:02}")));
    }
    let expected: Vec<String> = (10..20).map(|n| format!("minute {n:02}")).collect();
    for (start, end) in [
        ("2026-10-05 08:10:00", "2026-10-05 08:20:00"),
        ("2026-10-05T09:10:00+01:00", "2026-10-05T08:20:00Z"),
        ("1791187800", "1791188400"),
    ] {
        let args = ["read", STREAM, "--start-time", start, "--end-time", end, "--format", "raw"];
        let read = run(Some(server.endpoint()), &args).await;
        assert_eq!(read.sorted_lines(), expected, "{start}");
        read.clean();
    }
    let from =
        run(Some(server.endpoint()), &["read", STREAM, "--start-time", "2026-10-05 08:50:00", "--format", "raw"]).await;
    assert_eq!(from.sorted_lines().len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_is_exact_also_within_a_record() {
    let (fake, server) = fake(1).await;
    for _ in 0..3 {
        let mut flow_logs = kinesis_logs_generator::FlowLogs::new(1).events_per_record(10);
        fake.world().put(0, flow_logs.next_record().data);
    }
    for (count, rows) in [("1", 1), ("10", 10), ("25", 25), ("100", 30), ("0", 30)] {
        let args = ["read", STREAM, "--start-time", "trim_horizon", "--count", count];
        let read = run(Some(server.endpoint()), &args).await.clean();
        assert_eq!(read.lines().count(), rows + 1, "--count {count}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_row_does_not_count_and_every_line_is_one_to_raw() {
    let (fake, server) = fake(1).await;
    for message in ["version account-id action", "one", "two"] {
        fake.world().put(0, record(message));
    }
    let args = ["read", STREAM, "--start-time", "trim_horizon", "--count", "2"];
    let columns = run(Some(server.endpoint()), &[&args[..], &["--fields", "message"]].concat()).await.clean();
    assert_eq!(columns, "message\none\ntwo\n");
    let raw = run(Some(server.endpoint()), &[&args[..], &["--format", "raw"]].concat()).await.clean();
    assert_eq!(raw, "version account-id action\none\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn chosen_shards_are_read_alone() {
    let (fake, server) = fake(3).await;
    for shard in 0..3 {
        fake.world().put(shard, record(&format!("shard {shard}")));
    }
    let (first, last) = (World::shard_id(0), World::shard_id(2));
    let args = ["read", STREAM, "--start-time", "trim_horizon", "--format", "raw"];
    let chosen = ["--shard", first.as_str(), "--shard", last.as_str()];
    let read = run(Some(server.endpoint()), &[&args[..], &chosen].concat()).await;
    assert_eq!(read.sorted_lines(), ["shard 0", "shard 2"]);

    let missing = run(Some(server.endpoint()), &[&args[..], &["--shard", "shardId-9"]].concat()).await;
    assert_eq!(missing.status, 1);
    assert!(
        missing.stderr.starts_with("error: stream flow-logs has no shard shardId-9; it has "),
        "{}",
        missing.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_start_time_only_what_arrives_from_now_on_is_read() {
    let (fake, server) = fake(1).await;
    let old = fake.world().now() - SignedDuration::from_secs(5);
    fake.world().put_at(0, old, record("old"));
    let mut reading = Running::start(command(Some(server.endpoint()), &["read", STREAM, "--format", "raw"]));
    while fake.world().calls(Operation::ListShards) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    fake.world().put(0, record("new"));
    let line = tokio::task::spawn_blocking(move || reading.line()).await.unwrap();
    assert_eq!(line, "new\n");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_a_follower_cleanly() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (fake, server) = fake(1).await;
        let mut reading = Running::start(command(Some(server.endpoint()), &["read", STREAM, "--format", "raw"]));
        while fake.world().calls(Operation::GetRecords) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        fake.world().put(0, record("line"));
        let (line, reading) = tokio::task::spawn_blocking(move || (reading.line(), reading)).await.unwrap();
        assert_eq!(line, "line\n");
        kill(Pid::from_raw(reading.child.id() as i32), signal).unwrap();
        let (status, rest) = tokio::task::spawn_blocking(move || reading.wait()).await.unwrap();
        assert_eq!((status, rest.as_str()), (0, ""), "{signal}");
    }
}
