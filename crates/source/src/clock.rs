//! Tokio's clock, which tests can hold.

use std::time::Instant;

pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Waits until `wake`; not at all if there is none.
pub(crate) async fn sleep_until(wake: Option<Instant>) {
    if let Some(at) = wake {
        tokio::time::sleep_until(tokio::time::Instant::from_std(at)).await;
    }
}
