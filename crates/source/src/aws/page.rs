//! The answer of [`GetRecords`], parsed as it arrives.
//!
//! Records are cut out of the answer at their braces, and each is parsed where it lies; only one that two pieces of the
//! answer share is copied first. What surrounds the records is small and parsed at the end.
//!
//! The form is [JSON 1.1 of AWS]: blobs are base64, timestamps are seconds since the epoch, what is absent may be null.
//!
//! [`GetRecords`]: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html
//! [JSON 1.1 of AWS]: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

use super::kinesis::hash_keys;
use crate::protocol::{RawRecord, RecordPage, Shard, ShardId};

/// More than any answer has: ten mebibytes of data as base64, and ten thousand records' names and numbers.
const MAX_BYTES: usize = 64 << 20;

/// Why an answer is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    #[error("record {0} of the answer: {1}")]
    Record(usize, serde_json::Error),
    #[error("the answer: {0}")]
    Surrounding(serde_json::Error),
    #[error("the answer is longer than {MAX_BYTES} bytes")]
    TooLong,
}

/// Takes an answer in pieces.
#[derive(Debug, Default)]
pub(super) struct PageParser {
    scanner: Scanner,
    records: Vec<RawRecord>,
    /// The begin of a record whose end is yet to come.
    begun: Vec<u8>,
    /// What lies around the records.
    surrounding: Vec<u8>,
    bytes: usize,
}

impl PageParser {
    /// Takes the next piece.
    pub(super) fn push(&mut self, mut piece: &[u8]) -> Result<(), PageError> {
        self.bytes += piece.len();
        if self.bytes > MAX_BYTES {
            return Err(PageError::TooLong);
        }
        while !piece.is_empty() {
            let (part, length) = self.scanner.next(piece);
            let (bytes, rest) = piece.split_at(length);
            piece = rest;
            match part {
                Part::Separator => {}
                Part::Surrounding => self.surrounding.extend_from_slice(bytes),
                Part::ArrayBegin => {
                    self.surrounding.extend_from_slice(bytes);
                    if is_records(&self.surrounding) {
                        self.scanner.enter_records();
                    }
                }
                Part::RecordBegin => self.begun.extend_from_slice(bytes),
                Part::RecordEnd if self.begun.is_empty() => self.parse(bytes)?,
                Part::RecordEnd => {
                    let mut record = std::mem::take(&mut self.begun);
                    record.extend_from_slice(bytes);
                    self.parse(&record)?;
                }
            }
        }
        Ok(())
    }

    fn parse(&mut self, record: &[u8]) -> Result<(), PageError> {
        let record = serde_json::from_slice::<Record>(record);
        let record = record.map_err(|error| PageError::Record(self.records.len() + 1, error))?;
        self.records.push(record.into());
        Ok(())
    }

    /// The page, whose server's time is yet to be set. Fails if the answer is not complete.
    pub(super) fn finish(mut self) -> Result<RecordPage, PageError> {
        if !self.begun.is_empty() {
            let begun = std::mem::take(&mut self.begun);
            self.parse(&begun)?;
        }
        let page = serde_json::from_slice::<Surrounding>(&self.surrounding).map_err(PageError::Surrounding)?;
        // Not those that were cut out, but any whose name was written in another way.
        self.records.extend(page.records.unwrap_or_default().into_iter().map(RawRecord::from));
        Ok(RecordPage {
            records: self.records,
            next_iterator: page.next_shard_iterator,
            millis_behind_latest: page.millis_behind_latest,
            child_shards: page.child_shards.unwrap_or_default().into_iter().map(Shard::from).collect(),
            server_time: Timestamp::UNIX_EPOCH,
        })
    }
}

/// Whether what came so far ends with the begin of the records.
fn is_records(surrounding: &[u8]) -> bool {
    let name = surrounding.strip_suffix(b"[").map(<[u8]>::trim_ascii_end).and_then(|text| text.strip_suffix(b":"));
    name.is_some_and(|text| text.trim_ascii_end().ends_with(b"\"Records\""))
}

/// What a run of bytes belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// What surrounds the records.
    Surrounding,
    /// The same, and its last byte begins an array within the outermost object.
    ArrayBegin,
    /// What lies between two records.
    Separator,
    /// A record without its end.
    RecordBegin,
    /// A record, or the rest of one, to its end.
    RecordEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    Surrounding,
    BetweenRecords,
    Record,
}

/// Finds where records begin and end: JSON is looked at no closer than that takes.
#[derive(Debug, Default)]
struct Scanner {
    place: Place,
    /// How many objects and arrays are open; within a record, of its own.
    depth: usize,
    in_string: bool,
    /// Whether the last byte was a string's backslash.
    escaped: bool,
}

