//! Checks of a [`LeaseStore`].
//!
//! What a write means is said by [`LeaseWrite::apply_to`]; the checks hold a store to it. Parents and children are
//! compared as the sets that they are, and times to the millisecond: a store need not keep more.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::lease_store::LeaseStore;
use crate::protocol::{Checkpoint, Lease, LeaseWrite, ShardId, WriteOutcome};

/// Runs every check, each on a store of its own, which `make` makes: empty and unprepared. Takes a few thousand writes.
///
/// # Panics
///
/// If the store does not do what it must; the message says what. Also outside of a tokio runtime.
pub async fn lease_store<S, F>(make: impl Fn() -> F)
where
    S: LeaseStore,
    F: Future<Output = S>,
{
    an_empty_store_is_listed_as_empty(&make().await).await;
    preparing_again_forgets_nothing(&make().await).await;
    every_field_comes_back_as_it_was_created(&make().await).await;
    each_write_does_what_it_says_and_nothing_else(&make().await).await;
    each_write_is_refused_with_the_row_as_it_stands(&make().await).await;
    writes_to_missing_rows_are_refused_without_a_row(&make().await).await;
    outcomes_come_in_the_order_of_their_writes(&make().await).await;
    random_writes_do_what_they_do_in_memory(&make().await).await;
    one_of_many_concurrent_writers_wins(make().await).await;
    thousands_of_rows_are_listed(&make().await).await;
}

async fn an_empty_store_is_listed_as_empty(store: &impl LeaseStore) {
    let mut rows = Prepared::new(store).await;
    rows.check().await;
    assert!(store.write(Vec::new()).await.is_empty(), "no writes have no outcomes");
    rows.check().await;
}

async fn preparing_again_forgets_nothing(store: &impl LeaseStore) {
    let mut rows = Prepared::new(store).await;
    rows.done(create(lease("a"))).await;
    store.prepare().await.expect("preparing a prepared store succeeds");
    rows.check().await;
    rows.done(take("a", "worker", 0)).await;
}

async fn every_field_comes_back_as_it_was_created(store: &impl LeaseStore) {
    let mut rows = Prepared::new(store).await;
    let checkpoints = [
        Checkpoint::AtTimestamp,
        Checkpoint::TrimHorizon,
        Checkpoint::Latest,
        Checkpoint::ShardEnd,
        Checkpoint::after("0", 0),
        Checkpoint::after("49590338271490256608559692538361571095921575989136588898", 17),
        // As long as they get: 129 digits.
        Checkpoint::after("9".repeat(129), u64::MAX),
    ];
    for (index, checkpoint) in checkpoints.into_iter().enumerate() {
        rows.done(create(Lease::new(format!("checkpoint-{index}"), checkpoint))).await;
    }
    for (index, range) in
        [(0, 0), (0, u128::MAX), (u128::MAX / 2 + 1, u128::MAX), (u128::MAX, u128::MAX)].into_iter().enumerate()
    {
        rows.done(create(Lease { hash_key_range: Some(range), ..lease(&format!("range-{index}")) })).await;
    }
    for (index, millis) in [0, 1, 1_767_323_045_678, 253_402_207_199_999].into_iter().enumerate() {
        let time = Timestamp::from_millisecond(millis).ok();
        rows.done(create(Lease { start_timestamp: time, ..lease(&format!("start-{index}")) })).await;
        rows.done(create(Lease { stream_creation_timestamp: time, ..lease(&format!("stream-{index}")) })).await;
    }
    rows.done(create(Lease { parents: shards(&["a"]), ..lease("split") })).await;
    rows.done(create(full_lease("full"))).await;
    rows.check().await;
}

