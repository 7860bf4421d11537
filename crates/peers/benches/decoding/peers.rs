//! Others in this process: Rust as it is usually written, and VRL, Vector's language.

use std::hint::black_box;
use std::io::Read;
use std::net::IpAddr;

use bytes::Bytes;
use serde::Deserialize;
use vrl::value::{ObjectMap, Value};

use crate::corpus::Corpus;
use crate::table::{Check, Outcome, Row};
use crate::vector::Script;

/// The rows for a corpus. VRL's parser takes no `extractedFields`.
pub(crate) fn rows(corpus: &Corpus) -> Vec<Row> {
    let mut rows = vec![usual_rust(corpus)];
    if !corpus.extracted {
        rows.push(vrl_loop(corpus));
        rows.push(vrl_per_event(corpus));
    }
    rows
}

fn row(name: &'static str, does: &'static str, mut work: impl FnMut(&[u8]) -> (u64, u64) + 'static) -> Row {
    let work = move |corpus: &Corpus, records: usize| {
        let (mut events, mut bytes) = (0, 0);
        for record in &corpus.records[..records] {
            let (of_events, of_bytes) = work(record);
            events += of_events;
            bytes += of_bytes;
        }
        Outcome::from(Check::Bytes(events, bytes))
    };
    Row { name, does, is_peer: true, share: 6, work: Box::new(work) }
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "made to be read by others")]
#[serde(rename_all = "camelCase")]
struct Envelope {
    message_type: String,
    owner: String,
    log_group: String,
    log_stream: String,
    subscription_filters: Vec<String>,
    log_events: Vec<LogEvent>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "made to be read by others")]
#[serde(rename_all = "camelCase")]
struct LogEvent {
    id: String,
    timestamp: i64,
    message: String,
    extracted_fields: Option<std::collections::HashMap<String, String>>,
}

/// A struct of a format's fields, in the order of the line.
macro_rules! flow {
    ($name:ident { $($field:ident: $type:ty,)* }) => {
        #[allow(dead_code, reason = "made to be read by others")]
        struct $name {
            $($field: Option<$type>,)*
        }

        impl $name {
            fn parse(line: &str) -> Option<$name> {
                let mut values = line.split(' ');
                let flow = $name { $($field: field(values.next()?)?,)* };
                values.next().is_none().then_some(flow)
            }
        }
    };
}

fn field<T: std::str::FromStr>(value: &str) -> Option<Option<T>> {
    if value == "-" { Some(None) } else { value.parse().ok().map(Some) }
}

flow! {
    DefaultFlow {
        version: u8, account_id: String, interface_id: String, srcaddr: IpAddr, dstaddr: IpAddr, srcport: u16,
        dstport: u16, protocol: u8, packets: u64, bytes: u64, start: u64, end: u64, action: String, log_status: String,
    }
}

flow! {
    V5Flow {
        version: u8, account_id: String, interface_id: String, srcaddr: IpAddr, dstaddr: IpAddr, srcport: u16,
        dstport: u16, protocol: u8, packets: u64, bytes: u64, start: u64, end: u64, action: String, log_status: String,
        vpc_id: String, subnet_id: String, instance_id: String, tcp_flags: u8, traffic_type: String,
        pkt_srcaddr: IpAddr, pkt_dstaddr: IpAddr, region: String, az_id: String, sublocation_type: String,
        sublocation_id: String, pkt_src_aws_service: String, pkt_dst_aws_service: String, flow_direction: String,
        traffic_path: u8,
    }
}

fn usual_rust(corpus: &Corpus) -> Row {
    let is_default = corpus.format.name() == "default";
    row(
        "usual-rust",
        "flate2 (zlib-rs), serde_json into owned structs, split(' '), parse into a struct",
        move |record| {
            let mut json = Vec::new();
            #[allow(clippy::disallowed_types, reason = "what others use")]
            flate2::read::MultiGzDecoder::new(record).read_to_end(&mut json).unwrap();
            let envelope: Envelope = serde_json::from_slice(&json).unwrap();
            let (mut count, mut sum) = (0, 0);
            for event in &envelope.log_events {
                let bytes = if is_default {
                    black_box(DefaultFlow::parse(&event.message).unwrap()).bytes
                } else {
                    black_box(V5Flow::parse(&event.message).unwrap()).bytes
                };
                count += 1;
                sum += bytes.unwrap_or(0);
            }
            black_box(&envelope);
            (count, sum)
        },
    )
}

/// The cheapest way to VRL's parsers: one program opens a record, another, as short as can be, reads a line.
fn vrl_loop(corpus: &Corpus) -> Row {
    let mut open = Script::new("parse_aws_cloudwatch_log_subscription_message!(decode_gzip!(.message))");
    let mut read = Script::new(&format!("parse_aws_vpc_flow_log!(.message, {:?})", names(corpus)));
    let does = "decode_gzip, parse_aws_cloudwatch_log_subscription_message, in a loop parse_aws_vpc_flow_log";
    row("vrl-loop", does, move |record| {
        let mut envelope = open.run(event(record)).unwrap().into_object().unwrap();
        let Some(Value::Array(events)) = envelope.remove("log_events") else { panic!("no events") };
        let (mut count, mut sum) = (0, 0);
        for event in events {
            let flow = black_box(read.run(event).unwrap());
            count += 1;
            sum += bytes_of(flow.as_object().unwrap());
        }
        (count, sum)
    })
}

/// A record as a source would give it to a program.
fn event(record: &[u8]) -> Value {
    ObjectMap::from([("message".into(), Bytes::copy_from_slice(record).into())]).into()
}

/// As Vector's documentation has it for CloudWatch Logs: a program for each record that splits it, and a program for each
/// event that reads its line. Vector does more: it makes events of its own of what the first program leaves.
fn vrl_per_event(corpus: &Corpus) -> Row {
    let mut split = Script::new(
        "parsed = parse_aws_cloudwatch_log_subscription_message!(decode_gzip!(.message))
        . = unnest(parsed.log_events)
        . = map_values(.) -> |value| {
            event = del(value.log_events)
            value |= event
            value
        }",
    );
    let mut read = Script::new(&format!(". |= parse_aws_vpc_flow_log!(.message, {:?})", names(corpus)));
    let does = "as Vector users write it: the envelope, unnest, map_values; each event |= parse_aws_vpc_flow_log";
    row("vrl-per-event", does, move |record| {
        split.run(event(record)).unwrap();
        let Value::Array(events) = split.take_event() else { panic!("no events") };
        let (mut count, mut sum) = (0, 0);
        for event in events {
            read.run(event).unwrap();
            let event = black_box(read.take_event());
            count += 1;
            sum += bytes_of(event.as_object().unwrap());
        }
        (count, sum)
    })
}

fn names(corpus: &Corpus) -> String {
    let names: Vec<&str> = corpus.format.columns().iter().map(|column| column.name()).collect();
    names.join(" ")
}

fn bytes_of(flow: &ObjectMap) -> u64 {
    flow["bytes"].as_integer().map_or(0, |bytes| bytes as u64)
}
