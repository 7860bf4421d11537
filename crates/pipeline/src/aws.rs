//! How AWS is reached: what sources and sinks of it have in common.

use kinesis_logs_source::aws::AwsOptions;
use serde::Deserialize;

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
