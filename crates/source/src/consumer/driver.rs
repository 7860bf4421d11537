//! The task that drives a [`Scheduler`]: it makes the calls that are due, and hands on what they bring.
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot, watch};

use super::{Acker, ConsumerBuilder, Delivery};
use crate::api::KinesisApi;
use crate::calls::{Answer, Calls};
use crate::clock::{now, sleep_until};
use crate::error::{ApiError, Error, LeaseStoreError};
use crate::lease_store::LeaseStore;
use crate::protocol::{
    BatchId, ConsumerSnapshot, Failures, Leader, Lease, Lent, Outcome, RetryPolicy, Scheduler, SchedulerRequest,
    StreamId, StreamSummary, WriteOutcome,
};
use crate::subscriptions::Brought;
use crate::telemetry::Telemetry;

pub(super) struct Driver<A, S> {
    stream: StreamId,
    calls: Calls<A>,
    store: Arc<S>,
    core: Scheduler,
    calls_in_flight: FuturesUnordered<BoxFuture<'static, Answer>>,
    /// What a reader without leases does not ask: at most the stream's description, a listing and some writes. They wait
    /// for no other call: leases must be renewed in time.
    own_in_flight: FuturesUnordered<BoxFuture<'static, OwnAnswer>>,
    /// Batches that the caller has not taken yet. What they weigh is bounded by the windows.
    waiting: VecDeque<Lent>,
    acks: mpsc::UnboundedSender<(BatchId, Outcome)>,
    max_in_flight: usize,
    drain_timeout: Duration,
    /// For making the store ready, and the seed of its jitter.
    retry: RetryPolicy,
    seed: u64,
    telemetry: Telemetry,
}

enum OwnAnswer {
    Stream(Result<StreamSummary, ApiError>),
    Leases(Result<(Vec<Lease>, Option<Leader>), LeaseStoreError>),
    Written(u64, Vec<Result<WriteOutcome, LeaseStoreError>>),
}

impl<A: KinesisApi, S: LeaseStore> Driver<A, S> {
    pub(super) fn new(
        builder: ConsumerBuilder<A, S>,
        acks: mpsc::UnboundedSender<(BatchId, Outcome)>,
        telemetry: Telemetry,
    ) -> Self {
        let ConsumerBuilder { api, store, stream, config, max_in_flight, drain_timeout, seed } = builder;
        let exclusive = store.is_exclusive();
        Driver {
            calls: Calls::new(api, stream.clone(), config.fan_out.as_ref(), telemetry.clone()),
            retry: config.retry,
            core: Scheduler::new(stream.clone(), config, exclusive, seed, now()),
            stream,
            store: Arc::new(store),
            calls_in_flight: FuturesUnordered::new(),
            own_in_flight: FuturesUnordered::new(),
            waiting: VecDeque::new(),
            acks,
            max_in_flight,
            drain_timeout,
            seed,
            telemetry,
        }
    }

