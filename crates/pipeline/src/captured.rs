//! Records in files: what `read --undecodable` writes, what the AWS CLI prints, and bare bytes.
//!
//! A captured record is a JSON object with the members of Kinesis's own `Record`, and where it was read:
//! `{"StreamName": ..., "ShardId": ..., "SequenceNumber": ..., "ApproximateArrivalTimestamp": ..., "PartitionKey": ...,
//! "Data": "<base64>", "Error": ...}`.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};
use std::ops::ControlFlow;

use base64_simd::STANDARD;
use jiff::Timestamp;
use kinesis_logs_decoder::kpl::Aggregated;
use kinesis_logs_source::Record;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// A record as one line of JSON, with why it could not be decoded.
pub fn to_json(record: &Record, error: &str) -> Value {
    let mut object = json!({
        "StreamName": *record.stream,
        "ShardId": record.shard_id.as_str(),
        "SequenceNumber": record.sequence_number.as_str(),
        "Data": STANDARD.encode_to_string(&record.data),
        "Error": error,
    });
    if let Some(index) = record.sub_sequence_number {
        object["SubSequenceNumber"] = index.into();
    }
    if let Some(key) = &record.partition_key {
        object["PartitionKey"] = key.as_str().into();
    }
    if let Some(arrival) = record.arrival {
        object["ApproximateArrivalTimestamp"] = arrival.to_string().into();
    }
    object
}

/// Why a file of records cannot be read on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CapturedError {
    /// The file itself.
    #[error("cannot read {name}")]
    Read {
        /// What the file is called.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// It began as JSON, and does not go on so.
    #[error("malformed JSON in {name}")]
    Json {
        /// What the file is called.
        name: String,
        /// Where, and what was expected.
        source: serde_json::Error,
    },
    /// A captured record is none.
    #[error("record {index} of {name}: {what}")]
    Record {
        /// Which, counted from zero.
        index: usize,
        /// What the file is called.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Why reading ends before its input does.
enum Stop {
    /// No more is wanted.
    Enough,
    /// The input, or a record in it, is broken.
    Failed(CapturedError),
}

impl From<CapturedError> for Stop {
    fn from(error: CapturedError) -> Self {
        Stop::Failed(error)
    }
}

type Each<'a> = &'a mut dyn FnMut(Record) -> ControlFlow<()>;

/// Reads records in any form, one after another; those in containers of the Kinesis Producer Library one by one. `each` is
/// given every record until it breaks.
///
/// # Errors
///
/// [`CapturedError`]. Where input breaks off, the records before have been given.
pub fn read(
    input: impl BufRead,
    name: &str,
    mut each: impl FnMut(Record) -> ControlFlow<()>,
) -> Result<(), CapturedError> {
    match read_any(input, name, &mut each) {
        Ok(()) | Err(Stop::Enough) => Ok(()),
        Err(Stop::Failed(error)) => Err(error),
    }
}

fn read_any(mut input: impl BufRead, name: &str, each: Each<'_>) -> Result<(), Stop> {
    let cannot_read = |source| CapturedError::Read { name: name.to_owned(), source };
    let start = input.fill_buf().map_err(cannot_read)?;
    let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
    if matches!(first, Some(b'{' | b'[')) && !holds_envelopes(start) {
        return read_json(input, name, each);
    }
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).map_err(cannot_read)?;
    match base64_lines(&bytes) {
        Some(records) => {
            records.into_iter().enumerate().try_for_each(|(index, data)| open(bare(name, index, data), each))
        }
        None => open(bare(name, 0, bytes), each),
    }
}

/// Whether JSON is envelopes, which the decoder reads by itself, also where they are damaged.
fn holds_envelopes(start: &[u8]) -> bool {
    let start = String::from_utf8_lossy(start);
    start.trim_start().starts_with('{') && (start.contains("\"messageType\"") || start.contains("\"logEvents\""))
}

/// Captured records one a value, or the AWS CLI's answers with many.
fn read_json(mut input: impl BufRead, name: &str, each: Each<'_>) -> Result<(), Stop> {
    let (mut index, other) = read_lines(&mut input, name, each)?;
    let input = other.chain(input);
    for value in serde_json::Deserializer::from_reader(input).into_iter::<Box<RawValue>>() {
        let value = value.map_err(|source| CapturedError::Json { name: name.to_owned(), source })?;
        let many = records(&value);
        for one in many.unwrap_or_else(|| vec![&*value]) {
            let broken = |what| CapturedError::Record { index, name: name.to_owned(), what };
            let record = record(one, name, index).map_err(broken)?;
            index += 1;
            open(record, each)?;
        }
    }
    Ok(())
}

/// The values in an array, or in an answer of the AWS CLI; `None` if it is neither.
fn records(value: &RawValue) -> Option<Vec<&RawValue>> {
    match value.get().as_bytes().first() {
        Some(b'[') => serde_json::from_str(value.get()).ok(),
        _ => serde_json::from_str(value.get())
            .ok()
            .map(|Answer { records }| records)
            .filter(|records| records.iter().all(|record| record.get().contains("\"Data\""))),
    }
}

/// The record that a value is, or, if it is no captured one, the record that has it as its payload.
fn record(value: &RawValue, name: &str, index: usize) -> Result<Record, &'static str> {
    match serde_json::from_str(value.get()) {
        Ok(Value::Object(object)) if object.contains_key("Data") => captured(object, name, index),
        // As it stands: read and written again, its members would change places.
        _ => Ok(bare(name, index, value.get().as_bytes().to_vec())),
    }
}

