//! How fast a shard may be asked, and how long to wait after a failure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::error::ApiErrorKind;

/// How fast one shard is read. The defaults are [AWS's limits] for a shard, shared by all its consumers.
///
/// [AWS's limits]: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pacing {
    /// Calls a second: 5.
    pub calls_per_second: usize,
    /// Bytes a second: 2 MiB. A full answer of 10 MiB therefore costs five seconds.
    pub bytes_per_second: u64,
    /// How long to wait at the tip before asking again: 1 s.
    pub poll_interval: Duration,
}

impl Default for Pacing {
    fn default() -> Self {
        Pacing { calls_per_second: 5, bytes_per_second: 2 << 20, poll_interval: Duration::from_secs(1) }
    }
}

impl Pacing {
    /// No bounds, for servers that have none. At the tip it still waits, 100 ms.
    pub fn unlimited() -> Self {
        Pacing { calls_per_second: usize::MAX, bytes_per_second: u64::MAX, poll_interval: Duration::from_millis(100) }
    }

    /// Sets how long to wait at the tip before asking again.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }
}

/// Keeps one shard's calls within [`Pacing`]: at most so many in any second, and none while earlier answers' bytes are
/// not paid off.
#[derive(Debug, Default)]
pub(crate) struct Pacer {
    calls: VecDeque<Instant>,
    paid_off: Option<Instant>,
}

impl Pacer {
    pub(crate) fn ready_at(&self, pacing: &Pacing, now: Instant) -> Instant {
        let oldest = self.calls.len().checked_sub(pacing.calls_per_second).and_then(|index| self.calls.get(index));
        let by_calls = oldest.map_or(now, |&call| call + Duration::from_secs(1));
        self.paid_off.map_or(by_calls, |paid_off| by_calls.max(paid_off)).max(now)
    }

    pub(crate) fn called(&mut self, pacing: &Pacing, now: Instant) {
        if pacing.calls_per_second == usize::MAX {
            return;
        }
        if self.calls.len() == pacing.calls_per_second {
            self.calls.pop_front();
        }
        self.calls.push_back(now);
    }

    pub(crate) fn answered(&mut self, pacing: &Pacing, called: Instant, bytes: u64) {
        if pacing.bytes_per_second != u64::MAX {
            let cost = Duration::from_secs_f64(bytes as f64 / pacing.bytes_per_second as f64);
            self.paid_off = Some(called + cost);
        }
    }
}

/// What a reader does about failures that may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The wait after a first failure: 250 ms. It doubles with each further one.
    pub first_wait: Duration,
    /// The longest wait: 10 s.
    pub longest_wait: Duration,
    /// Attempts to reach a server, or a lease store, that has not answered yet, after which its being unreachable is
    /// final: 3.
    pub attempts_to_connect: u32,
    /// How long a shard may fail without a success in between before the reader gives up. Default: for ever; where
    /// credentials fail that were good before, five minutes.
    pub give_up_after: Option<Duration>,
}

/// How long credentials may fail where nothing else is said.
const CREDENTIALS_RETURN: Duration = Duration::from_secs(300);

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            first_wait: Duration::from_millis(250),
            longest_wait: Duration::from_secs(10),
            attempts_to_connect: 3,
            give_up_after: None,
        }
    }
}

impl RetryPolicy {
    /// Sets after how long without a success the reader gives up.
    pub fn give_up_after(mut self, time: Duration) -> Self {
        self.give_up_after = Some(time);
        self
    }

    /// How a call's failure is met that may pass, of a server that has taken the credentials before.
    pub(crate) fn of(self, kind: ApiErrorKind) -> Option<Self> {
        match kind {
            ApiErrorKind::Credentials => Some(self.of_credentials()),
            kind => kind.is_retryable().then_some(self),
        }
    }

    /// The same for credentials that were good before: what hands them out may fail for a while, but those that are expired
    /// for good are not to be waited for in silence.
    pub(crate) fn of_credentials(self) -> Self {
        RetryPolicy { give_up_after: self.give_up_after.or(Some(CREDENTIALS_RETURN)), ..self }
    }
}

