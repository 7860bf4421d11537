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

/// Fields of the container's message, by number.
const PARTITION_KEY: u64 = 1;
const EXPLICIT_HASH_KEY: u64 = 2;
const RECORD: u64 = 3;

/// A container's contents, borrowed from it. Apart from a few places in it that make its keys quick to find, which take
/// less than a fifth of its size, nothing is kept of them: user records are read as they are asked for.
#[derive(Debug, Clone)]
pub struct Aggregated<'a> {
    message: &'a [u8],
    len: usize,
    /// A mark at least every [`STRIDE`] bytes where keys are found from, but none at the beginning.
    marks: Vec<Mark>,
}

/// Kinesis takes keys of 256 characters.
const MAX_KEY: usize = 256 * 4;

/// How many bytes of fields there are from one mark to the next.
const STRIDE: usize = 256;

/// Where in the message a field begins, and how many keys of either kind stand before it. A table of all keys would be
/// eight times as large as the keys that a hostile producer writes; and where they stand is up to the producer.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    offset: usize,
    partition_keys: usize,
    explicit_hash_keys: usize,
}

/// One record as its producer put it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserRecord<'a> {
    /// The sub-sequence number: the index in the container. With the container's sequence number it is a position.
    pub sub_sequence_number: u64,
    /// The partition key. `None` if the container refers to a key that it does not hold, or to one that is longer than
    /// Kinesis takes.
    pub partition_key: Option<&'a str>,
    /// The explicit hash key, a decimal number, if this record carries one of its own.
    pub explicit_hash_key: Option<&'a str>,
    /// The payload.
    pub data: &'a [u8],
}

impl<'a> Aggregated<'a> {
    /// Opens a container; `None` if `data` is a plain record.
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        Aggregated::read(message(data)?)
    }

    /// Reads over a container's message once, so that reading it again cannot fail; `None` if it is malformed.
    pub(crate) fn read(message: &'a [u8]) -> Option<Self> {
        let mut container = Aggregated { message, len: 0, marks: Vec::new() };
        let mut next = Mark::default();
        let mut fields = Fields { rest: message };
        while let Some(field) = fields.next() {
            match field? {
                (PARTITION_KEY, Wire::Bytes(key)) => {
                    str::from_utf8(key).ok()?;
                    next.partition_keys += 1;
                }
                (EXPLICIT_HASH_KEY, Wire::Bytes(key)) => {
                    str::from_utf8(key).ok()?;
                    next.explicit_hash_keys += 1;
                }
                (RECORD, Wire::Bytes(record)) => {
                    entry(record)?;
                    container.len += 1;
                }
                _ => {}
            }
            next.offset = message.len() - fields.rest.len();
            if next.offset - container.marks.last().map_or(0, |mark| mark.offset) >= STRIDE {
                container.marks.push(next);
            }
        }
        Some(container)
    }

    /// How many user records there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The user records in order.
    pub fn records(&self) -> UserRecords<'_, 'a> {
        UserRecords { container: self, fields: Fields { rest: self.message }, given: 0 }
    }

    /// The key at an index among those that are fields of this number.
    fn key(&self, number: u64, index: u64) -> Option<&'a str> {
        let index = usize::try_from(index).ok()?;
        let before = |mark: &Mark| if number == PARTITION_KEY { mark.partition_keys } else { mark.explicit_hash_keys };
        let start = self.marks[..self.marks.partition_point(|mark| before(mark) <= index)].last();
        let start = start.copied().unwrap_or_default();
        let mut keys =
            Fields { rest: &self.message[start.offset..] }.map_while(|field| field).filter_map(|field| match field {
                (other, Wire::Bytes(key)) if other == number => Some(key),
                _ => None,
            });
        let key = keys.nth(index - before(&start))?;
        // Records may share a key: a long one would cost as much for each of them.
        if key.len() <= MAX_KEY { str::from_utf8(key).ok() } else { None }
    }
}

/// The message of a container, the digest of which is right. It may be malformed all the same.
pub(crate) fn message(data: &[u8]) -> Option<&[u8]> {
    let body = data.strip_prefix(&MAGIC)?;
    let (message, digest) = body.split_at_checked(body.len().checked_sub(DIGEST)?)?;
    (!message.is_empty() && Md5::digest(message).as_slice() == digest).then_some(message)
}

