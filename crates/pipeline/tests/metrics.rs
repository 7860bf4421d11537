//! What is counted of a pipeline, with components that tests hold in their hands. Time is held.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kinesis_logs_pipeline::component::{
    Acknowledgement, Batch, BuildContext, BuildError, Changes, ComponentError, Fate, Input, Outcome, Sink, SinkConfig,
    SinkContext, Source, SourceConfig, SourceContext, StreamStatus, WatchedStream,
};
use kinesis_logs_pipeline::config::ConfigFile;
use kinesis_logs_pipeline::{ComponentMetrics, ComponentState, Metrics, Pipeline, built_in};
use serde::Deserialize;
use tokio::sync::oneshot;

fn batch(events: usize) -> Batch {
    let mut builder = Batch::builder(Arc::default());
    for number in 0..events {
        let mut members = Changes::default();
        members.set("number", number as i64);
        builder.event(None, members);
    }
    builder.build(Acknowledgement::none())
}

/// Sends batches of ten events, and then waits to be asked to end.
#[derive(Debug, Clone, Deserialize)]
struct Tens {
    batches: usize,
}

impl SourceConfig for Tens {
    fn build(&self, _: &BuildContext) -> Result<Box<dyn Source>, BuildError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Source for Tens {
    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), ComponentError> {
        let SourceContext { mut outputs, mut shutdown, streams, .. } = context;
        streams.watch(AStream);
        for _ in 0..self.batches {
            tokio::select! {
                _ = outputs.send(batch(10)) => {}
                () = shutdown.requested() => return Ok(()),
            }
        }
        shutdown.requested().await;
        Ok(())
    }
}

struct AStream;

#[async_trait]
impl WatchedStream for AStream {
    async fn status(&self) -> StreamStatus {
        let mut status = StreamStatus::default();
        status.stream = "a".to_owned();
        status
    }
}

/// Answers for every batch in its own way.
#[derive(Debug, Clone, Deserialize)]
struct Answers {
    /// `deliver`, `reject`, `set_aside` (three of ten), `hold` (takes nothing), `fail`.
    mode: String,
}

impl SinkConfig for Answers {
    fn build(&self, _: &BuildContext) -> Result<Box<dyn Sink>, BuildError> {
        Ok(Box::new(self.clone()))
    }

    fn outputs(&self) -> Vec<String> {
        vec!["rejected".to_owned()]
    }
}

#[async_trait]
impl Sink for Answers {
    async fn run(self: Box<Self>, mut input: Input, mut context: SinkContext) -> Result<(), ComponentError> {
        if self.mode == "hold" {
            std::future::pending::<()>().await;
        }
        while let Some(mut batch) = input.recv().await {
            match self.mode.as_str() {
                "deliver" => batch.acknowledge(Outcome::Delivered),
                "reject" => batch.acknowledge(Outcome::Rejected),
                "set_aside" => {
                    let mut number = 0;
                    let aside = batch.rewrite(|_| {
                        number += 1;
                        if number > 3 { Fate::Keep } else { Fate::SetAside(Changes::default()) }
                    });
                    let _ = context.outputs.send_to("rejected", aside.unwrap()).await;
                    batch.acknowledge(Outcome::Delivered);
                }
                _ => return Err(ComponentError::new("on purpose")),
            }
        }
        Ok(())
    }
}

/// A pipeline that runs until the sender is dropped.
async fn running(toml: &str) -> (Metrics, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let registry = built_in().source::<Tens>("tens").sink::<Answers>("answers");
    let pipeline =
        Pipeline::build(vec![ConfigFile::new("test", toml)], &registry).unwrap_or_else(|error| panic!("{error}"));
    let metrics = pipeline.metrics();
    assert!(!metrics.is_healthy(), "it does not run yet");
    let (end, ended) = oneshot::channel();
    let shutdown = async {
        let _ = ended.await;
    };
    let task = tokio::spawn(async move {
        pipeline.run(shutdown, Duration::from_secs(1)).await;
    });
    // Time is held: all is done when it goes on.
    tokio::time::sleep(Duration::from_millis(1)).await;
    (metrics, end, task)
}

