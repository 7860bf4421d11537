//! Flow logs as Arrow record batches (feature `arrow`).

mod column;
mod texts;

use std::fmt;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, Field as ArrowField, Schema, SchemaRef};

use self::column::Column;
use super::format::{Format, FormatColumn, shortened};
use super::layout::ByKind;
use super::record::{FlowLog, FlowLogError};
use super::tokens::PaddedTokens;
use crate::Event;
use crate::scan::with_lanes;

/// Offsets into the text of a column have 31 bits.
const MAX_TEXT: usize = i32::MAX as usize;

const EVENT_COLUMNS: usize = 5;

/// Collects flow logs of one [`Format`] and makes Arrow record batches of them.
///
/// There is a column for each field of the format, in its order, with the name and type that AWS gives it in Parquet
/// ([AWS]). Values are those of [`FlowLog::values`]. Every column may hold nulls, which stand for `-`.
///
/// | field | type |
/// |---|---|
/// | `version`, ports, `protocol`, `tcp_flags`, `traffic_path`, `encryption_status` | `Int32` |
/// | `packets`, `bytes`, `packets_lost_...` | `Int64` |
/// | `start`, `end` | `Timestamp(Second, "UTC")`, whose 64 bits are what AWS has as `INT64` |
/// | addresses | see [`AddressColumns`] |
/// | all else, unknown fields too | `Utf8` |
///
/// A batch holds at most 2 GiB of lines and their metadata, as Arrow's offsets allow no more. The batch's size is the
/// caller's choice; some ten thousand lines are usual.
///
/// ```
/// use arrow_array::cast::AsArray;
/// use arrow_array::types::Int32Type;
/// use kinesis_logs_decoder::flow_log::{Columns, FlowLog, Format};
///
/// # let record = br#"{"messageType":"DATA_MESSAGE","logEvents":[{"message":"egress 443"},{"message":"ingress -"}]}"#;
/// let format: Format = "${flow-direction} ${dstport}".parse()?;
/// let mut columns = Columns::new(&format);
/// let decoded = kinesis_logs_decoder::decode(record);
/// let mut flow = FlowLog::new(&format);
/// for event in decoded.events() {
///     flow.read(&event)?;
///     columns.push(&flow)?;
/// }
/// let batch = columns.finish();
/// assert_eq!(batch.num_rows(), 2);
/// assert_eq!(batch["flow_direction"].as_string::<i32>().value(0), "egress");
/// assert_eq!(batch["dstport"].as_primitive::<Int32Type>().value(0), 443);
/// assert!(batch["dstport"].is_null(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [AWS]: https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html#flow-logs-fields
pub struct Columns {
    format: Format,
    schema: SchemaRef,
    /// Those of the event, if they are wanted, and those of the format's fields.
    event_columns: Vec<Column>,
    field_columns: Vec<Column>,
    rows: usize,
    /// No column holds more text than this.
    text: usize,
}

/// Which columns there are, and of which types.
///
/// ```
/// use kinesis_logs_decoder::flow_log::{AddressColumns, ColumnOptions, Columns, Format};
///
/// let options = ColumnOptions::default().addresses(AddressColumns::FixedBinary).event_columns(true);
/// let schema = Columns::with_options(Format::default_format(), options).schema();
/// let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
/// assert_eq!(names[..6], ["event_id", "event_timestamp", "owner", "log_group", "log_stream", "version"]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ColumnOptions {
    addresses: AddressColumns,
    event_columns: bool,
}

/// What columns of addresses hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressColumns {
    /// `Utf8`: the addresses as they stand in the lines, as AWS has them in Parquet.
    #[default]
    Text,
    /// `FixedSizeBinary(16)`: IPv6 addresses in network order, IPv4 addresses mapped into them (`::ffff:10.0.0.1`, [RFC
    /// 4291]).
    ///
    /// [RFC 4291]: https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5.2
    FixedBinary,
}

