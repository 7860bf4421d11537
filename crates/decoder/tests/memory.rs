#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![allow(unsafe_code, reason = "an allocator that counts is the only way to see what is allocated")]

//! What decoding costs in memory: nothing for each record once it is warm, little more than the largest record's text, and
//! for hostile records no more than the limits allow.
//!
//! What C allocates is not seen here: libdeflate's decompressor, which is some 11 KiB, once a decoder. Each test thread
//! counts for itself, as tests run side by side.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Write;

use kinesis_logs_decoder::flow_log::{FlowLog, Format};
use kinesis_logs_decoder::{Decoded, Decoder, FieldTable, Limits};
#[cfg(feature = "kpl")]
use kinesis_logs_generator::aggregate;
use kinesis_logs_generator::{FlowLogs, Record, gzip};
#[cfg(feature = "kpl")]
use md5::Digest;

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// Notes that `size` more bytes are held, or fewer.
fn note(size: isize) {
    let held = HELD.get() + size;
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
}

// SAFETY: all calls go to the system's allocator as they came; cells without destructors are all that is touched besides.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        note(layout.size() as isize);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        note(layout.size() as isize);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // The block may grow where it lies, or move, and then is there twice for a moment: as it does for large ones by
        // remapping pages, only the growth is counted.
        note(size as isize - layout.size() as isize);
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// How often something was allocated while `work` ran.
fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// How many bytes more were held at once while `work` ran than before it.
fn peak(work: impl FnOnce()) -> usize {
    let before = HELD.get();
    PEAK.set(before);
    work();
    (PEAK.get() - before) as usize
}

fn records(sizes: &[usize], extracted: bool) -> Vec<Record> {
    sizes
        .iter()
        .map(|&events| FlowLogs::new(9).events_per_record(events).extracted_fields(extracted).next_record())
        .collect()
}

/// What a careful reader keeps from record to record.
#[derive(Default)]
struct Reader {
    decoder: Decoder,
    decoded: Decoded,
    table: FieldTable,
    json: Vec<u8>,
}

impl Reader {
    /// Reads all that flow logs have in every way that promises not to allocate. Returns how many events there were.
    fn read(&mut self, data: &[u8]) -> usize {
        self.decoder.decode_into(data, &mut self.decoded);
        assert!(self.decoded.errors().is_empty());
        let mut flow = FlowLog::new(Format::default_format());
        for event in self.decoded.events() {
            flow.read(&event).unwrap();
            flow.check().unwrap();
            let getters = (flow.version(), flow.account_id(), flow.interface_id(), flow.srcaddr(), flow.dstaddr());
            let more = (flow.srcport(), flow.dstport(), flow.protocol(), flow.packets(), flow.bytes(), flow.start());
            std::hint::black_box((getters, more, flow.end(), flow.action(), flow.log_status(), flow.vpc_id()));
            assert_eq!(flow.values().map(std::hint::black_box).filter(|(name, _)| !name.is_empty()).count(), 14);
            self.json.clear();
            flow.write_json(&mut self.json).unwrap();
            assert!(event.flow_log().is_some());
            std::hint::black_box((event.id(), event.timestamp_millis(), event.log_group(), event.log_stream()));
            if let Some(fields) = event.extracted_fields() {
                let fields = self.table.read(fields);
                assert_eq!(fields.len(), 14);
                std::hint::black_box((fields.name(13), fields.value(13)));
            }
        }
        self.decoded.events().len()
    }
}

#[test]
fn a_warm_decoder_allocates_nothing_for_a_record_or_an_event() {
    let mut all = records(&[1, 50, 500, 5000], false);
    all.extend(records(&[1, 50, 500, 5000], true));
    let mut reader = Reader::default();
    for record in &all {
        reader.read(&record.data);
    }
    let allocated = allocations(|| {
        for record in &all {
            assert_eq!(reader.read(&record.data), record.lines.len());
        }
    });
    assert_eq!(allocated, 0, "allocations when all records were read a second time");
}