fn of(metrics: &Metrics, id: &str) -> ComponentMetrics {
    metrics.snapshot().components.into_iter().find(|component| component.id == id).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_sink_has_sent_what_it_delivered_and_discarded_what_it_rejected() {
    let (metrics, _end, _task) = running(
        r#"
        sources.a = { type = "tens", batches = 3 }
        sinks.takes = { type = "answers", mode = "deliver", inputs = ["a"] }
        sinks.refuses = { type = "answers", mode = "reject", inputs = ["a"] }
    "#,
    )
    .await;
    let [a, takes, refuses] = ["a", "takes", "refuses"].map(|id| of(&metrics, id));
    assert_eq!((a.received.events, a.sent.events), (30, 30), "each once, however many take it");
    assert_eq!((takes.received.events, takes.sent.events, takes.errors), (30, 30, 0));
    assert!(takes.sent.bytes > 0 && takes.sent.bytes == a.sent.bytes);
    assert_eq!((refuses.received.events, refuses.sent.events), (30, 0));
    assert_eq!((refuses.discarded_by_error, refuses.errors), (30, 30));
    assert!(metrics.is_healthy() && takes.state == ComponentState::Running);
}

#[tokio::test(start_paused = true)]
async fn what_a_sink_sets_aside_it_has_not_delivered_itself() {
    let (metrics, _end, _task) = running(
        r#"
        sources.a = { type = "tens", batches = 2 }
        sinks.some = { type = "answers", mode = "set_aside", inputs = ["a"] }
        sinks.rest = { type = "answers", mode = "deliver", inputs = ["some.rejected"] }
    "#,
    )
    .await;
    let [some, rest] = ["some", "rest"].map(|id| of(&metrics, id));
    assert_eq!((some.sent.events, some.outputs["rejected"].events), (14, 6));
    assert_eq!((some.errors, some.discarded_by_error), (6, 0));
    assert_eq!((rest.inputs, rest.sent.events), (vec!["some.rejected".to_owned()], 6));

    let (metrics, _end, _task) = running(
        r#"
        sources.a = { type = "tens", batches = 2 }
        sinks.some = { type = "answers", mode = "set_aside", inputs = ["a"] }
    "#,
    )
    .await;
    let some = of(&metrics, "some");
    assert_eq!((some.sent.events, some.discarded_by_error, some.errors), (14, 6, 6), "where nobody takes it");
    assert!(some.outputs.is_empty());
}

#[cfg(feature = "transforms")]
#[tokio::test(start_paused = true)]
async fn what_a_route_leaves_out_counts_as_discarded_whoever_could_have_taken_it() {
    for reroute_unmatched in [true, false] {
        let (metrics, _end, _task) = running(&format!(
            r#"
            sources.a = {{ type = "tens", batches = 2 }}
            transforms.r = {{ type = "route", inputs = ["a"], reroute_unmatched = {reroute_unmatched}, route.one = ".number == 1" }}
            sinks.b = {{ type = "answers", mode = "deliver", inputs = ["r.one"] }}
        "#
        ))
        .await;
        let route = of(&metrics, "r");
        assert_eq!((route.received.events, route.outputs["one"].events), (20, 2));
        assert_eq!((route.discarded_intentionally, route.discarded_by_error), (18, 0), "{reroute_unmatched}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_shows_and_is_gone_when_its_sink_is() {
    let (metrics, end, task) = running(
        r#"
        sources.a = { type = "tens", batches = 100 }
        sinks.held = { type = "answers", mode = "hold", inputs = ["a"], buffer.max_events = 55 }
    "#,
    )
    .await;
    let buffer = of(&metrics, "held").buffer.unwrap();
    assert_eq!((buffer.waiting.events, buffer.max.events), (50, 55));
    assert!(buffer.waiting.bytes > 0);
    assert_eq!(of(&metrics, "a").buffer, None);
    drop(end);
    tokio::task::yield_now().await;
    assert!(!metrics.is_healthy(), "it is ending");
    task.await.unwrap();
    let held = of(&metrics, "held");
    assert_eq!(held.buffer.unwrap().waiting, Default::default());
    assert_eq!(held.state, ComponentState::Failed, "it was cut off");
}

#[tokio::test(start_paused = true)]
async fn pipelines_in_one_process_do_not_mix_and_tell_of_streams() {
    let toml = |batches: usize, mode: &str| {
        format!(
            r#"
            sources.a = {{ type = "tens", batches = {batches} }}
            sinks.b = {{ type = "answers", mode = "{mode}", inputs = ["a"] }}
        "#
        )
    };
    let (one, _one_end, _one_task) = running(&toml(1, "deliver")).await;
    let (other, _other_end, _other_task) = running(&toml(5, "fail")).await;
    assert_eq!(of(&one, "b").received.events, 10);
    assert!(one.is_healthy());
    assert!(!other.is_healthy());
    let failed = of(&other, "b");
    assert_eq!((failed.state, failed.errors, failed.utilization), (ComponentState::Failed, 1, None));
    let streams = one.streams().await;
    assert_eq!(streams.len(), 1);
    assert_eq!((streams[0].0.as_str(), streams[0].1.stream.as_str()), ("a", "a"));
}
