//! `extractedFields`: what the pattern of a subscription filter cut out of a log event.

use std::borrow::Cow;

use crate::json::{self, RawString, RawValue, Reader};
use crate::limits::MAX_JSON_DEPTH;
use crate::scan::{self, Marks};

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
    /// The object and what stands behind it, so that blocks can be loaded.
    window: &'a [u8],
    /// Where the next member begins; none if there are no more.
    rest: Option<usize>,
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

impl FieldValue<'_> {
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
    /// `json` is an object that was read over before; `window` begins with it.
    pub(crate) fn new(json: &'a str, window: &'a [u8]) -> Self {
        ExtractedFields { json, window, rest: Some(1) }
    }

    /// The value of one field among those not yet iterated over. Of several with the same name the last counts, as in
    /// JSON readers elsewhere.
    pub fn get(&self, name: &str) -> Option<FieldValue<'a>> {
        self.clone().filter(|(other, _)| other == name).last().map(|(_, value)| value)
    }

    /// The object as JSON, as it came.
    pub fn json(&self) -> &'a str {
        self.json
    }

    /// The next member as it stands.
    fn member(&mut self) -> Option<(RawString, RawValue)> {
        let mut reader = Reader::new(self.json.as_bytes(), self.rest.take()?, MAX_JSON_DEPTH);
        if reader.peek() == Some(b'}') {
            return None;
        }
        // The object was read over before: nothing here can fail.
        let name = reader.string().ok()?;
        reader.expect(b':', "a colon").ok()?;
        let value = reader.value().ok()?;
        if reader.peek() == Some(b',') {
            self.rest = Some(reader.position() + 1);
        }
        Some((name, value))
    }
}

impl<'a> Iterator for ExtractedFields<'a> {
    type Item = (Cow<'a, str>, FieldValue<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.member()?;
        let value = match value {
            RawValue::String(raw) => FieldValue::Text(text(self.json, raw)),
            RawValue::Other(start, end) => FieldValue::Json(&self.json[start..end]),
            RawValue::Null => FieldValue::Null,
        };
        Some((text(self.json, name), value))
    }
}

fn text(json: &str, raw: RawString) -> Cow<'_, str> {
    let text = &json[raw.start..raw.end];
    if !raw.escaped {
        return text.into();
    }
    let mut unescaped = String::with_capacity(text.len());
    // Escapes were looked at before.
    let _ = json::unescape(text, &mut unescaped);
    unescaped.into()
}

/// Extracted fields by index, for those who read many events: keep one, and let it [`read`](Self::read) each.
///
/// Events of one filter have the same names in the same order, which it takes advantage of; and it allocates nothing once
/// it is warm.
///
/// ```
/// use kinesis_logs_decoder::{Decoder, FieldTable, FieldText};
///
/// let record = br#"{"messageType":"DATA_MESSAGE","logEvents":[
///     {"extractedFields":{"user":"root","code":"404"}},{"extractedFields":{"user":"you","code":"200"}}]}"#;
/// let mut decoder = Decoder::new();
/// let mut table = FieldTable::new();
/// let mut seen = Vec::new();
/// for event in decoder.decode(record).events() {
///     let fields = table.read(event.extracted_fields().unwrap());
///     seen.push((fields.same_names(), fields.name(1).to_owned(), fields.value(1) == FieldText::Text("200")));
/// }
/// assert_eq!(seen, [(false, "code".to_owned(), false), (true, "code".to_owned(), true)]);
/// ```
#[derive(Debug, Default)]
pub struct FieldTable {
    /// Of each name, as it stood in the last event: the name and `":"`, one after another.
    patterns: Vec<u8>,
    /// Where in `patterns` each ends.
    pattern_ends: Vec<u32>,
    /// Whether the patterns hold: no name had escapes, and the last event had the usual shape.
    foretold: bool,
    names: Vec<String>,
    values: Vec<Place>,
    unescaped: String,
}

/// Where a value lies: in the object's JSON, or unescaped beside it.
#[derive(Debug, Clone, Copy)]
enum Place {
    Text(u32, u32),
    Unescaped(u32, u32),
    Json(u32, u32),
    Null,
}

/// A value in [`Fields`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldText<'a> {
    /// A text, which is all that AWS sends.
    Text(&'a str),
    /// Anything else, as its JSON.
    Json(&'a str),
    /// JSON's `null`.
    Null,
}

/// One event's fields, read by a [`FieldTable`].
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    table: &'a FieldTable,
    json: &'a str,
    same_names: bool,
}

