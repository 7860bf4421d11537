//! What a worker tells of itself: what happens, as it happens, and how it stands.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::lease::{Checkpoint, ExtendedSequenceNumber};
use super::shard::{ShardId, StreamId};
use crate::error::{ApiErrorKind, LeaseStoreErrorKind};

/// Something that happened to a worker. What it displays as is a line for a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConsumerEvent {
    /// A lease is this worker's.
    LeaseTaken {
        /// The shard.
        shard: ShardId,
        /// Whose it was, if another worker's name stood there.
        from: Option<String>,
    },
    /// A lease is this worker's no longer: another took it, or it could not be renewed in time.
    LeaseLost {
        /// The shard.
        shard: ShardId,
        /// Whose it is, if that is known.
        to: Option<String>,
    },
    /// A lease was given back.
    LeaseReleased {
        /// The shard.
        shard: ShardId,
    },
    /// The lease of a shard that was read to its end, and that the stream has no longer, was removed.
    LeaseDeleted {
        /// The shard.
        shard: ShardId,
    },
    /// A shard is read from here on.
    ShardStarted {
        /// The shard.
        shard: ShardId,
        /// The number of the grant: see [`BatchId::epoch`](super::BatchId::epoch).
        epoch: u64,
        /// Behind what it begins.
        from: Checkpoint,
    },
    /// A shard is read to its end, and all of it settled.
    ShardEnded {
        /// The shard.
        shard: ShardId,
        /// The shards that continue it, where they are known.
        children: Vec<ShardId>,
    },
    /// A checkpoint is written.
    Checkpointed {
        /// The shard.
        shard: ShardId,
        /// The checkpoint.
        checkpoint: Checkpoint,
    },
    /// A batch was abandoned: its shard is read again from the first that is not settled.
    Abandoned {
        /// The shard.
        shard: ShardId,
        /// The grant that it was read under, and which ends with this.
        epoch: u64,
        /// How often that batch has been abandoned by now.
        times: u32,
    },
    /// A KCL 3 worker assigns the leases of the table: while it lives, this worker takes none.
    LeaderRules {
        /// The leader.
        leader: String,
    },
    /// The leases are of a stream of this name that was deleted; this one is read from its beginning.
    StreamRecreated {
        /// When it was created.
        created: Timestamp,
        /// When the earlier one was.
        checkpointed: Timestamp,
    },
    /// Kinesis does not know the sequence number of a checkpoint; the shard is read from its beginning.
    CheckpointRefused {
        /// The shard.
        shard: ShardId,
        /// The checkpoint.
        checkpoint: ExtendedSequenceNumber,
        /// What Kinesis said.
        message: String,
    },
    /// A call to Kinesis failed; it will be made again, or an error follows.
    CallFailed {
        /// The shard, if it was for one.
        shard: Option<ShardId>,
        /// The operation, as AWS names it.
        operation: &'static str,
        /// What kind of failure it is.
        kind: ApiErrorKind,
        /// What Kinesis said.
        message: String,
    },
    /// The lease store failed; it will be asked again, or an error follows.
    StoreFailed {
        /// What kind of failure it is.
        kind: LeaseStoreErrorKind,
        /// What happened.
        message: String,
    },
}

impl ConsumerEvent {
    /// What kind of event it is, in snake case: `lease_taken`, say.
    pub fn name(&self) -> &'static str {
        match self {
            ConsumerEvent::LeaseTaken { .. } => "lease_taken",
            ConsumerEvent::LeaseLost { .. } => "lease_lost",
            ConsumerEvent::LeaseReleased { .. } => "lease_released",
            ConsumerEvent::LeaseDeleted { .. } => "lease_deleted",
            ConsumerEvent::ShardStarted { .. } => "shard_started",
            ConsumerEvent::ShardEnded { .. } => "shard_ended",
            ConsumerEvent::Checkpointed { .. } => "checkpointed",
            ConsumerEvent::Abandoned { .. } => "abandoned",
            ConsumerEvent::LeaderRules { .. } => "leader_rules",
            ConsumerEvent::StreamRecreated { .. } => "stream_recreated",
            ConsumerEvent::CheckpointRefused { .. } => "checkpoint_refused",
            ConsumerEvent::CallFailed { .. } => "call_failed",
            ConsumerEvent::StoreFailed { .. } => "store_failed",
        }
    }
}

