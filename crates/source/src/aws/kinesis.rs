//! [`KinesisApi`] over `aws-sdk-kinesis`.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{ChildShard, HashKeyRange, ShardFilter, ShardFilterType, ShardIteratorType};
use aws_smithy_types::retry::RetryConfig;
use bytes::Bytes;
use jiff::Timestamp;

use super::error::api_error;
use super::get_records::get_records;
use super::put_records::put_records;
use super::server_time::ServerTime;
use super::{AwsOptions, ConnectError, NewRecord, StoredRecord, fan_out};
use crate::api::{KinesisApi, Subscription};
use crate::error::{ApiError, ApiErrorKind};
use crate::protocol::{RawRecord, RecordPage, Shard, ShardId, ShardPage, ShardPosition, StreamId, StreamSummary};

/// A client of Amazon Kinesis, or of an emulator. Cheap to clone.
#[derive(Debug, Clone)]
pub struct KinesisClient {
    client: Client,
}

impl KinesisClient {
    /// A client from `options` and the SDK's own sources. Does not connect yet.
    pub async fn connect(options: AwsOptions) -> Result<Self, ConnectError> {
        let config = options.load().await?;
        let mut kinesis = aws_sdk_kinesis::config::Builder::from(&config);
        if let Some(url) = options.endpoint_url {
            kinesis = kinesis.endpoint_url(url);
        }
        // Whoever calls retries: they know what a failure means for a shard, or a record.
        Ok(KinesisClient { client: Client::from_conf(kinesis.retry_config(RetryConfig::disabled()).build()) })
    }

    /// Wraps an SDK client of your own making. Its retries should be off: the reader retries, and so does who puts records.
    pub fn from_sdk(client: Client) -> Self {
        KinesisClient { client }
    }

    /// Puts records into a stream, up to [`MAX_PUT_RECORDS`](super::MAX_PUT_RECORDS) of them, and tells of each in order where it
    /// was stored, or why it was not. Those that were are there for good, whatever became of the others; a failed one may be put
    /// again if its error [may pass](ApiErrorKind::is_retryable). Within a shard, what is put again comes behind what was put
    /// meanwhile. The call is not made again here; `timeout` is how long the answer may take.
    ///
    /// # Errors
    ///
    /// If there is no answer about records, as when the stream does not exist. [`ApiErrorKind::InvalidArgument`] says that what was
    /// put cannot be, for one record or for all of them. After a timeout or a broken connection some may have been stored.
    pub async fn put_records(
        &self,
        stream: &StreamId,
        records: &[NewRecord],
        timeout: Duration,
    ) -> Result<Vec<Result<StoredRecord, ApiError>>, ApiError> {
        put_records(&self.client, stream, records, timeout).await
    }
}

#[async_trait]
impl KinesisApi for KinesisClient {
    async fn list_shards(
        &self,
        stream: &StreamId,
        next_token: Option<String>,
        from: Option<Timestamp>,
    ) -> Result<ShardPage, ApiError> {
        const OPERATION: &str = "ListShards";
        let mut request = self.client.list_shards();
        request = match next_token {
            // A token stands for the stream and the filter, and must come without them.
            Some(token) => request.next_token(token),
            None => request
                .stream_name(stream.name())
                .set_stream_arn(stream.arn().map(str::to_owned))
                .set_shard_filter(from.map(from_time).transpose()?),
        };
        let time = ServerTime::new();
        let answer = request.customize().interceptor(time.clone()).send().await;
        let answer = answer.map_err(|error| api_error(OPERATION, error))?;
        Ok(ShardPage {
            shards: answer.shards.unwrap_or_default().into_iter().map(shard).collect(),
            next_token: answer.next_token,
            server_time: time.get(),
        })
    }

    async fn describe_stream(&self, stream: &StreamId) -> Result<StreamSummary, ApiError> {
        let request = self
            .client
            .describe_stream_summary()
            .stream_name(stream.name())
            .set_stream_arn(stream.arn().map(str::to_owned));
        let answer = request.send().await.map_err(|error| api_error("DescribeStreamSummary", error))?;
        let summary = answer.stream_description_summary;
        let created = summary.as_ref().and_then(|summary| summary.stream_creation_timestamp.to_millis().ok());
        let created = created.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        Ok(StreamSummary::new(summary.map(|summary| summary.stream_arn), created))
    }

