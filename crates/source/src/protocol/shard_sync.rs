//! Which shards get a lease, and from where on.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::lease::{Checkpoint, Lease};
use super::shard::{Shard, ShardId};

/// Where a worker begins that finds no leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StartAt {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) timestamp: Option<Timestamp>,
    /// The shards that took no more records by then.
    pub(crate) closed_before: BTreeSet<ShardId>,
}

/// Leases for the shards that have none and should.
///
/// A shard of which a descendant has a lease was dealt with before. Other shards begin:
/// - where the worker is told to, if there are no leases at all; not those that were closed by then, if it begins with what
///   is new;
/// - at their beginning, if an ancestor has a lease;
/// - else where the first worker began, which may have died before it had added all: its rows say where that was. Rows
///   that do not are KCL's, or years old: then too at their beginning.
pub(crate) fn leases_to_create(shards: &[&Shard], leases: &BTreeMap<&ShardId, &Lease>, start: &StartAt) -> Vec<Lease> {
    let known: BTreeMap<&ShardId, &Shard> = shards.iter().map(|&shard| (&shard.id, shard)).collect();
    let ancestors = |shard: &Shard| {
        let mut found: BTreeSet<ShardId> = BTreeSet::new();
        let mut next: Vec<ShardId> = shard.parents.clone();
        while let Some(id) = next.pop() {
            next.extend(known.get(&id).into_iter().flat_map(|shard| shard.parents.clone()));
            found.insert(id);
        }
        found
    };
    let is_leased = |shard: &ShardId| leases.contains_key(shard);
    let dealt_with: BTreeSet<ShardId> =
        shards.iter().filter(|shard| is_leased(&shard.id)).flat_map(|shard| ancestors(shard)).collect();
    let first_start = leases.values().filter_map(|lease| lease.start_timestamp).min();
    let open_alone = leases.is_empty() && start.checkpoint == Checkpoint::Latest;
    let missing = shards.iter().filter(|shard| !is_leased(&shard.id) && !dealt_with.contains(&shard.id));
    let wanted = missing.filter(|shard| !(open_alone && start.closed_before.contains(&shard.id)));
    wanted
        .map(|shard| match first_start {
            _ if leases.is_empty() => Lease::of_shard(shard, start.checkpoint.clone(), start.timestamp),
            Some(first) if !ancestors(shard).iter().any(is_leased) => {
                Lease::of_shard(shard, Checkpoint::AtTimestamp, Some(first))
            }
            _ => Lease::of_shard(shard, Checkpoint::TrimHorizon, None),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, parents: &[&str], closed: bool) -> Shard {
        let parents = parents.iter().map(|&parent| parent.into()).collect();
        Shard { id: id.into(), parents, hash_key_range: None, closed }
    }

    /// `a` was split into `b` and `c`, which were merged into `d`.
    fn stream() -> Vec<Shard> {
        vec![shard("a", &[], true), shard("b", &["a"], true), shard("c", &["a"], true), shard("d", &["b", "c"], false)]
    }

    fn create(leases: &[Lease], start: Checkpoint) -> Vec<(String, Checkpoint)> {
        create_if_closed_before(&["a", "b", "c"], leases, start)
    }

    fn create_if_closed_before(
        closed_before: &[&str],
        leases: &[Lease],
        start: Checkpoint,
    ) -> Vec<(String, Checkpoint)> {
        let leases: BTreeMap<&ShardId, &Lease> = leases.iter().map(|lease| (&lease.shard, lease)).collect();
        let closed_before = closed_before.iter().map(|&shard| shard.into()).collect();
        let start = StartAt { checkpoint: start, timestamp: None, closed_before };
        let created = leases_to_create(&stream().iter().collect::<Vec<_>>(), &leases, &start);
        created.into_iter().map(|lease| (lease.shard.to_string(), lease.checkpoint)).collect()
    }

    fn named(checkpoint: Checkpoint, ids: &[&str]) -> Vec<(String, Checkpoint)> {
        ids.iter().map(|id| (id.to_string(), checkpoint.clone())).collect()
    }

    #[test]
    fn an_empty_table_gets_all_shards_or_the_open_ones() {
        assert_eq!(create(&[], Checkpoint::TrimHorizon), named(Checkpoint::TrimHorizon, &["a", "b", "c", "d"]));
        assert_eq!(create(&[], Checkpoint::Latest), named(Checkpoint::Latest, &["d"]));
    }

    #[test]
    fn a_shard_that_closed_since_the_start_may_hold_what_is_new() {
        let created = create_if_closed_before(&["a", "b"], &[], Checkpoint::Latest);
        assert_eq!(created, named(Checkpoint::Latest, &["c", "d"]));
    }

    #[test]
    fn children_begin_at_their_beginning_whatever_the_start() {
        let parent = Lease::new("a", Checkpoint::ShardEnd);
        assert_eq!(create(&[parent], Checkpoint::Latest), named(Checkpoint::TrimHorizon, &["b", "c", "d"]));
    }

    #[test]
    fn what_was_dealt_with_before_gets_no_lease_again() {
        let child = Lease::new("d", Checkpoint::after("7", 0));
        assert_eq!(create(&[child], Checkpoint::TrimHorizon), []);
    }

    #[test]
    fn what_a_first_worker_left_undone_begins_where_it_began() {
        let mut other = Lease::new("elsewhere", Checkpoint::Latest);
        other.start_timestamp = Some(Timestamp::UNIX_EPOCH);
        let created = create(&[other], Checkpoint::Latest);
        assert_eq!(created, named(Checkpoint::AtTimestamp, &["a", "b", "c", "d"]));
    }

    #[test]
    fn shards_unrelated_to_any_lease_are_read_from_their_beginning() {
        let gone = Lease::new("long-gone", Checkpoint::after("7", 0));
        assert_eq!(create(&[gone], Checkpoint::Latest), named(Checkpoint::TrimHorizon, &["a", "b", "c", "d"]));
    }
}
