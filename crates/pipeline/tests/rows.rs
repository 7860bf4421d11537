#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

//! Rows of every format, from events of every kind.

use kinesis_logs_decoder::Decoder;
use kinesis_logs_decoder::flow_log::{Format, Formats};
use kinesis_logs_pipeline::rows::{Column, RowError, RowFormat, RowWriter};
use kinesis_logs_source::Record;

const FLOW: &str = "2 123456789010 eni-1 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK";
const NODATA: &str = "2 123456789010 eni-1 - - - - - - - 1431280876 1431280934 - NODATA";

fn envelope(events: &[String]) -> String {
    format!(
        r#"{{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","logEvents":[{}]}}"#,
        events.join(",")
    )
}

fn line(message: &str) -> String {
    format!(r#"{{"id":"e","timestamp":1418530010123,"message":{}}}"#, serde_json::to_string(message).unwrap())
}

fn extracted(fields: &str) -> String {
    format!(r#"{{"timestamp":1,"message":"m","extractedFields":{fields}}}"#)
}

/// The rows of `events`, and how many showed less than the event had.
fn rows(writer: RowWriter, events: &[String]) -> Result<(String, u64), RowError> {
    let mut record = Record::new("stream", "shard", "7", envelope(events).into_bytes());
    record.sub_sequence_number = Some(3);
    let (mut writer, mut decoder, mut out) = (writer, Decoder::new(), Vec::new());
    let decoded = decoder.decode(&record.data);
    assert!(decoded.errors().is_empty(), "{:?}", decoded.errors());
    for event in decoded.events() {
        writer.write(&event, Some(&record), &mut out)?;
    }
    Ok((String::from_utf8(out).unwrap(), writer.rows_beyond_header()))
}

fn text(format: RowFormat, events: &[String]) -> String {
    rows(RowWriter::new(format), events).unwrap().0
}

fn columns(names: &[&str]) -> Vec<Column> {
    names.iter().map(|name| Column::parse(name).unwrap()).collect()
}

#[test]
fn extracted_fields_are_shown_sorted_and_verbatim() {
    let events = [extracted(r#"{"b":"1","a":"x y","C":"\t"}"#), extracted(r#"{"C":"3","b":2,"a":null}"#)];
    assert_eq!(text(RowFormat::Tsv, &events), "C\ta\tb\n\t\tx y\t1\n3\t-\t2\n");
    assert_eq!(text(RowFormat::Csv, &events), "C,a,b\n\t,x y,1\n3,,2\n");
    assert_eq!(
        text(RowFormat::Json, &events),
        "{\"b\":\"1\",\"a\":\"x y\",\"C\":\"\\t\"}\n{\"C\":\"3\",\"b\":2,\"a\":null}\n"
    );
    assert_eq!(text(RowFormat::Json, &[extracted("{}")]), "{}\n");
}

#[test]
fn json_that_producers_write_for_text_stays_on_one_line_and_valid() {
    let events = [extracted("{\"a\":{\"b\":\n1},\"c\":truly}")];
    assert_eq!(text(RowFormat::Json, &events), "{\"a\":{\"b\":1},\"c\":\"truly\"}\n");
    assert_eq!(text(RowFormat::Tsv, &events), "a\tc\n{\"b\":\\n1}\ttruly\n");
}

#[test]
fn flow_log_lines_give_their_fields_typed() {
    let events = [line(FLOW), line(NODATA)];
    assert_eq!(
        text(RowFormat::Tsv, &events),
        "account_id\taction\tbytes\tdstaddr\tdstport\tend\tinterface_id\tlog_status\tpackets\tprotocol\tsrcaddr\tsrcport\tstart\tversion\n\
         123456789010\tACCEPT\t4249\t172.31.16.21\t22\t1418530070\teni-1\tOK\t20\t6\t172.31.16.139\t20641\t1418530010\t2\n\
         123456789010\t-\t-\t-\t-\t1431280934\teni-1\tNODATA\t-\t-\t-\t-\t1431280876\t2\n"
    );
    assert_eq!(
        text(RowFormat::Json, &events[1..]),
        "{\"version\":2,\"account_id\":\"123456789010\",\"interface_id\":\"eni-1\",\"srcaddr\":null,\"dstaddr\":null,\
         \"srcport\":null,\"dstport\":null,\"protocol\":null,\"packets\":null,\"bytes\":null,\"start\":1431280876,\
         \"end\":1431280934,\"action\":null,\"log_status\":\"NODATA\"}\n"
    );
}

#[test]
fn other_lines_come_with_where_and_when_and_stay_one_row() {
    let events = [line("a\tb\nc\\d,\"e\"\n")];
    assert_eq!(
        text(RowFormat::Tsv, &events),
        "log_group\tlog_stream\tmessage\ttimestamp\ng\ts\ta\\tb\\nc\\\\d,\"e\"\t2014-12-14T04:06:50.123Z\n"
    );
    assert_eq!(
        text(RowFormat::Csv, &events),
        "log_group,log_stream,message,timestamp\ng,s,\"a\tb\nc\\d,\"\"e\"\"\",2014-12-14T04:06:50.123Z\n"
    );
    assert_eq!(
        text(RowFormat::Json, &events),
        "{\"timestamp\":\"2014-12-14T04:06:50.123Z\",\"log_group\":\"g\",\"log_stream\":\"s\",\
         \"message\":\"a\\tb\\nc\\\\d,\\\"e\\\"\"}\n"
    );
    assert_eq!(text(RowFormat::Raw, &[line("x\n"), line("y")]), "x\ny\n");
}

#[test]
fn chosen_columns_mix_fields_and_metadata_in_the_order_asked_for() {
    let chosen = ["dstport", "%kinesis.sequence_number", "%kinesis.sub_sequence_number", "%aws.log_group", "timestamp"];
    let events = [line(FLOW), line("text")];
    let (tsv, beyond) = rows(RowWriter::new(RowFormat::Tsv).columns(columns(&chosen)), &events).unwrap();
    assert_eq!(
        tsv,
        "dstport\t%kinesis.sequence_number\t%kinesis.sub_sequence_number\t%aws.log_group\ttimestamp\n\
         22\t7\t3\tg\t2014-12-14T04:06:50.123Z\n-\t7\t3\tg\t2014-12-14T04:06:50.123Z\n"
    );
    assert_eq!(beyond, 0);
    let (json, _) = rows(
        RowWriter::new(RowFormat::Json).columns(columns(&["dstport", "user"])),
        &[extracted(r#"{"user":"root","dstport":"80"}"#), line(FLOW)],
    )
    .unwrap();
    assert_eq!(json, "{\"dstport\":\"80\",\"user\":\"root\"}\n{\"dstport\":22,\"user\":null}\n");
}

#[test]
fn a_row_of_nothing_and_a_column_asked_for_twice_are_still_there() {
    let csv = RowWriter::new(RowFormat::Csv).columns(columns(&["srcaddr"]));
    assert_eq!(rows(csv, &[line(FLOW), line(NODATA)]).unwrap().0, "srcaddr\n172.31.16.139\n\"\"\n");
    let twice = RowWriter::new(RowFormat::Tsv).columns(columns(&["user", "user"]));
    assert_eq!(rows(twice, &[extracted(r#"{"user":"bob"}"#)]).unwrap().0, "user\tuser\nbob\tbob\n");
}

#[test]
fn an_extracted_field_comes_before_the_events_own_of_the_same_name() {
    let events = [extracted(r#"{"timestamp":"10/Oct/2000","%aws.owner":"x"}"#)];
    assert_eq!(text(RowFormat::Tsv, &events), "%aws.owner\ttimestamp\nx\t10/Oct/2000\n");
}

#[test]
fn rows_that_the_header_does_not_show_are_counted() {
    let count = |events: &[String]| rows(RowWriter::new(RowFormat::Tsv), events).unwrap().1;
    assert_eq!(count(&[line(FLOW), line("text"), line(NODATA)]), 1);
    assert_eq!(count(&[line("text"), line(FLOW)]), 0, "a line shows all of a flow log");
    assert_eq!(count(&[extracted(r#"{"a":"1"}"#), extracted(r#"{"a":"1","b":"2"}"#), line(FLOW)]), 2);
}

#[test]
fn fields_that_cannot_be_are_refused_with_those_that_can() {
    let error = Column::parse("%aws.group").unwrap_err();
    assert!(error.to_string().starts_with("unknown metadata \"%aws.group\"; known are %aws.owner, "), "{error}");
    let chosen = RowWriter::new(RowFormat::Tsv).columns(columns(&["user", "nosuch"]));
    let error = rows(chosen, &[extracted(r#"{"user":"root","path":"/"}"#)]).unwrap_err();
    assert_eq!(error.to_string(), "no field \"nosuch\" in the first event; it has user, path");
    assert_eq!(
        "xml".parse::<RowFormat>().unwrap_err().to_string(),
        "unknown format \"xml\"; known are tsv, csv, json, raw"
    );
}

#[test]
fn flow_logs_of_a_format_that_is_set_have_its_columns_and_others_are_counted_as_misfits() {
    let format: Format = "${vpc-id} ${dstport} ${new-field}".parse().unwrap();
    let writer = || RowWriter::new(RowFormat::Tsv).formats(Formats::new().rule("g", "*", format.clone()));
    let (mut writer, mut decoder, mut out) = (writer(), Decoder::new(), Vec::new());
    let events = envelope(&[line("vpc-1 443 x"), line("vpc-1 99999 x"), line("vpc-1 - -")]);
    for event in decoder.decode(events.as_bytes()).events() {
        writer.write(&event, None, &mut out).unwrap();
    }
    let rows = String::from_utf8(out).unwrap();
    assert_eq!(rows, "dstport\tnew_field\tvpc_id\n443\tx\tvpc-1\n-\t-\t-\n-\t-\tvpc-1\n");
    let (misfits, first) = writer.misfits().unwrap();
    assert_eq!((misfits, first.to_string()), (1, "\"99999\" is no dstport".to_owned()));
    assert_eq!(writer.rows_beyond_header(), 1, "the line that is no flow log");
    assert_eq!(writer.header_format(), Some(&format));
}

#[test]
fn a_header_line_among_events_is_no_row() {
    let events = [
        line(
            "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status",
        ),
        line(FLOW),
    ];
    assert_eq!(text(RowFormat::Tsv, &events).lines().count(), 2);
    assert_eq!(text(RowFormat::Json, &events).lines().count(), 1);
}

#[test]
fn numbers_of_flow_logs_are_written_as_numbers_however_they_stand_in_the_line() {
    let odd = "2 007 eni-1 2001:db8::1 - 0 00022 6 9223372036854775807 0 1418530010123 99999999999 ACCEPT OK";
    let shown = ["account_id", "srcaddr", "dstaddr", "srcport", "dstport", "packets", "bytes", "start", "end"];
    let cells = |format| rows(RowWriter::new(format).columns(columns(&shown)), &[line(odd)]).unwrap().0;
    let values = "007\t2001:db8::1\t-\t0\t22\t9223372036854775807\t0\t1418530010\t99999999999";
    assert_eq!(cells(RowFormat::Tsv).lines().nth(1), Some(values));
    assert_eq!(cells(RowFormat::Csv).lines().nth(1), Some(&*values.replace('-', "").replace('\t', ",")));
    assert_eq!(
        cells(RowFormat::Json),
        "{\"account_id\":\"007\",\"srcaddr\":\"2001:db8::1\",\"dstaddr\":null,\"srcport\":0,\"dstport\":22,\
         \"packets\":9223372036854775807,\"bytes\":0,\"start\":1418530010,\"end\":99999999999}\n"
    );
}

#[test]
fn names_that_change_from_event_to_event_are_those_of_each() {
    let events = [r#"{"a":"1","b\"":"2"}"#, r#"{"a":"3","b\"":"4"}"#, r#"{"a":"5"}"#, "{}", r#"{"c":"6"}"#];
    let rows: Vec<String> = events.iter().map(|event| format!("{event}\n")).collect();
    assert_eq!(text(RowFormat::Json, &events.map(extracted)), rows.concat());
}

#[test]
fn raw_prints_every_message_as_it_came_header_lines_too() {
    const HEADER: &str = "version account-id action";
    let events = [line(HEADER), line(FLOW), line(&format!("{HEADER}\n")), line("account-id version"), line("")];
    let mut writer = RowWriter::new(RowFormat::Raw);
    let (mut decoder, mut out) = (Decoder::new(), Vec::new());
    for event in decoder.decode(envelope(&events).as_bytes()).events() {
        writer.write(&event, None, &mut out).unwrap();
    }
    assert_eq!(String::from_utf8(out).unwrap(), format!("{HEADER}\n{FLOW}\n{HEADER}\naccount-id version\n\n"));
    assert_eq!(writer.rows(), 5);
    // Nothing of what columns come from.
    assert_eq!((writer.header_format(), writer.rows_beyond_header(), writer.misfits()), (None, 0, None));
}
