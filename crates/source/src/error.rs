//! What can go wrong between a reader and Kinesis.

use std::fmt;

use jiff::Timestamp;

use crate::protocol::{ExtendedSequenceNumber, ShardId, StreamId};

/// What kind of failure a call to Kinesis met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiErrorKind {
    /// Too many calls or bytes (`ProvisionedThroughputExceededException`, `LimitExceededException`, throttling).
    Throttled,
    /// The shard iterator is older than five minutes.
    ExpiredIterator,
    /// The token of a paged listing is older than five minutes.
    ExpiredNextToken,
    /// The stream or the shard does not exist (any more).
    NotFound,
    /// The stream or the consumer is being created or changed, or another holds the subscription.
    ResourceInUse,
    /// The stream has as many consumers as it may.
    LimitExceeded,
    /// The server, or the implementation of `KinesisApi`, does not have the operation.
    Unsupported,
    /// An argument is wrong (`InvalidArgumentException`, `ValidationException`), or the request too large (413).
    InvalidArgument,
    /// The caller may not do this.
    AccessDenied,
    /// There are no credentials, or they are expired or wrong.
    Credentials,
    /// A key of the Key Management Service cannot be used.
    Kms,
    /// The server failed (5xx, `InternalFailure`).
    Unavailable,
    /// No connection, or it broke.
    Connection,
    /// No answer in time.
    Timeout,
    /// Anything else.
    Other,
}

impl ApiErrorKind {
    /// Whether the same call may succeed later.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            ApiErrorKind::Throttled
                | ApiErrorKind::ResourceInUse
                | ApiErrorKind::Unavailable
                | ApiErrorKind::Connection
                | ApiErrorKind::Timeout
        )
    }
}

/// A failed call.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {message}")]
pub struct ApiError {
    /// What kind of failure it is.
    pub kind: ApiErrorKind,
    /// The operation, as AWS names it.
    pub operation: &'static str,
    /// What the server said, or what happened to the connection.
    pub message: String,
}

impl ApiError {
    /// A failure of `operation`.
    pub fn new(kind: ApiErrorKind, operation: &'static str, message: impl Into<String>) -> Self {
        ApiError { kind, operation, message: message.into() }
    }
}

/// What kind of failure a lease store met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaseStoreErrorKind {
    /// Too many calls.
    Throttled,
    /// The store cannot be reached or fails at the moment.
    Unavailable,
    /// Another process has it, and it is for one.
    Locked,
    /// What it holds is not what a lease store holds.
    Corrupt,
    /// The caller may not do this.
    AccessDenied,
    /// There are no credentials, or they are expired or wrong.
    Credentials,
    /// Anything else.
    Other,
}

/// A lease store that failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{store}: {message}")]
pub struct LeaseStoreError {
    /// What kind of failure it is.
    pub kind: LeaseStoreErrorKind,
    /// The store: a path, or a table's name.
    pub store: String,
    /// What happened.
    pub message: String,
}

impl LeaseStoreError {
    /// A failure of the store of this name.
    pub fn new(kind: LeaseStoreErrorKind, store: impl Into<String>, message: impl Into<String>) -> Self {
        LeaseStoreError { kind, store: store.into(), message: message.into() }
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, LeaseStoreErrorKind::Throttled | LeaseStoreErrorKind::Unavailable)
    }
}

/// Why a reader stopped before its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stream does not exist.
    #[error("stream {stream} not found")]
    StreamNotFound {
        /// The stream.
        stream: StreamId,
        /// What the server said.
        source: ApiError,
    },
    /// A shard that was asked for is not in the stream.
    #[error("stream {stream} has no shard {shard}; it has {}", Listed(.existing))]
    ShardNotFound {
        /// The stream.
        stream: StreamId,
        /// The shard.
        shard: ShardId,
        /// The shards that there are.
        existing: Vec<ShardId>,
    },
    /// A call failed in a way that does not pass, or for too long.
    #[error("cannot read {}", Place(.stream, .shard))]
    Api {
        /// The stream.
        stream: StreamId,
        /// The shard, if the call was for one.
        shard: Option<ShardId>,
        /// The failure.
        source: ApiError,
    },
    /// The stream is not the one that the checkpoints are about: that one was deleted, and this one made under its name.
    #[error("stream {stream} was created at {created:.0}, and its checkpoints are of one created at {checkpointed:.0}")]
    StreamRecreated {
        /// The stream.
        stream: StreamId,
        /// When it was created.
        created: Timestamp,
        /// When the one was created whose checkpoints there are.
        checkpointed: Timestamp,
    },
    /// Kinesis does not know the sequence number that a shard's checkpoint names.
    #[error("the checkpoint {checkpoint} of {shard} of stream {stream} is refused")]
    CheckpointRefused {
        /// The stream.
        stream: StreamId,
        /// The shard.
        shard: ShardId,
        /// Its checkpoint.
        checkpoint: Box<ExtendedSequenceNumber>,
        /// What the server said.
        source: ApiError,
    },
    /// The store of leases and checkpoints failed in a way that does not pass, or for too long.
    #[error("cannot keep the checkpoints of stream {stream}")]
    LeaseStore {
        /// The stream.
        stream: StreamId,
        /// The failure.
        source: LeaseStoreError,
    },
}

impl Error {
    /// What kind of failure the last call met, if a call failed.
    pub fn api_kind(&self) -> Option<ApiErrorKind> {
        match self {
            Error::StreamNotFound { source, .. }
            | Error::Api { source, .. }
            | Error::CheckpointRefused { source, .. } => Some(source.kind),
            Error::ShardNotFound { .. } | Error::StreamRecreated { .. } | Error::LeaseStore { .. } => None,
        }
    }
}

struct Place<'a>(&'a StreamId, &'a Option<ShardId>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(shard) => write!(f, "{shard} of stream {}", self.0),
            None => write!(f, "stream {}", self.0),
        }
    }
}

struct Listed<'a>(&'a [ShardId]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        for (index, shard) in self.0.iter().take(SHOWN).enumerate() {
            let gap = if index == 0 { "" } else { ", " };
            write!(f, "{gap}{shard}")?;
        }
        match self.0.len().checked_sub(SHOWN) {
            Some(more @ 1..) => write!(f, " and {more} more"),
            _ => Ok(()),
        }
    }
}
