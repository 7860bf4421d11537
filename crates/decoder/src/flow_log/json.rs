//! Flow logs as JSON, by copying what was found to be valid.

use std::fmt::Write;

use super::field::FieldKind;
use super::format::{self, Format, MAX_FIELDS};
use super::layout::{ByKind, JsonKey, JsonKeys};
use super::marks::LineMarks;
use super::record::{FlowLog, FlowLogError, SMALLEST_MILLIS, Value};
use super::tail::{self, Tail};
use super::tokens::{LONG_CHUNK, PaddedTokens};
use crate::number;
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
    #[inline]
    pub fn write_json(&self, out: &mut Vec<u8>) -> Result<(), FlowLogError> {
        write_flow(self, out).map_err(|place| self.mistake_at(place))
    }

    /// The same, or the place of the first value that is not of its field's kind.
    #[inline(always)]
    fn write_json_with<L: Lanes>(&self, lanes: L, marks: &mut LineMarks, out: &mut Vec<u8>) -> Result<(), usize> {
        let format = self.format();
        // What is escaped is up to six times as long.
        let keys = format.json_keys();
        let room = keys.len + 6 * self.line().len() + ROOM_OF_FIELD * format.len() + LONG_CHUNK;
        tail::append(
            out,
            room,
            #[inline(always)]
            |tail| match self.padded() {
                Some(tokens) if keys.are_short => write_fields(lanes, self, tokens, marks, tail),
                _ => write_each(self, tail),
            },
        )
    }

    #[cold]
    fn mistake_at(&self, place: usize) -> FlowLogError {
        let name = self.format().columns()[place].name().to_owned();
        FlowLogError::Value { name, value: format::shortened(self.token(place)) }
    }
}

with_lanes! {
fn write_flow(flow: &FlowLog<'_>, out: &mut Vec<u8>) -> Result<(), usize> |lanes| {
    let mut marks = LineMarks::none();
    marks.look(lanes, flow.window(), flow.line().len());
    flow.write_json_with(lanes, &mut marks, out)
}
}

with_lanes! {
/// Appends a line as [`FlowLog::write_json`] does in the first of the known formats that it fits; `window` begins with it. All is
/// done in one function: what is found is at hand for what looks at it.
pub(crate) fn write_inferred(line: &str, window: &[u8], out: &mut Vec<u8>) -> Option<()> |lanes| {
    let (mut flow, mut marks) = (FlowLog::new(Format::default_format()), LineMarks::none());
    let found = flow.find_marked(lanes, line, window, &mut marks);
    for format in Format::known().iter().filter(|format| format.len() == found) {
        flow.set_format(format);
        if flow.looks_right() && flow.write_json_with(lanes, &mut marks, out).is_ok() {
            return Some(());
        }
    }
    None
}
}

with_lanes! {
/// Appends a line as [`FlowLog::write_json`] does in a format; `window` begins with it. Also in one function.
pub(crate) fn write_line(format: &Format, line: &str, window: &[u8], out: &mut Vec<u8>) -> Result<(), FlowLogError> |lanes| {
    let (mut flow, mut marks) = (FlowLog::new(format), LineMarks::none());
    let found = flow.find_marked(lanes, line, window, &mut marks);
    if found != format.len() {
        return Err(flow.mistake(found));
    }
    flow.write_json_with(lanes, &mut marks, out).map_err(|place| flow.mistake_at(place))
}
}

/// What a field may take more than its keys and its token: `null` for `-`.
const ROOM_OF_FIELD: usize = 3;

/// Writes an object, or tells the place of the first value that is not of its field's kind.
#[inline(always)]
fn write_fields<'t, L: Lanes>(
    lanes: L,
    flow: &FlowLog<'_>,
    tokens: PaddedTokens<'_, '_>,
    marks: &mut LineMarks,
    tail: Tail<'t>,
) -> Result<Tail<'t>, usize> {
    let format = flow.format();
    find_odd(lanes, format, tokens, marks);
    let LineMarks { is_plain, odd, has_odd, .. } = &*marks;
    let (mut tail, mut open) = (tail, Open::AsUsual);
    let JsonKeys { keys, end, .. } = format.json_keys();
    let copied = if *has_odd { 0 } else { copy_fields(format.json_keys(), flow, tokens, &mut tail) };
    if copied == keys.len() {
        put_short_key(&mut tail, end, open);
        return Ok(tail);
    }
    for (place, ((key, odd), token)) in keys.iter().zip(odd).zip(tokens.all()).enumerate().skip(copied) {
        put_short_key(&mut tail, key, open);
        let len = token.text().len();
        if token.is_dash() {
            open = put_null(&mut tail, key.opens_quote);
        } else if *odd | (len > LONG_CHUNK) {
            (tail, open) = put_value(tail, flow, place, *is_plain)?;
        } else {
            tail.put(token.long_chunk(), len);
            open = Open::AsUsual;
        }
    }
    put_short_key(&mut tail, end, open);
    Ok(tail)
}

