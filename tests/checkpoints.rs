//! What `read --checkpoint` remembers, and `checkpoints` shows and changes.

use kinesis_logs_testkit::DynamoDbEmulator;

use crate::util::{Running, STREAM, command, fake, finish, record, run, scratch};

fn read<'a>(checkpoint: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let args = ["read", STREAM, "--start-time", "trim_horizon", "--format", "raw", "--checkpoint", checkpoint];
    [&args[..], more].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_prints_what_came_since_the_last_one_through_a_split() {
    let (fake, server) = fake(1).await;
    let file = scratch("resume.json").display().to_string();
    let next = || async { run(Some(server.endpoint()), &read(&file, &[])).await.clean() };
    fake.world().put(0, record("one"));
    fake.world().put(0, record("two"));
    assert_eq!(next().await, "one\ntwo\n");
    assert_eq!(next().await, "");
    fake.world().put(0, record("three"));
    let (left, _) = fake.world().split(0);
    fake.world().put(left, record("four"));
    assert_eq!(next().await, "three\nfour\n");
    fake.world().put(left, record("five"));
    assert_eq!(next().await, "five\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_may_be_named_without_a_folder() {
    let (fake, server) = fake(1).await;
    fake.world().put(0, record("one"));
    let folder = scratch("relative.json").parent().unwrap().to_owned();
    let here = |mut command: std::process::Command| {
        command.current_dir(&folder);
        finish(command)
    };
    assert_eq!(here(command(Some(server.endpoint()), &read("relative.json", &[]))).await.clean(), "one\n");
    assert_eq!(here(command(Some(server.endpoint()), &read("relative.json", &[]))).await.clean(), "");
    let shown = here(command(None, &["checkpoints", "show", "relative.json", STREAM])).await.clean();
    assert!(shown.contains("shardId-000000000000"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_took_from_the_pipe_is_printed_again() {
    let (fake, server) = fake(1).await;
    let file = scratch("pipe.json").display().to_string();
    let long = "x".repeat(1000);
    fake.world().page_records = 500;
    for n in 0..2000 {
        fake.world().put(0, record(&format!("{n} {long}")));
    }
    let mut running = Running::start(command(Some(server.endpoint()), &read(&file, &[])));
    assert!(running.line().starts_with("0 "));
    assert_eq!(running.close(), (0, String::new()));
    let rest = run(Some(server.endpoint()), &read(&file, &[])).await.clean();
    let first: usize = rest.lines().next().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert_eq!(rest.lines().count(), 2000 - first, "all from the first that is printed again");
    assert!(rest.lines().last().unwrap().starts_with("1999 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_shown_reset_and_rewound() {
    let (fake, server) = fake(1).await;
    let file = scratch("change.json").display().to_string();
    let start = fake.world().now();
    for (second, text) in [(0, "one"), (10, "two"), (20, "three")] {
        fake.world().put_at(0, start - jiff::SignedDuration::from_secs(100 - second), record(text));
    }
    let all = "one\ntwo\nthree\n";
    assert_eq!(run(Some(server.endpoint()), &read(&file, &[])).await.clean(), all);

    let shown = run(None, &["checkpoints", "show", &file, STREAM]).await.clean();
    let last = fake.world().sequence_numbers(0).pop().unwrap();
    assert!(shown.lines().nth(1).unwrap().contains(last.as_str()), "{shown}");
    let shards = run(Some(server.endpoint()), &["shards", STREAM, "--checkpoint", &file]).await.clean();
    assert!(shards.contains("LAG") && shards.contains(last.as_str()), "{shards}");

    let reset = run(None, &["checkpoints", "reset", &file, STREAM]).await;
    assert_eq!((reset.status, reset.stdout.as_str()), (0, ""));
    assert_eq!(run(Some(server.endpoint()), &read(&file, &[])).await.clean(), all);

    let to = (start - jiff::SignedDuration::from_secs(91)).to_string();
    let rewound = run(Some(server.endpoint()), &["checkpoints", "rewind", &file, STREAM, "--to", &to]).await;
    assert_eq!((rewound.status, rewound.stdout.as_str()), (0, ""), "{}", rewound.stderr);
    assert_eq!(run(Some(server.endpoint()), &read(&file, &[])).await.clean(), "two\nthree\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_shared_and_shows_who_reads() {
    let (fake, server) = fake(2).await;
    let dynamodb = DynamoDbEmulator::start().await;
    fake.world().put(0, record("one"));
    fake.world().put(1, record("two"));
    let with_table = |args: &[&str]| {
        let mut command = command(Some(server.endpoint()), args);
        command.env("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.endpoint()).env("AWS_REGION", "us-east-1");
        command
    };
    let args = read("dynamodb:readers", &["--follow", "--worker-id", "a"]);
    let mut running = Running::start(with_table(&args));
    let mut lines = [running.line(), running.line()];
    lines.sort();
    assert_eq!(lines, ["one\n", "two\n"]);
    let shown = finish(with_table(&["checkpoints", "show", "dynamodb:readers", STREAM])).await.clean();
    assert_eq!(shown.lines().filter(|line| line.split_whitespace().any(|word| word == "a")).count(), 2, "{shown}");
    let refused = finish(with_table(&["checkpoints", "reset", "dynamodb:readers", STREAM])).await;
    assert_eq!(refused.status, 1);
    assert!(
        refused.stderr.starts_with("error: worker a has leases\n hint: stop all workers first"),
        "{}",
        refused.stderr
    );

    nix::sys::signal::kill(nix::unistd::Pid::from_raw(running.child.id() as i32), nix::sys::signal::SIGTERM).unwrap();
    assert_eq!(running.wait(), (0, String::new()));
    fake.world().put(1, record("three"));
    let args = read("dynamodb:readers", &["--no-follow", "--worker-id", "b"]);
    assert_eq!(
        finish(with_table(&args)).await.clean(),
        "three\n",
        "its leases were given back, with their checkpoints"
    );

    let wrong = finish(with_table(&["checkpoints", "reset", "dynamodb:readers", "other"])).await;
    assert_eq!(wrong.status, 1);
    assert!(wrong.stderr.starts_with("error: stream other not found"), "{}", wrong.stderr);
    let rewind = ["checkpoints", "rewind", "dynamodb:readers", STREAM, "--to", "2020-01-01T00:00:00Z"];
    let rewound = finish(with_table(&rewind)).await;
    assert_eq!((rewound.status, rewound.stdout.as_str()), (0, ""), "{}", rewound.stderr);
    let mut lines: Vec<String> = finish(with_table(&args)).await.clean().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["one", "three", "two"], "nothing was removed for the wrong stream");
    fake.world().creation_timestamp = jiff::Timestamp::from_second(1_700_000_000).unwrap();
    let recreated = finish(with_table(&["checkpoints", "reset", "dynamodb:readers", STREAM])).await;
    assert_eq!(recreated.status, 1);
    assert!(recreated.stderr.contains("has checkpoints of a stream created at 1970-01-01"), "{}", recreated.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_that_cannot_be_used_are_refused_with_what_to_do() {
    let (_fake, server) = fake(1).await;
    let file = scratch("held.json").display().to_string();
    let held = Running::start(command(Some(server.endpoint()), &read(&file, &["--follow"])));
    while !std::path::Path::new(&file).exists() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let second = run(Some(server.endpoint()), &read(&file, &[])).await;
    assert_eq!(second.status, 1);
    assert!(
        second.stderr.contains(&file) && second.stderr.contains("hint: another process reads"),
        "{}",
        second.stderr
    );
    let mut child = held.child;
    child.kill().unwrap();
    child.wait().unwrap();

    std::fs::write(&file, "{ not json").unwrap();
    let broken = run(Some(server.endpoint()), &read(&file, &[])).await;
    assert_eq!(broken.status, 1);
    assert!(broken.stderr.contains("line 1"), "{}", broken.stderr);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{ not json", "it is never overwritten");

    let both = run(Some(server.endpoint()), &read(&file, &["--count", "3"])).await;
    assert_eq!(both.status, 2);
    let missing = run(None, &["checkpoints", "show", "/nonexistent/file.json", STREAM]).await;
    assert!(missing.stderr.starts_with("error: there is no file /nonexistent/file.json"), "{}", missing.stderr);
}
