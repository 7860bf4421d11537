//! `aws_kinesis_streams`: data streams, from all shards, with checkpoints.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use kinesis_logs_source::aws::{AwsOptions, KinesisClient};
use kinesis_logs_source::protocol::{Checkpoint, PositionRange};
use kinesis_logs_source::{
    Consumer, Delivery, Error as SourceError, FileLeaseStore, KinesisApi, LeaseStore, MemoryLeaseStore, ShardId,
    StartPosition, Stop, StreamId, UnusableCheckpoint,
};
use serde::Deserialize;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::Instrument;

use super::given_up::{Abandoned, REJECTED, given_up};
use super::watched::Watched;
use crate::aws::{AuthConfig, cannot_connect, unhealthy};
use crate::codecs::{DecodingAhead, DecodingConfig, RecordDecoder, UNDECODABLE};
use crate::component::{
    Acknowledgement, BuildContext, BuildError, ComponentError, CutOffs, Healthcheck, Origin, Outcome, Outputs, Problem,
    Shutdown, ShutdownSender, Source, SourceConfig, SourceContext, WatchedStreams,
};
use crate::folders::{check_writable, look};

/// Reads one or several Amazon Kinesis data streams: every shard, through resharding. What all sinks have durably accepted
/// is checkpointed; the next run goes on behind it.
///
/// Records that cannot be decoded go to the output `<id>.undecodable`. A batch that is abandoned five times in a row, as by a
/// component that cannot deal with it, is not sent again: its records go to the output `<id>.rejected`.
///
/// ```toml
/// [sources.flows]
/// type = "aws_kinesis_streams"
/// region = "eu-west-1"
/// streams = ["vpc-flow-logs"]
/// start = "trim_horizon"
/// ```
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct AwsKinesisStreamsConfig {
    /// The streams' names or ARNs.
    streams: Vec<String>,
    /// The Region, such as `eu-west-1`. Default: where the SDK finds it.
    region: Option<String>,
    /// The endpoint, for emulators and private endpoints.
    endpoint: Option<String>,
    /// How to be allowed to read. Default: where the SDK finds credentials.
    #[serde(default)]
    auth: AuthConfig,
    /// Where to begin if there is no checkpoint: `latest`, `trim_horizon`, or a time (RFC 3339). Default: `latest`.
    start: Option<String>,
    /// Where to end: `never`, `at_tip` (what had arrived by the start), or a time (RFC 3339). Default: `never`.
    stop: Option<String>,
    /// Where is kept how far each shard was read.
    #[serde(default)]
    checkpoint: CheckpointConfig,
    /// How records are fetched.
    #[serde(default)]
    consumer: ConsumerConfig,
    /// How records are decoded.
    #[serde(default)]
    decoding: DecodingConfig,
}

/// Where checkpoints are kept.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
struct CheckpointConfig {
    /// The kind of store. Default: `file`.
    r#type: CheckpointType,
    /// For `file`: the file, if there is one stream. Default: `<data_dir>/<id>/<stream>.json`.
    path: Option<PathBuf>,
    /// For `dynamodb`: the table, that of the Kinesis Client Library, which workers share. With several streams its leases
    /// are those of KCL's multi-stream mode.
    table: Option<String>,
    /// For `dynamodb`: the table's endpoint, for emulators.
    endpoint: Option<String>,
    /// This process's name among those that share the streams. Default: a random one.
    worker_id: Option<String>,
    /// What to do about checkpoints of an earlier stream of the same name, and such as Kinesis refuses. Default: `fail`.
    unusable: Unusable,
    /// Seconds that a worker may be silent before others take its shards; the same for all of them. Default: 10.
    failover_time_secs: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "lowercase")]
