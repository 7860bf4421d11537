//! What every [`LeaseStore`](crate::LeaseStore) and every [`KinesisApi`](crate::KinesisApi) must do, as tests to run over an
//! implementation. What comes with this crate passes them.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use kinesis_logs_source::{MemoryLeaseStore, conformance};
//!
//! conformance::lease_store(|| async { MemoryLeaseStore::new() }).await;
//! # });
//! ```

mod kinesis_api;
mod lease_store;

pub use kinesis_api::{KinesisServer, kinesis_api};
pub use lease_store::lease_store;
