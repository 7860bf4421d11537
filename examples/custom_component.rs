//! A transform and a sink of one's own in a pipeline that is described in TOML:
//! `cargo run --example custom_component`.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use kinesis_logs_pipeline::component::{
    Batch, BuildContext, BuildError, ComponentError, Emitted, Input, Outcome, Problem, Sink, SinkConfig, SinkContext,
    Transform, TransformConfig, ValueRef,
};
use kinesis_logs_pipeline::config::ConfigFile;
use kinesis_logs_pipeline::{Pipeline, built_in};
use serde::Deserialize;

const PIPELINE: &str = r#"
[sources.flows]
type = "demo_logs"
count = 10000
interval = 0.0

[transforms.services]
type = "service_names"
inputs = ["flows"]
services = { https = 443, http = 80, ssh = 22, dns = 53 }

[sinks.totals]
type = "count_by"
inputs = ["services"]
field = "service"
"#;

/// Adds the name of the service that a flow goes to. Serde reads it from the TOML; it builds what runs.
#[derive(Debug, Clone, Deserialize)]
struct ServiceNames {
    services: BTreeMap<String, i64>,
}

impl TransformConfig for ServiceNames {
    fn build(&self, _: &BuildContext) -> Result<Box<dyn Transform>, BuildError> {
        if self.services.is_empty() {
            return Err(Problem::new("no services are named").key("services").into());
        }
        Ok(Box::new(self.clone()))
    }
}

impl Transform for ServiceNames {
    fn transform(&mut self, mut batch: Batch, emitted: &mut Emitted) -> Result<(), ComponentError> {
        batch.update(|event, changes| {
            let Some(ValueRef::Integer(port)) = event.get("dstport") else { return };
            if let Some((name, _)) = self.services.iter().find(|(_, known)| **known == port) {
                changes.set("service", name.as_str());
            }
        });
        emitted.push(batch);
        Ok(())
    }
}

/// Counts events by a field, and prints the counts when there are no more.
#[derive(Debug, Clone, Deserialize)]
struct CountBy {
    field: String,
}

impl SinkConfig for CountBy {
    fn build(&self, _: &BuildContext) -> Result<Box<dyn Sink>, BuildError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Sink for CountBy {
    async fn run(self: Box<Self>, mut input: Input, _: SinkContext) -> Result<(), ComponentError> {
        let mut counts = BTreeMap::new();
        while let Some(batch) = input.recv().await {
            for event in batch.events() {
                let value = event.get(&self.field).map(ValueRef::into_value);
                *counts.entry(value.map_or("other".to_owned(), |value| format!("{value:?}"))).or_insert(0) += 1;
            }
            batch.acknowledge(Outcome::Delivered); // in memory, which is all this sink promises
        }
        counts.iter().for_each(|(value, count)| println!("{count:>6} {value}"));
        Ok(())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let registry = built_in().transform::<ServiceNames>("service_names").sink::<CountBy>("count_by");
    let pipeline = Pipeline::build(vec![ConfigFile::new("pipeline.toml", PIPELINE)], &registry)?;
    let interrupted = std::future::pending(); // a service would wait for a signal here
    let report = pipeline.run(interrupted, Duration::from_secs(10)).await;
    anyhow::ensure!(report.is_clean(), "{report:?}");
    Ok(())
}
