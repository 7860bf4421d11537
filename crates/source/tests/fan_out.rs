#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

//! Reading by enhanced fan-out over a scripted stream, in held time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use kinesis_logs_source::{
    ApiErrorKind, Consumer, ConsumerBuilder, FanOut, MemoryLeaseStore, Reader, ReaderBuilder, Record, RetryPolicy,
    StartPosition, Stop,
};
use kinesis_logs_testkit::{FakeKinesis, Operation, World};
use tokio::time::{Instant, sleep};

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

fn by_polling(fake: &Arc<FakeKinesis>) -> ReaderBuilder<Arc<FakeKinesis>> {
    Reader::builder(fake.clone(), STREAM).start(StartPosition::TrimHorizon)
}

fn by_fan_out(fake: &Arc<FakeKinesis>) -> ReaderBuilder<Arc<FakeKinesis>> {
    by_polling(fake).fan_out("reader")
}

fn worker(fake: &Arc<FakeKinesis>, name: &str, rows: &MemoryLeaseStore) -> Workers {
    Consumer::builder(fake.clone(), rows.clone(), STREAM)
        .worker_id(name)
        .start(StartPosition::TrimHorizon)
        .fan_out("fleet")
}

type Workers = ConsumerBuilder<Arc<FakeKinesis>, MemoryLeaseStore>;

async fn read(builder: ReaderBuilder<Arc<FakeKinesis>>) -> Vec<Record> {
    builder.records().map(|record| record.expect("no failure")).collect().await
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(&record.data).into_owned()).collect()
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

/// Puts a record every so often, into a shard, for ever.
fn writer(fake: &Arc<FakeKinesis>, shard: usize, every: Duration) -> tokio::task::JoinHandle<()> {
    let fake = fake.clone();
    tokio::spawn(async move {
        for n in 0.. {
            sleep(every).await;
            if !fake.world().open_shards().contains(&shard) {
                return;
            }
            fake.world().put(shard, format!("w{n}"));
        }
    })
}

#[tokio::test(start_paused = true)]
async fn the_same_records_come_as_by_polling_and_no_iterator_is_asked_for() {
    for page in [1, 7, 10_000] {
        let fake = fake(4);
        for shard in 0..4 {
            put(&mut fake.world(), shard, "r", 25);
        }
        fake.world().page_records = page;
        fake.world().empty_pages = 1;
        let pushed = read(by_fan_out(&fake).stop(Stop::AtTip)).await;
        assert_whole(&fake, &pushed, 4);
        assert_eq!(fake.world().calls(Operation::GetShardIterator), 0);
        assert_eq!(fake.world().calls(Operation::RegisterStreamConsumer), 1, "one consumer for all shards");
        assert_eq!(fake.world().calls(Operation::SubscribeToShard), 4);
        assert_whole(&fake, &read(by_polling(&fake).stop(Stop::AtTip)).await, 4);
    }
}

