//! What a format works out once, so that lines are read and written faster.

use super::field::FieldKind;
use super::format::FormatColumn;
use super::look::{Glance, Look};
use super::record::SMALLEST_MILLIS;
use super::tokens::LONG_CHUNK;

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

/// A column's key in JSON: a comma, the name in quotes, a colon; and before text and addresses another quote.
pub(super) enum JsonKey {
    /// As many bytes as are copied at once, and how many are the key.
    Short {
        chunk: [u8; LONG_CHUNK],
        len: usize,
    },
    Long(String),
}

impl JsonKey {
    pub(super) fn of(column: &FormatColumn) -> JsonKey {
        let quote = if matches!(column.kind, FieldKind::Address | FieldKind::Text) { "\"" } else { "" };
        let key = format!(",\"{}\":{quote}", column.name());
        let (mut chunk, len) = ([0; LONG_CHUNK], key.len());
        match chunk.get_mut(..len) {
            Some(first) => first.copy_from_slice(key.as_bytes()),
            None => return JsonKey::Long(key),
        }
        JsonKey::Short { chunk, len }
    }

    /// How long the key is, and a quote behind the value.
    pub(super) fn len_with_quote(&self) -> usize {
        1 + match self {
            JsonKey::Short { len, .. } => *len,
            JsonKey::Long(key) => key.len(),
        }
    }
}
