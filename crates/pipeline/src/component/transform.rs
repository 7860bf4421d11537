//! What changes events on their way.

use std::fmt::Debug;

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
    fn outputs(&self) -> Vec<&'static str> {
        Vec::new()
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
}

/// What a transform made of a batch.
#[derive(Debug, Default)]
pub struct Emitted {
    pub(crate) batches: Vec<(Option<&'static str>, Batch)>,
}

impl Emitted {
    /// Sends a batch on.
    pub fn push(&mut self, batch: Batch) {
        self.batches.push((None, batch));
    }

    /// Sends a batch to one of the [named outputs](TransformConfig::outputs).
    pub fn push_to(&mut self, output: &'static str, batch: Batch) {
        self.batches.push((Some(output), batch));
    }

    /// What was emitted, with the output of each, `None` being the transform's own: for tests.
    pub fn into_batches(self) -> Vec<(Option<&'static str>, Batch)> {
        self.batches
    }
}
