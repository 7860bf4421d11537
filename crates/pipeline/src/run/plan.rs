//! What differs between two configurations, and what is to be done about it: decided here, carried out in `wiring`.

use std::collections::HashMap;

use super::reload::Reloaded;
use crate::component::Kind;
use crate::config::Component;
use crate::graph::Design;

/// How a component of the old configuration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It runs, and goes on.
    Runs,
    /// It came to its end, or is coming to it: nothing can reach it any more, or nothing comes out of it.
    Ended,
    /// It failed, or ended because another did.
    Failed,
}

/// What becomes of a component of the new configuration. Numbers are places in the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It is new.
    Start,
    /// It stays as it is, running or ended.
    Keep(usize),
    /// It takes the place of another, which ends first.
    Replace(usize),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// For each component of the new configuration.
    pub(super) steps: Vec<Step>,
    /// By name.
    pub(super) changes: Reloaded,
}

impl Plan {
    /// `standings` are of the components of `old`.
    pub(super) fn new(old: &Design, standings: &[Standing], new: &Design) -> Self {
        let mut plan = Plan { steps: Vec::new(), changes: Reloaded::default() };
        let before: HashMap<&str, usize> =
            old.config.components.iter().enumerate().map(|(index, component)| (component.id.as_str(), index)).collect();
        for (index, component) in new.config.components.iter().enumerate() {
            let Some(&before) = before.get(component.id.as_str()) else {
                plan.steps.push(Step::Start);
                plan.changes.added.push(component.id.clone());
                continue;
            };
            if !is_same(&old.config.components[before], component) {
                plan.steps.push(Step::Replace(before));
                plan.changes.changed.push(component.id.clone());
            } else if standings[before] == Standing::Failed {
                plan.steps.push(Step::Replace(before));
                plan.changes.restarted.push(component.id.clone());
            } else {
                plan.steps.push(Step::Keep(before));
                if sorted(old.inputs(before)) != sorted(new.inputs(index)) {
                    plan.changes.rewired.push(component.id.clone());
                }
            }
        }
        let stays = |id: &str| new.config.components.iter().any(|component| component.id == id);
        let ids = old.config.components.iter().map(|component| component.id.as_str());
        plan.changes.removed = ids.filter(|id| !stays(id)).map(str::to_owned).collect();
        plan.wake(standings, new);
        plan
    }

    /// What has ended is started anew where something comes to it again.
    fn wake(&mut self, standings: &[Standing], new: &Design) {
        let sends = |step: &Step| match step {
            Step::Keep(before) => standings[*before] == Standing::Runs,
            Step::Start | Step::Replace(_) => true,
        };
        loop {
            let woken = new.graph.edges.iter().find_map(|edge| match self.steps[edge.to] {
                Step::Keep(before) if !sends(&self.steps[edge.to]) && sends(&self.steps[edge.from]) => {
                    Some((edge.to, before))
                }
                _ => None,
            });
            let Some((index, before)) = woken else { return };
            self.steps[index] = Step::Replace(before);
            let id = &new.config.components[index].id;
            self.changes.rewired.retain(|rewired| rewired != id);
            self.changes.restarted.push(id.clone());
        }
    }
}