impl Scanner {
    /// What the begin of `piece` belongs to, and how many bytes of it.
    fn next(&mut self, piece: &[u8]) -> (Part, usize) {
        if self.place == Place::BetweenRecords {
            let separators = piece.iter().take_while(|byte| **byte == b',' || byte.is_ascii_whitespace()).count();
            if separators > 0 {
                return (Part::Separator, separators);
            }
            (self.place, self.depth) = match piece.first() {
                Some(b'{') => (Place::Record, 0),
                _ => (Place::Surrounding, 2),
            };
        }
        if self.place == Place::Record {
            return match self.walk(piece, |_, depth| depth == 0) {
                Some(end) => {
                    self.place = Place::BetweenRecords;
                    (Part::RecordEnd, end)
                }
                None => (Part::RecordBegin, piece.len()),
            };
        }
        match self.walk(piece, |byte, depth| byte == b'[' && depth == 2) {
            Some(end) => (Part::ArrayBegin, end),
            None => (Part::Surrounding, piece.len()),
        }
    }

    /// The array that has just begun is that of the records.
    fn enter_records(&mut self) {
        self.place = Place::BetweenRecords;
    }

    /// Past the bracket or brace for which, with the depth behind it, `is_end` holds.
    fn walk(&mut self, piece: &[u8], is_end: impl Fn(u8, usize) -> bool) -> Option<usize> {
        let mut at = 0;
        while at < piece.len() {
            if self.in_string {
                at += self.leave_string(&piece[at..]);
                continue;
            }
            let byte = piece[at];
            at += 1;
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => continue,
            }
            if is_end(byte, self.depth) {
                return Some(at);
            }
        }
        None
    }

    /// How many bytes of `text`, which begins within a string, belong to it.
    fn leave_string(&mut self, text: &[u8]) -> usize {
        let mut at = 0;
        if std::mem::take(&mut self.escaped) {
            at = 1;
        }
        while let Some(found) = memchr::memchr2(b'"', b'\\', &text[at..]) {
            at += found + 1;
            if text[at - 1] == b'"' {
                self.in_string = false;
                return at;
            }
            if at == text.len() {
                self.escaped = true;
                return at;
            }
            at += 1;
        }
        text.len()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Surrounding {
    records: Option<Vec<Record>>,
    next_shard_iterator: Option<String>,
    millis_behind_latest: Option<i64>,
    child_shards: Option<Vec<ChildShard>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    sequence_number: String,
    approximate_arrival_timestamp: Option<f64>,
    partition_key: Option<String>,
    data: Option<Base64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ChildShard {
    shard_id: String,
    parent_shards: Option<Vec<String>>,
    hash_key_range: Option<HashKeyRange>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HashKeyRange {
    starting_hash_key: String,
    ending_hash_key: String,
}

impl From<Record> for RawRecord {
    fn from(record: Record) -> Self {
        let millis = record.approximate_arrival_timestamp.map(|seconds| (seconds * 1000.0).round() as i64);
        RawRecord {
            sequence_number: record.sequence_number.into(),
            arrival: millis.and_then(|millis| Timestamp::from_millisecond(millis).ok()),
            partition_key: record.partition_key,
            data: record.data.map_or_else(Bytes::new, |data| Bytes::from(data.0)),
        }
    }
}

impl From<ChildShard> for Shard {
    fn from(child: ChildShard) -> Self {
        let range = child.hash_key_range;
        Shard {
            id: child.shard_id.into(),
            parents: child.parent_shards.unwrap_or_default().into_iter().map(ShardId::from).collect(),
            hash_key_range: range.and_then(|range| hash_keys(&range.starting_hash_key, &range.ending_hash_key)),
            closed: false,
        }
    }
}

/// What a string of base64 stands for.
struct Base64(Vec<u8>);

impl fmt::Debug for Base64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As bytes, so that nothing looks for UTF-8 first.
        deserializer.deserialize_bytes(Base64Visitor)
    }
}

struct Base64Visitor;

impl Visitor<'_> for Base64Visitor {
    type Value = Base64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string of base64")
    }

    fn visit_bytes<E: serde::de::Error>(self, text: &[u8]) -> Result<Base64, E> {
        let data = base64_simd::STANDARD.decode_to_vec(text);
        data.map(Base64).map_err(|_| E::custom("the data is not base64"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(pieces: &[&[u8]]) -> Result<RecordPage, PageError> {
        let mut parser = PageParser::default();
        pieces.iter().try_for_each(|piece| parser.push(piece))?;
        parser.finish()
    }

    fn whole(json: &str) -> Result<RecordPage, PageError> {
        page(&[json.as_bytes()])
    }

    /// What AWS documents as an example, and some more.
    const PAGE: &str = r#"{"Records": [{"SequenceNumber":"21269319989652663814458848515492872193",
        "ApproximateArrivalTimestamp":1.441215410867E9,"Data":"XzxkYXRhPl8w","PartitionKey":"key }{][ \"1\" \\",
        "EncryptionType":"KMS"} , {"Data":"\/\u002b8=","SequenceNumber":"2","PartitionKey":null}],
        "MillisBehindLatest":2100, "NextShardIterator":"AAA+/==","ChildShards":[]}"#;

    #[test]
    fn a_page_has_its_records_and_where_reading_continues() {
        let page = whole(PAGE).unwrap();
        let [first, second] = &page.records[..] else { panic!("{page:?}") };
        assert_eq!(first.sequence_number.as_str(), "21269319989652663814458848515492872193");
        assert_eq!(first.arrival, Some("2015-09-02T17:36:50.867Z".parse().unwrap()));
        assert_eq!(first.partition_key.as_deref(), Some(r#"key }{][ "1" \"#));
        assert_eq!(first.data, "_<data>_0");
        assert_eq!((second.sequence_number.as_str(), second.arrival, &second.partition_key), ("2", None, &None));
        assert_eq!(second.data, [0xff, 0xef][..]);
        assert_eq!((page.millis_behind_latest, page.next_iterator.as_deref()), (Some(2100), Some("AAA+/==")));
    }

    #[test]
    fn wherever_a_page_is_cut_it_is_the_same() {
        let expected = format!("{:?}", whole(PAGE).unwrap());
        for cut in 0..PAGE.len() {
            let (head, tail) = PAGE.as_bytes().split_at(cut);
            assert_eq!(format!("{:?}", page(&[head, tail]).unwrap()), expected, "cut at {cut}");
            page(&[head]).unwrap_err();
        }
        let bytes: Vec<&[u8]> = PAGE.as_bytes().chunks(1).collect();
        assert_eq!(format!("{:?}", page(&bytes).unwrap()), expected);
    }

    #[test]
    fn the_last_page_of_a_shard_names_those_that_continue_it() {
        let page = whole(
            r#"{"ChildShards":[{"ShardId":"shardId-000000000003","ParentShards":["shardId-000000000000"],
                "HashKeyRange":{"StartingHashKey":"0","EndingHashKey":"340282366920938463463374607431768211455"}}],
                "Records":[],"MillisBehindLatest":0,"NextShardIterator":null}"#,
        )
        .unwrap();
        assert_eq!(page.next_iterator, None);
        let [child] = &page.child_shards[..] else { panic!("{page:?}") };
        assert_eq!((child.id.as_str(), child.parents[0].as_str()), ("shardId-000000000003", "shardId-000000000000"));
        assert_eq!(child.hash_key_range, Some((0, u128::MAX)));
    }

    #[test]
    fn records_are_found_however_their_name_is_written() {
        for json in [
            r#"{"Records":[{"SequenceNumber":"1","Data":"AAAA"}]}"#,
            r#"{"R\u0065cords":[{"SequenceNumber":"1","Data":"AAAA"}]}"#,
            "{\"Records\" \n: \n[\n{\"SequenceNumber\":\"1\",\"Data\":\"AAAA\"}\n]\n}\n",
        ] {
            assert_eq!(whole(json).unwrap().records.len(), 1, "{json}");
        }
        assert!(whole(r#"{"Records":null,"ChildShards":null}"#).unwrap().records.is_empty());
        assert!(whole(r#"{"Other":{"Records":[{}]},"More":["Records",[{}]]}"#).unwrap().records.is_empty());
    }

    #[test]
    fn what_is_no_answer_says_where_it_breaks() {
        for (json, said) in [
            (
                r#"{"Records":[{"SequenceNumber":"1","Data":"A"#,
                "record 1 of the answer: EOF while parsing a string at line 1 column 31",
            ),
            (
                r#"{"Records":[{"SequenceNumber":"1","Data":"AAAA"},{"SequenceNumber":"1","Data":"A*=="}]}"#,
                "record 2 of the answer: the data is not base64 at line 1 column 35",
            ),
            (
                r#"{"Records":[{"Data":"AAAA"}]}"#,
                "record 1 of the answer: missing field `SequenceNumber` at line 1 column 15",
            ),
            (r#"{"Records":[7]}"#, "the answer: invalid type: integer `7`, expected struct Record at line 1 column 13"),
            (r#"{"Records":[]"#, "the answer: EOF while parsing an object at line 1 column 13"),
            ("<html>", "the answer: expected value at line 1 column 1"),
            ("", "the answer: EOF while parsing a value at line 1 column 0"),
        ] {
            assert_eq!(whole(json).unwrap_err().to_string(), said, "{json}");
        }
    }

    #[test]
    fn an_answer_without_end_is_given_up() {
        let mut parser = PageParser::default();
        let piece = vec![b' '; 1 << 20];
        let refused = (0..100).find_map(|_| parser.push(&piece).err()).unwrap();
        assert_eq!(refused.to_string(), "the answer is longer than 67108864 bytes");
    }

    proptest! {
        /// Pieces of JSON in any order, cut anywhere: no panic, and the cuts make no difference.
        #[test]
        fn no_cut_makes_a_difference(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", "\"", "\\", " ", "\"Records\"", "\"Records\":[", "null", "1",
                    r#"{"SequenceNumber":"1","Data":"AAAA"}"#, r#"{"SequenceNumber":"2"}"#, r#""NextShardIterator":"A""#,
                ]),
                0..24,
            ),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let json = parts.concat();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(json.len() + 1)).collect();
            cuts.extend([0, json.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &json.as_bytes()[cut[0]..cut[1]]).collect();
            let told = |page: Result<RecordPage, PageError>| format!("{page:?}");
            prop_assert_eq!(told(page(&pieces)), told(whole(&json)));
        }
    }
}
