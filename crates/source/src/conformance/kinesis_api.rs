//! Checks of a [`KinesisApi`], over a server that the checks can fill.

use async_trait::async_trait;
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};

use crate::api::KinesisApi;
use crate::error::ApiErrorKind;
use crate::protocol::{RawRecord, RecordPage, Shard, ShardId, ShardPosition, StreamId};

/// Answers without records that a check bears with, as servers may give some before the tip.
const MOST_EMPTY_PAGES: usize = 100;
/// A server's clock may be this far from this machine's, in seconds.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(5);

/// A server behind a [`KinesisApi`], as far as the checks have to change what it holds.
#[async_trait]
pub trait KinesisServer: Sync {
    /// What is checked.
    type Api: KinesisApi;

    /// Makes a stream of this name, with one shard and no records, and returns when it can be read.
    async fn create(&self, stream: &str) -> Self::Api;

    /// Puts a record into a shard that is open.
    async fn put(&self, stream: &str, shard: &Shard, data: &[u8]);

    /// Splits a shard in two, and returns when they can be read.
    async fn split(&self, stream: &str, shard: &Shard);
}

/// Runs every check, each on a stream of its own. It takes what a few dozen calls take, and a few seconds more where the
/// server supports enhanced fan-out.
///
/// # Panics
///
/// If the implementation does not do what it must; the message says what.
pub async fn kinesis_api(server: &impl KinesisServer) {
    a_new_stream_has_an_open_shard_without_parents(server).await;
    what_does_not_exist_is_not_found(server).await;
    an_iterator_that_is_none_is_refused(server).await;
    records_come_in_order_from_every_position(server).await;
    a_split_shard_ends_and_has_children(server).await;
    a_subscription_brings_what_polling_does(server).await;
}

async fn a_new_stream_has_an_open_shard_without_parents(server: &impl KinesisServer) {
    let stream = StreamId::new("conformance-new");
    let api = server.create(stream.name()).await;
    let page = api.list_shards(&stream, None, None).await.expect("a stream can be listed");
    assert_eq!(page.next_token, None, "a listing of one shard is one page");
    let [shard] = &page.shards[..] else { panic!("there is one shard, not {:?}", page.shards) };
    assert!(!shard.closed && shard.parents.is_empty(), "it is open, and made from none: {shard:?}");
    let apart = page.server_time.duration_since(Timestamp::now()).abs();
    assert!(apart < CLOCKS_APART, "the server's clock is {apart:#} from this machine's");
    match api.describe_stream(&stream).await {
        Ok(summary) => assert!(summary.creation_timestamp.is_some(), "a stream was created at some time: {summary:?}"),
        Err(error) => assert_eq!(error.kind, ApiErrorKind::Unsupported, "{error}"),
    }
}

async fn what_does_not_exist_is_not_found(server: &impl KinesisServer) {
    let stream = StreamId::new("conformance-missing");
    let api = server.create(stream.name()).await;
    let missing = StreamId::new("conformance-no-such-stream");
    let error = api.list_shards(&missing, None, None).await.expect_err("there is no such stream");
    assert_eq!(error.kind, ApiErrorKind::NotFound, "a stream that does not exist: {error}");
    let shard = ShardId::from("shardId-000000009999");
    let error = api.get_shard_iterator(&stream, &shard, &ShardPosition::TrimHorizon).await;
    let error = error.expect_err("there is no such shard");
    assert_eq!(error.kind, ApiErrorKind::NotFound, "a shard that does not exist: {error}");
}

async fn an_iterator_that_is_none_is_refused(server: &impl KinesisServer) {
    let stream = StreamId::new("conformance-iterator");
    let api = server.create(stream.name()).await;
    let error = api.get_records(&stream, "no iterator", None).await.expect_err("that is no iterator");
    assert!(!error.kind.is_retryable(), "a wrong iterator is wrong for ever: {error}");
}