enum CheckpointType {
    /// A file, for one process.
    #[default]
    File,
    /// A table, for any number of processes.
    DynamoDb,
    /// Nowhere: the next run begins anew.
    Memory,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
enum Unusable {
    /// End with an error.
    #[default]
    Fail,
    /// Read from the oldest record.
    TrimHorizon,
}

/// How records are fetched.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
struct ConsumerConfig {
    /// The way. Default: `polling`.
    mode: Mode,
    /// For `fan_out`: the name of the registered consumer.
    name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// By asking, five times a second and shard at most.
    #[default]
    Polling,
    /// By enhanced fan-out: pushed, with a throughput of its own, at a price.
    FanOut,
}

impl SourceConfig for AwsKinesisStreamsConfig {
    fn build(&self, context: &BuildContext) -> Result<Box<dyn Source>, BuildError> {
        let mut problems = Vec::new();
        let mut keep = |problem: Problem| problems.push(problem);
        if self.streams.is_empty() || self.streams.iter().any(String::is_empty) {
            keep(Problem::new("no streams are named").key("streams").hint("streams = [\"NAME or ARN\"]"));
        }
        let start = match self.start.as_deref() {
            None | Some("latest") => Some(StartPosition::Latest),
            Some("trim_horizon") => Some(StartPosition::TrimHorizon),
            Some(text) => time(text).map(StartPosition::AtTimestamp),
        };
        let stop = match self.stop.as_deref() {
            None | Some("never") => Some(Stop::Never),
            Some("at_tip") => Some(Stop::AtTip),
            Some(text) => time(text).map(Stop::At),
        };
        if start.is_none() {
            keep(
                Problem::new("start is latest, trim_horizon, or a time")
                    .key("start")
                    .hint("times are written as 2026-11-24T08:00:00Z"),
            );
        }
        if stop.is_none() {
            keep(
                Problem::new("stop is never, at_tip, or a time")
                    .key("stop")
                    .hint("times are written as 2026-11-24T08:00:00Z"),
            );
        }
        if self.consumer.mode == Mode::FanOut && self.consumer.name.is_none() {
            keep(Problem::new("fan-out needs the consumer's name").key("consumer").hint("consumer.name = \"NAME\""));
        }
        self.checkpoint.check(self.streams.len(), context, &mut keep);
        let decoder = self.decoding.build().map_err(&mut keep);
        match (start, stop, decoder) {
            (Some(start), Some(stop), Ok(decoder)) if problems.is_empty() => {
                Ok(Box::new(AwsKinesisStreams { config: self.clone(), context: context.clone(), start, stop, decoder }))
            }
            _ => Err(BuildError { problems }),
        }
    }

    fn outputs(&self) -> Vec<String> {
        vec![UNDECODABLE.to_owned(), REJECTED.to_owned()]
    }
}

fn time(text: &str) -> Option<jiff::Timestamp> {
    text.parse().ok()
}

impl CheckpointConfig {
    fn check(&self, streams: usize, context: &BuildContext, keep: &mut impl FnMut(Problem)) {
        match self.r#type {
            CheckpointType::File if self.path.is_some() && streams > 1 => {
                keep(
                    Problem::new("a file holds the checkpoints of one stream")
                        .key("checkpoint.path")
                        .hint("leave path out: each stream has its file under data_dir"),
                );
            }
            CheckpointType::File if self.path.is_none() && context.data_dir.is_none() => {
                keep(Problem::new("there is no place for checkpoints").key("checkpoint").hint(
                    "set data_dir at the top, or checkpoint.path, or checkpoint.type = \"memory\" to begin anew every time",
                ));
            }
            CheckpointType::DynamoDb if self.table.is_none() => {
                keep(
                    Problem::new("checkpoints in DynamoDB need a table")
                        .key("checkpoint")
                        .hint("checkpoint.table = \"NAME\""),
                );
            }
            CheckpointType::DynamoDb if !cfg!(feature = "dynamodb") => {
                keep(Problem::new("this program was built without DynamoDB").key("checkpoint.type"));
            }
            _ => {}
        }
    }
}

