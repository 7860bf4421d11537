//! Programs that give true or false.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use vrl::value::Value as VrlValue;

use super::native::Native;
use super::{Failed, Program};
use crate::component::{BuildError, Emitted, Event, Problem};

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
    Program(Box<Program>, Failures),
}

/// Events on which a condition failed since that was told last.
#[derive(Clone, Default)]
pub(crate) struct Failures {
    events: u64,
    /// Why, of the first.
    error: String,
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
        Ok(native.unwrap_or_else(|| Condition::Program(Box::new(program), Failures::default())))
    }

    /// Whether it holds for an event, or why it could not be seen.
    pub(crate) fn check(&mut self, event: &Event<'_>) -> Result<bool, Failed> {
        match self {
            Condition::Native(native) => Ok(native.holds(event)),
            Condition::Program(program, _) => program.run(event).map(|value| value == VrlValue::Boolean(true)),
        }
    }

    /// Whether it holds for an event. Where the program aborts or fails it does not; that it failed is [told](Self::tell).
    pub(crate) fn holds(&mut self, event: &Event<'_>) -> bool {
        let failed = match self.check(event) {
            Ok(holds) => return holds,
            Err(Failed::Aborted(_)) => return false,
            Err(Failed::Error(error)) => error,
        };
        if let Condition::Program(_, failures) = self {
            failures.events += 1;
            if failures.events == 1 {
                failures.error = failed;
            }
        }
        false
    }

    /// Says on how many events it failed, if it did: once a batch, or one that always fails would fill the log.
    pub(crate) fn tell(&mut self, emitted: &mut Emitted) {
        if let Condition::Program(_, failures) = self
            && failures.events > 0
        {
            let Failures { events, error } = std::mem::take(failures);
            emitted.failed(events);
            tracing::warn!(events, "the condition failed, and counts as false, first with: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::component::{Acknowledgement, Batch, Changes};

    #[test]
    fn events_on_which_a_condition_fails_are_counted_and_those_on_which_it_aborts_are_not() {
        let mut builder = Batch::builder(Arc::default());
        for number in [1, 2, 0, 0] {
            let mut members = Changes::default();
            members.set("number", number);
            builder.event(None, members);
        }
        let batch = builder.build(Acknowledgement::none());
        for (source, held, failed) in [
            ("if .number == 2 { abort }; .number == 1", 1, 0),
            ("if .number == 0 { assert!(false) }; .number == 1", 1, 2),
        ] {
            let mut condition = Condition::compile(source, "condition").unwrap_or_else(|error| panic!("{error}"));
            let mut emitted = Emitted::default();
            assert_eq!(batch.events().filter(|event| condition.holds(event)).count(), held, "{source}");
            condition.tell(&mut emitted);
            condition.tell(&mut emitted);
            assert_eq!(emitted.errors, failed, "{source}");
        }
    }

    #[test]
    fn what_gives_neither_true_nor_false_is_no_condition() {
        let error = |source: &str| Condition::compile(source, "condition").err().unwrap().to_string();
        assert!(error(".dstport + 1").contains("unhandled"), "{}", error(".dstport + 1"));
        assert!(error("\"text\"").contains("true or false"), "{}", error("\"text\""));
    }
}
