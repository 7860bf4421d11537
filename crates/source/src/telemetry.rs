//! What a reader or a consumer does, told to whoever listens: counters, events, the log (`tracing`), and, with the feature
//! `metrics`, the program's recorder.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::error::{ApiError, LeaseStoreError};
use crate::protocol::{ConsumerEvent, ShardId, StreamId};
use crate::record::Batch;
use crate::stats::StatsHandle;

/// Events that a listener may be behind.
const MAX_BEHIND: usize = 1024;

/// Events of a consumer as they happen: see [`Deliveries::events`](crate::Deliveries::events).
pub struct ConsumerEvents(BoxStream<'static, ConsumerEvent>);

impl Stream for ConsumerEvents {
    type Item = ConsumerEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ConsumerEvent>> {
        self.0.poll_next_unpin(cx)
    }
}

impl std::fmt::Debug for ConsumerEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsumerEvents").finish_non_exhaustive()
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Telemetry {
    stream: StreamId,
    pub(crate) stats: StatsHandle,
    events: broadcast::Sender<ConsumerEvent>,
}

impl Telemetry {
    pub(crate) fn new(stream: StreamId) -> Self {
        Telemetry { stream, stats: StatsHandle::default(), events: broadcast::Sender::new(MAX_BEHIND) }
    }

    /// A listener to what happens from now on.
    pub(crate) fn events(&self) -> ConsumerEvents {
        let events = stream::unfold(self.events.subscribe(), |mut receiver| async move {
            loop {
                match receiver.recv().await {
                    Ok(event) => return Some((event, receiver)),
                    Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "events were not taken in time"),
                    Err(RecvError::Closed) => return None,
                }
            }
        });
        ConsumerEvents(events.boxed())
    }

    pub(crate) fn call(&self, operation: &'static str) {
        self.stats.update(|stats| stats.calls += 1);
        #[cfg(feature = "metrics")]
        metrics::counter!("kinesis_calls_total", "stream" => self.name(), "operation" => operation).increment(1);
        #[cfg(not(feature = "metrics"))]
        let _ = operation;
    }

    pub(crate) fn call_failed(&self, shard: Option<&ShardId>, error: &ApiError) {
        self.stats.failed(error.kind);
        self.event(ConsumerEvent::CallFailed {
            shard: shard.cloned(),
            operation: error.operation,
            kind: error.kind,
            message: error.message.clone(),
        });
    }

    pub(crate) fn store_failed(&self, error: &LeaseStoreError) {
        self.event(ConsumerEvent::StoreFailed { kind: error.kind, message: error.to_string() });
    }

    /// Records that are handed on.
    pub(crate) fn records(&self, batch: &Batch) {
        let (records, bytes) = (batch.records.len() as u64, batch.bytes() as u64);
        self.stats.update(|stats| {
            stats.records += records;
            stats.bytes += bytes;
        });
        #[cfg(feature = "metrics")]
        {
            let labels = [("stream", self.name()), ("shard_id", batch.shard_id.to_string())];
            metrics::counter!("kinesis_records_total", &labels).increment(records);
            metrics::counter!("kinesis_record_bytes_total", &labels).increment(bytes);
        }
    }

    /// How far a shard is behind, by each page and event: also by those that bring nothing, or are held back. A shard that
    /// is not read, or not any more, is behind by nothing here.
    pub(crate) fn lag(&self, shard: &ShardId, millis: Option<i64>) {
        #[cfg(feature = "metrics")]
        {
            let labels = [("stream", self.name()), ("shard_id", shard.to_string())];
            metrics::gauge!("kinesis_millis_behind_latest", &labels).set(millis.unwrap_or(0) as f64);
        }
        #[cfg(not(feature = "metrics"))]
        let _ = (shard, millis);
    }

    pub(crate) fn event(&self, event: ConsumerEvent) {
        let stream = &self.stream;
        match &event {
            ConsumerEvent::LeaseTaken { .. }
            | ConsumerEvent::LeaseReleased { .. }
            | ConsumerEvent::LeaseDeleted { .. }
            | ConsumerEvent::ShardStarted { .. }
            | ConsumerEvent::ShardEnded { .. } => tracing::info!(%stream, "{event}"),
            ConsumerEvent::Checkpointed { .. } => tracing::debug!(%stream, "{event}"),
            ConsumerEvent::CallFailed { kind, .. } => tracing::debug!(%stream, ?kind, "{event}"),
            ConsumerEvent::StoreFailed { kind, .. } => tracing::warn!(%stream, ?kind, "{event}"),
            _ => tracing::warn!(%stream, "{event}"),
        }
        match &event {
            ConsumerEvent::LeaseLost { shard, .. }
            | ConsumerEvent::LeaseReleased { shard }
            | ConsumerEvent::ShardEnded { shard, .. } => self.lag(shard, None),
            _ => {}
        }
        #[cfg(feature = "metrics")]
        self.count(&event);
        // Without a listener there is nobody to tell.
        let _ = self.events.send(event);
    }

    #[cfg(feature = "metrics")]
    fn count(&self, event: &ConsumerEvent) {
        match event {
            ConsumerEvent::CallFailed { operation, kind, .. } => {
                let labels =
                    [("stream", self.name()), ("operation", (*operation).to_owned()), ("kind", format!("{kind:?}"))];
                metrics::counter!("kinesis_calls_failed_total", &labels).increment(1);
            }
            ConsumerEvent::StoreFailed { kind, .. } => {
                let labels = [("stream", self.name()), ("kind", format!("{kind:?}"))];
                metrics::counter!("kinesis_lease_store_failed_total", &labels).increment(1);
            }
            event => {
                let labels = [("stream", self.name()), ("event", event.name().to_owned())];
                metrics::counter!("kinesis_lease_events_total", &labels).increment(1);
            }
        }
    }

    #[cfg(feature = "metrics")]
    fn name(&self) -> String {
        self.stream.name().to_owned()
    }
}
