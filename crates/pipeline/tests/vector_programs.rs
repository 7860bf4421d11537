//! Programs and conditions as Vector's documentation and its users write them, unchanged: `vector_programs/NAME.toml` holds a
//! transform called `program`, and `NAME.txt` what becomes of the lines in `lines.log`, an event a line.
//!
//! The same is asked of VRL alone, which is given all of each event: that transforms are given what a program names, and no more,
//! must not show. `UPDATE_EXPECTED=1` writes what comes out now.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kinesis_logs_pipeline::component::{
    BuildContext, BuildError, ComponentError, Event, Input, Outcome, Sink, SinkConfig, SinkContext, Value,
};
use kinesis_logs_pipeline::config::ConfigFile;
use kinesis_logs_pipeline::{Pipeline, built_in};
use serde::Deserialize;
use vrl::compiler::runtime::{Runtime, Terminate};
use vrl::compiler::{TargetValue, TimeZone};
use vrl::value::{ObjectMap, Secrets, Value as VrlValue};

/// What sinks were given, by their names.
static TAKEN: LazyLock<Mutex<BTreeMap<String, Vec<Materialised>>>> = LazyLock::new(Mutex::default);

/// All of an event: its members, and its metadata.
#[derive(Debug, Clone, PartialEq)]
struct Materialised {
    members: VrlValue,
    metadata: VrlValue,
}

impl Materialised {
    fn of(event: &Event<'_>) -> Self {
        let mut names: Vec<String> = event.members().into_iter().map(|(name, _)| name.into_owned()).collect();
        if event.changes().is_none() {
            names.extend(["message", "timestamp", "extracted_fields"].map(str::to_owned));
        } else {
            // What was not taken out, and stands in no column.
            names.extend(["message", "timestamp"].map(str::to_owned));
        }
        let member = |name: String| event.get(&name).map(|value| (name.into(), vrl_value(value.into_value())));
        let members = ObjectMap::from_iter(names.into_iter().filter_map(member));
        let mut metadata = ObjectMap::new();
        for [outer, inner] in Event::METADATA {
            if let Some(value) = event.get(&format!("%{outer}.{inner}")) {
                let object = metadata.entry(outer.into()).or_insert_with(|| VrlValue::Object(ObjectMap::new()));
                let VrlValue::Object(object) = object else { unreachable!("it was made an object") };
                object.insert(inner.into(), vrl_value(value.into_value()));
            }
        }
        Materialised { members: VrlValue::Object(members), metadata: VrlValue::Object(metadata) }
    }
}

fn vrl_value(value: Value) -> VrlValue {
    match value {
        Value::Null => VrlValue::Null,
        Value::Boolean(boolean) => VrlValue::Boolean(boolean),
        Value::Integer(number) => VrlValue::Integer(number),
        Value::Float(number) => VrlValue::from_f64_or_zero(number),
        Value::Text(text) => VrlValue::from(text),
        Value::Timestamp(time) => {
            let nanoseconds = i64::try_from(time.as_nanosecond()).unwrap();
            VrlValue::Timestamp(chrono::DateTime::from_timestamp_nanos(nanoseconds))
        }
        Value::Array(values) => VrlValue::Array(values.into_iter().map(vrl_value).collect()),
        Value::Object(members) => {
            VrlValue::Object(members.into_iter().map(|(name, value)| (name.into(), vrl_value(value))).collect())
        }
        other => panic!("no such value is known: {other:?}"),
    }
}

/// Keeps all of every event.
#[derive(Debug, Clone, Deserialize)]
struct Keep {}

impl SinkConfig for Keep {
    fn build(&self, context: &BuildContext) -> Result<Box<dyn Sink>, BuildError> {
        Ok(Box::new(KeepSink(context.id.clone())))
    }
}

struct KeepSink(String);

#[async_trait]
impl Sink for KeepSink {
    async fn run(self: Box<Self>, mut input: Input, _: SinkContext) -> Result<(), ComponentError> {
        while let Some(batch) = input.recv().await {
            let events = batch.events().map(|event| Materialised::of(&event));
            TAKEN.lock().unwrap().entry(self.0.clone()).or_default().extend(events);
            batch.acknowledge(Outcome::Delivered);
        }
        Ok(())
    }
}

