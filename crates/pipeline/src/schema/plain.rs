//! Schemas as configurations are read, where serde's general rules say less or more.

use serde_json::{Map, Value};

/// Makes a schema plain: TOML has no null, unknown keys of structs are mistakes, and a paragraph is one line.
pub(super) fn plain(schema: &mut Value) {
    let Value::Object(schema) = schema else { return };
    without_null(schema);
    if schema.get("format").and_then(Value::as_str).is_some_and(is_of_rust) {
        schema.remove("format");
    }
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = unwrapped(text);
    }
    if schema.contains_key("properties") {
        schema.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    each_inside(schema, &mut plain);
}

/// Calls a function for each schema directly inside one.
pub(super) fn each_inside(schema: &mut Map<String, Value>, with: &mut impl FnMut(&mut Value)) {
    for (key, value) in schema.iter_mut() {
        match (key.as_str(), value) {
            ("properties" | "patternProperties" | "definitions", Value::Object(named)) => {
                named.values_mut().for_each(&mut *with);
            }
            ("oneOf" | "anyOf" | "allOf", Value::Array(several)) => several.iter_mut().for_each(&mut *with),
            ("items" | "additionalProperties" | "not" | "if" | "then" | "else", inside) => with(inside),
            _ => {}
        }
    }
}

fn without_null(schema: &mut Map<String, Value>) {
    let is_null = |value: &Value| *value == Value::String("null".to_owned());
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|of| !is_null(of));
        if let [only] = &types[..] {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
    if let Some(Value::Array(ways)) = schema.get_mut("anyOf") {
        ways.retain(|way| !way.get("type").is_some_and(is_null));
        if let [Value::Object(only)] = &mut ways[..] {
            let only = std::mem::take(only);
            schema.remove("anyOf");
            // What the key says of itself counts, not what its type does.
            for (key, value) in only {
                schema.entry(key).or_insert(value);
            }
        }
    }
}

/// Whether a format names a type of Rust, which tells readers of TOML nothing.
fn is_of_rust(format: &str) -> bool {
    format.trim_start_matches("uint").trim_start_matches("int").parse::<u8>().is_ok()
        || ["uint", "int", "float", "double"].contains(&format)
}

/// A doc comment whose paragraphs are one line each; lists, and blocks of code, stay as they are.
fn unwrapped(text: &str) -> String {
    let mut out = String::new();
    let (mut is_code, mut ended) = (false, true);
    for line in text.trim().lines() {
        let is_fence = line.starts_with("```");
        let stands_alone = is_code || is_fence || line.is_empty() || line.starts_with("- ");
        if !out.is_empty() {
            out.push(if stands_alone || ended { '\n' } else { ' ' });
        }
        out.push_str(line);
        ended = is_code || is_fence || line.is_empty();
        is_code ^= is_fence;
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_may_be_left_out_is_no_null() {
        let mut schema = json!({
            "properties": {
                "a": { "type": ["integer", "null"], "format": "uint64", "minimum": 0, "default": null },
                "b": { "description": "of the key", "anyOf": [{ "type": "object", "description": "of the type" }, { "type": "null" }] },
                "c": { "enum": ["x", null] },
                "d": { "type": "string", "format": "uri" },
            }
        });
        plain(&mut schema);
        let expected = json!({
            "properties": {
                "a": { "type": "integer", "minimum": 0 },
                "b": { "description": "of the key", "type": "object" },
                "c": { "enum": ["x"] },
                "d": { "type": "string", "format": "uri" },
            },
            "additionalProperties": false
        });
        assert_eq!(schema, expected);
    }

    #[test]
    fn paragraphs_are_one_line_each() {
        let text = "One\nparagraph.\n\nAnother:\n- a list\ngoes on\n\n```toml\na = 1\nb = 2\n```\n\nThe\nend.";
        let expected = "One paragraph.\n\nAnother:\n- a list goes on\n\n```toml\na = 1\nb = 2\n```\n\nThe end.";
        assert_eq!(unwrapped(text), expected);
    }
}
