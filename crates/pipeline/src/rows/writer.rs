//! Rows, one after another.

use std::str::FromStr;

use kinesis_logs_decoder::flow_log::{FlowLogError, Format, Formats};
use kinesis_logs_decoder::{Event, ExtractedFields, FieldTable, FieldText, Fields, FlowLog};
use kinesis_logs_source::Record;

use super::column::{Cell, Column};
use super::encode;

/// How rows look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RowFormat {
    /// A header and tab-separated values, as they are.
    #[default]
    Tsv,
    /// A header and comma-separated values, quoted where needed.
    Csv,
    /// One JSON object a line.
    Json,
    /// The log lines alone, as they came.
    Raw,
}

impl RowFormat {
    /// The names, as a command line takes them.
    pub const NAMES: [&'static str; 4] = ["tsv", "csv", "json", "raw"];
}

impl FromStr for RowFormat {
    type Err = RowError;

    fn from_str(name: &str) -> Result<Self, RowError> {
        match name {
            "tsv" => Ok(RowFormat::Tsv),
            "csv" => Ok(RowFormat::Csv),
            "json" => Ok(RowFormat::Json),
            "raw" => Ok(RowFormat::Raw),
            _ => Err(RowError::UnknownFormat { name: name.to_owned() }),
        }
    }
}

/// Why a row cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// There is no such format.
    #[error("unknown format {name:?}; known are {}", RowFormat::NAMES.join(", "))]
    UnknownFormat {
        /// The name.
        name: String,
    },
    /// There is no such metadata.
    #[error("unknown metadata {name:?}; known are {}", .known.join(", "))]
    UnknownMetadata {
        /// The name.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// The first event has no such field, and it is none that flow logs or events have.
    #[error("no field {name:?} in the first event; it has {}", .available.join(", "))]
    UnknownField {
        /// The name.
        name: String,
        /// The event's fields.
        available: Vec<String>,
    },
}

/// Writes events as rows. See the [module](super) for which columns they have.
#[derive(Debug)]
pub struct RowWriter {
    format: RowFormat,
    formats: Formats,
    /// Fixed by the caller, or for formats with a header by the first event.
    columns: Option<Vec<Column>>,
    chosen: bool,
    header: Option<Header>,
    rows: u64,
    rows_beyond_header: u64,
    misfits: Misfits,
    line_columns: Vec<Column>,
    table: FieldTable,
    slots: Slots,
    keys: Keys,
}

/// What the first event was, which the columns of formats with a header come from.
#[derive(Debug, Clone, PartialEq)]
enum Header {
    ExtractedFields,
    FlowLog(Format),
    Line,
}

/// Lines that should have been flow logs of a format, and were not.
#[derive(Debug, Clone, Default)]
struct Misfits {
    count: u64,
    first: Option<FlowLogError>,
}

impl RowWriter {
    /// A writer that has written nothing yet, not even a header. Formats of flow logs are inferred.
    pub fn new(format: RowFormat) -> Self {
        RowWriter {
            format,
            formats: Formats::new(),
            columns: None,
            chosen: false,
            header: None,
            rows: 0,
            rows_beyond_header: 0,
            misfits: Misfits::default(),
            line_columns: Column::of_line(),
            table: FieldTable::new(),
            slots: Slots::default(),
            keys: Keys::default(),
        }
    }

    /// Fixes the columns, in this order.
    pub fn columns(mut self, columns: Vec<Column>) -> Self {
        self.columns = Some(columns);
        self.chosen = true;
        self
    }

    /// Sets which formats flow logs have.
    pub fn formats(mut self, formats: Formats) -> Self {
        self.formats = formats;
        self
    }

    /// How many rows were written.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many rows had fields that the header, taken from the first event, does not show.
    pub fn rows_beyond_header(&self) -> u64 {
        self.rows_beyond_header
    }

    /// How many lines were in none of the formats that were set for their log group and log stream, and what was wrong
    /// with the first. They were written as lines.
    pub fn misfits(&self) -> Option<(u64, &FlowLogError)> {
        self.misfits.first.as_ref().map(|first| (self.misfits.count, first))
    }

    /// The format of flow logs that the header shows, if it shows any: one that was set, or one that was inferred.
    pub fn header_format(&self) -> Option<&Format> {
        match &self.header {
            Some(Header::FlowLog(format)) => Some(format),
            _ => None,
        }
    }

