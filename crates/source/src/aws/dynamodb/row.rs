//! A lease as an item of KCL's table: `DynamoDBLeaseSerializer` and `DynamoDBMultiStreamLeaseSerializer` of
//! [amazon-kinesis-client].
//!
//! Reading is lenient, since several programs of several versions write to one table. What is not named here is neither
//! read nor touched: `pendingCheckpointState`, say, which KCL writes as binary, and as a number when it creates a row.
//!
//! [amazon-kinesis-client]: https://github.com/awslabs/amazon-kinesis-client

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::leader::{ENTITY_TYPE_LEADER, leader};
use crate::protocol::{Checkpoint, Leader, Lease, ShardId};

pub(super) const LEASE_KEY: &str = "leaseKey";
pub(super) const LEASE_OWNER: &str = "leaseOwner";
pub(super) const LEASE_COUNTER: &str = "leaseCounter";
pub(super) const CHECKPOINT: &str = "checkpoint";
pub(super) const CHECKPOINT_SUB_SEQUENCE_NUMBER: &str = "checkpointSubSequenceNumber";
pub(super) const OWNER_SWITCHES: &str = "ownerSwitchesSinceCheckpoint";
pub(super) const CHECKPOINT_OWNER: &str = "checkpointOwner";
pub(super) const CHILD_SHARD_IDS: &str = "childShardIds";
/// A set, its name notwithstanding.
const PARENT_SHARD_IDS: &str = "parentShardId";
const STARTING_HASH_KEY: &str = "startingHashKey";
const ENDING_HASH_KEY: &str = "endingHashKey";
/// Set by KCL 3.5, which keeps more than leases in the table.
const ENTITY_TYPE: &str = "entityType";
/// With several streams in a table: the stream's identifier, as in the key.
const STREAM_NAME: &str = "streamName";
const SHARD_ID: &str = "shardId";
/// Ours alone: milliseconds since 1970.
const START_TIMESTAMP: &str = "startTimestamp";
pub(super) const STREAM_CREATION_TIMESTAMP: &str = "streamCreationTimestamp";

pub(super) type Item = HashMap<String, AttributeValue>;

/// How a stream's shards are named in the table.
#[derive(Debug, Clone)]
pub(super) enum Keys {
    /// By their ids: the table is one stream's.
    Shards,
    /// By the stream's identifier, a colon and their ids.
    OfStream(String),
}

/// What an item is.
#[derive(Debug, PartialEq)]
pub(super) enum Row {
    /// A lease of the stream.
    Lease(Box<Lease>),
    /// Another stream's, or none of a shard.
    Foreign,
    /// KCL 3.5's leader; nothing if it has stepped down.
    Leader(Option<Leader>),
    /// Named like a lease of the stream, without being one; why.
    Unreadable(String),
}

impl Keys {
    pub(super) fn key(&self, shard: &ShardId) -> String {
        match self {
            Keys::Shards => shard.to_string(),
            Keys::OfStream(stream) => format!("{stream}:{shard}"),
        }
    }

