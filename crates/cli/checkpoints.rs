//! `checkpoints`: how far a stream was read, shown and changed; and where that is kept.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;
use kinesis_logs_source::aws::DynamoDbLeaseStore;
use kinesis_logs_source::protocol::{Checkpoint, Lease, LeaseWrite, Shard, StreamSummary, WriteOutcome};
use kinesis_logs_source::{
    ApiErrorKind, Error, FileLeaseStore, KinesisApi, LeaseStore, LeaseStoreError, ShardId, StreamId, list_all_shards,
};

use crate::args::{AwsArgs, ChangeArgs, CheckpointsArgs, CheckpointsCommand, RewindArgs, ShowArgs};
use crate::failure::Failure;
use crate::{table, time};

/// Where checkpoints are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    File(PathBuf),
    DynamoDb(String),
}

impl Location {
    /// `dynamodb:TABLE`, or a file's path.
    pub(crate) fn parse(text: &str) -> Self {
        match text.strip_prefix("dynamodb:") {
            Some(table) => Location::DynamoDb(table.to_owned()),
            None => Location::File(text.into()),
        }
    }

    /// The leases of a stream as they are now, also while it is being read.
    pub(crate) async fn leases(&self, stream: &str, aws: &AwsArgs) -> Result<Vec<Lease>, Failure> {
        match self {
            Location::File(path) if !path.exists() => {
                Err(Failure::failed(anyhow::anyhow!("there is no file {}", path.display()))
                    .hint("the file is the one that was given to `read --checkpoint`"))
            }
            Location::File(path) => FileLeaseStore::new(path, stream).peek().map_err(failed),
            Location::DynamoDb(table) => {
                let rows = rows_of(table, stream, aws).await?;
                Ok(rows.leases.into_iter().filter(|lease| !is_of_another(lease, rows.created.as_ref().ok())).collect())
            }
        }
    }

    /// Opens it for a stream.
    pub(crate) async fn open(&self, stream: &str, aws: &AwsArgs) -> Result<Arc<dyn LeaseStore>, Failure> {
        Ok(match self {
            Location::File(path) => Arc::new(FileLeaseStore::new(path, stream)),
            Location::DynamoDb(table) => Arc::new(connect(table, aws).await?),
        })
    }
}

async fn connect(table: &str, aws: &AwsArgs) -> Result<DynamoDbLeaseStore, Failure> {
    // An endpoint that was given is Kinesis's; AWS_ENDPOINT_URL_DYNAMODB is for this one.
    let mut options = crate::aws_options(aws);
    options.endpoint_url = None;
    if options.region.is_none() && aws.endpoint_url.is_some() {
        options.region = Some("us-east-1".to_owned());
    }
    Ok(DynamoDbLeaseStore::connect(options, table).await?)
}

/// The rows of a table that are, or may be, about a stream.
struct Rows {
    store: DynamoDbLeaseStore,
    leases: Vec<Lease>,
    /// When the stream was created, or why that is not known.
    created: Result<Timestamp, Failure>,
}

/// A table may hold the leases of several streams, under their identifiers. If there are none under this stream's, its
/// rows are those without one.
async fn rows_of(table: &str, stream: &str, aws: &AwsArgs) -> Result<Rows, Failure> {
    let stream = StreamId::new(stream);
    let summary = crate::connect(aws).await?.describe_stream(&stream).await;
    let summary = summary.map_err(|source| {
        let error = match source.kind {
            ApiErrorKind::NotFound => Error::StreamNotFound { stream: stream.clone(), source },
            _ => Error::Api { stream: stream.clone(), shard: None, source },
        };
        Failure::from_source(error, aws.endpoint_url.as_deref())
    });
    if let Ok(Some(identifier)) = summary.as_ref().map(StreamSummary::identifier) {
        let store = connect(table, aws).await?.multi_stream(identifier);
        let leases = store.list().await.map_err(failed)?;
        if !leases.is_empty() {
            return Ok(Rows { store, leases, created: created(summary, &stream) });
        }
    }
    let store = connect(table, aws).await?;
    let leases = store.list().await.map_err(failed)?;
    Ok(Rows { store, leases, created: created(summary, &stream) })
}

fn created(summary: Result<StreamSummary, Failure>, stream: &StreamId) -> Result<Timestamp, Failure> {
    let unknown = || Failure::failed(anyhow::anyhow!("the answer does not say when stream {stream} was created"));
    summary?.creation_timestamp.ok_or_else(unknown)
}

/// Whether a lease says that it is about a stream that was created at another time. Services differ in fractions of a
/// second.
fn is_of_another(lease: &Lease, created: Option<&Timestamp>) -> bool {
    let time = lease.stream_creation_timestamp;
    time.zip(created).is_some_and(|(time, created)| time.as_second() != created.as_second())
}

