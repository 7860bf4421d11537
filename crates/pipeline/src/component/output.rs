//! Where a component's batches go.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::future::join_all;

use super::input::Sender;
use super::{Batch, Outcome};
use crate::run::Counters;

/// Nobody takes what is sent any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody takes what is sent any more")]
pub struct Closed;

/// A component's outputs: its own, and named ones. Clones send to the same.
#[derive(Debug, Clone)]
pub struct Outputs {
    wires: Arc<Wires>,
    counters: Arc<Counters>,
    component: Arc<str>,
    keeper: Option<Arc<dyn Keeper>>,
}

/// Takes what nobody else does.
#[async_trait]
pub(crate) trait Keeper: fmt::Debug + Send + Sync {
    /// Keeps a batch that a component put out by an output of its own, and answers for it.
    async fn keep(&self, component: &str, output: &str, batch: Batch);
}

impl Outputs {
    pub(crate) fn new(
        component: &str,
        wires: Arc<Wires>,
        counters: Arc<Counters>,
        keeper: Option<Arc<dyn Keeper>>,
    ) -> Self {
        Outputs { wires, counters, component: component.into(), keeper }
    }

    /// Counts events on which the component failed.
    pub(crate) fn count_errors(&self, events: u64) {
        self.counters.failed_on(events);
    }

    /// Counts events that were left out with batches that nobody gets.
    pub(crate) fn count_left_out(&self, events: usize) {
        self.counters.left_out(events);
    }

    /// Sends a batch to all that take from this component when it begins. Waits until they have room.
    ///
    /// # Errors
    ///
    /// [`Closed`] if one of them has ended, whose part is abandoned. The others have theirs.
    pub async fn send(&mut self, mut batch: Batch) -> Result<(), Closed> {
        let takers = self.wires.takers(None);
        self.counters.sent(&mut batch);
        self.send_to_all(None, takers, batch).await
    }

    /// Sends a batch to those who take from one of the named outputs. Where nobody does, it counts as delivered: it was left
    /// out on purpose.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub async fn offer(&mut self, output: &str, mut batch: Batch) -> Result<(), Closed> {
        let takers = self.wires.takers(Some(output));
        if takers.is_empty() {
            self.counters.left_out(batch.len());
            batch.acknowledge(Outcome::Delivered);
            return Ok(());
        }
        self.counters.offered(output, &mut batch);
        self.send_to_all(Some(output), takers, batch).await
    }

    /// Sends a batch to one of the named outputs. Where nobody takes it, it goes to the quarantine, and where there is none,
    /// it is answered as [`Outcome::Rejected`].
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub async fn send_to(&mut self, output: &str, mut batch: Batch) -> Result<(), Closed> {
        let takers = self.wires.takers(Some(output));
        self.counters.set_aside(output, &mut batch, !takers.is_empty() || self.keeper.is_some());
        match &self.keeper {
            _ if !takers.is_empty() => return self.send_to_all(Some(output), takers, batch).await,
            // Nothing is in it that could be kept.
            _ if batch.is_empty() => batch.acknowledge(Outcome::Delivered),
            Some(keeper) => keeper.keep(&self.component, output, batch).await,
            None => batch.acknowledge(Outcome::Rejected),
        }
        Ok(())
    }

    /// All have theirs as soon as they have room, whoever else has none.
    async fn send_to_all(&self, output: Option<&str>, mut takers: Vec<Sender>, batch: Batch) -> Result<(), Closed> {
        let Some(last) = takers.pop() else {
            batch.acknowledge(Outcome::Rejected);
            return Ok(());
        };
        let copies: Vec<Batch> = takers.iter().map(|_| batch.clone()).collect();
        // Each sender goes as soon as its batch is sent: nobody's channel stays open for want of room in another's.
        let sent = takers.into_iter().zip(copies).chain([(last, batch)]).map(|(taker, batch)| async move {
            let sent = taker.send(batch).await;
            sent.is_err().then_some(taker)
        });
        let gone: Vec<Sender> = join_all(sent).await.into_iter().flatten().collect();
        // What was taken off the list meanwhile may end as it likes.
        match self.wires.refuse_for(output, &gone) {
            true => Err(Closed),
            false => Ok(()),
        }
    }
}

/// Who takes from a component, which may change while it runs. A component that has let go of its outputs has none.
#[derive(Debug, Default)]
pub(crate) struct Wires {
    takers: Mutex<Takers>,
    has_refused: AtomicBool,
}

/// Those who take from each output: from its own, and from the named ones.
#[derive(Debug, Default)]
pub(crate) struct Takers {
    pub(crate) own: Vec<Sender>,
    pub(crate) named: BTreeMap<Arc<str>, Vec<Sender>>,
}

impl Wires {
    /// From the next batch on these take, by all outputs at once.
    pub(crate) fn set(&self, takers: Takers) {
        *self.lock() = takers;
    }

    /// Whether the component was ever told that somebody has ended, and waits to be ended itself.
    pub(crate) fn has_refused(&self) -> bool {
        self.has_refused.load(Ordering::Relaxed)
    }

    fn takers(&self, output: Option<&str>) -> Vec<Sender> {
        self.lock().of(output).to_vec()
    }

    /// Whether any of those who have ended still has its place.
    fn refuse_for(&self, output: Option<&str>, gone: &[Sender]) -> bool {
        let takers = self.lock();
        let refuses = gone.iter().any(|gone| takers.of(output).iter().any(|taker| taker.is_same(gone)));
        if refuses {
            self.has_refused.store(true, Ordering::Relaxed);
        }
        refuses
    }

    fn lock(&self) -> MutexGuard<'_, Takers> {
        self.takers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Takers {
    fn of(&self, output: Option<&str>) -> &[Sender] {
        match output {
            None => &self.own,
            Some(name) => self.named.get(name).map_or(&[], Vec::as_slice),
        }
    }

    /// Adds who takes from an output.
    pub(crate) fn add(&mut self, output: Option<&Arc<str>>, sender: Sender) {
        match output {
            None => self.own.push(sender),
            Some(name) => self.named.entry(name.clone()).or_default().push(sender),
        }
    }
}
