//! Components that tests hold in their hands, and a pipeline of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kinesis_logs_pipeline::component::{
    Acknowledgement, Batch, BuildContext, BuildError, Changes, ComponentError, Emitted, Input, Outcome, Registry, Sink,
    SinkConfig, SinkContext, Source, SourceConfig, SourceContext, Transform, TransformConfig, ValueRef,
};
use kinesis_logs_pipeline::config::ConfigFile;
use kinesis_logs_pipeline::{Metrics, Pipeline, ReloadError, Reloaded, Reloader, Report};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// How long ending may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// What happened, by the names of components; tests use names of their own.
static NOTES: LazyLock<Mutex<BTreeMap<String, Vec<String>>>> = LazyLock::new(Mutex::default);
/// What sources remember: up to where all is delivered.
static POSITIONS: LazyLock<Mutex<BTreeMap<String, u64>>> = LazyLock::new(Mutex::default);

fn note(id: &str, what: impl Into<String>) {
    NOTES.lock().unwrap().entry(id.to_owned()).or_default().push(what.into());
}

pub(crate) fn notes(id: &str) -> Vec<String> {
    NOTES.lock().unwrap().get(id).cloned().unwrap_or_default()
}

/// How often a component noted something.
pub(crate) fn times(id: &str, what: &str) -> usize {
    notes(id).iter().filter(|note| *note == what).count()
}

/// The numbers that a sink took, in order.
pub(crate) fn taken(id: &str) -> Vec<u64> {
    notes(id).iter().filter_map(|note| note.strip_prefix("took ")?.parse().ok()).collect()
}

/// Sends batches of one number each, a millisecond apart, begins where the last of its name ended, and sends again what was
/// abandoned.
#[derive(Debug, Clone, Deserialize)]
struct Numbers {
    count: Option<u64>,
    /// Whether nobody may have what it reads when it was read once.
    #[serde(default)]
    alone: bool,
    /// What only makes it another.
    #[serde(default, rename = "version")]
    _version: u64,
    #[serde(skip)]
    id: String,
}

impl SourceConfig for Numbers {
    fn build(&self, context: &BuildContext) -> Result<Box<dyn Source>, BuildError> {
        Ok(Box::new(Numbers { id: context.id.clone(), ..self.clone() }))
    }

    fn needs_alone(&self) -> Option<&'static str> {
        self.alone.then_some("the one input")
    }
}

/// What of the numbers is delivered.
#[derive(Default)]
struct Window {
    /// All before it.
    start: u64,
    behind: BTreeSet<u64>,
    /// How often it went back: what was sent before does not count any more.
    epoch: u64,
}

impl Window {
    /// Whether to go back.
    fn answered(&mut self, number: u64, epoch: u64, outcome: Outcome) -> bool {
        if epoch != self.epoch {
            return false;
        }
        if outcome != Outcome::Delivered {
            self.epoch += 1;
            self.behind.clear();
            return true;
        }
        self.behind.insert(number);
        while self.behind.remove(&self.start) {
            self.start += 1;
        }
        false
    }
}

#[async_trait]
impl Source for Numbers {
    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), ComponentError> {
        let SourceContext { mut outputs, mut shutdown, first_epoch, .. } = context;
        let mut window =
            Window { start: POSITIONS.lock().unwrap().get(&self.id).copied().unwrap_or(0), ..Window::default() };
        note(&self.id, format!("begins at {}", window.start));
        let (answers, mut answered) = mpsc::unbounded_channel();
        let mut next = window.start;
        let count = self.count.unwrap_or(u64::MAX);
        loop {
            while let Ok((number, epoch, outcome)) = answered.try_recv() {
                if window.answered(number, epoch, outcome) {
                    next = window.start;
                }
            }
            if next < count {
                let mut builder = Batch::builder(Arc::default());
                let mut members = Changes::default();
                members.set("number", next as i64);
                builder.event(None, members);
                let (number, epoch, answers) = (next, window.epoch, answers.clone());
                let batch = builder.build(Acknowledgement::new(move |outcome| {
                    let _ = answers.send((number, epoch, outcome));
                }));
                let sent = tokio::select! {
                    biased;
                    () = shutdown.requested() => break,
                    sent = outputs.send(batch) => sent,
                };
                next += 1;
                if sent.is_err() {
                    // It is ended for who has failed.
                    shutdown.requested().await;
                    break;
                }
            } else if window.start == count {
                break;
            }
            tokio::select! {
                biased;
                () = shutdown.requested() => break,
                () = tokio::time::sleep(Duration::from_millis(1)) => {}
            }
        }
        drop((outputs, answers));
        while let Some((number, epoch, outcome)) = answered.recv().await {
            window.answered(number, epoch, outcome);
        }
        POSITIONS.lock().unwrap().insert(self.id.clone(), window.start);
        note(&self.id, format!("ends at {}", window.start));
        note(&format!("{}'s epochs", self.id), format!("from {first_epoch}"));
        Ok(())
    }
}

