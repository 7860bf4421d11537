//! Compression: what the decoder calls whole is what other inflaters make of it, and the other way round.
//!
//! The first byte says what the rest is: compressed data; deflate data, which gets a header and a trailer that is right, as
//! no mutation would find a checksum; or what is to be compressed.

use std::io::{Read, Write};

use flate2::{Crc, Decompress, FlushDecompress, Status};
use kinesis_logs_decoder::{Compression, DecodeErrorKind, Decoded, Decoder, Limits, Payload};
use kinesis_logs_generator::{FlowLogs, control_message};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

const LIMIT: usize = 1 << 14;
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Panics if the decoder and the inflaters that it does or does not use disagree.
pub fn run(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    match choice % 4 {
        0 => any_gzip(data),
        1 => any_deflate(data),
        2 => anything_compressed(choice / 4, data),
        _ => any_zlib_or_zstd(data),
    }
}

/// A seed for each way, and each kind of record.
pub fn seeds() -> Vec<Vec<u8>> {
    let records: Vec<Vec<u8>> =
        [1, 3, 20].map(|events| FlowLogs::new(events as u64).events_per_record(events).next_record().data).into();
    let seed = |choice: u8, data: &[u8]| [&[choice], data].concat();
    let mut seeds = Vec::new();
    for record in records.iter().chain([&control_message()]) {
        let text = flate2_gzip(record).unwrap_or_default();
        let zstd = compress_to_vec(&text[..], CompressionLevel::Fastest);
        seeds.extend([seed(0, record), seed(1, &record[HEADER.len()..record.len() - 8]), seed(2, &text)]);
        seeds.extend([seed(2 + 4, &text), seed(2 + 8, &text)]);
        seeds.extend([seed(3, &zlib(&text)), seed(3, &zstd)]);
    }
    let (one, other) = (kinesis_logs_generator::gzip(b"one\n"), kinesis_logs_generator::gzip(b"other\n"));
    let with_all_header_fields = b"\x1f\x8b\x08\x1e\0\0\0\0\0\xff\x02\0xyname\0comment\0\0\0\x03\0\0\0\0\0\0\0\0\0";
    let stored = b"\x01\x05\x00\xfa\xffhello";
    // `aa`, in a block that lists more codes than there are symbols.
    let too_many_codes = b"\xf5\xc0\x81\x00\x00\x00\x00\x00\x90\x56\xff\x13\x52\x08";
    let fixed_codes = b"\x4b\x4c\x4a\x06\x00";
    seeds.extend([seed(0, &[&one[..], &other].concat()), seed(0, &[&one[..], &[0; 7]].concat())]);
    seeds.extend([
        seed(0, with_all_header_fields),
        seed(1, stored),
        seed(1, fixed_codes),
        seed(1, too_many_codes),
        seed(2, b""),
    ]);
    seeds
}

fn any_gzip(data: &[u8]) {
    let of_decoder = Opened::new(Compression::Gzip, data);
    if let Some(text) = flate2_gzip(data) {
        assert!(of_decoder.is_whole, "flate2 reads it, the decoder does not");
        of_decoder.assert_is(&text);
    }
}

fn any_deflate(data: &[u8]) {
    let by_zlib = zlib_rs_deflate(data);
    let by_libdeflate = libdeflate_deflate(data);
    // Either may refuse what the other takes, such as codes that no compressor makes. Then the decoder, which asks
    // libdeflate first, must take what either takes.
    let (text, len) = match (by_zlib, by_libdeflate) {
        (Some((text, len)), by_libdeflate) => {
            let same = by_libdeflate.is_none_or(|other| other == text);
            assert!(same, "zlib-rs and libdeflate read the same deflate data differently");
            (text, len)
        }
        (None, Some(text)) => {
            let len = shortest_for_libdeflate(data, text.len());
            (text, len)
        }
        (None, None) => {
            let refused = Opened::new(Compression::Gzip, &[&HEADER, data, &[0; 8]].concat());
            assert!(!refused.is_whole, "no inflater reads it, the decoder does");
            return;
        }
    };
    let whole = with_trailer(&data[..len], &text);
    let of_decoder = Opened::new(Compression::Gzip, &whole);
    assert!(of_decoder.is_whole, "an inflater reads it, the decoder does not");
    of_decoder.assert_is(&text);
    let cut = Opened::new(Compression::Gzip, &whole[..whole.len() - 1]);
    assert!(!cut.is_whole, "a byte is missing");
}

