//! Hashes of values.

use std::hash::{Hash, Hasher};

use crate::component::{Value, ValueRef};

/// Feeds a value to a hash. Values that look alike to a program hash alike.
pub(super) fn hash_value(value: &ValueRef<'_>, hasher: &mut impl Hasher) {
    match value {
        ValueRef::Null => 0_u8.hash(hasher),
        ValueRef::Integer(number) => (1_u8, number).hash(hasher),
        ValueRef::Address(address) => (2_u8, address.to_string()).hash(hasher),
        ValueRef::Text(text) => (2_u8, &**text).hash(hasher),
        ValueRef::Timestamp(time) => (3_u8, time).hash(hasher),
        ValueRef::Value(value) => hash_owned(value, hasher),
    }
}

fn hash_owned(value: &Value, hasher: &mut impl Hasher) {
    match value {
        Value::Null => 0_u8.hash(hasher),
        Value::Integer(number) => (1_u8, number).hash(hasher),
        Value::Text(text) => (2_u8, text.as_str()).hash(hasher),
        Value::Timestamp(time) => (3_u8, time).hash(hasher),
        Value::Boolean(boolean) => (4_u8, boolean).hash(hasher),
        Value::Float(number) => (5_u8, number.to_bits()).hash(hasher),
        Value::Array(values) => {
            (6_u8, values.len()).hash(hasher);
            values.iter().for_each(|value| hash_owned(value, hasher));
        }
        Value::Object(members) => {
            (7_u8, members.len()).hash(hasher);
            for (name, value) in members {
                name.hash(hasher);
                hash_owned(value, hasher);
            }
        }
    }
}
