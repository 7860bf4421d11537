//! Flow logs as JSON, by copying what was found to be valid.

use std::io::Write;

use super::field::FieldKind;
use super::format;
use super::record::{FlowLog, FlowLogError, Value, seconds};
use crate::number::{self, Chunk};
use crate::scan::{self, Lanes, with_lanes};

impl FlowLog<'_> {
    /// Appends the line as a JSON object: names with underscores, numbers as numbers, times in seconds, `-` as `null`,
    /// all else as text.
    ///
    /// ```
    /// use kinesis_logs_decoder::flow_log::Format;
    ///
    /// let format: Format = "srcaddr dstport action".parse()?;
    /// let mut json = Vec::new();
    /// format.split_line("10.0.0.1 443 -")?.write_json(&mut json)?;
    /// assert_eq!(json, br#"{"srcaddr":"10.0.0.1","dstport":443,"action":null}"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`FlowLogError::Value`] names the first value that is not of its field's kind; `out` is then as it was.
    pub fn write_json(&self, out: &mut Vec<u8>) -> Result<(), FlowLogError> {
        let (start, format) = (out.len(), self.format());
        let plain = scan::BASELINE.is_plain(self.window(), self.line().len());
        let longest = if plain { self.line().len() } else { 6 * self.line().len() };
        out.resize(start + format.json_len() + longest + ROOM_OF_FIELD * format.len() + CHUNK, 0);
        match write_fields(self, plain, &mut out[start..]) {
            Ok(len) => {
                out.truncate(start + len);
                Ok(())
            }
            Err(place) => {
                out.truncate(start);
                let name = format.columns()[place].name().to_owned();
                Err(FlowLogError::Value { name, value: format::shortened(self.token(place)) })
            }
        }
    }
}

/// Most tokens and keys are shorter than this, and copying a fixed size needs no call.
pub(super) const CHUNK: usize = 32;

/// What a field may take more than its key and its token: two quotes, or `null` for `-`.
const ROOM_OF_FIELD: usize = 3;

with_lanes! {
/// Writes an object and tells its length, or the place of the first value that is not of its field's kind.
fn write_fields(flow: &FlowLog<'_>, plain: bool, out: &mut [u8]) -> Result<usize, usize> |lanes| {
    let mut pos = 0;
    for (place, column) in flow.format().columns().iter().enumerate() {
        let (key, key_len) = flow.format().json_key(place);
        pos = put(out, pos, key, key_len);
        let (start, end) = flow.range(place);
        let (window, len) = (flow.window().get(start..).unwrap_or_default(), end - start);
        let mut spare = Chunk::default();
        let chunk = number::chunk_at(window, 0, &mut spare);
        let end = match column.kind() {
            FieldKind::Integer { max } => match number::integer(chunk, len) {
                Some(number) if number <= max => Some(put_number(out, pos, window, len, number)),
                _ => None,
            },
            FieldKind::Time => {
                number::integer(chunk, len).map(|time| put_number(out, pos, window, len, seconds(time)))
            }
            FieldKind::Address => lanes.ipv4(chunk, len).map(|_| put_text(out, pos, window, len, plain)),
            FieldKind::Text if len == 1 && chunk[0] == b'-' => Some(put(out, pos, NULL, 4)),
            FieldKind::Text => Some(put_text(out, pos, window, len, plain)),
        };
        pos = match end {
            Some(end) => end,
            None => put_unusual(out, pos, flow, place, plain).ok_or(place)?,
        };
    }
    out[0] = b'{'; // in place of the first comma
    Ok(put(out, pos, b"}", 1))
}
}

const NULL: &[u8; CHUNK] = &{
    let mut padded = [0; CHUNK];
    let null = *b"null";
    let mut at = 0;
    while at < null.len() {
        padded[at] = null[at];
        at += 1;
    }
    padded
};

/// Null, an IPv6 address, a very long number; or nothing, if the value is not of its kind.
#[cold]
#[inline(never)]
fn put_unusual(out: &mut [u8], pos: usize, flow: &FlowLog<'_>, place: usize, plain: bool) -> Option<usize> {
    let (start, end) = flow.range(place);
    match flow.unusual(flow.format().columns()[place].kind(), place) {
        Value::Null => Some(put(out, pos, NULL, 4)),
        Value::Integer(number) => Some(format_number(out, pos, number)),
        Value::Address(_) | Value::Text(_) => Some(put_text(out, pos, &flow.window()[start..], end - start, plain)),
        Value::Invalid(_) => None,
    }
}

