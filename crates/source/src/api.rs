//! The operations that reading takes: three by polling, and two more by enhanced fan-out.

use std::fmt;

use async_trait::async_trait;
use futures::stream::BoxStream;
use jiff::Timestamp;

use crate::error::{ApiError, ApiErrorKind, Error};
use crate::protocol::{
    RecordPage, Shard, ShardId, ShardPage, ShardPosition, StreamId, StreamSummary, SubscriptionEvent,
};

/// Kinesis, as a reader needs it: [`aws::KinesisClient`](crate::aws::KinesisClient) over the network, or a fake of your
/// own.
///
/// An implementation makes one attempt a call and classifies its failure; waiting and trying again is the reader's.
/// The feature `conformance` has tests for it.
#[async_trait]
pub trait KinesisApi: Send + Sync + 'static {
    /// `ListShards`: continues with `next_token` if there is one. `from` may leave out shards that hold nothing from
    /// that time on.
    async fn list_shards(
        &self,
        stream: &StreamId,
        next_token: Option<String>,
        from: Option<Timestamp>,
    ) -> Result<ShardPage, ApiError>;

    /// `DescribeStreamSummary`. A [`Consumer`](crate::Consumer) asks once, to tell a stream that was deleted and made anew;
    /// where it may not, it goes without. By default [`ApiErrorKind::Unsupported`].
    async fn describe_stream(&self, stream: &StreamId) -> Result<StreamSummary, ApiError> {
        let _ = stream;
        Err(unsupported("DescribeStreamSummary"))
    }

    /// `GetShardIterator`.
    async fn get_shard_iterator(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        position: &ShardPosition,
    ) -> Result<String, ApiError>;

    /// `GetRecords`: at most `limit`, or as many as the server gives.
    async fn get_records(&self, stream: &StreamId, iterator: &str, limit: Option<i32>) -> Result<RecordPage, ApiError>;

    /// `RegisterStreamConsumer`, or `DescribeStreamConsumer` where there is one of that name: the consumer's ARN, once it is
    /// active. Until then [`ApiErrorKind::ResourceInUse`], and the caller asks again.
    ///
    /// Only enhanced fan-out needs it. By default [`ApiErrorKind::Unsupported`].
    async fn register_consumer(&self, stream: &StreamId, name: &str) -> Result<String, ApiError> {
        let _ = (stream, name);
        Err(unsupported("RegisterStreamConsumer"))
    }

    /// `SubscribeToShard`: returns when the server has answered; its events follow.
    ///
    /// Only enhanced fan-out needs it. By default [`ApiErrorKind::Unsupported`].
    async fn subscribe_to_shard(
        &self,
        consumer_arn: &str,
        shard: &ShardId,
        position: &ShardPosition,
    ) -> Result<Subscription, ApiError> {
        let _ = (consumer_arn, shard, position);
        Err(unsupported("SubscribeToShard"))
    }
}

/// A subscription's events, up to its end or its failure.
pub type SubscriptionEvents = BoxStream<'static, Result<SubscriptionEvent, ApiError>>;

/// An open subscription; dropping it ends it.
pub struct Subscription {
    /// The server's clock (the answer's `Date`), in whole seconds.
    pub server_time: Timestamp,
    /// What it brings. What is not polled waits with the server.
    pub events: SubscriptionEvents,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("server_time", &self.server_time).finish_non_exhaustive()
    }
}

fn unsupported(operation: &'static str) -> ApiError {
    ApiError::new(ApiErrorKind::Unsupported, operation, "this implementation cannot do it")
}

/// Lists all shards of a stream, page by page, trying each page once.
pub async fn list_all_shards<A: KinesisApi + ?Sized>(api: &A, stream: &StreamId) -> Result<Vec<Shard>, Error> {
    let mut shards = Vec::new();
    let mut next_token = None;
    loop {
        let page = api.list_shards(stream, next_token, None).await.map_err(|source| match source.kind {
            ApiErrorKind::NotFound => Error::StreamNotFound { stream: stream.clone(), source },
            _ => Error::Api { stream: stream.clone(), shard: None, source },
        })?;
        shards.extend(page.shards);
        next_token = page.next_token;
        if next_token.is_none() {
            return Ok(shards);
        }
    }
}

#[async_trait]
impl<T: KinesisApi + ?Sized> KinesisApi for std::sync::Arc<T> {
    async fn list_shards(
        &self,
        stream: &StreamId,
        next_token: Option<String>,
        from: Option<Timestamp>,
    ) -> Result<ShardPage, ApiError> {
        (**self).list_shards(stream, next_token, from).await
    }

    async fn describe_stream(&self, stream: &StreamId) -> Result<StreamSummary, ApiError> {
        (**self).describe_stream(stream).await
    }

    async fn get_shard_iterator(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        position: &ShardPosition,
    ) -> Result<String, ApiError> {
        (**self).get_shard_iterator(stream, shard, position).await
    }

    async fn get_records(&self, stream: &StreamId, iterator: &str, limit: Option<i32>) -> Result<RecordPage, ApiError> {
        (**self).get_records(stream, iterator, limit).await
    }

    async fn register_consumer(&self, stream: &StreamId, name: &str) -> Result<String, ApiError> {
        (**self).register_consumer(stream, name).await
    }

    async fn subscribe_to_shard(
        &self,
        consumer_arn: &str,
        shard: &ShardId,
        position: &ShardPosition,
    ) -> Result<Subscription, ApiError> {
        (**self).subscribe_to_shard(consumer_arn, shard, position).await
    }
}
