//! A stream whose answers take their time now and then: longer than leases last.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use kinesis_logs_source::protocol::{RecordPage, ShardPage, ShardPosition, StreamSummary};
use kinesis_logs_source::{ApiError, KinesisApi, ShardId, StreamId, Subscription};
use kinesis_logs_testkit::FakeKinesis;

/// How often calls hang, of a hundred, and for how long at most.
#[derive(Clone, Copy)]
pub(crate) struct Stalls {
    pub(crate) percent: u32,
    pub(crate) longest: Duration,
}

impl Stalls {
    /// Hangs, or not, as the dice fall.
    pub(crate) async fn stall(self, rng: &Mutex<fastrand::Rng>) {
        let wait = {
            let mut rng = rng.lock().unwrap();
            (rng.u32(..100) < self.percent).then(|| self.longest.mul_f64(rng.f64()))
        };
        if let Some(wait) = wait {
            tokio::time::sleep(wait).await;
        }
    }
}

/// One worker's way to the stream. A call hangs before it is done, or after.
pub(crate) struct Stalling {
    pub(crate) kinesis: Arc<FakeKinesis>,
    pub(crate) stalls: Stalls,
    pub(crate) rng: Mutex<fastrand::Rng>,
}

impl Stalling {
    async fn around<T>(&self, call: impl Future<Output = T>) -> T {
        self.stalls.stall(&self.rng).await;
        let answer = call.await;
        self.stalls.stall(&self.rng).await;
        answer
    }
}

#[async_trait]
impl KinesisApi for Stalling {
    async fn list_shards(
        &self,
        stream: &StreamId,
        next_token: Option<String>,
        from: Option<Timestamp>,
    ) -> Result<ShardPage, ApiError> {
        self.around(self.kinesis.list_shards(stream, next_token, from)).await
    }

    async fn describe_stream(&self, stream: &StreamId) -> Result<StreamSummary, ApiError> {
        self.around(self.kinesis.describe_stream(stream)).await
    }

    async fn get_shard_iterator(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        position: &ShardPosition,
    ) -> Result<String, ApiError> {
        self.around(self.kinesis.get_shard_iterator(stream, shard, position)).await
    }

    async fn get_records(&self, stream: &StreamId, iterator: &str, limit: Option<i32>) -> Result<RecordPage, ApiError> {
        self.around(self.kinesis.get_records(stream, iterator, limit)).await
    }

    async fn register_consumer(&self, stream: &StreamId, name: &str) -> Result<String, ApiError> {
        self.around(self.kinesis.register_consumer(stream, name)).await
    }

    async fn subscribe_to_shard(
        &self,
        consumer_arn: &str,
        shard: &ShardId,
        position: &ShardPosition,
    ) -> Result<Subscription, ApiError> {
        self.around(self.kinesis.subscribe_to_shard(consumer_arn, shard, position)).await
    }
}
