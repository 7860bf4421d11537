//! Gzip ([RFC 1952]) and zlib ([RFC 1950]) into a buffer that is kept: several members, a cap on the output, and what
//! could be read of damaged input.
//!
//! Two ways lead through gzip. The streaming inflater (zlib-rs) handles everything. Where the `libdeflate` feature is on,
//! a member is tried in a single call first; that gives no partial output, so whatever it cannot settle is read again by
//! the streaming one. Both therefore agree on all that compressors write. What they make of data that none writes may
//! differ: libdeflate lets a block list more codes than there are symbols, which zlib refuses.
//!
//! [RFC 1950]: https://www.rfc-editor.org/rfc/rfc1950
//! [RFC 1952]: https://www.rfc-editor.org/rfc/rfc1952

use flate2::{Crc, Decompress, FlushDecompress, Status};

#[cfg(feature = "libdeflate")]
use super::one_shot::OneShot;
use crate::error::DecodeErrorKind;
use crate::text::TextBuffer;

/// Deflate cannot expand more than this: a larger size in a trailer is a lie.
const MAX_EXPANSION: usize = 1032;
const MAGIC: [u8; 2] = [0x1f, 0x8b];
const TRAILER: usize = 8;
/// The buffer of a record that promises little.
const MIN_BUFFER: usize = 8 << 10;

pub(crate) fn is_gzip(data: &[u8]) -> bool {
    data.starts_with(&MAGIC)
}

/// Deflate with the window of 32 KiB that everybody uses, a valid check of the header, and no dictionary.
pub(crate) fn is_zlib(data: &[u8]) -> bool {
    matches!(*data, [0x78, flags, ..] if (0x7800 | u16::from(flags)) % 31 == 0 && flags & 0x20 == 0)
}

/// What inflates gzip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Backend {
    /// libdeflate if the feature `libdeflate` is on, and zlib-rs for what that cannot settle.
    #[default]
    Fastest,
    /// zlib-rs alone, which is pure Rust.
    ZlibRs,
}

pub(crate) struct Inflater {
    pub(crate) backend: Backend,
    stream: Decompress,
    #[cfg(feature = "libdeflate")]
    one_shot: OneShot,
}

impl Inflater {
    pub(crate) fn new() -> Self {
        Inflater {
            backend: Backend::Fastest,
            stream: Decompress::new(false),
            #[cfg(feature = "libdeflate")]
            one_shot: OneShot::new(),
        }
    }

    /// Appends what every member of `data` holds to `out`, at most `limit` bytes. After an error `out` has what was
    /// recovered.
    pub(crate) fn gzip(&mut self, data: &[u8], limit: usize, out: &mut TextBuffer) -> Result<(), DecodeErrorKind> {
        let promised = promised_size(data).min(limit);
        let mut output = Output { start: out.len(), limit, buffer: out };
        let mut rest = data;
        #[cfg(feature = "libdeflate")]
        if self.backend == Backend::Fastest
            && let Some(member) = self.one_shot.gzip_member(data, &mut output.buffer.spare(promised)[..promised])
        {
            output.buffer.advance(member.produced);
            rest = &data[member.consumed..];
            if rest.is_empty() {
                return Ok(());
            }
        }
        output.make_room(promised);
        loop {
            // Some writers pad with zeros.
            if rest.len() < data.len() && rest.iter().all(|&byte| byte == 0) {
                return Ok(());
            }
            if rest.len() < data.len() && !is_gzip(rest) {
                return Err(output.damaged("something that is no gzip follows a complete member"));
            }
            rest = self.gzip_member(rest, &mut output)?;
        }
    }

    /// Appends what zlib data holds to `out`, at most `limit` bytes. After an error `out` has what was recovered.
    pub(crate) fn zlib(&mut self, data: &[u8], limit: usize, out: &mut TextBuffer) -> Result<(), DecodeErrorKind> {
        let mut output = Output { start: out.len(), limit, buffer: out };
        output.make_room(data.len().saturating_mul(4).min(limit));
        self.stream.reset(true);
        let rest = self.deflate(data, &mut output)?;
        if rest.iter().all(|&byte| byte == 0) {
            return Ok(());
        }
        Err(output.damaged("something follows the end of the zlib data"))
    }