/// Why a flow log did not become a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ColumnsError {
    /// The batch has no room for this line: [finish](Columns::finish) it, then push the line again.
    #[error("the batch is full and has to be finished")]
    Full,
    /// The flow log's format is not the columns'.
    #[error("the flow log has other fields than the columns")]
    OtherFormat,
    /// The line is not of its format.
    #[error(transparent)]
    Line(#[from] FlowLogError),
}

impl Columns {
    /// Columns for the fields of a format, addresses as text.
    pub fn new(format: &Format) -> Columns {
        Columns::with_options(format, ColumnOptions::default())
    }

    /// Columns as the options say.
    pub fn with_options(format: &Format, options: ColumnOptions) -> Columns {
        let event_columns: Vec<_> = if options.event_columns { event_columns(format) } else { Vec::new() };
        let field_columns: Vec<_> = format
            .columns()
            .iter()
            .map(|column| (column.name().to_owned(), Column::of_kind(column.kind(), options.addresses)))
            .collect();
        let field = |(name, column): &(String, Column)| ArrowField::new(name, column.data_type(), true);
        let schema = Schema::new(event_columns.iter().chain(&field_columns).map(field).collect::<Vec<_>>());
        let only_columns = |named: Vec<(String, Column)>| named.into_iter().map(|(_, column)| column).collect();
        Columns {
            format: format.clone(),
            schema: Arc::new(schema),
            event_columns: only_columns(event_columns),
            field_columns: only_columns(field_columns),
            rows: 0,
            text: 0,
        }
    }

    /// The schema of every batch: it depends on the format and the options alone.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The format whose lines are taken.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// How many rows were pushed since the last batch.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether no row was pushed since the last batch.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Appends a flow log. The event's columns, if there are any, are null.
    ///
    /// # Errors
    ///
    /// [`ColumnsError`]; nothing was appended then.
    #[inline]
    pub fn push(&mut self, flow: &FlowLog<'_>) -> Result<(), ColumnsError> {
        self.push_fields(flow, 0)?;
        for column in &mut self.event_columns {
            column.push_null(self.rows);
        }
        self.rows += 1;
        Ok(())
    }

    /// Appends a flow log and what its event says.
    ///
    /// # Errors
    ///
    /// [`ColumnsError`]; nothing was appended then.
    #[inline]
    pub fn push_with_event(&mut self, flow: &FlowLog<'_>, event: &Event<'_>) -> Result<(), ColumnsError> {
        if self.event_columns.is_empty() {
            return self.push(flow);
        }
        let texts = [event.id(), event.owner(), event.log_group(), event.log_stream()];
        let longest = texts.iter().flatten().map(|text| text.len()).max().unwrap_or(0);
        self.push_fields(flow, longest)?;
        let [id, owner, log_group, log_stream] = texts;
        if let [ids, times, owners, log_groups, log_streams] = &mut self.event_columns[..] {
            ids.push_text(self.rows, id);
            times.push_millis(self.rows, event.timestamp_millis());
            owners.push_text(self.rows, owner);
            log_groups.push_text(self.rows, log_group);
            log_streams.push_text(self.rows, log_stream);
        }
        self.rows += 1;
        Ok(())
    }

    /// Reads an event's message as a flow log and appends it and what the event says.
    ///
    /// ```
    /// use arrow_array::cast::AsArray;
    /// use kinesis_logs_decoder::flow_log::{ColumnOptions, Columns, Format};
    ///
    /// # let record = br#"{"messageType":"DATA_MESSAGE","logGroup":"/vpc/flow","logEvents":[{"message":"egress 443"},{"message":"ingress x"}]}"#;
    /// let format: Format = "${flow-direction} ${dstport}".parse()?;
    /// let mut columns = Columns::with_options(&format, ColumnOptions::default().event_columns(true));
    /// let decoded = kinesis_logs_decoder::decode(record);
    /// for event in decoded.events() {
    ///     if let Err(error) = columns.push_event(&event) {
    ///         assert_eq!(error.to_string(), "\"x\" is no dstport");
    ///     }
    /// }
    /// let batch = columns.finish();
    /// assert_eq!(batch.num_rows(), 1);
    /// assert_eq!(batch["log_group"].as_string::<i32>().value(0), "/vpc/flow");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ColumnsError`]; nothing was appended then.
    pub fn push_event(&mut self, event: &Event<'_>) -> Result<(), ColumnsError> {
        let format = self.format.clone();
        let mut flow = FlowLog::new(&format);
        flow.read(event)?;
        self.push_with_event(&flow, event)
    }

