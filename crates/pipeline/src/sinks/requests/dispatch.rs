//! From a sink's input to requests under way.

use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::batcher::{Batcher, Form};
use super::request::Request;
use crate::component::{ComponentError, Input};
use crate::run::sleep_until;

/// Gathers what comes into requests, until nothing more does, and has them delivered, up to `concurrency` at once. While that many
/// are under way it receives nothing, so that what lies before the sink waits.
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
    let mut has_ended = false;
    loop {
        let has_room = under_way.len() < concurrency;
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
            under_way.spawn(deliver(request));
            continue;
        }
        if has_ended && under_way.is_empty() {
            return Ok(());
        }
        tokio::select! {
            biased;
            Some(ended) = under_way.join_next() => settled(ended)?,
            () = sleep_until(batcher.due()), if has_room => {}
            batch = input.recv(), if has_room && !has_ended => match batch {
                Some(batch) => batcher.push(batch),
                None => has_ended = true,
            },
        }
    }
}

/// What became of a request's task.
fn settled(ended: Result<Result<(), ComponentError>, JoinError>) -> Result<(), ComponentError> {
    ended.unwrap_or_else(|error| Err(ComponentError::new("a request's task ended, which is a bug").caused_by(error)))
}
