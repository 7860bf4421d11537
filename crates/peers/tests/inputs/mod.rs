//! What the peers are asked to read.

pub(crate) mod envelopes;
pub(crate) mod lines;