/// What a transform makes of the lines, and the events as they were before.
async fn run(name: &str, transform: &str, folder: &Path) -> (Vec<Materialised>, Vec<Materialised>) {
    let is_route = transform.contains("type = \"route\"");
    let output = if is_route { "program.web" } else { "program" };
    let toml = format!(
        "[sources.flows]\ntype = 'file'\ninclude = ['{}']\ndecoding = {{ codec = 'lines', flow_log_format = 'default' }}\n\
         {transform}\n\
         [sinks.before_{name}]\ntype = 'keep'\ninputs = ['flows']\n\
         [sinks.after_{name}]\ntype = 'keep'\ninputs = ['{output}']\n",
        folder.join("lines.log").display()
    );
    let registry = built_in().sink::<Keep>("keep");
    let pipeline = Pipeline::build(vec![ConfigFile::new(name, toml)], &registry);
    let report = pipeline.unwrap_or_else(|error| panic!("{name}:\n{error}"));
    let report = report.run(std::future::pending(), Duration::from_secs(60)).await;
    assert!(report.is_clean(), "{name}: {report:?}");
    let mut taken = TAKEN.lock().unwrap();
    let mut of = |when: &str| taken.remove(&format!("{when}_{name}")).unwrap_or_default();
    (of("before"), of("after"))
}

/// The program as it stands in the file.
fn source(transform: &str) -> String {
    let table: toml::Table = transform.parse().unwrap();
    let program = &table["transforms"]["program"];
    let keys = ["source", "condition", "route"].into_iter().find_map(|key| program.get(key)).unwrap();
    let keys = keys.get("source").or(keys.get("web")).unwrap_or(keys);
    keys.as_str().unwrap().to_owned()
}

/// What VRL alone makes of events: of a program the event, and of a condition the event if it holds.
fn plain(transform: &str, before: &[Materialised]) -> Vec<VrlValue> {
    let compiled = vrl::compiler::compile(&source(transform), &vrl::stdlib::all()).unwrap();
    let is_program = transform.contains("type = \"remap\"");
    let drops_errors = transform.contains("drop_on_error = true");
    let mut after = Vec::new();
    for event in before {
        let mut target =
            TargetValue { value: event.members.clone(), metadata: event.metadata.clone(), secrets: Secrets::default() };
        let result = Runtime::default().resolve(&mut target, &compiled.program, &TimeZone::default());
        match (result, is_program) {
            (Ok(_), true) => match target.value {
                VrlValue::Array(several) => after.extend(several),
                one => after.push(one),
            },
            (Ok(VrlValue::Boolean(true)), false) => after.push(event.members.clone()),
            (Ok(_) | Err(_), false) | (Err(Terminate::Abort(_)), true) => {}
            (Err(_), true) => after.extend((!drops_errors).then(|| event.members.clone())),
        }
    }
    after
}

#[tokio::test]
async fn programs_as_vector_has_them_do_the_same_here_and_with_vrl_alone() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vector_programs");
    let mut configs: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    configs.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    configs.sort();
    assert!(configs.len() >= 12, "{configs:?}");
    let mut wrong = Vec::new();
    for config in configs {
        let name = config.file_stem().unwrap().to_str().unwrap();
        let transform = std::fs::read_to_string(&config).unwrap();
        let (before, after) = run(name, &transform, &folder).await;
        assert_eq!(before.len(), 5, "{name}: every line is an event");
        let after: Vec<VrlValue> = after.into_iter().map(|event| event.members).collect();
        let plain = plain(&transform, &before);
        assert_eq!(after, plain, "{name}: here, and with VRL alone");
        let lines: String = after.iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect();
        let expected = config.with_extension("txt");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&expected, &lines).unwrap();
        }
        if std::fs::read_to_string(&expected).unwrap_or_default() != lines {
            wrong.push(format!("{name} gives\n{lines}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
