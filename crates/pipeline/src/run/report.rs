//! What a pipeline did.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::component::{Batch, ComponentError, Kind};

/// What a pipeline did, and what went wrong.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// All components, sources first as they are written.
    pub components: Vec<ComponentReport>,
    /// Components that could not go on.
    pub failures: Vec<Failure>,
    /// Those that were not done by the deadline.
    pub unfinished: Vec<String>,
}

impl Report {
    /// Whether nothing failed and nothing was cut off.
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty() && self.unfinished.is_empty()
    }
}

/// What a component did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ComponentReport {
    /// Its name in the configuration.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// Its type.
    pub type_name: String,
    /// Events that it took (`component_received_events_total`).
    pub received_events: u64,
    /// Events that it put out by its own output (`component_sent_events_total`); each once, however many take it.
    pub sent_events: u64,
    /// Events that went to its named outputs.
    pub set_aside: BTreeMap<String, u64>,
}

/// A component that could not go on.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// Its name in the configuration.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// Why.
    pub error: ComponentError,
}

impl fmt::Display for Failure {
    /// With all causes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} failed: {}", self.kind, self.id, super::chain(&self.error))
    }
}

/// Counts what passes through a component.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    received_events: AtomicU64,
    sent_events: AtomicU64,
    set_aside: Mutex<BTreeMap<String, u64>>,
}

impl Counters {
    pub(crate) fn received(&self, batch: &Batch) {
        self.received_events.fetch_add(batch.len() as u64, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self, batch: &Batch) {
        self.sent_events.fetch_add(batch.len() as u64, Ordering::Relaxed);
    }

    pub(crate) fn set_aside(&self, output: &str, batch: &Batch) {
        let mut outputs = self.set_aside.lock().unwrap_or_else(PoisonError::into_inner);
        match outputs.get_mut(output) {
            Some(count) => *count += batch.len() as u64,
            None => drop(outputs.insert(output.to_owned(), batch.len() as u64)),
        }
    }

    pub(crate) fn report(&self, id: String, kind: Kind, type_name: String) -> ComponentReport {
        ComponentReport {
            id,
            kind,
            type_name,
            received_events: self.received_events.load(Ordering::Relaxed),
            sent_events: self.sent_events.load(Ordering::Relaxed),
            set_aside: self.set_aside.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
