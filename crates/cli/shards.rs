//! `shards`: which shards a stream has, and how much each holds.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use indicatif::HumanDuration;
use kinesis_logs_source::protocol::{Shard, ShardPosition};
use kinesis_logs_source::{Error, KinesisApi, StreamId, list_all_shards};

use crate::args::ShardsArgs;
use crate::failure::Failure;

pub(crate) async fn run(args: ShardsArgs) -> Result<ExitCode, Failure> {
    let client = crate::connect(&args.aws).await?;
    let stream = StreamId::new(&args.stream);
    let failure = |error| Failure::from_source(error, args.aws.endpoint_url.as_deref());
    let shards = list_all_shards(&client, &stream).await.map_err(failure)?;

    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "SHARD",
        "STATE",
        "PARENTS",
        "HASH KEYS",
        "OLDEST RECORD",
        "BEHIND",
    ]);
    for shard in &shards {
        let (oldest, behind) = horizon(&client, &stream, shard).await.map_err(failure)?;
        let parents: Vec<&str> = shard.parents.iter().map(|parent| parent.as_str()).collect();
        table.add_row([
            shard.id.as_str().to_owned(),
            if shard.closed { "closed" } else { "open" }.to_owned(),
            if parents.is_empty() { "-".to_owned() } else { parents.join(",") },
            shard.hash_key_range.map_or_else(|| "-".to_owned(), share),
            oldest,
            behind,
        ]);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index == 3 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    // A reader that has gone is none of our business.
    let _ = writeln!(std::io::stdout(), "{}", table.trim_fmt());
    Ok(ExitCode::SUCCESS)
}

/// When the oldest record arrived, and how far it is from the newest.
async fn horizon(client: &impl KinesisApi, stream: &StreamId, shard: &Shard) -> Result<(String, String), Error> {
    let error = |source| Error::Api { stream: stream.clone(), shard: Some(shard.id.clone()), source };
    let iterator = client.get_shard_iterator(stream, &shard.id, &ShardPosition::TrimHorizon).await.map_err(error)?;
    let page = client.get_records(stream, &iterator, Some(1)).await.map_err(error)?;
    let oldest = page.records.first().and_then(|record| record.arrival);
    let behind = page.millis_behind_latest.map_or_else(
        || "-".to_owned(),
        |millis| HumanDuration(Duration::from_millis(millis.unsigned_abs())).to_string(),
    );
    Ok((oldest.map_or_else(|| "-".to_owned(), |arrival| format!("{arrival:.0}")), behind))
}

/// The part of all hash keys, in percent.
fn share((start, end): (u128, u128)) -> String {
    format!("{:.1} %", (end - start) as f64 / u128::MAX as f64 * 100.0)
}
