//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

#[derive(Debug, Parser)]
#[command(
    name = "kinesis-logs-reader",
    version,
    about = "Gets logs out of Amazon Kinesis: CloudWatch Logs subscriptions, VPC Flow Logs first.",
    after_help = "Exit status: 0 done, 1 failed or some records could not be decoded, 2 wrong usage, 78 wrong configuration.",
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Say on stderr what happens; twice for every call
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print a stream's log events as rows
    Read(ReadArgs),
    /// List a stream's shards
    Shards(ShardsArgs),
    /// Print captured records as rows, without AWS
    Decode(DecodeArgs),
    /// Show or change how far a stream was read
    Checkpoints(CheckpointsArgs),
    /// Run a pipeline of sources, transforms and sinks that TOML files describe
    Run(RunArgs),
    /// Check the files of a pipeline, without running it
    Validate(ValidateArgs),
    /// Run the tests of transforms that a pipeline's files hold
    Test(TestArgs),
    /// Print a pipeline as a diagram
    Graph(GraphArgs),
    /// List the types of sources, transforms and sinks
    List,
    /// Print a configuration to begin with, of the types that are named
    Generate(GenerateArgs),
    /// Print the JSON Schema of configurations, for editors and other tools
    #[command(after_help = SCHEMA_EXAMPLES)]
    GenerateSchema,
}

const READ_EXAMPLES: &str = "\
Examples:
  Follow a stream from now on:
    kinesis-logs-reader read vpc-flow-logs

  What arrived in the last 15 minutes, then stop:
    kinesis-logs-reader read vpc-flow-logs --start-time -15m

  All the stream holds, as NDJSON:
    kinesis-logs-reader read vpc-flow-logs --start-time trim_horizon --format json

  An hour of one day, some columns, to a file:
    kinesis-logs-reader read vpc-flow-logs --start-time '2026-11-24 08:00:00' \\
        --end-time '2026-11-24 09:00:00' --format csv --fields srcaddr,dstaddr,dstport,action > hour.csv

  What arrived since the last time, from the beginning the first time:
    kinesis-logs-reader read vpc-flow-logs --start-time trim_horizon --checkpoint flow-logs.json

  Follow a stream that many read, without waiting for them, as a registered consumer:
    kinesis-logs-reader read vpc-flow-logs --fan-out my-search

Times T are 'YYYY-MM-DD HH:MM:SS' (UTC), RFC 3339, epoch seconds, or relative to now (-15m, -2h, -1d).
A time selects by when Kinesis received a record: from the start time up to, not including, the end time.";

#[derive(Debug, Args)]
#[command(after_help = READ_EXAMPLES)]
pub(crate) struct ReadArgs {
    /// The stream's name or ARN
    pub(crate) stream: String,

    /// Where to begin: T, 'trim_horizon' for the oldest record, or 'latest'
    #[arg(long, value_name = "T", allow_hyphen_values = true, default_value = "latest")]
    pub(crate) start_time: String,

    /// Where to end: T
    #[arg(long, value_name = "T", allow_hyphen_values = true, conflicts_with = "follow")]
    pub(crate) end_time: Option<String>,

    /// How start and end time are written, as for strptime, such as '%d/%m/%Y %H:%M'
    #[arg(long, value_name = "F")]
    pub(crate) time_format: Option<String>,

    /// Stop after N rows; 0 means no limit
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) count: u64,

    /// Go on with what arrives [default without a start time]
    #[arg(long, overrides_with = "no_follow")]
    pub(crate) follow: bool,

    /// Stop when all that had arrived by now is read [default with a start time]
    #[arg(long)]
    pub(crate) no_follow: bool,

    /// Read these shards alone; may be given several times
    #[arg(long = "shard", value_name = "SHARD_ID")]
    pub(crate) shards: Vec<String>,

    /// Read by enhanced fan-out, as the consumer of this name, instead of by polling. It is registered if it is not yet, and
    /// stays registered, at a price, until `aws kinesis deregister-stream-consumer`
    #[arg(long, value_name = "NAME", value_parser = consumer_name)]
    pub(crate) fan_out: Option<String>,

    /// Remember here what was printed, and go on behind it the next time: a file, or 'dynamodb:TABLE', where several
    /// processes share the stream. The start time then counts for the first time alone
    #[arg(long, value_name = "WHERE", conflicts_with_all = ["shards", "count"])]
    pub(crate) checkpoint: Option<String>,

    /// This process's name among those that share the stream [default: a random one]
    #[arg(long, value_name = "NAME", requires = "checkpoint", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) worker_id: Option<String>,

    /// What to do about checkpoints of another stream that had this name, and such as Kinesis refuses: fail, or begin at
    /// the oldest record (trim_horizon)
    #[arg(long, value_name = "POLICY", requires = "checkpoint", value_enum, default_value_t = Unusable::Fail)]
    pub(crate) unusable_checkpoint: Unusable,

    #[command(flatten)]
    pub(crate) rows: RowArgs,

    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RowArgs {
    /// How rows look
    #[arg(long, value_enum, default_value_t = Format::Tsv)]
    pub(crate) format: Format,

    /// The columns, such as srcaddr,dstport,%aws.log_group [default: what the first event has]
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    pub(crate) fields: Vec<String>,

    /// The format of flow logs: 'default', 'v3' to 'v11', 'tgw', or fields as in AWS's own
    /// '${version} ${account-id} ...'. For some log groups alone: 'GROUP=FORMAT', 'GROUP:STREAM=FORMAT', where * stands
    /// for anything. May be given several times [default: inferred]
    #[arg(long = "flow-log-format", value_name = "FORMAT")]
    pub(crate) flow_log_formats: Vec<String>,

    /// What records hold
    #[arg(long, value_enum, default_value_t = Payload::Auto)]
    pub(crate) payload: Payload,

    /// Append records that cannot be decoded to this file, as captured records that `decode` reads
    #[arg(long, value_name = "FILE")]
    pub(crate) undecodable: Option<PathBuf>,

    /// Do not inflate a record beyond this many MiB
    #[arg(long, value_name = "MIB", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=700))]
    pub(crate) max_record_mib: u32,
}

