//! From decoded Kinesis log records to where they are wanted: sources, transforms and sinks, wired together by a TOML file.
//!
//! A [`Pipeline`] is built from a configuration, and runs to its end; its [`Metrics`] tell how it stands meanwhile,
//! and a [`Reloader`] gives it another configuration, of which it replaces what differs.
//!
//! # Features
//!
//! Without any, the crate is the component model and what runs it: [`component`], [`config`] and [`Pipeline`].
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `rows` | yes | [`rows`]: TSV, CSV, NDJSON and raw lines, as the command writes them |
//! | `captured` | no | [`captured`]: records in files |
//! | `quarantine` | no | what nobody takes is kept below `data_dir`; comes with every source and sink |
//! | `sources-demo_logs` | no | the source `demo_logs` |
//! | `sources-file` | no | the source `file` |
//! | `sources-stdin` | no | the source `stdin` |
//! | `sinks-blackhole` | no | the sink `blackhole` |
//! | `sinks-console` | no | the sink `console` |
//! | `sinks-file` | no | the sink `file` |
//! | `light` | no | all of these, which take little time to build |
//! | `sinks-http` | no | the sink `http`; brings an HTTP client and TLS |
//! | `sources-aws_kinesis_streams` | no | the source `aws_kinesis_streams`; brings the AWS SDK |
//! | `dynamodb` | no | its checkpoints in DynamoDB; brings another SDK |
//! | `sinks-aws_kinesis_streams` | no | the sink `aws_kinesis_streams`; brings the AWS SDK |
//! | `api` | no | the HTTP server that `[api]` in a configuration asks for: health, metrics, components, shards |
//! | `schema` | no | [`schema`]: what configurations may hold, as a JSON Schema, a page of Markdown, and something to begin with |
//! | `zstd` | no | `compression = "zstd"` in sinks; brings Zstandard's C library |
//! | `transforms` | no | the transforms `dedupe`, `filter`, `remap`, `route`, `sample` and `throttle`; brings the compiler of VRL |

#![forbid(unsafe_code)]
#![cfg_attr(
    not(all(feature = "sources", feature = "transforms", feature = "sinks")),
    allow(
        dead_code,
        unused_imports,
        reason = "which components there are is chosen by features, and what they share with them"
    )
)]

#[cfg(feature = "api")]
mod api;
#[cfg(feature = "aws")]
mod aws;
mod build;
#[cfg(feature = "captured")]
pub mod captured;
#[cfg(feature = "codecs")]
mod codecs;
pub mod component;
#[cfg(feature = "quarantine")]
mod compression;
pub mod config;
mod diagram;
#[cfg(feature = "quarantine")]
mod durable_file;
#[cfg(feature = "quarantine")]
mod file_system;
mod folders;
mod graph;
mod health;
mod in_order;
#[cfg(feature = "quarantine")]
mod quarantine;
#[cfg(feature = "rows")]
pub mod rows;
mod run;
#[cfg(feature = "schema")]
pub mod schema;
#[cfg(feature = "sinks")]
mod sinks;
#[cfg(feature = "sources")]
mod sources;
#[cfg(feature = "transforms")]
mod transforms;
#[cfg(feature = "transforms")]
mod unit_tests;

pub use diagram::Diagram;
pub use health::{Healthchecks, Unhealthy};
pub use run::{
    Buffer, ComponentMetrics, ComponentReport, ComponentState, Events, Failure, Metrics, Pipeline, ReloadError,
    Reloaded, Reloader, Report, Snapshot,
};
#[cfg(feature = "transforms")]
pub use unit_tests::{TestResult, run_tests};

/// A registry of all components that this crate was built with.
pub fn built_in() -> component::Registry {
    let registry = component::BuiltIn::default();
    #[cfg(feature = "sources-aws_kinesis_streams")]
    let registry = registry.source::<sources::aws_kinesis_streams::AwsKinesisStreamsConfig>("aws_kinesis_streams");
    #[cfg(feature = "sources-demo_logs")]
    let registry = registry.source::<sources::demo_logs::DemoLogsConfig>("demo_logs");
    #[cfg(feature = "sources-file")]
    let registry = registry.source::<sources::file::FileConfig>("file");
    #[cfg(feature = "sources-stdin")]
    let registry = registry.source::<sources::stdin::StdinConfig>("stdin");
    #[cfg(feature = "transforms")]
    let registry = registry
        .transform::<transforms::dedupe::DedupeConfig>("dedupe")
        .transform::<transforms::filter::FilterConfig>("filter")
        .transform::<transforms::remap::RemapConfig>("remap")
        .transform::<transforms::route::RouteConfig>("route")
        .transform::<transforms::sample::SampleConfig>("sample")
        .transform::<transforms::throttle::ThrottleConfig>("throttle");
    #[cfg(feature = "sinks-aws_kinesis_streams")]
    let registry = registry.sink::<sinks::aws_kinesis_streams::AwsKinesisStreamsConfig>("aws_kinesis_streams");
    #[cfg(feature = "sinks-blackhole")]
    let registry = registry.sink::<sinks::blackhole::BlackholeConfig>("blackhole");
    #[cfg(feature = "sinks-console")]
    let registry = registry.sink::<sinks::console::ConsoleConfig>("console");
    #[cfg(feature = "sinks-file")]
    let registry = registry.sink::<sinks::file::FileConfig>("file");
    #[cfg(feature = "sinks-http")]
    let registry = registry.sink::<sinks::http::HttpConfig>("http");
    registry.into_registry()
}
