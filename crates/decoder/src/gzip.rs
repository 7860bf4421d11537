//! Gzip ([RFC 1952]) into a buffer that is kept: several members, a cap on the output, and what could be read of damaged
//! input.
//!
//! Two ways lead through it. The streaming inflater (zlib-rs) handles everything. Where the `libdeflate` feature is on,
//! a record that surely is one whole member goes through libdeflate in a single call first; it gives no partial output
//! and stops silently after one member, so whatever it cannot settle is read again by the streaming one. Both therefore
//! agree on every input.
//!
//! [RFC 1952]: https://www.rfc-editor.org/rfc/rfc1952

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::error::DecodeErrorKind;

/// Deflate cannot expand more than this: a larger size in a trailer is a lie.
const MAX_EXPANSION: usize = 1032;
const MAGIC: [u8; 2] = [0x1f, 0x8b];
const TRAILER: usize = 8;
/// The buffer of a record whose trailer promises little.
const MIN_BUFFER: usize = 8 << 10;

pub(crate) fn is_gzip(data: &[u8]) -> bool {
    data.starts_with(&MAGIC)
}

/// Bytes that stay allocated and initialised between records, of which the first `len` are in use.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    len: usize,
}

impl Buffer {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn clear(&mut self) {
        self.len = 0;
    }

    fn ensure(&mut self, size: usize) {
        if self.bytes.len() < size {
            self.bytes.reserve_exact(size - self.bytes.len());
            self.bytes.resize(size, 0);
        }
    }
}

pub(crate) struct Inflater {
    stream: Decompress,
    #[cfg(feature = "libdeflate")]
    one_shot: libdeflater::Decompressor,
}

impl Inflater {
    pub(crate) fn new() -> Self {
        Inflater {
            stream: Decompress::new(false),
            #[cfg(feature = "libdeflate")]
            one_shot: libdeflater::Decompressor::new(),
        }
    }

    /// Inflates every member of `data` into `out`. On an error `out` holds what was recovered.
    pub(crate) fn inflate(&mut self, data: &[u8], limit: usize, out: &mut Buffer) -> Result<(), DecodeErrorKind> {
        out.clear();
        let promised = promised_size(data).min(limit);
        #[cfg(feature = "libdeflate")]
        if self.inflate_whole(data, promised, out) {
            return Ok(());
        }
        self.inflate_streaming(data, promised, limit, out)
    }

    /// One call for one whole member; `false` leaves the matter open.
    #[cfg(feature = "libdeflate")]
    fn inflate_whole(&mut self, data: &[u8], promised: usize, out: &mut Buffer) -> bool {
        // A further member would need its own header. Where these three bytes occur by chance nothing but time is lost.
        let may_hold_another = memchr::memmem::find(&data[1..], &[0x1f, 0x8b, 8]).is_some();
        if may_hold_another {
            return false;
        }
        out.ensure(promised);
        match self.one_shot.gzip_decompress(data, &mut out.bytes[..promised]) {
            // libdeflate verified the member's own trailer, wherever that is. If the last bytes are this very trailer,
            // the member ends with them.
            Ok(inflated) if inflated == promised && ends_with_trailer_of(data, &out.bytes[..inflated]) => {
                out.len = inflated;
                true
            }
            _ => false,
        }
    }

    fn inflate_streaming(
        &mut self,
        data: &[u8],
        promised: usize,
        limit: usize,
        out: &mut Buffer,
    ) -> Result<(), DecodeErrorKind> {
        out.ensure((promised + 1).max(MIN_BUFFER).min(limit + 1));
        let mut rest = data;
        loop {
            rest = self.inflate_member(rest, limit, out)?;
            // Some writers pad with zeros.
            if rest.iter().all(|&byte| byte == 0) {
                return Ok(());
            }
            if !is_gzip(rest) {
                return Err(DecodeErrorKind::GzipDamaged {
                    reason: "something that is no gzip follows a complete member",
                    recovered: out.len,
                });
            }
        }
    }