    /// Inflates one member and returns what follows it.
    fn gzip_member<'d>(&mut self, data: &'d [u8], output: &mut Output<'_>) -> Result<&'d [u8], DecodeErrorKind> {
        let member_start = output.buffer.len();
        let header = header_len(data).map_err(|problem| match problem {
            HeaderProblem::Short => output.truncated(),
            HeaderProblem::Bad(reason) => output.damaged(reason),
        })?;
        self.stream.reset(false);
        let rest = self.deflate(&data[header..], output)?;
        let Some((trailer, rest)) = rest.split_first_chunk::<TRAILER>() else {
            return Err(output.truncated());
        };
        let member = output.buffer.bytes_from(member_start);
        let [c0, c1, c2, c3, s0, s1, s2, s3] = *trailer;
        let mut crc = Crc::new();
        crc.update(member);
        if u32::from_le_bytes([s0, s1, s2, s3]) != member.len() as u32 {
            return Err(output.damaged("its length differs from the one it states"));
        }
        if u32::from_le_bytes([c0, c1, c2, c3]) != crc.sum() {
            return Err(output.damaged("its checksum is wrong"));
        }
        Ok(rest)
    }

    /// Inflates up to the end of the stream and returns what follows it.
    fn deflate<'d>(&mut self, data: &'d [u8], output: &mut Output<'_>) -> Result<&'d [u8], DecodeErrorKind> {
        let mut rest = data;
        loop {
            output.make_room(1);
            let (read, written) = (self.stream.total_in(), self.stream.total_out());
            let status = self.stream.decompress(rest, output.buffer.spare(1), FlushDecompress::None);
            let consumed = (self.stream.total_in() - read) as usize;
            let produced = (self.stream.total_out() - written) as usize;
            rest = &rest[consumed..];
            output.buffer.advance(produced);
            if output.len() > output.limit {
                return Err(output.too_large());
            }
            match status {
                Ok(Status::StreamEnd) => return Ok(rest),
                Ok(_) if consumed == 0 && produced == 0 => return Err(output.truncated()),
                Ok(_) => {}
                Err(_) => return Err(output.damaged("the deflate data is invalid")),
            }
        }
    }
}

/// Where inflated bytes go, and how many there may be.
pub(super) struct Output<'a> {
    pub(super) buffer: &'a mut TextBuffer,
    pub(super) start: usize,
    pub(super) limit: usize,
}

