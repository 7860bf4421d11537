//! What changes events on their way.

use std::fmt::Debug;
use std::sync::Arc;

use super::{Batch, BuildContext, BuildError, ComponentError};

/// What a transform is configured with. It is read by serde, and builds the transform.
pub trait TransformConfig: Debug + Send + Sync + 'static {
    /// Builds the transform.
    ///
    /// # Errors
    ///
    /// All that is wrong with the configuration.
    fn build(&self, context: &BuildContext) -> Result<Box<dyn Transform>, BuildError>;

    /// The names of its outputs beside the one that has its own name: `dropped` is `<id>.dropped` to others.
    fn outputs(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether anything comes out by its own name.
    fn has_own_output(&self) -> bool {
        true
    }
}

/// Changes the events of one batch after another. It computes, and waits for nothing.
pub trait Transform: Send {
    /// Takes a batch, and emits what becomes of it: usually the batch itself, also if no event is left in it. A batch that
    /// is neither emitted nor [acknowledged](Batch::acknowledge) is abandoned.
    ///
    /// # Errors
    ///
    /// Why it cannot go on at all. An event that it cannot deal with is no such error: that goes to an output of its own.
    fn transform(&mut self, batch: Batch, emitted: &mut Emitted) -> Result<(), ComponentError>;

    /// Another that does the same with any batch, if nothing of a batch is remembered for the next: then batches are
    /// transformed several at once, and go on in their order all the same. By default `None`.
    fn fork(&self) -> Option<Box<dyn Transform>> {
        None
    }
}

/// What a transform made of a batch.
#[derive(Debug, Default)]
pub struct Emitted {
    pub(crate) batches: Vec<(Way, Batch)>,
    /// Events on which something failed.
    pub(crate) errors: u64,
    /// Events that are in no batch.
    pub(crate) left_out: usize,
}

/// By which output a batch leaves a transform.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Way {
    /// By its own.
    Own,
    /// By a named one that those take from who want to: what nobody takes counts as delivered.
    Offered(Arc<str>),
    /// By a named one for what must not get lost: what nobody takes goes to the quarantine, and
    /// where there is none counts as rejected.
    SetAside(Arc<str>),
}

impl Emitted {
    /// Sends a batch on.
    pub fn push(&mut self, batch: Batch) {
        self.batches.push((Way::Own, batch));
    }

    /// Offers a batch to those who take from one of the [named outputs](TransformConfig::outputs), if there are any.
    pub fn offer(&mut self, output: &Arc<str>, batch: Batch) {
        self.batches.push((Way::Offered(output.clone()), batch));
    }

    /// Sends what the transform cannot deal with to one of the [named outputs](TransformConfig::outputs).
    pub fn set_aside(&mut self, output: &Arc<str>, batch: Batch) {
        self.batches.push((Way::SetAside(output.clone()), batch));
    }

    /// Counts events on which something failed, whatever becomes of them.
    pub fn failed(&mut self, events: u64) {
        self.errors += events;
    }

    /// Counts events that were left out on purpose with a batch that is not emitted, but acknowledged. Those that a batch has lost
    /// count by themselves.
    pub fn left_out(&mut self, events: usize) {
        self.left_out += events;
    }

    /// What was emitted, with the output of each: for tests.
    pub fn into_batches(self) -> Vec<(Way, Batch)> {
        self.batches
    }
}