/// Writes the first `len` bytes of a window at `pos`, perhaps with some behind them, and tells where they end.
#[inline(always)]
fn put(out: &mut [u8], pos: usize, window: &[u8], len: usize) -> usize {
    let to = out.get_mut(pos..).and_then(|rest| rest.first_chunk_mut::<CHUNK>());
    match (window.first_chunk::<CHUNK>(), to) {
        (Some(from), Some(to)) if len <= CHUNK => *to = *from,
        _ => put_exactly(out, pos, &window[..len]),
    }
    pos + len
}

#[cold]
#[inline(never)]
fn put_exactly(out: &mut [u8], pos: usize, token: &[u8]) {
    out[pos..pos + token.len()].copy_from_slice(token);
}

/// Writes the digits as they stand, or if JSON would not have them so, the number.
#[inline(always)]
fn put_number(out: &mut [u8], pos: usize, window: &[u8], len: usize, number: u64) -> usize {
    // Milliseconds, which became seconds, are longer than this.
    if len > 11 || (len > 1 && window[0] == b'0') {
        return format_number(out, pos, number);
    }
    put(out, pos, window, len)
}

#[cold]
#[inline(never)]
fn format_number(out: &mut [u8], pos: usize, number: u64) -> usize {
    let mut rest = &mut out[pos..];
    let before = rest.len();
    // A number is no longer than its digits were, which there is room for.
    let _ = write!(rest, "{number}");
    pos + before - rest.len()
}

#[inline(always)]
fn put_text(out: &mut [u8], pos: usize, window: &[u8], len: usize, plain: bool) -> usize {
    out[pos] = b'"';
    let end = if plain { put(out, pos + 1, window, len) } else { escape(out, pos + 1, &window[..len]) };
    out[end] = b'"';
    end + 1
}

#[cold]
#[inline(never)]
fn escape(out: &mut [u8], pos: usize, text: &[u8]) -> usize {
    let mut rest = &mut out[pos..];
    let before = rest.len();
    for &byte in text {
        // At most six bytes for one, which there is room for.
        let _ = match byte {
            b'"' | b'\\' => rest.write_all(&[b'\\', byte]),
            0..0x20 => write!(rest, "\\u{byte:04x}"),
            _ => rest.write_all(&[byte]),
        };
    }
    pos + before - rest.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Format, Value};

    #[test]
    fn odd_values_make_valid_json() {
        let format: Format = "version start new".parse().unwrap();
        let json = |line: &str| {
            let mut out = b"before".to_vec();
            let result = format.split_line(line).unwrap().write_json(&mut out);
            result.map(|()| String::from_utf8(out.split_off(6)).unwrap()).map_err(|error| (error.to_string(), out))
        };
        assert_eq!(
            json("007 1512564058000 a\"\u{1}é\\").unwrap(),
            r#"{"version":7,"start":1512564058,"new":"a\"\u0001é\\"}"#
        );
        assert_eq!(json("- - -").unwrap(), r#"{"version":null,"start":null,"new":null}"#);
        assert_eq!(json("256 1 -").unwrap_err(), ("\"256\" is no version".to_owned(), b"before".to_vec()));
    }

    proptest! {
        #[test]
        fn the_json_says_what_the_values_say(line in "(5|-|12|x) ([0-9]{1,14}|-) [ -~é\u{1}]{0,50}[!-~]") {
            let format: Format = "version start a b c d".parse().unwrap();
            let Ok(flow) = format.split_line(&line) else { return Ok(()) };
            let mut out = Vec::new();
            match flow.write_json(&mut out) {
                Err(_) => prop_assert!(flow.check().is_err()),
                Ok(()) => {
                    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&out).unwrap();
                    for (name, value) in flow.values() {
                        let expected = match value {
                            Value::Null => serde_json::Value::Null,
                            Value::Integer(number) => number.into(),
                            Value::Text(text) => text.into(),
                            other => panic!("{other:?}"),
                        };
                        prop_assert_eq!(&object[name], &expected);
                    }
                }
            }
        }
    }
}
