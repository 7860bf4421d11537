//! An event as transforms and sinks see it: looked at where it lies, until somebody changes it.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
#[cfg(feature = "transforms")]
use kinesis_logs_decoder::flow_log::Field;
use kinesis_logs_decoder::flow_log::{Format, Formats, Value as FlowValue};
use kinesis_logs_decoder::{Event as LogEvent, FieldValue, FlowLog};
use kinesis_logs_source::Record;
use smallvec::SmallVec;

use super::value::Value;

/// The metadata that says why a sink rejected an event.
#[cfg(feature = "codecs")]
pub(crate) const CAUSE: &str = "%rejected";

/// What transforms changed of an event: its members, and with `%` in front of the name metadata, nothing else of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// Whether what was read is to be seen no more, but for metadata.
    replaced: bool,
    /// In the order they were first set; `None` was removed. Few, so that a search takes no longer than a map's; mostly one.
    members: SmallVec<[(Arc<str>, Option<Value>); 1]>,
}

impl Changes {
    /// Sets a member. A name is shared by all events that have it.
    pub fn set(&mut self, name: impl Into<Arc<str>>, value: impl Into<Value>) {
        self.put(name.into(), Some(value.into()));
    }

    /// Removes a member.
    pub fn remove(&mut self, name: impl Into<Arc<str>>) {
        self.put(name.into(), None);
    }

    /// Removes all members, those that were read too. Metadata stays.
    pub fn clear(&mut self) {
        self.replaced = true;
        self.members.retain(|(name, _)| name.starts_with('%'));
    }

    /// Hides what was read, and keeps what was set.
    pub(super) fn replaced_all(&mut self) {
        self.replaced = true;
    }

    /// Whether what was read is to be seen no more.
    pub(crate) fn is_replaced(&self) -> bool {
        self.replaced
    }

    /// The members that were changed, without metadata, in the order they were first set; `None` was removed.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, Option<&Value>)> {
        self.all().filter(|(name, _)| !name.starts_with('%'))
    }

    /// Metadata that was changed, with `%` in front of its names; `None` was removed.
    #[cfg(feature = "transforms")]
    pub(crate) fn metadata(&self) -> impl Iterator<Item = (&str, Option<&Value>)> {
        self.all().filter(|(name, _)| name.starts_with('%'))
    }

    fn all(&self) -> impl Iterator<Item = (&str, Option<&Value>)> {
        self.members.iter().map(|(name, value)| (&**name, value.as_ref()))
    }

    /// Forgets what was changed of the parts of a space of metadata, `%space`, as for one that takes its place as a whole.
    #[cfg(feature = "transforms")]
    pub(crate) fn forget_parts_of(&mut self, space: &str) {
        let is_part = |name: &str| name.strip_prefix(space).is_some_and(|rest| rest.starts_with('.'));
        self.members.retain(|(name, _)| !is_part(name));
    }

    fn put(&mut self, name: Arc<str>, value: Option<Value>) {
        match self.members.iter_mut().find(|(known, _)| *known == name) {
            Some((_, slot)) => *slot = value,
            None => self.members.push((name, value)),
        }
    }

    fn get(&self, name: &str) -> Option<&Option<Value>> {
        self.members.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }

    /// What they take in memory, roughly, in bytes: names are shared, values are not.
    pub(super) fn weight(&self) -> usize {
        weight(self.members.iter().map(|(_, value)| value.as_ref()))
    }

    /// The same without metadata, which is there for those who set an event aside.
    pub(super) fn weight_of_members(&self) -> usize {
        weight(self.members().map(|(_, value)| value))
    }
}

fn weight<'a>(values: impl Iterator<Item = Option<&'a Value>>) -> usize {
    let place = size_of::<(Arc<str>, Option<Value>)>() + 32;
    size_of::<Changes>() + values.map(|value| place + value.map_or(0, Value::weight)).sum::<usize>()
}

/// A value of an event.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ValueRef<'a> {
    /// Nothing, as `-` in a flow log.
    Null,
    /// A whole number.
    Integer(i64),
    /// An address; to transforms and sinks that do not know addresses, its text.
    Address(IpAddr),
    /// Text.
    Text(Cow<'a, str>),
    /// A time.
    Timestamp(Timestamp),
    /// Anything else.
    Value(Cow<'a, Value>),
}

impl ValueRef<'_> {
    /// A copy that outlives the event.
    pub fn into_value(self) -> Value {
        match self {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Integer(number),
            ValueRef::Address(address) => Value::Text(address.to_string()),
            ValueRef::Text(text) => Value::Text(text.into_owned()),
            ValueRef::Timestamp(time) => Value::Timestamp(time),
            ValueRef::Value(value) => value.into_owned(),
        }
    }
}

