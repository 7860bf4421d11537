//! What a reader has done so far.

use std::sync::{Arc, Mutex};

use crate::error::ApiErrorKind;
use crate::protocol::Progress;

/// Counters of a reader since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Records read, aggregated ones counted singly.
    pub records: u64,
    /// Their payloads' bytes.
    pub bytes: u64,
    /// Calls made.
    pub calls: u64,
    /// Calls that were throttled.
    pub throttled: u64,
    /// Calls that failed otherwise and were made again.
    pub retried: u64,
    /// Iterators that had expired and were renewed.
    pub expired_iterators: u64,
    /// Shards known, being read and finished, and the largest lag among them.
    pub progress: Progress,
}

/// Reads a reader's [`Stats`] at any time, also after it ended.
#[derive(Debug, Clone, Default)]
pub struct StatsHandle(Arc<Mutex<Stats>>);

impl StatsHandle {
    /// The counters as they stand.
    pub fn get(&self) -> Stats {
        *self.lock()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Stats)) {
        change(&mut self.lock());
    }

    pub(crate) fn failed(&self, kind: ApiErrorKind) {
        self.update(|stats| match kind {
            ApiErrorKind::Throttled => stats.throttled += 1,
            ApiErrorKind::ExpiredIterator => stats.expired_iterators += 1,
            _ => stats.retried += 1,
        });
    }

    /// Counters stay meaningful whatever a panicking thread left.
    fn lock(&self) -> std::sync::MutexGuard<'_, Stats> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
