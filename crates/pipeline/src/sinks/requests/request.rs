//! What is sent: a body, and the events that are in it with the duty to answer for them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::component::{Acknowledgement, Batch, CAUSE, Outcome};

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
    /// The bytes of its body, and of what its events were read from.
    pub(crate) held: usize,
}

/// The events of a request. Whoever drops them abandons them.
#[derive(Debug, Default)]
pub(crate) struct Parts(pub(crate) Vec<Part>);

impl Parts {
    /// Says that all of them are delivered.
    pub(crate) fn deliver(self) {
        self.0.into_iter().for_each(|part| part.acknowledgement.answer(Outcome::Delivered));
    }

    /// Says that all of them are delivered but some, of which it is told why, by their places in the request. Those come as
    /// batches, in order.
    pub(crate) fn deliver_but(self, mut rejected: BTreeMap<usize, String>) -> Vec<Batch> {
        let mut begin = 0;
        let mut batches = Vec::new();
        for part in self.0 {
            let mut place = begin;
            begin += part.events.len();
            let behind = rejected.split_off(&begin);
            let of_part = std::mem::replace(&mut rejected, behind);
            if !of_part.is_empty() {
                let mut batch = part.batch.part(part.events, part.acknowledgement.clone());
                batch.retain(|_| {
                    place += 1;
                    of_part.contains_key(&(place - 1))
                });
                let mut causes = of_part.into_values();
                batch.update(|_, changes| changes.set(CAUSE, causes.next().unwrap_or_default()));
                batches.push(batch);
            }
            part.acknowledgement.answer(Outcome::Delivered);
        }
        batches
    }

    /// How many events they are.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|part| part.events.len()).sum()
    }
}
