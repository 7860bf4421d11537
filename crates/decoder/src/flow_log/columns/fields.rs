//! The columns of a format's fields, kind by kind.

use std::net::IpAddr;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::{ArrowError, DataType};

use super::AddressColumns;
use super::fixed::{ADDRESS, Addresses, Numbers};
use super::memory::BLOCK;
use super::texts::Texts;
use crate::flow_log::format::Format;
use crate::flow_log::layout::ByKind;
use crate::flow_log::record::FlowLog;
use crate::flow_log::tokens::PaddedTokens;
use crate::number::{self, Four};
use crate::scan::with_lanes;

/// Rows are appended to all columns or to none: texts, which nothing is wrong with, come last.
pub(super) struct FieldColumns {
    format: Format,
    /// Those of the format's fours, and behind them those that are left over.
    numbers: Vec<Numbers>,
    /// Those of the format's addresses, unless they are among the texts.
    addresses: Vec<Addresses>,
    texts: Texts,
    /// How many rows there are that were not appended yet, always below [`BLOCK`].
    block_rows: usize,
}

impl FieldColumns {
    pub(super) fn new(format: &Format, addresses: AddressColumns) -> FieldColumns {
        let ByKind { addresses: address_places, texts, .. } = format.by_kind();
        let (as_text, in_binary): (&[u8], usize) = match addresses {
            AddressColumns::Text => (address_places, 0),
            AddressColumns::FixedBinary => (&[], address_places.len()),
        };
        FieldColumns {
            format: format.clone(),
            numbers: number_places(format).map(|place| Numbers::of_kind(format.columns()[place].kind())).collect(),
            addresses: (0..in_binary).map(|_| Addresses::new()).collect(),
            texts: Texts::of_places(as_text.iter().chain(texts).map(|place| usize::from(*place))),
            block_rows: 0,
        }
    }

    pub(super) fn format(&self) -> &Format {
        &self.format
    }

    /// Of each column, in the order of the format.
    pub(super) fn data_types(&self) -> Vec<DataType> {
        let numbers = number_places(&self.format).zip(self.numbers.iter().map(Numbers::data_type));
        let addresses =
            address_places(&self.format).zip(self.addresses.iter().map(|_| DataType::FixedSizeBinary(ADDRESS as i32)));
        let texts = self.texts.places().map(|place| (place, DataType::Utf8));
        in_order(numbers.chain(addresses).chain(texts))
    }

    /// Appends the values of a flow log of the format, if all are of their fields' kinds.
    #[inline]
    pub(super) fn push(&mut self, flow: &FlowLog<'_>) -> bool {
        let pushed = match flow.padded() {
            Some(tokens) => push_padded(self, tokens),
            None => self.push_any(flow),
        };
        if !pushed {
            self.take_back();
            return false;
        }
        self.block_rows += 1;
        if self.block_rows == BLOCK {
            self.end_block();
        }
        true
    }

    /// The same of any line.
    #[cold]
    fn push_any(&mut self, flow: &FlowLog<'_>) -> bool {
        if flow.line().is_empty() {
            return false; // none was read
        }
        let (row, format) = (self.block_rows, flow.format());
        for (column, place) in self.numbers.iter_mut().zip(number_places(format)) {
            if !column.put_token(row, flow.token(place)) {
                return false;
            }
        }
        for (n, place) in address_places(format).enumerate() {
            let Some(address) = any_address(flow.token(place)) else { return false };
            if let Some(column) = self.addresses.get_mut(n) {
                column.put(row, address);
            }
        }
        self.texts.push(|place| Some(flow.token(place)).filter(|token| *token != "-"));
        true
    }

    #[cold]
    fn take_back(&mut self) {
        let row = self.block_rows;
        self.numbers.iter_mut().for_each(|column| column.take_back(row));
        self.addresses.iter_mut().for_each(|column| column.take_back(row));
    }

    #[inline(never)]
    fn end_block(&mut self) {
        let rows = std::mem::take(&mut self.block_rows);
        self.numbers.iter_mut().for_each(|column| column.end_block(rows));
        self.addresses.iter_mut().for_each(|column| column.end_block(rows));
    }

