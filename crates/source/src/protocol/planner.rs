//! Which leases a worker should take: [KCL 2.x]'s rule, as a function of what the worker sees.
//!
//! Every worker aims at its share, `ceil(leases / workers)`, and counts as workers those whose leases are alive, and
//! itself. Leases that nobody keeps alive are taken first; where there are none and the share is not reached, one is
//! stolen from the worker that has most, which is how a worker that joins gets its share. Completed leases are nobody's
//! load.
//!
//! [KCL 2.x]: https://docs.aws.amazon.com/streams/latest/dev/kcl-dynamoDB.html

use std::collections::BTreeMap;

use super::shard::ShardId;

/// A lease that is not complete, as a worker sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate<'a> {
    pub(crate) shard: &'a ShardId,
    /// Who keeps it alive; nobody if it is free or expired.
    pub(crate) holder: Option<&'a str>,
}

/// The leases that `worker` should take now: never more than `most` in all, at most one of them from a living worker.
pub(crate) fn leases_to_take(
    worker: &str,
    candidates: &[Candidate<'_>],
    most: usize,
    rng: &mut fastrand::Rng,
) -> Vec<ShardId> {
    let mut loads: BTreeMap<&str, usize> = BTreeMap::from([(worker, 0)]);
    for holder in candidates.iter().filter_map(|candidate| candidate.holder) {
        *loads.entry(holder).or_default() += 1;
    }
    let share = candidates.len().div_ceil(loads.len());
    let wanted = share.min(most).saturating_sub(loads[worker]);
    if wanted == 0 {
        return Vec::new();
    }
    let mut free: Vec<&ShardId> =
        candidates.iter().filter(|lease| lease.holder.is_none()).map(|lease| lease.shard).collect();
    if free.is_empty() {
        return steal(worker, candidates, &loads, share, wanted, rng).into_iter().collect();
    }
    // Workers that plan at the same time should not all want the same ones.
    rng.shuffle(&mut free);
    free.into_iter().take(wanted).cloned().collect()
}

/// A lease of the worker with the most, if that has more than its share, or as much while this one lacks two.
fn steal(
    worker: &str,
    candidates: &[Candidate<'_>],
    loads: &BTreeMap<&str, usize>,
    share: usize,
    wanted: usize,
    rng: &mut fastrand::Rng,
) -> Option<ShardId> {
    let (&richest, &load) = loads.iter().filter(|(name, _)| **name != worker).max_by_key(|(_, load)| **load)?;
    if load < share || (load == share && wanted < 2) {
        return None;
    }
    let theirs: Vec<&ShardId> =
        candidates.iter().filter(|lease| lease.holder == Some(richest)).map(|lease| lease.shard).collect();
    rng.choice(theirs).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets workers plan in turn, everything alive, until nobody wants anything. How many each has, and in how many
    /// rounds.
    fn settle(owners: &mut [Option<usize>], workers: usize) -> (Vec<usize>, usize) {
        let names: Vec<String> = (0..workers).map(|worker| format!("worker-{worker}")).collect();
        let shards: Vec<ShardId> = (0..owners.len()).map(|shard| format!("shard-{shard:03}").into()).collect();
        let mut rng = fastrand::Rng::with_seed(7);
        for round in 0..200 {
            let mut quiet = true;
            for worker in 0..workers {
                let candidates: Vec<Candidate<'_>> = shards
                    .iter()
                    .zip(&*owners)
                    .map(|(shard, owner)| Candidate { shard, holder: owner.map(|owner| names[owner].as_str()) })
                    .collect();
                for taken in leases_to_take(&names[worker], &candidates, usize::MAX, &mut rng) {
                    owners[shards.iter().position(|shard| *shard == taken).unwrap()] = Some(worker);
                    quiet = false;
                }
            }
            if quiet {
                let load = |worker| owners.iter().filter(|owner| **owner == Some(worker)).count();
                return ((0..workers).map(load).collect(), round);
            }
        }
        panic!("the workers never come to rest: {owners:?}");
    }

    #[test]
    fn whoever_joins_gets_a_share_and_all_come_to_rest_within_one_of_the_mean() {
        for workers in 1..8 {
            for leases in [0, 1, 2, 5, 16, 17, 100] {
                let mut owners = vec![Some(0); leases];
                let (loads, _) = settle(&mut owners, workers);
                let mean = leases as f64 / workers as f64;
                for load in &loads {
                    assert!((*load as f64 - mean).abs() <= 1.0, "{leases} leases over {workers} workers: {loads:?}");
                }
            }
        }
    }

    #[test]
    fn free_leases_are_taken_at_once_up_to_the_share() {
        let mut owners = vec![None; 16];
        let (loads, rounds) = settle(&mut owners, 1);
        assert_eq!((loads, rounds), (vec![16], 1));
    }

    #[test]
    fn no_more_than_the_most_are_taken() {
        let shards: Vec<ShardId> = (0..5).map(|shard| format!("{shard}").into()).collect();
        let free: Vec<Candidate<'_>> = shards.iter().map(|shard| Candidate { shard, holder: None }).collect();
        assert_eq!(leases_to_take("me", &free, 3, &mut fastrand::Rng::with_seed(1)).len(), 3);
    }

    #[test]
    fn nothing_is_stolen_while_something_is_free() {
        let (mine, free) = (ShardId::from("a"), ShardId::from("b"));
        let candidates = [Candidate { shard: &mine, holder: Some("other") }, Candidate { shard: &free, holder: None }];
        assert_eq!(leases_to_take("me", &candidates, 9, &mut fastrand::Rng::with_seed(1)), std::slice::from_ref(&free));
    }
}
