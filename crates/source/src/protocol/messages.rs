//! What passes between the protocol and whoever drives it.

use bytes::Bytes;
use jiff::Timestamp;

use super::position::ShardPosition;
use super::shard::{SequenceNumber, Shard, ShardId};

/// Something to do for a [`StreamConsumer`](super::StreamConsumer).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// `ListShards`: with the token if there is one, else with the stream and, where it is known, only the shards that
    /// hold something from this time on.
    ListShards {
        /// Continues a listing.
        next_token: Option<String>,
        /// A filter that a server may ignore.
        from: Option<Timestamp>,
    },
    /// `GetShardIterator`.
    GetShardIterator {
        /// The shard.
        shard: ShardId,
        /// The grant that this is asked under; the answer goes back with it.
        epoch: u64,
        /// Where it is to begin.
        position: ShardPosition,
    },
    /// `GetRecords`.
    GetRecords {
        /// The shard that the iterator belongs to.
        shard: ShardId,
        /// The grant that this is asked under; the answer goes back with it.
        epoch: u64,
        /// The iterator.
        iterator: String,
    },
    /// `SubscribeToShard`. It takes the place of the shard's earlier subscription, which is dropped.
    SubscribeToShard {
        /// The shard.
        shard: ShardId,
        /// The grant that this is asked under; what comes of it goes back with it.
        epoch: u64,
        /// Where it is to begin.
        position: ShardPosition,
    },
}

/// What `DescribeStreamSummary` says of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamSummary {
    /// Its ARN.
    pub arn: Option<String>,
    /// When it was created.
    pub creation_timestamp: Option<Timestamp>,
}

impl StreamSummary {
    /// A summary of the stream with this ARN.
    pub fn new(arn: Option<String>, creation_timestamp: Option<Timestamp>) -> Self {
        StreamSummary { arn, creation_timestamp }
    }

    /// How KCL names the stream where a table holds the leases of several: `account:name:creationEpoch`, such as
    /// `123456789012:flow-logs:1700000000`. Nothing if the answer did not say enough.
    pub fn identifier(&self) -> Option<String> {
        // arn:aws:kinesis:region:account:stream/name
        let mut parts = self.arn.as_deref()?.splitn(6, ':').skip(4);
        let (account, name) = (parts.next()?, parts.next()?.strip_prefix("stream/")?);
        Some(format!("{account}:{name}:{}", self.creation_timestamp?.as_second()))
    }
}

/// One answer to `ListShards`.
#[derive(Debug, Clone)]
pub struct ShardPage {
    /// Shards.
    pub shards: Vec<Shard>,
    /// Where the listing continues.
    pub next_token: Option<String>,
    /// The server's clock (the answer's `Date`), in whole seconds.
    pub server_time: Timestamp,
}

/// One answer to `GetRecords`.
#[derive(Debug, Clone)]
pub struct RecordPage {
    /// Records, in order.
    pub records: Vec<RawRecord>,
    /// Where reading continues; nothing at the end of a closed shard.
    pub next_iterator: Option<String>,
    /// How far the answer is from the tip.
    pub millis_behind_latest: Option<i64>,
    /// The shards that continue this one, at its end.
    pub child_shards: Vec<Shard>,
    /// The server's clock (the answer's `Date`), in whole seconds.
    pub server_time: Timestamp,
}

/// What a subscription brings at a time: [`SubscribeToShardEvent`].
///
/// [`SubscribeToShardEvent`]: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_SubscribeToShardEvent.html
#[derive(Debug, Clone)]
pub struct SubscriptionEvent {
    /// Records, in order; also none, to show that the subscription lives.
    pub records: Vec<RawRecord>,
    /// Up to where the shard was read, whether or not a record has that number; nothing at its end.
    pub continuation: Option<SequenceNumber>,
    /// How far the event is from the tip.
    pub millis_behind_latest: Option<i64>,
    /// The shards that continue this one, at its end.
    pub child_shards: Vec<Shard>,
}

/// A record as Kinesis holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRecord {
    /// Its place in the shard.
    pub sequence_number: SequenceNumber,
    /// When it arrived, approximately.
    pub arrival: Option<Timestamp>,
    /// Its partition key; streams that distribute records themselves may have none.
    pub partition_key: Option<String>,
    /// Its payload.
    pub data: Bytes,
}

/// What an answer brought.
#[derive(Debug, Default)]
pub struct Fetched {
    /// Records to hand on.
    pub records: Vec<RawRecord>,
    /// How far behind the tip they are, in milliseconds.
    pub millis_behind_latest: Option<i64>,
}
