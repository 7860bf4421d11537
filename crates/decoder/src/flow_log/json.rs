//! Flow logs as JSON, by copying what was found to be valid.

use std::io::Write;

use super::field::FieldKind;
use super::format;
use super::record::{FlowLog, FlowLogError, Value};
use crate::number;
use crate::scan::{self, Lanes};

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
        let start = out.len();
        let format = self.format();
        out.reserve(format.json_len() + self.line().len() + 3 * format.len() + 2 * CHUNK);
        let plain = scan::BASELINE.is_plain(self.window(), self.line().len());
        for (place, column) in format.columns().iter().enumerate() {
            let (key, len) = format.json_key(place);
            copy(key, len, out);
            let (from, to) = self.range(place);
            let window = &self.window()[from..];
            let len = to - from;
            if len == 1 && window[0] == b'-' {
                copy(NULL, 4, out);
                continue;
            }
            let fits = match column.kind() {
                FieldKind::Integer { .. } | FieldKind::Time => write_number(self.value(place), window, len, out),
                FieldKind::Address => number::address(window, len).is_some() && write_text(window, len, plain, out),
                FieldKind::Text => write_text(window, len, plain, out),
            };
            if !fits {
                out.truncate(start);
                let value = format::shortened(self.token(place));
                return Err(FlowLogError::Value { name: column.name().to_owned(), value });
            }
        }
        out[start] = b'{'; // in place of the first comma
        out.push(b'}');
        Ok(())
    }
}

/// Most tokens and keys are shorter than this, and copying a fixed size needs no call.
pub(super) const CHUNK: usize = 32;

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

/// Appends the first `len` bytes of a window.
#[inline(always)]
pub(super) fn copy(window: &[u8], len: usize, out: &mut Vec<u8>) {
    match window.first_chunk::<CHUNK>() {
        Some(chunk) if len <= CHUNK => {
            let end = out.len() + len;
            out.extend_from_slice(chunk);
            out.truncate(end);
        }
        _ => out.extend_from_slice(&window[..len]),
    }
}

/// The digits as they stand, or if JSON would not have them so, the number.
#[inline(always)]
fn write_number(value: Value<'_>, window: &[u8], len: usize, out: &mut Vec<u8>) -> bool {
    let Value::Integer(number) = value else { return false };
    let leading_zero = window[0] == b'0' && len > 1;
    // Milliseconds, which became seconds, are longer than this.
    if leading_zero || len > 11 {
        write_digits(number, out);
    } else {
        copy(window, len, out);
    }
    true
}

#[cold]
fn write_digits(number: u64, out: &mut Vec<u8>) {
    // Writing to memory cannot fail.
    let _ = write!(out, "{number}");
}

#[inline(always)]
fn write_text(window: &[u8], len: usize, plain: bool, out: &mut Vec<u8>) -> bool {
    out.push(b'"');
    if plain {
        copy(window, len, out);
    } else {
        escape(&window[..len], out);
    }
    out.push(b'"');
    true
}

#[cold]
fn escape(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..0x20 => {
                // Writing to memory cannot fail.
                let _ = write!(out, "\\u{byte:04x}");
            }
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Format;
    use super::*;

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
