//! `run` and its like, end to end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kinesis_logs_generator::FlowLogs;
use kinesis_logs_testkit::{Collector, DynamoDbEmulator, Emulator};

use crate::util::{Running, STREAM, command, finish, record, run, scratch};

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml") && !path.ends_with("Cargo.toml"));
    paths
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_is_valid() {
    let examples = examples();
    assert!(examples.len() >= 4);
    for path in examples {
        let shown = run(None, &["validate", "--no-environment", path.to_str().unwrap()]).await.clean();
        assert!(shown.starts_with("valid: "), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_for_vector_runs_with_another_source() {
    let (collector, emulator) = (Collector::start(u64::MAX).await, Emulator::start().await);
    emulator.create_stream("rejects", 2).await;
    let folder = scratch("vector").with_extension("data");
    let _ = std::fs::remove_dir_all(&folder);
    let mut flow_logs = FlowLogs::new(1).events_per_record(100);
    let lines: Vec<String> = (0..20).flat_map(|_| flow_logs.next_record().lines).collect();
    let rejected = lines.iter().filter(|line| line.contains(" REJECT ")).count();
    let mut seen = BTreeMap::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vector")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut config = command(None, &["run", path.to_str().unwrap()]);
        config.env("DIR", folder.join(&name)).env("URL", collector.endpoint()).env("PASSWORD", "hunter2");
        config.env("KINESIS", emulator.endpoint());
        let finished = finish(config).await;
        assert_eq!(finished.status, 0, "{name}: {}", finished.stderr);
        assert!(!finished.stderr.contains("hunter2"));
        seen.insert(name.clone(), (finished.stdout, lines_of(&folder.join(name))));
    }
    let (_, rejects) = &seen["filter_to_file"];
    assert!(rejects.len() == rejected && rejects.iter().all(|line| line.contains("\"action\":\"REJECT\"")));
    let alerts = collector.lines();
    assert_eq!(alerts.len(), rejected);
    assert!(alerts.iter().all(|line| line.contains("\"severity\":") && !line.contains("\"message\":")), "{alerts:?}");
    let read = ["read", "rejects", "--start-time", "trim_horizon", "--payload", "lines", "--format", "raw"];
    let put = run(Some(emulator.endpoint()), &read).await.clean();
    assert!(put.lines().count() == rejected && put.lines().all(|line| line.contains("\"action\":\"REJECT\"")), "{put}");
    assert_eq!(seen["route_to_two_sinks"].1.len(), lines.len());
    let (sampled, _) = &seen["sample_to_console"];
    let kept = |line: &&str| line.contains(" 22 ") && line.contains(" REJECT ");
    assert!((15..=25).contains(&sampled.lines().filter(|line| !kept(line)).count()), "{sampled}");
    let hosts: BTreeSet<&str> =
        lines.iter().map(|line| line.split(' ').nth(3).unwrap()).filter(|host| *host != "-").collect();
    let deduped = &seen["dedupe_to_file"].1;
    assert_eq!(deduped.iter().map(String::as_str).filter(|host| !host.is_empty()).collect::<BTreeSet<_>>(), hosts);
    assert!(deduped.iter().filter(|host| !host.is_empty()).count() == hosts.len(), "each once");
    assert_eq!(seen.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_of_transforms_pass_or_say_what_came_out() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/transforms.toml");
    let shown = run(None, &["test", example.to_str().unwrap()]).await.clean();
    assert_eq!(
        shown,
        "test a rejected flow is told what it was for ... passed\ntest what has no address is dropped ... passed\n2 passed\n"
    );
    let broken = std::fs::read_to_string(example).unwrap().replace("{ \"ssh\" }", "{ \"shell\" }");
    let path = crate::util::scratch_file("broken_transforms.toml", broken.as_bytes());
    let failed = run(None, &["test", &path]).await;
    assert_eq!(failed.status, 1);
    assert!(failed.stdout.contains("condition 1 holds for nothing that came out of named"), "{}", failed.stdout);
    assert!(failed.stdout.contains("\"service\":\"shell\""), "{}", failed.stdout);
    assert!(failed.stdout.ends_with("1 failed, 1 passed\n"), "{}", failed.stdout);
    let none = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/files.toml");
    let shown = run(None, &["test", none.to_str().unwrap()]).await.clean();
    assert_eq!(shown, "no tests: the files have no [[tests]]\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_is_drawn_and_component_types_are_listed() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/transforms.toml");
    let mermaid = run(None, &["graph", example.to_str().unwrap()]).await.clean();
    assert!(mermaid.starts_with("flowchart LR\n"), "{mermaid}");
    assert!(mermaid.contains("c0([\"flows<br/><small>demo_logs</small>\"])"), "{mermaid}");
    assert!(mermaid.contains("c2 -->|\"rejected\"| c3"), "{mermaid}");
    let dot = run(None, &["graph", "--format", "dot", example.to_str().unwrap()]).await.clean();
    assert!(dot.contains("\"by_action\" -> \"named\" [label = \"rejected\"]"), "{dot}");
    let listed = run(None, &["list"]).await.clean();
    assert!(listed.starts_with("sources:\n  aws_kinesis_streams\n"), "{listed}");
    assert!(listed.contains("\n\ntransforms:\n  dedupe\n  filter\n"), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_transforms_run_on_demo_logs() {
    let folder = scratch("transforms").parent().unwrap().to_owned();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/transforms.toml");
    let mut transforms = command(None, &["run", example.to_str().unwrap()]);
    transforms.current_dir(&folder);
    let finished = finish(transforms).await;
    assert_eq!((finished.status, finished.stdout.as_str()), (0, ""), "{}", finished.stderr);
    let lines = lines_of(&folder.join("target/transforms"));
    let (rejected, accepted): (Vec<String>, Vec<String>) = lines.into_iter().partition(|line| line.starts_with('{'));
    assert!(!rejected.is_empty() && rejected.iter().all(|line| line.contains("\"service\":")), "{rejected:?}");
    assert!(rejected.iter().all(|line| !line.contains("account_id")));
    assert!(accepted.iter().all(|line| line.ends_with(",100")), "{accepted:?}");
    let all_accepted = 20_000 - rejected.len() - accepted.len();
    assert!((90..=110).contains(&(all_accepted / accepted.len())), "{} of {all_accepted}", accepted.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quickstart_runs_without_an_account_or_a_server_and_says_what_it_did() {
    let folder = scratch("quickstart").parent().unwrap().to_owned();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart.toml");
    let mut quickstart = command(None, &["run", example.to_str().unwrap()]);
    quickstart.current_dir(&folder);
    let finished = finish(quickstart).await;
    assert_eq!(finished.status, 0, "{}", finished.stderr);
    assert!(finished.stdout.lines().count() > 0);
    assert!(
        finished.stdout.lines().all(|line| line.contains(" 22 ") && line.contains("REJECT")),
        "{}",
        finished.stdout
    );
    let row = finished.stderr.lines().rfind(|line| line.contains("demo_logs")).unwrap();
    assert!(row.contains("2000"), "{}", finished.stderr);
    let files = lines_of(&folder.join("target/quickstart"));
    assert_eq!(files.len(), finished.stdout.lines().count(), "both sinks have the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_wrong_is_shown_and_ends_with_78() {
    let path = crate::util::scratch_file("wrong.toml", b"[sources.a]\ntype = \"demo_log\"\n");
    for name in ["validate", "run"] {
        let finished = run(None, &[name, &path]).await;
        assert_eq!((finished.status, finished.stdout.as_str()), (78, ""));
        assert!(finished.stderr.contains(&format!("{path}:2:8")), "{}", finished.stderr);
        assert!(finished.stderr.contains("did you mean \"demo_logs\"?"), "{}", finished.stderr);
    }
    let missing = run(None, &["run", "/nonexistent.toml"]).await;
    assert_eq!(missing.status, 1);
    assert!(missing.stderr.starts_with("error: cannot read /nonexistent.toml"), "{}", missing.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_may_be_named_by_patterns_and_all_that_cannot_be_read_are_told() {
    let folder = scratch("patterns").parent().unwrap().to_owned();
    std::fs::write(
        folder.join("b.toml"),
        "sinks.out = { type = \"console\", inputs = [\"logs\"], encoding.codec = \"text\" }",
    )
    .unwrap();
    std::fs::write(folder.join("a.toml"), "sources.logs = { type = \"demo_logs\", count = 3, events_per_record = 1 }")
        .unwrap();
    std::fs::write(folder.join("[a].toml"), "broken").unwrap();
    std::fs::create_dir_all(folder.join("d.toml")).unwrap();
    let at = |name: &str| folder.join(name).display().to_string();
    for patterns in [vec![at("?.toml")], vec![at("[b].toml"), at("a.toml"), at("?.toml")]] {
        let named: Vec<&str> = [&["run"][..], &patterns.iter().map(String::as_str).collect::<Vec<_>>()].concat();
        let finished = run(None, &named).await;
        assert_eq!((finished.status, finished.stdout.lines().count()), (0, 3), "{}", finished.stderr);
    }
    let literal = run(None, &["validate", &at("[a].toml")]).await;
    assert_eq!(literal.status, 78, "what is there is no pattern: {}", literal.stderr);
    let wrong =
        run(None, &["validate", &at("*.tml"), &at("a.toml"), &at("none.toml"), &at("d.toml"), &at("a**")]).await;
    assert_eq!((wrong.status, wrong.stdout.as_str()), (1, ""));
    let told: Vec<&str> = wrong.stderr.lines().collect();
    assert_eq!(told.len(), 4, "{told:?}");
    for (line, expected) in told.iter().zip([
        format!("error: no file matches {}", at("*.tml")),
        format!("error: {} is no pattern: ", at("a**")),
        format!("error: cannot read {}: ", at("none.toml")),
        format!("error: cannot read {}: ", at("d.toml")),
    ]) {
        assert!(line.starts_with(&expected), "{line:?}, not {expected:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_pipeline_needs_and_does_not_find_is_told_all_at_once() {
    let (emulator, table) = (Emulator::start().await, DynamoDbEmulator::start().await);
    emulator.create_stream(STREAM, 1).await;
    let file = crate::util::scratch_file("no_folder", b"");
    let toml = format!(
        r#"
        data_dir = "{file}/data"
        [sources.good]
        type = "aws_kinesis_streams"
        region = "us-east-1"
        endpoint = "{0}"
        streams = ["{STREAM}"]
        stop = "at_tip"
        checkpoint = {{ type = "dynamodb", table = "not-there-yet", endpoint = "{1}" }}
        [sources.bad]
        type = "aws_kinesis_streams"
        region = "us-east-1"
        endpoint = "{0}"
        streams = ["{STREAM}", "missing"]
        stop = "at_tip"
        checkpoint.type = "memory"
        [sinks.stream]
        type = "aws_kinesis_streams"
        inputs = ["good", "bad"]
        region = "us-east-1"
        endpoint = "{0}"
        stream_name = "missing-too"
        encoding.codec = "json"
        [sinks.good_stream]
        type = "aws_kinesis_streams"
        inputs = ["good", "bad"]
        region = "us-east-1"
        endpoint = "{0}"
        stream_name = "{STREAM}"
        encoding.codec = "json"
        [sinks.folder]
        type = "file"
        inputs = ["good", "bad"]
        path = "{file}/%Y.log"
        encoding.codec = "json"
        "#,
        emulator.endpoint(),
        table.endpoint(),
    );
    let path = crate::util::scratch_file("unhealthy.toml", toml.as_bytes());
    for arguments in [&["validate", &path][..], &["run", "--require-healthy", &path]] {
        let finished = run(None, arguments).await;
        assert_eq!((finished.status, finished.stdout.as_str()), (78, ""), "{}", finished.stderr);
        let told: Vec<&str> = finished.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        for (line, expected) in told.iter().zip([
            "error: data_dir cannot be used: cannot make the folder ",
            "error: source \"bad\" is not healthy: cannot list the shards of stream missing: ",
            "error: sink \"stream\" is not healthy: cannot describe stream missing-too: ",
            "error: sink \"folder\" is not healthy: cannot write to the folder ",
        ]) {
            assert!(line.starts_with(expected), "{line:?}, not {expected:?}");
        }
        assert_eq!(told.len(), 4, "{}", finished.stderr);
        assert!(finished.stderr.contains("\n hint: check the name, the Region and the account"), "{}", finished.stderr);
        assert!(!finished.stderr.contains("pipeline started"), "{}", finished.stderr);
    }
    let skipped = run(None, &["validate", "--skip-healthchecks", &path]).await;
    assert_eq!((skipped.status, skipped.stderr.matches("error: ").count()), (78, 1), "{}", skipped.stderr);
    let shown = run(None, &["validate", "--no-environment", &path]).await.clean();
    assert_eq!(shown, "valid: 2 sources, 0 transforms, 3 sinks\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_begins_whatever_its_healthchecks_say_and_the_log_has_it() {
    let toml = r#"
        sources.logs = { type = "demo_logs", count = 5, events_per_record = 1, interval = 0.1 }
        transforms.none = { type = "filter", inputs = ["logs"], condition = ".dstport == -1" }
        [sinks.out]
        type = "console"
        inputs = ["logs"]
        encoding.codec = "text"
        [sinks.unwell]
        type = "file"
        inputs = ["none"]
        path = "/proc/version/out.log"
        encoding.codec = "text"
    "#;
    let path = crate::util::scratch_file("unwell.toml", toml.as_bytes());
    let finished = run(None, &["run", "--log-format", "json", &path]).await;
    assert_eq!((finished.status, finished.stdout.lines().count()), (0, 5), "{}", finished.stderr);
    let warned = finished.stderr.lines().find(|line| line.contains("is not healthy")).unwrap();
    let warned: serde_json::Value = serde_json::from_str(warned).unwrap();
    assert_eq!((&warned["level"], &warned["component_id"]), (&"WARN".into(), &"unwell".into()), "{warned}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_decoded_stops_the_run_or_goes_where_it_is_wanted() {
    let records = crate::util::scratch_file("broken.bin", b"\x1f\x8b broken");
    let sinks = |inputs: &str| {
        format!(
            "[sources.a]\ntype = \"file\"\ninclude = [\"{records}\"]\n[sinks.b]\ntype = \"console\"\ninputs = {inputs}\nencoding.codec = \"json\"\n"
        )
    };
    let path = crate::util::scratch_file("stops.toml", sinks("[\"a\"]").as_bytes());
    let stopped = run(None, &["run", &path]).await;
    assert_eq!(stopped.status, 1);
    assert!(stopped.stderr.contains("hint: let a sink take <id>.undecodable"), "{}", stopped.stderr);

    let path = crate::util::scratch_file("kept.toml", sinks("[\"a\", \"a.undecodable\"]").as_bytes());
    let kept = run(None, &["run", &path]).await;
    assert_eq!(kept.status, 0, "{}", kept.stderr);
    let again = crate::util::scratch_file("kept.ndjson", kept.stdout.as_bytes());
    let decoded = run(None, &["decode", &again]).await;
    assert_eq!(decoded.status, 1, "it is as broken as it was: {}", decoded.stderr);
    assert!(decoded.stderr.contains("broken.bin"), "and says where it came from: {}", decoded.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_takes_is_kept_in_the_quarantine_and_can_be_read_again() {
    let broken = crate::util::scratch_file("quarantined.bin", b"\x1f\x8b broken");
    let mut flow_logs = FlowLogs::new(1).events_per_record(3);
    let whole = flow_logs.next_record();
    let records = crate::util::scratch_file("quarantined.gz", &whole.data);
    let data_dir = scratch("quarantine").with_extension("data");
    let _ = std::fs::remove_dir_all(&data_dir);
    let config = format!(
        r#"
data_dir = "{}"
[sources.in]
type = "file"
include = ["{broken}", "{records}"]
[transforms.parsed]
type = "remap"
inputs = ["in"]
drop_on_error = true
reroute_dropped = true
source = ". = parse_json!(.message)"
[sinks.out]
type = "console"
inputs = ["parsed"]
encoding.codec = "json"
"#,
        data_dir.display()
    );
    let path = crate::util::scratch_file("quarantine.toml", config.as_bytes());
    let finished = run(None, &["run", &path]).await;
    assert_eq!((finished.status, finished.stdout.as_str()), (0, ""), "{}", finished.stderr);
    assert!(finished.stderr.contains("put into quarantine"), "{}", finished.stderr);
    let folder = data_dir.join("quarantine");
    let kept = lines_of(&folder);
    assert_eq!(kept.len(), 4, "a record, and three events: {kept:?}");
    assert!(kept.iter().any(|line| line.contains("quarantined.bin") && line.contains("H4sgYnJva2Vu")), "{kept:?}");

    // A record each, of the log group that it came from.
    let day = format!("{}/parsed.dropped-*.ndjson", folder.display());
    let again = format!(
        "[sources.in]\ntype = \"file\"\ninclude = [\"{day}\"]\n[sinks.out]\ntype = \"console\"\ninputs = [\"in\"]\n\
         encoding.codec = \"csv\"\nencoding.csv.fields = [\"%aws.log_group\", \"message\"]\n"
    );
    let path = crate::util::scratch_file("again.toml", again.as_bytes());
    let shown = run(None, &["run", &path]).await;
    assert_eq!(shown.status, 0, "{}", shown.stderr);
    let lines: Vec<&str> = shown.stdout.lines().filter_map(|line| line.split_once(',')).map(|(_, line)| line).collect();
    assert_eq!(lines, whole.lines);
    assert!(shown.stdout.lines().all(|line| !line.starts_with(',')), "the log group: {}", shown.stdout);

    let off = crate::util::scratch_file("off.toml", format!("quarantine.enabled = false\n{config}").as_bytes());
    let stopped = run(None, &["run", &off]).await;
    assert_eq!(stopped.status, 1);
    assert!(stopped.stderr.contains("hint: let a sink take <id>.undecodable"), "{}", stopped.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_is_read_to_its_end_and_a_run_that_remembers_goes_on() {
    let sink = "[sinks.out]\ntype = \"console\"\ninputs = [\"in\"]\nencoding.codec = \"text\"\n";
    let path = crate::util::scratch_file(
        "stdin.toml",
        format!("[sources.in]\ntype = \"stdin\"\ndecoding.codec = \"lines\"\n{sink}").as_bytes(),
    );
    let lines = (0..50_000).map(|number| format!("line {number}\n")).collect::<String>();
    let captured = "{\"Data\":\"b25lIGxpbmU=\"}\n";
    for (input, expected) in
        [(lines.as_str(), lines.as_str()), ("no end", "no end\n"), (captured, "one line\n"), ("", "")]
    {
        let finished = crate::util::run_with_input(&["run", &path], input).await;
        assert_eq!((finished.status, finished.stdout.as_str()), (0, expected), "{}", finished.stderr);
    }

    let data_dir = scratch("remembers").with_extension("data");
    let _ = std::fs::remove_dir_all(&data_dir);
    let log = crate::util::scratch_file("remembers.log", b"one\n");
    let path = crate::util::scratch_file(
        "remembers.toml",
        format!(
            "data_dir = \"{}\"\n[sources.in]\ntype = \"file\"\ninclude = [\"{log}\"]\nignore_checkpoints = false\n\
             decoding.codec = \"lines\"\n{sink}",
            data_dir.display()
        )
        .as_bytes(),
    );
    for (text, expected) in [("one\n", "one\n"), ("one\n", ""), ("one\ntwo\n", "two\n")] {
        std::fs::write(&log, text).unwrap();
        let finished = run(None, &["run", &path]).await;
        assert_eq!((finished.status, finished.stdout.as_str()), (0, expected), "{}", finished.stderr);
    }
}

/// A log that grows and is rotated, into files that are rotated.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_followed_into_files_miss_no_line_when_it_is_killed() {
    let folder = scratch("followed").with_extension("data");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("logs")).unwrap();
    let toml = format!(
        r#"
        data_dir = "{folder}"
        [sources.in]
        type = "file"
        include = ["{folder}/logs/app.log*"]
        follow = true
        glob_minimum_cooldown_ms = 20
        decoding.codec = "lines"
        [sinks.out]
        type = "file"
        inputs = ["in", "in.undecodable"]
        path = "{folder}/out/lines.log"
        encoding.codec = "text"
        rotate.max_bytes = 10000
    "#,
        folder = folder.display(),
    );
    let path = crate::util::scratch_file("followed.toml", toml.as_bytes());
    let (log, out) = (folder.join("logs/app.log"), folder.join("out"));
    let mut number = 0;
    let mut append = |lines: usize| {
        let text: String = (number..number + lines).map(|number| format!("line number {number}\n")).collect();
        let mut file = std::fs::File::options().append(true).create(true).open(&log).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        number += lines;
        number
    };
    for round in 0..6 {
        append(300);
        let mut running = Running::start(command(None, &["run", &path]));
        let before = lines_of(&out).len();
        append(300);
        if round % 2 == 1 {
            std::fs::rename(&log, folder.join(format!("logs/app.log.{round}"))).unwrap();
            append(300);
        }
        wait_until(|| lines_of(&out).len() > before).await;
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }
    let all = append(1);
    let running = Running::start(command(None, &["run", &path]));
    let expected: BTreeSet<String> = (0..all).map(|number| format!("line number {number}")).collect();
    wait_until(|| expected.is_subset(&lines_of(&out).into_iter().collect())).await;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(running.child.id() as i32), nix::sys::signal::SIGTERM).unwrap();
    assert_eq!(running.wait(), (0, String::new()));
    let lines = lines_of(&out);
    assert_eq!(lines.iter().cloned().collect::<BTreeSet<_>>(), expected, "no line is cut or made up");
    let names = || std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names().any(|name| name.starts_with("lines-")), "they are rotated: {:?}", names().collect::<Vec<_>>());

    // What it had written is what its checkpoints say: a line more is all that comes.
    append(1);
    let running = Running::start(command(None, &["run", &path]));
    wait_until(|| lines_of(&out).len() > lines.len()).await;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(running.child.id() as i32), nix::sys::signal::SIGTERM).unwrap();
    assert_eq!(running.wait(), (0, String::new()));
    assert_eq!(lines_of(&out).len(), lines.len() + 1);
}

/// The lines of all files in a folder, but for one that is renamed at this moment.
fn lines_of(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    files
        .flat_map(|path| {
            std::fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

/// A stream's rejected flows, by the line, and how often each was put.
async fn put(emulator: &Emulator, flow_logs: &mut FlowLogs, records: usize) -> BTreeMap<String, usize> {
    let mut rejected = BTreeMap::new();
    let mut put = Vec::new();
    for _ in 0..records {
        let record = flow_logs.next_record();
        for line in record.lines.iter().filter(|line| line.contains(" REJECT ")) {
            *rejected.entry(line.clone()).or_insert(0) += 1;
        }
        put.push((record.partition_key, record.data));
    }
    emulator.put(STREAM, put).await;
    rejected
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_loses_nothing_and_at_last_drains() {
    let emulator = Emulator::start().await;
    emulator.create_stream(STREAM, 2).await;
    let folder = scratch("killed").parent().unwrap().join("data");
    let _ = std::fs::remove_dir_all(&folder);
    let toml = format!(
        r#"
        data_dir = "{folder}"
        [sources.flows]
        type = "aws_kinesis_streams"
        streams = ["{STREAM}"]
        endpoint = "{endpoint}"
        start = "trim_horizon"
        checkpoint = {{ failover_time_secs = 1 }}
        [transforms.rejects]
        type = "filter"
        inputs = ["flows"]
        condition = '.action == "REJECT"'
        [sinks.out]
        type = "file"
        inputs = ["rejects"]
        path = "{folder}/out/%Y-%m-%d.log"
        encoding.codec = "text"
        [sinks.undecodable]
        type = "console"
        inputs = ["flows.undecodable"]
        encoding.codec = "json"
    "#,
        folder = folder.display(),
        endpoint = emulator.endpoint(),
    );
    let path = crate::util::scratch_file("killed.toml", toml.as_bytes());
    let mut flow_logs = FlowLogs::new(5).events_per_record(50);
    let mut expected = BTreeMap::new();
    for round in 0..5 {
        for (line, times) in put(&emulator, &mut flow_logs, 60).await {
            *expected.entry(line).or_insert(0) += times;
        }
        if round == 4 {
            break;
        }
        if round == 1 {
            emulator.split(STREAM, "shardId-000000000000").await;
        }
        let mut running = Running::start(command(None, &["run", &path]));
        // Right behind what must be in order: a commit of lines, or a checkpoint.
        let watched = if round % 2 == 0 { folder.join("out") } else { folder.join("flows") };
        let before = lines_of(&watched);
        wait_until(|| lines_of(&watched) != before && !lines_of(&watched).is_empty()).await;
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }
    let running = Running::start(command(None, &["run", &path]));
    let expected_lines: BTreeSet<&String> = expected.keys().collect();
    wait_until(|| {
        let lines = lines_of(&folder.join("out"));
        let seen: BTreeSet<&String> = lines.iter().collect();
        expected_lines.is_subset(&seen)
    })
    .await;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(running.child.id() as i32), nix::sys::signal::SIGTERM).unwrap();
    assert_eq!(running.wait(), (0, String::new()));
    let lines = lines_of(&folder.join("out"));
    assert!(lines.iter().all(|line| expected.contains_key(line)), "no line is cut or made up");

    // What it had written is what its checkpoints say: nothing comes again.
    let toml = toml.replace("start = \"trim_horizon\"", "start = \"trim_horizon\"\nstop = \"at_tip\"");
    let path = crate::util::scratch_file("killed.toml", toml.as_bytes());
    let last = run(None, &["run", &path]).await;
    assert_eq!(last.status, 0, "{}", last.stderr);
    assert_eq!(lines_of(&folder.join("out")).len(), lines.len());
}

/// Looks again and again, as another process does what is waited for.
async fn wait_until(is_so: impl Fn() -> bool) {
    for _ in 0..3000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not come to be");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_whose_shards_have_the_same_ids_share_a_table_without_sharing_leases() {
    let emulator = Emulator::start().await;
    let dynamodb = DynamoDbEmulator::start().await;
    for (stream, text) in [("one", "first"), ("other", "second")] {
        emulator.create_stream(stream, 1).await;
        emulator.put(stream, [("key".to_owned(), record(text))]).await;
    }
    let toml = format!(
        r#"
        [sources.flows]
        type = "aws_kinesis_streams"
        streams = ["one", "other"]
        endpoint = "{kinesis}"
        start = "trim_horizon"
        stop = "at_tip"
        checkpoint = {{ type = "dynamodb", table = "readers", endpoint = "{table}", failover_time_secs = 1 }}
        [sinks.out]
        type = "console"
        inputs = ["flows", "flows.undecodable"]
        encoding.codec = "text"
    "#,
        kinesis = emulator.endpoint(),
        table = dynamodb.endpoint(),
    );
    let path = crate::util::scratch_file("two-streams.toml", toml.as_bytes());
    for expected in [vec!["first", "second"], vec![]] {
        let finished = finish(command(None, &["run", &path])).await;
        assert_eq!(finished.status, 0, "{}", finished.stderr);
        let mut lines: Vec<&str> = finished.stdout.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, expected, "{}", finished.stderr);
    }
}
