//! How a pipeline stands, while it runs and after.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde::Serialize;

use super::counters::{Counters, Counts};
use super::report::ComponentReport;
use crate::component::{Kind, StreamStatus, WatchedStreams};

/// The shortest time that [`ComponentMetrics::utilization`] is taken over, but for the first.
const UTILIZATION_TIME: Duration = Duration::from_secs(5);

/// Tells how a pipeline stands, at any time and from anywhere. It is of this pipeline alone: nothing is registered with the
/// process. Clones tell the same.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    started: OnceLock<Instant>,
    is_ending: AtomicBool,
    components: Mutex<Arc<[Arc<Watched>]>>,
}

/// A component, as others see it.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) type_name: String,
    /// What it takes from.
    inputs: Mutex<Vec<String>>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) streams: WatchedStreams,
    state: AtomicU8,
    utilization: Mutex<Utilization>,
}

impl Watched {
    pub(crate) fn new(id: String, kind: Kind, type_name: String, inputs: Vec<String>) -> Self {
        let state = AtomicU8::new(ComponentState::Built as u8);
        let (counters, inputs) = (Arc::new(Counters::new(kind)), Mutex::new(inputs));
        let (streams, utilization) = (WatchedStreams::default(), Mutex::default());
        Watched { id, kind, type_name, inputs, counters, streams, state, utilization }
    }

    /// From now on it takes from others.
    pub(crate) fn set_inputs(&self, inputs: Vec<String>) {
        *self.inputs.lock().unwrap_or_else(PoisonError::into_inner) = inputs;
    }

