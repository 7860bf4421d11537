//! A request's way to its end: its records are put until each is stored or rejected, or attempts are used up.

use std::collections::BTreeMap;

use kinesis_logs_source::aws::NewRecord;
use kinesis_logs_source::{ApiError, ApiErrorKind};

use super::records::Body;
use crate::component::{ComponentError, Outputs};
use crate::compression::Compression;
use crate::sinks::requests::{Backoff, REJECTED, Request};

/// What puts records into a stream, and says of each whether it was stored.
pub(super) trait Transport: Send + Sync {
    fn put(&self, records: &[NewRecord]) -> impl Future<Output = Result<Vec<Result<(), ApiError>>, ApiError>> + Send;
}

/// What all requests of a sink have in common.
pub(super) struct Delivery<T> {
    /// The component's name.
    pub(super) id: String,
    pub(super) transport: T,
    /// The stream's name.
    pub(super) to: String,
    pub(super) compression: Compression,
    /// The most bytes of a record, data and partition key, as it is sent.
    pub(super) max_record_bytes: usize,
    pub(super) backoff: Backoff,
    /// Chance, from 0 to 1.
    pub(super) random: fn() -> f64,
    pub(super) outputs: Outputs,
}

/// Records that are put together, by their places in the request.
struct Group {
    places: Vec<usize>,
    /// How often they were put in vain.
    failed: u64,
}

/// What an attempt leaves to do of a group.
#[derive(Default)]
struct Left {
    /// What is to be put again, and why.
    again: Option<(Vec<usize>, ApiError)>,
    /// What is to be put apart.
    halves: Option<[Vec<usize>; 2]>,
    /// What is never taken, and why.
    rejected: Vec<(usize, String)>,
}

impl<T: Transport> Delivery<T> {
    /// Puts the records of a request until each is stored or rejected, and answers for its events.
    ///
    /// # Errors
    ///
    /// What the last attempt brought, if no more are allowed. The events are abandoned.
    pub(super) async fn deliver(&self, request: Request<Body>) -> Result<(), ComponentError> {
        let Request { body, parts, .. } = request;
        let records = match self.compression {
            Compression::None => body.records,
            compression => compressed(body.records, compression).await?,
        };
        let (places, too_large): (Vec<_>, Vec<_>) =
            (0..parts.len()).partition(|place| records[*place].bytes() <= self.max_record_bytes);
        let mut rejected: BTreeMap<usize, String> =
            too_large.into_iter().map(|place| (place, self.too_large(&records[place]))).collect();
        let mut groups = vec![Group { places, failed: 0 }];
        while let Some(Group { places, mut failed }) = groups.pop() {
            let left = self.put(&records, places).await;
            rejected.extend(left.rejected);
            groups.extend(left.halves.into_iter().flatten().rev().map(|places| Group { places, failed }));
            if let Some((places, failure)) = left.again {
                failed += 1;
                self.wait(failed, places.len(), failure).await?;
                groups.push(Group { places, failed });
            }
        }
        // They were of use as long as they could be put again.
        drop(records);
        let Some(cause) = rejected.values().next() else {
            parts.deliver();
            return Ok(());
        };
        tracing::warn!(component_id = self.id, stream = self.to, events = rejected.len(), cause, "rejected");
        let mut outputs = self.outputs.clone();
        for batch in parts.deliver_but(rejected) {
            // Whoever has ended has told why, and its part is abandoned.
            let _ = outputs.send_to(REJECTED, batch).await;
        }
        Ok(())
    }

    /// Puts some of the records once.
    async fn put(&self, records: &[NewRecord], places: Vec<usize>) -> Left {
        let mut left = Left::default();
        if places.is_empty() {
            return left;
        }
        let put: Vec<NewRecord> = places.iter().map(|place| records[*place].clone()).collect();
        match (self.transport.put(&put).await, places.as_slice()) {
            (Ok(answers), _) => {
                for (place, answer) in places.into_iter().zip(answers) {
                    match answer {
                        Ok(()) => {}
                        Err(error) if is_rejection(&error) => left.rejected.push((place, error.to_string())),
                        Err(error) => left.again.get_or_insert_with(|| (Vec::new(), error)).0.push(place),
                    }
                }
            }
            (Err(error), [place]) if is_rejection(&error) => left.rejected.push((*place, error.to_string())),
            // It does not say which of them it is about.
            (Err(error), [..]) if is_rejection(&error) => {
                let (first, second) = places.split_at(places.len() / 2);
                left.halves = Some([first.to_vec(), second.to_vec()]);
            }
            (Err(error), _) => left.again = Some((places, error)),
        }
        left
    }

