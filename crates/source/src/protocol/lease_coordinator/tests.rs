//! The coordinator by itself, asked and answered by hand where the order of answers matters.

use super::*;
use crate::protocol::lease::LeaseWrite;

const SECOND: Duration = Duration::from_secs(1);

/// A worker, its clock, and the rows that it shares with nobody.
struct Worker {
    core: LeaseCoordinator,
    rows: BTreeMap<ShardId, Lease>,
    now: Instant,
}

type Batch = (u64, Vec<LeaseWrite>);

impl Worker {
    fn new(config: LeaseConfig) -> Self {
        let now = Instant::now();
        Worker {
            core: LeaseCoordinator::new(config, RetryPolicy::default(), false, 1, now),
            rows: BTreeMap::new(),
            now,
        }
    }

    /// One that has taken the leases of these shards, which have no parents.
    fn holding(shards: &[&str]) -> Self {
        let mut worker = Worker::new(LeaseConfig::new("worker"));
        for shard in shards {
            worker.rows.insert((*shard).into(), Lease::new(*shard, Checkpoint::TrimHorizon));
        }
        worker.list(None);
        let takes = worker.write().expect("takes");
        worker.answer(takes);
        assert_eq!(worker.events(), shards.iter().map(|shard| format!("readable {shard}")).collect::<Vec<_>>());
        worker
    }

    fn list(&mut self, leader: Option<Leader>) {
        assert_eq!(self.core.poll_request(self.now), Some(LeaseRequest::List));
        let rows = self.rows.values().cloned().collect();
        self.core.handle_leases(Ok((rows, leader)), self.now).expect("nothing final");
    }

    /// The batch that is due, if one is.
    fn write(&mut self) -> Option<Batch> {
        match self.core.poll_request(self.now) {
            Some(LeaseRequest::Write { batch, writes }) => Some((batch, writes)),
            Some(LeaseRequest::List) | None => None,
        }
    }

    fn write_after(&mut self, wait: Duration) -> Batch {
        self.now += wait;
        self.write().expect("a batch is due")
    }

    fn do_all(&mut self, writes: &[LeaseWrite]) -> Vec<WriteOutcome> {
        writes.iter().map(|write| write.apply_to(&mut self.rows)).collect()
    }

    fn answer(&mut self, (batch, writes): Batch) {
        let answers = self.do_all(&writes).into_iter().map(Ok).collect();
        self.core.handle_written(batch, answers, self.now).expect("nothing final");
    }

    /// The writes are done, or not, and nobody learns which.
    fn time_out(&mut self, (batch, writes): Batch) {
        let error = || LeaseStoreError::new(LeaseStoreErrorKind::Unavailable, "store", "timed out");
        let answers = writes.iter().map(|_| Err(error())).collect();
        self.core.handle_written(batch, answers, self.now).expect("nothing final");
    }

    fn events(&mut self) -> Vec<String> {
        let name = |event| match event {
            LeaseEvent::Readable(lease) => format!("readable {}", lease.shard),
            LeaseEvent::Lost(shard) => format!("lost {shard}"),
        };
        std::iter::from_fn(|| self.core.poll_event()).map(name).collect()
    }
}

fn child(id: &str, parent: &str) -> Shard {
    Shard { id: id.into(), parents: vec![parent.into()], hash_key_range: None, closed: false }
}

fn is_end(write: &LeaseWrite) -> bool {
    matches!(write, LeaseWrite::Checkpoint { checkpoint: Checkpoint::ShardEnd, .. })
}

#[test]
fn a_lease_is_as_old_as_the_first_write_that_may_have_been_the_one_that_was_done() {
    let mut worker = Worker::holding(&["a"]);
    let first = worker.write_after(4 * SECOND);
    worker.do_all(&first.1);
    worker.now += 4 * SECOND;
    worker.time_out(first);
    let second = worker.write_after(SECOND);
    worker.answer(second);
    assert_eq!(worker.core.held.len(), 1, "it is known again");
    // From four seconds on others have seen the counter that stands there, and may take the lease at fourteen.
    let _unanswered = worker.write().expect("it is to be renewed at once");
    worker.now += 5 * SECOND - Duration::from_millis(1);
    worker.write();
    assert_eq!(worker.events(), [""; 0]);
    worker.now += Duration::from_millis(1);
    worker.write();
    assert_eq!(worker.events(), ["lost a"]);
}

