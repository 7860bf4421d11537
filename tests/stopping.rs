//! How `run` ends when something does not: a sink that is stuck, a reader that is gone; and what is never shown.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use kinesis_logs_generator::FlowLogs;
use kinesis_logs_testkit::Emulator;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::util::{Running, STREAM, command, run, scratch_file};

/// A pipeline into standard output, and a server that takes connections and never answers.
fn stuck(name: &str) -> (TcpListener, String) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let toml = format!(
        r#"
        [sources.logs]
        type = "demo_logs"
        interval = 0.01
        [sinks.shown]
        type = "console"
        inputs = ["logs"]
        encoding.codec = "text"
        [sinks.stuck]
        type = "http"
        inputs = ["logs"]
        uri = "http://{}/"
        encoding.codec = "json"
        request.timeout_secs = 3600
        batch.timeout_secs = 0.01
        "#,
        server.local_addr().unwrap()
    );
    (server, scratch_file(name, toml.as_bytes()))
}

/// Starts it, and waits until it has something to deliver.
fn start(arguments: &[&str]) -> Running {
    let mut running = Running::start(command(None, arguments));
    assert!(running.line().starts_with("2 "));
    running
}

fn signal(running: &Running) {
    // It may have ended by now.
    let _ = kill(Pid::from_raw(running.child.id() as i32), Signal::SIGTERM);
}

#[test]
fn a_sink_that_is_stuck_is_cut_off_at_the_limit_and_the_status_says_so() {
    let (_server, path) = stuck("stuck.toml");
    let running = start(&["run", "--graceful-shutdown-limit-secs", "1", &path]);
    signal(&running);
    let (status, _) = running.wait();
    assert_eq!(status, 1);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (_server, path) = stuck("impatient.toml");
    let mut running = start(&["run", "--graceful-shutdown-limit-secs", "3600", &path]);
    let begin = Instant::now();
    // Signals that come together are one.
    while running.child.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it does not end");
        signal(&running);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(running.wait().0, 130);
}

#[test]
fn a_console_that_nobody_reads_any_more_is_told_and_ends_the_run() {
    let toml = r#"
        sources.logs = { type = "demo_logs", interval = 0.01 }
        sinks.shown = { type = "console", inputs = ["logs"], encoding.codec = "text" }
    "#;
    let running = start(&["run", &scratch_file("closed_pipe.toml", toml.as_bytes())]);
    let (status, stderr) = running.close();
    assert_eq!(status, 1, "{stderr}");
    assert!(stderr.contains("cannot write to the console: Broken pipe"), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_reads_by_fan_out() {
    let emulator = Emulator::start().await;
    emulator.create_stream(STREAM, 2).await;
    let mut flow_logs = FlowLogs::new(8).events_per_record(20);
    let records: Vec<_> = (0..10).map(|_| flow_logs.next_record()).collect();
    let mut expected: Vec<String> = records.iter().flat_map(|record| record.lines.clone()).collect();
    emulator.put(STREAM, records.into_iter().map(|record| (record.partition_key, record.data))).await;
    let toml = format!(
        r#"
        [sources.flows]
        type = "aws_kinesis_streams"
        streams = ["{STREAM}"]
        region = "us-east-1"
        endpoint = "{}"
        start = "trim_horizon"
        stop = "at_tip"
        checkpoint.type = "memory"
        consumer = {{ mode = "fan_out", name = "pipeline" }}
        [sinks.shown]
        type = "console"
        inputs = ["flows"]
        encoding.codec = "text"
        [sinks.undecodable]
        type = "blackhole"
        inputs = ["flows.undecodable"]
        "#,
        emulator.endpoint()
    );
    let finished = run(None, &["run", &scratch_file("fan_out.toml", toml.as_bytes())]).await;
    assert_eq!(finished.status, 0, "{}", finished.stderr);
    let mut lines: Vec<&str> = finished.stdout.lines().collect();
    lines.sort_unstable();
    expected.sort_unstable();
    assert_eq!(lines, expected);
    let consumers = emulator.client().list_stream_consumers();
    let arn = emulator.client().describe_stream_summary().stream_name(STREAM).send().await.unwrap();
    let arn = arn.stream_description_summary.unwrap().stream_arn;
    let consumers = consumers.stream_arn(arn).send().await.unwrap().consumers.unwrap_or_default();
    assert_eq!(consumers.len(), 1, "{consumers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_secret_is_shown_by_no_command() {
    let toml = r#"
        sources.logs = { type = "demo_logs" }
        [transforms.named]
        type = "filter"
        inputs = ["logs"]
        condition = '.dstport == 22'
        [sinks.out]
        type = "http"
        inputs = ["named"]
        uri = "http://ann:hunter2-uri@127.0.0.1:1/in?key=hunter2-query"
        encoding.codec = "json"
        request.headers.X-Key = "hunter2-header"
        healthcheck.uri = "http://127.0.0.1:1/health?key=hunter2-health"
        [[tests]]
        name = "nothing comes of another port"
        [[tests.inputs]]
        insert_at = "named"
        type = "log"
        log_fields = { dstport = 80 }
        [[tests.outputs]]
        extract_from = "named"
    "#;
    let path = scratch_file("secret.toml", toml.as_bytes());
    for (arguments, status) in [
        (&["graph", &path][..], 0),
        (&["graph", "--format", "dot", &path], 0),
        (&["test", &path], 1),
        (&["validate", &path], 78),
        (&["validate", "--no-environment", &path], 0),
        (&["run", "--require-healthy", &path], 78),
    ] {
        let finished = run(None, arguments).await;
        assert_eq!(finished.status, status, "{arguments:?}: {}", finished.stderr);
        assert!(!format!("{finished:?}").contains("hunter2"), "{arguments:?}: {finished:?}");
    }
}
