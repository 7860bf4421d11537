//! What the decoder does, beside inflating the same bytes.

use std::hint::black_box;

use kinesis_logs_decoder::flow_log::{Columns, Field, FlowLog, Format, Formats};
use kinesis_logs_decoder::{Backend, Decoded, Decoder};
use kinesis_logs_peers::{Sum, read_getters, read_values};
use libdeflater::Decompressor;

use crate::corpus::Corpus;
use crate::table::{Check, Outcome, Row};

/// The rows for a corpus. All keep their buffers from record to record.
pub(crate) fn rows(corpus: &Corpus) -> Vec<Row> {
    let mut rows = vec![inflate(), envelope(), typed("typed", Backend::Fastest), typed("zlib-rs", Backend::ZlibRs)];
    if corpus.format == *Format::default_format() {
        rows.push(getters());
    }
    rows.extend([
        filter(),
        ndjson(),
        inferred_ndjson(),
        arrow(corpus),
        inflate_on_two_threads(),
        typed_on_two_threads(),
    ]);
    rows
}

/// A row with a name and what it does.
fn row(name: &'static str, does: &'static str, mut work: impl FnMut(&Corpus, usize) -> Check + 'static) -> Row {
    Row {
        name,
        does,
        is_peer: false,
        share: 1,
        work: Box::new(move |corpus, records| Outcome::from(work(corpus, records))),
    }
}

fn inflate() -> Row {
    let mut inflater = Inflater::default();
    row("inflate", "gzip with libdeflate in one go, its size known", move |corpus, records| {
        Check::JsonLen(inflater.all(&corpus.records[..records]))
    })
}

#[derive(Default)]
struct Inflater {
    decompressor: Decompressor,
    buffer: Vec<u8>,
}

impl Inflater {
    fn all(&mut self, records: &[Vec<u8>]) -> u64 {
        let mut len = 0;
        for record in records {
            let size = u32::from_le_bytes(*record.last_chunk().unwrap()) as usize;
            if self.buffer.len() < size {
                self.buffer.resize(size, 0);
            }
            len += self.decompressor.gzip_decompress(record, &mut self.buffer).unwrap() as u64;
            black_box(&self.buffer);
        }
        len
    }
}

fn envelope() -> Row {
    let mut decoder = Decoder::new();
    row("envelope", "decode, every event's message found", move |corpus, records| {
        let (mut events, mut len) = (0, 0);
        for record in &corpus.records[..records] {
            for event in decoder.decode(record).events() {
                events += 1;
                len += event.message().len() as u64;
            }
        }
        Check::Messages(events, len)
    })
}

fn typed(name: &'static str, backend: Backend) -> Row {
    let mut decoder = Decoder::new().backend(backend);
    let does = match backend {
        Backend::ZlibRs => "typed, inflated by zlib-rs, which is pure Rust",
        _ => "decode, every field of every line typed: values_into(), the call made for that",
    };
    row(name, does, move |corpus, records| {
        let Sum { events, bytes } = sum(&mut decoder, &corpus.records[..records], &corpus.format, read_values);
        Check::Bytes(events, bytes)
    })
}

fn getters() -> Row {
    let mut decoder = Decoder::new();
    row("getters", "typed, but by the 14 getters, one after the other", move |corpus, records| {
        let Sum { events, bytes } = sum(&mut decoder, &corpus.records[..records], &corpus.format, read_getters);
        Check::Bytes(events, bytes)
    })
}

fn filter() -> Row {
    let mut decoder = Decoder::new();
    row("filter", "decode, REJECT and port 22 by raw fields, those that match typed", move |corpus, records| {
        let mut sum = Sum::default();
        for record in &corpus.records[..records] {
            let mut flow = FlowLog::new(&corpus.format);
            for event in decoder.decode(record).events() {
                flow.read(&event).unwrap();
                if flow.raw(Field::Action) == Some("REJECT") && flow.raw(Field::Dstport) == Some("22") {
                    flow.check().unwrap(); // types every value
                    sum += Sum { events: 1, bytes: flow.bytes().unwrap_or(0) };
                }
            }
        }
        Check::Rejected(sum.events, sum.bytes)
    })
}

