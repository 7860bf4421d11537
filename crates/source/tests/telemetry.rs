//! What is told to the program's recorder of metrics.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use kinesis_logs_source::protocol::LeaseWrite;
use kinesis_logs_source::{Consumer, MemoryLeaseStore, Reader, StartPosition};
use kinesis_logs_testkit::{FakeKinesis, World};
use metrics::{Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// The gauges as they were set last, by the shard they are labelled with.
#[derive(Clone, Default)]
struct Gauges(Arc<Mutex<BTreeMap<String, f64>>>);

impl Gauges {
    fn lag_of(&self, shard: usize) -> Option<f64> {
        self.0.lock().unwrap().get(World::shard_id(shard).as_str()).copied()
    }
}

struct Labelled(Gauges, String);

impl GaugeFn for Labelled {
    fn increment(&self, _: f64) {}

    fn decrement(&self, _: f64) {}

    fn set(&self, value: f64) {
        self.0.0.lock().unwrap().insert(self.1.clone(), value);
    }
}

impl Recorder for Gauges {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        assert_eq!(key.name(), "kinesis_millis_behind_latest");
        let shard = key.labels().find(|label| label.key() == "shard_id").unwrap().value().to_owned();
        Gauge::from_arc(Arc::new(Labelled(self.clone(), shard)))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test(start_paused = true)]
async fn the_lag_follows_each_answer_and_ends_with_the_lease() {
    let gauges = Gauges::default();
    let _recording = metrics::set_default_local_recorder(&gauges);
    let kinesis = Arc::new(FakeKinesis::new("stream", 1));
    kinesis.world().least_lag = 7_000;
    kinesis.world().put(0, "a");
    let store = MemoryLeaseStore::new();
    let consumer = Consumer::builder(kinesis.clone(), store.clone(), "stream").start(StartPosition::TrimHorizon);
    let mut deliveries = consumer.batches();
    deliveries.next().await.unwrap().unwrap().split().1.settle();
    assert_eq!(gauges.lag_of(0), Some(7_000.0));
    // No record comes any more.
    kinesis.world().least_lag = 0;
    assert!(tokio::time::timeout(Duration::from_secs(3), deliveries.next()).await.is_err());
    assert_eq!(gauges.lag_of(0), Some(0.0));
    kinesis.world().least_lag = 9_000;
    assert!(tokio::time::timeout(Duration::from_secs(3), deliveries.next()).await.is_err());
    assert_eq!(gauges.lag_of(0), Some(9_000.0));
    let row = store.rows().remove(0);
    let owner = "thief".to_owned();
    store.write_now(&LeaseWrite::Take {
        shard: row.shard,
        owner,
        counter: row.counter,
        stream_creation_timestamp: None,
    });
    assert!(tokio::time::timeout(Duration::from_secs(6), deliveries.next()).await.is_err());
    assert_eq!(gauges.lag_of(0), Some(0.0), "it is another's");
}

#[tokio::test(start_paused = true)]
async fn the_lag_of_a_reader_ends_with_the_shard() {
    let gauges = Gauges::default();
    let _recording = metrics::set_default_local_recorder(&gauges);
    let kinesis = Arc::new(FakeKinesis::new("stream", 1));
    kinesis.world().put(0, "a");
    kinesis.world().page_records = 1;
    tokio::time::sleep(Duration::from_secs(5)).await;
    kinesis.world().put(0, "b");
    kinesis.world().put(0, "c");
    kinesis.world().split(0);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut records = Reader::builder(kinesis.clone(), "stream").start(StartPosition::TrimHorizon).records();
    records.next().await.unwrap().unwrap();
    assert_eq!(gauges.lag_of(0), Some(5_000.0));
    for _ in 0..2 {
        records.next().await.unwrap().unwrap();
    }
    assert!(tokio::time::timeout(Duration::from_secs(3), records.next()).await.is_err());
    assert_eq!(gauges.lag_of(0), Some(0.0));
}
