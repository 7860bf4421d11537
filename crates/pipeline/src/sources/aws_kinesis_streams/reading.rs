//! One stream, from deliveries to batches, and back from what became of them.

use std::sync::Arc;

use futures::StreamExt;
use kinesis_logs_source::{ConsumerBuilder, Delivery, Error as SourceError, KinesisApi, LeaseStore, StreamId};
use tokio::sync::Notify;

use super::poison::Poison;
use crate::codecs::{DecodingAhead, RecordDecoder, UNDECODABLE};
use crate::component::{Acknowledgement, ComponentError, CutOffs, Origin, Outcome, Outputs, Shutdown, WatchedStreams};
use crate::sources::given_up::{REJECTED, given_up};
use crate::sources::watched::Watched;

/// One stream that is being read.
pub(super) struct Reading {
    pub(super) stream: StreamId,
    pub(super) source: Arc<str>,
    pub(super) decoder: RecordDecoder,
    pub(super) outputs: Outputs,
    pub(super) shutdown: Shutdown,
    pub(super) watched: WatchedStreams,
    pub(super) first_epoch: u64,
    pub(super) cut_offs: CutOffs,
}

impl Reading {
    pub(super) async fn run<A: KinesisApi, S: LeaseStore>(
        self,
        consumer: ConsumerBuilder<A, S>,
    ) -> Result<(), ComponentError> {
        let Reading { stream, source, decoder, outputs, mut shutdown, watched, first_epoch, cut_offs } = self;
        let mut decoding = DecodingAhead::new(decoder, outputs.clone());
        // For what is set aside undecoded.
        let mut aside = outputs;
        let poison = Poison::new(cut_offs);
        let mut overdue = shutdown.clone();
        let mut deliveries = consumer.batches();
        watched.watch(Watched::new(&stream, &deliveries));
        let rejected = Arc::new(Notify::new());
        let mut failure = loop {
            let delivery = tokio::select! {
                biased;
                () = shutdown.requested() => break None,
                () = rejected.notified() => break Some(rejection(&stream)),
                delivery = deliveries.next() => delivery,
            };
            match delivery {
                None => return Ok(()),
                Some(Err(error)) => break Some(failed(error)),
                Some(Ok(delivery)) => {
                    let is_given_up = poison.has(&delivery);
                    let (records, origin, acknowledgement) = take(delivery, &source, first_epoch, &rejected, &poison);
                    let send = async {
                        match is_given_up {
                            true => aside.send_to(REJECTED, given_up(records.into(), origin, acknowledgement)).await,
                            false => decoding.send(records, origin, acknowledgement).await,
                        }
                    };
                    let sent = tokio::select! {
                        biased;
                        sent = send => sent,
                        () = overdue.overdue() => break None,
                    };
                    if sent.is_err() {
                        // Somebody behind it has failed, and said why; this source is being ended for it.
                        shutdown.requested().await;
                    }
                }
            }
        };
        drop(aside);
        // What lies behind has all that was read, finishes now, and says what it has accepted. While it cannot, the consumer
        // waits for no longer than it may.
        let finish = async {
            tokio::select! {
                () = decoding.finish() => {}
                () = overdue.overdue() => {}
            }
            std::future::pending().await
        };
        let drain = async {
            deliveries.shutdown_handle().shut_down();
            while let Some(unwanted) = deliveries.next().await {
                if let Err(error) = unwanted {
                    failure.get_or_insert(failed(error));
                }
            }
        };
        tokio::select! {
            () = finish => {}
            () = drain => {}
        }
        failure.map_or(Ok(()), Err)
    }
}

/// Takes a delivery apart. Its shard moves on when it was delivered, and goes back when it was abandoned; what was rejected
/// and nobody took must not be passed over.
fn take(
    delivery: Delivery,
    source: &Arc<str>,
    first_epoch: u64,
    rejected: &Arc<Notify>,
    poison: &Poison,
) -> (Vec<kinesis_logs_source::Record>, Option<Origin>, Acknowledgement) {
    let (batch, acker) = delivery.split();
    let epoch = first_epoch + acker.epoch();
    let origin = batch.records.first().map(|record| Origin::new(source.clone(), record, acker.range().clone(), epoch));
    let (rejected, poison, shard) = (rejected.clone(), poison.clone(), batch.shard_id.clone());
    let cut_offs = poison.cut_offs.get();
    let acknowledgement = Acknowledgement::new(move |outcome| {
        poison.note(&shard, acker.range(), cut_offs, outcome);
        match outcome {
            Outcome::Delivered => acker.settle(),
            Outcome::Rejected => {
                acker.abandon();
                rejected.notify_one();
            }
            Outcome::Abandoned => acker.abandon(),
        }
    });
    (batch.records, origin, acknowledgement)
}

fn rejection(stream: &StreamId) -> ComponentError {
    ComponentError::new(format!("stream {stream} holds what nobody takes: it cannot be decoded, or was rejected"))
        .with_hint(format!("let a sink take <id>.{UNDECODABLE}, so that it is kept there and the shard moves on"))
}

