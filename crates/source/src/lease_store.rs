//! Where leases and checkpoints are kept.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::LeaseStoreError;
use crate::protocol::{Leader, Lease, LeaseWrite, WriteOutcome};

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
    /// is open whether the write was done. Several calls may be under way at once, of which no two are about the same shard;
    /// to a store that [is exclusive](Self::is_exclusive) one alone, with all that is due.
    async fn write(&self, writes: Vec<LeaseWrite>) -> Vec<Result<WriteOutcome, LeaseStoreError>>;

    /// The worker that assigns this table's leases to all others, if KCL 3 keeps one and it has not stepped down. Asked
    /// after each listing. By default there is none.
    async fn leader(&self) -> Result<Option<Leader>, LeaseStoreError> {
        Ok(None)
    }

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

    async fn leader(&self) -> Result<Option<Leader>, LeaseStoreError> {
        (**self).leader().await
    }

    fn is_exclusive(&self) -> bool {
        (**self).is_exclusive()
    }
}