impl Output<'_> {
    /// How many bytes there are.
    pub(super) fn len(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Sees to it that `size` bytes more can come, or one more than may, at the price of few reallocations.
    pub(super) fn make_room(&mut self, size: usize) {
        let len = self.len();
        if self.buffer.room() < size.max(1) {
            let wanted = size.max(len / 2).max(MIN_BUFFER);
            self.buffer.spare(wanted.min(self.limit + 1 - len.min(self.limit)));
        }
    }

    pub(super) fn too_large(&mut self) -> DecodeErrorKind {
        self.buffer.truncate(self.start + self.limit);
        DecodeErrorKind::TooLarge { limit: self.limit }
    }

    pub(super) fn truncated(&self) -> DecodeErrorKind {
        DecodeErrorKind::Truncated { recovered: self.len() }
    }

    pub(super) fn damaged(&self, reason: &'static str) -> DecodeErrorKind {
        DecodeErrorKind::Damaged { reason, recovered: self.len() }
    }
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
        let mut out = TextBuffer::default();
        let result = Inflater::new().gzip(data, limit, &mut out);
        (out.bytes_from(0).to_vec(), result)
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
        assert!(matches!(result, Err(DecodeErrorKind::Damaged { recovered: 4, .. })), "{result:?}");
    }

    #[test]
    fn a_damaged_second_member_of_the_same_size_is_not_passed_over() {
        let mut data = [gzip(b"one text"), gzip(b"two text")].concat();
        let second = gzip(b"one text").len();
        data[second] ^= 1;
        let (recovered, result) = inflate(&data, 100);
        assert_eq!(recovered, b"one text");
        assert!(matches!(result, Err(DecodeErrorKind::Damaged { .. })), "{result:?}");
    }

    #[test]
    fn a_second_member_that_is_the_same_is_not_passed_over_though_its_header_is_damaged() {
        let mut data = [gzip(b"same"), gzip(b"same")].concat();
        let second = data.len() / 2;
        data[second] ^= 1;
        assert!(
            matches!(inflate(&data, 100), (recovered, Err(DecodeErrorKind::Damaged { .. })) if recovered == b"same")
        );
    }

    #[test]
    fn zlib_is_inflated_and_its_mistakes_are_found() {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::new(6));
        encoder.write_all(b"some text, some text").unwrap();
        let data = encoder.finish().unwrap();
        assert!(is_zlib(&data));
        let zlib = |data: &[u8], limit| {
            let mut out = TextBuffer::default();
            let result = Inflater::new().zlib(data, limit, &mut out);
            (String::from_utf8(out.bytes_from(0).to_vec()).unwrap(), result)
        };
        assert_eq!(zlib(&data, 100), ("some text, some text".to_owned(), Ok(())));
        assert_eq!(zlib(&data, 4), ("some".to_owned(), Err(DecodeErrorKind::TooLarge { limit: 4 })));
        let cut = zlib(&data[..data.len() - 4], 100);
        assert_eq!(cut, ("some text, some text".to_owned(), Err(DecodeErrorKind::Truncated { recovered: 20 })));
        let mut damaged = data.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert!(matches!(zlib(&damaged, 100).1, Err(DecodeErrorKind::Damaged { .. })));
        assert!(matches!(zlib(&[data, vec![1]].concat(), 100).1, Err(DecodeErrorKind::Damaged { .. })));
    }

    #[test]
    fn a_cut_anywhere_is_an_error_that_keeps_what_came_before() {
        let text: Vec<u8> = (0..20_000u32).flat_map(|n| n.to_string().into_bytes()).collect();
        let whole = gzip(&text);
        for cut in (2..whole.len()).step_by(97).chain([whole.len() - 8, whole.len() - 1]) {
            let (recovered, result) = inflate(&whole[..cut], 1 << 20);
            assert_eq!(result, Err(DecodeErrorKind::Truncated { recovered: recovered.len() }), "cut at {cut}");
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
            assert!(matches!(result, Err(DecodeErrorKind::Damaged { .. })), "{result:?}");
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
        let mut out = TextBuffer::default();
        let result = Inflater::new().gzip(&data, usize::MAX >> 1, &mut out);
        assert!(matches!(result, Err(DecodeErrorKind::Damaged { .. })), "{result:?}");
        assert!(out.room() <= (data.len() * MAX_EXPANSION).max(MIN_BUFFER));
    }

    #[test]
    fn the_inflaters_differ_on_blocks_that_list_more_codes_than_there_are_symbols() {
        // `aa` by codes of its own, of which the block lists 286, all that there are, and then 287.
        let all = b"\xed\xc0\x81\x00\x00\x00\x00\x00\x90\x56\xff\x13\x4e\x08";
        let too_many = b"\xf5\xc0\x81\x00\x00\x00\x00\x00\x90\x56\xff\x13\x52\x08";
        let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
        let mut crc = Crc::new();
        crc.update(b"aa");
        let inflated =
            |deflate: &[u8]| inflate(&[&header, deflate, &crc.sum().to_le_bytes(), &[2, 0, 0, 0]].concat(), 100);
        assert_eq!(inflated(all), (b"aa".to_vec(), Ok(())));
        assert_eq!(inflated(too_many).1.is_ok(), cfg!(feature = "libdeflate"));
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
