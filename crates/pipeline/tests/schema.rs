//! What is said of configurations, held against what is read: every valid one is valid by the schema, what has unknown keys or
//! wrong types is not, and the reference is what the types say now.
//!
//! `UPDATE_EXPECTED=1` writes `docs/reference.md`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use kinesis_logs_pipeline::component::{
    BuildContext, BuildError, ComponentError, Input, Kind, Problem, Registry, Sink, SinkConfig, SinkContext,
};
use kinesis_logs_pipeline::config::ConfigFile;
use kinesis_logs_pipeline::schema::{generate, json_schema, reference};
use kinesis_logs_pipeline::{Pipeline, built_in};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

const KINDS: [Kind; 3] = [Kind::Source, Kind::Transform, Kind::Sink];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn validator(registry: &Registry) -> Validator {
    jsonschema::draft7::new(&json_schema(registry)).unwrap()
}

/// All that a validator finds wrong with some TOML.
fn wrong(validator: &Validator, toml: &str) -> Vec<String> {
    let value: Value = toml::from_str(toml).unwrap();
    validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// The TOML files in a folder, with their names.
fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let is_config = |path: &PathBuf| path.extension().is_some_and(|of| of == "toml") && !path.ends_with("Cargo.toml");
    entries.filter(is_config).map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// The schema of each type that the built-in registry has.
fn described() -> Vec<(Kind, &'static str, Value)> {
    let schema = json_schema(&built_in());
    let mut all = Vec::new();
    for kind in KINDS {
        let types = schema["properties"][kind.table()]["additionalProperties"]["oneOf"].as_array().unwrap();
        for name in built_in().names(kind) {
            let of_it = types.iter().find(|of| of["properties"]["type"]["const"] == name);
            all.push((kind, name, of_it.unwrap_or_else(|| panic!("{kind} {name} is not in the schema")).clone()));
        }
    }
    assert!(all.len() >= 13, "{} types", all.len());
    all
}

/// The TOML in a doc comment.
fn example(description: &str) -> Option<&str> {
    description.split_once("```toml\n")?.1.split_once("```").map(|(toml, _)| toml)
}

#[test]
fn valid_configurations_are_valid_by_the_schema() {
    let validator = validator(&built_in());
    let mut all = files("examples");
    all.extend(files("tests/vector"));
    all.extend(files("crates/pipeline/tests/behaviour"));
    assert!(all.len() >= 18, "{} files", all.len());
    for (path, toml) in all {
        assert_eq!(wrong(&validator, &toml), [""; 0], "{}", path.display());
    }
}

#[test]
fn unknown_keys_and_wrong_types_are_wrong_by_the_schema() {
    let validator = validator(&built_in());
    let about = [
        "unknown key",
        "unknown value",
        "error: expected ",
        "is missing",
        "no type",
        "no inputs",
        "no name for a component",
    ];
    let mut found = 0;
    for (path, toml) in files("crates/pipeline/tests/mistakes") {
        let said = std::fs::read_to_string(path.with_extension("txt")).unwrap();
        // A schema knows nothing of the environment.
        let is_of_something_else = said.contains("invalid TOML") || said.contains("${");
        if !about.iter().any(|about| said.contains(about)) || is_of_something_else {
            continue;
        }
        assert!(!wrong(&validator, &toml).is_empty(), "{} is valid by the schema, and {said}", path.display());
        found += 1;
    }
    assert!(found >= 15, "{found} mistakes that a schema can tell");
}

#[test]
fn variables_stand_where_values_of_any_type_do() {
    let validator = validator(&built_in());
    let config = |count: &str, target: &str, kind: &str| {
        format!(
            "[sources.a]\ntype = \"demo_logs\"\ncount = {count}\n[sinks.b]\ntype = {kind}\ninputs = [\"a\"]\n\
             target = {target}\nencoding.codec = \"json\"\nacknowledgements.enabled = \"${{YES}}\""
        )
    };
    for (count, target, kind) in [
        ("1", "\"stderr\"", "\"console\""),
        ("\"${COUNT}\"", "\"std${STREAM:-out}\"", "\"console\""),
        ("1", "\"stderr\"", "\"${SINK:?which}\""),
    ] {
        assert_eq!(wrong(&validator, &config(count, target, kind)), [""; 0], "{count} {target} {kind}");
    }
    for (count, target, kind) in [
        ("\"1\"", "\"stderr\"", "\"console\""),
        ("\"${count}\"", "\"stderr\"", "\"console\""),
        ("1", "\"$STREAM\"", "\"console\""),
        ("1", "\"stderr\"", "\"consol\""),
    ] {
        assert!(!wrong(&validator, &config(count, target, kind)).is_empty(), "{count} {target} {kind}");
    }
}

#[test]
fn every_type_and_every_key_of_it_is_described() {
    fn undescribed(schema: &Value, path: &str, found: &mut Vec<String>) {
        for (name, inside) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            if inside["description"].as_str().is_none_or(str::is_empty) {
                found.push(path.clone());
            }
            undescribed(inside, &path, found);
            undescribed(&inside["items"], &format!("{path}[]"), found);
        }
    }
    let mut found = Vec::new();
    undescribed(&json_schema(&built_in()), "", &mut found);
    for (kind, name, schema) in described() {
        let path = format!("{} {name}", kind.table());
        match schema["description"].as_str() {
            None => found.push(format!("{path}: its config type has no doc comment")),
            Some(text) if example(text).is_none() => found.push(format!("{path}: its doc comment has no example")),
            Some(_) => {}
        }
        undescribed(&schema, &path, &mut found);
        assert_eq!(schema["additionalProperties"], json!(false), "{path}: unknown keys of it are mistakes");
    }
    assert!(found.is_empty(), "without a doc comment are: {found:#?}");
}

