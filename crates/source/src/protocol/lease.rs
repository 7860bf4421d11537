//! A lease: which worker reads a shard, and how far it has come. The names and rules are [KCL's].
//!
//! ```text
//!          create              take                renew, checkpoint
//! (none) ─────────> unowned ─────────> owned by a ────────┐
//!                      ^  release       │  ^ │            │ each write adds one to the counter
//!                      └────────────────┘  └─┼────────────┘
//!                                            │ take, by b: a's next write is refused, which is how it learns
//!                                            v
//!                                       owned by b
//! ```
//!
//! Every write names the counter that its author last saw, and is refused if the row has another one by now. A worker
//! that stops writing loses its leases once the others have seen the same counter for as long as the failover time, by
//! their own clocks; no clocks are compared.
//!
//! [KCL's]: https://docs.aws.amazon.com/streams/latest/dev/kcl-concepts.html

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::shard::{SequenceNumber, Shard, ShardId};

/// A record's place in its shard: the sequence number, and the index within the container if the Kinesis Producer
/// Library aggregated it (0 for a plain record).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExtendedSequenceNumber {
    /// The sequence number.
    pub sequence_number: SequenceNumber,
    /// The index within the container.
    pub sub_sequence_number: u64,
}

impl ExtendedSequenceNumber {
    /// The place of a record.
    pub fn new(sequence_number: impl Into<SequenceNumber>, sub_sequence_number: u64) -> Self {
        ExtendedSequenceNumber { sequence_number: sequence_number.into(), sub_sequence_number }
    }
}

impl fmt::Display for ExtendedSequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sub_sequence_number {
            0 => write!(f, "{}", self.sequence_number),
            sub => write!(f, "{}/{sub}", self.sequence_number),
        }
    }
}

/// How far a shard has been processed. The order is KCL's: `AtTimestamp < TrimHorizon < Latest < After < ShardEnd`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Checkpoint {
    /// Nothing yet; it begins at a time, [`Lease::start_timestamp`].
    AtTimestamp,
    /// Nothing yet; it begins at the oldest record.
    TrimHorizon,
    /// Nothing yet; it begins at what arrives after [`Lease::start_timestamp`].
    Latest,
    /// All up to this record, it included.
    After(ExtendedSequenceNumber),
    /// All; the shard is closed.
    ShardEnd,
}

impl Checkpoint {
    /// The checkpoint behind a record.
    pub fn after(sequence_number: impl Into<SequenceNumber>, sub_sequence_number: u64) -> Self {
        Checkpoint::After(ExtendedSequenceNumber::new(sequence_number, sub_sequence_number))
    }

    /// Reads what [`Display`](fmt::Display) and KCL write: a sentinel (`TRIM_HORIZON`, `LATEST`, `AT_TIMESTAMP`,
    /// `SHARD_END`) or a sequence number, whose sub-sequence number KCL keeps apart. `None` for anything else.
    ///
    /// ```
    /// use kinesis_logs_source::protocol::Checkpoint;
    ///
    /// assert_eq!(Checkpoint::parse("SHARD_END", 0), Some(Checkpoint::ShardEnd));
    /// assert_eq!(Checkpoint::parse("4958", 3), Some(Checkpoint::after("4958", 3)));
    /// assert_eq!(Checkpoint::parse("yesterday", 0), None);
    /// ```
    pub fn parse(text: &str, sub_sequence_number: u64) -> Option<Self> {
        match text {
            "AT_TIMESTAMP" => Some(Checkpoint::AtTimestamp),
            "TRIM_HORIZON" => Some(Checkpoint::TrimHorizon),
            "LATEST" => Some(Checkpoint::Latest),
            "SHARD_END" => Some(Checkpoint::ShardEnd),
            // Up to 129 digits, as the API's model says.
            digits if (1..=129).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(Checkpoint::after(digits, sub_sequence_number))
            }
            _ => None,
        }
    }

    /// The sub-sequence number, which KCL stores in a column of its own.
    pub fn sub_sequence_number(&self) -> u64 {
        match self {
            Checkpoint::After(position) => position.sub_sequence_number,
            _ => 0,
        }
    }
}

impl fmt::Display for Checkpoint {
    /// What KCL stores as `checkpoint`: without the sub-sequence number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Checkpoint::AtTimestamp => "AT_TIMESTAMP",
            Checkpoint::TrimHorizon => "TRIM_HORIZON",
            Checkpoint::Latest => "LATEST",
            Checkpoint::After(position) => position.sequence_number.as_str(),
            Checkpoint::ShardEnd => "SHARD_END",
        })
    }
}