    /// What it takes from.
    pub(crate) fn inputs(&self) -> Vec<String> {
        self.inputs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set(&self, state: ComponentState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    pub(crate) fn state(&self) -> ComponentState {
        use ComponentState::{Built, Ended, Failed, Running};
        let states = [Built, Running, Ended, Failed];
        let state = self.state.load(Ordering::Relaxed);
        states.into_iter().find(|known| *known as u8 == state).unwrap_or(Failed)
    }

    pub(crate) fn report(&self) -> ComponentReport {
        let counts = self.counters.get();
        let offered = counts.outputs.values().filter(|output| !output.is_aside);
        let aside = counts.outputs.iter().filter(|(_, output)| output.is_aside);
        ComponentReport {
            id: self.id.clone(),
            kind: self.kind,
            type_name: self.type_name.clone(),
            received_events: counts.received.0,
            sent_events: counts.sent.0 + offered.map(|output| output.events).sum::<u64>(),
            set_aside: aside.map(|(name, output)| (name.clone(), output.events + output.refused)).collect(),
        }
    }

    fn metrics(&self, elapsed: Option<Duration>) -> ComponentMetrics {
        let Counts { received, sent, outputs, left_out, lost, errors, waiting, room, idle_nanos } = self.counters.get();
        let has_input = self.kind != Kind::Source;
        let outputs = outputs.into_iter().filter(|(_, output)| output.refused == 0 || output.events > 0);
        ComponentMetrics {
            id: self.id.clone(),
            kind: self.kind,
            type_name: self.type_name.clone(),
            inputs: self.inputs(),
            state: self.state(),
            received: received.into(),
            sent: sent.into(),
            outputs: outputs.map(|(name, output)| (name, (output.events, output.bytes).into())).collect(),
            discarded_intentionally: left_out,
            discarded_by_error: lost,
            errors,
            buffer: has_input.then(|| Buffer { waiting: waiting.into(), max: (room[0], room[1]).into() }),
            utilization: elapsed.filter(|_| has_input && self.state() == ComponentState::Running).map(|elapsed| {
                let mut utilization = self.utilization.lock().unwrap_or_else(PoisonError::into_inner);
                utilization.at(elapsed, Duration::from_nanos(idle_nanos))
            }),
        }
    }
}

/// The share of time that a component did not wait for batches, over the last stretch of [`UTILIZATION_TIME`] or more.
#[derive(Debug, Default)]
struct Utilization {
    /// When it was taken last, after the start, and how long the component had been idle by then.
    from: (Duration, Duration),
    ratio: Option<f64>,
}

impl Utilization {
    fn at(&mut self, now: Duration, idle: Duration) -> f64 {
        let elapsed = now.saturating_sub(self.from.0);
        if let Some(ratio) = self.ratio.filter(|_| elapsed < UTILIZATION_TIME) {
            return ratio;
        }
        let idle_since = idle.saturating_sub(self.from.1).as_secs_f64();
        let ratio = if elapsed.is_zero() { 0.0 } else { (1.0 - idle_since / elapsed.as_secs_f64()).clamp(0.0, 1.0) };
        // The first stretch is as long as it happens to be, and is taken again.
        if elapsed >= UTILIZATION_TIME {
            self.from = (now, idle);
            self.ratio = Some(ratio);
        }
        ratio
    }
}

impl Metrics {
    pub(crate) fn new(components: Vec<Arc<Watched>>) -> Self {
        let components = Mutex::new(components.into());
        Metrics(Arc::new(Shared { started: OnceLock::new(), is_ending: AtomicBool::new(false), components }))
    }

    pub(crate) fn components(&self) -> Arc<[Arc<Watched>]> {
        self.0.components.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on these are all that there are.
    pub(crate) fn set_components(&self, components: Vec<Arc<Watched>>) {
        *self.0.components.lock().unwrap_or_else(PoisonError::into_inner) = components.into();
    }

    pub(crate) fn start(&self) {
        self.0.started.get_or_init(Instant::now);
    }

    pub(crate) fn end(&self) {
        self.0.is_ending.store(true, Ordering::Relaxed);
    }

    /// Whether it runs, is not ending, and no component has failed.
    pub fn is_healthy(&self) -> bool {
        let has_failed = self.components().iter().any(|component| component.state() == ComponentState::Failed);
        self.0.started.get().is_some() && !self.0.is_ending.load(Ordering::Relaxed) && !has_failed
    }

    /// What was counted up to now.
    pub fn snapshot(&self) -> Snapshot {
        let uptime = self.0.started.get().map(Instant::elapsed);
        Snapshot {
            is_healthy: self.is_healthy(),
            uptime: uptime.unwrap_or_default(),
            components: self.components().iter().map(|component| component.metrics(uptime)).collect(),
        }
    }

    /// How the streams stand that its sources read, where they tell, with the component of each.
    pub async fn streams(&self) -> Vec<(String, StreamStatus)> {
        let components = self.components();
        let watched = components.iter().flat_map(|component| {
            let streams = component.streams.all().into_iter();
            streams.map(move |stream| async move { (component.id.clone(), stream.status().await) })
        });
        join_all(watched).await
    }
}

/// What was counted up to a moment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// See [`Metrics::is_healthy`].
    pub is_healthy: bool,
    /// How long ago the pipeline started.
    pub uptime: Duration,
    /// All components as they are written, and behind them those that were removed and have not ended yet.
    pub components: Vec<ComponentMetrics>,
}

/// What a component does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ComponentState {
    /// Nothing yet.
    Built,
    /// It runs.
    Running,
    /// It came to its end.
    Ended,
    /// It could not go on.
    Failed,
}

/// What was counted of a component. Names in Vector's metrics are in brackets.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ComponentMetrics {
    /// Its name in the configuration.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The outputs that it takes from.
    pub inputs: Vec<String>,
    /// What it does.
    pub state: ComponentState,
    /// What it took (`component_received_events_total`); of a source, what it read.
    pub received: Events,
    /// What it put out by its own output (`component_sent_events_total`), once however many take it; of a sink, what it
    /// has delivered.
    pub sent: Events,
    /// What it put out by its named outputs, where somebody takes it.
    pub outputs: BTreeMap<String, Events>,
    /// Events that it left out on purpose (`component_discarded_events_total`), as a filter does.
    pub discarded_intentionally: u64,
    /// Events that it rejected, and nobody takes.
    pub discarded_by_error: u64,
    /// What went wrong (`component_errors_total`): events that a source or a sink could not deal with, those of
    /// `discarded_by_error`, and its own failure.
    pub errors: u64,
    /// What is in front of it; nothing is in front of a source.
    pub buffer: Option<Buffer>,
    /// The share of time, from 0 to 1, that it did not wait for something to do (`utilization`), over five seconds or more;
    /// not of sources.
    pub utilization: Option<f64>,
}

/// Events, and how large they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Events {
    /// How many.
    pub events: u64,
    /// The bytes of their text, roughly.
    pub bytes: u64,
}

impl From<(u64, u64)> for Events {
    fn from((events, bytes): (u64, u64)) -> Self {
        Events { events, bytes }
    }
}

/// What is in front of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Buffer {
    /// What waits, with the memory that it takes (`buffer_events`, `buffer_byte_size`).
    pub waiting: Events,
    /// What may wait.
    pub max: Events,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utilization_is_that_of_the_last_stretch_of_five_seconds() {
        let mut utilization = Utilization::default();
        let mut at = |now, idle| utilization.at(Duration::from_secs(now), Duration::from_secs(idle));
        assert_eq!(at(0, 0), 0.0);
        assert_eq!(at(2, 1), 0.5, "the first stretch is shorter");
        assert_eq!(at(10, 10), 0.0, "nothing to do in all ten seconds");
        assert_eq!(at(12, 10), 0.0, "too soon for another");
        assert_eq!(at(20, 12), 0.8);
    }
}
