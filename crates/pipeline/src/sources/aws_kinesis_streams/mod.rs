//! `aws_kinesis_streams`: data streams, from all shards, with checkpoints.

mod checkpoints;
mod config;
mod poison;
mod reading;

use std::time::Duration;

use async_trait::async_trait;
use kinesis_logs_source::aws::KinesisClient;
use kinesis_logs_source::{Consumer, KinesisApi, StartPosition, Stop, StreamId, UnusableCheckpoint};
use tokio::task::JoinSet;
use tracing::Instrument;

use self::checkpoints::Unusable;
use self::config::Mode;
use self::reading::Reading;
use crate::aws::{cannot_connect, unhealthy};
use crate::codecs::RecordDecoder;
use crate::component::{BuildContext, ComponentError, Healthcheck, ShutdownSender, Source, SourceContext};
use crate::folders::{check_writable, look};

pub(crate) use self::config::AwsKinesisStreamsConfig;

/// How many bytes of payload make a batch: as text some megabyte, of which several are under way at once.
const BATCH_BYTES: usize = 64 << 10;
/// How many bytes of payload are read at most that nobody has answered for, of all shards and of one. A shard gives 2 MB a second,
/// and sinks answer after a second or so.
const UNSETTLED_BYTES: usize = 24 << 20;
const UNSETTLED_BYTES_OF_SHARD: usize = 4 << 20;
/// How long before it is cut off a source stops waiting for answers, to write checkpoints and give leases back; half of what it has,
/// if that is less. It may have begun to wait seconds after it was asked to end.
const GIVING_BACK: Duration = Duration::from_secs(8);

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
                .drain_timeout(drain_timeout.saturating_sub(GIVING_BACK.min(drain_timeout / 2)))
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
