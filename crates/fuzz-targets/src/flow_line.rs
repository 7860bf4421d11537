//! Flow log lines: splitting, typing and writing say what the standard library says, wherever a line stands.
//!
//! The first byte chooses the format, the rest is the line.

use std::net::IpAddr;

use kinesis_logs_decoder::Decoder;
use kinesis_logs_decoder::flow_log::{FieldKind, FlowLog, FlowLogError, Format, MAX_FIELDS, Value};
use kinesis_logs_generator::FlowLogs;
use serde_json::Map;

const CUSTOM: [&str; 6] = [
    "version",
    "srcaddr",
    "start new dstport",
    "new-one nothing",
    "srcport dstaddr action brand-new tcp-flags bytes",
    "packets end pkt-srcaddr log-status",
];

/// Panics if the line is read otherwise than it should be, or otherwise than within a record.
pub fn run(data: &[u8]) {
    let Some((&choice, line)) = data.split_first() else { return };
    let Ok(line) = str::from_utf8(line) else { return };
    let format = format(choice.into());
    let split = format.split_line(line);
    as_expected(&format, line, &split);
    let parsed = format.parse_line(line);
    assert_eq!(parsed.is_ok(), split.as_ref().is_ok_and(|flow| flow.check().is_ok()));
    if let Some(inferred) = Format::infer(line) {
        assert!(inferred.parse_line(line).is_ok(), "a line fits the format that was inferred of it");
    }

    // Within a record other bytes stand behind the line, which are loaded with it.
    let message = serde_json::to_string(line).expect("a text is JSON");
    for behind in ["", r#","x":"1234567890 1.2.3.4 -","y":[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9]"#] {
        let record = format!(r#"{{"logEvents":[{{"message":{message}{behind}}}]}}"#);
        within_a_record(&format, line, &split, &record);
    }
}

/// Lines of every known format, and odd ones.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (choice, format) in Format::known().iter().enumerate() {
        let names: Vec<&'static str> =
            format.columns().iter().filter_map(|column| column.field()).map(|field| field.name()).collect();
        let record = FlowLogs::new(choice as u64).fields(&names).events_per_record(2).next_record();
        seeds.extend(record.lines.iter().map(|line| seed(choice, line)));
    }
    let custom = Format::known().len();
    for (index, line) in [
        (0, "007"),
        (0, "256"),
        (1, "2001:db8::1"),
        (1, "::ffff:1.2.3.4"),
        (1, "01.2.3.4"),
        (2, " 1477913708000  a\"\u{1}é\\ 65536 \n"),
        (2, "18446744073709551615 - 0"),
        (2, "99999999999 \t x 1"),
        (3, "one two"),
        (3, ""),
        (4, "443 10.0.0.1 ACCEPT 😀 19 9223372036854775807"),
        (5, "1 2 fe80::1 NODATA"),
    ] {
        seeds.push(seed(custom + index, line));
    }
    seeds.push(seed(0, &"- ".repeat(MAX_FIELDS + 10)));
    seeds
}

fn seed(choice: usize, line: &str) -> Vec<u8> {
    [&[choice as u8], line.as_bytes()].concat()
}

fn format(choice: usize) -> Format {
    let known = Format::known();
    let choice = choice % (known.len() + CUSTOM.len());
    match known.get(choice) {
        Some(format) => format.clone(),
        None => Format::parse(CUSTOM[choice - known.len()]).expect("a format"),
    }
}

