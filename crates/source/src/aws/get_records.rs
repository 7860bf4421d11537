//! [`GetRecords`] past the SDK's own parser, which holds the whole answer, walks each payload's base64 byte by byte into a
//! string, and decodes that: several times what all else in a reader costs. The SDK signs, sends and reads failures; the
//! body of a success is taken from it, and [parsed](PageParser) as it arrives.
//!
//! [`GetRecords`]: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_kinesis::operation::get_records::builders::GetRecordsFluentBuilder;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextMut;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::display::DisplayErrorContext;

use super::ANSWER_TIMEOUT;
use super::error::api_error;
use super::page::PageParser;
use super::server_time::ServerTime;
use crate::error::{ApiError, ApiErrorKind};
use crate::protocol::RecordPage;

const OPERATION: &str = "GetRecords";

pub(super) async fn get_records(request: GetRecordsFluentBuilder) -> Result<RecordPage, ApiError> {
    let (time, body) = (ServerTime::new(), BodyTaker::default());
    let request = request.customize().interceptor(time.clone()).interceptor(body.clone());
    request.send().await.map_err(|error| api_error(OPERATION, error))?;
    let body = body.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    let body = body.ok_or_else(|| ApiError::new(ApiErrorKind::Unavailable, OPERATION, "the answer has no body"))?;
    Ok(RecordPage { server_time: time.get(), ..read_in_time(body).await? })
}

async fn read_in_time(body: SdkBody) -> Result<RecordPage, ApiError> {
    let late = |_| ApiError::new(ApiErrorKind::Timeout, OPERATION, "the answer did not end in time");
    tokio::time::timeout(ANSWER_TIMEOUT, read(ByteStream::new(body))).await.map_err(late)?
}

async fn read(mut body: ByteStream) -> Result<RecordPage, ApiError> {
    // The connection broke within the answer, or the answer is not Kinesis's.
    let broken = |cause: String| ApiError::new(ApiErrorKind::Unavailable, OPERATION, cause);
    let mut page = PageParser::default();
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(|error| broken(DisplayErrorContext(error).to_string()))?;
        page.push(&bytes).map_err(|error| broken(error.to_string()))?;
    }
    page.finish().map_err(|error| broken(error.to_string()))
}

/// Takes the body of one call's successful answer, and leaves the SDK an empty page.
#[derive(Debug, Clone, Default)]
struct BodyTaker(Arc<Mutex<Option<SdkBody>>>);

#[dyn_dispatch_hint]
impl Intercept for BodyTaker {
    fn name(&self) -> &'static str {
        "BodyTaker"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        if response.status().is_success() {
            let body = std::mem::replace(response.body_mut(), SdkBody::from(r#"{"Records":[]}"#));
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use futures::{StreamExt, stream};
    use http_body::Frame;
    use http_body_util::StreamBody;
    use http_body_util::combinators::BoxBody;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_end_is_given_up_after_a_minute() {
        let begin = stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"{\"Records\":[")))]);
        let body = SdkBody::from_body_1_x(BoxBody::new(StreamBody::new(begin.chain(stream::pending()))));
        let begun = tokio::time::Instant::now();
        let error = read_in_time(body).await.unwrap_err();
        assert_eq!(error.kind, ApiErrorKind::Timeout, "{error}");
        assert_eq!(begun.elapsed().as_secs(), 60);
    }
}
