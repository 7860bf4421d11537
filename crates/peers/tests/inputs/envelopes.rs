//! Records as CloudWatch Logs writes them, as others may, and damaged ones.

use std::io::Write;

use fastrand::Rng;
use flate2::{Compression, GzBuilder};
use kinesis_logs_decoder::flow_log::Format;
use kinesis_logs_generator::FlowLogs;

use super::lines;

/// One record, and what is known of it.
pub(crate) struct Record {
    pub(crate) data: Vec<u8>,
    /// The envelope's JSON, if the record is whole and holds one.
    pub(crate) envelope: Option<String>,
    /// Why VRL refuses the envelope; none if it takes it.
    pub(crate) objection: Option<Objection>,
    pub(crate) damage: Damage,
}

/// What was done to a record that was whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Damage {
    Nothing,
    /// One byte of the JSON is another.
    Json,
    /// One byte of the compressed data is another, or it ends too soon.
    Gzip,
}

/// What VRL's `parse_aws_cloudwatch_log_subscription_message` does not take, which reads into a struct that denies what it
/// does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Objection {
    /// Also `extractedFields` and `policyLevel`, which AWS writes.
    UnknownMember,
    /// A member is not there.
    MissingMember,
    /// A member is there twice.
    RepeatedMember,
    /// A value is of another kind: a number or `null` for a text, a text for a time.
    OtherKind,
    /// A time that its calendar does not reach.
    DistantTime,
    /// A `messageType` that AWS does not document.
    UnknownType,
}

/// What JSON is made of, so that it may still be JSON.
const ODD_BYTES: &[u8] = br#"{}[]",:\/x0-.e "#;

/// Records, of which one in five is as AWS writes them.
pub(crate) fn records(rng: &mut Rng, count: usize) -> Vec<Record> {
    let mut usual = [false, true]
        .map(|extracted| FlowLogs::new(rng.u64(..)).events_per_record(rng.usize(1..30)).extracted_fields(extracted));
    let mut records = Vec::new();
    for number in 0..count {
        if number % 5 == 0 {
            let extracted = number % 2;
            let data = usual[extracted].next_record().data;
            let objection = (extracted == 1).then_some(Objection::UnknownMember);
            let envelope = Some(inflate(&data));
            records.push(Record { data, envelope, objection, damage: Damage::Nothing });
        } else if number % 50 == 1 {
            let data = kinesis_logs_generator::control_message();
            records.push(Record { envelope: Some(inflate(&data)), data, objection: None, damage: Damage::Nothing });
        } else {
            records.push(record(rng));
        }
    }
    records
}

fn inflate(data: &[u8]) -> String {
    let mut json = vec![0; u32::from_le_bytes(*data.last_chunk().unwrap()) as usize];
    libdeflater::Decompressor::new().gzip_decompress(data, &mut json).unwrap();
    String::from_utf8(json).unwrap()
}

fn record(rng: &mut Rng) -> Record {
    let mut writer = Writer { rng, json: String::new(), objection: None };
    writer.envelope();
    let Writer { json, objection, .. } = writer;
    let damage = [Damage::Nothing, Damage::Json, Damage::Gzip][[0, 0, 0, 0, 0, 0, 0, 1, 1, 2][rng.usize(..10)]];
    let (mut envelope, mut bytes) = (Some(json.clone()), json.into_bytes());
    if rng.u8(..12) == 0 {
        // A second envelope behind the first.
        let mut writer = Writer { rng, json: String::new(), objection: None };
        writer.envelope();
        bytes.extend_from_slice(["", " ", "\n"][writer.rng.usize(..3)].as_bytes());
        bytes.extend_from_slice(writer.json.as_bytes());
        envelope = None;
    }
    if damage == Damage::Json {
        let at = rng.usize(..bytes.len());
        bytes[at] = ODD_BYTES[rng.usize(..ODD_BYTES.len())];
    }
    let mut data = match rng.u8(..10) {
        0 if damage != Damage::Gzip => bytes,
        1 => {
            let (one, other) = bytes.split_at(rng.usize(..=bytes.len()));
            [gzip(rng, one), gzip(rng, other)].concat()
        }
        _ => gzip(rng, &bytes),
    };
    if damage == Damage::Gzip {
        if rng.bool() {
            data.truncate(rng.usize(4..data.len()));
        } else {
            // The header's first bytes say what it is, some of those behind say nothing.
            let at = rng.usize(10..data.len());
            data[at] ^= 1 << rng.u8(..8);
        }
    }
    let envelope = envelope.filter(|_| damage == Damage::Nothing);
    Record { data, envelope, objection, damage }
}