/// One shard's row in a lease store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// The shard.
    pub shard: ShardId,
    /// The worker that reads it; nobody while it is free.
    pub owner: Option<String>,
    /// Grows with every write; the heartbeat, and what conditions are about.
    pub counter: u64,
    /// How far the shard has been processed.
    pub checkpoint: Checkpoint,
    /// How often the owner has changed since the last checkpoint: high where a shard kills its workers.
    pub owner_switches_since_checkpoint: u64,
    /// The worker that still finishes the shard while it is handed over to `owner` (KCL 3).
    pub checkpoint_owner: Option<String>,
    /// The shards it was made from.
    pub parents: Vec<ShardId>,
    /// The shards made from it, known at its end.
    pub children: Vec<ShardId>,
    /// The hash keys it covers, both ends included.
    pub hash_key_range: Option<(u128, u128)>,
    /// Where [`Checkpoint::Latest`] and [`Checkpoint::AtTimestamp`] begin. KCL does not store it, and takes the time of
    /// its configuration or of its own start.
    pub start_timestamp: Option<Timestamp>,
    /// When the stream was created, where known: a stream that was deleted and made anew begins again.
    pub stream_creation_timestamp: Option<Timestamp>,
}

impl Lease {
    /// A lease that nobody has held yet.
    pub fn new(shard: impl Into<ShardId>, checkpoint: Checkpoint) -> Self {
        Lease {
            shard: shard.into(),
            owner: None,
            counter: 0,
            checkpoint,
            owner_switches_since_checkpoint: 0,
            checkpoint_owner: None,
            parents: Vec::new(),
            children: Vec::new(),
            hash_key_range: None,
            start_timestamp: None,
            stream_creation_timestamp: None,
        }
    }

    /// A lease that nobody has held yet, of a shard as it is listed. `start_timestamp` is where
    /// [`Checkpoint::AtTimestamp`] and [`Checkpoint::Latest`] begin.
    pub fn of_shard(shard: &Shard, checkpoint: Checkpoint, start_timestamp: Option<Timestamp>) -> Self {
        Lease {
            parents: shard.parents.clone(),
            hash_key_range: shard.hash_key_range,
            start_timestamp,
            ..Lease::new(shard.id.clone(), checkpoint)
        }
    }

    /// Whether all of the shard has been processed.
    pub fn is_complete(&self) -> bool {
        self.checkpoint == Checkpoint::ShardEnd
    }

    /// Whether it is of a stream of the same name that was created at another time. Times differ in fractions of a second
    /// between services.
    pub(crate) fn is_of_another(&self, created: Timestamp) -> bool {
        self.stream_creation_timestamp.is_some_and(|time| time.as_second() != created.as_second())
    }

    fn is_owned_by(&self, worker: &str) -> bool {
        self.owner.as_deref() == Some(worker)
    }
}

/// A write to a lease store, done only if its condition holds. Columns that it does not name stay as they are. The
/// conditions are KCL's, and exact in [`apply_to`](Self::apply_to).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseWrite {
    /// Adds a row, if there is none for the shard.
    Create {
        /// The row.
        lease: Lease,
    },
    /// Shows that the owner lives, if it is still the owner and the counter is this one.
    Renew {
        /// The shard.
        shard: ShardId,
        /// The owner.
        owner: String,
        /// The counter it last saw.
        counter: u64,
    },
    /// Makes `owner` the owner, whoever was, if the counter is this one.
    Take {
        /// The shard.
        shard: ShardId,
        /// The new owner.
        owner: String,
        /// The counter it last saw.
        counter: u64,
        /// When the stream was created; nothing leaves the column alone.
        stream_creation_timestamp: Option<Timestamp>,
    },
    /// Moves the checkpoint, if the author is still the owner and the counter is this one. Renews as well.
    Checkpoint {
        /// The shard.
        shard: ShardId,
        /// The owner.
        owner: String,
        /// The counter it last saw.
        counter: u64,
        /// The checkpoint.
        checkpoint: Checkpoint,
        /// The shard's children, if it ended; none leaves the column alone.
        children: Vec<ShardId>,
    },
    /// Frees the shard, if the author is still its owner.
    Release {
        /// The shard.
        shard: ShardId,
        /// The owner.
        owner: String,
    },
    /// Puts a row, its counter one higher, in place of one that is about another stream, if that one's counter is this.
    Replace {
        /// The new row.
        lease: Lease,
        /// The counter last seen.
        counter: u64,
    },
    /// Removes the row, if the counter is this one.
    Delete {
        /// The shard.
        shard: ShardId,
        /// The counter last seen.
        counter: u64,
    },
}

