//! Zstandard ([RFC 8878]) into a buffer that is kept: several frames, a cap on the output.
//!
//! [RFC 8878]: https://www.rfc-editor.org/rfc/rfc8878

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::gzip::Output;
use crate::error::DecodeErrorKind;
use crate::text::TextBuffer;

/// What a frame may demand to be kept while it is decoded; the format asks decoders for 8 MiB at least. It does not depend
/// on the limit, as compressors that do not know how much is to come demand megabytes for the shortest text.
const MAX_WINDOW: u64 = 8 << 20;

/// How much is decoded before it is moved on.
const STEP: usize = 64 << 10;

/// Appends what every frame of `data` holds to `out`, at most `limit` bytes. After an error `out` has what was recovered.
pub(super) fn decompress(data: &[u8], limit: usize, out: &mut TextBuffer) -> Result<(), DecodeErrorKind> {
    let mut output = Output { start: out.len(), limit, buffer: out };
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(MAX_WINDOW);
    let mut rest = data;
    while !rest.is_empty() {
        if rest.len() < data.len() && rest.iter().all(|&byte| byte == 0) {
            return Ok(());
        }
        decoder.reset(&mut rest).map_err(|_| output.damaged("the zstd frame header is invalid"))?;
        while !decoder.is_finished() {
            let decoded = decoder.decode_blocks(&mut rest, BlockDecodingStrategy::UptoBytes(STEP));
            drain(&mut decoder, &mut output)?;
            if decoded.is_err() {
                let cut = rest.is_empty();
                return Err(if cut { output.truncated() } else { output.damaged("the zstd data is invalid") });
            }
        }
        drain(&mut decoder, &mut output)?;
        if decoder.get_checksum_from_data().is_some_and(|stated| Some(stated) != decoder.get_calculated_checksum()) {
            return Err(output.damaged("its checksum is wrong"));
        }
    }
    Ok(())
}

/// Moves what the decoder need not keep.
fn drain(decoder: &mut FrameDecoder, output: &mut Output<'_>) -> Result<(), DecodeErrorKind> {
    loop {
        let ready = decoder.can_collect();
        if ready == 0 {
            return Ok(());
        }
        output.make_room(ready.min(output.limit + 1 - output.len()));
        let spare = output.buffer.spare(1);
        let moved = std::io::Read::read(decoder, spare).unwrap_or(0);
        output.buffer.advance(moved);
        if output.len() > output.limit {
            return Err(output.too_large());
        }
        if moved == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zstd(data: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn decompressed(data: &[u8], limit: usize) -> (Vec<u8>, Result<(), DecodeErrorKind>) {
        let mut out = TextBuffer::default();
        let result = decompress(data, limit, &mut out);
        (out.bytes_from(0).to_vec(), result)
    }

    #[test]
    fn frames_are_read_one_after_another_and_up_to_the_limit() {
        let text: Vec<u8> = (0..100_000u32).flat_map(|n| n.to_string().into_bytes()).collect();
        let data = [zstd(&text), zstd(b"more")].concat();
        let whole = [&text[..], b"more"].concat();
        assert_eq!(decompressed(&data, whole.len()), (whole.clone(), Ok(())));
        let (recovered, result) = decompressed(&data, whole.len() - 1);
        assert_eq!(result, Err(DecodeErrorKind::TooLarge { limit: whole.len() - 1 }));
        assert_eq!(recovered, whole[..whole.len() - 1]);
    }

    #[test]
    fn a_short_text_may_demand_a_window_beyond_the_limit_but_not_any() {
        // Of `zstd` reading from a pipe: a frame without a size, whose window is 2 MiB.
        let mut data = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x21, 0, 0, b't', b'e', b'x', b't'];
        assert_eq!(decompressed(&data, 4), (b"text".to_vec(), Ok(())));
        data[5] = 0x70; // 16 MiB
        assert!(matches!(decompressed(&data, 4).1, Err(DecodeErrorKind::Damaged { .. })));
    }

    #[test]
    fn cuts_and_damage_are_errors_that_keep_what_came_before() {
        let text: Vec<u8> = (0..100_000u32).flat_map(|n| n.to_string().into_bytes()).collect();
        let whole = zstd(&text);
        for cut in (4..whole.len()).step_by(whole.len() / 20) {
            let (recovered, result) = decompressed(&whole[..cut], 1 << 20);
            assert!(result.is_err(), "cut at {cut}");
            assert!(text.starts_with(&recovered));
        }
    }
}
