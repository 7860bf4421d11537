//! Records beside Python's `gzip` and `json`, and beside VRL's `parse_aws_cloudwatch_log_subscription_message`.

use std::collections::BTreeMap;

use fastrand::Rng;
use kinesis_logs_decoder::{Decoded, Decoder, Event, FieldTable, FieldText, FieldValue};
use serde_json::{Map, Value, json};
use vrl::value::Value as Vrl;

use crate::inputs::envelopes::{Damage, Objection, Record, records};
use crate::python;
use crate::vector::Script;

const RECORDS: usize = 10_000;

#[test]
fn ten_thousand_records_hold_what_python_finds_in_them() {
    let records = records(&mut Rng::with_seed(2), RECORDS);
    let answers = python::ask("envelopes.py", records.iter().map(|record| &record.data[..]));
    let mut decoder = Decoder::new();
    let mut table = FieldTable::new();
    // Of each damage, how many records Python reads, and how many it rejects.
    let mut met: BTreeMap<Damage, [usize; 2]> = BTreeMap::new();
    let (mut events, mut with_fields, mut control_messages) = (0, 0, 0);
    for (record, theirs) in records.iter().zip(&answers) {
        let decoded = decoder.decode(&record.data);
        let rejected = theirs.get("rejected");
        met.entry(record.damage).or_default()[usize::from(rejected.is_some())] += 1;
        match (record.damage, rejected) {
            (_, None) => {
                let ours = what_python_says(decoded, &mut table);
                assert_eq!(decoded.errors(), [], "errors that Python does not have: {}", shown(record));
                assert_eq!(&ours, theirs, "{}", shown(record));
                events += decoded.events().len();
                with_fields += decoded.events().filter(|event| event.extracted_fields().is_some()).count();
                control_messages += decoded.control_messages();
            }
            // Values that nobody asks for are not checked here, so that damage in them goes unnoticed.
            (Damage::Json, Some(_)) => {}
            (Damage::Nothing | Damage::Gzip, Some(reason)) => {
                assert_ne!(decoded.errors(), [], "no error though Python has one, {reason}: {}", shown(record));
            }
        }
    }
    println!(
        "{events} events, {with_fields} with fields, {control_messages} control messages; read, rejected: {met:?}"
    );
    assert!(events > 50_000 && with_fields > 10_000 && control_messages > 300);
    assert!(met[&Damage::Nothing][0] > 6_000 && met[&Damage::Nothing][1] > 200, "{met:?}");
    assert!(met[&Damage::Json].iter().all(|&count| count > 100), "{met:?}");
    assert!(met[&Damage::Gzip][1] > 500, "{met:?}");
}

#[test]
fn ten_thousand_envelopes_have_the_events_that_vrl_gives_or_a_reason_why_it_refuses_them() {
    let records = records(&mut Rng::with_seed(3), RECORDS);
    let mut vrl = Script::new("parse_aws_cloudwatch_log_subscription_message!(.message)");
    let mut decoder = Decoder::new();
    let mut refused: BTreeMap<Objection, usize> = BTreeMap::new();
    let (mut taken, mut taken_in_part, mut events, mut shown) = (0, 0, 0, 0);
    for record in &records {
        let Some(envelope) = &record.envelope else { continue };
        let (known, theirs) = match (parsed_by(&mut vrl, envelope), record.objection) {
            (Ok(theirs), None) => {
                taken += 1;
                (envelope.clone(), theirs)
            }
            (Err(_), Some(objection)) => {
                *refused.entry(objection).or_default() += 1;
                // Most of what AWS writes has a member that VRL does not know: what it does know is compared all the same.
                let known = without_unknown_members(envelope);
                let Ok(theirs) = parsed_by(&mut vrl, &known) else { continue };
                taken_in_part += 1;
                (known, theirs)
            }
            (theirs, objection) => panic!("VRL: {theirs:?}, though it was thought to say {objection:?}: {envelope}"),
        };
        let decoded = decoder.decode(&record.data);
        assert_eq!(decoded.errors(), [], "errors that VRL does not have: {envelope}");
        assert_eq!(what_vrl_says(decoded, &theirs), theirs, "{envelope}");
        events += decoded.events().len();
        if decoded.events().len() == 0 {
            // Only events show what their envelope says.
            let with_event = with_one_event(&known);
            let theirs = parsed_by(&mut vrl, &with_event).unwrap();
            assert_eq!(what_vrl_says(decoder.decode(with_event.as_bytes()), &theirs), theirs, "{with_event}");
            shown += 1;
        }
    }
    println!("{taken} taken, {taken_in_part} in part, with {events} events; {shown} have none; refused: {refused:?}");
    assert!(taken > 2_000 && taken_in_part > 1_500 && events > 40_000 && shown > 500);
    for objection in [
        Objection::UnknownMember,
        Objection::MissingMember,
        Objection::RepeatedMember,
        Objection::OtherKind,
        Objection::DistantTime,
        Objection::UnknownType,
    ] {
        assert!(refused.get(&objection).is_some_and(|&times| times > 50), "{objection:?} was hardly met: {refused:?}");
    }
}