fn failed(error: SourceError) -> ComponentError {
    ComponentError::new("cannot read on").caused_by(error)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kinesis_logs_source::protocol::Checkpoint;
    use kinesis_logs_source::{Consumer, MemoryLeaseStore, StartPosition};
    use kinesis_logs_testkit::{FakeKinesis, World};

    use super::*;
    use crate::codecs::DecodingConfig;
    use crate::component::{Batch, Kind, Receiver, Sender, ShutdownSender, Takers, ValueRef, Wires, channel};
    use crate::run::Counters;

    /// A stream that is read from its beginning, and those who take what is read.
    struct Stream {
        kinesis: Arc<FakeKinesis>,
        store: MemoryLeaseStore,
        taken: Receiver,
        rejected: Receiver,
        undecodable: Receiver,
        end: ShutdownSender,
        reading: tokio::task::JoinHandle<Result<(), ComponentError>>,
    }

    impl Stream {
        fn start() -> Self {
            let (kinesis, store) = (Arc::new(FakeKinesis::new("flows", 1)), MemoryLeaseStore::new());
            let channel = || -> (Sender, Receiver) { channel(1000, 1 << 20, Counters::new(Kind::Sink).into()) };
            let [(own, taken), (to_rejected, rejected), (to_undecodable, undecodable)] =
                [channel(), channel(), channel()];
            let wires = Arc::new(Wires::default());
            let named = [(REJECTED.into(), vec![to_rejected]), (UNDECODABLE.into(), vec![to_undecodable])];
            wires.set(Takers { own: vec![own], named: named.into() });
            let (end, shutdown) = ShutdownSender::new();
            let reading = Reading {
                stream: StreamId::new("flows"),
                source: "in".into(),
                decoder: serde_json::from_str::<DecodingConfig>(r#"{ "codec": "envelopes" }"#)
                    .unwrap()
                    .build()
                    .unwrap(),
                outputs: Outputs::new("in", wires, Counters::new(Kind::Source).into(), None),
                shutdown,
                watched: WatchedStreams::default(),
                first_epoch: 0,
                cut_offs: CutOffs::default(),
            };
            let consumer =
                Consumer::builder(kinesis.clone(), store.clone(), "flows").start(StartPosition::TrimHorizon).seed(1);
            let reading = tokio::spawn(reading.run(consumer.max_batch_bytes(1)));
            Stream { kinesis, store, taken, rejected, undecodable, end, reading }
        }

        fn put(&self, message: &str) {
            let envelope = serde_json::json!({ "messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s",
                "subscriptionFilters": [], "logEvents": [{ "id": "1", "timestamp": 1, "message": message }] });
            self.kinesis.world().put(0, envelope.to_string().into_bytes());
        }

        /// The end of the shard, as the fake has it, and what was checkpointed.
        async fn is_settled(&self) -> bool {
            for _ in 0..1000 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let last = self.kinesis.world().sequence_numbers(0).last().cloned();
                let rows = self.store.rows();
                let lease = rows.iter().find(|lease| lease.shard == World::shard_id(0));
                if lease.is_some_and(|lease| last.is_some_and(|last| lease.checkpoint == Checkpoint::after(last, 0))) {
                    return true;
                }
            }
            false
        }

        async fn end(self) {
            self.end.request();
            drop((self.taken, self.rejected, self.undecodable));
            self.reading.await.unwrap().unwrap();
        }
    }

    fn text(batch: &Batch, member: &str) -> Vec<String> {
        let text = |event: crate::component::Event<'_>| match event.get(member) {
            Some(ValueRef::Text(text)) => text.into_owned(),
            other => panic!("{other:?}"),
        };
        batch.events().map(text).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_abandoned_again_and_again_is_set_aside_as_it_came_and_the_shard_moves_on() {
        let mut stream = Stream::start();
        ["good", "poison", "better"].iter().for_each(|message| stream.put(message));
        let (mut delivered, mut times) = (Vec::new(), 0);
        let rejected = loop {
            let batch = tokio::select! {
                biased;
                batch = stream.taken.recv() => batch.unwrap(),
                rejected = stream.rejected.recv() => break rejected.unwrap(),
            };
            let messages = text(&batch, "message");
            match messages.iter().any(|message| message == "poison") {
                true => {
                    times += 1;
                    batch.acknowledge(Outcome::Abandoned);
                }
                false => {
                    delivered.extend(messages);
                    batch.acknowledge(Outcome::Delivered);
                }
            }
        };
        assert_eq!(times, 5);
        assert_eq!(text(&rejected, "Error"), ["given up: abandoned 5 times"]);
        let number = stream.kinesis.world().sequence_numbers(0)[1].to_string();
        assert_eq!(
            (text(&rejected, "SequenceNumber"), text(&rejected, "ShardId")),
            (vec![number], vec![World::shard_id(0).to_string()])
        );
        let data = base64_simd::STANDARD.decode_to_vec(&text(&rejected, "Data")[0]).unwrap();
        assert!(String::from_utf8(data).unwrap().contains("poison"), "it is the record as it came");
        rejected.acknowledge(Outcome::Delivered);
        while !delivered.iter().any(|message| message == "better") {
            let batch = stream.taken.recv().await.unwrap();
            delivered.extend(text(&batch, "message"));
            batch.acknowledge(Outcome::Delivered);
        }
        assert!(stream.is_settled().await, "{:?}", stream.store.rows());
        assert_eq!(delivered[0], "good");
        stream.end().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_that_cannot_be_decoded_is_set_aside_and_its_checkpoint_moves_past_it() {
        let mut stream = Stream::start();
        stream.kinesis.world().put(0, b"\x1f\x8b and no gzip".to_vec());
        let undecodable = stream.undecodable.recv().await.unwrap();
        let data = base64_simd::STANDARD.decode_to_vec(&text(&undecodable, "Data")[0]).unwrap();
        assert_eq!(data, b"\x1f\x8b and no gzip");
        undecodable.acknowledge(Outcome::Delivered);
        let rest = stream.taken.recv().await.unwrap();
        assert!(rest.is_empty(), "the batch still comes, so that it is settled by all");
        rest.acknowledge(Outcome::Delivered);
        assert!(stream.is_settled().await, "{:?}", stream.store.rows());
        stream.end().await;
    }
}
