//! `http`: requests to a server, with many events in each.
//!
//! # When an event counts as delivered
//!
//! When its request was answered by 2xx. A batch is acknowledged when that holds for all requests that its events are in; it
//! may be cut into several, and several make one.
//!
//! | answer | what becomes of the events |
//! |---|---|
//! | 2xx | delivered |
//! | none, 401, 403, 408, 429, 5xx | sent again, for ever or `request.retry_attempts` times; then abandoned, and the sink ends with an error |
//! | anything else, redirects too | they go to the output `rejected`; if nobody takes from it, to the quarantine |
//!
//! What was sent and not answered may have arrived: it arrives again then.
//!
//! # What it holds
//!
//! `request.concurrency` requests that are under way or wait to be sent again, and one that is being filled. Each holds its body,
//! and what its events were read from, which is what goes to `rejected`; both are bounded. While all are under way it receives
//! nothing, so that what lies before it waits.

mod auth;
mod batcher;
mod client;
mod config;
mod delivery;
mod payload;
mod request;
mod retry;
mod secret;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use self::batcher::Batcher;
use self::client::{Client, Endpoint};
pub(crate) use self::config::HttpConfig;
use self::delivery::Delivery;
use self::retry::Backoff;
use crate::component::{ComponentError, Input, Sink, SinkContext};
use crate::run::sleep_until;

struct HttpSink {
    /// The component's name.
    id: String,
    batcher: Batcher,
    endpoint: Endpoint,
    is_compressed: bool,
    backoff: Backoff,
    concurrency: usize,
}

#[async_trait]
impl Sink for HttpSink {
    async fn run(self: Box<Self>, mut input: Input, context: SinkContext) -> Result<(), ComponentError> {
        let HttpSink { id, mut batcher, endpoint, is_compressed, backoff, concurrency } = *self;
        let to = secret::shown(&endpoint.url);
        let transport = Client::open(endpoint).await?;
        let (random, outputs) = (fastrand::f64 as fn() -> f64, context.outputs);
        let delivery = Arc::new(Delivery { id, transport, to, is_compressed, backoff, random, outputs });
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
                let delivery = delivery.clone();
                under_way.spawn(async move { delivery.deliver(request).await });
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
}

/// What became of a request's task.
fn settled(ended: Result<Result<(), ComponentError>, JoinError>) -> Result<(), ComponentError> {
    ended.unwrap_or_else(|error| Err(ComponentError::new("a request's task ended, which is a bug").caused_by(error)))
}
