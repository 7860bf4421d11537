//! Waiting for what was sent, in sources that cannot send it again.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::codecs::UNDECODABLE;
use crate::component::{Acknowledgement, ComponentError, Outcome};

/// Counts batches that were sent, and what became of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Pending(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    counts: Mutex<Counts>,
    changed: Notify,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    open: u64,
    rejected: u64,
    abandoned: u64,
}

impl Pending {
    /// An acknowledgement for one more batch.
    pub(super) fn acknowledgement(&self) -> Acknowledgement {
        self.update(|counts| counts.open += 1);
        let pending = self.clone();
        Acknowledgement::new(move |outcome| {
            pending.update(|counts| {
                counts.open -= 1;
                match outcome {
                    Outcome::Delivered => {}
                    Outcome::Rejected => counts.rejected += 1,
                    Outcome::Abandoned => counts.abandoned += 1,
                }
            });
        })
    }

    /// Waits until all batches are answered for.
    ///
    /// # Errors
    ///
    /// If some were not delivered.
    pub(super) async fn settled(&self) -> Result<(), ComponentError> {
        loop {
            let changed = self.0.changed.notified();
            let counts = *self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
            if counts.open == 0 {
                return counts.result();
            }
            changed.await;
        }
    }

    fn update(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.0.counts.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.changed.notify_one();
    }
}

impl Counts {
    fn result(self) -> Result<(), ComponentError> {
        match self {
            Counts { abandoned: 0, rejected: 0, .. } => Ok(()),
            Counts { abandoned: 0, rejected, .. } => Err(rejected_error(format!("{rejected} batches"))),
            Counts { abandoned, .. } => Err(ComponentError::new(format!(
                "{abandoned} batches were not delivered to all that take them, and cannot be sent again"
            ))),
        }
    }
}

/// What was refused, and nobody takes.
pub(super) fn rejected_error(what: String) -> ComponentError {
    ComponentError::new(format!("{what} held what nobody takes: it cannot be decoded, or was rejected"))
        .with_hint(format!("let a sink take <id>.{UNDECODABLE}"))
}
