#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

//! What is written through serde, and what is read back.

use kinesis_logs_decoder::{DecodeErrorKind, Decoded, OwnedEvent, OwnedFieldValue, decode};
use proptest::prelude::*;
use serde_json::{Value, json};

const FULL: &str = r#"{"messageType":"DATA_MESSAGE","owner":"210987654321","logGroup":"g","logStream":"s",
    "subscriptionFilters":["a","b\"c"],"policyLevel":"ACCOUNT_LEVEL_POLICY","logEvents":[{"id":"7","timestamp":1770000000123,
    "message":"a\n\"b\"","extractedFields":{"b":"\u0041na","a":"1"}}]}"#;

fn with_fields(fields: &str) -> Decoded {
    decode(format!(r#"{{"messageType":"DATA_MESSAGE","logEvents":[{{"extractedFields":{fields}}}]}}"#).as_bytes())
}

fn written(decoded: &Decoded) -> String {
    serde_json::to_string(&decoded.events().next().unwrap()).unwrap()
}

#[test]
fn an_event_is_written_with_all_that_is_known_of_it() {
    let expected = r#"{"id":"7","timestamp":1770000000123,"message":"a\n\"b\"","owner":"210987654321","log_group":"g","log_stream":"s","subscription_filters":["a","b\"c"],"policy_level":"ACCOUNT_LEVEL_POLICY","extracted_fields":{"b":"Ana","a":"1"}}"#;
    assert_eq!(written(&decode(FULL.as_bytes())), expected);
}

#[test]
fn what_an_event_lacks_is_left_out() {
    let bare =
        decode(br#"{"messageType":"DATA_MESSAGE","subscriptionFilters":[],"logEvents":[{"extractedFields":{}}]}"#);
    assert_eq!(written(&bare), r#"{"message":""}"#);
}

#[test]
fn fields_that_are_no_text_are_written_as_what_they_are_if_nothing_is_lost() {
    let decoded = with_fields(
        r#"{"n":404,"m":-7,"u":18446744073709551615,"big":36893488147419103232,"f":2.50,"e":1e999,"t":true,"z":null,"o":{"a":[1]}}"#,
    );
    let expected = json!({
        "n": 404, "m": -7, "u": u64::MAX, "big": "36893488147419103232", "f": 2.5, "e": "1e999", "t": true, "z": null,
        "o": "{\"a\":[1]}",
    });
    let fields = decoded.events().next().unwrap().extracted_fields().unwrap();
    assert_eq!(serde_json::to_value(&fields).unwrap(), expected);
    let rest: Value = serde_json::to_value(fields.skip(8).collect::<std::collections::BTreeMap<_, _>>()).unwrap();
    assert_eq!(rest, json!({"o": "{\"a\":[1]}"}));
}

#[test]
fn errors_are_written_with_kind_message_and_place() {
    let record = r#"{"messageType":"DATA_MESSAGE","logEvents":[{"id" 5}]}"#;
    let decoded = decode(record.as_bytes());
    let expected = json!({"kind": "json", "message": "malformed JSON: expected a colon", "offset": record.find('5')});
    assert_eq!(serde_json::to_value(&decoded.errors()[0]).unwrap(), expected);
    assert_eq!(DecodeErrorKind::TooDeep { limit: 3 }.name(), "too_deep");
    let empty = serde_json::to_value(&decode(b"").errors()[0]).unwrap();
    assert_eq!(empty, json!({"kind": "empty", "message": "the record is empty"}));
}

#[test]
fn an_owned_event_is_read_back_as_it_was_written() {
    let decoded = decode(FULL.as_bytes());
    let owned = decoded.events().next().unwrap().into_owned();
    let json = serde_json::to_string(&owned).unwrap();
    assert_eq!(json, written(&decoded));
    assert_eq!(serde_json::from_str::<OwnedEvent>(&json).unwrap(), owned);
}

#[test]
fn an_event_can_be_read_that_has_little_or_something_unknown() {
    assert_eq!(serde_json::from_str::<OwnedEvent>("{}").unwrap(), OwnedEvent::default());
    let event: OwnedEvent =
        serde_json::from_str(r#"{"message":"m","new":[1],"extracted_fields":{"a":5,"b":1e300,"a":null}}"#).unwrap();
    let [a, b, again] = &event.extracted_fields[..] else { panic!("{event:?}") };
    assert_eq!((a.0.as_str(), a.1.as_str()), ("a", Some("5")));
    assert_eq!((b.0.as_str(), b.1.as_str()), ("b", Some("1e300")));
    assert_eq!((again.0.as_str(), &again.1), ("a", &OwnedFieldValue::Null));
    assert!(serde_json::from_str::<OwnedEvent>(r#"{"extracted_fields":{"a":[1]}}"#).is_err());
}

proptest! {
    #[test]
    fn an_event_and_its_copy_are_written_alike_and_come_back_alike(
        message: String,
        time: Option<i64>,
        id: Option<String>,
        fields in prop::collection::vec(
            ("[a-cé]{0,2}", prop_oneof!["\"[a-z0-9é]{0,9}\"", "-?[1-9][0-9]{0,24}", "[0-9]\\.[0-9]{1,3}e?0", "null|true|\\[1\\]"]),
            0..4,
        ),
    ) {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
        let event = json!({"id": id, "timestamp": time, "message": message, "extractedFields": 0});
        let event = event.to_string().replace("\"extractedFields\":0", &format!("\"extractedFields\":{{{}}}", fields.join(",")));
        let decoded = decode(format!(r#"{{"messageType":"DATA_MESSAGE","logEvents":[{event}]}}"#).as_bytes());
        let json = written(&decoded);
        prop_assert_eq!(&json, &serde_json::to_string(&decoded.events().next().unwrap().into_owned()).unwrap());
        let again: OwnedEvent = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&json, &serde_json::to_string(&again).unwrap());
    }

    #[test]
    fn no_bytes_make_writing_what_was_decoded_panic(data: Vec<u8>, fields in r#"[\[\]{}",:\\u0-9.eE+\-a-f]{0,30}"#) {
        for decoded in [decode(&data), with_fields(&format!("{{\"a\":{fields}}}"))] {
            for event in decoded.events() {
                serde_json::to_string(&event).unwrap();
                serde_json::to_string(&event.flow_log()).unwrap();
            }
            serde_json::to_string(decoded.errors()).unwrap();
        }
    }
}
