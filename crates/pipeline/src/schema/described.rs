//! What a registry's types say of themselves, before it is put into a form.

use std::ops::Range;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value};

use super::members;
use super::plain::plain;
use crate::component::{Kind, Registry};
use crate::config::{SinkKeys, Top, TransformKeys};

/// All that is known.
pub(super) struct Descriptions {
    /// The table at the top, without components.
    pub(super) top: Map<String, Value>,
    /// By kind and name.
    pub(super) components: Vec<Described>,
    /// Schemas that hold themselves, and are referred to by name therefore.
    pub(super) definitions: Map<String, Value>,
}

/// A type of components.
pub(super) struct Described {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    /// The doc comment of its config type, as Markdown.
    pub(super) description: Option<String>,
    /// What all of its kind have in common.
    pub(super) common: Map<String, Value>,
    /// Its own table, if its keys are known.
    pub(super) own: Option<Map<String, Value>>,
}

impl Descriptions {
    pub(super) fn of(registry: &Registry) -> Self {
        let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
        let mut generator = settings.into_generator();
        let top = object(&mut generator, Top::json_schema);
        let mut components = Vec::new();
        for kind in [Kind::Source, Kind::Transform, Kind::Sink] {
            let common = match kind {
                Kind::Source => Map::new(),
                Kind::Transform => object(&mut generator, TransformKeys::json_schema),
                Kind::Sink => object(&mut generator, SinkKeys::json_schema),
            };
            for name in registry.names(kind) {
                let mut own = registry.schema(kind, name).map(|schema| object(&mut generator, schema));
                let description = own.as_mut().and_then(|own| own.remove("description"));
                components.push(Described {
                    kind,
                    name,
                    description: description.and_then(|text| text.as_str().map(str::to_owned)),
                    common: common.clone(),
                    own,
                });
            }
        }
        let mut definitions = generator.take_definitions(true);
        definitions.values_mut().for_each(plain);
        Descriptions { top, components, definitions }
    }
}

fn object(generator: &mut SchemaGenerator, schema: fn(&mut SchemaGenerator) -> Schema) -> Map<String, Value> {
    let mut schema = schema(generator);
    generator.transforms_mut().for_each(|transform| transform.transform(&mut schema));
    let mut value = schema.to_value();
    plain(&mut value);
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// The first block of TOML in a text: where it is, and what is in it.
fn example(text: &str) -> Option<(Range<usize>, &str)> {
    const FENCES: [&str; 2] = ["```toml\n", "```"];
    let start = text.find(FENCES[0])?;
    let inside = start + FENCES[0].len();
    let end = inside + text[inside..].find(FENCES[1])?;
    Some((start..end + FENCES[1].len(), &text[inside..end]))
}

impl Described {
    /// What is said of it, without its example.
    pub(super) fn prose(&self) -> String {
        let description = self.description.as_deref().unwrap_or_default();
        match example(description) {
            Some((range, _)) => {
                [description[..range.start].trim_end(), description[range.end..].trim_start()].join("\n\n")
            }
            None => description.to_owned(),
        }
        .trim()
        .to_owned()
    }

    /// The TOML in what is said of it.
    pub(super) fn example(&self) -> Option<&str> {
        example(self.description.as_deref()?).map(|(_, toml)| toml)
    }

    /// The table of its keys, the common ones among them, but for `type`.
    pub(super) fn table(&self) -> Map<String, Value> {
        let mut table = Map::new();
        table.insert("properties".to_owned(), self.properties());
        table.insert("required".to_owned(), self.required().into());
        table
    }

    /// Its keys, the common ones among them.
    pub(super) fn properties(&self) -> Value {
        let mut properties = members(&self.common, "properties").cloned().unwrap_or_default();
        properties.extend(self.own.as_ref().and_then(|own| members(own, "properties")).cloned().unwrap_or_default());
        Value::Object(properties)
    }

    pub(super) fn required(&self) -> Vec<String> {
        let tables = [Some(&self.common), self.own.as_ref()];
        let required = tables.into_iter().flatten().filter_map(|table| table.get("required")?.as_array()).flatten();
        required.filter_map(|name| name.as_str().map(str::to_owned)).collect()
    }

    /// Whether all keys are known, so that others are mistakes.
    pub(super) fn is_closed(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.get("additionalProperties") == Some(&Value::Bool(false)))
    }
}
