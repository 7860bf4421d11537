#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

//! Leases in a DynamoDB table: beside other writers, rows of KCL's versions, and a network that loses answers.

use std::collections::HashMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use kinesis_logs_source::aws::{AwsOptions, DynamoDbLeaseStore};
use kinesis_logs_source::protocol::{Checkpoint, Lease, LeaseWrite, WriteOutcome};
use kinesis_logs_source::{LeaseStore, LeaseStoreErrorKind, conformance};
use kinesis_logs_testkit::{DynamoDbEmulator, answer_all};
use serde_json::Value as Json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const TABLE: &str = "my-application";
const STREAM: &str = "123456789012:flow-logs:1700000000";

fn client(endpoint: &str) -> Client {
    let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1));
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::from_static("us-east-1"))
        .retry_config(retries);
    Client::from_conf(config.build())
}

fn store(endpoint: &str) -> DynamoDbLeaseStore {
    DynamoDbLeaseStore::from_sdk(client(endpoint), TABLE)
}

async fn prepared(endpoint: &str) -> DynamoDbLeaseStore {
    let store = store(endpoint);
    store.prepare().await.unwrap();
    store
}

type Item = HashMap<String, AttributeValue>;

fn s(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn n(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

async fn create_table(client: &Client, table: &str, key: &str) {
    let attribute = AttributeDefinition::builder().attribute_name(key).attribute_type(ScalarAttributeType::S).build();
    let schema = KeySchemaElement::builder().attribute_name(key).key_type(KeyType::Hash).build();
    let create = client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    create.attribute_definitions(attribute.unwrap()).key_schema(schema.unwrap()).send().await.unwrap();
}

async fn put(client: &Client, attributes: &[(&str, AttributeValue)]) {
    let item: Item = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    client.put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
}

async fn get(client: &Client, key: &str) -> Item {
    client.get_item().table_name(TABLE).key("leaseKey", s(key)).send().await.unwrap().item.unwrap()
}

async fn write_one(store: &DynamoDbLeaseStore, write: LeaseWrite) -> WriteOutcome {
    store.write(vec![write]).await.remove(0).unwrap()
}

fn create(shard: &str) -> LeaseWrite {
    LeaseWrite::Create { lease: Lease::new(shard, Checkpoint::TrimHorizon) }
}

fn renew(shard: &str, owner: &str, counter: u64) -> LeaseWrite {
    LeaseWrite::Renew { shard: shard.into(), owner: owner.to_owned(), counter }
}

fn take(shard: &str, owner: &str, counter: u64) -> LeaseWrite {
    LeaseWrite::Take { shard: shard.into(), owner: owner.to_owned(), counter, stream_creation_timestamp: None }
}

fn checkpoint(shard: &str, owner: &str, counter: u64) -> LeaseWrite {
    let children = vec!["y".into(), "x".into()];
    let checkpoint = Checkpoint::after("4958", 2);
    LeaseWrite::Checkpoint { shard: shard.into(), owner: owner.to_owned(), counter, checkpoint, children }
}

fn release(shard: &str, owner: &str) -> LeaseWrite {
    LeaseWrite::Release { shard: shard.into(), owner: owner.to_owned() }
}

#[tokio::test]
async fn conformance_in_tables_of_their_own() {
    let emulator = DynamoDbEmulator::start().await;
    let client = client(emulator.endpoint());
    let count = AtomicU32::new(0);
    conformance::lease_store(|| async {
        DynamoDbLeaseStore::from_sdk(client.clone(), format!("table-{}", count.fetch_add(1, Ordering::Relaxed)))
    })
    .await;
}

#[tokio::test]
async fn conformance_of_streams_that_share_a_table() {
    let emulator = DynamoDbEmulator::start().await;
    let client = client(emulator.endpoint());
    let count = AtomicU32::new(0);
    conformance::lease_store(|| async {
        let stream = format!("123456789012:flow-logs:{}", count.fetch_add(1, Ordering::Relaxed));
        DynamoDbLeaseStore::from_sdk(client.clone(), TABLE).multi_stream(stream)
    })
    .await;
}

#[tokio::test]
async fn conformance_on_a_server_that_does_not_tell_the_row_with_a_refusal() {
    let emulator = DynamoDbEmulator::start().await;
    let network = Network::start(emulator.endpoint(), Some(hide_rows)).await;
    let client = client(&network.endpoint);
    let count = AtomicU32::new(0);
    conformance::lease_store(|| async {
        DynamoDbLeaseStore::from_sdk(client.clone(), format!("table-{}", count.fetch_add(1, Ordering::Relaxed)))
    })
    .await;
}

/// Makes a request one of the time before refusals could tell the row, without changing its length.
fn hide_rows(request: &mut [u8]) {
    const ASKED: &[u8] = br#""ReturnValuesOnConditionCheckFailure":"ALL_OLD""#;
    const NOT_ASKED: &[u8] = br#""ReturnValuesOnConditionCheckFailure":"NONE"   "#;
    if let Some(start) = request.windows(ASKED.len()).position(|window| window == ASKED) {
        request[start..start + ASKED.len()].copy_from_slice(NOT_ASKED);
    }
}

#[tokio::test]
async fn a_row_of_kcl_2_is_read_and_keeps_what_is_not_written() {
    let emulator = DynamoDbEmulator::start().await;
    let store = prepared(emulator.endpoint()).await;
    let client = client(emulator.endpoint());
    put(
        &client,
        &[
            ("leaseKey", s("shardId-000000000002")),
            ("leaseOwner", s("old-worker")),
            ("leaseCounter", n(41)),
            ("checkpoint", s("4957")),
            ("checkpointSubSequenceNumber", n(0)),
            ("ownerSwitchesSinceCheckpoint", n(2)),
            ("parentShardId", AttributeValue::Ss(vec!["shardId-000000000000".to_owned()])),
            ("startingHashKey", s("0")),
            ("endingHashKey", s("340282366920938463463374607431768211455")),
            ("pendingCheckpoint", s("4958")),
            ("pendingCheckpointSubSequenceNumber", n(0)),
            // What KCL writes on its updates; on creating a row it writes a number.
            ("pendingCheckpointState", AttributeValue::B(Blob::new("state"))),
            ("checkpointOwner", s("older-worker")),
            ("throughputKBps", AttributeValue::N("12.5".to_owned())),
        ],
    )
    .await;

    let [row] = store.list().await.unwrap().try_into().unwrap();
    assert_eq!((row.counter, row.owner.as_deref()), (41, Some("old-worker")));
    assert_eq!(row.parents, ["shardId-000000000000".into()]);
    assert_eq!(row.hash_key_range, Some((0, u128::MAX)));

    let shard = "shardId-000000000002";
    assert_eq!(write_one(&store, take(shard, "new-worker", 41)).await, WriteOutcome::Done);
    let item = get(&client, shard).await;
    assert_eq!((&item["leaseOwner"], &item["leaseCounter"]), (&s("new-worker"), &n(42)));
    assert_eq!(item["ownerSwitchesSinceCheckpoint"], n(3));
    assert_eq!(item.get("checkpointOwner"), None, "a handover ends with a new owner");
    assert_eq!(item["pendingCheckpoint"], s("4958"), "the next owner may want to know");

    for write in [renew(shard, "new-worker", 42), checkpoint(shard, "new-worker", 43), release(shard, "new-worker")] {
        assert_eq!(write_one(&store, write).await, WriteOutcome::Done);
    }
    let item = get(&client, shard).await;
    let mut names: Vec<&str> = item.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "checkpoint",
            "checkpointSubSequenceNumber",
            "childShardIds",
            "endingHashKey",
            "leaseCounter",
            "leaseKey",
            "ownerSwitchesSinceCheckpoint",
            "parentShardId",
            "startingHashKey",
            "throughputKBps",
        ]
    );
    assert_eq!(item["throughputKBps"], AttributeValue::N("12.5".to_owned()), "it is another version's");
    assert_eq!((&item["checkpoint"], &item["checkpointSubSequenceNumber"]), (&s("4958"), &n(2)));
}

