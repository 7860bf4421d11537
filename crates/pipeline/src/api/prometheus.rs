//! Which metrics there are, by Vector's names where Vector has them.

use super::exposition::{Exposition, Number, Type};
use crate::component::{ShardStatus, StreamStatus};
use crate::run::{ComponentMetrics, Snapshot};

/// What Vector calls the output that has no name of its own.
const OWN_OUTPUT: &str = "_default";

/// All metrics as text.
pub(super) fn text(snapshot: &Snapshot, streams: &[(String, StreamStatus)]) -> String {
    let mut text = Exposition::default();
    let version = env!("CARGO_PKG_VERSION");
    text.family("build_info", Type::Gauge, "The version that runs.").sample(&[("version", version)], 1_u64);
    text.family("uptime_seconds", Type::Gauge, "How long ago the pipeline started.")
        .sample(&[], snapshot.uptime.as_secs_f64());
    components(&mut text, &snapshot.components);
    self::streams(&mut text, streams);
    shards(&mut text, streams);
    text.into_text()
}

fn labels(component: &ComponentMetrics) -> [(&'static str, &str); 3] {
    [
        ("component_id", &component.id),
        ("component_kind", component.kind.name()),
        ("component_type", &component.type_name),
    ]
}

fn components(text: &mut Exposition, components: &[ComponentMetrics]) {
    let mut family = |name, of, help, number: fn(&ComponentMetrics) -> Option<Number>| {
        let mut family = text.family(name, of, help);
        for component in components {
            if let Some(number) = number(component) {
                family.sample(&labels(component), number);
            }
        }
    };
    family("component_received_events_total", Type::Counter, "Events that a component took, or a source read.", |of| {
        Some(of.received.events.into())
    });
    family("component_received_event_bytes_total", Type::Counter, "The bytes of their text, roughly.", |of| {
        Some(of.received.bytes.into())
    });
    family("component_errors_total", Type::Counter, "What went wrong: events that were refused, and failures.", |of| {
        Some(of.errors.into())
    });
    // Vector's names until 0.52 and since, which it has side by side.
    family("buffer_events", Type::Gauge, "Events that wait in front of a component.", |of| {
        of.buffer.map(|buffer| buffer.waiting.events.into())
    });
    family("buffer_byte_size", Type::Gauge, "The memory that they take, in bytes.", |of| {
        of.buffer.map(|buffer| buffer.waiting.bytes.into())
    });
    family("buffer_size_events", Type::Gauge, "Events that wait in front of a component.", |of| {
        of.buffer.map(|buffer| buffer.waiting.events.into())
    });
    family("buffer_size_bytes", Type::Gauge, "The memory that they take, in bytes.", |of| {
        of.buffer.map(|buffer| buffer.waiting.bytes.into())
    });
    family("buffer_max_size_events", Type::Gauge, "Events that may wait in front of a component.", |of| {
        of.buffer.map(|buffer| buffer.max.events.into())
    });
    family("buffer_max_size_bytes", Type::Gauge, "The memory that they may take, in bytes.", |of| {
        of.buffer.map(|buffer| buffer.max.bytes.into())
    });
    let help = "The share of time, from 0 to 1, that a component did not wait for events.";
    family("utilization", Type::Gauge, help, |of| of.utilization.map(Number::from));
    discarded(text, components);
    sent(text, components);
}

fn discarded(text: &mut Exposition, components: &[ComponentMetrics]) {
    let help =
        "Events that a component left out, on purpose (as a filter does) or because nobody takes what it rejects.";
    let mut family = text.family("component_discarded_events_total", Type::Counter, help);
    for component in components {
        let [id, kind, of] = labels(component);
        family.sample(&[id, kind, of, ("intentional", "true")], component.discarded_intentionally);
        family.sample(&[id, kind, of, ("intentional", "false")], component.discarded_by_error);
    }
}

fn sent(text: &mut Exposition, components: &[ComponentMetrics]) {
    let mut family = |name, help, which: fn(&crate::run::Events) -> u64| {
        let mut family = text.family(name, Type::Counter, help);
        for component in components {
            let [id, kind, of] = labels(component);
            family.sample(&[id, kind, of, ("output", OWN_OUTPUT)], which(&component.sent));
            for (output, events) in &component.outputs {
                family.sample(&[id, kind, of, ("output", output)], which(events));
            }
        }
    };
    let help = "Events that a component put out, or a sink delivered.";
    family("component_sent_events_total", help, |sent| sent.events);
    family("component_sent_event_bytes_total", "The bytes of their text, roughly.", |sent| sent.bytes);
}

fn streams(text: &mut Exposition, streams: &[(String, StreamStatus)]) {
    let mut family = |name, of, help, number: fn(&StreamStatus) -> Option<Number>| {
        let mut family = text.family(name, of, help);
        for (component, status) in streams {
            if let Some(number) = number(status) {
                family.sample(&[("component_id", component), ("stream", &status.stream)], number);
            }
        }
    };
    let help = "The lag of the shard that is furthest behind, in milliseconds.";
    family("kinesis_max_millis_behind_latest", Type::Gauge, help, |of| of.max_millis_behind_latest().map(Number::from));
    family("kinesis_shards_owned", Type::Gauge, "Shards that this process reads.", |of| {
        Some((of.shards.len() as u64).into())
    });
    family("kinesis_records_total", Type::Counter, "Records read.", |of| Some(of.records.into()));
    family("kinesis_record_bytes_total", Type::Counter, "Their payloads' bytes.", |of| Some(of.bytes.into()));
    family("kinesis_calls_total", Type::Counter, "Calls made to Kinesis.", |of| Some(of.calls.into()));
    family("kinesis_throttled_total", Type::Counter, "Calls that were throttled.", |of| Some(of.throttled.into()));
    family("kinesis_retries_total", Type::Counter, "Calls that failed otherwise and were made again.", |of| {
        Some(of.retried.into())
    });
    family("kinesis_expired_iterators_total", Type::Counter, "Iterators that had expired and were renewed.", |of| {
        Some(of.expired_iterators.into())
    });
    family("kinesis_unsettled_bytes", Type::Gauge, "Bytes of payload that are read and not yet settled.", |of| {
        Some(of.unsettled_bytes.into())
    });
}

fn shards(text: &mut Exposition, streams: &[(String, StreamStatus)]) {
    let mut family = |name, help, number: fn(&ShardStatus) -> Option<Number>| {
        let mut family = text.family(name, Type::Gauge, help);
        for (component, status) in streams {
            for shard in &status.shards {
                let (id, stream) = (("component_id", component.as_str()), ("stream", status.stream.as_str()));
                if let Some(number) = number(shard) {
                    family.sample(&[id, stream, ("shard_id", &shard.shard_id)], number);
                }
            }
        }
    };
    family("kinesis_millis_behind_latest", "How far reading is from the shard's tip, in milliseconds.", |shard| {
        shard.millis_behind_latest.map(Number::from)
    });
    family("kinesis_checkpoint_age_seconds", "How long ago the shard's checkpoint was written.", |shard| {
        shard.checkpoint_age_seconds.map(Number::from)
    });
}
