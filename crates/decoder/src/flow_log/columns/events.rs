//! The columns of what events say.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::{ArrowError, DataType};

use super::fixed::Numbers;
use super::memory::BLOCK;
use super::texts::Texts;
use crate::Event;
use crate::flow_log::format::Format;

pub(super) struct EventColumns {
    /// All but the second.
    texts: Texts,
    times: Numbers,
    /// How many times there are that were not appended yet, always below [`BLOCK`].
    block_rows: usize,
}

const NAMES: [&str; 5] = ["event_id", "event_timestamp", "owner", "log_group", "log_stream"];

impl EventColumns {
    pub(super) fn new() -> EventColumns {
        EventColumns { texts: Texts::of_places(0..NAMES.len() - 1), times: Numbers::millis(), block_rows: 0 }
    }

    /// The columns' names, none of which a field has, and types.
    pub(super) fn named(&self, format: &Format) -> impl Iterator<Item = (String, DataType)> {
        let types = [DataType::Utf8, self.times.data_type(), DataType::Utf8, DataType::Utf8, DataType::Utf8];
        NAMES.into_iter().zip(types).map(|(name, data_type)| {
            let mut name = name.to_owned();
            while format.place_of_name(&name).is_some() {
                name.insert(0, '_');
            }
            (name, data_type)
        })
    }

    /// No column grows by more than this.
    pub(super) fn longest(event: &Event<'_>) -> usize {
        texts(event).into_iter().flatten().map(str::len).max().unwrap_or(0)
    }

    /// Appends what an event says, or nulls.
    pub(super) fn push(&mut self, event: Option<&Event<'_>>) {
        let texts = event.map_or([None; NAMES.len() - 1], texts);
        self.texts.push(|place| texts[place]);
        self.times.put_any(self.block_rows, event.and_then(Event::timestamp_millis));
        self.block_rows += 1;
        if self.block_rows == BLOCK {
            self.end_block();
        }
    }

    fn end_block(&mut self) {
        self.times.end_block(std::mem::take(&mut self.block_rows));
    }

    /// The columns of a batch of some rows.
    pub(super) fn finish(&mut self, rows: usize) -> Result<Vec<ArrayRef>, ArrowError> {
        if self.block_rows > 0 {
            self.end_block();
        }
        let mut arrays: Vec<ArrayRef> = self.texts.finish().map(|(_, array)| Arc::new(array) as ArrayRef).collect();
        arrays.insert(1, self.times.finish(rows)?);
        Ok(arrays)
    }
}

fn texts<'a>(event: &Event<'a>) -> [Option<&'a str>; NAMES.len() - 1] {
    [event.id(), event.owner(), event.log_group(), event.log_stream()]
}
