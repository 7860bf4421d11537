//! JSON objects of events.

use std::io::Write;

use kinesis_logs_decoder::Event as LogEvent;
use kinesis_logs_decoder::flow_log::{Format, Formats};
use serde::Deserialize;

use super::field::FieldPath;
use crate::component::{Batch, Changes, Event, Problem, Value, ValueRef, flow_value, value_ref};
use crate::rows::column::Cell;
use crate::rows::encode;

/// How times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub(crate) enum TimestampFormat {
    /// As `2026-11-24T08:00:00.123Z`.
    #[default]
    Rfc3339,
    /// Whole seconds since 1970.
    Unix,
    /// Milliseconds since 1970.
    UnixMs,
    /// Microseconds since 1970.
    UnixUs,
    /// Nanoseconds since 1970.
    UnixNs,
}

/// Which members an object has, and how its times are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    only: Option<Vec<String>>,
    except: Vec<String>,
    times: TimestampFormat,
}

impl Shape {
    /// The shape, if it is another than that of all members.
    pub(super) fn new(
        only: Option<&[String]>,
        except: Option<&[String]>,
        times: TimestampFormat,
    ) -> Result<Option<Self>, Problem> {
        if only.is_some() && except.is_some() {
            let problem = Problem::new("only_fields says already which fields are written");
            return Err(problem.key("encoding.except_fields").hint("leave one of the two out"));
        }
        let names = |fields: &[String], key: &str| fields.iter().map(|field| member_name(field, key)).collect();
        let only = only.map(|fields| names(fields, "encoding.only_fields")).transpose()?;
        let except = names(except.unwrap_or_default(), "encoding.except_fields")?;
        let shape = Shape { only, except, times };
        Ok((shape != Shape { only: None, except: Vec::new(), times: TimestampFormat::Rfc3339 }).then_some(shape))
    }

    pub(super) fn encode(&self, event: &Event<'_>, out: &mut Vec<u8>) {
        let has = |name: &str| match &self.only {
            Some(only) => only.iter().any(|known| known == name),
            None => !self.except.iter().any(|known| known == name),
        };
        out.push(b'{');
        let mut is_first = true;
        for (name, value) in event.members().into_iter().filter(|(name, _)| has(name)) {
            if !std::mem::take(&mut is_first) {
                out.push(b',');
            }
            match self.time(&value) {
                Some(number) => {
                    encode::json_text(&name, out);
                    // Writing to memory cannot fail.
                    drop(write!(out, ":{number}"));
                }
                None => member(&name, &value, out),
            }
        }
        out.push(b'}');
    }

    /// A time as a number, if it is one and is to be one.
    fn time(&self, value: &ValueRef<'_>) -> Option<i128> {
        let time = match value {
            ValueRef::Timestamp(time) => time,
            ValueRef::Value(value) => match &**value {
                Value::Timestamp(time) => time,
                _ => return None,
            },
            _ => return None,
        };
        match self.times {
            TimestampFormat::Rfc3339 => None,
            TimestampFormat::Unix => Some(time.as_second().into()),
            TimestampFormat::UnixMs => Some(time.as_millisecond().into()),
            TimestampFormat::UnixUs => Some(time.as_microsecond().into()),
            TimestampFormat::UnixNs => Some(time.as_nanosecond()),
        }
    }
}

fn member_name(field: &str, key: &str) -> Result<String, Problem> {
    let path = FieldPath::parse(field, key)?;
    let name = path.member().map(str::to_owned);
    name.ok_or_else(|| {
        Problem::new(format!("{field:?} is no member of its own")).key(key).hint("name whole members, as srcaddr")
    })
}

pub(super) fn json_object(event: &Event<'_>, out: &mut Vec<u8>) {
    if flow_log(event, out) {
        return;
    }
    out.push(b'{');
    for (index, (name, value)) in event.members().into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        member(&name, &value, out);
    }
    out.push(b'}');
}

/// The objects of all events of a batch, each with a line feed behind it.
pub(super) fn json_lines(batch: &Batch, out: &mut Vec<u8>) {
    let formats = batch.formats();
    let read = |out: &mut Vec<u8>, read: &LogEvent<'_>, known: Option<&Format>| {
        let is_flow_log = copied(read, known, formats, out);
        if is_flow_log {
            out.push(b'\n');
        }
        is_flow_log
    };
    batch.for_each_read(out, read, |out, event| {
        json_object(event, out);
        out.push(b'\n');
    });
}

/// Writes an event that nobody changed, if it is a flow log that shows its fields: they are copied from where they lie.
#[inline(always)]
fn copied(read: &LogEvent<'_>, known: Option<&Format>, formats: &Formats, out: &mut Vec<u8>) -> bool {
    if read.extracted_fields().is_some() {
        return false;
    }
    match known {
        Some(format) => read.write_json_of(format, out).is_ok(),
        None => matches!(formats.write_json(read, out), Some(Ok(()))),
    }
}

