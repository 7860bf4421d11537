//! Tests of a configuration's transforms, as Vector has them: `[[tests]]` says what is put in, and what must come out.
//!
//! ```toml
//! [[tests]]
//! name = "rejects of ssh are kept"
//!
//! [[tests.inputs]]
//! insert_at = "rejects"
//! type = "raw"
//! value = "2 123456789010 eni-1235b8ca123456789 10.0.0.1 10.0.0.2 49152 22 6 1 40 1418530010 1418530070 REJECT OK"
//!
//! [[tests.outputs]]
//! extract_from = "rejects"
//! conditions = [".dstport == 22"]
//! ```
//!
//! Sources and sinks are not run, and need not be there.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use kinesis_logs_decoder::flow_log::Formats;
use kinesis_logs_decoder::{Decoded, Decoder, Payload};
use kinesis_logs_source::Record;
use serde::Deserialize;

use crate::build::{mistake, part};
use crate::codecs::Encoder;
use crate::component::{
    Acknowledgement, Batch, BuildContext, Built, Changes, ComponentError, Emitted, Event, Fate, Kind, Problem,
    Registry, Transform, Value, Way,
};
use crate::config::{
    self, Component, Config, ConfigError, ConfigFile, Mistake, Node, NodeValue, OneOrMore, listed, read_config,
};
use crate::graph::{Graph, outputs};
use crate::transforms::{Condition, ConditionConfig, Program};

/// What became of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestResult {
    /// Its name.
    pub name: String,
    /// What was not as it should be; nothing if it has passed.
    pub failures: Vec<String>,
}

