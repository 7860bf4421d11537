//! Samples of every form, one file each: what each holds is listed here, and a file that is not listed fails.
//!
//! `tests/data` holds those that the generator makes; a folder of others, with the same names for the same cases, may be
//! given in `KINESIS_LOGS_SAMPLES`.

use std::path::Path;

use kinesis_logs_decoder::flow_log::{FieldKind, FlowLogError, Format, Value};
use kinesis_logs_decoder::kpl::Aggregated;
use kinesis_logs_decoder::{DecodeErrorKind, Decoder, Event, FieldValue, LogType, Payload};
use serde_json::Value as Json;

use LogType::{
    ApiGatewayAccess, CloudTrail, EksAudit, LambdaApplication, LambdaPlatform, Other as Unknown, Rds,
    Route53ResolverQuery, Waf,
};

/// What a file holds.
enum Case {
    /// The bytes of a record, or an object: so many events and control messages, of which something more is true.
    Record(usize, usize, fn(&[Event<'_>])),
    /// The same in hexadecimal digits.
    Hex(usize, fn(&[Event<'_>])),
    /// KPL containers with what is in them.
    Containers,
    /// Flow logs, a line each, of the format that a comment states.
    FlowLogs(usize),
    /// Flow logs that are odd, each in its own way.
    OddFlowLogs,
    /// One JSON message.
    Message(LogType),
    /// Messages of a log group, a line each, with `\n` and `\t` written as such.
    Messages(&'static str, &'static [LogType]),
    /// Records that hold something which is no log: so many.
    Opaque(usize),
    /// Not for the decoder: what it is instead.
    Other(&'static str),
}

use Case::{Containers, FlowLogs, Hex, Message, Messages, OddFlowLogs, Opaque, Other, Record};

const CASES: &[(&str, Case)] = &[
    (
        "cwl-account-level-policy.json",
        Record(1, 0, |events| {
            assert_eq!(events[0].policy_level(), Some("ACCOUNT_LEVEL_POLICY"));
            assert!(events[0].log_stream().unwrap().contains("[$LATEST]"));
        }),
    ),
    ("cwl-control-firehose.json", Record(0, 1, |_| ())),
    ("cwl-control-kinesis.json", Record(0, 1, |_| ())),
    ("cwl-control-minimal.json", Record(0, 1, |_| ())),
    (
        "cwl-data-cross-account.json",
        Record(2, 0, |events| {
            assert!(serde_json::from_str::<Json>(events[0].message()).is_err(), "the message is cut, and passed on");
            assert_eq!(events[0].subscription_filters(), ["Destination"]);
            assert_eq!(events[1].log_type(), CloudTrail, "told by the name of its stream");
        }),
    ),
    (
        "cwl-data-tgw.json",
        Record(1, 0, |events| {
            let format = "version account-id tgw-id tgw-attachment-id tgw-src-vpc-id tgw-dst-vpc-id tgw-src-subnet-id \
            tgw-dst-subnet-id tgw-src-eni tgw-dst-eni tgw-src-az-id tgw-dst-az-id tgw-pair-attachment-id srcaddr dstaddr \
            srcport dstport protocol packets bytes start end log-status type tcp-flags flow-direction region";
            let format: Format = format.parse().unwrap();
            let flow = events[0].flow_log_of(&format).unwrap();
            flow.check().unwrap();
            assert!(flow.tgw_id().unwrap().starts_with("tgw-"));
            assert_eq!((flow.version(), flow.flow_direction()), (Some(6), Some("ingress")));
        }),
    ),
    (
        "cwl-data-vpc-custom-format.json",
        Record(1, 0, |events| {
            let format: Format = "${version} ${interface-id} ${srcaddr} ${dstaddr}".parse().unwrap();
            let flow = events[0].flow_log_of(&format).unwrap();
            flow.check().unwrap();
            assert!(flow.interface_id().unwrap().starts_with("eni-") && flow.dstaddr().is_some());
            assert!(events[0].flow_log().is_none(), "four fields are not to be guessed");
        }),
    ),
    ("cwl-data-vpc.json", Record(3, 0, vpc)),
    ("cwl-data-vpc.json.gz", Record(3, 0, vpc)),
    ("cwl-data-vpc.kinesis-data.b64", Record(3, 0, vpc)),
    (
        "cwl-extracted-fields-access.json",
        Record(1, 0, |events| {
            let names: Vec<_> = events[0].extracted_fields().unwrap().map(|(name, _)| name).collect();
            assert_eq!(names, ["ip", "user", "username", "timestamp", "request", "status_code", "bytes"]);
            assert_eq!(events[0].extracted_field("status_code"), Some(FieldValue::Text("404".into())));
        }),
    ),
    (
        "cwl-extracted-fields-vpcflow.json",
        Record(1, 0, |events| {
            let flow = events[0].flow_log().unwrap();
            let fields = events[0].extracted_fields().unwrap();
            assert_eq!(fields.clone().count(), 14);
            for (name, value) in fields {
                assert_eq!(value.as_str(), flow.raw_by_name(&name), "{name}");
            }
        }),
    ),
    ("cwl-lambda-awslogs-decoded.json", Record(2, 0, two_errors)),
    ("cwl-lambda-awslogs.json", Record(2, 0, two_errors)),
    (
        "cwl-lenient-minimal.json",
        Record(1, 0, |events| {
            assert_eq!((events[0].message(), events[0].id(), events[0].timestamp_millis()), ("", None, None));
            assert_eq!(events[0].extracted_field("dstport"), Some(FieldValue::Json("443")));
        }),
    ),
    (
        "cwl-lenient-string-timestamp.json",
        Record(1, 0, |events| {
            assert!(events[0].timestamp_millis().unwrap() > 1_400_000_000_000);
        }),
    ),
    ("cwl-real-lambda-logs-1.json", Record(3, 0, lambda)),
    ("cwl-real-lambda-logs-2.json", Record(3, 0, lambda)),
    (
        "cwl-system-fields.json",
        Record(2, 0, |events| {
            let account = |n: usize| events[n].extracted_field("@aws.account").unwrap();
            assert_ne!(account(0), account(1), "system fields differ within one envelope");
        }),
    ),
    ("firehose-concatenated.json", Record(5, 1, |events| vpc(&events[..3]))),
    ("firehose-double-gzip.gz", Record(5, 0, |events| vpc(&events[..3]))),
    (
        "firehose-extracted-messages.log",
        Record(3, 0, |events| {
            assert!(events.iter().all(|event| event.flow_log().is_some() && event.log_group().is_none()));
        }),
    ),
    ("firehose-lambda-transform-event.json", Record(3, 0, vpc)),
    ("firehose-lambda-transform-response.json", Opaque(3)),
    ("firehose-multimember.gz", Record(5, 1, |events| vpc(&events[..3]))),
    ("kcl-lease-items.json", Other("lease table items")),
    ("kinesis-error-wire.json", Other("API errors")),
    ("kinesis-get-records-response.json", Opaque(2)),
    ("kinesis-get-records-shard-end.json", Record(0, 0, |_| ())),
    ("kinesis-list-shards-response.json", Other("an API response")),
    ("kinesis-subscribe-to-shard.eventstream.hex", Other("an API event stream")),
    ("kpl-aggregated.json", Containers),
    ("kpl-mixed-explicit-hash-keys.hex", Hex(0, |_| ())),
    (
        "kpl-nested-gzip-cwl.hex",
        Hex(2, |events| {
            assert_eq!(events.iter().map(Event::sub_sequence_number).collect::<Vec<_>>(), [Some(0), Some(1)]);
        }),
    ),
    ("kpl-three-records-no-ehk.hex", Hex(0, |_| ())),
    ("lambda-batch-item-failures.json", Other("an answer to Lambda")),
    ("lambda-kinesis-cwl-event.json", Record(6, 0, |events| lambda(&events[..3]))),
    ("lambda-kinesis-event.json", Opaque(1)),
    ("lambda-tumbling-window-event.json", Opaque(1)),
    ("lambda-tumbling-window-response.json", Other("an answer to Lambda")),
    ("log-apigateway-access.txt", Messages("shop", &[ApiGatewayAccess, Unknown])),
    ("log-cloudtrail-event.json", Message(CloudTrail)),
    ("log-eks-audit.json", Message(EksAudit)),
    (
        "log-lambda-json.ndjson",
        Messages("/aws/lambda/f", &[LambdaPlatform, LambdaPlatform, LambdaPlatform, LambdaApplication]),
    ),
    ("log-lambda-text.txt", Messages("f", &[LambdaPlatform, LambdaPlatform, LambdaPlatform])),
    ("log-rds.txt", Messages("/aws/rds/instance/db/postgresql", &[Rds, Rds, Rds])),
    ("log-route53-resolver-query.json", Message(Route53ResolverQuery)),
    ("log-waf.json", Message(Waf)),
    ("s3-123456789010_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20141214T0405Z_0a1b2c3d.log", Record(3, 0, s3)),
    ("s3-123456789010_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20141214T0405Z_0a1b2c3d.log.gz", Record(3, 0, s3)),
    (
        "s3-123456789012_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20231114T2210Z_0a1b2c3d.log.parquet",
        Other("Parquet, which is no record"),
    ),
    (
        "s3-v4-header-file.log",
        Record(2, 0, |events| {
            let format = events[0].header().unwrap();
            assert_eq!((format.len(), format.columns()[0].name()), (22, "account_id"));
            assert_eq!(events[0].flow_log().unwrap().sublocation_type(), Some("wavelength"));
        }),
    ),
    ("tgw-v6-custom-a.txt", FlowLogs(1)),
    ("tgw-v6-custom-b.txt", FlowLogs(1)),
    ("tgw-v6-default-elastic.txt", FlowLogs(3)),
    ("vpc-default-v2.txt", FlowLogs(14)),
    ("vpc-nat-v3.txt", FlowLogs(6)),
    ("vpc-odd-cases.txt", OddFlowLogs),
    ("vpc-tcp-flags-v3.txt", FlowLogs(8)),
    ("vpc-tgw-eni-v3.txt", FlowLogs(4)),
    ("vpc-v10-encryption.txt", FlowLogs(8)),
    ("vpc-v4-sublocation.txt", FlowLogs(2)),
    ("vpc-v5-alphabetical.txt", FlowLogs(2)),
    ("vpc-v5-service-path.txt", FlowLogs(2)),
    ("vpc-v7-ecs.txt", FlowLogs(1)),
    ("vpc-v8-elastic.txt", FlowLogs(1)),
    ("vpc-v8-v11.txt", FlowLogs(2)),
];

/// An accepted, a rejected and an idle line in the default format.
fn vpc(events: &[Event<'_>]) {
    let flows: Vec<_> = events.iter().map(|event| event.flow_log().expect("a flow log")).collect();
    assert!(flows.iter().all(|flow| flow.format().name() == "default" && flow.version() == Some(2)));
    let actions: Vec<_> = flows.iter().map(|flow| (flow.action(), flow.log_status())).collect();
    assert_eq!(actions, [(Some("ACCEPT"), Some("OK")), (Some("REJECT"), Some("OK")), (None, Some("NODATA"))]);
    assert!(flows[0].srcaddr().is_some() && flows[0].dstport().is_some() && flows[2].srcaddr().is_none());
    assert!(events.iter().all(|event| event.owner().is_some_and(|owner| owner.len() == 12)));
}

fn two_errors(events: &[Event<'_>]) {
    assert_eq!(events[0].message(), "[ERROR] First test message");
    assert_eq!(events[1].message(), "[ERROR] Second test message");
    assert_eq!(events[1].timestamp_millis().unwrap() - events[0].timestamp_millis().unwrap(), 1);
}

fn lambda(events: &[Event<'_>]) {
    assert!(events.iter().all(|event| event.log_type() == LambdaPlatform), "{:?}", events[0].message());
    assert!(events[0].message().starts_with("START RequestId: ") && events[1].message().starts_with("END "));
    assert!(events[2].message().contains("\nXRAY TraceId: "), "several lines in one message");
}

fn s3(events: &[Event<'_>]) {
    assert!(events.iter().all(|event| event.header().is_some() && event.flow_log().is_some()));
    assert_eq!(events[0].flow_log().unwrap().format().len(), 14);
}

#[test]
fn the_samples_of_the_repository_decode_to_what_they_show() {
    walk(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data")), true);
}

#[test]
fn the_samples_that_are_given_decode_to_what_they_show() {
    match std::env::var_os("KINESIS_LOGS_SAMPLES") {
        Some(folder) => walk(Path::new(&folder), true),
        None => println!("not checked: KINESIS_LOGS_SAMPLES names no folder of samples"),
    }
}

#[test]
fn the_samples_of_the_repository_are_those_that_the_generator_makes() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data"));
    for (name, bytes) in kinesis_logs_generator::samples() {
        let committed = std::fs::read(folder.join(name)).unwrap_or_default();
        assert!(committed == bytes, "{name} is not as made: cargo run -p kinesis-logs-generator --example samples");
    }
}

/// Checks every file of a folder; with `all`, that every case which is for the decoder has one.
fn walk(folder: &Path, all: bool) {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    names.sort();
    for name in &names {
        let case = CASES.iter().find(|(known, _)| known == name);
        let (_, case) = case.unwrap_or_else(|| panic!("{name} in {} is not listed", folder.display()));
        println!("{name}");
        check(case, &std::fs::read(folder.join(name)).unwrap());
    }
    for (name, case) in CASES {
        let is_there = names.iter().any(|there| there == name);
        assert!(is_there || !all || matches!(case, Other(_)), "{name} is not in {}", folder.display());
    }
}

fn check(case: &Case, data: &[u8]) {
    match case {
        Record(events, control_messages, more) => {
            let mut decoder = Decoder::new();
            let decoded = decoder.decode(data);
            assert_eq!(decoded.errors(), []);
            assert_eq!((decoded.events().len(), decoded.control_messages()), (*events, *control_messages));
            more(&decoded.events().collect::<Vec<_>>());
        }
        Hex(events, more) => {
            let data = hex(str::from_utf8(data).unwrap());
            assert!(Aggregated::parse(&data).is_some());
            let decoded = kinesis_logs_decoder::decode(&data);
            assert_eq!(decoded.events().len(), *events);
            assert_eq!(decoded.errors().is_empty(), *events > 0, "{:?}", decoded.errors());
            more(&decoded.events().collect::<Vec<_>>());
        }
        Containers => containers(&serde_json::from_slice(data).unwrap()),
        FlowLogs(lines) => assert_eq!(flow_logs(str::from_utf8(data).unwrap()), *lines),
        OddFlowLogs => odd_flow_logs(str::from_utf8(data).unwrap()),
        Message(log_type) => {
            let decoded = messages_of(data);
            let events: Vec<_> = decoded.events().collect();
            assert_eq!(events.len(), 1, "one object, on however many lines");
            assert_eq!(events[0].log_type(), *log_type);
            assert!(serde_json::from_str::<Json>(events[0].message()).is_ok());
        }
        Messages(log_group, expected) => {
            let text = str::from_utf8(data).unwrap();
            let is_message = |line: &&str| !line.is_empty() && !line.starts_with("# ") || line.starts_with("# Time:");
            let lines: Vec<String> =
                text.lines().filter(is_message).map(|line| line.replace("\\n", "\n").replace("\\t", "\t")).collect();
            let events: Vec<Json> = lines.iter().map(|line| serde_json::json!({ "message": line })).collect();
            let envelope =
                serde_json::json!({ "messageType": "DATA_MESSAGE", "logGroup": log_group, "logEvents": events });
            let decoded = kinesis_logs_decoder::decode(envelope.to_string().as_bytes());
            assert!(decoded.events().map(|event| event.message()).eq(lines.iter().map(String::as_str)));
            let types: Vec<LogType> = decoded.events().map(|event| event.log_type()).collect();
            assert_eq!(types, *expected);
        }
        Opaque(records) => {
            let decoded = kinesis_logs_decoder::decode(data);
            assert_eq!((decoded.events().len(), decoded.errors().len()), (0, *records));
            assert!(matches!(decoded.errors()[0].kind(), DecodeErrorKind::UnknownContainer { .. }));
        }
        Other(what) => {
            let decoded = kinesis_logs_decoder::decode(data);
            assert!(decoded.events().len() == 0 && !decoded.errors().is_empty(), "{what}");
        }
    }
}

fn messages_of(data: &[u8]) -> kinesis_logs_decoder::Decoded {
    let mut decoded = kinesis_logs_decoder::Decoded::default();
    Decoder::new().payload(Payload::Lines).decode_into(data, &mut decoded);
    decoded
}

/// Every value of every line is what the standard library makes of it. Tells how many lines there are.
fn flow_logs(text: &str) -> usize {
    let stated = text.lines().find_map(|line| line.strip_prefix("# format: ")).expect("a comment with the format");
    let format: Format = stated.parse().unwrap();
    assert_eq!(format.to_string(), stated.trim());
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let flow = format.parse_line(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(flow.to_string(), line.trim());
            let tokens: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(flow.values().len(), tokens.len());
            for (((_, value), token), column) in flow.values().zip(tokens).zip(format.columns()) {
                assert_eq!(value, expected(token, column.kind()), "{} in {line}", column.name());
            }
            let mut json = Vec::new();
            flow.write_json(&mut json).unwrap();
            assert_eq!(serde_json::from_slice::<Json>(&json).unwrap().as_object().unwrap().len(), format.len());
            if let Some(known) = Format::known().iter().find(|known| **known == format) {
                assert_eq!(Format::infer(line), Some(known), "{line}");
            }
        })
        .count()
}

fn expected(token: &str, kind: FieldKind) -> Value<'_> {
    match kind {
        _ if token == "-" => Value::Null,
        FieldKind::Integer { .. } | FieldKind::Time => Value::Integer(token.parse().unwrap()),
        FieldKind::Address => Value::Address(token.parse().unwrap()),
        _ => Value::Text(token),
    }
}

fn odd_flow_logs(text: &str) {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert_eq!(lines.len(), 11);
    let default = Format::default_format();
    let inferred = |n: usize| Format::infer(lines[n]).map(Format::name);

    let millis = default.parse_line(lines[0]).unwrap();
    assert_eq!((millis.start(), millis.end()), (Some(1512564058), Some(1512564059)), "milliseconds become seconds");
    assert_eq!(lines[1].split_whitespace().count(), 21, "a doubled space");
    assert_eq!(Format::parse("v3").unwrap().split_line(lines[1]).unwrap().values().len(), 21);
    let wrapped = serde_json::json!({ "messageType": "DATA_MESSAGE", "logEvents": [{ "message": lines[2] }] });
    let decoded = kinesis_logs_decoder::decode(wrapped.to_string().as_bytes());
    let flow = decoded.events().next().unwrap().flow_log().expect("a line that a forwarder wrapped in JSON");
    assert_eq!(flow.log_status(), Some("NODATA"));
    assert_eq!(inferred(3), Some("v5"), "an account of 11 digits");
    assert_eq!(inferred(4), Some("v2-ecs"));
    assert_eq!(default.parse_line(lines[5]).unwrap().account_id(), Some("unknown"));
    assert_eq!(default.parse_line(lines[6]).unwrap().protocol(), Some(253));
    let count = |found| FlowLogError::FieldCount { expected: 14, found };
    assert_eq!(default.parse_line(lines[7]).unwrap_err(), count(13));
    assert_eq!(default.parse_line(lines[8]).unwrap_err(), count(15));
    assert_eq!(Format::from_header(lines[9]).as_ref(), Some(default), "a header in place of a line");
    let tags: Format = "version interface-id instance-tag action log-status".parse().unwrap();
    assert_eq!(tags.parse_line(lines[10]).unwrap().instance_tag(), lines[10].split(' ').nth(2), "as it stands");
}

/// Containers as the file lists them: user records with their keys, or plain records.
fn containers(file: &Json) {
    for case in file["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let data = hex(case["hex"].as_str().unwrap());
        let container = Aggregated::parse(&data);
        let Some(expected) = case["expected"].as_array() else {
            assert!(container.is_none(), "{name} is a plain record");
            continue;
        };
        let records: Vec<_> = container.unwrap_or_else(|| panic!("{name} is a container")).records().collect();
        if name == "partition-index-out-of-range" {
            // KCL loses the second record and all behind it. Here it costs the key.
            assert_eq!(records.len(), 3);
            assert_eq!((records[1].partition_key, records[1].data), (None, &b"hello two"[..]));
        } else {
            assert_eq!(records.len(), expected.len(), "{name}");
        }
        for (record, expected) in records.iter().zip(expected) {
            assert_eq!(record.partition_key, expected["partitionKey"].as_str(), "{name}");
            assert_eq!(record.explicit_hash_key, expected["explicitHashKey"].as_str(), "{name}");
            assert_eq!(record.hash_key().map(|key| key.to_string()).as_deref(), expected["effectiveHashKey"].as_str());
            assert_eq!(Some(record.sub_sequence_number), expected["subSequenceNumber"].as_u64(), "{name}");
            assert_eq!(record.data, hex(expected["data_hex"].as_str().unwrap()), "{name}");
        }
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.trim().bytes().map(|digit| char::from(digit).to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