#[test]
fn events_of_another_shape_cost_nothing_either_once_warm() {
    let events = [
        r#"{"message":"first","id":"1","timestamp":5}"#,
        r#"{"id":"2","timestamp":"6","message":"with \"escapes\"\n","extractedFields":{"a":"\t","b":5}}"#,
        r#"{ "id" : "3", "timestamp" : 7, "message" : { "a" : [1] }, "extractedFields" : { "a" : "b", "b" : null } }"#,
    ];
    let text = format!(r#"{{"messageType":"DATA_MESSAGE","logEvents":[{}]}}"#, events.join(","));
    let lines = "2 123456789010 eni-1235b8ca - - - - - - - 1431280876 1431280934 - NODATA\n".repeat(3);
    let mut decoder = Decoder::new();
    let (mut decoded, mut table) = (Decoded::default(), FieldTable::new());
    let mut read = |data: &[u8]| {
        decoder.decode_into(data, &mut decoded);
        assert!(decoded.errors().is_empty() && decoded.events().len() == 3);
        for event in decoded.events() {
            std::hint::black_box((event.message(), event.timestamp_millis()));
            if let Some(fields) = event.extracted_fields() {
                std::hint::black_box(table.read(fields).value(1));
            }
        }
    };
    read(text.as_bytes());
    read(lines.as_bytes());
    assert_eq!(allocations(|| read(text.as_bytes())), 0, "envelopes");
    assert_eq!(allocations(|| read(lines.as_bytes())), 0, "lines");
}

#[test]
fn odd_numbers_and_characters_are_written_without_allocating() {
    let format: Format = "version start bytes new".parse().unwrap();
    let mut json = Vec::with_capacity(1 << 10);
    let flow = format.split_line("007 1477913708000 9223372036854775807 a\"\u{1}é\\").unwrap();
    assert_eq!(allocations(|| flow.write_json(&mut json).unwrap()), 0);
}

#[test]
fn a_decoder_and_its_result_hold_little_more_than_the_largest_text() {
    for extracted in [false, true] {
        let all = records(&[50, 500, 5000, 20_000], extracted);
        for record in &all {
            within(&[record], &format!("{} events, extracted fields {extracted}", record.lines.len()));
        }
        within(&all.iter().collect::<Vec<_>>(), &format!("growing sizes, extracted fields {extracted}"));
        within(&all.iter().rev().collect::<Vec<_>>(), &format!("shrinking sizes, extracted fields {extracted}"));
    }
}

/// Asserts what decoding these records one after another holds at most.
fn within(records: &[&Record], what: &str) {
    let largest = records.iter().map(|record| record.json_len).max().unwrap();
    let held = peak(|| {
        let mut decoder = Decoder::new();
        let mut decoded = Decoded::default();
        for record in records {
            decoder.decode_into(&record.data, &mut decoded);
            assert_eq!(decoded.events().len(), record.lines.len());
        }
    });
    eprintln!("{what}: {held} bytes, {:.3} times the text of {largest}", held as f64 / largest as f64);
    assert!(held <= largest + largest / 5 + (64 << 10), "{what}: {held} bytes for a text of {largest}");
}

const LIMIT: usize = 1 << 20;
const BOMB: usize = 32 << 20;

/// Asserts that decoding under a limit of 1 MiB holds at most `times` as much.
fn bounded(data: &[u8], limits: Limits, times: f64, what: &str) {
    let mut errors = 0;
    let held = peak(|| {
        let mut decoder = Decoder::with_limits(limits.decompressed_bytes(LIMIT));
        errors = decoder.decode(data).errors().iter().filter(|error| error.is_limit()).count();
    });
    eprintln!("{what}: {held} bytes, {:.2} times the limit", held as f64 / LIMIT as f64);
    assert_ne!(errors, 0, "{what}: no limit was reached");
    assert!(held as f64 <= times * LIMIT as f64, "{what}: {held} bytes under a limit of {LIMIT}");
}

#[test]
fn a_bomb_holds_no_more_than_the_limit_and_a_quarter() {
    for (byte, what) in [(0, "zeros"), (b' ', "spaces"), (b'{', "brackets")] {
        let bomb = gzip(&vec![byte; BOMB]);
        bounded(&bomb, Limits::default(), 1.25, &format!("gzip of 32 MiB of {what}"));
    }
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(&vec![b' '; BOMB]).unwrap();
    bounded(&encoder.finish().unwrap(), Limits::default(), 1.25, "zlib of 32 MiB of spaces");
}

#[test]
fn a_bomb_within_a_bomb_holds_the_limit_once_a_layer() {
    let bomb = gzip(&gzip(&vec![b' '; BOMB]));
    bounded(&bomb, Limits::default(), 2.25, "gzip of gzip of 32 MiB of spaces");
}

#[cfg(feature = "kpl")]
#[test]
fn a_bomb_within_a_container_within_gzip_holds_the_limit_once_a_layer() {
    let bomb = gzip(&aggregate(&[("key", &gzip(&vec![b' '; BOMB]))]));
    bounded(&bomb, Limits::default(), 2.25, "gzip of a container of gzip of 32 MiB of spaces");
}

#[cfg(feature = "zstd")]
#[test]
fn a_zstd_bomb_holds_the_limit_and_a_window() {
    let spaces = vec![b' '; BOMB];
    let bomb = ruzstd::encoding::compress_to_vec(&spaces[..], ruzstd::encoding::CompressionLevel::Fastest);
    bounded(&bomb, Limits::default(), 1.25 + 2.0, "zstd of 32 MiB of spaces");
}

#[test]
fn a_million_empty_objects_hold_no_more_than_the_limits_allow() {
    let limits = Limits::default().envelopes(1000);
    bounded("{}".repeat(1_000_000).as_bytes(), limits, 1.5, "a million empty objects");
    let limits = Limits::default().events(1000);
    let events = vec!["{}"; 1_000_000].join(",");
    bounded(format!(r#"{{"logEvents":[{events}]}}"#).as_bytes(), limits, 1.5, "a million empty events");
}

#[test]
fn tiny_events_and_envelopes_hold_the_limit_twice() {
    // Three bytes of text each, and 36 of the table.
    let events = vec!["{}"; 300_000].join(",");
    let text = format!(r#"{{"logEvents":[{events}]}}"#);
    bounded(text.as_bytes(), Limits::default(), 2.25, "300,000 empty events");
    bounded(&gzip(text.as_bytes()), Limits::default(), 2.25, "gzip of 300,000 empty events");
    bounded(r#"{"logEvents":[]}"#.repeat(60_000).as_bytes(), Limits::default(), 2.25, "60,000 empty envelopes");
}

#[test]
fn as_many_events_as_there_may_be_hold_less_than_the_default_limit_on_bytes() {
    // What AWS writes is not limited by this: an event of its own with an empty message, as many as may be.
    let event = format!(r#"{{"id":"{}","timestamp":1700000000000,"message":""}}"#, "3".repeat(56));
    let text = format!(r#"{{"logEvents":[{}]}}"#, vec![&event[..]; 1_000_000].join(","));
    let held = peak(|| {
        let mut decoder = Decoder::new();
        let decoded = decoder.decode(text.as_bytes());
        assert_eq!((decoded.errors(), decoded.events().len()), (&[][..], 1_000_000));
    });
    assert!(held <= text.len() + text.len() / 2, "{held} bytes for a text of {}", text.len());
    let events = vec!["{}"; 1_500_000].join(",");
    let text = format!(r#"{{"logEvents":[{events}]}}"#);
    let held = peak(|| assert_eq!(Decoder::new().decode(text.as_bytes()).events().len(), 1_000_000));
    eprintln!("1,500,000 empty events: {held} bytes, {:.1} times their text", held as f64 / text.len() as f64);
    assert!(held <= text.len() + (40 << 20), "{held} bytes for a text of {}", text.len());
}

#[test]
fn what_is_no_text_holds_no_more_than_its_replacements_and_a_copy() {
    let data = [b"{".to_vec(), vec![0xff; LIMIT]].concat();
    bounded(&data, Limits::default(), 4.5, "1 MiB of bytes that are no UTF-8");
}

#[test]
fn deep_json_holds_its_text_and_stops_at_the_limit() {
    let deep = format!(r#"{{"new":{}{}}}"#, "[".repeat(400_000), "]".repeat(400_000));
    bounded(deep.as_bytes(), Limits::default(), 1.25, "JSON 400,000 levels deep");
    bounded(&gzip(deep.as_bytes()), Limits::default(), 1.25, "gzip of JSON 400,000 levels deep");
}

/// A container whose message is `field`, again and again, up to a size.
#[cfg(feature = "kpl")]
fn container_of(field: &[u8], size: usize) -> Vec<u8> {
    let message = field.repeat(size / field.len());
    [&[0xf3, 0x89, 0x9a, 0xc2], &message[..], md5::Md5::digest(&message).as_slice()].concat()
}

#[cfg(feature = "kpl")]
#[test]
fn a_container_of_many_tiny_records_or_keys_holds_little_beside_its_bytes() {
    let limits = Limits::default().user_records(1000).decompressed_bytes(2 * LIMIT);
    // None of the records is of use, so that there are 1000 errors.
    for (field, expected, what) in [
        (&b"\x1a\x06\x08\0\x1a\x02{}"[..], 1000, "records"),
        (b"\x1a\x04\x08\0\x1a\0", 1000, "empty records"),
        (b"\x0a\0", 0, "partition keys"),
        (b"\x12\0", 0, "explicit hash keys"),
        (b"\x0a\0\x1a\x04\x08\0\x1a\0", 1000, "records and keys"),
    ] {
        let data = container_of(field, LIMIT);
        for (data, layers, wrapped) in [(&data, 0.0, "a container"), (&gzip(&data), 2.0, "gzip of a container")] {
            let mut user_records = 0;
            let held = peak(|| {
                let mut decoder = Decoder::with_limits(limits).hash_range(0..=u128::MAX);
                user_records = decoder.decode(data).user_records();
            });
            eprintln!("{wrapped} of tiny {what}: {held} bytes, {:.2} times as many", held as f64 / LIMIT as f64);
            assert_eq!(user_records, expected, "{wrapped} of tiny {what}");
            // Of one that was compressed, its bytes and a copy.
            assert!(held as f64 <= (layers + 0.4) * LIMIT as f64, "{wrapped} of tiny {what}: {held} bytes");
        }
    }
}