#[tokio::test]
async fn rows_of_kcl_3_that_are_no_leases_are_left_alone() {
    let emulator = DynamoDbEmulator::start().await;
    let store = prepared(emulator.endpoint()).await;
    let client = client(emulator.endpoint());
    let lease = |key: &str| [("leaseKey", s(key)), ("leaseCounter", n(0)), ("checkpoint", s("LATEST"))];
    let mut marked = lease("shardId-000000000000").to_vec();
    marked.extend([("entityType", s("LEASE")), ("pendingCheckpointState", n(0))]);
    put(&client, &marked).await;
    put(&client, &lease("shardId-000000000001")).await;
    put(&client, &lease(&format!("{STREAM}:shardId-000000000002"))).await;
    put(&client, &[("leaseKey", s("Leader")), ("entityType", s("LEADER")), ("ownerName", s("worker"))]).await;
    let metrics = [("leaseKey", s("worker")), ("entityType", s("WORKER_METRIC_STATS")), ("lut", n(1_767_323_045))];
    put(&client, &metrics).await;
    put(&client, &[("leaseKey", s("shardId-000000000003")), ("leaseOwner", s("half of a row"))]).await;

    let mut rows = store.list().await.unwrap();
    rows.sort_by(|a, b| a.shard.cmp(&b.shard));
    let ids: Vec<&str> = rows.iter().map(|row| row.shard.as_str()).collect();
    assert_eq!(ids, ["shardId-000000000000", "shardId-000000000001"]);
    let multi = DynamoDbLeaseStore::from_sdk(client.clone(), TABLE).multi_stream(STREAM);
    let [row] = multi.list().await.unwrap().try_into().unwrap();
    assert_eq!(row.shard.as_str(), "shardId-000000000002");

    // What cannot be read is neither free nor somebody's.
    let error = store.write(vec![create("shardId-000000000003")]).await.remove(0).unwrap_err();
    assert_eq!(error.kind, LeaseStoreErrorKind::Corrupt, "{error}");
}

