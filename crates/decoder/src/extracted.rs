//! `extractedFields`: what the pattern of a subscription filter cut out of a log event.

use crate::text::{Span, Text};

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
    pub(crate) fn new(text: Text<'a>, fields: &'a [Field]) -> Self {
        ExtractedFields { text, fields: fields.iter() }
    }

    /// The value of one field. Of several with the same name the last counts, as in JSON readers elsewhere.
    pub fn get(&self, name: &str) -> Option<FieldValue<'a>> {
        let field = self.fields.as_slice().iter().rfind(|field| self.text.get(field.name) == name)?;
        Some(self.value(field))
    }

    /// The field at an index, as the iterator counts them.
    pub fn get_index(&self, index: usize) -> Option<(&'a str, FieldValue<'a>)> {
        let field = self.fields.as_slice().get(index)?;
        Some((self.text.get(field.name), self.value(field)))
    }

    fn value(&self, field: &Field) -> FieldValue<'a> {
        match field.kind {
            Kind::Text => FieldValue::Text(self.text.get(field.value)),
            Kind::Json => FieldValue::Json(self.text.get(field.value)),
            Kind::Null => FieldValue::Null,
        }
    }
}

impl<'a> Iterator for ExtractedFields<'a> {
    type Item = (&'a str, FieldValue<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let field = self.fields.next()?;
        Some((self.text.get(field.name), self.value(field)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.fields.size_hint()
    }
}

impl ExactSizeIterator for ExtractedFields<'_> {}