#[test]
fn examples_are_read_and_are_valid_by_the_schema() {
    let validator = validator(&built_in());
    for (kind, name, schema) in described() {
        let example = example(schema["description"].as_str().unwrap()).unwrap();
        let mut whole = String::from("data_dir = \"/nowhere\"\n");
        if kind != Kind::Source {
            whole += "[sources.flows]\ntype = \"demo_logs\"\n";
        }
        whole += example;
        if kind != Kind::Sink {
            whole += "[sinks.nowhere]\ntype = \"blackhole\"\ninputs = [\"*\"]\n";
        }
        assert!(example.contains(&format!("[{}.", kind.table())) && example.contains(&format!("type = \"{name}\"")));
        if let Err(error) = Pipeline::build(vec![ConfigFile::new(name, &whole)], &built_in()) {
            panic!("{error}");
        }
        assert_eq!(wrong(&validator, &whole), [""; 0], "{whole}");
    }
}

#[test]
fn the_default_in_words_is_that_of_the_type() {
    fn check(schema: &Value, path: &str, compared: &mut usize) {
        for (name, inside) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            let words = inside["description"].as_str().and_then(|text| Some(text.rsplit_once("Default: ")?.1));
            let default = &inside["default"];
            let is_empty = [json!(""), json!([]), json!({})].contains(default);
            if let Some(words) = words.filter(|_| !default.is_null() && !is_empty) {
                let words = words.trim_end_matches('.').trim_matches('`');
                let is_same = default.as_str() == Some(words)
                    || default.as_f64().is_some_and(|number| words.parse() == Ok(number))
                    || default.as_bool().is_some_and(|boolean| words.parse() == Ok(boolean));
                assert!(is_same, "{path} says {words}, and is {default}");
                *compared += 1;
            }
            check(inside, &path, compared);
        }
    }
    let mut compared = 0;
    check(&json_schema(&built_in()), "", &mut compared);
    described().iter().for_each(|(_, name, schema)| check(schema, name, &mut compared));
    assert!(compared >= 20, "{compared} defaults");
}

#[test]
fn the_reference_is_what_the_types_say() {
    let path = root().join("docs/reference.md");
    let page = reference(&built_in());
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/reference.md is not what the types say: UPDATE_EXPECTED=1 writes it anew");
}

#[test]
fn what_is_generated_is_valid() {
    let validator = validator(&built_in());
    for source in built_in().names(Kind::Source) {
        for transform in built_in().names(Kind::Transform) {
            for sink in built_in().names(Kind::Sink) {
                let expression = format!("{source}/{transform},{transform}/{sink},{sink}");
                let toml = generate(&built_in(), &expression).unwrap();
                if let Err(error) = Pipeline::build(vec![ConfigFile::new(&expression, &toml)], &built_in()) {
                    panic!("{error}");
                }
                assert_eq!(wrong(&validator, &toml), [""; 0], "{toml}");
            }
        }
    }
}

