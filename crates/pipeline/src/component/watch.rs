//! How the streams stand that a source reads, for whoever watches the pipeline.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// Tells how a stream stands.
#[async_trait]
pub trait WatchedStream: Send + Sync {
    /// How it stands now. It must not take long: somebody waits for it.
    async fn status(&self) -> StreamStatus;
}

/// The streams of a source that tells of them. Clones are of the same.
#[derive(Clone, Default)]
pub struct WatchedStreams(Arc<Mutex<Vec<Arc<dyn WatchedStream>>>>);

impl WatchedStreams {
    /// Adds a stream, of which the pipeline's [`Metrics`](crate::Metrics) tell from now on.
    pub fn watch(&self, stream: impl WatchedStream + 'static) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::new(stream));
    }

    /// Tells of none any more: who read them has ended.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn all(&self) -> Vec<Arc<dyn WatchedStream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for WatchedStreams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchedStreams").field("streams", &self.all().len()).finish()
    }
}

/// How a stream stands. Counters are since the source started.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StreamStatus {
    /// The stream's name.
    pub stream: String,
    /// The reader's name among those that share the stream.
    pub worker_id: Option<String>,
    /// Records read, aggregated ones counted singly.
    pub records: u64,
    /// Their payloads' bytes.
    pub bytes: u64,
    /// Calls made.
    pub calls: u64,
    /// Calls that were throttled.
    pub throttled: u64,
    /// Calls that failed otherwise and were made again.
    pub retried: u64,
    /// Iterators that had expired and were renewed.
    pub expired_iterators: u64,
    /// Bytes of payload that are read and not settled.
    pub unsettled_bytes: u64,
    /// The shards that it reads; of others somebody else may tell.
    pub shards: Vec<ShardStatus>,
}

impl StreamStatus {
    /// The lag of the shard that is furthest behind, in milliseconds.
    pub fn max_millis_behind_latest(&self) -> Option<i64> {
        self.shards.iter().filter_map(|shard| shard.millis_behind_latest).max()
    }
}

/// How a shard stands. Counters are since it was taken up.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ShardStatus {
    /// The shard.
    pub shard_id: String,
    /// What is done with it: `reading`, say.
    pub state: String,
    /// How far the last answer was from the shard's tip, in milliseconds, as Kinesis says.
    pub millis_behind_latest: Option<i64>,
    /// When the last record that was read had arrived.
    #[serde(serialize_with = "time")]
    pub last_arrival: Option<Timestamp>,
    /// Records read, aggregated ones counted singly.
    pub records: u64,
    /// Their payloads' bytes.
    pub bytes: u64,
    /// Bytes of payload that are read and not settled.
    pub unsettled_bytes: u64,
    /// Behind what the next run begins: a sequence number, `TRIM_HORIZON`, `LATEST`, `AT_TIMESTAMP` or `SHARD_END`.
    pub checkpoint: Option<String>,
    /// How long ago that was written, or the shard taken up, in seconds.
    pub checkpoint_age_seconds: Option<f64>,
}

fn time<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}
