//! Work that is done on all processors, and comes in order.

use std::collections::VecDeque;
use std::sync::LazyLock;

use tokio::task::JoinHandle;
use tracing::Instrument;

/// Pieces of work that are under way at once; what comes of them comes in the order in which they were begun. What is
/// under way when it is dropped goes on, and what comes of it is dropped.
#[derive(Debug)]
pub(crate) struct InOrder<T> {
    under_way: VecDeque<JoinHandle<T>>,
}

impl<T: Send + 'static> InOrder<T> {
    pub(crate) fn new() -> Self {
        InOrder { under_way: VecDeque::new() }
    }

    /// How many pieces should be under way at most: one more than there are processors, which so have another at hand while what
    /// is done is passed on. More take memory, and more of what one processor has at hand to another.
    pub(crate) fn most() -> usize {
        // Asking reads several files each time.
        static PROCESSORS: LazyLock<usize> =
            LazyLock::new(|| std::thread::available_parallelism().map_or(1, usize::from));
        *PROCESSORS + 1
    }

    /// Whether nothing is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Begins a piece that computes, and waits for nothing.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub(crate) fn begin(&mut self, work: impl FnOnce() -> T + Send + 'static) {
        self.under_way.push_back(spawn_for_any(async move { work() }.in_current_span()));
    }

    /// Waits for the first of those under way; for ever if there is none. Nothing is lost if it is not waited for to the end.
    ///
    /// # Panics
    ///
    /// If the work did.
    pub(crate) async fn next(&mut self) -> T {
        let Some(first) = self.under_way.front_mut() else { return std::future::pending().await };
        let done = first.await;
        self.under_way.pop_front();
        match done {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends, and so does whoever waits here.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

/// Spawns work that any worker may take up at once.
///
/// What a worker has spawned last it keeps to itself until it is done with what it does (tokio's LIFO slot), and does it before what
/// has waited for longer, while others stand still: a tenth of the time, where records are filtered. So something is spawned behind
/// it that takes that place, and does nothing.
///
/// # Panics
///
/// Outside a tokio runtime.
pub(crate) fn spawn_for_any<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    let spawned = tokio::spawn(work);
    drop(tokio::spawn(async {}));
    spawned
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_done_first_waits_for_what_was_begun_first() {
        let mut numbers = InOrder::new();
        let (second_is_done, wait) = mpsc::channel();
        numbers.begin(move || wait.recv().map(|()| 1));
        numbers.begin(move || second_is_done.send(()).map(|()| 2).map_err(|_| mpsc::RecvError));
        let timeout =
            tokio::time::timeout(Duration::from_secs(60), async { [numbers.next().await, numbers.next().await] });
        assert_eq!(timeout.await.unwrap(), [Ok(1), Ok(2)]);
        assert!(numbers.is_empty());
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_loses_nothing() {
        let mut numbers = InOrder::new();
        (0..3).for_each(|number| numbers.begin(move || number));
        // Polled once, before any work has begun.
        assert!(futures::FutureExt::now_or_never(numbers.next()).is_none());
        assert_eq!([numbers.next().await, numbers.next().await, numbers.next().await], [0, 1, 2]);
        // Of nothing nothing comes.
        assert!(futures::FutureExt::now_or_never(numbers.next()).is_none());
    }

    #[tokio::test]
    #[should_panic(expected = "a bug")]
    async fn a_panic_is_that_of_who_waits() {
        let mut numbers = InOrder::new();
        numbers.begin(|| panic!("a bug"));
        numbers.next().await
    }
}
