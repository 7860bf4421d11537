//! From a sink's input to requests under way.

use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::batcher::{Batcher, Form};
use super::request::Request;
use crate::component::{ComponentError, Input};
use crate::run::sleep_until;

/// No request is begun while those under way hold as much as this, whatever their number.
const HELD_BYTES: usize = 32 << 20;

/// Gathers what comes into requests, until nothing more does, and has them delivered, up to `concurrency` at once, and no more than
/// memory is meant for. While there is no room for another it receives nothing, so that what lies before the sink waits.
///
/// # Errors
///
/// What the first request says that could not be delivered. All that is under way is abandoned.
pub(crate) async fn dispatch<F, D>(
    mut batcher: Batcher<F>,
    concurrency: usize,
    mut input: Input,
    deliver: impl Fn(Request<F::Body>) -> D,
) -> Result<(), ComponentError>
where
    F: Form,
    D: Future<Output = Result<(), ComponentError>> + Send + 'static,
{
    // What is under way is abandoned with the set.
    let mut under_way = JoinSet::new();
    let mut held = 0;
    let mut has_ended = false;
    loop {
        let has_room = under_way.len() < concurrency && held < HELD_BYTES;
        let now = Instant::now();
        let goes_as_it_is = has_ended || batcher.due().is_some_and(|due| due <= now);
        let mut request = None;
        if has_room {
            request = batcher.next_full(now);
        }
        if has_room && goes_as_it_is && request.is_none() {
            request = batcher.close();
        }
        if let Some(request) = request {
            let bytes = request.held;
            held += bytes;
            let delivered = deliver(request);
            under_way.spawn(async move { delivered.await.map(|()| bytes) });
            continue;
        }
        if has_ended && under_way.is_empty() {
            return Ok(());
        }
        tokio::select! {
            biased;
            Some(ended) = under_way.join_next() => held -= settled(ended)?,
            () = sleep_until(batcher.due()), if has_room => {}
            batch = input.recv(), if has_room && !has_ended => match batch {
                Some(batch) => batcher.push(batch),
                None => has_ended = true,
            },
        }
    }
}

/// What a request held that was delivered.
fn settled(ended: Result<Result<usize, ComponentError>, JoinError>) -> Result<usize, ComponentError> {
    ended.unwrap_or_else(|error| Err(ComponentError::new("a request's task ended, which is a bug").caused_by(error)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use kinesis_logs_decoder::Decoded;
    use kinesis_logs_source::Record;

    use super::super::batcher::Limits;
    use super::*;
    use crate::component::{Acknowledgement, Batch, Changes, Event, Kind, channel};
    use crate::run::Counters;

    /// Counts events.
    #[derive(Debug)]
    struct Count;

    impl Form for Count {
        type Body = usize;

        fn open(&self) -> usize {
            0
        }

        fn push(&self, _: &Event<'_>, body: &mut usize) {
            *body += 1;
        }

        fn bytes(&self, body: &usize) -> usize {
            *body
        }

        fn split_last(&self, body: &mut usize) -> usize {
            *body -= 1;
            1
        }

        fn close(&self, _: &mut usize) {}
    }

    fn batch(bytes: usize) -> Batch {
        let mut builder = Batch::builder(Arc::default());
        builder.record(Record::new("s", "shardId-0", "1", vec![0; bytes]), Decoded::default());
        builder.event(None, Changes::default());
        builder.build(Acknowledgement::none())
    }

    /// How many requests of an event each are under way when nothing more happens, if there are so many batches.
    async fn under_way(concurrency: usize, batches: usize, bytes: usize) -> usize {
        let counters = Arc::new(Counters::new(Kind::Sink));
        let (sender, receiver) = channel(usize::MAX, usize::MAX, counters.clone());
        for _ in 0..batches {
            sender.send(batch(bytes)).await.unwrap();
        }
        let limits = Limits { events: 1, bytes: 100, wait: Duration::from_secs(1) };
        let begun = Arc::new(AtomicUsize::new(0));
        let deliver = |_| {
            begun.fetch_add(1, Ordering::Relaxed);
            std::future::pending()
        };
        let input = Input::new(receiver, counters);
        let dispatched = dispatch(Batcher::new(Count, limits), concurrency, input, deliver);
        tokio::time::timeout(Duration::from_secs(3600), dispatched).await.unwrap_err();
        begun.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn requests_under_way_are_bounded_by_their_number_and_by_what_they_hold() {
        assert_eq!(under_way(4, 6, 1000).await, 4);
        assert_eq!(under_way(4, 6, HELD_BYTES / 2).await, 2);
        assert_eq!(under_way(4, 3, 2 * HELD_BYTES).await, 1, "what is larger goes alone");
    }
}
