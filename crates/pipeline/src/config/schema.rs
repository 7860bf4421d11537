//! What a configuration holds beside what the types of its components do, for their schema alone: reading goes by the tree.

use std::path::PathBuf;

use schemars::JsonSchema;

use super::api::Api;
use super::components::{Acknowledgements, Buffer, QuarantineConfig};
use super::healthcheck::Healthcheck;

/// The keys at the top, but for the tables of components.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "nothing but its schema is asked for")]
pub(crate) struct Top {
    /// The folder in which the pipeline keeps what it must remember: checkpoints, and the quarantine. It is made where it is
    /// needed.
    data_dir: Option<PathBuf>,
    /// An HTTP server that tells how the running pipeline stands.
    api: Option<Api>,
    /// What is done with what cannot be decoded, is rejected or dropped, and nobody takes.
    quarantine: Option<QuarantineConfig>,
    /// Tests of transforms, which the command `test` runs.
    #[cfg(feature = "transforms")]
    tests: Option<Vec<crate::unit_tests::TestConfig>>,
    /// Tests of transforms, which this program was built without.
    #[cfg(not(feature = "transforms"))]
    tests: Option<Vec<serde_json::Value>>,
}

/// What all transforms have in common.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "nothing but its schema is asked for")]
pub(crate) struct TransformKeys {
    /// The IDs of what it takes events from, or `<id>.<output>`; `*` in them stands for anything.
    #[schemars(length(min = 1))]
    inputs: Vec<String>,
}

/// What all sinks have in common.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "nothing but its schema is asked for")]
pub(crate) struct SinkKeys {
    /// The IDs of what it takes events from, or `<id>.<output>`; `*` in them stands for anything.
    #[schemars(length(min = 1))]
    inputs: Vec<String>,
    /// What may wait in front of it. When it is full, what lies before it waits, and at last the shard.
    buffer: Option<Buffer>,
    /// Whether its sources wait for it, which cannot be turned off.
    acknowledgements: Option<Acknowledgements>,
    /// Whether `validate`, and `run` at its start, ask if it can do its work: `false`, or a table. Default: `true`.
    healthcheck: Option<Healthcheck>,
}
