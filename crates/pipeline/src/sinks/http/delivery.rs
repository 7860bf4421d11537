//! A request's way to its end: sent until an answer settles its events, or attempts are used up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::answer::Answer;
use super::bulk::Action;
use super::left::Left;
use super::payload::{Body, Frame};
use crate::component::{ComponentError, Outputs};
use crate::compression::Compression;
use crate::sinks::requests::{Backoff, REJECTED, Request};

/// How many answers may reject events of a request, and none take any, until all that is left is rejected: that is no longer about
/// some of them.
const MOST_IN_VAIN: usize = 1000;

/// What takes a body to a server and brings the answer.
pub(super) trait Transport: Send + Sync {
    fn send(&self, body: Bytes) -> impl Future<Output = Result<Answer, Unanswered>> + Send;

    /// What may be shown of a text that the server wrote: its beginning, without secrets.
    fn shown(&self, text: &str) -> String;
}

/// Why there is no answer, in words, without secrets.
#[derive(Debug, Clone)]
pub(super) struct Unanswered(pub(super) String);

/// What all requests of a sink have in common.
pub(super) struct Delivery<T> {
    /// The component's name.
    pub(super) id: String,
    pub(super) transport: T,
    /// Where to, as it may be shown.
    pub(super) to: String,
    pub(super) compression: Compression,
    pub(super) frame: Arc<Frame>,
    /// What is done with events, if requests are bulk requests.
    pub(super) bulk: Option<Action>,
    pub(super) backoff: Backoff,
    /// Chance, from 0 to 1.
    pub(super) random: fn() -> f64,
    pub(super) outputs: Outputs,
}

/// Events that are sent together, by their places in the request.
struct Group {
    places: Vec<usize>,
    /// How often they were sent in vain.
    failed: u64,
    /// What was sent, if that was all of them.
    sent: Option<Bytes>,
}

impl<T: Transport> Delivery<T> {
    /// Sends the events of a request until each is delivered or rejected, and answers for them.
    ///
    /// # Errors
    ///
    /// What the last attempt brought, if no more are allowed. The events are abandoned.
    pub(super) async fn deliver(&self, request: Request<Body>) -> Result<(), ComponentError> {
        let Request { body: Body { bytes, ends }, parts, .. } = request;
        let body = Bytes::from(bytes);
        let mut rejected: BTreeMap<usize, String> = BTreeMap::new();
        let (mut is_taken, mut in_vain) = (false, 0);
        let mut groups = vec![Group { places: (0..parts.len()).collect(), failed: 0, sent: None }];
        while let Some(Group { places, failed, sent }) = groups.pop() {
            let sent = match sent {
                Some(sent) => sent,
                None => self.written(&body, &ends, &places).await?,
            };
            let all = places.len();
            let (left, asked) = match self.transport.send(sent.clone()).await {
                Ok(answer) => {
                    let shown = |text: &str| self.transport.shown(text);
                    (Left::of(&answer, places, self.bulk, shown), answer.retry_after)
                }
                Err(Unanswered(why)) => (Left::again(places, why), None),
            };
            is_taken |= left.is_taken;
            in_vain += usize::from(left.halves.is_some() || !left.rejected.is_empty());
            let is_hopeless = in_vain >= MOST_IN_VAIN && !is_taken;
            rejected.extend(left.rejected);
            match left.halves {
                Some((halves, why)) if is_hopeless => {
                    let rest = groups.drain(..).flat_map(|group| group.places).chain(halves.into_iter().flatten());
                    rejected.extend(rest.map(|place| (place, why.clone())));
                }
                Some((halves, _)) => {
                    groups.extend(halves.into_iter().rev().map(|places| Group { places, failed, sent: None }));
                }
                None => {}
            }
            if let Some((places, failure)) = left.again {
                let failed = failed + 1;
                self.wait(failed, places.len(), asked, failure).await?;
                let sent = (places.len() == all).then_some(sent);
                groups.push(Group { places, failed, sent });
            }
        }
        // It was of use as long as it could be sent again.
        drop(body);
        let Some(cause) = rejected.values().next() else {
            parts.deliver();
            return Ok(());
        };
        tracing::warn!(component_id = self.id, uri = self.to, events = rejected.len(), cause, "rejected");
        let mut outputs = self.outputs.clone();
        for batch in parts.deliver_but(rejected) {
            // Whoever has ended has told why, and its part is abandoned.
            let _ = outputs.send_to(REJECTED, batch).await;
        }
        Ok(())
    }

    /// Some of the events as they are sent.
    async fn written(&self, body: &Bytes, ends: &[usize], places: &[usize]) -> Result<Bytes, ComponentError> {
        let written = match places.len() == ends.len() {
            true => body.clone(),
            false => self.frame.part(body, ends, places).into(),
        };
        match self.compression {
            Compression::None => Ok(written),
            compression => compressed(written, compression).await,
        }
    }

