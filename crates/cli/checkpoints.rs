//! `checkpoints`: how far a stream was read, shown and changed; and where that is kept.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;
use kinesis_logs_source::aws::DynamoDbLeaseStore;
use kinesis_logs_source::protocol::{Checkpoint, Lease, LeaseWrite, WriteOutcome};
use kinesis_logs_source::{FileLeaseStore, LeaseStore, LeaseStoreError, StreamId, list_all_shards};

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
            Location::DynamoDb(_) => self.open(stream, aws).await?.list().await.map_err(failed),
        }
    }

    /// Opens it for a stream.
    pub(crate) async fn open(&self, stream: &str, aws: &AwsArgs) -> Result<Arc<dyn LeaseStore>, Failure> {
        Ok(match self {
            Location::File(path) => Arc::new(FileLeaseStore::new(path, stream)),
            Location::DynamoDb(table) => {
                // An endpoint that was given is Kinesis's; AWS_ENDPOINT_URL_DYNAMODB is for this one.
                let mut options = crate::aws_options(aws);
                options.endpoint_url = None;
                if options.region.is_none() && aws.endpoint_url.is_some() {
                    options.region = Some("us-east-1".to_owned());
                }
                Arc::new(DynamoDbLeaseStore::connect(options, table).await?)
            }
        })
    }
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
    let (store, leases) = open(&args).await?;
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
    let (store, leases) = open(&change).await?;
    refuse_if_owned(&leases, change.force)?;
    let client = crate::connect(&change.place.aws).await?;
    let stream = StreamId::new(&change.place.stream);
    let shards = list_all_shards(&client, &stream).await;
    let shards = shards.map_err(|error| Failure::from_source(error, change.place.aws.endpoint_url.as_deref()))?;
    remove(&*store, &leases).await?;
    let rows = shards
        .iter()
        .map(|shard| LeaseWrite::Create { lease: Lease::of_shard(shard, Checkpoint::AtTimestamp, Some(to)) });
    write_all(&*store, rows.collect()).await?;
    crate::say(&format!("the next run reads what arrived at {to:.0} or later in {} shards", shards.len()));
    Ok(ExitCode::SUCCESS)
}

/// Opens the store to change it, which locks a file, and lists what it holds.
async fn open(ChangeArgs { place: args, .. }: &ChangeArgs) -> Result<(Arc<dyn LeaseStore>, Vec<Lease>), Failure> {
    let location = Location::parse(&args.location);
    let leases = location.leases(&args.stream, &args.aws).await?;
    let store = location.open(&args.stream, &args.aws).await?;
    store.prepare().await.map_err(failed)?;
    Ok((store, leases))
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
