//! What is decoded: records of the generator, and what must come out of them.

use kinesis_logs_decoder::flow_log::{Field, FieldKind, Format};
use kinesis_logs_generator::FlowLogs;

/// Some 60,000 events.
const EVENTS: usize = 60_000;

pub(crate) struct Corpus {
    pub(crate) name: String,
    pub(crate) format: Format,
    pub(crate) extracted: bool,
    pub(crate) records: Vec<Vec<u8>>,
    /// Of each record, what rows must have found when they are through with it and those before.
    found: Vec<Found>,
    gzip_len: usize,
}

/// What rows are checked by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) events: u64,
    /// Bytes of JSON.
    pub(crate) json_len: u64,
    /// Bytes of all lines.
    pub(crate) message_len: u64,
    /// The sum of the field `bytes`.
    pub(crate) bytes: u64,
    /// The sum of `bytes` over rejected flows to port 22, and how many they are.
    pub(crate) rejected_bytes: u64,
    pub(crate) rejected: u64,
    /// Bytes of all lines as NDJSON.
    pub(crate) ndjson_len: u64,
}

/// The corpora, the usual one first.
pub(crate) fn all() -> Vec<Corpus> {
    let sizes = [500, 1, 50, 5_000];
    let plain = sizes.map(|size| Corpus::new(size, false, "default"));
    let extracted = sizes.map(|size| Corpus::new(size, true, "default"));
    plain.into_iter().chain(extracted).chain([Corpus::new(500, false, "v5")]).collect()
}

impl Corpus {
    fn new(events_per_record: usize, extracted: bool, format: &str) -> Corpus {
        let name = format!(
            "{events_per_record} events a record, {format} format{}",
            if extracted { ", extractedFields" } else { "" }
        );
        let format: Format = format.parse().unwrap();
        let fields: Vec<&'static str> = format.columns().iter().map(|column| column.field().unwrap().name()).collect();
        let mut flow_logs =
            FlowLogs::new(42).events_per_record(events_per_record).extracted_fields(extracted).fields(&fields);
        let (mut records, mut found, mut sum) = (Vec::new(), Vec::new(), Found::default());
        for _ in 0..(EVENTS / events_per_record).clamp(12, 4000) {
            let record = flow_logs.next_record();
            sum.json_len += record.json_len as u64;
            for line in &record.lines {
                sum.add(line, &format);
            }
            records.push(record.data);
            found.push(sum);
        }
        let gzip_len = records.iter().map(Vec::len).sum();
        Corpus { name, format, extracted, records, found, gzip_len }
    }

    /// What must be found in the first of the records.
    pub(crate) fn found(&self, records: usize) -> Found {
        self.found[records - 1]
    }

    /// How large events are, before and after compression.
    pub(crate) fn sizes(&self) -> String {
        let all = self.found(self.records.len());
        let json = all.json_len as f64 / all.events as f64;
        let gzip = self.gzip_len as f64 / all.events as f64;
        format!("{} events of {gzip:.1} bytes of gzip and {json:.1} bytes of JSON each", all.events)
    }
}

impl Found {
    fn add(&mut self, line: &str, format: &Format) {
        let values: Vec<&str> = line.split(' ').collect();
        let value = |field| format.place(field).map_or("-", |place| values[place]);
        let bytes = value(Field::Bytes).parse().unwrap_or(0);
        let rejected = value(Field::Action) == "REJECT" && value(Field::Dstport) == "22";
        self.events += 1;
        self.message_len += line.len() as u64;
        self.bytes += bytes;
        self.rejected += u64::from(rejected);
        self.rejected_bytes += if rejected { bytes } else { 0 };
        for (column, value) in format.columns().iter().zip(&values) {
            let len = match column.kind() {
                _ if *value == "-" => "null".len(),
                FieldKind::Integer { .. } | FieldKind::Time => value.len(),
                _ => value.len() + 2,
            };
            // With the name in quotes, a colon, and a comma or a bracket.
            self.ndjson_len += (column.name().len() + 4 + len) as u64;
        }
        // The other bracket and the line feed.
        self.ndjson_len += 2;
    }
}
