//! Events that own what they hold.

use crate::{Event, FieldValue};

/// An [`Event`] that owns what it holds: a copy that outlives the record. Made by [`Event::into_owned`].
///
/// With the feature `serde` it is written as an [`Event`] is, and can be read back.
///
/// ```
/// use kinesis_logs_decoder::{Decoder, OwnedEvent};
///
/// # let records = [br#"{"messageType":"DATA_MESSAGE","logGroup":"app","logEvents":[{"message":"hello"}]}"#];
/// let mut decoder = Decoder::new();
/// let mut events: Vec<OwnedEvent> = Vec::new();
/// for record in records {
///     events.extend(decoder.decode(record).events().map(OwnedEvent::from));
/// }
/// assert_eq!((events[0].message.as_str(), events[0].log_group.as_deref()), ("hello", Some("app")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(default))]
pub struct OwnedEvent {
    /// See [`Event::id`].
    pub id: Option<String>,
    /// See [`Event::timestamp_millis`].
    #[cfg_attr(feature = "serde", serde(rename = "timestamp"))]
    pub timestamp_millis: Option<i64>,
    /// See [`Event::message`].
    pub message: String,
    /// See [`Event::owner`].
    pub owner: Option<String>,
    /// See [`Event::log_group`].
    pub log_group: Option<String>,
    /// See [`Event::log_stream`].
    pub log_stream: Option<String>,
    /// See [`Event::subscription_filters`].
    pub subscription_filters: Vec<String>,
    /// See [`Event::policy_level`].
    pub policy_level: Option<String>,
    /// See [`Event::sub_sequence_number`].
    pub sub_sequence_number: Option<u64>,
    /// Names and values of [`Event::extracted_fields`], in the order they came; empty if there are none.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "crate::serialize::read_fields"))]
    pub extracted_fields: Vec<(String, OwnedFieldValue)>,
}

/// A [`FieldValue`] that owns what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnedFieldValue {
    /// A text, which is all that AWS sends.
    Text(String),
    /// Anything else, as its JSON: lenient producers write numbers.
    Json(String),
    /// JSON's `null`.
    Null,
}

impl OwnedFieldValue {
    /// The text, or the JSON of what is no text; `None` for `null`.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            OwnedFieldValue::Text(text) => Some(text),
            OwnedFieldValue::Json(json) => Some(json),
            OwnedFieldValue::Null => None,
        }
    }
}

impl From<FieldValue<'_>> for OwnedFieldValue {
    fn from(value: FieldValue<'_>) -> Self {
        match value {
            FieldValue::Text(text) => OwnedFieldValue::Text(text.into_owned()),
            FieldValue::Json(json) => OwnedFieldValue::Json(json.to_owned()),
            FieldValue::Null => OwnedFieldValue::Null,
        }
    }
}

impl Event<'_> {
    /// A copy that outlives the record. The header of a text of lines, see [`Event::header`], is not in it.
    pub fn into_owned(self) -> OwnedEvent {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let fields = self.extracted_fields().into_iter().flatten();
        OwnedEvent {
            id: owned(self.id()),
            timestamp_millis: self.timestamp_millis(),
            message: self.message().to_owned(),
            owner: owned(self.owner()),
            log_group: owned(self.log_group()),
            log_stream: owned(self.log_stream()),
            subscription_filters: self.subscription_filters(),
            policy_level: owned(self.policy_level()),
            sub_sequence_number: self.sub_sequence_number(),
            extracted_fields: fields.map(|(name, value)| (name.into_owned(), value.into())).collect(),
        }
    }
}

impl From<Event<'_>> for OwnedEvent {
    fn from(event: Event<'_>) -> Self {
        event.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owned_event_says_what_the_event_said() {
        let record = br#"{"messageType":"DATA_MESSAGE","owner":"210987654321","logGroup":"g","logStream":"s",
            "subscriptionFilters":["a","b\"c"],"policyLevel":"ACCOUNT_LEVEL_POLICY","logEvents":[{"id":"7","timestamp":5,
            "message":"a\nb","extractedFields":{"n\u0061me":"\u0041na","code":404,"none":null}}]}"#;
        let event = crate::decode(record).events().next().unwrap().into_owned();
        let text = |text: &str| Some(text.to_owned());
        let expected = OwnedEvent {
            id: text("7"),
            timestamp_millis: Some(5),
            message: "a\nb".to_owned(),
            owner: text("210987654321"),
            log_group: text("g"),
            log_stream: text("s"),
            subscription_filters: vec!["a".to_owned(), "b\"c".to_owned()],
            policy_level: text("ACCOUNT_LEVEL_POLICY"),
            sub_sequence_number: None,
            extracted_fields: vec![
                ("name".to_owned(), OwnedFieldValue::Text("Ana".to_owned())),
                ("code".to_owned(), OwnedFieldValue::Json("404".to_owned())),
                ("none".to_owned(), OwnedFieldValue::Null),
            ],
        };
        assert_eq!(event, expected);
        let values: Vec<_> = event.extracted_fields.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, [Some("Ana"), Some("404"), None]);
    }

    #[test]
    fn what_an_event_lacks_is_lacking_in_its_copy() {
        let record = br#"{"messageType":"DATA_MESSAGE","logEvents":[{}]}"#;
        assert_eq!(crate::decode(record).events().next().map(OwnedEvent::from), Some(OwnedEvent::default()));
    }
}
