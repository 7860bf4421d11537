//! Where events end.

use std::fmt::Debug;

use async_trait::async_trait;

use super::input::Input;
use super::output::Outputs;
use super::{BuildContext, BuildError, ComponentError, Healthcheck, healthy};

/// What a sink is configured with. It is read by serde, and builds the sink.
pub trait SinkConfig: Debug + Send + Sync + 'static {
    /// Builds the sink; without I/O, which is for [`Sink::run`].
    ///
    /// # Errors
    ///
    /// All that is wrong with the configuration.
    fn build(&self, context: &BuildContext) -> Result<Box<dyn Sink>, BuildError>;

    /// The names of its outputs: `rejected` is `<id>.rejected` to others.
    fn outputs(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether its healthcheck may be told a URI to ask, [`BuildContext::healthcheck_uri`]. For others it is a mistake.
    fn asks_a_uri(&self) -> bool {
        false
    }

    /// The path that it writes to, if nobody else may. Two that name the same are a mistake.
    fn writes_alone(&self) -> Option<&str> {
        None
    }
}

/// Takes batches, and says of each what became of it: [`Outcome::Delivered`](super::Outcome::Delivered) after it was
/// durably accepted, never before, and soon.
#[async_trait]
pub trait Sink: Send {
    /// Runs until the input ends, and then writes out what it still holds.
    ///
    /// # Errors
    ///
    /// Why it cannot go on. What it had not acknowledged is abandoned, and sources that it depends on end.
    async fn run(self: Box<Self>, input: Input, context: SinkContext) -> Result<(), ComponentError>;

    /// What tells whether it can do its work where it is: whether its server answers, its folder can be written to. By default
    /// there is nothing that could be wrong.
    fn healthcheck(&self) -> Healthcheck {
        healthy()
    }
}

/// What a running sink works with.
#[derive(Debug)]
#[non_exhaustive]
pub struct SinkContext {
    /// Where what it can never take goes.
    pub outputs: Outputs,
}

impl SinkContext {
    pub(crate) fn new(outputs: Outputs) -> Self {
        SinkContext { outputs }
    }
}