#[test]
fn children_get_their_leases_before_their_parents_end_also_on_the_way_out() {
    let mut worker = Worker::holding(&["a"]);
    worker.core.complete(&"a".into(), vec![child("b", "a"), child("c", "a")]);
    worker.core.leave();
    let creates = worker.write().expect("the children's leases");
    assert!(creates.1.iter().all(|write| matches!(write, LeaseWrite::Create { .. })), "{creates:?}");
    assert_eq!(creates.1.len(), 2);
    assert_eq!(worker.write(), None, "the parent's end waits for them");
    worker.answer(creates);
    let end = worker.write().expect("the parent's end");
    assert!(is_end(&end.1[0]), "{end:?}");
    worker.answer(end);
    let release = worker.write().expect("its release");
    worker.answer(release);
    assert!(worker.core.holds_nothing());
    assert_eq!(worker.rows.len(), 3);
}

#[test]
fn the_other_parent_of_a_merged_child_gets_its_lease_before_it_also_on_the_way_out() {
    let mut worker = Worker::holding(&["a"]);
    let unread = Shard { parents: Vec::new(), ..child("b", "a") };
    let merged = Shard { parents: vec!["a".into(), "b".into()], ..child("c", "a") };
    let read = Shard { closed: true, ..Shard { parents: Vec::new(), ..child("a", "a") } };
    let unrelated = Shard { parents: Vec::new(), ..child("d", "a") };
    let start = StartAt { checkpoint: Checkpoint::TrimHorizon, timestamp: None, closed_before: BTreeSet::new() };
    worker.core.handle_shards([&read, &unread, &merged, &unrelated].into_iter(), &start);
    worker.core.complete(&"a".into(), vec![merged.clone()]);
    worker.core.leave();
    let mut order = Vec::new();
    while let Some(batch) = worker.write() {
        order.extend(batch.1.iter().map(|write| (write.shard().to_string(), is_end(write))));
        worker.answer(batch);
    }
    let expected = [("b", false), ("c", false), ("a", true), ("a", false)];
    assert_eq!(order, expected.map(|(shard, is_end)| (shard.to_owned(), is_end)), "and nothing of \"d\"");
    assert!(!worker.rows[&ShardId::from("b")].is_complete());
}

#[test]
fn children_get_their_leases_before_their_parents_end_also_under_a_leader_of_kcl_3() {
    let mut worker = Worker::holding(&["a"]);
    worker.core.complete(&"a".into(), vec![child("b", "a")]);
    let create = worker.write().expect("the child's lease");
    worker.now += 2 * SECOND;
    worker.time_out(create);
    worker.now += 4 * SECOND;
    // It is renewed, and listed; the child's lease is tried again after that.
    let mut batches = Vec::new();
    let leader = Leader { owner: "kcl".into(), record_version: "1".into(), lease_duration: 60 * SECOND };
    loop {
        match worker.core.poll_request(worker.now) {
            Some(LeaseRequest::Write { batch, writes }) => batches.push((batch, writes)),
            Some(LeaseRequest::List) => {
                let rows = worker.rows.values().cloned().collect();
                worker.core.handle_leases(Ok((rows, Some(leader.clone()))), worker.now).expect("nothing final");
            }
            None if batches.is_empty() => break,
            None => {
                let (batch, writes) = batches.remove(0);
                if writes.iter().any(is_end) {
                    assert!(worker.rows.contains_key(&ShardId::from("b")), "the parent's end came first: {writes:?}");
                }
                worker.answer((batch, writes));
            }
        }
    }
    assert!(worker.core.is_ruled, "the leader was seen");
    assert!(worker.rows[&ShardId::from("a")].is_complete());
}

