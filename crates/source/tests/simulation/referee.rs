//! Sees all that happens in a history, and says what must not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use kinesis_logs_source::protocol::{Checkpoint, LeaseWrite, WriteOutcome};
use kinesis_logs_source::{Delivery, SequenceNumber, ShardId};
use tokio::time::Instant;

pub(crate) struct Referee {
    state: Mutex<State>,
    failover: Duration,
    began: Instant,
}

#[derive(Default)]
struct State {
    /// The records of each shard, in order.
    put: BTreeMap<ShardId, Vec<SequenceNumber>>,
    parents: BTreeMap<ShardId, Vec<ShardId>>,
    settled: BTreeMap<ShardId, Settled>,
    /// When the last write of a worker to a lease was sent that it knows to have succeeded; nothing once it knows that it
    /// lost the lease.
    held: BTreeMap<(String, ShardId), Instant>,
    /// When the first write was sent of those that a worker does not know the outcome of.
    in_doubt: BTreeMap<(String, ShardId), Instant>,
    /// The checkpoints that are stored.
    stored: BTreeMap<ShardId, Checkpoint>,
    /// With which record a worker that has taken a lease is to begin.
    begins_with: BTreeMap<(String, ShardId), usize>,
    /// Workers that end after so many records: what these had no room for, they read again.
    counting: BTreeSet<String>,
    /// When a worker learned that a lease is not its own.
    lost: BTreeMap<(String, ShardId), Instant>,
    /// What may begin an epoch: takes, and abandonments, by worker and shard.
    may_begin: BTreeMap<(String, ShardId), usize>,
    /// The last record delivered in each epoch, by worker and shard.
    epochs: BTreeMap<(String, ShardId), BTreeMap<u64, usize>>,
    deliveries: usize,
    repeated: usize,
    delivered: BTreeSet<SequenceNumber>,
    history: String,
    violations: Vec<String>,
}

/// Which of a shard's records are settled, by index.
#[derive(Default)]
struct Settled {
    /// All before this one.
    prefix: usize,
    /// And these.
    beyond: BTreeSet<usize>,
}

impl State {
    fn index(&self, shard: &ShardId, number: &SequenceNumber) -> usize {
        self.put[shard].binary_search(number).expect("only what was put is delivered")
    }

    /// How many of a shard's records are settled from the first on.
    fn settled_prefix(&self, shard: &ShardId) -> usize {
        self.settled.get(shard).map_or(0, |settled| settled.prefix)
    }

    /// How many of a shard's records lie before a checkpoint.
    fn reached(&self, shard: &ShardId, checkpoint: &Checkpoint) -> usize {
        match checkpoint {
            Checkpoint::ShardEnd => self.put[shard].len(),
            Checkpoint::After(position) => self.index(shard, &position.sequence_number) + 1,
            _ => 0,
        }
    }

    fn is_all_settled(&self, shard: &ShardId) -> bool {
        self.settled_prefix(shard) == self.put.get(shard).map_or(0, Vec::len)
    }
}

