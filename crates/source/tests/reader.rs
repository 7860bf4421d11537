#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

//! The reader over a scripted stream, in held time: what it delivers, in which order, and when it ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use kinesis_logs_source::protocol::ShardPosition;
use kinesis_logs_source::{ApiErrorKind, Error, Reader, ReaderBuilder, Record, RetryPolicy, StartPosition, Stop};
use kinesis_logs_testkit::{FakeKinesis, Operation, World};

const STREAM: &str = "stream";

fn fake(shards: usize) -> Arc<FakeKinesis> {
    Arc::new(FakeKinesis::new(STREAM, shards))
}

/// Puts records whose payloads are `prefix` and a number.
fn put(world: &mut World, shard: usize, prefix: &str, count: usize) {
    for n in 0..count {
        world.put(shard, format!("{prefix}{n}"));
    }
}

fn from_horizon(fake: &Arc<FakeKinesis>) -> ReaderBuilder<Arc<FakeKinesis>> {
    Reader::builder(fake.clone(), STREAM).start(StartPosition::TrimHorizon)
}

async fn read(builder: ReaderBuilder<Arc<FakeKinesis>>) -> Vec<Record> {
    builder.records().map(|record| record.expect("no failure")).collect().await
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(&record.data).into_owned()).collect()
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

/// Panics unless every shard's records came whole and in order.
fn assert_whole(fake: &FakeKinesis, records: &[Record], shards: usize) {
    let mut seen: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for record in records {
        seen.entry(record.shard_id.to_string()).or_default().push(record.sequence_number.clone());
    }
    for shard in 0..shards {
        let id = World::shard_id(shard);
        let got = seen.remove(id.as_str()).unwrap_or_default();
        assert_eq!(got, fake.world().sequence_numbers(shard), "{id}");
    }
    assert!(seen.is_empty(), "records of unknown shards: {seen:?}");
}

