//! `http`: requests to a server, with many events in each.
//!
//! # When an event counts as delivered
//!
//! When its request was answered by 2xx. A batch is acknowledged when that holds for all requests that its events are in; it
//! may be cut into several, and several make one.
//!
//! | answer | what becomes of the events |
//! |---|---|
//! | 2xx | delivered; of a bulk request, what the answer says of each |
//! | none, 401, 403, 408, 429, 5xx | sent again, for ever or `request.retry_attempts` times; then abandoned, and the sink ends with an error |
//! | 400, 413, 422 | one alone is rejected; several are halved, and sent apart, as it does not say which of them it is about |
//! | anything else, redirects too | they go to the output `rejected`; if nobody takes from it, to the quarantine |
//!
//! | a bulk answer's item | what becomes of its event |
//! |---|---|
//! | 2xx; 409 of a `create` | delivered |
//! | 429, 5xx | sent again, alone |
//! | anything else | rejected, alone |
//! | the answer cannot be read as one, or has not an item for each event | all are sent again |
//!
//! What was sent and not answered may have arrived: it arrives again then.
//!
//! # What it holds
//!
//! `request.concurrency` requests that are under way or wait to be sent again, and one that is being filled. Each holds its body, also
//! as it is compressed, and what its events were read from, which is what goes to `rejected`; both are bounded, for each and for all.
//! While there is no room for another it receives nothing, so that what lies before it waits.

mod answer;
mod auth;
mod bulk;
mod client;
mod config;
mod delivery;
mod left;
mod payload;
mod secret;

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Url;

use self::bulk::Action;
use self::client::{Client, Endpoint};
pub(crate) use self::config::HttpConfig;
use self::delivery::Delivery;
use self::payload::{Frame, Payload};
use super::requests::{Backoff, Batcher, dispatch};
use crate::component::{ComponentError, Healthcheck, Input, Sink, SinkContext};
use crate::compression::Compression;

struct HttpSink {
    /// The component's name.
    id: String,
    batcher: Batcher<Payload>,
    frame: Arc<Frame>,
    /// What is done with events, if requests are bulk requests.
    bulk: Option<Action>,
    endpoint: Endpoint,
    /// What answers while the server is well, if it is to be asked.
    healthcheck_uri: Option<Url>,
    compression: Compression,
    backoff: Backoff,
    concurrency: usize,
}

#[async_trait]
impl Sink for HttpSink {
    fn healthcheck(&self) -> Healthcheck {
        let (endpoint, uri) = (self.endpoint.clone(), self.healthcheck_uri.clone());
        Box::pin(async move {
            let client = Client::open(endpoint).await?;
            match uri {
                Some(uri) => client.is_well(uri).await,
                None => Ok(()),
            }
        })
    }

    async fn run(self: Box<Self>, input: Input, context: SinkContext) -> Result<(), ComponentError> {
        let HttpSink { id, batcher, frame, bulk, endpoint, compression, backoff, concurrency, .. } = *self;
        let to = secret::shown(&endpoint.url);
        let transport = Client::open(endpoint).await?;
        let (random, outputs) = (fastrand::f64 as fn() -> f64, context.outputs);
        let delivery = Delivery { id, transport, to, compression, frame, bulk, backoff, random, outputs };
        let delivery = Arc::new(delivery);
        let deliver = |request| {
            let delivery = delivery.clone();
            async move { delivery.deliver(request).await }
        };
        dispatch(batcher, concurrency, input, deliver).await
    }
}
