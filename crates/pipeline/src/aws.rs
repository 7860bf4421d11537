//! How AWS is reached: what sources and sinks of it have in common.

use kinesis_logs_source::aws::{AwsOptions, ConnectError};
use kinesis_logs_source::{ApiError, ApiErrorKind};
use serde::Deserialize;

use crate::component::ComponentError;

/// How to be allowed to.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct AuthConfig {
    /// The profile in `~/.aws/config`. Default: that of the environment.
    profile: Option<String>,
    /// The ARN of a role to assume. Default: none.
    assume_role: Option<String>,
    /// The external id that the role's trust policy asks for. Default: none.
    external_id: Option<String>,
}

impl AuthConfig {
    /// What reaches AWS in this Region, at this endpoint.
    pub(crate) fn options(&self, region: Option<&str>, endpoint: Option<&str>) -> AwsOptions {
        let mut options = AwsOptions::default();
        options.region = region.map(str::to_owned);
        options.endpoint_url = endpoint.map(str::to_owned);
        options.profile.clone_from(&self.profile);
        options.role_arn.clone_from(&self.assume_role);
        options.external_id.clone_from(&self.external_id);
        options
    }
}

/// Why AWS cannot even be asked.
pub(crate) fn cannot_connect(error: ConnectError) -> ComponentError {
    ComponentError::new("cannot connect").caused_by(error)
}

/// Why a healthcheck failed, with what usually helps; `permission` is what it takes.
pub(crate) fn unhealthy(what: String, error: ApiError, permission: &str) -> ComponentError {
    let hint = match error.kind {
        ApiErrorKind::NotFound => "check the name, the Region and the account".to_owned(),
        ApiErrorKind::AccessDenied => format!("allow {permission}"),
        ApiErrorKind::Credentials => {
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or auth.profile, or run `aws sso login`".to_owned()
        }
        ApiErrorKind::Connection | ApiErrorKind::Timeout => "check the network, the Region and the endpoint".to_owned(),
        _ => return ComponentError::new(what).caused_by(error),
    };
    ComponentError::new(what).caused_by(error).with_hint(hint)
}
