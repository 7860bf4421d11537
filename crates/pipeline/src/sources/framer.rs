//! Where records begin and end in what is read of a file, or of standard input.
//!
//! What a file holds is told from its beginning: lines (flow logs with a header or without, a captured record or another JSON
//! object a line), JSON values that lie over several lines or close together, or something else, which is one record as a
//! whole. Bytes are put in as they come, and records are taken out with the position behind the last of them, from which
//! reading may go on.

use std::sync::Arc;

use kinesis_logs_decoder::flow_log::Format;
use kinesis_logs_source::Record;

use super::form::{Form, form, form_of_all};
use super::json_values::JsonScanner;
use super::unit::{Cutting, Taken, Unit};
use crate::captured::{self, Piece};
use crate::component::Lines;

/// How many bytes of payload make a batch.
pub(super) const BATCH_BYTES: usize = 64 << 10;

/// Cuts bytes into records.
#[derive(Debug)]
pub(super) struct Framer {
    name: Arc<str>,
    cutting: Cutting,
    form: Option<Form>,
    /// With how much of it was asked what it is, and whether there was a line feed behind its first byte that is no white space.
    asked_with: usize,
    has_begun: bool,
    has_line_feed: bool,
    /// The first line, where it names the fields of the others.
    header: Vec<u8>,
    /// What is not cut yet, and where that begins.
    buffer: Vec<u8>,
    start: u64,
    /// How much of it was looked at, and by `scanner`.
    looked_at: usize,
    scanner: JsonScanner,
    /// Whether a line is passed over up to its end, and where that begins.
    is_skipping: bool,
    skipped_from: u64,
    /// Lines that become a record together, and where they begin.
    lines: Vec<u8>,
    lines_start: u64,
    units: Vec<Unit>,
    bytes: usize,
}

impl Framer {
    pub(super) fn new(name: Arc<str>, cutting: Cutting) -> Self {
        Framer {
            name,
            cutting,
            form: None,
            asked_with: 0,
            has_begun: false,
            has_line_feed: false,
            header: Vec::new(),
            buffer: Vec::new(),
            start: 0,
            looked_at: 0,
            scanner: JsonScanner::default(),
            is_skipping: false,
            skipped_from: 0,
            lines: Vec::new(),
            lines_start: 0,
            units: Vec::new(),
            bytes: 0,
        }
    }

    /// Whether enough of the beginning was put in to tell what it is, and what its header says.
    pub(super) fn is_known(&self) -> bool {
        self.form.is_some_and(|form| form != Form::Lines || self.start > 0)
    }

    /// Goes on at a position that [`take`](Self::take) gave, whatever was put in meanwhile.
    pub(super) fn go_to(&mut self, position: u64) {
        let (name, cutting) = (self.name.clone(), self.cutting);
        let (form, header) = (self.form, std::mem::take(&mut self.header));
        *self = Framer { form, header, start: position, ..Framer::new(name, cutting) };
    }

    /// Whether there is enough for a batch.
    pub(super) fn is_full(&self) -> bool {
        self.bytes + self.lines.len() >= BATCH_BYTES
    }

