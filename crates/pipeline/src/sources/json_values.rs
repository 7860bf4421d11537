//! Where JSON values end that follow one another, without reading them.

/// Looks for the end of a value, over any number of pieces of text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct JsonScanner {
    depth: u32,
    in_string: bool,
    is_escaped: bool,
    /// Whether something stands where a value should begin: it is taken up to the end of its line.
    is_astray: bool,
}

impl JsonScanner {
    /// How many bytes it is up to the end of the value, if that is here. The value behind it is looked for next.
    pub(super) fn end_of_value(&mut self, text: &[u8]) -> Option<usize> {
        text.iter().position(|byte| self.ends_with(*byte)).map(|at| at + 1)
    }

    fn ends_with(&mut self, byte: u8) -> bool {
        if self.is_astray {
            self.is_astray = byte != b'\n';
            return !self.is_astray;
        }
        if self.in_string {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' if self.depth > 0 => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' if self.depth > 0 => {
                self.depth -= 1;
                return self.depth == 0;
            }
            _ if self.depth == 0 => self.is_astray = !byte.is_ascii_whitespace() && byte != b',',
            _ => {}
        }
        false
    }
}

/// How the first JSON value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstValue {
    /// On a line of its own, or cut off on one.
    OnALine,
    /// On several lines, or with another behind it on the same.
    OverLines,
    /// Too little of it is here.
    Unknown,
}

/// Looks at the first value in a text that begins as JSON.
pub(super) fn first_value(text: &[u8]) -> FirstValue {
    let begin = text.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(text.len());
    let text = &text[begin..];
    let end = JsonScanner::default().end_of_value(text);
    match (text.iter().position(|byte| *byte == b'\n'), end) {
        (None, None) => FirstValue::Unknown,
        (Some(line), Some(end)) if end > line => within_a_value(text, line),
        (Some(line), None) => within_a_value(text, line),
        (_, Some(end)) => {
            let behind = text[end..].iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r'));
            match behind {
                None => FirstValue::Unknown,
                Some(b'\n') => FirstValue::OnALine,
                Some(_) => FirstValue::OverLines,
            }
        }
    }
}

/// A line that ends within a value: one of many, or one that was cut off before another value.
fn within_a_value(text: &[u8], line: usize) -> FirstValue {
    let goes_on = matches!(text[..line].trim_ascii_end().last(), Some(b'{' | b'[' | b',' | b':'));
    match text.get(line + 1) {
        None => FirstValue::Unknown,
        Some(b'{') if !goes_on => FirstValue::OnALine,
        Some(_) => FirstValue::OverLines,
    }
}
