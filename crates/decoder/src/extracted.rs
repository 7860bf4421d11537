//! `extractedFields`: what the pattern of a subscription filter cut out of a log event.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::text::{Span, Text};

/// Where an event's fields lie in the record's table.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Range {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) names: NamesId,
}

/// Identifies the names that an event's extracted fields have, in their order: two events with the same id have the same
/// names, whatever decoder they come from. Events with the same names mostly, not always, have the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NamesId(u64);

impl NamesId {
    /// An id that no event has yet.
    pub(crate) fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NamesId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A field's name and value in the record's text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: Span,
    pub(crate) value: Span,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Json,
    Null,
}

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
/// assert_eq!(fields, [("user", FieldValue::Text("root")), ("code", FieldValue::Json("404"))]);
/// ```
#[derive(Debug, Clone)]
pub struct ExtractedFields<'a> {
    text: Text<'a>,
    fields: std::slice::Iter<'a, Field>,
    names: NamesId,
}

/// A value in [`ExtractedFields`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldValue<'a> {
    /// A text, which is all that AWS sends.
    Text(&'a str),
    /// Anything else, as its JSON: lenient producers write numbers.
    Json(&'a str),
    /// JSON's `null`.
    Null,
}

impl<'a> FieldValue<'a> {
    /// The text, or the JSON of what is no text; `None` for `null`.
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            FieldValue::Text(text) => Some(text),
            FieldValue::Json(json) => Some(json),
            FieldValue::Null => None,
        }
    }
}

impl<'a> ExtractedFields<'a> {
    pub(crate) fn new(text: Text<'a>, fields: &'a [Field], range: Range) -> Self {
        let fields = &fields[range.start as usize..range.end as usize];
        ExtractedFields { text, fields: fields.iter(), names: range.names }
    }

    /// Tells events with the same names apart from others without looking at the names: what was worked out for one
    /// event, such as which column each field belongs in, holds for all with its id.
    pub fn names_id(&self) -> NamesId {
        self.names
    }

    /// The value of one field among those not yet iterated over. Of several with the same name the last counts, as in JSON readers elsewhere.
    pub fn get(&self, name: &str) -> Option<FieldValue<'a>> {
        let field = self.fields.as_slice().iter().rfind(|field| self.text.get(field.name) == name)?;
        Some(self.value_of(field))
    }

    /// The value of the field at an index among those not yet iterated over.
    #[inline]
    pub fn value(&self, index: usize) -> Option<FieldValue<'a>> {
        Some(self.value_of(self.fields.as_slice().get(index)?))
    }

    #[inline]
    fn value_of(&self, field: &Field) -> FieldValue<'a> {
        match field.kind {
            Kind::Text => FieldValue::Text(self.text.get(field.value)),
            Kind::Json => FieldValue::Json(self.text.get(field.value)),
            Kind::Null => FieldValue::Null,
        }
    }
}

impl<'a> Iterator for ExtractedFields<'a> {
    type Item = (&'a str, FieldValue<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let field = self.fields.next()?;
        Some((self.text.get(field.name), self.value_of(field)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.fields.size_hint()
    }
}

impl ExactSizeIterator for ExtractedFields<'_> {}
