//! Between bytes and events: what sources and sinks have in common.

mod ahead;
mod decoding;
mod encoding;
mod field;

pub(crate) use ahead::DecodingAhead;
pub(crate) use decoding::{DecodingConfig, RecordDecoder, UNDECODABLE};
pub(crate) use encoding::{Encoder, EncodingConfig};
pub(crate) use field::FieldPath;
