//! What changes events on their way.

pub(crate) mod dedupe;
pub(crate) mod filter;
mod hash;
mod program;
pub(crate) mod remap;
pub(crate) mod route;
pub(crate) mod sample;
pub(crate) mod throttle;

pub(crate) use program::{Condition, ConditionConfig, Program};
