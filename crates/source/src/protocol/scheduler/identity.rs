//! Whether the checkpoints are about the stream that is there: one that was deleted and made anew has the name of the
//! earlier one and the ids of its shards, but none of its records.

use std::time::Instant;

use jiff::Timestamp;

use super::Scheduler;
use crate::error::{ApiError, ApiErrorKind, Error};
use crate::protocol::diagnostics::ConsumerEvent;
use crate::protocol::lease::{Checkpoint, Lease};
use crate::protocol::messages::StreamSummary;
use crate::protocol::position::UnusableCheckpoint;
use crate::protocol::shard::ShardId;

/// How often a failing call is made again before reading begins without its answer: for some forty seconds.
const MAX_ATTEMPTS: u32 = 8;

/// When the stream was created: to be asked for, asked for, or answered as far as it was. No lease is looked at before.
pub(super) enum Created {
    Due(Instant),
    InFlight,
    Known(Option<Timestamp>),
}

impl Scheduler {
    /// Takes the answer to [`SchedulerRequest::DescribeStream`](super::SchedulerRequest::DescribeStream). Who gets none,
    /// since it may not ask or the server cannot tell, reads without knowing.
    pub fn handle_stream(&mut self, answer: Result<StreamSummary, ApiError>, now: Instant) -> Result<(), Error> {
        let created = match answer {
            Ok(summary) => summary.creation_timestamp,
            Err(error) if error.kind == ApiErrorKind::NotFound => {
                return Err(Error::StreamNotFound { stream: self.stream_id.clone(), source: error });
            }
            Err(error) if error.kind.is_retryable() && self.describe_failures.count() < MAX_ATTEMPTS => {
                if let Some(again) = self.describe_failures.failed(&self.config.retry, &mut self.rng, now) {
                    self.created = Created::Due(again);
                    return Ok(());
                }
                None
            }
            // A server that cannot be used at all is found out by the listing of shards, which is asked for beside this.
            Err(_) => None,
        };
        self.created = Created::Known(created);
        self.leases.set_stream_created(created);
        Ok(())
    }

    /// Looks for leases of an earlier stream.
    pub(super) fn check_leases(&mut self, leases: &[Lease]) -> Result<(), Error> {
        let Created::Known(Some(created)) = self.created else { return Ok(()) };
        let outdated = leases.iter().find(|lease| lease.is_of_another(created));
        let Some(checkpointed) = outdated.and_then(|lease| lease.stream_creation_timestamp) else { return Ok(()) };
        if self.config.unusable_checkpoint == UnusableCheckpoint::Fail {
            return Err(Error::StreamRecreated { stream: self.stream_id.clone(), created, checkpointed });
        }
        self.tell(ConsumerEvent::StreamRecreated { created, checkpointed });
        Ok(())
    }

    /// If the failure says that Kinesis does not know the checkpoint that a shard was taken up with: reads it from its
    /// beginning, or ends. Gives other failures back.
    pub(super) fn check_refusal(
        &mut self,
        shard: &ShardId,
        epoch: u64,
        error: ApiError,
        now: Instant,
    ) -> Result<Option<ApiError>, Error> {
        let Some(reading) = self.reading.get_mut(shard).filter(|reading| reading.epoch == epoch) else {
            return Ok(Some(error));
        };
        let is_refusal = error.kind == ApiErrorKind::InvalidArgument && reading.from == reading.begun_with;
        let Some(checkpoint) = reading.resume_after.clone().filter(|_| is_refusal) else { return Ok(Some(error)) };
        if self.config.unusable_checkpoint == UnusableCheckpoint::Fail {
            let (stream, shard) = (self.stream_id.clone(), shard.clone());
            return Err(Error::CheckpointRefused { stream, shard, checkpoint: Box::new(checkpoint), source: error });
        }
        reading.begun_with = Checkpoint::TrimHorizon;
        reading.from = Checkpoint::TrimHorizon;
        reading.resume_after = None;
        self.stream.revoke(shard);
        self.tell(ConsumerEvent::CheckpointRefused { shard: shard.clone(), checkpoint, message: error.message });
        self.grant(shard, now, now);
        Ok(None)
    }
}
