#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

//! The consumer over a scripted stream, in held time: what one run leaves to the next, and one worker to another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use kinesis_logs_generator::aggregate;
use kinesis_logs_source::protocol::{Checkpoint, ConsumerEvent, Lease, LeaseWrite, WriteOutcome};
use kinesis_logs_source::{
    ApiErrorKind, Consumer, ConsumerBuilder, Deliveries, Delivery, Error, LeaseStore, LeaseStoreError,
    LeaseStoreErrorKind, MemoryLeaseStore, Pacing, ShardId, StartPosition, Stop,
};
use kinesis_logs_testkit::{FakeKinesis, Operation, World};
use tokio::time::{Instant, timeout};

mod counts;
mod leases;
mod reading;
mod shutdown;
mod stores;

const STREAM: &str = "stream";

struct Test {
    kinesis: Arc<FakeKinesis>,
    store: MemoryLeaseStore,
}

impl Test {
    fn new(shards: usize) -> Self {
        Test { kinesis: Arc::new(FakeKinesis::new(STREAM, shards)), store: MemoryLeaseStore::new() }
    }

    fn put(&self, shard: usize, texts: &[&str]) {
        texts.iter().for_each(|text| self.kinesis.world().put(shard, text.as_bytes().to_vec()));
    }

    /// A consumer that begins at the horizon, and follows.
    fn consumer(&self) -> ConsumerBuilder<Arc<FakeKinesis>, MemoryLeaseStore> {
        Consumer::builder(self.kinesis.clone(), self.store.clone(), STREAM).start(StartPosition::TrimHorizon).seed(1)
    }

    /// The same, to the tip.
    fn to_the_tip(&self) -> Deliveries {
        self.consumer().stop(Stop::AtTip).batches()
    }

    fn lease(&self, shard: usize) -> Lease {
        let id = World::shard_id(shard);
        self.store.rows().into_iter().find(|lease| lease.shard == id).expect("a lease of the shard")
    }

    /// Where the shard's lease stands: the index of the last record that is checkpointed.
    fn checkpoint(&self, shard: usize) -> Option<usize> {
        match self.lease(shard).checkpoint {
            Checkpoint::After(position) => {
                let numbers = self.kinesis.world().sequence_numbers(shard);
                numbers.iter().position(|number| *number == position.sequence_number)
            }
            _ => None,
        }
    }
}

fn texts(delivery: &Delivery) -> Vec<String> {
    let records = delivery.batch().records.iter();
    records.map(|record| String::from_utf8_lossy(&record.data).into_owned()).collect()
}

/// Settles all that comes until the end.
async fn settle_all(mut deliveries: Deliveries) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(delivery) = deliveries.next().await {
        let delivery = delivery.expect("no failure");
        all.extend(texts(&delivery));
        delivery.split().1.settle();
    }
    all
}

async fn next(deliveries: &mut Deliveries) -> Delivery {
    timeout(Duration::from_secs(60), deliveries.next()).await.expect("a delivery in time").unwrap().unwrap()
}
