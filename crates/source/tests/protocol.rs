//! The protocol by itself, asked and answered by hand where the order of answers matters.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::time::{Duration, Instant};

use jiff::Timestamp;
use kinesis_logs_source::protocol::{
    ConsumerConfig, RecordPage, Request, Shard, ShardPage, ShardPosition, StartPosition, Stop, StreamConsumer,
    SubscriptionEvent,
};
use kinesis_logs_source::{ApiError, ApiErrorKind};

fn shard(id: &str, parents: &[&str], closed: bool) -> Shard {
    let parents = parents.iter().map(|&parent| parent.into()).collect();
    Shard { id: id.into(), parents, hash_key_range: None, closed }
}

fn listing(shards: &[Shard]) -> ShardPage {
    ShardPage { shards: shards.to_vec(), next_token: None, server_time: Timestamp::UNIX_EPOCH }
}

fn page(next_iterator: Option<&str>) -> RecordPage {
    RecordPage {
        records: Vec::new(),
        next_iterator: next_iterator.map(str::to_owned),
        millis_behind_latest: Some(0),
        child_shards: Vec::new(),
        server_time: Timestamp::UNIX_EPOCH,
    }
}

/// A consumer that reads the one shard `a` and has just been told of its iterator.
fn reading(now: Instant) -> StreamConsumer {
    let config = ConsumerConfig { start: StartPosition::TrimHorizon, stop: Stop::Never, ..ConsumerConfig::default() };
    let mut consumer = StreamConsumer::new("stream".into(), config, 1, now);
    assert!(matches!(consumer.poll_request(now), Some(Request::ListShards { .. })));
    consumer.handle_shards(Ok(listing(&[shard("a", &[], false)])), now).unwrap();
    assert!(matches!(consumer.poll_request(now), Some(Request::GetShardIterator { .. })));
    consumer.handle_iterator(&"a".into(), 0, Ok("first".to_owned()), now).unwrap();
    consumer
}

/// The same a minute later: a page of `a`, and the listing that is due every minute, are both asked for.
fn reading_and_listing() -> (StreamConsumer, Instant) {
    let start = Instant::now();
    let mut consumer = reading(start);
    assert!(matches!(consumer.poll_request(start), Some(Request::GetRecords { .. })));
    let now = start + Duration::from_secs(60);
    assert!(matches!(consumer.poll_request(now), Some(Request::ListShards { .. })));
    (consumer, now)
}

#[test]
fn a_listing_asked_for_before_a_shard_ended_does_not_decide_about_its_end() {
    let (mut consumer, now) = reading_and_listing();
    consumer.handle_records(&"a".into(), 0, Ok(page(None)), now).unwrap();
    assert_eq!(consumer.poll_request(now), None);
    consumer.handle_shards(Ok(listing(&[shard("a", &[], false)])), now).unwrap();

    assert!(matches!(consumer.poll_request(now), Some(Request::ListShards { .. })), "a younger listing is asked for");
    let shards = [shard("a", &[], true), shard("b", &["a"], false)];
    consumer.handle_shards(Ok(listing(&shards)), now).unwrap();
    assert!(
        matches!(consumer.poll_request(now), Some(Request::GetShardIterator { shard, .. }) if shard.as_str() == "b")
    );
}

#[test]
fn a_shard_is_never_asked_twice_at_once() {
    let (mut consumer, now) = reading_and_listing();
    // The shard ends, and before anybody asks what it wants the listing comes.
    consumer.handle_records(&"a".into(), 0, Ok(page(None)), now).unwrap();
    consumer.handle_shards(Ok(listing(&[shard("a", &[], false)])), now).unwrap();
    let later = now + Duration::from_secs(60);
    let mut asked = Vec::new();
    while let Some(request) = consumer.poll_request(later) {
        asked.push(request);
    }
    assert_eq!(asked.len(), 1, "{asked:?}");
}