pub(crate) async fn run(args: CheckpointsArgs) -> Result<ExitCode, Failure> {
    match args.command {
        CheckpointsCommand::Show(args) => show(args).await,
        CheckpointsCommand::Reset(args) => reset(args).await,
        CheckpointsCommand::Rewind(args) => rewind(args).await,
    }
}

async fn show(args: ShowArgs) -> Result<ExitCode, Failure> {
    let mut leases = Location::parse(&args.location).leases(&args.stream, &args.aws).await?;
    leases.sort_by(|a, b| a.shard.cmp(&b.shard));
    let mut table = table::with_header(["SHARD", "CHECKPOINT", "OWNER", "PARENTS", "SWITCHES"]);
    for lease in &leases {
        table.add_row([
            lease.shard.to_string(),
            describe(lease),
            table::or_dash(lease.owner.clone()),
            table::shards(&lease.parents),
            lease.owner_switches_since_checkpoint.to_string(),
        ]);
    }
    if leases.is_empty() {
        // A reader that has gone is none of our business.
        let _ = writeln!(std::io::stdout(), "no checkpoints of stream {} in {}", args.stream, args.location);
    } else {
        table::print(table);
    }
    Ok(ExitCode::SUCCESS)
}

/// A checkpoint, with what a sentinel leaves open.
pub(crate) fn describe(lease: &Lease) -> String {
    match (&lease.checkpoint, lease.start_timestamp) {
        (Checkpoint::Latest | Checkpoint::AtTimestamp, Some(time)) => format!("{} from {time:.0}", lease.checkpoint),
        (Checkpoint::After(position), _) => position.to_string(),
        (sentinel, _) => sentinel.to_string(),
    }
}

async fn reset(args: ChangeArgs) -> Result<ExitCode, Failure> {
    let (store, leases, _) = open(&args).await?;
    refuse_if_owned(&leases, args.force)?;
    let removed = remove(&*store, &leases).await?;
    crate::say(&format!(
        "{removed} checkpoints of stream {} are removed; the next run begins where it is told to",
        args.place.stream
    ));
    Ok(ExitCode::SUCCESS)
}

async fn rewind(args: RewindArgs) -> Result<ExitCode, Failure> {
    let RewindArgs { change, to, time_format } = args;
    let to = time::parse("--to", &to, time_format.as_deref(), Timestamp::now())?;
    let (store, leases, created) = open(&change).await?;
    refuse_if_owned(&leases, change.force)?;
    let client = crate::connect(&change.place.aws).await?;
    let stream = StreamId::new(&change.place.stream);
    let shards = list_all_shards(&client, &stream).await;
    let shards = shards.map_err(|error| Failure::from_source(error, change.place.aws.endpoint_url.as_deref()))?;
    for writes in rewound(leases, &shards, to, created) {
        write_all(&*store, writes).await?;
    }
    crate::say(&format!("the next run reads what arrived at {to:.0} or later in {} shards", shards.len()));
    Ok(ExitCode::SUCCESS)
}

/// What makes every shard begin at a time, to be written one after the other: wherever it is broken off, each shard has a
/// row, of before or of now. What is missing comes first, lest a shard without a row count as dealt with for its
/// children's.
fn rewound(leases: Vec<Lease>, shards: &[Shard], to: Timestamp, created: Option<Timestamp>) -> [Vec<LeaseWrite>; 3] {
    let mut counters: BTreeMap<ShardId, u64> = leases.into_iter().map(|lease| (lease.shard, lease.counter)).collect();
    let (mut create, mut replace) = (Vec::new(), Vec::new());
    for shard in shards {
        let mut lease = Lease::of_shard(shard, Checkpoint::AtTimestamp, Some(to));
        lease.stream_creation_timestamp = created;
        match counters.remove(&shard.id) {
            Some(counter) => replace.push(LeaseWrite::Replace { lease, counter }),
            None => create.push(LeaseWrite::Create { lease }),
        }
    }
    let gone = counters.into_iter().map(|(shard, counter)| LeaseWrite::Delete { shard, counter });
    [create, replace, gone.collect()]
}

/// Opens the store to change it, which locks a file, and lists what it holds of the stream; with when that was created, as
/// far as it matters here. Rows of another stream are refused, and such as cannot be told from them, unless that is
/// forced.
async fn open(args: &ChangeArgs) -> Result<(Arc<dyn LeaseStore>, Vec<Lease>, Option<Timestamp>), Failure> {
    let ChangeArgs { force, place } = args;
    let location = Location::parse(&place.location);
    let (store, leases, created): (Arc<dyn LeaseStore>, _, _) = match &location {
        Location::File(_) => {
            let leases = location.leases(&place.stream, &place.aws).await?;
            (location.open(&place.stream, &place.aws).await?, leases, None)
        }
        Location::DynamoDb(table) => {
            let Rows { store, leases, created } = rows_of(table, &place.stream, &place.aws).await?;
            let created = match created {
                Err(failure) if !force => return Err(failure),
                created => created.ok(),
            };
            if !force {
                refuse_if_of_another(&leases, place, created)?;
            }
            (Arc::new(store), leases, created)
        }
    };
    store.prepare().await.map_err(failed)?;
    Ok((store, leases, created))
}

