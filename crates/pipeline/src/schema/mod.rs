//! What configurations may hold, as their types say: as a [JSON Schema](json_schema), as a [page of Markdown](reference()), and
//! as a [configuration to begin with](generate()).
//!
//! All of it is made of a [`Registry`], so that components of your own stand in it beside those that are built in, if they
//! were added with their schema: `Registry::sink_with_schema` and the like, for types that derive `schemars::JsonSchema`.
//!
//! What is written about a key is its doc comment. A last sentence `Default: ...` tells the default in words, where no
//! value does. A component's doc comment may hold an example, as a block of TOML, which [`generate()`] takes values from.

mod described;
mod generate;
mod keys;
mod plain;
mod reference;
mod toml;
mod variables;

use serde_json::{Map, Value, json};

use self::described::{Described, Descriptions};
use self::variables::{VARIABLE, with_variables};
use crate::component::{Kind, Registry};

pub use generate::{GenerateError, generate};
pub use reference::reference;

/// The JSON Schema (draft 7) of whole configurations, as JSON that has what their TOML has.
///
/// It is a little more generous than reading is: what cannot be said in a schema is left to `validate`. Where a value may come
/// from the environment, a string with `${VAR}` in it is valid too.
pub fn json_schema(registry: &Registry) -> Value {
    let Descriptions { top, components, definitions } = Descriptions::of(registry);
    let mut properties = top.get("properties").cloned().unwrap_or_default();
    with_variables(&mut properties);
    for kind in [Kind::Source, Kind::Transform, Kind::Sink] {
        let types: Vec<Value> = components.iter().filter(|known| known.kind == kind).map(one_of_a_type).collect();
        properties[kind.table()] = json!({
            "description": format!("The {} by their IDs, which have letters, digits, '_' and '-'.", kind.table()),
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z0-9_-]+$" },
            "additionalProperties": { "oneOf": types.into_iter().chain([of_a_variable()]).collect::<Vec<_>>() },
        });
    }
    let mut schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A pipeline of sources, transforms and sinks",
        "description": "In any string, ${VAR}, ${VAR:-default} and ${VAR:?message} are variables of the environment, and $$ is \
                        a dollar sign; a number or a boolean may be a string with a variable in it.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !definitions.is_empty() {
        let mut definitions = Value::Object(definitions);
        with_variables(&mut definitions);
        schema["definitions"] = definitions;
    }
    schema
}

/// A component's table, of one type.
fn one_of_a_type(component: &Described) -> Value {
    let mut properties = component.properties();
    with_variables(&mut properties);
    let told = format!("The type of the {}.", component.kind);
    properties["type"] = json!({ "const": component.name, "description": told });
    let required: Vec<String> = ["type".to_owned()].into_iter().chain(component.required()).collect();
    let mut schema = json!({ "type": "object", "properties": properties, "required": required });
    if let Some(description) = &component.description {
        schema["description"] = json!(description);
    }
    if component.is_closed() {
        schema["additionalProperties"] = json!(false);
    }
    schema
}

/// A component's table whose type the environment tells.
fn of_a_variable() -> Value {
    json!({
        "type": "object",
        "properties": { "type": { "type": "string", "pattern": VARIABLE } },
        "required": ["type"],
    })
}

/// The members of an object in a schema, if there are any.
fn members<'a>(schema: &'a Map<String, Value>, key: &str) -> Option<&'a Map<String, Value>> {
    schema.get(key)?.as_object()
}