impl FieldTable {
    /// A table that has read nothing yet.
    pub fn new() -> Self {
        FieldTable::default()
    }

    /// Reads all of an event's fields.
    pub fn read<'a>(&'a mut self, fields: ExtractedFields<'a>) -> Fields<'a> {
        let same_names = (self.foretold && self.read_foretold(&fields).is_some()) || self.read_any(fields.clone());
        Fields { table: self, json: fields.json, same_names }
    }

    /// Reads fields with the names of the event before, in the usual shape; `None` if they are not like that.
    fn read_foretold(&mut self, fields: &ExtractedFields<'_>) -> Option<()> {
        let window = fields.window.get(..fields.json.len() + scan::BLOCK).unwrap_or(fields.window);
        let mut marks = Marks::new(scan::BASELINE, window, 0);
        let (mut pos, mut pattern) = (2, 0);
        self.values.clear();
        if window.get(..2)? != b"{\"" {
            return None;
        }
        let last = self.pattern_ends.len().checked_sub(1)?;
        for (index, &end) in self.pattern_ends.iter().enumerate() {
            let name = &self.patterns[pattern..end as usize];
            pattern = end as usize;
            let start = pos + name.len();
            if !crate::text::equal(window.get(pos..start)?, name) {
                return None;
            }
            let value_end = marks.next(start)?;
            self.values.push(Place::Text(start as u32, value_end as u32));
            let behind: &[u8] = if index == last { b"\"}" } else { b"\",\"" };
            if !window.get(value_end..)?.starts_with(behind) {
                return None;
            }
            pos = value_end + behind.len();
        }
        Some(())
    }

    /// Reads fields of any shape. Whether their names are those of the event before.
    fn read_any(&mut self, mut fields: ExtractedFields<'_>) -> bool {
        let json = fields.json;
        self.values.clear();
        self.unescaped.clear();
        self.patterns.clear();
        self.pattern_ends.clear();
        let (mut same_names, mut plain) = (true, true);
        while let Some((raw_name, raw_value)) = fields.member() {
            let index = self.values.len();
            let name = text(json, raw_name);
            match self.names.get_mut(index) {
                Some(before) if *before == name => {}
                Some(before) => {
                    same_names = false;
                    before.clear();
                    before.push_str(&name);
                }
                None => {
                    same_names = false;
                    self.names.push(name.into_owned());
                }
            }
            plain &= !raw_name.escaped;
            self.patterns.extend_from_slice(&json.as_bytes()[raw_name.start..raw_name.end]);
            self.patterns.extend_from_slice(b"\":\"");
            self.pattern_ends.push(self.patterns.len() as u32);
            self.values.push(match raw_value {
                RawValue::Null => Place::Null,
                RawValue::Other(start, end) => Place::Json(start as u32, end as u32),
                RawValue::String(raw) if !raw.escaped => Place::Text(raw.start as u32, raw.end as u32),
                RawValue::String(raw) => {
                    let start = self.unescaped.len() as u32;
                    // Escapes were looked at before.
                    let _ = json::unescape(&json[raw.start..raw.end], &mut self.unescaped);
                    Place::Unescaped(start, self.unescaped.len() as u32)
                }
            });
        }
        same_names &= self.names.len() == self.values.len();
        self.names.truncate(self.values.len());
        self.foretold = plain;
        same_names
    }
}

impl<'a> Fields<'a> {
    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.table.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.values.is_empty()
    }

    /// Whether the names are those of the event that the table read before, in the same order: what was worked out for
    /// that, such as which column each field belongs in, still holds.
    pub fn same_names(&self) -> bool {
        self.same_names
    }

    /// The name of the field at an index.
    ///
    /// # Panics
    ///
    /// If there are fewer fields.
    pub fn name(&self, index: usize) -> &'a str {
        &self.table.names[index]
    }

    /// The value of the field at an index.
    ///
    /// # Panics
    ///
    /// If there are fewer fields.
    #[inline]
    pub fn value(&self, index: usize) -> FieldText<'a> {
        let piece = |text: &'a str, start: u32, end: u32| &text[start as usize..end as usize];
        match self.table.values[index] {
            Place::Text(start, end) => FieldText::Text(piece(self.json, start, end)),
            Place::Unescaped(start, end) => FieldText::Text(piece(&self.table.unescaped, start, end)),
            Place::Json(start, end) => FieldText::Json(piece(self.json, start, end)),
            Place::Null => FieldText::Null,
        }
    }
}
