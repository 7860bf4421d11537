//! Enhanced fan-out over `aws-sdk-kinesis`: consumers, and subscriptions as event streams.
//!
//! [`RegisterStreamConsumer`] and its like take the stream's ARN; where only the name is known, [`DescribeStreamSummary`]
//! tells it. [`SubscribeToShard`] answers with an event stream over HTTP/2 (emulators: over HTTP/1.1), in which failures
//! come as frames.
//!
//! [`RegisterStreamConsumer`]: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_RegisterStreamConsumer.html
//! [`DescribeStreamSummary`]: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_DescribeStreamSummary.html
//! [`SubscribeToShard`]: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_SubscribeToShard.html

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::operation::subscribe_to_shard::SubscribeToShardOutput;
use aws_sdk_kinesis::types::{
    ConsumerStatus, ShardIteratorType, StartingPosition, SubscribeToShardEvent, SubscribeToShardEventStream,
};
use futures::StreamExt;

use super::error::{api_error, event_error};
use super::kinesis::{child_shard, date_time, record};
use super::server_time::ServerTime;
use crate::api::{Subscription, SubscriptionEvents};
use crate::error::{ApiError, ApiErrorKind};
use crate::protocol::{ShardId, ShardPosition, StreamId, SubscriptionEvent};

const SUBSCRIBE: &str = "SubscribeToShard";

pub(super) async fn register_consumer(client: &Client, stream: &StreamId, name: &str) -> Result<String, ApiError> {
    const OPERATION: &str = "RegisterStreamConsumer";
    let arn = stream_arn(client, stream).await?;
    let error = match client.register_stream_consumer().stream_arn(&arn).consumer_name(name).send().await {
        Ok(answer) => match answer.consumer {
            Some(consumer) => return active(consumer.consumer_arn, &consumer.consumer_status, OPERATION),
            None => return Err(ApiError::new(ApiErrorKind::Unavailable, OPERATION, "the answer has no consumer")),
        },
        Err(error) => error,
    };
    let is_at_limit = error.code() == Some("LimitExceededException");
    let error = api_error(OPERATION, error);
    match error.kind {
        // There is one of that name, or the stream is being changed.
        ApiErrorKind::ResourceInUse => describe_consumer(client, &arn, name, error).await,
        _ if is_at_limit => Err(ApiError { kind: ApiErrorKind::LimitExceeded, ..error }),
        _ => Err(error),
    }
}

async fn describe_consumer(client: &Client, arn: &str, name: &str, in_use: ApiError) -> Result<String, ApiError> {
    const OPERATION: &str = "DescribeStreamConsumer";
    let answer = client.describe_stream_consumer().stream_arn(arn).consumer_name(name).send().await;
    match answer.map_err(|error| api_error(OPERATION, error)) {
        Ok(answer) => match answer.consumer_description {
            Some(consumer) => active(consumer.consumer_arn, &consumer.consumer_status, OPERATION),
            None => Err(ApiError::new(ApiErrorKind::Unavailable, OPERATION, "the answer has no consumer")),
        },
        // So it was the stream that is in use.
        Err(error) if error.kind == ApiErrorKind::NotFound => Err(in_use),
        Err(error) => Err(error),
    }
}

fn active(arn: String, status: &ConsumerStatus, operation: &'static str) -> Result<String, ApiError> {
    match status {
        ConsumerStatus::Active => Ok(arn),
        status => Err(ApiError::new(ApiErrorKind::ResourceInUse, operation, format!("the consumer is {status}"))),
    }
}

async fn stream_arn(client: &Client, stream: &StreamId) -> Result<String, ApiError> {
    const OPERATION: &str = "DescribeStreamSummary";
    if let Some(arn) = stream.arn() {
        return Ok(arn.to_owned());
    }
    let answer = client.describe_stream_summary().stream_name(stream.name()).send().await;
    let summary = answer.map_err(|error| api_error(OPERATION, error))?.stream_description_summary;
    let arn = summary.map(|summary| summary.stream_arn);
    arn.ok_or_else(|| ApiError::new(ApiErrorKind::Unavailable, OPERATION, "the answer has no stream"))
}

pub(super) async fn subscribe_to_shard(
    client: &Client,
    consumer_arn: &str,
    shard: &ShardId,
    position: &ShardPosition,
) -> Result<Subscription, ApiError> {
    let start = StartingPosition::builder();
    let start = match position {
        ShardPosition::TrimHorizon => start.r#type(ShardIteratorType::TrimHorizon),
        ShardPosition::AtTimestamp(time) => start.r#type(ShardIteratorType::AtTimestamp).timestamp(date_time(*time)),
        ShardPosition::AtSequenceNumber(number) => {
            start.r#type(ShardIteratorType::AtSequenceNumber).sequence_number(number.as_str())
        }
        ShardPosition::AfterSequenceNumber(number) => {
            start.r#type(ShardIteratorType::AfterSequenceNumber).sequence_number(number.as_str())
        }
    };
    let start = start.build().map_err(|error| ApiError::new(ApiErrorKind::Other, SUBSCRIBE, error.to_string()))?;
    let time = ServerTime::new();
    let request = client.subscribe_to_shard().consumer_arn(consumer_arn).shard_id(shard.as_str());
    let answer = request.starting_position(start).customize().interceptor(time.clone()).send().await;
    let answer = answer.map_err(|error| api_error(SUBSCRIBE, error))?;
    Ok(Subscription { server_time: time.get(), events: events(answer) })
}

/// The events, up to the end of the stream or its first failure.
fn events(answer: SubscribeToShardOutput) -> SubscriptionEvents {
    let stream = futures::stream::unfold(Some(answer), |answer| async {
        let mut answer = answer?;
        loop {
            match answer.event_stream.recv().await {
                Ok(Some(SubscribeToShardEventStream::SubscribeToShardEvent(answered))) => {
                    return Some((Ok(event(answered)), Some(answer)));
                }
                // Of a kind that is not known yet.
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => return Some((Err(event_error(SUBSCRIBE, error)), None)),
            }
        }
    });
    stream.boxed()
}

fn event(event: SubscribeToShardEvent) -> SubscriptionEvent {
    // At the end of a shard there is none, though the model requires it: the SDK then makes it empty.
    let continuation = Some(event.continuation_sequence_number).filter(|number| !number.is_empty());
    SubscriptionEvent {
        records: event.records.into_iter().map(record).collect(),
        continuation: continuation.map(Into::into),
        millis_behind_latest: Some(event.millis_behind_latest),
        child_shards: event.child_shards.unwrap_or_default().into_iter().map(child_shard).collect(),
    }
}