/// A record's events as the script prints them.
fn what_python_says(decoded: &Decoded, table: &mut FieldTable) -> Value {
    let events: Vec<Value> = decoded
        .events()
        .map(|event| {
            json!({
                "id": event.id(),
                "timestamp": event.timestamp_millis(),
                "message": event.message(),
                "owner": event.owner(),
                "logGroup": event.log_group(),
                "logStream": event.log_stream(),
                "policyLevel": event.policy_level(),
                "filters": event.subscription_filters(),
                "fields": fields(&event, table),
            })
        })
        .collect();
    json!({"events": events, "controlMessages": decoded.control_messages()})
}

/// The extracted fields, of which the last of a name counts; read in two ways, and one by one.
fn fields(event: &Event<'_>, table: &mut FieldTable) -> Value {
    let Some(fields) = event.extracted_fields() else { return Value::Null };
    let mut object = Map::new();
    for (name, value) in fields.clone() {
        let value = match value {
            FieldValue::Text(text) => json!(["text", text]),
            FieldValue::Json(json) => json!(["json", json]),
            _ => Value::Null,
        };
        object.insert(name.into_owned(), value);
    }
    let read = table.read(fields);
    let mut again = Map::new();
    for index in 0..read.len() {
        let value = match read.value(index) {
            FieldText::Text(text) => json!(["text", text]),
            FieldText::Json(json) => json!(["json", json]),
            _ => Value::Null,
        };
        again.insert(read.name(index).to_owned(), value);
    }
    assert_eq!(object, again, "a table's fields and an iterator's");
    for (name, value) in &object {
        let field = event.extracted_field(name).unwrap();
        assert_eq!(field.as_str(), value.get(1).and_then(Value::as_str), "{name}");
    }
    object.into()
}

/// What VRL makes of an envelope.
fn parsed_by(vrl: &mut Script, envelope: &str) -> Result<Vrl, String> {
    vrl.run(Vrl::from_iter([("message".to_owned(), Vrl::from(envelope))]))
}

/// An envelope without what VRL denies for being there; of members that are there twice the last.
fn without_unknown_members(envelope: &str) -> String {
    const OF_ENVELOPE: [&str; 6] =
        ["messageType", "owner", "logGroup", "logStream", "subscriptionFilters", "logEvents"];
    const OF_EVENT: [&str; 3] = ["id", "timestamp", "message"];
    let mut envelope: Map<String, Value> = serde_json::from_str(envelope).unwrap();
    envelope.retain(|name, _| OF_ENVELOPE.contains(&&**name));
    for event in envelope.get_mut("logEvents").and_then(Value::as_array_mut).into_iter().flatten() {
        event.as_object_mut().unwrap().retain(|name, _| OF_EVENT.contains(&&**name));
    }
    Value::Object(envelope).to_string()
}

/// An envelope of data with an event in place of those it has.
fn with_one_event(envelope: &str) -> String {
    let mut envelope: Map<String, Value> = serde_json::from_str(envelope).unwrap();
    envelope.insert("messageType".to_owned(), "DATA_MESSAGE".into());
    envelope.insert("logEvents".to_owned(), json!([{"id": "1", "timestamp": 1_700_000_000_000_u64, "message": "m"}]));
    Value::Object(envelope).to_string()
}

/// A record's one envelope as VRL gives it: all that VRL gives, out of every event. What an envelope without events says,
/// and the events of a control message, are VRL's own here, as none are given.
fn what_vrl_says(decoded: &Decoded, theirs: &Vrl) -> Vrl {
    let message_type = if decoded.control_messages() > 0 { "CONTROL_MESSAGE" } else { "DATA_MESSAGE" };
    let mut ours = theirs.as_object().unwrap().clone();
    let of_event = |event: Event<'_>| {
        let time = event.timestamp_millis().and_then(chrono::DateTime::from_timestamp_millis);
        Vrl::from_iter([
            ("id".to_owned(), Vrl::from(event.id())),
            ("timestamp".to_owned(), Vrl::from(time)),
            ("message".to_owned(), Vrl::from(event.message())),
        ])
    };
    let events: Vec<Vrl> = decoded.events().map(of_event).collect();
    ours.insert("message_type".into(), message_type.into());
    if decoded.control_messages() == 0 {
        ours.insert("log_events".into(), events.into());
    } else {
        assert_eq!((decoded.control_messages(), events.len()), (1, 0));
    }
    for event in decoded.events() {
        let envelope = [
            ("owner", Vrl::from(event.owner())),
            ("log_group", Vrl::from(event.log_group())),
            ("log_stream", Vrl::from(event.log_stream())),
            ("subscription_filters", Vrl::from(event.subscription_filters())),
        ];
        for (name, value) in envelope {
            assert_eq!(value, ours[name], "{name} of an event is not what VRL gives");
        }
    }
    ours.into()
}

fn shown(record: &Record) -> String {
    let text = record.envelope.clone().unwrap_or_else(|| String::from_utf8_lossy(&record.data).into_owned());
    format!("{:?}, {text}", record.damage)
}
