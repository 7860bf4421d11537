//! `shards`: which shards a stream has, how much each holds, and how far readers with checkpoints have come.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use indicatif::HumanDuration;
use kinesis_logs_source::aws::KinesisClient;
use kinesis_logs_source::protocol::{Checkpoint, Lease, RecordPage, Shard, ShardPosition};
use kinesis_logs_source::{Error, KinesisApi, ShardId, StreamId, list_all_shards};

use crate::args::ShardsArgs;
use crate::checkpoints::{Location, describe};
use crate::failure::Failure;

/// Where the share of hash keys stands, a number.
const HASH_KEYS: usize = 3;

pub(crate) async fn run(args: ShardsArgs) -> Result<ExitCode, Failure> {
    let client = crate::connect(&args.aws).await?;
    let stream = StreamId::new(&args.stream);
    let failure = |error| Failure::from_source(error, args.aws.endpoint_url.as_deref());
    let shards = list_all_shards(&client, &stream).await.map_err(failure)?;
    let leases = leases(&args).await?;

    let mut header = vec!["SHARD", "STATE", "PARENTS", "HASH KEYS", "OLDEST RECORD", "BEHIND"];
    if leases.is_some() {
        header.extend(["OWNER", "CHECKPOINT", "LAG"]);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for shard in &shards {
        let oldest = first_page(&client, &stream, shard, &ShardPosition::TrimHorizon).await.map_err(failure)?;
        let parents: Vec<&str> = shard.parents.iter().map(|parent| parent.as_str()).collect();
        let arrival = oldest.records.first().and_then(|record| record.arrival);
        let mut row = vec![
            shard.id.as_str().to_owned(),
            if shard.closed { "closed" } else { "open" }.to_owned(),
            if parents.is_empty() { "-".to_owned() } else { parents.join(",") },
            shard.hash_key_range.map_or_else(|| "-".to_owned(), share),
            arrival.map_or_else(|| "-".to_owned(), |arrival| format!("{arrival:.0}")),
            behind(&oldest),
        ];
        if let Some(leases) = &leases {
            let lease = leases.get(&shard.id);
            row.push(lease.and_then(|lease| lease.owner.clone()).unwrap_or_else(|| "-".to_owned()));
            row.push(lease.map_or_else(|| "-".to_owned(), describe));
            row.push(lag(&client, &stream, shard, lease).await.map_err(failure)?);
        }
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index == HASH_KEYS {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    // A reader that has gone is none of our business.
    let _ = writeln!(std::io::stdout(), "{}", table.trim_fmt());
    Ok(ExitCode::SUCCESS)
}

/// The leases by shard, if they are asked for.
async fn leases(args: &ShardsArgs) -> Result<Option<BTreeMap<ShardId, Lease>>, Failure> {
    let Some(location) = &args.checkpoint else { return Ok(None) };
    let leases = Location::parse(location).leases(&args.stream, &args.aws).await?;
    Ok(Some(leases.into_iter().map(|lease| (lease.shard.clone(), lease)).collect()))
}

/// How far the checkpoint is behind the tip of the shard.
async fn lag(client: &KinesisClient, stream: &StreamId, shard: &Shard, lease: Option<&Lease>) -> Result<String, Error> {
    let position = match lease.map(|lease| (&lease.checkpoint, lease.start_timestamp)) {
        Some((Checkpoint::After(position), _)) => ShardPosition::AfterSequenceNumber(position.sequence_number.clone()),
        Some((Checkpoint::TrimHorizon, _)) => ShardPosition::TrimHorizon,
        Some((Checkpoint::Latest | Checkpoint::AtTimestamp, Some(time))) => ShardPosition::AtTimestamp(time),
        _ => return Ok("-".to_owned()),
    };
    Ok(behind(&first_page(client, stream, shard, &position).await?))
}

async fn first_page(
    client: &KinesisClient,
    stream: &StreamId,
    shard: &Shard,
    position: &ShardPosition,
) -> Result<RecordPage, Error> {
    let error = |source| Error::Api { stream: stream.clone(), shard: Some(shard.id.clone()), source };
    let iterator = client.get_shard_iterator(stream, &shard.id, position).await.map_err(error)?;
    client.get_records(stream, &iterator, Some(1)).await.map_err(error)
}

fn behind(page: &RecordPage) -> String {
    page.millis_behind_latest.map_or_else(
        || "-".to_owned(),
        |millis| HumanDuration(Duration::from_millis(millis.unsigned_abs())).to_string(),
    )
}

/// The part of all hash keys, in percent.
fn share((start, end): (u128, u128)) -> String {
    format!("{:.1} %", (end - start) as f64 / u128::MAX as f64 * 100.0)
}
