//! How a pipeline runs and ends, with components that tests hold in their hands. Time is held.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kinesis_logs_pipeline::component::{
    Acknowledgement, Batch, BuildContext, BuildError, Changes, ComponentError, Emitted, Input, Outcome, Registry, Sink,
    SinkConfig, SinkContext, Source, SourceConfig, SourceContext, Transform, TransformConfig,
};
use kinesis_logs_pipeline::config::ConfigFile;
use kinesis_logs_pipeline::{Pipeline, Report};
use serde::Deserialize;

/// What happened, by the names of components; tests use names of their own.
static NOTES: LazyLock<Mutex<BTreeMap<String, Vec<String>>>> = LazyLock::new(Mutex::default);

fn note(id: &str, what: impl Into<String>) {
    NOTES.lock().unwrap().entry(id.to_owned()).or_default().push(what.into());
}

fn notes(id: &str) -> Vec<String> {
    NOTES.lock().unwrap().get(id).cloned().unwrap_or_default()
}

/// Sends batches of one event each until it is asked to end, or there are enough.
#[derive(Debug, Clone, Deserialize)]
struct Numbers {
    count: Option<u64>,
    #[serde(default)]
    named: bool,
    #[serde(skip)]
    id: String,
}

impl SourceConfig for Numbers {
    fn build(&self, context: &BuildContext) -> Result<Box<dyn Source>, BuildError> {
        Ok(Box::new(Numbers { id: context.id.clone(), ..self.clone() }))
    }

    fn outputs(&self) -> Vec<String> {
        vec!["odd".to_owned()]
    }
}

#[async_trait]
impl Source for Numbers {
    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), ComponentError> {
        let SourceContext { mut outputs, mut shutdown, .. } = context;
        let (answers, mut answered) = tokio::sync::mpsc::unbounded_channel();
        for number in 0..self.count.unwrap_or(u64::MAX) {
            let mut builder = Batch::builder(Arc::default());
            let mut members = Changes::default();
            members.set("number", number as i64);
            builder.event(None, members);
            let (id, answers) = (self.id.clone(), answers.clone());
            let batch = builder.build(Acknowledgement::new(move |outcome| {
                note(&id, format!("{number} {outcome:?}"));
                let _ = answers.send(());
            }));
            let sent = async {
                if self.named && number % 2 == 1 {
                    outputs.send_to("odd", batch).await
                } else {
                    outputs.send(batch).await
                }
            };
            tokio::select! {
                biased;
                () = shutdown.requested() => break,
                _ = sent => note(&self.id, format!("{number} sent")),
            }
            // So that held time goes on.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        note(&self.id, "stops");
        drop((outputs, answers));
        while answered.recv().await.is_some() {}
        note(&self.id, "ends");
        Ok(())
    }
}

/// Takes batches as it is told.
#[derive(Debug, Clone, Deserialize)]
struct Taking {
    /// `deliver`, `reject`, `hold` (until the input ends), `stuck`; at the first `fail`, `panic` or `end`.
    mode: String,
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
    async fn run(self: Box<Self>, mut input: Input, _: SinkContext) -> Result<(), ComponentError> {
        let mut held = Vec::new();
        while let Some(batch) = input.recv().await {
            note(&self.id, "took");
            match self.mode.as_str() {
                "deliver" => batch.acknowledge(Outcome::Delivered),
                "reject" => batch.acknowledge(Outcome::Rejected),
                "hold" => held.push(batch),
                "stuck" => std::future::pending().await,
                "fail" => return Err(ComponentError::new("on purpose")),
                "end" => return Ok(()),
                "panic" => std::panic::resume_unwind(Box::new("on purpose")),
                other => return Err(ComponentError::new(format!("no mode {other}"))),
            }
        }
        note(&self.id, "writes out");
        held.into_iter().for_each(|batch: Batch| batch.acknowledge(Outcome::Delivered));
        Ok(())
    }
}

/// Empties every batch.
#[derive(Debug, Deserialize)]
struct Nothing {}

impl TransformConfig for Nothing {
    fn build(&self, _: &BuildContext) -> Result<Box<dyn Transform>, BuildError> {
        Ok(Box::new(Nothing {}))
    }
}

impl Transform for Nothing {
    fn transform(&mut self, mut batch: Batch, emitted: &mut Emitted) -> Result<(), ComponentError> {
        batch.retain(|_| false);
        emitted.push(batch);
        Ok(())
    }
}

fn build(toml: &str) -> Pipeline {
    let registry =
        Registry::new().source::<Numbers>("numbers").transform::<Nothing>("nothing").sink::<Taking>("taking");
    Pipeline::build(vec![ConfigFile::new("test", toml)], &registry).unwrap_or_else(|error| panic!("{error}"))
}

async fn run(toml: &str) -> Report {
    build(toml).run(std::future::pending(), Duration::from_secs(60)).await
}

/// Runs it, and asks it to end after a second, when all that can wait does.
async fn run_and_end(toml: &str) -> Report {
    build(toml).run(tokio::time::sleep(Duration::from_secs(1)), Duration::from_secs(60)).await
}

fn sent(id: &str) -> usize {
    notes(id).iter().filter(|note| note.ends_with("sent")).count()
}

