//! `demo_logs`: flow logs of a subscription that does not exist.

use std::time::Duration;

use async_trait::async_trait;
use kinesis_logs_generator::FlowLogs;
use kinesis_logs_source::Record;
use serde::Deserialize;
use tokio::time::MissedTickBehavior;

use super::pending::Pending;
use crate::codecs::{DecodingAhead, DecodingConfig, RecordDecoder};
use crate::component::{BuildContext, BuildError, ComponentError, Problem, Source, SourceConfig, SourceContext};

/// Makes records as CloudWatch Logs puts them into a stream: gzip, envelope, lines of VPC Flow Logs in the default format,
/// of eight network interfaces. A seed determines all of them.
///
/// ```toml
/// [sources.flows]
/// type = "demo_logs"
/// count = 2000
/// interval = 0.0
/// ```
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct DemoLogsConfig {
    /// How many events to make. Default: without end.
    count: Option<u64>,
    /// Seconds between records; 0 for as fast as they are taken. Default: 1.0.
    interval: f64,
    /// Events in a record. Default: 100.
    events_per_record: usize,
    /// What determines the events. Default: 1.
    seed: u64,
    /// How records are decoded.
    decoding: DecodingConfig,
}

impl Default for DemoLogsConfig {
    fn default() -> Self {
        let decoding = DecodingConfig::default();
        DemoLogsConfig { count: None, interval: 1.0, events_per_record: 100, seed: 1, decoding }
    }
}

impl SourceConfig for DemoLogsConfig {
    fn build(&self, _: &BuildContext) -> Result<Box<dyn Source>, BuildError> {
        if !(1..=10_000).contains(&self.events_per_record) {
            return Err(Problem::new("a record holds 1 to 10,000 events").key("events_per_record").into());
        }
        let interval = Duration::try_from_secs_f64(self.interval)
            .map_err(|_| Problem::new("the interval is a number of seconds, or 0").key("interval"))?;
        let decoder = self.decoding.build()?;
        Ok(Box::new(DemoLogs { config: self.clone(), interval, decoder }))
    }
}

struct DemoLogs {
    config: DemoLogsConfig,
    interval: Duration,
    decoder: RecordDecoder,
}

#[async_trait]
impl Source for DemoLogs {
    async fn run(self: Box<Self>, context: SourceContext) -> Result<(), ComponentError> {
        let SourceContext { outputs, mut shutdown, .. } = context;
        let pending = Pending::default();
        let mut decoding = DecodingAhead::new(self.decoder, outputs);
        let mut flow_logs = FlowLogs::new(self.config.seed);
        let mut remaining = self.config.count.unwrap_or(u64::MAX);
        let mut ticks = tokio::time::interval(self.interval.max(Duration::from_nanos(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut number = 0_u64;
        while remaining > 0 && !shutdown.is_requested() {
            if self.interval.is_zero() {
                tokio::task::yield_now().await;
            } else {
                tokio::select! {
                    biased;
                    () = shutdown.requested() => break,
                    _ = ticks.tick() => {}
                }
            }
            let events = remaining.min(self.config.events_per_record as u64);
            remaining -= events;
            // No more than ten thousand.
            flow_logs = flow_logs.events_per_record(events as usize);
            let data = flow_logs.next_record().data;
            let record = Record::new("demo", "shardId-000000000000", number.to_string(), data);
            number += 1;
            if decoding.send(vec![record], None, pending.acknowledgement()).await.is_err() {
                break;
            }
        }
        decoding.finish().await;
        pending.settled().await
    }
}
