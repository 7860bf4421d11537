//! SIGHUP: the built command reads its files again while it runs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use kinesis_logs_generator::FlowLogs;
use kinesis_logs_testkit::Emulator;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::util::{STREAM, command, scratch, scratch_file};

/// How long a test waits for what must come.
const LIMIT: Duration = Duration::from_secs(60);

/// The command while it runs, with what it says.
struct Running {
    child: Child,
    stderr: Receiver<String>,
    path: String,
}

impl Running {
    fn start(name: &str, toml: &str, flags: &[&str]) -> Self {
        Running::start_named(scratch_file(name, toml.as_bytes()), flags)
    }

    /// Starts what one argument names.
    fn start_named(path: String, flags: &[&str]) -> Self {
        let mut command = command(None, &[&["run", &path], flags].concat());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, stderr) = channel();
        let lines = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || lines.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Running { child, stderr, path }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Writes its file anew, and tells it.
    fn reload(&self, toml: &str) {
        std::fs::write(&self.path, toml).unwrap();
        self.signal(Signal::SIGHUP);
    }

    /// Waits for a line with such a text, and gives it with all before it.
    fn wait_for(&self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line: &String| !line.contains(text)) {
            match self.stderr.recv_timeout(LIMIT) {
                Ok(line) => lines.push(line),
                Err(error) => panic!("{text:?}: {error}: {lines:#?}"),
            }
        }
        lines
    }

    /// Asks it to end. Its status, and the rest of what it says.
    fn end(mut self) -> (Option<i32>, Vec<String>) {
        self.signal(Signal::SIGTERM);
        (self.child.wait().unwrap().code(), self.stderr.iter().collect())
    }
}