/// What to do about checkpoints that say nothing of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Unusable {
    Fail,
    TrimHorizon,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A header of field names and tab-separated values
    Tsv,
    /// A header of field names and comma-separated values
    Csv,
    /// One JSON object a line
    Json,
    /// The log lines as they came
    Raw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Payload {
    /// What it looks like: envelopes, Lambda events, or flow log lines
    Auto,
    /// CloudWatch Logs envelopes, or Lambda events that carry them
    Envelopes,
    /// A message a line, or a JSON object
    Lines,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kinesis-logs-reader shards vpc-flow-logs --region eu-west-1

BEHIND is how far the shard's oldest record is from its newest: how much a reader would have to catch up.
LAG is the same from the checkpoint on.")]
pub(crate) struct ShardsArgs {
    /// The stream's name or ARN
    pub(crate) stream: String,

    /// Also show how far a reader has come whose checkpoints are here: a file, or 'dynamodb:TABLE'
    #[arg(long, value_name = "WHERE")]
    pub(crate) checkpoint: Option<String>,

    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CheckpointsArgs {
    #[command(subcommand)]
    pub(crate) command: CheckpointsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CheckpointsCommand {
    /// List how far each shard was read, and by whom
    #[command(after_help = "\
Example:
  kinesis-logs-reader checkpoints show flow-logs.json vpc-flow-logs")]
    Show(ShowArgs),
    /// Forget all: the next run begins where it is told to
    #[command(after_help = "\
Example:
  kinesis-logs-reader checkpoints reset dynamodb:flow-log-readers vpc-flow-logs")]
    Reset(ChangeArgs),
    /// Let the next run read again what arrived since a time
    #[command(after_help = "\
Example:
  kinesis-logs-reader checkpoints rewind flow-logs.json vpc-flow-logs --to -2h")]
    Rewind(RewindArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Where checkpoints are kept: a file, or 'dynamodb:TABLE'
    #[arg(value_name = "WHERE")]
    pub(crate) location: String,

    /// The stream's name or ARN
    pub(crate) stream: String,

    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    /// Go on though workers have their names on leases, or a table has checkpoints of another stream
    #[arg(long)]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) place: ShowArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RewindArgs {
    /// What arrived then or later is read again: a time as for `read --start-time`
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub(crate) to: String,

    /// How the time is written, as for strptime
    #[arg(long, value_name = "F")]
    pub(crate) time_format: Option<String>,

    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

const DECODE_EXAMPLES: &str = "\
Examples:
  What the AWS CLI captured:
    aws kinesis get-records --shard-iterator ... | kinesis-logs-reader decode

  One record's bytes, or an object that Firehose wrote to S3:
    kinesis-logs-reader decode record.gz --format json

  Flow logs of another format than the default one:
    kinesis-logs-reader decode record.gz --flow-log-format '${version} ${vpc-id} ${srcaddr} ${dstaddr}'

Input is recognised: a record's bytes (compressed, plain envelopes, KPL containers), base64 of them (one a line),
the output of `aws kinesis get-records`, Lambda events, flow log lines with or without a header, or captured records
as `read --undecodable` writes them.";

#[derive(Debug, Args)]
#[command(after_help = DECODE_EXAMPLES)]
pub(crate) struct DecodeArgs {
    /// The file; '-' or none for standard input
    #[arg(default_value = "-", hide_default_value = true)]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) rows: RowArgs,
}

const RUN_EXAMPLES: &str = "\
Examples:
  Rejected flows of a stream into files, one a day, for as long as it takes:
    kinesis-logs-reader run flow-logs.toml

  A pipeline whose parts stand in several files:
    kinesis-logs-reader run sources.toml sinks.toml

  The same where no shell expands patterns, as in a unit of systemd:
    kinesis-logs-reader run '/etc/kinesis-logs-reader/*.toml'

SIGTERM or Ctrl-C ends it: sources stop, what they sent is written out and acknowledged, checkpoints are written.
What is not done by the limit is cut off, and read again the next time. A second Ctrl-C ends it at once.
SIGHUP lets it read its files again: what is the same runs on, what differs is replaced; where they are wrong, nothing changes.
examples/ in the repository has files that work.";

#[derive(Debug, Clone, Args)]
pub(crate) struct FilesArgs {
    /// The configuration; several files are one. '*', '?' and '[...]' in a name stand for what they do in a shell
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) files: FilesArgs,

    /// Seconds that ending may take, also of what a reload replaces
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) graceful_shutdown_limit_secs: u64,

    /// Read nothing unless all healthchecks succeed, nor reload; otherwise what fails is a warning in the log
    #[arg(long)]
    pub(crate) require_healthy: bool,

    /// How the log on standard error is written
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people, and a table of what was done at the end
    #[default]
    Text,
    /// One JSON object a line, and nothing else
    Json,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  What a pipeline would run on here:
    kinesis-logs-reader validate flow-logs.toml

  Without the network or the folders that the files name, as in CI:
    kinesis-logs-reader validate --no-environment '/etc/kinesis-logs-reader/*.toml'

All mistakes are shown at once, each where it stands. If there are none, it looks whether data_dir and the quarantine can be
written to, and asks the components: whether streams can be listed, servers answer, folders can be written to. Nothing is
read, sent or made.")]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    pub(crate) files: FilesArgs,

    /// Look at the files alone: neither at folders nor at what components connect to
    #[arg(long)]
    pub(crate) no_environment: bool,

    /// Do not ask the components whether they can do their work
    #[arg(long)]
    pub(crate) skip_healthchecks: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  kinesis-logs-reader test flow-logs.toml

Tests are written as for Vector: [[tests]] with a name, [[tests.inputs]] that say what is put into which transform, and
[[tests.outputs]] with conditions for what comes out. Sources and sinks are not run.")]
pub(crate) struct TestArgs {
    #[command(flatten)]
    pub(crate) files: FilesArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kinesis-logs-reader graph flow-logs.toml
  kinesis-logs-reader graph --format dot flow-logs.toml | dot -Tsvg > flow-logs.svg")]
pub(crate) struct GraphArgs {
    /// How the diagram is written
    #[arg(long, value_enum, default_value_t = DiagramFormat::Mermaid)]
    pub(crate) format: DiagramFormat,

    #[command(flatten)]
    pub(crate) files: FilesArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum DiagramFormat {
    /// For Markdown
    Mermaid,
    /// For Graphviz
    Dot,
}

const GENERATE_EXAMPLES: &str = "\
Examples:
  Rejected flows of a stream into files:
    kinesis-logs-reader generate aws_kinesis_streams/filter/file > flow-logs.toml

  Two transforms, one behind the other:
    kinesis-logs-reader generate demo_logs/filter,remap/console

  A source and a sink, with names:
    kinesis-logs-reader generate flows:file//out:http

  A transform alone:
    kinesis-logs-reader generate /route

`list` names the types. What must be set has a value that is worth a look; what may be set stands
in comments, with its default. `validate` says what is still missing.";

const SCHEMA_EXAMPLES: &str = "\
Example:
  kinesis-logs-reader generate-schema > pipeline.schema.json

Editors that know TOML take it, by a first line in a configuration such as:
  #:schema ./pipeline.schema.json";

#[derive(Debug, Args)]
#[command(after_help = GENERATE_EXAMPLES)]
pub(crate) struct GenerateArgs {
    /// Types of sources, transforms and sinks, '/' between the kinds and ',' between those of a kind. ID:TYPE names one
    #[arg(value_name = "SOURCES/TRANSFORMS/SINKS")]
    pub(crate) components: String,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "AWS options (beside the SDK's own environment and files)")]
pub(crate) struct AwsArgs {
    /// The Region, such as eu-west-1
    #[arg(long)]
    pub(crate) region: Option<String>,

    /// The profile in ~/.aws/config
    #[arg(long)]
    pub(crate) profile: Option<String>,

    /// The endpoint, for emulators and private endpoints
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,

    /// A role to assume
    #[arg(long, value_name = "ARN")]
    pub(crate) role_arn: Option<String>,

    /// The external id that the role's trust policy asks for
    #[arg(long, value_name = "ID", requires = "role_arn")]
    pub(crate) external_id: Option<String>,
}

/// What AWS takes for a consumer's name.
fn consumer_name(text: &str) -> Result<String, String> {
    let is_allowed = |char: char| char.is_ascii_alphanumeric() || "_.-".contains(char);
    if (1..=128).contains(&text.len()) && text.chars().all(is_allowed) {
        return Ok(text.to_owned());
    }
    Err("a consumer's name has 1 to 128 letters, digits and '_', '.', '-'".to_owned())
}
