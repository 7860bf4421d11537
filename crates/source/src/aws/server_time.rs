//! The server's clock, from the `Date` header ([RFC 9110, 6.6.1]) of an answer.
//!
//! [RFC 9110, 6.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-6.6.1

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::{DateTime, Format};
use jiff::Timestamp;

const UNKNOWN: i64 = i64::MIN;

/// Listens to one call's answer.
#[derive(Debug, Clone)]
pub(super) struct ServerTime(Arc<AtomicI64>);

impl ServerTime {
    pub(super) fn new() -> Self {
        ServerTime(Arc::new(AtomicI64::new(UNKNOWN)))
    }

    /// The answer's time; this machine's where the server did not tell.
    pub(super) fn get(&self) -> Timestamp {
        let seconds = match self.0.load(Ordering::Relaxed) {
            UNKNOWN => local_seconds(),
            seconds => seconds,
        };
        Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

fn local_seconds() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs() as i64)
}

#[dyn_dispatch_hint]
impl Intercept for ServerTime {
    fn name(&self) -> &'static str {
        "ServerTime"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        if let Some(date) = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok()) {
            self.0.store(date.secs(), Ordering::Relaxed);
        }
        Ok(())
    }
}
