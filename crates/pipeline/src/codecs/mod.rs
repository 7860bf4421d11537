//! Between bytes and events: what sources and sinks have in common.

mod decoding;
mod encoding;

pub(crate) use decoding::{DecodingConfig, RecordDecoder, UNDECODABLE};
pub(crate) use encoding::{Encoder, EncodingConfig};
