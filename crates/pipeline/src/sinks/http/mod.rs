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
//! and what its events were read from, which is what goes to `rejected`; both are bounded, for each and for all. While there is no
//! room for another it receives nothing, so that what lies before it waits.

mod answer;
mod auth;
mod client;
mod config;
mod delivery;
mod payload;
mod secret;

use std::sync::Arc;

use async_trait::async_trait;

use self::client::{Client, Endpoint};
pub(crate) use self::config::HttpConfig;
use self::delivery::Delivery;
use self::payload::Payload;
use super::requests::{Backoff, Batcher, dispatch};
use crate::component::{ComponentError, Input, Sink, SinkContext};
use crate::compression::Compression;

struct HttpSink {
    /// The component's name.
    id: String,
    batcher: Batcher<Payload>,
    endpoint: Endpoint,
    compression: Compression,
    backoff: Backoff,
    concurrency: usize,
}

#[async_trait]
impl Sink for HttpSink {
    async fn run(self: Box<Self>, input: Input, context: SinkContext) -> Result<(), ComponentError> {
        let HttpSink { id, batcher, endpoint, compression, backoff, concurrency } = *self;
        let to = secret::shown(&endpoint.url);
        let transport = Client::open(endpoint).await?;
        let (random, outputs) = (fastrand::f64 as fn() -> f64, context.outputs);
        let delivery = Arc::new(Delivery { id, transport, to, compression, backoff, random, outputs });
        let deliver = |request| {
            let delivery = delivery.clone();
            async move { delivery.deliver(request).await }
        };
        dispatch(batcher, concurrency, input, deliver).await
    }
}
