//! Reading a stream within your own program: everything it holds up to now, as a `Stream` of records.
//!
//! ```sh
//! cargo run --example embed_stream -- STREAM          # with AWS credentials and a Region in the environment
//! cargo run --example embed_stream -- STREAM http://localhost:4566
//! ```

use anyhow::Context;
use futures::StreamExt;
use kinesis_logs_decoder::Decoder;
use kinesis_logs_source::aws::{AwsOptions, KinesisClient};
use kinesis_logs_source::{Reader, StartPosition, Stop};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let stream = args.next().context("usage: embed_stream STREAM [ENDPOINT_URL]")?;
    let mut options = AwsOptions::default();
    options.endpoint_url = args.next();

    let client = KinesisClient::connect(options).await?;
    let mut records = Reader::builder(client, stream).start(StartPosition::TrimHorizon).stop(Stop::AtTip).records();
    let mut decoder = Decoder::new();
    while let Some(record) = records.next().await {
        let record = record?;
        let decoded = decoder.decode(&record.data);
        for event in decoded.events() {
            println!("{}\t{}", event.log_group().unwrap_or("-"), event.message().trim_end());
        }
        for error in decoded.errors() {
            eprintln!("{} {}: {error}", record.shard_id, record.sequence_number);
        }
    }
    Ok(())
}
