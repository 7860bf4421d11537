#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

//! What the decoder makes of whole records: honest ones, odd ones, broken ones.

use kinesis_logs_decoder::{DecodeErrorKind, Decoder, FieldTable, FieldText, FieldValue, Limits};
use kinesis_logs_generator::{FlowLogs, control_message, gzip};

/// Decodes `data` and lists messages and errors.
fn decode(data: &[u8]) -> (Vec<String>, Vec<DecodeErrorKind>) {
    decode_with(&mut Decoder::new(), data)
}

fn decode_with(decoder: &mut Decoder, data: &[u8]) -> (Vec<String>, Vec<DecodeErrorKind>) {
    let decoded = decoder.decode(data);
    let messages = decoded.events().map(|event| event.message().to_owned()).collect();
    (messages, decoded.errors().iter().map(|error| error.kind().clone()).collect())
}

fn envelope(events: &str) -> String {
    format!(
        r#"{{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"g","logStream":"s","logEvents":[{events}]}}"#
    )
}

#[test]
fn generated_records_give_back_every_line_and_one_decoder_serves_them_all() {
    let mut decoder = Decoder::new();
    for (events, extracted) in [(1, false), (500, true), (3, true), (5000, false)] {
        let mut flow_logs = FlowLogs::new(events as u64).events_per_record(events).extracted_fields(extracted);
        for _ in 0..3 {
            let record = flow_logs.next_record();
            let (messages, errors) = decode_with(&mut decoder, &record.data);
            assert_eq!(messages, record.lines);
            assert_eq!(errors, []);
            let decoded = decoder.decode(&record.data);
            assert!(decoded.events().all(|event| event.flow_log().is_some()));
            assert_eq!(decoded.text_len(), record.json_len);
        }
    }
}

#[test]
fn the_envelope_and_the_event_say_where_a_line_comes_from() {
    let json = br#"{"owner":"123456789012","logGroup":"group","logStream":"2022/11/10/[$LATEST]ab","subscriptionFilters":["a","b\"c"],
        "messageType":"DATA_MESSAGE","policyLevel":"ACCOUNT_LEVEL_POLICY","somethingNew":{"deep":[1,{"x":null}]},
        "logEvents":[{"extractedFields":{"user":"root"},"message":"a\nb","id":"35553106966606983378809025079804211143289615424298221568","timestamp":1432826855000}]}"#;
    let mut decoder = Decoder::new();
    let decoded = decoder.decode(json);
    assert_eq!(decoded.errors(), []);
    let event = decoded.events().next().unwrap();
    assert_eq!(event.owner(), Some("123456789012"));
    assert_eq!(event.log_group(), Some("group"));
    assert_eq!(event.log_stream(), Some("2022/11/10/[$LATEST]ab"));
    assert_eq!(event.policy_level(), Some("ACCOUNT_LEVEL_POLICY"));
    assert_eq!(event.subscription_filters(), ["a", "b\"c"]);
    assert_eq!(event.id(), Some("35553106966606983378809025079804211143289615424298221568"));
    assert_eq!(event.timestamp_millis(), Some(1432826855000));
    assert_eq!(event.message(), "a\nb");
    assert_eq!(event.extracted_field("user"), Some(FieldValue::Text("root".into())));
    assert_eq!(event.extracted_field("other"), None);
}

