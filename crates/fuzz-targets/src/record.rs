//! Any bytes: nothing panics, limits hold, and what a decoder read before changes nothing.

use kinesis_logs_decoder::{Decoder, Limits};
use kinesis_logs_generator::{FlowLogs, aggregate, control_message, gzip};

use crate::everything::everything;

/// Panics if a limit does not hold, or if a used decoder and a new one disagree.
pub fn run(data: &[u8]) {
    let mut limits = Limits::default().decompressed_bytes(1 << 16).events(100).envelopes(20);
    limits = limits.user_records(20).layers(4).json_depth(16);
    let mut used = Decoder::with_limits(limits);
    used.decode(&data[..data.len() / 2]);
    used.decode(&data[data.len() / 2..]);
    let of_used = everything(used.decode(data));
    let mut new = Decoder::with_limits(limits);
    let decoded = new.decode(data);
    assert!(decoded.events().len() <= limits.events);
    assert!(decoded.user_records() <= limits.user_records);
    // A byte that is no UTF-8 becomes a character of three.
    assert!(decoded.text_len() <= 3 * limits.decompressed_bytes);
    assert!(decoded.errors().len() <= 2 * (limits.envelopes + limits.user_records) + 2);
    let of_new = everything(decoded);
    assert!(of_used == of_new, "{of_used:?} is not {of_new:?}");
    everything(new.decode_user_record(data));
}

/// Records of every form.
pub fn seeds() -> Vec<Vec<u8>> {
    let record =
        |events, extracted| FlowLogs::new(5).events_per_record(events).extracted_fields(extracted).next_record();
    let plain = br#"{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","subscriptionFilters":["f"],"logEvents":[{"id":"1","timestamp":5,"message":"a\nb","extractedFields":{"a":"b","c":1,"d":null}}]}"#;
    let lines = b"version vpc-id srcaddr\n3 vpc-1 10.0.0.1\n3 vpc-2 -\n";
    let line =
        b"2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK\n";
    // Base64 of gzip of `{"logEvents":[{"message":"hi"}]}`, as Lambda is given it.
    let lambda = br#"{"awslogs":{"data":"H4sIAAAAAAAA/6tWyslPdy1LzSspVrKKrlbKTS0uTkxPVbJSyshUqo2tBQCx0ZRqIAAAAA=="}}"#;
    let kinesis = br#"{"Records":[{"kinesis":{"data":"eyJtZXNzYWdlVHlwZSI6IkRBVEFfTUVTU0FHRSIsImxvZ0V2ZW50cyI6W3t9XX0="}},{"data":"!"}]}"#;
    vec![
        record(1, false).data,
        record(3, true).data,
        control_message(),
        plain.to_vec(),
        [&plain[..], b"\n", plain].concat(),
        gzip(plain),
        gzip(&gzip(plain)),
        gzip(&aggregate(&[("key", plain)])),
        aggregate(&[("key", plain), ("other", &gzip(lines))]),
        lines.to_vec(),
        line.to_vec(),
        gzip(line),
        lambda.to_vec(),
        kinesis.to_vec(),
        [b"[".repeat(20), b"]".repeat(20)].concat(),
        b"{\"a\":\xff}".to_vec(),
        b"{}{}{}".to_vec(),
        Vec::new(),
    ]
}