struct AwsKinesisStreams {
    config: AwsKinesisStreamsConfig,
    context: BuildContext,
    start: StartPosition,
    stop: Stop,
    decoder: RecordDecoder,
}

#[async_trait]
impl Source for AwsKinesisStreams {
    fn healthcheck(&self) -> Healthcheck {
        let (config, folders) = (self.config.clone(), self.folders());
        Box::pin(async move {
            look(move || folders.iter().try_for_each(|folder| check_writable(folder))).await?;
            let client = KinesisClient::connect(config.options()).await.map_err(cannot_connect)?;
            for stream in &config.streams {
                let stream = StreamId::new(stream);
                let listed = client.list_shards(&stream, None, None).await;
                let cannot = || format!("cannot list the shards of stream {stream}");
                listed.map_err(|error| unhealthy(cannot(), error, "kinesis:ListShards"))?;
            }
            config.check_table().await
        })
    }

    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), ComponentError> {
        let SourceContext { outputs, mut shutdown, drain_timeout, streams, first_epoch, cut_offs } = context;
        let client = KinesisClient::connect(self.config.options()).await.map_err(cannot_connect)?;
        // If one stream cannot go on, the others are ended in an orderly way.
        let (end, ended) = ShutdownSender::new();
        let mut set = JoinSet::new();
        for stream in &self.config.streams {
            let reading = Reading {
                stream: StreamId::new(stream),
                source: self.context.id.as_str().into(),
                decoder: self.decoder.clone(),
                outputs: outputs.clone(),
                shutdown: ended.clone(),
                watched: streams.clone(),
                first_epoch,
                cut_offs: cut_offs.clone(),
            };
            let store = self.store(&client, &reading.stream).await?;
            let mut consumer = Consumer::builder(client.clone(), store, reading.stream.clone())
                .start(self.start)
                .stop(self.stop)
                .unusable_checkpoint(match self.config.checkpoint.unusable {
                    Unusable::Fail => UnusableCheckpoint::Fail,
                    Unusable::TrimHorizon => UnusableCheckpoint::TrimHorizon,
                })
                .drain_timeout(drain_timeout)
                .max_batch_bytes(BATCH_BYTES)
                .max_unsettled_bytes(UNSETTLED_BYTES, UNSETTLED_BYTES_OF_SHARD);
            if let Some(id) = &self.config.checkpoint.worker_id {
                consumer = consumer.worker_id(id);
            }
            if let Some(seconds) = self.config.checkpoint.failover_time_secs {
                consumer = consumer.failover_time(Duration::from_secs(seconds.max(1)));
            }
            if let Some(name) =
                self.config.consumer.name.as_deref().filter(|_| self.config.consumer.mode == Mode::FanOut)
            {
                consumer = consumer.fan_out(name);
            }
            set.spawn(reading.run(consumer).in_current_span());
        }
        drop(outputs);
        let mut result = Ok(());
        loop {
            let finished = tokio::select! {
                biased;
                () = shutdown.requested(), if !ended.is_requested() => {
                    end.request();
                    continue;
                }
                finished = set.join_next() => finished,
            };
            let failed = match finished {
                None => return result,
                Some(Ok(finished)) => finished.err(),
                Some(Err(error)) => Some(ComponentError::new("reading ended").caused_by(error)),
            };
            if let Some(error) = failed {
                end.request();
                result = result.and(Err(error));
            }
        }
    }
}