    /// Appends an event's row to `out`, after the header if it is the first. `record` tells where it was read, for
    /// columns of metadata. A header line of flow logs is no row, as it has no values; but to [`RowFormat::Raw`] it is a
    /// line like others, and events with extracted fields are not asked.
    pub fn write(&mut self, event: &Event<'_>, record: Option<&Record>, out: &mut Vec<u8>) -> Result<(), RowError> {
        let fields = event.extracted_fields();
        if self.format != RowFormat::Raw && fields.is_none() && is_header_line(event) {
            return Ok(()); // names, no values: somebody put an object of S3 into a log group
        }
        if self.header.is_none() {
            self.start(event, out)?;
        }
        self.rows += 1;
        match self.format {
            RowFormat::Raw => {
                let message = event.message();
                out.extend_from_slice(message.as_bytes());
                if !message.ends_with('\n') {
                    out.push(b'\n');
                }
            }
            RowFormat::Json if !self.chosen => self.write_own_object(event, fields, record, out),
            RowFormat::Json => {
                let columns = self.columns.as_deref().unwrap_or_default();
                let fields = fields.map(|fields| self.table.read(fields));
                self.slots.fill(columns, fields);
                let flow = self.slots.flow_log(event, &self.formats, &mut self.misfits);
                let cells = Cells { columns, slots: &self.slots, fields, event, flow: flow.as_ref(), record };
                write_object(columns.iter().map(Column::name).zip(cells.iter()), out);
            }
            RowFormat::Tsv => self.write_separated(event, fields, record, b'\t', encode::tsv, out),
            RowFormat::Csv => self.write_separated(event, fields, record, b',', encode::csv, out),
        }
        Ok(())
    }

    /// An event's own columns, extracted fields straight through.
    fn write_own_object(
        &mut self,
        event: &Event<'_>,
        fields: Option<ExtractedFields<'_>>,
        record: Option<&Record>,
        out: &mut Vec<u8>,
    ) {
        if let Some(fields) = fields {
            let fields = self.table.read(fields);
            self.keys.fill(fields);
            for (index, key) in self.keys.iter().enumerate() {
                out.extend_from_slice(key);
                encode::json(&extracted_cell(fields.value(index)), out);
            }
            return out.extend_from_slice(if fields.is_empty() { b"{}\n" } else { b"}\n" });
        }
        match self.formats.write_json(event, out) {
            Some(Ok(())) => return out.push(b'\n'),
            Some(Err(error)) => self.misfits.add(error),
            None => {}
        }
        let cell = |column: &Column| column.cell(event, None, record).unwrap_or(Cell::Null);
        write_object(self.line_columns.iter().map(|column| (column.name(), cell(column))), out);
    }

    fn write_separated(
        &mut self,
        event: &Event<'_>,
        fields: Option<ExtractedFields<'_>>,
        record: Option<&Record>,
        separator: u8,
        encode: impl Fn(&Cell<'_>, &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) {
        let columns = self.columns.as_deref().unwrap_or_default();
        let fields = fields.map(|fields| self.table.read(fields));
        let all_shown = self.slots.fill(columns, fields);
        let flow = self.slots.flow_log(event, &self.formats, &mut self.misfits);
        let is_shown = match (&self.header, fields, &flow) {
            (_, Some(_), _) => all_shown,
            (Some(Header::Line), None, _) => true,
            (Some(Header::FlowLog(format)), None, Some(flow)) => format == flow.format(),
            _ => false,
        };
        if !self.chosen && !is_shown {
            self.rows_beyond_header += 1;
        }
        let start = out.len();
        let cells = Cells { columns, slots: &self.slots, fields, event, flow: flow.as_ref(), record };
        for (index, (column, slot)) in columns.iter().zip(&self.slots.fields).enumerate() {
            if index > 0 {
                out.push(separator);
            }
            // Encoded in two places, as much less can stand in an extracted field's cell.
            match cells.extracted(*slot) {
                Some(cell) => encode(&cell, out),
                None => encode(&cells.other(column), out),
            }
        }
        if out.len() == start && self.format == RowFormat::Csv {
            // Readers of CSV pass over empty lines.
            out.extend_from_slice(b"\"\"");
        }
        out.push(b'\n');
    }

    /// Settles the columns and writes the header.
    fn start(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), RowError> {
        let flow = self.formats.parse(event).and_then(Result::ok);
        let (header, own) = match (event.extracted_fields(), flow) {
            (Some(fields), _) => (Header::ExtractedFields, fields.map(|(name, _)| Column::named(&name)).collect()),
            (None, Some(flow)) => (Header::FlowLog(flow.format().clone()), Column::of_flow_log(flow.format())),
            (None, None) => (Header::Line, Column::of_line()),
        };
        if let Some(columns) = &self.columns {
            let is_own = |column: &Column| own.iter().any(|own| own.name() == column.name());
            if let Some(column) = columns.iter().find(|column| !column.is_known() && !is_own(column)) {
                let available = own.iter().map(|column| column.name().to_owned()).collect();
                return Err(RowError::UnknownField { name: column.name().to_owned(), available });
            }
        }
        self.header = Some(header);
        let (separator, encode): (u8, fn(&str, &mut Vec<u8>)) = match self.format {
            RowFormat::Tsv => (b'\t', |name, out| out.extend_from_slice(name.as_bytes())),
            RowFormat::Csv => (b',', encode::csv_text),
            RowFormat::Json | RowFormat::Raw => return Ok(()),
        };
        let columns = self.columns.get_or_insert_with(|| {
            let mut sorted: Vec<Column> = own;
            sorted.sort_by(|a, b| a.name().cmp(b.name()));
            sorted.dedup();
            sorted
        });
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                out.push(separator);
            }
            encode(column.name(), out);
        }
        out.push(b'\n');
        Ok(())
    }
}