    /// Whether bytes wait that are no record yet.
    pub(super) fn has_rest(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Whether it is something that is one record as a whole, of which nobody can tell whether it is complete.
    pub(super) fn is_whole(&self) -> bool {
        self.form == Some(Form::Whole)
    }

    /// Puts in what follows.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        if self.form.is_none() {
            self.ask_form(bytes);
        }
        self.cut();
    }

    /// Asks what it is, now that these bytes are there too. The end of its first line tells; before that all that was looked at would
    /// be looked at again, which is not worth it for a little more.
    fn ask_form(&mut self, bytes: &[u8]) {
        /// How much it takes no time to look at again.
        const LITTLE: usize = 4 << 10;
        let begins = !self.has_begun;
        let bytes = if begins { bytes.trim_ascii_start() } else { bytes };
        self.has_begun |= !bytes.is_empty();
        self.has_line_feed |= bytes.contains(&b'\n');
        let len = self.buffer.len();
        let tells = self.has_line_feed || begins && self.has_begun || len > self.cutting.max_bytes;
        if tells || len <= LITTLE || len >= 2 * self.asked_with {
            self.form = form(&self.buffer, self.cutting.max_bytes);
            self.asked_with = len;
        }
    }

    /// Nothing more follows: what is left is a record, too.
    pub(super) fn finish(&mut self) {
        let form = *self.form.get_or_insert_with(|| form_of_all(&self.buffer));
        self.cut();
        if self.buffer.is_empty() {
            return;
        }
        let rest = std::mem::take(&mut self.buffer);
        match form {
            _ if self.is_skipping => {}
            Form::Lines => self.line(&rest),
            Form::Values if rest.iter().all(u8::is_ascii_whitespace) => {}
            Form::Values => self.value(&rest),
            Form::Whole => self.whole(&rest),
        }
        self.start += rest.len() as u64;
        self.looked_at = 0;
        self.is_skipping = false;
        self.scanner = JsonScanner::default();
    }

    /// Something that could not be read comes behind all before.
    pub(super) fn set_aside(&mut self, data: Vec<u8>, why: String) {
        self.end_lines();
        self.units.push(Unit::Aside(self.record(self.start, data), why));
    }

    /// Gives what was cut.
    pub(super) fn take(&mut self) -> Taken {
        self.end_lines();
        self.bytes = 0;
        // Whoever goes on within a line that is too long would take its rest for a line.
        let end = if self.is_skipping { self.skipped_from } else { self.start };
        Taken { units: std::mem::take(&mut self.units), end }
    }

    fn cut(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        let cut = match self.form {
            Some(Form::Lines) => self.cut_lines(&buffer),
            Some(Form::Values) => self.cut_values(&buffer),
            Some(Form::Whole) | None => 0,
        };
        self.buffer = buffer;
        self.buffer.drain(..cut);
        self.start += cut as u64;
        self.looked_at = self.looked_at.saturating_sub(cut);
        if self.buffer.len() > self.cutting.max_bytes {
            self.too_long();
        }
    }

    /// Cuts whole lines off, and tells how many bytes they are.
    fn cut_lines(&mut self, buffer: &[u8]) -> usize {
        let (mut from, first) = (0, self.start);
        let mut looked_at = self.looked_at;
        while let Some(at) = memchr::memchr(b'\n', &buffer[looked_at..]) {
            let end = looked_at + at + 1;
            if !std::mem::take(&mut self.is_skipping) {
                self.start = first + from as u64;
                self.line(&buffer[from..end]);
            }
            (from, looked_at) = (end, end);
        }
        self.start = first;
        self.looked_at = buffer.len();
        if self.is_skipping { buffer.len() } else { from }
    }

    /// Cuts whole JSON values off, and what stands between them.
    fn cut_values(&mut self, buffer: &[u8]) -> usize {
        let (mut from, first) = (0, self.start);
        let mut at = self.looked_at;
        if self.is_skipping {
            match memchr::memchr(b'\n', &buffer[at..]) {
                Some(end) => (from, at, self.is_skipping) = (at + end + 1, at + end + 1, false),
                None => (from, at) = (buffer.len(), buffer.len()),
            }
        }
        while let Some(end) = self.scanner.end_of_value(&buffer[at..]) {
            let value = &buffer[from..at + end];
            self.start = first + from as u64;
            self.value(value);
            at += end;
            from = at;
        }
        self.start = first;
        self.looked_at = buffer.len();
        from
    }

    fn line(&mut self, line: &[u8]) {
        if line.len() > self.cutting.max_bytes {
            return self.beginning_aside(line);
        }
        if self.start == 0 && str::from_utf8(line).is_ok_and(|line| Format::from_header(line).is_some()) {
            self.header = line.to_vec();
            return;
        }
        if matches!(line.first(), Some(b'{' | b'[' | b'H' | b'8')) && self.piece(line) {
            return;
        }
        if self.lines.is_empty() && line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        if matches!(line.first(), Some(b'{')) && !self.cutting.objects_are_lines {
            self.end_lines();
            self.add(Unit::Record(self.record(self.start, line.to_vec())), line.len());
            return;
        }
        if self.lines.is_empty() {
            self.lines_start = self.start;
        }
        self.lines.extend_from_slice(line);
        if self.lines.len() >= BATCH_BYTES {
            self.end_lines();
        }
    }

    fn value(&mut self, value: &[u8]) {
        if value.len() > self.cutting.max_bytes {
            return self.beginning_aside(value);
        }
        let value = value.trim_ascii();
        // What separates the elements of an array that was cut open.
        if !matches!(value, b"" | b",") && !self.piece(value) {
            self.add(Unit::Record(self.record(self.start, value.to_vec())), value.len());
        }
    }

    fn whole(&mut self, bytes: &[u8]) {
        if !self.piece(bytes) {
            self.add(Unit::Record(self.record(self.start, bytes.to_vec())), bytes.len());
        }
    }

    /// Takes what holds records itself, and says whether it does.
    fn piece(&mut self, text: &[u8]) -> bool {
        // Positions are far below what an index may be.
        match captured::piece(text, &self.name, self.start as usize) {
            Piece::Records(records) => {
                self.end_lines();
                let bytes: usize = records.iter().map(|record| record.data.len()).sum();
                self.units.extend(records.into_iter().map(Unit::Record));
                self.bytes += bytes;
                true
            }
            Piece::Broken(what) => {
                self.end_lines();
                self.add(Unit::Aside(self.record(self.start, text.to_vec()), what.to_owned()), text.len());
                true
            }
            Piece::Other => false,
        }
    }

    /// The lines so far become a record, with the header in front.
    fn end_lines(&mut self) {
        if !self.lines.is_empty() {
            let mut data = self.header.clone();
            data.append(&mut self.lines);
            let bytes = data.len();
            let lines = Lines { position: self.lines_start, header: self.header.len() };
            self.add(Unit::Lines(self.record(self.lines_start, data), lines), bytes);
        }
    }

    /// Sets the beginning of what is too long aside, and passes the rest of it over.
    fn too_long(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        if !self.is_skipping {
            self.beginning_aside(&buffer);
            self.skipped_from = self.start;
        }
        self.is_skipping = true;
        self.scanner = JsonScanner::default();
        self.start += buffer.len() as u64;
        self.looked_at = 0;
    }

    fn beginning_aside(&mut self, bytes: &[u8]) {
        self.end_lines();
        let max = self.cutting.max_bytes;
        let why = format!("longer than {max} bytes (max_line_bytes); this is its beginning");
        self.add(Unit::Aside(self.record(self.start, bytes[..max].to_vec()), why), max);
    }

    fn add(&mut self, unit: Unit, bytes: usize) {
        self.units.push(unit);
        self.bytes += bytes;
    }

    fn record(&self, position: u64, data: Vec<u8>) -> Record {
        Record::new(&*self.name, "-", position.to_string(), data)
    }
}

