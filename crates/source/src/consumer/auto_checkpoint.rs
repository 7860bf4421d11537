//! Records one by one, each taken for processed when the next is asked for.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{Stream, StreamExt};

use super::{Acker, Deliveries};
use crate::error::Error;
use crate::record::Record;

/// Stream of records that checkpoints by itself: see [`ConsumerBuilder::auto_checkpoint`](crate::ConsumerBuilder::auto_checkpoint).
#[derive(Debug)]
pub struct AutoCheckpointed {
    deliveries: Deliveries,
    /// What is left of a batch, and what answers for it.
    batch: VecDeque<Record>,
    acker: Option<Acker>,
}

impl AutoCheckpointed {
    pub(super) fn new(deliveries: Deliveries) -> Self {
        AutoCheckpointed { deliveries, batch: VecDeque::new(), acker: None }
    }

    /// The consumer behind it: for its counters, events, snapshots, and for ending it in an orderly way.
    pub fn consumer(&self) -> &Deliveries {
        &self.deliveries
    }
}

impl Stream for AutoCheckpointed {
    type Item = Result<Record, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            // What is left of a batch that is another worker's by now is delivered there.
            if self.acker.as_ref().is_some_and(Acker::is_current)
                && let Some(record) = self.batch.pop_front()
            {
                return Poll::Ready(Some(Ok(record)));
            }
            if let Some(acker) = self.acker.take() {
                acker.settle();
            }
            match std::task::ready!(self.deliveries.poll_next_unpin(cx)) {
                Some(Ok(delivery)) => {
                    let (batch, acker) = delivery.split();
                    self.batch = batch.records.into();
                    self.acker = Some(acker);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}