    /// Waits until records that were put `failed` times in vain may be put again.
    async fn wait(&self, failed: u64, records: usize, failure: ApiError) -> Result<(), ComponentError> {
        let hint = hint(failure.kind);
        let Some(wait) = self.backoff.wait(failed, None, (self.random)()) else {
            let times = if failed == 1 { "once".to_owned() } else { format!("{failed} times") };
            let error = ComponentError::new(format!("cannot deliver to stream {}, tried {times}", self.to));
            let error = error.caused_by(failure);
            return Err(match hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            });
        };
        let wait_ms = wait.as_millis() as u64;
        tracing::warn!(
            component_id = self.id, stream = self.to, records, failed, wait_ms, %failure, hint, "not delivered, sent again"
        );
        tokio::time::sleep(wait).await;
        Ok(())
    }

    fn too_large(&self, record: &NewRecord) -> String {
        format!("the record has {} bytes, and may have {}", record.bytes(), self.max_record_bytes)
    }
}

/// Whether the failure is the record's own, so that it can never be taken.
fn is_rejection(error: &ApiError) -> bool {
    error.kind == ApiErrorKind::InvalidArgument
}

/// What usually helps.
fn hint(kind: ApiErrorKind) -> Option<&'static str> {
    match kind {
        ApiErrorKind::NotFound => Some("check stream_name, the Region and the account"),
        ApiErrorKind::AccessDenied => Some("allow kinesis:PutRecords, and kms:GenerateDataKey for encrypted streams"),
        ApiErrorKind::Throttled => Some("the stream takes more with more shards, or on demand"),
        _ => None,
    }
}

