//! `blackhole`: takes everything and keeps nothing.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use tokio::time::MissedTickBehavior;

use crate::component::{BuildContext, BuildError, ComponentError, Input, Outcome, Sink, SinkConfig, SinkContext};

/// Takes events and keeps none, for finding out how fast the rest is.
///
/// ```toml
/// [sinks.nowhere]
/// type = "blackhole"
/// inputs = ["flows"]
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct BlackholeConfig {
    /// Seconds between lines in the log that say how many came; 0 for none. Default: 0.
    print_interval_secs: u64,
}

impl SinkConfig for BlackholeConfig {
    fn build(&self, context: &BuildContext) -> Result<Box<dyn Sink>, BuildError> {
        Ok(Box::new(Blackhole { id: context.id.clone(), interval: Duration::from_secs(self.print_interval_secs) }))
    }
}

struct Blackhole {
    id: String,
    interval: Duration,
}

#[async_trait]
impl Sink for Blackhole {
    async fn run(self: Box<Self>, mut input: Input, _: SinkContext) -> Result<(), ComponentError> {
        let mut ticks = tokio::time::interval(self.interval.max(Duration::from_secs(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        let mut events = 0_u64;
        loop {
            tokio::select! {
                batch = input.recv() => match batch {
                    Some(batch) => {
                        events += batch.len() as u64;
                        batch.acknowledge(Outcome::Delivered);
                    }
                    None => return Ok(()),
                },
                _ = ticks.tick(), if !self.interval.is_zero() => {
                    tracing::info!(component_id = self.id, events, "collected");
                }
            }
        }
    }
}
