//! How a data stream stands, for whoever watches the pipeline.

use std::time::Duration;

use async_trait::async_trait;
use kinesis_logs_source::protocol::{ShardSnapshot, ShardState};
use kinesis_logs_source::{Deliveries, SnapshotHandle, StatsHandle, StreamId};

use crate::component::{ShardStatus, StreamStatus, WatchedStream};

/// A consumer answers between two steps; one that takes longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// A stream that is being read. Behind its end its counters are still there, and its shards no longer.
pub(super) struct Watched {
    stream: String,
    stats: StatsHandle,
    snapshots: SnapshotHandle,
}

impl Watched {
    pub(super) fn new(stream: &StreamId, deliveries: &Deliveries) -> Self {
        let stream = stream.name().to_owned();
        Watched { stream, stats: deliveries.stats(), snapshots: deliveries.snapshot_handle() }
    }
}

#[async_trait]
impl WatchedStream for Watched {
    async fn status(&self) -> StreamStatus {
        let snapshot = tokio::time::timeout(PATIENCE, self.snapshots.snapshot()).await.ok().flatten();
        let stats = self.stats.get();
        let (shards, unsettled_bytes, worker_id) = match snapshot {
            Some(snapshot) => {
                let shards = snapshot.shards.iter().map(shard).collect();
                (shards, snapshot.unsettled_bytes as u64, Some(snapshot.worker_id))
            }
            None => Default::default(),
        };
        StreamStatus {
            stream: self.stream.clone(),
            worker_id,
            records: stats.records,
            bytes: stats.bytes,
            calls: stats.calls,
            throttled: stats.throttled,
            retried: stats.retried,
            expired_iterators: stats.expired_iterators,
            unsettled_bytes,
            shards,
        }
    }
}

fn shard(snapshot: &ShardSnapshot) -> ShardStatus {
    let state = match snapshot.state {
        ShardState::WaitingForParents => "waiting_for_parents",
        ShardState::Reading => "reading",
        ShardState::Held => "held",
        ShardState::Settling => "settling",
        ShardState::Releasing => "releasing",
        _ => "other",
    };
    ShardStatus {
        shard_id: snapshot.shard.to_string(),
        state: state.to_owned(),
        millis_behind_latest: snapshot.millis_behind_latest,
        last_arrival: snapshot.last_arrival,
        records: snapshot.records,
        bytes: snapshot.bytes,
        unsettled_bytes: snapshot.unsettled_bytes as u64,
        checkpoint: Some(snapshot.checkpoint.to_string()),
        checkpoint_age_seconds: Some(snapshot.checkpoint_age.as_secs_f64()),
    }
}
