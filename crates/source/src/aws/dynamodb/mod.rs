//! [`LeaseStore`] over `aws-sdk-dynamodb`.

mod leader;
mod row;
mod write;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableDescription, TableStatus,
};
use aws_smithy_types::retry::RetryConfig;
use futures::{StreamExt, stream};

use super::error::api_error;
use super::{AwsOptions, ConnectError};
use crate::error::{ApiError, ApiErrorKind};
use crate::error::{LeaseStoreError, LeaseStoreErrorKind};
use crate::lease_store::LeaseStore;
use crate::protocol::{Leader, Lease, LeaseWrite, ShardId, WriteOutcome};
use row::{Keys, LEASE_KEY, Row};
use write::Answer;

/// Writes of one call that are under way at the same time.
const CONCURRENT_WRITES: usize = 16;
/// A table takes seconds to be made.
const TABLE_POLL: Duration = Duration::from_millis(500);
const TABLE_POLLS: u32 = 120;

/// Leases in a DynamoDB table, for any number of processes: the table of the [Kinesis Client Library], versions 1 to 3,
/// whose workers may be replaced by this one and the other way round.
///
/// ```no_run
/// use kinesis_logs_source::aws::{AwsOptions, DynamoDbLeaseStore};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let store = DynamoDbLeaseStore::connect(AwsOptions::default(), "my-application").await?;
/// # Ok(())
/// # }
/// ```
///
/// - The table is made if it is not there, with billing on demand. For one that is there, `dynamodb:DescribeTable`,
///   `Scan`, `GetItem`, `PutItem`, `UpdateItem` and `DeleteItem` are enough.
/// - Writes are KCL's conditional ones, and change what they name: attributes of other versions live on. Rows that are no
///   leases, of which KCL 3.5 keeps several kinds in the table, are left alone.
/// - While a leader of KCL 3 lives, which assigns the leases of a table to its own kind, none are taken. It is looked for
///   among the rows, and in the table `TABLE-CoordinatorState`, if there is one and it may be read.
/// - `startTimestamp` and `streamCreationTimestamp` are attributes of ours, in milliseconds since 1970.
/// - A failed call is tried three times at most, within seconds. What is tried again after its answer was lost may be
///   refused because it was done before; it counts as done if the row is then what the write would have made it: for a
///   renewal the same owner and a counter higher by one, and so on. Nobody else makes such a row, as long as workers'
///   names differ.
///
/// [Kinesis Client Library]: https://docs.aws.amazon.com/streams/latest/dev/kcl-dynamoDB.html
#[derive(Debug)]
pub struct DynamoDbLeaseStore {
    client: Client,
    table: String,
    keys: Keys,
    /// Rows that could not be read when last listed, which is told when it changes.
    unreadable: AtomicUsize,
    /// The leader that stood among the leases when last listed.
    leader: Mutex<Option<Leader>>,
}

