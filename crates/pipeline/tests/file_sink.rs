//! When the sink `file` says that it has something.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kinesis_logs_pipeline::component::{
    Acknowledgement, Batch, BuildContext, BuildError, Changes, ComponentError, Outcome, Source, SourceConfig,
    SourceContext,
};
use kinesis_logs_pipeline::config::ConfigFile;
use kinesis_logs_pipeline::{Pipeline, built_in};
use serde::Deserialize;

/// What stood in the file when a batch was answered for: the batch's number, the answer, the lines.
type Seen = (i64, Outcome, String);

static SEEN: Mutex<Vec<Seen>> = Mutex::new(Vec::new());

/// Sends numbers, one a batch, and looks at the file whenever one is answered for.
#[derive(Debug, Clone, Deserialize)]
struct Watching {
    file: PathBuf,
}

impl SourceConfig for Watching {
    fn build(&self, _: &BuildContext) -> Result<Box<dyn Source>, BuildError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Source for Watching {
    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), ComponentError> {
        let mut outputs = context.outputs;
        for number in 0..30 {
            let mut builder = Batch::builder(Arc::default());
            let mut members = Changes::default();
            members.set("number", number);
            builder.event(None, members);
            let file = self.file.clone();
            let batch = builder.build(Acknowledgement::new(move |outcome| {
                let lines = std::fs::read_to_string(&file).unwrap_or_default();
                SEEN.lock().unwrap().push((number, outcome, lines));
            }));
            outputs.send(batch).await.map_err(|closed| ComponentError::new("closed").caused_by(closed))?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_acknowledged_when_its_lines_are_in_the_file_and_soon() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("file-sink-{}.ndjson", std::process::id()));
    let toml = format!(
        r#"
        sources.numbers = {{ type = "watching", file = "{path}" }}
        sinks.out = {{ type = "file", inputs = ["numbers"], path = "{path}", encoding.codec = "json" }}
    "#,
        path = file.display()
    );
    let registry = built_in().source::<Watching>("watching");
    let pipeline = Pipeline::build(vec![ConfigFile::new("test", toml)], &registry).unwrap();
    let report = pipeline.run(std::future::pending(), Duration::from_secs(60)).await;
    assert!(report.is_clean(), "{report:?}");
    let seen = SEEN.lock().unwrap();
    assert_eq!(seen.len(), 30);
    for (number, outcome, lines) in seen.iter() {
        assert_eq!(*outcome, Outcome::Delivered);
        assert!(
            lines.contains(&format!("{{\"number\":{number}}}\n")),
            "{number} was acknowledged, and is not in {lines:?}"
        );
    }
    let commits: std::collections::BTreeSet<usize> = seen.iter().map(|(.., lines)| lines.len()).collect();
    assert!((3..=4).contains(&commits.len()), "in three seconds, about once a second: {commits:?}");
    std::fs::remove_file(&file).unwrap();
}

/// Where every write fails, as on a disk that is full.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_disk_that_is_full_is_waited_for_and_nothing_is_lost() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("full-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let (file, fresh) = (folder.join("out.log"), folder.join("fresh.log"));
    std::os::unix::fs::symlink("/dev/full", &file).unwrap();
    let toml = format!(
        r#"
        sources.flows = {{ type = "demo_logs", count = 500, interval = 0.0 }}
        sinks.out = {{ type = "file", inputs = ["flows"], path = "{path}", encoding.codec = "text" }}
    "#,
        path = file.display()
    );
    let pipeline = Pipeline::build(vec![ConfigFile::new("test", toml)], &built_in()).unwrap();
    let running = tokio::spawn(pipeline.run(std::future::pending(), Duration::from_secs(60)));
    // Past the first attempt, which follows at once, and before the second.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!running.is_finished(), "it waits");
    std::fs::write(&fresh, "what was there\n").unwrap();
    std::fs::rename(&fresh, &file).unwrap();
    let report = running.await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("what was there\n2 ") && text.lines().count() == 501, "{text}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// The files of a folder, by name, with their lines.
fn files(folder: &Path) -> Vec<(String, Vec<String>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), text.lines().map(str::to_owned).collect())
        })
        .collect();
    files.sort();
    files
}

#[tokio::test(start_paused = true)]
async fn files_are_complete_by_their_size_and_by_their_age_and_every_line_is_in_one() {
    for (keys, least) in [("rotate.max_bytes = 2000", 3), ("rotate.max_age_secs = 10", 3)] {
        let name = format!("rotated-{least}-{}-{}", keys.len(), std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        let toml = format!(
            r#"
            sources.flows = {{ type = "demo_logs", count = 300, interval = 3.0, events_per_record = 10 }}
            [sinks.out]
            type = "file"
            inputs = ["flows"]
            path = "{folder}/flows.log"
            encoding.codec = "text"
            idle_timeout_secs = 1
            {keys}
            "#,
            folder = folder.display()
        );
        let pipeline = Pipeline::build(vec![ConfigFile::new("test", toml)], &built_in()).unwrap();
        let report = pipeline.run(std::future::pending(), Duration::from_secs(60)).await;
        assert!(report.is_clean(), "{report:?}");
        let files = files(&folder);
        let complete = files
            .iter()
            .filter(|(name, _)| name.starts_with("flows-20") && name.ends_with("Z.log") || name.contains("Z-"));
        assert!(complete.count() >= least, "{keys}: {files:?}");
        assert_eq!(files.iter().map(|(_, lines)| lines.len()).sum::<usize>(), 300, "{keys}");
        if keys.contains("age") {
            assert!(files.iter().all(|(_, lines)| lines.len() <= 50), "{keys}: three or four records in ten seconds");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
