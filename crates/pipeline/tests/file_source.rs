//! How the source `file` follows files, and what it remembers. Time is held.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use flate2::Compression;
use flate2::write::GzEncoder;
use kinesis_logs_pipeline::component::{
    BuildContext, BuildError, ComponentError, Input, Outcome, Sink, SinkConfig, SinkContext, ValueRef,
};
use kinesis_logs_pipeline::config::ConfigFile;
use kinesis_logs_pipeline::{Pipeline, Report, built_in};
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The messages that each sink took, by its name; tests use names of their own.
static TAKEN: LazyLock<Mutex<BTreeMap<String, Vec<String>>>> = LazyLock::new(Mutex::default);

fn taken(id: &str) -> Vec<String> {
    TAKEN.lock().unwrap().get(id).cloned().unwrap_or_default()
}

/// Takes all batches, and abandons those that hold one of some messages, the first time they come.
#[derive(Debug, Clone, Deserialize)]
struct Taking {
    #[serde(default)]
    abandon: Vec<String>,
    /// Keeps batches with these messages until its end, and then abandons them.
    #[serde(default)]
    hold: Vec<String>,
    /// Abandons batches with this message whenever they come.
    #[serde(default)]
    poison: Option<String>,
    /// How long it takes with each batch.
    #[serde(default)]
    takes_secs: u64,
    #[serde(skip)]
    id: String,
}

impl SinkConfig for Taking {
    fn build(&self, context: &BuildContext) -> Result<Box<dyn Sink>, BuildError> {
        Ok(Box::new(Taking { id: context.id.clone(), ..self.clone() }))
    }
}

#[async_trait]
impl Sink for Taking {
    async fn run(mut self: Box<Self>, mut input: Input, _: SinkContext) -> Result<(), ComponentError> {
        let mut held = Vec::new();
        while let Some(batch) = input.recv().await {
            let messages: Vec<String> = batch
                .events()
                .map(|event| match event.get("message").or_else(|| event.get("Error")) {
                    Some(ValueRef::Text(message)) => message.trim_end().to_owned(),
                    other => format!("{other:?}"),
                })
                .collect();
            tokio::time::sleep(Duration::from_secs(self.takes_secs)).await;
            if self.poison.as_ref().is_some_and(|poison| messages.contains(poison)) {
                batch.acknowledge(Outcome::Abandoned);
                continue;
            }
            if let Some(at) = self.abandon.iter().position(|message| messages.contains(message)) {
                self.abandon.remove(at);
                batch.acknowledge(Outcome::Abandoned);
                continue;
            }
            TAKEN.lock().unwrap().entry(self.id.clone()).or_default().extend(messages.iter().cloned());
            match self.hold.iter().any(|message| messages.contains(message)) {
                true => held.push(batch),
                false => batch.acknowledge(Outcome::Delivered),
            }
        }
        held.into_iter().for_each(|batch| batch.acknowledge(Outcome::Abandoned));
        Ok(())
    }
}

/// A folder of a test's own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("file-source-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn append(path: &Path, text: impl AsRef<[u8]>) {
    let mut file = File::options().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_ref()).unwrap();
}

struct Following {
    sink: String,
    end: oneshot::Sender<()>,
    running: JoinHandle<Report>,
}

impl Following {
    /// Follows `*.log` in a folder into the sink of that name.
    fn start(folder: &Path, sink: &str, source_keys: &str, sink_keys: &str) -> Self {
        Following::behind(folder, sink, &format!("follow = true\n{source_keys}"), "in", sink_keys)
    }

    /// Reads what there is.
    fn to_the_end(folder: &Path, sink: &str, source_keys: &str, sink_keys: &str) -> Self {
        Following::behind(folder, sink, source_keys, "in", sink_keys)
    }

    /// The same, with the sink behind what else is configured behind the source's keys.
    fn behind(folder: &Path, sink: &str, source_keys: &str, input: &str, sink_keys: &str) -> Self {
        let toml = format!(
            "data_dir = \"{folder}/data\"\n[sources.in]\ntype = \"file\"\ninclude = [\"{folder}/*.log\"]\n\
             decoding.codec = \"lines\"\n{source_keys}\n[sinks.{sink}]\ntype = \"taking\"\n\
             inputs = [\"{input}\", \"in.undecodable\"]\n{sink_keys}\n",
            folder = folder.display()
        );
        let registry = built_in().sink::<Taking>("taking");
        let pipeline = Pipeline::build(vec![ConfigFile::new("test", toml)], &registry).unwrap();
        let (end, ended) = oneshot::channel();
        let shutdown = async { drop(ended.await) };
        let running = tokio::spawn(pipeline.run(shutdown, Duration::from_secs(60)));
        Following { sink: sink.to_owned(), end, running }
    }