    /// The shard with this key, if it is one of the stream.
    fn shard<'a>(&self, key: &'a str) -> Option<&'a str> {
        let shard = match self {
            Keys::Shards => key,
            Keys::OfStream(stream) => key.strip_prefix(stream)?.strip_prefix(':')?,
        };
        // No shard's id has a colon, so that with one it is a shard of a stream.
        (!shard.is_empty() && !shard.contains(':')).then_some(shard)
    }

    /// The item that a lease is created as.
    pub(super) fn item(&self, lease: &Lease) -> Item {
        let mut item = Item::new();
        let mut set = |name: &str, value| item.insert(name.to_owned(), value);
        set(LEASE_KEY, string(self.key(&lease.shard)));
        if let Keys::OfStream(stream) = self {
            set(STREAM_NAME, string(stream));
            set(SHARD_ID, string(lease.shard.as_str()));
        }
        set(LEASE_COUNTER, number(lease.counter));
        set(CHECKPOINT, string(lease.checkpoint.to_string()));
        set(CHECKPOINT_SUB_SEQUENCE_NUMBER, number(lease.checkpoint.sub_sequence_number()));
        set(OWNER_SWITCHES, number(lease.owner_switches_since_checkpoint));
        for (name, owner) in [(LEASE_OWNER, &lease.owner), (CHECKPOINT_OWNER, &lease.checkpoint_owner)] {
            // DynamoDB refuses empty sets, and KCL does not expect empty strings.
            if let Some(owner) = owner.as_ref().filter(|owner| !owner.is_empty()) {
                set(name, string(owner));
            }
        }
        for (name, shards) in [(PARENT_SHARD_IDS, &lease.parents), (CHILD_SHARD_IDS, &lease.children)] {
            if !shards.is_empty() {
                set(name, string_set(shards));
            }
        }
        if let Some((start, end)) = lease.hash_key_range {
            set(STARTING_HASH_KEY, string(start.to_string()));
            set(ENDING_HASH_KEY, string(end.to_string()));
        }
        for (name, time) in
            [(START_TIMESTAMP, lease.start_timestamp), (STREAM_CREATION_TIMESTAMP, lease.stream_creation_timestamp)]
        {
            if let Some(time) = time {
                set(name, number(time.as_millisecond()));
            }
        }
        item
    }

    /// What an item is.
    pub(super) fn row(&self, item: &Item) -> Row {
        match text(item, ENTITY_TYPE) {
            None | Some("LEASE") => {}
            Some(ENTITY_TYPE_LEADER) => return Row::Leader(leader(item)),
            Some(_) => return Row::Foreign,
        }
        let Some(shard) = text(item, LEASE_KEY).and_then(|key| self.shard(key)) else { return Row::Foreign };
        let Some(counter) = parsed(item, LEASE_COUNTER) else {
            return Row::Unreadable(format!("{shard} has no {LEASE_COUNTER}"));
        };
        let sub_sequence_number = parsed(item, CHECKPOINT_SUB_SEQUENCE_NUMBER).unwrap_or(0);
        let checkpoint = text(item, CHECKPOINT);
        let Some(checkpoint) = checkpoint.and_then(|text| Checkpoint::parse(text, sub_sequence_number)) else {
            return Row::Unreadable(format!("{shard} has no {CHECKPOINT} that can be read: {checkpoint:?}"));
        };
        let owner = |name| text(item, name).filter(|owner| !owner.is_empty()).map(str::to_owned);
        let time = |name| parsed(item, name).and_then(|millis| Timestamp::from_millisecond(millis).ok());
        Row::Lease(Box::new(Lease {
            owner: owner(LEASE_OWNER),
            counter,
            owner_switches_since_checkpoint: parsed(item, OWNER_SWITCHES).unwrap_or(0),
            checkpoint_owner: owner(CHECKPOINT_OWNER),
            parents: shards(item, PARENT_SHARD_IDS),
            children: shards(item, CHILD_SHARD_IDS),
            hash_key_range: hash_key(item, STARTING_HASH_KEY).zip(hash_key(item, ENDING_HASH_KEY)),
            start_timestamp: time(START_TIMESTAMP),
            stream_creation_timestamp: time(STREAM_CREATION_TIMESTAMP),
            ..Lease::new(shard, checkpoint)
        }))
    }
}

pub(super) fn string(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A set of shards, which must not be empty nor name one twice.
pub(super) fn string_set(shards: &[ShardId]) -> AttributeValue {
    let mut ids: Vec<String> = shards.iter().map(ShardId::to_string).collect();
    ids.sort_unstable();
    ids.dedup();
    AttributeValue::Ss(ids)
}

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

fn parsed<T: std::str::FromStr>(item: &Item, name: &str) -> Option<T> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

fn hash_key(item: &Item, name: &str) -> Option<u128> {
    text(item, name)?.parse().ok()
}

fn shards(item: &Item, name: &str) -> Vec<ShardId> {
    let ids = item.get(name).and_then(|value| value.as_ss().ok());
    ids.into_iter().flatten().map(|id| ShardId::from(id.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(attributes: &[(&str, AttributeValue)]) -> Item {
        attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn keys_tell_the_streams_of_one_table_apart() {
        let one = Keys::Shards;
        let many = Keys::OfStream("123456789012:flow-logs:1700000000".to_owned());
        assert_eq!(one.shard("shardId-0"), Some("shardId-0"));
        assert_eq!(one.shard("123456789012:flow-logs:1700000000:shardId-0"), None);
        assert_eq!(many.shard("123456789012:flow-logs:1700000000:shardId-0"), Some("shardId-0"));
        assert_eq!(many.shard("123456789012:flow-logs:17000000009:shardId-0"), None);
        assert_eq!(many.shard("shardId-0"), None);
    }

    #[test]
    fn only_what_makes_a_lease_is_needed() {
        let least = [
            (LEASE_KEY, string("shardId-0")),
            (LEASE_COUNTER, number(4)),
            (CHECKPOINT, string("LATEST")),
            ("pendingCheckpointState", number(0)),
            (PARENT_SHARD_IDS, string("not a set")),
        ];
        let expected = Lease { counter: 4, ..Lease::new("shardId-0", Checkpoint::Latest) };
        assert_eq!(Keys::Shards.row(&item(&least)), Row::Lease(Box::new(expected)));
        for missing in [LEASE_COUNTER, CHECKPOINT] {
            let mut item = item(&least);
            item.remove(missing);
            assert!(matches!(Keys::Shards.row(&item), Row::Unreadable(why) if why.contains(missing)), "{missing}");
        }
    }

    #[test]
    fn what_is_empty_is_not_written() {
        let lease = Lease { owner: Some(String::new()), ..Lease::new("shardId-0", Checkpoint::Latest) };
        let mut names: Vec<String> = Keys::Shards.item(&lease).into_keys().collect();
        names.sort_unstable();
        assert_eq!(names, [CHECKPOINT, CHECKPOINT_SUB_SEQUENCE_NUMBER, LEASE_COUNTER, LEASE_KEY, OWNER_SWITCHES]);
    }
}