impl DynamoDbLeaseStore {
    /// A store in the table of this name, which KCL calls the application's, from `options` and the SDK's own sources.
    /// Does not connect yet.
    pub async fn connect(options: AwsOptions, table: impl Into<String>) -> Result<Self, ConnectError> {
        let config = options.load().await?;
        let mut dynamodb = aws_sdk_dynamodb::config::Builder::from(&config)
            // A worker has a few seconds to renew its leases, and its consumer tries again as well.
            .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(100)))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(2))
                    .operation_attempt_timeout(Duration::from_secs(2))
                    .operation_timeout(Duration::from_secs(5))
                    .build(),
            );
        if let Some(url) = options.endpoint_url {
            dynamodb = dynamodb.endpoint_url(url);
        }
        Ok(DynamoDbLeaseStore::from_sdk(Client::from_conf(dynamodb.build()), table))
    }

    /// A store over an SDK client of your own making. Its retries and timeouts should end within a few seconds.
    pub fn from_sdk(client: Client, table: impl Into<String>) -> Self {
        DynamoDbLeaseStore {
            client,
            table: table.into(),
            keys: Keys::Shards,
            unreadable: AtomicUsize::new(0),
            leader: Mutex::default(),
        }
    }

    /// Keeps the leases of one stream among several in the table, as KCL does in its multi-stream mode: under the
    /// stream's identifier, `account:stream:creationEpoch`, such as `123456789012:flow-logs:1700000000`.
    #[must_use]
    pub fn multi_stream(mut self, stream_identifier: impl Into<String>) -> Self {
        self.keys = Keys::OfStream(stream_identifier.into());
        self
    }

    /// Whether the table is there, and one of leases. Where it is not, [`prepare`](LeaseStore::prepare) makes it.
    pub async fn is_there(&self) -> Result<bool, LeaseStoreError> {
        match self.describe().await? {
            Some(table) => self.check_key(&table).map(|()| true),
            None => Ok(false),
        }
    }

    async fn describe(&self) -> Result<Option<TableDescription>, LeaseStoreError> {
        let described = self.client.describe_table().table_name(&self.table).send().await;
        match described {
            Ok(described) => Ok(described.table),
            Err(error) if is(&error, "ResourceNotFoundException") => Ok(None),
            Err(error) => Err(self.failed(api_error("DescribeTable", error))),
        }
    }

    async fn create(&self) -> Result<(), LeaseStoreError> {
        let incomplete = |error| self.error(LeaseStoreErrorKind::Other, format!("CreateTable: {error}"));
        let key = AttributeDefinition::builder().attribute_name(LEASE_KEY).attribute_type(ScalarAttributeType::S);
        let schema = KeySchemaElement::builder().attribute_name(LEASE_KEY).key_type(KeyType::Hash);
        let create = self
            .client
            .create_table()
            .table_name(&self.table)
            .attribute_definitions(key.build().map_err(incomplete)?)
            .key_schema(schema.build().map_err(incomplete)?)
            .billing_mode(BillingMode::PayPerRequest);
        match create.send().await {
            Ok(_) => Ok(()),
            // Another worker was first.
            Err(error) if is(&error, "ResourceInUseException") => Ok(()),
            Err(error) => Err(self.failed(api_error("CreateTable", error))),
        }
    }

    fn check_key(&self, table: &TableDescription) -> Result<(), LeaseStoreError> {
        let schema: Vec<_> = table.key_schema().iter().map(|key| (key.attribute_name(), key.key_type())).collect();
        let is_string = table.attribute_definitions().iter().any(|attribute| {
            attribute.attribute_name() == LEASE_KEY && *attribute.attribute_type() == ScalarAttributeType::S
        });
        if schema == [(LEASE_KEY, &KeyType::Hash)] && is_string {
            return Ok(());
        }
        let names: Vec<_> = schema.iter().map(|(name, _)| *name).collect();
        let message =
            format!("this is no table of leases: its key is {}, not a string {LEASE_KEY}", names.join(" and "));
        Err(self.error(LeaseStoreErrorKind::Corrupt, message))
    }

    async fn write_one(&self, write: LeaseWrite) -> Result<WriteOutcome, LeaseStoreError> {
        let answer = write::send(&self.client, &self.table, &self.keys, &write).await;
        let (item, retried) = match answer.map_err(|error| self.failed(error))? {
            Answer::Done => return Ok(WriteOutcome::Done),
            Answer::Refused { item, retried } => (item, retried),
        };
        let row = match item.map(|item| self.keys.row(&item)) {
            None => None,
            Some(Row::Lease(lease)) => Some(lease),
            Some(Row::Foreign | Row::Leader(_)) => {
                return Err(self.error(LeaseStoreErrorKind::Corrupt, format!("{} is no lease", write.shard())));
            }
            Some(Row::Unreadable(why)) => return Err(self.error(LeaseStoreErrorKind::Corrupt, why)),
        };
        if retried && self.is_made_by(&write, row.as_deref()) {
            return Ok(WriteOutcome::Done);
        }
        Ok(WriteOutcome::Refused(row))
    }

    /// Whether the row is what the write makes of one.
    fn is_made_by(&self, write: &LeaseWrite, row: Option<&Lease>) -> bool {
        let Some(row) = row else { return matches!(write, LeaseWrite::Delete { .. }) };
        let is_next = |owner: &str, counter: u64| {
            row.owner.as_deref() == Some(owner) && row.counter.checked_sub(1) == Some(counter)
        };
        match write {
            LeaseWrite::Create { lease } => self.is_stored_as(lease, row),
            LeaseWrite::Replace { lease, counter } => {
                self.is_stored_as(&Lease { counter: counter + 1, ..lease.clone() }, row)
            }
            LeaseWrite::Renew { owner, counter, .. } => is_next(owner, *counter),
            LeaseWrite::Take { owner, counter, .. } => is_next(owner, *counter) && row.checkpoint_owner.is_none(),
            LeaseWrite::Checkpoint { owner, counter, checkpoint, children, .. } => {
                let set = |shards: &[ShardId]| shards.iter().cloned().collect::<BTreeSet<_>>();
                is_next(owner, *counter)
                    && row.checkpoint == *checkpoint
                    && row.owner_switches_since_checkpoint == 0
                    && (children.is_empty() || set(children) == set(&row.children))
            }
            // Free is what it was to become.
            LeaseWrite::Release { .. } => row.owner.is_none(),
            LeaseWrite::Delete { .. } => false,
        }
    }

    fn is_stored_as(&self, lease: &Lease, row: &Lease) -> bool {
        self.keys.row(&self.keys.item(lease)) == Row::Lease(Box::new(row.clone()))
    }

    fn failed(&self, error: ApiError) -> LeaseStoreError {
        let kind = match error.kind {
            ApiErrorKind::Throttled => LeaseStoreErrorKind::Throttled,
            ApiErrorKind::AccessDenied | ApiErrorKind::Kms => LeaseStoreErrorKind::AccessDenied,
            ApiErrorKind::Credentials => LeaseStoreErrorKind::Credentials,
            kind if kind.is_retryable() => LeaseStoreErrorKind::Unavailable,
            _ => LeaseStoreErrorKind::Other,
        };
        self.error(kind, error.to_string())
    }

    fn error(&self, kind: LeaseStoreErrorKind, message: impl Into<String>) -> LeaseStoreError {
        LeaseStoreError::new(kind, format!("DynamoDB table {}", self.table), message)
    }
}

