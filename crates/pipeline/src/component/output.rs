//! Where a component's batches go.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

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
    own: Output,
    named: BTreeMap<Arc<str>, Output>,
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
        own: Output,
        named: BTreeMap<Arc<str>, Output>,
        counters: Arc<Counters>,
        keeper: Option<Arc<dyn Keeper>>,
    ) -> Self {
        Outputs { own, named, counters, component: component.into(), keeper }
    }

    /// Sends a batch to all that take from this component. Waits until they have room.
    ///
    /// # Errors
    ///
    /// [`Closed`] if one of them has ended, whose part is abandoned. The others have theirs.
    pub async fn send(&mut self, mut batch: Batch) -> Result<(), Closed> {
        self.counters.sent(&mut batch);
        self.own.send(batch).await
    }

    /// Sends a batch to those who take from one of the named outputs. Where nobody does, it counts as delivered: it was left
    /// out on purpose.
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub async fn offer(&mut self, output: &str, mut batch: Batch) -> Result<(), Closed> {
        match self.named.get_key_value(output) {
            Some((name, output)) => {
                self.counters.offered(name, &mut batch);
                output.send(batch).await
            }
            None => {
                self.counters.left_out(batch.len());
                batch.acknowledge(Outcome::Delivered);
                Ok(())
            }
        }
    }

    /// Sends a batch to one of the named outputs. Where nobody takes it, it goes to the quarantine, and where there is none,
    /// it is answered as [`Outcome::Rejected`].
    ///
    /// # Errors
    ///
    /// As for [`send`](Self::send).
    pub async fn send_to(&mut self, output: &str, mut batch: Batch) -> Result<(), Closed> {
        let taker = self.named.get(output);
        self.counters.set_aside(output, &mut batch, taker.is_some() || self.keeper.is_some());
        match (taker, &self.keeper) {
            (Some(output), _) => return output.send(batch).await,
            // Nothing is in it that could be kept.
            (None, _) if batch.is_empty() => batch.acknowledge(Outcome::Delivered),
            (None, Some(keeper)) => keeper.keep(&self.component, output, batch).await,
            (None, None) => batch.acknowledge(Outcome::Rejected),
        }
        Ok(())
    }
}

/// Those who take from one output.
#[derive(Debug, Clone, Default)]
pub(crate) struct Output(pub(crate) Vec<Sender>);

impl Output {
    /// All have theirs as soon as they have room, whoever else has none.
    async fn send(&self, batch: Batch) -> Result<(), Closed> {
        let Some((last, others)) = self.0.split_last() else {
            batch.acknowledge(Outcome::Rejected);
            return Ok(());
        };
        if others.is_empty() {
            return last.send(batch).await.map_err(|_| Closed);
        }
        let copies: Vec<Batch> = others.iter().map(|_| batch.clone()).collect();
        let sent = others.iter().zip(copies).chain([(last, batch)]).map(|(sender, batch)| sender.send(batch));
        match join_all(sent).await.into_iter().all(|sent| sent.is_ok()) {
            true => Ok(()),
            false => Err(Closed),
        }
    }
}
