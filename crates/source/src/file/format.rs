//! The file's text: JSON, made to be read and mended by people.
//!
//! The members are named as KCL names its table's attributes. Ours alone are `startTimestamp` and
//! `streamCreationTimestamp`, in RFC 3339. Members that are not known here are kept as they are.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use jiff::Timestamp;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::error::LeaseStoreErrorKind;
use crate::protocol::{Checkpoint, Lease, LeaseWrite, ShardId, WriteOutcome};

/// The version that is written, and the only one that is read.
const VERSION: u64 = 1;

/// What the file holds.
#[derive(Debug)]
pub(super) struct Contents {
    stream: String,
    leases: BTreeMap<ShardId, Lease>,
    /// The members of the file, and of each lease, that are not known here.
    unknown: Map<String, Value>,
    unknown_of_leases: BTreeMap<ShardId, Map<String, Value>>,
}

impl Contents {
    /// What a file holds that is not there yet.
    pub(super) fn empty(stream: &str) -> Self {
        Contents {
            stream: stream.to_owned(),
            leases: BTreeMap::new(),
            unknown: Map::new(),
            unknown_of_leases: BTreeMap::new(),
        }
    }

    /// Reads a file of the stream `stream`. The message of a failure says in which line it is.
    pub(super) fn from_json(json: &[u8], stream: &str) -> Result<Self, (LeaseStoreErrorKind, String)> {
        let corrupt = |error: serde_json::Error| (LeaseStoreErrorKind::Corrupt, error.to_string());
        // What another version means by its members is not known, so that they are not looked at.
        let Head { version } = serde_json::from_slice(json).map_err(corrupt)?;
        if version != VERSION {
            let message = format!("the format's version is {version}, and only {VERSION} can be read");
            return Err((LeaseStoreErrorKind::Other, message));
        }
        let file: FileText = serde_json::from_slice(json).map_err(corrupt)?;
        if file.stream_name != stream {
            let message = format!("these are leases of stream {}, not of {stream}", file.stream_name);
            return Err((LeaseStoreErrorKind::Other, message));
        }
        let mut contents = Contents { unknown: file.unknown, ..Contents::empty(stream) };
        for (shard, (lease, unknown)) in file.leases.0 {
            if !unknown.is_empty() {
                contents.unknown_of_leases.insert(shard.clone(), unknown);
            }
            contents.leases.insert(shard, lease);
        }
        Ok(contents)
    }

    /// The file's text.
    pub(super) fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let file = FileTextRef {
            version: VERSION,
            stream_name: &self.stream,
            leases: self.leases.values().map(|lease| self.lease_text(lease)).collect(),
            unknown: &self.unknown,
        };
        let mut json = serde_json::to_vec_pretty(&file)?;
        json.push(b'\n');
        Ok(json)
    }

    fn lease_text(&self, lease: &Lease) -> LeaseText {
        LeaseText::new(lease, self.unknown_of_leases.get(&lease.shard).cloned().unwrap_or_default())
    }

    /// The leases, by shard.
    pub(super) fn leases(&self) -> Vec<Lease> {
        self.leases.values().cloned().collect()
    }

    /// Does a write.
    pub(super) fn apply(&mut self, write: &LeaseWrite) -> WriteOutcome {
        let outcome = write.apply_to(&mut self.leases);
        if matches!((write, &outcome), (LeaseWrite::Delete { .. }, WriteOutcome::Done)) {
            self.unknown_of_leases.remove(write.shard());
        }
        outcome
    }
}

