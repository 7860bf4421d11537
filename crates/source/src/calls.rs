//! A driver's calls to Kinesis: a request of the protocol becomes a future of its answer.

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::api::{KinesisApi, Subscription};
use crate::error::ApiError;
use crate::protocol::{FanOut, RecordPage, Request, ShardId, ShardPage, StreamId, StreamSummary};
use crate::subscriptions::Subscriptions;
use crate::telemetry::Telemetry;

pub(crate) struct Calls<A> {
    api: Arc<A>,
    stream: StreamId,
    /// Those that are open. They are no calls in flight.
    pub(crate) subscriptions: Subscriptions<A>,
    telemetry: Telemetry,
}

/// What a call brought, with the shard and the epoch that it was asked for.
pub(crate) enum Answer {
    Shards(Result<ShardPage, ApiError>),
    Iterator(ShardId, u64, Result<String, ApiError>),
    Records(ShardId, u64, Result<RecordPage, ApiError>),
    Subscribed(ShardId, u64, Result<Subscription, ApiError>),
}

impl<A: KinesisApi> Calls<A> {
    pub(crate) fn new(api: A, stream: StreamId, fan_out: Option<&FanOut>, telemetry: Telemetry) -> Self {
        let api = Arc::new(api);
        Calls { subscriptions: Subscriptions::new(api.clone(), stream.clone(), fan_out), api, stream, telemetry }
    }

    /// Begins a call.
    pub(crate) fn perform(&mut self, request: Request) -> BoxFuture<'static, Answer> {
        let (api, stream) = (self.api.clone(), self.stream.clone());
        match request {
            Request::ListShards { next_token, from } => {
                self.telemetry.call("ListShards");
                Box::pin(async move { Answer::Shards(api.list_shards(&stream, next_token, from).await) })
            }
            Request::GetShardIterator { shard, epoch, position } => {
                self.telemetry.call("GetShardIterator");
                Box::pin(async move {
                    let answer = api.get_shard_iterator(&stream, &shard, &position).await;
                    Answer::Iterator(shard, epoch, answer)
                })
            }
            Request::GetRecords { shard, epoch, iterator } => {
                self.telemetry.call("GetRecords");
                Box::pin(async move {
                    let answer = api.get_records(&stream, &iterator, None).await;
                    Answer::Records(shard, epoch, answer)
                })
            }
            Request::SubscribeToShard { shard, epoch, position } => {
                self.telemetry.call("SubscribeToShard");
                let opening = self.subscriptions.open(shard.clone(), position);
                Box::pin(async move { Answer::Subscribed(shard, epoch, opening.await) })
            }
        }
    }

    /// Asks what the stream is.
    pub(crate) fn describe_stream(&self) -> BoxFuture<'static, Result<StreamSummary, ApiError>> {
        self.telemetry.call("DescribeStreamSummary");
        let (api, stream) = (self.api.clone(), self.stream.clone());
        Box::pin(async move { api.describe_stream(&stream).await })
    }

    /// Tells of the failure of a call, if it failed.
    pub(crate) fn note_answer(&self, answer: &Answer) {
        match answer {
            Answer::Shards(Err(error)) => self.telemetry.call_failed(None, error),
            Answer::Iterator(shard, _, Err(error))
            | Answer::Records(shard, _, Err(error))
            | Answer::Subscribed(shard, _, Err(error)) => self.telemetry.call_failed(Some(shard), error),
            _ => {}
        }
    }
}