/// Compresses records where it holds up nobody.
async fn compressed(mut records: Vec<NewRecord>, compression: Compression) -> Result<Vec<NewRecord>, ComponentError> {
    let compressed = tokio::task::spawn_blocking(move || {
        for record in &mut records {
            record.data = compression.compress(&record.data)?.into();
        }
        Ok::<_, std::io::Error>(records)
    });
    match compressed.await {
        Ok(compressed) => compressed.map_err(|error| ComponentError::new("cannot compress a record").caused_by(error)),
        Err(error) => Err(ComponentError::new("compressing records ended").caused_by(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use flate2::write::GzDecoder;
    use tokio::time::Instant;

    use super::super::records::Records;
    use super::*;
    use crate::codecs::Encoder;
    use crate::component::{Acknowledgement, Batch, CAUSE, Changes, Kind, Outcome, Takers, Value, Wires, channel};
    use crate::run::{Counters, chain};
    use crate::sinks::requests::{Batcher, Limits};

    type Answer = Result<Vec<Result<(), ApiError>>, ApiError>;

    /// What was put in an attempt, when, and how many events had been answered for.
    #[derive(Debug, Clone)]
    struct Put {
        records: Vec<NewRecord>,
        at: Instant,
        answered: usize,
    }

    /// Answers as it was told, and then that all is stored.
    #[derive(Default)]
    struct Script {
        answers: Mutex<VecDeque<Answer>>,
        /// A payload that no call may have in it.
        refuses: Option<&'static str>,
        puts: Arc<Mutex<Vec<Put>>>,
        told: Arc<Mutex<Vec<(usize, Outcome)>>>,
    }

    impl Transport for Script {
        async fn put(&self, records: &[NewRecord]) -> Answer {
            let (records, answered) = (records.to_vec(), self.told.lock().unwrap().len());
            let count = records.len();
            let is_refused = self.refuses.is_some_and(|refused| records.iter().any(|record| record.data == refused));
            self.puts.lock().unwrap().push(Put { records, at: Instant::now(), answered });
            match self.answers.lock().unwrap().pop_front() {
                Some(answer) => answer,
                None if is_refused => failed(ApiErrorKind::InvalidArgument),
                None => Ok((0..count).map(|_| Ok(())).collect()),
            }
        }
    }

    fn script(answers: impl Into<VecDeque<Answer>>) -> Script {
        Script { answers: Mutex::new(answers.into()), ..Script::default() }
    }

    fn failed(kind: ApiErrorKind) -> Answer {
        Err(ApiError::new(kind, "PutRecords", "so it is"))
    }

    /// An answer about records: `.` is stored, `t` throttled, `f` a failure within Kinesis, `i` not valid.
    fn of_each(said: &str) -> Answer {
        let error = |kind| Err(ApiError::new(kind, "PutRecords", format!("{kind:?}")));
        let answer = said.chars().map(|char| match char {
            't' => error(ApiErrorKind::Throttled),
            'f' => error(ApiErrorKind::Unavailable),
            'i' => error(ApiErrorKind::InvalidArgument),
            _ => Ok(()),
        });
        Ok(answer.collect())
    }

    struct Seen {
        result: Result<(), ComponentError>,
        puts: Vec<Put>,
        /// Payloads of what was rejected, and why.
        rejected: Vec<[Value; 2]>,
        /// What was answered for which event, by the sink or by whoever takes what it rejects.
        told: Vec<(usize, Outcome)>,
    }

    impl Seen {
        /// The payloads of each attempt, one behind the other.
        fn payloads(&self) -> Vec<String> {
            let text = |record: &NewRecord| String::from_utf8(record.data.to_vec()).unwrap();
            self.puts.iter().map(|put| put.records.iter().map(text).collect()).collect()
        }

        /// Seconds between attempts.
        fn waits(&self) -> Vec<u64> {
            self.puts.windows(2).map(|pair| (pair[1].at - pair[0].at).as_secs()).collect()
        }

        #[track_caller]
        fn assert_all_delivered(&self, events: usize) {
            assert!(self.result.is_ok());
            assert!(self.puts.iter().all(|put| put.answered == 0), "nothing is answered for early");
            let mut told = self.told.clone();
            told.sort();
            assert_eq!(told, (0..events).map(|event| (event, Outcome::Delivered)).collect::<Vec<_>>());
        }
    }

    /// What becomes of a request of these payloads, each of a batch of its own.
    async fn deliver(payloads: &[&str], script: Script, change: impl FnOnce(&mut Delivery<Script>)) -> Seen {
        let form = Records { encoder: Encoder::Text, key: None, random: || 7 };
        let limits = Limits { events: payloads.len(), bytes: usize::MAX, wait: Duration::from_secs(1) };
        let mut batcher = Batcher::new(form, limits);
        let (puts, told) = (script.puts.clone(), script.told.clone());
        let mut request = None;
        for (index, payload) in payloads.iter().enumerate() {
            let mut members = Changes::default();
            members.set("message", *payload);
            let mut builder = Batch::builder(Arc::default());
            builder.event(None, members);
            let told = told.clone();
            let acknowledgement = Acknowledgement::new(move |outcome| told.lock().unwrap().push((index, outcome)));
            batcher.push(builder.build(acknowledgement));
            request = request.or_else(|| batcher.next_full(Instant::now()));
        }
        assert!(batcher.next_full(Instant::now()).is_none());
        let (sender, mut aside) = channel(1000, usize::MAX >> 8, Counters::new(Kind::Sink).into());
        let wires = Arc::new(Wires::default());
        wires.set(Takers { own: Vec::new(), named: [(REJECTED.into(), vec![sender])].into() });
        let mut delivery = Delivery {
            id: "out".to_owned(),
            transport: script,
            to: "rejects".to_owned(),
            compression: Compression::None,
            max_record_bytes: 1 << 20,
            backoff: Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(30), retries: None },
            random: || 1.0,
            outputs: Outputs::new("out", wires, Counters::new(Kind::Sink).into(), None),
        };
        change(&mut delivery);
        let result = delivery.deliver(request.unwrap()).await;
        drop(delivery);
        let mut rejected = Vec::new();
        while let Some(batch) = aside.recv().await {
            let said = |name| batch.event(0).unwrap().get(name).unwrap().into_value();
            rejected.push(["message", CAUSE].map(said));
            assert_eq!(batch.len(), 1);
            batch.acknowledge(Outcome::Delivered);
        }
        let (puts, told) = (puts.lock().unwrap().clone(), told.lock().unwrap().clone());
        Seen { result, puts, rejected, told }
    }

    #[tokio::test(start_paused = true)]
    async fn of_ten_records_exactly_those_that_failed_are_put_again() {
        let payloads = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
        let answers = [of_each(".t.ft..i.f"), of_each("t.f."), of_each("..")];
        let seen = deliver(&payloads, script(answers), |_| {}).await;
        assert_eq!(seen.payloads(), ["0123456789", "1349", "14"]);
        assert_eq!(seen.waits(), [1, 2]);
        assert_eq!(seen.rejected, [["7", "PutRecords: InvalidArgument"].map(Value::from)]);
        seen.assert_all_delivered(10);
        let keys = |put: &Put| put.records.iter().map(|record| record.partition_key.clone()).collect::<Vec<_>>();
        assert_eq!(keys(&seen.puts[2]), ["0000000000000007"; 2], "their keys stay");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_cannot_take_anything_is_asked_until_it_does() {
        use ApiErrorKind::*;
        for kind in [Throttled, NotFound, AccessDenied, Credentials, Kms, ResourceInUse, Timeout, Connection, Other] {
            let answers = [failed(kind), failed(kind), of_each("tt"), failed(kind)];
            let seen = deliver(&["a", "b"], script(answers), |_| {}).await;
            assert_eq!((seen.payloads(), seen.waits()), (vec!["ab".to_owned(); 5], vec![1, 2, 4, 8]), "{kind:?}");
            seen.assert_all_delivered(2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_call_may_have_in_it_is_found_and_rejected_and_the_rest_is_stored() {
        let script = Script { refuses: Some("3"), ..Script::default() };
        let seen = deliver(&["0", "1", "2", "3", "4", "5", "6"], script, |_| {}).await;
        assert_eq!(seen.payloads(), ["0123456", "012", "3456", "34", "3", "4", "56"]);
        assert_eq!(seen.waits(), [0; 6]);
        assert_eq!(seen.rejected, [["3", "PutRecords: so it is"].map(Value::from)]);
        seen.assert_all_delivered(7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_that_is_too_large_is_rejected_without_being_sent() {
        let seen = deliver(&["a", "too large", "b"], script([]), |delivery| delivery.max_record_bytes = 24).await;
        assert_eq!(seen.payloads(), ["ab"]);
        assert_eq!(seen.rejected, [["too large", "the record has 25 bytes, and may have 24"].map(Value::from)]);
        seen.assert_all_delivered(3);
        let alone = deliver(&["too large"], script([]), |delivery| delivery.max_record_bytes = 24).await;
        assert_eq!((alone.puts.len(), alone.rejected.len()), (0, 1));
        alone.assert_all_delivered(1);
    }

    #[tokio::test(start_paused = true)]
    async fn records_are_compressed_each_and_it_counts_how_large_they_are_then() {
        let long = "a".repeat(10_000);
        let compressed = |delivery: &mut Delivery<Script>| {
            delivery.compression = Compression::Gzip;
            delivery.max_record_bytes = 1000;
        };
        let seen = deliver(&[&long, "b"], script([of_each("t.")]), compressed).await;
        seen.assert_all_delivered(2);
        let inflated = |record: &NewRecord| {
            let mut inflated = GzDecoder::new(Vec::new());
            inflated.write_all(&record.data).unwrap();
            String::from_utf8(inflated.finish().unwrap()).unwrap()
        };
        let puts: Vec<Vec<String>> = seen.puts.iter().map(|put| put.records.iter().map(inflated).collect()).collect();
        assert_eq!(puts, [vec![long.clone(), "b".to_owned()], vec![long.clone()]]);
    }

    #[tokio::test(start_paused = true)]
    async fn when_attempts_are_used_up_events_are_abandoned_and_the_sink_says_why() {
        let answers = [of_each(".i"), of_each("t.t"), failed(ApiErrorKind::NotFound)];
        let [first, answers @ ..] = answers;
        let stored = deliver(&["a", "b"], script([first]), |delivery| delivery.backoff.retries = Some(0)).await;
        assert_eq!((stored.puts.len(), stored.rejected.len()), (1, 1), "nothing is left to put again");
        stored.assert_all_delivered(2);
        let seen = deliver(&["a", "b", "c"], script(answers), |delivery| delivery.backoff.retries = Some(1)).await;
        assert_eq!((seen.payloads(), seen.waits()), (vec!["abc".to_owned(), "ac".to_owned()], vec![1]));
        assert_eq!(seen.told, [0, 1, 2].map(|event| (event, Outcome::Abandoned)));
        let error = seen.result.unwrap_err();
        assert_eq!(chain(&error), "cannot deliver to stream rejects, tried 2 times: PutRecords: so it is");
        assert_eq!(error.hint(), Some("check stream_name, the Region and the account"));
    }
}
