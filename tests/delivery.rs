//! What becomes of events, end to end: those that cannot be decoded, those that nobody takes, and all of them when the command is
//! killed or started again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kinesis_logs_generator::FlowLogs;
use kinesis_logs_testkit::{DynamoDbEmulator, Emulator};

use crate::util::{Running, STREAM, command, finish, lines_of, record, run, scratch};

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