fn refuse_if_of_another(leases: &[Lease], place: &ShowArgs, created: Option<Timestamp>) -> Result<(), Failure> {
    let other = leases.iter().find(|lease| is_of_another(lease, created.as_ref()));
    match (other.and_then(|lease| lease.stream_creation_timestamp), created) {
        (Some(theirs), Some(created)) => {
            let ShowArgs { location, stream, .. } = place;
            Err(Failure::failed(anyhow::anyhow!(
                "{location} has checkpoints of a stream created at {theirs:.0}; {stream} was created at {created:.0}"
            ))
            .hint("name the stream that they are of; if that was deleted, --force goes on"))
        }
        _ => Ok(()),
    }
}

/// What is changed under a worker's feet would be written over by it.
fn refuse_if_owned(leases: &[Lease], force: bool) -> Result<(), Failure> {
    let owner = leases.iter().filter(|lease| !lease.is_complete()).find_map(|lease| lease.owner.as_deref());
    match owner.filter(|_| !force) {
        Some(owner) => Err(Failure::failed(anyhow::anyhow!("worker {owner} has leases"))
            .hint("stop all workers first; if they are dead and left their names, --force goes on")),
        None => Ok(()),
    }
}

async fn remove(store: &dyn LeaseStore, leases: &[Lease]) -> Result<usize, Failure> {
    let delete = |lease: &Lease| LeaseWrite::Delete { shard: lease.shard.clone(), counter: lease.counter };
    write_all(store, leases.iter().map(delete).collect()).await
}

/// Does all writes, or says which could not be done.
async fn write_all(store: &dyn LeaseStore, writes: Vec<LeaseWrite>) -> Result<usize, Failure> {
    let count = writes.len();
    let shards: Vec<String> = writes.iter().map(|write| write.shard().to_string()).collect();
    for (shard, outcome) in shards.iter().zip(store.write(writes).await) {
        if let WriteOutcome::Refused(_) = outcome.map_err(failed)? {
            return Err(Failure::failed(anyhow::anyhow!("the checkpoint of {shard} was changed meanwhile"))
                .hint("stop all workers first, then try again"));
        }
    }
    Ok(count)
}

fn failed(error: LeaseStoreError) -> Failure {
    Failure::failed(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str) -> Shard {
        Shard { id: id.into(), parents: Vec::new(), hash_key_range: None, closed: false }
    }

    #[test]
    fn wherever_a_rewind_is_broken_off_each_shard_has_a_row() {
        let row = |id: &str, counter| {
            let mut row = Lease::new(id, Checkpoint::ShardEnd);
            row.counter = counter;
            row
        };
        let before = [row("a", 3), row("gone", 5), row("c", 7)];
        let shards = ["a", "b", "c"].map(shard);
        let (to, created) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(7).ok());
        let steps = rewound(before.to_vec(), &shards, to, created);
        let mut rows: BTreeMap<ShardId, Lease> = before.iter().map(|row| (row.shard.clone(), row.clone())).collect();
        for write in steps.iter().flatten() {
            assert_eq!(write.apply_to(&mut rows), WriteOutcome::Done, "{write:?}");
            assert!(shards.iter().all(|shard| rows.contains_key(&shard.id)), "after {write:?}: {rows:#?}");
        }
        assert_eq!(rows.len(), 3);
        for row in rows.values() {
            let begins = (&row.checkpoint, row.start_timestamp, row.stream_creation_timestamp);
            assert_eq!(begins, (&Checkpoint::AtTimestamp, Some(to), created));
        }
    }

    #[test]
    fn a_row_that_says_so_is_of_another_stream() {
        let row = |millis| {
            let mut row = Lease::new("a", Checkpoint::TrimHorizon);
            row.stream_creation_timestamp = Timestamp::from_millisecond(millis).ok();
            row
        };
        let created = Timestamp::from_millisecond(7_900).unwrap();
        assert!(is_of_another(&row(8_000), Some(&created)));
        assert!(!is_of_another(&row(7_000), Some(&created)), "a service that tells whole seconds");
        assert!(!is_of_another(&Lease::new("a", Checkpoint::TrimHorizon), Some(&created)), "KCL's do not say");
        assert!(!is_of_another(&row(8_000), None));
    }
}
