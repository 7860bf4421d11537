//! Flow log lines beside VRL's `parse_aws_vpc_flow_log`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use fastrand::Rng;
use kinesis_logs_decoder::Decoder;
use kinesis_logs_decoder::flow_log::Value as Ours;
use kinesis_logs_decoder::flow_log::{Field, FieldKind, FlowLog, FlowLogError, Format};
use vrl::value::{ObjectMap, Value};

use crate::inputs;
use crate::vector::Script;

const LINES: usize = 100_000;
const LINES_PER_FORMAT: usize = 20;

/// Where our values are meant to be others than VRL's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    /// VRL splits at every single space, and keeps those around the line: a doubled one is an empty value to it. AWS's
    /// own examples have doubled ones.
    Spacing,
    /// VRL does not know the fields that only transit gateways have.
    UnknownField,
    /// Addresses are text to VRL, whether they are addresses or not.
    Address,
    /// Times are as they stand to VRL; milliseconds, which old lines have, are seconds here.
    Milliseconds,
    /// Any number of 64 bits with a sign goes with VRL. Here ports have 16 bits, and so on, and nothing is negative.
    Range,
    /// Rust's numbers may have a plus, and any number of zeros before them: VRL takes both. AWS writes neither; here
    /// digits alone are a number, 20 at most.
    Digits,
    /// One number that is none makes VRL refuse the line. Here the other values stay.
    RefusedLine,
    /// A number that needs all 64 bits goes as a time here (of milliseconds, far away), not with VRL.
    UnsignedTime,
}

/// How often each difference was met.
type Met = BTreeMap<Difference, usize>;