impl Drop for Running {
    /// A test that fails must not leave it behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// Looks again and again until a file has more lines than that.
fn wait_for_lines(path: &str, more_than: usize) -> Vec<Value> {
    let start = Instant::now();
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        // What comes behind the last of them is being written.
        let count = text.matches('\n').count();
        if count > more_than {
            return text.lines().take(count).map(|line| serde_json::from_str(line).unwrap()).collect();
        }
        assert!(start.elapsed() < LIMIT, "{path} has {count} lines");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The lines of a file that nobody writes to.
fn lines(path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'), "whole lines");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn files_are_read_again_and_what_is_the_same_runs_on() {
    let [one, two] = ["one.ndjson", "two.ndjson"].map(|name| scratch(name).display().to_string());
    let toml = format!(
        r#"
        [sources.flows]
        type = "demo_logs"
        interval = 0.01
        [transforms.some]
        type = "filter"
        inputs = ["flows"]
        condition = '.action == "REJECT"'
        [sinks.out]
        type = "file"
        inputs = ["some"]
        path = "{one}"
        encoding.codec = "json"
        [sinks.rest]
        type = "blackhole"
        inputs = ["flows"]
        "#
    );
    let running = Running::start("reloading.toml", &toml, &[]);
    wait_for_lines(&one, 100);
    running.signal(Signal::SIGHUP);
    running.wait_for("configuration is the same");

    let other = toml.replace("REJECT", "ACCEPT").replace(&one, &two);
    running.reload(&other);
    let said = running.wait_for("configuration reloaded");
    assert!(said.last().unwrap().contains(r#"changed=["some", "out"]"#), "{said:#?}");
    let started: Vec<&String> = said.iter().filter(|line| line.contains("component started")).collect();
    assert_eq!(started.len(), 2, "{said:#?}");
    let written = lines(&one);
    assert!(written.iter().all(|event| event["action"] == "REJECT"));
    let accepted = wait_for_lines(&two, 100);
    assert!(accepted.iter().all(|event| event["action"] == "ACCEPT"));

    running.reload(&other.replace("codec = \"json\"", "codec = \"jsn\""));
    let said = running.wait_for("did you mean").join("\n");
    assert!(said.contains("ERROR kinesis_logs_reader::pipeline::reload: configuration refused"), "{said}");
    assert!(said.contains(&format!("--> {}:13:26", running.path)), "{said}");
    wait_for_lines(&two, accepted.len() + 100);
    running.reload(&format!("data_dir = \"/var/lib\"\n{other}"));
    let said = running.wait_for("start it anew").join("\n");
    assert!(said.contains("error: data_dir cannot change while the pipeline runs"), "{said}");

    let (status, said) = running.end();
    assert_eq!(status, Some(0), "{said:#?}");
    assert_eq!(lines(&one), written, "nobody writes there any more");
    let table = said.iter().find(|line| line.contains("flows")).unwrap();
    assert!(table.contains("demo_logs"), "{table}");
}

#[test]
fn what_a_reload_adds_is_asked_whether_it_can_work_and_where_that_is_required_nothing_changes_unless_it_can() {
    let toml = r#"
        [sources.flows]
        type = "demo_logs"
        interval = 0.01
        [sinks.rest]
        type = "blackhole"
        inputs = ["flows"]
        "#;
    // Nobody answers there, now as before: what stays is not asked again.
    let sink = |id: &str| {
        format!(
            "[sinks.{id}]\ntype = 'http'\ninputs = ['flows']\nuri = 'http://127.0.0.1:1/'\nencoding.codec = 'json'\n\
             healthcheck.uri = 'http://127.0.0.1:1/{id}'\n"
        )
    };
    let running = Running::start("reloading-healthchecks.toml", &format!("{toml}{}", sink("old")), &[]);
    running.wait_for("sink \"old\" is not healthy");
    running.reload(&format!("{toml}{}{}", sink("old"), sink("new")));
    let said = running.wait_for("sink \"new\" is not healthy").join("\n");
    assert!(said.contains("configuration reloaded") && said.contains("added=[\"new\"]"), "{said}");
    assert!(!said.contains("sink \"old\" is not healthy"), "{said}");
    drop(running);

    // Also not what stays, and was well when it began.
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let well = sink("old").replace("127.0.0.1:1/old", &format!("{address}/old"));
    let toml = format!("{toml}{well}");
    let answering = std::thread::spawn(move || {
        let (mut asked, _) = server.accept().unwrap();
        let _ = asked.read(&mut [0; 4096]).unwrap();
        asked.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    });
    let running = Running::start("reloading-required.toml", &toml, &["--require-healthy"]);
    running.wait_for("component started");
    answering.join().unwrap();
    running.reload(&format!("{toml}{}", sink("new")));
    let said = running.wait_for("sink \"new\" is not healthy").join("\n");
    assert!(said.contains("configuration refused"), "{said}");
    running.reload(&format!("{toml}{}", sink("new").replace("healthcheck.uri = 'http://127.0.0.1:1/new'", "")));
    let said = running.wait_for("configuration reloaded").join("\n");
    assert!(said.contains("added=[\"new\"]"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_replaced_goes_on_behind_its_checkpoint() {
    let emulator = Emulator::start().await;
    emulator.create_stream(STREAM, 2).await;
    let mut flow_logs = FlowLogs::new(7).events_per_record(10);
    let mut records = |count: usize| -> Vec<_> { (0..count).map(|_| flow_logs.next_record()).collect() };
    let put = async |records: Vec<kinesis_logs_generator::Record>| {
        emulator.put(STREAM, records.into_iter().map(|record| (record.partition_key, record.data))).await;
    };
    let (out, checkpoints) = (scratch("replaced.ndjson"), scratch("replaced.json"));
    let out = out.display().to_string();
    let toml = format!(
        r#"
        [sources.flows]
        type = "aws_kinesis_streams"
        streams = ["{STREAM}"]
        endpoint = "{}"
        start = "trim_horizon"
        checkpoint = {{ type = "file", path = "{}" }}
        [sinks.out]
        type = "file"
        inputs = ["flows"]
        path = "{out}"
        encoding.codec = "json"
        [sinks.undecodable]
        type = "blackhole"
        inputs = ["flows.undecodable"]
        "#,
        emulator.endpoint(),
        checkpoints.display(),
    );
    put(records(20)).await;
    let running = Running::start("replaced.toml", &toml, &["--log-format", "json"]);
    wait_for_lines(&out, 199);
    running.reload(&toml.replace("undecodable]", "other]").replace("[\"flows\"]", "[\"flow?\", \"flows\"]"));
    let refused: Value = serde_json::from_str(running.wait_for("configuration refused").last().unwrap()).unwrap();
    assert_eq!(refused["level"], "ERROR");
    assert!(refused["error"].as_str().unwrap().contains("no component puts out \"flow?\""), "{refused}");

    running.reload(&toml.replace("\"trim_horizon\"", "\"trim_horizon\"\ndecoding.max_record_mib = 50"));
    let said = running.wait_for("configuration reloaded");
    let reloaded: Value = serde_json::from_str(said.last().unwrap()).unwrap();
    assert_eq!((&reloaded["changed"], &reloaded["removed"]), (&"[\"flows\"]".into(), &"[]".into()), "{reloaded}");
    put(records(20)).await;
    wait_for_lines(&out, 399);
    let (status, said) = running.end();
    assert_eq!(status, Some(0), "{said:#?}");
    assert_eq!(lines(&out).len(), 400, "each event once");
}

#[test]
fn a_file_that_a_pattern_matches_by_then_is_read_too() {
    let folder = scratch("patterned").parent().unwrap().to_owned();
    let write = |name: &str, toml: &str| std::fs::write(folder.join(name), toml).unwrap();
    write("a.toml", "sources.logs.type = \"demo_logs\"\nsinks.first = { type = \"blackhole\", inputs = [\"logs\"] }\n");
    let _ = std::fs::remove_file(folder.join("b.toml"));
    let running = Running::start_named(folder.join("*.toml").display().to_string(), &["--log-format", "json"]);
    running.wait_for("component started");
    write("b.toml", "sinks.second = { type = \"blackhole\", inputs = [\"logs\"] }\n");
    running.signal(Signal::SIGHUP);
    let lines = running.wait_for("configuration reloaded");
    assert!(lines.last().is_some_and(|line| line.contains("second")), "{lines:#?}");
    assert_eq!(running.end().0, Some(0));
}