#[async_trait]
impl LeaseStore for DynamoDbLeaseStore {
    async fn prepare(&self) -> Result<(), LeaseStoreError> {
        for _ in 0..TABLE_POLLS {
            match self.describe().await? {
                Some(table) => {
                    self.check_key(&table)?;
                    if matches!(table.table_status(), Some(TableStatus::Active | TableStatus::Updating)) {
                        return Ok(());
                    }
                }
                None => self.create().await?,
            }
            tokio::time::sleep(TABLE_POLL).await;
        }
        Err(self.error(LeaseStoreErrorKind::Unavailable, "the table has not become active within a minute"))
    }

    async fn list(&self) -> Result<Vec<Lease>, LeaseStoreError> {
        let scan = self.client.scan().table_name(&self.table).consistent_read(true);
        let mut pages = scan.into_paginator().send();
        let mut leases = Vec::new();
        let mut foreign = 0_usize;
        let mut unreadable = Vec::new();
        let mut leader = None;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.failed(api_error("Scan", error)))?;
            for item in page.items() {
                match self.keys.row(item) {
                    Row::Lease(lease) => leases.push(*lease),
                    Row::Foreign => foreign += 1,
                    Row::Leader(found) => leader = found,
                    Row::Unreadable(why) => unreadable.push(why),
                }
            }
        }
        *self.leader.lock().unwrap_or_else(PoisonError::into_inner) = leader;
        tracing::trace!(table = self.table, leases = leases.len(), foreign, unreadable = unreadable.len(), "listed");
        if self.unreadable.swap(unreadable.len(), Ordering::Relaxed) != unreadable.len()
            && let Some(first) = unreadable.first()
        {
            tracing::warn!(table = self.table, rows = unreadable.len(), first, "rows are no leases, though named so");
        }
        Ok(leases)
    }

    async fn leader(&self) -> Result<Option<Leader>, LeaseStoreError> {
        let among_leases = self.leader.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match among_leases {
            Some(leader) => Ok(Some(leader)),
            None => leader::get(&self.client, &self.table).await.map_err(|error| self.failed(error)),
        }
    }

    async fn write(&self, writes: Vec<LeaseWrite>) -> Vec<Result<WriteOutcome, LeaseStoreError>> {
        stream::iter(writes).map(|write| self.write_one(write)).buffered(CONCURRENT_WRITES).collect().await
    }
}

fn is<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>, code: &str) -> bool {
    matches!(error, SdkError::ServiceError(error) if error.err().code() == Some(code))
}
