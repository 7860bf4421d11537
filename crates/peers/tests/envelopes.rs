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
    let (mut taken, mut events) = (0, 0);
    for record in &records {
        let Some(envelope) = &record.envelope else { continue };
        let message = Vrl::from_iter([("message".to_owned(), Vrl::from(envelope.as_str()))]);
        match (vrl.run(message), record.objection) {
            (Err(_), Some(objection)) => *refused.entry(objection).or_default() += 1,
            (Ok(theirs), None) => {
                let decoded = decoder.decode(&record.data);
                assert_eq!(decoded.errors(), [], "errors that VRL does not have: {envelope}");
                assert_eq!(what_vrl_says(decoded, &theirs), theirs, "{envelope}");
                taken += 1;
                events += decoded.events().len();
            }
            (theirs, objection) => panic!("VRL: {theirs:?}, though it was thought to say {objection:?}: {envelope}"),
        }
    }
    println!("{taken} taken, with {events} events; refused: {refused:?}");
    assert!(taken > 2_000 && events > 8_000, "{taken} taken, with {events} events");
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

/// A record's one envelope as VRL gives it. The events of a control message are VRL's own, as none are given here.
fn what_vrl_says(decoded: &Decoded, theirs: &Vrl) -> Vrl {
    let their_events = theirs.as_object().unwrap()["log_events"].as_array_unwrap();
    if decoded.control_messages() > 0 {
        assert_eq!((decoded.control_messages(), decoded.events().len()), (1, 0));
        let mut ours = theirs.as_object().unwrap().clone();
        ours.insert("message_type".into(), "CONTROL_MESSAGE".into());
        return ours.into();
    }
    let Some(first) = decoded.events().next() else {
        assert!(their_events.is_empty(), "events that are not found");
        return theirs.clone();
    };
    let events: Vec<Vrl> = decoded
        .events()
        .map(|event| {
            let time = event.timestamp_millis().and_then(chrono::DateTime::from_timestamp_millis);
            Vrl::from_iter([
                ("id".to_owned(), Vrl::from(event.id())),
                ("timestamp".to_owned(), Vrl::from(time)),
                ("message".to_owned(), Vrl::from(event.message())),
            ])
        })
        .collect();
    Vrl::from_iter([
        ("owner".to_owned(), Vrl::from(first.owner())),
        ("message_type".to_owned(), Vrl::from("DATA_MESSAGE")),
        ("log_group".to_owned(), Vrl::from(first.log_group())),
        ("log_stream".to_owned(), Vrl::from(first.log_stream())),
        ("subscription_filters".to_owned(), Vrl::from(first.subscription_filters())),
        ("log_events".to_owned(), Vrl::from(events)),
    ])
}

fn shown(record: &Record) -> String {
    let text = record.envelope.clone().unwrap_or_else(|| String::from_utf8_lossy(&record.data).into_owned());
    format!("{:?}, {text}", record.damage)
}
