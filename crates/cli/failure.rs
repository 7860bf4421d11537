//! What the command says when it cannot go on, and with which exit status.

use std::fmt;
use std::process::ExitCode;

use kinesis_logs_source::aws::ConnectError;
use kinesis_logs_source::{ApiErrorKind, Error as SourceError, LeaseStoreErrorKind};

/// Something failed on the way.
pub(crate) const FAILED: u8 = 1;
/// The command line is wrong.
const USAGE: u8 = 2;

/// The configuration is wrong (`EX_CONFIG` of sysexits).
const CONFIG: u8 = 78;

const CREDENTIALS: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a --profile, or run `aws sso login`";

/// An error, what to do about it, and an exit status.
#[derive(Debug)]
pub(crate) struct Failure {
    status: u8,
    message: String,
    hint: Option<String>,
    /// Whether the message says itself that it is an error.
    is_shown: bool,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Failure { status: USAGE, message: message.into(), hint: None, is_shown: false }
    }

    /// Mistakes in a configuration, which are shown as they are.
    pub(crate) fn config(shown: String) -> Self {
        Failure { status: CONFIG, message: shown, hint: None, is_shown: true }
    }

    /// Takes an error with its causes.
    pub(crate) fn failed(error: anyhow::Error) -> Self {
        Failure { status: FAILED, message: format!("{error:#}"), hint: None, is_shown: false }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What reading said, with what usually helps. `endpoint` is the one that was given.
    pub(crate) fn from_source(error: SourceError, endpoint: Option<&str>) -> Self {
        let hint = match (&error, error.api_kind()) {
            (SourceError::StreamNotFound { .. }, _) => Some(
                "check the name, the Region (--region) and the account (--profile, --role-arn); \
                 `aws kinesis list-streams` lists what is there"
                    .to_owned(),
            ),
            (SourceError::LeaseStore { source, .. }, _) => match source.kind {
                LeaseStoreErrorKind::Locked => Some(
                    "another process reads with these checkpoints; several can share a stream with --checkpoint \
                     dynamodb:TABLE"
                        .to_owned(),
                ),
                LeaseStoreErrorKind::Credentials => Some(CREDENTIALS.to_owned()),
                LeaseStoreErrorKind::AccessDenied => Some(
                    "checkpoints need dynamodb:DescribeTable, Scan, GetItem, PutItem, UpdateItem and DeleteItem on the \
                     table, and CreateTable if it is to be made"
                        .to_owned(),
                ),
                _ => None,
            },
            (SourceError::StreamRecreated { .. } | SourceError::CheckpointRefused { .. }, _) => Some(
                "if the stream is the right one, --unusable-checkpoint trim_horizon reads it from its beginning; \
                 `checkpoints reset` forgets all checkpoints"
                    .to_owned(),
            ),
            (_, Some(ApiErrorKind::Credentials)) => Some(CREDENTIALS.to_owned()),
            (_, Some(ApiErrorKind::AccessDenied)) => Some(
                "reading needs kinesis:ListShards, kinesis:GetShardIterator and kinesis:GetRecords on the stream"
                    .to_owned(),
            ),
            (_, Some(ApiErrorKind::Kms)) => {
                Some("the stream is encrypted: reading also needs kms:Decrypt on its key".to_owned())
            }
            (_, Some(ApiErrorKind::Connection | ApiErrorKind::Timeout)) => Some(match endpoint {
                Some(url) => format!("is anything listening at {url}?"),
                None => "check the network and the Region; --endpoint-url names another endpoint".to_owned(),
            }),
            _ => None,
        };
        Failure { hint, ..Failure::failed(error.into()) }
    }

    pub(crate) fn exit(&self) -> ExitCode {
        ExitCode::from(self.status)
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let hint = match error {
            ConnectError::NoRegion => "set --region or AWS_REGION, or a region in the profile",
            _ => "see --help for the AWS options",
        };
        Failure::failed(error.into()).hint(hint)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::failed(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_shown {
            return f.write_str(&self.message);
        }
        write!(f, "error: {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n hint: {hint}"),
            None => Ok(()),
        }
    }
}
