//! From this crate's values to VRL's and back.

use chrono::{DateTime, Utc};
use jiff::Timestamp;
use vrl::value::{ObjectMap, Value as VrlValue};

use crate::component::{Value, ValueRef};

pub(super) fn from_event(value: ValueRef<'_>) -> VrlValue {
    match value {
        ValueRef::Null => VrlValue::Null,
        ValueRef::Integer(number) => VrlValue::Integer(number),
        ValueRef::Address(address) => VrlValue::from(address.to_string()),
        ValueRef::Text(text) => VrlValue::from(&*text),
        ValueRef::Timestamp(time) => timestamp(time),
        ValueRef::Value(value) => owned(&value),
    }
}

fn owned(value: &Value) -> VrlValue {
    match value {
        Value::Null => VrlValue::Null,
        Value::Boolean(boolean) => VrlValue::Boolean(*boolean),
        Value::Integer(number) => VrlValue::Integer(*number),
        Value::Float(number) => VrlValue::from_f64_or_zero(*number),
        Value::Text(text) => VrlValue::from(text.as_str()),
        Value::Timestamp(time) => timestamp(*time),
        Value::Array(values) => VrlValue::Array(values.iter().map(owned).collect()),
        Value::Object(members) => VrlValue::Object(ObjectMap::from_iter(
            members.iter().map(|(name, value)| (name.as_str().into(), owned(value))),
        )),
    }
}

/// VRL's times are those of another library.
fn timestamp(time: Timestamp) -> VrlValue {
    let nanoseconds = i64::try_from(time.as_nanosecond()).ok();
    nanoseconds.map_or(VrlValue::Null, |nanoseconds| VrlValue::Timestamp(DateTime::from_timestamp_nanos(nanoseconds)))
}

/// What a program made. Bytes that are no text become what they look like, with replacement characters.
pub(super) fn to_event(value: &VrlValue) -> Value {
    match value {
        VrlValue::Null => Value::Null,
        VrlValue::Boolean(boolean) => Value::Boolean(*boolean),
        VrlValue::Integer(number) => Value::Integer(*number),
        VrlValue::Float(number) => Value::Float(number.into_inner()),
        VrlValue::String(text) => Value::Text(text.to_string()),
        VrlValue::Bytes(bytes) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        VrlValue::Timestamp(time) => time_of(*time),
        VrlValue::Regex(regex) => Value::Text(regex.as_str().to_owned()),
        VrlValue::Array(values) => Value::Array(values.iter().map(to_event).collect()),
        VrlValue::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.to_string(), to_event(value))).collect())
        }
    }
}

fn time_of(time: DateTime<Utc>) -> Value {
    let timestamp = Timestamp::new(time.timestamp(), time.timestamp_subsec_nanos() as i32);
    timestamp.map_or_else(|_| Value::Text(time.to_rfc3339()), Value::Timestamp)
}
