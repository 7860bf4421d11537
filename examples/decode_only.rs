//! The decoder alone: bytes in, typed flow logs out; no I/O, nothing asynchronous.
//!
//! ```sh
//! cargo run --example decode_only
//! ```

use kinesis_logs_decoder::Decoder;
use kinesis_logs_generator::FlowLogs;

fn main() {
    // In a Lambda function or any other consumer these bytes are a Kinesis record's data.
    let record = FlowLogs::new(1).events_per_record(1_000).next_record();

    let mut decoder = Decoder::new();
    let decoded = decoder.decode(&record.data);
    for error in decoded.errors() {
        eprintln!("warning: {error}");
    }
    let mut rejected = 0;
    let mut bytes = 0;
    for flow in decoded.events().filter_map(|event| event.flow_log()) {
        bytes += flow.bytes().unwrap_or(0);
        if flow.action() == Some("REJECT") {
            rejected += 1;
            if rejected <= 5 {
                println!("{:?} -> {:?} port {:?}", flow.srcaddr(), flow.dstaddr(), flow.dstport());
            }
        }
    }
    println!("{} events, {rejected} rejected, {bytes} bytes on the network", decoded.events().len());
}