/// A log event, where it was read, and what transforms made of it. A few references: members are looked at when somebody
/// asks, and flow logs are split once, then.
///
/// | name | what |
/// |---|---|
/// | `message`, `timestamp` | the log line as it came; the event's time |
/// | `srcaddr` ... | fields of flow logs, with underscores; `-` is null, numbers are numbers |
/// | `extracted_fields` | an object of what a filter pattern extracted, as it came |
/// | `%aws.owner`, `.log_group`, `.log_stream`, `.event_id`, `.policy_level`, `.subscription_filters` | what the envelope says |
/// | `%kinesis.stream`, `.shard_id`, `.sequence_number`, `.sub_sequence_number`, `.partition_key`, `.arrival` | where it was read |
/// | `%kinesis.event_index` | which event of its record it is, from 0; with `.stream`, `.shard_id` and the two numbers it names what was read for good |
/// | | of a line of a file `.sequence_number` is the byte at which it begins, however many were read together |
/// | `%rejected` | of what a sink rejected: why |
/// | anything else | what a transform put there |
#[derive(Debug)]
pub struct Event<'a> {
    pub(super) read: Option<LogEvent<'a>>,
    pub(super) record: Option<&'a Record>,
    pub(super) formats: &'a Formats,
    pub(super) changes: Option<&'a Changes>,
    pub(super) flow: OnceCell<Option<FlowLog<'a>>>,
    /// The format of its flow log, if somebody has found it before, and that all values are of it.
    pub(super) known_format: Option<&'static Format>,
    pub(super) index: Option<u32>,
    /// If the record is lines of a file, at which byte of that it begins.
    pub(super) offset: Option<u64>,
}

impl<'a> Event<'a> {
    /// All metadata there is, by the two parts of its names: `%aws.owner` is `["aws", "owner"]`.
    pub const METADATA: [[&'static str; 2]; 13] = [
        ["aws", "owner"],
        ["aws", "log_group"],
        ["aws", "log_stream"],
        ["aws", "event_id"],
        ["aws", "policy_level"],
        ["aws", "subscription_filters"],
        ["kinesis", "stream"],
        ["kinesis", "shard_id"],
        ["kinesis", "sequence_number"],
        ["kinesis", "sub_sequence_number"],
        ["kinesis", "partition_key"],
        ["kinesis", "arrival"],
        ["kinesis", "event_index"],
    ];

    /// The event as it was read, whatever was changed since; `None` if a component made it of nothing that was read.
    pub fn read(&self) -> Option<&LogEvent<'a>> {
        self.read.as_ref()
    }

