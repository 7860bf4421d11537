//! The subscriptions that a driver has open: by enhanced fan-out, see [`FanOut`](crate::FanOut).
//!
//! ```text
//!            open ──> answered: add ──> pending ──────> event: held ──┬── the protocol wants more: pending
//!                                          │                          ├── not now: stays held, and unread
//!                                          v                          └── not at all, or held too long: dropped
//!                                   ended, or failed
//! ```
//!
//! What is not read stays with the server. But subscriptions share a connection, whose window those that are held fill up
//! to the detriment of the others: therefore none is held for long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{AbortHandle, Abortable, BoxFuture};
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Mutex;

use crate::api::{KinesisApi, Subscription, SubscriptionEvents};
use crate::clock::now;
use crate::error::{ApiError, ApiErrorKind};
use crate::protocol::{FanOut, ShardId, ShardPosition, StreamId, SubscriptionEvent};

/// Kinesis sends an event every few seconds though there is nothing to say. A connection that is silent for so long, KCL's
/// 35 s, is dead.
const SILENCE: Duration = Duration::from_secs(35);

/// How long a subscription may be held.
const LONGEST_HOLD: Duration = Duration::from_secs(10);

/// What a subscription brought; nothing more when it has ended.
pub(crate) struct Brought {
    pub(crate) shard: ShardId,
    pub(crate) epoch: u64,
    pub(crate) what: Option<Result<SubscriptionEvent, ApiError>>,
}

type Pending = BoxFuture<'static, (Brought, SubscriptionEvents)>;

pub(crate) struct Subscriptions<A> {
    api: Arc<A>,
    registration: Arc<Registration>,
    open: BTreeMap<ShardId, Open>,
    pending: FuturesUnordered<Abortable<Pending>>,
}

struct Open {
    epoch: u64,
    /// The subscription, and since when, while it is not read.
    held: Option<(SubscriptionEvents, Instant)>,
    /// Drops it while it is read.
    abort: AbortHandle,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

impl<A: KinesisApi> Subscriptions<A> {
    /// `fan_out` is nothing where all is polled.
    pub(crate) fn new(api: Arc<A>, stream: StreamId, fan_out: Option<&FanOut>) -> Self {
        let name = fan_out.map_or_else(|| "".into(), |fan_out| fan_out.name.clone());
        let registration = Arc::new(Registration { stream, name, state: Mutex::new(Registered::Unknown) });
        Subscriptions { api, registration, open: BTreeMap::new(), pending: FuturesUnordered::new() }
    }

    /// Subscribes to a shard, in place of an earlier subscription to it; registers the consumer first, if need be.
    pub(crate) fn open(
        &mut self,
        shard: ShardId,
        position: ShardPosition,
    ) -> impl Future<Output = Result<Subscription, ApiError>> + Send + use<A> {
        self.open.remove(&shard);
        let (api, registration) = (self.api.clone(), self.registration.clone());
        async move {
            let consumer = registration.consumer_arn(&*api).await?;
            let opened = api.subscribe_to_shard(&consumer, &shard, &position).await;
            if opened.as_ref().is_err_and(|error| error.kind == ApiErrorKind::NotFound) {
                registration.forget(&consumer).await;
            }
            opened
        }
    }

    /// Takes over a subscription that was opened.
    pub(crate) fn add(&mut self, shard: ShardId, epoch: u64, events: SubscriptionEvents) {
        if self.open.get(&shard).is_none_or(|open| open.epoch <= epoch) {
            let (abort, _) = AbortHandle::new_pair();
            self.open.insert(shard, Open { epoch, held: Some((events, now())), abort });
        }
    }

