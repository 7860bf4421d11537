//! Kinesis and DynamoDB over the official SDK.

#[cfg(feature = "dynamodb")]
mod dynamodb;
mod error;
mod fan_out;
mod get_records;
mod kinesis;
mod page;
mod put_records;
mod server_time;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use std::time::Duration;

#[cfg(feature = "dynamodb")]
pub use dynamodb::DynamoDbLeaseStore;
pub use kinesis::KinesisClient;
pub use put_records::{
    MAX_PARTITION_KEY_CHARS, MAX_PUT_BYTES, MAX_PUT_RECORDS, MAX_RECORD_BYTES, NewRecord, StoredRecord,
};

/// How to reach AWS. What is not set comes from where the SDK finds it: environment variables, profile files, the
/// instance's or container's role.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct AwsOptions {
    /// The Region, such as `eu-west-1`.
    pub region: Option<String>,
    /// The profile in `~/.aws/config`.
    pub profile: Option<String>,
    /// The endpoint, for emulators and private endpoints.
    pub endpoint_url: Option<String>,
    /// A role to assume.
    pub role_arn: Option<String>,
    /// The external id that the role's trust policy asks for.
    pub external_id: Option<String>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Neither the options nor the SDK's sources name a Region.
    #[error("no AWS Region is set")]
    NoRegion,
}

impl AwsOptions {
    /// Loads the SDK's configuration with these options on top.
    async fn load(&self) -> Result<SdkConfig, ConnectError> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http_client())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(5))
                    .operation_attempt_timeout(ANSWER_TIMEOUT)
                    .build(),
            )
            .retry_config(RetryConfig::standard());
        match &self.region {
            Some(region) => loader = loader.region(Region::new(region.clone())),
            // Emulators do not care for the Region, though signatures need one: do not ask the instance for its own.
            None if self.endpoint_url.is_some() => loader = loader.region(self.region_or(EMULATOR_REGION)),
            None => {}
        }
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        let mut config = loader.load().await;
        if config.region().is_none() {
            config.endpoint_url().ok_or(ConnectError::NoRegion)?;
            config = config.into_builder().region(EMULATOR_REGION).build();
        }
        if let Some(role) = &self.role_arn {
            let mut provider = AssumeRoleProvider::builder(role).configure(&config).session_name("kinesis-logs-reader");
            if let Some(id) = &self.external_id {
                provider = provider.external_id(id);
            }
            let credentials = aws_sdk_kinesis::config::SharedCredentialsProvider::new(provider.build().await);
            config = config.into_builder().credentials_provider(credentials).build();
        }
        Ok(config)
    }

    /// The Region of the environment or the profile, else `fallback`.
    fn region_or(&self, fallback: Region) -> RegionProviderChain {
        let mut profile = ProfileFileRegionProvider::builder();
        if let Some(name) = &self.profile {
            profile = profile.profile_name(name);
        }
        RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
            .or_else(profile.build())
            .or_else(fallback)
    }
}

/// How long an answer may take. Ten mebibytes on a slow line take their time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

const EMULATOR_REGION: Region = Region::from_static("us-east-1");

#[cfg(feature = "rustls")]
fn http_client() -> SharedHttpClient {
    use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

#[cfg(not(feature = "rustls"))]
fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_http()
}
