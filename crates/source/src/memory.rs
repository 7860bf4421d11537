//! Leases that last as long as the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::error::LeaseStoreError;
use crate::lease_store::LeaseStore;
use crate::protocol::{Lease, LeaseWrite, ShardId, WriteOutcome};

/// A lease store in memory: for tests, and for those who want acknowledgements without remembering anything. Clones
/// share their rows, so that several consumers of one process can share a stream.
#[derive(Debug, Clone, Default)]
pub struct MemoryLeaseStore {
    rows: Arc<Mutex<BTreeMap<ShardId, Lease>>>,
}

impl MemoryLeaseStore {
    /// A store without rows.
    pub fn new() -> Self {
        MemoryLeaseStore::default()
    }

    /// The rows as they stand, by shard.
    pub fn rows(&self) -> Vec<Lease> {
        self.lock().values().cloned().collect()
    }

    /// Does a write at once.
    pub fn write_now(&self, write: &LeaseWrite) -> WriteOutcome {
        write.apply_to(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ShardId, Lease>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl LeaseStore for MemoryLeaseStore {
    async fn prepare(&self) -> Result<(), LeaseStoreError> {
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Lease>, LeaseStoreError> {
        Ok(self.rows())
    }

    async fn write(&self, writes: Vec<LeaseWrite>) -> Vec<Result<WriteOutcome, LeaseStoreError>> {
        let mut rows = self.lock();
        writes.iter().map(|write| Ok(write.apply_to(&mut rows))).collect()
    }
}
