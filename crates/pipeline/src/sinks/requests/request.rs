//! What is sent: a body, and the events that are in it with the duty to answer for them.

use std::ops::Range;
use std::sync::Arc;

use crate::component::{Acknowledgement, Batch, Outcome};

/// Some events of one batch, and their share of the duty to answer for it.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) batch: Arc<Batch>,
    pub(crate) events: Range<usize>,
    pub(crate) acknowledgement: Acknowledgement,
}

/// A body that is to be sent, and whose events are in it.
#[derive(Debug)]
pub(crate) struct Request<B> {
    pub(crate) body: B,
    pub(crate) parts: Parts,
}

/// The events of a request. Whoever drops them abandons them.
#[derive(Debug, Default)]
pub(crate) struct Parts(pub(crate) Vec<Part>);

impl Parts {
    /// Says that all of them are delivered.
    pub(crate) fn deliver(self) {
        self.0.into_iter().for_each(|part| part.acknowledgement.answer(Outcome::Delivered));
    }

    /// The events as batches, in order.
    pub(crate) fn into_batches(self) -> impl Iterator<Item = Batch> {
        self.0.into_iter().map(|part| part.batch.part(part.events, part.acknowledgement))
    }

    /// How many events they are.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|part| part.events.len()).sum()
    }
}