#[test]
fn a_lease_is_renewed_while_its_end_waits_for_the_leases_of_children() {
    let mut worker = Worker::holding(&["a"]);
    worker.core.complete(&"a".into(), vec![child("b", "a")]);
    let _unanswered = worker.write().expect("the child's lease");
    let (_, writes) = worker.write_after(4 * SECOND);
    assert!(matches!(&writes[..], [LeaseWrite::Renew { .. }]), "{writes:?}");
}

#[test]
fn a_lease_that_was_lost_while_its_end_was_being_written_is_not_read_again() {
    let mut worker = Worker::holding(&["a"]);
    worker.core.complete(&"a".into(), Vec::new());
    let end = worker.write().expect("its end");
    worker.now += 10 * SECOND;
    worker.list(None);
    assert_eq!(worker.events(), ["lost a"]);
    worker.answer(end);
    assert_eq!(worker.write(), None, "it is done");
    worker.now += 10 * SECOND;
    worker.list(None);
    assert_eq!((worker.write(), worker.events()), (None, Vec::new()));
    assert!(worker.rows[&ShardId::from("a")].is_complete());
}

#[test]
fn a_release_whose_answer_was_lost_is_no_loss_of_the_lease() {
    let mut worker = Worker::holding(&["a"]);
    worker.core.release(&"a".into());
    let release = worker.write().expect("the release");
    worker.do_all(&release.1);
    worker.time_out(release);
    let again = worker.write_after(SECOND);
    worker.answer(again);
    assert!(worker.core.holds_nothing());
    let news: Vec<&str> = std::iter::from_fn(|| worker.core.poll_news()).map(|event| event.name()).collect();
    assert_eq!(news, ["lease_taken", "lease_released"]);
}

#[test]
fn leases_that_are_being_taken_count() {
    let mut config = LeaseConfig::new("worker");
    config.max_leases = 20;
    let mut worker = Worker::new(config);
    for shard in 0..50 {
        worker.rows.insert(format!("{shard:02}").into(), Lease::new(format!("{shard:02}"), Checkpoint::TrimHorizon));
    }
    worker.list(None);
    let first = worker.write().expect("takes");
    let second = worker.write().expect("more");
    assert_eq!((first.1.len(), second.1.len(), worker.write()), (16, 4, None));
    // Anything that lets it plan anew.
    worker.core.plan(worker.now);
    assert_eq!(worker.write(), None);
    worker.answer(second);
    worker.time_out(first);
    worker.core.plan(worker.now);
    let again = worker.write_after(SECOND);
    worker.answer(again);
    while let Some(batch) = worker.write() {
        worker.answer(batch);
    }
    assert_eq!(worker.core.held.len(), 20);
}

#[test]
fn a_lease_that_another_takes_before_the_answer_comes_is_not_held() {
    let mut worker = Worker::new(LeaseConfig::new("worker"));
    worker.rows.insert("a".into(), Lease::new("a", Checkpoint::TrimHorizon));
    worker.list(None);
    let (batch, writes) = worker.write().expect("the take");
    worker.do_all(&writes);
    let (owner, shard) = ("thief".to_owned(), ShardId::from("a"));
    worker.do_all(&[LeaseWrite::Take { shard, owner, counter: 1, stream_creation_timestamp: None }]);
    worker.now += 6 * SECOND;
    worker.list(None);
    worker.core.handle_written(batch, vec![Ok(WriteOutcome::Done)], worker.now).expect("nothing final");
    assert_eq!((worker.core.held.len(), worker.events()), (0, Vec::new()));
}

#[test]
fn a_lease_that_was_taken_so_long_ago_that_others_may_have_it_is_not_held() {
    let mut worker = Worker::new(LeaseConfig::new("worker"));
    worker.rows.insert("a".into(), Lease::new("a", Checkpoint::TrimHorizon));
    worker.list(None);
    let take = worker.write().expect("the take");
    worker.now += 10 * SECOND;
    worker.answer(take);
    assert_eq!((worker.core.held.len(), worker.events()), (0, Vec::new()));
}