impl fmt::Display for ConsumerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConsumerEvent::LeaseTaken { shard, from: Some(from) } => write!(f, "took the lease of {shard} from {from}"),
            ConsumerEvent::LeaseTaken { shard, from: None } => write!(f, "took the lease of {shard}"),
            ConsumerEvent::LeaseLost { shard, to: Some(to) } => write!(f, "lost the lease of {shard} to {to}"),
            ConsumerEvent::LeaseLost { shard, to: None } => write!(f, "lost the lease of {shard}"),
            ConsumerEvent::LeaseReleased { shard } => write!(f, "gave back the lease of {shard}"),
            ConsumerEvent::LeaseDeleted { shard } => write!(f, "removed the lease of {shard}, which is gone"),
            ConsumerEvent::ShardStarted { shard, from, .. } => write!(f, "reads {shard} from {from} on"),
            ConsumerEvent::ShardEnded { shard, .. } => write!(f, "has read {shard} to its end"),
            ConsumerEvent::Checkpointed { shard, checkpoint } => write!(f, "checkpointed {shard} at {checkpoint}"),
            ConsumerEvent::Abandoned { shard, times, .. } => {
                write!(f, "reads {shard} again, as a batch was abandoned ({times} times by now)")
            }
            ConsumerEvent::LeaderRules { leader } => write!(
                f,
                "the KCL 3 worker {leader} assigns the leases of this table; none is taken while it lives (workers of \
                 KCL 3 share a table with others if they run with CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X)"
            ),
            ConsumerEvent::StreamRecreated { created, checkpointed } => write!(
                f,
                "the stream was created at {created:.0}, and the leases are of one created at {checkpointed:.0}: it is \
                 read from its beginning"
            ),
            ConsumerEvent::CheckpointRefused { shard, checkpoint, message } => {
                write!(
                    f,
                    "the checkpoint {checkpoint} of {shard} is refused, which is read from its beginning: {message}"
                )
            }
            ConsumerEvent::CallFailed { shard: Some(shard), operation, message, .. } => {
                write!(f, "{operation} for {shard} failed: {message}")
            }
            ConsumerEvent::CallFailed { operation, message, .. } => write!(f, "{operation} failed: {message}"),
            ConsumerEvent::StoreFailed { message, .. } => write!(f, "the lease store failed: {message}"),
        }
    }
}

/// How a worker stands at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerSnapshot {
    /// The stream.
    pub stream: StreamId,
    /// The worker's name.
    pub worker_id: String,
    /// The shards whose leases it holds.
    pub shards: Vec<ShardSnapshot>,
    /// The leases that are not complete, by whom their rows name; nobody's under the empty name.
    pub leases_by_owner: Vec<(String, usize)>,
    /// Bytes of payload that are delivered, or wait to be, and not settled.
    pub unsettled_bytes: usize,
}

/// How a shard stands whose lease a worker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShardSnapshot {
    /// The shard.
    pub shard: ShardId,
    /// What is done with it.
    pub state: ShardState,
    /// The number of the grant that it is read under: see [`BatchId::epoch`](super::BatchId::epoch).
    pub epoch: u64,
    /// How far the last answer was from the shard's tip, in milliseconds, as Kinesis says.
    pub millis_behind_latest: Option<i64>,
    /// When the last record read arrived at Kinesis.
    pub last_arrival: Option<Timestamp>,
    /// Records read since the lease was taken, aggregated ones counted singly.
    pub records: u64,
    /// Their bytes of payload.
    pub bytes: u64,
    /// Calls for it that were throttled since then: others read it too, or it is read too fast.
    pub throttled: u64,
    /// Bytes of payload that are not settled.
    pub unsettled_bytes: usize,
    /// The checkpoint that is written.
    pub checkpoint: Checkpoint,
    /// How long ago it was written, or the lease taken.
    pub checkpoint_age: Duration,
}

/// What is done with a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ShardState {
    /// It waits for its parents, which are not read to their ends.
    WaitingForParents,
    /// It is read.
    Reading,
    /// As much of it is delivered and not settled as may be.
    Held,
    /// It is read to its end, or to the read's; what was delivered is not all settled.
    Settling,
    /// It is being given back.
    Releasing,
}
