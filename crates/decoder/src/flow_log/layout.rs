//! What a format works out once, so that lines are read and written faster.

use super::field::FieldKind;
use super::format::FormatColumn;
use super::look::{Glance, Look};
use super::marks::text_as_number;
use super::record::SMALLEST_MILLIS;
use super::tokens::LONG_CHUNK;
use crate::number::Chunk;

/// The places in a line by the kind of what stands there: numbers in fours, which are read at once, and those left over.
#[derive(Default)]
pub(super) struct ByKind {
    pub(super) fours: Vec<FourPlaces>,
    pub(super) numbers: Vec<u8>,
    pub(super) addresses: Vec<u8>,
    pub(super) texts: Vec<u8>,
}

/// Places of four numbers, and what is the largest that is usual for each.
pub(super) struct FourPlaces {
    pub(super) places: [u8; 4],
    pub(super) max: [i64; 4],
}

impl ByKind {
    pub(super) fn of(columns: &[FormatColumn]) -> ByKind {
        let mut by_kind = ByKind::default();
        let mut numbers = Vec::new();
        for (place, column) in (0..).zip(columns) {
            match column.kind {
                FieldKind::Integer { max } => numbers.push((place, max.min(i64::MAX as u64) as i64)),
                FieldKind::Time => numbers.push((place, SMALLEST_MILLIS as i64 - 1)),
                FieldKind::Address => by_kind.addresses.push(place),
                FieldKind::Text => by_kind.texts.push(place),
            }
        }
        let (fours, rest) = numbers.as_chunks::<4>();
        by_kind.fours = fours
            .iter()
            .map(|four| FourPlaces { places: four.map(|(place, _)| place), max: four.map(|(_, max)| max) })
            .collect();
        by_kind.numbers = rest.iter().map(|(place, _)| *place).collect();
        by_kind
    }
}

/// What numbers are such that they may be copied: no longer than the largest that is usual, and digits alone.
#[derive(Default)]
pub(super) struct UsualNumbers {
    /// The first and the last of places next to each other, at which numbers stand.
    pub(super) runs: Vec<[u8; 2]>,
    /// Places of numbers of at most 8 digits, and the largest of each, as [`text_as_number`] has it.
    pub(super) short: Vec<(u8, u64)>,
    /// Places of other numbers, and how many digits those have that are all below the largest.
    pub(super) long: Vec<(u8, u8)>,
}

impl UsualNumbers {
    pub(super) fn of(columns: &[FormatColumn]) -> UsualNumbers {
        let mut numbers = UsualNumbers::default();
        for (place, column) in (0..).zip(columns) {
            let max = match column.kind {
                FieldKind::Integer { max } => max,
                FieldKind::Time => SMALLEST_MILLIS - 1,
                FieldKind::Address | FieldKind::Text => continue,
            };
            match numbers.runs.last_mut() {
                Some([_, last]) if *last + 1 == place => *last = place,
                _ => numbers.runs.push([place; 2]),
            }
            let text = max.to_string();
            let mut chunk: Chunk = [0; 16];
            match chunk[..8].get_mut(..text.len()) {
                Some(first) => {
                    first.copy_from_slice(text.as_bytes());
                    numbers.short.push((place, text_as_number(&chunk, text.len())));
                }
                // As many digits as the largest has are too many, unless those are all nines.
                None => numbers.long.push((place, text.len() as u8 - u8::from(!text.bytes().all(|byte| byte == b'9')))),
            }
        }
        numbers
    }
}

/// What the values at a place look like.
#[derive(Debug)]
pub(super) struct PlaceLook {
    pub(super) place: usize,
    pub(super) look: Look,
    pub(super) glance: Glance,
}

impl PlaceLook {
    pub(super) fn new(place: usize, look: Look) -> PlaceLook {
        PlaceLook { place, look, glance: Glance::of(look) }
    }
}

/// What stands in JSON objects between values.
pub(super) struct JsonKeys {
    /// Before each column's value.
    pub(super) keys: Vec<JsonKey>,
    /// Behind the last.
    pub(super) end: JsonKey,
    /// How long all are together.
    pub(super) len: usize,
    /// Whether a chunk has each of them.
    pub(super) are_short: bool,
}

/// What stands between two values, or before the first or behind the last: the quote that ends a text, a comma or brace, the next
/// key and a colon, the quote that begins a text.
pub(super) struct JsonKey {
    pub(super) text: String,
    /// The bytes that it begins with, as many as are copied at once behind the quote.
    pub(super) chunk: [u8; 1 + LONG_CHUNK],
    /// Whether it ends with a quote, that of a text.
    pub(super) opens_quote: bool,
}

impl JsonKeys {
    pub(super) fn of(columns: &[FormatColumn]) -> JsonKeys {
        let quote = |column: Option<&FormatColumn>| if column.is_some_and(FormatColumn::is_quoted) { "\"" } else { "" };
        let mut before: Option<&FormatColumn> = None;
        let mut keys = Vec::with_capacity(columns.len());
        for column in columns {
            let between = if before.is_none() { '{' } else { ',' };
            keys.push(JsonKey::new(format!("{}{between}\"{}\":{}", quote(before), column.name(), quote(Some(column)))));
            before = Some(column);
        }
        let end = JsonKey::new(format!("{}}}", quote(before)));
        let len = keys.iter().chain([&end]).map(|key| key.text.len()).sum();
        let are_short = keys.iter().all(|key| key.text.len() <= LONG_CHUNK);
        JsonKeys { keys, end, len, are_short }
    }
}

impl JsonKey {
    /// The bytes that it begins with, also if the value before it has a quote to end.
    #[inline(always)]
    pub(super) fn chunk_as_usual(&self) -> &[u8; LONG_CHUNK] {
        let [as_usual @ .., _] = &self.chunk;
        as_usual
    }

    fn new(text: String) -> JsonKey {
        let mut chunk = [0; 1 + LONG_CHUNK];
        let len = text.len().min(LONG_CHUNK);
        chunk[..len].copy_from_slice(&text.as_bytes()[..len]);
        JsonKey { opens_quote: text.ends_with('"'), text, chunk }
    }
}
