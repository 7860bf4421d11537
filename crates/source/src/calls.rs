//! A driver's calls to Kinesis: a request of the protocol becomes a future of its answer.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::api::{KinesisApi, Subscription};
use crate::error::ApiError;
use crate::protocol::{FanOut, RecordPage, Request, ShardId, ShardPage, StreamId};
use crate::stats::StatsHandle;
use crate::subscriptions::Subscriptions;

pub(crate) struct Calls<A> {
    api: Arc<A>,
    stream: StreamId,
    /// Those that are open. They are no calls in flight.
    pub(crate) subscriptions: Subscriptions<A>,
    stats: StatsHandle,
}

/// What a call brought, with the shard and the epoch that it was asked for.
pub(crate) enum Answer {
    Shards(Result<ShardPage, ApiError>),
    Iterator(ShardId, u64, Result<String, ApiError>),
    Records(ShardId, u64, Result<RecordPage, ApiError>),
    Subscribed(ShardId, u64, Result<Subscription, ApiError>),
}

impl<A: KinesisApi> Calls<A> {
    pub(crate) fn new(api: A, stream: StreamId, fan_out: Option<&FanOut>, stats: StatsHandle) -> Self {
        let api = Arc::new(api);
        Calls { subscriptions: Subscriptions::new(api.clone(), stream.clone(), fan_out), api, stream, stats }
    }

    /// Begins a call.
    pub(crate) fn perform(&mut self, request: Request) -> BoxFuture<'static, Answer> {
        self.stats.update(|stats| stats.calls += 1);
        let (api, stream) = (self.api.clone(), self.stream.clone());
        match request {
            Request::ListShards { next_token, from } => {
                Box::pin(async move { Answer::Shards(api.list_shards(&stream, next_token, from).await) })
            }
            Request::GetShardIterator { shard, epoch, position } => Box::pin(async move {
                let answer = api.get_shard_iterator(&stream, &shard, &position).await;
                Answer::Iterator(shard, epoch, answer)
            }),
            Request::GetRecords { shard, epoch, iterator } => Box::pin(async move {
                let answer = api.get_records(&stream, &iterator, None).await;
                Answer::Records(shard, epoch, answer)
            }),
            Request::SubscribeToShard { shard, epoch, position } => {
                let opening = self.subscriptions.open(shard.clone(), position);
                Box::pin(async move { Answer::Subscribed(shard, epoch, opening.await) })
            }
        }
    }

    /// Counts and logs the failure of a call, if it failed.
    pub(crate) fn note_answer(&self, answer: &Answer) {
        match answer {
            Answer::Shards(Err(error)) => self.note_failure(None, error),
            Answer::Iterator(shard, _, Err(error))
            | Answer::Records(shard, _, Err(error))
            | Answer::Subscribed(shard, _, Err(error)) => self.note_failure(Some(shard), error),
            _ => {}
        }
    }

    /// Counts and logs a failure.
    pub(crate) fn note_failure(&self, shard: Option<&ShardId>, error: &ApiError) {
        let shard = shard.map(ShardId::as_str);
        tracing::debug!(stream = %self.stream, shard, %error, kind = ?error.kind, "call failed");
        self.stats.failed(error.kind);
    }
}
