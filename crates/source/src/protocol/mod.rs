//! What to ask Kinesis next, when, and from which position: plain structs with time passed in.
//!
//! Nothing here performs I/O, reads a clock or waits. [`StreamConsumer`] owns the shards of one stream and says what
//! to do; whoever drives it performs the [`Request`]s, hands back the answers, and sleeps until the next one is due:
//!
//! ```text
//!              poll_request(now) -> Request      perform it
//!   driver  <─────────────────────────────── StreamConsumer ──┬── ShardConsumer  (one a shard being read)
//!           ───────────────────────────────>                  └── ...
//!              handle_*(now, answer) -> Delivery  records, in order per shard, parents before children
//! ```

mod lease;
mod messages;
mod pacing;
mod position;
mod shard;
mod shard_consumer;
mod stream_consumer;

pub use lease::{Checkpoint, ExtendedSequenceNumber, Lease, LeaseWrite, WriteOutcome};
pub use messages::{Delivery, RawRecord, RecordPage, Request, ShardPage};
pub use pacing::{Pacing, RetryPolicy};
pub use position::{ShardPosition, StartPosition, Stop};
pub use shard::{SequenceNumber, Shard, ShardId, StreamId};
pub use stream_consumer::{ConsumerConfig, Progress, ShardSelection, StreamConsumer};