#[tokio::test(start_paused = true)]
async fn records_come_when_they_arrive_and_not_when_asked_for() {
    let fake = fake(1);
    let mut records = by_fan_out(&fake).records();
    assert!(tokio::time::timeout(Duration::from_secs(20), records.next()).await.is_err());
    for _ in 0..50 {
        sleep(Duration::from_millis(377)).await;
        let arrived = Instant::now();
        fake.world().put(0, "r");
        records.next().await.unwrap().unwrap();
        assert!(arrived.elapsed() < Duration::from_millis(2), "{:?}", arrived.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn renewal_loses_and_repeats_nothing_whatever_the_continuation_says() {
    for odd in [false, true] {
        let fake = fake(2);
        fake.world().fan_out.odd_continuations = odd;
        fake.world().page_records = 3;
        fake.world().fan_out.lifetime = Duration::from_secs(30);
        let writers = [writer(&fake, 0, Duration::from_millis(900)), writer(&fake, 1, Duration::from_secs(47))];
        let end = fake.world().now() + SignedDuration::from_secs(1200);
        let records = read(by_fan_out(&fake).stop(Stop::At(end))).await;
        writers.iter().for_each(tokio::task::JoinHandle::abort);
        assert!(records.len() > 1200, "{}", records.len());
        for shard in 0..2 {
            let seen: Vec<_> = records
                .iter()
                .filter(|record| record.shard_id == World::shard_id(shard))
                .map(|r| &r.sequence_number)
                .collect();
            let all = fake.world().sequence_numbers(shard);
            assert_eq!(seen, all.iter().take(seen.len()).collect::<Vec<_>>(), "odd continuations: {odd}");
            assert!(all.len() - seen.len() < 10);
        }
        let calls = fake.world().calls(Operation::SubscribeToShard);
        assert!((80..=90).contains(&calls), "{calls} subscriptions of 30 s in 20 minutes for two shards");
    }
}

#[tokio::test(start_paused = true)]
async fn a_continuation_moves_the_position_also_where_there_are_no_records() {
    let fake = fake(2);
    fake.world().fan_out.lifetime = Duration::from_secs(30);
    let mut records = Reader::builder(fake.clone(), STREAM).fan_out("reader").records();
    let writer = writer(&fake, 1, Duration::from_secs(1));
    for _ in 0..100 {
        records.next().await.unwrap().unwrap();
    }
    // Were the position that of the start, what is late in arriving would be let through.
    let early = fake.world().now() - SignedDuration::from_secs(90);
    fake.world().put_at(0, early, "late");
    let record = loop {
        let record = records.next().await.unwrap().unwrap();
        if record.shard_id == World::shard_id(0) {
            break record;
        }
    };
    assert_eq!(&record.data[..], b"late");
    writer.abort();
}

#[tokio::test(start_paused = true)]
async fn resource_in_use_is_waited_out_for_five_seconds() {
    let fake = fake(1);
    put(&mut fake.world(), 0, "r", 3);
    // Somebody else has just subscribed under the same name.
    let mut other = by_fan_out(&fake).records();
    other.next().await.unwrap().unwrap();
    let began = Instant::now();
    let records = read(by_fan_out(&fake).stop(Stop::AtTip)).await;
    assert_whole(&fake, &records, 1);
    // Five seconds for the subscription, and five until an event without records shows the tip.
    assert!((10..12).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert_eq!(fake.world().calls(Operation::SubscribeToShard), 1 + 2);

    // The other has lost its subscription and, in its turn, goes on in time.
    fake.world().put(0, "more");
    let texts: Vec<String> = texts(&other.by_ref().take(3).map(Result::unwrap).collect::<Vec<_>>().await);
    assert_eq!(texts, ["r1", "r2", "more"]);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_is_being_created_is_waited_for() {
    let fake = fake(2);
    put(&mut fake.world(), 0, "r", 3);
    fake.world().fan_out.creating = 7;
    let began = Instant::now();
    assert_whole(&fake, &read(by_fan_out(&fake).stop(Stop::AtTip)).await, 2);
    assert_eq!(began.elapsed().as_secs(), 7 + 5);
    assert_eq!(fake.world().calls(Operation::RegisterStreamConsumer), 8);
}

#[tokio::test(start_paused = true)]
async fn error_frames_cost_time_and_nothing_else() {
    let fake = fake(2);
    fake.world().page_records = 2;
    put(&mut fake.world(), 0, "a", 20);
    put(&mut fake.world(), 1, "b", 20);
    let passing = [ApiErrorKind::Unavailable, ApiErrorKind::Throttled, ApiErrorKind::Connection, ApiErrorKind::Timeout];
    fake.world().before_call(4, move |world| world.fail(Operation::SubscriptionEvent, passing));
    fake.world().before_call(12, move |world| world.fail(Operation::SubscriptionEvent, [ApiErrorKind::ResourceInUse]));
    fake.world().fail(Operation::SubscribeToShard, passing);
    fake.world().fail(Operation::RegisterStreamConsumer, passing);
    assert_whole(&fake, &read(by_fan_out(&fake).stop(Stop::AtTip)).await, 2);
}

#[tokio::test(start_paused = true)]
async fn at_most_one_subscription_a_second_is_asked_for() {
    let fake = fake(1);
    put(&mut fake.world(), 0, "r", 3);
    fake.world().fail(Operation::SubscribeToShard, [ApiErrorKind::Throttled; 3]);
    let began = Instant::now();
    read(by_fan_out(&fake).stop(Stop::AtTip)).await;
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_does_not_pass_ends_the_stream_behind_what_was_read() {
    let fake = fake(1);
    fake.world().page_records = 2;
    put(&mut fake.world(), 0, "r", 6);
    fake.world().before_call(2, |world| world.fail(Operation::SubscriptionEvent, [ApiErrorKind::Kms]));
    let results: Vec<_> = by_fan_out(&fake).records().collect().await;
    let (last, before) = results.split_last().unwrap();
    assert_eq!(before.iter().filter(|result| result.is_ok()).count(), 4);
    assert_eq!(last.as_ref().unwrap_err().api_kind(), Some(ApiErrorKind::Kms));
}

#[tokio::test(start_paused = true)]
async fn resharding_is_followed_by_child_shards_or_by_the_listing() {
    for (names_children, early) in [(true, false), (false, false), (true, true)] {
        let fake = fake(2);
        fake.world().names_children = names_children;
        fake.world().fan_out.names_children_early = early;
        fake.world().page_records = 3;
        put(&mut fake.world(), 0, "a", 10);
        put(&mut fake.world(), 1, "b", 10);
        fake.world().before_call(3, |world| {
            let (left, right) = world.split(0);
            put(world, left, "left", 8);
            put(world, right, "right", 8);
        });
        fake.world().before_call(12, |world| {
            let merged = world.merge(3, 1);
            put(world, merged, "merged", 8);
        });
        let end = fake.world().now() + SignedDuration::from_secs(60);
        let records = read(by_fan_out(&fake).stop(Stop::At(end))).await;
        assert_whole(&fake, &records, 5);
        let place = |shard: usize| records.iter().position(|record| record.shard_id == World::shard_id(shard)).unwrap();
        let last = |shard: usize| records.iter().rposition(|record| record.shard_id == World::shard_id(shard)).unwrap();
        for (parent, child) in [(0, 2), (0, 3), (3, 4), (1, 4)] {
            assert!(last(parent) < place(child), "shard {child} began before {parent} had ended");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_shard_that_ends_late_or_never_is_read_to_its_end() {
    for late_end in [1, 3, usize::MAX] {
        let fake = fake(1);
        fake.world().late_end = late_end;
        let mut records = by_fan_out(&fake).records();
        put(&mut fake.world(), 0, "parent", 5);
        assert_eq!(texts(&(&mut records).take(5).map(Result::unwrap).collect::<Vec<_>>().await).len(), 5);
        let (left, _) = fake.world().split(0);
        put(&mut fake.world(), left, "child", 3);
        let seen: Vec<Record> = (&mut records).take(3).map(Result::unwrap).collect().await;
        assert_eq!(texts(&seen), ["child0", "child1", "child2"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_shard_that_seems_to_end_is_subscribed_to_again() {
    let fake = fake(1);
    put(&mut fake.world(), 0, "r", 5);
    fake.world().page_records = 2;
    fake.world().false_ends.insert(World::shard_id(0), 2);
    assert_whole(&fake, &read(by_fan_out(&fake).stop(Stop::AtTip)).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_gone_has_ended_and_a_consumer_that_is_gone_is_registered_again() {
    let fake = fake(1);
    put(&mut fake.world(), 0, "r", 4);
    fake.world().page_records = 2;
    let mut records = by_fan_out(&fake).records();
    assert_eq!(texts(&(&mut records).take(4).map(Result::unwrap).collect::<Vec<_>>().await).len(), 4);

    // The consumer goes away: the subscription ends, and the next is refused.
    fake.world().fail(Operation::SubscribeToShard, [ApiErrorKind::NotFound]);
    fake.world().end_subscriptions();
    let (left, _) = fake.world().split(0);
    fake.world().put(left, "child");
    assert_eq!(&records.next().await.unwrap().unwrap().data[..], b"child");
    assert_eq!(fake.world().calls(Operation::RegisterStreamConsumer), 2);

    // The shard goes away.
    let (grandchild, _) = fake.world().split(left);
    fake.world().put(grandchild, "grandchild");
    fake.world().trim(left);
    assert_eq!(&records.next().await.unwrap().unwrap().data[..], b"grandchild");
}

#[tokio::test(start_paused = true)]
async fn a_refused_subscription_is_an_error_or_where_told_so_leads_to_polling() {
    for kind in [ApiErrorKind::AccessDenied, ApiErrorKind::LimitExceeded, ApiErrorKind::Unsupported] {
        for operation in [Operation::RegisterStreamConsumer, Operation::SubscribeToShard] {
            let fake = fake(3);
            (0..3).for_each(|shard| put(&mut fake.world(), shard, "r", 10));
            fake.world().fail(operation, [kind; 20]);
            let error = by_fan_out(&fake).records().next().await.unwrap().unwrap_err();
            assert_eq!(error.api_kind(), Some(kind));
            let falls_back = by_polling(&fake).fan_out(FanOut::new("reader").fall_back_to_polling(true));
            assert_whole(&fake, &read(falls_back.stop(Stop::AtTip)).await, 3);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_bounded_read_ends_also_on_a_stream_that_never_rests_or_always_lags() {
    for (least_lag, busy) in [(0, false), (1_500, false), (0, true), (1_500, true)] {
        let fake = fake(2);
        fake.world().least_lag = least_lag;
        put(&mut fake.world(), 0, "before", 50);
        let writer = busy.then(|| writer(&fake, 0, Duration::from_millis(40)));
        let began = Instant::now();
        let records = read(by_fan_out(&fake).stop(Stop::AtTip)).await;
        assert_eq!(texts(&records).iter().filter(|text| text.starts_with("before")).count(), 50);
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}, lag {least_lag}, busy {busy}", began.elapsed());
        if let Some(writer) = writer {
            writer.abort();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn start_and_end_times_select_by_arrival() {
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
    let bounded = by_fan_out(&fake).start(StartPosition::AtTimestamp(at(10_000))).stop(Stop::At(at(20_000)));
    assert_eq!(texts(&read(bounded).await), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn an_end_time_to_come_is_waited_for_and_proved_by_a_younger_subscription() {
    let fake = fake(2);
    let writer = writer(&fake, 0, Duration::from_secs(1));
    let began = Instant::now();
    let end = fake.world().now() + SignedDuration::from_millis(20_500);
    let records = read(by_fan_out(&fake).stop(Stop::At(end))).await;
    assert_eq!(records.len(), 20);
    let took = began.elapsed();
    assert!((Duration::from_millis(20_500)..Duration::from_secs(35)).contains(&took), "{took:?}");
    // That of the shard at rest, and its successor.
    let calls = fake.world().calls(Operation::SubscribeToShard);
    assert!((3..=5).contains(&calls), "{calls} subscriptions");
    writer.abort();
}

#[tokio::test(start_paused = true)]
async fn events_that_wait_unread_do_not_end_a_read_too_early() {
    let fake = fake(1);
    put(&mut fake.world(), 0, "r", 40);
    fake.world().page_records = 2;
    let end = fake.world().now() + SignedDuration::from_secs(100);
    let writer = writer(&fake, 0, Duration::from_secs(1));
    let mut records = by_fan_out(&fake).max_buffered_bytes(1).stop(Stop::At(end)).records();
    let mut seen = Vec::new();
    while let Some(record) = records.next().await {
        seen.push(record.unwrap());
        sleep(Duration::from_secs(3)).await;
    }
    assert_eq!(seen.len(), 40 + 99);
    writer.abort();
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_does_not_read_stops_the_events_and_loses_nothing_when_the_subscription_expires() {
    let fake = fake(2);
    fake.world().page_records = 1;
    for shard in 0..2 {
        for _ in 0..50 {
            fake.world().put(shard, vec![0; 100 << 10]);
        }
    }
    let mut records = by_fan_out(&fake).max_buffered_bytes(500 << 10).records();
    let mut seen = vec![records.next().await.unwrap().unwrap()];
    sleep(Duration::from_secs(600)).await;
    let events = fake.world().calls(Operation::SubscriptionEvent);
    assert!(events <= 10, "{events} events though nobody reads");
    seen.extend(records.by_ref().take(99).map(Result::unwrap).collect::<Vec<_>>().await);
    assert_whole(&fake, &seen, 2);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_reads_all_and_checkpoints_it() {
    let fake = fake(2);
    fake.world().fan_out.lifetime = Duration::from_secs(20);
    let rows = MemoryLeaseStore::new();
    let writers = [writer(&fake, 0, Duration::from_millis(300)), writer(&fake, 1, Duration::from_millis(700))];
    tokio::spawn({
        let fake = fake.clone();
        async move {
            sleep(Duration::from_secs(60)).await;
            let (left, _) = fake.world().split(0);
            put(&mut fake.world(), left, "child", 5);
        }
    });
    let mut seen = Vec::new();
    for run in 0..3 {
        let end = fake.world().now() + SignedDuration::from_secs(40);
        let mut deliveries = worker(&fake, &format!("worker-{run}"), &rows).stop(Stop::At(end)).batches();
        while let Some(delivery) = deliveries.next().await {
            let (batch, acker) = delivery.unwrap().split();
            seen.extend(batch.records);
            acker.settle();
        }
    }
    writers.iter().for_each(tokio::task::JoinHandle::abort);
    let mut deliveries = worker(&fake, "last", &rows).stop(Stop::AtTip).batches();
    while let Some(delivery) = deliveries.next().await {
        let (batch, acker) = delivery.unwrap().split();
        seen.extend(batch.records);
        acker.settle();
    }
    assert_whole(&fake, &seen, 4);
    assert_eq!(fake.world().calls(Operation::GetShardIterator), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_lost_ends_its_subscription() {
    let fake = fake(2);
    let rows = MemoryLeaseStore::new();
    let writers = [writer(&fake, 0, Duration::from_millis(300)), writer(&fake, 1, Duration::from_millis(300))];
    let mut first = worker(&fake, "first", &rows).batches();
    let mut held = BTreeMap::<String, usize>::new();
    for _ in 0..20 {
        let delivery = first.next().await.unwrap().unwrap();
        *held.entry(delivery.batch().shard_id.to_string()).or_default() += 1;
        delivery.split().1.settle();
    }
    assert_eq!(held.len(), 2, "it reads both");

    // A second worker joins, and takes its share.
    let mut second = worker(&fake, "second", &rows).batches();
    let task = tokio::spawn(async move {
        let mut shards = Vec::new();
        while let Some(Ok(delivery)) = second.next().await {
            shards.push((Instant::now(), delivery.batch().shard_id.clone()));
            delivery.split().1.settle();
        }
        shards
    });
    let until = Instant::now() + Duration::from_secs(120);
    let mut last = BTreeMap::new();
    while let Ok(delivery) = tokio::time::timeout_at(until, first.next()).await {
        let delivery = delivery.unwrap().unwrap();
        assert!(delivery.acker().is_current());
        last.insert(delivery.batch().shard_id.clone(), Instant::now());
        delivery.split().1.settle();
    }
    task.abort();
    let mut times: Vec<Duration> = last.values().map(|at| until.duration_since(*at)).collect();
    times.sort();
    assert!(times[0] < Duration::from_secs(1), "one is kept");
    assert!(times[1] > Duration::from_secs(60), "the other is read no further once its lease is lost: {times:?}");
    let calls = fake.world().calls(Operation::SubscribeToShard);
    assert!(calls < 10, "{calls} subscriptions: the workers fight over a shard");
    writers.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn a_full_window_holds_one_shard_and_an_abandoned_batch_is_read_again() {
    let fake = fake(2);
    fake.world().page_records = 1;
    for shard in 0..2 {
        (0..30).for_each(|_| fake.world().put(shard, vec![0; 100 << 10]));
    }
    let rows = MemoryLeaseStore::new();
    let mut deliveries = worker(&fake, "worker", &rows).max_unsettled_bytes(usize::MAX, 500 << 10).batches();
    let mut kept = Vec::new();
    let mut seen = 0;
    while let Ok(delivery) = tokio::time::timeout(Duration::from_secs(60), deliveries.next()).await {
        let delivery = delivery.unwrap().unwrap();
        if delivery.batch().shard_id == World::shard_id(0) {
            kept.push(delivery);
        } else {
            seen += delivery.batch().records.len();
            delivery.split().1.settle();
        }
    }
    assert_eq!(seen, 30, "the other shard goes on");
    assert!((5..8).contains(&kept.len()), "{} batches of a shard of which none is settled", kept.len());

    // One is abandoned, the others' answers come too late: all is read again.
    kept.remove(0).split().1.abandon();
    kept.into_iter().for_each(|delivery| delivery.split().1.settle());
    let mut again = Vec::new();
    while again.len() < 30 {
        let (batch, acker) = deliveries.next().await.unwrap().unwrap().split();
        again.extend(batch.records.into_iter().map(|record| record.sequence_number));
        acker.settle();
    }
    assert_eq!(again, fake.world().sequence_numbers(0));
}

#[tokio::test(start_paused = true)]
async fn giving_up_names_the_shard_and_what_happened() {
    let fake = fake(1);
    fake.world().fail(Operation::SubscribeToShard, [ApiErrorKind::ResourceInUse; 100]);
    let patience = RetryPolicy::default().give_up_after(Duration::from_secs(60));
    let began = Instant::now();
    let error = by_fan_out(&fake).retry(patience).records().next().await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "cannot read shardId-000000000000 of stream stream");
    assert_eq!(error.api_kind(), Some(ApiErrorKind::ResourceInUse));
    assert!(began.elapsed() < Duration::from_secs(120), "{:?}", began.elapsed());
}
