//! From one record's bytes to its log events.
//!
//! ```text
//! bytes -> KPL container -> compression, base64 -> text (UTF-8) -> envelopes, lines or Lambda events -> table of events
//! ```
//!
//! Events are offsets into one text, into which every layer's contents are appended.

use std::str::Utf8Chunk;

use crate::cloudwatch::{self, Envelope, Found, LogEvent};
use crate::container::gzip::Inflater;
use crate::container::{self, Compression};
use crate::decoded::Decoded;
use crate::decoder::Payload;
use crate::error::{DecodeError, DecodeErrorKind};
use crate::flow_log::Format;
use crate::limits::Limits;
use crate::lines;
use crate::text::Span;
use crate::usual::Events;

/// What opens records; the contents go elsewhere.
pub(crate) struct Opener {
    pub(crate) limits: Limits,
    pub(crate) compression: Compression,
    pub(crate) payload: Payload,
    #[cfg(feature = "kpl")]
    pub(crate) hash_range: Option<std::ops::RangeInclusive<u128>>,
    pub(crate) inflater: Inflater,
}

/// How deep in other layers something lies, and in which user record.
#[derive(Clone, Copy)]
struct Place {
    layer: usize,
    sub_sequence_number: Option<u64>,
    may_be_container: bool,
}

impl Place {
    fn within(self) -> Place {
        Place { layer: self.layer + 1, ..self }
    }

    fn mistake(self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError::new(kind).of(self.sub_sequence_number)
    }

    /// A mistake at an offset into the text.
    fn mistake_at(self, kind: DecodeErrorKind, offset: usize) -> DecodeError {
        DecodeError::at(kind, offset).of(self.sub_sequence_number)
    }
}

impl Opener {
    /// One that recognises every form.
    pub(crate) fn new(limits: Limits) -> Self {
        Opener {
            limits,
            compression: Compression::Auto,
            payload: Payload::Auto,
            #[cfg(feature = "kpl")]
            hash_range: None,
            inflater: Inflater::new(),
        }
    }

    /// Decodes a record into `out`, in place of what was there.
    pub(crate) fn decode(&mut self, data: &[u8], may_be_container: bool, out: &mut Decoded) {
        out.clear();
        self.open(data, Place { layer: 0, sub_sequence_number: None, may_be_container }, self.compression, out);
    }

    /// Opens one layer after another, down to the text.
    fn open(&mut self, data: &[u8], place: Place, compression: Compression, out: &mut Decoded) {
        if self.is_too_deep(place, out) {
            return;
        }
        if place.may_be_container && self.open_if_container(data, place, out) {
            return;
        }
        let detected = Compression::detect(data);
        let compression = match compression {
            Compression::Auto => detected,
            Compression::None => Compression::None,
            fixed if fixed == detected => fixed,
            fixed => {
                let (expected, start) = (name(fixed), start_of(data));
                out.tables.errors.push(place.mistake(DecodeErrorKind::OtherCompression { expected, start }));
                return;
            }
        };
        let start = out.text.record.len();
        let left = self.limits.decompressed_bytes - out.spent.min(self.limits.decompressed_bytes);
        let opened = compression.open(data, left, &mut self.inflater, &mut out.text.record);
        out.spent += out.text.record.len() - start;
        let is_whole = opened.is_ok();
        if let Err(kind) = opened {
            // What the caller set is the whole limit, not what was left of it.
            let kind = match kind {
                DecodeErrorKind::TooLarge { .. } => DecodeErrorKind::TooLarge { limit: self.limits.decompressed_bytes },
                kind => kind,
            };
            out.tables.errors.push(place.mistake(kind));
        }
        self.look_inside(start, is_whole, compression != Compression::None, place, out);
    }

    /// Whether there are too many layers around something, which is a mistake.
    fn is_too_deep(&self, place: Place, out: &mut Decoded) -> bool {
        let limit = self.limits.layers;
        if place.layer > limit {
            out.tables.errors.push(place.mistake(DecodeErrorKind::TooManyLayers { limit }));
        }
        place.layer > limit
    }