impl AwsKinesisStreamsConfig {
    /// Looks whether the table of checkpoints can be used, if there is to be one.
    #[cfg(feature = "dynamodb")]
    async fn check_table(&self) -> Result<(), ComponentError> {
        let Some(table) = self.checkpoint.table.as_ref().filter(|_| self.checkpoint.r#type == CheckpointType::DynamoDb)
        else {
            return Ok(());
        };
        let store = self.lease_table(table).await?;
        match store.is_there().await {
            Ok(true) => {}
            Ok(false) => tracing::info!(table, "the table of checkpoints is not there, and is made by the first run"),
            Err(error) => {
                let cannot = ComponentError::new("cannot look at the table of checkpoints").caused_by(error);
                return Err(cannot.with_hint("check checkpoint.table, and allow dynamodb:DescribeTable"));
            }
        }
        Ok(())
    }

    #[cfg(not(feature = "dynamodb"))]
    async fn check_table(&self) -> Result<(), ComponentError> {
        Ok(())
    }

    #[cfg(feature = "dynamodb")]
    async fn lease_table(&self, table: &str) -> Result<kinesis_logs_source::aws::DynamoDbLeaseStore, ComponentError> {
        let mut options = self.options();
        options.endpoint_url.clone_from(&self.checkpoint.endpoint);
        let store = kinesis_logs_source::aws::DynamoDbLeaseStore::connect(options, table).await;
        store.map_err(|error| ComponentError::new("cannot connect to DynamoDB").caused_by(error))
    }

    fn options(&self) -> AwsOptions {
        self.auth.options(self.region.as_deref(), self.endpoint.as_deref())
    }
}

impl AwsKinesisStreams {
    /// The folders of files of checkpoints.
    fn folders(&self) -> Vec<PathBuf> {
        let CheckpointConfig { r#type, path, .. } = &self.config.checkpoint;
        let of_path = path.as_ref().and_then(|path| path.parent()).map(PathBuf::from);
        let default = || self.context.data_dir.as_ref().map(|folder| folder.join(&self.context.id));
        let folder = of_path.or_else(default).filter(|_| *r#type == CheckpointType::File);
        folder.into_iter().collect()
    }

    async fn store(&self, client: &KinesisClient, stream: &StreamId) -> Result<Arc<dyn LeaseStore>, ComponentError> {
        let checkpoint = &self.config.checkpoint;
        Ok(match checkpoint.r#type {
            CheckpointType::Memory => Arc::new(MemoryLeaseStore::new()),
            CheckpointType::File => {
                let data_dir = self.context.data_dir.clone().unwrap_or_default();
                let default = || data_dir.join(&self.context.id).join(format!("{}.json", stream.name()));
                Arc::new(FileLeaseStore::new(checkpoint.path.clone().unwrap_or_else(default), stream.clone()))
            }
            CheckpointType::DynamoDb => self.table(client, stream).await?,
        })
    }

    #[cfg(feature = "dynamodb")]
    async fn table(&self, client: &KinesisClient, stream: &StreamId) -> Result<Arc<dyn LeaseStore>, ComponentError> {
        let store = self.config.lease_table(self.config.checkpoint.table.as_deref().unwrap_or_default()).await?;
        if self.config.streams.len() == 1 {
            return Ok(Arc::new(store));
        }
        // Shards of different streams have the same ids: their leases are told apart as in KCL's multi-stream mode.
        let cannot_tell = || ComponentError::new(format!("cannot tell the leases of stream {stream} from others'"));
        let summary = client.describe_stream(stream).await.map_err(|error| {
            cannot_tell().caused_by(error).with_hint("this needs the permission kinesis:DescribeStreamSummary")
        })?;
        let identifier = summary.identifier().ok_or_else(cannot_tell)?;
        Ok(Arc::new(store.multi_stream(identifier)))
    }

    #[cfg(not(feature = "dynamodb"))]
    async fn table(&self, _: &KinesisClient, _: &StreamId) -> Result<Arc<dyn LeaseStore>, ComponentError> {
        Err(ComponentError::new("this program was built without DynamoDB"))
    }
}

/// How many bytes of payload make a batch: as text some megabyte, of which several are under way at once.
const BATCH_BYTES: usize = 128 << 10;
/// How many bytes of payload are read at most that nobody has answered for, of all shards and of one. A shard gives 2 MB a second,
/// and sinks answer after a second or so.
const UNSETTLED_BYTES: usize = 24 << 20;
const UNSETTLED_BYTES_OF_SHARD: usize = 4 << 20;

/// One stream that is being read.
struct Reading {
    stream: StreamId,
    source: Arc<str>,
    decoder: RecordDecoder,
    outputs: Outputs,
    shutdown: Shutdown,
    watched: WatchedStreams,
    first_epoch: u64,
    cut_offs: CutOffs,
}

impl Reading {
    async fn run<A: KinesisApi, S: LeaseStore>(
        self,
        consumer: kinesis_logs_source::ConsumerBuilder<A, S>,
    ) -> Result<(), ComponentError> {
        let Reading { stream, source, decoder, outputs, mut shutdown, watched, first_epoch, cut_offs } = self;
        let mut decoding = DecodingAhead::new(decoder, outputs.clone());
        // For what is set aside undecoded.
        let mut aside = outputs;
        let poison = Poison { shards: Arc::default(), cut_offs };
        let mut overdue = shutdown.clone();
        let mut deliveries = consumer.batches();
        watched.watch(Watched::new(&stream, &deliveries));
        let rejected = Arc::new(Notify::new());
        let mut failure = loop {
            let delivery = tokio::select! {
                biased;
                () = shutdown.requested() => break None,
                () = rejected.notified() => break Some(rejection(&stream)),
                delivery = deliveries.next() => delivery,
            };
            match delivery {
                None => return Ok(()),
                Some(Err(error)) => break Some(failed(error)),
                Some(Ok(delivery)) => {
                    let is_given_up = poison.has(&delivery);
                    let (records, origin, acknowledgement) = take(delivery, &source, first_epoch, &rejected, &poison);
                    let send = async {
                        match is_given_up {
                            true => aside.send_to(REJECTED, given_up(records.into(), origin, acknowledgement)).await,
                            false => decoding.send(records, origin, acknowledgement).await,
                        }
                    };
                    let sent = tokio::select! {
                        biased;
                        sent = send => sent,
                        () = overdue.overdue() => break None,
                    };
                    if sent.is_err() {
                        // Somebody behind it has failed, and said why; this source is being ended for it.
                        shutdown.requested().await;
                    }
                }
            }
        };
        drop(aside);
        // What lies behind has all that was read, finishes now, and says what it has accepted. While it cannot, the consumer
        // waits for no longer than it may.
        let finish = async {
            tokio::select! {
                () = decoding.finish() => {}
                () = overdue.overdue() => {}
            }
            std::future::pending().await
        };
        let drain = async {
            deliveries.shutdown_handle().shut_down();
            while let Some(unwanted) = deliveries.next().await {
                if let Err(error) = unwanted {
                    failure.get_or_insert(failed(error));
                }
            }
        };
        tokio::select! {
            () = finish => {}
            () = drain => {}
        }
        failure.map_or(Ok(()), Err)
    }
}

/// Takes a delivery apart. Its shard moves on when it was delivered, and goes back when it was abandoned; what was rejected
/// and nobody took must not be passed over.
fn take(
    delivery: Delivery,
    source: &Arc<str>,
    first_epoch: u64,
    rejected: &Arc<Notify>,
    poison: &Poison,
) -> (Vec<kinesis_logs_source::Record>, Option<Origin>, Acknowledgement) {
    let (batch, acker) = delivery.split();
    let epoch = first_epoch + acker.epoch();
    let origin = batch.records.first().map(|record| Origin::new(source.clone(), record, acker.range().clone(), epoch));
    let (rejected, poison, shard) = (rejected.clone(), poison.clone(), batch.shard_id.clone());
    let cut_offs = poison.cut_offs.get();
    let acknowledgement = Acknowledgement::new(move |outcome| {
        poison.note(&shard, acker.range(), cut_offs, outcome);
        match outcome {
            Outcome::Delivered => acker.settle(),
            Outcome::Rejected => {
                acker.abandon();
                rejected.notify_one();
            }
            Outcome::Abandoned => acker.abandon(),
        }
    });
    (batch.records, origin, acknowledgement)
}

/// Batches that come again and again, shard by shard.
#[derive(Debug, Clone)]
struct Poison {
    shards: Arc<Mutex<HashMap<ShardId, Abandoned<Checkpoint>>>>,
    cut_offs: CutOffs,
}

impl Poison {
    /// Whether a batch was abandoned so often that its records are to be set aside.
    fn has(&self, delivery: &Delivery) -> bool {
        let shards = self.lock();
        shards.get(&delivery.batch().shard_id).is_some_and(|shard| shard.is_given_up(&delivery.acker().range().from))
    }

