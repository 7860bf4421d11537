//! What a column shows of an event.

use kinesis_logs_decoder::Event;
use kinesis_logs_decoder::flow_log::{Field, FieldKind, FlowLog, Format, Value};
use kinesis_logs_source::Record;

use super::encode::rfc3339_millis;

/// A column: a field of the event by name, or metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    name: String,
    source: Source,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// An extracted field, else a field of the flow log line, else one of the event's own.
    Named(Option<Own>),
    Metadata(Own),
    Position(Position),
}

/// What the event and its envelope say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Own {
    /// A field of flow logs that AWS documents; a format may name others, which are found by name.
    Flow(Field),
    Timestamp,
    Message,
    Owner,
    LogGroup,
    LogStream,
    EventId,
    PolicyLevel,
    SubscriptionFilters,
}

/// Where the record was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Stream,
    ShardId,
    SequenceNumber,
    SubSequenceNumber,
    PartitionKey,
    Arrival,
}

const METADATA: [(&str, Own); 6] = [
    ("%aws.owner", Own::Owner),
    ("%aws.log_group", Own::LogGroup),
    ("%aws.log_stream", Own::LogStream),
    ("%aws.event_id", Own::EventId),
    ("%aws.policy_level", Own::PolicyLevel),
    ("%aws.subscription_filters", Own::SubscriptionFilters),
];

const POSITIONS: [(&str, Position); 6] = [
    ("%kinesis.stream", Position::Stream),
    ("%kinesis.shard_id", Position::ShardId),
    ("%kinesis.sequence_number", Position::SequenceNumber),
    ("%kinesis.sub_sequence_number", Position::SubSequenceNumber),
    ("%kinesis.partition_key", Position::PartitionKey),
    ("%kinesis.arrival", Position::Arrival),
];

const EVENT: [(&str, Own); 6] = [
    ("timestamp", Own::Timestamp),
    ("message", Own::Message),
    ("owner", Own::Owner),
    ("log_group", Own::LogGroup),
    ("log_stream", Own::LogStream),
    ("event_id", Own::EventId),
];