#[tokio::test]
async fn a_leader_of_kcl_3_is_found_beside_the_leases_and_of_3_5_among_them() {
    let emulator = DynamoDbEmulator::start().await;
    let store = prepared(emulator.endpoint()).await;
    let client = client(emulator.endpoint());
    assert_eq!(store.leader().await.unwrap(), None, "KCL 3 was never here");
    let lock = |version: &str| {
        let duration = ("leaseDuration", s("120000"));
        vec![("ownerName", s("worker")), duration, ("recordVersionNumber", s(version)), ("data", s("any"))]
    };

    let beside = format!("{TABLE}-CoordinatorState");
    create_table(&client, &beside, "key").await;
    assert_eq!(store.leader().await.unwrap(), None);
    let item = |mut attributes: Vec<(&str, AttributeValue)>, more: &[(&'static str, AttributeValue)]| -> Item {
        attributes.extend(more.iter().cloned());
        attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    };
    let put = async |item| client.put_item().table_name(&beside).set_item(Some(item)).send().await.unwrap();
    put(item(lock("1-2-3"), &[("key", s("Leader"))])).await;
    let leader = store.leader().await.unwrap().unwrap();
    let expected = ("worker", "1-2-3", Duration::from_secs(120));
    assert_eq!((leader.owner.as_str(), leader.record_version.as_str(), leader.lease_duration), expected);
    put(item(lock("4-5-6"), &[("key", s("Leader")), ("isReleased", s("1"))])).await;
    assert_eq!(store.leader().await.unwrap(), None, "it has stepped down");

    let among = item(lock("7-8-9"), &[("leaseKey", s("Leader")), ("entityType", s("LEADER"))]);
    client.put_item().table_name(TABLE).set_item(Some(among)).send().await.unwrap();
    assert_eq!(store.list().await.unwrap(), []);
    assert_eq!(store.leader().await.unwrap().unwrap().record_version, "7-8-9");
}

#[tokio::test]
async fn a_stream_among_several_has_the_keys_and_attributes_of_kcl() {
    let emulator = DynamoDbEmulator::start().await;
    let store = prepared(emulator.endpoint()).await.multi_stream(STREAM);
    write_one(&store, create("shardId-000000000000")).await;
    let item = get(&client(emulator.endpoint()), &format!("{STREAM}:shardId-000000000000")).await;
    assert_eq!((&item["streamName"], &item["shardId"]), (&s(STREAM), &s("shardId-000000000000")));
}

#[tokio::test]
async fn a_table_with_another_key_is_refused() {
    let emulator = DynamoDbEmulator::start().await;
    create_table(&client(emulator.endpoint()), TABLE, "id").await;
    let error = store(emulator.endpoint()).prepare().await.unwrap_err();
    assert_eq!(error.kind, LeaseStoreErrorKind::Corrupt);
    assert!(error.to_string().contains("my-application: this is no table of leases: its key is id"), "{error}");
}

#[tokio::test]
async fn two_stores_make_one_table_and_share_its_leases() {
    const SHARDS: usize = 40;
    let emulator = DynamoDbEmulator::start().await;
    let (ann, bob) = (store(emulator.endpoint()), store(emulator.endpoint()));
    let (one, other) = tokio::join!(ann.prepare(), bob.prepare());
    one.unwrap();
    other.unwrap();

    let names: Vec<String> = (0..SHARDS).map(|shard| format!("shardId-{shard:012}")).collect();
    let creates = || names.iter().map(|name| create(name)).collect();
    let takes = |owner: &'static str| names.iter().map(|name| take(name, owner, 0)).collect();
    let is_done = |outcome: &WriteOutcome| *outcome == WriteOutcome::Done;
    for (one, other) in [
        tokio::join!(ann.write(creates()), bob.write(creates())),
        tokio::join!(ann.write(takes("ann")), bob.write(takes("bob"))),
    ] {
        for (one, other) in one.into_iter().zip(other) {
            assert!(is_done(&one.unwrap()) != is_done(&other.unwrap()), "one of two wins");
        }
    }
    let rows = ann.list().await.unwrap();
    assert!(rows.len() == SHARDS && rows.iter().all(|row| row.counter == 1 && row.owner.is_some()), "{rows:?}");
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_known_again() {
    let emulator = DynamoDbEmulator::start().await;
    let network = Network::start(emulator.endpoint(), None).await;
    let store = prepared(&network.endpoint).await;
    let delete = LeaseWrite::Delete { shard: "a".into(), counter: 6 };
    for write in [
        create("a"),
        take("a", "ann", 0),
        take("a", "ann", 1),
        renew("a", "ann", 2),
        checkpoint("a", "ann", 3),
        release("a", "ann"),
        take("a", "bob", 5),
        delete,
        create("a"),
    ] {
        network.lose(1);
        assert_eq!(write_one(&store, write.clone()).await, WriteOutcome::Done, "{write:?}");
        assert_eq!(network.still_to_lose(), 0, "the answer was lost");
    }
    assert_eq!(store.list().await.unwrap(), [Lease::new("a", Checkpoint::TrimHorizon)]);

    // Refused at first, and refused again: the row is not what the write makes.
    for write in [renew("a", "ann", 0), take("a", "ann", 7), checkpoint("a", "ann", 0)] {
        network.lose(1);
        assert!(matches!(write_one(&store, write).await, WriteOutcome::Refused(Some(row)) if row.counter == 0));
    }

    network.lose(100);
    let error = store.write(vec![take("a", "ann", 0)]).await.remove(0).unwrap_err();
    assert_eq!(error.kind, LeaseStoreErrorKind::Unavailable, "{error}");
    assert_eq!(network.still_to_lose(), 97, "three attempts");
}

#[tokio::test]
async fn failures_are_classified() {
    for (status, code, kind) in [
        (400, "ProvisionedThroughputExceededException", LeaseStoreErrorKind::Throttled),
        (400, "ThrottlingException", LeaseStoreErrorKind::Throttled),
        (400, "AccessDeniedException", LeaseStoreErrorKind::AccessDenied),
        (400, "ExpiredTokenException", LeaseStoreErrorKind::Credentials),
        (400, "ResourceNotFoundException", LeaseStoreErrorKind::Other),
        (500, "InternalServerError", LeaseStoreErrorKind::Unavailable),
        (503, "ServiceUnavailable", LeaseStoreErrorKind::Unavailable),
    ] {
        let endpoint = failing_server(status, code).await;
        let error = store(&endpoint).list().await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(TABLE) && error.to_string().contains(code), "{error}");
        let error = store(&endpoint).write(vec![create("a")]).await.remove(0).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
    }
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let error = store(&nobody).prepare().await.unwrap_err();
    assert_eq!(error.kind, LeaseStoreErrorKind::Unavailable, "{error}");
}

const CHILDS_ENDPOINT: &str = "KINESIS_LOGS_TEST_ENDPOINT_OF_CHILD";

#[tokio::test]
async fn a_store_is_connected_from_options_and_the_environment() {
    let emulator = DynamoDbEmulator::start().await;
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "child_process_that_connects", "--ignored"])
        .env(CHILDS_ENDPOINT, emulator.endpoint())
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test");
    let output = tokio::task::spawn_blocking(move || child.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(store(emulator.endpoint()).list().await.unwrap().len(), 1);
}

