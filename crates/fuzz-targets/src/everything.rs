//! All that can be asked of a record.

use kinesis_logs_decoder::flow_log::{Field, Format, Formats};
use kinesis_logs_decoder::{Decoded, FieldTable, FieldText, FieldValue};
use serde_json::{Map, Value};

/// All that can be asked of a record, as text that can be compared. Panics if two ways of asking differ.
pub(crate) fn everything(decoded: &Decoded) -> Vec<String> {
    let mut all: Vec<String> = decoded
        .errors()
        .iter()
        .map(|error| format!("{error} {:?} {} {}", error.kind(), error.can_continue(), error.is_limit()))
        .collect();
    let counts = (decoded.control_messages(), decoded.user_records(), decoded.outside_hash_range());
    all.push(format!("{counts:?} {}", decoded.text_len()));
    fields_are_the_same_by_index(decoded);
    assert_eq!(decoded.events().len(), decoded.events().count());
    let (mut json, mut at_once) = (Vec::new(), Vec::new());
    let formats = Formats::new();
    for event in decoded.events() {
        json.clear();
        if let Some(flow) = event.flow_log() {
            assert_eq!(flow.check(), Ok(()), "an inferred flow log has values of their fields' kinds");
            assert_eq!(flow.write_json(&mut json), Ok(()));
            let object: Map<String, Value> = serde_json::from_slice(&json).expect("valid JSON");
            assert_eq!(object.len(), flow.format().len());
        }
        at_once.clear();
        assert_eq!(formats.write_json(&event, &mut at_once).is_some(), event.flow_log().is_some());
        assert_eq!(at_once, json, "checked first, and written without");
        let of_default = event.flow_log_of(Format::default_format());
        let default =
            of_default.as_ref().map(|flow| (flow.srcaddr(), flow.dstport(), flow.bytes(), flow.get(Field::End)));
        all.push(format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {default:?} {}",
            event.message(),
            event.timestamp_millis(),
            event.id(),
            event.owner(),
            event.log_group(),
            event.log_stream(),
            event.policy_level(),
            event.subscription_filters(),
            event.sub_sequence_number(),
            event.header(),
            event.extracted_fields().map(|fields| fields.collect::<Vec<_>>()),
            String::from_utf8_lossy(&json),
        ));
    }
    all
}

/// [`FieldTable`], which takes advantage of the event before, says what the iterator says, which does not.
fn fields_are_the_same_by_index(decoded: &Decoded) {
    let mut table = FieldTable::new();
    let mut names_before = Vec::new();
    for fields in decoded.events().filter_map(|event| event.extracted_fields()) {
        let expected: Vec<_> = fields.clone().collect();
        let names: Vec<String> = expected.iter().map(|(name, _)| name.to_string()).collect();
        let read = table.read(fields.clone());
        assert_eq!((read.len(), read.is_empty()), (expected.len(), expected.is_empty()), "{}", fields.json());
        for (index, (name, value)) in expected.iter().enumerate() {
            assert_eq!(read.name(index), name);
            let same = match (read.value(index), value) {
                (FieldText::Text(one), FieldValue::Text(other)) => one == other,
                (FieldText::Json(one), FieldValue::Json(other)) => one == *other,
                (FieldText::Null, FieldValue::Null) => true,
                _ => false,
            };
            assert!(same, "{:?} is not {value:?} in {}", read.value(index), fields.json());
        }
        assert!(!read.same_names() || names == names_before, "{names:?} are not {names_before:?}");
        if let Some((name, _)) = expected.first() {
            let last = expected.iter().rfind(|(other, _)| other == name).map(|(_, value)| value.clone());
            assert_eq!(fields.get(name), last);
        }
        names_before = names;
    }
}
