//! The keys of a table, those of the tables inside it among them, as a reader wants to know them.

use serde_json::{Map, Value};

use super::members;
use super::variables::is_choice;

/// A key.
#[derive(Debug, PartialEq)]
pub(super) struct Key {
    /// With the tables that it is in, and dots between: `checkpoint.type`.
    pub(super) name: String,
    /// What its value is, in words: `array of strings`.
    pub(super) shape: String,
    /// The values that are right, if they can be named, each with what it means, if that is said.
    pub(super) values: Vec<(Value, Option<String>)>,
    pub(super) need: Need,
    pub(super) default: Default,
    /// What it is for, without its default.
    pub(super) description: String,
    /// Whether it is a table, whose keys follow.
    pub(super) has_keys: bool,
}

/// Whether a key must be there.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Need {
    Always,
    /// If this table is.
    With(String),
    Never,
}

/// What counts if a key is not there.
#[derive(Debug, PartialEq)]
pub(super) enum Default {
    Value(Value),
    /// As its doc comment tells it.
    Words(String),
    None,
}

/// The keys of a table: those that are needed first, then by name.
pub(super) fn keys(table: &Map<String, Value>) -> Vec<Key> {
    let mut keys = Vec::new();
    collect(table, "", &Need::Always, &mut keys);
    keys
}

fn collect(table: &Map<String, Value>, prefix: &str, of_table: &Need, keys: &mut Vec<Key>) {
    let required: Vec<&str> =
        table.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut properties: Vec<(&String, &Value)> = members(table, "properties").into_iter().flatten().collect();
    properties.sort_by_key(|(name, _)| (!required.contains(&name.as_str()), *name));
    for (name, schema) in properties {
        let Some(schema) = schema.as_object() else { continue };
        let need = match of_table {
            _ if !required.contains(&name.as_str()) => Need::Never,
            Need::Never => Need::With(prefix.trim_end_matches('.').to_owned()),
            needed => needed.clone(),
        };
        let name = format!("{prefix}{name}");
        let inside = inside(schema);
        keys.push(Key::new(name.clone(), schema, need.clone(), inside.is_some()));
        match inside {
            Some(table) if is_array(schema) => collect(table, &format!("{name}[]."), &Need::Never, keys),
            Some(table) => collect(table, &format!("{name}."), &need, keys),
            None => {}
        }
    }
}

/// The table that a key holds, or many of it.
fn inside(schema: &Map<String, Value>) -> Option<&Map<String, Value>> {
    let schema = if is_array(schema) { members(schema, "items")? } else { schema };
    schema.contains_key("properties").then_some(schema)
}

fn is_array(schema: &Map<String, Value>) -> bool {
    schema.get("type").is_some_and(|of| of == "array")
}

impl Key {
    fn new(name: String, schema: &Map<String, Value>, need: Need, has_keys: bool) -> Self {
        let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let (description, words) = split_default(text);
        let default = match (schema.get("default"), words) {
            // Of what is empty the words tell what that means.
            (Some(value), Some(words)) if is_empty(value) => Default::Words(words.to_owned()),
            (Some(value), _) => Default::Value(value.clone()),
            (None, Some(words)) => {
                written(words, schema).map_or_else(|| Default::Words(words.to_owned()), Default::Value)
            }
            (None, None) => Default::None,
        };
        let description = description.to_owned();
        Key { name, shape: shape(schema), values: values(schema), need, default, description, has_keys }
    }
}

/// A doc comment, and what its last sentence says of the default, if it does.
pub(super) fn split_default(text: &str) -> (&str, Option<&str>) {
    let found = text.rfind("Default: ").and_then(|at| Some((&text[..at], text[at..].strip_prefix("Default: ")?)));
    match found {
        Some((description, words)) => (description.trim_end(), Some(words.trim_end().trim_end_matches('.'))),
        None => (text, None),
    }
}

