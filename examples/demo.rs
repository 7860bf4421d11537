//! The whole way in one process, with nothing but cargo: an embedded Kinesis, records as CloudWatch Logs puts them, a
//! shard that is split while it is read, and rows out of it.
//!
//! ```sh
//! cargo run --release -p kinesis-logs-examples --example demo
//! ```

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use comfy_table::{CellAlignment, Table, presets};
use futures::StreamExt;
use kinesis_logs_decoder::Decoder;
use kinesis_logs_generator::{FlowLogs, aggregate, control_message, gzip};
use kinesis_logs_pipeline::rows::{Column, RowFormat, RowWriter};
use kinesis_logs_source::aws::KinesisClient;
use kinesis_logs_source::{Pacing, Reader, StartPosition};
use kinesis_logs_testkit::Emulator;

const STREAM: &str = "vpc-flow-logs";
const RECORDS: usize = 1_000;
const EVENTS_PER_RECORD: usize = 200;
const SHOWN: usize = 8;
const DEADLINE: Duration = Duration::from_secs(60);

/// What was put, and what came out.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    records: u64,
    events: u64,
    control_messages: u64,
    undecodable: u64,
    bytes: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let emulator = Emulator::start().await;
    emulator.create_stream(STREAM, 4).await;
    println!("An embedded Kinesis listens on {}, with stream {STREAM} of 4 shards.\n", emulator.endpoint());

    let client = KinesisClient::from_sdk(emulator.client().clone());
    let (put, read) = tokio::join!(tokio::time::timeout(DEADLINE, write(&emulator)), read(client));
    let put = put.context("writing took too long")?;
    let read = read?;
    summarize(&put, &read);
    ensure!(put == read.tally, "what came out is not what was put");
    Ok(())
}

/// Puts flow logs, and among them what a consumer meets sooner or later.
async fn write(emulator: &Emulator) -> Tally {
    let mut flow_logs = FlowLogs::new(2026).events_per_record(EVENTS_PER_RECORD);
    let mut small = FlowLogs::new(7).events_per_record(20);
    let mut put = Tally::default();
    for half in 0..2 {
        let mut records = Vec::new();
        for n in 0..RECORDS / 2 {
            let record = flow_logs.next_record();
            put.events += record.lines.len() as u64;
            records.push((record.partition_key, record.data));
            if n == 100 {
                put.control_messages += 1;
                records.push((format!("control {half}"), control_message()));
            }
        }
        // A container of the Kinesis Producer Library: three user records in one.
        let users: Vec<Vec<u8>> = (0..3).map(|_| small.next_record().data).collect();
        let container = aggregate(&[("a", &users[0]), ("b", &users[1]), ("c", &users[2])]);
        put.events += 3 * 20;
        put.records += 2;
        put.bytes += users.iter().map(|user| user.len() as u64).sum::<u64>();
        let container_len = container.len() as u64;
        records.push(("aggregated".to_owned(), container));
        // Two that nobody can decode.
        records.push((format!("broken {half}"), b"not a log record".to_vec()));
        records.push((format!("odd {half}"), gzip(b"{\"messageType\": \"DATA_MESSAGE\", \"logEvents\": [{]}")));
        put.undecodable += 2;
        put.records += records.len() as u64;
        // Its user records were counted, which is what comes out.
        put.bytes += records.iter().map(|(_, data)| data.len() as u64).sum::<u64>() - container_len;
        emulator.put(STREAM, records).await;
        if half == 0 {
            emulator.split(STREAM, "shardId-000000000001").await;
        }
    }
    put
}

struct Read {
    tally: Tally,
    first_rows: Vec<Vec<String>>,
    text_bytes: u64,
    shards: usize,
    took: Duration,
    problems: Vec<String>,
}

/// Reads until as much came as the writer is going to put, and then sees that no more comes.
async fn read(client: KinesisClient) -> anyhow::Result<Read> {
    let names =
        ["start", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "bytes", "action", "%kinesis.shard_id"];
    let columns: Result<Vec<Column>, _> = names.iter().map(|name| Column::parse(name)).collect();
    let mut writer = RowWriter::new(RowFormat::Tsv).columns(columns?);
    let mut decoder = Decoder::new();
    let mut rows = Vec::new();
    let mut read = Read {
        tally: Tally::default(),
        first_rows: Vec::new(),
        text_bytes: 0,
        shards: 0,
        took: Duration::ZERO,
        problems: Vec::new(),
    };

    let expected = (RECORDS + 2 * (1 + 3 + 2)) as u64;
    let mut batches = Reader::builder(client, STREAM)
        .start(StartPosition::TrimHorizon)
        .pacing(Pacing::unlimited()) // the emulator has no limits
        .batches();
    let stats = batches.stats();
    let start = Instant::now();
    loop {
        let all_came = read.tally.records >= expected;
        let patience = if all_came { Duration::from_millis(300) } else { DEADLINE };
        let batch = match tokio::time::timeout(patience, batches.next()).await {
            Err(_) if all_came => break,
            Err(_) => anyhow::bail!("only {} of {expected} records came", read.tally.records),
            Ok(batch) => batch.context("the stream ended")??,
        };
        for record in &batch.records {
            let decoded = decoder.decode(&record.data);
            for event in decoded.events() {
                writer.write(&event, Some(record), &mut rows)?;
            }
            read.tally.records += 1;
            read.tally.bytes += record.data.len() as u64;
            read.tally.events += decoded.events().len() as u64;
            read.tally.control_messages += decoded.control_messages() as u64;
            read.text_bytes += decoded.text_len() as u64;
            if let Some(error) = decoded.errors().first() {
                read.tally.undecodable += 1;
                read.problems
                    .push(format!("{}, sequence number {}:\n    {error}", record.shard_id, record.sequence_number));
            }
        }
        read.took = start.elapsed();
        if read.first_rows.is_empty() {
            let text = String::from_utf8_lossy(&rows);
            read.first_rows = text.lines().take(1 + SHOWN).map(|line| line.split('\t').map(short).collect()).collect();
        }
        rows.clear();
    }
    read.shards = stats.get().progress.shards;
    Ok(read)
}

fn summarize(put: &Tally, read: &Read) {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    let mut lines = read.first_rows.iter();
    if let Some(header) = lines.next() {
        table.set_header(header);
    }
    lines.for_each(|line| {
        table.add_row(line);
    });
    println!("The first of the rows:\n{table}\n");

    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(["", "put", "read", ""]);
    for (name, put, read) in [
        ("records, aggregated ones singly", put.records, read.tally.records),
        ("log events", put.events, read.tally.events),
        ("control messages", put.control_messages, read.tally.control_messages),
        ("undecodable records", put.undecodable, read.tally.undecodable),
        ("bytes of payload", put.bytes, read.tally.bytes),
    ] {
        table.add_row([name, &grouped(put), &grouped(read), if put == read { "✓" } else { "✗" }]);
    }
    for index in [1, 2] {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    println!("Does it add up?\n{table}\n");
    println!("Reported, and nothing else lost by them:");
    read.problems.iter().for_each(|problem| println!("  - {problem}"));
    println!(
        "\n{} shards (one was split on the way), {} MB inflated, {} events/s including the writing, in {:.1} s.",
        read.shards,
        read.text_bytes / 1_000_000,
        grouped((read.tally.events as f64 / read.took.as_secs_f64()) as u64),
        read.took.as_secs_f64(),
    );
}

/// Fits the table on a usual screen.
fn short(cell: &str) -> String {
    cell.trim_start_matches("%kinesis.").trim_start_matches("shardId-").to_owned()
}

/// `1234567` as `1,234,567`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