    /// The rows as a batch. More may be pushed behind, for which as much memory is reserved as these took.
    pub fn finish(&mut self) -> RecordBatch {
        if self.rows == 0 {
            return RecordBatch::new_empty(self.schema());
        }
        let arrays = self.finish_columns();
        let batch = arrays.and_then(|arrays| RecordBatch::try_new(self.schema.clone(), arrays));
        (self.rows, self.text) = (0, 0);
        // The columns were made with the schema and grew together, and their text comes from `&str`.
        batch.unwrap_or_else(|error| unreachable!("{error}"))
    }

    fn finish_columns(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        self.event_columns.iter_mut().chain(&mut self.field_columns).map(|column| column.finish(self.rows)).collect()
    }

    /// Appends the values of the fields' columns, but does not count the row.
    #[inline]
    fn push_fields(&mut self, flow: &FlowLog<'_>, longest: usize) -> Result<(), ColumnsError> {
        if *flow.format() != self.format {
            return Err(ColumnsError::OtherFormat);
        }
        let text = self.text + longest.max(flow.line().len());
        if text > MAX_TEXT {
            return Err(ColumnsError::Full);
        }
        if flow.line().is_empty() {
            return Err(FlowLogError::FieldCount { expected: self.format.len(), found: 0 }.into());
        }
        let pushed = match flow.padded() {
            Some(tokens) => push_all(&mut self.field_columns, self.rows, &self.format, tokens),
            None => push_each(&mut self.field_columns, self.rows, flow).is_ok(),
        };
        if !pushed {
            return Err(self.take_back(flow));
        }
        self.text = text;
        Ok(())
    }

    /// Removes what was appended of a line that has a wrong value, and tells which is the first.
    #[cold]
    fn take_back(&mut self, flow: &FlowLog<'_>) -> ColumnsError {
        self.truncate();
        let place = push_each(&mut self.field_columns, self.rows, flow).err().unwrap_or_default();
        self.truncate();
        let name = self.format.columns().get(place).map(FormatColumn::name).unwrap_or_default().to_owned();
        FlowLogError::Value { name, value: shortened(flow.token(place)) }.into()
    }

    fn truncate(&mut self) {
        for column in &mut self.field_columns {
            column.truncate(self.rows);
        }
    }
}

with_lanes! {
/// Appends a value to every column, kind by kind. Whether all are of their column's.
fn push_all(columns: &mut [Column], row: usize, format: &Format, tokens: PaddedTokens<'_, '_>) -> bool |lanes| {
    let ByKind { fours, numbers, addresses, texts } = format.by_kind();
    let mut right = true;
    for four in fours {
        let found = tokens.four(lanes, four);
        for (n, place) in four.places.into_iter().enumerate() {
            let place = usize::from(place);
            match found.right >> n & 1 {
                1 => columns[place].push_number(found.numbers[n]),
                _ => right &= columns[place].push_any(row, tokens.get(place)),
            }
        }
    }
    for places in [numbers, addresses, texts] {
        for place in places.iter().map(|place| usize::from(*place)) {
            right &= columns[place].push(lanes, row, tokens.long(place));
        }
    }
    right
}
}

/// The same of any line, in the order of its fields, up to the first that is not of its column's kind.
fn push_each(columns: &mut [Column], row: usize, flow: &FlowLog<'_>) -> Result<(), usize> {
    for (place, column) in columns.iter_mut().enumerate() {
        if !column.push_any(row, flow.token(place)) {
            return Err(place);
        }
    }
    Ok(())
}

impl ColumnOptions {
    /// Sets what columns of addresses hold. Text unless set.
    pub fn addresses(mut self, addresses: AddressColumns) -> Self {
        self.addresses = addresses;
        self
    }

