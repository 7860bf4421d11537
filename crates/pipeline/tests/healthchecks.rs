//! What a pipeline finds of what it needs, before it runs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use kinesis_logs_pipeline::component::{
    BuildContext, BuildError, ComponentError, Healthcheck, Input, Kind, Sink, SinkConfig, SinkContext,
};
use kinesis_logs_pipeline::config::ConfigFile;
use kinesis_logs_pipeline::{Pipeline, built_in};
use serde::Deserialize;

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("healthchecks-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("file"), "").unwrap();
    folder
}

/// A sink that is never well.
#[derive(Debug, Clone, Deserialize)]
struct Unwell {}

impl SinkConfig for Unwell {
    fn build(&self, context: &BuildContext) -> Result<Box<dyn Sink>, BuildError> {
        Ok(Box::new(UnwellSink(context.healthcheck_uri.clone())))
    }

    fn asks_a_uri(&self) -> bool {
        true
    }
}

struct UnwellSink(Option<String>);

#[async_trait]
impl Sink for UnwellSink {
    async fn run(self: Box<Self>, _: Input, _: SinkContext) -> Result<(), ComponentError> {
        unreachable!("it is asked alone")
    }

    fn healthcheck(&self) -> Healthcheck {
        let uri = self.0.clone();
        Box::pin(async move { Err(ComponentError::new(format!("asked {uri:?}")).with_hint("take something")) })
    }
}

fn build(toml: &str) -> Pipeline {
    let registry = built_in().sink::<Unwell>("unwell");
    Pipeline::build(vec![ConfigFile::new("test", toml)], &registry).unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn components_are_asked_unless_they_are_not_to_be() {
    let pipeline = build(
        r#"
        sources.logs = { type = "demo_logs", count = 1 }
        sinks.bool = { type = "unwell", inputs = ["logs"], healthcheck = true }
        sinks.off = { type = "unwell", inputs = ["logs"], healthcheck = false }
        sinks.disabled = { type = "unwell", inputs = ["logs"], healthcheck.enabled = false, healthcheck.uri = "there" }
        sinks.uri = { type = "unwell", inputs = ["logs"], healthcheck.uri = "there" }
        sinks.nothing = { type = "unwell", inputs = ["logs"] }
        sinks.well = { type = "blackhole", inputs = ["logs"] }
    "#,
    );
    let unhealthy = pipeline.healthchecks().await;
    let told: Vec<String> = unhealthy.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "sink \"bool\" is not healthy: asked None",
            "sink \"uri\" is not healthy: asked Some(\"there\")",
            "sink \"nothing\" is not healthy: asked None",
        ]
    );
    assert_eq!(unhealthy[1].component, Some(("uri".to_owned(), Kind::Sink)));
    assert_eq!(unhealthy[1].error.hint(), Some("take something"));
}

#[tokio::test]
async fn folders_that_cannot_be_used_are_told_and_nothing_is_made() {
    let folder = scratch("folders");
    let (here, file) = (folder.display(), folder.join("file").display().to_string());
    let pipeline = build(&format!(
        r#"
        data_dir = "{file}/data"
        quarantine.path = "{here}/new/quarantine"
        sources.good = {{ type = "file", include = ["{here}/*.log", "{here}/file"] }}
        sources.bad = {{ type = "file", include = ["{here}/*.log", "{here}/missing/*.log"] }}
        sinks.good_sink = {{ type = "file", inputs = ["good", "bad"], path = "{here}/new/%Y/out.log", encoding.codec = "text" }}
        sinks.bad_sink = {{ type = "file", inputs = ["good", "bad"], path = "{file}/%Y/out.log", encoding.codec = "text" }}
    "#
    ));
    let told = |unhealthy: Vec<kinesis_logs_pipeline::Unhealthy>| -> Vec<String> {
        unhealthy.iter().map(ToString::to_string).collect()
    };
    let folders = told(pipeline.check_folders().await);
    assert_eq!(folders.len(), 1, "{folders:?}");
    let expected = format!("data_dir cannot be used: cannot make the folder {file}/data in {file}: ");
    assert!(folders[0].starts_with(&expected), "{folders:?}");
    let components = told(pipeline.healthchecks().await);
    assert_eq!(components.len(), 2, "{components:?}");
    let expected = format!("source \"bad\" is not healthy: cannot read the folder {here}/missing: ");
    assert!(components[0].starts_with(&expected), "{components:?}");
    let expected = format!("sink \"bad_sink\" is not healthy: cannot write to the folder {file}: ");
    assert!(components[1].starts_with(&expected), "{components:?}");
    assert!(!folder.join("new").exists());
}

#[test]
fn what_is_no_healthcheck_is_a_mistake() {
    for (value, expected) in [
        ("\"yes\"", "expected true, false or a table, found a string"),
        ("{ enable = true }", "unknown key \"enable\""),
    ] {
        let toml = format!(
            "sources.logs.type = \"demo_logs\"\n[sinks.out]\ntype = \"blackhole\"\ninputs = [\"logs\"]\nhealthcheck = {value}\n"
        );
        let error = Pipeline::build(vec![ConfigFile::new("test", toml)], &built_in()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
