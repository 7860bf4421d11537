//! De-aggregation of containers that the Kinesis Producer Library writes ([format, AWS Labs]).
//!
//! Such a record holds several *user records*: four magic bytes, a protobuf message, and the MD5 of that message. A blob
//! that only looks like one (the digest differs, or the message does not parse) is a plain record, as in KCL.
//!
//! ```
//! use kinesis_logs_decoder::kpl::Aggregated;
//!
//! assert!(Aggregated::parse(b"a plain record").is_none());
//! ```
//!
//! [format, AWS Labs]: https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md

use md5::{Digest, Md5};

const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
const DIGEST: usize = 16;

/// A container's contents, borrowed from it.
#[derive(Debug, Clone)]
pub struct Aggregated<'a> {
    partition_keys: Vec<&'a str>,
    explicit_hash_keys: Vec<&'a str>,
    records: Vec<Entry<'a>>,
}

#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    partition_key: u64,
    explicit_hash_key: Option<u64>,
    data: &'a [u8],
}

/// One record as its producer put it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserRecord<'a> {
    /// The sub-sequence number: the index in the container. With the container's sequence number it is a position.
    pub sub_sequence_number: u64,
    /// The partition key. `None` if the container refers to a key that it does not hold.
    pub partition_key: Option<&'a str>,
    /// The explicit hash key, a decimal number, if this record carries one of its own.
    pub explicit_hash_key: Option<&'a str>,
    /// The payload.
    pub data: &'a [u8],
}

impl<'a> Aggregated<'a> {
    /// Opens a container; `None` if `data` is a plain record.
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        let body = data.strip_prefix(&MAGIC)?;
        let (message, digest) = body.split_at_checked(body.len().checked_sub(DIGEST)?)?;
        if message.is_empty() || Md5::digest(message).as_slice() != digest {
            return None;
        }
        let mut container =
            Aggregated { partition_keys: Vec::new(), explicit_hash_keys: Vec::new(), records: Vec::new() };
        for field in (Fields { rest: message }) {
            match field? {
                (1, Wire::Bytes(key)) => container.partition_keys.push(str::from_utf8(key).ok()?),
                (2, Wire::Bytes(key)) => container.explicit_hash_keys.push(str::from_utf8(key).ok()?),
                (3, Wire::Bytes(record)) => container.records.push(entry(record)?),
                _ => {}
            }
        }
        Some(container)
    }

    /// How many user records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The user records in order.
    pub fn records(&self) -> impl ExactSizeIterator<Item = UserRecord<'a>> {
        self.records.iter().enumerate().map(|(index, entry)| UserRecord {
            sub_sequence_number: index as u64,
            partition_key: at(&self.partition_keys, entry.partition_key),
            explicit_hash_key: entry.explicit_hash_key.and_then(|key| at(&self.explicit_hash_keys, key)),
            data: entry.data,
        })
    }
}

impl UserRecord<'_> {
    /// Where the record belongs among the shards' hash keys: its explicit hash key, else the MD5 of its partition key, as
    /// Kinesis computes it ([AWS]). `None` if it has neither, or no valid one.
    ///
    /// [AWS]: https://docs.aws.amazon.com/streams/latest/dev/key-concepts.html#partition-key
    pub fn hash_key(&self) -> Option<u128> {
        match (self.explicit_hash_key, self.partition_key) {
            (Some(explicit), _) => explicit.parse().ok(),
            (None, Some(key)) => Some(u128::from_be_bytes(Md5::digest(key.as_bytes()).into())),
            (None, None) => None,
        }
    }
}

fn at<'a>(table: &[&'a str], index: u64) -> Option<&'a str> {
    table.get(usize::try_from(index).ok()?).copied()
}

/// One `Record` message: both required fields must be there.
fn entry(message: &[u8]) -> Option<Entry<'_>> {
    let (mut partition_key, mut explicit_hash_key, mut data) = (None, None, None);
    for field in (Fields { rest: message }) {
        match field? {
            (1, Wire::Varint(index)) => partition_key = Some(index),
            (2, Wire::Varint(index)) => explicit_hash_key = Some(index),
            (3, Wire::Bytes(bytes)) => data = Some(bytes),
            _ => {}
        }
    }
    Some(Entry { partition_key: partition_key?, explicit_hash_key, data: data? })
}

/// The fields of a protobuf message; an item of `None` is a malformed one and the last.
struct Fields<'a> {
    rest: &'a [u8],
}

enum Wire<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// Fixed-width values, which no message here uses.
    Other,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Wire<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, Wire<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => self.take(8).map(|_| Wire::Other)?,
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.take(len)?)
            }
            5 => self.take(4).map(|_| Wire::Other)?,
            _ => return None,
        };
        Some((key >> 3, value))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn container(message: &[u8]) -> Vec<u8> {
        [&MAGIC[..], message, Md5::digest(message).as_slice()].concat()
    }

    #[test]
    fn user_records_come_with_their_own_keys_only() {
        // Two keys, one hash key; the second record has no hash key and must not borrow the first one's.
        let message = b"\x0a\x01a\x0a\x01b\x12\x027\x37\x1a\x07\x08\x00\x10\x00\x1a\x01x\x1a\x05\x08\x01\x1a\x01y";
        let blob = container(message);
        let records: Vec<_> = Aggregated::parse(&blob).unwrap().records().collect();
        assert_eq!(records.len(), 2);
        assert_eq!(
            (records[0].partition_key, records[0].explicit_hash_key, records[0].data),
            (Some("a"), Some("77"), &b"x"[..])
        );
        assert_eq!(
            (records[1].partition_key, records[1].explicit_hash_key, records[1].data),
            (Some("b"), None, &b"y"[..])
        );
        assert_eq!(records[1].sub_sequence_number, 1);
    }

    #[test]
    fn a_wrong_digest_or_a_malformed_message_is_a_plain_record() {
        let mut wrong_digest = container(b"\x1a\x04\x08\x00\x1a\x00");
        assert!(Aggregated::parse(&wrong_digest).is_some());
        *wrong_digest.last_mut().unwrap() ^= 1;
        assert!(Aggregated::parse(&wrong_digest).is_none());
        for malformed in [
            &b"\x1a\x05\x08"[..],
            b"\xff",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x1a\x02\x08\x00",
            b"",
        ] {
            assert!(Aggregated::parse(&container(malformed)).is_none(), "{malformed:x?}");
        }
        assert!(Aggregated::parse(&MAGIC).is_none());
    }

    #[test]
    fn a_key_that_is_not_there_costs_the_key_not_the_record() {
        let blob = container(b"\x1a\x05\x08\x07\x1a\x01x");
        let records: Vec<_> = Aggregated::parse(&blob).unwrap().records().collect();
        assert_eq!((records[0].partition_key, records[0].data), (None, &b"x"[..]));
    }

    proptest! {
        #[test]
        fn no_message_makes_the_parser_panic(message: Vec<u8>) {
            let _ = Aggregated::parse(&container(&message));
        }
    }
}