    /// Sets whether columns for what the event says come first: `event_id`, `event_timestamp` as
    /// `Timestamp(Millisecond, "UTC")`, `owner`, `log_group` and `log_stream`. Where the format has a field of such a
    /// name, which AWS has none of yet, the event's has an underscore before it.
    pub fn event_columns(mut self, wanted: bool) -> Self {
        self.event_columns = wanted;
        self
    }
}

/// In the order in which [`Columns::push_with_event`] takes them.
fn event_columns(format: &Format) -> Vec<(String, Column)> {
    let columns: [(&str, Column); EVENT_COLUMNS] = [
        ("event_id", Column::text()),
        ("event_timestamp", Column::millis()),
        ("owner", Column::text()),
        ("log_group", Column::text()),
        ("log_stream", Column::text()),
    ];
    let free = |name: &str| {
        let mut name = name.to_owned();
        while format.place_of_name(&name).is_some() {
            name.insert(0, '_');
        }
        name
    };
    columns.into_iter().map(|(name, column)| (free(name), column)).collect()
}

impl fmt::Debug for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Columns").field("format", &self.format).field("rows", &self.rows).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_batch_with_all_the_text_that_offsets_can_count_is_full_until_it_is_finished() {
        let format: Format = "action".parse().unwrap();
        let flow = format.split_line("ACCEPT").unwrap();
        let mut columns = Columns::new(&format);
        columns.push(&flow).unwrap();
        columns.text = MAX_TEXT - 6;
        columns.push(&flow).unwrap();
        assert_eq!(columns.push(&flow), Err(ColumnsError::Full));
        assert_eq!(columns.finish().num_rows(), 2);
        columns.push(&flow).unwrap();
        assert_eq!(columns.finish().num_rows(), 1);
    }

    #[test]
    fn what_an_event_says_counts_where_it_is_longer_than_the_line() {
        let record = br#"{"messageType":"DATA_MESSAGE","logGroup":"a-long-name","logEvents":[{"message":"OK"}]}"#;
        let decoded = crate::decode(record);
        let event = decoded.events().next().unwrap();
        let format: Format = "log-status".parse().unwrap();
        let mut columns = Columns::with_options(&format, ColumnOptions::default().event_columns(true));
        columns.text = MAX_TEXT - 10;
        assert_eq!(columns.push_event(&event), Err(ColumnsError::Full));
        columns.text = MAX_TEXT - 11;
        assert_eq!(columns.push_event(&event), Ok(()));
    }

    proptest! {
        #[test]
        fn rows_are_the_same_whatever_stands_behind_the_line(
            lines in prop::collection::vec(
                "(5|-|12|x) ([0-9]{1,14}|-|y) ([0-9]{1,5}|-) [0-9]{1,18} ([0-9]{1,2}|-) (10[.]0[.]0[.][0-9]{1,3}|::1|-) (-|[!-~é]{1,40}) 1[.]2[.]3[.]4",
                1..5,
            ),
        ) {
            let format: Format = "version start dstport bytes srcport srcaddr a dstaddr".parse().unwrap();
            for addresses in [AddressColumns::Text, AddressColumns::FixedBinary] {
                let options = ColumnOptions::default().addresses(addresses);
                let (mut padded, mut bare) =
                    (Columns::with_options(&format, options), Columns::with_options(&format, options));
                for line in &lines {
                    let window = line.clone() + &" 123".repeat(20);
                    let mut flow = FlowLog::new(&format);
                    flow.split(line, window.as_bytes()).unwrap();
                    let pushed = padded.push(&flow);
                    prop_assert_eq!(pushed.is_ok(), flow.check().is_ok());
                    prop_assert_eq!(pushed, bare.push(&format.split_line(line).unwrap()));
                }
                let batch = padded.finish();
                prop_assert_eq!(&batch, &bare.finish());
                for column in batch.columns() {
                    prop_assert_eq!(column.to_data().validate_full().map_err(|error| error.to_string()), Ok(()));
                }
            }
        }
    }
}