/// Whether the one that runs is what the other describes, whoever they take from.
fn is_same(one: &Component, other: &Component) -> bool {
    let buffer = |of: &Component| (of.kind == Kind::Sink).then_some((of.buffer.max_events, of.buffer.max_size));
    one.kind == other.kind
        && one.type_name == other.type_name
        && buffer(one) == buffer(other)
        && one.node.is_same(&other.node)
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::Standing::{Ended, Failed, Runs};
    use super::Step::{Keep, Replace, Start};
    use super::*;
    use crate::component::{
        BuildContext, BuildError, Registry, Sink, SinkConfig, Source, SourceConfig, Transform, TransformConfig,
    };
    use crate::config::{self, ConfigFile};
    use crate::graph::Graph;

    /// A component that is only read.
    #[derive(Debug, Deserialize)]
    struct Part {
        #[serde(default, rename = "value")]
        _value: Vec<f64>,
        #[serde(default, rename = "name")]
        _name: String,
    }

    impl SourceConfig for Part {
        fn build(&self, _: &BuildContext) -> Result<Box<dyn Source>, BuildError> {
            unreachable!("nothing is built")
        }
    }

    impl TransformConfig for Part {
        fn build(&self, _: &BuildContext) -> Result<Box<dyn Transform>, BuildError> {
            unreachable!("nothing is built")
        }
    }

    impl SinkConfig for Part {
        fn build(&self, _: &BuildContext) -> Result<Box<dyn Sink>, BuildError> {
            unreachable!("nothing is built")
        }
    }

    fn design(toml: &str) -> Design {
        let registry = Registry::new()
            .source::<Part>("part")
            .transform::<Part>("part")
            .transform::<Part>("other")
            .sink::<Part>("part");
        let lookup = |name: &str| (name == "NAME").then(|| "a name".to_owned());
        let (config, mut mistakes) = config::load(vec![ConfigFile::new("test", toml)], &registry, &lookup);
        let (graph, wrong) = Graph::new(&config);
        mistakes.extend(wrong);
        assert_eq!(mistakes, []);
        Design { config, graph }
    }

    const BEFORE: &str = r#"
        sources.a = { type = "part", value = [1.0, 2.0], name = "a name" }
        transforms.t = { type = "part", inputs = ["a"] }
        sinks.x = { type = "part", inputs = ["t"] }
        sinks.y = { type = "part", inputs = ["a"], buffer.max_events = 5 }
    "#;

    /// What becomes of `BEFORE`, all of which runs.
    fn plan(after: &str) -> Plan {
        Plan::new(&design(BEFORE), &[Runs; 4], &design(after))
    }

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn the_same_is_the_same_wherever_and_however_it_is_written() {
        let plan = plan(
            r#"
            [sinks.y]
            buffer = { max_events = 5, type = "memory" }
            inputs = ["a*"]
            type = "part"
            [sinks.x]
            inputs = ["t"]
            type = "part"
            [sources.a]
            name = "${NAME}"
            value = [1.0, 2.0]
            type = "part"
            [transforms.t]
            inputs = ["a"]
            type = "part"
            "#,
        );
        assert_eq!(plan.steps, [Keep(3), Keep(2), Keep(0), Keep(1)]);
        assert!(plan.changes.is_empty(), "{plan:?}");
    }

    #[test]
    fn what_differs_is_replaced_and_the_rest_runs_on() {
        let changed = |after: String| {
            let plan = plan(&after);
            assert_eq!(
                plan.changes.removed.len() + plan.changes.added.len() + plan.changes.rewired.len(),
                0,
                "{plan:?}"
            );
            (plan.changes.changed, plan.steps)
        };
        let one = |from: &str, to: &str| {
            assert!(BEFORE.contains(from));
            changed(BEFORE.replace(from, to))
        };
        assert_eq!(one("2.0", "3.0"), (ids(&["a"]), vec![Replace(0), Keep(1), Keep(2), Keep(3)]));
        assert_eq!(one(", 2.0", "").0, ["a"]);
        assert_eq!(one(", name = \"a name\"", "").0, ["a"]);
        assert_eq!(one("transforms.t = { type = \"part\"", "transforms.t = { type = \"other\"").0, ["t"]);
        assert_eq!(one("= 5", "= 6"), (ids(&["y"]), vec![Keep(0), Keep(1), Keep(2), Replace(3)]));
    }

    #[test]
    fn inputs_alone_leave_it_running() {
        let plan = plan(&BEFORE.replace("[\"t\"]", "[\"t\", \"a\"]"));
        assert_eq!(plan.steps, [Keep(0), Keep(1), Keep(2), Keep(3)]);
        assert_eq!(plan.changes, Reloaded { rewired: ids(&["x"]), ..Reloaded::default() });
    }

    #[test]
    fn a_name_of_another_kind_is_another_component_in_its_place() {
        let plan = plan(
            r#"
            sources.a = { type = "part", value = [1.0, 2.0], name = "a name" }
            sources.t = { type = "part" }
            sinks.z = { type = "part", inputs = ["a", "t"] }
        "#,
        );
        assert_eq!(plan.steps, [Keep(0), Replace(1), Start]);
        let (added, changed, removed) = (ids(&["z"]), ids(&["t"]), ids(&["x", "y"]));
        assert_eq!(plan.changes, Reloaded { added, changed, removed, ..Reloaded::default() });
    }

    #[test]
    fn what_failed_starts_anew_with_all_that_had_ended_for_want_of_it() {
        // The transform has failed: its source was ended for it, and one sink had nothing to come any more.
        let plan = Plan::new(&design(BEFORE), &[Failed, Failed, Ended, Ended], &design(BEFORE));
        assert_eq!(plan.steps, [Replace(0), Replace(1), Replace(2), Replace(3)]);
        assert_eq!(plan.changes, Reloaded { restarted: ids(&["a", "t", "x", "y"]), ..Reloaded::default() });
    }

    #[test]
    fn what_came_to_its_own_end_stays_ended() {
        let plan = Plan::new(&design(BEFORE), &[Ended; 4], &design(BEFORE));
        assert!(plan.changes.is_empty(), "{plan:?}");
        let after = BEFORE.replace("inputs = [\"t\"]", "inputs = [\"t\", \"b\"]") + "sources.b = { type = \"part\" }";
        let plan = Plan::new(&design(BEFORE), &[Ended; 4], &design(&after));
        assert_eq!(plan.steps, [Keep(0), Start, Keep(1), Replace(2), Keep(3)], "where nothing comes, nothing starts");
        let (added, restarted) = (ids(&["b"]), ids(&["x"]));
        assert_eq!(plan.changes, Reloaded { added, restarted, ..Reloaded::default() });
    }
}
