//! What to ask Kinesis next, when, and from which position: plain structs with time passed in.
//!
//! Nothing here performs I/O, reads a clock or waits. [`StreamConsumer`] owns the shards of one stream and says what
//! to do; whoever drives it performs the [`Request`]s, hands back the answers, and sleeps until the next one is due:
//!
//! ```text
//!              poll_request(now) -> Request      perform it
//!   driver  <─────────────────────────────── StreamConsumer ──┬── ShardConsumer  (one a shard being read)
//!           ───────────────────────────────>                  └── ...
//!              handle_*(now, answer) -> Fetched   records, in order per shard, parents before children
//! ```
//!
//! A shard is read by polling, or by enhanced fan-out, where answers come by themselves: see [`FanOut`].

mod ack_window;
mod diagnostics;
mod fan_out;
mod lease;
mod lease_coordinator;
mod messages;
mod pacing;
mod planner;
mod position;
mod scheduler;
mod shard;
mod shard_consumer;
mod shard_sync;
mod stream_consumer;

pub use diagnostics::{ConsumerEvent, ConsumerSnapshot, ShardSnapshot, ShardState};
pub use fan_out::FanOut;
pub use lease::{Checkpoint, ExtendedSequenceNumber, Leader, Lease, LeaseWrite, WriteOutcome};
pub use lease_coordinator::LeaseConfig;
pub use messages::{Fetched, RawRecord, RecordPage, Request, ShardPage, StreamSummary, SubscriptionEvent};
#[cfg(feature = "driver")]
pub(crate) use pacing::Failures;
pub use pacing::{Pacing, RetryPolicy};
pub use position::{ShardPosition, StartPosition, Stop, UnusableCheckpoint};
pub use scheduler::{BatchId, Lent, Outcome, PositionRange, Scheduler, SchedulerConfig, SchedulerRequest};
pub use shard::{SequenceNumber, Shard, ShardId, StreamId};
pub use stream_consumer::{ConsumerConfig, Progress, ShardSelection, StreamConsumer};