    /// Inflates one member and returns what follows it.
    fn inflate_member<'d>(
        &mut self,
        data: &'d [u8],
        limit: usize,
        out: &mut Buffer,
    ) -> Result<&'d [u8], DecodeErrorKind> {
        let member_start = out.len;
        let damaged = |reason, out: &Buffer| DecodeErrorKind::GzipDamaged { reason, recovered: out.len };
        let truncated = |out: &Buffer| DecodeErrorKind::GzipTruncated { recovered: out.len };

        let header = header_len(data).map_err(|problem| match problem {
            HeaderProblem::Short => truncated(out),
            HeaderProblem::Bad(reason) => damaged(reason, out),
        })?;
        let mut rest = &data[header..];
        self.stream.reset(false);
        loop {
            if out.len > limit {
                out.len = limit;
                return Err(DecodeErrorKind::TooLarge { limit });
            }
            if out.len == out.bytes.len() {
                let larger = out.bytes.len().saturating_mul(2).min(limit + 1).max(out.len + 1);
                out.ensure(larger);
            }
            let (read, written) = (self.stream.total_in(), self.stream.total_out());
            let status = self.stream.decompress(rest, &mut out.bytes[out.len..], FlushDecompress::None);
            let consumed = (self.stream.total_in() - read) as usize;
            let produced = (self.stream.total_out() - written) as usize;
            rest = &rest[consumed..];
            out.len += produced;
            match status {
                Ok(Status::StreamEnd) => break,
                Ok(_) if consumed == 0 && produced == 0 => return Err(truncated(out)),
                Ok(_) => {}
                Err(_) => return Err(damaged("the deflate data is invalid", out)),
            }
        }
        if out.len > limit {
            out.len = limit;
            return Err(DecodeErrorKind::TooLarge { limit });
        }
        let Some((trailer, rest)) = rest.split_first_chunk::<TRAILER>() else {
            return Err(truncated(out));
        };
        let member = &out.bytes[member_start..out.len];
        let [c0, c1, c2, c3, s0, s1, s2, s3] = *trailer;
        let mut crc = Crc::new();
        crc.update(member);
        if u32::from_le_bytes([s0, s1, s2, s3]) != member.len() as u32 {
            return Err(damaged("its length differs from the one it states", out));
        }
        if u32::from_le_bytes([c0, c1, c2, c3]) != crc.sum() {
            return Err(damaged("its checksum is wrong", out));
        }
        Ok(rest)
    }
}

#[cfg(feature = "libdeflate")]
fn ends_with_trailer_of(data: &[u8], inflated: &[u8]) -> bool {
    let crc = libdeflater::crc32(inflated).to_le_bytes();
    data.last_chunk::<TRAILER>().is_some_and(|trailer| trailer[..4] == crc)
}

/// The size that the last trailer states, as far as it can be true.
fn promised_size(data: &[u8]) -> usize {
    let stated = data.last_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
    stated.min(data.len().saturating_mul(MAX_EXPANSION))
}