#[tokio::test(start_paused = true)]
async fn a_batch_counts_when_all_that_take_it_have_it() {
    let report = run(r#"
        sources.fan = { type = "numbers", count = 2 }
        sinks.fan_a = { type = "taking", mode = "deliver", inputs = ["fan"] }
        sinks.fan_b = { type = "taking", mode = "reject", inputs = ["fan"] }
        sinks.fan_c = { type = "taking", mode = "hold", inputs = ["*"] }
    "#)
    .await;
    assert!(report.is_clean(), "{report:?}");
    let notes = notes("fan");
    assert_eq!(notes[..3], ["0 sent", "1 sent", "stops"]);
    assert_eq!(notes[3..], ["0 Rejected", "1 Rejected", "ends"], "only when the one that held them was done");
    let source = &report.components[0];
    assert_eq!((source.id.as_str(), source.sent_events, report.components[3].received_events), ("fan", 2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_was_emptied_is_answered_for_by_the_sink() {
    let report = run(r#"
        sources.empty = { type = "numbers", count = 2 }
        transforms.empty_t = { type = "nothing", inputs = ["empty"] }
        sinks.empty_s = { type = "taking", mode = "hold", inputs = ["empty_t"] }
    "#)
    .await;
    assert!(report.is_clean());
    assert_eq!(notes("empty")[2..], ["stops", "0 Delivered", "1 Delivered", "ends"]);
    assert_eq!(notes("empty_s"), ["took", "took", "writes out"]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_slow_holds_up_the_source_within_its_buffer() {
    let report = run_and_end(
        r#"
        sources.slow = { type = "numbers" }
        sinks.slow_s = { type = "taking", mode = "stuck", inputs = ["slow"], buffer = { max_events = 5 } }
    "#,
    )
    .await;
    assert_eq!(sent("slow"), 6, "one is taken and five wait");
    assert_eq!(report.unfinished, ["slow", "slow_s"], "it is stuck for ever, and cut off");
    let answers: Vec<String> = notes("slow").into_iter().filter(|note| note.contains("Abandoned")).collect();
    assert_eq!(answers.len(), 7, "with the one that was on its way: {answers:?}");
}

#[tokio::test(start_paused = true)]
async fn asked_to_end_it_writes_out_what_was_sent_and_waits_for_the_answers() {
    let report = run_and_end(
        r#"
        sources.drain = { type = "numbers" }
        transforms.drain_t = { type = "nothing", inputs = ["drain"] }
        sinks.drain_s = { type = "taking", mode = "hold", inputs = ["drain"], buffer = { max_events = 3 } }
        sinks.drain_u = { type = "taking", mode = "deliver", inputs = ["drain_t"] }
    "#,
    )
    .await;
    assert!(report.is_clean(), "{report:?}");
    let notes = notes("drain");
    let position = |what: &str| notes.iter().position(|note| note == what).unwrap();
    assert!(position("stops") < position("0 Delivered") && position("0 Delivered") < position("ends"));
    let delivered = notes.iter().filter(|note| note.contains("Delivered")).count();
    assert!(delivered > 3 && delivered >= sent("drain"), "{delivered} of {}", sent("drain"));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_fails_ends_what_it_depends_on_and_nothing_else() {
    for mode in ["fail", "panic", "end"] {
        let report = run(&format!(
            r#"
            sources.{mode} = {{ type = "numbers" }}
            sources.{mode}_other = {{ type = "numbers", count = 500 }}
            sinks.{mode}_s = {{ type = "taking", mode = "{mode}", inputs = ["{mode}"] }}
            sinks.{mode}_both = {{ type = "taking", mode = "deliver", inputs = ["{mode}", "{mode}_other"] }}
        "#
        ))
        .await;
        assert_eq!(report.failures.len(), 1, "{report:?}");
        assert!(report.failures[0].to_string().starts_with(&format!("sink \"{mode}_s\" failed: ")));
        assert!(report.unfinished.is_empty());
        let other = notes(&format!("{mode}_other"));
        assert_eq!(other.iter().filter(|note| note.ends_with("Delivered")).count(), 500, "the other source has all");
        let ended = notes(mode);
        assert!(ended.contains(&"0 Abandoned".to_owned()) && ended.last().unwrap() == "ends", "{ended:?}");
        assert!(
            !ended.iter().any(|note| note.ends_with("Delivered")),
            "the other sink's word is not enough: {ended:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn ending_may_take_for_ever() {
    let toml = r#"
        sources.patient = { type = "numbers" }
        sinks.patient_s = { type = "taking", mode = "hold", inputs = ["patient"] }
    "#;
    let report = build(toml).run(tokio::time::sleep(Duration::from_millis(5)), Duration::MAX).await;
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn what_nobody_takes_is_rejected_and_what_somebody_takes_is_not() {
    let report = run(r#"
        sources.named = { type = "numbers", count = 4, named = true }
        sinks.named_s = { type = "taking", mode = "deliver", inputs = ["named"] }
    "#)
    .await;
    let answers = |id: &str| notes(id).into_iter().filter(|note| !note.ends_with("sent")).collect::<Vec<_>>();
    let mut heard = answers("named");
    heard.sort();
    assert_eq!(heard, ["0 Delivered", "1 Rejected", "2 Delivered", "3 Rejected", "ends", "stops"]);
    assert_eq!(report.components[0].set_aside, BTreeMap::from([("odd".to_owned(), 2)]));
    run(r#"
        sources.taken = { type = "numbers", count = 4, named = true }
        sinks.taken_s = { type = "taking", mode = "deliver", inputs = ["taken", "taken.odd"] }
    "#)
    .await;
    assert_eq!(answers("taken").iter().filter(|note| note.ends_with("Delivered")).count(), 4);
}
