//! What decoding costs, as multiples of inflating the same bytes with libdeflate.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

use std::hint::black_box;
use std::time::Instant;

use kinesis_logs_decoder::Decoder;
use kinesis_logs_decoder::flow_log::{Field, FlowLog, Format, Value};
use kinesis_logs_generator::FlowLogs;

struct Corpus {
    name: String,
    records: Vec<Vec<u8>>,
    events: usize,
    format: Format,
}

fn corpus(events_per_record: usize, extracted: bool, format: &str) -> Corpus {
    let format: Format = format.parse().unwrap();
    let fields: Vec<&'static str> = format.columns().iter().map(|c| c.field().unwrap().name()).collect();
    let mut flow_logs =
        FlowLogs::new(42).events_per_record(events_per_record).extracted_fields(extracted).fields(&fields);
    let count = (60_000 / events_per_record).clamp(4, 4000);
    let records: Vec<_> = (0..count).map(|_| flow_logs.next_record()).collect();
    let events = count * events_per_record;
    let bytes: usize = records.iter().map(|r| r.data.len()).sum();
    let json: usize = records.iter().map(|r| r.json_len).sum();
    let name = format!(
        "{events_per_record:5} events{} {:8} {:6.1} B gzip, {:6.1} B JSON",
        if extracted { " +fields" } else { "        " },
        format.name(),
        bytes as f64 / events as f64,
        json as f64 / events as f64
    );
    Corpus { name, records: records.into_iter().map(|r| r.data).collect(), events, format }
}

type Work = (&'static str, Box<dyn FnMut(&Corpus) -> u64>);

fn works() -> Vec<Work> {
    let mut inflater = libdeflater::Decompressor::new();
    let mut buffer = Vec::new();
    let mut decoders: Vec<Decoder> = (0..6).map(|_| Decoder::new()).collect();
    let mut pop = || decoders.pop().unwrap();
    let (mut envelope, mut typed, mut filter, mut json, mut split, mut getters) =
        (pop(), pop(), pop(), pop(), pop(), pop());
    vec![
        (
            "inflate",
            Box::new(move |corpus: &Corpus| {
                let mut sum = 0;
                for record in &corpus.records {
                    let size = u32::from_le_bytes(*record.last_chunk().unwrap()) as usize;
                    if buffer.len() < size {
                        buffer.resize(size, 0u8);
                    }
                    sum += inflater.gzip_decompress(record, &mut buffer).unwrap() as u64;
                }
                sum
            }),
        ),
        (
            "envelope",
            Box::new(move |corpus| {
                corpus.records.iter().map(|record| envelope.decode(record).events().len() as u64).sum()
            }),
        ),
        (
            "split",
            Box::new(move |corpus| {
                let mut sum = 0;
                for record in &corpus.records {
                    let mut flow = FlowLog::new(&corpus.format);
                    for event in split.decode(record).events() {
                        flow.read(&event).unwrap();
                        black_box(&flow);
                        sum += 1;
                    }
                }
                sum
            }),
        ),
        (
            "filter",
            Box::new(move |corpus| {
                let mut sum = 0;
                for record in &corpus.records {
                    let mut flow = FlowLog::new(&corpus.format);
                    for event in filter.decode(record).events() {
                        flow.read(&event).unwrap();
                        if flow.raw(Field::Action) == Some("REJECT") && flow.raw(Field::Dstport) == Some("22") {
                            sum += flow.bytes().unwrap();
                        }
                    }
                }
                sum
            }),
        ),
        (
            "typed",
            Box::new(move |corpus| {
                let mut sum = 0;
                for record in &corpus.records {
                    let mut flow = FlowLog::new(&corpus.format);
                    for event in typed.decode(record).events() {
                        flow.read(&event).unwrap();
                        for (_, value) in flow.values() {
                            assert!(!matches!(value, Value::Invalid(_)));
                            black_box(value);
                        }
                        sum += 1;
                    }
                }
                sum
            }),
        ),
        (
            "getters",
            Box::new(move |corpus| {
                let mut sum = 0;
                for record in &corpus.records {
                    let mut flow = FlowLog::new(&corpus.format);
                    for event in getters.decode(record).events() {
                        flow.read(&event).unwrap();
                        black_box((
                            flow.version(),
                            flow.account_id(),
                            flow.interface_id(),
                            flow.srcaddr(),
                            flow.dstaddr(),
                            flow.srcport(),
                            flow.dstport(),
                        ));
                        black_box((
                            flow.protocol(),
                            flow.packets(),
                            flow.bytes(),
                            flow.start(),
                            flow.end(),
                            flow.action(),
                            flow.log_status(),
                        ));
                        sum += 1;
                    }
                }
                sum
            }),
        ),
        (
            "ndjson",
            Box::new(move |corpus| {
                let mut sum = 0;
                let mut out = Vec::new();
                for record in &corpus.records {
                    out.clear();
                    let mut flow = FlowLog::new(&corpus.format);
                    for event in json.decode(record).events() {
                        flow.read(&event).unwrap();
                        flow.write_json(&mut out).unwrap();
                        out.push(b'\n');
                    }
                    sum += black_box(&out).len() as u64;
                }
                sum
            }),
        ),
    ]
}

fn main() {
    let only = std::env::args().nth(1).filter(|a| !a.starts_with('-'));
    let mut corpora = vec![
        corpus(500, false, "default"),
        corpus(1, false, "default"),
        corpus(50, false, "default"),
        corpus(5000, false, "default"),
        corpus(500, true, "default"),
        corpus(500, false, "v5"),
    ];
    if only.is_some() {
        corpora.truncate(1);
    }
    for corpus in &corpora {
        println!("{}", corpus.name);
        let mut works = works();
        let rounds = if only.is_some() { 400 } else { 15 };
        let mut times = vec![Vec::new(); works.len()];
        for round in 0..=rounds {
            for (n, (name, work)) in works.iter_mut().enumerate() {
                if n > 0 && only.as_ref().is_some_and(|only| only != name) {
                    continue;
                }
                let start = Instant::now();
                black_box(work(corpus));
                if round > 0 {
                    times[n].push(start.elapsed().as_secs_f64() / corpus.events as f64 * 1e9);
                }
            }
        }
        for (n, (name, _)) in works.iter().enumerate() {
            if times[n].is_empty() {
                continue;
            }
            let mut ratios: Vec<f64> = times[n].iter().zip(&times[0]).map(|(a, b)| a / b).collect();
            ratios.sort_by(f64::total_cmp);
            let mut ns = times[n].clone();
            ns.sort_by(f64::total_cmp);
            println!(
                "  {name:10} {:7.1} ns  {:5.2}  ({:.2}..{:.2})",
                ns[rounds / 2],
                ratios[rounds / 2],
                ratios[0],
                ratios[rounds - 1]
            );
        }
    }
}
