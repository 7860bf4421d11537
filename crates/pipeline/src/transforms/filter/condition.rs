//! A program in VRL over events that lie where they were decoded: only what it names is looked at.

use std::collections::BTreeMap;

use vrl::compiler::runtime::Runtime;
use vrl::compiler::{Program, TargetValue, TimeZone};
use vrl::diagnostic::Diagnostic;
use vrl::path::{OwnedSegment, OwnedTargetPath, PathPrefix};
use vrl::value::{KeyString, ObjectMap, Secrets, Value as VrlValue};

use crate::component::{BuildError, Event, Problem, Value, ValueRef};

/// A compiled condition.
pub(super) struct Condition {
    program: Program,
    runtime: Runtime,
    /// Made once: its members are filled anew for every event.
    target: TargetValue,
    wanted: Wanted,
}

/// What of an event the program may look at.
enum Wanted {
    /// Members, and metadata by its two names.
    These { members: Vec<KeyString>, metadata: Vec<[KeyString; 2]> },
    /// It looks at the event as a whole.
    All,
}

impl Condition {
    /// Compiles `source`, which stands at the key `key`.
    pub(super) fn compile(source: &str, key: &str) -> Result<Self, BuildError> {
        let compiled = vrl::compiler::compile(source, &vrl::stdlib::all());
        let compiled = compiled.map_err(|errors| {
            let problems = errors.iter().filter(|error| error.is_problem()).map(|error| problem(error, key));
            BuildError { problems: problems.collect() }
        })?;
        for warning in compiled.warnings.iter() {
            tracing::warn!(key, "{}", warning.message());
        }
        let program = compiled.program;
        let gives = program.final_type_info().result;
        if !gives.is_boolean() {
            let message = format!("a condition gives true or false, this gives {}", gives.kind());
            return Err(Problem::new(message).key(key).within(0..source.len()).into());
        }
        let wanted = Wanted::of(&program.info().target_queries);
        let target = TargetValue {
            value: VrlValue::Object(ObjectMap::new()),
            metadata: VrlValue::Object(ObjectMap::new()),
            secrets: Secrets::default(),
        };
        Ok(Condition { program, runtime: Runtime::default(), target, wanted })
    }

    /// Whether it holds for an event. Where the program aborts it does not.
    pub(super) fn holds(&mut self, event: &Event<'_>) -> bool {
        self.fill(event);
        let result = self.runtime.resolve(&mut self.target, &self.program, &TimeZone::default());
        self.runtime.clear();
        matches!(result, Ok(VrlValue::Boolean(true)))
    }

    fn fill(&mut self, event: &Event<'_>) {
        let VrlValue::Object(object) = &mut self.target.value else { return };
        let VrlValue::Object(data) = &mut self.target.metadata else { return };
        match &self.wanted {
            Wanted::These { members, metadata } => {
                for name in members {
                    put(object, name, event.get(name));
                }
                for [space, name] in metadata {
                    put_metadata(data, space, name, event);
                }
            }
            Wanted::All => {
                object.clear();
                for name in ["message", "timestamp", "extracted_fields"] {
                    put(object, &name.into(), event.get(name));
                }
                for (name, _) in event.members() {
                    // Extracted fields are members of their object alone.
                    put(object, &name.as_ref().into(), event.get(&name));
                }
                if let Some(flow) = event.flow_log() {
                    for column in flow.format().columns() {
                        put(object, &column.name().into(), event.get(column.name()));
                    }
                }
                for [space, name] in Event::METADATA {
                    put_metadata(data, &space.into(), &name.into(), event);
                }
            }
        }
    }
}

fn put_metadata(data: &mut ObjectMap, space: &KeyString, name: &KeyString, event: &Event<'_>) {
    let value = event.get(&format!("%{space}.{name}"));
    let object = data.entry(space.clone()).or_insert_with(|| VrlValue::Object(ObjectMap::new()));
    if let VrlValue::Object(object) = object {
        put(object, name, value);
    }
}

/// Sets a member, or removes it.
fn put(object: &mut ObjectMap, name: &KeyString, value: Option<ValueRef<'_>>) {
    match (object.get_mut(name), value.map(vrl_value)) {
        (Some(slot), Some(value)) => *slot = value,
        (None, Some(value)) => drop(object.insert(name.clone(), value)),
        (Some(_), None) => drop(object.remove(name)),
        (None, None) => {}
    }
}

impl Wanted {
    fn of(queries: &[OwnedTargetPath]) -> Self {
        let mut members = Vec::new();
        let mut metadata = Vec::new();
        for query in queries {
            match (query.prefix, query.path.segments.as_slice()) {
                (PathPrefix::Event, [OwnedSegment::Field(name), ..]) => members.push(name.clone()),
                (PathPrefix::Metadata, [OwnedSegment::Field(space), OwnedSegment::Field(name), ..]) => {
                    metadata.push([space.clone(), name.clone()]);
                }
                _ => return Wanted::All,
            }
        }
        members.sort();
        members.dedup();
        metadata.sort();
        metadata.dedup();
        Wanted::These { members, metadata }
    }
}

fn vrl_value(value: ValueRef<'_>) -> VrlValue {
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
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (KeyString::from(name.as_str()), owned(value)));
            VrlValue::Object(BTreeMap::from_iter(members))
        }
    }
}

/// VRL's times are those of another library.
fn timestamp(time: jiff::Timestamp) -> VrlValue {
    let nanoseconds = i64::try_from(time.as_nanosecond()).ok();
    nanoseconds
        .map_or(VrlValue::Null, |nanoseconds| VrlValue::Timestamp(chrono::DateTime::from_timestamp_nanos(nanoseconds)))
}

/// What VRL says of a mistake, at its place.
fn problem(error: &Diagnostic, key: &str) -> Problem {
    let mut problem = Problem::new(error.message()).key(key);
    let label = error.labels().iter().find(|label| label.primary).or(error.labels().first());
    if let Some(label) = label {
        problem = problem.within(label.span.range());
        if !label.message.is_empty() {
            problem = problem.label(label.message.clone());
        }
    }
    let notes: Vec<String> =
        error.notes().iter().map(ToString::to_string).filter(|note| !note.contains("http")).collect();
    if notes.is_empty() { problem } else { problem.hint(notes.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_given_what_it_names_and_no_more() {
        let wanted = |source: &str| match Condition::compile(source, "condition").map_err(|error| error.to_string()) {
            Ok(Condition { wanted: Wanted::These { members, metadata }, .. }) => {
                let metadata = metadata.iter().map(|[space, name]| format!("%{space}.{name}"));
                members.iter().map(ToString::to_string).chain(metadata).collect::<Vec<_>>().join(" ")
            }
            Ok(Condition { wanted: Wanted::All, .. }) => "all".to_owned(),
            Err(error) => error,
        };
        assert_eq!(wanted(".action == \"REJECT\" && .dstport == 22 && .action != null"), "action dstport");
        assert_eq!(
            wanted("%aws.log_group == \"g\" && exists(.extracted_fields.user)"),
            "extracted_fields %aws.log_group"
        );
        assert_eq!(wanted("exists(.)"), "all");
        assert_eq!(wanted("true"), "");
        assert!(wanted(".dstport + 1").contains("unhandled"), "{}", wanted(".dstport + 1"));
        assert!(wanted("\"text\"").contains("true or false"));
    }
}
