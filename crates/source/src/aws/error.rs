//! From the SDK's errors to [`ApiError`].

use std::error::Error as StdError;
use std::fmt;

use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_types::event_stream::RawMessage;

use crate::error::{ApiError, ApiErrorKind};

pub(super) fn api_error<E>(operation: &'static str, error: SdkError<E, HttpResponse>) -> ApiError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let kind = match &error {
        SdkError::ServiceError(service) => {
            let (code, status) = (service.err().code(), service.raw().status().as_u16());
            let message = match (code, service.err().message()) {
                (Some(code), Some(message)) => format!("{code}: {message}"),
                (Some(code), None) => code.to_owned(),
                (None, message) => {
                    format!("HTTP status {status} {}", message.unwrap_or_default()).trim_end().to_owned()
                }
            };
            return ApiError::new(by_code(code.unwrap_or_default(), status), operation, message);
        }
        SdkError::TimeoutError(_) => ApiErrorKind::Timeout,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => ApiErrorKind::Timeout,
        SdkError::DispatchFailure(failure) if failure.is_io() => ApiErrorKind::Connection,
        // A proxy's, say: of a failure's body that is not AWS's, the SDK knows nothing to tell.
        SdkError::ResponseError(answer) if !answer.raw().status().is_success() => {
            let status = answer.raw().status().as_u16();
            return ApiError::new(by_code("", status), operation, format!("HTTP status {status}"));
        }
        // The connection broke within the answer, or the answer is not Kinesis's.
        SdkError::ResponseError(_) => ApiErrorKind::Unavailable,
        other if mentions_credentials(other) => ApiErrorKind::Credentials,
        SdkError::DispatchFailure(_) => ApiErrorKind::Connection,
        _ => ApiErrorKind::Other,
    };
    ApiError::new(kind, operation, root_cause(&error))
}

/// A failure within an event stream: a frame that names one, or what happened to the connection.
pub(super) fn event_error<E>(operation: &'static str, error: SdkError<E, RawMessage>) -> ApiError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let kind = match &error {
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or_default();
            let message = match service.err().message() {
                Some(message) => format!("{code}: {message}"),
                None => code.to_owned(),
            };
            // Not an HTTP status: that was 200. What has no known name is taken for a fault of the server.
            return ApiError::new(by_code(code, 500), operation, message);
        }
        SdkError::TimeoutError(_) => ApiErrorKind::Timeout,
        SdkError::DispatchFailure(_) => ApiErrorKind::Connection,
        _ => ApiErrorKind::Unavailable,
    };
    ApiError::new(kind, operation, root_cause(&error))
}

pub(super) fn by_code(code: &str, status: u16) -> ApiErrorKind {
    match code {
        "ProvisionedThroughputExceededException"
        | "LimitExceededException"
        | "ThrottlingException"
        | "Throttling"
        | "RequestLimitExceeded"
        | "KMSThrottlingException" => ApiErrorKind::Throttled,
        "ExpiredIteratorException" => ApiErrorKind::ExpiredIterator,
        "ExpiredNextTokenException" => ApiErrorKind::ExpiredNextToken,
        "ResourceNotFoundException" => ApiErrorKind::NotFound,
        "ResourceInUseException" => ApiErrorKind::ResourceInUse,
        "InvalidArgumentException" | "ValidationException" | "SerializationException" => ApiErrorKind::InvalidArgument,
        "AccessDeniedException" => ApiErrorKind::AccessDenied,
        "UnknownOperationException" => ApiErrorKind::Unsupported,
        "ExpiredTokenException"
        | "ExpiredToken"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "IncompleteSignatureException"
        | "MissingAuthenticationTokenException"
        | "InvalidClientTokenId" => ApiErrorKind::Credentials,
        code if code.starts_with("KMS") => ApiErrorKind::Kms,
        "InternalFailure" | "InternalFailureException" | "ServiceUnavailable" => ApiErrorKind::Unavailable,
        // DynamoDB's, where two regions of a global table or a transaction get in each other's way.
        "ReplicatedWriteConflictException" | "TransactionConflictException" => ApiErrorKind::Unavailable,
        // A proxy's, say, that takes no more.
        _ if status == 413 => ApiErrorKind::InvalidArgument,
        _ if status >= 500 => ApiErrorKind::Unavailable,
        _ => ApiErrorKind::Other,
    }
}

/// Failing to find credentials, and failing to get them (say, by assuming a role), is one kind.
fn mentions_credentials(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|cause| cause.is::<aws_credential_types::provider::error::CredentialsError>())
}

/// The innermost cause is what helps; the layers above it say "dispatch failure".
fn root_cause<E: StdError + 'static, R: fmt::Debug + 'static>(error: &SdkError<E, R>) -> String {
    let causes: Vec<String> = chain(error).skip(1).map(ToString::to_string).collect();
    match causes.as_slice() {
        [] => DisplayErrorContext(error).to_string(),
        [.., before, last] if !before.contains(last.as_str()) => format!("{before}: {last}"),
        [.., last] => last.clone(),
    }
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_pass_are_told_from_those_that_do_not() {
        for (code, status, kind) in [
            ("ProvisionedThroughputExceededException", 400, ApiErrorKind::Throttled),
            ("KMSThrottlingException", 400, ApiErrorKind::Throttled),
            ("KMSDisabledException", 400, ApiErrorKind::Kms),
            ("ExpiredIteratorException", 400, ApiErrorKind::ExpiredIterator),
            ("", 503, ApiErrorKind::Unavailable),
            ("", 404, ApiErrorKind::Other),
            ("", 413, ApiErrorKind::InvalidArgument),
            ("AccessDeniedException", 400, ApiErrorKind::AccessDenied),
        ] {
            assert_eq!(by_code(code, status), kind, "{code} {status}");
        }
    }
}
