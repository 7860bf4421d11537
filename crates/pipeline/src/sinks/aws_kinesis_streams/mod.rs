//! `aws_kinesis_streams`: records in a data stream, one an event.
//!
//! # When an event counts as delivered
//!
//! When Kinesis has said of its record where it was stored. Of an answer that takes some records and not others, those that
//! were not taken are sent again, and nothing else.
//!
//! | what is said of a record, or of all of a request | what becomes of the events |
//! |---|---|
//! | stored | delivered |
//! | throttled, a failure within Kinesis, no answer | sent again, for ever or `request.retry_attempts` times; then abandoned, and the sink ends with an error |
//! | no such stream, not allowed, no or wrong credentials, a key that cannot be used, anything else | the same: it can be mended where the stream is, and were it taken for the events' fault, all would be put aside |
//! | an argument is not valid | a request is halved until one record is left, which goes to the output `rejected`; if nobody takes from it, to the quarantine |
//!
//! A record that is larger than `batch.max_record_bytes` is rejected without being sent.
//!
//! What was sent and not answered may have been stored: it is stored again then. What is sent again comes behind what was
//! stored meanwhile, also of its own partition key.
//!
//! # What it holds
//!
//! As the sink `http` does: `request.concurrency` requests under way, and one that is being filled. While all are under way, as
//! when the stream is throttled, it receives nothing, so that what lies before it waits.

mod config;
mod delivery;
mod records;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kinesis_logs_source::aws::{AwsOptions, KinesisClient, NewRecord};
use kinesis_logs_source::{ApiError, KinesisApi, StreamId};

pub(crate) use self::config::AwsKinesisStreamsConfig;
use self::delivery::{Delivery, Transport};
use self::records::Records;
use super::requests::{Backoff, Batcher, dispatch};
use crate::aws::{cannot_connect, unhealthy};
use crate::component::{ComponentError, Healthcheck, Input, Sink, SinkContext};
use crate::compression::Compression;

struct KinesisSink {
    /// The component's name.
    id: String,
    stream: StreamId,
    options: AwsOptions,
    batcher: Batcher<Records>,
    compression: Compression,
    max_record_bytes: usize,
    timeout: Duration,
    backoff: Backoff,
    concurrency: usize,
}

#[async_trait]
impl Sink for KinesisSink {
    fn healthcheck(&self) -> Healthcheck {
        let (options, stream) = (self.options.clone(), self.stream.clone());
        Box::pin(async move {
            let client = KinesisClient::connect(options).await.map_err(cannot_connect)?;
            let described = client.describe_stream(&stream).await;
            let permission = "kinesis:DescribeStreamSummary, or set healthcheck = false";
            let cannot = |error| unhealthy(format!("cannot describe stream {stream}"), error, permission);
            described.map(drop).map_err(cannot)
        })
    }

    async fn run(self: Box<Self>, input: Input, context: SinkContext) -> Result<(), ComponentError> {
        let KinesisSink { id, stream, options, batcher, timeout, backoff, concurrency, .. } = *self;
        let client = KinesisClient::connect(options).await.map_err(cannot_connect)?;
        let delivery = Arc::new(Delivery {
            id,
            to: stream.to_string(),
            transport: Stream { client, stream, timeout },
            compression: self.compression,
            max_record_bytes: self.max_record_bytes,
            backoff,
            random: fastrand::f64,
            outputs: context.outputs,
        });
        let deliver = |request| {
            let delivery = delivery.clone();
            async move { delivery.deliver(request).await }
        };
        dispatch(batcher, concurrency, input, deliver).await
    }
}

/// The stream that records are put into.
struct Stream {
    client: KinesisClient,
    stream: StreamId,
    timeout: Duration,
}

impl Transport for Stream {
    async fn put(&self, records: &[NewRecord]) -> Result<Vec<Result<(), ApiError>>, ApiError> {
        let stored = self.client.put_records(&self.stream, records, self.timeout).await?;
        Ok(stored.into_iter().map(|record| record.map(drop)).collect())
    }
}