    /// Waits until events that were sent `failed` times in vain may be sent again.
    async fn wait(
        &self,
        failed: u64,
        events: usize,
        asked: Option<Duration>,
        failure: String,
    ) -> Result<(), ComponentError> {
        let Some(wait) = self.backoff.wait(failed, asked, (self.random)()) else {
            let times = if failed == 1 { "once".to_owned() } else { format!("{failed} times") };
            let message = format!("cannot deliver to {}, tried {times}: {failure}", self.to);
            return Err(ComponentError::new(message));
        };
        let wait_ms = wait.as_millis() as u64;
        tracing::warn!(
            component_id = self.id, uri = self.to, events, failed, wait_ms, %failure, "not delivered, sent again"
        );
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// Compresses a body where it holds up nobody.
async fn compressed(body: Bytes, compression: Compression) -> Result<Bytes, ComponentError> {
    match tokio::task::spawn_blocking(move || compression.compress(&body)).await {
        Ok(Ok(compressed)) => Ok(compressed.into()),
        Ok(Err(error)) => Err(ComponentError::new("cannot compress a request").caused_by(error)),
        Err(error) => Err(ComponentError::new("compressing a request ended").caused_by(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use reqwest::StatusCode;
    use tokio::time::Instant;

    use super::*;
    use crate::codecs::Encoder;
    use crate::component::{Acknowledgement, Batch, Changes, Kind, Outcome};
    use crate::run::Counters;
    use crate::sinks::http::answer::Unread;
    use crate::sinks::http::payload::Payload;
    use crate::sinks::requests::{Batcher, Limits};

    /// Answers as it was told, and notes when it was asked.
    #[derive(Default)]
    struct Script {
        answers: Mutex<VecDeque<Result<Answer, Unanswered>>>,
        asked: Mutex<Vec<Instant>>,
    }

    impl Transport for Script {
        async fn send(&self, _: Bytes) -> Result<Answer, Unanswered> {
            self.asked.lock().unwrap().push(Instant::now());
            self.answers.lock().unwrap().pop_front().unwrap()
        }

        fn shown(&self, text: &str) -> String {
            text.to_owned()
        }
    }

    fn answer(status: u16, retry_after: Option<u64>) -> Result<Answer, Unanswered> {
        Ok(Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: retry_after.map(Duration::from_secs),
            text: "so it is".to_owned(),
            body: Err(Unread::NotAsked),
        })
    }

    struct Seen {
        outcome: Option<Outcome>,
        result: Result<(), ComponentError>,
        /// Seconds between attempts.
        waits: Vec<u64>,
    }

    async fn deliver(retries: Option<u64>, answers: Vec<Result<Answer, Unanswered>>) -> Seen {
        let payload = Payload::new(Encoder::Text, &Default::default(), "", "").unwrap();
        let frame = payload.frame();
        let mut batcher = Batcher::new(payload, Limits { events: 1, bytes: 100, wait: Duration::from_secs(1) });
        let mut builder = Batch::builder(Arc::default());
        builder.event(None, Changes::default());
        let outcome = Arc::new(Mutex::new(None));
        let heard = outcome.clone();
        batcher.push(builder.build(Acknowledgement::new(move |outcome| *heard.lock().unwrap() = Some(outcome))));
        let request = batcher.next_full(Instant::now()).unwrap();
        assert!(batcher.next_full(Instant::now()).is_none());
        let delivery = Delivery {
            id: "out".to_owned(),
            transport: Script { answers: Mutex::new(answers.into()), ..Script::default() },
            to: "http://logs.test/?token=***".to_owned(),
            compression: Compression::None,
            frame,
            bulk: None,
            backoff: Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(30), retries },
            random: || 1.0,
            outputs: Outputs::new("http", Arc::default(), Counters::new(Kind::Sink).into(), None),
        };
        let result = delivery.deliver(request).await;
        let asked = delivery.transport.asked.lock().unwrap();
        let waits = asked.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
        Seen { outcome: *outcome.lock().unwrap(), result, waits }
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_be_taken_later_is_sent_until_it_is() {
        let lost = || Err(Unanswered("connection refused".to_owned()));
        let answers = vec![lost(), answer(500, None), answer(429, None), lost(), answer(200, None)];
        let seen = deliver(None, answers).await;
        assert_eq!((seen.outcome, seen.waits), (Some(Outcome::Delivered), vec![1, 2, 4, 8]));
        assert!(seen.result.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_is_left_alone_for_as_long_as_it_asks() {
        let seen = deliver(None, vec![answer(429, Some(120)), answer(503, Some(1)), answer(204, None)]).await;
        assert_eq!((seen.outcome, seen.waits), (Some(Outcome::Delivered), vec![120, 2]));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_never_taken_is_rejected_at_once_and_the_sink_goes_on() {
        let seen = deliver(None, vec![answer(503, None), answer(400, None)]).await;
        assert_eq!((seen.outcome, seen.waits), (Some(Outcome::Rejected), vec![1]));
        assert!(seen.result.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn when_attempts_are_used_up_events_are_abandoned_and_the_sink_says_why() {
        let seen = deliver(Some(2), vec![answer(502, None), answer(502, None), answer(503, None)]).await;
        assert_eq!((seen.outcome, seen.waits), (Some(Outcome::Abandoned), vec![1, 2]));
        assert_eq!(
            seen.result.unwrap_err().to_string(),
            "cannot deliver to http://logs.test/?token=***, tried 3 times: status 503 Service Unavailable: so it is"
        );
    }
}
