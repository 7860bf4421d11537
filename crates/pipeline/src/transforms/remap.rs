//! `remap`: changes events by a program.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::program::{Failed, Program};
use crate::component::{
    Batch, BuildContext, BuildError, Changes, ComponentError, Emitted, Event, Fate, Transform, TransformConfig, Value,
};

const DROPPED: &str = "dropped";

/// Changes events by a program in [VRL](https://vector.dev/docs/reference/vrl/), Vector's language. An event that the program
/// makes an array becomes an event for each of its elements.
///
/// ```toml
/// [transforms.services]
/// type = "remap"
/// inputs = ["flows"]
/// source = '''
/// .service = if .dstport == 443 { "https" } else { "other" }
/// del(.account_id)
/// '''
/// ```
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct RemapConfig {
    /// The program.
    source: String,
    /// Whether an event on which the program fails is dropped. Otherwise it goes on as it was. Default: `false`.
    #[serde(default)]
    drop_on_error: bool,
    /// Whether an event on which the program says `abort` is dropped. Otherwise it goes on as it was. Default: `true`.
    #[serde(default = "yes")]
    drop_on_abort: bool,
    /// Whether what is dropped goes to the output `<id>.dropped`, as it was, with why in `metadata.dropped`. Otherwise it
    /// counts as delivered. Default: `false`.
    #[serde(default)]
    reroute_dropped: bool,
}

fn yes() -> bool {
    true
}

impl TransformConfig for RemapConfig {
    fn build(&self, context: &BuildContext) -> Result<Box<dyn Transform>, BuildError> {
        let program = Program::compile(&self.source, "source")?;
        let component_id = context.id.clone();
        Ok(Box::new(Remap { program, config: self.clone(), component_id, dropped: DROPPED.into() }))
    }

    fn outputs(&self) -> Vec<String> {
        self.reroute_dropped.then(|| DROPPED.to_owned()).into_iter().collect()
    }
}

#[derive(Clone)]
struct Remap {
    program: Program,
    config: RemapConfig,
    component_id: String,
    dropped: Arc<str>,
}

impl Transform for Remap {
    fn transform(&mut self, mut batch: Batch, emitted: &mut Emitted) -> Result<(), ComponentError> {
        let (mut errors, mut first_error) = (0_u64, None);
        let aside = batch.rewrite(|event| {
            let failed = match self.program.rewrite(event) {
                Ok(fate) => return fate,
                Err(failed) => failed,
            };
            let is_dropped = match &failed {
                Failed::Aborted(_) => self.config.drop_on_abort,
                Failed::Error(message) => {
                    errors += 1;
                    first_error.get_or_insert_with(|| message.clone());
                    self.config.drop_on_error
                }
            };
            match (is_dropped, self.config.reroute_dropped) {
                (false, _) => Fate::Keep,
                (true, false) => Fate::LeaveOut,
                (true, true) => Fate::SetAside(self.told(event, failed)),
            }
        });
        if let Some(error) = first_error {
            emitted.failed(errors);
            // Once a batch, or a program that always fails would fill the log.
            let (id, drop_on_error) = (&self.component_id, self.config.drop_on_error);
            tracing::warn!(component_id = %id, events = errors, drop_on_error, "the program failed, first with: {error}");
        }
        if let Some(aside) = aside {
            emitted.set_aside(&self.dropped, aside);
        }
        emitted.push(batch);
        Ok(())
    }

    fn fork(&self) -> Option<Box<dyn Transform>> {
        Some(Box::new(self.clone()))
    }
}

impl Remap {
    /// The event as it was, with why it was dropped, as Vector has it.
    fn told(&self, event: &Event<'_>, failed: Failed) -> Changes {
        let (reason, message) = match failed {
            Failed::Aborted(message) => ("abort", message),
            Failed::Error(message) => ("error", message),
        };
        let why = [
            ("reason", reason),
            ("message", &message),
            ("component_id", &self.component_id),
            ("component_type", "remap"),
            ("component_kind", "transform"),
        ];
        let why = why.map(|(name, value)| (name.to_owned(), Value::from(value)));
        let mut changes = event.changes().cloned().unwrap_or_default();
        changes.set("metadata", Value::Object(BTreeMap::from([(DROPPED.to_owned(), Value::Object(why.into()))])));
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::Acknowledgement;

    #[test]
    fn events_on_which_the_program_fails_are_counted_whatever_becomes_of_them() {
        for config in ["", "drop_on_error = true", "drop_on_error = true\nreroute_dropped = true"] {
            let source = "source = 'if .a == 1 { abort } else { .a = to_int!(.a) }'";
            let config: RemapConfig = toml::from_str(&format!("{source}\n{config}")).unwrap();
            let mut remap = config.build(&BuildContext::new("it", None)).unwrap();
            let mut builder = Batch::builder(Arc::default());
            for value in [Value::Integer(1), Value::Integer(2), "x".into(), "y".into()] {
                let mut members = Changes::default();
                members.set("a", value);
                builder.event(None, members);
            }
            let mut emitted = Emitted::default();
            remap.transform(builder.build(Acknowledgement::none()), &mut emitted).unwrap();
            assert_eq!(emitted.errors, 2, "{config:?}");
        }
    }
}