/// Splits and types by the standard library alone.
fn as_expected(format: &Format, line: &str, split: &Result<FlowLog<'_>, FlowLogError>) {
    let trimmed = line.trim_ascii();
    let tokens: Vec<&str> = trimmed.split(' ').filter(|token| !token.is_empty()).collect();
    let flow = match split {
        Ok(flow) => flow,
        Err(FlowLogError::TooLong { len }) => return assert!(*len == trimmed.len() && *len > u16::MAX.into()),
        Err(FlowLogError::FieldCount { expected, found }) => {
            assert_eq!((*expected, *found), (format.len(), tokens.len().min(MAX_FIELDS + 1)), "{line:?}");
            assert_ne!(*expected, tokens.len());
            return;
        }
        Err(other) => panic!("splitting does not find {other}"),
    };
    assert_eq!((flow.line(), flow.to_string().as_str(), tokens.len()), (trimmed, trimmed, format.len()));

    let mut object = Map::new();
    let mut all_fit = true;
    assert_eq!(flow.values().len(), format.len());
    for (place, ((name, value), token)) in flow.values().zip(&tokens).enumerate() {
        let column = &format.columns()[place];
        assert_eq!((name, flow.raw_by_name(name)), (column.name(), Some(*token)));
        assert_eq!(value, flow.value(place));
        let expected = typed(column.kind(), token);
        assert_eq!(value, expected, "{name} of {line:?}");
        if let Some(field) = column.field() {
            assert_eq!((flow.get(field), flow.raw(field)), (Some(expected), Some(*token)));
        }
        let json = match expected {
            Value::Null => serde_json::Value::Null,
            Value::Integer(number) => number.into(),
            Value::Address(_) | Value::Text(_) => (*token).into(),
            _ => {
                all_fit = false;
                continue;
            }
        };
        object.insert(name.to_owned(), json);
    }
    let value = |name: &str| format.place_of_name(name).map(|place| flow.value(place));
    let number = |name: &str| match value(name) {
        Some(Value::Integer(number)) => Some(number),
        _ => None,
    };
    assert_eq!(flow.version().map(u64::from), number("version"));
    assert_eq!(flow.dstport().map(u64::from), number("dstport"));
    assert_eq!((flow.bytes(), flow.start(), flow.end()), (number("bytes"), number("start"), number("end")));
    let srcaddr = match value("srcaddr") {
        Some(Value::Address(address)) => Some(address),
        _ => None,
    };
    assert_eq!(flow.srcaddr(), srcaddr);

    assert_eq!(flow.check().is_ok(), all_fit);
    let mut json = b"before".to_vec();
    let written = flow.write_json(&mut json);
    assert_eq!(written, flow.check(), "writing and checking find the same");
    if all_fit {
        let read: Map<String, serde_json::Value> = serde_json::from_slice(&json[6..]).expect("valid JSON");
        assert_eq!(read, object, "{line:?}");
    } else {
        assert_eq!(json, b"before");
    }
}

fn typed(kind: FieldKind, token: &str) -> Value<'_> {
    let integer = || {
        let digits = token.len() <= 20 && token.bytes().all(|byte| byte.is_ascii_digit());
        token.parse::<u64>().ok().filter(|_| digits)
    };
    let value = match kind {
        _ if token == "-" => Some(Value::Null),
        FieldKind::Integer { max } => integer().filter(|number| *number <= max).map(Value::Integer),
        // Old lines have milliseconds.
        FieldKind::Time => {
            integer().map(|time| Value::Integer(if time >= 100_000_000_000 { time / 1000 } else { time }))
        }
        FieldKind::Address => token.parse::<IpAddr>().ok().map(Value::Address),
        _ => Some(Value::Text(token)),
    };
    value.unwrap_or(Value::Invalid(token))
}

fn within_a_record(format: &Format, line: &str, alone: &Result<FlowLog<'_>, FlowLogError>, record: &str) {
    let mut decoder = Decoder::new();
    let decoded = decoder.decode(record.as_bytes());
    assert_eq!(decoded.errors(), [], "{record}");
    let event = decoded.events().next().expect("an event");
    assert_eq!(event.message(), line);
    let mut flow = FlowLog::new(format);
    let read = flow.read(&event);
    assert_eq!(read.as_ref().err(), alone.as_ref().err());
    assert_eq!(event.flow_log().map(|flow| flow.format().name()), Format::infer(line).map(|format| format.name()));
    let Ok(alone) = alone else { return };
    assert!(flow == *alone && flow.values().eq(alone.values()), "{flow:?} is not {alone:?}");
    let (mut json, mut json_alone) = (Vec::new(), Vec::new());
    assert_eq!(flow.write_json(&mut json), alone.write_json(&mut json_alone));
    assert!(json == json_alone, "what stands behind the line changes its JSON");
    let mut json_at_once = Vec::new();
    assert_eq!(event.write_json_of(format, &mut json_at_once).is_ok(), !json.is_empty());
    assert!(json == json_at_once, "splitting on the way changes the JSON");
}
