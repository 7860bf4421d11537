//! What the sink `aws_kinesis_streams` is configured with, and what is wrong with it.

use kinesis_logs_source::StreamId;
use kinesis_logs_source::aws::{MAX_PUT_BYTES, MAX_PUT_RECORDS, MAX_RECORD_BYTES};
use serde::Deserialize;

use super::KinesisSink;
use super::records::Records;
use crate::aws::AuthConfig;
use crate::codecs::{EncodingConfig, FieldPath};
use crate::component::{BuildContext, BuildError, Problem, Sink, SinkConfig};
use crate::compression::Compression;
use crate::sinks::requests::{Batcher, Limits, Problems, REJECTED};

/// Puts events into an Amazon Kinesis data stream, a record each. It needs the permission `kinesis:PutRecords`.
///
/// ```toml
/// [sinks.stream]
/// type = "aws_kinesis_streams"
/// inputs = ["flows"]
/// region = "eu-west-1"
/// stream_name = "rejected-flows"
/// encoding.codec = "json"
/// ```
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct AwsKinesisStreamsConfig {
    /// The stream's name or ARN.
    stream_name: String,
    /// The Region, such as `eu-west-1`. Default: where the SDK finds it.
    region: Option<String>,
    /// The endpoint, for emulators and private endpoints. Default: AWS's.
    endpoint: Option<String>,
    /// How to be allowed to. Default: where the SDK finds credentials.
    #[serde(default)]
    auth: AuthConfig,
    /// The member of events that is their records' partition key, such as `srcaddr` or `%aws.log_stream`; of a longer text the first
    /// 256 characters. Events with the same key come to the same shard. Where it is missing or empty, the key is random. Default:
    /// a random key for each event, which spreads them over all shards.
    partition_key_field: Option<String>,
    /// How events are written.
    encoding: EncodingConfig,
    /// How each record is compressed. Default: `none`.
    #[serde(default)]
    compression: Compression,
    /// How requests are made, and made again.
    #[serde(default)]
    request: RequestConfig,
    /// What is in a request.
    #[serde(default)]
    batch: BatchConfig,
}

#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
struct RequestConfig {
    /// Seconds after which a request without an answer has failed. Default: 60.
    timeout_secs: f64,
    /// How many requests are under way at once, those included of which records wait to be sent again; fewer if they hold 32 MiB, of
    /// bodies and of what events were read from. While there is no room for another, nothing more is taken. Default: 4.
    concurrency: usize,
    /// How often what the stream did not take of a request is sent again. Then the sink ends, and the request's events are
    /// abandoned. Default: for ever.
    retry_attempts: Option<u64>,
    /// The most seconds before it is sent again for the first time. They double each time, and chance takes any part of them.
    /// Default: 1.
    retry_initial_backoff_secs: f64,
    /// The most seconds that they grow to. Default: 30.
    retry_max_duration_secs: f64,
}

