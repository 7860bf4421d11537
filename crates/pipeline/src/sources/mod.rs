//! Where batches come from.

#[cfg(feature = "sources-aws_kinesis_streams")]
pub(crate) mod aws_kinesis_streams;
#[cfg(any(feature = "sources-file", feature = "sources-stdin"))]
mod content;
#[cfg(feature = "sources-demo_logs")]
pub(crate) mod demo_logs;
#[cfg(feature = "sources-file")]
pub(crate) mod file;
#[cfg(any(feature = "sources-file", feature = "sources-stdin"))]
mod form;
#[cfg(any(feature = "sources-file", feature = "sources-stdin"))]
mod framer;
#[cfg(any(feature = "sources-aws_kinesis_streams", feature = "sources-file"))]
mod given_up;
#[cfg(any(feature = "sources-file", feature = "sources-stdin"))]
mod json_values;
#[cfg(any(feature = "sources-demo_logs", feature = "sources-file", feature = "sources-stdin"))]
mod pending;
#[cfg(feature = "sources-stdin")]
pub(crate) mod stdin;
#[cfg(any(feature = "sources-file", feature = "sources-stdin"))]
mod unit;
#[cfg(feature = "sources-aws_kinesis_streams")]
mod watched;