#[test]
fn what_stands_in_comments_is_valid_without_their_sign() {
    let validator = validator(&built_in());
    let all = KINDS.map(|kind| built_in().names(kind).collect::<Vec<_>>().join(",")).join("/");
    let toml = generate(&built_in(), &all).unwrap();
    let is_value = |line: &str| !line.starts_with("# ") && !line.ends_with(" = ...");
    let values = toml.lines().filter(|line| line.starts_with('#') && is_value(line)).count();
    assert!(values >= 40, "{values} values in comments");
    let set: Vec<&str> =
        toml.lines().map(|line| if is_value(line) { line.trim_start_matches('#') } else { line }).collect();
    if let Err(error) = Pipeline::build(vec![ConfigFile::new("all", set.join("\n"))], &built_in()) {
        panic!("{error}");
    }
    assert_eq!(wrong(&validator, &set.join("\n")), [""; 0]);
}

#[test]
fn what_cannot_be_generated_says_what_there_is() {
    for (expression, message, hint) in [
        ("demo_log//console", "there is no type of sources \"demo_log\"", "did you mean \"demo_logs\"? known are"),
        ("console", "there is no type of sources \"console\"", "known are"),
        ("demo_logs/filter/console/file", "more than three parts", "sources/transforms/sinks"),
        ("//", "no types are named", "sources/transforms/sinks"),
        ("a:demo_logs//a:console", "two components are called \"a\"", "each ID"),
    ] {
        let error = generate(&built_in(), expression).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
        assert!(error.hint().contains(hint), "{}", error.hint());
    }
}

/// Rings a bell for each event.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct BellConfig {
    /// How often.
    times: u8,
    /// Which bells, from the inside out.
    #[serde(default)]
    bells: Vec<BellConfig>,
}

/// One without a schema.
#[derive(Debug, Clone, Deserialize)]
struct GongConfig {}

struct Silent;

impl SinkConfig for BellConfig {
    fn build(&self, _: &BuildContext) -> Result<Box<dyn Sink>, BuildError> {
        let all = self.bells.iter().map(|bell| bell.times).fold(self.times, u8::saturating_add);
        if all == 0 {
            return Err(Problem::new("no bell rings").into());
        }
        Ok(Box::new(Silent))
    }
}

impl SinkConfig for GongConfig {
    fn build(&self, _: &BuildContext) -> Result<Box<dyn Sink>, BuildError> {
        Ok(Box::new(Silent))
    }
}

#[async_trait::async_trait]
impl Sink for Silent {
    async fn run(self: Box<Self>, _: Input, _: SinkContext) -> Result<(), ComponentError> {
        Ok(())
    }
}

#[test]
fn components_of_ones_own_stand_beside_those_that_are_built_in() {
    let registry = built_in().sink_with_schema::<BellConfig>("bell").sink::<GongConfig>("gong");
    let validator = validator(&registry);
    let of = |keys: &str| wrong(&validator, &format!("[sinks.out]\ninputs = [\"flows\"]\n{keys}"));
    assert_eq!(of("type = \"bell\"\ntimes = 3\nbells = [{ times = 1 }]\nbuffer.max_events = 10"), [""; 0]);
    assert!(!of("type = \"bell\"\ntimes = 3\ntime = 3").is_empty());
    assert!(!of("type = \"bell\"\ntimes = 3\nbells = [{ times = 1, bell = 1 }]").is_empty());
    assert!(!of("type = \"bell\"").is_empty());
    assert_eq!(of("type = \"gong\"\nwhatever = 1"), [""; 0], "its keys are not known");
    let page = reference(&registry);
    assert!(
        page.contains("### Sink `bell`\n\nRings a bell for each event.\n") && page.contains("| `times` | integer |")
    );
    assert!(page.contains("### Sink `gong`\n"), "{page}");
    let toml = generate(&registry, "demo_logs//bell").unwrap();
    assert!(toml.contains("\n# How often.\ntimes = ...\n"), "what has no example is for the reader to set: {toml}");
    // A type that takes another's name takes nothing of its keys.
    let replaced = built_in().sink::<GongConfig>("console");
    assert!(!reference(&replaced).contains("Writes events to standard output"));
}
