//! Shards that were named: whether they are there, and where those begin that have a position of their own.

use std::collections::BTreeMap;

use super::{ShardSelection, StreamConsumer};
use crate::error::Error;
use crate::protocol::position::{ShardPosition, Window};
use crate::protocol::shard::{Shard, ShardId};

impl StreamConsumer {
    /// Whether the shards that were named are there.
    pub(super) fn check_named(&self, shards: &[Shard]) -> Result<(), Error> {
        let chosen: &[ShardId] = match &self.config.shards {
            ShardSelection::Only(wanted) => wanted,
            ShardSelection::All | ShardSelection::Granted => &[],
        };
        let is_listed = |id: &ShardId| shards.iter().any(|shard| shard.id == *id);
        match chosen.iter().chain(self.config.positions.keys()).find(|id| !is_listed(id)) {
            None => Ok(()),
            Some(missing) => {
                let existing = shards.iter().map(|shard| shard.id.clone()).collect();
                Err(Error::ShardNotFound { stream: self.stream.clone(), shard: missing.clone(), existing })
            }
        }
    }

    /// Where the shards of the first listing begin that have a position of their own, or descend from one that has.
    pub(super) fn placed(&self, shards: &[Shard]) -> BTreeMap<ShardId, ShardPosition> {
        let mut placed = self.config.positions.clone();
        loop {
            let is_below = |shard: &&Shard| {
                !placed.contains_key(&shard.id) && shard.parents.iter().any(|parent| placed.contains_key(parent))
            };
            let below: Vec<ShardId> = shards.iter().filter(is_below).map(|shard| shard.id.clone()).collect();
            if below.is_empty() {
                return placed;
            }
            placed.extend(below.into_iter().map(|id| (id, ShardPosition::TrimHorizon)));
        }
    }

    /// Which times of arrival are wanted of a shard.
    pub(super) fn window_of(&self, shard: &ShardId) -> Window {
        let window = self.window.unwrap_or_default();
        match self.shards.get(shard).filter(|tracked| tracked.is_placed) {
            Some(tracked) => window.beginning_at(&tracked.from),
            None => window,
        }
    }
}
