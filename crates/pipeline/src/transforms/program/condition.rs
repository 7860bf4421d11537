//! Programs that give true or false.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use vrl::value::Value as VrlValue;

use super::native::Native;
use super::{Failed, Program};
use crate::component::{BuildError, Event, Problem};

/// A condition as it is written: a program in [VRL](https://vector.dev/docs/reference/vrl/), such as
/// `.action == "REJECT" && .dstport == 22`, or `{ type = "vrl", source = "..." }`.
#[derive(Debug, Clone)]
pub(crate) enum ConditionConfig {
    Source(String),
    Typed(TypedCondition),
}

#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct TypedCondition {
    /// Which language it is in.
    #[serde(rename = "type")]
    _type: Language,
    /// The program.
    source: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
enum Language {
    /// Vector's.
    Vrl,
}

impl<'de> Deserialize<'de> for ConditionConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ConditionVisitor)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ConditionConfig {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [{ "type": "string" }, generator.subschema_for::<TypedCondition>()]
        })
    }
}

struct ConditionVisitor;

impl<'de> Visitor<'de> for ConditionVisitor {
    type Value = ConditionConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string with a condition")
    }

    fn visit_str<E: serde::de::Error>(self, source: &str) -> Result<ConditionConfig, E> {
        Ok(ConditionConfig::Source(source.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ConditionConfig, A::Error> {
        TypedCondition::deserialize(MapAccessDeserializer::new(map)).map(ConditionConfig::Typed)
    }
}

impl ConditionConfig {
    /// Compiles it; it stands at the key `key`.
    pub(crate) fn build(&self, key: &str) -> Result<Condition, BuildError> {
        match self {
            ConditionConfig::Source(source) => Condition::compile(source, key),
            ConditionConfig::Typed(typed) => Condition::compile(&typed.source, &format!("{key}.source")),
        }
    }
}

/// A compiled condition.
#[derive(Clone)]
pub(crate) enum Condition {
    /// Which says the same without an interpreter.
    Native(Native),
    Program(Box<Program>),
}

impl Condition {
    fn compile(source: &str, key: &str) -> Result<Self, BuildError> {
        let program = Program::compile(source, key)?;
        let gives = program.gives();
        if !gives.is_boolean() {
            let message = format!("a condition gives true or false, this gives {gives}");
            return Err(Problem::new(message).key(key).within(0..source.len()).into());
        }
        let native = Native::recognise(source).map(Condition::Native);
        Ok(native.unwrap_or_else(|| Condition::Program(Box::new(program))))
    }

    /// Whether it holds for an event, or why it could not be seen.
    pub(crate) fn check(&mut self, event: &Event<'_>) -> Result<bool, Failed> {
        match self {
            Condition::Native(native) => Ok(native.holds(event)),
            Condition::Program(program) => program.run(event).map(|value| value == VrlValue::Boolean(true)),
        }
    }

    /// Whether it holds for an event. Where the program aborts it does not.
    pub(crate) fn holds(&mut self, event: &Event<'_>) -> bool {
        self.check(event).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gives_neither_true_nor_false_is_no_condition() {
        let error = |source: &str| Condition::compile(source, "condition").err().unwrap().to_string();
        assert!(error(".dstport + 1").contains("unhandled"), "{}", error(".dstport + 1"));
        assert!(error("\"text\"").contains("true or false"), "{}", error("\"text\""));
    }
}
