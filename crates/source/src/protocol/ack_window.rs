//! What of one shard was handed on and is not settled yet: the position that may be checkpointed, and the backpressure.
//!
//! ```text
//!            settled          open   settled   open
//!        ────────────────┤├────────┤├────────┤├────────┤├── not read yet
//!                        ^                             ^
//!                    watermark                        end
//! ```
//!
//! Batches open in the order of the shard and settle in any. The watermark moves over what is settled without a gap, and
//! is all that is ever checkpointed, so that what lies before a checkpoint has been settled, all of it. A window that is
//! full is one whose shard is not read further.

use std::collections::VecDeque;

use super::lease::ExtendedSequenceNumber;

/// How much of a shard may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WindowLimits {
    pub(crate) batches: usize,
    pub(crate) bytes: usize,
}

#[derive(Debug, Default)]
pub(crate) struct AckWindow {
    /// The id of the first batch that is still in the window.
    first: u64,
    batches: VecDeque<Open>,
    bytes: usize,
    records: u64,
    watermark: Option<ExtendedSequenceNumber>,
}

#[derive(Debug)]
struct Open {
    to: ExtendedSequenceNumber,
    bytes: usize,
    records: u64,
    settled: bool,
}

impl AckWindow {
    /// Opens a batch that ends with `to`, and gives it an id.
    pub(crate) fn open(&mut self, to: ExtendedSequenceNumber, bytes: usize, records: u64) -> u64 {
        self.batches.push_back(Open { to, bytes, records, settled: false });
        self.bytes += bytes;
        self.records += records;
        self.first + (self.batches.len() as u64 - 1)
    }

    /// The end of a batch that is open, or settled behind one that is.
    pub(crate) fn end_of(&self, id: u64) -> Option<&ExtendedSequenceNumber> {
        self.batches.get(self.index(id)?).map(|batch| &batch.to)
    }

    fn index(&self, id: u64) -> Option<usize> {
        usize::try_from(id.checked_sub(self.first)?).ok()
    }

    /// Settles a batch. Whether the watermark moved; settling again, or what was never open, does nothing.
    pub(crate) fn settle(&mut self, id: u64) -> bool {
        let Some(batch) = self.index(id).and_then(|index| self.batches.get_mut(index)) else { return false };
        batch.settled = true;
        let mut moved = false;
        while let Some(batch) = self.batches.pop_front_if(|batch| batch.settled) {
            self.first += 1;
            self.bytes -= batch.bytes;
            self.records -= batch.records;
            self.watermark = Some(batch.to);
            moved = true;
        }
        moved
    }

    /// Forgets a batch that is open, and all behind it, settled or not. Whether there is such a one.
    pub(crate) fn truncate(&mut self, id: u64) -> bool {
        let Some(index) = self.index(id).filter(|index| *index < self.batches.len()) else { return false };
        for batch in self.batches.drain(index..) {
            self.bytes -= batch.bytes;
            self.records -= batch.records;
        }
        true
    }

    /// The end of what is settled without a gap, if that is anything.
    pub(crate) fn watermark(&self) -> Option<&ExtendedSequenceNumber> {
        self.watermark.as_ref()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    pub(crate) fn is_full(&self, limits: &WindowLimits) -> bool {
        self.batches.len() >= limits.batches || self.bytes >= limits.bytes
    }

    /// The bytes of the batches in the window. A settled one counts while one before it is open.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The records of the batches in the window, in the same way.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(number: usize) -> ExtendedSequenceNumber {
        ExtendedSequenceNumber::new(number.to_string(), 0)
    }

    proptest! {
        #[test]
        fn the_watermark_is_the_end_of_the_settled_prefix(order in Just((0..20).collect::<Vec<usize>>()).prop_shuffle()) {
            let mut window = AckWindow::default();
            let ids: Vec<u64> = (0..20).map(|number| window.open(at(number), 1, 2)).collect();
            let mut settled = [false; 20];
            for index in order {
                window.settle(ids[index]);
                settled[index] = true;
                let prefix = settled.iter().take_while(|settled| **settled).count();
                prop_assert_eq!(window.watermark().cloned(), prefix.checked_sub(1).map(at));
                prop_assert_eq!((window.bytes(), window.records()), (20 - prefix, 2 * (20 - prefix as u64)));
            }
            prop_assert!(window.is_empty());
        }
    }

    #[test]
    fn a_window_is_full_by_batches_or_by_bytes() {
        let limits = WindowLimits { batches: 2, bytes: 100 };
        let mut window = AckWindow::default();
        let first = window.open(at(1), 10, 1);
        assert!(!window.is_full(&limits));
        let second = window.open(at(2), 10, 1);
        assert!(window.is_full(&limits));
        assert!(!window.settle(second), "a gap holds the watermark");
        assert!(window.is_full(&limits), "what is behind a gap still counts");
        assert!(window.settle(first));
        assert!(!window.settle(first), "settling again does nothing");
        assert!(!window.is_full(&limits));
        window.open(at(3), 100, 1);
        assert!(window.is_full(&limits));
    }

    #[test]
    fn what_lies_before_the_place_where_a_window_is_cut_may_still_be_settled() {
        let mut window = AckWindow::default();
        let ids: Vec<u64> = (0..4).map(|number| window.open(at(number), 1, 1)).collect();
        window.settle(ids[3]);
        assert!(window.truncate(ids[2]));
        assert!(!window.truncate(ids[3]), "it is gone");
        assert_eq!((window.bytes(), window.records()), (2, 2));
        assert!(!window.settle(ids[3]), "what was cut off settles nothing");
        assert!(!window.settle(ids[1]));
        assert!(window.settle(ids[0]));
        assert_eq!(window.watermark(), Some(&at(1)));
        assert!(window.is_empty());
    }
}
