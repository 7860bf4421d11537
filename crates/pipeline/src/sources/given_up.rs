//! Batches that are abandoned again and again: after some times they are set aside, so that what lies behind them goes on.
//! Without I/O.
//!
//! A batch is known by where it begins: what is read again begins at the first that is not settled, however much of it comes
//! together. A batch that is delivered clears all within it.

use std::collections::BTreeMap;
use std::sync::Arc;

use kinesis_logs_decoder::flow_log::Formats;

use crate::codecs::{Records, as_captured};
use crate::component::{Acknowledgement, Batch, Origin};

/// The output of batches that are given up.
pub(super) const REJECTED: &str = "rejected";

/// How often in a row a batch may be abandoned before it is given up.
pub(super) const TIMES: u32 = 5;

/// How many beginnings are remembered of a shard, or a file. The first are read again first.
const REMEMBERED: usize = 256;

/// How often the batches of a shard, or a file, were abandoned that begin at a position.
#[derive(Debug, Clone)]
pub(super) struct Abandoned<P>(BTreeMap<P, u32>);

impl<P> Default for Abandoned<P> {
    fn default() -> Self {
        Abandoned(BTreeMap::new())
    }
}

impl<P: Ord> Abandoned<P> {
    /// The batch that begins there was abandoned once more.
    pub(super) fn abandoned(&mut self, from: P) {
        let times = self.0.entry(from).or_default();
        *times = times.saturating_add(1);
        if self.0.len() > REMEMBERED {
            self.0.pop_last();
        }
    }

    /// The batch from one position to another was delivered.
    pub(super) fn delivered(&mut self, from: &P, to: &P) {
        self.0.retain(|position, _| position < from || position >= to);
    }

    /// Whether the batch that begins there is not to be sent on again.
    pub(super) fn is_given_up(&self, from: &P) -> bool {
        self.0.get(from).is_some_and(|times| *times >= TIMES)
    }

    /// Whether nothing is remembered.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is given up, record by record as it came, for the output [`REJECTED`].
pub(super) fn given_up(records: Records, origin: Option<Origin>, acknowledgement: Acknowledgement) -> Batch {
    let why = format!("given up: abandoned {TIMES} times");
    let mut builder = Batch::builder(Arc::new(Formats::new()));
    let whole = records.whole.into_iter().map(|(record, _)| (record, why.clone()));
    let broken = records.broken.into_iter().map(|(record, error)| (record, format!("{why}; {error}")));
    for (record, why) in whole.chain(broken) {
        builder.event(Some(&record), as_captured(&record, &why));
    }
    if let Some(origin) = origin {
        builder = builder.origin(origin);
    }
    builder.build(acknowledgement)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_batch_is_given_up_when_it_was_abandoned_often_enough_in_a_row() {
        let mut abandoned = Abandoned::default();
        for times in 0..TIMES {
            assert!(!abandoned.is_given_up(&10), "after {times} times");
            abandoned.abandoned(10);
            // Those before and behind it are none of its business.
            abandoned.delivered(&0, &10);
            abandoned.delivered(&20, &30);
        }
        assert!(abandoned.is_given_up(&10) && !abandoned.is_given_up(&11));
        abandoned.delivered(&10, &20);
        assert!(!abandoned.is_given_up(&10) && abandoned.is_empty(), "it is settled, and forgotten");
    }

    #[test]
    fn what_was_read_with_more_before_it_begins_anew() {
        let mut abandoned = Abandoned::default();
        (0..TIMES).for_each(|_| abandoned.abandoned(15));
        abandoned.delivered(&10, &20);
        assert!(!abandoned.is_given_up(&15));
    }

    proptest! {
        #[test]
        fn no_more_is_remembered_than_may_be_and_the_first_stays(positions in proptest::collection::vec(1_u64..10_000, 0..2000)) {
            let mut abandoned = Abandoned::default();
            (0..TIMES).for_each(|_| abandoned.abandoned(0));
            positions.into_iter().for_each(|position| abandoned.abandoned(position));
            prop_assert!(abandoned.0.len() <= REMEMBERED && abandoned.is_given_up(&0));
        }
    }
}
