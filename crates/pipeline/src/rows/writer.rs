//! Rows, one after another.

use std::str::FromStr;

use kinesis_logs_decoder::{Event, ExtractedFields, FieldValue, FlowLog, NamesId};
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
    /// Fixed by the caller, or for formats with a header by the first event.
    columns: Option<Vec<Column>>,
    chosen: bool,
    started: bool,
    /// Whether the header, taken from the first event, shows a log line or the fields of a flow log.
    header_shows_line: bool,
    header_shows_flow: bool,
    /// What flow logs and other lines have by themselves.
    flow_columns: Vec<Column>,
    line_columns: Vec<Column>,
    rows: u64,
    rows_beyond_header: u64,
    slots: Slots,
}

impl RowWriter {
    /// A writer that has written nothing yet, not even a header.
    pub fn new(format: RowFormat) -> Self {
        RowWriter {
            format,
            columns: None,
            chosen: false,
            started: false,
            header_shows_line: false,
            header_shows_flow: false,
            flow_columns: Column::of_flow_log(),
            line_columns: Column::of_line(),
            rows: 0,
            rows_beyond_header: 0,
            slots: Slots::default(),
        }
    }

    /// Fixes the columns, in this order.
    pub fn columns(mut self, columns: Vec<Column>) -> Self {
        self.columns = Some(columns);
        self.chosen = true;
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

    /// Appends an event's row to `out`, after the header if it is the first. `record` tells where it was read, for
    /// columns of metadata.
    pub fn write(&mut self, event: &Event<'_>, record: Option<&Record>, out: &mut Vec<u8>) -> Result<(), RowError> {
        if !self.started {
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
            RowFormat::Json if !self.chosen => self.write_own_object(event, record, out),
            RowFormat::Json => {
                let columns = self.columns.as_deref().unwrap_or_default();
                self.slots.fill(columns, event);
                let flow = self.slots.flow_log(event);
                let cells = cells(columns, &self.slots, event, flow.as_ref(), record);
                write_object(columns.iter().map(Column::name).zip(cells), out);
            }
            RowFormat::Tsv => self.write_separated(event, record, b'\t', encode::tsv, out),
            RowFormat::Csv => self.write_separated(event, record, b',', encode::csv, out),
        }
        Ok(())
    }

    /// An event's own columns, extracted fields straight through.
    fn write_own_object(&self, event: &Event<'_>, record: Option<&Record>, out: &mut Vec<u8>) {
        if let Some(fields) = event.extracted_fields() {
            return write_object(fields.map(|(name, value)| (name, extracted_cell(value))), out);
        }
        let flow = event.flow_log();
        let columns = if flow.is_some() { &self.flow_columns } else { &self.line_columns };
        let cell = |column: &Column| column.cell(event, flow.as_ref(), record).unwrap_or(Cell::Null);
        write_object(columns.iter().map(|column| (column.name(), cell(column))), out);
    }

    fn write_separated(
        &mut self,
        event: &Event<'_>,
        record: Option<&Record>,
        separator: u8,
        encode: fn(&Cell<'_>, &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) {
        let columns = self.columns.as_deref().unwrap_or_default();
        let all_shown = self.slots.fill(columns, event);
        let flow = self.slots.flow_log(event);
        let is_shown = match event.extracted_fields() {
            Some(_) => all_shown,
            None => self.header_shows_line || (self.header_shows_flow && flow.is_some()),
        };
        if !self.chosen && !is_shown {
            self.rows_beyond_header += 1;
        }
        let start = out.len();
        for (index, cell) in cells(columns, &self.slots, event, flow.as_ref(), record).enumerate() {
            if index > 0 {
                out.push(separator);
            }
            encode(&cell, out);
        }
        if out.len() == start && self.format == RowFormat::Csv {
            // Readers of CSV pass over empty lines.
            out.extend_from_slice(b"\"\"");
        }
        out.push(b'\n');
    }

    /// Settles the columns and writes the header.
    fn start(&mut self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), RowError> {
        self.started = true;
        let own = Column::of(event);
        if let Some(columns) = &self.columns {
            let unknown =
                columns.iter().find(|column| !column.is_known() && event.extracted_field(column.name()).is_none());
            if let Some(column) = unknown {
                let available = own.iter().map(|column| column.name().to_owned()).collect();
                return Err(RowError::UnknownField { name: column.name().to_owned(), available });
            }
        }
        if event.extracted_fields().is_none() {
            self.header_shows_flow = event.flow_log().is_some();
            self.header_shows_line = !self.header_shows_flow;
        }
        let (separator, encode): (u8, fn(&str, &mut Vec<u8>)) = match self.format {
            RowFormat::Tsv => (b'\t', |name, out| out.extend_from_slice(name.as_bytes())),
            RowFormat::Csv => (b',', encode::csv_text),
            RowFormat::Json | RowFormat::Raw => return Ok(()),
        };
        let columns = self.columns.get_or_insert_with(|| {
            let mut sorted = own;
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

fn cells<'a>(
    columns: &'a [Column],
    slots: &'a Slots,
    event: &'a Event<'a>,
    flow: Option<&'a FlowLog<'a>>,
    record: Option<&'a Record>,
) -> impl Iterator<Item = Cell<'a>> {
    let fields = event.extracted_fields();
    columns.iter().enumerate().map(move |(index, column)| {
        slots.get(fields.as_ref(), index).unwrap_or_else(|| column.cell(event, flow, record).unwrap_or(Cell::Null))
    })
}

fn extracted_cell(value: FieldValue<'_>) -> Cell<'_> {
    match value {
        FieldValue::Text(text) => Cell::Text(text.into()),
        FieldValue::Json(json) => Cell::Json(json),
        _ => Cell::Null,
    }
}

/// Which of an event's extracted fields each column shows; kept for all events with the same names.
#[derive(Debug, Default)]
struct Slots {
    names: Option<NamesId>,
    /// By column: the field's index.
    fields: Vec<Option<usize>>,
    /// Whether every field has a column.
    all_shown: bool,
}

impl Slots {
    /// Finds the columns of an event's extracted fields. Whether all of them have one.
    fn fill(&mut self, columns: &[Column], event: &Event<'_>) -> bool {
        let fields = event.extracted_fields();
        let names = fields.as_ref().map(ExtractedFields::names_id);
        if self.names == names && self.fields.len() == columns.len() {
            return self.all_shown;
        }
        self.names = names;
        self.all_shown = true;
        self.fields.clear();
        self.fields.resize(columns.len(), None);
        for (nth, (name, _)) in fields.into_iter().flatten().enumerate() {
            let mut shown = false;
            for (slot, column) in self.fields.iter_mut().zip(columns) {
                if column.name() == name && column.may_be_extracted() {
                    *slot = Some(nth);
                    shown = true;
                }
            }
            self.all_shown &= shown;
        }
        self.all_shown
    }

    /// The event's flow log line, parsed only where a column may need it.
    fn flow_log<'a>(&self, event: &Event<'a>) -> Option<FlowLog<'a>> {
        if self.fields.iter().all(Option::is_some) { None } else { event.flow_log() }
    }

    #[inline]
    fn get<'a>(&self, fields: Option<&ExtractedFields<'a>>, column: usize) -> Option<Cell<'a>> {
        let index = (*self.fields.get(column)?)?;
        Some(extracted_cell(fields?.value(index)?))
    }
}
