//! Cells in the dress of a format.

use serde::de::IgnoredAny;

use super::column::Cell;

/// TSV as the ancestor writes it: values as they are. Only log lines, which may hold tabs and line feeds of their own,
/// have them escaped, so that a row stays a row.
#[inline]
pub(crate) fn tsv(cell: &Cell<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => out.push(b'-'),
        Cell::Integer(number) => integer(*number, out),
        Cell::Digits(digits) => out.extend_from_slice(digits.as_bytes()),
        Cell::Text(text) => out.extend_from_slice(text.as_bytes()),
        Cell::Json(line) | Cell::Line(line) => escaped(line, out),
    }
}

fn escaped(line: &str, out: &mut Vec<u8>) {
    for &byte in line.as_bytes() {
        match byte {
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            _ => out.push(byte),
        }
    }
}

/// CSV as in [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180), but lines end in a line feed alone. Null is empty.
#[inline]
pub(crate) fn csv(cell: &Cell<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => {}
        Cell::Integer(number) => integer(*number, out),
        Cell::Digits(digits) => out.extend_from_slice(digits.as_bytes()),
        Cell::Json(text) | Cell::Line(text) => csv_text(text, out),
        Cell::Text(text) => csv_text(text, out),
    }
}

pub(crate) fn csv_text(text: &str, out: &mut Vec<u8>) {
    if !text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    for &byte in text.as_bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[inline]
pub(crate) fn json(cell: &Cell<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => out.extend_from_slice(b"null"),
        Cell::Integer(number) => integer(*number, out),
        Cell::Digits(digits) => out.extend_from_slice(digits.as_bytes()),
        Cell::Json(json) => raw_json(json, out),
        Cell::Text(text) => json_text(text, out),
        Cell::Line(line) => json_text(line, out),
    }
}

/// JSON that a producer wrote: on one line, and as text if it is not valid, so that the row is.
fn raw_json(json: &str, out: &mut Vec<u8>) {
    match serde_json::from_str::<IgnoredAny>(json) {
        // Within valid JSON line feeds stand between tokens only.
        Ok(_) => out.extend(json.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r'))),
        Err(_) => json_text(json, out),
    }
}

pub(crate) fn json_text(text: &str, out: &mut Vec<u8>) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        return out.push(b'"');
    }
    // Writing text to memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

fn integer(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// `2026-11-24T04:42:49.123Z`
pub(crate) fn rfc3339_millis(millis: i64) -> Option<String> {
    let time = jiff::Timestamp::from_millisecond(millis).ok()?;
    Some(format!("{time:.3}"))
}