    pub(super) async fn run(
        mut self,
        sender: mpsc::Sender<Result<Delivery, Error>>,
        mut acks: mpsc::UnboundedReceiver<(BatchId, Outcome)>,
        mut shutdown: watch::Receiver<bool>,
        mut snapshots: mpsc::UnboundedReceiver<oneshot::Sender<ConsumerSnapshot>>,
    ) {
        if let Err(error) = prepare(&self.stream, &*self.store, &self.retry, self.seed).await {
            return self.fail(error, &sender).await;
        }
        let (mut deadline, mut is_over_time) = (None, false);
        loop {
            if let Err(error) = self.update_subscriptions() {
                return self.fail(error, &sender).await;
            }
            self.send_requests();
            while let Some(event) = self.core.poll_event() {
                self.telemetry.event(event);
            }
            if self.core.is_finished() {
                return;
            }
            self.waiting.retain(|lent| lent.id.is_current());
            let wake = self.core.next_wake(self.may_call());
            let may_take_events = self.core.may_take_events();
            let step = tokio::select! {
                biased;
                Ok(_) = shutdown.wait_for(|asked| *asked), if deadline.is_none() => {
                    deadline = Some(now() + self.drain_timeout);
                    self.core.shut_down();
                    Ok(())
                }
                Some((id, outcome)) = acks.recv() => {
                    self.core.handle_ack(&id, outcome, now());
                    while let Ok((id, outcome)) = acks.try_recv() {
                        self.core.handle_ack(&id, outcome, now());
                    }
                    Ok(())
                }
                Some(asked) = snapshots.recv() => {
                    // Whoever asked may have gone.
                    let _ = asked.send(self.core.snapshot(now()));
                    Ok(())
                }
                Some(answer) = self.own_in_flight.next() => self.handle_own(answer),
                Some(answer) = self.calls_in_flight.next() => self.handle(answer),
                permit = sender.reserve(), if !self.waiting.is_empty() => match permit {
                    Ok(permit) => {
                        if let Some(lent) = self.waiting.pop_front() {
                            permit.send(Ok(self.delivery(lent)));
                        }
                        Ok(())
                    }
                    Err(_) => return, // the caller is gone
                },
                Some(brought) = self.calls.subscriptions.next(), if may_take_events => self.handle_brought(brought),
                () = sleep_until(wake), if wake.is_some() => Ok(()),
                // A flag, not the time, says whether that was done: it may come to pass beside anything else.
                () = sleep_until(deadline), if deadline.is_some() && !is_over_time => {
                    is_over_time = true;
                    self.core.abandon_all();
                    Ok(())
                }
            };
            if let Err(error) = step {
                return self.fail(error, &sender).await;
            }
        }
    }

    /// A failure ends the stream. What is settled is not lost: a next run goes on from the last checkpoint. Nothing is
    /// renewed any more while the caller takes its time, so nothing is delivered either.
    async fn fail(&mut self, error: Error, sender: &mpsc::Sender<Result<Delivery, Error>>) {
        self.core.forsake();
        self.waiting.clear();
        // The caller may be gone, who then does not care.
        let _ = sender.send(Err(error)).await;
    }

    fn send_requests(&mut self) {
        while let Some(request) = self.core.poll_request(self.may_call(), now()) {
            tracing::trace!(stream = %self.stream, ?request, "request");
            let store = self.store.clone();
            match request {
                SchedulerRequest::DescribeStream => {
                    let describing = self.calls.describe_stream();
                    self.own_in_flight.push(Box::pin(async move { OwnAnswer::Stream(describing.await) }));
                }
                SchedulerRequest::Kinesis(request) => self.calls_in_flight.push(self.calls.perform(request)),
                SchedulerRequest::ListLeases => {
                    self.own_in_flight.push(Box::pin(async move { OwnAnswer::Leases(list(&*store).await) }));
                }
                SchedulerRequest::WriteLeases { batch, writes } => {
                    let writing = async move { OwnAnswer::Written(batch, store.write(writes).await) };
                    self.own_in_flight.push(Box::pin(writing));
                }
            }
        }
    }

    fn update_subscriptions(&mut self) -> Result<(), Error> {
        for (shard, epoch) in self.calls.subscriptions.update(|shard, epoch| self.core.wants_events(shard, epoch)) {
            self.core.handle_subscription_ended(&shard, epoch, Ok(()), now())?;
        }
        Ok(())
    }

    fn may_call(&self) -> bool {
        self.calls_in_flight.len() < self.max_in_flight
    }

