//! [`PutRecords`], whose answer is one of each record.
//!
//! [`PutRecords`]: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::Builder;
use aws_sdk_kinesis::error::BuildError;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry};
use bytes::Bytes;

use super::error::{api_error, by_code};
use crate::error::{ApiError, ApiErrorKind};
use crate::protocol::{SequenceNumber, ShardId, StreamId};

const OPERATION: &str = "PutRecords";

/// The most records of one call of [`KinesisClient::put_records`](super::KinesisClient::put_records).
pub const MAX_PUT_RECORDS: usize = 500;
/// The most bytes of one call, data and partition keys.
pub const MAX_PUT_BYTES: usize = 10 << 20;
/// The most bytes of a record, data and partition key, of a stream that allows as many as can be
/// (`MaxRecordSizeInKiB`). Others allow 1 MiB.
pub const MAX_RECORD_BYTES: usize = 10 << 20;
/// The most characters of a partition key.
pub const MAX_PARTITION_KEY_CHARS: usize = 256;

/// A record to be put into a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Decides on the shard: records with the same key come to the same one. 1 to 256 characters.
    pub partition_key: String,
    /// The payload.
    pub data: Bytes,
}

impl NewRecord {
    /// How many bytes count against the limits.
    pub fn bytes(&self) -> usize {
        self.partition_key.len() + self.data.len()
    }
}

/// Where a record was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredRecord {
    /// The shard.
    pub shard_id: ShardId,
    /// Its place in the shard.
    pub sequence_number: SequenceNumber,
}

pub(super) async fn put_records(
    client: &Client,
    stream: &StreamId,
    records: &[NewRecord],
    timeout: Duration,
) -> Result<Vec<Result<StoredRecord, ApiError>>, ApiError> {
    let entries = records.iter().map(entry).collect::<Result<_, _>>();
    let entries = entries.map_err(|error| ApiError::new(ApiErrorKind::Other, OPERATION, error.to_string()))?;
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(timeout).build();
    let request = client
        .put_records()
        .stream_name(stream.name())
        .set_stream_arn(stream.arn().map(str::to_owned))
        .set_records(Some(entries))
        .customize()
        .config_override(Builder::default().timeout_config(timeouts));
    let answer = request.send().await.map_err(|error| api_error(OPERATION, error))?;
    if answer.records.len() != records.len() {
        let message = format!("the answer is about {} records, not {}", answer.records.len(), records.len());
        return Err(ApiError::new(ApiErrorKind::Unavailable, OPERATION, message));
    }
    Ok(answer.records.into_iter().map(stored).collect())
}

fn entry(record: &NewRecord) -> Result<PutRecordsRequestEntry, BuildError> {
    let data = Blob::new(&*record.data);
    PutRecordsRequestEntry::builder().partition_key(&record.partition_key).data(data).build()
}

fn stored(entry: PutRecordsResultEntry) -> Result<StoredRecord, ApiError> {
    match (entry.error_code, entry.shard_id, entry.sequence_number) {
        (None, Some(shard_id), Some(sequence_number)) => {
            Ok(StoredRecord { shard_id: shard_id.into(), sequence_number: sequence_number.into() })
        }
        (Some(code), ..) => {
            let message = match entry.error_message {
                Some(message) => format!("{code}: {message}"),
                None => code.clone(),
            };
            // Not an HTTP status: that was 200. What has no known name is taken for a fault of the server.
            Err(ApiError::new(by_code(&code, 500), OPERATION, message))
        }
        (None, ..) => {
            Err(ApiError::new(ApiErrorKind::Unavailable, OPERATION, "the answer does not say where a record is"))
        }
    }
}