impl LeaseWrite {
    /// The shard whose row it is about.
    pub fn shard(&self) -> &ShardId {
        match self {
            LeaseWrite::Create { lease } | LeaseWrite::Replace { lease, .. } => &lease.shard,
            LeaseWrite::Renew { shard, .. }
            | LeaseWrite::Take { shard, .. }
            | LeaseWrite::Checkpoint { shard, .. }
            | LeaseWrite::Release { shard, .. }
            | LeaseWrite::Delete { shard, .. } => shard,
        }
    }

    /// Does the write to rows held in memory: what it means, and all that a store needs that holds its rows itself.
    pub fn apply_to(&self, rows: &mut BTreeMap<ShardId, Lease>) -> WriteOutcome {
        let row = rows.get_mut(self.shard());
        let counter_is = |row: &Lease, counter: u64| row.counter == counter;
        match (self, row) {
            (LeaseWrite::Create { lease }, None) => {
                rows.insert(lease.shard.clone(), lease.clone());
            }
            (LeaseWrite::Renew { owner, counter, .. }, Some(row))
                if counter_is(row, *counter) && row.is_owned_by(owner) =>
            {
                row.counter += 1;
            }
            (LeaseWrite::Take { owner, counter, stream_creation_timestamp, .. }, Some(row))
                if counter_is(row, *counter) =>
            {
                row.owner_switches_since_checkpoint += u64::from(!row.is_owned_by(owner));
                row.owner = Some(owner.clone());
                row.checkpoint_owner = None;
                row.stream_creation_timestamp = stream_creation_timestamp.or(row.stream_creation_timestamp);
                row.counter += 1;
            }
            (LeaseWrite::Checkpoint { owner, counter, checkpoint, children, .. }, Some(row))
                if counter_is(row, *counter) && row.is_owned_by(owner) =>
            {
                row.checkpoint = checkpoint.clone();
                row.owner_switches_since_checkpoint = 0;
                if !children.is_empty() {
                    row.children = children.clone();
                }
                row.counter += 1;
            }
            (LeaseWrite::Release { owner, .. }, Some(row)) if row.is_owned_by(owner) => {
                row.owner = None;
                row.counter += 1;
            }
            (LeaseWrite::Replace { lease, counter }, Some(row)) if counter_is(row, *counter) => {
                *row = Lease { counter: counter + 1, ..lease.clone() };
            }
            (LeaseWrite::Delete { counter, shard }, Some(row)) if counter_is(row, *counter) => {
                rows.remove(shard);
            }
            (_, row) => return WriteOutcome::Refused(row.map(|row| Box::new(row.clone()))),
        }
        WriteOutcome::Done
    }
}

/// What became of a [`LeaseWrite`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It was done.
    Done,
    /// Its condition did not hold: the row as it stands, if there is one.
    Refused(Option<Box<Lease>>),
}

/// The worker that assigns the leases of a table to all others, in [KCL 3]: workers of other kinds do not take any while
/// it lives.
///
/// [KCL 3]: https://docs.aws.amazon.com/streams/latest/dev/kcl-migration-from-2-3.html
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leader {
    /// Its name.
    pub owner: String,
    /// Changes with each of its heartbeats.
    pub record_version: String,
    /// For how long it stays the leader without one.
    pub lease_duration: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_ordered_as_kcl_orders_them() {
        let ordered = [
            Checkpoint::AtTimestamp,
            Checkpoint::TrimHorizon,
            Checkpoint::Latest,
            Checkpoint::after("9", 7),
            Checkpoint::after("10", 0),
            Checkpoint::after("10", 1),
            Checkpoint::ShardEnd,
        ];
        assert!(ordered.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for checkpoint in
            [Checkpoint::AtTimestamp, Checkpoint::Latest, Checkpoint::after("495", 2), Checkpoint::ShardEnd]
        {
            let (text, sub) = (checkpoint.to_string(), checkpoint.sub_sequence_number());
            assert_eq!(Checkpoint::parse(&text, sub), Some(checkpoint));
        }
        for text in ["", "-1", "12a", "shard_end", &"1".repeat(130)] {
            assert_eq!(Checkpoint::parse(text, 0), None, "{text:?}");
        }
    }
}
