//! Text that is no envelope: a message a line, or a message a JSON object.

use std::ops::Range;

use crate::json::Reader;
use crate::text::TextBuffer;

/// The next message at `pos`, which moves behind it. Empty lines are passed over. Firehose puts extracted messages one
/// after another, which for JSON means without anything between: each object is a message of its own.
pub(crate) fn next(text: &TextBuffer, pos: &mut usize, json_depth: usize) -> Option<Range<usize>> {
    let bytes = text.as_str().as_bytes();
    *pos += bytes.get(*pos..)?.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let start = *pos;
    if *bytes.get(start)? == b'{' {
        let mut reader = Reader::new(bytes, start, json_depth);
        if reader.value().is_ok() && is_message_end(&bytes[reader.position()..]) {
            *pos = reader.position();
            return Some(start..*pos);
        }
    }
    *pos = after_line(text, start);
    let line = text.as_str()[start..*pos].trim_ascii_end();
    Some(start..start + line.len())
}

/// Whether a JSON object before `rest` is the whole message: nothing else stands in its line but further objects.
fn is_message_end(rest: &[u8]) -> bool {
    let next = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r'));
    matches!(next, None | Some(b'\n' | b'{'))
}

/// Where the line that holds `pos` ends, behind its line feed.
pub(crate) fn after_line(text: &TextBuffer, pos: usize) -> usize {
    let rest = &text.as_str().as_bytes()[pos..];
    pos + memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1)
}
