//! Decoding on all processors, in order.

use std::sync::{Arc, Mutex, PoisonError};

use kinesis_logs_decoder::Decoder;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tracing::Instrument;

use super::decoding::{RecordDecoder, Records, Sorted};
use crate::component::{Acknowledgement, Closed, Origin, Outputs};
use crate::in_order::{InOrder, spawn_for_any};

/// Decodes several batches at once, and sends them on in the order in which their records came. What is under way when it is
/// dropped is abandoned.
#[derive(Debug)]
pub(crate) struct DecodingAhead {
    decoder: RecordDecoder,
    /// Decoders that nobody uses now.
    idle: Arc<Mutex<Vec<Decoder>>>,
    /// What is being decoded, to who sends it on. Its capacity bounds how much that is.
    under_way: mpsc::Sender<JoinHandle<Sorted>>,
    /// The one task that sends on.
    sending: JoinSet<()>,
}

impl DecodingAhead {
    /// Sends to `outputs` what `decoder` makes of records.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub(crate) fn new(decoder: RecordDecoder, mut outputs: Outputs) -> Self {
        let (under_way, mut decoded) = mpsc::channel::<JoinHandle<Sorted>>(InOrder::<()>::most());
        let mut sending = JoinSet::new();
        let send_on = async move {
            while let Some(next) = decoded.recv().await {
                let sent = match next.await {
                    Ok(sorted) => sorted.send(&mut outputs).await,
                    Err(error) => match error.try_into_panic() {
                        Ok(panic) => std::panic::resume_unwind(panic),
                        // The runtime is being shut down.
                        Err(_) => break,
                    },
                };
                if sent.is_err() {
                    break;
                }
            }
        };
        sending.spawn(send_on.in_current_span());
        DecodingAhead { decoder, idle: Arc::default(), under_way, sending }
    }

    /// Has the records' events sent on as one batch behind all before, and what cannot be decoded to the output `undecodable`;
    /// one acknowledgement answers for both. Waits while there is as much under way as processors can take up soon.
    ///
    /// # Errors
    ///
    /// [`Closed`] if one of those who take has ended. The acknowledgement says that the records are abandoned.
    ///
    /// # Panics
    ///
    /// If decoding earlier ones did.
    pub(crate) async fn send(
        &mut self,
        records: impl Into<Records>,
        origin: Option<Origin>,
        acknowledgement: Acknowledgement,
    ) -> Result<(), Closed> {
        let Ok(place) = self.under_way.reserve().await else { return self.ended().await };
        let (decoder, idle, records) = (self.decoder.clone(), self.idle.clone(), records.into());
        let span = tracing::Span::current();
        place.send(spawn_for_any(async move {
            let _within = span.enter();
            let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut buffers = taken.unwrap_or_else(|| decoder.decoder());
            let sorted = decoder.decode(&mut buffers, records, origin, acknowledgement);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(buffers);
            sorted
        }));
        Ok(())
    }

    /// Waits until all is sent on, and lets go of the outputs.
    ///
    /// # Panics
    ///
    /// If decoding did.
    pub(crate) async fn finish(mut self) {
        let (closed, _) = mpsc::channel(1);
        drop(std::mem::replace(&mut self.under_way, closed));
        // Whoever has ended has told why, and what it did not take is abandoned.
        let _ = self.ended().await;
    }

    /// Why nothing is sent on any more.
    async fn ended(&mut self) -> Result<(), Closed> {
        match self.sending.join_next().await {
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            _ => Err(Closed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codecs::DecodingConfig;
    use crate::component::{Kind, Wires};
    use crate::run::Counters;

    /// How sending on ends if that is the last that was decoded.
    async fn ended_by(last: JoinHandle<Sorted>) -> Result<(), tokio::task::JoinError> {
        let outputs = Outputs::new("in", Arc::<Wires>::default(), Counters::new(Kind::Source).into(), None);
        let decoding = DecodingAhead::new(DecodingConfig::default().build().unwrap(), outputs);
        decoding.under_way.send(last).await.unwrap();
        tokio::spawn(decoding.finish()).await
    }

    #[tokio::test]
    async fn a_panic_in_the_last_batch_is_told_and_a_task_that_was_cut_off_is_none() {
        let panicked = ended_by(tokio::spawn(async { panic!("on purpose") })).await;
        assert!(panicked.unwrap_err().is_panic());
        let cut_off = tokio::spawn(std::future::pending());
        cut_off.abort();
        ended_by(cut_off).await.unwrap();
    }
}