/// Consecutive failures of one thing.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    count: u32,
    /// Time spent waiting and trying; not that in which nobody asked for anything.
    spent: Duration,
    /// The last failure, and the time that was to be waited after it.
    last: Option<(Instant, Duration)>,
}

/// How long an attempt may take and still count as trying.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(60);

impl Failures {
    pub(crate) fn succeeded(&mut self) {
        *self = Failures::default();
    }

    /// How many there were since the last success.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Notes a failure. The time to try again, with jitter so that shards do not retry in step; `None` to give up.
    pub(crate) fn failed(&mut self, policy: &RetryPolicy, rng: &mut fastrand::Rng, now: Instant) -> Option<Instant> {
        if let Some((failed, wait)) = self.last {
            self.spent += now.duration_since(failed).min(wait + LONGEST_ATTEMPT);
        }
        if policy.give_up_after.is_some_and(|limit| self.spent >= limit) {
            return None;
        }
        let wait = policy.first_wait.saturating_mul(1 << self.count.min(16)).min(policy.longest_wait);
        let wait = wait.mul_f64(0.5 + rng.f64() / 2.0);
        self.count += 1;
        self.last = Some((now, wait));
        Some(now + wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn no_second_holds_more_than_five_calls() {
        let (pacing, mut pacer, start) = (Pacing::default(), Pacer::default(), Instant::now());
        let mut now = start;
        let mut calls = Vec::new();
        for _ in 0..23 {
            now = pacer.ready_at(&pacing, now);
            pacer.called(&pacing, now);
            calls.push(now);
            now += 7 * MS;
        }
        for window in calls.windows(6) {
            assert!(window[5] - window[0] >= Duration::from_secs(1), "six calls within a second");
        }
        assert!(*calls.last().unwrap() - start < Duration::from_secs(5), "slower than need be");
    }

    #[test]
    fn an_answer_of_ten_mebibytes_costs_five_seconds() {
        let (pacing, mut pacer, now) = (Pacing::default(), Pacer::default(), Instant::now());
        pacer.called(&pacing, now);
        pacer.answered(&pacing, now, 10 << 20);
        assert_eq!(pacer.ready_at(&pacing, now), now + Duration::from_secs(5));
    }

    #[test]
    fn waits_double_up_to_the_longest_and_are_jittered() {
        let (policy, mut failures, now) = (RetryPolicy::default(), Failures::default(), Instant::now());
        let mut rng = fastrand::Rng::with_seed(1);
        for full in [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000] {
            let wait = failures.failed(&policy, &mut rng, now).unwrap() - now;
            assert!(wait >= full * MS / 2 && wait <= full * MS, "{wait:?} for {full} ms");
        }
    }

    #[test]
    fn giving_up_counts_from_the_first_failure_since_a_success() {
        let policy = RetryPolicy::default().give_up_after(Duration::from_secs(60));
        let (mut failures, mut rng, start) = (Failures::default(), fastrand::Rng::with_seed(1), Instant::now());
        assert!(failures.failed(&policy, &mut rng, start).is_some());
        assert!(failures.failed(&policy, &mut rng, start + 59_000 * MS).is_some());
        assert!(failures.failed(&policy, &mut rng, start + 60_000 * MS).is_none());
        failures.succeeded();
        assert!(failures.failed(&policy, &mut rng, start + 61_000 * MS).is_some());
    }

    #[test]
    fn time_in_which_nobody_asked_does_not_lead_to_giving_up() {
        let policy = RetryPolicy::default().give_up_after(Duration::from_secs(120));
        let (mut failures, mut rng, start) = (Failures::default(), fastrand::Rng::with_seed(1), Instant::now());
        assert!(failures.failed(&policy, &mut rng, start).is_some());
        assert!(failures.failed(&policy, &mut rng, start + Duration::from_secs(3600)).is_some());
    }
}
