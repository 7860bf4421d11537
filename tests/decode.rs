//! `decode`: rows from files, without AWS.

use std::process::Stdio;

use kinesis_logs_generator::{FlowLogs, aggregate};

use crate::util::{command, record, run, scratch_file};

/// Base64 by RFC 4648's table: what the command's own library makes would test nothing.
fn base64(data: &[u8]) -> String {
    const TABLE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in data.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let value = TABLE[(bits >> (18 - 6 * digit) & 63) as usize];
            text.push(if digit <= chunk.len() { char::from(value) } else { '=' });
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_containers_and_answers_of_the_aws_cli_are_recognised() {
    let data = record("a line");
    let base64 = base64(&data);
    let answer = format!(
        r#"{{"Records":[{{"SequenceNumber":"1","Data":"{base64}","PartitionKey":"k","ApproximateArrivalTimestamp":1.7e9}}]}}"#
    );
    for (name, content) in [
        ("record.gz", data.clone()),
        ("members.gz", [data.clone(), data.clone()].concat()),
        ("base64.txt", format!("{base64}\n").into_bytes()),
        ("answer.json", answer.into_bytes()),
        ("container.bin", aggregate(&[("a", &data), ("b", &data)])),
    ] {
        let decoded = run(None, &["decode", &scratch_file(name, &content), "--format", "raw"]).await.clean();
        assert!(decoded == "a line\n" || decoded == "a line\na line\n", "{name}: {decoded}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_is_read_and_flow_logs_are_typed() {
    let data = FlowLogs::new(1).events_per_record(3).next_record();
    let path = scratch_file("stdin.gz", &data.data);
    let mut decode = command(None, &["decode", "--format", "json"]);
    decode.stdin(Stdio::from(std::fs::File::open(path).unwrap()));
    let output = decode.output().unwrap();
    let rows: Vec<serde_json::Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0]["account_id"], "123456789010");
    assert_eq!(rows[0]["version"], 2);
}

const HEADER: &str = "version srcaddr dstport action new-field";
const CUSTOM: &str = "12 192.0.2.17 443 - mauve";

#[tokio::test(flavor = "multi_thread")]
async fn flow_logs_are_read_in_the_format_that_is_given_for_their_log_group() {
    let path = scratch_file("custom.gz", &record(CUSTOM));
    let typed = "{\"version\":12,\"srcaddr\":\"192.0.2.17\",\"dstport\":443,\"action\":null,\"new_field\":\"mauve\"}\n";
    let decode =
        async |format: &str| run(None, &["decode", &path, "--format", "json", "--flow-log-format", format]).await;
    for format in [
        HEADER,
        "${version} ${srcaddr} ${dstport} ${action} ${new-field}",
        "version,srcaddr,dstport,action,new_field",
        "g*=version srcaddr dstport action new-field",
        "group:str*=${version} ${srcaddr} ${dstport} ${action} ${new-field}",
    ] {
        assert_eq!(decode(format).await.clean(), typed, "{format}");
    }
    assert!(decode("other=default").await.clean().contains("\"message\":\"12 192.0.2.17 443 - mauve\""));

    let misfit = decode("default").await;
    assert!(misfit.stdout.contains("\"message\":\"12 192.0.2.17 443 - mauve\""), "the line is not lost");
    assert_eq!(
        misfit.stderr,
        "warning: 1 lines are in none of the flow log formats given, and are shown as lines; the first: expected 14 fields, found 5\n"
    );
    let refused = decode("${version} srcaddr").await;
    assert_eq!((refused.status, refused.stdout.as_str()), (2, ""));
    assert!(
        refused.stderr.contains("--flow-log-format: \"srcaddr\" in the flow log format is no ${field}"),
        "{}",
        refused.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_format_that_is_guessed_is_told_unless_it_is_the_default_one() {
    let v3 = "3 210987654321 eni-1 192.0.2.17 192.0.2.18 1 2 6 3 4 1760000000 1760000060 ACCEPT OK vpc-1 subnet-1 i-1 2 IPv4 192.0.2.17 -";
    let guessed = run(None, &["decode", &scratch_file("v3.gz", &record(v3)), "--fields", "vpc_id,pkt_dstaddr"]).await;
    assert_eq!((guessed.status, guessed.stdout.as_str()), (0, "vpc_id\tpkt_dstaddr\nvpc-1\t-\n"));
    assert!(
        guessed.stderr.starts_with("note: flow logs are read as v3 (${version} ${account-id} "),
        "{}",
        guessed.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_read_with_a_header_or_without_and_others_if_asked_to() {
    let object = "version account-id action\n2 210987654321 ACCEPT\n2 - -\n";
    let path = scratch_file("object.log", object.as_bytes());
    let rows = run(None, &["decode", &path, "--format", "csv"]).await;
    assert_eq!(rows.stdout, "account_id,action,version\n210987654321,ACCEPT,2\n,,2\n");

    let path = scratch_file("messages.log", b"plain text\n{\"a\":1}{\"b\":2}\n");
    assert_eq!(run(None, &["decode", &path]).await.status, 1);
    let lines = run(None, &["decode", &path, "--payload", "lines", "--format", "raw"]).await.clean();
    assert_eq!(lines, "plain text\n{\"a\":1}\n{\"b\":2}\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn lambda_events_are_opened_also_with_containers_inside() {
    let data = base64(&aggregate(&[("a", &record("one")), ("b", &record("two"))]));
    let event = format!(
        r#"{{"Records":[{{"kinesis":{{"data":"{data}"}}}},{{"kinesis":{{"data":"{}"}}}}]}}"#,
        base64(&record("three"))
    );
    let path = scratch_file("event.json", event.as_bytes());
    assert_eq!(run(None, &["decode", &path, "--format", "raw"]).await.clean(), "one\ntwo\nthree\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_with_the_file_and_the_record() {
    let missing = run(None, &["decode", "/nonexistent/file"]).await;
    assert_eq!((missing.status, missing.stdout.as_str()), (1, ""));
    assert!(missing.stderr.starts_with("error: cannot open /nonexistent/file: No such file"), "{}", missing.stderr);

    let path = scratch_file("broken.bin", b"no record");
    let broken = run(None, &["decode", &path]).await;
    assert_eq!(broken.status, 1);
    assert!(broken.stderr.starts_with(&format!("warning: {path}, record 0: neither compressed")), "{}", broken.stderr);

    let path =
        scratch_file("cut.json", br#"{"messageType":"DATA_MESSAGE","logEvents":[{"message":"one"},{"message":"tw"#);
    let cut = run(None, &["decode", &path, "--format", "raw"]).await;
    assert_eq!((cut.status, cut.stdout.as_str()), (1, "one\n"), "{}", cut.stderr);

    let path = scratch_file("broken.json", b"{\"Data\":\"AAAA\"}\n{\"Data\": oops");
    let broken = run(None, &["decode", &path]).await;
    assert!(broken.stderr.contains(&format!("malformed JSON in {path}")), "{}", broken.stderr);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_endless_input_ends_with_the_reader_of_its_rows() {
    let line = format!(r#"{{"SequenceNumber":"1","Data":"{}"}}"#, base64(&record("a line")));
    let mut shell = std::process::Command::new("sh");
    let script = r#"yes "$1" | "$0" decode --format raw | head -1"#;
    shell.args(["-c", script, env!("CARGO_BIN_EXE_kinesis-logs-reader"), &line]);
    assert_eq!(crate::util::finish(shell).await.clean(), "a line\n");
}