#[cfg(test)]
mod tests {
    use base64_simd::STANDARD;
    use kinesis_logs_decoder::{Decoded, Decoder, Payload};
    use proptest::prelude::*;

    use super::*;
    use crate::component::{Acknowledgement, Batch, Event};

    const CUTTING: Cutting = Cutting { max_bytes: 4096, objects_are_lines: false };

    /// What a text is cut into, put in as pieces of `size` bytes: positions and payloads, those set aside with an `!`.
    fn cut(text: &[u8], size: usize, cutting: Cutting) -> Vec<String> {
        let mut framer = Framer::new("file".into(), cutting);
        let mut units = Vec::new();
        for piece in text.chunks(size) {
            framer.push(piece);
        }
        framer.finish();
        let taken = framer.take();
        assert_eq!(taken.end, text.len() as u64);
        units.extend(taken.units);
        let shown = units.into_iter().map(|unit| match unit {
            Unit::Record(record) | Unit::Lines(record, _) => {
                format!("{} {}", record.sequence_number, String::from_utf8_lossy(&record.data))
            }
            Unit::Aside(record, _) => format!("{}! {}", record.sequence_number, String::from_utf8_lossy(&record.data)),
        });
        shown.collect()
    }

    /// The same however it comes.
    fn always(text: &[u8]) -> Vec<String> {
        let whole = cut(text, usize::MAX, CUTTING);
        for size in [1, 2, 7, 64] {
            assert_eq!(cut(text, size, CUTTING), whole, "in pieces of {size}");
        }
        whole
    }

