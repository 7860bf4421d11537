//! The decoder's values beside those of others: VRL's parsers (Vector), Python's standard library, AWS's de-aggregation.
//!
//! Inputs are made from fixed seeds, also ones that no producer writes. Where values differ by design, the difference is
//! one item of an enum, with the reason beside it, and the comparison allows for exactly that; each is also counted, so
//! that no test becomes empty unnoticed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod containers;
mod envelopes;
mod flow_lines;
mod inputs;
#[path = "peers/python.rs"]
mod python;
#[path = "peers/vector.rs"]
mod vector;