/// A value of a column, before it is dressed for a format.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Integer(u64),
    /// A number in digits, as it would be written.
    Digits(&'a str),
    /// JSON as it came.
    Json(&'a str),
    /// Text that came as a value of its own and is shown as it is.
    Text(std::borrow::Cow<'a, str>),
    /// A log line, which may hold tabs and line feeds.
    Line(&'a str),
}

impl Column {
    /// The column of this name. Names that start with `%` are metadata, and only the known ones exist.
    pub fn parse(name: &str) -> Result<Self, super::RowError> {
        let find = |table: &[(&str, Own)]| table.iter().find(|(known, _)| *known == name).map(|(_, own)| *own);
        let source = if name.starts_with('%') {
            let position = POSITIONS.iter().find(|(known, _)| *known == name).map(|(_, position)| *position);
            match (find(&METADATA), position) {
                (Some(own), _) => Source::Metadata(own),
                (None, Some(position)) => Source::Position(position),
                (None, None) => {
                    let known = METADATA.iter().map(|(name, _)| *name).chain(POSITIONS.iter().map(|(name, _)| *name));
                    return Err(super::RowError::UnknownMetadata {
                        name: name.to_owned(),
                        known: known.map(str::to_owned).collect(),
                    });
                }
            }
        } else {
            let flow = Field::from_name(name).filter(|field| field.name() == name).map(Own::Flow);
            Source::Named(flow.or_else(|| find(&EVENT)))
        };
        Ok(Column { name: name.to_owned(), source })
    }

    /// The columns of a flow log.
    pub(super) fn of_flow_log(format: &Format) -> Vec<Column> {
        format.columns().iter().map(|column| Column::named(column.name())).collect()
    }

    /// The columns of a line that is none.
    pub(super) fn of_line() -> Vec<Column> {
        ["timestamp", "log_group", "log_stream", "message"].map(Column::named).to_vec()
    }

    /// A field of this name. An extracted one may be called anything, also like metadata.
    pub(super) fn named(name: &str) -> Column {
        let source = match Column::parse(name) {
            Ok(column) if !name.starts_with('%') => column.source,
            _ => Source::Named(None),
        };
        Column { name: name.to_owned(), source }
    }

    /// The name, as the header has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the name is known whatever the data: not a field that only a filter's pattern could have named.
    pub(super) fn is_known(&self) -> bool {
        self.source != Source::Named(None)
    }

    /// The event's value, of a flow log that was checked, if it is not one of its extracted fields. `Err` if the event has no such column.
    pub(super) fn cell<'a>(
        &self,
        event: &Event<'a>,
        flow: Option<&FlowLog<'a>>,
        record: Option<&'a Record>,
    ) -> Result<Cell<'a>, NoSuchColumn> {
        match self.source {
            Source::Named(None) => {
                flow.and_then(|flow| flow.raw_by_name(&self.name)).map(flow_text).ok_or(NoSuchColumn)
            }
            Source::Named(Some(own)) | Source::Metadata(own) => own.cell(event, flow),
            Source::Position(position) => Ok(record.map_or(Cell::Null, |record| position.cell(record))),
        }
    }

    /// Whether extracted fields of this name come first.
    pub(super) fn may_be_extracted(&self) -> bool {
        matches!(self.source, Source::Named(_))
    }
}

/// How many digits times in seconds have at most; flow logs with milliseconds have more.
const SECONDS: usize = 11;

/// The event has no such column.
#[derive(Debug)]
pub(super) struct NoSuchColumn;

impl Own {
    fn cell<'a>(self, event: &Event<'a>, flow: Option<&FlowLog<'a>>) -> Result<Cell<'a>, NoSuchColumn> {
        Ok(match self {
            Own::Flow(field) => {
                let flow = flow.ok_or(NoSuchColumn)?;
                let token = flow.raw(field).ok_or(NoSuchColumn)?;
                match field.kind() {
                    FieldKind::Integer { .. } | FieldKind::Time => match token.as_bytes() {
                        // Its digits are a number's: they were looked at when the line was read.
                        [b'1'..=b'9', ..] if token.len() <= SECONDS => Cell::Digits(token),
                        // Zeros in front, milliseconds, null.
                        _ => match flow.get(field) {
                            Some(Value::Integer(number)) => Cell::Integer(number),
                            _ => flow_text(token),
                        },
                    },
                    _ => flow_text(token),
                }
            }
            Own::Timestamp => {
                let time = event.timestamp_millis().and_then(rfc3339_millis);
                time.map_or(Cell::Null, |time| Cell::Text(time.into()))
            }
            Own::Message => Cell::Line(event.message().strip_suffix('\n').unwrap_or(event.message())),
            Own::Owner => text(event.owner()),
            Own::LogGroup => text(event.log_group()),
            Own::LogStream => text(event.log_stream()),
            Own::EventId => text(event.id()),
            Own::PolicyLevel => text(event.policy_level()),
            Own::SubscriptionFilters => Cell::Text(event.subscription_filters().join(",").into()),
        })
    }
}

impl Position {
    fn cell(self, record: &Record) -> Cell<'_> {
        match self {
            Position::Stream => Cell::Text((&*record.stream).into()),
            Position::ShardId => Cell::Text(record.shard_id.as_str().into()),
            Position::SequenceNumber => Cell::Text(record.sequence_number.as_str().into()),
            Position::SubSequenceNumber => record.sub_sequence_number.map_or(Cell::Null, Cell::Integer),
            Position::PartitionKey => text(record.partition_key.as_deref()),
            Position::Arrival => {
                let time = record.arrival.and_then(|arrival| rfc3339_millis(arrival.as_millisecond()));
                time.map_or(Cell::Null, |time| Cell::Text(time.into()))
            }
        }
    }
}

/// A field as it stands in a flow log's line.
fn flow_text(text: &str) -> Cell<'_> {
    if text == "-" { Cell::Null } else { Cell::Text(text.into()) }
}

fn text(text: Option<&str>) -> Cell<'_> {
    text.map_or(Cell::Null, |text| Cell::Text(text.into()))
}