    #[test]
    fn lines_are_one_record_with_their_header_in_front() {
        assert_eq!(always(b"one 1\ntwo 2\nthree"), ["0 one 1\ntwo 2\nthree"]);
        let flows = b"version srcaddr dstaddr\n2 10.0.0.1 10.0.0.2\n";
        assert_eq!(always(flows), ["24 version srcaddr dstaddr\n2 10.0.0.1 10.0.0.2\n"]);
        assert_eq!(always(b"\n\nword\n"), ["2 word\n"]);
        assert_eq!(always(b""), Vec::<String>::new());
    }

    #[test]
    fn captured_records_and_json_are_found_one_a_line_over_several_and_close_together() {
        let (one, two) = (r#"{"SequenceNumber":"7","Data":"b25l"}"#, r#"{"SequenceNumber":"8","Data":"dHdv"}"#);
        let both = ["7 one", "8 two"];
        assert_eq!(always(format!("{one}\n{two}\n").as_bytes()), both);
        assert_eq!(always(format!("{one}{two}").as_bytes()), both);
        assert_eq!(always(format!("[\n{one},\n{two}\n]\n").as_bytes()), both);
        let answer = format!("{{\n    \"Records\": [\n{one},\n{two}\n],\n    \"MillisBehindLatest\": 0\n}}\n");
        assert_eq!(always(answer.as_bytes()), both);
        assert_eq!(always(format!("{{\"Records\":[{one},{two}]}}\n").as_bytes()), both);
        assert_eq!(always(br#"{"a":"}\""}{"b":[1,{}]}"#), [r#"0 {"a":"}\""}"#, r#"11 {"b":[1,{}]}"#]);
        let lines = b"{\"a\":1}\n{\"b\":2}\n";
        assert_eq!(always(lines), ["0 {\"a\":1}\n", "8 {\"b\":2}\n"]);
        let together = Cutting { objects_are_lines: true, ..CUTTING };
        assert_eq!(cut(lines, 3, together), ["0 {\"a\":1}\n{\"b\":2}\n"]);
    }

    #[test]
    fn what_is_broken_is_set_aside_and_what_follows_is_not() {
        let good = r#"{"SequenceNumber":"7","Data":"b25l"}"#;
        let broken = r#"{"Data":"?"}"#;
        assert_eq!(
            always(format!("{good}\n{broken}\n{good}\n").as_bytes()),
            ["7 one", "37! {\"Data\":\"?\"}\n", "7 one"]
        );
        let cut_off = format!("{{\"Data\":\"b25\n{good}\n");
        assert_eq!(always(cut_off.as_bytes()), ["0 {\"Data\":\"b25\n", "7 one"]);
    }

    #[test]
    fn bytes_and_base64_are_records() {
        let container = b"\xf3\x89\x9a\xc2 not\nreally a container".to_vec();
        assert_eq!(always(&container).len(), 1);
        let gzip = STANDARD.encode_to_string([0x1f, 0x8b, 8, 0]);
        assert_eq!(always(format!("{gzip}\n{gzip}\n").as_bytes()).len(), 2);
    }

    #[test]
    fn what_is_too_long_is_set_aside_with_its_beginning_and_not_kept() {
        let text = [b"a b\n", &b"x".repeat(10_000)[..], b"\nc d\n"].concat();
        let units = cut(&text, 100, CUTTING);
        assert_eq!(cut(&text, usize::MAX, CUTTING), units);
        assert_eq!(units.len(), 3, "{units:?}");
        assert_eq!((units[0].as_str(), units[2].as_str()), ("0 a b\n", "10005 c d\n"));
        assert!(units[1].starts_with("4! xxx") && units[1].len() == 4096 + 3, "{}", units[1]);
        let mut framer = Framer::new("file".into(), CUTTING);
        for piece in text[..8000].chunks(100) {
            framer.push(piece);
            assert!(framer.buffer.len() <= 4096 + 100);
        }
        assert_eq!(framer.take().end, 4, "whoever goes on there sees the whole line again");
    }

    #[test]
    fn reading_goes_on_where_it_was_with_the_header_of_the_file() {
        let text = b"version srcaddr\n2 10.0.0.1\n2 10.0.0.2\n";
        let mut framer = Framer::new("file".into(), CUTTING);
        framer.push(&text[..30]);
        assert!(framer.is_known() && framer.has_rest());
        let first = framer.take();
        assert_eq!((first.units.len(), first.end), (1, 27));
        framer.go_to(27);
        framer.push(&text[27..]);
        let Unit::Lines(record, _) = &framer.take().units[0] else { panic!("it is a record") };
        assert_eq!(&record.data[..], b"version srcaddr\n2 10.0.0.2\n");
    }

    /// What names each line, as it is read in chunks that end behind `ends`.
    fn keys(text: &[u8], ends: &[usize]) -> Vec<(String, String)> {
        let mut framer = Framer::new("file".into(), Cutting { objects_are_lines: true, ..CUTTING });
        let mut keys = Vec::new();
        let (mut decoder, mut from) = (Decoder::new().payload(Payload::Lines), 0);
        for end in ends.iter().copied().chain([text.len()]) {
            framer.push(&text[from..end]);
            if end == text.len() {
                framer.finish();
            }
            from = end;
            let mut builder = Batch::builder(Arc::default());
            for unit in framer.take().units {
                let Unit::Lines(record, lines) = unit else { continue };
                let mut decoded = Decoded::default();
                decoder.decode_user_record_into(&record.data, &mut decoded);
                builder.lines(record, decoded, lines);
            }
            let batch = builder.build(Acknowledgement::none());
            let key = |event: &Event<'_>| {
                ["sequence_number", "event_index"].map(|name| format!("{:?}", event.get(&format!("%kinesis.{name}"))))
            };
            keys.extend(batch.events().map(|event| (format!("{:?}", event.get("message")), key(&event).join(" "))));
        }
        keys
    }

    #[test]
    fn a_line_is_named_by_the_byte_at_which_it_begins_whatever_is_read_with_it() {
        for text in [
            &b"one\n\n two\n{\"a\":1}{\"b\":2}\nthree\nwithout an end"[..],
            b"version srcaddr\n2 10.0.0.1\n2 10.0.0.2\n2 10.0.0.3\n",
            b"no \xff\xfe text\nbut \xf0\x9f a line\nand \xc3\xa4nother\n\xff\nend\n",
        ] {
            let at_once = keys(text, &[]);
            for (message, key) in &at_once {
                assert!(key.ends_with("Some(Integer(0))"), "{message} is {key}");
            }
            for end in 1..text.len() {
                assert_eq!(keys(text, &[end]), at_once, "cut at {end} of {:?}", String::from_utf8_lossy(text));
                assert_eq!(keys(text, &[end / 2, end]), at_once, "cut at {} and {end}", end / 2);
            }
        }
        let at = |text: &[u8]| keys(text, &[]).into_iter().map(|(_, key)| key).collect::<Vec<_>>();
        let named = |at: u64| format!("Some(Text(\"{at}\")) Some(Integer(0))");
        assert_eq!(at(b"one\n\n two\n"), [0, 6].map(named));
        assert_eq!(at(b"\xff\xff\xff one\ntwo\n"), [0, 8].map(named), "as the file has it");
    }

    proptest! {
        /// Whatever it is, it is cut alike however it comes, and all of it is.
        #[test]
        fn what_comes_in_pieces_is_cut_as_what_comes_at_once(
            parts in proptest::collection::vec(
                prop_oneof![
                    4 => proptest::sample::select(vec![
                        "{", "}", "[", "]", "\"", "\n", " ", ",", ":", "\\", "word", "\"Data\":\"b25l\"", "{\"Data\":\"b25l\"}",
                        "{\"Records\":[", "H4sIAAAA", "version srcaddr",
                    ]).prop_map(|text| text.as_bytes().to_vec()),
                    1 => proptest::collection::vec(any::<u8>(), 0..4),
                ],
                0..30,
            ),
            size in 1_usize..20,
        ) {
            let text = parts.concat();
            prop_assert_eq!(cut(&text, size, CUTTING), cut(&text, usize::MAX, CUTTING));
        }
    }
}
