//! What can be set, and what is wrong with it.

use kinesis_logs_source::aws::AwsOptions;
use kinesis_logs_source::{StartPosition, Stop};
use serde::Deserialize;

use super::AwsKinesisStreams;
use super::checkpoints::CheckpointConfig;
use crate::aws::AuthConfig;
use crate::codecs::{DecodingConfig, UNDECODABLE};
use crate::component::{BuildContext, BuildError, Problem, Source, SourceConfig};
use crate::sources::given_up::REJECTED;

/// Reads one or several Amazon Kinesis data streams: every shard, through resharding. What all sinks have durably accepted
/// is checkpointed; the next run goes on behind it.
///
/// Records that cannot be decoded go to the output `<id>.undecodable`. A batch that is abandoned five times in a row, as by a
/// component that cannot deal with it, is not sent again: its records go to the output `<id>.rejected`.
///
/// ```toml
/// [sources.flows]
/// type = "aws_kinesis_streams"
/// region = "eu-west-1"
/// streams = ["vpc-flow-logs"]
/// start = "trim_horizon"
/// ```
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct AwsKinesisStreamsConfig {
    /// The streams' names or ARNs.
    pub(super) streams: Vec<String>,
    /// The Region, such as `eu-west-1`. Default: where the SDK finds it.
    pub(super) region: Option<String>,
    /// The endpoint, for emulators and private endpoints.
    pub(super) endpoint: Option<String>,
    /// How to be allowed to read. Default: where the SDK finds credentials.
    #[serde(default)]
    pub(super) auth: AuthConfig,
    /// Where to begin if there is no checkpoint: `latest`, `trim_horizon`, or a time (RFC 3339). Default: `latest`.
    pub(super) start: Option<String>,
    /// Where to end: `never`, `at_tip` (what had arrived by the start), or a time (RFC 3339). Default: `never`.
    pub(super) stop: Option<String>,
    /// Where is kept how far each shard was read.
    #[serde(default)]
    pub(super) checkpoint: CheckpointConfig,
    /// How records are fetched.
    #[serde(default)]
    pub(super) consumer: ConsumerConfig,
    /// How records are decoded.
    #[serde(default)]
    pub(super) decoding: DecodingConfig,
}

/// How records are fetched.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub(super) struct ConsumerConfig {
    /// The way. Default: `polling`.
    pub(super) mode: Mode,
    /// For `fan_out`: the name of the registered consumer.
    pub(super) name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    /// By asking, five times a second and shard at most.
    #[default]
    Polling,
    /// By enhanced fan-out: pushed, with a throughput of its own, at a price.
    FanOut,
}

impl SourceConfig for AwsKinesisStreamsConfig {
    fn build(&self, context: &BuildContext) -> Result<Box<dyn Source>, BuildError> {
        let mut problems = Vec::new();
        let mut keep = |problem: Problem| problems.push(problem);
        if self.streams.is_empty() || self.streams.iter().any(String::is_empty) {
            keep(Problem::new("no streams are named").key("streams").hint("streams = [\"NAME or ARN\"]"));
        }
        let start = match self.start.as_deref() {
            None | Some("latest") => Some(StartPosition::Latest),
            Some("trim_horizon") => Some(StartPosition::TrimHorizon),
            Some(text) => time(text).map(StartPosition::AtTimestamp),
        };
        let stop = match self.stop.as_deref() {
            None | Some("never") => Some(Stop::Never),
            Some("at_tip") => Some(Stop::AtTip),
            Some(text) => time(text).map(Stop::At),
        };
        if start.is_none() {
            keep(
                Problem::new("start is latest, trim_horizon, or a time")
                    .key("start")
                    .hint("times are written as 2026-11-24T08:00:00Z"),
            );
        }
        if stop.is_none() {
            keep(
                Problem::new("stop is never, at_tip, or a time")
                    .key("stop")
                    .hint("times are written as 2026-11-24T08:00:00Z"),
            );
        }
        if self.consumer.mode == Mode::FanOut && self.consumer.name.is_none() {
            keep(Problem::new("fan-out needs the consumer's name").key("consumer").hint("consumer.name = \"NAME\""));
        }
        self.checkpoint.check(self.streams.len(), context, &mut keep);
        let decoder = self.decoding.build().map_err(&mut keep);
        match (start, stop, decoder) {
            (Some(start), Some(stop), Ok(decoder)) if problems.is_empty() => {
                Ok(Box::new(AwsKinesisStreams { config: self.clone(), context: context.clone(), start, stop, decoder }))
            }
            _ => Err(BuildError { problems }),
        }
    }

    fn outputs(&self) -> Vec<String> {
        vec![UNDECODABLE.to_owned(), REJECTED.to_owned()]
    }
}

fn time(text: &str) -> Option<jiff::Timestamp> {
    text.parse().ok()
}

impl AwsKinesisStreamsConfig {
    pub(super) fn options(&self) -> AwsOptions {
        self.auth.options(self.region.as_deref(), self.endpoint.as_deref())
    }
}