    async fn get_shard_iterator(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        position: &ShardPosition,
    ) -> Result<String, ApiError> {
        const OPERATION: &str = "GetShardIterator";
        let request = self
            .client
            .get_shard_iterator()
            .stream_name(stream.name())
            .set_stream_arn(stream.arn().map(str::to_owned))
            .shard_id(shard.as_str());
        let request = match position {
            ShardPosition::TrimHorizon => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
            ShardPosition::AtTimestamp(time) => {
                request.shard_iterator_type(ShardIteratorType::AtTimestamp).timestamp(date_time(*time))
            }
            ShardPosition::AtSequenceNumber(number) => request
                .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
                .starting_sequence_number(number.as_str()),
            ShardPosition::AfterSequenceNumber(number) => request
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(number.as_str()),
        };
        let answer = request.send().await.map_err(|error| api_error(OPERATION, error))?;
        answer
            .shard_iterator
            .ok_or_else(|| ApiError::new(ApiErrorKind::Unavailable, OPERATION, "the answer has no iterator"))
    }

    async fn get_records(&self, stream: &StreamId, iterator: &str, limit: Option<i32>) -> Result<RecordPage, ApiError> {
        let request = self.client.get_records().set_stream_arn(stream.arn().map(str::to_owned));
        get_records(request.shard_iterator(iterator).set_limit(limit)).await
    }

    async fn register_consumer(&self, stream: &StreamId, name: &str) -> Result<String, ApiError> {
        fan_out::register_consumer(&self.client, stream, name).await
    }

    async fn subscribe_to_shard(
        &self,
        consumer_arn: &str,
        shard: &ShardId,
        position: &ShardPosition,
    ) -> Result<Subscription, ApiError> {
        fan_out::subscribe_to_shard(&self.client, consumer_arn, shard, position).await
    }
}

fn from_time(time: Timestamp) -> Result<ShardFilter, ApiError> {
    ShardFilter::builder()
        .r#type(ShardFilterType::FromTimestamp)
        .timestamp(date_time(time))
        .build()
        .map_err(|error| ApiError::new(ApiErrorKind::Other, "ListShards", error.to_string()))
}

pub(super) fn date_time(time: Timestamp) -> DateTime {
    DateTime::from_millis(time.as_millisecond())
}

pub(super) fn record(record: aws_sdk_kinesis::types::Record) -> RawRecord {
    let arrival = record.approximate_arrival_timestamp.and_then(|time| {
        let millis = time.to_millis().ok()?;
        Timestamp::from_millisecond(millis).ok()
    });
    RawRecord {
        sequence_number: record.sequence_number.into(),
        arrival,
        partition_key: record.partition_key,
        data: Bytes::from(record.data.into_inner()),
    }
}

fn shard(shard: aws_sdk_kinesis::types::Shard) -> Shard {
    let parents = shard.parent_shard_id.into_iter().chain(shard.adjacent_parent_shard_id);
    Shard {
        id: shard.shard_id.into(),
        parents: parents.map(ShardId::from).collect(),
        hash_key_range: shard.hash_key_range.as_ref().and_then(hash_key_range),
        closed: shard.sequence_number_range.is_some_and(|range| range.ending_sequence_number.is_some()),
    }
}

pub(super) fn child_shard(child: ChildShard) -> Shard {
    Shard {
        id: child.shard_id.into(),
        parents: child.parent_shards.into_iter().map(ShardId::from).collect(),
        hash_key_range: child.hash_key_range.as_ref().and_then(hash_key_range),
        closed: false,
    }
}

fn hash_key_range(range: &HashKeyRange) -> Option<(u128, u128)> {
    hash_keys(&range.starting_hash_key, &range.ending_hash_key)
}

pub(super) fn hash_keys(starting: &str, ending: &str) -> Option<(u128, u128)> {
    Some((starting.parse().ok()?, ending.parse().ok()?))
}