/// Runs all tests in the files, with variables from `lookup`.
///
/// # Errors
///
/// All mistakes in the files, as far as tests depend on them.
pub fn run_tests(
    files: Vec<ConfigFile>,
    registry: &Registry,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<TestResult>, ConfigError> {
    let (config, mut mistakes) = config::load(files, registry, lookup);
    if config.is_broken {
        return Err(config.error(mistakes));
    }
    let (graph, wrong) = Graph::new(&config);
    mistakes.extend(wrong);
    mistakes.extend(config.components.iter().filter_map(|component| part(component, &config).err()).flatten());
    let tests: Vec<Test> = config.tests.iter().filter_map(|node| Test::read(node, &config, &mut mistakes)).collect();
    if !mistakes.is_empty() {
        return Err(config.error(mistakes));
    }
    Ok(tests.into_iter().map(|test| test.run(&config.components, &graph)).collect())
}

/// A test as it is written.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct TestConfig {
    /// What it is called.
    name: String,
    /// What is put in.
    inputs: Vec<InputConfig>,
    /// What must come out.
    #[serde(default)]
    outputs: Vec<OutputConfig>,
    /// Outputs from which nothing may come.
    #[serde(default)]
    no_outputs_from: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct InputConfig {
    /// Which transforms take it.
    insert_at: OneOrMore,
    /// How it is written. Default: `raw`.
    #[serde(rename = "type", default)]
    kind: InputKind,
    /// For `raw`: a log line, as a source would read it.
    value: Option<String>,
    /// For `log`: the event's members.
    #[cfg_attr(feature = "schema", schemars(with = "Option<BTreeMap<String, serde_json::Value>>"))]
    log_fields: Option<BTreeMap<String, Value>>,
    /// For `vrl`: a program that makes the event.
    source: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
enum InputKind {
    /// A log line.
    #[default]
    Raw,
    /// An event's members.
    Log,
    /// A program.
    Vrl,
}

#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct OutputConfig {
    /// The outputs that it may come from.
    extract_from: OneOrMore,
    /// What must hold, each for at least one event. Without any, that something comes is enough.
    #[serde(default)]
    conditions: Vec<ConditionConfig>,
}

/// A test whose names and programs are known to be right.
struct Test {
    name: String,
    inputs: Vec<(Vec<usize>, Batch)>,
    outputs: Vec<(Vec<String>, Vec<Condition>)>,
    no_outputs_from: Vec<String>,
}

impl Test {
    fn read(node: &Node, of: &Config, mistakes: &mut Vec<Mistake>) -> Option<Test> {
        let config: TestConfig = read_config(node, mistakes)?;
        let before = mistakes.len();
        let tell = |problem: Problem, place: &Node| mistake(problem, place, place.place.clone(), &of.files);
        let transforms = || of.components.iter().enumerate().filter(|(_, component)| component.kind == Kind::Transform);
        let mut test = Test {
            name: config.name,
            inputs: Vec::new(),
            outputs: Vec::new(),
            no_outputs_from: config.no_outputs_from.clone(),
        };
        for (index, input) in config.inputs.iter().enumerate() {
            let place = within(node, "inputs", index);
            let mut into = Vec::new();
            for name in &input.insert_at.0 {
                match transforms().find(|(_, transform)| transform.id == *name) {
                    Some((transform, _)) => into.push(transform),
                    None => {
                        let known = transforms().map(|(_, transform)| transform.id.as_str());
                        let problem = Problem::new(format!("there is no transform {name:?}")).key("insert_at");
                        mistakes.push(tell(problem.hint(listed(name, known)), place));
                    }
                }
            }
            match input.batch() {
                Ok(batch) => test.inputs.push((into, batch)),
                Err(problems) => mistakes.extend(problems.into_iter().map(|problem| tell(problem, place))),
            }
        }
        let outputs = outputs(&of.components).into_iter();
        let outputs = outputs.filter(|(_, index, _)| of.components[*index].kind == Kind::Transform);
        let known: Vec<String> = outputs.map(|(name, ..)| name).collect();
        let check = |names: &[String], key: &str, place: &Node, mistakes: &mut Vec<Mistake>| {
            for name in names.iter().filter(|name| !known.contains(name)) {
                let problem = Problem::new(format!("no transform puts out {name:?}")).key(key);
                mistakes.push(tell(problem.hint(listed(name, known.iter().map(String::as_str))), place));
            }
        };
        for (index, output) in config.outputs.iter().enumerate() {
            let place = within(node, "outputs", index);
            check(&output.extract_from.0, "extract_from", place, mistakes);
            let mut conditions = Vec::new();
            for condition in &output.conditions {
                match condition.build("conditions") {
                    Ok(condition) => conditions.push(condition),
                    Err(error) => mistakes.extend(error.problems.into_iter().map(|problem| tell(problem, place))),
                }
            }
            test.outputs.push((output.extract_from.0.clone(), conditions));
        }
        check(&test.no_outputs_from, "no_outputs_from", node, mistakes);
        (mistakes.len() == before).then_some(test)
    }

    fn run(self, components: &[Component], graph: &Graph) -> TestResult {
        let mut failures = Vec::new();
        let mut out = match flow(self.inputs, components, graph) {
            Ok(out) => out,
            Err((id, error)) => {
                return TestResult { name: self.name, failures: vec![format!("{id} cannot go on: {error}")] };
            }
        };
        for name in &self.no_outputs_from {
            let events: usize = out.get(name).into_iter().flatten().map(Batch::len).sum();
            if events > 0 {
                failures.push(format!("{events} came out of {name}, from which nothing may"));
            }
        }
        for (names, conditions) in self.outputs {
            let batches: Vec<Batch> = names.iter().filter_map(|name| out.remove(name)).flatten().collect();
            failures.extend(check(&names.join(", "), &batches, conditions));
        }
        TestResult { name: self.name, failures }
    }
}

/// One of a test's inputs or outputs, in the order they are written.
fn within<'a>(test: &'a Node, key: &str, index: usize) -> &'a Node {
    match test.get(key).map(|node| &node.value) {
        Some(NodeValue::Array(nodes)) => nodes.get(index).unwrap_or(test),
        _ => test,
    }
}

