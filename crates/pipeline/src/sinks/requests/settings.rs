//! What is wrong with the settings of requests.

use std::time::Duration;

use super::backoff::Backoff;
use crate::component::Problem;

/// The longest time that makes sense: what is added to a clock must have an end.
const LONGEST: Duration = Duration::from_secs(1_000_000_000);

/// All that was found wrong.
#[derive(Debug, Default)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl Problems {
    pub(crate) fn note<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.0.push(problem)).ok()
    }

    pub(crate) fn seconds(&mut self, key: &str, seconds: f64) -> Option<Duration> {
        let duration = Duration::try_from_secs_f64(seconds).ok();
        let duration = duration.filter(|duration| !duration.is_zero() && *duration <= LONGEST);
        let message = format!("a number of seconds above 0 is needed, not above {}", LONGEST.as_secs());
        self.note(duration.ok_or_else(|| Problem::new(message).key(key)))
    }

    pub(crate) fn at_least_one(&mut self, key: &str, number: usize) {
        if number == 0 {
            self.0.push(Problem::new("at least 1 is needed").key(key));
        }
    }

    /// The waits that `request.retry_initial_backoff_secs` and `request.retry_max_duration_secs` ask for.
    pub(crate) fn backoff(&mut self, initial_secs: f64, max_secs: f64, retries: Option<u64>) -> Option<Backoff> {
        let initial = self.seconds("request.retry_initial_backoff_secs", initial_secs);
        let max = self.seconds("request.retry_max_duration_secs", max_secs);
        Some(Backoff { initial: initial?, max: max?, retries })
    }
}
