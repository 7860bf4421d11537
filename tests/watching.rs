//! Watching a pipeline that runs: its API and its log, end to end.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use kinesis_logs_generator::FlowLogs;
use kinesis_logs_testkit::Emulator;
use serde_json::Value;

use crate::util::{STREAM, command, run, scratch_file};

/// The command while it runs, with its log.
struct Watched {
    child: Child,
    log: Receiver<String>,
    address: String,
}

impl Watched {
    /// Runs a configuration that has the API on, and waits until it listens.
    fn start(name: &str, toml: &str) -> Self {
        let path = scratch_file(name, toml.as_bytes());
        let mut child = spawn(command(None, &["run", "--log-format", "json", &path]));
        let (sender, log) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut watched = Watched { child, log, address: String::new() };
        watched.address = loop {
            let line = watched.log.recv_timeout(Duration::from_secs(30)).unwrap();
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["message"] == "the API listens" {
                break line["address"].as_str().unwrap().to_owned();
            }
        };
        watched
    }

    fn get(&self, path: &str) -> (u16, String) {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        write!(connection, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let content_type = match path {
            "/metrics" => "text/plain; version=0.0.4; charset=utf-8",
            _ => "application/json",
        };
        assert!(status == 404 || head.contains(&format!("content-type: {content_type}")), "{head}");
        (status, body.to_owned())
    }

    fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    fn metrics(&self) -> BTreeMap<String, f64> {
        let (status, text) = self.get("/metrics");
        assert_eq!(status, 200);
        parse(&text)
    }

    /// Looks again and again until a metric has a value.
    fn wait_for(&self, metric: &str, is_it: impl Fn(f64) -> bool) -> BTreeMap<String, f64> {
        let start = Instant::now();
        loop {
            let metrics = self.metrics();
            if metrics.get(metric).is_some_and(|value| is_it(*value)) {
                return metrics;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "{metric}: {metrics:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait_for_end(&self, id: &str) {
        let start = Instant::now();
        loop {
            let answer = self.json("/components");
            let of = |component: &&Value| component["id"] == id;
            if answer["components"].as_array().unwrap().iter().find(of).unwrap()["state"] == "ended" {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "{answer}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks it to end, and gives its status and what it had not logged before.
    fn end(mut self) -> (i32, Vec<Value>) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.child.id() as i32), nix::sys::signal::SIGTERM).unwrap();
        let status = self.child.wait().unwrap().code().unwrap();
        assert!(TcpStream::connect(&self.address).is_err(), "the API has ended with the pipeline");
        (status, self.log.iter().map(|line| serde_json::from_str(&line).unwrap()).collect())
    }
}

impl Drop for Watched {
    /// A test that fails must not leave it behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

fn spawn(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Reads Prometheus's text format as strictly as it is written: the samples by name and labels.
fn parse(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'));
    let mut samples = BTreeMap::new();
    let mut types: Vec<(&str, &str)> = Vec::new();
    let mut helped = "";
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            helped = help.split_once(' ').unwrap().0;
        } else if let Some(of) = line.strip_prefix("# TYPE ") {
            let (name, of) = of.split_once(' ').unwrap();
            assert_eq!(name, helped, "a type stands below its help");
            assert!(["counter", "gauge"].contains(&of), "{line}");
            assert!(types.iter().all(|(other, _)| *other != name), "{name} is there twice");
            assert_eq!(of == "counter", name.ends_with("_total"), "{line}");
            types.push((name, of));
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            assert_eq!(types.last().unwrap().0, name, "all samples of a name stand together");
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{line}");
            if let Some(labels) = series.strip_prefix(name).filter(|labels| !labels.is_empty()) {
                let labels = labels.strip_prefix('{').unwrap().strip_suffix("\"}").unwrap();
                assert!(labels.split("\",").all(|label| label.split_once("=\"").is_some()), "{line}");
            }
            let value = value.parse().unwrap();
            assert!(samples.insert(series.to_owned(), value).is_none(), "{series} is there twice");
        }
    }
    samples
}

fn labels(id: &str, kind: &str, of: &str) -> String {
    format!("component_id=\"{id}\",component_kind=\"{kind}\",component_type=\"{of}\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_are_what_went_through_and_the_log_says_what_ran() {
    let records = scratch_file("broken.bin", b"\x1f\x8b broken");
    let toml = format!(
        r#"
        [api]
        enabled = true
        address = "127.0.0.1:0"
        [sources.flows]
        type = "demo_logs"
        interval = 0
        count = 5000
        [sources.endless]
        type = "demo_logs"
        [sources.files]
        type = "file"
        include = ["{records}"]
        [transforms.rejects]
        type = "filter"
        inputs = ["flows"]
        condition = '.action == "REJECT"'
        [transforms.by_port]
        type = "route"
        inputs = ["flows"]
        route.ssh = '.dstport == 22'
        [sinks.out]
        type = "blackhole"
        inputs = ["rejects", "by_port.ssh"]
        [sinks.rest]
        type = "blackhole"
        inputs = ["endless", "files", "files.undecodable"]
        "#
    );
    let watched = Watched::start("watched.toml", &toml);
    assert_eq!(watched.get("/health"), (200, "{\"ok\":true}".to_owned()));
    assert_eq!(watched.get("/config").0, 404);
    let [flows, rejects] = [labels("flows", "source", "demo_logs"), labels("rejects", "transform", "filter")];
    let [by_port, out] = [labels("by_port", "transform", "route"), labels("out", "sink", "blackhole")];
    for ended in ["flows", "files", "rejects", "by_port", "out"] {
        watched.wait_for_end(ended);
    }
    let metrics = watched.metrics();
    let of = |name: &str, labels: &str| metrics[&format!("{name}{{{labels}}}")];
    let sent = |labels: &str, output: &str| format!("{labels},output=\"{output}\"");
    let rejected = of("component_sent_events_total", &sent(&rejects, "_default"));
    let ssh = of("component_sent_events_total", &sent(&by_port, "ssh"));
    assert!(rejected > 100.0 && ssh > 0.0, "{metrics:#?}");
    assert_eq!(of("component_received_events_total", &flows), 5000.0);
    assert_eq!(of("component_sent_events_total", &sent(&flows, "_default")), 5000.0);
    assert_eq!(of("component_received_events_total", &out), rejected + ssh);
    assert_eq!(of("component_sent_events_total", &sent(&out, "_default")), rejected + ssh);
    let discarded =
        |labels: &str, why: &str| of("component_discarded_events_total", &format!("{labels},intentional=\"{why}\""));
    assert_eq!(discarded(&rejects, "true"), 5000.0 - rejected);
    assert_eq!(discarded(&rejects, "false"), 0.0);
    assert_eq!(discarded(&by_port, "true"), 5000.0 - ssh, "nobody takes what no route matches");
    // A line of a flow log is about a hundred bytes, and its envelope comes on top.
    let bytes = of("component_received_event_bytes_total", &flows);
    assert!((400_000.0..2_000_000.0).contains(&bytes), "{bytes}");
    let share = of("component_sent_event_bytes_total", &sent(&rejects, "_default")) / bytes;
    assert!((share - rejected / 5000.0).abs() < 0.01, "{share}");
    for name in ["buffer_events", "buffer_size_events", "buffer_byte_size", "buffer_size_bytes"] {
        assert_eq!(of(name, &rejects), 0.0, "{name}");
    }
    assert_eq!(of("buffer_max_size_events", &out), 100_000.0);
    assert!((0.0..=1.0).contains(&of("utilization", &labels("rest", "sink", "blackhole"))));
    assert_eq!(of("component_errors_total", &labels("files", "source", "file")), 1.0);
    let undecodable = sent(&labels("files", "source", "file"), "undecodable");
    assert_eq!(of("component_sent_events_total", &undecodable), 1.0);
    assert_eq!(of("component_errors_total", &out), 0.0);
    assert!(metrics["uptime_seconds"] > 0.0);
    assert_eq!(metrics[&format!("build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))], 1.0);

    let components = watched.json("/components");
    let components = components["components"].as_array().unwrap();
    let ids: Vec<&str> = components.iter().map(|component| component["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["flows", "endless", "files", "rejects", "by_port", "out", "rest"]);
    assert_eq!(components[0]["state"], "ended");
    assert_eq!(components[1]["state"], "running");
    assert_eq!(components[3]["received"]["events"], 5000);
    assert_eq!(components[4]["outputs"]["ssh"]["events"], ssh);
    assert_eq!(components[5]["inputs"], serde_json::json!(["rejects", "by_port.ssh"]));
    assert_eq!((&components[5]["kind"], &components[5]["type"]), (&"sink".into(), &"blackhole".into()));
    assert_eq!(watched.json("/shards"), serde_json::json!({"streams": []}));

    let (status, log) = watched.end();
    assert_eq!(status, 0);
    let ended = |id: &str| log.iter().find(|line| line["message"] == "component ended" && line["component_id"] == id);
    let line = ended("rest").unwrap();
    assert_eq!((&line["component_kind"], &line["component_type"]), (&"sink".into(), &"blackhole".into()));
    assert_eq!(line["level"], "INFO");
    assert!(log.iter().any(|line| line["message"] == "asked to end"));
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_tell_their_lag_and_their_checkpoints() {
    let emulator = Emulator::start().await;
    emulator.create_stream(STREAM, 2).await;
    let mut flow_logs = FlowLogs::new(7).events_per_record(20);
    let records: Vec<_> = (0..40).map(|_| flow_logs.next_record()).collect();
    let events: usize = records.iter().map(|record| record.lines.len()).sum();
    let bytes: usize = records.iter().map(|record| record.data.len()).sum();
    emulator.put(STREAM, records.into_iter().map(|record| (record.partition_key, record.data))).await;
    let toml = format!(
        r#"
        [api]
        enabled = true
        address = "127.0.0.1:0"
        [sources.flows]
        type = "aws_kinesis_streams"
        streams = ["{STREAM}"]
        endpoint = "{}"
        start = "trim_horizon"
        checkpoint = {{ type = "memory", worker_id = "watched" }}
        [sinks.out]
        type = "blackhole"
        inputs = ["flows", "flows.undecodable"]
        "#,
        emulator.endpoint(),
    );
    let watched = Watched::start("shards.toml", &toml);
    let delivered =
        format!("component_sent_events_total{{{},output=\"_default\"}}", labels("out", "sink", "blackhole"));
    watched.wait_for(&delivered, |value| value == events as f64);
    let stream = format!("component_id=\"flows\",stream=\"{STREAM}\"");
    let lag = |shard: usize| format!("kinesis_millis_behind_latest{{{stream},shard_id=\"shardId-{shard:012}\"}}");
    watched.wait_for(&lag(0), |value| value == 0.0);
    let metrics = watched.wait_for(&lag(1), |value| value == 0.0);
    let of = |name: &str| metrics[&format!("{name}{{{stream}}}")];
    assert_eq!(of("kinesis_max_millis_behind_latest"), 0.0);
    assert_eq!(of("kinesis_shards_owned"), 2.0);
    assert_eq!((of("kinesis_records_total"), of("kinesis_record_bytes_total")), (40.0, bytes as f64));
    assert_eq!((of("kinesis_throttled_total"), of("kinesis_expired_iterators_total")), (0.0, 0.0));
    assert!(of("kinesis_calls_total") >= 3.0);
    watched.wait_for(&format!("kinesis_unsettled_bytes{{{stream}}}"), |value| value == 0.0);

    let is_checkpointed = |shard: &Value| shard["checkpoint"].as_str().is_some_and(|text| text != "TRIM_HORIZON");
    let start = Instant::now();
    let stream = loop {
        let shards = watched.json("/shards");
        if shards["streams"][0]["shards"].as_array().unwrap().iter().all(is_checkpointed) {
            break shards["streams"][0].clone();
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{shards}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!((&stream["component_id"], &stream["stream"]), (&"flows".into(), &STREAM.into()));
    assert_eq!((&stream["worker_id"], &stream["max_millis_behind_latest"]), (&"watched".into(), &0.into()));
    let shards = stream["shards"].as_array().unwrap();
    assert_eq!(shards.len(), 2);
    let read: u64 = shards.iter().map(|shard| shard["records"].as_u64().unwrap()).sum();
    assert_eq!(read, 40);
    for shard in shards {
        assert_eq!((&shard["state"], &shard["millis_behind_latest"]), (&"reading".into(), &0.into()), "{shard}");
        assert!(shard["last_arrival"].as_str().unwrap().ends_with('Z'), "{shard}");
        assert!(shard["checkpoint_age_seconds"].is_number(), "{shard}");
    }
    assert_eq!(watched.end().0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_failed_is_no_health() {
    let folder = scratch_file("not_a_folder", b"");
    let toml = format!(
        r#"
        [api]
        enabled = true
        address = "127.0.0.1:0"
        [sources.flows]
        type = "demo_logs"
        interval = 0.01
        [sources.other]
        type = "demo_logs"
        [sinks.fails]
        type = "file"
        inputs = ["flows"]
        path = "{folder}/out.log"
        encoding.codec = "text"
        [sinks.out]
        type = "blackhole"
        inputs = ["other"]
        "#
    );
    let watched = Watched::start("unhealthy.toml", &toml);
    let fails = format!("component_errors_total{{{}}}", labels("fails", "sink", "file"));
    watched.wait_for(&fails, |value| value >= 1.0);
    assert_eq!(watched.get("/health"), (503, "{\"ok\":false}".to_owned()));
    let (status, log) = watched.end();
    assert_eq!(status, 1);
    let failed = log.iter().find(|line| line["message"] == "component failed").unwrap();
    assert_eq!((&failed["component_id"], &failed["component_kind"]), (&"fails".into(), &"sink".into()));
    assert_eq!((&failed["component_type"], &failed["level"]), (&"file".into(), &"ERROR".into()));
    assert!(failed["error"].as_str().unwrap().contains("not_a_folder"), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_ends_the_run_and_names_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let toml = format!(
        "[api]\nenabled = true\naddress = \"{address}\"\n[sources.a]\ntype = \"demo_logs\"\n[sinks.b]\ntype = \"blackhole\"\ninputs = [\"a\"]\n"
    );
    let path = scratch_file("taken.toml", toml.as_bytes());
    let finished = run(None, &["run", &path]).await;
    assert_eq!(finished.status, 1);
    let expected = format!("error: cannot listen at {address}, which is api.address: Address already in use");
    assert!(finished.stderr.contains(&expected), "{}", finished.stderr);
    assert!(finished.stderr.contains("hint: set api.address to one that is free"), "{}", finished.stderr);

    let finished = run(None, &["run", "--log-format", "json", &path]).await;
    assert_eq!(finished.status, 1);
    let lines: Vec<Value> = finished.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["level"], "ERROR");
}
