#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

//! Flow logs as Arrow record batches: their types, and that they hold what the lines say.

use std::net::IpAddr;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type, TimestampMillisecondType, TimestampSecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use kinesis_logs_decoder::Decoder;
use kinesis_logs_decoder::flow_log::{
    AddressColumns, ColumnOptions, Columns, ColumnsError, Field, FieldKind, FlowLog, FlowLogError, Format, Value,
};
use kinesis_logs_generator::FlowLogs;
use proptest::prelude::*;

const BINARY: AddressColumns = AddressColumns::FixedBinary;

/// A column's value at a row; addresses of either kind are told by the format.
fn value<'a>(column: &'a dyn Array, kind: FieldKind, row: usize) -> Value<'a> {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Int32 => Value::Integer(column.as_primitive::<Int32Type>().value(row).try_into().unwrap()),
        DataType::Int64 => Value::Integer(column.as_primitive::<Int64Type>().value(row).try_into().unwrap()),
        DataType::Timestamp(..) => {
            Value::Integer(column.as_primitive::<TimestampSecondType>().value(row).try_into().unwrap())
        }
        DataType::FixedSizeBinary(_) => {
            let bytes: [u8; 16] = column.as_fixed_size_binary().value(row).try_into().unwrap();
            Value::Address(IpAddr::from(bytes))
        }
        DataType::Utf8 => match (kind, column.as_string::<i32>().value(row)) {
            (FieldKind::Address, text) => Value::Address(text.parse().unwrap()),
            (_, text) => Value::Text(text),
        },
        other => panic!("{other}"),
    }
}

/// Holds a batch to what the lines say.
fn assert_same(batch: &RecordBatch, format: &Format, lines: &[&str]) {
    assert_eq!(batch.num_rows(), lines.len());
    for (row, line) in lines.iter().enumerate() {
        for ((name, expected), column) in format.split_line(line).unwrap().values().zip(format.columns()) {
            let column = value(&batch[name], column.kind(), row);
            let expected = match (expected, &batch[name].data_type()) {
                (Value::Address(IpAddr::V4(address)), DataType::FixedSizeBinary(16)) => {
                    Value::Address(address.to_ipv6_mapped().into())
                }
                (expected, _) => expected,
            };
            assert_eq!(column, expected, "{name} of {line}");
        }
    }
}

#[test]
fn every_field_has_the_type_that_aws_documents() {
    const INT32: [Field; 7] = [
        Field::Version,
        Field::Srcport,
        Field::Dstport,
        Field::Protocol,
        Field::TcpFlags,
        Field::TrafficPath,
        Field::EncryptionStatus,
    ];
    const INT64: [Field; 6] = [
        Field::Packets,
        Field::Bytes,
        Field::PacketsLostNoRoute,
        Field::PacketsLostBlackhole,
        Field::PacketsLostMtuExceeded,
        Field::PacketsLostTtlExpired,
    ];
    const ADDRESSES: [Field; 4] = [Field::Srcaddr, Field::Dstaddr, Field::PktSrcaddr, Field::PktDstaddr];
    for format in Format::known() {
        for (addresses, address_type) in
            [(AddressColumns::Text, DataType::Utf8), (BINARY, DataType::FixedSizeBinary(16))]
        {
            let columns = Columns::with_options(format, ColumnOptions::default().addresses(addresses));
            let schema = columns.schema();
            assert_eq!(schema.fields().len(), format.len());
            for (ours, column) in schema.fields().iter().zip(format.columns()) {
                let field = column.field().unwrap();
                let expected = if INT32.contains(&field) {
                    DataType::Int32
                } else if INT64.contains(&field) {
                    DataType::Int64
                } else if matches!(field, Field::Start | Field::End) {
                    DataType::Timestamp(TimeUnit::Second, Some("UTC".into()))
                } else if ADDRESSES.contains(&field) {
                    address_type.clone()
                } else {
                    DataType::Utf8
                };
                assert_eq!((ours.name().as_str(), ours.data_type()), (field.name(), &expected));
                assert!(ours.is_nullable());
            }
        }
    }
}

