//! Pipelines that TOML files describe.

mod files;
mod generate;
mod health;
#[cfg(unix)]
mod reload;
mod run;
mod test;

use std::process::ExitCode;

use anyhow::Context;
use kinesis_logs_pipeline::component::Kind;
use kinesis_logs_pipeline::{Diagram, Pipeline, built_in};

use crate::args::{DiagramFormat, FilesArgs, GraphArgs, ValidateArgs};
use crate::failure::Failure;
use files::{read_files, shown};
use health::Looks;

pub(crate) use generate::{generate, generate_schema};
pub(crate) use run::run;
pub(crate) use test::test;

pub(crate) fn validate(args: ValidateArgs) -> Result<ExitCode, Failure> {
    let pipeline = build(&args.files)?;
    if !args.no_environment {
        let looks = if args.skip_healthchecks { Looks::Folders } else { Looks::All };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.context("cannot start the runtime")?;
        let unhealthy = runtime.block_on(health::look(&pipeline, looks));
        // What does not answer is not waited for.
        runtime.shutdown_background();
        health::required(&unhealthy)?;
    }
    let [sources, transforms, sinks] = pipeline.len_by_kind();
    println!("valid: {sources} sources, {transforms} transforms, {sinks} sinks");
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn graph(args: GraphArgs) -> Result<ExitCode, Failure> {
    let diagram = Diagram::of(read_files(&args.files)?, &built_in()).map_err(shown)?;
    print!(
        "{}",
        match args.format {
            DiagramFormat::Mermaid => diagram.mermaid(),
            DiagramFormat::Dot => diagram.dot(),
        }
    );
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn list() -> ExitCode {
    let registry = built_in();
    for (index, kind) in [Kind::Source, Kind::Transform, Kind::Sink].into_iter().enumerate() {
        let separator = if index > 0 { "\n" } else { "" };
        println!("{separator}{}:", kind.table());
        registry.names(kind).for_each(|name| println!("  {name}"));
    }
    ExitCode::SUCCESS
}

fn build(files: &FilesArgs) -> Result<Pipeline, Failure> {
    Pipeline::build(read_files(files)?, &built_in()).map_err(shown)
}