/// Whether an event is the header of a file of flow logs.
fn is_header_line(event: &Event<'_>) -> bool {
    // The names that most formats begin with; looking at every line as a header would cost more than writing it.
    let message = event.message();
    (message.starts_with("version ") || message.starts_with("account-id ")) && Format::from_header(message).is_some()
}

impl Misfits {
    /// The event's flow log, if it has one; a line that should have been one is counted.
    fn flow_log<'a>(&mut self, event: &Event<'a>, formats: &'a Formats) -> Option<FlowLog<'a>> {
        match formats.parse(event)? {
            Ok(flow) => Some(flow),
            Err(error) => {
                self.add(error);
                None
            }
        }
    }

    fn add(&mut self, error: FlowLogError) {
        self.count += 1;
        self.first.get_or_insert(error);
    }
}

/// What stands before each value in an object of an event's extracted fields (`{"name":`, `,"name":`); kept for all events
/// with the same names.
#[derive(Debug, Default)]
struct Keys {
    json: Vec<u8>,
    ends: Vec<usize>,
}

impl Keys {
    fn fill(&mut self, fields: Fields<'_>) {
        if fields.same_names() && self.ends.len() == fields.len() {
            return;
        }
        self.json.clear();
        self.ends.clear();
        for index in 0..fields.len() {
            self.json.push(if index == 0 { b'{' } else { b',' });
            encode::json_text(fields.name(index), &mut self.json);
            self.json.push(b':');
            self.ends.push(self.json.len());
        }
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| &self.json[std::mem::replace(&mut start, end)..end])
    }
}

fn write_object<'a>(members: impl Iterator<Item = (&'a str, Cell<'a>)>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (index, (name, cell)) in members.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        encode::json_text(name, out);
        out.push(b':');
        encode::json(&cell, out);
    }
    out.extend_from_slice(b"}\n");
}

/// All that the cells of a row come from.
#[derive(Clone, Copy)]
struct Cells<'a> {
    columns: &'a [Column],
    slots: &'a Slots,
    fields: Option<Fields<'a>>,
    event: &'a Event<'a>,
    flow: Option<&'a FlowLog<'a>>,
    record: Option<&'a Record>,
}

impl<'a> Cells<'a> {
    fn iter(self) -> impl Iterator<Item = Cell<'a>> {
        let columns = self.columns.iter().zip(&self.slots.fields);
        columns.map(move |(column, slot)| self.extracted(*slot).unwrap_or_else(|| self.other(column)))
    }

    #[inline(always)]
    fn extracted(&self, slot: Option<usize>) -> Option<Cell<'a>> {
        Some(extracted_cell(self.fields?.value(slot?)))
    }

    fn other(&self, column: &Column) -> Cell<'a> {
        column.cell(self.event, self.flow, self.record).unwrap_or(Cell::Null)
    }
}

#[inline(always)]
fn extracted_cell(value: FieldText<'_>) -> Cell<'_> {
    match value {
        FieldText::Text(text) => Cell::Text(text.into()),
        FieldText::Json(json) => Cell::Json(json),
        _ => Cell::Null,
    }
}

/// Which of an event's extracted fields each column shows; kept for all events with the same names.
#[derive(Debug, Default)]
struct Slots {
    /// By column: the field's index.
    fields: Vec<Option<usize>>,
    /// Whether every field has a column.
    all_shown: bool,
    /// Whether every column shows one.
    all_taken: bool,
    /// Whether they are those of the last event that had fields.
    filled: bool,
}

impl Slots {
    /// Finds the columns of an event's extracted fields. Whether all of them have one.
    fn fill(&mut self, columns: &[Column], fields: Option<Fields<'_>>) -> bool {
        if self.filled && fields.is_some_and(|fields| fields.same_names()) && self.fields.len() == columns.len() {
            return self.all_shown;
        }
        self.filled = fields.is_some();
        (self.all_shown, self.all_taken) = (true, false);
        self.fields.clear();
        self.fields.resize(columns.len(), None);
        let Some(fields) = fields else { return true };
        for nth in 0..fields.len() {
            let mut shown = false;
            for (slot, column) in self.fields.iter_mut().zip(columns) {
                if column.name() == fields.name(nth) && column.may_be_extracted() {
                    *slot = Some(nth);
                    shown = true;
                }
            }
            self.all_shown &= shown;
        }
        self.all_taken = !columns.is_empty() && self.fields.iter().all(Option::is_some);
        self.all_shown
    }

    /// The event's flow log line, parsed only where a column may need it.
    fn flow_log<'a>(&self, event: &Event<'a>, formats: &'a Formats, misfits: &mut Misfits) -> Option<FlowLog<'a>> {
        if self.all_taken {
            return None;
        }
        misfits.flow_log(event, formats)
    }
}