#[test]
fn batches_of_every_format_hold_what_the_lines_say_and_keep_their_schema() {
    for format in Format::known() {
        let names: Vec<&'static str> = format.columns().iter().map(|column| column.field().unwrap().name()).collect();
        let mut flow_logs = FlowLogs::new(format.len() as u64).fields(&names).events_per_record(130);
        let options = ColumnOptions::default();
        for mut columns in [Columns::new(format), Columns::with_options(format, options.addresses(BINARY))] {
            let schema = columns.schema();
            for _ in 0..3 {
                let record = flow_logs.next_record();
                let mut decoder = Decoder::new();
                let decoded = decoder.decode(&record.data);
                let mut flow = FlowLog::new(format);
                for event in decoded.events() {
                    flow.read(&event).unwrap();
                    columns.push(&flow).unwrap();
                }
                assert_eq!(columns.len(), 130);
                let batch = columns.finish();
                assert!(columns.is_empty());
                assert_eq!(batch.schema(), schema);
                assert_same(&batch, format, &record.lines.iter().map(String::as_str).collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn event_columns_come_first_and_say_what_the_event_says() {
    let json = br#"{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"g","logStream":"s","logEvents":[
        {"id":"1","timestamp":-5,"message":"mauve"},{"message":"-"}]}"#;
    let decoded = kinesis_logs_decoder::decode(json);
    let format: Format = "owner".parse().unwrap();
    let mut columns = Columns::with_options(&format, ColumnOptions::default().event_columns(true));
    for event in decoded.events() {
        columns.push_event(&event).unwrap();
    }
    columns.push(&format.split_line("pink").unwrap()).unwrap();
    let batch = columns.finish();
    let schema = batch.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["event_id", "event_timestamp", "_owner", "log_group", "log_stream", "owner"]);
    let texts = |name: &str| batch[name].as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect();
    let some = |text: &str| Some(text.to_owned());
    let expected: [(&str, [Option<String>; 3]); 5] = [
        ("event_id", [some("1"), None, None]),
        ("_owner", [some("123456789012"), some("123456789012"), None]),
        ("log_group", [some("g"), some("g"), None]),
        ("log_stream", [some("s"), some("s"), None]),
        ("owner", [some("mauve"), None, some("pink")]),
    ];
    for (name, values) in expected {
        let found: Vec<Option<String>> = texts(name);
        assert_eq!(found, values, "{name}");
    }
    let times: Vec<_> = batch["event_timestamp"].as_primitive::<TimestampMillisecondType>().iter().collect();
    assert_eq!(times, [Some(-5), None, None]);
}

#[test]
fn a_line_with_a_wrong_value_changes_nothing() {
    let format: Format = "action srcaddr dstport bytes start new end".parse().unwrap();
    let good = "ACCEPT 10.0.0.1 443 9223372036854775807 1512564058000 é 1512564058";
    let wrong = [
        ("ACCEPT host 443 5 1512564058 - -", "\"host\" is no srcaddr"),
        ("- - 65536 5 1512564058 - -", "\"65536\" is no dstport"),
        ("- - - 9223372036854775808 - - -", "\"9223372036854775808\" is no bytes"),
        ("- - - - - - +5", "\"+5\" is no end"),
        ("- - - - - - --", "\"--\" is no end"),
    ];
    for addresses in [AddressColumns::Text, BINARY] {
        for before in [0, 1, 63, 64, 65] {
            let mut columns = Columns::with_options(&format, ColumnOptions::default().addresses(addresses));
            let mut lines = vec![good; before];
            lines.iter().for_each(|line| columns.push(&format.split_line(line).unwrap()).unwrap());
            for (line, message) in wrong {
                let error = columns.push(&format.split_line(line).unwrap()).unwrap_err();
                assert_eq!(error.to_string(), message);
                assert_eq!(columns.len(), before);
            }
            columns.push(&format.split_line(good).unwrap()).unwrap();
            lines.push(good);
            let batch = columns.finish();
            assert_same(&batch, &format, &lines);
            assert!(batch.columns().iter().all(|column| column.nulls().is_none()), "no bitmap where nothing is null");
        }
    }
}

#[test]
fn milliseconds_become_seconds_and_large_times_do_no_harm() {
    let format: Format = "start end".parse().unwrap();
    let mut columns = Columns::new(&format);
    let lines = ["1512564058000 99999999999", "18446744073709551615 -", "- 0"];
    lines.iter().for_each(|line| columns.push(&format.split_line(line).unwrap()).unwrap());
    let batch = columns.finish();
    assert_eq!(batch["start"].as_primitive::<TimestampSecondType>().value(0), 1512564058);
    assert_same(&batch, &format, &lines);
}

#[test]
fn flow_logs_of_other_formats_and_those_that_read_nothing_are_refused() {
    let format: Format = "action bytes".parse().unwrap();
    let other: Format = "bytes action".parse().unwrap();
    let same: Format = "${action} ${bytes}".parse().unwrap();
    let mut columns = Columns::new(&format);
    assert_eq!(columns.push(&other.split_line("5 REJECT").unwrap()), Err(ColumnsError::OtherFormat));
    let nothing = FlowLogError::FieldCount { expected: 2, found: 0 };
    assert_eq!(columns.push(&FlowLog::new(&format)), Err(nothing.into()));
    assert_eq!(columns.finish().num_rows(), 0);
    columns.push(&same.split_line("REJECT 5").unwrap()).unwrap();
    assert_same(&columns.finish(), &format, &["REJECT 5"]);
}

proptest! {
    #[test]
    fn batches_hold_what_the_values_say(
        lines in prop::collection::vec(
            "(5|-|12|256|x) {1,2}(10\\.0\\.0\\.[0-9]{1,3}|-|::[0-9a-f]{1,3}|x) ([0-9]{1,20}|-) ([0-9]{1,20}|-) (-|[!-~é]{1,40})",
            0..150,
        ),
        binary: bool,
        cut in 0..150usize,
    ) {
        let format: Format = "version srcaddr start bytes new".parse().unwrap();
        let addresses = if binary { BINARY } else { AddressColumns::Text };
        let mut columns = Columns::with_options(&format, ColumnOptions::default().addresses(addresses));
        let (first, second) = lines.split_at(cut.min(lines.len()));
        for lines in [first, second] {
            let mut taken = Vec::new();
            for line in lines {
                let flow = format.split_line(line).unwrap();
                let pushed = columns.push(&flow);
                prop_assert_eq!(pushed.clone().map_err(|error| error.to_string()), flow.check().map_err(|error| error.to_string()));
                if pushed.is_ok() {
                    taken.push(line.as_str());
                }
            }
            assert_same(&columns.finish(), &format, &taken);
        }
    }
}