impl Default for RequestConfig {
    fn default() -> Self {
        RequestConfig {
            timeout_secs: 60.0,
            concurrency: 4,
            retry_attempts: None,
            retry_initial_backoff_secs: 1.0,
            retry_max_duration_secs: 30.0,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
struct BatchConfig {
    /// The most events of a request, up to 500. Default: 500.
    max_events: usize,
    /// The most bytes of a request, records before they are compressed and partition keys, up to 10485760; an event that is larger
    /// goes alone. Default: 5242880.
    max_bytes: usize,
    /// The most seconds that an event waits for others. Default: 1.
    timeout_secs: f64,
    /// The most bytes of a record as it is sent, with its partition key, up to 10485760; an event that makes a larger one is
    /// rejected. A stream takes no more than its own limit says, `MaxRecordSizeInKiB`, which is this if nobody set another.
    /// Default: 1048576.
    max_record_bytes: usize,
}

impl Default for BatchConfig {
    fn default() -> Self {
        BatchConfig {
            max_events: MAX_PUT_RECORDS,
            // What every stream and every emulator takes.
            max_bytes: 5 << 20,
            timeout_secs: 1.0,
            max_record_bytes: 1 << 20,
        }
    }
}

impl SinkConfig for AwsKinesisStreamsConfig {
    fn build(&self, context: &BuildContext) -> Result<Box<dyn Sink>, BuildError> {
        let mut problems = Problems::default();
        self.check_stream(&mut problems);
        problems.0.extend(self.compression.problem());
        let encoder = problems.note(self.encoding.build());
        let key = self.partition_key_field.as_deref().map(|name| FieldPath::parse(name, "partition_key_field"));
        let key = problems.note(key.transpose());
        let limits = self.limits(&mut problems);
        let request = &self.request;
        let timeout = problems.seconds("request.timeout_secs", request.timeout_secs);
        problems.at_least_one("request.concurrency", request.concurrency);
        let (initial, max) = (request.retry_initial_backoff_secs, request.retry_max_duration_secs);
        let backoff = problems.backoff(initial, max, request.retry_attempts);
        match (encoder, key, limits, timeout, backoff, problems.0.is_empty()) {
            (Some(encoder), Some(key), Some(limits), Some(timeout), Some(backoff), true) => Ok(Box::new(KinesisSink {
                id: context.id.clone(),
                stream: StreamId::new(&self.stream_name),
                options: self.auth.options(self.region.as_deref(), self.endpoint.as_deref()),
                batcher: Batcher::new(Records { encoder, key, random: || fastrand::u64(..) }, limits),
                compression: self.compression,
                max_record_bytes: self.batch.max_record_bytes,
                timeout,
                backoff,
                concurrency: request.concurrency,
            })),
            _ => Err(BuildError { problems: problems.0 }),
        }
    }

    fn outputs(&self) -> Vec<String> {
        vec![REJECTED.to_owned()]
    }
}

impl AwsKinesisStreamsConfig {
    /// As [AWS has them]: what names no stream would be taken for the events' fault.
    ///
    /// [AWS has them]: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
    fn check_stream(&self, problems: &mut Problems) {
        let stream = StreamId::new(&self.stream_name);
        let is_of_name = |char: char| char.is_ascii_alphanumeric() || "_.-".contains(char);
        let is_name = (1..=128).contains(&stream.name().len()) && stream.name().chars().all(is_of_name);
        if !is_name || !stream.arn().is_none_or(is_arn) {
            let problem = Problem::new("this is neither a stream's name nor its ARN");
            let hint = "names have 1 to 128 letters, digits, '_', '.' and '-'; ARNs are arn:aws:kinesis:REGION:ACCOUNT:stream/NAME";
            problems.0.push(problem.key("stream_name").hint(hint));
        }
    }

    fn limits(&self, problems: &mut Problems) -> Option<Limits> {
        let BatchConfig { max_events, max_bytes, timeout_secs, max_record_bytes } = self.batch;
        for (key, number, most, what) in [
            ("batch.max_events", max_events, MAX_PUT_RECORDS, "records in a request"),
            ("batch.max_bytes", max_bytes, MAX_PUT_BYTES, "bytes in a request"),
            ("batch.max_record_bytes", max_record_bytes, MAX_RECORD_BYTES, "bytes in a record"),
        ] {
            if !(1..=most).contains(&number) {
                problems.0.push(Problem::new(format!("Kinesis takes 1 to {most} {what}")).key(key));
            }
        }
        let wait = problems.seconds("batch.timeout_secs", timeout_secs)?;
        Some(Limits { events: max_events, bytes: max_bytes, wait })
    }
}

fn is_arn(arn: &str) -> bool {
    match arn.split(':').collect::<Vec<_>>()[..] {
        ["arn", partition, "kinesis", _, account, _] => {
            partition.starts_with("aws") && account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    }
}
