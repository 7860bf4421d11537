//! How a running pipeline is given another configuration.

use tokio::sync::{mpsc, oneshot};

use super::Pipeline;
use crate::config::ConfigError;

/// Gives a pipeline another configuration while it runs. Clones are of the same pipeline.
#[derive(Debug, Clone)]
pub struct Reloader(mpsc::UnboundedSender<Request>);

/// What is asked of a running pipeline.
#[derive(Debug)]
pub(super) enum Request {
    /// To go on as another says.
    Reload(Pipeline, Answer<Reloaded>),
    /// What that would change, with the other back.
    Plan(Pipeline, Answer<(Pipeline, Reloaded)>),
}

/// To whom it is answered, who may be gone.
pub(super) type Answer<T> = oneshot::Sender<Result<T, ReloadError>>;

impl Reloader {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Request>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Reloader(sender), receiver)
    }

    /// Lets the pipeline go on as `next` says, which was built and does not run. What is the same in both runs on untouched;
    /// what differs ends in an orderly way, and only then begins what takes its place. One after another: what is asked while
    /// another is under way waits for it.
    ///
    /// Completes when all is as `next` says. Ending has as long as [`Pipeline::run`] was given; what is not done by then is cut
    /// off. Dropped before, it is done all the same. `next`'s own metrics and reloaders are of no use any more.
    ///
    /// # Errors
    ///
    /// [`ReloadError::Refused`] if `next` differs in what cannot change, and nothing was touched; [`ReloadError::Ended`] if the
    /// pipeline has ended, also meanwhile.
    pub async fn reload(&self, next: Pipeline) -> Result<Reloaded, ReloadError> {
        self.ask(|answer| Request::Reload(next, answer)).await
    }

    /// What [`reload`](Self::reload) would change now, with `next` back; nothing is changed. Whoever wants to know
    /// [whether what would start can work](Pipeline::healthchecks) asks this first.
    ///
    /// # Errors
    ///
    /// As for `reload`.
    pub async fn changes(&self, next: Pipeline) -> Result<(Pipeline, Reloaded), ReloadError> {
        self.ask(|answer| Request::Plan(next, answer)).await
    }

    async fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, ReloadError> {
        let (answer, answered) = oneshot::channel();
        self.0.send(request(answer)).map_err(|_| ReloadError::Ended)?;
        answered.await.unwrap_or(Err(ReloadError::Ended))
    }
}

/// What another configuration has changed: names of components.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reloaded {
    /// Those that were not there before.
    pub added: Vec<String>,
    /// Those that are described otherwise, and were replaced.
    pub changed: Vec<String>,
    /// Those that are as they were, and were started anew: they had failed, or had ended for want of those that run again.
    pub restarted: Vec<String>,
    /// Those that run on, and take from others.
    pub rewired: Vec<String>,
    /// Those that are no longer there.
    pub removed: Vec<String>,
}

impl Reloaded {
    /// Whether all stays as it is.
    pub fn is_empty(&self) -> bool {
        let Reloaded { added, changed, restarted, rewired, removed } = self;
        [added, changed, restarted, rewired, removed].iter().all(|ids| ids.is_empty())
    }

    /// Those that began with it: new ones, replaced ones, and those that were started anew.
    pub fn started(&self) -> impl Iterator<Item = &str> {
        [&self.added, &self.changed, &self.restarted].into_iter().flatten().map(String::as_str)
    }

    pub(super) fn log(&self, message: &str) {
        let Reloaded { added, changed, restarted, rewired, removed } = self;
        tracing::info!(?added, ?changed, ?restarted, ?rewired, ?removed, "{message}");
    }
}

/// Why a pipeline goes on as it was.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The configuration changes what cannot change while the pipeline runs.
    #[error(transparent)]
    Refused(#[from] ConfigError),
    /// The pipeline has ended.
    #[error("the pipeline has ended")]
    Ended,
}
