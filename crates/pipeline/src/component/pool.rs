//! Buffers of decoded records, used again once their batch is gone.

use std::sync::{Arc, Mutex, PoisonError};

use kinesis_logs_decoder::Decoded;

/// What it keeps at most, in bytes: of what is more the allocator may make better use.
const MAX_BYTES: usize = 4 << 20;

/// Where buffers wait. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    all: Vec<Decoded>,
    bytes: usize,
}

impl Pool {
    /// Buffers to decode a record into.
    pub(crate) fn take(&self) -> Decoded {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let decoded = kept.all.pop().unwrap_or_default();
        kept.bytes -= decoded.allocated();
        decoded
    }

    /// Gives buffers back, as many as there is room for.
    pub(super) fn put(&self, all: impl Iterator<Item = Decoded>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for decoded in all {
            let bytes = decoded.allocated();
            if bytes > 0 && kept.bytes + bytes <= MAX_BYTES {
                kept.bytes += bytes;
                kept.all.push(decoded);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kinesis_logs_decoder::Decoder;

    use super::*;

    fn decoded(bytes: usize) -> Decoded {
        let mut decoded = Decoded::default();
        Decoder::new().decode_user_record_into(&vec![b'x'; bytes], &mut decoded);
        decoded
    }

    #[test]
    fn buffers_come_back_and_are_bounded() {
        let pool = Pool::default();
        assert_eq!(pool.take().allocated(), 0);
        pool.put([decoded(1000), decoded(MAX_BYTES), decoded(2000), Decoded::default()].into_iter());
        let taken = [pool.take(), pool.take(), pool.take()].map(|decoded| decoded.allocated());
        assert!(taken[0] >= 2000 && (1000..2000).contains(&taken[1]), "{taken:?}");
        assert_eq!(taken[2], 0, "what is too large is not kept, nor what is nothing");
    }
}
