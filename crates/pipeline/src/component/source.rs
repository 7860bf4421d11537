//! Where batches come from.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::output::Outputs;
use super::watch::WatchedStreams;
use super::{BuildContext, BuildError, ComponentError, Healthcheck, healthy};

/// What a source is configured with. It is read by serde, and builds the source.
pub trait SourceConfig: Debug + Send + Sync + 'static {
    /// Builds the source; without I/O, which is for [`Source::run`].
    ///
    /// # Errors
    ///
    /// All that is wrong with the configuration.
    fn build(&self, context: &BuildContext) -> Result<Box<dyn Source>, BuildError>;

    /// The names of its outputs beside the one that has its own name: `undecodable` is `<id>.undecodable` to others.
    fn outputs(&self) -> Vec<String> {
        Vec::new()
    }

    /// What there is one of in a process, and it needs for itself: `standard input`. Two that name the same are a mistake.
    fn needs_alone(&self) -> Option<&'static str> {
        None
    }
}

/// Makes batches until it has no more, or is asked to end.
///
/// On its way to its end a source (1) stops reading, (2) drops its [`Outputs`], which lets what lies behind it finish, (3)
/// waits until what it sent is acknowledged, and (4) remembers that, if it remembers anything.
#[async_trait]
pub trait Source: Send {
    /// Runs to the end.
    ///
    /// # Errors
    ///
    /// Why it cannot go on; or that not all that it sent was delivered, if it cannot send it again.
    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), ComponentError>;

    /// What tells whether it can do its work where it is: whether what it reads is there, and may be read. By default there is
    /// nothing that could be wrong.
    fn healthcheck(&self) -> Healthcheck {
        healthy()
    }
}

/// What a running source works with.
#[derive(Debug)]
#[non_exhaustive]
pub struct SourceContext {
    /// Where its batches go.
    pub outputs: Outputs,
    /// Tells when to end.
    pub shutdown: Shutdown,
    /// How long ending may take.
    pub drain_timeout: Duration,
    /// Where it may tell of the streams that it reads.
    pub streams: WatchedStreams,
    /// Where the [epochs](super::Origin::epoch) of its batches begin. Of a source that took the place of another they are greater
    /// than all of that, so that what it reads again is told from what repeats itself.
    pub first_epoch: u64,
    /// Tells batches that were abandoned for what is in them from those that were cut off.
    pub(crate) cut_offs: CutOffs,
}

/// How often components were cut off that had not ended by the deadline: what they held is abandoned, whatever it is. Clones count
/// the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct CutOffs(Arc<AtomicU64>);

impl CutOffs {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many epochs a source may begin.
const EPOCHS: u64 = 1 << 40;

impl SourceContext {
    /// What the pipeline's source `number` works with, counted from 0 in the order in which they start.
    pub(crate) fn new(
        outputs: Outputs,
        shutdown: Shutdown,
        drain_timeout: Duration,
        streams: WatchedStreams,
        number: u64,
        cut_offs: CutOffs,
    ) -> Self {
        let first_epoch = number.saturating_mul(EPOCHS);
        SourceContext { outputs, shutdown, drain_timeout, streams, first_epoch, cut_offs }
    }
}

/// Tells whether a source is to end. Clones tell the same.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Completes when the source is to end.
    pub async fn requested(&mut self) {
        // Nobody left to ask for it: the pipeline is gone.
        let _ = self.0.wait_for(|asked| *asked).await;
    }

    /// Completes when the source has had some time to end. One that can read again what it has not sent on drops that then: what
    /// takes it may wait for what ends behind this source.
    #[cfg(feature = "sources")]
    pub(crate) async fn overdue(&mut self) {
        self.requested().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }

    /// Whether the source is to end.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}

/// Asks a source to end.
#[derive(Debug, Clone)]
pub(crate) struct ShutdownSender(Arc<watch::Sender<bool>>);

impl ShutdownSender {
    pub(crate) fn new() -> (Self, Shutdown) {
        let (sender, receiver) = watch::channel(false);
        (ShutdownSender(Arc::new(sender)), Shutdown(receiver))
    }

    pub(crate) fn request(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}