/// Writes the event, if it is a flow log that shows its fields: many times as fast as going through its members.
fn flow_log(event: &Event<'_>, out: &mut Vec<u8>) -> bool {
    let is_replaced = event.changes().is_some_and(Changes::is_replaced);
    let Some(read) = event.read().filter(|read| !is_replaced && read.extracted_fields().is_none()) else {
        return false;
    };
    let formats = event.formats();
    let copy = |out: &mut Vec<u8>| copied(read, event.known_format(), formats, out);
    let Some(changes) = event.changes() else { return copy(out) };
    // A header may name any fields.
    if read.header().is_none() && changes.members().all(|(name, _)| !formats.may_have(name)) {
        if !copy(out) {
            return false;
        }
        out.pop();
        for (name, value) in changes.members().filter_map(|(name, value)| Some((name, value?))) {
            out.push(b',');
            member(name, &value_ref(value), out);
        }
        out.push(b'}');
        return true;
    }
    let Some(flow) = event.flow_log() else { return false };
    out.push(b'{');
    let fields =
        flow.values().filter_map(|(name, value)| match changes.members().find(|(changed, _)| *changed == name) {
            None => Some((name, flow_value(value))),
            Some((_, changed)) => changed.map(|value| (name, value_ref(value))),
        });
    let added = changes.members().filter(|(name, _)| flow.format().place_of_name(name).is_none());
    let added = added.filter_map(|(name, value)| Some((name, value_ref(value?))));
    for (index, (name, value)) in fields.chain(added).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        member(name, &value, out);
    }
    out.push(b'}');
    true
}

fn member(name: &str, value: &ValueRef<'_>, out: &mut Vec<u8>) {
    encode::json_text(name, out);
    out.push(b':');
    json_value(value, out);
}

pub(super) fn json_value(value: &ValueRef<'_>, out: &mut Vec<u8>) {
    match value {
        ValueRef::Value(value) => match &**value {
            // As it stands in the rows of the command.
            Value::Text(text) => encode::json_text(text, out),
            // Writing to memory cannot fail, and names of members are text.
            other => drop(serde_json::to_writer(out, other)),
        },
        // A cell has no sign.
        ValueRef::Integer(number @ ..0) => out.extend_from_slice(number.to_string().as_bytes()),
        // Writing to memory cannot fail.
        ValueRef::Address(address) => drop(write!(out, "\"{address}\"")),
        other => encode::json(&cell(other), out),
    }
}

/// A value as a cell of a row.
pub(super) fn cell<'a>(value: &'a ValueRef<'_>) -> Cell<'a> {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => match u64::try_from(*number) {
            Ok(number) => Cell::Integer(number),
            Err(_) => Cell::Text(number.to_string().into()),
        },
        ValueRef::Address(address) => Cell::Text(address.to_string().into()),
        ValueRef::Text(text) => Cell::Text((&**text).into()),
        ValueRef::Timestamp(time) => Cell::Text(format!("{time:.3}").into()),
        ValueRef::Value(value) => match &**value {
            Value::Text(text) => Cell::Text(text.as_str().into()),
            other => Cell::Text(serde_json::to_string(other).unwrap_or_default().into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kinesis_logs_source::Record;

    use super::*;
    use crate::component::Acknowledgement;

    #[test]
    fn a_batch_is_written_as_each_of_its_events_is() {
        let line = "2 123456789010 eni-0a 10.0.0.1 10.0.0.2 443 50000 6 1 40 1758700806 1758700847 ACCEPT OK";
        let nodata = "2 123456789010 eni-0a - - - - - - - 1758700806 1758700847 - NODATA";
        let events = [
            format!(r#"{{"message":"{line}"}}"#),
            format!(r#"{{"message":"{nodata}"}}"#),
            r#"{"timestamp":1000,"message":"no \"flow log\""}"#.to_owned(),
            format!(r#"{{"message":"{line}","extractedFields":{{"port":"443"}}}}"#),
            format!(r#"{{"message":"{line}"}}"#),
            format!(r#"{{"message":"{line}"}}"#),
        ];
        let envelope = |events: &[String]| {
            format!(r#"{{"messageType":"DATA_MESSAGE","logGroup":"g","logEvents":[{}]}}"#, events.join(","))
                .into_bytes()
        };
        let mut builder = Batch::builder(Arc::default());
        for (number, data) in [envelope(&events), envelope(&events[..1])].into_iter().enumerate() {
            let decoded = kinesis_logs_decoder::decode(&data);
            builder.record(Record::new("s", "shardId-000000000000", number.to_string(), data), decoded);
        }
        let mut members = Changes::default();
        members.set("made", "by hand");
        builder.event(None, members);
        let mut batch = builder.build(Acknowledgement::none());
        let mut seen = 0;
        batch.update(|_, changes| {
            seen += 1;
            match seen {
                5 => changes.set("service", "https"),
                6 => changes.set("srcport", Value::Null),
                _ => {}
            }
        });
        // Formats are remembered of some, and not of others.
        for _ in 0..2 {
            let (mut all, mut each) = (Vec::new(), Vec::new());
            json_lines(&batch, &mut all);
            batch.for_each(|event| {
                json_object(event, &mut each);
                each.push(b'\n');
            });
            let text = String::from_utf8(all).unwrap();
            assert_eq!(text, String::from_utf8(each).unwrap());
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 8);
            assert!(lines[0].starts_with(r#"{"version":2,"account_id":"123456789010","#), "{}", lines[0]);
            assert!(lines[1].contains(r#""srcaddr":null,"dstaddr":null,"#), "{}", lines[1]);
            assert!(lines[2].contains(r#""message":"no \"flow log\""#), "{}", lines[2]);
            assert!(lines[3].contains(r#""port":"443""#) && !lines[3].contains("srcaddr"), "{}", lines[3]);
            assert!(lines[4].ends_with(r#","service":"https"}"#) && lines[5].contains(r#""srcport":null"#));
            assert_eq!((lines[6], lines[7]), (lines[0], r#"{"made":"by hand"}"#));
            batch.retain(|event| {
                event.flow_log();
                true
            });
        }
    }
}
