//! Events, extracted fields and errors through serde.

use std::fmt::{self, Display};

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::{DecodeError, Event, ExtractedFields, FieldValue, OwnedEvent, OwnedFieldValue};

impl Serialize for Event<'_> {
    /// A map of what the event has: `id`, `timestamp` (milliseconds), `message`, `owner`, `log_group`, `log_stream`,
    /// `subscription_filters`, `policy_level`, `sub_sequence_number`, `extracted_fields`. What is absent or empty is left
    /// out, but for the message.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Members {
            id: self.id(),
            timestamp: self.timestamp_millis(),
            message: self.message(),
            owner: self.owner(),
            log_group: self.log_group(),
            log_stream: self.log_stream(),
            subscription_filters: &self.subscription_filters(),
            policy_level: self.policy_level(),
            sub_sequence_number: self.sub_sequence_number(),
            extracted_fields: self.extracted_fields().filter(|fields| fields.clone().next().is_some()),
        }
        .serialize(serializer)
    }
}

impl Serialize for OwnedEvent {
    /// A map as that of an [`Event`].
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Members {
            id: self.id.as_deref(),
            timestamp: self.timestamp_millis,
            message: &self.message,
            owner: self.owner.as_deref(),
            log_group: self.log_group.as_deref(),
            log_stream: self.log_stream.as_deref(),
            subscription_filters: &self.subscription_filters,
            policy_level: self.policy_level.as_deref(),
            sub_sequence_number: self.sub_sequence_number,
            extracted_fields: Some(OwnedFields(&self.extracted_fields)).filter(|fields| !fields.0.is_empty()),
        }
        .serialize(serializer)
    }
}

/// What is written of an event, whoever owns it.
struct Members<'a, F> {
    id: Option<&'a str>,
    timestamp: Option<i64>,
    message: &'a str,
    owner: Option<&'a str>,
    log_group: Option<&'a str>,
    log_stream: Option<&'a str>,
    subscription_filters: &'a [String],
    policy_level: Option<&'a str>,
    sub_sequence_number: Option<u64>,
    extracted_fields: Option<F>,
}

impl<F: Serialize> Members<'_, F> {
    fn serialize<S: Serializer>(self, serializer: S) -> Result<S::Ok, S::Error> {
        let filters = Some(self.subscription_filters).filter(|filters| !filters.is_empty());
        let present = [
            self.id.is_some(),
            self.timestamp.is_some(),
            true,
            self.owner.is_some(),
            self.log_group.is_some(),
            self.log_stream.is_some(),
            filters.is_some(),
            self.policy_level.is_some(),
            self.sub_sequence_number.is_some(),
            self.extracted_fields.is_some(),
        ];
        // Some formats must know beforehand how many members there are.
        let mut map = serializer.serialize_map(Some(present.iter().filter(|present| **present).count()))?;
        entry(&mut map, "id", self.id)?;
        entry(&mut map, "timestamp", self.timestamp)?;
        entry(&mut map, "message", Some(self.message))?;
        entry(&mut map, "owner", self.owner)?;
        entry(&mut map, "log_group", self.log_group)?;
        entry(&mut map, "log_stream", self.log_stream)?;
        entry(&mut map, "subscription_filters", filters)?;
        entry(&mut map, "policy_level", self.policy_level)?;
        entry(&mut map, "sub_sequence_number", self.sub_sequence_number)?;
        entry(&mut map, "extracted_fields", self.extracted_fields)?;
        map.end()
    }
}

fn entry<M: SerializeMap>(map: &mut M, name: &str, value: Option<impl Serialize>) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, &value))
}

impl Serialize for ExtractedFields<'_> {
    /// A map of the fields not yet iterated over, in their order.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.clone().count()))?;
        for (name, value) in self.clone() {
            map.serialize_entry(&name, &value)?;
        }
        map.end()
    }
}