/// Copies keys and values up to one that is longer than a chunk, and tells how many: usually that is the whole object but for
/// its end.
#[inline(always)]
#[allow(unsafe_code, reason = "looking at the room for each key and value costs 3 % of the way from a record to JSON")]
fn copy_fields(keys: &JsonKeys, flow: &FlowLog<'_>, tokens: PaddedTokens<'_, '_>, tail: &mut Tail<'_>) -> usize {
    if !keys.are_short {
        return 0;
    }
    tail.assert_room(keys.len + flow.line().len());
    let mut copied = 0;
    for (key, token) in keys.keys.iter().zip(tokens.all()) {
        let len = token.text().len();
        if len > LONG_CHUNK {
            break;
        }
        // SAFETY: no key is longer than a chunk, nor is this token. Room for all keys and the line was found, and each key is
        // put once, as is each token: tokens are pieces of the line that do not overlap.
        unsafe {
            tail.put_unchecked(key.chunk_as_usual(), key.text.len());
            tail.put_unchecked(token.long_chunk(), len);
        }
        copied += 1;
    }
    copied
}

/// Marks the places at which there stands what may not be copied as it is.
#[inline(always)]
fn find_odd<L: Lanes>(lanes: L, format: &Format, tokens: PaddedTokens<'_, '_>, marks: &mut LineMarks) {
    let ByKind { addresses, texts, .. } = format.by_kind();
    for place in addresses {
        let (chunk, len) = tokens.chunk(usize::from(*place));
        let is_odd = lanes.ipv4(chunk, len).is_none();
        marks.odd[usize::from(*place)] = is_odd;
        marks.has_odd |= is_odd;
    }
    if !marks.are_usual(format.usual_numbers(), tokens) {
        marks.has_odd = true;
        find_odd_numbers(format, tokens, &mut marks.odd);
    }
    if !marks.is_plain {
        marks.has_odd = true;
        texts.iter().for_each(|place| marks.odd[usize::from(*place)] = true);
    }
}

/// Looks at each number alone.
#[cold]
#[inline(never)]
fn find_odd_numbers(format: &Format, tokens: PaddedTokens<'_, '_>, odd: &mut [bool; MAX_FIELDS]) {
    for ((column, odd), token) in format.columns().iter().zip(odd).zip(tokens.all()) {
        let max = match column.kind {
            FieldKind::Integer { max } => max,
            FieldKind::Time => SMALLEST_MILLIS - 1,
            FieldKind::Address | FieldKind::Text => continue,
        };
        let (chunk, len) = (&token.long_chunk().as_chunks().0[0], token.text().len());
        *odd = (chunk[0] == b'0' && len > 1) || number::integer(chunk, len).is_none_or(|number| number > max);
    }
}

/// The same as [`write_fields`], of any line.
#[inline(never)]
fn write_each<'t>(flow: &FlowLog<'_>, mut tail: Tail<'t>) -> Result<Tail<'t>, usize> {
    let mut open = Open::AsUsual;
    let JsonKeys { keys, end, .. } = flow.format().json_keys();
    for (place, key) in keys.iter().enumerate() {
        tail.extend(&key.text.as_bytes()[open as usize..]);
        (tail, open) = put_value(tail, flow, place, false)?;
    }
    tail.extend(&end.text.as_bytes()[open as usize..]);
    Ok(tail)
}

/// How many bytes of the next key are not wanted: its quote, if the value before it has none, where its field's values have quotes.
#[derive(Clone, Copy)]
enum Open {
    AsUsual = 0,
    /// It was null.
    Not = 1,
}

/// Writes what stands between two values, if a chunk has it.
#[inline(always)]
fn put_short_key(tail: &mut Tail<'_>, JsonKey { text, chunk, .. }: &JsonKey, open: Open) {
    let ([as_usual @ .., _], [_, not @ ..]) = (chunk, chunk);
    let chunk = if matches!(open, Open::Not) { not } else { as_usual };
    tail.put(chunk, text.len() - open as usize);
}

/// Writes `null` behind a key, and takes back the quote that a text would have.
#[inline(always)]
fn put_null(tail: &mut Tail<'_>, is_quoted: bool) -> Open {
    const NULL: &[u8; LONG_CHUNK] = b"null                            ";
    if is_quoted {
        tail.pop();
    }
    tail.put(NULL, 4);
    if is_quoted { Open::Not } else { Open::AsUsual }
}