#[test]
fn a_page_asked_for_before_a_shard_was_known_to_be_closed_is_not_its_end() {
    let (mut consumer, now) = reading_and_listing();
    // The listing overtakes the page, which was answered before the last record and the split.
    let shards = [shard("a", &[], true), shard("b", &["a"], false)];
    consumer.handle_shards(Ok(listing(&shards)), now).unwrap();
    consumer.handle_records(&"a".into(), 0, Ok(page(Some("second"))), now).unwrap();

    let later = now + Duration::from_secs(2);
    assert!(matches!(consumer.poll_request(later), Some(Request::GetRecords { iterator, .. }) if iterator == "second"));
    consumer.handle_records(&"a".into(), 0, Ok(page(Some("third"))), later).unwrap();
    assert!(
        matches!(consumer.poll_request(later), Some(Request::GetShardIterator { shard, .. }) if shard.as_str() == "b")
    );
}

#[test]
fn a_merge_child_waits_for_a_parent_that_only_a_listing_shows() {
    let start = Instant::now();
    let mut consumer = reading(start);
    assert!(matches!(consumer.poll_request(start), Some(Request::GetRecords { .. })));
    // `x` is being split into `b` and `c`, and `a` and `b` are merged into `d`, since the last listing.
    let end = RecordPage { child_shards: vec![shard("d", &["a", "b"], false)], ..page(None) };
    consumer.handle_records(&"a".into(), 0, Ok(end), start).unwrap();
    assert!(matches!(consumer.poll_request(start), Some(Request::ListShards { .. })));
    let shards = [
        shard("a", &[], true),
        shard("x", &[], true),
        shard("b", &["x"], true),
        shard("c", &["x"], false),
        shard("d", &["a", "b"], false),
    ];
    consumer.handle_shards(Ok(listing(&shards)), start).unwrap();
    let mut asked = Vec::new();
    while let Some(Request::GetShardIterator { shard, .. }) = consumer.poll_request(start) {
        asked.push(shard.to_string());
    }
    assert_eq!(asked, ["x"]);
}

/// A consumer that reads the one shard `a` by fan-out up to a time to come, and has just been told of its subscription.
fn subscribed(end: Timestamp, now: Instant) -> StreamConsumer {
    let config = ConsumerConfig {
        start: StartPosition::TrimHorizon,
        stop: Stop::At(end),
        fan_out: Some("reader".into()),
        ..ConsumerConfig::default()
    };
    let mut consumer = StreamConsumer::new("stream".into(), config, 1, now);
    assert!(matches!(consumer.poll_request(now), Some(Request::ListShards { .. })));
    consumer.handle_shards(Ok(listing(&[shard("a", &[], false)])), now).unwrap();
    assert!(matches!(consumer.poll_request(now), Some(Request::SubscribeToShard { .. })));
    consumer.handle_subscription_opened(&"a".into(), 0, Timestamp::UNIX_EPOCH, now);
    consumer
}

fn event(continuation: &str) -> SubscriptionEvent {
    SubscriptionEvent {
        records: Vec::new(),
        continuation: Some(continuation.into()),
        millis_behind_latest: Some(0),
        child_shards: Vec::new(),
    }
}

#[test]
fn an_event_proves_no_more_than_that_it_is_younger_than_its_subscription() {
    let start = Instant::now();
    let mut consumer = subscribed(Timestamp::from_second(30).unwrap(), start);
    // It may have been under way for all that time: a record may have arrived since.
    let now = start + Duration::from_secs(40);
    consumer.handle_subscription_event(&"a".into(), 0, event("7"), now).unwrap();
    assert_eq!(consumer.wants_events(&"a".into(), 0), Some(true));
    assert!(matches!(consumer.poll_request(now), Some(Request::SubscribeToShard { position, .. })
            if position == ShardPosition::AfterSequenceNumber("7".into())));
    assert_eq!(consumer.wants_events(&"a".into(), 0), None, "the subscription is dropped for a younger one");

    consumer.handle_subscription_opened(&"a".into(), 0, Timestamp::from_second(40).unwrap(), now);
    consumer.handle_subscription_event(&"a".into(), 0, event("8"), now).unwrap();
    assert!(matches!(consumer.poll_request(now), Some(Request::ListShards { .. })), "was it closed meanwhile?");
    consumer.handle_shards(Ok(listing(&[shard("a", &[], false)])), now).unwrap();
    assert!(consumer.is_finished());
}

