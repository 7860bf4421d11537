//! Whether a component can do its work where it is.

use std::pin::Pin;

use super::ComponentError;

/// Tells whether a component can do its work where it is: completes with why it cannot. It does nothing before it is awaited, changes
/// nothing, and does not need the component, which may run meanwhile.
pub type Healthcheck = Pin<Box<dyn Future<Output = Result<(), ComponentError>> + Send>>;

/// The healthcheck of what needs nothing.
pub(super) fn healthy() -> Healthcheck {
    Box::pin(std::future::ready(Ok(())))
}
