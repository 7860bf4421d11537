//! What a record's bytes are wrapped in, told by how they begin.

pub(crate) mod gzip;
#[cfg(feature = "libdeflate")]
mod one_shot;
#[cfg(feature = "zstd")]
mod zstd;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::error::DecodeErrorKind;
use crate::text::TextBuffer;

/// How a record's bytes are compressed.
///
/// | compression | begins with | where it comes from |
/// |---|---|---|
/// | gzip | `1f 8b` | CloudWatch Logs; Firehose with compression, also around records that are compressed already |
/// | zlib | `78`, and a valid check | other producers |
/// | Zstandard | `28 b5 2f fd` | other producers; needs the feature `zstd` |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Compression {
    /// What the bytes begin with, in the order of the table; also one within the other.
    #[default]
    Auto,
    /// Not at all.
    None,
    /// Gzip ([RFC 1952](https://www.rfc-editor.org/rfc/rfc1952)), any number of members.
    Gzip,
    /// Zlib ([RFC 1950](https://www.rfc-editor.org/rfc/rfc1950)).
    Zlib,
    /// Zstandard ([RFC 8878](https://www.rfc-editor.org/rfc/rfc8878)), any number of frames.
    Zstd,
}

impl Compression {
    /// The compression that `data` begins like.
    pub(crate) fn detect(data: &[u8]) -> Compression {
        if gzip::is_gzip(data) {
            Compression::Gzip
        } else if gzip::is_zlib(data) {
            Compression::Zlib
        } else if data.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Compression::Zstd
        } else {
            Compression::None
        }
    }

    /// Appends what `data` holds to `out`, at most `limit` bytes. After an error `out` has what was recovered.
    pub(crate) fn open(
        self,
        data: &[u8],
        limit: usize,
        inflater: &mut gzip::Inflater,
        out: &mut TextBuffer,
    ) -> Result<(), DecodeErrorKind> {
        match self {
            Compression::Gzip => inflater.gzip(data, limit, out),
            Compression::Zlib => inflater.zlib(data, limit, out),
            #[cfg(feature = "zstd")]
            Compression::Zstd => zstd::decompress(data, limit, out),
            #[cfg(not(feature = "zstd"))]
            Compression::Zstd => Err(DecodeErrorKind::Unsupported { what: "Zstandard", feature: "zstd" }),
            Compression::Auto | Compression::None if data.len() > limit => {
                out.append(&data[..limit]);
                Err(DecodeErrorKind::TooLarge { limit })
            }
            Compression::Auto | Compression::None => {
                out.append(data);
                Ok(())
            }
        }
    }
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How base64 of gzip, zlib, Zstandard, KPL's magic, and JSON with a member begins.
const BASE64_STARTS: [&str; 8] = ["H4sI", "eJ", "eN", "eA", "eF", "KLUv", "84ma", "ey"];

/// The bytes, if `data` is base64 text of something that the decoder knows. White space around it and line breaks within
/// are fine.
pub(crate) fn base64_of_something_known(data: &[u8]) -> Option<Vec<u8>> {
    let text = data.trim_ascii_start();
    if !BASE64_STARTS.iter().any(|start| text.starts_with(start.as_bytes())) {
        return None;
    }
    base64(text).filter(|bytes| {
        Compression::detect(bytes) != Compression::None
            || bytes.starts_with(&[0xf3, 0x89, 0x9a, 0xc2])
            || (bytes.starts_with(b"{") && bytes.trim_ascii_end().ends_with(b"}"))
    })
}

/// The bytes of base64 text, in which white space may stand.
pub(crate) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    if !text.iter().any(u8::is_ascii_whitespace) {
        return BASE64.decode(text).ok();
    }
    let dense: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64.decode(dense).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressions_are_told_by_their_first_bytes() {
        assert_eq!(Compression::detect(&[0x1f, 0x8b, 8]), Compression::Gzip);
        for flags in [0x01, 0x5e, 0x9c, 0xda] {
            assert_eq!(Compression::detect(&[0x78, flags]), Compression::Zlib);
        }
        assert_eq!(Compression::detect(b"x]"), Compression::None, "text may begin with an x");
        assert_eq!(Compression::detect(&[0x28, 0xb5, 0x2f, 0xfd]), Compression::Zstd);
        assert_eq!(Compression::detect(b"{"), Compression::None);
    }

    #[test]
    fn base64_is_told_from_text_by_what_it_holds() {
        let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
        for known in [
            &[0x1f, 0x8b, 8, 0][..],
            &[0x78, 0x9c, 1],
            &[0x28, 0xb5, 0x2f, 0xfd],
            &[0xf3, 0x89, 0x9a, 0xc2],
            b"{\"a\":1}",
        ] {
            let text = encode(known);
            assert_eq!(base64_of_something_known(text.as_bytes()).as_deref(), Some(known));
            let broken = format!(" {}\r\n{}\n", &text[..4], &text[4..]);
            assert_eq!(base64_of_something_known(broken.as_bytes()).as_deref(), Some(known), "with line breaks");
            assert_eq!(base64_of_something_known(text.trim_end_matches('=').as_bytes()).as_deref(), Some(known));
        }
        for other in ["hello", "eyes", "H4sI !", &encode(b"hello")] {
            assert_eq!(base64_of_something_known(other.as_bytes()), None, "{other}");
        }
    }
}
