//! A request's way to its end: sent until an answer settles its events, or attempts are used up.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;

use super::answer::Verdict;
use super::payload::Body;
use crate::component::{ComponentError, Outputs};
use crate::compression::Compression;
use crate::sinks::requests::{Backoff, REJECTED, Request};

/// What takes a body to a server and brings the answer.
pub(super) trait Transport: Send + Sync {
    fn send(&self, body: Bytes) -> impl Future<Output = Result<Answer, Unanswered>> + Send;
}

/// What a server answered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// How long the server wants to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// What its body begins with, without secrets.
    pub(super) text: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
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
    pub(super) backoff: Backoff,
    /// Chance, from 0 to 1.
    pub(super) random: fn() -> f64,
    pub(super) outputs: Outputs,
}

impl<T: Transport> Delivery<T> {
    /// Sends a request until its events are delivered or rejected, and answers for them.
    ///
    /// # Errors
    ///
    /// What the last attempt brought, if no more are allowed. The events are abandoned.
    pub(super) async fn deliver(&self, request: Request<Body>) -> Result<(), ComponentError> {
        let Request { body, parts, .. } = request;
        let body = match self.compression {
            Compression::None => body.bytes.into(),
            compression => compressed(body.bytes, compression).await?,
        };
        let mut failed = 0;
        let answer = loop {
            let sent = self.transport.send(body.clone()).await;
            let (failure, asked) = match sent {
                Ok(answer) => match Verdict::of(answer.status) {
                    Verdict::Delivered => {
                        parts.deliver();
                        return Ok(());
                    }
                    Verdict::Rejected => break answer,
                    Verdict::Retry => (answer.to_string(), answer.retry_after),
                },
                Err(Unanswered(why)) => (why, None),
            };
            failed += 1;
            let Some(wait) = self.backoff.wait(failed, asked, (self.random)()) else {
                let times = if failed == 1 { "once".to_owned() } else { format!("{failed} times") };
                let message = format!("cannot deliver to {}, tried {times}: {failure}", self.to);
                return Err(ComponentError::new(message));
            };
            let wait_ms = wait.as_millis() as u64;
            tracing::warn!(component_id = self.id, uri = self.to, failed, wait_ms, %failure, "not delivered, sent again");
            tokio::time::sleep(wait).await;
        };
        // It was of use as long as it could be sent again.
        drop(body);
        let events = parts.len();
        tracing::warn!(component_id = self.id, uri = self.to, events, %answer, "rejected");
        let mut outputs = self.outputs.clone();
        let causes = (0..events).map(|place| (place, answer.to_string()));
        for batch in parts.deliver_but(causes.collect()) {
            // Whoever has ended has told why, and its part is abandoned.
            let _ = outputs.send_to(REJECTED, batch).await;
        }
        Ok(())
    }
}

/// Compresses a body where it holds up nobody.
async fn compressed(body: Vec<u8>, compression: Compression) -> Result<Bytes, ComponentError> {
    match tokio::task::spawn_blocking(move || compression.compress(&body)).await {
        Ok(Ok(compressed)) => Ok(compressed.into()),
        Ok(Err(error)) => Err(ComponentError::new("cannot compress a request").caused_by(error)),
        Err(error) => Err(ComponentError::new("compressing a request ended").caused_by(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex};

    use tokio::time::Instant;

    use super::*;
    use crate::codecs::Encoder;
    use crate::component::{Acknowledgement, Batch, Changes, Kind, Outcome};
    use crate::run::Counters;
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
    }

    fn answer(status: u16, retry_after: Option<u64>) -> Result<Answer, Unanswered> {
        Ok(Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: retry_after.map(Duration::from_secs),
            text: "so it is".to_owned(),
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
