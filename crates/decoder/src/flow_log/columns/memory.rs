//! What columns of all kinds have: values in Arrow's layout, and which rows are null.

use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, NullBuffer};

/// Rows come together in blocks of this many before they are appended: one word of bits, and no question for each value
/// whether there is room for it.
pub(super) const BLOCK: usize = 64;

/// Values of one batch after the other.
///
/// Memory that comes fresh from the system is slow: a page at a time, each cleared. That of the last batch is taken again
/// if nobody holds the batch any more when the next one begins.
pub(super) struct Memory<T> {
    values: Vec<T>,
    last: Option<Buffer>,
}

impl<T: ArrowNativeType> Memory<T> {
    pub(super) fn new() -> Memory<T> {
        Memory { values: Vec::new(), last: None }
    }

    /// The values of this batch.
    #[inline(always)]
    pub(super) fn values(&mut self) -> &mut Vec<T> {
        &mut self.values
    }

    /// Begins a batch: as many values as the last one had, whatever they are, and room for some more.
    #[cold]
    pub(super) fn begin(&mut self) {
        let Some(last) = self.last.take() else { return };
        let len = last.len() / size_of::<T>();
        self.values = match last.into_vec() {
            Ok(values) if values.capacity() <= MOST_ROOM * len => values,
            _ => {
                let mut values = vec![T::default(); len + len / 8];
                values.truncate(len);
                values
            }
        };
    }

    /// Appends to this batch.
    #[inline]
    pub(super) fn append(&mut self, values: impl Iterator<Item = T>) {
        if self.values.is_empty() {
            self.begin();
            self.values.clear();
        }
        self.values.extend(values);
    }

    /// Ends a batch and hands its values over.
    pub(super) fn finish(&mut self) -> Buffer {
        let buffer = Buffer::from_vec(std::mem::take(&mut self.values));
        self.last = Some(buffer.clone());
        buffer
    }
}

/// Memory that is as many times as large as what it holds is not kept.
const MOST_ROOM: usize = 16;

/// Which rows are null.
pub(super) struct Nulls {
    /// A bit for each row of the block, set where it is null.
    block: u64,
    /// The other way round, as Arrow has it.
    valid: Vec<u64>,
    some: bool,
}

impl Nulls {
    pub(super) fn none() -> Nulls {
        Nulls { block: 0, valid: Vec::new(), some: false }
    }

    /// Makes a row null, or leaves it as it is, without deciding.
    #[inline(always)]
    pub(super) fn set(&mut self, row: usize, null: bool) {
        self.block |= u64::from(null) << row;
    }

    /// Takes a row back.
    pub(super) fn unset(&mut self, row: usize) {
        self.block &= !(1 << row);
    }

    pub(super) fn end_block(&mut self) {
        let block = std::mem::take(&mut self.block);
        self.some |= block != 0;
        self.valid.push((!block).to_le());
    }

    /// Nothing if no row is null.
    pub(super) fn finish(&mut self, rows: usize) -> Option<NullBuffer> {
        if !std::mem::take(&mut self.some) {
            self.valid.clear();
            return None;
        }
        let room = self.valid.len();
        let valid = std::mem::replace(&mut self.valid, Vec::with_capacity(room));
        Some(NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(valid), 0, rows)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_taken_again_once_nobody_holds_it() {
        let mut memory = Memory::<i64>::new();
        memory.append(0..1000);
        let batch = memory.finish();
        let first = batch.as_ptr();
        drop(batch);
        memory.append(0..1);
        memory.append(5..900);
        let batch = memory.finish();
        assert_eq!((batch.as_ptr(), batch.typed_data::<i64>().len()), (first, 896));
        memory.append(7..8);
        assert_eq!(batch.typed_data::<i64>()[..2], [0, 5]);
        let other = memory.finish();
        assert_ne!(other.as_ptr(), first);
        assert_eq!(other.typed_data::<i64>(), [7]);
    }

    #[test]
    fn memory_that_is_far_too_large_is_given_back() {
        let mut memory = Memory::<i32>::new();
        memory.append(0..100_000);
        let _ = memory.finish();
        memory.append(0..10);
        assert!(memory.values().capacity() >= 100_000);
        let _ = memory.finish();
        memory.append(0..10);
        assert!(memory.values().capacity() < 100);
    }
}
