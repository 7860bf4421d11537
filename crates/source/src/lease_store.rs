//! Where leases and checkpoints are kept.

use std::sync::Arc;

use async_trait::async_trait;

use crate::protocol::{Lease, LeaseWrite, WriteOutcome};

/// The leases of one stream: [`MemoryLeaseStore`](crate::MemoryLeaseStore), [`FileLeaseStore`](crate::FileLeaseStore),
/// `aws::DynamoDbLeaseStore`, or a store of your own.
///
/// A store decides nothing. It does a write if its condition holds, atomically for a row, and durably before it
/// answers. It makes one attempt a call, or a few within a second or two; waiting and trying again is the consumer's.
/// The feature `conformance` has tests for an implementation.
#[async_trait]
pub trait LeaseStore: Send + Sync + 'static {
    /// Makes the store ready to be used: creates the table, or locks the file. Called once, before anything else, and
    /// again if it failed in a way that [may pass](LeaseStoreError::is_retryable).
    async fn prepare(&self) -> Result<(), LeaseStoreError>;

    /// All leases, in any order.
    async fn list(&self) -> Result<Vec<Lease>, LeaseStoreError>;

    /// Does writes of different shards, each by itself, and says what became of each, in their order. After an error it
    /// is open whether the write was done.
    async fn write(&self, writes: Vec<LeaseWrite>) -> Vec<Result<WriteOutcome, LeaseStoreError>>;

    /// Whether nobody else can write while this store is open, so that leases of others are those of the dead.
    fn is_exclusive(&self) -> bool {
        false
    }
}

#[async_trait]
impl<T: LeaseStore + ?Sized> LeaseStore for Arc<T> {
    async fn prepare(&self) -> Result<(), LeaseStoreError> {
        (**self).prepare().await
    }

    async fn list(&self) -> Result<Vec<Lease>, LeaseStoreError> {
        (**self).list().await
    }

    async fn write(&self, writes: Vec<LeaseWrite>) -> Vec<Result<WriteOutcome, LeaseStoreError>> {
        (**self).write(writes).await
    }

    fn is_exclusive(&self) -> bool {
        (**self).is_exclusive()
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
