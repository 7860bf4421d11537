//! Values as TOML has them, on one line where that can be.

use serde_json::Value;

use crate::config::{Node, NodeValue};

/// A value of a schema.
pub(super) fn of_json(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(boolean) => boolean.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(string) => text(string),
        Value::Array(values) => array(values.iter().map(of_json)),
        Value::Object(members) => table(members.iter().map(|(name, value)| (name.as_str(), of_json(value)))),
    }
}

/// A value of a configuration.
pub(super) fn of_node(node: &Node) -> String {
    match &node.value {
        // As it stands there, if the environment changed it.
        NodeValue::String(string) => text(node.written.as_ref().unwrap_or(string)),
        NodeValue::Integer(number) => number.to_string(),
        // With a point, without which it would be an integer.
        NodeValue::Float(number) => format!("{number:?}"),
        NodeValue::Boolean(boolean) => boolean.to_string(),
        NodeValue::Datetime(time) => time.clone(),
        NodeValue::Array(values) => array(values.iter().map(of_node)),
        NodeValue::Table(members) => table(members.iter().map(|(key, node)| (key.name.as_str(), of_node(node)))),
    }
}

/// A name as a key.
pub(super) fn key(name: &str) -> String {
    let is_bare = |char: char| char.is_ascii_alphanumeric() || "_-".contains(char);
    if !name.is_empty() && name.chars().all(is_bare) { name.to_owned() } else { escaped(name) }
}

fn array(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(", "))
}

fn table<'a>(members: impl Iterator<Item = (&'a str, String)>) -> String {
    let members: Vec<String> = members.map(|(name, value)| format!("{} = {value}", key(name))).collect();
    if members.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", members.join(", ")) }
}

/// A string with as few escapes as may be.
fn text(text: &str) -> String {
    let is_plain = |char: char| !char.is_control() || char == '\t';
    if text.contains('\n') && text.chars().all(|char| is_plain(char) || char == '\n') && !text.contains("'''") {
        return format!("'''\n{text}'''");
    }
    if text.contains(['"', '\\']) && !text.contains('\'') && text.chars().all(is_plain) {
        return format!("'{text}'");
    }
    escaped(text)
}

fn escaped(text: &str) -> String {
    let mut out = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            '\n' => out.push_str("\\n"),
            char if char.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(char))),
            char => out.push(char),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_people_do() {
        for (value, expected) in [
            (json!("a"), r#""a""#),
            (json!("a == \"b\""), r#"'a == "b"'"#),
            (json!("a\n\"b\"\n"), "'''\na\n\"b\"\n'''"),
            (json!([1, 2.5, true]), "[1, 2.5, true]"),
            (json!({ "a b": {}, "c": [] }), r#"{ "a b" = {}, c = [] }"#),
        ] {
            assert_eq!(of_json(&value), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(name: String, text in "[a'\"\\\\\n\r\t\u{1}\u{85}ä$]*") {
            let written = format!("{} = {}", key(&name), of_json(&json!(&text)));
            let mut mistakes = Vec::new();
            let node = Node::parse(0, &written, &mut mistakes);
            prop_assert!(mistakes.is_empty(), "{}", written);
            prop_assert_eq!(node.get(&name).and_then(Node::text), Some(text.as_str()));
        }
    }
}
