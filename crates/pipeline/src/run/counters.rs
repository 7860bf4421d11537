//! What is counted of a component while it runs: a few atomics a batch, whatever the number of events.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::component::{Acknowledgement, Batch, Kind, Outcome};

/// Counts what passes through a component.
#[derive(Debug)]
pub(crate) struct Counters {
    kind: Kind,
    received: Amount,
    /// By its own output; of a sink, what it has delivered.
    sent: Amount,
    outputs: Mutex<BTreeMap<String, NamedOutput>>,
    left_out: AtomicU64,
    lost: AtomicU64,
    errors: AtomicU64,
    /// What a sink gave to a named output of its own, and has not answered for yet: it is not to count as delivered too.
    aside: Amount,
    /// What waits in front of it.
    pub(crate) waiting: Amount,
    pub(crate) room: [AtomicU64; 2],
    idle: Idle,
}

/// Events, and their bytes.
#[derive(Debug, Default)]
pub(crate) struct Amount {
    events: AtomicU64,
    bytes: AtomicU64,
}

impl Amount {
    pub(crate) fn add(&self, events: usize, bytes: usize) {
        self.events.fetch_add(events as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn subtract(&self, events: usize, bytes: usize) {
        self.events.fetch_sub(events as u64, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
    }

    /// Takes away up to so much, and says how much there was.
    fn take(&self, events: usize, bytes: usize) -> (usize, usize) {
        let take = |of: &AtomicU64, up_to: usize| {
            let before =
                of.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| Some(now.saturating_sub(up_to as u64)));
            // It cannot fail, as the closure always has a value. The smaller of the two fits.
            before.unwrap_or_default().min(up_to as u64) as usize
        };
        (take(&self.events, events), take(&self.bytes, bytes))
    }

    pub(crate) fn get(&self) -> (u64, u64) {
        (self.events.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}

/// What went to a named output.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NamedOutput {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    /// Events that nobody took.
    pub(crate) refused: u64,
    /// Whether it is for what must not get lost.
    pub(crate) is_aside: bool,
}

impl Counters {
    pub(crate) fn new(kind: Kind) -> Self {
        Counters {
            kind,
            received: Amount::default(),
            sent: Amount::default(),
            outputs: Mutex::default(),
            left_out: AtomicU64::default(),
            lost: AtomicU64::default(),
            errors: AtomicU64::default(),
            aside: Amount::default(),
            waiting: Amount::default(),
            room: Default::default(),
            idle: Idle::new(),
        }
    }

    /// A batch was taken. Of a sink it is noted what it answers.
    pub(crate) fn received(self: &Arc<Self>, batch: &mut Batch) {
        let (events, bytes) = (batch.len(), batch.event_bytes());
        self.received.add(events, bytes);
        if self.kind == Kind::Sink {
            let counters = self.clone();
            batch.wrap_acknowledgement(|inner| {
                Acknowledgement::new(move |outcome| {
                    counters.answered(outcome, events, bytes);
                    inner.answer(outcome);
                })
            });
        }
    }

    /// A sink has answered for a batch, a part of which it may have set aside.
    fn answered(&self, outcome: Outcome, events: usize, bytes: usize) {
        let (aside_events, aside_bytes) = self.aside.take(events, bytes);
        match outcome {
            // What was set aside, and rejected where it went, was counted there.
            Outcome::Rejected if aside_events == 0 => self.lost(events),
            Outcome::Delivered | Outcome::Rejected => self.sent.add(events - aside_events, bytes - aside_bytes),
            Outcome::Abandoned => {}
        }
    }

    /// A batch leaves by the component's own output.
    pub(crate) fn sent(&self, batch: &mut Batch) {
        let (events, bytes) = (batch.len(), batch.event_bytes());
        if self.kind == Kind::Source {
            self.received.add(events, bytes);
        }
        self.sent.add(events, bytes);
        self.left_out(batch.take_left_out());
    }

    /// Events were left out on purpose.
    pub(crate) fn left_out(&self, events: usize) {
        self.left_out.fetch_add(events as u64, Ordering::Relaxed);
    }

    /// Something failed on events, whatever became of them.
    pub(crate) fn failed_on(&self, events: u64) {
        self.errors.fetch_add(events, Ordering::Relaxed);
    }

    /// A batch leaves by a named output that those take from who want to.
    pub(crate) fn offered(&self, output: &str, batch: &mut Batch) {
        batch.take_left_out();
        self.named(output, batch, true, false);
    }

    /// A batch leaves by a named output for what must not get lost.
    pub(crate) fn set_aside(&self, output: &str, batch: &mut Batch, is_taken: bool) {
        batch.take_left_out();
        let (events, bytes) = (batch.len(), batch.event_bytes());
        match self.kind {
            Kind::Source => self.received.add(events, bytes),
            Kind::Transform => {}
            Kind::Sink => self.aside.add(events, bytes),
        }
        // A transform sets aside what a program says, and tells by itself on what it failed; the others what is wrong.
        if self.kind != Kind::Transform {
            self.failed_on(events as u64);
        }
        if !is_taken {
            self.lost.fetch_add(events as u64, Ordering::Relaxed);
        }
        self.named(output, batch, is_taken, true);
    }

    fn lost(&self, events: usize) {
        self.lost.fetch_add(events as u64, Ordering::Relaxed);
        self.errors.fetch_add(events as u64, Ordering::Relaxed);
    }

    fn named(&self, output: &str, batch: &Batch, is_taken: bool, is_aside: bool) {
        let mut outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        if !outputs.contains_key(output) {
            outputs.insert(output.to_owned(), NamedOutput { is_aside, ..NamedOutput::default() });
        }
        let Some(counts) = outputs.get_mut(output) else { return };
        if is_taken {
            counts.events += batch.len() as u64;
            counts.bytes += batch.event_bytes() as u64;
        } else {
            counts.refused += batch.len() as u64;
        }
    }

    /// The component could not go on.
    pub(crate) fn failed(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that it waits for a batch, until the guard is dropped.
    pub(crate) fn wait(&self) -> impl Drop {
        self.idle.begin();
        Waits(&self.idle)
    }

    pub(crate) fn get(&self) -> Counts {
        Counts {
            received: self.received.get(),
            sent: self.sent.get(),
            outputs: self.outputs.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            left_out: self.left_out.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            waiting: self.waiting.get(),
            room: [0, 1].map(|which: usize| self.room[which].load(Ordering::Relaxed)),
            idle_nanos: self.idle.nanos(),
        }
    }
}

/// The counters as they stand; pairs are events and bytes.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    pub(crate) received: (u64, u64),
    pub(crate) sent: (u64, u64),
    pub(crate) outputs: BTreeMap<String, NamedOutput>,
    pub(crate) left_out: u64,
    pub(crate) lost: u64,
    pub(crate) errors: u64,
    pub(crate) waiting: (u64, u64),
    pub(crate) room: [u64; 2],
    pub(crate) idle_nanos: u64,
}

/// How long a component has waited for batches.
#[derive(Debug)]
struct Idle {
    base: Instant,
    nanos: AtomicU64,
    /// Since when it waits, in nanoseconds after `base`, and one more; 0 while it works.
    since: AtomicU64,
}

impl Idle {
    fn new() -> Self {
        Idle { base: Instant::now(), nanos: AtomicU64::default(), since: AtomicU64::default() }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_nanos()).unwrap_or(u64::MAX - 1) + 1
    }

    fn begin(&self) {
        self.since.store(self.now(), Ordering::Relaxed);
    }

    fn end(&self) {
        let since = self.since.swap(0, Ordering::Relaxed);
        self.nanos.fetch_add(self.now().saturating_sub(since), Ordering::Relaxed);
    }

    fn nanos(&self) -> u64 {
        let waits = match self.since.load(Ordering::Relaxed) {
            0 => 0,
            since => self.now().saturating_sub(since),
        };
        self.nanos.load(Ordering::Relaxed) + waits
    }
}

struct Waits<'a>(&'a Idle);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
