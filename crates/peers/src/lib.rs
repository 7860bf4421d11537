//! Other implementations of what the decoder does, for tests that compare values and benchmarks that compare speed.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::ops::AddAssign;

use kinesis_logs_decoder::Decoded;
use kinesis_logs_decoder::flow_log::{FlowLog, Format, MAX_FIELDS, Value};

/// How many events were read, and the sum of their `bytes`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// How many events.
    pub events: u64,
    /// The sum of the field `bytes`, where there is one.
    pub bytes: u64,
}

impl AddAssign for Sum {
    fn add_assign(&mut self, other: Sum) {
        self.events += other.events;
        self.bytes += other.bytes;
    }
}

/// Reads all fields of every event in one go: what is timed, and what is counted.
///
/// # Panics
///
/// If an event is no flow log of `format`.
#[inline]
pub fn read_values(decoded: &Decoded, format: &Format) -> Sum {
    let mut sum = Sum::default();
    let mut flow = FlowLog::new(format);
    let mut values = [Value::Null; MAX_FIELDS];
    for event in decoded.events() {
        flow.read(&event).expect("a line of the format");
        flow.values_into(&mut values);
        black_box(&values);
        sum += Sum { events: 1, bytes: flow.bytes().unwrap_or(0) };
    }
    sum
}

/// Reads the 14 fields of the default format of every event by their getters.
///
/// # Panics
///
/// If an event is no flow log of `format`.
#[inline]
pub fn read_getters(decoded: &Decoded, format: &Format) -> Sum {
    let mut sum = Sum::default();
    let mut flow = FlowLog::new(format);
    for event in decoded.events() {
        flow.read(&event).expect("a line of the format");
        let bytes = flow.bytes();
        black_box((flow.version(), flow.account_id(), flow.interface_id(), flow.srcaddr(), flow.dstaddr()));
        black_box((flow.srcport(), flow.dstport(), flow.protocol(), flow.packets(), bytes));
        black_box((flow.start(), flow.end(), flow.action(), flow.log_status()));
        sum += Sum { events: 1, bytes: bytes.unwrap_or(0) };
    }
    sum
}
