//! `run` and its like, end to end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use kinesis_logs_generator::FlowLogs;
use kinesis_logs_testkit::{Collector, DynamoDbEmulator, Emulator};

use crate::util::{STREAM, command, finish, lines_of, run, scratch};

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
