//! From batches to requests: cuts and merges, without I/O and without a clock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::request::{Part, Parts, Request};
use crate::component::{Acknowledgement, Batch, Event, Outcome};

/// How events become the body of a request.
pub(crate) trait Form: fmt::Debug + Send {
    /// What a request carries.
    type Body: fmt::Debug + Send + 'static;

    /// A body without events.
    fn open(&self) -> Self::Body;

    /// Appends an event.
    fn push(&self, event: &Event<'_>, body: &mut Self::Body);

    /// How many bytes the body has once it is closed.
    fn bytes(&self, body: &Self::Body) -> usize;

    /// Takes the last event out, into a body of its own. What is left is closed next.
    fn split_last(&self, body: &mut Self::Body) -> Self::Body;

    /// Ends a body.
    fn close(&self, body: &mut Self::Body);
}

/// What requests are bounded by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The most events.
    pub(crate) events: usize,
    /// The most bytes of a body, before it is compressed. An event that is larger goes alone.
    pub(crate) bytes: usize,
    /// The longest that an event waits for others.
    pub(crate) wait: Duration,
}

/// The most bytes that a request holds of what its events were read from, in case that they are rejected. Of batches that were
/// filtered these may be many more than its body has. What many requests hold together counts in each by its share, so that a
/// batch of any size fills them as others do.
const KEPT_BYTES: usize = 8 << 20;

/// Fills requests with the events of batches, in order.
#[derive(Debug)]
pub(crate) struct Batcher<F: Form> {
    form: F,
    limits: Limits,
    /// A batch of which not all events are in requests yet.
    rest: Option<Rest>,
    open: Option<Open<F::Body>>,
}

/// A batch, and where in it the events begin that are in no request.
#[derive(Debug)]
struct Rest {
    batch: Arc<Batch>,
    next: usize,
    /// What an event has of the bytes.
    share: usize,
    acknowledgement: Acknowledgement,
}

/// A request that has room.
#[derive(Debug)]
struct Open<B> {
    body: B,
    parts: Vec<Part>,
    events: usize,
    kept: usize,
    due: Instant,
}

impl<F: Form> Batcher<F> {
    pub(crate) fn new(form: F, limits: Limits) -> Self {
        Batcher { form, limits, rest: None, open: None }
    }

    /// Takes a batch, after all requests that are full were taken. One without events is delivered with this.
    pub(crate) fn push(&mut self, mut batch: Batch) {
        debug_assert!(self.rest.is_none(), "a batch came while another was not done");
        if batch.is_empty() {
            return batch.acknowledge(Outcome::Delivered);
        }
        let (share, acknowledgement) = (batch.bytes().div_ceil(batch.len()), batch.take_acknowledgement());
        self.rest = Some(Rest { batch: Arc::new(batch), next: 0, share, acknowledgement });
    }

    /// The next request that is full; `None` if another batch is needed for one.
    pub(crate) fn next_full(&mut self, now: Instant) -> Option<Request<F::Body>> {
        loop {
            if self.open.as_ref().is_some_and(|open| open.is_full(&self.form, &self.limits)) {
                return self.close();
            }
            let rest = self.rest.as_mut()?;
            let Some(event) = rest.batch.event(rest.next) else {
                // All of its events are in requests, which answer for them.
                self.rest.take()?.acknowledgement.answer(Outcome::Delivered);
                return None;
            };
            let open = self.open.get_or_insert_with(|| Open::new(self.form.open(), now + self.limits.wait));
            self.form.push(&event, &mut open.body);
            if open.events == 0 || self.form.bytes(&open.body) <= self.limits.bytes {
                open.add(rest);
                continue;
            }
            // It opens the next request, as it is written.
            let mut next = Open::new(self.form.split_last(&mut open.body), now + self.limits.wait);
            next.add(rest);
            return self.open.replace(next).map(|full| full.close(&self.form));
        }
    }

    /// When the request that has room is to go as it is.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.open.as_ref().map(|open| open.due)
    }

    /// The request that has room, as it is.
    pub(crate) fn close(&mut self) -> Option<Request<F::Body>> {
        self.open.take().map(|open| open.close(&self.form))
    }
}