/// A gzip member of any level, with or without what headers may hold.
fn gzip(rng: &mut Rng, bytes: &[u8]) -> Vec<u8> {
    let mut builder = GzBuilder::new();
    if rng.u8(..8) == 0 {
        builder = builder.filename("records.json").comment("of odd producers").extra(vec![1, 2, 3]).mtime(rng.u32(..));
    }
    let mut encoder = builder.write(Vec::new(), Compression::new(rng.u32(..=9)));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Writes one envelope.
struct Writer<'a> {
    rng: &'a mut Rng,
    json: String,
    objection: Option<Objection>,
}

impl Writer<'_> {
    /// Once in `times`.
    fn once_in(&mut self, times: u16) -> bool {
        self.rng.u16(..times) == 0
    }

    fn object_to(&mut self, objection: Objection) {
        self.objection.get_or_insert(objection);
    }

    fn envelope(&mut self) {
        let mut members = vec!["messageType", "owner", "logGroup", "logStream", "subscriptionFilters", "logEvents"];
        if self.once_in(20) {
            members.push(["policyLevel", "new"][self.rng.usize(..2)]);
            self.object_to(Objection::UnknownMember);
        }
        if self.once_in(20) {
            members.remove(self.rng.usize(..6));
            self.object_to(Objection::MissingMember);
        }
        if self.rng.bool() {
            self.rng.shuffle(&mut members);
        }
        self.object(&members, Self::envelope_member);
    }

    fn envelope_member(&mut self, name: &str) {
        match name {
            "messageType" => match self.rng.u8(..20) {
                0 => self.literal("\"CONTROL_MESSAGE\""),
                1 => {
                    self.object_to(Objection::UnknownType);
                    self.literal("\"OTHER_MESSAGE\"");
                }
                _ => self.literal("\"DATA_MESSAGE\""),
            },
            "subscriptionFilters" => {
                let count = self.rng.usize(..4);
                self.array(count, |writer| {
                    if writer.once_in(60) {
                        writer.object_to(Objection::OtherKind);
                        return writer.literal("5");
                    }
                    writer.text()
                });
            }
            "logEvents" => {
                let count = [0, 1, 1, 2, 3, 5, 8, 30][self.rng.usize(..8)];
                self.array(count, Self::event);
            }
            "new" => self.any(3),
            _ => self.text_or_other(200),
        }
    }

    fn event(&mut self) {
        let mut members = vec!["id", "timestamp", "message"];
        if self.once_in(6) {
            members.push("extractedFields");
            self.object_to(Objection::UnknownMember);
        }
        if self.once_in(60) {
            members.push("ingestionTime");
            self.object_to(Objection::UnknownMember);
        }
        if self.once_in(60) {
            members.remove(self.rng.usize(..3));
            self.object_to(Objection::MissingMember);
        }
        if self.once_in(60) {
            members.push(["id", "message", "timestamp"][self.rng.usize(..3)]);
            let again = members.iter().filter(|name| *name == members.last().unwrap()).count() > 1;
            self.object_to(if again { Objection::RepeatedMember } else { Objection::UnknownMember });
        }
        if self.once_in(6) {
            self.rng.shuffle(&mut members);
        }
        self.object(&members, Self::event_member);
    }

    fn event_member(&mut self, name: &str) {
        match name {
            "timestamp" => self.timestamp(),
            "extractedFields" => self.extracted_fields(),
            "ingestionTime" => self.any(3),
            _ => self.text_or_other(100),
        }
    }

    fn timestamp(&mut self) {
        let time = self.rng.u64(1_400_000_000_000..1_800_000_000_000);
        let (json, objection) = match self.rng.u8(..100) {
            0 => (format!("\"{time}\""), Some(Objection::OtherKind)),
            1 => (format!("{time}.75"), Some(Objection::OtherKind)),
            2 => ("1.4e12".to_owned(), Some(Objection::OtherKind)),
            3 => ("null".to_owned(), Some(Objection::OtherKind)),
            4 => ("\"soon\"".to_owned(), Some(Objection::OtherKind)),
            5 => ("true".to_owned(), Some(Objection::OtherKind)),
            6 => (i64::MAX.to_string(), Some(Objection::DistantTime)),
            7 => (u64::MAX.to_string(), Some(Objection::DistantTime)),
            8 => ("0".to_owned(), None),
            9 => (format!("-{time}"), None),
            _ => (time.to_string(), None),
        };
        self.objection = self.objection.or(objection);
        self.literal(&json);
    }

    fn extracted_fields(&mut self) {
        if self.once_in(30) {
            return self.any(1);
        }
        let count = self.rng.usize(..8);
        self.json.push('{');
        for index in 0..count {
            self.comma(index);
            match self.rng.u8(..10) {
                0 => self.text(),
                1 => self.literal("\"@aws.region\""),
                _ => self.literal(["\"srcaddr\"", "\"dstport\"", "\"$1\"", "\"user\""][index % 4]),
            }
            self.colon();
            if self.once_in(20) { self.any(2) } else { self.text() }
        }
        self.space();
        self.json.push('}');
    }

    /// A text mostly, anything else once in `times`.
    fn text_or_other(&mut self, times: u16) {
        if self.once_in(times) {
            self.object_to(Objection::OtherKind);
            return self.other(2);
        }
        self.text();
    }

    fn any(&mut self, depth: usize) {
        if self.rng.bool() { self.text() } else { self.other(depth) }
    }

    /// Anything but a text, without spaces: the decoder gives it as it stands.
    fn other(&mut self, depth: usize) {
        if depth == 0 || self.rng.u8(..3) > 0 {
            let scalars = ["null", "true", "0", "-17", "1.50", "1E+3", "12345678901234567890123"];
            let scalar = scalars[self.rng.usize(..scalars.len())];
            return self.literal(scalar);
        }
        let (count, is_array) = (self.rng.usize(..4), self.rng.bool());
        self.json.push(if is_array { '[' } else { '{' });
        for index in 0..count {
            if index > 0 {
                self.json.push(',');
            }
            if !is_array {
                self.json.push_str(&format!("\"k{index}\":"));
            }
            if self.rng.bool() { self.json.push_str("\"v é\"") } else { self.other(depth - 1) }
        }
        self.json.push(if is_array { ']' } else { '}' });
    }

    /// A text, some characters of which are escaped though they need not be. Half a character is no text to Python.
    fn text(&mut self) {
        let text = match self.rng.u8(..12) {
            0 => String::new(),
            1 => r#"{"level":"info","path":"C:\\temp\\"}"#.to_owned(),
            2 => "two\nlines\r\n\tand \u{0}\u{7f}\u{2028} \u{1f600}\u{10ffff}".to_owned(),
            3 => "été 日本語 \"quoted\" \\ back".repeat(self.rng.usize(1..20)),
            4 => "x".repeat(self.rng.usize(1..200)),
            5 => (0..self.rng.usize(1..12)).map(|_| self.rng.char('\u{0}'..='\u{10ffff}')).collect(),
            6 | 7 => self.rng.u128(..).to_string(),
            _ => {
                let format = if self.rng.bool() { Format::default_format() } else { &Format::known()[3] };
                lines::line(self.rng, format)
            }
        };
        let escapes = self.once_in(8);
        self.json.push('"');
        for char in text.chars() {
            match char {
                '/' if escapes => self.json.push_str("\\/"),
                '\u{8}' if escapes => self.json.push_str("\\b"),
                '\u{c}' if escapes => self.json.push_str("\\f"),
                '\n' => self.json.push_str("\\n"),
                '\r' => self.json.push_str("\\r"),
                '\t' => self.json.push_str("\\t"),
                '"' | '\\' => self.json.extend(['\\', char]),
                _ if char < ' ' || (escapes && self.rng.u8(..4) == 0) => {
                    for unit in char.encode_utf16(&mut [0; 2]) {
                        let upper = self.rng.bool();
                        self.json.push_str(&if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") });
                    }
                }
                _ => self.json.push(char),
            }
        }
        self.json.push('"');
    }

    fn object(&mut self, members: &[&str], mut value: impl FnMut(&mut Self, &str)) {
        self.json.push('{');
        for (index, member) in members.iter().enumerate() {
            self.comma(index);
            self.literal(&format!("\"{member}\""));
            self.colon();
            value(self, member);
        }
        self.space();
        self.json.push('}');
    }

    fn array(&mut self, count: usize, mut element: impl FnMut(&mut Self)) {
        self.json.push('[');
        for index in 0..count {
            self.comma(index);
            element(self);
        }
        self.space();
        self.json.push(']');
    }

    fn literal(&mut self, json: &str) {
        self.json.push_str(json);
    }

    fn comma(&mut self, index: usize) {
        self.space();
        if index > 0 {
            self.json.push(',');
            self.space();
        }
    }

    fn colon(&mut self) {
        self.space();
        self.json.push(':');
        self.space();
    }

    /// None mostly, as AWS writes none.
    fn space(&mut self) {
        if self.rng.u8(..100) == 0 {
            self.json.push_str([" ", "\n", "\t", "\r\n", "  "][self.rng.usize(..5)]);
        }
    }
}