#[tokio::test]
#[ignore = "another test runs it in a process with credentials"]
async fn child_process_that_connects() {
    let Ok(endpoint) = std::env::var(CHILDS_ENDPOINT) else { return };
    let mut options = AwsOptions::default();
    options.endpoint_url = Some(endpoint);
    let store = DynamoDbLeaseStore::connect(options, TABLE).await.unwrap();
    store.prepare().await.unwrap();
    write_one(&store, create("a")).await;
}

/// A way to a server on which requests can be changed, and answers lost after the server has done what it was asked.
struct Network {
    endpoint: String,
    to_lose: Arc<AtomicU32>,
}

impl Network {
    async fn start(server: &str, change: Option<fn(&mut [u8])>) -> Self {
        let server = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let to_lose = Arc::new(AtomicU32::new(0));
        let shared = to_lose.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(relay(client, server, change, shared.clone()));
            }
        });
        Network { endpoint, to_lose }
    }

    fn lose(&self, answers: u32) {
        self.to_lose.store(answers, Ordering::SeqCst);
    }

    fn still_to_lose(&self) -> u32 {
        self.to_lose.load(Ordering::SeqCst)
    }
}

/// Passes bytes on in both directions until one end closes, or an answer is lost and the connection with it.
async fn relay(mut client: TcpStream, mut server: TcpStream, change: Option<fn(&mut [u8])>, to_lose: Arc<AtomicU32>) {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let requests = async {
        let mut buffer = [0; 16 << 10];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            if let Some(change) = change {
                change(&mut buffer[..length]);
            }
            if to_server.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    };
    let answers = async {
        let mut buffer = [0; 16 << 10];
        while let Ok(length @ 1..) = from_server.read(&mut buffer).await {
            let lost = to_lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            if lost || to_client.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = requests => {}
        () = answers => {}
    }
}

/// A server that answers every request, whatever it is, with one error.
async fn failing_server(status: u16, code: &'static str) -> String {
    let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"so it is"}}"#);
    let answer = format!("HTTP/1.1 {status} No\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    answer_all(answer).await
}

