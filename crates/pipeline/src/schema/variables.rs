//! Values of the environment, which may stand where others do.

use serde_json::{Map, Value, json};

use super::plain::each_inside;

/// A variable somewhere in a string: `${VAR}`, `${VAR:-default}` or `${VAR:?message}`.
pub(super) const VARIABLE: &str = r"\$\{[A-Z_][A-Z0-9_]*(:[-?][^}]*)?\}";

/// What tells of a value, and restricts none.
const ANNOTATIONS: [&str; 3] = ["description", "default", "title"];

/// Lets a string with a variable in it stand for numbers, booleans, and what only some strings are right for, in the schemas
/// that an object of schemas holds.
pub(super) fn with_variables(named: &mut Value) {
    named.as_object_mut().into_iter().flat_map(Map::values_mut).for_each(allow);
}

fn allow(schema: &mut Value) {
    let Value::Object(schema) = schema else { return };
    let is_text = schema.get("type").is_some_and(|of| of == "string");
    match schema.get("type").and_then(Value::as_str) {
        _ if is_choice(schema) || (is_text && is_restricted(schema)) => or_a_variable(schema),
        // What is said of numbers does not concern strings, nor the pattern numbers.
        Some(of @ ("integer" | "number" | "boolean")) => {
            let types = json!([of, "string"]);
            schema.insert("type".to_owned(), types);
            schema.insert("pattern".to_owned(), VARIABLE.into());
        }
        _ => each_inside(schema, &mut allow),
    }
}

/// Whether a schema names the values that are right, with something about each or without.
pub(super) fn is_choice(schema: &Map<String, Value>) -> bool {
    let names_one = |way: &Value| way.get("const").is_some() || way.get("enum").is_some();
    let ways = schema.get("oneOf").and_then(Value::as_array);
    schema.contains_key("const") || schema.contains_key("enum") || ways.is_some_and(|ways| ways.iter().all(names_one))
}

fn is_restricted(schema: &Map<String, Value>) -> bool {
    ["pattern", "format", "minLength", "maxLength"].iter().any(|key| schema.contains_key(*key))
}

fn or_a_variable(schema: &mut Map<String, Value>) {
    let (annotations, restrictions): (Map<_, _>, Map<_, _>) =
        std::mem::take(schema).into_iter().partition(|(key, _)| ANNOTATIONS.contains(&key.as_str()));
    *schema = annotations;
    schema.insert("anyOf".to_owned(), json!([restrictions, { "type": "string", "pattern": VARIABLE }]));
}