impl Serialize for FieldValue<'_> {
    /// Texts, numbers, booleans and none (`null`) as such. Numbers that `i64`, `u64` and `f64` cannot hold, objects and
    /// arrays, none of which AWS sends, are the text of their JSON.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            FieldValue::Text(text) => serializer.serialize_str(text),
            FieldValue::Json(json) => serialize_json(json, serializer),
            FieldValue::Null => serializer.serialize_none(),
        }
    }
}

impl Serialize for OwnedFieldValue {
    /// As a [`FieldValue`] is.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            OwnedFieldValue::Text(text) => serializer.serialize_str(text),
            OwnedFieldValue::Json(json) => serialize_json(json, serializer),
            OwnedFieldValue::Null => serializer.serialize_none(),
        }
    }
}

fn serialize_json<S: Serializer>(json: &str, serializer: S) -> Result<S::Ok, S::Error> {
    if let Ok(boolean) = json.parse() {
        return serializer.serialize_bool(boolean);
    }
    if let Ok(number) = json.parse() {
        return serializer.serialize_u64(number);
    }
    if let Ok(number) = json.parse() {
        return serializer.serialize_i64(number);
    }
    // Whole numbers that are too large for those would lose digits.
    let is_fraction = json.contains(['.', 'e', 'E']);
    match json.parse::<f64>() {
        Ok(number) if is_fraction && number.is_finite() => serializer.serialize_f64(number),
        _ => serializer.serialize_str(json),
    }
}

struct OwnedFields<'a>(&'a [(String, OwnedFieldValue)]);

impl Serialize for OwnedFields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Serialize for DecodeError {
    /// A map: `kind` (see [`DecodeErrorKind::name`](crate::DecodeErrorKind::name)), `message`, and if known `offset` and
    /// `sub_sequence_number`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (offset, record) = (self.offset(), self.sub_sequence_number());
        let len = 2 + usize::from(offset.is_some()) + usize::from(record.is_some());
        let mut map = serializer.serialize_map(Some(len))?;
        map.serialize_entry("kind", self.kind().name())?;
        map.serialize_entry("message", &AsText(self.kind()))?;
        entry(&mut map, "offset", offset)?;
        entry(&mut map, "sub_sequence_number", record)?;
        map.end()
    }
}

struct AsText<T>(T);

impl<T: Display> Serialize for AsText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Reads a map of fields with its order and its repetitions.
pub(crate) fn read_fields<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(String, OwnedFieldValue)>, D::Error> {
    struct Fields;

    impl<'de> Visitor<'de> for Fields {
        type Value = Vec<(String, OwnedFieldValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of extracted fields")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut fields = Vec::new();
            while let Some(field) = map.next_entry()? {
                fields.push(field);
            }
            Ok(fields)
        }
    }

    deserializer.deserialize_map(Fields)
}

impl<'de> serde::Deserialize<'de> for OwnedFieldValue {
    /// Texts are [`Text`](OwnedFieldValue::Text), numbers and booleans [`Json`](OwnedFieldValue::Json).
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Value;

        impl Visitor<'_> for Value {
            type Value = OwnedFieldValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, a boolean or none")
            }

            fn visit_str<E>(self, text: &str) -> Result<OwnedFieldValue, E> {
                Ok(OwnedFieldValue::Text(text.to_owned()))
            }

            fn visit_bool<E>(self, boolean: bool) -> Result<OwnedFieldValue, E> {
                Ok(OwnedFieldValue::Json(boolean.to_string()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<OwnedFieldValue, E> {
                Ok(OwnedFieldValue::Json(number.to_string()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<OwnedFieldValue, E> {
                Ok(OwnedFieldValue::Json(number.to_string()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<OwnedFieldValue, E> {
                // With a point or an exponent, so that it is told from a whole number.
                Ok(OwnedFieldValue::Json(format!("{number:?}")))
            }

            fn visit_none<E>(self) -> Result<OwnedFieldValue, E> {
                Ok(OwnedFieldValue::Null)
            }

            fn visit_unit<E>(self) -> Result<OwnedFieldValue, E> {
                Ok(OwnedFieldValue::Null)
            }
        }

        deserializer.deserialize_any(Value)
    }
}