async fn each_write_does_what_it_says_and_nothing_else(store: &impl LeaseStore) {
    let mut rows = Prepared::new(store).await;
    // The bare row has no columns that a write could be mistaken about, the full one has all of them.
    for first in [lease("bare"), full_lease("full")] {
        let (name, counter) = (first.shard.to_string(), first.counter);
        rows.done(create(first)).await;
        rows.check().await;
        for write in [
            take(&name, "ann", counter),
            renew(&name, "ann", counter + 1),
            // Taken from another, and again by itself, which is no change of the owner.
            take(&name, "bob", counter + 2),
            take(&name, "bob", counter + 3),
            checkpoint(&name, "bob", counter + 4, Checkpoint::after("12", 3), &[]),
            checkpoint(&name, "bob", counter + 5, Checkpoint::after("13", 0), &[]),
            checkpoint(&name, "bob", counter + 6, Checkpoint::ShardEnd, &["c", "d"]),
            checkpoint(&name, "bob", counter + 7, Checkpoint::ShardEnd, &[]),
            release(&name, "bob"),
            take(&name, "ann", counter + 9),
            replace(Lease::new(name.as_str(), Checkpoint::TrimHorizon), counter + 10),
            replace(full_lease(&name), counter + 11),
            take_knowing(&name, "bob", counter + 12, Timestamp::from_millisecond(1_767_323_045_678).ok()),
            delete(&name, counter + 13),
            create(lease(&name)),
        ] {
            rows.done(write).await;
            rows.check().await;
        }
    }
}

async fn each_write_is_refused_with_the_row_as_it_stands(store: &impl LeaseStore) {
    let mut rows = Prepared::new(store).await;
    let row = full_lease("a");
    let (owner, counter) = (row.owner.clone().unwrap_or_default(), row.counter);
    let end = || Checkpoint::ShardEnd;
    rows.done(create(row)).await;
    for write in [
        create(lease("a")),
        create(full_lease("a")),
        renew("a", &owner, counter - 1),
        renew("a", &owner, counter + 1),
        renew("a", "another", counter),
        take("a", "another", counter - 1),
        take("a", "another", counter + 1),
        take("a", &owner, counter + 1),
        checkpoint("a", &owner, counter - 1, end(), &["c"]),
        checkpoint("a", &owner, counter + 1, end(), &["c"]),
        checkpoint("a", "another", counter, end(), &["c"]),
        release("a", "another"),
        replace(lease("a"), counter - 1),
        replace(lease("a"), counter + 1),
        delete("a", counter - 1),
        delete("a", counter + 1),
    ] {
        rows.refused(write).await;
        rows.check().await;
    }
    rows.done(release("a", &owner)).await;
    for write in
        [renew("a", &owner, counter + 1), checkpoint("a", &owner, counter + 1, end(), &[]), release("a", &owner)]
    {
        rows.refused(write).await;
        rows.check().await;
    }
}

async fn writes_to_missing_rows_are_refused_without_a_row(store: &impl LeaseStore) {
    let mut rows = Prepared::new(store).await;
    rows.done(create(lease("other"))).await;
    for write in [
        renew("a", "worker", 0),
        take("a", "worker", 0),
        checkpoint("a", "worker", 0, Checkpoint::ShardEnd, &["c"]),
        release("a", "worker"),
        replace(lease("a"), 0),
        delete("a", 0),
    ] {
        rows.refused(write).await;
        rows.check().await;
    }
}

async fn outcomes_come_in_the_order_of_their_writes(store: &impl LeaseStore) {
    let mut rows = Prepared::new(store).await;
    let name = |index: usize| format!("shard-{index}");
    rows.write((0..60).map(|index| create(lease(&name(index)))).collect()).await;
    // Every third is refused for its counter, every third for its row, which is missing.
    let takes = (0..60).map(|index| match index % 3 {
        0 => take(&name(index), "worker", 0),
        1 => take(&name(index), "worker", 1),
        _ => take(&name(index + 100), "worker", 0),
    });
    let outcomes = rows.write(takes.collect()).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == WriteOutcome::Done).count(), 20);
    rows.check().await;
}

async fn random_writes_do_what_they_do_in_memory(store: &impl LeaseStore) {
    const BATCHES: usize = 250;
    let mut random = fastrand::Rng::with_seed(6);
    let mut rows = Prepared::new(store).await;
    let mut done = 0;
    for batch in 0..BATCHES {
        let mut names = ["a", "b", "c", "d", "e", "f"];
        random.shuffle(&mut names);
        let writes = names[..random.usize(1..=4)].iter().map(|name| rows.random_write(name, &mut random)).collect();
        let outcomes = rows.write(writes).await;
        done += outcomes.iter().filter(|outcome| **outcome == WriteOutcome::Done).count();
        if batch % 10 == 0 {
            rows.check().await;
        }
    }
    rows.check().await;
    assert!((BATCHES / 2..BATCHES * 2).contains(&done), "of the random writes, many are done and many refused: {done}");
}

