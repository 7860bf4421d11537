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

mod counters;
mod metrics;
mod report;

use std::collections::HashMap;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tracing::Instrument;

use crate::component::{
    ComponentError, Emitted, Input, Kind, Outputs, ShutdownSender, Sink, SinkContext, Source, SourceContext, Transform,
    Way,
};
pub(crate) use counters::Counters;
pub(crate) use metrics::Watched;
pub use metrics::{Buffer, ComponentMetrics, ComponentState, Events, Metrics, Snapshot};
pub use report::{ComponentReport, Failure, Report};

/// Components that were built and connected, and do not run yet.
#[must_use = "a pipeline does nothing until it runs"]
pub struct Pipeline {
    /// In the order of the components in `metrics`.
    pub(crate) tasks: Vec<Task>,
    pub(crate) metrics: Metrics,
    /// Where to tell how it stands.
    #[cfg(feature = "api")]
    pub(crate) api: Option<std::net::SocketAddr>,
}

pub(crate) struct Task {
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
        let components = self.metrics.components().iter();
        f.debug_list().entries(components.map(|component| (&component.id, &component.type_name))).finish()
    }
}

impl Pipeline {
    /// How many components it has, by kind: sources, transforms, sinks.
    pub fn len_by_kind(&self) -> [usize; 3] {
        [Kind::Source, Kind::Transform, Kind::Sink]
            .map(|kind| self.metrics.components().iter().filter(|component| component.kind == kind).count())
    }

    /// A handle that tells how it stands, while it runs and after.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Runs until all sources have ended, or `shutdown` completes and the rest is done, which may take `deadline`. If the
    /// configuration wants the API, it is there all the while; if it cannot be had, nothing runs, and the report says why.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn run(self, shutdown: impl Future<Output = ()>, deadline: Duration) -> Report {
        #[cfg(feature = "api")]
        let api = match self.api {
            None => None,
            Some(address) => match crate::api::Server::start(address, self.metrics()).await {
                Ok(server) => Some(server),
                Err(error) => return Report { api_failure: Some(error), ..Report::of(&self.metrics) },
            },
        };
        let mut running = Running::start(self, deadline);
        tokio::pin!(shutdown);
        let mut end = None;
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown, if end.is_none() => {
                    tracing::info!("asked to end");
                    running.metrics.end();
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
        running.metrics.end();
        #[cfg(feature = "api")]
        if let Some(api) = api {
            api.end().await;
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

struct Running {
    set: JoinSet<Result<(), ComponentError>>,
    /// Which component each task is.
    indices: HashMap<Id, usize>,
    metrics: Metrics,
    /// The sources before each component.
    upstream: Vec<Vec<usize>>,
    sources: HashMap<usize, ShutdownSender>,
    failures: Vec<Failure>,
    unfinished: Vec<String>,
}

impl Running {
    fn start(pipeline: Pipeline, deadline: Duration) -> Self {
        let [sources, transforms, sinks] = pipeline.len_by_kind();
        tracing::info!(version = env!("CARGO_PKG_VERSION"), sources, transforms, sinks, "pipeline started");
        let mut running = Running {
            set: JoinSet::new(),
            indices: HashMap::new(),
            metrics: pipeline.metrics,
            upstream: Vec::new(),
            sources: HashMap::new(),
            failures: Vec::new(),
            unfinished: Vec::new(),
        };
        let metrics = running.metrics.clone();
        metrics.start();
        for (index, (task, component)) in pipeline.tasks.into_iter().zip(metrics.components()).enumerate() {
            let Watched { id, kind, type_name, .. } = component;
            component.set(ComponentState::Running);
            tracing::info!(
                component_id = id,
                component_kind = kind.name(),
                component_type = type_name,
                "component started"
            );
            let span = tracing::info_span!(
                "component",
                component_id = id,
                component_kind = kind.name(),
                component_type = type_name
            );
            let set = &mut running.set;
            let handle = match task.work {
                Work::Source(source, outputs) => {
                    let (sender, shutdown) = ShutdownSender::new();
                    running.sources.insert(index, sender);
                    let context = SourceContext::new(outputs, shutdown, deadline, component.streams.clone());
                    set.spawn(run_source(source, context).instrument(span))
                }
                Work::Transform(transform, input, outputs) => {
                    set.spawn(run_transform(transform, input, outputs).instrument(span))
                }
                Work::Sink(sink, input, outputs) => {
                    set.spawn(sink.run(input, SinkContext::new(outputs)).instrument(span))
                }
            };
            running.indices.insert(handle.id(), index);
            running.upstream.push(task.sources);
        }
        running
    }

    fn handle(&mut self, ended: Result<(Id, Result<(), ComponentError>), JoinError>) {
        let (id, result) = match ended {
            Ok((id, result)) => (id, result),
            Err(error) => (error.id(), Err(ComponentError::new("it panicked, which is a bug").caused_by(error))),
        };
        let Some(index) = self.indices.get(&id).copied() else { return };
        let component = &self.metrics.components()[index];
        let Watched { id, kind, type_name, .. } = component;
        let Err(error) = result else {
            component.set(ComponentState::Ended);
            let ComponentReport { received_events, sent_events, .. } = component.report();
            tracing::info!(
                component_id = id,
                component_kind = kind.name(),
                component_type = type_name,
                received_events,
                sent_events,
                "component ended"
            );
            return;
        };
        component.set(ComponentState::Failed);
        component.counters.failed();
        tracing::error!(
            component_id = id,
            component_kind = kind.name(),
            component_type = type_name,
            error = %chain(&error),
            hint = error.hint(),
            "component failed"
        );
        for source in &self.upstream[index] {
            if let Some(sender) = self.sources.get(source) {
                sender.request();
            }
        }
        self.failures.push(Failure { id: id.clone(), kind: *kind, error });
    }

    /// Ends what still runs, and sees that all it held is abandoned.
    async fn cut_off(&mut self) {
        let components = self.metrics.components().iter();
        for component in components.filter(|component| component.state() == ComponentState::Running) {
            tracing::error!(
                component_id = component.id,
                component_kind = component.kind.name(),
                component_type = component.type_name,
                "component was not done by the deadline, and is cut off"
            );
            component.set(ComponentState::Failed);
            self.unfinished.push(component.id.clone());
        }
        self.set.shutdown().await;
    }

    fn report(self) -> Report {
        Report { failures: self.failures, unfinished: self.unfinished, ..Report::of(&self.metrics) }
    }
}

impl Report {
    /// What was counted, without anything that went wrong.
    fn of(metrics: &Metrics) -> Self {
        Report {
            components: metrics.components().iter().map(Watched::report).collect(),
            failures: Vec::new(),
            unfinished: Vec::new(),
            api_failure: None,
        }
    }
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

async fn run_source(source: Box<dyn Source>, context: SourceContext) -> Result<(), ComponentError> {
    source.run(context).await
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
