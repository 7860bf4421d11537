//! The same with the crate `vrl` alone: a program opens a record, another reads a line and does the rest; what it keeps is
//! written to memory as JSON.

use std::hint::black_box;
use std::time::Duration;

use vrl::value::{ObjectMap, Value};

use crate::measure::own;
use crate::vector::Script;

pub(crate) struct VrlAlone {
    /// Makes the events of a record.
    open: Script,
    /// Reads one, and says whether it is kept.
    read: Script,
    /// Writes one, if that is not left to serde.
    write: Option<Script>,
}

impl VrlAlone {
    /// As short as can be.
    pub(crate) fn short(program: &str) -> Self {
        VrlAlone {
            open: Script::new("parse_aws_cloudwatch_log_subscription_message!(decode_gzip!(.message)).log_events"),
            read: Script::new(&format!(". = parse_aws_vpc_flow_log!(.message)\n{program}")),
            write: None,
        }
    }

    /// As Vector's documentation has it: events have all that the envelope says, and the line's fields beside the line.
    pub(crate) fn usual(program: &str) -> Self {
        VrlAlone {
            open: Script::new(
                "parsed = parse_aws_cloudwatch_log_subscription_message!(decode_gzip!(.message))
                . = unnest(parsed.log_events)
                map_values(.) -> |value| {
                    event = del(value.log_events)
                    value |= event
                    value
                }",
            ),
            read: Script::new(&format!(". |= parse_aws_vpc_flow_log!(.message)\n{program}")),
            write: Some(Script::new("encode_json(.)")),
        }
    }

    /// The CPU time that it takes.
    pub(crate) fn run(&mut self, records: &[Vec<u8>]) -> Duration {
        let before = own();
        for record in records {
            let event = ObjectMap::from([("message".into(), record.as_slice().into())]);
            let Value::Array(events) = self.open.run(event.into()).unwrap() else { panic!("no events") };
            let mut out = Vec::new();
            for event in events {
                if self.read.run(event).unwrap() != Value::Boolean(true) {
                    continue;
                }
                let event = self.read.take_event();
                match &mut self.write {
                    None => serde_json::to_writer(&mut out, &event).unwrap(),
                    Some(write) => out.extend_from_slice(write.run(event).unwrap().as_bytes().unwrap()),
                }
                out.push(b'\n');
            }
            black_box(out);
        }
        own() - before
    }
}
