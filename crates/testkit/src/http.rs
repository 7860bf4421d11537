//! Any [`KinesisApi`] as a server that speaks AWS JSON 1.1.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use kinesis_logs_source::protocol::{RawRecord, Shard, ShardPosition};
use kinesis_logs_source::{ApiError, ApiErrorKind, KinesisApi, ShardId, StreamId};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server on loopback; it ends when dropped.
pub struct Server {
    endpoint: String,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves `app` on a free port.
    pub async fn start(app: Router) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port on loopback");
        let address = listener.local_addr().expect("the listener's address");
        let task = tokio::spawn(async move {
            axum::serve(listener, app).await.expect("serving on loopback");
        });
        Server { endpoint: format!("http://{address}"), task }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A server that notes the lines of all that is sent to it, and now and then refuses to.
pub struct Collector {
    server: Server,
    lines: Arc<Mutex<Vec<String>>>,
    is_down: Arc<AtomicBool>,
}

impl Collector {
    /// Starts a server that answers one of `refuse_one_of` requests by 503, without noting what it held.
    pub async fn start(refuse_one_of: u64) -> Self {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let is_down = Arc::new(AtomicBool::new(false));
        let (noted, down, requests) = (lines.clone(), is_down.clone(), Arc::new(AtomicU64::new(0)));
        let app = Router::new().fallback(move |body: String| {
            let (lines, request) = (noted.clone(), requests.fetch_add(1, Ordering::Relaxed));
            let is_down = down.load(Ordering::Relaxed);
            async move {
                if is_down || request % refuse_one_of == refuse_one_of - 1 {
                    return StatusCode::SERVICE_UNAVAILABLE;
                }
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.extend(body.lines().map(str::to_owned));
                StatusCode::OK
            }
        });
        Collector { server: Server::start(app.layer(DefaultBodyLimit::disable())).await, lines, is_down }
    }

    /// Refuses everything from now on, or takes it again.
    pub fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::Relaxed);
    }

    /// `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        self.server.endpoint()
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The endpoint of a server that gives each connection one answer, status line and all, whatever it asks; it ends with
/// the runtime.
pub async fn answer_all(answer: String) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port on loopback");
    let address = listener.local_addr().expect("the listener's address");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let _ = client.read(&mut [0; 16 << 10]).await;
                let _ = client.write_all(answer.as_bytes()).await;
                let _ = client.shutdown().await;
                // To close with something unread would reset the connection, and the answer might be lost.
                while let Ok(1..) = client.read(&mut [0; 16 << 10]).await {}
            });
        }
    });
    format!("http://{address}")
}

/// Serves one stream of `api`, whatever stream a `GetRecords` was for.
pub async fn serve<A: KinesisApi>(api: Arc<A>, stream: &str) -> Server {
    let shared = Shared { api, stream: StreamId::new(stream) };
    Server::start(Router::new().route("/", post(handle::<A>)).with_state(shared)).await
}

struct Shared<A> {
    api: Arc<A>,
    stream: StreamId,
}

impl<A> Clone for Shared<A> {
    fn clone(&self) -> Self {
        Shared { api: self.api.clone(), stream: self.stream.clone() }
    }
}

async fn handle<A: KinesisApi>(State(shared): State<Shared<A>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let operation = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = operation.rsplit('.').next().unwrap_or_default();
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let answer = match operation {
        "DescribeStreamSummary" => describe_stream(&shared, &request).await,
        "ListShards" => list_shards(&shared, &request).await,
        "GetShardIterator" => get_shard_iterator(&shared, &request).await,
        "GetRecords" => get_records(&shared, &request).await,
        _ => Err(ApiError::new(ApiErrorKind::InvalidArgument, "", "not an operation of this server")),
    };
    match answer {
        Ok((body, time)) => respond(StatusCode::OK, &body, Some(time)),
        Err(error) => {
            let (status, code) = wire_error(error.kind);
            respond(status, &json!({"__type": code, "message": error.message}), None)
        }
    }
}

type Answer = Result<(Value, Timestamp), ApiError>;

async fn list_shards<A: KinesisApi>(shared: &Shared<A>, request: &Value) -> Answer {
    let token = request["NextToken"].as_str().map(str::to_owned);
    let stream = match (&token, request["StreamName"].as_str()) {
        (Some(_), None) => shared.stream.clone(),
        (None, Some(name)) => StreamId::new(name),
        _ => {
            let message = "NextToken and StreamName cannot be provided together.";
            return Err(ApiError::new(ApiErrorKind::InvalidArgument, "ListShards", message));
        }
    };
    let page = shared.api.list_shards(&stream, token, None).await?;
    let shards: Vec<Value> = page.shards.iter().map(shard).collect();
    let mut body = json!({"Shards": shards});
    if let Some(token) = page.next_token {
        body["NextToken"] = token.into();
    }
    Ok((body, page.server_time))
}

async fn describe_stream<A: KinesisApi>(shared: &Shared<A>, request: &Value) -> Answer {
    let stream = StreamId::new(request["StreamName"].as_str().unwrap_or_default());
    let summary = shared.api.describe_stream(&stream).await?;
    let created = summary.creation_timestamp.map(|time| time.as_second());
    let body = json!({"StreamDescriptionSummary": {
        "StreamName": stream.name(),
        "StreamARN": summary.arn,
        "StreamStatus": "ACTIVE",
        "StreamCreationTimestamp": created,
        "RetentionPeriodHours": 24,
        "OpenShardCount": 1,
        "EnhancedMonitoring": [],
    }});
    Ok((body, Timestamp::now()))
}