#[tokio::test]
async fn a_table_that_is_there_takes_no_permission_to_make_one() {
    let emulator = DynamoDbEmulator::start().await;
    create_table(&client(emulator.endpoint()), TABLE, "leaseKey").await;
    let network = Network::start(emulator.endpoint(), Some(refuse_to_create)).await;
    let store = prepared(&network.endpoint).await;
    assert_eq!(write_one(&store, create("a")).await, WriteOutcome::Done);
    let missing = DynamoDbLeaseStore::from_sdk(client(&network.endpoint), "missing").prepare().await;
    assert!(missing.unwrap_err().to_string().contains("CreateTable"), "it is that which is refused");
}

/// Lets nobody make a table.
fn refuse_to_create(request: &mut [u8]) {
    const ASKED: &[u8] = b"DynamoDB_20120810.CreateTable";
    const REFUSED: &[u8] = b"DynamoDB_20120810.RefuseTable";
    if let Some(start) = request.windows(ASKED.len()).position(|window| window == ASKED) {
        request[start..start + ASKED.len()].copy_from_slice(REFUSED);
    }
}

/// The items of a group of the samples.
fn sample_items(group: &Json) -> Vec<Item> {
    let item =
        |item: &Json| item.as_object().unwrap().iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
    group.as_array().unwrap().iter().map(item).collect()
}

