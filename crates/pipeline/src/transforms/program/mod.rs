//! Programs in [VRL](https://vector.dev/docs/reference/vrl/), Vector's language, over events that lie where they were
//! decoded: only what a program names is looked at.

mod condition;
mod native;
mod target;
mod value;

use std::fmt;

use vrl::compiler::runtime::{Runtime, Terminate};
use vrl::compiler::{Program as Compiled, TimeZone};
use vrl::diagnostic::Diagnostic;
use vrl::value::{Kind, Value as VrlValue};

use self::target::{EventTarget, Wanted, replace};
use crate::component::{BuildError, Changes, Event, Fate, Problem};

pub(crate) use condition::{Condition, ConditionConfig};

/// A compiled program.
pub(crate) struct Program {
    compiled: Compiled,
    runtime: Runtime,
    target: EventTarget,
    wanted: Wanted,
}

impl Clone for Program {
    /// The same program, which has seen no event yet.
    fn clone(&self) -> Self {
        Program {
            compiled: self.compiled.clone(),
            runtime: Runtime::default(),
            target: EventTarget::new(),
            wanted: self.wanted.clone(),
        }
    }
}

/// Why a program did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failed {
    /// It says `abort`.
    Aborted(String),
    /// Something that may fail did.
    Error(String),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Failed::Aborted(message) | Failed::Error(message)) = self;
        f.write_str(message)
    }
}

impl Program {
    /// Compiles `source`, which stands at the key `key`.
    pub(crate) fn compile(source: &str, key: &str) -> Result<Self, BuildError> {
        let compiled = vrl::compiler::compile(source, &vrl::stdlib::all());
        let compiled = compiled.map_err(|errors| {
            let problems = errors.iter().filter(|error| error.is_problem()).map(|error| problem(error, key));
            BuildError { problems: problems.collect() }
        })?;
        for warning in compiled.warnings.iter() {
            tracing::warn!(key, "{}", warning.message());
        }
        // It looks at all of the event, and does not say so.
        let takes_all = source.contains("unnest");
        let wanted = Wanted::of(compiled.program.info(), takes_all);
        Ok(Program { compiled: compiled.program, runtime: Runtime::default(), target: EventTarget::new(), wanted })
    }

    /// What kind of value it ends with.
    fn gives(&self) -> Kind {
        self.compiled.final_type_info().result.kind().clone()
    }

    fn run(&mut self, event: &Event<'_>) -> Result<VrlValue, Failed> {
        self.target.fill(&self.wanted, event);
        let result = self.runtime.resolve(&mut self.target, &self.compiled, &TimeZone::default());
        self.runtime.clear();
        result.map_err(|end| match end {
            Terminate::Abort(error) => Failed::Aborted(error.to_string()),
            Terminate::Error(error) => Failed::Error(error.to_string()),
            Terminate::Interrupted => Failed::Error("interrupted".to_owned()),
        })
    }

    /// Runs it on an event, and says what it makes of that.
    pub(crate) fn rewrite(&mut self, event: &Event<'_>) -> Result<Fate, Failed> {
        self.run(event)?;
        if !self.target.is_changed() {
            return Ok(Fate::Keep);
        }
        let mut changes = event.changes().cloned().unwrap_or_default();
        self.target.note(&mut changes);
        let Some(several) = self.target.several() else { return Ok(Fate::Change(changes)) };
        let each = |value: &VrlValue| -> Changes {
            let mut changes = changes.clone();
            replace(value, &mut changes);
            changes
        };
        Ok(Fate::Replace(several.iter().map(each).collect()))
    }
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
    use std::sync::Arc;

    use kinesis_logs_decoder::flow_log::Formats;

    use super::*;
    use crate::component::{Acknowledgement, Batch, Value};

