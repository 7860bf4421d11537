//! What `.ci/instructions` counts the instructions of: inflating 40 records of 500 events with libdeflate alone, or also
//! reading every field of every line, in one go (`typed`) or by the getters.
//!
//! ```sh
//! valgrind --tool=callgrind --toggle-collect='instructions::typed' target/release/instructions typed
//! ```
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on should stop")]

use std::hint::black_box;

use kinesis_logs_decoder::Decoder;
use kinesis_logs_decoder::flow_log::Format;
use kinesis_logs_generator::{FlowLogs, Record};
use kinesis_logs_peers::{read_getters, read_values};

const RECORDS: usize = 40;
const EVENTS_PER_RECORD: usize = 500;

fn main() {
    let mut flow_logs = FlowLogs::new(42).events_per_record(EVENTS_PER_RECORD);
    let records: Vec<Record> = (0..RECORDS).map(|_| flow_logs.next_record()).collect();
    let mut decoder = Decoder::new();
    let check = |events: u64| assert_eq!(events, (RECORDS * EVENTS_PER_RECORD) as u64);
    match std::env::args().nth(1).as_deref() {
        Some("inflate") => {
            let mut inflater = libdeflater::Decompressor::new();
            let mut buffer = vec![0; records.iter().map(|record| record.json_len).max().unwrap()];
            let len: usize = records.iter().map(|record| inflate(&mut inflater, &record.data, &mut buffer)).sum();
            assert_eq!(len, records.iter().map(|record| record.json_len).sum::<usize>());
        }
        Some("typed") => check(records.iter().map(|record| typed(&mut decoder, &record.data)).sum()),
        Some("getters") => check(records.iter().map(|record| getters(&mut decoder, &record.data)).sum()),
        _ => panic!("instructions inflate|typed|getters"),
    }
}

/// Counted: a function that valgrind finds by its name.
#[inline(never)]
fn inflate(inflater: &mut libdeflater::Decompressor, data: &[u8], buffer: &mut [u8]) -> usize {
    black_box(inflater.gzip_decompress(data, buffer).unwrap())
}

/// Counted: a function that valgrind finds by its name.
#[inline(never)]
fn typed(decoder: &mut Decoder, data: &[u8]) -> u64 {
    read_values(decoder.decode(data), Format::default_format()).events
}

/// Counted: a function that valgrind finds by its name.
#[inline(never)]
fn getters(decoder: &mut Decoder, data: &[u8]) -> u64 {
    read_getters(decoder.decode(data), Format::default_format()).events
}
