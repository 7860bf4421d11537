//! Aggregation as the Kinesis Producer Library does it, for what reads it.

use md5::{Digest, Md5};

/// Packs user records, each a partition key and a payload, into one aggregated record.
///
/// ```
/// let blob = kinesis_logs_generator::aggregate(&[("key", b"payload")]);
/// assert!(blob.starts_with(&[0xf3, 0x89, 0x9a, 0xc2]));
/// ```
pub fn aggregate(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut message = Vec::new();
    for (key, _) in records {
        bytes_field(&mut message, 1, key.as_bytes());
    }
    for (index, (_, data)) in records.iter().enumerate() {
        let mut record = vec![1 << 3];
        varint(&mut record, index as u64);
        bytes_field(&mut record, 3, data);
        bytes_field(&mut message, 3, &record);
    }
    let digest = Md5::digest(&message);
    [&[0xf3, 0x89, 0x9a, 0xc2], &message[..], digest.as_slice()].concat()
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
