//! Where events end.

#[cfg(feature = "sinks-aws_kinesis_streams")]
pub(crate) mod aws_kinesis_streams;
#[cfg(feature = "sinks-blackhole")]
pub(crate) mod blackhole;
#[cfg(feature = "sinks-console")]
pub(crate) mod console;
#[cfg(feature = "sinks-file")]
pub(crate) mod file;
#[cfg(feature = "sinks-http")]
pub(crate) mod http;
#[cfg(feature = "requests")]
mod requests;