#[derive(Deserialize)]
struct Head {
    version: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FileText {
    #[serde(rename = "version")]
    _version: u64,
    stream_name: String,
    leases: Leases,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FileTextRef<'a> {
    version: u64,
    stream_name: &'a str,
    leases: Vec<LeaseText>,
    #[serde(flatten)]
    unknown: &'a Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeaseText {
    lease_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_owner: Option<String>,
    lease_counter: u64,
    checkpoint: Text<CheckpointText>,
    #[serde(default)]
    checkpoint_sub_sequence_number: u64,
    #[serde(default)]
    owner_switches_since_checkpoint: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint_owner: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parent_shard_id: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    child_shard_ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    starting_hash_key: Option<Text<u128>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ending_hash_key: Option<Text<u128>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_timestamp: Option<Text<Timestamp>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_creation_timestamp: Option<Text<Timestamp>>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl LeaseText {
    fn new(lease: &Lease, unknown: Map<String, Value>) -> Self {
        let texts = |shards: &[ShardId]| shards.iter().map(ShardId::to_string).collect();
        LeaseText {
            lease_key: lease.shard.to_string(),
            lease_owner: lease.owner.clone(),
            lease_counter: lease.counter,
            checkpoint: Text(CheckpointText(lease.checkpoint.to_string())),
            checkpoint_sub_sequence_number: lease.checkpoint.sub_sequence_number(),
            owner_switches_since_checkpoint: lease.owner_switches_since_checkpoint,
            checkpoint_owner: lease.checkpoint_owner.clone(),
            parent_shard_id: texts(&lease.parents),
            child_shard_ids: texts(&lease.children),
            starting_hash_key: lease.hash_key_range.map(|(start, _)| Text(start)),
            ending_hash_key: lease.hash_key_range.map(|(_, end)| Text(end)),
            start_timestamp: lease.start_timestamp.map(Text),
            stream_creation_timestamp: lease.stream_creation_timestamp.map(Text),
            unknown,
        }
    }

    fn into_lease(self) -> Result<(Lease, Map<String, Value>), &'static str> {
        let shards = |texts: Vec<String>| texts.into_iter().map(ShardId::from).collect();
        if self.lease_key.is_empty() {
            return Err("leaseKey is empty");
        }
        let checkpoint = Checkpoint::parse(&self.checkpoint.0.0, self.checkpoint_sub_sequence_number);
        let hash_key_range = match (self.starting_hash_key, self.ending_hash_key) {
            (Some(start), Some(end)) => Some((start.0, end.0)),
            (None, None) => None,
            _ => return Err("startingHashKey and endingHashKey come together or not at all"),
        };
        let lease = Lease {
            shard: self.lease_key.into(),
            owner: self.lease_owner,
            counter: self.lease_counter,
            checkpoint: checkpoint.ok_or(NOT_A_CHECKPOINT)?,
            owner_switches_since_checkpoint: self.owner_switches_since_checkpoint,
            checkpoint_owner: self.checkpoint_owner,
            parents: shards(self.parent_shard_id),
            children: shards(self.child_shard_ids),
            hash_key_range,
            start_timestamp: self.start_timestamp.map(|time| time.0),
            stream_creation_timestamp: self.stream_creation_timestamp.map(|time| time.0),
        };
        Ok((lease, self.unknown))
    }
}

/// The leases of a file, each shard's once. They are checked one by one as they are read, so that a failure is told with
/// the lease that it is about, and the line behind it.
struct Leases(BTreeMap<ShardId, (Lease, Map<String, Value>)>);

impl<'de> Deserialize<'de> for Leases {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LeasesVisitor;

        impl<'de> Visitor<'de> for LeasesVisitor {
            type Value = Leases;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of leases")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Leases, A::Error> {
                let mut leases = BTreeMap::new();
                while let Some(text) = seq.next_element::<LeaseText>()? {
                    let key = text.lease_key.clone();
                    let lease =
                        text.into_lease().map_err(|cause| A::Error::custom(format!("lease {key:?}: {cause}")))?;
                    if leases.insert(lease.0.shard.clone(), lease).is_some() {
                        return Err(A::Error::custom(format!("a second lease {key:?}")));
                    }
                }
                Ok(Leases(leases))
            }
        }

        deserializer.deserialize_seq(LeasesVisitor)
    }
}

const NOT_A_CHECKPOINT: &str =
    "checkpoint is neither a sequence number nor TRIM_HORIZON, LATEST, AT_TIMESTAMP or SHARD_END";

/// A checkpoint that can be parsed: with its sub-sequence number, which is another member, it becomes one.
struct CheckpointText(String);

impl FromStr for CheckpointText {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Checkpoint::parse(text, 0).map(|_| CheckpointText(text.to_owned())).ok_or(NOT_A_CHECKPOINT)
    }
}

