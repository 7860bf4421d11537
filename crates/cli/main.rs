//! `kinesis-logs-reader`: gets logs out of Amazon Kinesis.

#![forbid(unsafe_code)]

mod args;
mod checkpoints;
mod decode;
mod failure;
mod incoming;
mod input;
mod output;
mod pipeline;
mod progress;
mod read;
mod rows;
mod shards;
mod table;
mod time;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use kinesis_logs_source::aws::{AwsOptions, KinesisClient};
use tracing_subscriber::EnvFilter;

use args::{AwsArgs, Cli, Command, LogFormat};
use failure::Failure;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let is_service = matches!(cli.command, Command::Run(_) | Command::Validate(_));
    let log_format = match &cli.command {
        Command::Run(args) => args.log_format,
        _ => LogFormat::Text,
    };
    log_to_stderr(cli.verbose, is_service, log_format);
    let result = match cli.command {
        Command::Read(args) => run(read::run(args)),
        Command::Shards(args) => run(shards::run(args)),
        Command::Decode(args) => decode::run(args),
        Command::Checkpoints(args) => run(checkpoints::run(args)),
        Command::Run(args) => pipeline::run(args),
        Command::Validate(args) => pipeline::validate(args),
        Command::Test(args) => pipeline::test(args),
        Command::Graph(args) => pipeline::graph(args),
        Command::List => Ok(pipeline::list()),
        Command::Generate(args) => pipeline::generate(args),
        Command::GenerateSchema => pipeline::generate_schema(),
    };
    result.unwrap_or_else(|failure| {
        match log_format {
            LogFormat::Text => say(&failure.to_string()),
            LogFormat::Json => tracing::error!("{failure}"),
        }
        failure.exit()
    })
}

/// Says something on stderr, to nobody if nobody reads it.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Runs a command that talks to AWS. Two threads: one fetches and parses answers while the main one decodes and prints.
fn run(command: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(anyhow::Error::new(error).context("cannot start the runtime")))?;
    let result = runtime.block_on(command);
    // Calls in flight have nothing left to do.
    runtime.shutdown_background();
    result
}

async fn connect(args: &AwsArgs) -> Result<KinesisClient, Failure> {
    Ok(KinesisClient::connect(aws_options(args)).await?)
}

fn aws_options(args: &AwsArgs) -> AwsOptions {
    let mut options = AwsOptions::default();
    options.region = args.region.clone();
    options.profile = args.profile.clone();
    options.endpoint_url = args.endpoint_url.clone();
    options.role_arn = args.role_arn.clone();
    options.external_id = args.external_id.clone();
    options
}

/// Commands that a person waits for say what is wrong themselves; one that runs for months has a log.
fn log_to_stderr(verbose: u8, is_service: bool, format: LogFormat) {
    let filter = match (verbose, is_service) {
        (0, false) => "off",
        (0, true) => "kinesis_logs_pipeline=info,warn",
        (1, _) => "kinesis_logs_source=debug,kinesis_logs_pipeline=debug,warn",
        _ => "kinesis_logs_source=trace,kinesis_logs_pipeline=trace,info",
    };
    let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        // Fields stand beside the message; of spans there is one, the component's.
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).init(),
    }
}
