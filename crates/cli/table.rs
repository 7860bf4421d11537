//! Tables on standard output.

use std::io::Write;

use comfy_table::{Row, Table, presets};
use kinesis_logs_source::ShardId;

/// A table without lines.
pub(crate) fn with_header(header: impl Into<Row>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}

pub(crate) fn print(mut table: Table) {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    // A reader that has gone is none of our business.
    let _ = writeln!(std::io::stdout(), "{}", table.trim_fmt());
}

/// What there is, or a dash.
pub(crate) fn or_dash(cell: Option<String>) -> String {
    cell.unwrap_or_else(|| "-".to_owned())
}

pub(crate) fn shards(shards: &[ShardId]) -> String {
    let ids: Vec<&str> = shards.iter().map(ShardId::as_str).collect();
    or_dash((!ids.is_empty()).then(|| ids.join(",")))
}
