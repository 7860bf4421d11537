#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

//! The implementations of `KinesisApi` that there are, against the checks for all of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kinesis_logs_source::aws::KinesisClient;
use kinesis_logs_source::conformance::{self, KinesisServer};
use kinesis_logs_source::protocol::Shard;
use kinesis_logs_testkit::{Emulator, FakeKinesis, World};

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