async fn get_shard_iterator<A: KinesisApi>(shared: &Shared<A>, request: &Value) -> Answer {
    let text = |member: &str| request[member].as_str().unwrap_or_default();
    let position = match text("ShardIteratorType") {
        "TRIM_HORIZON" => ShardPosition::TrimHorizon,
        "AT_SEQUENCE_NUMBER" => ShardPosition::AtSequenceNumber(text("StartingSequenceNumber").into()),
        "AFTER_SEQUENCE_NUMBER" => ShardPosition::AfterSequenceNumber(text("StartingSequenceNumber").into()),
        "AT_TIMESTAMP" => {
            let millis = request["Timestamp"].as_f64().unwrap_or_default() * 1000.0;
            ShardPosition::AtTimestamp(Timestamp::from_millisecond(millis.round() as i64).unwrap_or_default())
        }
        other => return Err(ApiError::new(ApiErrorKind::InvalidArgument, "GetShardIterator", other)),
    };
    let (stream, shard) = (StreamId::new(text("StreamName")), ShardId::from(text("ShardId")));
    let iterator = shared.api.get_shard_iterator(&stream, &shard, &position).await?;
    Ok((json!({"ShardIterator": iterator}), Timestamp::now()))
}

async fn get_records<A: KinesisApi>(shared: &Shared<A>, request: &Value) -> Answer {
    let iterator = request["ShardIterator"].as_str().unwrap_or_default();
    let limit = request["Limit"].as_i64().and_then(|limit| i32::try_from(limit).ok());
    let page = shared.api.get_records(&shared.stream, iterator, limit).await?;
    let records: Vec<Value> = page.records.iter().map(record).collect();
    let children: Vec<Value> = page.child_shards.iter().map(child_shard).collect();
    let mut body = json!({"Records": records, "MillisBehindLatest": page.millis_behind_latest});
    if let Some(iterator) = page.next_iterator {
        body["NextShardIterator"] = iterator.into();
    }
    if !children.is_empty() {
        body["ChildShards"] = children.into();
    }
    Ok((body, page.server_time))
}

fn shard(shard: &Shard) -> Value {
    let (start, end) = shard.hash_key_range.unwrap_or_default();
    let mut sequence = json!({"StartingSequenceNumber": "1"});
    if shard.closed {
        sequence["EndingSequenceNumber"] = "2".into();
    }
    let mut body = json!({
        "ShardId": shard.id.as_str(),
        "HashKeyRange": {"StartingHashKey": start.to_string(), "EndingHashKey": end.to_string()},
        "SequenceNumberRange": sequence,
    });
    for (member, parent) in ["ParentShardId", "AdjacentParentShardId"].iter().zip(&shard.parents) {
        body[member] = parent.as_str().into();
    }
    body
}

fn child_shard(shard: &Shard) -> Value {
    let (start, end) = shard.hash_key_range.unwrap_or_default();
    json!({
        "ShardId": shard.id.as_str(),
        "ParentShards": shard.parents.iter().map(ShardId::as_str).collect::<Vec<_>>(),
        "HashKeyRange": {"StartingHashKey": start.to_string(), "EndingHashKey": end.to_string()},
    })
}

fn record(record: &RawRecord) -> Value {
    let mut body = json!({"SequenceNumber": record.sequence_number.as_str(), "Data": STANDARD.encode(&record.data)});
    if let Some(arrival) = record.arrival {
        body["ApproximateArrivalTimestamp"] = (arrival.as_millisecond() as f64 / 1000.0).into();
    }
    if let Some(key) = &record.partition_key {
        body["PartitionKey"] = key.as_str().into();
    }
    body
}

fn wire_error(kind: ApiErrorKind) -> (StatusCode, &'static str) {
    let code = match kind {
        ApiErrorKind::Throttled => "ProvisionedThroughputExceededException",
        ApiErrorKind::ExpiredIterator => "ExpiredIteratorException",
        ApiErrorKind::ExpiredNextToken => "ExpiredNextTokenException",
        ApiErrorKind::NotFound => "ResourceNotFoundException",
        ApiErrorKind::ResourceInUse => "ResourceInUseException",
        ApiErrorKind::AccessDenied => "AccessDeniedException",
        ApiErrorKind::Credentials => "UnrecognizedClientException",
        ApiErrorKind::Kms => "KMSDisabledException",
        ApiErrorKind::InvalidArgument => "InvalidArgumentException",
        _ => return (StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure"),
    };
    (StatusCode::BAD_REQUEST, code)
}

fn respond(status: StatusCode, body: &Value, time: Option<Timestamp>) -> Response<Body> {
    let mut response = Response::builder().status(status).header("content-type", "application/x-amz-json-1.1");
    if let Some(date) = time.and_then(|time| rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok()) {
        response = response.header("date", date);
    }
    response.body(Body::from(body.to_string())).expect("a response from fixed parts")
}
