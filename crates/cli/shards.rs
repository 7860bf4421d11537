//! `shards`: which shards a stream has, how much each holds, and how far readers with checkpoints have come.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use comfy_table::CellAlignment;
use indicatif::HumanDuration;
use kinesis_logs_source::aws::KinesisClient;
use kinesis_logs_source::protocol::{Checkpoint, Lease, RecordPage, Shard, ShardPosition};
use kinesis_logs_source::{Error, KinesisApi, ShardId, StreamId, list_all_shards};

use crate::args::ShardsArgs;
use crate::checkpoints::{Location, describe};
use crate::failure::Failure;
use crate::table;

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
    let mut table = table::with_header(header);
    for shard in &shards {
        let oldest = first_page(&client, &stream, shard, &ShardPosition::TrimHorizon).await.map_err(failure)?;
        let arrival = oldest.records.first().and_then(|record| record.arrival);
        let mut row = vec![
            shard.id.as_str().to_owned(),
            if shard.closed { "closed" } else { "open" }.to_owned(),
            table::shards(&shard.parents),
            table::or_dash(shard.hash_key_range.map(share)),
            table::or_dash(arrival.map(|arrival| format!("{arrival:.0}"))),
            behind(&oldest),
        ];
        if let Some(leases) = &leases {
            let lease = leases.get(&shard.id);
            row.push(table::or_dash(lease.and_then(|lease| lease.owner.clone())));
            row.push(table::or_dash(lease.map(describe)));
            row.push(lag(&client, &stream, shard, lease).await.map_err(failure)?);
        }
        table.add_row(row);
    }
    if let Some(column) = table.column_mut(HASH_KEYS) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table::print(table);
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
        _ => return Ok(table::or_dash(None)),
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
    let duration = |millis: i64| HumanDuration(Duration::from_millis(millis.unsigned_abs())).to_string();
    table::or_dash(page.millis_behind_latest.map(duration))
}

/// The part of all hash keys, in percent.
fn share((start, end): (u128, u128)) -> String {
    format!("{:.1} %", (end - start) as f64 / u128::MAX as f64 * 100.0)
}