#[test]
fn what_lenient_producers_write_is_taken_as_what_it_means() {
    let cases = [
        (r#"{"timestamp":"1432826855000","message":"m"}"#, Some(1432826855000), "m", None),
        (r#"{"timestamp":1.5e3,"message":"m","id":17}"#, Some(1500), "m", Some("17")),
        (r#"{"timestamp":null,"id":null,"message":null}"#, None, "", None),
        (r#"{"timestamp":"later","message":{"a":[1]}}"#, None, r#"{"a":[1]}"#, None),
        (r#"{ }"#, None, "", None),
        (r#"{"message":"first","message":"last"}"#, None, "last", None),
    ];
    for (event, timestamp, message, id) in cases {
        let json = envelope(event);
        let mut decoder = Decoder::new();
        let decoded = decoder.decode(json.as_bytes());
        assert_eq!(decoded.errors(), [], "{event}");
        let event = decoded.events().next().unwrap();
        assert_eq!((event.timestamp_millis(), event.message(), event.id()), (timestamp, message, id));
    }
}

#[test]
fn an_envelope_without_a_type_counts_if_it_has_events() {
    assert_eq!(decode(br#"{"logEvents":[{"message":"m"}]}"#), (vec!["m".to_owned()], vec![]));
    assert_eq!(decode(br#"{"messageType":"DATA_MESSAGE","logEvents":null}"#), (vec![], vec![]));
}

#[test]
fn extracted_fields_keep_order_numbers_and_escapes_and_differ_per_event() {
    let json = envelope(
        r#"{"extractedFields":{"b":"1","a":2,"c":null,"d\u0041":"x\ty","@aws.account":"1"}},{"extractedFields":{}},{"extractedFields":[1]}"#,
    );
    let mut decoder = Decoder::new();
    let decoded = decoder.decode(json.as_bytes());
    let mut events = decoded.events();
    let fields: Vec<_> = events.next().unwrap().extracted_fields().unwrap().collect();
    let expected = [
        ("b", FieldValue::Text("1".into())),
        ("a", FieldValue::Json("2")),
        ("c", FieldValue::Null),
        ("dA", FieldValue::Text("x\ty".into())),
        ("@aws.account", FieldValue::Text("1".into())),
    ];
    assert_eq!(fields, expected.map(|(name, value)| (name.into(), value)));
    assert_eq!(events.next().unwrap().extracted_fields().unwrap().count(), 0);
    assert!(events.next().unwrap().extracted_fields().is_none());
}

#[test]
fn a_field_table_says_what_the_fields_say_and_notices_other_names() {
    let fields = [
        r#"{"a":"1","b":"2"}"#,
        r#"{"a":"3","b":"4"}"#,
        r#"{"a":"5\t6","b":7}"#,
        r#"{ "a":"8", "b" : null }"#,
        r#"{"a":"9"}"#,
        r#"{}"#,
        r#"{"a":"6","c":"7"}"#,
        r#"{"c\u0041":"7"}"#,
        r#"{"c\u0041":"7"}"#,
        r#"{"a":"8","b":"9"}"#,
        r#"{"a":"8","b":"9","c":"x"}"#,
    ];
    let expected_same = [false, true, true, true, false, false, false, false, true, false, false];
    let usual = |fields: &str| format!(r#"{{"id":"1","timestamp":1,"message":"m","extractedFields":{fields}}}"#);
    let json = envelope(&fields.map(usual).join(","));
    let mut table = FieldTable::new();
    let decoded = kinesis_logs_decoder::decode(json.as_bytes());
    assert_eq!(decoded.errors(), []);
    for (event, same) in decoded.events().zip(expected_same) {
        let one_by_one = event.extracted_fields().unwrap();
        let fields = table.read(one_by_one.clone());
        assert_eq!(fields.same_names(), same, "{}", one_by_one.json());
        assert_eq!(fields.len(), one_by_one.clone().count());
        for (index, (name, value)) in one_by_one.enumerate() {
            assert_eq!(fields.name(index), name);
            let in_table = match fields.value(index) {
                FieldText::Text(text) => FieldValue::Text(text.into()),
                FieldText::Json(json) => FieldValue::Json(json),
                _ => FieldValue::Null,
            };
            assert_eq!(in_table, value);
        }
    }
}

#[test]
fn control_messages_are_counted_and_never_emitted() {
    let named = br#"{"logEvents":[{"id":"1","message":"CWL CONTROL MESSAGE"}],"logGroup":"named","messageType":"CONTROL_MESSAGE"}"#;
    for data in [control_message(), br#"{"messageType":"CONTROL_MESSAGE"}"#.to_vec(), named.to_vec()] {
        let mut decoder = Decoder::new();
        let decoded = decoder.decode(&data);
        assert_eq!((decoded.control_messages(), decoded.events().len(), decoded.errors().len()), (1, 0, 0));
    }
}

#[test]
fn unknown_types_and_other_objects_are_reported_and_what_follows_is_read() {
    let text =
        [r#"{"messageType":"NEW","logEvents":[{"message":"lost"}]}"#, r#"{"a":1}"#, &envelope(r#"{"message":"m"}"#)]
            .concat();
    let (messages, errors) = decode(text.as_bytes());
    assert_eq!(messages, ["m"]);
    assert_eq!(
        errors,
        [DecodeErrorKind::UnknownMessageType { message_type: "NEW".into() }, DecodeErrorKind::NotAnEnvelope]
    );
}

#[test]
fn firehose_forms_are_opened() {
    let envelopes: Vec<String> = ["a", "b", "c"].map(|m| envelope(&format!(r#"{{"message":"{m}"}}"#))).to_vec();
    let members: Vec<u8> = envelopes.iter().flat_map(|envelope| gzip(envelope.as_bytes())).collect();
    let expected = (vec!["a".to_owned(), "b".to_owned(), "c".to_owned()], vec![]);
    assert_eq!(decode(&members), expected, "several members");
    assert_eq!(decode(&gzip(&members)), expected, "gzip within gzip");
    assert_eq!(decode(envelopes.concat().as_bytes()), expected, "concatenated JSON");
    assert_eq!(decode(envelopes.join("\n").as_bytes()), expected, "one a line");
    let onion = |layers| (0..layers).fold(members.clone(), |inner, _| gzip(&inner));
    assert_eq!(decode(&onion(6)), expected, "as many layers as may be");
    assert_eq!(decode(&onion(7)).1, [DecodeErrorKind::TooManyLayers { limit: 6 }]);
}

#[test]
fn a_cut_gives_the_events_before_it_and_an_error() {
    let record = FlowLogs::new(1).events_per_record(500).next_record();
    for cut in [record.data.len() / 2, record.data.len() - 1, 30] {
        let (messages, errors) = decode(&record.data[..cut]);
        assert!(record.lines.starts_with(&messages), "cut at {cut}");
        assert!(matches!(errors[0], DecodeErrorKind::Truncated { .. }), "{errors:?}");
    }
    let (messages, _) = decode(&record.data[..record.data.len() / 2]);
    assert!(messages.len() > 150, "only {} events recovered from half a record", messages.len());
}

#[test]
fn each_kind_of_broken_record_is_named() {
    let cases: [(&[u8], &str); 9] = [
        (b"", "the record is empty"),
        (&gzip(b""), "the record is empty"),
        (
            b"\x00\x01binary",
            "neither compressed, nor JSON, nor flow log lines (it starts with 00 01 62 69 6e 61 72 79)",
        ),
        (b"plain text", "neither compressed, nor JSON, nor flow log lines (it starts with 70 6c 61 69 6e 20 74 65)"),
        (
            &gzip(b"plain text"),
            "neither compressed, nor JSON, nor flow log lines (it starts with 70 6c 61 69 6e 20 74 65)",
        ),
        (
            &gzip(b"{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[{]}"),
            "malformed JSON: expected a string at byte 44",
        ),
        (&gzip(b"{\"messageType\" \"DATA_MESSAGE\"}"), "malformed JSON: expected a colon at byte 15"),
        (b"{}", "a JSON object, but not a CloudWatch Logs envelope (no messageType) at byte 0"),
        (b"\x1f\x8b", "the compressed data is cut short; 0 bytes were recovered"),
    ];
    for (data, message) in cases {
        let mut decoder = Decoder::new();
        let decoded = decoder.decode(data);
        assert_eq!(decoded.errors()[0].to_string(), message);
        assert_eq!(decoded.events().len(), 0);
    }
}

#[test]
fn limits_bound_bytes_events_and_depth() {
    let bomb = gzip(&vec![b' '; 10 << 20]);
    let mut decoder = Decoder::with_limits(Limits::default().decompressed_bytes(1 << 20));
    assert_eq!(decode_with(&mut decoder, &bomb).1, [DecodeErrorKind::TooLarge { limit: 1 << 20 }]);

    let plain = vec![b' '; (1 << 20) + 1];
    assert_eq!(decode_with(&mut decoder, &plain).1, [DecodeErrorKind::TooLarge { limit: 1 << 20 }]);

    let many = envelope(&vec!["{\"message\":\"m\"}"; 20].join(","));
    let mut decoder = Decoder::with_limits(Limits::default().events(5));
    let (messages, errors) = decode_with(&mut decoder, many.as_bytes());
    assert_eq!((messages.len(), errors), (5, vec![DecodeErrorKind::TooManyEvents { limit: 5 }]));

    let mut decoder = Decoder::with_limits(Limits::default().envelopes(2));
    assert_eq!(decode_with(&mut decoder, b"{}{}{}").1.last(), Some(&DecodeErrorKind::TooManyEnvelopes { limit: 2 }));
    let mut decoder = Decoder::with_limits(Limits::default().layers(0));
    assert_eq!(decode_with(&mut decoder, &gzip(&gzip(b"{}"))).1, [DecodeErrorKind::TooManyLayers { limit: 0 }]);

    let deep = envelope(&format!(r#"{{"message":"m"}},{{"x":{}{}}}"#, "[".repeat(65), "]".repeat(65)));
    let (messages, errors) = decode(deep.as_bytes());
    assert_eq!((messages.len(), errors), (1, vec![DecodeErrorKind::TooDeep { limit: 64 }]));
}

#[test]
fn limits_beyond_what_the_decoder_can_do_are_brought_within_it() {
    let mut limits = Limits::default();
    (limits.decompressed_bytes, limits.json_depth) = (usize::MAX, usize::MAX);
    let record = FlowLogs::new(1).next_record();
    assert_eq!(decode_with(&mut Decoder::with_limits(limits), &record.data), (record.lines, vec![]));
}

#[test]
fn invalid_utf8_is_replaced_and_reported() {
    let mut json = envelope(r#"{"message":"a?b"}"#).into_bytes();
    let at = json.iter().position(|&byte| byte == b'?').unwrap();
    json[at] = 0xff;
    let (messages, errors) = decode(&gzip(&json));
    assert_eq!((messages, errors), (vec!["a\u{fffd}b".to_owned()], vec![DecodeErrorKind::Utf8]));
}

#[test]
fn only_lines_in_the_default_format_are_flow_logs() {
    let json = envelope(r#"{"message":"START RequestId: x"},{"message":"2 1 eni-1 - - - - - - - 1 2 - NODATA\n"}"#);
    let mut decoder = Decoder::new();
    let flows: Vec<bool> = decoder.decode(json.as_bytes()).events().map(|event| event.flow_log().is_some()).collect();
    assert_eq!(flows, [false, true]);
}