    /// The record that it came in.
    pub fn record(&self) -> Option<&'a Record> {
        self.record
    }

    /// Which event of its record it is, from 0; `None` if a component made it. A line of a file is a record of its own, whatever
    /// it was read with.
    pub fn index(&self) -> Option<u32> {
        self.index.map(|index| if self.offset.is_some() { 0 } else { index })
    }

    /// The sequence number of its record, or of a line of a file the byte at which it begins. The same whenever it is read.
    pub fn sequence_number(&self) -> Option<Cow<'a, str>> {
        match self.offset {
            Some(offset) => Some(offset.to_string().into()),
            None => self.record.map(|record| record.sequence_number.as_str().into()),
        }
    }

    /// What transforms changed, if any did.
    pub fn changes(&self) -> Option<&'a Changes> {
        self.changes
    }

    /// The flow log that was read, if it is one of the formats that its source was given, or infers.
    pub fn flow_log(&self) -> Option<&FlowLog<'a>> {
        let event = self.read.as_ref()?;
        let flow = self.flow.get_or_init(|| match self.known_format {
            Some(format) => event.flow_log_of(format).ok(),
            None => self.formats.flow_log(event),
        });
        flow.as_ref()
    }

    /// One of the [known](Format::known) formats that its flow log is found to have, so that nobody need look for it again;
    /// `None` if nobody has looked, too.
    pub(crate) fn known_format(&self) -> Option<&'static Format> {
        let found = self.flow.get().and_then(Option::as_ref).map(FlowLog::format);
        self.known_format
            .or_else(|| Format::known().iter().find(|known| found.is_some_and(|found| std::ptr::eq(*known, found))))
    }

    /// The same as [`get`](Self::get) of a name of which the caller knows whether it is that of a field.
    #[cfg(feature = "transforms")]
    pub(crate) fn get_known(&self, name: &str, field: Option<Field>) -> Option<ValueRef<'_>> {
        match field {
            Some(field) if self.changes.is_none() => self.flow_log()?.get(field).map(flow_value),
            _ => self.get(name),
        }
    }

    /// The formats that its flow logs may have.
    pub fn formats(&self) -> &'a Formats {
        self.formats
    }

    /// The event's time, as it was read.
    pub fn timestamp(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.read()?.timestamp_millis()?).ok()
    }

    /// A member, or with `%` in front metadata, by name. `None` if there is none of this name.
    pub fn get(&self, name: &str) -> Option<ValueRef<'_>> {
        if let Some(changed) = self.changes.and_then(|changes| changes.get(name)) {
            return changed.as_ref().map(value_ref);
        }
        if name.starts_with('%') {
            return self.metadata(name);
        }
        if self.changes.is_some_and(|changes| changes.replaced) {
            return None;
        }
        let event = self.read()?;
        match name {
            "message" => Some(text(event.message())),
            "timestamp" => Some(self.timestamp().map_or(ValueRef::Null, ValueRef::Timestamp)),
            "extracted_fields" => event.extracted_fields().map(|fields| {
                let members = fields.map(|(name, value)| (name.into_owned(), extracted(&value)));
                ValueRef::Value(Cow::Owned(Value::Object(BTreeMap::from_iter(members))))
            }),
            _ => {
                let flow = self.flow_log()?;
                flow.format().place_of_name(name).map(|place| flow_value(flow.value(place)))
            }
        }
    }

    /// The members that codecs show where they are not told which, in order: those of a flow log, else those that were
    /// extracted, else `timestamp`, `log_group`, `log_stream` and `message`; then what transforms added.
    pub fn members(&self) -> Vec<(Cow<'_, str>, ValueRef<'_>)> {
        let mut members: Vec<(Cow<'_, str>, ValueRef<'_>)> = Vec::new();
        let replaced = self.changes.is_some_and(|changes| changes.replaced);
        if let Some(event) = self.read().filter(|_| !replaced) {
            if let Some(fields) = event.extracted_fields() {
                members.extend(fields.map(|(name, value)| (name, ValueRef::Value(Cow::Owned(extracted(&value))))));
            } else if let Some(flow) = self.flow_log() {
                members.extend(flow.values().map(|(name, value)| (name.into(), flow_value(value))));
            } else {
                members.push(("timestamp".into(), self.timestamp().map_or(ValueRef::Null, ValueRef::Timestamp)));
                members.push(("log_group".into(), optional(event.log_group())));
                members.push(("log_stream".into(), optional(event.log_stream())));
                members.push(("message".into(), text(event.message())));
            }
        }
        for (name, value) in self.changes.into_iter().flat_map(Changes::members) {
            let place = members.iter().position(|(known, _)| **known == *name);
            match (place, value) {
                (Some(place), Some(value)) => members[place].1 = value_ref(value),
                (Some(place), None) => drop(members.remove(place)),
                (None, Some(value)) => members.push((name.into(), value_ref(value))),
                (None, None) => {}
            }
        }
        members
    }

    fn metadata(&self, name: &str) -> Option<ValueRef<'a>> {
        if let Some(name) = name.strip_prefix("%aws.") {
            let event = self.read()?;
            return Some(match name {
                "owner" => optional(event.owner()),
                "log_group" => optional(event.log_group()),
                "log_stream" => optional(event.log_stream()),
                "event_id" => optional(event.id()),
                "policy_level" => optional(event.policy_level()),
                "subscription_filters" => {
                    let filters = event.subscription_filters().into_iter().map(Value::Text).collect();
                    ValueRef::Value(Cow::Owned(Value::Array(filters)))
                }
                _ => return None,
            });
        }
        let record = self.record?;
        Some(match name.strip_prefix("%kinesis.")? {
            "stream" => text(&record.stream),
            "shard_id" => text(record.shard_id.as_str()),
            "sequence_number" => self.sequence_number().map_or(ValueRef::Null, ValueRef::Text),
            "sub_sequence_number" => record.sub_sequence_number.map_or(ValueRef::Null, integer),
            "partition_key" => optional(record.partition_key.as_deref()),
            "arrival" => record.arrival.map_or(ValueRef::Null, ValueRef::Timestamp),
            "event_index" => self.index().map_or(ValueRef::Null, |index| integer(index.into())),
            _ => return None,
        })
    }
}

fn text(text: &str) -> ValueRef<'_> {
    ValueRef::Text(text.into())
}

fn optional(value: Option<&str>) -> ValueRef<'_> {
    value.map_or(ValueRef::Null, text)
}

/// Numbers of flow logs fit; what does not is shown as it stands.
fn integer(number: u64) -> ValueRef<'static> {
    i64::try_from(number).map_or_else(|_| ValueRef::Text(number.to_string().into()), ValueRef::Integer)
}

pub(crate) fn flow_value(value: FlowValue<'_>) -> ValueRef<'_> {
    match value {
        FlowValue::Null => ValueRef::Null,
        FlowValue::Integer(number) => integer(number),
        FlowValue::Address(address) => ValueRef::Address(address),
        FlowValue::Text(value) | FlowValue::Invalid(value) => text(value),
        _ => ValueRef::Null,
    }
}

fn extracted(value: &FieldValue<'_>) -> Value {
    value.as_str().map_or(Value::Null, Value::from)
}

pub(crate) fn value_ref(value: &Value) -> ValueRef<'_> {
    match value {
        Value::Null => ValueRef::Null,
        Value::Integer(number) => ValueRef::Integer(*number),
        Value::Text(value) => text(value),
        Value::Timestamp(time) => ValueRef::Timestamp(*time),
        other => ValueRef::Value(Cow::Borrowed(other)),
    }
}
