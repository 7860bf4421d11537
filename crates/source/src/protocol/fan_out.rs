//! [Enhanced fan-out]: a shard's records are pushed, over a subscription that lasts five minutes, at 2 MiB a second and
//! shard that no other consumer shares.
//!
//! ```text
//!   driver  <── Request::SubscribeToShard{position} ──────  StreamConsumer    at most once a second and shard, and not
//!           ─── handle_subscription_opened(Date) ────────>                    within five seconds of a success
//!           ─── handle_subscription_event(event) ────────>                    the position moves with every event
//!           ─── handle_subscription_ended(Ok or Err) ────>                    subscribe again, behind the position
//!           <── wants_events(shard, epoch) ──────────────                     read on, hold, or drop the subscription
//! ```
//!
//! A new `SubscribeToShard` for a shard takes the place of its earlier subscription, of which nothing may be handed in
//! any more. A subscription that is held is not read: the server waits, or ends it, and then it is asked for anew.
//!
//! [Enhanced fan-out]: https://docs.aws.amazon.com/streams/latest/dev/enhanced-consumers.html

use std::sync::Arc;

/// Reading by enhanced fan-out.
///
/// ```
/// use kinesis_logs_source::FanOut;
///
/// let fan_out = FanOut::new("flow-log-search").fall_back_to_polling(true);
/// assert_eq!(FanOut::from("flow-log-search").name, fan_out.name);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FanOut {
    /// The consumer's name. It is registered with the stream if it is not yet, and stays registered, [at a price]. Workers
    /// that share a stream share the name; readers that are each to have all of it need names of their own.
    ///
    /// [at a price]: https://aws.amazon.com/kinesis/data-streams/pricing/
    pub name: Arc<str>,
    /// Whether a shard is polled when its subscription is refused: because the stream has as many consumers as it may, the
    /// caller may not subscribe, or the server cannot do it. Otherwise that is an error. Default: no.
    pub fall_back_to_polling: bool,
}

impl FanOut {
    /// Reading as the consumer of this name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        FanOut { name: name.into(), fall_back_to_polling: false }
    }

    /// Sets whether a shard is polled when its subscription is refused.
    pub fn fall_back_to_polling(mut self, fall_back: bool) -> Self {
        self.fall_back_to_polling = fall_back;
        self
    }
}

impl From<&str> for FanOut {
    fn from(name: &str) -> Self {
        FanOut::new(name)
    }
}

impl From<String> for FanOut {
    fn from(name: String) -> Self {
        FanOut::new(name)
    }
}