#[tokio::test(start_paused = true)]
async fn all_shards_are_read_to_the_tip_in_pages_of_any_size() {
    for page in [1, 7, 10_000] {
        let fake = fake(4);
        for shard in 0..4 {
            put(&mut fake.world(), shard, "r", 25);
        }
        fake.world().page_records = page;
        let records = read(from_horizon(&fake).stop(Stop::AtTip)).await;
        assert_whole(&fake, &records, 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_in_pages_is_read_to_its_end() {
    let fake = fake(23);
    fake.world().list_page = 5;
    for shard in 0..23 {
        put(&mut fake.world(), shard, "r", 1);
    }
    assert_whole(&fake, &read(from_horizon(&fake).stop(Stop::AtTip)).await, 23);
}

#[tokio::test(start_paused = true)]
async fn an_expired_listing_token_restarts_the_listing() {
    let fake = fake(9);
    fake.world().list_page = 5;
    for shard in 0..9 {
        put(&mut fake.world(), shard, "r", 1);
    }
    fake.world().fail_call(Operation::ListShards, 2, ApiErrorKind::ExpiredNextToken);
    assert_whole(&fake, &read(from_horizon(&fake).stop(Stop::AtTip)).await, 9);
    assert!(fake.world().calls(Operation::ListShards) >= 2 + 2, "the listing is begun anew, and read to its end");
}

#[tokio::test(start_paused = true)]
async fn a_split_and_a_merge_while_reading_lose_and_repeat_nothing() {
    for names_children in [true, false] {
        let fake = fake(2);
        fake.world().names_children = names_children;
        fake.world().page_records = 3;
        put(&mut fake.world(), 0, "a", 10);
        put(&mut fake.world(), 1, "b", 10);
        fake.world().before_call(3, |world| {
            let (left, right) = world.split(0);
            put(world, left, "left", 8);
            put(world, right, "right", 8);
        });
        fake.world().before_call(8, |world| {
            let merged = world.merge(3, 1);
            put(world, merged, "merged", 8);
        });
        let end = fake.world().now() + SignedDuration::from_secs(60);
        let records = read(from_horizon(&fake).stop(Stop::At(end))).await;
        assert_whole(&fake, &records, 5);

        let position = |shard: usize, last: bool| {
            let id = World::shard_id(shard);
            let mut places = records.iter().enumerate().filter(|(_, record)| record.shard_id == id).map(|(at, _)| at);
            if last { places.next_back().unwrap() } else { places.next().unwrap() }
        };
        for (parent, child) in [(0, 2), (0, 3), (3, 4), (1, 4)] {
            assert!(position(parent, true) < position(child, false), "shard {child} began before {parent} had ended");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn records_that_come_with_the_end_of_a_shard_are_delivered() {
    let fake = fake(1);
    put(&mut fake.world(), 0, "parent", 5);
    let (left, _) = fake.world().split(0);
    put(&mut fake.world(), left, "child", 5);
    let records = read(from_horizon(&fake).stop(Stop::AtTip)).await;
    assert_whole(&fake, &records, 3);
}

#[tokio::test(start_paused = true)]
async fn a_closed_shard_that_is_late_to_end_is_not_taken_for_the_end_of_a_bounded_read() {
    for late_end in [1, 3, usize::MAX] {
        let fake = fake(1);
        fake.world().late_end = late_end;
        put(&mut fake.world(), 0, "parent", 5);
        let (left, _) = fake.world().split(0);
        put(&mut fake.world(), left, "child", 5);
        fake.world().put(2, "other child");
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert_whole(&fake, &read(from_horizon(&fake).stop(Stop::AtTip)).await, 3);
        let end = fake.world().now() - SignedDuration::from_secs(50);
        assert_whole(&fake, &read(from_horizon(&fake).stop(Stop::At(end))).await, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_closes_while_an_end_to_come_is_waited_for_leads_to_its_children() {
    for late_end in [0, usize::MAX] {
        let fake = fake(1);
        fake.world().late_end = late_end;
        put(&mut fake.world(), 0, "parent", 5);
        let end = fake.world().now() + SignedDuration::from_secs(20);
        let reading = tokio::spawn(read(from_horizon(&fake).stop(Stop::At(end))));
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (left, right) = fake.world().split(0);
        put(&mut fake.world(), left, "left", 5);
        put(&mut fake.world(), right, "right", 5);
        assert_whole(&fake, &reading.await.unwrap(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_is_listed_no_longer_blocks_nobody() {
    let fake = fake(1);
    put(&mut fake.world(), 0, "gone", 5);
    let (left, right) = fake.world().split(0);
    fake.world().trim(0);
    put(&mut fake.world(), left, "l", 2);
    put(&mut fake.world(), right, "r", 2);
    assert_eq!(sorted(texts(&read(from_horizon(&fake).stop(Stop::AtTip)).await)), ["l0", "l1", "r0", "r1"]);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_vanishes_while_read_has_ended() {
    let fake = fake(2);
    fake.world().page_records = 2;
    put(&mut fake.world(), 0, "a", 6);
    put(&mut fake.world(), 1, "b", 6);
    fake.world().before_call(4, |world| {
        world.split(0);
        world.trim(0);
    });
    let records = read(from_horizon(&fake).stop(Stop::AtTip)).await;
    let of_b = texts(&records).into_iter().filter(|text| text.starts_with('b')).count();
    assert_eq!(of_b, 6);
}

#[tokio::test(start_paused = true)]
async fn a_null_iterator_from_an_open_shard_is_not_its_end() {
    let fake = fake(1);
    fake.world().page_records = 2;
    put(&mut fake.world(), 0, "r", 9);
    fake.world().false_ends.insert(World::shard_id(0), 3);
    let records = read(from_horizon(&fake).stop(Stop::AtTip)).await;
    assert_whole(&fake, &records, 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_keeps_ending_an_open_shard_is_given_up_on() {
    let fake = fake(1);
    fake.world().false_ends.insert(World::shard_id(0), usize::MAX);
    let retry = RetryPolicy::default().give_up_after(Duration::from_secs(60));
    let error = from_horizon(&fake).retry(retry).records().next().await.unwrap().unwrap_err();
    assert!(matches!(&error, Error::Api { shard: Some(_), .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn empty_pages_are_not_the_tip() {
    let fake = fake(1);
    fake.world().empty_pages = 6;
    fake.world().page_records = 4;
    put(&mut fake.world(), 0, "r", 9);
    assert_whole(&fake, &read(from_horizon(&fake).stop(Stop::AtTip)).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_lag_that_never_reaches_zero_does_not_keep_a_bounded_read_from_ending() {
    let fake = fake(1);
    fake.world().least_lag = 4_000;
    put(&mut fake.world(), 0, "r", 9);
    assert_whole(&fake, &read(from_horizon(&fake).stop(Stop::AtTip)).await, 1);
}

#[tokio::test(start_paused = true)]
async fn expired_iterators_are_renewed_behind_the_last_record_also_before_the_first() {
    let fake = fake(1);
    put(&mut fake.world(), 0, "r", 30);
    fake.world().page_records = 4;
    fake.world().fail(Operation::GetRecords, [ApiErrorKind::ExpiredIterator; 2]);
    for call in [5, 7, 8] {
        fake.world().before_call(call, |world| world.fail(Operation::GetRecords, [ApiErrorKind::ExpiredIterator]));
    }
    let mut records = from_horizon(&fake).stop(Stop::AtTip).records();
    let stats = records.stats();
    let mut seen = Vec::new();
    while let Some(record) = records.next().await {
        seen.push(record.unwrap());
    }
    assert_whole(&fake, &seen, 1);
    assert_eq!(stats.get().expired_iterators, 5);
}

#[tokio::test(start_paused = true)]
async fn a_slow_caller_outlives_its_iterators() {
    let fake = fake(1);
    put(&mut fake.world(), 0, "r", 40);
    fake.world().page_records = 1;
    let mut records = from_horizon(&fake).stop(Stop::AtTip).max_buffered_bytes(1).records();
    let mut seen = Vec::new();
    while let Some(record) = records.next().await {
        seen.push(record.unwrap());
        tokio::time::sleep(Duration::from_secs(400)).await;
    }
    assert_whole(&fake, &seen, 1);
}

#[tokio::test(start_paused = true)]
async fn throttling_and_server_faults_cost_time_and_nothing_else() {
    let fake = fake(2);
    fake.world().page_records = 5;
    put(&mut fake.world(), 0, "a", 20);
    put(&mut fake.world(), 1, "b", 20);
    let passing = [ApiErrorKind::Throttled, ApiErrorKind::Unavailable, ApiErrorKind::Timeout, ApiErrorKind::Connection];
    fake.world().fail(Operation::ListShards, [ApiErrorKind::Throttled, ApiErrorKind::ResourceInUse]);
    fake.world().fail(Operation::GetShardIterator, passing);
    fake.world().fail(Operation::GetRecords, passing);
    let mut records = from_horizon(&fake).stop(Stop::AtTip).records();
    let stats = records.stats();
    let mut seen = Vec::new();
    while let Some(record) = records.next().await {
        seen.push(record.unwrap());
    }
    assert_whole(&fake, &seen, 2);
    assert_eq!((stats.get().throttled, stats.get().retried), (3, 7));
    assert_eq!(fake.world().calls(Operation::GetShardIterator), 2 + 4, "a failure must not cost the iterator");
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_server_is_final_after_a_few_attempts_but_only_before_the_first_answer() {
    let fake = fake(1);
    fake.world().fail(Operation::ListShards, [ApiErrorKind::Connection; 3]);
    let error = from_horizon(&fake).records().next().await.unwrap().unwrap_err();
    assert_eq!(error.api_kind(), Some(ApiErrorKind::Connection));

    put(&mut fake.world(), 0, "r", 1);
    fake.world().fail(Operation::GetRecords, [ApiErrorKind::Connection; 20]);
    assert_eq!(texts(&read(from_horizon(&fake).stop(Stop::AtTip)).await), ["r0"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_does_not_pass_ends_the_stream_behind_what_was_read() {
    let fake = fake(1);
    fake.world().page_records = 2;
    put(&mut fake.world(), 0, "r", 6);
    fake.world().before_call(3, |world| world.fail(Operation::GetRecords, [ApiErrorKind::AccessDenied]));
    let results: Vec<_> = from_horizon(&fake).records().collect().await;
    let (last, before) = results.split_last().unwrap();
    assert_eq!(before.iter().filter(|result| result.is_ok()).count(), 6);
    assert_eq!(last.as_ref().unwrap_err().api_kind(), Some(ApiErrorKind::AccessDenied));
}

#[tokio::test(start_paused = true)]
async fn credentials_that_fail_for_a_while_are_waited_for_if_they_were_good_before() {
    let fake = fake(1);
    put(&mut fake.world(), 0, "r", 6);
    fake.world().page_records = 2;
    fake.world().fail(Operation::ListShards, [ApiErrorKind::Credentials]);
    let error = from_horizon(&fake).records().next().await.unwrap().unwrap_err();
    assert_eq!(error.api_kind(), Some(ApiErrorKind::Credentials), "wrong from the first");

    for operation in [Operation::GetShardIterator, Operation::GetRecords] {
        fake.world().fail(operation, [ApiErrorKind::Credentials; 10]);
    }
    assert_whole(&fake, &read(from_horizon(&fake).stop(Stop::AtTip)).await, 1);

    let calls = fake.world().calls(Operation::GetRecords);
    fake.world().before_call(calls + 2, |world| world.fail(Operation::GetRecords, [ApiErrorKind::Credentials; 1000]));
    let began = tokio::time::Instant::now();
    let results: Vec<_> = from_horizon(&fake).records().collect().await;
    assert_eq!(results.last().unwrap().as_ref().unwrap_err().api_kind(), Some(ApiErrorKind::Credentials));
    assert!((280..340).contains(&began.elapsed().as_secs()), "not for ever, but minutes: {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_missing_stream_and_a_missing_shard_are_named() {
    let fake = fake(2);
    let mut records = Reader::builder(fake.clone(), "other").records();
    let error = records.next().await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "stream other not found");
    assert!(records.next().await.is_none());

    let error = from_horizon(&fake).shards(["shardId-7"]).records().next().await.unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "stream stream has no shard shardId-7; it has shardId-000000000000, shardId-000000000001"
    );
}

#[tokio::test(start_paused = true)]
async fn latest_begins_with_the_second_of_the_first_listing_and_skips_nothing_after_it() {
    let fake = fake(2);
    fake.world().late_timestamp_gives_all = true;
    put(&mut fake.world(), 0, "old", 5);
    let (closed, _) = fake.world().split(1);
    put(&mut fake.world(), closed, "old", 5);
    tokio::time::sleep(Duration::from_secs(10)).await;
    // What arrives between listing and the first iterator must not be lost.
    fake.world().fail(Operation::GetShardIterator, [ApiErrorKind::Throttled; 3]);
    let mut records = Reader::builder(fake.clone(), STREAM).records();
    while fake.world().calls(Operation::ListShards) == 0 {
        tokio::task::yield_now().await;
        let waiting = futures::poll!(records.next());
        assert!(waiting.is_pending());
    }
    put(&mut fake.world(), 0, "new", 3);
    let seen: Vec<Record> = (&mut records).take(3).map(Result::unwrap).collect().await;
    assert_eq!(texts(&seen), ["new0", "new1", "new2"]);

    // Shards made later are read from their beginning, whatever the start.
    let (left, _) = fake.world().split(0);
    put(&mut fake.world(), left, "child", 2);
    let seen: Vec<Record> = (&mut records).take(2).map(Result::unwrap).collect().await;
    assert_eq!(texts(&seen), ["child0", "child1"]);
}

#[tokio::test(start_paused = true)]
async fn start_and_end_times_select_by_arrival_also_where_it_steps_back() {
    let fake = fake(1);
    let base = Timestamp::from_second(fake.world().now().as_second() - 100).unwrap();
    let at = |millis: i64| base + SignedDuration::from_millis(millis);
    for (millis, text) in
        [(0, "early"), (10_000, "a"), (12_000, "b"), (20_000, "late"), (19_999, "c"), (20_500, "later")]
    {
        fake.world().put_at(0, at(millis), text);
    }
    fake.world().put_at(0, at(30_000), "much later");
    fake.world().page_records = 1;
    fake.world().late_timestamp_gives_all = true;
    let bounded = from_horizon(&fake).start(StartPosition::AtTimestamp(at(10_000))).stop(Stop::At(at(20_000)));
    assert_eq!(texts(&read(bounded).await), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_start_before_all_that_the_stream_still_holds_means_the_oldest_record() {
    let fake = fake(1);
    put(&mut fake.world(), 0, "trimmed", 3);
    let (left, right) = fake.world().split(0);
    fake.world().trim(0);
    put(&mut fake.world(), left, "l", 2);
    put(&mut fake.world(), right, "r", 2);
    let years_ago = fake.world().now() - SignedDuration::from_hours(24 * 3650);
    let reader = from_horizon(&fake).start(StartPosition::AtTimestamp(years_ago)).stop(Stop::AtTip);
    assert_eq!(sorted(texts(&read(reader).await)), ["l0", "l1", "r0", "r1"]);
}

#[tokio::test(start_paused = true)]
async fn an_end_time_to_come_is_waited_for() {
    let fake = fake(1);
    let now = fake.world().now();
    put(&mut fake.world(), 0, "r", 1);
    let writer = tokio::spawn({
        let fake = fake.clone();
        async move {
            for n in 0..60 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                fake.world().put(0, format!("s{n}"));
            }
        }
    });
    let end = now + SignedDuration::from_millis(20_500);
    let records = read(from_horizon(&fake).stop(Stop::At(end))).await;
    assert_eq!(records.len(), 1 + 20);
    writer.abort();
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_rests_still_has_a_tip() {
    let fake = fake(1);
    put(&mut fake.world(), 0, "before", 50);
    fake.world().page_records = 10;
    let writer = tokio::spawn({
        let fake = fake.clone();
        async move {
            loop {
                tokio::time::sleep(Duration::from_millis(10)).await;
                fake.world().put(0, "busy");
            }
        }
    });
    let records = read(from_horizon(&fake).stop(Stop::AtTip)).await;
    assert!(texts(&records).iter().filter(|text| text.starts_with("before")).count() == 50);
    writer.abort();
}

#[tokio::test(start_paused = true)]
async fn the_children_of_a_shard_that_reached_the_end_time_are_not_read() {
    let fake = fake(1);
    let now = fake.world().now();
    put(&mut fake.world(), 0, "parent", 3);
    tokio::time::sleep(Duration::from_secs(60)).await;
    put(&mut fake.world(), 0, "after", 3);
    let (left, _) = fake.world().split(0);
    put(&mut fake.world(), left, "child", 3);
    fake.world().page_records = 3;
    let records = read(from_horizon(&fake).stop(Stop::At(now + SignedDuration::from_secs(30)))).await;
    assert_eq!(texts(&records), ["parent0", "parent1", "parent2"]);
}

#[tokio::test(start_paused = true)]
async fn a_count_is_exact() {
    for count in [0, 1, 7, 40] {
        let fake = fake(4);
        for shard in 0..4 {
            put(&mut fake.world(), shard, "r", 10);
        }
        fake.world().page_records = 3;
        assert_eq!(read(from_horizon(&fake).count(count)).await.len() as u64, count);
    }
}

#[tokio::test(start_paused = true)]
async fn chosen_shards_are_read_alone_and_their_end_is_the_end() {
    let fake = fake(3);
    for shard in 0..3 {
        put(&mut fake.world(), shard, &format!("s{shard}-"), 2);
    }
    fake.world().split(1);
    let chosen = from_horizon(&fake).shards([World::shard_id(1)]);
    assert_eq!(texts(&read(chosen).await), ["s1-0", "s1-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_shard_begins_at_or_behind_a_sequence_number_and_the_others_where_the_start_says() {
    for fan_out in [false, true] {
        let fake = fake(3);
        for shard in 0..3 {
            put(&mut fake.world(), shard, &format!("s{shard}-"), 4);
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        let number = |shard: usize, index: usize| fake.world().sequence_numbers(shard)[index].clone();
        let builder = || {
            let reader = Reader::builder(fake.clone(), STREAM).stop(Stop::AtTip);
            let reader = if fan_out { reader.fan_out("reader") } else { reader };
            reader
                .start_shard(World::shard_id(0), ShardPosition::AtSequenceNumber(number(0, 2)))
                .start_shard(World::shard_id(1), ShardPosition::AfterSequenceNumber(number(1, 2)))
        };
        let latest = texts(&read(builder()).await);
        assert_eq!(
            sorted(latest),
            ["s0-2", "s0-3", "s1-3"],
            "`latest` holds for the third alone, by fan-out: {fan_out}"
        );
        tokio::time::sleep(Duration::from_secs(10)).await;
        let all = sorted(texts(&read(builder().start(StartPosition::TrimHorizon)).await));
        assert_eq!(all, ["s0-2", "s0-3", "s1-3", "s2-0", "s2-1", "s2-2", "s2-3"]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_descends_from_a_shard_that_begins_at_a_sequence_number_is_read_from_its_beginning() {
    let fake = fake(2);
    put(&mut fake.world(), 0, "parent", 3);
    put(&mut fake.world(), 1, "other", 3);
    let (left, right) = fake.world().split(0);
    put(&mut fake.world(), left, "left", 2);
    put(&mut fake.world(), right, "right", 2);
    let (grandchild, _) = fake.world().split(left);
    put(&mut fake.world(), grandchild, "grandchild", 1);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let behind = |shard: usize, index: usize| {
        ShardPosition::AfterSequenceNumber(fake.world().sequence_numbers(shard)[index].clone())
    };
    let reader =
        || Reader::builder(fake.clone(), STREAM).stop(Stop::AtTip).start_shard(World::shard_id(0), behind(0, 1));
    let expected = ["grandchild0", "left0", "left1", "parent2", "right0", "right1"];
    assert_eq!(sorted(texts(&read(reader()).await)), expected);
    let expected = ["grandchild0", "left0", "left1", "parent2", "right1"];
    assert_eq!(sorted(texts(&read(reader().start_shard(World::shard_id(right), behind(right, 0))).await)), expected);
    // A start in between does not make the listing leave out the parent.
    let now = fake.world().now();
    let reader = reader().start(StartPosition::AtTimestamp(now - SignedDuration::from_secs(1)));
    let expected = ["grandchild0", "left0", "left1", "parent2", "right0", "right1"];
    assert_eq!(sorted(texts(&read(reader).await)), expected);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_to_begin_somewhere_must_be_there() {
    let position = ShardPosition::AfterSequenceNumber("7".into());
    let error = from_horizon(&fake(1)).start_shard("shardId-7", position).records().next().await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "stream stream has no shard shardId-7; it has shardId-000000000000");
}

#[tokio::test(start_paused = true)]
async fn reading_stays_within_five_calls_and_two_mebibytes_a_second() {
    let fake = fake(1);
    fake.world().page_records = 1;
    for _ in 0..10 {
        fake.world().put(0, vec![0; 1 << 20]);
    }
    let start = tokio::time::Instant::now();
    read(from_horizon(&fake).count(10)).await;
    let took = start.elapsed();
    assert!((Duration::from_millis(4_400)..Duration::from_secs(6)).contains(&took), "ten mebibytes in {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_does_not_read_stops_the_fetching() {
    let fake = fake(1);
    fake.world().page_records = 1;
    for _ in 0..50 {
        fake.world().put(0, vec![0; 100 << 10]);
    }
    let mut records = from_horizon(&fake).max_buffered_bytes(500 << 10).records();
    assert!(records.next().await.is_some());
    tokio::time::sleep(Duration::from_secs(600)).await;
    let calls = fake.world().calls(Operation::GetRecords);
    assert!(calls <= 10, "{calls} calls though nobody reads");
    assert_eq!(records.by_ref().take(49).count().await, 49);
}

#[tokio::test(start_paused = true)]
async fn records_without_payload_fill_the_buffer_too() {
    let fake = fake(1);
    fake.world().page_records = 100;
    for _ in 0..10_000 {
        fake.world().put(0, "");
    }
    let mut records = from_horizon(&fake).max_buffered_bytes(50 << 10).records();
    assert!(records.next().await.is_some());
    tokio::time::sleep(Duration::from_secs(600)).await;
    let calls = fake.world().calls(Operation::GetRecords);
    assert!(calls <= 10, "{calls} calls though nobody reads");
}

#[tokio::test(start_paused = true)]
async fn a_buffer_of_nothing_still_reads() {
    let fake = fake(1);
    put(&mut fake.world(), 0, "r", 9);
    fake.world().page_records = 2;
    assert_whole(&fake, &read(from_horizon(&fake).stop(Stop::AtTip).max_buffered_bytes(0)).await, 1);
}
