//! What a reader hands on.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use kinesis_logs_decoder::kpl::Aggregated;

use crate::protocol::{ExtendedSequenceNumber, RawRecord, SequenceNumber, ShardId};

/// A record, with its position.
///
/// `(stream, shard, sequence number, sub-sequence number)` identifies it: the same record read twice has the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The stream's name.
    pub stream: Arc<str>,
    /// The shard that held it.
    pub shard_id: ShardId,
    /// Its place in the shard.
    pub sequence_number: SequenceNumber,
    /// Its index in the container, if it came in one that the Kinesis Producer Library aggregated.
    pub sub_sequence_number: Option<u64>,
    /// The producer's partition key. Streams that distribute records themselves may have none.
    pub partition_key: Option<String>,
    /// When Kinesis accepted it, approximately.
    pub arrival: Option<Timestamp>,
    /// The payload.
    pub data: Bytes,
}

impl Record {
    /// A record, for tests of what consumes records.
    pub fn new(
        stream: impl Into<Arc<str>>,
        shard_id: impl Into<ShardId>,
        sequence_number: impl Into<SequenceNumber>,
        data: impl Into<Bytes>,
    ) -> Self {
        Record {
            stream: stream.into(),
            shard_id: shard_id.into(),
            sequence_number: sequence_number.into(),
            sub_sequence_number: None,
            partition_key: None,
            arrival: None,
            data: data.into(),
        }
    }
}

impl Record {
    /// Its place in the shard, as checkpoints have it.
    pub fn extended_sequence_number(&self) -> ExtendedSequenceNumber {
        ExtendedSequenceNumber::new(self.sequence_number.clone(), self.sub_sequence_number.unwrap_or(0))
    }

    /// What it costs in memory, roughly: small records cost more than their payloads.
    pub(crate) fn weight(&self) -> usize {
        let key = self.partition_key.as_ref().map_or(0, String::len);
        size_of::<Record>() + self.sequence_number.as_str().len() + key + self.data.len()
    }
}

/// Records of one shard that came in one answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Batch {
    /// The stream's name.
    pub stream: Arc<str>,
    /// The shard.
    pub shard_id: ShardId,
    /// The records, in order; at least one.
    pub records: Vec<Record>,
    /// How far behind the tip of the shard they are, in milliseconds.
    pub millis_behind_latest: Option<i64>,
}

impl Batch {
    /// Makes a batch of an answer's records, and of aggregated ones the user records inside.
    pub fn new(stream: Arc<str>, shard_id: ShardId, raw: Vec<RawRecord>, millis_behind_latest: Option<i64>) -> Self {
        let mut records = Vec::with_capacity(raw.len());
        for record in raw {
            open(&stream, &shard_id, record, &mut records);
        }
        Batch { stream, shard_id, records, millis_behind_latest }
    }

    /// What the batch costs in memory, roughly.
    #[cfg(feature = "driver")]
    pub(crate) fn weight(&self) -> usize {
        self.records.iter().map(Record::weight).sum()
    }

    /// The payloads' size.
    pub fn bytes(&self) -> usize {
        self.records.iter().map(|record| record.data.len()).sum()
    }
}

/// Appends a plain record as it is, and of an aggregated one the user records.
pub(crate) fn open(stream: &Arc<str>, shard_id: &ShardId, raw: RawRecord, out: &mut Vec<Record>) {
    let RawRecord { sequence_number, arrival, partition_key, data } = raw;
    let record = |sub_sequence_number, partition_key, sequence_number, data| Record {
        stream: stream.clone(),
        shard_id: shard_id.clone(),
        sequence_number,
        sub_sequence_number,
        partition_key,
        arrival,
        data,
    };
    match Aggregated::parse(&data) {
        None => out.push(record(None, partition_key, sequence_number, data)),
        Some(container) => out.extend(container.records().map(|user| {
            let key = user.partition_key.map(str::to_owned);
            record(Some(user.sub_sequence_number), key, sequence_number.clone(), data.slice_ref(user.data))
        })),
    }
}

#[cfg(test)]
mod tests {
    use kinesis_logs_generator::aggregate;

    use super::*;

    #[test]
    fn aggregated_records_are_opened_in_place_and_others_left_alone() {
        let raw = |sequence: &str, data: Vec<u8>| RawRecord {
            sequence_number: sequence.into(),
            arrival: None,
            partition_key: Some("a".to_owned()),
            data: data.into(),
        };
        let container = aggregate(&[("k1", b"one"), ("k2", b"two")]);
        let batch =
            Batch::new("s".into(), "shard".into(), vec![raw("7", b"plain".to_vec()), raw("8", container)], None);
        let seen: Vec<_> = batch
            .records
            .iter()
            .map(|record| {
                let key = record.partition_key.as_deref().unwrap_or_default();
                (record.sequence_number.as_str(), record.sub_sequence_number, key, &record.data[..])
            })
            .collect();
        assert_eq!(seen, [("7", None, "a", &b"plain"[..]), ("8", Some(0), "k1", b"one"), ("8", Some(1), "k2", b"two")]);
    }
}