/// What a piece of a file holds, for those who cut files into pieces themselves.
#[cfg(feature = "sources")]
pub(crate) enum Piece {
    /// Records, those in containers one by one.
    Records(Vec<Record>),
    /// What is no captured record.
    Other,
    /// What was to be a captured record, and why it is none.
    Broken(&'static str),
}

/// Looks at a piece of the file `name`, at `position`: a line, or a JSON value.
#[cfg(feature = "sources")]
pub(crate) fn piece(text: &[u8], name: &str, position: usize) -> Piece {
    let mut opened = Vec::new();
    let mut add = |record| {
        let _ = open(record, &mut |record| {
            opened.push(record);
            ControlFlow::Continue(())
        });
    };
    if text.starts_with(b"H4sI") || text.starts_with(b"84mawg") {
        match base64_lines(text) {
            Some(records) => records.into_iter().for_each(|data| add(bare(name, position, data))),
            None => return Piece::Other,
        }
        return Piece::Records(opened);
    }
    if !matches!(text.first(), Some(b'{' | b'[')) {
        return Piece::Other;
    }
    if let Some(record) = record_of_line(text, name, position) {
        add(record);
        return Piece::Records(opened);
    }
    if text[0] == b'{' && memchr::memmem::find(text, b"\"Data\"").is_none() {
        return Piece::Other;
    }
    let Ok(value) = serde_json::from_slice::<&RawValue>(text) else { return Piece::Other };
    let many = records(value);
    if many.is_none()
        && !serde_json::from_slice(text).is_ok_and(|object: Map<String, Value>| object.contains_key("Data"))
    {
        return Piece::Other;
    }
    for one in many.unwrap_or_else(|| vec![value]) {
        match record(one, name, position) {
            Ok(record) => add(record),
            Err(what) => return Piece::Broken(what),
        }
    }
    Piece::Records(opened)
}

/// Captured records one a line, as `to_json` makes them: by far the most. Gives how many there were, and the line that is
/// something else.
fn read_lines(input: &mut impl BufRead, name: &str, each: Each<'_>) -> Result<(usize, io::Cursor<Vec<u8>>), Stop> {
    let mut line = Vec::new();
    let mut index = 0;
    loop {
        line.clear();
        let read = input.read_until(b'\n', &mut line);
        read.map_err(|source| CapturedError::Read { name: name.to_owned(), source })?;
        match record_of_line(&line, name, index) {
            Some(record) => open(record, each)?,
            None => return Ok((index, io::Cursor::new(line))),
        }
        index += 1;
    }
}

/// The record that a line is, if it is a captured one.
fn record_of_line(text: &[u8], name: &str, index: usize) -> Option<Record> {
    if let Some((rest, data)) = without_data(text)
        && let Ok(line) = serde_json::from_slice::<Line<'_>>(&rest)
        // Else the data is that of something else.
        && line.data.is_empty()
        && let Some(record) = line.record(data, name, index)
    {
        return Some(record);
    }
    let mut line: Line<'_> = serde_json::from_slice(text).ok()?;
    let data = std::mem::take(&mut line.data);
    line.record(data.trim().as_bytes(), name, index)
}

/// The same line with no data in it, and the data, which is nearly all of it: in base64 is nothing that JSON would have to be
/// looked through for.
fn without_data(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    const KEY: &[u8] = b"\"Data\":\"";
    let start = memchr::memmem::find(text, KEY)? + KEY.len();
    let is_alone = memchr::memrchr(b'{', &text[..start]) == Some(0) && memchr::memchr(b'\\', &text[..start]).is_none();
    if !is_alone {
        return None;
    }
    let end = start + memchr::memchr(b'"', &text[start..])?;
    Some(([&text[..start], &text[end..]].concat(), &text[start..end]))
}

/// A captured record, without a copy of its data.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Line<'a> {
    #[serde(borrow)]
    data: Cow<'a, str>,
    stream_name: Option<String>,
    shard_id: Option<String>,
    sequence_number: Option<String>,
    sub_sequence_number: Option<u64>,
    partition_key: Option<String>,
    approximate_arrival_timestamp: Option<Value>,
}