/// Iterator over the [`UserRecord`]s of a container, which are read one by one.
#[derive(Debug, Clone)]
pub struct UserRecords<'c, 'a> {
    container: &'c Aggregated<'a>,
    fields: Fields<'a>,
    given: usize,
}

impl<'a> Iterator for UserRecords<'_, 'a> {
    type Item = UserRecord<'a>;

    fn next(&mut self) -> Option<UserRecord<'a>> {
        let entry = self.fields.by_ref().map_while(|field| field).find_map(|field| match field {
            (RECORD, Wire::Bytes(record)) => entry(record),
            _ => None,
        })?;
        let sub_sequence_number = self.given as u64;
        self.given += 1;
        let key = |number, index| self.container.key(number, index);
        Some(UserRecord {
            sub_sequence_number,
            partition_key: key(PARTITION_KEY, entry.partition_key),
            explicit_hash_key: entry.explicit_hash_key.and_then(|index| key(EXPLICIT_HASH_KEY, index)),
            data: entry.data,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.container.len - self.given;
        (left, Some(left))
    }
}

impl ExactSizeIterator for UserRecords<'_, '_> {}

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

struct Entry<'a> {
    partition_key: u64,
    explicit_hash_key: Option<u64>,
    data: &'a [u8],
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
#[derive(Debug, Clone)]
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
    fn a_key_that_is_not_there_or_too_long_costs_the_key_not_the_record() {
        let blob = container(b"\x1a\x05\x08\x07\x1a\x01x");
        let records: Vec<_> = Aggregated::parse(&blob).unwrap().records().collect();
        assert_eq!((records[0].partition_key, records[0].data), (None, &b"x"[..]));
        let blob = container(&[b"\x0a\x81\x08", &[b'k'; 1025][..], b"\x1a\x05\x08\0\x1a\x01x"].concat());
        let record = Aggregated::parse(&blob).unwrap().records().next();
        assert_eq!(record.map(|record| (record.partition_key, record.data)), Some((None, &b"x"[..])));
    }

    #[test]
    fn keys_are_found_wherever_they_stand() {
        fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
            [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
        }
        // Records that name keys from the last to the first, of either kind, before, among and behind the keys.
        const KEYS: u16 = 5000;
        let index = |key: u16| [(key & 0x7f) as u8 | 0x80, (key >> 7) as u8];
        let mut message = Vec::new();
        for nth in 0..KEYS {
            if nth % 3 > 0 {
                message.extend(field(1, nth.to_string().as_bytes()));
            }
            let (of_key, of_hash_key) = (index(KEYS - 1 - nth), index(nth));
            let record = [&[8][..], &of_key, &[16], &of_hash_key, &field(3, &nth.to_be_bytes())].concat();
            message.extend(field(3, &record));
            if nth % 2 > 0 {
                message.extend(field(2, format!("{nth}0").as_bytes()));
            }
        }
        let blob = container(&message);
        let container = Aggregated::parse(&blob).unwrap();
        let keys: Vec<String> = (0..KEYS).filter(|nth| nth % 3 > 0).map(|nth| nth.to_string()).collect();
        let hash_keys: Vec<String> = (0..KEYS).filter(|nth| nth % 2 > 0).map(|nth| format!("{nth}0")).collect();
        assert_eq!((container.len(), container.records().len()), (KEYS.into(), KEYS.into()));
        for (nth, record) in container.records().enumerate() {
            let key = keys.get(usize::from(KEYS) - 1 - nth).map(String::as_str);
            assert_eq!((record.partition_key, record.data), (key, &(nth as u16).to_be_bytes()[..]));
            assert_eq!(record.explicit_hash_key, hash_keys.get(nth).map(String::as_str));
        }
    }

    proptest! {
        #[test]
        fn no_message_makes_the_parser_panic(message: Vec<u8>) {
            if let Some(container) = Aggregated::parse(&container(&message)) {
                prop_assert_eq!(container.records().count(), container.len());
            }
        }
    }
}
