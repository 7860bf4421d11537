//! A batch, and the duty to answer for it.

use std::fmt;

use tokio::sync::mpsc;

use crate::protocol::{BatchId, Outcome, PositionRange};
use crate::record::Batch;

/// A batch, and the duty to say what became of it.
#[derive(Debug)]
#[must_use = "dropping a delivery abandons it: it will be delivered again"]
pub struct Delivery {
    batch: Batch,
    acker: Acker,
}

impl Delivery {
    pub(super) fn new(batch: Batch, acker: Acker) -> Self {
        Delivery { batch, acker }
    }

    /// The records.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// What will answer for them.
    pub fn acker(&self) -> &Acker {
        &self.acker
    }

    /// Takes it apart.
    pub fn split(self) -> (Batch, Acker) {
        (self.batch, self.acker)
    }
}

/// Answers for a batch, once. Dropped without an answer it abandons it.
#[must_use = "dropping an acker abandons its batch: it will be delivered again"]
pub struct Acker {
    id: BatchId,
    range: PositionRange,
    abandoned: u32,
    answers: Option<mpsc::UnboundedSender<(BatchId, Outcome)>>,
}

impl Acker {
    pub(super) fn new(
        id: BatchId,
        range: PositionRange,
        abandoned: u32,
        answers: mpsc::UnboundedSender<(BatchId, Outcome)>,
    ) -> Self {
        Acker { id, range, abandoned, answers: Some(answers) }
    }

    /// All of the batch was durably accepted, or deliberately left out, or put where what is not accepted goes. It may be
    /// checkpointed from now on.
    pub fn settle(mut self) {
        self.answer(Outcome::Settled);
    }

    /// Nobody will answer for the batch: the shard is read again from its first unsettled record on, and later answers
    /// for what was delivered of it before change nothing. The same as dropping.
    pub fn abandon(self) {}

    /// What the batch covers of its shard.
    pub fn range(&self) -> &PositionRange {
        &self.range
    }

    /// How often a batch that ended within this one has been abandoned: whoever meets a poison record again and again can
    /// put it aside and settle.
    pub fn abandoned(&self) -> u32 {
        self.abandoned
    }

    /// A number that grows whenever the shard is taken up again: batches of one epoch come in order, without repeats.
    pub fn epoch(&self) -> u64 {
        self.id.epoch()
    }

    /// Whether the batch is still this worker's: its lease is held, and nothing delivered before it was abandoned. If not,
    /// its answer will change nothing, and its records are delivered again, here or elsewhere.
    pub fn is_current(&self) -> bool {
        self.id.is_current()
    }

    fn answer(&mut self, outcome: Outcome) {
        if let Some(answers) = self.answers.take() {
            if outcome == Outcome::Abandoned {
                self.id.revoke();
            }
            // If the consumer is gone, nothing can be checkpointed: the batch will come again.
            let _ = answers.send((self.id.clone(), outcome));
        }
    }
}

impl Drop for Acker {
    fn drop(&mut self) {
        self.answer(Outcome::Abandoned);
    }
}

impl fmt::Debug for Acker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acker").field("id", &self.id).finish_non_exhaustive()
    }
}