impl Referee {
    pub(crate) fn new(failover: Duration) -> Self {
        Referee { state: Mutex::new(State::default()), failover, began: Instant::now() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics here")
    }

    pub(crate) fn note(&self, what: &str) {
        let at = self.began.elapsed().as_millis();
        let _ = writeln!(self.lock().history, "{at:>7} {what}");
    }

    pub(crate) fn violated(&self, what: String) {
        self.note(&format!("VIOLATION: {what}"));
        self.lock().violations.push(what);
    }

    pub(crate) fn shard(&self, shard: &ShardId, parents: &[ShardId]) {
        self.note(&format!("{shard} made from {parents:?}"));
        let mut state = self.lock();
        state.put.entry(shard.clone()).or_default();
        state.parents.insert(shard.clone(), parents.to_vec());
    }

    pub(crate) fn put(&self, shard: &ShardId, number: SequenceNumber) {
        self.lock().put.get_mut(shard).expect("a known shard").push(number);
    }

    pub(crate) fn delivered(&self, worker: &str, delivery: &Delivery) {
        let now = Instant::now();
        let (batch, acker) = (delivery.batch(), delivery.acker());
        let shard = batch.shard_id.clone();
        let key = (worker.to_owned(), shard.clone());
        let numbers: Vec<&SequenceNumber> = batch.records.iter().map(|record| &record.sequence_number).collect();
        self.note(&format!(
            "{worker} epoch {} {shard}: {} .. {}",
            acker.epoch(),
            numbers[0],
            numbers[numbers.len() - 1]
        ));
        let mut problems = Vec::new();
        {
            let mut state = self.lock();
            match state.held.get(&key) {
                // Within the same instant it may have been delivered before.
                None if state.lost.get(&key).is_some_and(|lost| *lost == now) => {}
                None => problems.push(format!("{worker} is delivered {shard}, whose lease it knows it has not")),
                Some(sent) if now > *sent + self.failover => {
                    problems.push(format!("{worker} is delivered {shard}, whose lease it has not renewed in time"));
                }
                Some(_) => {}
            }
            for parent in &state.parents[&shard] {
                if !state.is_all_settled(parent) {
                    problems.push(format!("{shard} is delivered before its parent {parent} is settled"));
                }
            }
            let indices: Vec<usize> = numbers.iter().map(|number| state.index(&shard, number)).collect();
            if !indices.windows(2).all(|pair| pair[0] + 1 == pair[1]) {
                problems.push(format!("a batch of {shard} has gaps: {indices:?}"));
            }
            let settled = state.settled_prefix(&shard);
            let is_begun = state.epochs.get(&key).is_some_and(|epochs| epochs.contains_key(&acker.epoch()));
            if let Some(first) = state.begins_with.remove(&key).filter(|first| is_begun || *first != indices[0]) {
                let problem =
                    format!("{worker} has taken {shard} to begin with {first}, and begins with {}", indices[0]);
                problems.push(problem);
            }
            let epochs = state.epochs.entry(key.clone()).or_default();
            match epochs.insert(acker.epoch(), indices[indices.len() - 1]) {
                Some(last) if last + 1 != indices[0] => {
                    problems.push(format!("{shard} goes on at {} behind {last}, within an epoch", indices[0]));
                }
                None if indices[0] > settled => {
                    problems.push(format!("{shard} begins at {}, though only {settled} are settled", indices[0]));
                }
                _ => {}
            }
            let begun = state.epochs[&key].len();
            if !state.counting.contains(worker) && begun > state.may_begin.get(&key).copied().unwrap_or(0) {
                problems.push(format!("{worker} reads {shard} again, though nothing happened that explains it"));
            }
            state.deliveries += numbers.len();
            for number in numbers {
                let is_new = state.delivered.insert(number.clone());
                state.repeated += usize::from(!is_new);
            }
        }
        problems.into_iter().for_each(|problem| self.violated(problem));
    }

    pub(crate) fn failed(&self, worker: &str, error: &kinesis_logs_source::Error) {
        self.violated(format!("{worker} fails, though nothing happened that does not pass: {error:?}"));
    }

    pub(crate) fn settled(&self, shard: &ShardId, numbers: impl IntoIterator<Item = SequenceNumber>) {
        let mut state = self.lock();
        let indices: Vec<usize> = numbers.into_iter().map(|number| state.index(shard, &number)).collect();
        let settled = state.settled.entry(shard.clone()).or_default();
        settled.beyond.extend(indices.into_iter().filter(|index| *index >= settled.prefix));
        while settled.beyond.remove(&settled.prefix) {
            settled.prefix += 1;
        }
    }

    pub(crate) fn abandoned(&self, worker: &str, shard: &ShardId) {
        self.note(&format!("{worker} abandons a batch of {shard}"));
        *self.lock().may_begin.entry((worker.to_owned(), shard.clone())).or_default() += 1;
    }

    /// A write was done, or refused, in the store.
    pub(crate) fn written(&self, worker: &str, write: &LeaseWrite, outcome: &WriteOutcome) {
        let done = *outcome == WriteOutcome::Done;
        let shard = write.shard();
        match write {
            LeaseWrite::Checkpoint { checkpoint, .. } if done => {
                self.note(&format!("{worker} checkpoints {shard} at {checkpoint}"));
                let mut state = self.lock();
                let reached = state.reached(shard, checkpoint);
                let settled = state.settled_prefix(shard);
                let before = state.stored.insert(shard.clone(), checkpoint.clone());
                drop(state);
                if reached > settled {
                    self.violated(format!("{shard} is checkpointed at {reached}, though only {settled} are settled"));
                }
                match before {
                    Some(Checkpoint::ShardEnd) => self.violated(format!("the end of {shard} is overwritten")),
                    Some(before) if before > *checkpoint => {
                        self.violated(format!("the checkpoint of {shard} goes back from {before} to {checkpoint}"));
                    }
                    Some(_) => {}
                    None => self.violated(format!("{shard} is checkpointed, and has no lease")),
                }
            }
            LeaseWrite::Take { .. } if done => {
                self.note(&format!("{worker} takes {shard}"));
                let key = (worker.to_owned(), shard.clone());
                let mut state = self.lock();
                let begins_with = state.reached(shard, &state.stored[shard]);
                state.begins_with.insert(key.clone(), begins_with);
                *state.may_begin.entry(key).or_default() += 1;
            }
            LeaseWrite::Create { lease } if done => {
                self.lock().stored.insert(shard.clone(), lease.checkpoint.clone());
            }
            LeaseWrite::Delete { .. } if done => {
                self.lock().stored.remove(shard);
            }
            LeaseWrite::Release { .. } if done => self.note(&format!("{worker} releases {shard}")),
            _ if !done => self.note(&format!("{worker} is refused {write:?}: {outcome:?}")),
            _ => {}
        }
    }

    /// The worker learns what became of a write.
    pub(crate) fn answered(&self, worker: &str, write: &LeaseWrite, outcome: &WriteOutcome, sent: Instant) {
        let key = (worker.to_owned(), write.shard().clone());
        let mut state = self.lock();
        let in_doubt = state.in_doubt.remove(&key);
        match (write, outcome) {
            (LeaseWrite::Create { .. } | LeaseWrite::Delete { .. }, _) => {}
            (LeaseWrite::Release { .. }, _) => {
                state.held.remove(&key);
                state.lost.insert(key, Instant::now());
            }
            (_, WriteOutcome::Done) => {
                state.held.insert(key, sent);
            }
            // It may be that an earlier attempt was done: the first, for all that anybody knows.
            (
                LeaseWrite::Renew { owner, counter, .. } | LeaseWrite::Checkpoint { owner, counter, .. },
                WriteOutcome::Refused(Some(row)),
            ) if row.owner.as_ref() == Some(owner) && row.counter == counter + 1 => {
                state.held.insert(key, in_doubt.unwrap_or(sent));
            }
            (_, WriteOutcome::Refused(_)) => {
                state.held.remove(&key);
                state.lost.insert(key, Instant::now());
            }
        }
    }

    /// The worker does not learn what became of a write.
    pub(crate) fn left_in_doubt(&self, worker: &str, write: &LeaseWrite, sent: Instant) {
        if matches!(write, LeaseWrite::Renew { .. } | LeaseWrite::Checkpoint { .. }) {
            self.lock().in_doubt.entry((worker.to_owned(), write.shard().clone())).or_insert(sent);
        }
    }

    /// The worker ends after so many records.
    pub(crate) fn counts_to(&self, worker: &str, count: u64) {
        self.note(&format!("{worker} is to end after {count} records"));
        self.lock().counting.insert(worker.to_owned());
    }

    /// Whether all that was put is settled.
    pub(crate) fn is_all_settled(&self) -> bool {
        let state = self.lock();
        state.put.keys().all(|shard| state.is_all_settled(shard))
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    pub(crate) fn history(&self) -> String {
        self.lock().history.clone()
    }

    /// Records put, delivered, and of these repeated.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let state = self.lock();
        (state.put.values().map(Vec::len).sum(), state.deliveries, state.repeated)
    }
}
