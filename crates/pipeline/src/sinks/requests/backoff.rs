//! How long to wait before the next attempt. Neither clock nor chance is looked at here.

use std::time::Duration;

/// Exponential backoff with full jitter: the bound of a wait doubles from attempt to attempt, and chance takes any part of it,
/// so that senders that failed together do not come back together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    /// The bound of the first wait.
    pub(crate) initial: Duration,
    /// The bound that it grows to.
    pub(crate) max: Duration,
    /// How often a request is sent again; `None` is for ever.
    pub(crate) retries: Option<u64>,
}

impl Backoff {
    /// How long to wait when a request was sent `failed` times in vain; `None` if that is enough. `asked` is what the server
    /// wants, which waits are not shorter than, and `random` lies between 0 and 1.
    pub(crate) fn wait(&self, failed: u64, asked: Option<Duration>, random: f64) -> Option<Duration> {
        if self.retries.is_some_and(|retries| failed > retries) {
            return None;
        }
        let doublings = u32::try_from(failed.saturating_sub(1)).unwrap_or(u32::MAX).min(31);
        let bound = self.initial.saturating_mul(1 << doublings).min(self.max);
        Some(bound.mul_f64(random.clamp(0.0, 1.0)).max(asked.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_bound_and_chance_takes_any_part_of_them() {
        let backoff = Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(30), retries: None };
        let bounds: Vec<u64> = (1..=8).map(|failed| backoff.wait(failed, None, 1.0).unwrap().as_secs()).collect();
        assert_eq!(bounds, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(backoff.wait(u64::MAX, None, 1.0), Some(Duration::from_secs(30)));
        assert_eq!(backoff.wait(3, None, 0.0), Some(Duration::ZERO));
        assert_eq!(backoff.wait(3, None, 0.25), Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_server_that_asks_for_time_gets_it() {
        let backoff = Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(30), retries: None };
        assert_eq!(backoff.wait(1, Some(Duration::from_secs(90)), 0.5), Some(Duration::from_secs(90)));
        assert_eq!(backoff.wait(6, Some(Duration::from_secs(2)), 1.0), Some(Duration::from_secs(30)));
    }

    #[test]
    fn a_request_is_sent_once_and_as_often_again_as_is_allowed() {
        let backoff = |retries| Backoff { initial: Duration::from_secs(1), max: Duration::from_secs(1), retries };
        assert_eq!(backoff(Some(0)).wait(1, None, 1.0), None);
        assert!(backoff(Some(2)).wait(2, None, 1.0).is_some());
        assert_eq!(backoff(Some(2)).wait(3, Some(Duration::from_secs(1)), 1.0), None);
    }
}
