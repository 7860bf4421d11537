//! Where batches come from.

#[cfg(feature = "sources-aws_kinesis_streams")]
pub(crate) mod aws_kinesis_streams;
#[cfg(feature = "sources-demo_logs")]
pub(crate) mod demo_logs;
#[cfg(feature = "sources-file")]
pub(crate) mod file;
#[cfg(any(feature = "sources-demo_logs", feature = "sources-file"))]
mod pending;
#[cfg(feature = "sources-aws_kinesis_streams")]
mod watched;
