#![cfg(feature = "aws")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

//! Enhanced fan-out over the SDK and a socket, from an emulator: event streams as they are on the wire.

use std::time::Duration;

use futures::StreamExt;
use kinesis_logs_source::aws::KinesisClient;
use kinesis_logs_source::{
    Consumer, FanOut, KinesisApi, MemoryLeaseStore, Reader, ReaderBuilder, Record, StartPosition, Stop, StreamId,
};
use kinesis_logs_testkit::Emulator;

const STREAM: &str = "stream";

fn client(emulator: &Emulator) -> KinesisClient {
    KinesisClient::from_sdk(emulator.client().clone())
}

fn from_horizon(emulator: &Emulator) -> ReaderBuilder<KinesisClient> {
    Reader::builder(client(emulator), STREAM).start(StartPosition::TrimHorizon)
}

async fn put(emulator: &Emulator, prefix: &str, count: usize) {
    let records = (0..count).map(|n| (format!("key-{n}"), format!("{prefix}{n:03}").into_bytes()));
    emulator.put(STREAM, records).await;
}

/// What the emulator puts into new shards arrives a second in the future, which is past the tip.
async fn past_arrival() {
    tokio::time::sleep(Duration::from_secs(2)).await;
}

/// Shard, number and payload of each, in an order that does not depend on how shards took turns.
fn facts(records: &[Record]) -> Vec<(String, String, Vec<u8>)> {
    let fact = |record: &Record| {
        (record.shard_id.to_string(), format!("{:>60}", record.sequence_number.as_str()), record.data.to_vec())
    };
    let facts: Vec<_> = records.iter().map(fact).collect();
    let mut sorted = facts.clone();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let mut by_number = facts;
    by_number.sort();
    assert_eq!(sorted, by_number, "each shard's records come in order, once");
    by_number
}

#[tokio::test]
async fn the_same_records_come_as_by_polling_through_a_split_and_many_subscriptions() {
    // Each lives less long than it takes until the next may be asked for.
    let emulator = Emulator::start_with_subscriptions_of(Duration::from_secs(2)).await;
    emulator.create_stream(STREAM, 2).await;
    put(&emulator, "before", 60).await;
    let mut records = from_horizon(&emulator).fan_out("reader").records();
    let mut pushed: Vec<Record> = (&mut records).take(60).map(Result::unwrap).collect().await;

    put(&emulator, "early", 20).await;
    emulator.split(STREAM, "shardId-000000000000").await;
    put(&emulator, "late", 40).await;
    let rest = (&mut records).take(60).map(Result::unwrap).collect::<Vec<Record>>();
    pushed.extend(tokio::time::timeout(Duration::from_secs(60), rest).await.unwrap());
    drop(records);
    past_arrival().await;

    let polled: Vec<Record> = from_horizon(&emulator).stop(Stop::AtTip).records().map(Result::unwrap).collect().await;
    assert_eq!(pushed.len(), 120);
    assert!(facts(&pushed) == facts(&polled), "the records differ");

    // And when all is over, to the tip, as a consumer that is registered already: closed shards are read to their ends.
    let again = from_horizon(&emulator).fan_out("reader").stop(Stop::AtTip).records();
    assert!(facts(&again.map(Result::unwrap).collect::<Vec<Record>>().await) == facts(&polled), "the records differ");
}

#[tokio::test]
async fn a_consumer_is_registered_once_and_found_again() {
    let emulator = Emulator::start().await;
    emulator.create_stream(STREAM, 1).await;
    let (client, stream) = (client(&emulator), StreamId::new(STREAM));
    let error = client.register_consumer(&stream, "reader").await.unwrap_err();
    assert_eq!(error.kind, kinesis_logs_source::ApiErrorKind::ResourceInUse, "{error}");
    let arn = loop {
        match client.register_consumer(&stream, "reader").await {
            Ok(arn) => break arn,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    assert_eq!(client.register_consumer(&stream, "reader").await.unwrap(), arn);
    let stream_arn = arn.split_once("/consumer/").unwrap().0;
    assert_eq!(client.register_consumer(&StreamId::new(stream_arn), "reader").await.unwrap(), arn);

    let missing = client.register_consumer(&StreamId::new("other"), "reader").await.unwrap_err();
    assert_eq!(missing.kind, kinesis_logs_source::ApiErrorKind::NotFound, "{missing}");
    for n in 1..20 {
        let _ = client.register_consumer(&stream, &format!("other-{n}")).await;
    }
    let limit = client.register_consumer(&stream, "one-too-many").await.unwrap_err();
    assert_eq!(limit.kind, kinesis_logs_source::ApiErrorKind::LimitExceeded, "{limit}");

    put(&emulator, "r", 10).await;
    let refused = FanOut::new("one-too-many").fall_back_to_polling(true);
    let records = from_horizon(&emulator).fan_out(refused).stop(Stop::AtTip).records();
    assert_eq!(records.map(Result::unwrap).count().await, 10);
}

#[tokio::test]
async fn a_consumer_goes_on_where_another_left_off() {
    let emulator = Emulator::start().await;
    emulator.create_stream(STREAM, 2).await;
    let rows = MemoryLeaseStore::new();
    let mut seen = Vec::new();
    for run in 0..2 {
        put(&emulator, &format!("run-{run}-"), 50).await;
        if run == 1 {
            emulator.split(STREAM, "shardId-000000000001").await;
            put(&emulator, "child", 50).await;
            past_arrival().await;
        }
        let mut deliveries = Consumer::builder(client(&emulator), rows.clone(), STREAM)
            .start(StartPosition::TrimHorizon)
            .stop(Stop::AtTip)
            .fan_out("fleet")
            .batches();
        while let Some(delivery) = deliveries.next().await {
            let (batch, acker) = delivery.unwrap().split();
            seen.extend(batch.records);
            acker.settle();
        }
    }
    let polled: Vec<Record> = from_horizon(&emulator).stop(Stop::AtTip).records().map(Result::unwrap).collect().await;
    assert_eq!(seen.len(), 150);
    assert!(facts(&seen) == facts(&polled), "the records differ");
}