fn ndjson() -> Row {
    let mut decoder = Decoder::new();
    let mut out = Vec::new();
    row("ndjson", "decode, every line as a JSON object by write_json", move |corpus, records| {
        let (mut events, mut len) = (0, 0);
        for record in &corpus.records[..records] {
            out.clear();
            let mut flow = FlowLog::new(&corpus.format);
            for event in decoder.decode(record).events() {
                flow.read(&event).unwrap();
                flow.write_json(&mut out).unwrap();
                out.push(b'\n');
                events += 1;
            }
            len += black_box(&out).len() as u64;
        }
        Check::Ndjson(events, len)
    })
}

fn inferred_ndjson() -> Row {
    let (mut decoder, formats) = (Decoder::new(), Formats::new());
    let mut out = Vec::new();
    row("inferred-ndjson", "the same, with the format inferred of each line", move |corpus, records| {
        let (mut events, mut len) = (0, 0);
        for record in &corpus.records[..records] {
            out.clear();
            for event in decoder.decode(record).events() {
                formats.write_json(&event, &mut out).unwrap().unwrap();
                out.push(b'\n');
                events += 1;
            }
            len += black_box(&out).len() as u64;
        }
        Check::Ndjson(events, len)
    })
}

fn arrow(corpus: &Corpus) -> Row {
    let mut decoder = Decoder::new();
    let mut columns = Columns::new(&corpus.format);
    row("arrow", "decode, every line into Arrow record batches of 8,192 rows", move |corpus, records| {
        let mut sum = Sum::default();
        for record in &corpus.records[..records] {
            let mut flow = FlowLog::new(&corpus.format);
            for event in decoder.decode(record).events() {
                flow.read(&event).unwrap();
                columns.push(&flow).unwrap();
                sum += Sum { events: 1, bytes: flow.bytes().unwrap_or(0) };
                if columns.len() == 8192 {
                    black_box(columns.finish());
                }
            }
        }
        black_box(columns.finish());
        Check::Bytes(sum.events, sum.bytes)
    })
}

fn inflate_on_two_threads() -> Row {
    let mut inflaters = [Inflater::default(), Inflater::default()];
    row("inflate-2", "inflate, each of two threads half of the records", move |corpus, records| {
        let halves = corpus.records[..records].split_at(records / 2);
        let [one, other] = &mut inflaters;
        let [one, other] = on_two_threads(|| one.all(halves.0), || other.all(halves.1));
        Check::JsonLen(one + other)
    })
}

fn typed_on_two_threads() -> Row {
    let mut decoders = [Decoder::new(), Decoder::new()];
    row("typed-2", "typed, each of two threads half of the records", move |corpus, records| {
        let halves = corpus.records[..records].split_at(records / 2);
        let [one, other] = &mut decoders;
        let half = |decoder, records| sum(decoder, records, &corpus.format, read_values);
        let [mut sum, other] = on_two_threads(|| half(one, halves.0), || half(other, halves.1));
        sum += other;
        Check::Bytes(sum.events, sum.bytes)
    })
}

fn on_two_threads<T: Send>(one: impl FnOnce() -> T, other: impl FnOnce() -> T + Send) -> [T; 2] {
    std::thread::scope(|scope| {
        let other = scope.spawn(other);
        [one(), other.join().unwrap()]
    })
}

/// What is found in records whose flow logs `read` reads.
fn sum(decoder: &mut Decoder, records: &[Vec<u8>], format: &Format, read: fn(&Decoded, &Format) -> Sum) -> Sum {
    let mut sum = Sum::default();
    for record in records {
        sum += read(decoder.decode(record), format);
    }
    sum
}
