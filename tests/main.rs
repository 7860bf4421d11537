//! The built command, end to end: against an embedded emulator, a scriptable fake, moto, and beside the ancestor
//! and kcl-rs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod checkpoints;
#[cfg(unix)]
mod clickhouse;
mod decode;
mod delivery;
#[cfg(unix)]
mod examples;
mod fleet;
mod generate;
mod kcl;
mod kills;
mod kinesis_sink;
mod moto;
mod outage;
mod parity;
mod pipeline;
mod python;
mod ranges;
mod records;
#[cfg(unix)]
mod reloading;
mod resharding;
mod samples;
mod shards;
#[cfg(unix)]
mod stopping;
mod usage;
mod util;
mod watching;
