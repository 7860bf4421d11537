#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

//! The implementations of `KinesisApi` that there are, against the checks for all of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use futures::StreamExt;
use kinesis_logs_source::aws::KinesisClient;
use kinesis_logs_source::conformance::{self, KinesisServer};
use kinesis_logs_source::protocol::Shard;
use kinesis_logs_source::{ApiErrorKind, KinesisApi, Reader, Record, StartPosition, Stop, StreamId, list_all_shards};
use kinesis_logs_testkit::{Emulator, FakeKinesis, World, answer_all, serve};

/// The SDK, over a socket.
struct OverTheNetwork(Emulator);

#[async_trait]
impl KinesisServer for OverTheNetwork {
    type Api = KinesisClient;

    async fn create(&self, stream: &str) -> KinesisClient {
        self.0.create_stream(stream, 1).await;
        KinesisClient::from_sdk(self.0.client().clone())
    }

    async fn put(&self, stream: &str, shard: &Shard, data: &[u8]) {
        self.0.put_at(stream, shard.hash_key_range.unwrap().0, data.to_vec()).await;
    }

    async fn split(&self, stream: &str, shard: &Shard) {
        self.0.split(stream, shard.id.as_str()).await;
    }
}

/// Fakes, each of one stream.
#[derive(Default)]
struct Fakes(Mutex<BTreeMap<String, Arc<FakeKinesis>>>);

impl Fakes {
    fn change(&self, stream: &str, shard: &Shard, change: impl FnOnce(&mut World, usize)) {
        let fakes = self.0.lock().unwrap();
        let index = (0..).find(|index| World::shard_id(*index) == shard.id).unwrap();
        change(&mut fakes[stream].world(), index);
    }
}

#[async_trait]
impl KinesisServer for Fakes {
    type Api = Arc<FakeKinesis>;

    async fn create(&self, stream: &str) -> Arc<FakeKinesis> {
        let fake = Arc::new(FakeKinesis::new(stream, 1));
        self.0.lock().unwrap().insert(stream.to_owned(), fake.clone());
        fake
    }

    async fn put(&self, stream: &str, shard: &Shard, data: &[u8]) {
        self.change(stream, shard, |world, index| world.put(index, data.to_vec()));
    }

    async fn split(&self, stream: &str, shard: &Shard) {
        self.change(stream, shard, |world, index| {
            world.split(index);
        });
    }
}

#[tokio::test]
async fn the_client_does_over_an_emulator_what_every_implementation_must() {
    conformance::kinesis_api(&OverTheNetwork(Emulator::start().await)).await;
}

#[tokio::test]
async fn the_fake_does_what_every_implementation_must() {
    conformance::kinesis_api(&Fakes::default()).await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_is_none_says_so() {
    const PAGE: &str = r#"{"Records":[{"SequenceNumber":"1","Data":"AAAA"}],"MillisBehindLatest":0}"#;
    let emulator = Emulator::start().await;
    let ok = |length: usize, body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
    let read = async |answer: String| {
        let config = emulator.client().config().to_builder().endpoint_url(answer_all(answer).await);
        let client = Client::from_conf(config.retry_config(RetryConfig::disabled()).build());
        KinesisClient::from_sdk(client).get_records(&StreamId::new("stream"), "iterator", None).await
    };
    assert_eq!(read(ok(PAGE.len(), PAGE)).await.unwrap().records.len(), 1);
    for (answer, kind, said) in [
        (ok(PAGE.len(), &PAGE[..30]), ApiErrorKind::Unavailable, "end of file before message length reached"),
        (ok(20, "<html>no Kinesis</html>"), ApiErrorKind::Unavailable, "the answer: expected value at line 1 column 1"),
        (ok(0, ""), ApiErrorKind::Unavailable, "the answer: EOF while parsing"),
        (ok(14, r#"{"Records":[7]"#), ApiErrorKind::Unavailable, "the answer: invalid type: integer `7`"),
        (
            ok(30, r#"{"Records":[{"Data":"AAAA"}]}    "#),
            ApiErrorKind::Unavailable,
            "record 1 of the answer: missing field `SequenceNumber`",
        ),
        ("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n".to_owned(), ApiErrorKind::Unavailable, "HTTP status 503"),
        (
            "HTTP/1.1 400 No\r\nx-amzn-errortype: ExpiredIteratorException\r\ncontent-length: 2\r\n\r\n{}".to_owned(),
            ApiErrorKind::ExpiredIterator,
            "ExpiredIteratorException",
        ),
    ] {
        let error = read(answer.clone()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}, for {answer}");
        assert!(error.to_string().contains("GetRecords") && error.to_string().contains(said), "{error}");
    }
}

/// The SDK, at an endpoint without TLS.
fn client(endpoint: &str) -> KinesisClient {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::from_static("us-east-1"))
        .retry_config(RetryConfig::disabled());
    KinesisClient::from_sdk(Client::from_conf(config.build()))
}

#[tokio::test]
async fn the_token_of_a_listing_goes_without_the_streams_name_and_the_filter() {
    let fake = Arc::new(FakeKinesis::new("stream", 7));
    fake.world().list_page = 2;
    (0..7).for_each(|shard| fake.world().put(shard, "x"));
    // It refuses a token that comes with a name, as Kinesis does.
    let server = serve(fake.clone(), "stream").await;
    let client = client(server.endpoint());
    assert_eq!(list_all_shards(&client, &"stream".into()).await.unwrap().len(), 7);
    let start = StartPosition::AtTimestamp(fake.world().now() - jiff::SignedDuration::from_hours(1));
    let reader = Reader::builder(client, "stream").start(start).stop(Stop::AtTip);
    let records: Vec<Record> = reader.records().map(Result::unwrap).collect().await;
    assert_eq!(records.len(), 7);
}

#[tokio::test]
async fn a_record_may_come_without_a_partition_key() {
    let fake = Arc::new(FakeKinesis::new("stream", 1));
    fake.world().put_without_key(0, "without");
    fake.world().put(0, "with");
    let server = serve(fake.clone(), "stream").await;
    let reader = Reader::builder(client(server.endpoint()), "stream").start(StartPosition::TrimHorizon);
    let records: Vec<Record> = reader.stop(Stop::AtTip).records().map(Result::unwrap).collect().await;
    let keys: Vec<Option<&str>> = records.iter().map(|record| record.partition_key.as_deref()).collect();
    assert_eq!(keys, [None, Some("key")]);
}
