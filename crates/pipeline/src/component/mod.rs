//! What components are, and what moves between them.
//!
//! ```text
//! Source ──> Batch ──> Transform ──> Batch ──> Sink ──> Acknowledgement ──> Source
//! ```
//!
//! - What moves is a [`Batch`]: events that share the buffers they were decoded into, with one [`Acknowledgement`].
//! - A [`Source`] makes batches, a [`Transform`] changes their events, a [`Sink`] takes them and answers for them.
//! - What is configured is apart from what runs: a config type ([`SourceConfig`], [`TransformConfig`], [`SinkConfig`]) is
//!   what serde reads, and builds the component. A [`Registry`] knows the config types by name.

mod ack;
mod batch;
mod built_in;
mod error;
mod event;
mod health;
mod input;
mod output;
mod pool;
mod registry;
mod sink;
mod source;
mod transform;
mod value;
mod watch;

pub use ack::{Acknowledgement, Outcome};
#[cfg(feature = "codecs")]
pub(crate) use batch::Lines;
pub use batch::{Batch, BatchBuilder, Fate, Origin};
pub(crate) use built_in::BuiltIn;
pub use error::{BuildError, ComponentError, Problem};
#[cfg(feature = "codecs")]
pub(crate) use event::{CAUSE, flow_value, value_ref};
pub use event::{Changes, Event, ValueRef};
pub use health::Healthcheck;
use health::healthy;
pub use input::Input;
#[cfg(all(test, feature = "sources-aws_kinesis_streams"))]
pub(crate) use input::Receiver;
pub(crate) use input::{Sender, WeakSender, channel};
pub use output::{Closed, Outputs};
pub(crate) use output::{Keeper, Takers, Wires};
pub(crate) use pool::Pool;
pub(crate) use registry::Built;
pub use registry::{Kind, Registry};
pub use sink::{Sink, SinkConfig, SinkContext};
pub(crate) use source::{CutOffs, ShutdownSender};
pub use source::{Shutdown, Source, SourceConfig, SourceContext};
pub use transform::{Emitted, Transform, TransformConfig, Way};
pub use value::Value;
pub use watch::{ShardStatus, StreamStatus, WatchedStream, WatchedStreams};

use std::fmt;
use std::path::{Path, PathBuf};

/// What a component may know when it is built. Building does no I/O: it must be possible to check a configuration where
/// nothing that it names can be reached.
#[derive(Clone)]
#[non_exhaustive]
pub struct BuildContext {
    /// The component's name in the configuration.
    pub id: String,
    /// Where the pipeline may keep what it must remember, if it was told.
    pub data_dir: Option<PathBuf>,
    /// What its [healthcheck](Sink::healthcheck) is to ask, if it was told: the key `healthcheck.uri` of sinks, with all secrets.
    pub healthcheck_uri: Option<String>,
}

/// There may be secrets in the URI.
impl fmt::Debug for BuildContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut context = f.debug_struct("BuildContext");
        context.field("id", &self.id).field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}

impl BuildContext {
    /// A context for building a component by hand, as tests do.
    pub fn new(id: impl Into<String>, data_dir: Option<&Path>) -> Self {
        BuildContext { id: id.into(), data_dir: data_dir.map(Path::to_owned), healthcheck_uri: None }
    }
}
