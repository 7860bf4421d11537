//! How what is written or sent is compressed.

use std::io::{self, BufRead};

use flate2::write::GzEncoder;
use serde::Deserialize;

use crate::component::Problem;

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub(crate) enum Compression {
    /// Not at all.
    #[default]
    None,
    /// By gzip.
    Gzip,
    /// By Zstandard, which takes less time and less room.
    Zstd,
}

impl Compression {
    /// What is wrong with the key `compression`.
    pub(crate) fn problem(self) -> Option<Problem> {
        let is_missing = self == Compression::Zstd && !cfg!(feature = "zstd");
        let problem = || Problem::new("this program was built without zstd").key("compression");
        is_missing.then(|| problem().hint("compression = \"gzip\""))
    }

    /// The name that HTTP has for it, if there is anything to name.
    #[cfg(feature = "sinks-http")]
    pub(crate) fn content_coding(self) -> Option<&'static str> {
        match self {
            Compression::None => None,
            Compression::Gzip => Some("gzip"),
            Compression::Zstd => Some("zstd"),
        }
    }

    /// The bytes as a whole: a member of gzip, or a frame of zstd with a checksum.
    pub(crate) fn compress(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(bytes.len() / 4);
        match self {
            Compression::None => out.extend_from_slice(bytes),
            Compression::Gzip => {
                let mut encoder = GzEncoder::new(out, flate2::Compression::default());
                io::Write::write_all(&mut encoder, bytes)?;
                out = encoder.finish()?;
            }
            Compression::Zstd => out = zstd_frame(bytes, out)?,
        }
        Ok(out)
    }
}

#[cfg(feature = "zstd")]
fn zstd_frame(bytes: &[u8], out: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::stream::Encoder::new(out, zstd::DEFAULT_COMPRESSION_LEVEL)?;
    encoder.include_checksum(true)?;
    io::Write::write_all(&mut encoder, bytes)?;
    encoder.finish()
}

#[cfg(not(feature = "zstd"))]
fn zstd_frame(_: &[u8], _: Vec<u8>) -> io::Result<Vec<u8>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Reads one frame of zstd, and leaves the reader behind it.
///
/// # Errors
///
/// [`io::ErrorKind::UnexpectedEof`] if it was cut off.
#[cfg(feature = "zstd")]
pub(crate) fn pass_over_zstd_frame(reader: &mut impl BufRead) -> io::Result<()> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(reader)?.single_frame();
    io::copy(&mut decoder, &mut io::sink())?;
    Ok(())
}

#[cfg(not(feature = "zstd"))]
pub(crate) fn pass_over_zstd_frame(_: &mut impl BufRead) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