    /// Looks at what was appended to the text from `start` on: another layer, or text at last.
    fn look_inside(&mut self, start: usize, is_whole: bool, was_compressed: bool, place: Place, out: &mut Decoded) {
        let may_be_layer = was_compressed && self.compression == Compression::Auto;
        if may_be_layer && place.may_be_container && self.open_if_container_within(start, place, out) {
            return;
        }
        let inner = out.text.record.bytes_from(start);
        let layer = if may_be_layer && Compression::detect(inner) != Compression::None {
            Some(inner.to_vec())
        } else if self.payload != Payload::Lines && self.compression != Compression::None {
            container::base64_of_something_known(inner)
        } else {
            None
        };
        if let Some(layer) = layer {
            out.text.record.truncate(start);
            return self.open(&layer, place.within(), Compression::Auto, out);
        }
        if !out.text.record.validate() {
            self.repair(start, is_whole, place, out);
        }
        self.read_text(start, is_whole, place, out);
    }

    /// Replaces what is no UTF-8, and reports it unless a cut that is reported already explains it.
    fn repair(&mut self, start: usize, is_whole: bool, place: Place, out: &mut Decoded) {
        let bytes = out.text.record.bytes_from(start).to_vec();
        let repaired_len = bytes.utf8_chunks().map(|chunk| chunk.valid().len() + replacement(&chunk).len()).sum();
        let offset = bytes.utf8_chunks().next().map_or(0, |chunk| chunk.valid().len());
        let cut_explains_it = !is_whole && offset + char::REPLACEMENT_CHARACTER.len_utf8() == repaired_len;
        // Bytes that are no text at all are an unknown container, which is said elsewhere.
        let looks_like_text = self.payload == Payload::Lines || bytes.trim_ascii_start().starts_with(b"{");
        if looks_like_text && !cut_explains_it {
            out.tables.errors.push(place.mistake_at(DecodeErrorKind::Utf8, offset));
        }
        out.text.record.truncate(start);
        // Once for all of it, as growing bit by bit would copy it each time.
        out.text.record.spare(repaired_len);
        for chunk in bytes.utf8_chunks() {
            out.text.record.append(chunk.valid().as_bytes());
            out.text.record.append(replacement(&chunk).as_bytes());
        }
        out.text.record.validate();
    }

    fn read_text(&mut self, start: usize, is_whole: bool, place: Place, out: &mut Decoded) {
        let text = &out.text.record.as_str()[start..];
        let begins_with = text.bytes().find(|byte| !byte.is_ascii_whitespace());
        match (self.payload, begins_with) {
            // A mistake found before explains the rest.
            (_, None) if !is_whole => {}
            (_, None) => out.tables.errors.push(place.mistake(DecodeErrorKind::Empty)),
            (Payload::Lines, _) => self.read_lines(start, place, out),
            (_, Some(b'{')) => {
                let Decoded { text, tables, .. } = out;
                let sub_sequence_number = place.sub_sequence_number;
                match cloudwatch::read_envelopes(text, start, sub_sequence_number, &self.limits, tables) {
                    Found::Envelopes => {}
                    Found::Records(records) => self.open_carried(&records, place, out),
                }
            }
            (Payload::Auto, _) if is_flow_log(text) => self.read_lines(start, place, out),
            _ if !is_whole => {}
            _ => {
                let start = start_of(text.as_bytes());
                out.tables.errors.push(place.mistake(DecodeErrorKind::UnknownContainer { start }));
            }
        }
    }

    #[cfg(not(feature = "kpl"))]
    fn open_if_container(&mut self, _data: &[u8], _place: Place, _out: &mut Decoded) -> bool {
        false
    }

    #[cfg(feature = "kpl")]
    fn open_if_container(&mut self, data: &[u8], place: Place, out: &mut Decoded) -> bool {
        let container = crate::kpl::Aggregated::parse(data);
        if let Some(container) = &container {
            self.open_container(container, place, out);
        }
        container.is_some()
    }

    #[cfg(not(feature = "kpl"))]
    fn open_if_container_within(&mut self, _start: usize, _place: Place, _out: &mut Decoded) -> bool {
        false
    }

    /// Opens what was appended to the text from `start` on, if it is a container.
    #[cfg(feature = "kpl")]
    fn open_if_container_within(&mut self, start: usize, place: Place, out: &mut Decoded) -> bool {
        // The digest costs the most and tells almost for certain, so that what is copied is a container.
        let Some(message) = crate::kpl::message(out.text.record.bytes_from(start)).map(<[u8]>::to_vec) else {
            return false;
        };
        let container = crate::kpl::Aggregated::read(&message);
        if let Some(container) = &container {
            out.text.record.truncate(start);
            self.open_container(container, place.within(), out);
        }
        container.is_some()
    }

