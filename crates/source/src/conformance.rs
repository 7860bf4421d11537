//! What every [`LeaseStore`] must do, as tests to run over an implementation.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use kinesis_logs_source::{MemoryLeaseStore, conformance};
//!
//! conformance::lease_store(|| async { MemoryLeaseStore::new() }).await;
//! # });
//! ```

use crate::lease_store::LeaseStore;
use crate::protocol::{Checkpoint, Lease, LeaseWrite, WriteOutcome};

/// Runs every check, each on a store of its own, which `make` makes: empty and unprepared.
///
/// # Panics
///
/// If the store does not do what it must; the message says what.
pub async fn lease_store<S, F>(make: impl Fn() -> F)
where
    S: LeaseStore,
    F: Future<Output = S>,
{
    a_row_comes_back_as_it_was_created(&make().await).await;
}

async fn a_row_comes_back_as_it_was_created(store: &impl LeaseStore) {
    let lease = Lease::new("shardId-000000000000", Checkpoint::TrimHorizon);
    store.prepare().await.expect("prepare");
    let outcome = store.write(vec![LeaseWrite::Create { lease: lease.clone() }]).await.remove(0).expect("create");
    assert_eq!(outcome, WriteOutcome::Done, "a row is created where there is none");
    assert_eq!(store.list().await.expect("list"), [lease], "a row comes back as it was created");
}