impl InputConfig {
    /// The event that it says, in a batch.
    fn batch(&self) -> Result<Batch, Vec<Problem>> {
        let needs = |key: &str| vec![Problem::new(format!("an input of this type needs the key {key:?}")).key("type")];
        let mut builder = Batch::builder(Arc::new(Formats::new()));
        match self.kind {
            InputKind::Raw => {
                let line = self.value.clone().ok_or_else(|| needs("value"))?;
                let record = Record::new("test", "-", "0", line.into_bytes());
                let mut decoded = Decoded::default();
                Decoder::new().payload(Payload::Lines).decode_user_record_into(&record.data, &mut decoded);
                builder.record(record, decoded);
                Ok(builder.build(Acknowledgement::none()))
            }
            InputKind::Log => {
                let fields = self.log_fields.clone().ok_or_else(|| needs("log_fields"))?;
                let mut members = Changes::default();
                fields.into_iter().for_each(|(name, value)| members.set(name, value));
                builder.event(None, members);
                Ok(builder.build(Acknowledgement::none()))
            }
            InputKind::Vrl => {
                let source = self.source.as_ref().ok_or_else(|| needs("source"))?;
                let mut program = Program::compile(source, "source").map_err(|error| error.problems)?;
                builder.event(None, Changes::default());
                let mut batch = builder.build(Acknowledgement::none());
                let mut failed = None;
                let _nothing_aside = batch.rewrite(|event| {
                    program.rewrite(event).unwrap_or_else(|error| {
                        failed = Some(Problem::new(error.to_string()).key("source"));
                        Fate::Keep
                    })
                });
                failed.map_or(Ok(batch), |problem| Err(vec![problem]))
            }
        }
    }
}

/// Lets all transforms do their work, and collects what came out of each output, by its name.
fn flow(
    inputs: Vec<(Vec<usize>, Batch)>,
    components: &[Component],
    graph: &Graph,
) -> Result<HashMap<String, Vec<Batch>>, (String, ComponentError)> {
    let mut transforms: HashMap<usize, Box<dyn Transform>> = HashMap::new();
    for (index, component) in components.iter().enumerate() {
        if let Some(Built::Transform(config)) = &component.config
            && let Ok(transform) = config.build(&BuildContext::new(&component.id, None))
        {
            transforms.insert(index, transform);
        }
    }
    let inserted = inputs.into_iter().flat_map(|(into, batch)| into.into_iter().map(move |to| (to, batch.clone())));
    let mut waiting: VecDeque<(usize, Batch)> = inserted.collect();
    let mut out: HashMap<String, Vec<Batch>> = HashMap::new();
    while let Some((index, batch)) = waiting.pop_front() {
        let Some(transform) = transforms.get_mut(&index) else { continue };
        let id = &components[index].id;
        let mut emitted = Emitted::default();
        transform.transform(batch, &mut emitted).map_err(|error| (id.clone(), error))?;
        for (way, batch) in emitted.into_batches() {
            let output = match &way {
                Way::Own => None,
                Way::Offered(name) | Way::SetAside(name) => Some(&**name),
            };
            let takers = graph.edges_from(index).filter(|edge| edge.output.as_deref() == output);
            waiting.extend(takers.map(|edge| (edge.to, batch.clone())));
            let name = output.map_or_else(|| id.clone(), |output| format!("{id}.{output}"));
            out.entry(name).or_default().push(batch);
        }
    }
    Ok(out)
}

/// What does not hold of the events that came out.
fn check(from: &str, batches: &[Batch], conditions: Vec<Condition>) -> Vec<String> {
    let events = || batches.iter().flat_map(Batch::events);
    let count = events().count();
    if count == 0 {
        return vec![format!("nothing came out of {from}")];
    }
    let mut failures = Vec::new();
    for (number, mut condition) in (1..).zip(conditions) {
        let mut said = Vec::new();
        let holds = events().any(|event| match condition.check(&event) {
            Ok(holds) => holds,
            Err(error) => {
                said.push(error.to_string());
                false
            }
        });
        if !holds {
            let said = said.first().map(|error| format!(": {error}")).unwrap_or_default();
            let shown: String = events().take(10).map(|event| format!("\n  {}", shown(&event))).collect();
            failures.push(format!("condition {number} holds for nothing that came out of {from}{said}{shown}"));
        }
    }
    failures
}

fn shown(event: &Event<'_>) -> String {
    let mut line = Vec::new();
    Encoder::Json.encode(event, &mut line);
    String::from_utf8_lossy(&line).trim_end().to_owned()
}
