//! What changes events on their way.

#[cfg(feature = "transforms-filter")]
pub(crate) mod filter;