    #[cfg(feature = "kpl")]
    fn open_container(&mut self, container: &crate::kpl::Aggregated<'_>, place: Place, out: &mut Decoded) {
        if self.is_too_deep(place, out) {
            return;
        }
        for record in container.records() {
            if !self.count_user_record(out) {
                return;
            }
            if self.hash_range.as_ref().is_some_and(|range| !record.hash_key().is_some_and(|key| range.contains(&key)))
            {
                out.tables.outside_hash_range += 1;
                continue;
            }
            let sub_sequence_number = Some(record.sub_sequence_number);
            let place = Place { sub_sequence_number, may_be_container: false, ..place.within() };
            self.open(record.data, place, self.compression, out);
        }
    }

    /// Counts a record that others carried, unless there are as many as may be, which is a mistake.
    fn count_user_record(&self, out: &mut Decoded) -> bool {
        let limit = self.limits.user_records;
        if out.tables.user_records == limit {
            out.tables.errors.push(DecodeError::new(DecodeErrorKind::TooManyUserRecords { limit }));
            return false;
        }
        out.tables.user_records += 1;
        true
    }

    /// Opens the records that a Lambda event carries; the event itself is forgotten.
    fn open_carried(&mut self, records: &[std::ops::Range<usize>], place: Place, out: &mut Decoded) {
        for range in records {
            if !self.count_user_record(out) {
                return;
            }
            // JSON may escape the slash, which is a digit of base64.
            let text = out.text.record.as_str()[range.clone()].replace("\\/", "/");
            match container::base64(text.as_bytes()) {
                Some(data) => {
                    self.open(&data, Place { may_be_container: true, ..place.within() }, self.compression, out)
                }
                None => out.tables.errors.push(place.mistake(DecodeErrorKind::Base64)),
            }
        }
    }

    /// Makes every line a log event, but for a header.
    fn read_lines(&mut self, start: usize, place: Place, out: &mut Decoded) {
        let Decoded { text, tables, .. } = out;
        let (envelope, before) = (tables.envelopes.len() as u32, tables.events.len());
        let mut of_lines = Envelope::empty(place.sub_sequence_number);
        let end = text.record.len();
        let mut pos = start;
        if let Some(format) = Format::from_header(first_line(&text.record.as_str()[start..])) {
            of_lines.header = Some(tables.headers.len() as u32);
            tables.headers.push(format);
            pos = lines::after_line(&text.record, start);
        }
        tables.envelopes.push(of_lines);
        let limit = self.limits.events;
        let events = Events { envelope, begin: start, before, end, limit };
        while let Some(message) = lines::next(&text.record, &mut pos, self.limits.json_depth) {
            if tables.events.len() == limit {
                let kind = DecodeErrorKind::TooManyEvents { limit };
                let offset = message.start - start;
                tables.errors.push(place.mistake_at(kind, offset));
                return;
            }
            let message = Span::in_text(message.start, message.end);
            let (id, extracted_fields) = (Span::NONE, Span::NONE);
            let event = LogEvent { timestamp: Span::NONE, id, message, extracted_fields, envelope };
            events.push(event, pos, tables);
        }
    }
}

/// What takes the place of the invalid bytes in a piece of text.
fn replacement(chunk: &Utf8Chunk<'_>) -> &'static str {
    if chunk.invalid().is_empty() { "" } else { "\u{fffd}" }
}

/// Whether the first line is a flow log's, or names its fields.
fn is_flow_log(text: &str) -> bool {
    let line = first_line(text);
    line.len() < 4096 && (Format::infer(line).is_some() || Format::from_header(line).is_some())
}

fn first_line(text: &str) -> &str {
    text.trim_ascii_start().lines().next().unwrap_or_default()
}

fn name(compression: Compression) -> &'static str {
    match compression {
        Compression::Gzip => "gzip",
        Compression::Zlib => "zlib",
        Compression::Zstd => "Zstandard",
        Compression::Auto | Compression::None => "uncompressed",
    }
}

fn start_of(data: &[u8]) -> Vec<u8> {
    data[..data.len().min(8)].to_vec()
}
