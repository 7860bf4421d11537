//! What the benchmarks here measure by: processes' CPU time, beside inflating.
#![allow(dead_code, reason = "not every benchmark needs all of it")]

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

/// The CPU time of all children that ended.
pub(crate) fn children() -> Duration {
    cpu_time(UsageWho::RUSAGE_CHILDREN)
}

/// The CPU time of this process.
pub(crate) fn own() -> Duration {
    cpu_time(UsageWho::RUSAGE_SELF)
}

fn cpu_time(who: UsageWho) -> Duration {
    let usage = getrusage(who).unwrap();
    let total = usage.user_time() + usage.system_time();
    Duration::from_secs(total.tv_sec() as u64) + Duration::from_micros(total.tv_usec() as u64)
}

/// The CPU time that inflating gzip records takes here, with libdeflate and buffers reused.
pub(crate) fn inflate(records: &[Vec<u8>]) -> Duration {
    let mut decompressor = libdeflater::Decompressor::new();
    let mut buffer = Vec::new();
    let before = own();
    for record in records {
        let size = u32::from_le_bytes(*record.last_chunk().unwrap()) as usize;
        if buffer.len() < size {
            buffer.resize(size, 0);
        }
        decompressor.gzip_decompress(record, &mut buffer[..size]).unwrap();
    }
    own() - before
}
