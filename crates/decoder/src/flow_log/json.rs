//! Flow logs as JSON, by copying what was found to be valid.

use std::fmt::Write;

use super::field::FieldKind;
use super::format::{self, Format, MAX_FIELDS};
use super::layout::JsonKey;
use super::record::{FlowLog, FlowLogError, Value};
use super::tail::{self, Tail};
use super::tokens::{LONG_CHUNK, PaddedTokens};
use crate::scan::{Lanes, with_lanes};

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
        let format = self.format();
        let plain = is_plain(self.window(), self.line().len());
        let longest = if plain { self.line().len() } else { 6 * self.line().len() };
        let room = format.json_len() + longest + ROOM_OF_FIELD * format.len() + LONG_CHUNK;
        let written = tail::append(out, room, |tail| match self.padded() {
            Some(tokens) => write_fields(self, tokens, plain, tail),
            None => write_each(self, tail),
        });
        written.map_err(|place| {
            let name = format.columns()[place].name().to_owned();
            FlowLogError::Value { name, value: format::shortened(self.token(place)) }
        })
    }
}

/// What a field may take more than its key, its token and a quote: `null` for `-`.
const ROOM_OF_FIELD: usize = 2;

with_lanes! {
fn is_plain(window: &[u8], len: usize) -> bool |lanes| {
    lanes.is_plain(window, len)
}
}

with_lanes! {
/// Writes an object, or tells the place of the first value that is not of its field's kind.
fn write_fields<'t>(
    flow: &FlowLog<'_>, tokens: PaddedTokens<'_, '_>, plain: bool, tail: Tail<'t>,
) -> Result<Tail<'t>, usize> |lanes| {
    let format = flow.format();
    let usual = usual_numbers(lanes, format, tokens);
    let mut tail = tail;
    for (place, (column, key)) in format.columns().iter().zip(format.json_keys()).enumerate() {
        put_key(&mut tail, key);
        let token = tokens.long(place);
        let (chunk, len) = (token.chunk(), token.text().len());
        match column.kind {
            FieldKind::Integer { .. } | FieldKind::Time if usual[place] && (chunk[0] != b'0' || len == 1) => {
                tail.put(chunk, len);
            }
            FieldKind::Address if lanes.ipv4(chunk, len).is_some() => {
                tail.put(chunk, len);
                tail.push(b'"');
            }
            FieldKind::Text if token.is_dash() => {
                tail.pop(); // the quote
                tail.put(b"null", 4);
            }
            FieldKind::Text if plain => {
                match len {
                    0..=LONG_CHUNK => tail.put(token.long_chunk(), len),
                    _ => tail.extend(token.text().as_bytes()),
                }
                tail.push(b'"');
            }
            _ => tail = put_value(tail, flow, place)?,
        }
    }
    Ok(finish(tail))
}
}

/// Of every place, whether a number stands there which may be copied if it has no leading zeros.
#[inline(always)]
fn usual_numbers<L: Lanes>(lanes: L, format: &Format, tokens: PaddedTokens<'_, '_>) -> [bool; MAX_FIELDS] {
    let mut usual = [false; MAX_FIELDS];
    for four in &format.by_kind().fours {
        let right = tokens.four(lanes, four).right;
        for (n, place) in four.places.into_iter().enumerate() {
            usual[usize::from(place)] = right >> n & 1 == 1;
        }
    }
    usual
}

/// The same as [`write_fields`], of any line.
fn write_each<'t>(flow: &FlowLog<'_>, mut tail: Tail<'t>) -> Result<Tail<'t>, usize> {
    for (place, key) in flow.format().json_keys().iter().enumerate() {
        put_key(&mut tail, key);
        tail = put_value(tail, flow, place)?;
    }
    Ok(finish(tail))
}

/// Puts the braces around members, the first of which has a comma before it, too.
#[inline(always)]
fn finish(mut tail: Tail<'_>) -> Tail<'_> {
    tail.set_first(b'{');
    tail.push(b'}');
    tail
}

#[inline(always)]
fn put_key(tail: &mut Tail<'_>, key: &JsonKey) {
    match key {
        JsonKey::Short { chunk, len } => tail.put(chunk, *len),
        JsonKey::Long(key) => tail.extend(key.as_bytes()),
    }
}

/// Writes any value behind its key, or tells its place if it is not of its field's kind. The tail moves in and out so that
/// the loop above need not keep it in memory.
#[cold]
#[inline(never)]
fn put_value<'t>(mut tail: Tail<'t>, flow: &FlowLog<'_>, place: usize) -> Result<Tail<'t>, usize> {
    let kind = flow.format().columns()[place].kind;
    match flow.value(place) {
        Value::Null => {
            if matches!(kind, FieldKind::Address | FieldKind::Text) {
                tail.pop(); // the quote
            }
            tail.extend(b"null");
        }
        Value::Integer(number) => {
            // Writing to a tail does not fail.
            let _ = write!(tail, "{number}");
        }
        Value::Address(_) | Value::Text(_) => {
            put_escaped(&mut tail, flow.token(place).as_bytes());
            tail.push(b'"');
        }
        Value::Invalid(_) => return Err(place),
    }
    Ok(tail)
}

/// Writes at most six bytes for one.
fn put_escaped(tail: &mut Tail<'_>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'"' | b'\\' => tail.extend(&[b'\\', byte]),
            0..0x20 => {
                let _ = write!(tail, "\\u{byte:04x}");
            }
            _ => tail.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{FlowLog, Format, Value};

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

    #[test]
    fn keys_of_any_length_are_written() {
        let name = "n".repeat(128);
        let format: Format = format!("{name} dstport {}", &name[..27]).parse().unwrap();
        let mut out = Vec::new();
        format.split_line("a 1 b").unwrap().write_json(&mut out).unwrap();
        let expected = format!("{{\"{name}\":\"a\",\"dstport\":1,\"{}\":\"b\"}}", &name[..27]);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn the_json_says_what_the_values_say(
            line in "(5|-|12|x) ([0-9]{1,14}|-) ([0-9]{1,5}|-) 0?[0-9]{1,18} (10[.]0[.]0[.]1|::1|-) [ -~é\u{1}]{0,80}[!-~]",
            behind in "[ -~]{0,80}",
        ) {
            let format: Format = "version start dstport bytes srcaddr a b c d".parse().unwrap();
            let Ok(flow) = format.split_line(&line) else { return Ok(()) };
            let mut out = Vec::new();
            let written = flow.write_json(&mut out);
            let window = line.clone() + &behind;
            let (mut same, mut out_of_same) = (FlowLog::new(&format), Vec::new());
            same.split(&line, window.as_bytes()).unwrap();
            prop_assert_eq!(&same.write_json(&mut out_of_same), &written);
            prop_assert_eq!(&out_of_same, &out);
            match written {
                Err(_) => prop_assert!(flow.check().is_err()),
                Ok(()) => {
                    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&out).unwrap();
                    for (name, value) in flow.values() {
                        let expected = match value {
                            Value::Null => serde_json::Value::Null,
                            Value::Integer(number) => number.into(),
                            Value::Text(text) => text.into(),
                            Value::Address(address) => address.to_string().into(),
                            other => panic!("{other:?}"),
                        };
                        prop_assert_eq!(&object[name], &expected);
                    }
                }
            }
        }
    }
}
