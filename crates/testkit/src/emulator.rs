//! The ferrokinesis emulator within this process, and a client of it.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kinesis::error::DisplayErrorContext;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, StreamStatus};
use axum::extract::DefaultBodyLimit;
use ferrokinesis::create_app;
use ferrokinesis::store::StoreOptions;

use crate::http::Server;

/// A running emulator with nothing in it; it ends when dropped.
///
/// # Panics
///
/// Its methods panic when the emulator refuses: a test or demo can do nothing else.
pub struct Emulator {
    server: Server,
    client: Client,
}

impl Emulator {
    /// Starts an emulator.
    pub async fn start() -> Self {
        // Five minutes, as AWS's.
        Self::start_with_subscriptions_of(Duration::from_secs(300)).await
    }

    /// Starts an emulator whose subscriptions live for `lifetime`.
    pub async fn start_with_subscriptions_of(lifetime: Duration) -> Self {
        let subscribe_to_shard_session_ms = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        Self::start_with(StoreOptions { subscribe_to_shard_session_ms, ..StoreOptions::default() }).await
    }

    /// Starts an emulator whose shards take no more than AWS's do: a thousand records and 1 MiB a second.
    pub async fn start_with_limits_of_shards() -> Self {
        Self::start_with(StoreOptions { enforce_limits: true, ..StoreOptions::default() }).await
    }

    async fn start_with(options: StoreOptions) -> Self {
        let options = StoreOptions {
            create_stream_ms: 0,
            delete_stream_ms: 0,
            update_stream_ms: 0,
            shard_limit: 10_000,
            ..options
        };
        let (app, _store) = create_app(options);
        // The limits on records are the emulator's to enforce, not the web framework's.
        let server = Server::start(app.layer(DefaultBodyLimit::max(16 << 20))).await;
        let config = aws_sdk_kinesis::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(Credentials::new("test", "test", None, None, "testkit"))
            .endpoint_url(server.endpoint())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .region(Region::from_static("us-east-1"))
            .build();
        Emulator { server, client: Client::from_conf(config) }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        self.server.endpoint()
    }

    /// A client of the emulator.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Creates a stream and waits until it is active.
    pub async fn create_stream(&self, stream: &str, shards: i32) {
        let created = self.client.create_stream().stream_name(stream).shard_count(shards).send().await;
        expect(created, "CreateStream");
        self.wait_until_active(stream).await;
    }

    /// Puts records, each a partition key and a payload, as many a call as Kinesis allows.
    pub async fn put(&self, stream: &str, records: impl IntoIterator<Item = (String, Vec<u8>)>) {
        const MAX_RECORDS: usize = 500;
        const MAX_BYTES: usize = 4 << 20;
        let mut entries = Vec::new();
        let mut bytes = 0;
        for (key, data) in records {
            if entries.len() == MAX_RECORDS || (!entries.is_empty() && bytes + data.len() > MAX_BYTES) {
                self.put_records(stream, std::mem::take(&mut entries)).await;
                bytes = 0;
            }
            bytes += data.len();
            let entry = PutRecordsRequestEntry::builder().partition_key(key).data(Blob::new(data)).build();
            entries.push(expect(entry, "PutRecordsRequestEntry"));
        }
        if !entries.is_empty() {
            self.put_records(stream, entries).await;
        }
    }

    async fn put_records(&self, stream: &str, entries: Vec<PutRecordsRequestEntry>) {
        let put = self.client.put_records().stream_name(stream).set_records(Some(entries)).send().await;
        assert_eq!(expect(put, "PutRecords").failed_record_count.unwrap_or(0), 0, "records were refused");
    }

    /// Puts one record into the shard that owns `hash_key`.
    pub async fn put_at(&self, stream: &str, hash_key: u128, data: Vec<u8>) {
        let put = self.client.put_record().stream_name(stream).partition_key("key").data(Blob::new(data));
        expect(put.explicit_hash_key(hash_key.to_string()).send().await, "PutRecord");
    }

    /// Splits a shard in the middle of its hash keys.
    pub async fn split(&self, stream: &str, shard: &str) {
        let shards = expect(self.client.list_shards().stream_name(stream).send().await, "ListShards").shards;
        let range = shards
            .unwrap_or_default()
            .into_iter()
            .find(|candidate| candidate.shard_id == shard)
            .and_then(|shard| shard.hash_key_range)
            .unwrap_or_else(|| panic!("no shard {shard}"));
        let bound = |text: &str| expect(text.parse::<u128>(), "hash key");
        let (start, end) = (bound(&range.starting_hash_key), bound(&range.ending_hash_key));
        let middle = start + (end - start) / 2 + 1;
        let split = self.client.split_shard().stream_name(stream).shard_to_split(shard);
        expect(split.new_starting_hash_key(middle.to_string()).send().await, "SplitShard");
        self.wait_until_active(stream).await;
    }

    /// Merges two neighbouring shards.
    pub async fn merge(&self, stream: &str, shard: &str, neighbour: &str) {
        let merge = self.client.merge_shards().stream_name(stream).shard_to_merge(shard);
        expect(merge.adjacent_shard_to_merge(neighbour).send().await, "MergeShards");
        self.wait_until_active(stream).await;
    }

    async fn wait_until_active(&self, stream: &str) {
        for _ in 0..1000 {
            let described = self.client.describe_stream_summary().stream_name(stream).send().await;
            let summary = expect(described, "DescribeStreamSummary").stream_description_summary;
            if summary.is_some_and(|summary| summary.stream_status == StreamStatus::Active) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("stream {stream} does not become active");
    }
}

fn expect<T, E: std::error::Error>(result: Result<T, E>, operation: &str) -> T {
    result.unwrap_or_else(|error| panic!("{operation}: {}", DisplayErrorContext(&error)))
}