    fn handle(&mut self, answer: Answer) -> Result<(), Error> {
        let now = now();
        self.calls.note_answer(&answer);
        match answer {
            Answer::Shards(answer) => self.core.handle_shards(answer, now)?,
            Answer::Iterator(shard, epoch, answer) => self.core.handle_iterator(&shard, epoch, answer, now)?,
            Answer::Records(shard, epoch, answer) => {
                let lent = self.core.handle_records(&shard, epoch, answer, now)?;
                self.telemetry.lag(&shard, self.core.millis_behind_latest(&shard));
                self.keep(lent);
            }
            Answer::Subscribed(shard, epoch, Ok(subscription)) => {
                self.core.handle_subscription_opened(&shard, epoch, subscription.server_time, now);
                self.calls.subscriptions.add(shard, epoch, subscription.events);
            }
            Answer::Subscribed(shard, epoch, Err(error)) => {
                self.core.handle_subscription_ended(&shard, epoch, Err(error), now)?;
            }
        }
        self.note_progress();
        Ok(())
    }

    fn handle_own(&mut self, answer: OwnAnswer) -> Result<(), Error> {
        match answer {
            OwnAnswer::Stream(answer) => {
                if let Err(error) = &answer {
                    self.telemetry.call_failed(None, error);
                }
                self.core.handle_stream(answer, now())?;
            }
            OwnAnswer::Leases(answer) => {
                if let Err(error) = &answer {
                    self.telemetry.store_failed(error);
                }
                self.core.handle_leases(answer, now())?;
            }
            OwnAnswer::Written(batch, answers) => {
                if let Some(error) = answers.iter().find_map(|answer| answer.as_ref().err()) {
                    self.telemetry.store_failed(error);
                }
                self.core.handle_written(batch, answers, now())?;
            }
        }
        self.note_progress();
        Ok(())
    }

    fn handle_brought(&mut self, brought: Brought) -> Result<(), Error> {
        let Brought { shard, epoch, what } = brought;
        match what {
            Some(Ok(event)) => {
                let lent = self.core.handle_subscription_event(&shard, epoch, event, now())?;
                self.telemetry.lag(&shard, self.core.millis_behind_latest(&shard));
                self.keep(lent);
            }
            Some(Err(error)) => {
                self.telemetry.call_failed(Some(&shard), &error);
                self.core.handle_subscription_ended(&shard, epoch, Err(error), now())?;
            }
            None => self.core.handle_subscription_ended(&shard, epoch, Ok(()), now())?,
        }
        self.note_progress();
        Ok(())
    }

    /// Keeps batches until the caller takes them.
    fn keep(&mut self, lent: Vec<Lent>) {
        for lent in lent {
            self.telemetry.records(&lent.batch);
            self.waiting.push_back(lent);
        }
    }

    fn note_progress(&self) {
        let progress = self.core.progress();
        self.telemetry.stats.update(|stats| stats.progress = progress);
    }

    fn delivery(&self, lent: Lent) -> Delivery {
        let Lent { id, batch, range, abandoned } = lent;
        Delivery::new(batch, Acker::new(id, range, abandoned, self.acks.clone()))
    }
}

async fn list<S: LeaseStore>(store: &S) -> Result<(Vec<Lease>, Option<Leader>), LeaseStoreError> {
    let leases = store.list().await?;
    Ok((leases, store.leader().await?))
}

/// Makes the store ready. One that cannot be reached may be named wrongly, so that a few attempts must do.
async fn prepare<S: LeaseStore>(stream: &StreamId, store: &S, retry: &RetryPolicy, seed: u64) -> Result<(), Error> {
    let (mut failures, mut rng) = (Failures::default(), fastrand::Rng::with_seed(seed));
    for attempt in 1.. {
        let Err(source) = store.prepare().await else { break };
        let may_pass = source.is_retryable() && attempt < retry.attempts_to_connect;
        match failures.failed(retry, &mut rng, now()).filter(|_| may_pass) {
            Some(again) => {
                tracing::warn!(%stream, error = %source, "the lease store cannot be reached yet");
                sleep_until(Some(again)).await;
            }
            None => return Err(Error::LeaseStore { stream: stream.clone(), source }),
        }
    }
    Ok(())
}
