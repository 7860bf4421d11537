//! `throttle`: lets so many events through in a time, and no more.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use lru::LruCache;
use serde::Deserialize;
use tokio::time::Instant;

use super::hash::hash_value;
use super::program::{Condition, ConditionConfig};
use crate::codecs::FieldPath;
use crate::component::{
    Batch, BuildContext, BuildError, ComponentError, Emitted, Event, Problem, Transform, TransformConfig,
};

/// How many values are counted apart at once.
const MOST_KEYS: usize = 1 << 18;

/// Lets so many events through in a time. What is beyond counts as delivered; it does not wait.
///
/// ```toml
/// [transforms.limited]
/// type = "throttle"
/// inputs = ["flows"]
/// threshold = 100
/// window_secs = 1.0
/// ```
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct ThrottleConfig {
    /// How many events go through in a window.
    threshold: u32,
    /// How long a window is, in seconds. As it moves on, room comes back bit by bit.
    window_secs: f64,
    /// A member: events are counted apart for each of its values. Values that were not seen for a window are forgotten, and of more
    /// than 262,144 at once those that were not seen for longest.
    key_field: Option<String>,
    /// A condition, as for `filter`: events for which it holds all go through, uncounted.
    exclude: Option<ConditionConfig>,
}

impl TransformConfig for ThrottleConfig {
    fn build(&self, _: &BuildContext) -> Result<Box<dyn Transform>, BuildError> {
        let mut problems = Vec::new();
        if self.threshold == 0 {
            problems.push(Problem::new("a threshold is at least 1").key("threshold"));
        }
        let window = Duration::try_from_secs_f64(self.window_secs).ok().filter(|window| !window.is_zero());
        if window.is_none() {
            problems.push(Problem::new("a window is longer than nothing").key("window_secs"));
        }
        let key = self.key_field.as_deref().map(|field| FieldPath::parse(field, "key_field")).transpose();
        let key = key.map_err(|problem| problems.push(problem));
        let exclude = self.exclude.as_ref().map(|condition| condition.build("exclude")).transpose();
        let exclude = exclude.map_err(|error| problems.extend(error.problems));
        match (window, key, exclude) {
            (Some(window), Ok(key), Ok(exclude)) if problems.is_empty() => Ok(Box::new(Throttle {
                counts: Counts {
                    limit: Limit { window, threshold: self.threshold },
                    full_until: LruCache::unbounded(),
                },
                key,
                exclude,
                random: RandomState::new(),
            })),
            _ => Err(BuildError { problems }),
        }
    }
}

struct Throttle {
    counts: Counts,
    key: Option<FieldPath>,
    exclude: Option<Condition>,
    random: RandomState,
}

impl Transform for Throttle {
    fn transform(&mut self, mut batch: Batch, emitted: &mut Emitted) -> Result<(), ComponentError> {
        let now = Instant::now();
        self.counts.forget(now);
        batch.retain(|event| {
            if self.exclude.as_mut().is_some_and(|condition| condition.holds(event)) {
                return true;
            }
            let key = self.key_of(event);
            self.counts.admit(key, now)
        });
        if let Some(exclude) = &mut self.exclude {
            exclude.tell(emitted);
        }
        emitted.push(batch);
        Ok(())
    }
}

impl Throttle {
    fn key_of(&self, event: &Event<'_>) -> u64 {
        let Some(value) = self.key.as_ref().and_then(|key| key.get(event)) else { return 0 };
        let mut hasher = self.random.build_hasher();
        hash_value(&value, &mut hasher);
        hasher.finish()
    }
}

/// What went through, by the hashes of values.
struct Counts {
    limit: Limit,
    /// When all the room of each will have come back.
    full_until: LruCache<u64, Instant>,
}

impl Counts {
    fn admit(&mut self, key: u64, now: Instant) -> bool {
        let is_admitted = self.limit.admits(self.full_until.get_or_insert_mut(key, || now), now);
        if self.full_until.len() > MOST_KEYS {
            self.full_until.pop_lru();
        }
        is_admitted
    }

    /// Forgets those that were not seen for so long that all their room is back.
    fn forget(&mut self, now: Instant) {
        while self.full_until.peek_lru().is_some_and(|(_, until)| *until <= now) {
            self.full_until.pop_lru();
        }
    }
}

/// The generic cell rate algorithm: a bucket that fills at an even rate, kept as the time at which it is full.
struct Limit {
    window: Duration,
    threshold: u32,
}

impl Limit {
    fn admits(&self, full_until: &mut Instant, now: Instant) -> bool {
        let after = (*full_until).max(now) + self.window / self.threshold;
        // Rounding must not cost the last event of a window.
        let is_admitted = after <= now + self.window;
        if is_admitted {
            *full_until = after;
        }
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_forgotten_when_their_room_is_back_and_are_never_more_than_so_many() {
        let limit = Limit { window: Duration::from_secs(1), threshold: 1 };
        let mut counts = Counts { limit, full_until: LruCache::unbounded() };
        let begin = Instant::now();
        for key in 0..=MOST_KEYS as u64 {
            assert!(counts.admit(key, begin));
        }
        assert_eq!(counts.full_until.len(), MOST_KEYS);
        assert!(counts.admit(0, begin), "it was not seen for longest");
        assert!(!counts.admit(MOST_KEYS as u64, begin));
        counts.forget(begin + Duration::from_millis(999));
        assert_eq!(counts.full_until.len(), MOST_KEYS);
        counts.forget(begin + Duration::from_secs(1));
        assert!(counts.full_until.is_empty());
    }

    #[test]
    fn a_window_admits_its_threshold_at_once_and_then_evenly() {
        let limit = Limit { window: Duration::from_secs(1), threshold: 3 };
        let begin = Instant::now();
        let mut full_until = begin;
        let mut admitted = |millis| limit.admits(&mut full_until, begin + Duration::from_millis(millis));
        let times = [0, 0, 0, 0, 300, 334, 334, 667, 700, 2000, 2000, 2000, 2000];
        let expected = [true, true, true, false, false, true, false, true, false, true, true, true, false];
        assert_eq!(times.map(&mut admitted), expected);
    }
}
