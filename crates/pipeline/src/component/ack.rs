//! Who answers for a batch, and what.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// What became of a batch, or of a part of it. Of several outcomes the worst counts, which is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// Every sink that takes it has durably accepted it, or a transform left it out on purpose.
    Delivered,
    /// A sink or transform can never take it, and no output that would is connected.
    Rejected,
    /// Nobody will answer: a task died, a handle was dropped. The source gives it again, if it can.
    Abandoned,
}

/// The duty to answer for a batch. Clones share it: the source hears when all of them have answered, and the worst of what
/// they said. One that is dropped has answered [`Outcome::Abandoned`].
#[must_use = "dropping an acknowledgement abandons its batch"]
pub struct Acknowledgement {
    shared: Option<Arc<Shared>>,
    answered: bool,
}

impl Acknowledgement {
    /// Calls `notify` once, when this handle and all its clones have answered. It is called where the last one answers, and
    /// must not block.
    pub fn new(notify: impl FnOnce(Outcome) + Send + Sync + 'static) -> Self {
        let shared = Shared { worst: AtomicU8::new(Outcome::Delivered as u8), notify: Some(Box::new(notify)) };
        Acknowledgement { shared: Some(Arc::new(shared)), answered: false }
    }

    /// For batches that nobody asks after.
    pub fn none() -> Self {
        Acknowledgement { shared: None, answered: false }
    }

    /// Says what became of the batch.
    pub fn answer(mut self, outcome: Outcome) {
        self.note(outcome);
    }

    fn note(&mut self, outcome: Outcome) {
        self.answered = true;
        if let Some(shared) = &self.shared {
            // The release of the last `Arc` orders this before it is read.
            shared.worst.fetch_max(outcome as u8, Ordering::Relaxed);
        }
    }
}

impl Clone for Acknowledgement {
    fn clone(&self) -> Self {
        Acknowledgement { shared: self.shared.clone(), answered: false }
    }
}

impl Drop for Acknowledgement {
    fn drop(&mut self) {
        if !self.answered {
            self.note(Outcome::Abandoned);
        }
    }
}

impl fmt::Debug for Acknowledgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handles = self.shared.as_ref().map_or(0, Arc::strong_count);
        f.debug_struct("Acknowledgement").field("handles", &handles).finish_non_exhaustive()
    }
}

struct Shared {
    worst: AtomicU8,
    notify: Option<Box<dyn FnOnce(Outcome) + Send + Sync>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        const REJECTED: u8 = Outcome::Rejected as u8;
        let worst = match *self.worst.get_mut() {
            0 => Outcome::Delivered,
            REJECTED => Outcome::Rejected,
            _ => Outcome::Abandoned,
        };
        if let Some(notify) = self.notify.take() {
            notify(worst);
        }
    }
}
