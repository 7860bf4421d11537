//! `console`: standard output, or standard error.

use std::io::{self, Write};

use async_trait::async_trait;
use serde::Deserialize;

use crate::codecs::{Encoder, EncodingConfig};
use crate::component::{BuildContext, BuildError, ComponentError, Input, Outcome, Sink, SinkConfig, SinkContext};

/// Writes events to standard output or standard error, a line each.
///
/// ```toml
/// [sinks.screen]
/// type = "console"
/// inputs = ["flows"]
/// encoding.codec = "json"
/// ```
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct ConsoleConfig {
    /// Where to. Default: `stdout`.
    #[serde(default)]
    target: Target,
    /// How events are written.
    encoding: EncodingConfig,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
enum Target {
    /// Standard output.
    #[default]
    Stdout,
    /// Standard error.
    Stderr,
}

impl SinkConfig for ConsoleConfig {
    fn build(&self, _: &BuildContext) -> Result<Box<dyn Sink>, BuildError> {
        Ok(Box::new(Console { target: self.target, encoder: self.encoding.build()? }))
    }
}

struct Console {
    target: Target,
    encoder: Encoder,
}

#[async_trait]
impl Sink for Console {
    async fn run(self: Box<Self>, mut input: Input, _: SinkContext) -> Result<(), ComponentError> {
        let mut lines = Vec::new();
        while let Some(batch) = input.recv().await {
            lines.clear();
            batch.for_each(|event| self.encoder.encode(event, &mut lines));
            // Whoever reads may do so slowly, or not at all.
            let target = self.target;
            let written = tokio::task::spawn_blocking(move || write(target, &lines).map(|()| lines)).await;
            lines = match written {
                Ok(Ok(lines)) => lines,
                Ok(Err(error)) => return Err(ComponentError::new("cannot write to the console").caused_by(error)),
                Err(error) => return Err(ComponentError::new("writing ended").caused_by(error)),
            };
            batch.acknowledge(Outcome::Delivered);
        }
        Ok(())
    }
}

fn write(target: Target, lines: &[u8]) -> io::Result<()> {
    match target {
        Target::Stdout => {
            let mut stdout = io::stdout().lock();
            stdout.write_all(lines)?;
            stdout.flush()
        }
        Target::Stderr => io::stderr().lock().write_all(lines),
    }
}
