//! Aggregation as the Kinesis Producer Library does it, for what reads it.

use md5::{Digest, Md5};

/// Packs user records, each a partition key and a payload, into one aggregated record.
///
/// ```
/// let blob = kinesis_logs_generator::aggregate(&[("key", b"payload")]);
/// assert!(blob.starts_with(&[0xf3, 0x89, 0x9a, 0xc2]));
/// ```
pub fn aggregate(records: &[(&str, &[u8])]) -> Vec<u8> {
    let without: Vec<_> = records.iter().map(|(key, data)| (*key, None, *data)).collect();
    aggregate_with_hash_keys(&without)
}

/// Like [`aggregate`], of records that may have an explicit hash key, a decimal number. Keys that occur again are stored
/// once.
pub fn aggregate_with_hash_keys(records: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let (mut keys, mut hash_keys) = (Vec::new(), Vec::new());
    let (mut message, mut entries) = (Vec::new(), Vec::new());
    for (key, hash_key, data) in records {
        let mut record = vec![1 << 3];
        varint(&mut record, place(&mut keys, key));
        if let Some(hash_key) = hash_key {
            record.push(2 << 3);
            varint(&mut record, place(&mut hash_keys, hash_key));
        }
        bytes_field(&mut record, 3, data);
        bytes_field(&mut entries, 3, &record);
    }
    for key in keys {
        bytes_field(&mut message, 1, key.as_bytes());
    }
    for hash_key in hash_keys {
        bytes_field(&mut message, 2, hash_key.as_bytes());
    }
    message.extend(entries);
    let digest = Md5::digest(&message);
    [&[0xf3, 0x89, 0x9a, 0xc2], &message[..], digest.as_slice()].concat()
}

fn place<'a>(table: &mut Vec<&'a str>, text: &'a str) -> u64 {
    let known = table.iter().position(|known| *known == text);
    known.unwrap_or_else(|| {
        table.push(text);
        table.len() - 1
    }) as u64
}

fn bytes_field(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