impl fmt::Display for CheckpointText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value that is a JSON string. It is parsed in the visitor, where serde_json still knows the line.
struct Text<T>(T);

impl<T: fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor<T>(PhantomData<T>);

        impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for TextVisitor<T> {
            type Value = Text<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text<T>, E> {
                text.parse().map(Text).map_err(|error| E::custom(format!("{text:?}: {error}")))
            }
        }

        deserializer.deserialize_str(TextVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{
  "version": 1,
  "streamName": "flow-logs",
  "note": "moved by hand",
  "leases": [
    {
      "leaseKey": "shardId-000000000000",
      "leaseCounter": 7,
      "checkpoint": "4958",
      "checkpointSubSequenceNumber": 3,
      "startingHashKey": "0",
      "endingHashKey": "340282366920938463463374607431768211455",
      "startTimestamp": "2026-01-02T03:04:05.678Z",
      "throughputKBps": 1.5
    }
  ]
}"#;

    fn failure(file: &str) -> String {
        Contents::from_json(file.as_bytes(), "flow-logs").expect_err("refused").1
    }

    #[test]
    fn members_that_are_not_known_survive_until_their_lease_is_deleted() {
        let mut contents = Contents::from_json(FILE.as_bytes(), "flow-logs").expect("a file");
        let take = LeaseWrite::Take {
            shard: "shardId-000000000000".into(),
            owner: "worker".to_owned(),
            counter: 7,
            stream_creation_timestamp: None,
        };
        assert_eq!(contents.apply(&take), WriteOutcome::Done);
        let json: Value = serde_json::from_slice(&contents.to_json().expect("text")).expect("JSON");
        assert_eq!(json["note"], "moved by hand");
        assert_eq!(json["leases"][0]["throughputKBps"], 1.5);
        assert_eq!(json["leases"][0]["leaseOwner"], "worker");
        assert_eq!(json["leases"][0]["endingHashKey"], u128::MAX.to_string());
        assert_eq!(json["leases"][0]["startTimestamp"], "2026-01-02T03:04:05.678Z");

        let shard = ShardId::from("shardId-000000000000");
        contents.apply(&LeaseWrite::Delete { shard: shard.clone(), counter: 8 });
        contents.apply(&LeaseWrite::Create { lease: Lease::new(shard, Checkpoint::Latest) });
        let json: Value = serde_json::from_slice(&contents.to_json().expect("text")).expect("JSON");
        assert_eq!(json["leases"][0].get("throughputKBps"), None, "it was another lease's");
    }

    #[test]
    fn a_failure_says_in_which_line_it_is() {
        for (right, wrong, line, cause) in [
            (r#""4958""#, r#""yesterday""#, "line 9", "yesterday"),
            (r#""4958""#, "4958", "line 9", "a string"),
            (r#""endingHashKey": "340"#, r#""endingHashKey": "x340"#, "line 12", "invalid digit"),
            (
                r#""startingHashKey": "0","#,
                "",
                "line 16",
                "\"shardId-000000000000\": startingHashKey and endingHashKey",
            ),
            ("2026-01-02T", "2026-13-02T", "line 13", "month"),
            (r#""leaseCounter": 7,"#, "", "line 15", "leaseCounter"),
            (r#""leaseCounter": 7"#, r#""leaseCounter": -7"#, "line 8", "-7"),
        ] {
            let message = failure(&FILE.replacen(right, wrong, 1));
            assert!(message.contains(line) && message.contains(cause), "{wrong}: {message}");
        }
        let lease = &FILE[FILE.find("    {").expect("a lease")..FILE.rfind("\n  ]").expect("its end")];
        let message = failure(&FILE.replacen(lease, &format!("{lease},\n{lease}"), 1));
        assert!(message.contains("a second lease \"shardId-000000000000\" at line 26"), "{message}");
    }

    #[test]
    fn other_versions_and_other_streams_are_left_alone() {
        let message = failure(r#"{"version": 2, "shards": {}}"#);
        assert!(message.contains("version is 2"), "{message}");
        let message = failure(&FILE.replace("flow-logs", "app-logs"));
        assert!(message.contains("leases of stream app-logs, not of flow-logs"), "{message}");
    }
}
