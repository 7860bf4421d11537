//! Plain text: what is valid JSON is read as serde_json reads it.

use std::fmt;

use kinesis_logs_decoder::{Compression, DecodeErrorKind, Decoder, FieldValue, Payload};
use kinesis_logs_generator::{FlowLogs, gzip};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::everything::everything;

/// Panics if the decoder reads a valid envelope otherwise than serde_json, or contradicts itself.
pub fn run(data: &[u8]) {
    for payload in [Payload::Auto, Payload::Envelopes, Payload::Lines] {
        everything(Decoder::new().compression(Compression::None).payload(payload).decode(data));
    }
    let Ok(text) = str::from_utf8(data) else { return };
    let Some(expected) = Expected::of(text) else { return };
    let mut decoder = Decoder::new().compression(Compression::None).payload(Payload::Envelopes);
    let decoded = decoder.decode(data);
    let errors: Vec<&DecodeErrorKind> = decoded.errors().iter().map(|error| error.kind()).collect();
    if errors.iter().any(|kind| matches!(kind, DecodeErrorKind::TooDeep { .. })) {
        return;
    }
    match &expected {
        Expected::NoEnvelope => assert_eq!(errors, [&DecodeErrorKind::NotAnEnvelope]),
        Expected::UnknownType(name) => {
            let message_type = name.chars().take(64).collect();
            assert_eq!(errors, [&DecodeErrorKind::UnknownMessageType { message_type }]);
        }
        Expected::Control => assert!(errors.is_empty() && decoded.control_messages() == 1),
        Expected::Envelope { .. } => assert!(errors.is_empty(), "{errors:?} in {text}"),
    }
    let Expected::Envelope { log_group, events } = expected else {
        assert_eq!(decoded.events().count(), 0);
        return;
    };
    assert_eq!(decoded.events().count(), events.len());
    for (event, expected) in decoded.events().zip(events) {
        assert_eq!(event.log_group(), log_group.as_deref());
        assert_eq!(event.message(), expected.message.unwrap_or_default());
        assert_eq!(event.id(), expected.id.as_deref());
        if let Some(millis) = expected.whole_millis {
            assert_eq!(event.timestamp_millis(), Some(millis));
        }
        let fields = event.extracted_fields().map(|fields| {
            fields.map(|(name, value)| (name.into_owned(), OwnedValue::of_field(value))).collect::<Vec<_>>()
        });
        assert_eq!(fields, expected.fields);
    }
}

/// Envelopes as AWS writes them, and as nobody does.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        "",
        "{}",
        "{}{} {}",
        r#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"message":"m"}]}"#,
        r#"{"messageType":"OTHER","logEvents":[]}"#,
        r#"{"messageType":null,"logEvents":null}"#,
        r#"{"logEvents":[{"message":"a","message":{"b":[1,2]}},{},{"timestamp":"5","id":7}],"logGroup":"g"}"#,
        r#"{"logEvents":[{"message":"\ud83d\ude00\n\"\\","timestamp":1.5e3,"extractedFields":{"a\u0041":"\t","b":[],"c":null}}]}"#,
        r#"{"logEvents":[{"id":"1","timestamp":5,"message":"m","extractedFields":{"a":"b"}},{"id":"2","timestamp":6,"message":"n","extractedFields":{"a":"c"}},{"id":"3","timestamp":7,"message":"\n","extractedFields":{"a":"\u0000"}}]}"#,
        "{ \"logEvents\" : [ { \"message\" : \"m\" , \"new\" : { \"deep\" : [ [ ] ] } } , { } ] }\n",
        r#"{"logEvents":[{"extractedFields":{},"message":true},{"extractedFields":5}]}"#,
        r#"{"logEvents":[{"message":"cut"#,
        r#"{"logEvents":[{"message":"bad \x escape"}]}"#,
        r#"{"subscriptionFilters":["a","b\"c",5],"policyLevel":"ACCOUNT_LEVEL_POLICY","logEvents":[{}]}"#,
        r#"{"awslogs":{"data":"H4sI"}}"#,
        r#"{"Records":[{"kinesis":{"data":"e30="}},{"data":"e30="},5]}"#,
        "version srcaddr\n2 10.0.0.1\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    for (events, extracted) in [(1, false), (2, true), (6, false)] {
        let record = FlowLogs::new(3).events_per_record(events).extracted_fields(extracted).next_record();
        seeds.push(inflated(&record.data));
    }
    seeds.push(gzip(b"{}"));
    seeds
}

