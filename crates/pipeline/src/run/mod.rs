//! Runs a pipeline: a task a component, channels between them.
//!
//! # How it ends
//!
//! Asked to end, or of itself when all sources have ended: a source stops reading and lets go of its outputs; a transform
//! ends when nothing more can come to it, a sink likewise, after it has written out what it held; the acknowledgements that
//! this brings are what the source waits for, and remembers. What is not done by the deadline is cut off, and thereby
//! abandoned: nothing of it counts as delivered.
//!
//! A component that fails ends the sources that it depends on, in the same orderly way, and no others.

mod report;

use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};

use crate::component::{
    ComponentError, Emitted, Input, Kind, Outputs, Shutdown, ShutdownSender, Sink, SinkContext, Source, SourceContext,
    Transform, Way,
};
pub(crate) use report::Counters;
pub use report::{ComponentReport, Failure, Report};
use std::collections::HashMap;
use std::sync::Arc;

/// Components that were built and connected, and do not run yet.
#[must_use = "a pipeline does nothing until it runs"]
pub struct Pipeline {
    pub(crate) tasks: Vec<Task>,
}

pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) type_name: String,
    pub(crate) counters: Arc<Counters>,
    pub(crate) work: Work,
    /// The sources that lie before it, by index.
    pub(crate) sources: Vec<usize>,
}

pub(crate) enum Work {
    Source(Box<dyn Source>, Outputs),
    Transform(Box<dyn Transform>, Input, Outputs),
    Sink(Box<dyn Sink>, Input, Outputs),
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.tasks.iter().map(|task| (&task.id, &task.type_name))).finish()
    }
}

impl Pipeline {
    /// How many components it has, by kind: sources, transforms, sinks.
    pub fn len_by_kind(&self) -> [usize; 3] {
        [Kind::Source, Kind::Transform, Kind::Sink]
            .map(|kind| self.tasks.iter().filter(|task| task.kind == kind).count())
    }

    /// Runs until all sources have ended, or `shutdown` completes and the rest is done, which may take `deadline`.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn run(self, shutdown: impl Future<Output = ()>, deadline: Duration) -> Report {
        let mut running = Running::start(self, deadline);
        tokio::pin!(shutdown);
        let mut end = None;
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown, if end.is_none() => {
                    tracing::info!("asked to end");
                    running.sources.values().for_each(ShutdownSender::request);
                    end = Some(tokio::time::Instant::now() + deadline);
                }
                ended = running.set.join_next_with_id() => match ended {
                    Some(ended) => running.handle(ended),
                    None => break,
                },
                () = sleep_until(end) => {
                    running.cut_off().await;
                    break;
                }
            }
        }
        running.report()
    }
}

/// Waits for a time, or for ever.
pub(crate) async fn sleep_until(end: Option<tokio::time::Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// What of a component is kept while it runs.
struct Known {
    id: String,
    kind: Kind,
    type_name: String,
    counters: Arc<Counters>,
    sources: Vec<usize>,
    has_ended: bool,
}

struct Running {
    set: JoinSet<Result<(), ComponentError>>,
    indices: HashMap<Id, usize>,
    known: Vec<Known>,
    sources: HashMap<usize, ShutdownSender>,
    failures: Vec<Failure>,
    was_cut_off: bool,
}

impl Running {
    fn start(pipeline: Pipeline, deadline: Duration) -> Self {
        let mut running = Running {
            set: JoinSet::new(),
            indices: HashMap::new(),
            known: Vec::new(),
            sources: HashMap::new(),
            failures: Vec::new(),
            was_cut_off: false,
        };
        for (index, task) in pipeline.tasks.into_iter().enumerate() {
            let Task { id, kind, type_name, counters, work, sources } = task;
            let handle = match work {
                Work::Source(source, outputs) => {
                    let (sender, shutdown) = ShutdownSender::new();
                    running.sources.insert(index, sender);
                    running.set.spawn(run_source(source, outputs, shutdown, deadline))
                }
                Work::Transform(transform, input, outputs) => {
                    running.set.spawn(run_transform(transform, input, outputs))
                }
                Work::Sink(sink, input, outputs) => running.set.spawn(sink.run(input, SinkContext::new(outputs))),
            };
            running.indices.insert(handle.id(), index);
            running.known.push(Known { id, kind, type_name, counters, sources, has_ended: false });
        }
        running
    }

    fn handle(&mut self, ended: Result<(Id, Result<(), ComponentError>), JoinError>) {
        let (id, result) = match ended {
            Ok((id, result)) => (id, result),
            Err(error) => (error.id(), Err(ComponentError::new("it panicked, which is a bug").caused_by(error))),
        };
        let Some(index) = self.indices.get(&id).copied() else { return };
        self.known[index].has_ended = true;
        let Err(error) = result else { return };
        let known = &self.known[index];
        tracing::error!(component_id = known.id, error = %chain(&error), "component failed");
        for source in &known.sources {
            if let Some(sender) = self.sources.get(source) {
                sender.request();
            }
        }
        self.failures.push(Failure { id: known.id.clone(), kind: known.kind, error });
    }

    /// Ends what still runs, and sees that all it held is abandoned.
    async fn cut_off(&mut self) {
        self.was_cut_off = true;
        self.set.shutdown().await;
    }

    fn report(self) -> Report {
        let unfinished = self.known.iter().filter(|known| self.was_cut_off && !known.has_ended);
        Report {
            unfinished: unfinished.map(|known| known.id.clone()).collect(),
            components: self
                .known
                .into_iter()
                .map(|known| known.counters.report(known.id, known.kind, known.type_name))
                .collect(),
            failures: self.failures,
        }
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

async fn run_source(
    source: Box<dyn Source>,
    outputs: Outputs,
    shutdown: Shutdown,
    deadline: Duration,
) -> Result<(), ComponentError> {
    source.run(SourceContext::new(outputs, shutdown, deadline)).await
}

async fn run_transform(
    mut transform: Box<dyn Transform>,
    mut input: Input,
    mut outputs: Outputs,
) -> Result<(), ComponentError> {
    let mut emitted = Emitted::default();
    while let Some(batch) = input.recv().await {
        transform.transform(batch, &mut emitted)?;
        for (output, batch) in emitted.batches.drain(..) {
            // Whoever has ended has told why, and its part is abandoned; others go on.
            let _ = match output {
                Way::Own => outputs.send(batch).await,
                Way::Offered(output) => outputs.offer(&output, batch).await,
                Way::SetAside(output) => outputs.send_to(&output, batch).await,
            };
        }
        // A transform that always has work would keep others from theirs.
        tokio::task::yield_now().await;
    }
    Ok(())
}
