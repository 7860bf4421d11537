//! Where a write is done: by a worker of the runtime as long as writes are quick, and else where it may block.
//!
//! A write is a copy into the page cache, mostly, and takes less than encoding did. A thread that may block, woken for each, takes
//! the processor from a worker and all that waits there: with that two processors stood still for a tenth of the time. But a disk
//! that is slower than what comes lets writes wait, and workers have other things to do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;

/// How long a quick write takes at most, also where a worker loses its processor meanwhile.
const QUICK: Duration = Duration::from_millis(10);
/// How many must have been quick, behind one that was not, before a worker does one again.
const TRIAL: u32 = 64;

/// Remembers how long writes took.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// How many more must be quick.
    trial: u32,
}

impl Pace {
    /// Whether a worker may do the next, as long as it has this.
    pub(super) fn turn(&self) -> Option<Turn> {
        if self.trial > 0 { None } else { Turn::take() }
    }

    pub(super) fn note(&mut self, took: Duration) {
        self.trial = if took > QUICK { TRIAL } else { self.trial.saturating_sub(1) };
    }
}

/// One worker at most writes, and only if there are others: if the disk does not answer at all, they go on.
#[derive(Debug)]
pub(super) struct Turn(());

static IS_TAKEN: AtomicBool = AtomicBool::new(false);

impl Turn {
    fn take() -> Option<Turn> {
        let has_others = Handle::current().metrics().num_workers() > 1;
        (has_others && !IS_TAKEN.swap(true, Ordering::Relaxed)).then(|| Turn(()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        IS_TAKEN.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_writes_alone_beside_others_and_as_long_as_writes_are_quick() {
        let on = |workers: usize, test: fn()| {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).build().unwrap();
            runtime.block_on(async { test() });
        };
        on(1, || assert!(Pace::default().turn().is_none(), "there is no other worker"));
        on(2, || {
            let (mut pace, other) = (Pace::default(), Pace::default());
            let turn = pace.turn();
            assert!(turn.is_some() && other.turn().is_none(), "one at a time");
            drop(turn);
            assert!(other.turn().is_some());
            pace.note(QUICK);
            assert!(pace.turn().is_some());
            pace.note(QUICK + Duration::from_nanos(1));
            for _ in 0..TRIAL {
                assert!(pace.turn().is_none() && other.turn().is_some());
                pace.note(Duration::ZERO);
            }
            assert!(pace.turn().is_some());
        });
    }
}