    /// What a program makes of events of one member each, one after the other.
    fn rewritten(source: &str, members: &[(&str, i64)]) -> Vec<Result<Changes, Failed>> {
        let mut program = Program::compile(source, "source").unwrap();
        let mut builder = Batch::builder(Arc::new(Formats::new()));
        for (name, value) in members {
            let mut changes = Changes::default();
            changes.set(*name, *value);
            builder.event(None, changes);
        }
        let batch = builder.build(Acknowledgement::none());
        let fate = |event: Event<'_>| match program.rewrite(&event) {
            Ok(Fate::Change(changes)) => Ok(changes),
            Ok(Fate::Keep) => Ok(event.changes().cloned().unwrap()),
            Ok(other) => panic!("{other:?}"),
            Err(failed) => Err(failed),
        };
        batch.events().map(fate).collect()
    }

    #[test]
    fn an_event_does_not_see_what_the_one_before_was_given() {
        for (source, member, seen) in [
            (".before = exists(.mark); .mark = 1", "before", false),
            (".before = exists(.b); .b.c = 1", "before", false),
            (".before = exists(%mine.mark); %mine.mark = 1", "before", false),
            (".before = exists(.a); del(.a)", "before", true),
            (".before = exists(.mark); . = {\"before\": .before, \"mark\": 1}", "before", false),
            (".before = exists(.a); .a = to_int!(.a) + 1", "before", true),
            (".before = .mark != null; .mark = 1", "before", false),
            (".before = .mark.x != null; .mark = {\"x\": 1}", "before", false),
            (".before = exists(.); .before = .before && .mark != null; .mark = 1", "before", false),
        ] {
            for changes in rewritten(source, &[("a", 1), ("a", 1), ("a", 1)]) {
                let members: Vec<_> = changes.as_ref().unwrap().members().filter(|(name, _)| *name == member).collect();
                assert_eq!(members, [(member, Some(&Value::Boolean(seen)))], "{source}");
            }
        }
    }

    #[test]
    fn an_event_does_not_see_what_the_one_before_had_when_the_program_failed() {
        let results = rewritten(".before = exists(.b); .b = 1; assert!(.a == 1)", &[("x", 1), ("a", 1)]);
        let [Err(Failed::Error(_)), Ok(second)] = &results[..] else { panic!("{results:?}") };
        assert!(second.members().any(|member| member == ("before", Some(&Value::Boolean(false)))), "{second:?}");
    }

    /// What programs, one behind the other, make of events of one member each: the member `out` of each.
    fn outs(sources: &[&str], members: &[i64]) -> Vec<Option<Value>> {
        let mut batch = {
            let mut builder = Batch::builder(Arc::new(Formats::new()));
            for value in members {
                let mut changes = Changes::default();
                changes.set("a", *value);
                builder.event(None, changes);
            }
            builder.build(Acknowledgement::none())
        };
        for source in sources {
            let mut program = Program::compile(source, "source").unwrap();
            batch.rewrite(|event| program.rewrite(event).unwrap());
        }
        let out = |event: Event<'_>| event.get("out").map(|value| value.into_value());
        batch.events().map(out).collect()
    }

    #[test]
    fn metadata_is_what_programs_before_have_made_it_for_this_event_alone() {
        let (x, null) = (Some(Value::from("x")), Some(Value::Null));
        let (one, two) = (Some(Value::Integer(1)), Some(Value::Integer(2)));
        let some = "if .a == 1 { %mine = \"x\" }";
        for (sources, expected) in [
            (&[some, ".out = %mine"][..], [x.clone(), null.clone()]),
            (&["if .a == 1 { %mine.x = \"x\" }", ".out = %mine.x"], [x.clone(), null.clone()]),
            (&["%mine.x = \"x\"", ".out = %mine.x; .all = encode_json(.)"], [x.clone(), x.clone()]),
            (&["%mine.x = \"x\"", "m = object(%mine) ?? {}; .out = m.x"], [x.clone(), x.clone()]),
            (&["%mine.x = \"x\"", "whole = %; m = object(%mine) ?? {}; .out = m.x"], [x.clone(), x.clone()]),
            (&["%mine = {\"x\": 1}", "%mine.x = 2", ".out = %mine.x"], [two.clone(), two.clone()]),
            (&["%mine.x = 2", "%mine = {\"x\": 1}", ".out = %mine.x"], [one.clone(), one.clone()]),
            (&["%mine = {\"x\": 1}", "%mine.y = 2", "m = object(%mine) ?? {}; .out = m.x"], [one.clone(), one.clone()]),
            (&[".out = exists(%x); % = {\"x\": 1}"], [Some(false.into()), Some(false.into())]),
            (&[".out = .a; % = 5"], [one.clone(), two.clone()]),
        ] {
            assert_eq!(outs(sources, &[1, 2]), expected, "{sources:?}");
        }
    }

    #[test]
    fn an_event_for_each_element_has_all_that_the_event_had() {
        let mut program = Program::compile(". = unnest!(.list)", "source").unwrap();
        let mut builder = Batch::builder(Arc::new(Formats::new()));
        let mut members = Changes::default();
        members.set("list", Value::Array(vec![Value::Integer(1), Value::Integer(2)]));
        members.set("other", "stays");
        builder.event(None, members);
        let batch = builder.build(Acknowledgement::none());
        let fates: Vec<_> = batch.events().map(|event| program.rewrite(&event)).collect();
        let [Ok(Fate::Replace(each))] = &fates[..] else { panic!("{fates:?}") };
        for (number, changes) in (1..).zip(each) {
            let members: Vec<_> = changes.members().collect();
            let stays = Value::from("stays");
            assert_eq!(members, [("list", Some(&Value::Integer(number))), ("other", Some(&stays))]);
        }
        assert_eq!(each.len(), 2);
    }

    #[test]
    fn a_program_is_given_what_it_names_and_no_more() {
        let wanted = |source: &str| Program::compile(source, "source").map(|program| program.wanted.names()).unwrap();
        assert_eq!(wanted(".action == \"REJECT\" && .dstport == 22 && .action != null"), "action dstport");
        assert_eq!(
            wanted("%aws.log_group == \"g\" && exists(.extracted_fields.user)"),
            "extracted_fields %aws.log_group"
        );
        assert_eq!(wanted("exists(.)"), "all");
        assert_eq!(wanted("true"), "");
        assert_eq!(wanted(".bytes = .packets"), "packets");
        assert_eq!(wanted(".bytes.all = .packets"), "bytes packets");
        assert_eq!(wanted(". = {\"message\": .message}"), "message");
        assert_eq!(wanted("del(.account_id)"), "account_id");
        assert_eq!(wanted(". |= {\"a\": 1}"), "all");
        assert_eq!(wanted("%aws.x.y = 1; %mine = 2"), "%aws.x %mine");
    }
}