    /// The columns of a batch of some rows, in the order of the format.
    pub(super) fn finish(&mut self, rows: usize) -> Result<Vec<ArrayRef>, ArrowError> {
        if self.block_rows > 0 {
            self.end_block();
        }
        let mut arrays = Vec::with_capacity(self.format.len());
        for (column, place) in self.numbers.iter_mut().zip(number_places(&self.format)) {
            arrays.push((place, column.finish(rows)?));
        }
        for (column, place) in self.addresses.iter_mut().zip(address_places(&self.format)) {
            arrays.push((place, column.finish(rows)?));
        }
        let texts = self.texts.finish().map(|(place, array)| (place, Arc::new(array) as ArrayRef));
        Ok(in_order(arrays.into_iter().chain(texts)))
    }
}

with_lanes! {
/// Appends a row to the columns, but does not count it. Not if a value is not of its field's kind.
fn push_padded(columns: &mut FieldColumns, tokens: PaddedTokens<'_, '_>) -> bool |lanes| {
    let ByKind { fours, numbers, addresses, .. } = columns.format.by_kind();
    let row = columns.block_rows;
    assert!(row < BLOCK);
    let mut right = true;
    let (four_columns, other_columns) = columns.numbers.as_chunks_mut::<4>();
    for (columns, four) in four_columns.iter_mut().zip(fours) {
        let found = tokens.four(lanes, four);
        for (column, number) in columns.iter_mut().zip(found.numbers) {
            column.put(row, number);
        }
        if found.right != Four::ALL {
            right &= put_unusual(columns, row, found, tokens, &four.places);
        }
    }
    for (column, place) in other_columns.iter_mut().zip(numbers) {
        let (chunk, len) = tokens.chunk(usize::from(*place));
        right &= column.put_chunk(row, chunk, len) || column.put_token(row, tokens.get(usize::from(*place)));
    }
    for (n, place) in addresses.iter().enumerate() {
        let (chunk, len) = tokens.chunk(usize::from(*place));
        let address = match lanes.ipv4(chunk, len) {
            Some(address) => Some(IpAddr::V4(address)),
            None => match any_address(tokens.get(usize::from(*place))) {
                Some(address) => address,
                None => return false,
            },
        };
        if let Some(column) = columns.addresses.get_mut(n) {
            column.put(row, address);
        }
    }
    if right {
        columns.texts.push_tokens(tokens);
    }
    right
}
}

/// Puts those of four tokens into a row that are not usual numbers.
#[inline(never)]
fn put_unusual(
    columns: &mut [Numbers; 4],
    row: usize,
    found: Four,
    tokens: PaddedTokens<'_, '_>,
    places: &[u8; 4],
) -> bool {
    let unusual = columns.iter_mut().zip(places).enumerate().filter(|(n, _)| found.right >> n & 1 == 0);
    unusual.fold(true, |right, (_, (column, place))| right & column.put_token(row, tokens.get(usize::from(*place))))
}

/// An address, or null; nothing if the token is neither.
#[inline(never)]
fn any_address(token: &str) -> Option<Option<IpAddr>> {
    if token == "-" { Some(None) } else { number::any_address(token.as_bytes()).map(Some) }
}

/// In the order in which the columns are.
fn number_places(format: &Format) -> impl Iterator<Item = usize> {
    let ByKind { fours, numbers, .. } = format.by_kind();
    fours.iter().flat_map(|four| four.places).chain(numbers.iter().copied()).map(usize::from)
}

fn address_places(format: &Format) -> impl Iterator<Item = usize> {
    format.by_kind().addresses.iter().copied().map(usize::from)
}

fn in_order<T>(of_places: impl Iterator<Item = (usize, T)>) -> Vec<T> {
    let mut of_places: Vec<(usize, T)> = of_places.collect();
    of_places.sort_by_key(|(place, _)| *place);
    of_places.into_iter().map(|(_, of_place)| of_place).collect()
}