/// The value that words on a default are, if they are no more than that: `10`, or "`latest`" of a string.
fn written(words: &str, schema: &Map<String, Value>) -> Option<Value> {
    let is = |of: &str| schema.get("type").is_some_and(|found| found == of);
    if is("string") {
        let text = words.strip_prefix('`')?.strip_suffix('`')?;
        // With a place for something else in it, it is no value.
        return (!text.contains(['`', '<'])).then(|| text.into());
    }
    serde_json::from_str(words).ok().filter(|value: &Value| value.is_number() && (is("integer") || is("number")))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

fn values(schema: &Map<String, Value>) -> Vec<(Value, Option<String>)> {
    let Some(ways) = schema.get("oneOf").and_then(Value::as_array).filter(|_| is_choice(schema)) else {
        let named = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
        return named.chain(schema.get("const")).map(|value| (value.clone(), None)).collect();
    };
    let mut all = Vec::new();
    for way in ways.iter().filter_map(Value::as_object) {
        let meaning = way.get("description").and_then(Value::as_str).map(str::to_owned);
        all.extend(values(way).into_iter().map(|(value, _)| (value, meaning.clone())));
    }
    all
}

fn shape(schema: &Map<String, Value>) -> String {
    if let Some(ways) = schema.get("anyOf").and_then(Value::as_array) {
        return ways.iter().map(shape_of).collect::<Vec<_>>().join(" or ");
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("array") => format!("array of {}", plural(schema.get("items"))),
        Some("object") => match schema.get("additionalProperties") {
            Some(values) if !schema.contains_key("properties") => format!("table of {}", plural(Some(values))),
            _ => "table".to_owned(),
        },
        Some(of) => of.to_owned(),
        None => match values(schema).first() {
            Some((Value::String(_), _)) => "string".to_owned(),
            Some((Value::Bool(_), _)) => "boolean".to_owned(),
            Some((Value::Number(_), _)) => "number".to_owned(),
            _ => "anything".to_owned(),
        },
    }
}

fn shape_of(schema: &Value) -> String {
    schema.as_object().map_or_else(|| "anything".to_owned(), shape)
}

fn plural(schema: Option<&Value>) -> String {
    let shape = schema.map_or_else(|| "anything".to_owned(), shape_of);
    let plurals = shape.split(" or ").map(|one| match one.split_once(' ') {
        _ if one == "anything" => one.to_owned(),
        Some((first, rest)) => format!("{first}s {rest}"),
        None => format!("{one}s"),
    });
    plurals.collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_told_with_their_tables_and_what_needs_them() {
        let table = json!({
            "properties": {
                "b": { "description": "Of b. Default: what is there.", "type": "integer" },
                "a": { "description": "Of a.", "type": "object", "required": ["d"], "properties": {
                    "c": { "oneOf": [{ "const": "x", "description": "Of x." }, { "const": "y" }], "default": "x" },
                    "d": { "type": "array", "items": { "type": "string" } },
                } },
                "z": { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] },
                "m": { "type": "object", "additionalProperties": { "anyOf": [{ "type": "string" }, { "type": "object" }] } },
            },
            "required": ["z"],
        });
        let keys = keys(table.as_object().unwrap());
        let told: Vec<_> = keys.iter().map(|key| (key.name.as_str(), key.shape.as_str(), key.need.clone())).collect();
        let expected = [
            ("z", "string or array of strings", Need::Always),
            ("a", "table", Need::Never),
            ("a.d", "array of strings", Need::With("a".to_owned())),
            ("a.c", "string", Need::Never),
            ("b", "integer", Need::Never),
            ("m", "table of strings or tables", Need::Never),
        ];
        assert_eq!(told, expected);
        assert_eq!(keys[3].values, [(json!("x"), Some("Of x.".to_owned())), (json!("y"), None)]);
        assert_eq!(keys[3].default, Default::Value(json!("x")));
        assert_eq!(
            (keys[4].description.as_str(), &keys[4].default),
            ("Of b.", &Default::Words("what is there".to_owned()))
        );
    }
}
