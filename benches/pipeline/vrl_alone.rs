//! The same with the crate `vrl` alone: a program opens a record, another reads a line and does the rest, as short as can be;
//! what it keeps is written to memory as JSON.

use std::hint::black_box;
use std::time::Duration;

use vrl::value::{ObjectMap, Value};

use crate::measure::own;
use crate::vector::Script;

pub(crate) struct VrlAlone {
    open: Script,
    read: Script,
}

impl VrlAlone {
    pub(crate) fn new(program: &str) -> Self {
        VrlAlone {
            open: Script::new("parse_aws_cloudwatch_log_subscription_message!(decode_gzip!(.message))"),
            read: Script::new(&format!(". = parse_aws_vpc_flow_log!(.message)\n{program}")),
        }
    }

    /// The CPU time that it takes.
    pub(crate) fn run(&mut self, records: &[Vec<u8>]) -> Duration {
        let before = own();
        for record in records {
            let event = ObjectMap::from([("message".into(), record.as_slice().into())]);
            let mut envelope = self.open.run(event.into()).unwrap().into_object().unwrap();
            let Some(Value::Array(events)) = envelope.remove("log_events") else { panic!("no events") };
            let mut out = Vec::new();
            for event in events {
                if self.read.run(event).unwrap() == Value::Boolean(true) {
                    serde_json::to_writer(&mut out, &self.read.take_event()).unwrap();
                    out.push(b'\n');
                }
            }
            black_box(out);
        }
        own() - before
    }
}