impl<B> Open<B> {
    fn new(body: B, due: Instant) -> Self {
        Open { body, parts: Vec::new(), events: 0, kept: 0, due }
    }

    fn is_full(&self, form: &impl Form<Body = B>, limits: &Limits) -> bool {
        self.events >= limits.events || form.bytes(&self.body) >= limits.bytes || self.kept >= KEPT_BYTES
    }

    /// Notes that a batch's next event is in it.
    fn add(&mut self, rest: &mut Rest) {
        let index = rest.next;
        rest.next += 1;
        self.events += 1;
        self.kept += rest.share;
        match self.parts.last_mut().filter(|part| Arc::ptr_eq(&part.batch, &rest.batch)) {
            Some(part) => part.events.end = index + 1,
            None => {
                self.parts.push(Part {
                    batch: rest.batch.clone(),
                    events: index..index + 1,
                    acknowledgement: rest.acknowledgement.clone(),
                });
            }
        }
    }

    fn close(mut self, form: &impl Form<Body = B>) -> Request<B> {
        let held = form.bytes(&self.body) + self.kept;
        form.close(&mut self.body);
        Request { body: self.body, parts: Parts(self.parts), held }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use kinesis_logs_decoder::Decoded;
    use kinesis_logs_source::Record;
    use proptest::prelude::*;

    use super::*;
    use crate::codecs::Encoder;
    use crate::component::{CAUSE, Changes, Value};

    /// `<`, a line an event, `>`.
    #[derive(Debug)]
    struct Lines;

    impl Form for Lines {
        type Body = String;

        fn open(&self) -> String {
            "<".to_owned()
        }

        fn push(&self, event: &Event<'_>, body: &mut String) {
            let mut line = Vec::new();
            Encoder::Text.encode(event, &mut line);
            body.push_str(std::str::from_utf8(&line).unwrap());
        }

        fn bytes(&self, body: &String) -> usize {
            body.len() + 1
        }

        fn split_last(&self, body: &mut String) -> String {
            let start = body.trim_end().rfind('\n').unwrap() + 1;
            self.open() + &body.split_off(start)
        }

        fn close(&self, body: &mut String) {
            body.push('>');
        }
    }

    /// What was answered for which batch, in order.
    type Answers = Arc<Mutex<Vec<(usize, Outcome)>>>;

    fn batcher(events: usize, bytes: usize) -> Batcher<Lines> {
        Batcher::new(Lines, Limits { events, bytes, wait: Duration::from_secs(1) })
    }

    fn batch(number: usize, messages: &[&str], answers: &Answers) -> Batch {
        let mut builder = Batch::builder(Arc::default());
        for message in messages {
            let mut members = Changes::default();
            members.set("message", *message);
            builder.event(None, members);
        }
        let answers = answers.clone();
        builder.build(Acknowledgement::new(move |outcome| answers.lock().unwrap().push((number, outcome))))
    }

    /// All requests that some batches make, the last one closed.
    fn requests(batcher: &mut Batcher<Lines>, batches: Vec<Batch>) -> Vec<Request<String>> {
        let now = Instant::now();
        let mut requests = Vec::new();
        for batch in batches {
            batcher.push(batch);
            requests.extend(std::iter::from_fn(|| batcher.next_full(now)));
        }
        requests.extend(batcher.close());
        requests
    }

    fn bodies(requests: &[Request<String>]) -> Vec<&str> {
        requests.iter().map(|request| request.body.as_str()).collect()
    }

    #[test]
    fn a_batch_is_cut_and_batches_are_merged_by_events() {
        let answers = Answers::default();
        let batches = vec![batch(0, &["a", "b", "c"], &answers), batch(1, &["d"], &answers)];
        let requests = requests(&mut batcher(2, 100), batches);
        assert_eq!(bodies(&requests), ["<a\nb\n>", "<c\nd\n>"]);
        let [first, second] = <[Request<String>; 2]>::try_from(requests).unwrap();
        first.parts.deliver();
        assert_eq!(*answers.lock().unwrap(), [], "the rest of it is not delivered yet");
        assert_eq!(second.parts.len(), 2);
        second.parts.deliver();
        assert_eq!(*answers.lock().unwrap(), [(0, Outcome::Delivered), (1, Outcome::Delivered)]);
    }

    #[test]
    fn a_body_has_no_more_bytes_than_allowed_and_what_is_larger_goes_alone() {
        let answers = Answers::default();
        let messages = ["123", "456", "7", "a message of its own", "8"];
        let requests = requests(&mut batcher(100, 10), vec![batch(0, &messages, &answers)]);
        assert_eq!(bodies(&requests), ["<123\n456\n>", "<7\n>", "<a message of its own\n>", "<8\n>"]);
    }

    #[test]
    fn a_large_event_does_not_wait_for_others() {
        let answers = Answers::default();
        let mut batcher = batcher(100, 10);
        batcher.push(batch(0, &["7", "a message of its own"], &answers));
        let now = Instant::now();
        assert_eq!(bodies(&[batcher.next_full(now).unwrap(), batcher.next_full(now).unwrap()]).len(), 2);
        assert!(batcher.next_full(now).is_none() && batcher.due().is_none());
    }

    #[test]
    fn a_request_does_not_keep_more_than_it_may_of_what_its_few_events_were_read_from() {
        let large = |number: usize| {
            let mut builder = Batch::builder(Arc::default());
            builder.record(Record::new("s", "shardId-0", "1", vec![0; KEPT_BYTES / 4]), Decoded::default());
            let mut members = Changes::default();
            members.set("message", number.to_string());
            builder.event(None, members);
            builder.build(Acknowledgement::none())
        };
        let requests = requests(&mut batcher(100, 1000), (0..6).map(large).collect());
        assert_eq!(bodies(&requests), ["<0\n1\n2\n3\n>", "<4\n5\n>"]);
    }

    #[test]
    fn a_batch_that_is_larger_than_a_request_may_keep_fills_requests_as_others_do() {
        let mut builder = Batch::builder(Arc::default());
        builder.record(Record::new("s", "shardId-0", "1", vec![0; KEPT_BYTES * 2]), Decoded::default());
        for number in 0..1000 {
            let mut members = Changes::default();
            members.set("message", number.to_string());
            builder.event(None, members);
        }
        let requests = requests(&mut batcher(100, 1 << 20), vec![builder.build(Acknowledgement::none())]);
        assert_eq!(requests.iter().map(|request| request.parts.len()).collect::<Vec<_>>(), [100; 10]);
        let held: usize = requests.iter().map(|request| request.held).sum();
        assert!(
            (KEPT_BYTES * 2..KEPT_BYTES * 5 / 2).contains(&held),
            "the batch is held once, and not by each: {held}"
        );
    }

    #[test]
    fn what_was_emptied_is_answered_for_and_what_is_dropped_is_abandoned() {
        let answers = Answers::default();
        let requests = requests(&mut batcher(10, 100), vec![batch(0, &["a"], &answers), batch(1, &[], &answers)]);
        assert_eq!(*answers.lock().unwrap(), [(1, Outcome::Delivered)]);
        drop(requests);
        assert_eq!(answers.lock().unwrap()[1], (0, Outcome::Abandoned));
    }

    #[test]
    fn an_event_waits_as_long_as_it_may() {
        let answers = Answers::default();
        let mut batcher = batcher(10, 100);
        let now = Instant::now();
        batcher.push(batch(0, &["a"], &answers));
        assert!(batcher.next_full(now).is_none());
        batcher.push(batch(1, &["b"], &answers));
        assert!(batcher.next_full(now + Duration::from_millis(500)).is_none());
        assert_eq!(batcher.due(), Some(now + Duration::from_secs(1)), "from the first on");
        assert_eq!(bodies(&[batcher.close().unwrap()]), ["<a\nb\n>"]);
        assert_eq!(batcher.due(), None);
    }

    #[test]
    fn what_is_rejected_of_a_batch_is_what_its_request_held() {
        let answers = Answers::default();
        let batches = vec![batch(0, &["a", "b", "c"], &answers), batch(1, &["d", "e"], &answers)];
        let [first, second, third] = <[Request<String>; 3]>::try_from(requests(&mut batcher(2, 100), batches)).unwrap();
        let causes = [(0, "no room".to_owned()), (1, "no room".to_owned())];
        let rejected = second.parts.deliver_but(causes.into());
        let messages = |batch: &Batch| -> Vec<String> {
            batch.events().map(|event| format!("{:?}", event.get("message").unwrap().into_value())).collect()
        };
        assert_eq!(rejected.iter().map(messages).collect::<Vec<_>>(), [["Text(\"c\")"], ["Text(\"d\")"]]);
        first.parts.deliver();
        third.parts.deliver();
        assert!(answers.lock().unwrap().is_empty());
        rejected.into_iter().for_each(|batch| batch.acknowledge(Outcome::Rejected));
        assert_eq!(*answers.lock().unwrap(), [(0, Outcome::Rejected), (1, Outcome::Rejected)]);
    }

    #[test]
    fn some_events_of_a_request_are_rejected_each_for_its_cause_and_the_others_delivered() {
        let answers = Answers::default();
        let batches =
            vec![batch(0, &["a", "b"], &answers), batch(1, &["c"], &answers), batch(2, &["d", "e"], &answers)];
        let [request] = <[Request<String>; 1]>::try_from(requests(&mut batcher(10, 100), batches)).unwrap();
        let causes = [(1, "large"), (3, "odd"), (4, "larger")].map(|(place, cause)| (place, cause.to_owned()));
        let rejected = request.parts.deliver_but(causes.into());
        assert_eq!(*answers.lock().unwrap(), [(1, Outcome::Delivered)], "of which nothing was rejected");
        let told = |batch: &Batch| -> Vec<[Value; 2]> {
            batch.events().map(|event| ["message", CAUSE].map(|name| event.get(name).unwrap().into_value())).collect()
        };
        let said = |message: &str, cause: &str| [Value::from(message), Value::from(cause)];
        assert_eq!(
            rejected.iter().map(told).collect::<Vec<_>>(),
            [vec![said("b", "large")], vec![said("d", "odd"), said("e", "larger")]]
        );
        rejected.into_iter().for_each(|batch| batch.acknowledge(Outcome::Rejected));
        assert_eq!(answers.lock().unwrap()[1..], [(0, Outcome::Rejected), (2, Outcome::Rejected)]);
    }

    proptest! {
        /// However events come and whatever the bounds: all are sent once, in order, within the bounds, and every batch is
        /// answered for when the last of its requests is.
        #[test]
        fn nothing_is_lost_repeated_or_turned_round(
            sizes in proptest::collection::vec(proptest::collection::vec(1_usize..30, 0..6), 0..12),
            events in 1_usize..6,
            bytes in 1_usize..80,
        ) {
            let answers = Answers::default();
            let mut sent = Vec::new();
            let mut batches = Vec::new();
            for (number, sizes) in sizes.iter().enumerate() {
                let messages: Vec<String> =
                    sizes.iter().enumerate().map(|(index, size)| format!("{number}.{index}{}", "x".repeat(*size))).collect();
                batches.push(batch(number, &messages.iter().map(String::as_str).collect::<Vec<_>>(), &answers));
                sent.extend(messages);
            }
            let requests = requests(&mut batcher(events, bytes), batches);
            let mut arrived = Vec::new();
            for request in &requests {
                let body = &request.body;
                let lines: Vec<&str> = body.trim_start_matches('<').trim_end_matches("\n>").split('\n').collect();
                prop_assert!(lines.len() <= events && lines.len() == request.parts.len());
                prop_assert!(body.len() <= bytes || lines.len() == 1);
                arrived.extend(lines.into_iter().map(str::to_owned));
            }
            prop_assert_eq!(arrived, sent);
            requests.into_iter().for_each(|request| request.parts.deliver());
            let mut answered: Vec<_> = answers.lock().unwrap().clone();
            answered.sort();
            prop_assert_eq!(answered, (0..sizes.len()).map(|number| (number, Outcome::Delivered)).collect::<Vec<_>>());
        }
    }
}
