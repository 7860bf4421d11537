//! `throttle`: lets so many events through in a time, and no more.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use super::hash::hash_value;
use super::program::{Condition, ConditionConfig};
use crate::codecs::FieldPath;
use crate::component::{
    Batch, BuildContext, BuildError, ComponentError, Emitted, Event, Problem, Transform, TransformConfig,
};

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
    /// A member: events are counted apart for each of its values. Values that were not seen for a window are forgotten.
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
                limit: Limit { window, threshold: self.threshold },
                key,
                exclude,
                random: RandomState::new(),
                full_until: HashMap::new(),
                cleared: Instant::now(),
            })),
            _ => Err(BuildError { problems }),
        }
    }
}

struct Throttle {
    limit: Limit,
    key: Option<FieldPath>,
    exclude: Option<Condition>,
    random: RandomState,
    /// By the hash of a value, when all its room will have come back.
    full_until: HashMap<u64, Instant>,
    cleared: Instant,
}

impl Transform for Throttle {
    fn transform(&mut self, mut batch: Batch, emitted: &mut Emitted) -> Result<(), ComponentError> {
        let now = Instant::now();
        if now.duration_since(self.cleared) >= self.limit.window {
            self.full_until.retain(|_, until| *until > now);
            self.cleared = now;
        }
        batch.retain(|event| {
            if self.exclude.as_mut().is_some_and(|condition| condition.holds(event)) {
                return true;
            }
            let key = self.key_of(event);
            self.limit.admits(self.full_until.entry(key).or_insert(now), now)
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
