//! A pull reader for JSON ([RFC 8259]) that knows offsets, not values: what the envelope needs and no more.
//!
//! It is tolerant inside what it skips (brackets must match and strings must end; literals are not checked).
//!
//! [RFC 8259]: https://www.rfc-editor.org/rfc/rfc8259

use crate::error::{DecodeError, DecodeErrorKind};

pub(crate) type Result<T> = std::result::Result<T, DecodeError>;

/// A string as it stands in the text, between its quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawString {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) escaped: bool,
}

/// A value's place in the text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RawValue {
    Null,
    String(RawString),
    /// Number, `true`, `false`, object or array: from its first byte to behind its last.
    Other(usize, usize),
}

#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    pos: usize,
    /// Where reading began, which mistakes are counted from.
    origin: usize,
    max_depth: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from `pos` on.
    pub(crate) fn new(bytes: &'a [u8], pos: usize, max_depth: usize) -> Self {
        Reader { bytes, pos, origin: pos, max_depth }
    }

    pub(crate) fn position(&self) -> usize {
        self.pos
    }

    pub(crate) fn set_position(&mut self, pos: usize) {
        self.pos = pos;
    }

    /// Skips white space and tells the next byte without taking it.
    #[inline]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.bytes.get(self.pos) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.pos += 1;
        }
        None
    }

    #[inline]
    pub(crate) fn expect(&mut self, byte: u8, expected: &'static str) -> Result<()> {
        if self.peek() == Some(byte) {
            self.pos += 1;
            return Ok(());
        }
        Err(self.error(expected))
    }

    /// Walks the members of an object whose `{` comes next. `member` is given each key and must take its value.
    pub(crate) fn object(&mut self, mut member: impl FnMut(&mut Self, RawString) -> Result<()>) -> Result<()> {
        self.expect(b'{', "an object")?;
        if self.peek() == Some(b'}') {
            self.pos += 1;
            return Ok(());
        }
        self.member(&mut member)?;
        self.rest_of_object(member)
    }

    /// Walks the rest of an object behind one of its members.
    pub(crate) fn rest_of_object(&mut self, mut member: impl FnMut(&mut Self, RawString) -> Result<()>) -> Result<()> {
        while !self.at_end_of(b'}', "a comma or the end of the object")? {
            self.member(&mut member)?;
        }
        Ok(())
    }

    #[inline]
    fn member(&mut self, member: &mut impl FnMut(&mut Self, RawString) -> Result<()>) -> Result<()> {
        let key = self.string()?;
        self.expect(b':', "a colon")?;
        member(self, key)
    }

    /// Walks the elements of an array whose `[` comes next. `element` must take one value.
    pub(crate) fn array(&mut self, mut element: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.expect(b'[', "an array")?;
        if self.peek() == Some(b']') {
            self.pos += 1;
            return Ok(());
        }
        loop {
            element(self)?;
            if self.at_end_of(b']', "a comma or the end of the array")? {
                return Ok(());
            }
        }
    }

    /// Takes a comma (`false`) or the closing bracket (`true`).
    #[inline]
    fn at_end_of(&mut self, close: u8, expected: &'static str) -> Result<bool> {
        match self.peek() {
            Some(b',') => {
                self.pos += 1;
                Ok(false)
            }
            Some(byte) if byte == close => {
                self.pos += 1;
                Ok(true)
            }
            _ => Err(self.error(expected)),
        }
    }

    #[inline]
    pub(crate) fn string(&mut self) -> Result<RawString> {
        self.expect(b'"', "a string")?;
        let start = self.pos;
        let mut escaped = false;
        loop {
            let rest = &self.bytes[self.pos..];
            self.pos += memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
            match self.bytes.get(self.pos) {
                Some(b'"') => {
                    let end = self.pos;
                    self.pos += 1;
                    return Ok(RawString { start, end, escaped });
                }
                Some(_) if self.pos + 1 < self.bytes.len() => {
                    escaped = true;
                    self.pos += 2;
                }
                _ => return Err(self.error("the end of a string")),
            }
        }
    }

    pub(crate) fn value(&mut self) -> Result<RawValue> {
        match self.peek() {
            Some(b'"') => Ok(RawValue::String(self.string()?)),
            Some(b'{' | b'[') => {
                let start = self.pos;
                self.skip_nested()?;
                Ok(RawValue::Other(start, self.pos))
            }
            Some(b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z') => {
                let start = self.pos;
                self.skip_literal();
                if &self.bytes[start..self.pos] == b"null" {
                    Ok(RawValue::Null)
                } else {
                    Ok(RawValue::Other(start, self.pos))
                }
            }
            _ => Err(self.error("a value")),
        }
    }

    fn skip_literal(&mut self) {
        while let Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z') = self.bytes.get(self.pos) {
            self.pos += 1;
        }
    }

    /// Skips an object or array without recursion: one bit a level says which bracket opened it.
    fn skip_nested(&mut self) -> Result<()> {
        let mut is_array = 0u64;
        let mut depth = 0;
        loop {
            match self.peek() {
                Some(open @ (b'{' | b'[')) => {
                    if depth == self.max_depth {
                        return Err(self.mistake(DecodeErrorKind::TooDeep { limit: self.max_depth }));
                    }
                    is_array = is_array << 1 | u64::from(open == b'[');
                    depth += 1;
                    self.pos += 1;
                }
                Some(close @ (b'}' | b']')) => {
                    if (is_array & 1 == 1) != (close == b']') {
                        return Err(self.error("the bracket that matches"));
                    }
                    is_array >>= 1;
                    depth -= 1;
                    self.pos += 1;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                Some(b'"') => {
                    self.string()?;
                }
                Some(b',' | b':') => self.pos += 1,
                Some(b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z') => self.skip_literal(),
                _ => return Err(self.error("a value")),
            }
        }
    }

    pub(crate) fn error(&self, expected: &'static str) -> DecodeError {
        self.mistake(DecodeErrorKind::Json { expected })
    }

    /// Something else was expected at `pos`.
    pub(crate) fn error_at(&self, pos: usize, expected: &'static str) -> DecodeError {
        DecodeError::at(DecodeErrorKind::Json { expected }, pos - self.origin)
    }

    /// A mistake at what comes next.
    pub(crate) fn mistake(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::at(kind, self.pos - self.origin)
    }
}

/// Appends the string `raw` (the text between its quotes) to `out` with its escapes resolved. An escaped surrogate
/// without its partner becomes U+FFFD, as it has no character. `None` if an escape is malformed.
pub(crate) fn unescape(raw: &str, out: &mut String) -> Option<()> {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let escape = *rest.as_bytes().get(at + 1)?;
        let mut taken = at + 2;
        match escape {
            b'"' | b'\\' | b'/' => out.push(char::from(escape)),
            b'n' => out.push('\n'),
            b't' => out.push('\t'),
            b'r' => out.push('\r'),
            b'b' => out.push('\u{8}'),
            b'f' => out.push('\u{c}'),
            b'u' => {
                let unit = hex4(rest.as_bytes(), taken)?;
                taken += 4;
                let low = (rest.as_bytes().get(taken..taken + 2) == Some(b"\\u"))
                    .then(|| hex4(rest.as_bytes(), taken + 2))
                    .flatten();
                match (unit, low) {
                    (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) => {
                        let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                        out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                        taken += 6;
                    }
                    _ => out.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)),
                }
            }
            _ => return None,
        }
        rest = &rest[taken..];
    }
    out.push_str(rest);
    Some(())
}

fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reader(text: &str, max_depth: usize) -> Reader<'_> {
        Reader::new(text.as_bytes(), 0, max_depth)
    }

    fn unescaped(raw: &str) -> Option<String> {
        let mut out = String::new();
        unescape(raw, &mut out).map(|()| out)
    }

    #[test]
    fn escapes_are_resolved_and_malformed_ones_refused() {
        assert_eq!(unescaped(r#"a\n\t\"\\\/\u0041é"#).as_deref(), Some("a\n\t\"\\/Aé"));
        assert_eq!(unescaped(r"\ud83d\ude00").as_deref(), Some("😀"));
        assert_eq!(unescaped(r"\ud83d!").as_deref(), Some("\u{fffd}!"));
        assert_eq!(unescaped(r"\ud83d\u0041").as_deref(), Some("\u{fffd}A"));
        for bad in [r"\x", r"\u12", r"\u12g4", "\\"] {
            assert_eq!(unescaped(bad), None, "{bad}");
        }
    }

    #[test]
    fn nesting_is_bounded_and_brackets_must_match() {
        let deep = "[".repeat(65) + &"]".repeat(65);
        let error = reader(&deep, 64).value().unwrap_err();
        assert_eq!(error.kind(), &DecodeErrorKind::TooDeep { limit: 64 });
        assert!(reader(&deep[1..129], 64).value().is_ok());
        for bad in ["{]", "[1, {\"a\": 2]", "[\"open", "{", "[\"a\\"] {
            assert!(reader(bad, 64).value().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn strings_are_read_as_serde_json_reads_them(text: String) {
            let json = serde_json::to_string(&text).unwrap();
            let raw = reader(&json, 64).string().unwrap();
            prop_assert_eq!(unescaped(&json[raw.start..raw.end]), Some(text));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in r#"[\[\]{}",:\\u0-9a-f é😀]{0,40}"#) {
            let mut reader = reader(&text, 8);
            while reader.value().is_ok() {}
        }
    }
}
