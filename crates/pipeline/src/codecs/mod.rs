//! Between bytes and events: what sources and sinks have in common.

mod ahead;
mod decoding;
mod encoding;
mod field;
mod json;
mod native;
mod template;

pub(crate) use ahead::DecodingAhead;
#[cfg(any(feature = "sources-aws_kinesis_streams", feature = "sources-file"))]
pub(crate) use decoding::as_captured;
pub(crate) use decoding::{DecodingConfig, RecordDecoder, Records, UNDECODABLE};
pub(crate) use encoding::{Encoder, EncodingConfig};
pub(crate) use field::FieldPath;
#[cfg(any(feature = "sinks-file", feature = "sinks-http"))]
pub(crate) use template::{Part, parts, push_value};
