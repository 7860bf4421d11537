//! The three operations that reading takes.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::{ApiError, ApiErrorKind, Error};
use crate::protocol::{RecordPage, Shard, ShardId, ShardPage, ShardPosition, StreamId};

/// Kinesis, as a reader needs it: [`aws::KinesisClient`](crate::aws::KinesisClient) over the network, or a fake of your
/// own.
///
/// An implementation makes one attempt a call and classifies its failure; waiting and trying again is the reader's.
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

    /// `GetShardIterator`.
    async fn get_shard_iterator(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        position: &ShardPosition,
    ) -> Result<String, ApiError>;

    /// `GetRecords`: at most `limit`, or as many as the server gives.
    async fn get_records(&self, stream: &StreamId, iterator: &str, limit: Option<i32>) -> Result<RecordPage, ApiError>;
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
}