impl Line<'_> {
    /// The record that has `data`, in base64; `None` if it is none.
    fn record(self, data: &[u8], name: &str, index: usize) -> Option<Record> {
        let mut record = Record::new(
            self.stream_name.unwrap_or_else(|| name.to_owned()),
            self.shard_id.unwrap_or_else(|| "-".to_owned()),
            self.sequence_number.unwrap_or_else(|| index.to_string()),
            STANDARD.decode_to_vec(data).ok()?,
        );
        record.partition_key = self.partition_key;
        record.sub_sequence_number = self.sub_sequence_number;
        record.arrival = self.approximate_arrival_timestamp.as_ref().and_then(arrival);
        Some(record)
    }
}

fn arrival(time: &Value) -> Option<Timestamp> {
    match time {
        Value::String(time) => time.parse().ok(),
        Value::Number(seconds) => Timestamp::from_millisecond((seconds.as_f64()? * 1000.0).round() as i64).ok(),
        _ => None,
    }
}

/// What `aws kinesis get-records` prints.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, rename = "Records")]
    records: Vec<&'a RawValue>,
}

fn captured(object: Map<String, Value>, name: &str, index: usize) -> Result<Record, &'static str> {
    let text = |member: &str| object.get(member).and_then(Value::as_str);
    let owned = |member: &str| text(member).map(str::to_owned);
    let data = text("Data").ok_or("Data is no text")?;
    let line = Line {
        data: Cow::default(),
        stream_name: owned("StreamName"),
        shard_id: owned("ShardId"),
        sequence_number: owned("SequenceNumber"),
        sub_sequence_number: object.get("SubSequenceNumber").and_then(Value::as_u64),
        partition_key: owned("PartitionKey"),
        approximate_arrival_timestamp: object.get("ApproximateArrivalTimestamp").cloned(),
    };
    line.record(data.trim().as_bytes(), name, index).ok_or("Data is no base64")
}

/// Bytes that say nothing of where they come from.
fn bare(name: &str, index: usize, data: Vec<u8>) -> Record {
    Record::new(name, "-", index.to_string(), data)
}

/// A container is given as its user records, unless the record says it is one itself.
fn open(record: Record, each: Each<'_>) -> Result<(), Stop> {
    let given = match Aggregated::parse(&record.data) {
        Some(container) if record.sub_sequence_number.is_none() => container.records().try_for_each(|user| {
            let mut opened = record.clone();
            opened.sub_sequence_number = Some(user.sub_sequence_number);
            opened.partition_key = user.partition_key.map(str::to_owned);
            opened.data = record.data.slice_ref(user.data);
            each(opened)
        }),
        _ => each(record),
    };
    if given.is_break() { Err(Stop::Enough) } else { Ok(()) }
}