enum HeaderProblem {
    Short,
    Bad(&'static str),
}

/// The length of a member's header, RFC 1952 section 2.3.
fn header_len(data: &[u8]) -> Result<usize, HeaderProblem> {
    const FIXED: usize = 10;
    const FHCRC: u8 = 1 << 1;
    const FEXTRA: u8 = 1 << 2;
    const FNAME: u8 = 1 << 3;
    const FCOMMENT: u8 = 1 << 4;
    const RESERVED: u8 = 0b1110_0000;

    let header = data.get(..FIXED).ok_or(HeaderProblem::Short)?;
    if header[2] != 8 {
        return Err(HeaderProblem::Bad("its compression method is not deflate"));
    }
    let flags = header[3];
    if flags & RESERVED != 0 {
        return Err(HeaderProblem::Bad("its header has unknown flags"));
    }
    let mut at = FIXED;
    if flags & FEXTRA != 0 {
        let len = data.get(at..at + 2).ok_or(HeaderProblem::Short)?;
        at += 2 + usize::from(u16::from_le_bytes([len[0], len[1]]));
    }
    for zero_ended in [FNAME, FCOMMENT] {
        if flags & zero_ended != 0 {
            let text = data.get(at..).ok_or(HeaderProblem::Short)?;
            at += memchr::memchr(0, text).ok_or(HeaderProblem::Short)? + 1;
        }
    }
    if flags & FHCRC != 0 {
        at += 2;
    }
    if at > data.len() { Err(HeaderProblem::Short) } else { Ok(at) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;
    use flate2::{Compression, GzBuilder};

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn inflate(data: &[u8], limit: usize) -> (Vec<u8>, Result<(), DecodeErrorKind>) {
        let mut out = Buffer::default();
        let result = Inflater::new().inflate(data, limit, &mut out);
        (out.as_slice().to_vec(), result)
    }

    #[test]
    fn every_member_is_read_also_two_equal_ones() {
        let twice = [gzip(b"same"), gzip(b"same"), gzip(b"other")].concat();
        assert_eq!(inflate(&twice, 100), (b"samesameother".to_vec(), Ok(())));
    }

    #[test]
    fn zero_padding_is_accepted_and_other_trailing_bytes_are_reported() {
        let mut padded = gzip(b"text");
        padded.extend([0; 5]);
        assert_eq!(inflate(&padded, 100), (b"text".to_vec(), Ok(())));

        let mut garbage = gzip(b"text");
        garbage.extend(b"garbage");
        let (recovered, result) = inflate(&garbage, 100);
        assert_eq!(recovered, b"text");
        assert!(matches!(result, Err(DecodeErrorKind::GzipDamaged { recovered: 4, .. })), "{result:?}");
    }

    #[test]
    fn a_damaged_second_member_of_the_same_size_is_not_passed_over() {
        let mut data = [gzip(b"one text"), gzip(b"two text")].concat();
        let second = gzip(b"one text").len();
        data[second] ^= 1;
        let (recovered, result) = inflate(&data, 100);
        assert_eq!(recovered, b"one text");
        assert!(matches!(result, Err(DecodeErrorKind::GzipDamaged { .. })), "{result:?}");
    }

    #[test]
    fn a_cut_anywhere_is_an_error_that_keeps_what_came_before() {
        let text: Vec<u8> = (0..20_000u32).flat_map(|n| n.to_string().into_bytes()).collect();
        let whole = gzip(&text);
        for cut in (2..whole.len()).step_by(97).chain([whole.len() - 8, whole.len() - 1]) {
            let (recovered, result) = inflate(&whole[..cut], 1 << 20);
            assert_eq!(result, Err(DecodeErrorKind::GzipTruncated { recovered: recovered.len() }), "cut at {cut}");
            assert!(text.starts_with(&recovered));
        }
    }

    #[test]
    fn a_flipped_bit_in_the_trailer_is_damage() {
        for from_end in [1, 6] {
            let mut data = gzip(b"some text that is long enough");
            let at = data.len() - from_end;
            data[at] ^= 1;
            let (recovered, result) = inflate(&data, 1 << 20);
            assert_eq!(recovered, b"some text that is long enough");
            assert!(matches!(result, Err(DecodeErrorKind::GzipDamaged { .. })), "{result:?}");
        }
    }

    #[test]
    fn output_stops_at_the_limit_and_exactly_the_limit_is_fine() {
        let bomb = gzip(&vec![0; 1 << 20]);
        let (recovered, result) = inflate(&bomb, 1000);
        assert_eq!((recovered.len(), result), (1000, Err(DecodeErrorKind::TooLarge { limit: 1000 })));
        assert_eq!(inflate(&bomb, 1 << 20).1, Ok(()));
        assert_eq!(inflate(&bomb, (1 << 20) - 1).1, Err(DecodeErrorKind::TooLarge { limit: (1 << 20) - 1 }));
    }

    #[test]
    fn a_size_that_lies_costs_nothing() {
        let mut data = gzip(b"text");
        let at = data.len() - 4;
        data[at..].copy_from_slice(&u32::MAX.to_le_bytes());
        let mut out = Buffer::default();
        let result = Inflater::new().inflate(&data, usize::MAX >> 1, &mut out);
        assert!(matches!(result, Err(DecodeErrorKind::GzipDamaged { .. })), "{result:?}");
        assert!(out.bytes.len() <= data.len() * MAX_EXPANSION + 1);
    }

    #[test]
    fn optional_header_fields_are_skipped() {
        let mut encoder = GzBuilder::new()
            .filename("name")
            .comment("comment")
            .extra(vec![1, 2, 3])
            .write(Vec::new(), Compression::default());
        encoder.write_all(b"text").unwrap();
        assert_eq!(inflate(&encoder.finish().unwrap(), 100), (b"text".to_vec(), Ok(())));
    }
}
