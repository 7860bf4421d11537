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
//!
//! # How it changes
//!
//! A channel is open as long as somebody may send to it, and only components hold senders: the lists of who takes from them
//! ([`Wires`](crate::component::Wires)) are changed from outside while they run. What is replaced or removed is taken off
//! them, and ends as above; what takes its place has its channel at once, which holds what comes meanwhile, and starts when
//! the other has ended. So the order of a shard holds, and no two ever write the same file or read the same shard.

mod counters;
mod metrics;
mod plan;
mod reload;
mod report;
mod running;
mod wiring;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use self::reload::Request;
use self::running::Running;
use crate::build::Part;
use crate::component::{Keeper, Kind};
use crate::graph::Design;
pub(crate) use counters::Counters;
pub(crate) use metrics::Watched;
pub use metrics::{Buffer, ComponentMetrics, ComponentState, Events, Metrics, Snapshot};
pub use reload::{ReloadError, Reloaded, Reloader};
pub use report::{ComponentReport, Failure, Report};

/// Components that were built, and do not run yet.
#[must_use = "a pipeline does nothing until it runs"]
pub struct Pipeline {
    pub(crate) design: Design,
    /// Of its components, in their order.
    pub(crate) parts: Vec<Part>,
    /// Takes what nobody else does.
    keeper: Option<Arc<dyn Keeper>>,
    metrics: Metrics,
    reloader: Reloader,
    requests: mpsc::UnboundedReceiver<Request>,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let components = self.design.config.components.iter();
        f.debug_list().entries(components.map(|component| (&component.id, &component.type_name))).finish()
    }
}

impl Pipeline {
    pub(crate) fn new(design: Design, parts: Vec<Part>, keeper: Option<Arc<dyn Keeper>>) -> Self {
        let components = design.config.components.iter().enumerate().map(|(index, component)| {
            let (id, type_name) = (component.id.clone(), component.type_name.clone());
            Arc::new(Watched::new(id, component.kind, type_name, design.inputs(index)))
        });
        let metrics = Metrics::new(components.collect());
        let (reloader, requests) = Reloader::new();
        Pipeline { design, parts, keeper, metrics, reloader, requests }
    }

    /// How many components it has, by kind: sources, transforms, sinks.
    pub fn len_by_kind(&self) -> [usize; 3] {
        let components = &self.design.config.components;
        [Kind::Source, Kind::Transform, Kind::Sink]
            .map(|kind| components.iter().filter(|component| component.kind == kind).count())
    }

    /// A handle that tells how it stands, while it runs and after.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// A handle that gives it another configuration while it runs.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// Runs until all sources have ended, or `shutdown` completes and the rest is done, which may take `deadline`. If the
    /// configuration wants the API, it is there all the while; if it cannot be had, nothing runs, and the report says why.
    /// Meanwhile a [`reloader`](Self::reloader) may give it another configuration.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>, deadline: Duration) -> Report {
        #[cfg(feature = "api")]
        let listener = match self.design.config.api {
            None => None,
            Some(address) => match crate::api::Listener::bind(address).await {
                Ok(listener) => Some(listener),
                Err(error) => return Report { api_failure: Some(error), ..Report::of(&self.metrics.components()) },
            },
        };
        let (_, nobody) = Reloader::new();
        let mut requests = std::mem::replace(&mut self.requests, nobody);
        let deadline = deadline.min(FOR_EVER);
        let mut running = Running::start(self, deadline);
        #[cfg(feature = "api")]
        let api = listener.map(|listener| crate::api::Server::start(listener, running.metrics.clone()));
        tokio::pin!(shutdown);
        let mut end = None;
        loop {
            let (reload_deadline, is_free) = (running.reload_deadline(), end.is_none() && !running.is_reloading());
            tokio::select! {
                biased;
                () = &mut shutdown, if end.is_none() => {
                    tracing::info!("asked to end");
                    running.ask_to_end();
                    end = Some(tokio::time::Instant::now() + deadline);
                }
                ended = running.tasks.join_next_with_id() => match ended {
                    Some(ended) => running.handle(ended),
                    None => break,
                },
                () = sleep_until(end) => {
                    running.cut_off().await;
                    break;
                }
                () = sleep_until(reload_deadline) => running.cut_off_leaving(),
                Some(request) = requests.recv(), if is_free => running.take_up(request),
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

/// As long as tokio waits when it is to wait for ever: thirty years. More than that may be no time at all.
const FOR_EVER: Duration = Duration::from_secs(86_400 * 365 * 30);

/// Waits for a time, or for ever.
pub(crate) async fn sleep_until(end: Option<tokio::time::Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
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
