//! From events to records.

use kinesis_logs_source::aws::{MAX_PARTITION_KEY_CHARS, NewRecord};

use crate::codecs::{Encoder, FieldPath};
use crate::component::{Event, Value, ValueRef};
use crate::sinks::requests::Form;

/// Makes a record of each event.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) encoder: Encoder,
    /// The member that is the partition key.
    pub(super) key: Option<FieldPath>,
    /// Chance, for keys of events that have none.
    pub(super) random: fn() -> u64,
}

/// The records of a request.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) records: Vec<NewRecord>,
    bytes: usize,
}

impl Body {
    fn push(&mut self, record: NewRecord) {
        self.bytes += record.bytes();
        self.records.push(record);
    }
}

impl Form for Records {
    type Body = Body;

    fn open(&self) -> Body {
        Body::default()
    }

    fn push(&self, event: &Event<'_>, body: &mut Body) {
        let mut data = Vec::new();
        self.encoder.encode_alone(event, &mut data);
        body.push(NewRecord { partition_key: self.partition_key(event), data: data.into() });
    }

    fn bytes(&self, body: &Body) -> usize {
        body.bytes
    }

    fn split_last(&self, body: &mut Body) -> Body {
        let mut split = Body::default();
        if let Some(last) = body.records.pop() {
            body.bytes -= last.bytes();
            split.push(last);
        }
        split
    }

    fn close(&self, _: &mut Body) {}
}

impl Records {
    fn partition_key(&self, event: &Event<'_>) -> String {
        let value = self.key.as_ref().and_then(|key| key.get(event));
        let mut key = value.map(text).unwrap_or_default();
        if let Some((end, _)) = key.char_indices().nth(MAX_PARTITION_KEY_CHARS) {
            key.truncate(end);
        }
        if key.is_empty() { format!("{:016x}", (self.random)()) } else { key }
    }
}

fn text(value: ValueRef<'_>) -> String {
    match value.into_value() {
        Value::Null => String::new(),
        Value::Text(text) => text,
        Value::Timestamp(time) => time.to_string(),
        other => serde_json::to_string(&other).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::component::{Acknowledgement, Batch, Changes};

    fn record(key: Option<&str>, value: impl Into<Value>) -> NewRecord {
        let mut members = Changes::default();
        members.set("host", value);
        let mut builder = Batch::builder(Arc::default());
        builder.event(None, members);
        let batch = builder.build(Acknowledgement::none());
        let key = key.map(|key| FieldPath::parse(key, "partition_key_field").unwrap());
        let form = Records { encoder: Encoder::Json, key, random: || 7 };
        let mut body = form.open();
        form.push(&batch.event(0).unwrap(), &mut body);
        assert_eq!(form.bytes(&body), body.records[0].bytes());
        body.records.remove(0)
    }

    #[test]
    fn a_record_is_an_event_without_a_line_feed() {
        assert_eq!(record(None, "a").data, r#"{"host":"a"}"#);
    }

    #[test]
    fn the_partition_key_is_a_members_text_and_without_one_random() {
        let key = |key, value: Value| record(key, value).partition_key;
        assert_eq!(key(Some("host"), "a".into()), "a");
        assert_eq!(key(Some("host"), Value::Integer(-3)), "-3");
        assert_eq!(key(Some("host"), Value::Boolean(true)), "true");
        let object = Value::Object([("name".to_owned(), Value::from("b"))].into());
        assert_eq!(key(Some("host.name"), object.clone()), "b");
        assert_eq!(key(Some("host"), object), r#"{"name":"b"}"#);
        let random = "0000000000000007";
        assert_eq!(key(None, "a".into()), random);
        assert_eq!(key(Some("nosuch"), "a".into()), random);
        assert_eq!(key(Some("host"), Value::Null), random);
        assert_eq!(key(Some("host"), "".into()), random);
    }

    #[test]
    fn a_partition_key_has_as_many_characters_as_it_may() {
        let key = record(Some("host"), "ä".repeat(300)).partition_key;
        assert_eq!(key, "ä".repeat(256));
    }

    #[test]
    fn the_last_record_goes_into_a_body_of_its_own() {
        let form = Records { encoder: Encoder::Json, key: None, random: || 7 };
        let mut body = form.open();
        body.push(record(None, "a"));
        body.push(record(None, "bcd"));
        let split = form.split_last(&mut body);
        assert_eq!((body.records, split.records), (vec![record(None, "a")], vec![record(None, "bcd")]));
        assert_eq!((body.bytes, split.bytes), (28, 30));
    }
}