async fn one_of_many_concurrent_writers_wins(store: impl LeaseStore) {
    const WRITERS: usize = 24;
    store.prepare().await.expect("prepare");
    let store = Arc::new(store);
    let race = async |write: fn(usize) -> LeaseWrite| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let store = store.clone();
                tokio::spawn(async move { store.write(vec![write(writer)]).await.remove(0).expect("a write") })
            })
            .collect();
        let mut winners = Vec::new();
        let mut refusals = Vec::new();
        for (writer, task) in writers.into_iter().enumerate() {
            match task.await.expect("a writer") {
                WriteOutcome::Done => winners.push(writer),
                WriteOutcome::Refused(row) => refusals.push(row.expect("a row that is there")),
            }
        }
        assert_eq!(winners.len(), 1, "one of {WRITERS} wins: {winners:?} by {:?}", write(0));
        let [row] = store.list().await.expect("list").try_into().expect("one row");
        for refused in refusals {
            assert_eq!(normal(*refused), normal(row.clone()), "the losers see the winner's row");
        }
        (winners[0], row)
    };
    let (winner, row) = race(|writer| create(Lease { counter: writer as u64, ..lease("a") })).await;
    assert_eq!(row.counter, winner as u64, "the winner's row is there");

    // Everybody goes for the same counter, which the winner of the last round has left.
    store.write(vec![delete("a", row.counter), create(lease("b"))]).await;
    let (winner, row) = race(|writer| take("b", &format!("worker-{writer}"), 0)).await;
    assert_eq!((row.owner, row.counter), (Some(format!("worker-{winner}")), 1), "the winner is the owner");
    assert_eq!(row.owner_switches_since_checkpoint, 1, "the losers have left no trace");
}

async fn thousands_of_rows_are_listed(store: &impl LeaseStore) {
    let mut rows = Prepared::new(store).await;
    // Larger in sum than the mebibyte that DynamoDB puts into a page.
    for batch in 0..15 {
        let creates = (0..100).map(|index| {
            let owner = Some(format!("worker-{}", "x".repeat(600)));
            create(Lease { owner, ..full_lease(&format!("shardId-{batch:06}{index:06}")) })
        });
        rows.write(creates.collect()).await;
    }
    assert_eq!(rows.model.len(), 1500);
    rows.check().await;
}

/// A store beside a model of its rows: what is written, is written to both.
struct Prepared<'a, S> {
    store: &'a S,
    model: BTreeMap<ShardId, Lease>,
}

impl<'a, S: LeaseStore> Prepared<'a, S> {
    async fn new(store: &'a S) -> Self {
        store.prepare().await.expect("preparing an empty store succeeds");
        Prepared { store, model: BTreeMap::new() }
    }

    /// Does writes, and checks that their outcomes are the model's.
    async fn write(&mut self, writes: Vec<LeaseWrite>) -> Vec<WriteOutcome> {
        let results = self.store.write(writes.clone()).await;
        assert_eq!(results.len(), writes.len(), "a write has an outcome: {writes:?}");
        let outcomes = results.into_iter().zip(writes).map(|(result, write)| {
            let outcome = result.unwrap_or_else(|error| panic!("{error}: {write:?}"));
            let expected = write.apply_to(&mut self.model);
            assert_eq!(normal_outcome(outcome), normal_outcome(expected.clone()), "the outcome of {write:?}");
            expected
        });
        outcomes.collect()
    }

    async fn done(&mut self, write: LeaseWrite) {
        let outcomes = self.write(vec![write.clone()]).await;
        assert_eq!(outcomes, [WriteOutcome::Done], "this check is wrong about {write:?}");
    }

    async fn refused(&mut self, write: LeaseWrite) {
        let outcomes = self.write(vec![write.clone()]).await;
        assert_ne!(outcomes, [WriteOutcome::Done], "this check is wrong about {write:?}");
    }

    /// Checks that the rows are the model's.
    async fn check(&mut self) {
        let listed = self.store.list().await.expect("list");
        let count = listed.len();
        let mut rows: BTreeMap<_, _> = listed.into_iter().map(|row| (row.shard.clone(), row)).collect();
        assert_eq!(rows.len(), count, "a row is listed once");
        for (shard, expected) in &self.model {
            let row = rows.remove(shard).unwrap_or_else(|| panic!("the row of {shard} is missing"));
            assert_eq!(normal(row), normal(expected.clone()), "the row of {shard}");
        }
        assert!(rows.is_empty(), "rows that nobody has written: {rows:?}");
    }