fn anything_compressed(choice: u8, text: &[u8]) {
    let text = &text[..text.len().min(LIMIT)];
    let (compression, data) = match choice % 3 {
        0 => (Compression::Gzip, kinesis_logs_generator::gzip(text)),
        1 => (Compression::Zlib, zlib(text)),
        _ => (Compression::Zstd, compress_to_vec(text, CompressionLevel::Fastest)),
    };
    let opened = Opened::new(compression, &data);
    assert!(opened.is_whole, "{compression:?} of it is not read: {:?}", opened.decoded.errors());
    opened.assert_is(text);
    let twice = Opened::new(compression, &[&data[..], &data].concat());
    assert_eq!(twice.is_whole, compression != Compression::Zlib && 2 * text.len() <= LIMIT);
}

fn any_zlib_or_zstd(data: &[u8]) {
    let of_decoder = Opened::new(Compression::Zlib, data);
    let mut other = flate2::bufread::ZlibDecoder::new(data);
    let mut text = Vec::new();
    let read = other.by_ref().take(LIMIT as u64 + 1).read_to_end(&mut text);
    let is_whole = read.is_ok() && text.len() <= LIMIT && other.total_in() == data.len() as u64;
    // It must be told from text, so only the usual headers are taken.
    if data.first() == Some(&0x78) && is_whole {
        assert!(of_decoder.is_whole, "flate2 reads it, the decoder does not");
        of_decoder.assert_is(&text);
    }
    Opened::new(Compression::Zstd, data);
}

/// What the decoder makes of compressed lines.
struct Opened {
    decoded: Decoded,
    is_whole: bool,
}

impl Opened {
    fn new(compression: Compression, data: &[u8]) -> Opened {
        let mut decoded = Decoded::default();
        Decoder::with_limits(Limits::default().decompressed_bytes(LIMIT))
            .compression(compression)
            .payload(Payload::Lines)
            .decode_into(data, &mut decoded);
        let is_whole = decoded.errors().iter().all(|error| {
            matches!(
                error.kind(),
                DecodeErrorKind::Empty | DecodeErrorKind::Utf8 | DecodeErrorKind::TooManyEvents { .. }
            )
        });
        Opened { decoded, is_whole }
    }

    /// Panics if the text is another one than that which the decoder makes of `text` without compression.
    fn assert_is(&self, text: &[u8]) {
        let plain = Opened::new(Compression::None, text);
        assert_eq!(self.decoded.text_len(), plain.decoded.text_len());
        let messages = |opened: &Opened| opened.decoded.events().map(|event| event.message().to_owned()).collect();
        let (ours, theirs): (Vec<String>, Vec<String>) = (messages(self), messages(&plain));
        assert!(ours == theirs, "the text differs");
    }
}

fn with_trailer(deflate: &[u8], text: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(text);
    [&HEADER, deflate, &crc.sum().to_le_bytes(), &(text.len() as u32).to_le_bytes()].concat()
}

/// All members, if they are whole and within the limit.
#[allow(clippy::disallowed_types, reason = "it is what the decoder is compared with, and bounded here")]
fn flate2_gzip(data: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    flate2::bufread::MultiGzDecoder::new(data).take(LIMIT as u64 + 1).read_to_end(&mut text).ok()?;
    (text.len() <= LIMIT).then_some(text)
}

/// The text, and the length of the deflate data.
fn zlib_rs_deflate(data: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut text = vec![0; LIMIT];
    let mut inflater = Decompress::new(false);
    let status = inflater.decompress(data, &mut text, FlushDecompress::Finish).ok()?;
    text.truncate(inflater.total_out() as usize);
    (status == Status::StreamEnd).then_some((text, inflater.total_in() as usize))
}

fn libdeflate_deflate(data: &[u8]) -> Option<Vec<u8>> {
    let mut text = vec![0; LIMIT];
    let size = libdeflater::Decompressor::new().deflate_decompress(data, &mut text).ok()?;
    text.truncate(size);
    Some(text)
}

/// The length of the deflate data, which libdeflate's wrapper does not tell: the shortest from which the text comes.
fn shortest_for_libdeflate(data: &[u8], size: usize) -> usize {
    let mut text = vec![0; size];
    let mut inflater = libdeflater::Decompressor::new();
    let (mut too_short, mut len) = (0, data.len());
    while len - too_short > 1 {
        let middle = too_short.midpoint(len);
        match inflater.deflate_decompress(&data[..middle], &mut text) {
            Ok(_) => len = middle,
            Err(_) => too_short = middle,
        }
    }
    len
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(text).and_then(|()| encoder.finish()).expect("writing to memory cannot fail")
}
