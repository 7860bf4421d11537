//! The nouns of a Kinesis data stream.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// A data stream's name, and its ARN where it was given by ARN (needed for streams of other accounts).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamId {
    name: Arc<str>,
    arn: Option<Arc<str>>,
}

impl StreamId {
    /// Takes a stream's name, or its ARN (`arn:aws:kinesis:eu-west-1:123456789012:stream/NAME`).
    ///
    /// ```
    /// use kinesis_logs_source::StreamId;
    ///
    /// assert_eq!(StreamId::new("flow-logs").name(), "flow-logs");
    /// let id = StreamId::new("arn:aws:kinesis:eu-west-1:123456789012:stream/flow-logs");
    /// assert_eq!(id.name(), "flow-logs");
    /// assert!(id.arn().is_some());
    /// ```
    pub fn new(name_or_arn: &str) -> Self {
        match name_or_arn.strip_prefix("arn:").and_then(|rest| rest.split_once(":stream/")) {
            Some((_, name)) => StreamId { name: name.into(), arn: Some(name_or_arn.into()) },
            None => StreamId { name: name_or_arn.into(), arn: None },
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The ARN, if the stream was given by ARN.
    pub fn arn(&self) -> Option<&str> {
        self.arn.as_deref()
    }

    /// The name, shared.
    pub fn shared_name(&self) -> Arc<str> {
        self.name.clone()
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl From<&str> for StreamId {
    fn from(name_or_arn: &str) -> Self {
        StreamId::new(name_or_arn)
    }
}

impl From<String> for StreamId {
    fn from(name_or_arn: String) -> Self {
        StreamId::new(&name_or_arn)
    }
}

/// A shard's id, such as `shardId-000000000003`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(Arc<str>);

impl ShardId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ShardId {
    fn from(id: &str) -> Self {
        ShardId(id.into())
    }
}

impl From<String> for ShardId {
    fn from(id: String) -> Self {
        ShardId(id.into())
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A record's place in its shard: a decimal number of up to 129 digits, too wide for any integer type.
///
/// ```
/// use kinesis_logs_source::SequenceNumber;
///
/// assert!(SequenceNumber::from("9") < SequenceNumber::from("10"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SequenceNumber(String);

impl SequenceNumber {
    /// The number's digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for SequenceNumber {
    fn from(digits: &str) -> Self {
        SequenceNumber(digits.to_owned())
    }
}

impl From<String> for SequenceNumber {
    fn from(digits: String) -> Self {
        SequenceNumber(digits)
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ord for SequenceNumber {
    /// Numbers have no leading zeros: the longer one is the larger.
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A shard as `ListShards` and `GetRecords` describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// Its id.
    pub id: ShardId,
    /// The shards it was made from: none, one (split) or two (merge). They may be listed no longer.
    pub parents: Vec<ShardId>,
    /// The hash keys it covers, both ends included.
    pub hash_key_range: Option<(u128, u128)>,
    /// Whether it takes no more records: it was split or merged.
    pub closed: bool,
}
