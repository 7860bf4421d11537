//! Where is kept how far each shard was read.

use std::path::PathBuf;
use std::sync::Arc;

use kinesis_logs_source::aws::KinesisClient;
use kinesis_logs_source::{FileLeaseStore, LeaseStore, MemoryLeaseStore, StreamId};
#[cfg(feature = "dynamodb")]
use kinesis_logs_source::{KinesisApi, aws::DynamoDbLeaseStore};
use serde::Deserialize;

use super::{AwsKinesisStreams, AwsKinesisStreamsConfig};
use crate::component::{BuildContext, ComponentError, Problem};

/// Where checkpoints are kept.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub(super) struct CheckpointConfig {
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
    pub(super) worker_id: Option<String>,
    /// What to do about checkpoints of an earlier stream of the same name, and such as Kinesis refuses. Default: `fail`.
    pub(super) unusable: Unusable,
    /// Seconds that a worker may be silent before others take its shards; the same for all of them. Default: 10.
    pub(super) failover_time_secs: Option<u64>,
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
pub(super) enum Unusable {
    /// End with an error.
    #[default]
    Fail,
    /// Read from the oldest record.
    TrimHorizon,
}

impl CheckpointConfig {
    pub(super) fn check(&self, streams: usize, context: &BuildContext, keep: &mut impl FnMut(Problem)) {
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

impl AwsKinesisStreams {
    /// The folders of files of checkpoints.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        let CheckpointConfig { r#type, path, .. } = &self.config.checkpoint;
        let of_path = path.as_ref().and_then(|path| path.parent()).map(PathBuf::from);
        let default = || self.context.data_dir.as_ref().map(|folder| folder.join(&self.context.id));
        let folder = of_path.or_else(default).filter(|_| *r#type == CheckpointType::File);
        folder.into_iter().collect()
    }

    pub(super) async fn store(
        &self,
        client: &KinesisClient,
        stream: &StreamId,
    ) -> Result<Arc<dyn LeaseStore>, ComponentError> {
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

impl AwsKinesisStreamsConfig {
    /// Looks whether the table of checkpoints can be used, if there is to be one.
    #[cfg(feature = "dynamodb")]
    pub(super) async fn check_table(&self) -> Result<(), ComponentError> {
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
    pub(super) async fn check_table(&self) -> Result<(), ComponentError> {
        Ok(())
    }

    #[cfg(feature = "dynamodb")]
    async fn lease_table(&self, table: &str) -> Result<DynamoDbLeaseStore, ComponentError> {
        let mut options = self.options();
        options.endpoint_url.clone_from(&self.checkpoint.endpoint);
        let store = DynamoDbLeaseStore::connect(options, table).await;
        store.map_err(|error| ComponentError::new("cannot connect to DynamoDB").caused_by(error))
    }
}
