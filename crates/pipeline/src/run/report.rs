//! What a pipeline did.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Watched;
use crate::component::{ComponentError, Kind};

/// What a pipeline did, and what went wrong.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// All components as they are written, and behind them those that were removed while it ran.
    pub components: Vec<ComponentReport>,
    /// Components that could not go on, also if they were started anew since.
    pub failures: Vec<Failure>,
    /// Those that were not done by the deadline, also that of a reload.
    pub unfinished: Vec<String>,
    /// Why the API that the configuration wants could not be had; nothing has run then.
    pub api_failure: Option<ComponentError>,
}

impl Report {
    /// What was counted, without anything that went wrong.
    pub(super) fn of(components: &[Arc<Watched>]) -> Self {
        Report {
            components: components.iter().map(|component| component.report()).collect(),
            failures: Vec::new(),
            unfinished: Vec::new(),
            api_failure: None,
        }
    }

    /// Whether nothing failed and nothing was cut off.
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty() && self.unfinished.is_empty() && self.api_failure.is_none()
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
    /// Events that it took (`component_received_events_total`); of a source, that it read.
    pub received_events: u64,
    /// Events that it put out by its own output (`component_sent_events_total`), each once, however many take it; of a
    /// sink, that it has delivered.
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