    /// Waits until these messages have come, and no others.
    async fn sees(&self, messages: &[&str]) {
        for _ in 0..1000 {
            if taken(&self.sink).len() >= messages.len() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(taken(&self.sink), messages);
    }

    /// Some looks later.
    async fn goes_on(&self) {
        tokio::time::sleep(Duration::from_secs(5)).await;
    }

    async fn end(self) -> Report {
        self.end.send(()).unwrap();
        self.running.await.unwrap()
    }

    /// Ends as after kill -9: nothing more is written or answered.
    async fn kill(self) {
        self.running.abort();
        assert!(self.running.await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn lines_that_are_appended_and_files_that_are_new_are_read() {
    let folder = folder("grows");
    let one = folder.join("one.log");
    append(&one, "a\nb");
    let following = Following::start(&folder, "grows", "", "");
    following.sees(&["a"]).await;
    append(&one, " goes on\nc\n");
    following.sees(&["a", "b goes on", "c"]).await;
    append(&folder.join("two.log"), "d\n");
    append(&folder.join("other.txt"), "no\n");
    following.sees(&["a", "b goes on", "c", "d"]).await;
    following.goes_on().await;
    following.sees(&["a", "b goes on", "c", "d"]).await;
    let report = following.end().await;
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_renamed_is_read_to_its_end_before_the_one_in_its_place() {
    let folder = folder("rotated");
    let log = folder.join("app.log");
    append(&log, "1\n");
    let following = Following::start(&folder, "rotated", "", "");
    following.sees(&["1"]).await;
    append(&log, "2\n");
    fs::rename(&log, folder.join("app.log.1")).unwrap();
    append(&log, "4\n");
    append(&folder.join("app.log.1"), "3, without an end");
    following.sees(&["1", "2", "4", "3, without an end"]).await;
    // Under another name that is followed, too, it is the same.
    append(&log, "5\n");
    fs::rename(&log, folder.join("old.log")).unwrap();
    append(&folder.join("old.log"), "6\n");
    following.sees(&["1", "2", "4", "3, without an end", "5", "6"]).await;
    following.goes_on().await;
    fs::remove_file(folder.join("old.log")).unwrap();
    following.goes_on().await;
    append(&log, "7\n");
    following.sees(&["1", "2", "4", "3, without an end", "5", "6", "7"]).await;
    assert!(following.end().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_renamed_after_a_quiet_time_is_read_until_its_writer_knows() {
    let folder = folder("quiet");
    let log = folder.join("app.log");
    append(&log, "1\n");
    let following = Following::start(&folder, "quiet", "", "");
    following.sees(&["1"]).await;
    following.goes_on().await;
    fs::rename(&log, folder.join("app.log.1")).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    append(&folder.join("app.log.1"), "2\n");
    following.sees(&["1", "2"]).await;
    assert!(following.end().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_away_for_some_looks_is_read_on() {
    let folder = folder("away");
    let (log, elsewhere) = (folder.join("app.log"), folder.join("elsewhere"));
    append(&log, "1\n");
    let following = Following::start(&folder, "away", "", "");
    following.sees(&["1"]).await;
    fs::rename(&log, &elsewhere).unwrap();
    following.goes_on().await;
    append(&elsewhere, "2\n");
    fs::rename(&elsewhere, &log).unwrap();
    following.sees(&["1", "2"]).await;
    append(&log, "3\n");
    following.sees(&["1", "2", "3"]).await;
    assert!(following.end().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_truncated_is_read_from_its_beginning() {
    let folder = folder("truncated");
    let log = folder.join("app.log");
    append(&log, "one\ntwo\n");
    let following = Following::start(&folder, "truncated", "", "");
    following.sees(&["one", "two"]).await;
    File::create(&log).unwrap();
    append(&log, "new\n");
    following.sees(&["one", "two", "new"]).await;
    // Longer than it was, it is told by what it begins with.
    File::create(&log).unwrap();
    append(&log, "newer\nand newest\n");
    following.sees(&["one", "two", "new", "newer", "and newest"]).await;
    assert!(following.end().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn killed_it_goes_on_behind_what_was_accepted() {
    let folder = folder("killed");
    let log = folder.join("app.log");
    append(&log, "1\n2\n");
    let first = Following::start(&folder, "killed_first", "", "hold = [\"3\"]");
    first.sees(&["1", "2"]).await;
    append(&log, "3\n");
    first.sees(&["1", "2", "3"]).await;
    append(&log, "4\n");
    first.sees(&["1", "2", "3", "4"]).await;
    first.goes_on().await;
    first.kill().await;
    append(&log, "5\n");
    fs::rename(&log, folder.join("renamed.log")).unwrap();
    let second = Following::start(&folder, "killed_second", "", "");
    second.sees(&["3", "4", "5"]).await;
    assert!(second.end().await.is_clean());
    append(&folder.join("renamed.log"), "6\n");
    let third = Following::start(&folder, "killed_third", "", "");
    third.sees(&["6"]).await;
    assert!(third.end().await.is_clean());
    let anew = Following::start(&folder, "killed_anew", "ignore_checkpoints = true", "");
    anew.sees(&["1", "2", "3", "4", "5", "6"]).await;
    assert!(anew.end().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn what_was_abandoned_is_read_again() {
    let folder = folder("abandoned");
    let log = folder.join("app.log");
    append(&log, "1\n");
    let following = Following::start(&folder, "abandoned", "", "abandon = [\"2\"]");
    following.sees(&["1"]).await;
    append(&log, "2\n");
    following.sees(&["1", "2"]).await;
    append(&log, "3\n");
    following.sees(&["1", "2", "3"]).await;
    assert!(following.end().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn what_was_abandoned_is_no_duplicate_of_itself() {
    let folder = folder("again");
    let log = folder.join("app.log");
    append(&log, "1\n");
    let dedupe = "follow = true\n[transforms.once]\ntype = \"dedupe\"\ninputs = [\"in\"]\nfields.match = [\"message\"]";
    let following = Following::behind(&folder, "again", dedupe, "once", "abandon = [\"2\"]");
    following.sees(&["1"]).await;
    append(&log, "2\n");
    following.sees(&["1", "2"]).await;
    append(&log, "2\n3\n");
    following.sees(&["1", "2", "3"]).await;
    let report = following.end().await;
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_abandoned_again_and_again_goes_into_quarantine_and_reading_goes_on() {
    let folder = folder("poison");
    let log = folder.join("app.log");
    append(&log, "1\n");
    let following = Following::start(&folder, "poison", "", "poison = \"2\"");
    following.sees(&["1"]).await;
    append(&log, "2\n");
    tokio::time::sleep(Duration::from_secs(20)).await;
    append(&log, "3\n");
    following.sees(&["1", "3"]).await;
    following.goes_on().await;
    let report = following.end().await;
    assert!(report.is_clean(), "{report:?}");
    let kept: Vec<String> = fs::read_dir(folder.join("data/quarantine"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("in.rejected-"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let kept: serde_json::Value = serde_json::from_str(&kept.concat()).expect("one record");
    assert_eq!((kept["Data"].as_str(), kept["SequenceNumber"].as_str()), (Some("Mgo="), Some("2")), "{kept}");
    assert_eq!(kept["Error"], "given up: abandoned 5 times");
    let next = Following::start(&folder, "poison_next", "", "");
    append(&log, "4\n");
    next.sees(&["4"]).await;
    assert!(next.end().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_replaced_waits_for_nobody_who_waits_for_it() {
    let folder = folder("stalled");
    let lines: String = (0..100).map(|number| format!("{number:04} {}\n", "x".repeat(120_000))).collect();
    append(&folder.join("app.log"), lines);
    let toml = |version: u64| {
        format!(
            "data_dir = \"{folder}/data\"\n[sources.in]\ntype = \"file\"\ninclude = [\"{folder}/*.log\"]\nfollow = true\n\
             decoding.codec = \"lines\"\nglob_minimum_cooldown_ms = {version}000\n[transforms.all]\ntype = \"filter\"\n\
             inputs = [\"in\"]\ncondition = \"true\"\n[sinks.stalled_x]\ntype = \"taking\"\ninputs = [\"all\"]\n\
             takes_secs = {version}\nbuffer.max_events = 1\n[sinks.stalled_y]\ntype = \"taking\"\ninputs = [\"in\"]\n\
             abandon = [\"{version}\"]\n",
            folder = folder.display()
        )
    };
    let build = |version| {
        let registry = built_in().sink::<Taking>("taking");
        Pipeline::build(vec![ConfigFile::new("test", toml(version))], &registry).unwrap()
    };
    let pipeline = build(1);
    let reloader = pipeline.reloader();
    let (end, ended) = oneshot::channel::<()>();
    let running = tokio::spawn(pipeline.run(async { drop(ended.await) }, Duration::from_secs(600)));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = tokio::time::Instant::now();
    let reloaded = reloader.reload(build(2)).await.unwrap();
    assert_eq!(reloaded.changed, ["in", "stalled_x", "stalled_y"]);
    let took = before.elapsed();
    assert!(
        took < Duration::from_secs(200),
        "{took:?}: what is under way takes its time, and no deadline is waited for"
    );
    for sink in ["stalled_x", "stalled_y"] {
        for _ in 0..1000 {
            if (0..100).all(|number| taken(sink).iter().any(|line| line.starts_with(&format!("{number:04} ")))) {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        for number in 0..100 {
            assert!(
                taken(sink).iter().any(|line| line.starts_with(&format!("{number:04} "))),
                "{sink} misses {number}"
            );
        }
    }
    end.send(()).unwrap();
    let report = running.await.unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn what_sinks_held_that_were_cut_off_is_not_given_up() {
    let folder = folder("cut_off");
    append(&folder.join("app.log"), "1\n2\n");
    let build = |takes_secs: u64| {
        let toml = format!(
            "data_dir = \"{folder}/data\"\n[sources.in]\ntype = \"file\"\ninclude = [\"{folder}/*.log\"]\nfollow = true\n\
             decoding.codec = \"lines\"\n[sinks.cut_off]\ntype = \"taking\"\ninputs = [\"in\"]\ntakes_secs = {takes_secs}\n",
            folder = folder.display()
        );
        let registry = built_in().sink::<Taking>("taking");
        Pipeline::build(vec![ConfigFile::new("test", toml)], &registry).unwrap()
    };
    let pipeline = build(1_000_000);
    let reloader = pipeline.reloader();
    let (end, ended) = oneshot::channel::<()>();
    let running = tokio::spawn(pipeline.run(async { drop(ended.await) }, Duration::from_secs(10)));
    for time in 1..=8 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(reloader.reload(build(1_000_000 + time)).await.unwrap().changed, ["cut_off"]);
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    reloader.reload(build(0)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(taken("cut_off"), ["1", "2"]);
    assert!(!folder.join("data/quarantine").exists());
    end.send(()).unwrap();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_run_to_the_end_that_was_not_delivered_says_so_also_if_the_next_goes_on_there() {
    let folder = folder("bounded");
    append(&folder.join("app.log"), "1\n2\n");
    let keys = "ignore_checkpoints = false";
    let once = Following::to_the_end(&folder, "bounded", keys, "abandon = [\"2\"]").running.await.unwrap();
    let failure = once.failures.first().expect("it fails").error.to_string();
    assert_eq!(failure, "1 batches were not delivered to all that take them, and the next run reads them again");
    assert!(Following::to_the_end(&folder, "bounded_next", keys, "").running.await.unwrap().is_clean());
    assert_eq!(taken("bounded_next"), ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn from_the_end_only_what_is_written_later_is_read_also_after_a_kill() {
    let folder = folder("end");
    let (log, packed) = (folder.join("app.log"), folder.join("packed.log"));
    append(&log, "old\nbegun");
    append(&packed, gzip("old\n"));
    let first = Following::start(&folder, "end_first", "read_from = \"end\"", "");
    first.goes_on().await;
    first.kill().await;
    append(&log, " and done\n");
    append(&packed, gzip("new\n"));
    append(&folder.join("later.log"), "all of it\n");
    let second = Following::start(&folder, "end_second", "", "");
    second.sees(&["begun and done", "all of it", "new"]).await;
    assert!(second.end().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn compressed_files_are_followed_and_long_lines_set_aside() {
    let folder = folder("forms");
    let packed = folder.join("packed.log");
    let (one, two) = (gzip("one\n"), gzip("two\n"));
    append(&packed, &one);
    let following = Following::start(&folder, "forms", "max_line_bytes = 1024", "");
    following.sees(&["one"]).await;
    append(&packed, &two[..10]);
    following.goes_on().await;
    append(&packed, &two[10..]);
    following.sees(&["one", "two"]).await;
    append(&folder.join("long.log"), ["x".repeat(3000).as_bytes(), b"\nshort\n"].concat());
    let long = "longer than 1024 bytes (max_line_bytes); this is its beginning";
    following.sees(&["one", "two", long, "short"]).await;
    let captured = r#"{"SequenceNumber":"7","Data":"dGhyZWU="}"#;
    append(&folder.join("records.log"), format!("{captured}\n"));
    following.sees(&["one", "two", long, "short", "three"]).await;
    assert!(following.end().await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn checkpoints_that_cannot_be_written_hold_nothing_up_and_are_told_at_the_end() {
    let folder = folder("unsaved");
    let (log, checkpoints) = (folder.join("app.log"), folder.join("data/in"));
    append(&log, "1\n");
    let following = Following::start(&folder, "unsaved", "", "");
    following.sees(&["1"]).await;
    fs::remove_dir_all(&checkpoints).unwrap();
    fs::write(&checkpoints, "no folder").unwrap();
    append(&log, "2\n");
    following.sees(&["1", "2"]).await;
    following.goes_on().await;
    append(&log, "3\n");
    following.sees(&["1", "2", "3"]).await;
    let report = following.end().await;
    assert!(
        report.failures.iter().any(|failure| failure.error.to_string() == "cannot write checkpoints"),
        "{report:?}"
    );
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}
