//! One column: values one after another, and which of them are null.

use std::net::IpAddr;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, FixedSizeBinaryArray, Int32Array, Int64Array, TimestampMillisecondArray, TimestampSecondArray,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow_schema::{ArrowError, DataType, TimeUnit};

use super::AddressColumns;
use super::texts::Texts;
use crate::flow_log::field::FieldKind;
use crate::flow_log::record::seconds;
use crate::flow_log::tokens::LongToken;
use crate::number;
use crate::scan::Lanes;

const UTC: &str = "UTC";

/// The size of an IPv6 address.
const ADDRESS: usize = 16;

/// The values in the layout that Arrow has for them, and a bit for each row, set where it is null. Arrow has the bits the
/// other way round; like this, rows without nulls leave them alone.
pub(super) struct Column {
    values: Values,
    nulls: Vec<u64>,
}

enum Values {
    Number(Numbers),
    Text(Texts),
    AddressText(Texts),
    Address(Vec<u8>),
}

/// Numbers of any type: one way for all of them is faster than a branch for each.
struct Numbers {
    values: Vec<i64>,
    max: u64,
    number_type: NumberType,
}

#[derive(Clone, Copy)]
enum NumberType {
    Int32,
    Int64,
    /// As they stand in the line, where some are milliseconds.
    Seconds,
    Millis,
}

impl Column {
    pub(super) fn of_kind(kind: FieldKind, addresses: AddressColumns) -> Column {
        Column::of(match (kind, addresses) {
            (FieldKind::Integer { max }, _) => Values::Number(Numbers::up_to(max)),
            (FieldKind::Time, _) => Values::Number(Numbers::of(NumberType::Seconds, u64::MAX)),
            (FieldKind::Address, AddressColumns::Text) => Values::AddressText(Texts::new()),
            (FieldKind::Address, AddressColumns::FixedBinary) => Values::Address(Vec::new()),
            (FieldKind::Text, _) => Values::Text(Texts::new()),
        })
    }

    pub(super) fn text() -> Column {
        Column::of(Values::Text(Texts::new()))
    }

    pub(super) fn millis() -> Column {
        Column::of(Values::Number(Numbers::of(NumberType::Millis, u64::MAX)))
    }

    fn of(values: Values) -> Column {
        Column { values, nulls: Vec::new() }
    }