    /// Notes what became of a batch; `cut_offs` is how often components had been cut off when it was sent.
    fn note(&self, shard: &ShardId, range: &PositionRange, cut_offs: u64, outcome: Outcome) {
        let mut shards = self.lock();
        match outcome {
            Outcome::Delivered => {
                let Some(abandoned) = shards.get_mut(shard) else { return };
                abandoned.delivered(&range.from, &Checkpoint::After(range.to.clone()));
                if abandoned.is_empty() {
                    shards.remove(shard);
                }
            }
            Outcome::Abandoned if cut_offs == self.cut_offs.get() => {
                shards.entry(shard.clone()).or_default().abandoned(range.from.clone());
            }
            Outcome::Rejected | Outcome::Abandoned => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ShardId, Abandoned<Checkpoint>>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn rejection(stream: &StreamId) -> ComponentError {
    ComponentError::new(format!("stream {stream} holds what nobody takes: it cannot be decoded, or was rejected"))
        .with_hint(format!("let a sink take <id>.{UNDECODABLE}, so that it is kept there and the shard moves on"))
}

fn failed(error: SourceError) -> ComponentError {
    ComponentError::new("cannot read on").caused_by(error)
}

#[cfg(test)]
mod tests {
    use kinesis_logs_testkit::{FakeKinesis, World};

    use super::*;
    use crate::component::{Batch, Kind, Receiver, Sender, Takers, ValueRef, Wires, channel};
    use crate::run::Counters;

    /// A stream that is read from its beginning, and those who take what is read.
    struct Stream {
        kinesis: Arc<FakeKinesis>,
        store: MemoryLeaseStore,
        taken: Receiver,
        rejected: Receiver,
        undecodable: Receiver,
        end: ShutdownSender,
        reading: tokio::task::JoinHandle<Result<(), ComponentError>>,
    }

    impl Stream {
        fn start() -> Self {
            let (kinesis, store) = (Arc::new(FakeKinesis::new("flows", 1)), MemoryLeaseStore::new());
            let channel = || -> (Sender, Receiver) { channel(1000, 1 << 20, Counters::new(Kind::Sink).into()) };
            let [(own, taken), (to_rejected, rejected), (to_undecodable, undecodable)] =
                [channel(), channel(), channel()];
            let wires = Arc::new(Wires::default());
            let named = [(REJECTED.into(), vec![to_rejected]), (UNDECODABLE.into(), vec![to_undecodable])];
            wires.set(Takers { own: vec![own], named: named.into() });
            let (end, shutdown) = ShutdownSender::new();
            let reading = Reading {
                stream: StreamId::new("flows"),
                source: "in".into(),
                decoder: serde_json::from_str::<DecodingConfig>(r#"{ "codec": "envelopes" }"#)
                    .unwrap()
                    .build()
                    .unwrap(),
                outputs: Outputs::new("in", wires, Counters::new(Kind::Source).into(), None),
                shutdown,
                watched: WatchedStreams::default(),
                first_epoch: 0,
                cut_offs: CutOffs::default(),
            };
            let consumer =
                Consumer::builder(kinesis.clone(), store.clone(), "flows").start(StartPosition::TrimHorizon).seed(1);
            let reading = tokio::spawn(reading.run(consumer.max_batch_bytes(1)));
            Stream { kinesis, store, taken, rejected, undecodable, end, reading }
        }

        fn put(&self, message: &str) {
            let envelope = serde_json::json!({ "messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s",
                "subscriptionFilters": [], "logEvents": [{ "id": "1", "timestamp": 1, "message": message }] });
            self.kinesis.world().put(0, envelope.to_string().into_bytes());
        }

        /// The end of the shard, as the fake has it, and what was checkpointed.
        async fn is_settled(&self) -> bool {
            for _ in 0..1000 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let last = self.kinesis.world().sequence_numbers(0).last().cloned();
                let rows = self.store.rows();
                let lease = rows.iter().find(|lease| lease.shard == World::shard_id(0));
                if lease.is_some_and(|lease| last.is_some_and(|last| lease.checkpoint == Checkpoint::after(last, 0))) {
                    return true;
                }
            }
            false
        }

        async fn end(self) {
            self.end.request();
            drop((self.taken, self.rejected, self.undecodable));
            self.reading.await.unwrap().unwrap();
        }
    }

    fn text(batch: &Batch, member: &str) -> Vec<String> {
        let text = |event: crate::component::Event<'_>| match event.get(member) {
            Some(ValueRef::Text(text)) => text.into_owned(),
            other => panic!("{other:?}"),
        };
        batch.events().map(text).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_abandoned_again_and_again_is_set_aside_as_it_came_and_the_shard_moves_on() {
        let mut stream = Stream::start();
        ["good", "poison", "better"].iter().for_each(|message| stream.put(message));
        let (mut delivered, mut times) = (Vec::new(), 0);
        let rejected = loop {
            let batch = tokio::select! {
                biased;
                batch = stream.taken.recv() => batch.unwrap(),
                rejected = stream.rejected.recv() => break rejected.unwrap(),
            };
            let messages = text(&batch, "message");
            match messages.iter().any(|message| message == "poison") {
                true => {
                    times += 1;
                    batch.acknowledge(Outcome::Abandoned);
                }
                false => {
                    delivered.extend(messages);
                    batch.acknowledge(Outcome::Delivered);
                }
            }
        };
        assert_eq!(times, 5);
        assert_eq!(text(&rejected, "Error"), ["given up: abandoned 5 times"]);
        let number = stream.kinesis.world().sequence_numbers(0)[1].to_string();
        assert_eq!(
            (text(&rejected, "SequenceNumber"), text(&rejected, "ShardId")),
            (vec![number], vec![World::shard_id(0).to_string()])
        );
        let data = base64_simd::STANDARD.decode_to_vec(&text(&rejected, "Data")[0]).unwrap();
        assert!(String::from_utf8(data).unwrap().contains("poison"), "it is the record as it came");
        rejected.acknowledge(Outcome::Delivered);
        while !delivered.iter().any(|message| message == "better") {
            let batch = stream.taken.recv().await.unwrap();
            delivered.extend(text(&batch, "message"));
            batch.acknowledge(Outcome::Delivered);
        }
        assert!(stream.is_settled().await, "{:?}", stream.store.rows());
        assert_eq!(delivered[0], "good");
        stream.end().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_that_cannot_be_decoded_is_set_aside_and_its_checkpoint_moves_past_it() {
        let mut stream = Stream::start();
        stream.kinesis.world().put(0, b"\x1f\x8b and no gzip".to_vec());
        let undecodable = stream.undecodable.recv().await.unwrap();
        let data = base64_simd::STANDARD.decode_to_vec(&text(&undecodable, "Data")[0]).unwrap();
        assert_eq!(data, b"\x1f\x8b and no gzip");
        undecodable.acknowledge(Outcome::Delivered);
        let rest = stream.taken.recv().await.unwrap();
        assert!(rest.is_empty(), "the batch still comes, so that it is settled by all");
        rest.acknowledge(Outcome::Delivered);
        assert!(stream.is_settled().await, "{:?}", stream.store.rows());
        stream.end().await;
    }
}