/// Writes any value behind its key, or tells its place if it is not of its field's kind. The tail moves in and out so that
/// the loop above need not keep it in memory.
#[cold]
#[inline(never)]
fn put_value<'t>(mut tail: Tail<'t>, flow: &FlowLog<'_>, place: usize, plain: bool) -> Result<(Tail<'t>, Open), usize> {
    let column = &flow.format().columns()[place];
    match flow.value(place) {
        Value::Null => {
            let open = put_null(&mut tail, column.is_quoted());
            return Ok((tail, open));
        }
        Value::Integer(number) => {
            // Writing to a tail does not fail.
            let _ = write!(tail, "{number}");
        }
        Value::Address(_) | Value::Text(_) if plain => tail.extend(flow.token(place).as_bytes()),
        Value::Address(_) | Value::Text(_) => put_escaped(&mut tail, flow.token(place).as_bytes()),
        Value::Invalid(_) => return Err(place),
    }
    Ok((tail, Open::AsUsual))
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

    use super::super::{FlowLog, Format, Formats, Value};
    use super::{write_inferred, write_line};
    use crate::Decoder;

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

    /// Lines of decoded records have others behind them, and are looked at in blocks if they are not too long.
    #[test]
    fn decoded_lines_of_any_length_are_written() {
        for len in [1, 60, 187, 188, 1018, 1019, 1020, 1021, 1100, 60_000] {
            for first in ["1".repeat(len), "x".repeat(len)] {
                let expected = format!("{{\"a\":\"{first}\",\"dstport\":443}}");
                let message = format!("{first} 443");
                let data = serde_json::json!({"messageType": "DATA_MESSAGE", "logEvents": [
                    {"id": "1", "timestamp": 1, "message": message},
                    {"id": "2", "timestamp": 1, "message": message},
                ]});
                let formats = Formats::new().rule("", "", "a dstport".parse().unwrap());
                let mut decoder = Decoder::new();
                let decoded = decoder.decode(data.to_string().as_bytes());
                for event in decoded.events() {
                    let mut out = Vec::new();
                    assert_eq!(formats.write_json(&event, &mut out), Some(Ok(())));
                    assert_eq!(String::from_utf8(out).unwrap(), expected);
                }
                assert_eq!(decoded.events().count(), 2);
            }
        }
        // Also where the format is inferred.
        let account = "1".repeat(1100);
        let line = format!("2 {account} eni-1 10.0.0.1 10.0.0.2 1 443 6 5 99 1512564058 1512564070 ACCEPT OK");
        let data = serde_json::json!({"messageType": "DATA_MESSAGE", "logEvents": [{"id": "1", "timestamp": 1, "message": line}]});
        let mut decoder = Decoder::new();
        let decoded = decoder.decode(data.to_string().as_bytes());
        let mut out = Vec::new();
        assert_eq!(decoded.events().next().unwrap().write_flow_log_json(&mut out), Some(()));
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&out).unwrap();
        assert_eq!((&object["account_id"], &object["dstport"]), (&account.into(), &443.into()));
    }

    proptest! {
        /// Whatever stands behind a line, and whether its format is found or given.
        #[test]
        fn a_line_whose_format_is_inferred_is_written_as_one_in_it(
            tokens in prop::collection::vec(
                "[0-9]{1,5}|[0-9]{12}|-|eni-[0-9a-f]{4}|10[.]0[.]0[.][0-9]|::1|ACCEPT|REJECT|OK|NODATA|unknown|vpc-1|subnet-1|i-1|IPv4|[0-9a-z\"]{1,40}",
                1..45,
            ),
            usual in any::<bool>(),
            behind in "[ -~]{0,80}",
        ) {
            let line = if usual {
                let [first, last] = [&tokens[0], &tokens[tokens.len() - 1]];
                format!("2 {first} eni-1 10.0.0.1 - 443 {last} 6 5 99 1512564058 1512564070 ACCEPT OK")
            } else {
                tokens.join(" ")
            };
            let mut out = b"before".to_vec();
            let written = write_inferred(&line, (line.clone() + &behind).as_bytes(), &mut out);
            let mut expected = b"before".to_vec();
            let format = Format::infer(&line);
            if let Some(format) = format {
                format.split_line(&line).unwrap().write_json(&mut expected).unwrap();
            }
            prop_assert_eq!(written.is_some(), format.is_some());
            prop_assert_eq!(out, expected);
        }

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
            out_of_same.clear();
            prop_assert_eq!(&write_line(&format, &line, window.as_bytes(), &mut out_of_same), &written);
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