    pub(super) fn data_type(&self) -> DataType {
        match &self.values {
            Values::Number(numbers) => match numbers.number_type {
                NumberType::Int32 => DataType::Int32,
                NumberType::Int64 => DataType::Int64,
                NumberType::Seconds => DataType::Timestamp(TimeUnit::Second, Some(UTC.into())),
                NumberType::Millis => DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into())),
            },
            Values::Text(_) | Values::AddressText(_) => DataType::Utf8,
            Values::Address(_) => DataType::FixedSizeBinary(ADDRESS as i32),
        }
    }

    /// Appends a number that was found to be one of the column's.
    #[inline(always)]
    pub(super) fn push_number(&mut self, number: u64) {
        if let Values::Number(numbers) = &mut self.values {
            numbers.values.push(number as i64);
        }
    }

    /// Appends a token if it is `-` or of the column's kind.
    #[inline(always)]
    pub(super) fn push<L: Lanes>(&mut self, lanes: L, row: usize, token: LongToken<'_>) -> bool {
        let (chunk, len) = (token.chunk(), token.text().len());
        match &mut self.values {
            Values::Number(numbers) => {
                if let Some(number) = number::integer(chunk, len)
                    && number <= numbers.max
                {
                    numbers.values.push(number as i64);
                    return true;
                }
            }
            Values::Text(texts) => {
                // Nulls are frequent in some columns of text, in no order that could be predicted.
                let null = token.is_dash();
                texts.push_long(token, !null);
                set(&mut self.nulls, row, null);
                return true;
            }
            Values::AddressText(texts) => {
                if lanes.ipv4(chunk, len).is_some() {
                    texts.push_long(token, true);
                    return true;
                }
            }
            Values::Address(bytes) => {
                if let Some(address) = lanes.ipv4(chunk, len) {
                    bytes.extend_from_slice(&mapped(IpAddr::V4(address)));
                    return true;
                }
            }
        }
        self.push_any(row, token.text())
    }

    /// Appends any token, if it is `-` or of the column's kind.
    #[cold]
    #[inline(never)]
    pub(super) fn push_any(&mut self, row: usize, token: &str) -> bool {
        if token == "-" {
            self.push_null(row);
            return true;
        }
        match &mut self.values {
            Values::Number(numbers) => match number::any_integer(token.as_bytes()) {
                Some(number) if number <= numbers.max => numbers.values.push(number as i64),
                _ => return false,
            },
            Values::AddressText(texts) => match number::any_address(token.as_bytes()) {
                Some(_) => texts.push(token),
                None => return false,
            },
            Values::Address(bytes) => match number::any_address(token.as_bytes()) {
                Some(address) => bytes.extend_from_slice(&mapped(address)),
                None => return false,
            },
            Values::Text(texts) => texts.push(token),
        }
        true
    }

    pub(super) fn push_null(&mut self, row: usize) {
        match &mut self.values {
            Values::Number(numbers) => numbers.values.push(0),
            Values::Text(texts) | Values::AddressText(texts) => texts.push(""),
            Values::Address(bytes) => bytes.extend_from_slice(&[0; ADDRESS]),
        }
        set(&mut self.nulls, row, true);
    }

    /// Appends to a column of text.
    pub(super) fn push_text(&mut self, row: usize, text: Option<&str>) {
        if let Values::Text(texts) = &mut self.values {
            texts.push(text.unwrap_or_default());
            set(&mut self.nulls, row, text.is_none());
        }
    }

    /// Appends to a column of milliseconds.
    pub(super) fn push_millis(&mut self, row: usize, millis: Option<i64>) {
        if let Values::Number(numbers) = &mut self.values {
            numbers.values.push(millis.unwrap_or(0));
            set(&mut self.nulls, row, millis.is_none());
        }
    }

    /// Removes what is behind the first `rows`.
    pub(super) fn truncate(&mut self, rows: usize) {
        match &mut self.values {
            Values::Number(numbers) => numbers.values.truncate(rows),
            Values::Text(texts) | Values::AddressText(texts) => texts.truncate(rows),
            Values::Address(bytes) => bytes.truncate(rows * ADDRESS),
        }
        self.nulls.truncate(rows / 64 + 1);
        if let Some(word) = self.nulls.get_mut(rows / 64) {
            *word &= (1 << (rows % 64)) - 1;
        }
    }

    /// Makes an array of the rows.
    pub(super) fn finish(&mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        let nulls = self.finish_nulls(rows);
        Ok(match &mut self.values {
            Values::Number(numbers) => numbers.finish(nulls)?,
            Values::Text(texts) | Values::AddressText(texts) => Arc::new(texts.finish(nulls)),
            Values::Address(bytes) => {
                let bytes = Buffer::from_vec(take(bytes));
                Arc::new(FixedSizeBinaryArray::try_new(ADDRESS as i32, bytes, nulls)?)
            }
        })
    }

    fn finish_nulls(&mut self, rows: usize) -> Option<NullBuffer> {
        let some_null = self.nulls.iter().any(|word| *word != 0);
        let nulls = some_null.then(|| {
            self.nulls.resize(rows.div_ceil(64), 0);
            let valid: Vec<u64> = self.nulls.iter().map(|word| (!word).to_le()).collect();
            NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(valid), 0, rows))
        });
        self.nulls.clear();
        nulls
    }
}

impl Numbers {
    /// Whole numbers, of the smaller type if it holds them all.
    fn up_to(max: u64) -> Numbers {
        if max <= i32::MAX as u64 {
            Numbers::of(NumberType::Int32, max)
        } else {
            Numbers::of(NumberType::Int64, max.min(i64::MAX as u64))
        }
    }

    fn of(number_type: NumberType, max: u64) -> Numbers {
        Numbers { values: Vec::new(), max, number_type }
    }

    fn finish(&mut self, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        Ok(match self.number_type {
            NumberType::Int32 => {
                let values: Vec<i32> = self.values.iter().map(|number| *number as i32).collect();
                self.values.clear();
                Arc::new(Int32Array::try_new(values.into(), nulls)?)
            }
            NumberType::Int64 => Arc::new(Int64Array::try_new(take(&mut self.values).into(), nulls)?),
            NumberType::Seconds => {
                let mut times = take(&mut self.values);
                times.iter_mut().for_each(|time| *time = seconds(*time as u64) as i64);
                Arc::new(TimestampSecondArray::try_new(times.into(), nulls)?.with_timezone(UTC))
            }
            NumberType::Millis => {
                let times = take(&mut self.values);
                Arc::new(TimestampMillisecondArray::try_new(times.into(), nulls)?.with_timezone(UTC))
            }
        })
    }
}

/// Leaves room for as many.
pub(super) fn take<T>(values: &mut Vec<T>) -> Vec<T> {
    let room = values.len();
    std::mem::replace(values, Vec::with_capacity(room))
}

/// Sets a row's bit, or leaves it as it is, without deciding: rows that were not told of have no bits, or zeros.
#[inline(always)]
fn set(bits: &mut Vec<u64>, row: usize, bit: bool) {
    let (word, bit) = (row / 64, u64::from(bit) << (row % 64));
    match bits.get_mut(word) {
        Some(word) => *word |= bit,
        None => {
            bits.resize(word, 0);
            bits.push(bit);
        }
    }
}

fn mapped(address: IpAddr) -> [u8; ADDRESS] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}
