//! What sinks that send requests have in common: events are gathered into requests, several of which are under way at once, and
//! each is sent until all of its events are settled.

mod backoff;
mod batcher;
mod dispatch;
mod request;
mod settings;

pub(crate) use backoff::Backoff;
pub(crate) use batcher::{Batcher, Form, Limits};
pub(crate) use dispatch::dispatch;
pub(crate) use request::Request;
pub(crate) use settings::Problems;

/// The output of what a server will never take.
pub(crate) const REJECTED: &str = "rejected";