    /// A write that may well be right.
    fn random_write(&self, name: &str, random: &mut fastrand::Rng) -> LeaseWrite {
        let row = self.model.get(&ShardId::from(name));
        let counter = row.map_or(0, |row| row.counter);
        let counter = if random.u8(..4) == 0 { random.u64(counter.saturating_sub(2)..counter + 3) } else { counter };
        let owners = ["ann", "bob", "eve"];
        let owner = match row.and_then(|row| row.owner.as_deref()) {
            Some(owner) if random.u8(..4) > 0 => owner,
            _ => owners[random.usize(..owners.len())],
        };
        match random.u8(..16) {
            0..3 => create(if random.bool() { full_lease(name) } else { lease(name) }),
            3..6 => renew(name, owner, counter),
            6..8 => take(name, owner, counter),
            8..10 => take(name, owners[random.usize(..owners.len())], counter),
            10..13 => {
                let (end, children): (_, &[_]) = match random.u8(..4) {
                    0 => (Checkpoint::ShardEnd, &["x", "y"]),
                    1 => (Checkpoint::TrimHorizon, &[]),
                    _ => (Checkpoint::after(random.u64(..).to_string(), random.u64(..3)), &[]),
                };
                checkpoint(name, owner, counter, end, children)
            }
            13..15 => release(name, owner),
            _ => delete(name, counter),
        }
    }
}

/// With what a store need not keep made equal.
fn normal(mut lease: Lease) -> Lease {
    lease.parents.sort_unstable();
    lease.children.sort_unstable();
    lease
}

fn normal_outcome(outcome: WriteOutcome) -> WriteOutcome {
    match outcome {
        WriteOutcome::Refused(Some(row)) => WriteOutcome::Refused(Some(Box::new(normal(*row)))),
        other => other,
    }
}

/// A row without anything that it can be without.
fn lease(name: &str) -> Lease {
    Lease::new(name, Checkpoint::TrimHorizon)
}

/// A row with all there is.
fn full_lease(name: &str) -> Lease {
    Lease {
        owner: Some("Ann Ångström, \"quoted\"".to_owned()),
        counter: 1_000_007,
        owner_switches_since_checkpoint: 3,
        checkpoint_owner: Some("bob".to_owned()),
        parents: shards(&["p", "o"]),
        children: shards(&["y", "x"]),
        hash_key_range: Some((1, u128::MAX - 1)),
        start_timestamp: Timestamp::from_millisecond(1_767_323_045_678).ok(),
        stream_creation_timestamp: Timestamp::from_millisecond(1_700_000_000_001).ok(),
        ..Lease::new(name, Checkpoint::after("8".repeat(56), 4))
    }
}

fn shards(names: &[&str]) -> Vec<ShardId> {
    names.iter().map(|name| ShardId::from(*name)).collect()
}

fn create(lease: Lease) -> LeaseWrite {
    LeaseWrite::Create { lease }
}

fn renew(name: &str, owner: &str, counter: u64) -> LeaseWrite {
    LeaseWrite::Renew { shard: name.into(), owner: owner.to_owned(), counter }
}

fn take(name: &str, owner: &str, counter: u64) -> LeaseWrite {
    take_knowing(name, owner, counter, None)
}

fn take_knowing(name: &str, owner: &str, counter: u64, created: Option<Timestamp>) -> LeaseWrite {
    LeaseWrite::Take { shard: name.into(), owner: owner.to_owned(), counter, stream_creation_timestamp: created }
}

fn replace(lease: Lease, counter: u64) -> LeaseWrite {
    LeaseWrite::Replace { lease, counter }
}

fn checkpoint(name: &str, owner: &str, counter: u64, checkpoint: Checkpoint, children: &[&str]) -> LeaseWrite {
    let children = shards(children);
    LeaseWrite::Checkpoint { shard: name.into(), owner: owner.to_owned(), counter, checkpoint, children }
}

fn release(name: &str, owner: &str) -> LeaseWrite {
    LeaseWrite::Release { shard: name.into(), owner: owner.to_owned() }
}

fn delete(name: &str, counter: u64) -> LeaseWrite {
    LeaseWrite::Delete { shard: name.into(), counter }
}