fn attribute(value: &Json) -> AttributeValue {
    let text = |value: &Json| value.as_str().unwrap().to_owned();
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    match kind.as_str() {
        "S" => AttributeValue::S(text(value)),
        "N" => AttributeValue::N(text(value)),
        "B" => AttributeValue::B(Blob::new(text(value))),
        "SS" => AttributeValue::Ss(value.as_array().unwrap().iter().map(text).collect()),
        "L" => AttributeValue::L(value.as_array().unwrap().iter().map(attribute).collect()),
        "M" => {
            let members = value.as_object().unwrap().iter();
            AttributeValue::M(members.map(|(name, value)| (name.clone(), attribute(value))).collect())
        }
        other => panic!("an attribute of type {other}"),
    }
}

#[tokio::test]
async fn the_lease_rows_that_are_given_as_samples_are_read() {
    let Some(folder) = std::env::var_os("KINESIS_LOGS_SAMPLES") else {
        return println!("not checked: KINESIS_LOGS_SAMPLES names no folder of samples");
    };
    let samples = std::fs::read(std::path::Path::new(&folder).join("kcl-lease-items.json")).unwrap();
    let samples: Json = serde_json::from_slice(&samples).unwrap();
    let mut groups = 0;
    for (name, group) in samples.as_object().unwrap() {
        let items = sample_items(group);
        if items.iter().any(|item| !item.contains_key("leaseKey")) {
            continue; // of the tables beside
        }
        groups += 1;
        let emulator = DynamoDbEmulator::start().await;
        let mut store = prepared(emulator.endpoint()).await;
        let client = client(emulator.endpoint());
        for item in items.clone() {
            client.put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
        }
        let key = |item: &Item| item["leaseKey"].as_s().unwrap().clone();
        if let Some((stream, _)) = key(&items[0]).rsplit_once(':') {
            store = store.multi_stream(stream);
        }
        let rows = store.list().await.unwrap();
        let is_lease = |item: &&Item| item.get("entityType").is_none_or(|kind| *kind == s("LEASE"));
        let leases: Vec<&Item> = items.iter().filter(is_lease).collect();
        assert_eq!(rows.len(), leases.len(), "{name}: {rows:#?}");
        for item in leases {
            let id = key(item).rsplit(':').next().unwrap().to_owned();
            let row = rows.iter().find(|row| row.shard.as_str() == id).unwrap_or_else(|| panic!("{name}: {id}"));
            assert_eq!(item["leaseCounter"], n(row.counter), "{name}");
            assert_eq!(item["checkpoint"], s(&row.checkpoint.to_string()), "{name}");
            assert_eq!(item.get("leaseOwner"), row.owner.as_deref().map(s).as_ref(), "{name}");
            assert_eq!(item.get("checkpointOwner"), row.checkpoint_owner.as_deref().map(s).as_ref(), "{name}");
            let parents = item.get("parentShardId").map_or(0, |parents| parents.as_ss().unwrap().len());
            assert_eq!(row.parents.len(), parents, "{name}");
        }
        let leader = items.iter().any(|item| item.get("entityType") == Some(&s("LEADER")));
        assert_eq!(store.leader().await.unwrap().is_some(), leader, "{name}");
    }
    assert!(groups > 0, "the samples hold rows of lease tables");
}
