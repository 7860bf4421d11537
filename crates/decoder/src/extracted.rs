//! `extractedFields`: what the pattern of a subscription filter cut out of a log event.

use std::borrow::Cow;

use crate::json::{self, RawString, RawValue, Reader};

/// The fields that a space-delimited filter pattern extracted, in the order they came, and the system fields
/// (`@aws.account`, `@aws.region`) if the filter emits them.
///
/// AWS sends all values as text, also numbers. The iterator yields `(name, value)`.
///
/// ```
/// # use kinesis_logs_decoder::{Decoder, FieldValue};
/// # let record = br#"{"messageType":"DATA_MESSAGE","logEvents":[{"extractedFields":{"user":"root","code":404}}]}"#;
/// # let mut decoder = Decoder::new();
/// # let decoded = decoder.decode(record);
/// # let event = decoded.events().next().unwrap();
/// let fields: Vec<_> = event.extracted_fields().unwrap().collect();
/// assert_eq!(fields[0], ("user".into(), FieldValue::Text("root".into())));
/// assert_eq!(fields[1], ("code".into(), FieldValue::Json("404")));
/// ```
#[derive(Debug, Clone)]
pub struct ExtractedFields<'a> {
    json: &'a str,
    reader: Reader<'a>,
    started: bool,
}

/// A value in [`ExtractedFields`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldValue<'a> {
    /// A text, which is all that AWS sends.
    Text(Cow<'a, str>),
    /// Anything else, as its JSON: lenient producers write numbers.
    Json(&'a str),
    /// JSON's `null`.
    Null,
}

impl<'a> FieldValue<'a> {
    /// The text, or the JSON of what is no text; `None` for `null`.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            FieldValue::Text(text) => Some(text),
            FieldValue::Json(json) => Some(json),
            FieldValue::Null => None,
        }
    }
}

impl<'a> ExtractedFields<'a> {
    /// `json` is an object that was read over once already.
    pub(crate) fn new(json: &'a str) -> Self {
        ExtractedFields { json, reader: Reader::new(json, crate::limits::MAX_JSON_DEPTH), started: false }
    }

    /// The value of one field. Of several with the same name the last counts, as in JSON readers elsewhere.
    pub fn get(&self, name: &str) -> Option<FieldValue<'a>> {
        let fields = ExtractedFields::new(self.json);
        fields.filter(|(candidate, _)| candidate == name).last().map(|(_, value)| value)
    }

    fn text(&self, raw: RawString) -> Option<Cow<'a, str>> {
        let text = &self.json[raw.start..raw.end];
        if !raw.escaped {
            return Some(Cow::Borrowed(text));
        }
        let mut out = String::with_capacity(text.len());
        json::unescape(text, &mut out)?;
        Some(Cow::Owned(out))
    }
}

impl<'a> Iterator for ExtractedFields<'a> {
    type Item = (Cow<'a, str>, FieldValue<'a>);

    /// The object was skipped over when the envelope was read, so that its brackets and strings are known to be whole.
    /// What is malformed beyond that ends the iteration.
    fn next(&mut self) -> Option<Self::Item> {
        let before = if self.started { b',' } else { b'{' };
        self.started = true;
        self.reader.expect(before, "a field").ok()?;
        let key = self.reader.string().ok()?;
        self.reader.expect(b':', "a colon").ok()?;
        let value = match self.reader.value().ok()? {
            RawValue::Null => FieldValue::Null,
            RawValue::String(raw) => FieldValue::Text(self.text(raw)?),
            RawValue::Other(start, end) => FieldValue::Json(&self.json[start..end]),
        };
        Some((self.text(key)?, value))
    }
}
