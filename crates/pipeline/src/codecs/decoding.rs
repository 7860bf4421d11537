//! From records to batches.

use std::sync::Arc;

use kinesis_logs_decoder::flow_log::Formats;
use kinesis_logs_decoder::{Decoder, Limits, Payload};
use kinesis_logs_source::Record;
use serde::Deserialize;

use crate::captured;
use crate::component::{
    Acknowledgement, Batch, BatchBuilder, Changes, Closed, Lines, Origin, Outputs, Pool, Problem, Value,
};
use crate::config::OneOrMore;

/// The output of what cannot be decoded.
pub(crate) const UNDECODABLE: &str = "undecodable";

/// How records are decoded.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct DecodingConfig {
    /// What records hold. Default: `auto`.
    codec: Codec,
    /// The format of flow logs, or several: `default`, `v5`, AWS's own `${version} ${account-id} ...`, or, for some log
    /// groups alone, `GROUP=FORMAT`. Default: inferred.
    flow_log_format: OneOrMore,
    /// Bytes that a record may inflate to, in MiB. Default: 128.
    max_record_mib: Option<usize>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
enum Codec {
    /// What it looks like: envelopes, Lambda events, or flow log lines.
    #[default]
    Auto,
    /// Envelopes of CloudWatch Logs, or Lambda events.
    Envelopes,
    /// A message a line, or a JSON object.
    Lines,
}

impl DecodingConfig {
    /// The decoder, or what is wrong with the key `decoding`.
    pub(crate) fn build(&self) -> Result<RecordDecoder, Problem> {
        let mut formats = Formats::new();
        for text in &self.flow_log_format.0 {
            let parsed = formats.rule_text(text);
            formats = parsed.map_err(|error| Problem::new(error.to_string()).key("decoding.flow_log_format"))?;
        }
        let mib = self.max_record_mib.unwrap_or(128);
        if !(1..=700).contains(&mib) {
            return Err(Problem::new("a record may inflate to 1 to 700 MiB").key("decoding.max_record_mib"));
        }
        let payload = match self.codec {
            Codec::Auto => Payload::Auto,
            Codec::Envelopes => Payload::Envelopes,
            Codec::Lines => Payload::Lines,
        };
        Ok(RecordDecoder {
            limits: Limits::default().decompressed_bytes(mib << 20),
            payload,
            formats: formats.into(),
            pool: Pool::default(),
        })
    }
}

/// Decodes records into batches.
#[derive(Debug, Clone)]
pub(crate) struct RecordDecoder {
    limits: Limits,
    payload: Payload,
    formats: Arc<Formats>,
    pool: Pool,
}

impl RecordDecoder {
    /// A decoder with buffers of its own.
    pub(super) fn decoder(&self) -> Decoder {
        Decoder::with_limits(self.limits).payload(self.payload)
    }

    /// Whether every line of a record is an event, also one that is a JSON object.
    #[cfg(any(feature = "sources-file", feature = "sources-stdin"))]
    pub(crate) fn takes_lines(&self) -> bool {
        self.payload == Payload::Lines
    }

    /// Decodes the records' events into one batch, with what cannot be decoded beside it, and records that are known to be
    /// `broken`, with why; one acknowledgement answers for all.
    pub(super) fn decode(
        &self,
        decoder: &mut Decoder,
        Records { whole, broken }: Records,
        origin: Option<Origin>,
        acknowledgement: Acknowledgement,
    ) -> Sorted {
        let mut batch = BatchBuilder::new(self.formats.clone(), self.pool.clone());
        let mut aside = Batch::builder(self.formats.clone());
        for (record, error) in broken {
            tracing::warn!(stream = %record.stream, sequence_number = %record.sequence_number, %error, "undecodable");
            aside.event(Some(&record), as_captured(&record, &error));
        }
        let mut all = Vec::with_capacity(whole.len());
        for (record, lines) in whole {
            let mut decoded = self.pool.take();
            // Containers were opened where records were read.
            decoder.decode_user_record_into(&record.data, &mut decoded);
            if let Some(error) = decoded.errors().first() {
                tracing::warn!(shard = %record.shard_id, sequence_number = %record.sequence_number, %error, "undecodable");
                aside.event(Some(&record), as_captured(&record, &error.to_string()));
            }
            all.push((record, decoded, lines));
        }
        batch.reserve(all.len(), all.iter().map(|(_, decoded, _)| decoded.events().len()).sum());
        for (record, decoded, lines) in all {
            match lines {
                Some(lines) => batch.lines(record, decoded, lines),
                None => batch.record(record, decoded),
            }
        }
        if let Some(origin) = origin {
            batch = batch.origin(origin);
        }
        let batch = batch.build(acknowledgement);
        let undecodable = (!aside.is_empty()).then(|| batch.with_events(aside));
        Sorted { undecodable, batch }
    }
}

/// Records of a batch.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// Those to be decoded; where they are lines of a file, which.
    pub(crate) whole: Vec<(Record, Option<Lines>)>,
    /// Those that are known to be undecodable, and why.
    pub(crate) broken: Vec<(Record, String)>,
}

impl From<Vec<Record>> for Records {
    fn from(whole: Vec<Record>) -> Self {
        Records { whole: whole.into_iter().map(|record| (record, None)).collect(), broken: Vec::new() }
    }
}

/// What records held.
#[derive(Debug)]
pub(super) struct Sorted {
    undecodable: Option<Batch>,
    batch: Batch,
}

impl Sorted {
    /// Sends both on, each to its output.
    pub(super) async fn send(self, outputs: &mut Outputs) -> Result<(), Closed> {
        if let Some(undecodable) = self.undecodable {
            outputs.send_to(UNDECODABLE, undecodable).await?;
        }
        outputs.send(self.batch).await
    }
}

/// What an event says that is a captured record, with what is wrong with it: as JSON it can be read back.
pub(crate) fn as_captured(record: &Record, error: &str) -> Changes {
    let mut members = Changes::default();
    if let serde_json::Value::Object(object) = captured::to_json(record, error) {
        for (name, value) in object {
            match value {
                serde_json::Value::String(text) => members.set(name, text),
                serde_json::Value::Number(number) => {
                    members.set(name, number.as_i64().map_or(Value::Null, Value::Integer))
                }
                _ => {}
            }
        }
    }
    members
}
