#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

//! Putting records over the SDK and a socket.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::retry::RetryConfig;
use futures::StreamExt;
use kinesis_logs_source::aws::{KinesisClient, MAX_PUT_RECORDS, NewRecord, StoredRecord};
use kinesis_logs_source::{ApiError, ApiErrorKind, Reader, Record, StartPosition, Stop, StreamId};
use kinesis_logs_testkit::{Emulator, answer_all};
use tokio::net::TcpListener;

const STREAM: &str = "stream";
const TIMEOUT: Duration = Duration::from_secs(30);

fn records(count: usize) -> Vec<NewRecord> {
    let record = |n| NewRecord { partition_key: format!("key-{n}"), data: format!("{n}").into() };
    (0..count).map(record).collect()
}

#[tokio::test]
async fn what_was_put_is_where_the_answer_says() {
    let emulator = Emulator::start().await;
    emulator.create_stream(STREAM, 3).await;
    let client = KinesisClient::from_sdk(emulator.client().clone());
    let put = records(MAX_PUT_RECORDS);
    let stored = client.put_records(&StreamId::new(STREAM), &put, TIMEOUT).await.unwrap();
    let read = Reader::builder(client, STREAM).start(StartPosition::TrimHorizon).stop(Stop::AtTip).records();
    let read: Vec<Record> = read.map(Result::unwrap).collect().await;
    assert_eq!((stored.len(), read.len()), (put.len(), put.len()));
    for (put, stored) in put.iter().zip(stored) {
        let StoredRecord { shard_id, sequence_number, .. } = stored.unwrap();
        let there = read.iter().find(|record| record.sequence_number == sequence_number).unwrap();
        assert_eq!((&there.shard_id, &there.data), (&shard_id, &put.data));
        assert_eq!(there.partition_key.as_ref(), Some(&put.partition_key));
    }
}

/// What is said of `count` records by a server that answers `answer`, status line and all.
async fn told(answer: String, count: usize) -> Result<Vec<Result<StoredRecord, ApiError>>, ApiError> {
    let emulator = Emulator::start().await;
    let config = emulator.client().config().to_builder().endpoint_url(answer_all(answer).await);
    let client = Client::from_conf(config.retry_config(RetryConfig::disabled()).build());
    KinesisClient::from_sdk(client).put_records(&StreamId::new(STREAM), &records(count), TIMEOUT).await
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn each_record_has_an_answer_of_its_own() {
    let answer = r#"{"FailedRecordCount":3,"Records":[
        {"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"Rate exceeded"},
        {"SequenceNumber":"7","ShardId":"shardId-000000000001"},
        {"ErrorCode":"InternalFailure","ErrorMessage":"Internal Service Failure."},
        {"ErrorCode":"SomethingNew"}]}"#;
    let told = told(ok(answer), 4).await.unwrap();
    let kinds: Vec<_> = told.iter().map(|record| record.as_ref().err().map(|error| error.kind)).collect();
    assert_eq!(
        kinds,
        [Some(ApiErrorKind::Throttled), None, Some(ApiErrorKind::Unavailable), Some(ApiErrorKind::Unavailable)]
    );
    assert!(told.iter().flat_map(|record| record.as_ref().err()).all(|error| error.kind.is_retryable()));
    let [first, second, ..] = &told[..] else { panic!("{told:?}") };
    assert_eq!(
        first.as_ref().unwrap_err().to_string(),
        "PutRecords: ProvisionedThroughputExceededException: Rate exceeded"
    );
    let stored = second.as_ref().unwrap();
    assert_eq!((stored.shard_id.as_str(), stored.sequence_number.as_str()), ("shardId-000000000001", "7"));
}

#[tokio::test]
async fn an_answer_that_is_about_other_records_is_none() {
    let stored = r#"{"FailedRecordCount":0,"Records":[{"SequenceNumber":"7","ShardId":"shardId-000000000001"}]}"#;
    let error = told(ok(stored), 2).await.unwrap_err();
    assert_eq!(error.kind, ApiErrorKind::Unavailable);
    assert_eq!(error.message, "the answer is about 1 records, not 2");
    let nowhere = told(ok(r#"{"Records":[{}]}"#), 1).await.unwrap();
    assert_eq!(nowhere[0].as_ref().unwrap_err().kind, ApiErrorKind::Unavailable);
}

#[tokio::test]
async fn calls_that_fail_say_of_what_kind_that_is() {
    let emulator = Emulator::start().await;
    emulator.create_stream(STREAM, 1).await;
    let client = KinesisClient::from_sdk(emulator.client().clone());
    let put = async |stream: &str, records: &[NewRecord]| {
        client.put_records(&StreamId::new(stream), records, TIMEOUT).await.unwrap_err().kind
    };
    assert_eq!(put("nosuch", &records(1)).await, ApiErrorKind::NotFound);
    assert_eq!(put(STREAM, &records(MAX_PUT_RECORDS + 1)).await, ApiErrorKind::InvalidArgument);
    let large = NewRecord { partition_key: "key".to_owned(), data: vec![0; (1 << 20) + 1].into() };
    assert_eq!(put(STREAM, &[large]).await, ApiErrorKind::InvalidArgument);
    let refused = "HTTP/1.1 400 No\r\nx-amzn-errortype: AccessDeniedException\r\ncontent-length: 2\r\n\r\n{}";
    assert_eq!(told(refused.to_owned(), 1).await.unwrap_err().kind, ApiErrorKind::AccessDenied);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_waited_for_as_long_as_is_said() {
    let emulator = Emulator::start().await;
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let config = emulator.client().config().to_builder().endpoint_url(endpoint);
    let client = KinesisClient::from_sdk(Client::from_conf(config.retry_config(RetryConfig::disabled()).build()));
    let put = client.put_records(&StreamId::new(STREAM), &records(1), Duration::from_millis(200)).await;
    assert_eq!(put.unwrap_err().kind, ApiErrorKind::Timeout);
}