/// Lets through what fits.
#[derive(Debug, Clone, Deserialize)]
struct Every {
    /// Multiples of this alone.
    nth: i64,
}

impl TransformConfig for Every {
    fn build(&self, _: &BuildContext) -> Result<Box<dyn Transform>, BuildError> {
        Ok(Box::new(self.clone()))
    }
}

fn number(event: &kinesis_logs_pipeline::component::Event<'_>) -> i64 {
    match event.get("number") {
        Some(ValueRef::Integer(number)) => number,
        other => panic!("no number: {other:?}"),
    }
}

impl Transform for Every {
    fn transform(&mut self, mut batch: Batch, emitted: &mut Emitted) -> Result<(), ComponentError> {
        batch.retain(|event| number(event) % self.nth == 0);
        emitted.push(batch);
        Ok(())
    }
}

/// Takes batches as it is told.
#[derive(Debug, Clone, Deserialize)]
struct Taking {
    /// `deliver`, `hold` (until the input ends), `slow` (a second longer), `stuck`, `fails_once` at the first, `leaves` at
    /// the first and fails half a minute later.
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
        note(&self.id, format!("begins to {}", self.mode));
        let mut held = Vec::new();
        while let Some(batch) = input.recv().await {
            match self.mode.as_str() {
                "stuck" => std::future::pending().await,
                "fails_once" if times(&self.id, "fails") == 0 => {
                    note(&self.id, "fails");
                    return Err(ComponentError::new("on purpose"));
                }
                "leaves" => {
                    drop((input, batch));
                    tokio::time::sleep(DEADLINE / 2).await;
                    return Err(ComponentError::new("on purpose"));
                }
                _ => {}
            }
            batch.events().for_each(|event| note(&self.id, format!("took {}", number(&event))));
            match self.mode.as_str() {
                "hold" | "slow" => held.push(batch),
                _ => batch.acknowledge(Outcome::Delivered),
            }
        }
        if self.mode == "slow" {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        held.into_iter().for_each(|batch: Batch| batch.acknowledge(Outcome::Delivered));
        note(&self.id, "ends");
        Ok(())
    }
}

/// Builds a configuration.
pub(crate) fn build(toml: &str) -> Pipeline {
    let registry = Registry::new().source::<Numbers>("numbers").transform::<Every>("every").sink::<Taking>("taking");
    Pipeline::build(vec![ConfigFile::new("test", toml)], &registry).unwrap_or_else(|error| panic!("{error}"))
}

/// A pipeline that runs.
pub(crate) struct Running {
    pub(crate) metrics: Metrics,
    pub(crate) reloader: Reloader,
    end: oneshot::Sender<()>,
    task: JoinHandle<Report>,
}

impl Running {
    /// Time is held: when this has waited a while, all that can have been done by then is.
    pub(crate) async fn start(toml: &str) -> Self {
        let pipeline = build(toml);
        let (metrics, reloader) = (pipeline.metrics(), pipeline.reloader());
        let (end, ended) = oneshot::channel();
        let shutdown = async {
            if ended.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let task = tokio::spawn(pipeline.run(shutdown, DEADLINE));
        pass(100).await;
        Running { metrics, reloader, end, task }
    }

    pub(crate) async fn reload(&self, toml: &str) -> Reloaded {
        self.try_reload(toml).await.unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) async fn try_reload(&self, toml: &str) -> Result<Reloaded, ReloadError> {
        self.reloader.reload(build(toml)).await
    }

    /// Asks it to end.
    pub(crate) async fn end(self) -> Report {
        self.end.send(()).unwrap();
        self.task.await.unwrap()
    }

    /// Waits until it ends of itself.
    pub(crate) async fn finish(self) -> Report {
        self.task.await.unwrap()
    }
}

/// Lets some milliseconds of held time pass.
pub(crate) async fn pass(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

/// That numbers follow upon one another from nought, each once.
#[track_caller]
pub(crate) fn assert_in_order(numbers: &[u64]) {
    assert!(!numbers.is_empty());
    assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "{numbers:?}");
}