#[test]
fn a_subscription_is_renewed_at_once_but_not_within_five_seconds() {
    let start = Instant::now();
    for (lived, waits) in [(1, 4), (300, 0)] {
        let mut consumer = subscribed(Timestamp::MAX, start);
        let ended = start + Duration::from_secs(lived);
        while consumer.poll_request(ended).is_some() {}
        consumer.handle_subscription_event(&"a".into(), 0, event("7"), ended).unwrap();
        consumer.handle_subscription_ended(&"a".into(), 0, Ok(()), ended).unwrap();
        let due = ended + Duration::from_secs(waits);
        if waits > 0 {
            assert_eq!(consumer.poll_request(due - Duration::from_millis(1)), None);
        }
        assert!(matches!(consumer.poll_request(due), Some(Request::SubscribeToShard { .. })));
    }
}

#[test]
fn a_polled_shard_that_is_said_to_be_gone_but_is_listed_is_read_on() {
    let start = Instant::now();
    let mut consumer = reading(start);
    assert!(matches!(consumer.poll_request(start), Some(Request::GetRecords { .. })));
    // The listing shows it closed: its last records may not be read yet.
    let not_found = ApiError::new(ApiErrorKind::NotFound, "GetRecords", "as a server says that is behind");
    consumer.handle_records(&"a".into(), 0, Err(not_found), start).unwrap();
    assert!(matches!(consumer.poll_request(start), Some(Request::ListShards { .. })));
    let shards = [shard("a", &[], true), shard("b", &["a"], false)];
    consumer.handle_shards(Ok(listing(&shards)), start).unwrap();
    let mut asked = Vec::new();
    while let Some(request) = consumer.poll_request(start + Duration::from_secs(1)) {
        asked.push(request);
    }
    assert!(
        matches!(&asked[..], [Request::GetShardIterator { shard, .. }] if shard.as_str() == "a"),
        "it is not taken for ended: {asked:?}"
    );
}

#[test]
fn an_empty_page_that_does_not_say_how_far_behind_it_is_is_no_end() {
    let start = Instant::now();
    let config = ConsumerConfig { start: StartPosition::TrimHorizon, stop: Stop::AtTip, ..ConsumerConfig::default() };
    let mut consumer = StreamConsumer::new("stream".into(), config, 1, start);
    assert!(matches!(consumer.poll_request(start), Some(Request::ListShards { .. })));
    let shards = [shard("a", &[], true), shard("b", &["a"], false)];
    consumer.handle_shards(Ok(listing(&shards)), start).unwrap();
    let mut now = start;
    // Neither that of the closed shard `a`, nor, once that has ended, that of the read.
    for id in ["a", "b"] {
        assert!(
            matches!(consumer.poll_request(now), Some(Request::GetShardIterator { shard, .. }) if shard.as_str() == id)
        );
        consumer.handle_iterator(&id.into(), 0, Ok("first".to_owned()), now).unwrap();
        for lag in [None, Some(0)] {
            let request = consumer.poll_request(now);
            assert!(matches!(request, Some(Request::GetRecords { .. })), "{id}, {lag:?}: {request:?}");
            let page = RecordPage { millis_behind_latest: lag, ..page(Some("next")) };
            consumer.handle_records(&id.into(), 0, Ok(page), now).unwrap();
            now += Duration::from_secs(2);
        }
    }
    assert!(consumer.is_finished());
}
