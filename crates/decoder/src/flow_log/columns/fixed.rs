//! Columns whose values all take as much room: numbers, times, and addresses in binary.

use std::net::IpAddr;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, FixedSizeBinaryArray, Int32Array, Int64Array, TimestampMillisecondArray, TimestampSecondArray,
};
use arrow_schema::{ArrowError, DataType, TimeUnit};

use super::memory::{BLOCK, Memory, Nulls};
use crate::flow_log::field::FieldKind;
use crate::flow_log::record::{SMALLEST_MILLIS, seconds};
use crate::number::{self, Chunk};

const UTC: &str = "UTC";

/// The size of an IPv6 address.
pub(super) const ADDRESS: usize = 16;

/// A column of numbers of any type.
pub(super) struct Numbers {
    kind: FieldKind,
    /// Numbers up to this are what they are; above it, times are milliseconds and others wrong.
    max: u64,
    /// One way for all types is faster than a question for each value.
    block: [i64; BLOCK],
    values: Values,
    nulls: Nulls,
}

enum Values {
    Int32(Memory<i32>),
    Int64(Memory<i64>),
    Seconds(Memory<i64>),
    Millis(Memory<i64>),
}

impl Numbers {
    pub(super) fn of_kind(kind: FieldKind) -> Numbers {
        match kind {
            FieldKind::Integer { max } if max <= i32::MAX as u64 => {
                Numbers::of(kind, max, Values::Int32(Memory::new()))
            }
            FieldKind::Integer { max } => Numbers::of(kind, max.min(i64::MAX as u64), Values::Int64(Memory::new())),
            _ => Numbers::of(kind, SMALLEST_MILLIS - 1, Values::Seconds(Memory::new())),
        }
    }

    pub(super) fn millis() -> Numbers {
        Numbers::of(FieldKind::Time, 0, Values::Millis(Memory::new()))
    }

    fn of(kind: FieldKind, max: u64, values: Values) -> Numbers {
        Numbers { kind, max, block: [0; BLOCK], values, nulls: Nulls::none() }
    }

    pub(super) fn data_type(&self) -> DataType {
        match &self.values {
            Values::Int32(_) => DataType::Int32,
            Values::Int64(_) => DataType::Int64,
            Values::Seconds(_) => DataType::Timestamp(TimeUnit::Second, Some(UTC.into())),
            Values::Millis(_) => DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into())),
        }
    }

    /// Puts a number that was found to be one of the column's into a row of the block.
    #[inline(always)]
    pub(super) fn put(&mut self, row: usize, number: u64) {
        self.block[row] = number as i64;
    }

    /// The same of the number that the first `len` bytes are. Whether it is a usual one.
    #[inline(always)]
    pub(super) fn put_chunk(&mut self, row: usize, chunk: &Chunk, len: usize) -> bool {
        let usual = number::integer(chunk, len).filter(|number| *number <= self.max);
        self.put(row, usual.unwrap_or(0));
        usual.is_some()
    }

    /// Puts a token into a row if it is `-` or of the field's kind.
    #[inline(never)]
    pub(super) fn put_token(&mut self, row: usize, token: &str) -> bool {
        if token == "-" {
            self.put_any(row, None);
            return true;
        }
        let number = match (number::any_integer(token.as_bytes()), self.kind) {
            (Some(time), FieldKind::Time) => seconds(time),
            (Some(number), _) if number <= self.max => number,
            _ => return false,
        };
        self.put(row, number);
        true
    }

    pub(super) fn put_any(&mut self, row: usize, number: Option<i64>) {
        self.block[row] = number.unwrap_or(0);
        self.nulls.set(row, number.is_none());
    }

    pub(super) fn take_back(&mut self, row: usize) {
        self.nulls.unset(row);
    }

    /// Appends the block, which has as many rows.
    pub(super) fn end_block(&mut self, rows: usize) {
        let block = self.block[..rows].iter().copied();
        match &mut self.values {
            Values::Int32(values) => values.append(block.map(|number| number as i32)),
            Values::Int64(values) | Values::Seconds(values) | Values::Millis(values) => values.append(block),
        }
        self.nulls.end_block();
    }

    pub(super) fn finish(&mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        let nulls = self.nulls.finish(rows);
        Ok(match &mut self.values {
            Values::Int32(values) => Arc::new(Int32Array::try_new(values.finish().into(), nulls)?),
            Values::Int64(values) => Arc::new(Int64Array::try_new(values.finish().into(), nulls)?),
            Values::Seconds(values) => {
                Arc::new(TimestampSecondArray::try_new(values.finish().into(), nulls)?.with_timezone(UTC))
            }
            Values::Millis(values) => {
                Arc::new(TimestampMillisecondArray::try_new(values.finish().into(), nulls)?.with_timezone(UTC))
            }
        })
    }
}

/// A column of addresses in binary.
pub(super) struct Addresses {
    block: [[u8; ADDRESS]; BLOCK],
    values: Memory<u8>,
    nulls: Nulls,
}

impl Addresses {
    pub(super) fn new() -> Addresses {
        Addresses { block: [[0; ADDRESS]; BLOCK], values: Memory::new(), nulls: Nulls::none() }
    }

    /// Puts an address, or null, into a row of the block.
    #[inline(always)]
    pub(super) fn put(&mut self, row: usize, address: Option<IpAddr>) {
        self.block[row] = match address {
            Some(IpAddr::V4(address)) => address.to_ipv6_mapped().octets(),
            Some(IpAddr::V6(address)) => address.octets(),
            None => [0; ADDRESS],
        };
        self.nulls.set(row, address.is_none());
    }

    pub(super) fn take_back(&mut self, row: usize) {
        self.nulls.unset(row);
    }

    /// Appends the block, which has as many rows.
    pub(super) fn end_block(&mut self, rows: usize) {
        self.values.append(self.block[..rows].as_flattened().iter().copied());
        self.nulls.end_block();
    }

    pub(super) fn finish(&mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        let nulls = self.nulls.finish(rows);
        Ok(Arc::new(FixedSizeBinaryArray::try_new(ADDRESS as i32, self.values.finish(), nulls)?))
    }
}