fn inflated(data: &[u8]) -> Vec<u8> {
    let mut text = vec![0; 1 << 14];
    let size = libdeflater::Decompressor::new().gzip_decompress(data, &mut text).expect("a record below 16 KiB");
    text.truncate(size);
    text
}

/// What one valid JSON object should become.
enum Expected {
    NoEnvelope,
    UnknownType(String),
    Control,
    Envelope { log_group: Option<String>, events: Vec<ExpectedEvent> },
}

#[derive(Default)]
struct ExpectedEvent {
    message: Option<String>,
    id: Option<String>,
    /// The time, if it is written in a way that leaves no choice.
    whole_millis: Option<i64>,
    fields: Option<Vec<(String, OwnedValue)>>,
}

#[derive(Debug, PartialEq)]
enum OwnedValue {
    Text(String),
    Json(String),
    Null,
}

impl OwnedValue {
    fn of_field(value: FieldValue<'_>) -> Self {
        match value {
            FieldValue::Text(text) => OwnedValue::Text(text.into_owned()),
            FieldValue::Json(json) => OwnedValue::Json(json.to_owned()),
            _ => OwnedValue::Null,
        }
    }
}

impl Expected {
    /// `None` if the text is not one valid JSON object, or if serde_json cannot say what should become of it: keys with
    /// escapes are compared as they stand, which nobody writes, and half a surrogate pair is no text for serde_json.
    fn of(text: &str) -> Option<Expected> {
        let Members(members) = serde_json::from_str(text).ok()?;
        let (mut message_type, mut log_group, mut events) = (None, None, None::<Vec<ExpectedEvent>>);
        for (key, value) in members {
            match plain(key)? {
                "messageType" => message_type = text_of(value)?,
                "logGroup" => log_group = text_of(value)?,
                "owner" | "logStream" | "policyLevel" => drop(text_of(value)?),
                "logEvents" if value.get() == "null" => drop(events.get_or_insert_default()),
                "logEvents" => {
                    let values: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
                    let of_array: Option<Vec<ExpectedEvent>> = values.into_iter().map(ExpectedEvent::of).collect();
                    events.get_or_insert_default().extend(of_array?);
                }
                "awslogs" | "Records" | "records" => return None,
                _ => {}
            }
        }
        Some(match (message_type.as_deref(), events) {
            (Some("DATA_MESSAGE"), events) => Expected::Envelope { log_group, events: events.unwrap_or_default() },
            (None, Some(events)) => Expected::Envelope { log_group, events },
            (Some("CONTROL_MESSAGE"), _) => Expected::Control,
            (Some(other), _) => Expected::UnknownType(other.to_owned()),
            (None, None) => Expected::NoEnvelope,
        })
    }
}

impl ExpectedEvent {
    fn of(value: &RawValue) -> Option<ExpectedEvent> {
        let Members(members) = serde_json::from_str(value.get()).ok()?;
        let mut event = ExpectedEvent::default();
        for (key, value) in members {
            match plain(key)? {
                "message" => event.message = text_of(value)?,
                "id" => event.id = text_of(value)?,
                "timestamp" => event.whole_millis = value.get().parse().ok().filter(|millis| *millis != i64::MIN),
                "extractedFields" if value.get().starts_with('{') => event.fields = Some(fields(value)?),
                _ => {}
            }
        }
        Some(event)
    }
}

fn fields(object: &RawValue) -> Option<Vec<(String, OwnedValue)>> {
    let Members(members) = serde_json::from_str(object.get()).ok()?;
    let field = |(key, value): (&RawValue, &RawValue)| {
        let value = match value.get().as_bytes()[0] {
            b'"' => OwnedValue::Text(serde_json::from_str(value.get()).ok()?),
            _ if value.get() == "null" => OwnedValue::Null,
            _ => OwnedValue::Json(value.get().to_owned()),
        };
        Some((serde_json::from_str(key.get()).ok()?, value))
    };
    members.into_iter().map(field).collect()
}

/// A text, `null`, or the JSON of another value; the outer `None` if that cannot be told.
#[allow(clippy::option_option, reason = "whether it can be told, and what it is")]
fn text_of(value: &RawValue) -> Option<Option<String>> {
    match value.get().as_bytes()[0] {
        b'"' => serde_json::from_str(value.get()).ok().map(Some),
        _ if value.get() == "null" => Some(None),
        _ => Some(Some(value.get().to_owned())),
    }
}

/// A key without escapes.
fn plain(key: &RawValue) -> Option<&str> {
    key.get().strip_prefix('"')?.strip_suffix('"').filter(|key| !key.contains('\\'))
}

/// The members of an object in their order, also those of one name.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collector;

        impl<'de> Visitor<'de> for Collector {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collector)
    }
}
