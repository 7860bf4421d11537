//! Flow logs as Arrow record batches (feature `arrow`).

mod events;
mod fields;
mod fixed;
mod memory;
mod texts;

use std::fmt;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, Field as ArrowField, Schema, SchemaRef};

use self::events::EventColumns;
use self::fields::FieldColumns;
use super::format::Format;
use super::record::{FlowLog, FlowLogError};
use crate::Event;

/// Offsets into the text of a column have 31 bits.
const MAX_TEXT: usize = i32::MAX as usize;

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
    schema: SchemaRef,
    event_columns: Option<EventColumns>,
    field_columns: FieldColumns,
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
        let event_columns = options.event_columns.then(EventColumns::new);
        let field_columns = FieldColumns::new(format, options.addresses);
        let of_events = event_columns.iter().flat_map(|columns| columns.named(format));
        let names = format.columns().iter().map(|column| column.name().to_owned());
        let of_fields = names.zip(field_columns.data_types());
        let nullable = |(name, data_type)| ArrowField::new(name, data_type, true);
        let schema = Schema::new(of_events.chain(of_fields).map(nullable).collect::<Vec<_>>());
        Columns { schema: Arc::new(schema), event_columns, field_columns, rows: 0, text: 0 }
    }

    /// The schema of every batch: it depends on the format and the options alone.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The format whose lines are taken.
    pub fn format(&self) -> &Format {
        self.field_columns.format()
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
        self.push_row(flow, None)
    }

    /// Appends a flow log and what its event says.
    ///
    /// # Errors
    ///
    /// [`ColumnsError`]; nothing was appended then.
    #[inline]
    pub fn push_with_event(&mut self, flow: &FlowLog<'_>, event: &Event<'_>) -> Result<(), ColumnsError> {
        self.push_row(flow, Some(event))
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
        let format = self.format().clone();
        let mut flow = FlowLog::new(&format);
        flow.read(event)?;
        self.push_with_event(&flow, event)
    }

    /// The rows as a batch. More may be pushed behind. They take the memory of this batch if it is dropped by then, and
    /// else as much; that is, with the last batch all of its memory is kept until the next begins.
    pub fn finish(&mut self) -> RecordBatch {
        if self.rows == 0 {
            return RecordBatch::new_empty(self.schema());
        }
        let arrays = self.finish_columns();
        let batch = arrays.and_then(|arrays| RecordBatch::try_new(self.schema.clone(), arrays));
        (self.rows, self.text) = (0, 0);
        // The columns were made with the schema and grew together.
        batch.unwrap_or_else(|error| unreachable!("{error}"))
    }

    fn finish_columns(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        let mut arrays = Vec::with_capacity(self.schema.fields().len());
        if let Some(columns) = &mut self.event_columns {
            arrays.extend(columns.finish(self.rows)?);
        }
        arrays.extend(self.field_columns.finish(self.rows)?);
        Ok(arrays)
    }

    #[inline(always)]
    fn push_row(&mut self, flow: &FlowLog<'_>, event: Option<&Event<'_>>) -> Result<(), ColumnsError> {
        if flow.format() != self.format() {
            return Err(ColumnsError::OtherFormat);
        }
        let longest = match (&self.event_columns, event) {
            (Some(_), Some(event)) => EventColumns::longest(event),
            _ => 0,
        };
        let text = self.text + longest.max(flow.line().len());
        if text > MAX_TEXT {
            return Err(ColumnsError::Full);
        }
        if !self.field_columns.push(flow) {
            return Err(mistake(flow));
        }
        if let Some(columns) = &mut self.event_columns {
            columns.push(event);
        }
        self.rows += 1;
        self.text = text;
        Ok(())
    }
}

/// What is wrong with a flow log whose values are not all of their fields' kinds.
#[cold]
fn mistake(flow: &FlowLog<'_>) -> ColumnsError {
    if flow.line().is_empty() {
        return FlowLogError::FieldCount { expected: flow.format().len(), found: 0 }.into();
    }
    match flow.check() {
        Err(error) => error.into(),
        Ok(()) => unreachable!("columns and fields are of the same kinds"),
    }
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

impl fmt::Debug for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Columns").field("format", self.format()).field("rows", &self.rows).finish_non_exhaustive()
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
                1..260,
            ),
        ) {
            let format: Format = "version start dstport bytes srcport srcaddr a dstaddr".parse().unwrap();
            for addresses in [AddressColumns::Text, AddressColumns::FixedBinary] {
                let options = ColumnOptions::default().addresses(addresses);
                let (mut padded, mut bare) =
                    (Columns::with_options(&format, options), Columns::with_options(&format, options));
                // Memory of the first batch is taken for the second.
                for lines in [&lines[..], &lines[lines.len() / 2..]] {
                    for line in lines {
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
}