/// The records, if the input is lines of base64 that hold gzip or a container.
fn base64_lines(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let text = str::from_utf8(bytes).ok()?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let records: Vec<Vec<u8>> = lines.map(|line| STANDARD.decode_to_vec(line).ok()).collect::<Option<_>>()?;
    let known = |data: &Vec<u8>| data.starts_with(&[0x1f, 0x8b]) || data.starts_with(&[0xf3, 0x89, 0x9a, 0xc2]);
    (!records.is_empty() && records.iter().all(known)).then_some(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(input: &[u8]) -> Vec<(String, Option<u64>, Vec<u8>)> {
        let mut seen = Vec::new();
        read(input, "input", |record| {
            seen.push((record.sequence_number.to_string(), record.sub_sequence_number, record.data.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
        seen
    }

    #[test]
    fn a_line_says_the_same_whether_or_not_its_data_is_cut_out_first() {
        for text in [
            r#"{"Data":"QUJD","SequenceNumber":"7","StreamName":"s"}"#,
            r#"{"SequenceNumber":"7","Data":" QUJD "}"#,
            r#"{"foo\"Data":"QUJD","Data":""}"#,
            r#"{"Error":"\"Data\":\"QQ==\"","Data":"QUJD"}"#,
            r#"{"in":{"Data":"QUJD"},"Data":"QQ=="}"#,
            r#"{"in":{"Data":"QUJD"}}"#,
            r#"{"Data":"QUJD","Data":"QQ=="}"#,
            r#"{"Data":"Q\/JD"}"#,
            r#"{"Data":"QUJD\u00a0"}"#,
            r#"{"Data":"no base64!"}"#,
            r#"{"Data":null}"#,
            "{\"Data\":\"QUJD\t\"}",
            "{\"Data\":\"QUJD",
        ] {
            let expected = serde_json::from_str(text).ok().and_then(|mut line: Line<'_>| {
                let data = std::mem::take(&mut line.data);
                line.record(data.trim().as_bytes(), "file", 3)
            });
            assert_eq!(record_of_line(text.as_bytes(), "file", 3), expected, "{text}");
        }
    }

    #[test]
    fn every_form_is_recognised() {
        let gzip = [0x1f, 0x8b, 8, 0];
        let text = STANDARD.encode_to_string(gzip);
        let whole = |number: &str| vec![(number.to_owned(), None, gzip.to_vec())];
        assert_eq!(records(&gzip), whole("0"), "bytes");
        assert_eq!(records(format!("{text}\n").as_bytes()), whole("0"), "base64");
        let object = format!(r#"{{"SequenceNumber":"7","Data":"{text}","ApproximateArrivalTimestamp":1.5e9}}"#);
        assert_eq!(records(object.as_bytes()), whole("7"), "a captured record");
        let answer = format!(r#"{{"Records":[{object},{object}],"MillisBehindLatest":0}}"#);
        assert_eq!(records(answer.as_bytes()), [whole("7"), whole("7")].concat(), "an answer");
        assert_eq!(records(format!("{object}\n{object}").as_bytes()).len(), 2, "one a line");
        let envelopes = b"{\"messageType\":\"X\"}{\"messageType\":\"Y\"} cut {";
        assert_eq!(records(envelopes)[0].2, envelopes, "envelopes are the decoder's");
        let odd_order = br#"{"messageType":"X","b":1.50,"a":2}"#;
        assert_eq!(records(odd_order)[0].2, odd_order, "an envelope is not rewritten");
        assert_eq!(records(b"plain text")[0].2, b"plain text");
        assert_eq!(records(b"")[0].2, b"");
    }

    #[test]
    fn a_captured_record_is_read_back_as_it_was() {
        let mut record = Record::new("stream", "shard", "49", b"\x00\xffdata".to_vec());
        record.sub_sequence_number = Some(2);
        record.partition_key = Some("key".to_owned());
        record.arrival = Some("2026-11-24T08:00:00.123Z".parse().unwrap());
        let line = to_json(&record, "why").to_string();
        let mut back = Vec::new();
        read(line.as_bytes(), "input", |record| {
            back.push(record);
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(back, [record]);
    }

    #[test]
    fn broken_input_names_the_record() {
        let error =
            read(&b"{\"Data\":\"AA==\"}\n{\"Data\":\"?\"}"[..], "input", |_| ControlFlow::Continue(())).unwrap_err();
        assert!(format!("{error:#}").starts_with("record 1 of input: Data is no base64"), "{error:#}");
    }
}