    /// Reads on, or holds, or drops each, as `wants_events` says of it. Those that were held for too long, and dropped.
    pub(crate) fn update(&mut self, wants_events: impl Fn(&ShardId, u64) -> Option<bool>) -> Vec<(ShardId, u64)> {
        let now = now();
        let mut let_go = Vec::new();
        let pending = &self.pending;
        self.open.retain(|shard, open| {
            let Some(wanted) = wants_events(shard, open.epoch) else { return false };
            match open.held.take() {
                None => {}
                Some((events, _)) if wanted => {
                    let (abort, registration) = AbortHandle::new_pair();
                    open.abort = abort;
                    pending.push(Abortable::new(next(shard.clone(), open.epoch, events), registration));
                }
                Some((_, since)) if now.duration_since(since) >= LONGEST_HOLD => {
                    let_go.push((shard.clone(), open.epoch));
                    return false;
                }
                held => open.held = held,
            }
            true
        });
        let_go
    }

    /// The next that any of those that are read brings; nothing if none is.
    pub(crate) async fn next(&mut self) -> Option<Brought> {
        loop {
            // One that was dropped shows as an error.
            let Ok((brought, events)) = self.pending.next().await? else { continue };
            match (&brought.what, self.open.get_mut(&brought.shard)) {
                (Some(Ok(_)), Some(open)) => open.held = Some((events, now())),
                _ => drop(self.open.remove(&brought.shard)),
            }
            return Some(brought);
        }
    }
}

fn next(shard: ShardId, epoch: u64, mut events: SubscriptionEvents) -> Pending {
    Box::pin(async move {
        let what = tokio::time::timeout(SILENCE, events.next()).await.unwrap_or_else(|_| {
            let message = format!("no event for {} s", SILENCE.as_secs());
            Some(Err(ApiError::new(ApiErrorKind::Timeout, "SubscribeToShard", message)))
        });
        (Brought { shard, epoch, what }, events)
    })
}

/// The consumer, registered when it is first needed, once for all shards.
struct Registration {
    stream: StreamId,
    name: Arc<str>,
    state: Mutex<Registered>,
}

enum Registered {
    Unknown,
    As(Arc<str>),
    /// In a way that does not pass: the others need not try.
    Refused(ApiErrorKind, String),
}

const REGISTER: &str = "RegisterStreamConsumer";

/// How often it is asked whether a consumer is active by now, and how often altogether: it takes seconds.
const ASK_AGAIN: Duration = Duration::from_secs(1);
const MOST_ASKED: u32 = 60;

/// Attempts to register where the limit is said to be reached: it may be that of calls, five a second and stream.
const ATTEMPTS_AT_LIMIT: u32 = 4;

impl Registration {
    async fn consumer_arn<A: KinesisApi>(&self, api: &A) -> Result<Arc<str>, ApiError> {
        let mut state = self.state.lock().await;
        match &*state {
            Registered::Unknown => {}
            Registered::As(consumer) => return Ok(consumer.clone()),
            Registered::Refused(kind, message) => return Err(ApiError::new(*kind, REGISTER, message.clone())),
        }
        let mut attempts = 0;
        loop {
            attempts += 1;
            let error = match api.register_consumer(&self.stream, &self.name).await {
                Ok(consumer) => {
                    tracing::debug!(stream = %self.stream, consumer, "consumer");
                    let consumer: Arc<str> = consumer.into();
                    *state = Registered::As(consumer.clone());
                    return Ok(consumer);
                }
                Err(error) => error,
            };
            match error.kind {
                ApiErrorKind::ResourceInUse if attempts < MOST_ASKED => tokio::time::sleep(ASK_AGAIN).await,
                ApiErrorKind::LimitExceeded if attempts < ATTEMPTS_AT_LIMIT => {
                    // Workers that begin together should not ask together.
                    tokio::time::sleep(ASK_AGAIN.mul_f64(0.5 + fastrand::f64())).await;
                }
                kind => {
                    // Credentials may come back.
                    if !kind.is_retryable() && kind != ApiErrorKind::Credentials {
                        *state = Registered::Refused(kind, error.message.clone());
                    }
                    return Err(error);
                }
            }
        }
    }

    /// The consumer is not found any more: it will be registered again.
    async fn forget(&self, consumer: &str) {
        let mut state = self.state.lock().await;
        if matches!(&*state, Registered::As(known) if **known == *consumer) {
            *state = Registered::Unknown;
        }
    }
}
