//! Batches that nobody can deal with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kinesis_logs_source::protocol::{Checkpoint, PositionRange};
use kinesis_logs_source::{Delivery, ShardId};

use crate::component::{CutOffs, Outcome};
use crate::sources::given_up::Abandoned;

/// Batches that come again and again, shard by shard.
#[derive(Debug, Clone)]
pub(super) struct Poison {
    shards: Arc<Mutex<HashMap<ShardId, Abandoned<Checkpoint>>>>,
    pub(super) cut_offs: CutOffs,
}

impl Poison {
    pub(super) fn new(cut_offs: CutOffs) -> Self {
        Poison { shards: Arc::default(), cut_offs }
    }

    /// Whether a batch was abandoned so often that its records are to be set aside.
    pub(super) fn has(&self, delivery: &Delivery) -> bool {
        let shards = self.lock();
        shards.get(&delivery.batch().shard_id).is_some_and(|shard| shard.is_given_up(&delivery.acker().range().from))
    }

    /// Notes what became of a batch; `cut_offs` is how often components had been cut off when it was sent.
    pub(super) fn note(&self, shard: &ShardId, range: &PositionRange, cut_offs: u64, outcome: Outcome) {
        let mut shards = self.lock();
        match outcome {
            Outcome::Delivered => {
                let Some(abandoned) = shards.get_mut(shard) else { return };
                abandoned.delivered(&range.from, &Checkpoint::After(range.to.clone()));
                if abandoned.is_empty() {
                    shards.remove(shard);
                }
            }
            Outcome::Abandoned if cut_offs == self.cut_offs.get() => {
                shards.entry(shard.clone()).or_default().abandoned(range.from.clone());
            }
            Outcome::Rejected | Outcome::Abandoned => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ShardId, Abandoned<Checkpoint>>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