async fn records_come_in_order_from_every_position(server: &impl KinesisServer) {
    let stream = StreamId::new("conformance-records");
    let api = server.create(stream.name()).await;
    let shard = only_shard(&api, &stream).await;
    let before = Timestamp::now() - SignedDuration::from_mins(1);
    for n in 0..20_u8 {
        server.put(stream.name(), &shard, &[n, 0, b'\n', 0xff]).await;
    }
    let all = read(&api, &stream, &shard.id, &ShardPosition::TrimHorizon).await;
    let data: Vec<&[u8]> = all.iter().map(|record| &record.data[..]).collect();
    let put: Vec<Vec<u8>> = (0..20_u8).map(|n| vec![n, 0, b'\n', 0xff]).collect();
    assert_eq!(data, put, "records come as they were put, from the horizon on");
    let ascends = all.windows(2).all(|pair| pair[0].sequence_number < pair[1].sequence_number);
    assert!(ascends, "sequence numbers ascend: {all:?}");

    let number = &all[7].sequence_number;
    for (position, expected) in [
        (ShardPosition::AtSequenceNumber(number.clone()), &all[7..]),
        (ShardPosition::AfterSequenceNumber(number.clone()), &all[8..]),
        (ShardPosition::AtTimestamp(before), &all[..]),
    ] {
        let records = read(&api, &stream, &shard.id, &position).await;
        assert_eq!(records, expected, "from {position:?} on");
    }
    let last = ShardPosition::AfterSequenceNumber(all[19].sequence_number.clone());
    let iterator = api.get_shard_iterator(&stream, &shard.id, &last).await.expect("the last record is known");
    let page = api.get_records(&stream, &iterator, None).await.expect("the tip can be read");
    assert!(page.records.is_empty() && page.next_iterator.is_some(), "an open shard goes on at its tip: {page:?}");

    let iterator = api.get_shard_iterator(&stream, &shard.id, &ShardPosition::TrimHorizon).await.expect("as before");
    let page = api.get_records(&stream, &iterator, Some(3)).await.expect("with a limit");
    assert!(page.records.len() <= 3, "at most what was asked for: {}", page.records.len());
    let again = api.get_records(&stream, &iterator, Some(3)).await.expect("an iterator may be used again");
    assert_eq!(again.records, page.records, "an iterator is a place, and stays one");
}

async fn a_split_shard_ends_and_has_children(server: &impl KinesisServer) {
    let stream = StreamId::new("conformance-split");
    let api = server.create(stream.name()).await;
    let parent = only_shard(&api, &stream).await;
    server.put(stream.name(), &parent, b"before").await;
    server.split(stream.name(), &parent).await;
    let shards = api.list_shards(&stream, None, None).await.expect("as before").shards;
    let (parents, children): (Vec<&Shard>, Vec<&Shard>) = shards.iter().partition(|shard| shard.id == parent.id);
    assert!(parents[0].closed, "what was split is closed: {:?}", parents[0]);
    let [left, right] = children[..] else { panic!("it has two children, not {children:?}") };
    for child in [left, right] {
        assert_eq!(child.parents, std::slice::from_ref(&parent.id), "a child names its parent");
        assert!(!child.closed, "{child:?}");
    }
    let records = read(&api, &stream, &parent.id, &ShardPosition::TrimHorizon).await;
    assert_eq!(records.len(), 1, "a closed shard keeps its records");
    server.put(stream.name(), left, b"behind").await;
    let records = read(&api, &stream, &left.id, &ShardPosition::TrimHorizon).await;
    assert_eq!(records.iter().map(|record| &record.data[..]).collect::<Vec<_>>(), [b"behind"]);
}

async fn a_subscription_brings_what_polling_does(server: &impl KinesisServer) {
    let stream = StreamId::new("conformance-fan-out");
    let api = server.create(stream.name()).await;
    let shard = only_shard(&api, &stream).await;
    for n in 0..5_u8 {
        server.put(stream.name(), &shard, &[n]).await;
    }
    let consumer = loop {
        match api.register_consumer(&stream, "conformance").await {
            Ok(arn) => break arn,
            Err(error) if error.kind == ApiErrorKind::Unsupported => return,
            // It is being made.
            Err(error) => assert_eq!(error.kind, ApiErrorKind::ResourceInUse, "{error}"),
        }
    };
    let polled = read(&api, &stream, &shard.id, &ShardPosition::TrimHorizon).await;
    let subscription = api.subscribe_to_shard(&consumer, &shard.id, &ShardPosition::TrimHorizon).await;
    let mut events = subscription.expect("an active consumer can subscribe").events;
    let mut pushed = Vec::new();
    while pushed.len() < polled.len() {
        let event = events.next().await.expect("a subscription lives for minutes").expect("and does not fail");
        assert!(event.continuation.is_some(), "an open shard's event says where it goes on");
        pushed.extend(event.records);
    }
    assert_eq!(pushed, polled, "by push as by polling");
}

async fn only_shard(api: &impl KinesisApi, stream: &StreamId) -> Shard {
    let shards = api.list_shards(stream, None, None).await.expect("a stream can be listed").shards;
    shards.into_iter().next().expect("a stream has a shard")
}

/// Reads a shard to its tip, or its end.
async fn read(api: &impl KinesisApi, stream: &StreamId, shard: &ShardId, position: &ShardPosition) -> Vec<RawRecord> {
    let first = api.get_shard_iterator(stream, shard, position).await.expect("a position in a shard has an iterator");
    let (mut next, mut records, mut empty_pages) = (Some(first), Vec::new(), 0);
    while let Some(iterator) = next.filter(|_| empty_pages < MOST_EMPTY_PAGES) {
        let page = api.get_records(stream, &iterator, None).await.expect("an iterator that was just made is valid");
        let RecordPage { records: found, next_iterator, millis_behind_latest, .. } = page;
        empty_pages = if found.is_empty() { empty_pages + 1 } else { 0 };
        let at_tip = found.is_empty() && millis_behind_latest == Some(0) && next_iterator.is_some();
        records.extend(found);
        next = next_iterator.filter(|_| !at_tip);
    }
    records
}