#[test]
fn a_hundred_thousand_lines_have_the_values_that_vrl_gives() {
    let mut rng = Rng::with_seed(1);
    let mut vrl = Script::new("parse_aws_vpc_flow_log!(.line, .format)");
    let mut decoder = Decoder::new();
    let (mut met, mut whole, mut miscounted, mut values) = (Met::new(), 0, 0, 0);
    for _ in 0..LINES / LINES_PER_FORMAT {
        let format = inputs::lines::format(&mut rng);
        let lines: Vec<String> = (0..LINES_PER_FORMAT).map(|_| inputs::lines::line(&mut rng, &format)).collect();
        // The same lines with text behind them, which numbers must not run into, and out of JSON.
        let events: Vec<String> =
            lines.iter().map(|line| format!(r#"{{"message":{}}}"#, serde_json::to_string(line).unwrap())).collect();
        let envelope = format!(r#"{{"messageType":"DATA_MESSAGE","logEvents":[{}]}}"#, events.join(","));
        let decoded = decoder.decode(envelope.as_bytes());
        assert_eq!(decoded.events().len(), lines.len(), "{:?}", decoded.errors());
        for (line, event) in lines.iter().zip(decoded.events()) {
            let ours = format.split_line(line);
            assert_eq!(event.flow_log_of(&format), ours, "in an envelope, or alone: {line:?} of {format}");
            match ours {
                Ok(flow) => {
                    let of_event = event.flow_log_of(&format).unwrap();
                    assert!(flow.values().eq(of_event.values()), "in an envelope, or alone: {line:?} of {format}");
                    compare(&mut vrl, line, &format, &flow, &mut met);
                    assert_says_the_same_as_values(&flow);
                    values += format.len();
                    whole += usize::from(flow.check().is_ok());
                }
                Err(FlowLogError::FieldCount { expected, found }) => {
                    assert_eq!(found, single_spaced(line).split(' ').filter(|value| !value.is_empty()).count());
                    assert_ne!(expected, found);
                    let theirs = parse(&mut vrl, &single_spaced(line), names(&format));
                    assert!(theirs.is_err(), "{line:?} of {format} is {theirs:?} to VRL");
                    miscounted += 1;
                }
                Err(error) => panic!("{line:?} of {format}: {error}"),
            }
        }
    }
    println!("{LINES} lines, {values} values, {whole} lines whole, {miscounted} with too many or too few; {met:?}");
    assert!(whole > LINES * 4 / 5 && miscounted > LINES / 100, "{whole} whole, {miscounted} miscounted");
    for difference in [
        Difference::Spacing,
        Difference::UnknownField,
        Difference::Address,
        Difference::Milliseconds,
        Difference::Range,
        Difference::Digits,
        Difference::RefusedLine,
        Difference::UnsignedTime,
    ] {
        assert!(met.get(&difference).is_some_and(|&times| times > 20), "{difference:?} was hardly met: {met:?}");
    }
}

/// Compares every value of a line with VRL's.
fn compare(vrl: &mut Script, line: &str, format: &Format, flow: &FlowLog<'_>, met: &mut Met) {
    let spaced = single_spaced(line);
    if spaced != line {
        note(met, Difference::Spacing);
    }
    let tokens: Vec<&str> = spaced.split(' ').collect();
    let (known, unknown): (Vec<usize>, Vec<usize>) =
        (0..format.len()).partition(|&place| format.columns()[place].field().is_some_and(is_known_to_vrl));
    // VRL refuses the line for the first number that is none; the rest of the line it shall read all the same.
    let refused = known.iter().copied().find(|&place| is_numeric(format, place) && !is_number_to_vrl(tokens[place]));
    if let Some(place) = refused {
        let (line, names) = pick(&tokens, format, &known);
        let error = parse(vrl, &line, names).expect_err("a number that is none");
        let expected =
            format!("failed to parse value as i64 (key: `{}`): `{}`", format.columns()[place].name(), tokens[place]);
        assert!(error.contains(&expected), "VRL refuses {line:?} for {error}, not for {expected}");
        note(met, Difference::RefusedLine);
    }
    let (readable, refused): (Vec<usize>, Vec<usize>) =
        known.into_iter().partition(|&place| !is_numeric(format, place) || is_number_to_vrl(tokens[place]));
    let (line, names) = pick(&tokens, format, &readable);
    let theirs = if readable.is_empty() { ObjectMap::new() } else { parse(vrl, &line, names).unwrap() };
    assert_eq!(theirs.len(), readable.len());
    for place in readable {
        compare_value(format, place, flow.value(place), &theirs[format.columns()[place].name()], met);
    }
    for place in refused {
        compare_refused(format, place, flow.value(place), tokens[place], met);
    }
    for place in unknown {
        note(met, Difference::UnknownField);
        // A field that VRL knows stands in for one of the same kind.
        let stand_in = if is_numeric(format, place) { "bytes" } else { "account_id" };
        match parse(vrl, tokens[place], stand_in.to_owned()) {
            Ok(theirs) => compare_value(format, place, flow.value(place), &theirs[stand_in], met),
            Err(_) => compare_refused(format, place, flow.value(place), tokens[place], met),
        }
    }
}

/// Compares one value with VRL's, which has the same text, null, or number, but for the differences.
fn compare_value(format: &Format, place: usize, ours: Ours<'_>, theirs: &Value, met: &mut Met) {
    let column = &format.columns()[place];
    let same = match (column.kind(), ours, theirs) {
        (_, Ours::Null, Value::Null) => true,
        (FieldKind::Text, Ours::Text(ours), theirs) => Some(ours) == theirs.to_str(),
        (FieldKind::Address, ours, Value::Bytes(_) | Value::String(_)) => {
            note(met, Difference::Address);
            let theirs = theirs.to_str().unwrap();
            match theirs.parse::<IpAddr>() {
                Ok(address) => ours == Ours::Address(address),
                Err(_) => ours == Ours::Invalid(theirs),
            }
        }
        (FieldKind::Integer { .. }, Ours::Integer(ours), Value::Integer(theirs)) => {
            ours <= largest(column.field()) && i64::try_from(ours) == Ok(*theirs)
        }
        (FieldKind::Time, Ours::Integer(ours), Value::Integer(theirs)) => {
            let is_millis = *theirs >= 100_000_000_000;
            if is_millis {
                note(met, Difference::Milliseconds);
            }
            i64::try_from(ours) == Ok(if is_millis { theirs / 1000 } else { *theirs })
        }
        (FieldKind::Integer { .. } | FieldKind::Time, Ours::Invalid(token), Value::Integer(theirs)) => {
            let odd = token.starts_with('+') || token.len() > 20;
            let out_of_range =
                u64::try_from(*theirs).is_ok_and(|theirs| theirs > largest(column.field())) || *theirs < 0;
            note(met, if odd { Difference::Digits } else { Difference::Range });
            token.parse() == Ok(*theirs) && (odd || out_of_range)
        }
        _ => false,
    };
    assert!(same, "{} of {format} is {ours:?}, {theirs:?} to VRL", column.name());
}

/// What is no number to VRL is none here, but for a time that is too large for a sign.
fn compare_refused(format: &Format, place: usize, ours: Ours<'_>, token: &str, met: &mut Met) {
    let column = &format.columns()[place];
    let expected = match token.parse::<u64>() {
        Ok(time) if column.kind() == FieldKind::Time => {
            note(met, Difference::UnsignedTime);
            Ours::Integer(time / 1000)
        }
        _ => Ours::Invalid(token),
    };
    assert_eq!(ours, expected, "{} of {format}, no number to VRL", column.name());
}

/// `get`, and the line as JSON, have what `values` has.
fn assert_says_the_same_as_values(flow: &FlowLog<'_>) {
    let mut json = Vec::new();
    let is_json = flow.write_json(&mut json).is_ok();
    assert_eq!(is_json, flow.check().is_ok(), "{flow}");
    let object: serde_json::Map<String, serde_json::Value> =
        if is_json { serde_json::from_slice(&json).unwrap() } else { serde_json::Map::new() };
    assert!(!is_json || object.len() == flow.format().len());
    for (column, (name, value)) in flow.format().columns().iter().zip(flow.values()) {
        assert_eq!(column.field().and_then(|field| flow.get(field)), Some(value), "{name} of {flow}");
        let in_json = match value {
            Ours::Null => serde_json::Value::Null,
            Ours::Integer(number) => number.into(),
            Ours::Text(text) => text.into(),
            // As it stands in the line, not as Rust would write it.
            Ours::Address(_) => flow.raw_by_name(name).into(),
            _ => continue,
        };
        assert!(!is_json || object[name] == in_json, "{name} of {flow} is {} in JSON", object[name]);
    }
}

/// The largest number that AWS's kind of a field holds, said here again so that the decoder's table is not its own witness.
fn largest(field: Option<Field>) -> u64 {
    match field.map_or("", Field::name) {
        "version" | "protocol" | "tcp_flags" | "traffic_path" | "encryption_status" => 255,
        "srcport" | "dstport" => 65_535,
        _ => i64::MAX as u64,
    }
}

fn is_numeric(format: &Format, place: usize) -> bool {
    matches!(format.columns()[place].kind(), FieldKind::Integer { .. } | FieldKind::Time)
}

fn is_number_to_vrl(token: &str) -> bool {
    token == "-" || token.parse::<i64>().is_ok()
}

fn is_known_to_vrl(field: Field) -> bool {
    field.version() != 6
}

/// The line as VRL can split it.
fn single_spaced(line: &str) -> Cow<'_, str> {
    let trimmed = line.trim_ascii();
    if trimmed.contains("  ") {
        return trimmed.split(' ').filter(|value| !value.is_empty()).collect::<Vec<_>>().join(" ").into();
    }
    trimmed.into()
}

/// Some of a line's values, and their names as VRL wants them.
fn pick(tokens: &[&str], format: &Format, places: &[usize]) -> (String, String) {
    let line: Vec<&str> = places.iter().map(|&place| tokens[place]).collect();
    let names: Vec<&str> = places.iter().map(|&place| format.columns()[place].name()).collect();
    (line.join(" "), names.join(" "))
}

fn names(format: &Format) -> String {
    let names: Vec<&str> = format.columns().iter().map(|column| column.name()).collect();
    names.join(" ")
}

fn parse(vrl: &mut Script, line: &str, format: String) -> Result<ObjectMap, String> {
    let event = ObjectMap::from([("line".into(), line.into()), ("format".into(), format.into())]);
    vrl.run(event.into()).map(|value| value.into_object().unwrap())
}

fn note(met: &mut Met, difference: Difference) {
    *met.entry(difference).or_default() += 1;
}
