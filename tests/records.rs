//! Records that are broken, huge or empty, between good ones.

use kinesis_logs_generator::{FlowLogs, aggregate, gzip};

use crate::util::{Running, STREAM, command, fake, record, run, scratch};

/// Puts `odd` between two good records, reads all, and gives the exit status, the rows and the complaints.
async fn read_around(odd: Vec<u8>, more: &[&str]) -> (i32, String, String) {
    let (fake, server) = fake(1).await;
    for data in [record("good one"), odd, record("good two")] {
        fake.world().put(0, data);
    }
    let args = ["read", STREAM, "--start-time", "trim_horizon", "--format", "raw"];
    let read = run(Some(server.endpoint()), &[&args[..], more].concat()).await;
    (read.status, read.stdout, read.stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_broken_record_costs_one_line_and_none_of_the_good_ones() {
    let whole = record("some text, long enough to be cut in the middle of it");
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("empty", vec![], "the record is empty"),
        (
            "no gzip",
            b"PK\x03\x04".to_vec(),
            "neither compressed, nor JSON, nor flow log lines (it starts with 50 4b 03 04)",
        ),
        ("truncated gzip", whole[..whole.len() / 2].to_vec(), "the compressed data is cut short; "),
        ("invalid JSON", gzip(br#"{"messageType":"DATA_MESSAGE","logEvents":[oops"#), "malformed JSON: expected "),
        ("another JSON", gzip(br#"{"some":"json"}"#), "a JSON object, but not a CloudWatch Logs envelope"),
        ("bomb", gzip(&vec![b' '; 10 << 20]), "the record inflates to more than the limit of 1048576 bytes"),
        ("text", b"plain text".to_vec(), "neither compressed, nor JSON, nor flow log lines"),
    ];
    for (name, odd, message) in cases {
        let (status, stdout, stderr) = read_around(odd, &["--max-record-mib", "1"]).await;
        assert_eq!((status, stdout.as_str()), (1, "good one\ngood two\n"), "{name}: {stderr}");
        let place =
            format!("warning: stream flow-logs, shardId-000000000000, sequence number 4959{:052}: {message}", 20);
        assert!(stderr.starts_with(&place), "{name}: {stderr}");
        assert!(
            stderr
                .ends_with("error: 1 of 3 records could not be decoded whole\n hint: --undecodable FILE keeps them\n")
        );
        assert_eq!(stderr.lines().count(), 3, "{name}: {stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_ten_mebibytes_is_read() {
    // Hexadecimal digits of noise: ten mebibytes compressed.
    let mut rng = 1u64;
    let mut noise = String::new();
    while noise.len() < 18 << 20 {
        rng = rng.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        noise.push_str(&format!("{:08x}", rng >> 32));
    }
    let large = record(&noise);
    assert!((9 << 20..=10 << 20).contains(&large.len()), "{} bytes", large.len());
    let (status, stdout, stderr) = read_around(large, &[]).await;
    assert_eq!((status, stderr.as_str()), (0, ""));
    assert!(stdout == format!("good one\n{noise}\ngood two\n"), "{} bytes came", stdout.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_decoded_is_kept_where_the_user_said_and_can_be_decoded_again() {
    let path = scratch("undecodable.ndjson");
    let file = path.to_str().unwrap();
    let cut = {
        let record = FlowLogs::new(1).events_per_record(300).next_record();
        record.data[..record.data.len() - 9].to_vec()
    };
    let (status, stdout, stderr) = read_around(cut, &["--undecodable", file]).await;
    assert_eq!(status, 0, "kept is dealt with: {stderr}");
    assert!(
        stderr.ends_with(&format!("1 of 3 records could not be decoded whole; they are kept in {file}\n")),
        "{stderr}"
    );
    assert!(stdout.lines().count() > 250, "what came before the cut is shown");

    let again = run(None, &["decode", file, "--format", "raw"]).await;
    assert_eq!(again.status, 1);
    assert!(again.stderr.contains("stream flow-logs, shardId-000000000000, sequence number 4959"), "{}", again.stderr);
    assert!(stdout.contains(&again.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn aggregated_records_are_opened_and_a_broken_one_inside_is_named() {
    let container = aggregate(&[("a", &record("inner one")), ("b", b"broken"), ("c", &record("inner three"))]);
    let (status, stdout, stderr) = read_around(container, &[]).await;
    assert_eq!((status, stdout.as_str()), (1, "good one\ninner one\ninner three\ngood two\n"));
    assert!(stderr.contains(", sub-sequence number 1: neither compressed"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_something_else_does_not_flood_the_screen() {
    let (fake, server) = fake(1).await;
    for _ in 0..100 {
        fake.world().put(0, "something else");
    }
    let read = run(Some(server.endpoint()), &["read", STREAM, "--start-time", "trim_horizon"]).await;
    assert_eq!((read.status, read.stdout.as_str()), (1, ""));
    assert_eq!(read.stderr.lines().count(), 20 + 1 + 2, "{}", read.stderr);
    assert!(read.stderr.contains("error: 100 of 100 records could not be decoded whole"));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_a_read_whose_rows_nobody_takes() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    let (fake, server) = fake(1).await;
    let mut flow_logs = FlowLogs::new(1).events_per_record(5_000);
    for _ in 0..10 {
        fake.world().put(0, flow_logs.next_record().data);
    }
    let args = ["read", STREAM, "--start-time", "trim_horizon"];
    let mut reading = Running::start(command(Some(server.endpoint()), &args));
    let status = tokio::task::spawn_blocking(move || {
        // With one line taken, megabytes wait behind a pipe of some kilobytes.
        reading.line();
        kill(Pid::from_raw(reading.child.id() as i32), Signal::SIGTERM).unwrap();
        reading.child.wait().unwrap().code()
    });
    assert_eq!(status.await.unwrap(), Some(130));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_that_is_closed_ends_the_read_quietly() {
    let (fake, server) = fake(1).await;
    let mut flow_logs = FlowLogs::new(1).events_per_record(5_000);
    for _ in 0..40 {
        fake.world().put(0, flow_logs.next_record().data);
    }
    let args = ["read", STREAM, "--start-time", "trim_horizon"];
    let mut reading = Running::start(command(Some(server.endpoint()), &args));
    let (line, (status, stderr)) =
        tokio::task::spawn_blocking(move || (reading.line(), reading.close())).await.unwrap();
    assert!(line.starts_with("account_id\t"));
    assert_eq!((status, stderr.as_str()), (0, ""));
}
