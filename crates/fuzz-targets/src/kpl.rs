//! KPL containers: what is in one is what its parts are one by one.
//!
//! The input is the container's message; the magic bytes and a digest that is right are put around it, as no mutation would
//! find an MD5.

use std::ops::RangeInclusive;

use kinesis_logs_decoder::kpl::Aggregated;
use kinesis_logs_decoder::{DecodeErrorKind, Decoder, Limits};
use kinesis_logs_generator::{FlowLogs, aggregate, control_message};
use md5::{Digest, Md5};

use crate::everything::everything;

const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
const DIGEST: usize = 16;

/// Panics if the container and its parts disagree.
pub fn run(message: &[u8]) {
    assert!(Aggregated::parse(message).is_none() || message.starts_with(&MAGIC));
    let data = [&MAGIC, message, Md5::digest(message).as_slice()].concat();
    let limits = Limits::default().decompressed_bytes(1 << 16).user_records(50).events(200);
    let mut decoder = Decoder::with_limits(limits);
    let Some(container) = Aggregated::parse(&data) else {
        assert!(decoder.decode(&data).user_records() == 0, "what does not parse is no container");
        return;
    };
    assert_eq!(container.len(), container.records().len());
    let mut messages = Vec::new();
    for (index, record) in container.records().enumerate() {
        assert_eq!(record.sub_sequence_number, index as u64);
        let _ = record.hash_key();
        for event in decoder.decode_user_record(record.data).events() {
            messages.push((record.sub_sequence_number, event.message().to_owned()));
        }
    }

    let decoded = decoder.decode(&data);
    everything(decoded);
    let limited = decoded.errors().iter().any(|error| error.is_limit());
    let of_container: Vec<_> = decoded
        .events()
        .map(|event| (event.sub_sequence_number().unwrap_or(u64::MAX), event.message().to_owned()))
        .collect();
    if limited {
        assert!(decoded.events().len() <= limits.events && decoded.user_records() <= limits.user_records);
        return;
    }
    assert!(of_container == messages, "{of_container:?} are not {messages:?}");
    assert!(decoded.user_records() >= container.len());
    let unknown = |kind: &DecodeErrorKind| matches!(kind, DecodeErrorKind::Empty);
    assert!(
        container.records().all(|record| !record.data.is_empty()) || decoded.errors().iter().any(|e| unknown(e.kind()))
    );

    let none = Decoder::with_limits(limits).hash_range(RangeInclusive::new(1, 0)).decode(&data).outside_hash_range();
    assert_eq!(none, container.len(), "nothing is in an empty range");
    let of_all = Decoder::with_limits(limits).hash_range(0..=u128::MAX).decode(&data).outside_hash_range();
    assert_eq!(of_all, container.records().filter(|record| record.hash_key().is_none()).count());
}

/// Containers of records of several forms, without their magic bytes and digests.
pub fn seeds() -> Vec<Vec<u8>> {
    let record = FlowLogs::new(1).events_per_record(2).next_record().data;
    let control = control_message();
    let plain = br#"{"messageType":"DATA_MESSAGE","logEvents":[{"message":"hello"}]}"#;
    let nested = aggregate(&[("a", plain)]);
    let message = |records: &[(&str, &[u8])]| {
        let data = aggregate(records);
        data[MAGIC.len()..data.len() - DIGEST].to_vec()
    };
    vec![
        message(&[]),
        message(&[("key", b"")]),
        message(&[("key", plain)]),
        message(&[("key", plain), ("other", &record), ("third", &control)]),
        message(&[("key", &nested)]),
        message(&[("key", b"2 123456789010 eni-1235b8ca - - - - - - - 1431280876 1431280934 - NODATA")]),
        // Explicit hash keys, a fixed-width field, a key that is not there.
        b"\x0a\x01a\x0a\x01b\x12\x027\x37\x1a\x07\x08\x00\x10\x00\x1a\x01x\x1a\x05\x08\x09\x1a\x01y".to_vec(),
        b"\x1a\x09\x08\x00\x1a\x00\x25\x01\x02\x03\x04\x21\x01\x02\x03\x04\x05\x06\x07\x08".to_vec(),
    ]
}
