//! A lease store that fails at random, before or after it has done what it was asked, or hangs for longer than leases last,
//! and reports to the referee.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kinesis_logs_source::protocol::{Lease, LeaseWrite, WriteOutcome};
use kinesis_logs_source::{LeaseStore, LeaseStoreError, LeaseStoreErrorKind, MemoryLeaseStore};
use tokio::time::Instant;

use crate::referee::Referee;
use crate::stalls::Stalls;

/// One worker's way to the store that all share.
pub(crate) struct FaultyStore {
    pub(crate) rows: MemoryLeaseStore,
    pub(crate) worker: String,
    pub(crate) referee: Arc<Referee>,
    pub(crate) rng: Mutex<fastrand::Rng>,
    /// Of a hundred calls, how many fail.
    pub(crate) faults: u32,
    pub(crate) stalls: Stalls,
}

impl FaultyStore {
    fn chance(&self, percent: u32) -> bool {
        self.rng.lock().unwrap().u32(..100) < percent
    }

    async fn pause(&self) {
        let millis = self.rng.lock().unwrap().u64(..200);
        tokio::time::sleep(Duration::from_millis(millis)).await;
        self.stalls.stall(&self.rng).await;
    }

    fn failure() -> LeaseStoreError {
        LeaseStoreError::new(LeaseStoreErrorKind::Unavailable, "simulated", "as the dice fell")
    }

    fn write_one(&self, write: &LeaseWrite) -> Result<WriteOutcome, LeaseStoreError> {
        if self.chance(self.faults) {
            return Err(Self::failure());
        }
        let outcome = self.rows.write_now(write);
        self.referee.written(&self.worker, write, &outcome);
        if self.chance(self.faults) {
            return Err(Self::failure());
        }
        Ok(outcome)
    }
}

#[async_trait]
impl LeaseStore for FaultyStore {
    async fn prepare(&self) -> Result<(), LeaseStoreError> {
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Lease>, LeaseStoreError> {
        self.pause().await;
        let rows = self.rows.rows();
        self.pause().await;
        if self.chance(self.faults) { Err(Self::failure()) } else { Ok(rows) }
    }

    async fn write(&self, writes: Vec<LeaseWrite>) -> Vec<Result<WriteOutcome, LeaseStoreError>> {
        let sent = Instant::now();
        self.pause().await;
        let outcomes: Vec<_> = writes.iter().map(|write| self.write_one(write)).collect();
        self.pause().await;
        for (write, outcome) in writes.iter().zip(&outcomes) {
            match outcome {
                Ok(outcome) => self.referee.answered(&self.worker, write, outcome, sent),
                Err(_) => self.referee.left_in_doubt(&self.worker, write, sent),
            }
        }
        outcomes
    }
}
