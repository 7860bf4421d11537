//! `sample`: keeps one event of many.

use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use serde::Deserialize;

use super::hash::hash_value;
use super::program::{Condition, ConditionConfig};
use crate::codecs::FieldPath;
use crate::component::{
    Batch, BuildContext, BuildError, ComponentError, Emitted, Event, Fate, Problem, Transform, TransformConfig,
    ValueRef,
};

/// Keeps one event of many. The others count as delivered. It needs `rate` or `ratio`.
///
/// ```toml
/// [transforms.some]
/// type = "sample"
/// inputs = ["flows"]
/// rate = 100
/// ```
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct SampleConfig {
    /// Of how many events one is kept.
    rate: Option<u64>,
    /// Which part of all events is kept: above 0, at most 1. Instead of `rate`.
    ratio: Option<f64>,
    /// A member: events that have the same value of it are kept or left out together, whoever sees them. Otherwise events
    /// are counted.
    key_field: Option<String>,
    /// A condition, as for `filter`: events for which it holds are all kept.
    exclude: Option<ConditionConfig>,
    /// The member in which an event that was sampled says how: `10`, or `0.1`; nothing where it is empty. Default:
    /// `sample_rate`.
    #[serde(default = "sample_rate")]
    sample_rate_key: String,
}

fn sample_rate() -> String {
    "sample_rate".to_owned()
}

impl TransformConfig for SampleConfig {
    fn build(&self, _: &BuildContext) -> Result<Box<dyn Transform>, BuildError> {
        let mut problems = Vec::new();
        let rate = self.rate().map_err(|problem| problems.push(problem));
        let key = self.key_field.as_deref().map(|field| FieldPath::parse(field, "key_field")).transpose();
        let key = key.map_err(|problem| problems.push(problem));
        let exclude = self.exclude.as_ref().map(|condition| condition.build("exclude")).transpose();
        let exclude = exclude.map_err(|error| problems.extend(error.problems));
        match (rate, key, exclude) {
            (Ok(rate), Ok(key), Ok(exclude)) => {
                let told = (!self.sample_rate_key.is_empty()).then(|| self.sample_rate_key.as_str().into());
                Ok(Box::new(Sample { rate, key, exclude, told, missing: 0 }))
            }
            _ => Err(BuildError { problems }),
        }
    }
}

impl SampleConfig {
    fn rate(&self) -> Result<Rate, Problem> {
        match (self.rate, self.ratio) {
            (Some(0), None) => Err(Problem::new("a rate is at least 1").key("rate")),
            (Some(rate), None) => Ok(Rate { kept: 1, of: rate, text: rate.to_string() }),
            (None, Some(ratio)) if ratio > 0.0 && ratio <= 1.0 => {
                Ok(Rate { kept: ((ratio * PARTS as f64) as u64).max(1), of: PARTS, text: ratio.to_string() })
            }
            (None, Some(_)) => Err(Problem::new("a ratio is above 0, and at most 1").key("ratio")),
            (Some(_), Some(_)) => Err(Problem::new("a rate and a ratio are one too many").key("ratio")),
            (None, None) => Err(Problem::new("sample needs a rate or a ratio").hint("rate = 10 keeps one of ten")),
        }
    }
}

/// A ratio as a fraction.
const PARTS: u64 = 1 << 32;

/// So many of so many.
struct Rate {
    kept: u64,
    of: u64,
    text: String,
}

struct Sample {
    rate: Rate,
    key: Option<FieldPath>,
    exclude: Option<Condition>,
    told: Option<Arc<str>>,
    /// How much is missing until an event is due.
    missing: u64,
}

impl Transform for Sample {
    fn transform(&mut self, mut batch: Batch, emitted: &mut Emitted) -> Result<(), ComponentError> {
        let _nothing_aside = batch.rewrite(|event| {
            if self.exclude.as_mut().is_some_and(|condition| condition.holds(event)) {
                return Fate::Keep;
            }
            if !self.is_kept(event) {
                return Fate::LeaveOut;
            }
            let Some(told) = &self.told else { return Fate::Keep };
            let mut changes = event.changes().cloned().unwrap_or_default();
            changes.set(told.clone(), self.rate.text.as_str());
            Fate::Change(changes)
        });
        if let Some(exclude) = &mut self.exclude {
            exclude.tell(emitted);
        }
        emitted.push(batch);
        Ok(())
    }
}

impl Sample {
    fn is_kept(&mut self, event: &Event<'_>) -> bool {
        if let Some(value) = self.key.as_ref().and_then(|key| key.get(event)) {
            return hash(&value) % self.rate.of < self.rate.kept;
        }
        self.is_due()
    }

    /// The first, and then whenever another whole one is due.
    fn is_due(&mut self) -> bool {
        let is_due = self.missing < self.rate.kept;
        self.missing = match is_due {
            true => self.missing + self.rate.of - self.rate.kept,
            false => self.missing - self.rate.kept,
        };
        is_due
    }
}

/// The same wherever it is computed.
fn hash(value: &ValueRef<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    hash_value(value, &mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kept(config: serde_json::Value, events: usize) -> Vec<usize> {
        let config: SampleConfig = serde_json::from_value(config).unwrap();
        let mut sample = Sample { rate: config.rate().unwrap(), key: None, exclude: None, told: None, missing: 0 };
        (0..events).filter(|_| sample.is_due()).collect()
    }

    #[test]
    fn one_of_ten_is_every_tenth_and_the_first() {
        assert_eq!(kept(json!({"rate": 10}), 35), [0, 10, 20, 30]);
        assert_eq!(kept(json!({"rate": 1}), 3), [0, 1, 2]);
    }

    #[test]
    fn a_ratio_is_kept_over_any_number_of_events() {
        assert_eq!(kept(json!({"ratio": 0.1}), 100_000).len(), 10_000);
        assert_eq!(kept(json!({"ratio": 0.75}), 8), [0, 1, 2, 4, 5, 6]);
        assert_eq!(kept(json!({"ratio": 1.0}), 3), [0, 1, 2]);
    }
}
