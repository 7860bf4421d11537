//! What the command says when it is called wrongly, or finds nothing where it was sent.

use crate::util::{Finished, STREAM, command, fake, finish, record, run};

fn assert_says(finished: &Finished, status: i32, parts: &[&str]) {
    assert_eq!(finished.status, status, "{}", finished.stderr);
    assert_eq!(finished.stdout, "");
    for part in parts {
        assert!(finished.stderr.contains(part), "{part:?} is not in {}", finished.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_stream_is_named_with_what_to_check() {
    let (_fake, server) = fake(1).await;
    let finished = run(Some(server.endpoint()), &["read", "nosuch"]).await;
    assert_says(
        &finished,
        1,
        &[
            "error: stream nosuch not found: ListShards: ResourceNotFoundException: ",
            "\n hint: check the name, the Region",
        ],
    );
    let finished = run(Some(server.endpoint()), &["shards", "nosuch"]).await;
    assert_says(&finished, 1, &["error: stream nosuch not found: "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_it_says_how_to_give_them() {
    let (_fake, server) = fake(1).await;
    let mut without = command(Some(server.endpoint()), &["read", STREAM]);
    without.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env("HOME", "/nonexistent");
    assert_says(
        &finish(without).await,
        1,
        &["error: cannot read stream flow-logs: ListShards: ", "\n hint: set AWS_ACCESS_KEY_ID"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_region_it_says_how_to_set_one() {
    let finished = run(None, &["read", STREAM]).await;
    assert_says(&finished, 1, &["error: no AWS Region is set", "\n hint: set --region or AWS_REGION"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_where_nobody_listens_is_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let finished = run(Some(&url), &["read", STREAM]).await;
    assert_says(
        &finished,
        1,
        &["error: cannot read stream flow-logs: ListShards: ", "refused", "is anything listening at", &url],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn times_that_cannot_be_read_are_usage_errors() {
    for (args, parts) in [
        (
            &["--start-time", "yesterday"][..],
            &["--start-time: \"yesterday\" is not a time", "hint: write '2026-11-24 08:00:00'"][..],
        ),
        (&["--start-time", "x", "--time-format", "%d/%m"], &["\"x\" is not of the form \"%d/%m\"", "strptime"]),
        (&["--start-time", "9999-01-01"], &["lies in the future"]),
        (&["--start-time", "-1h", "--end-time", "-2h"], &["is not behind --start-time"]),
    ] {
        let finished = run(Some("http://127.0.0.1:1"), &[&["read", STREAM], args].concat()).await;
        assert_says(&finished, 2, parts);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_do_not_exist_are_named_with_those_that_do() {
    let (fake, server) = fake(1).await;
    fake.world().put(0, record("text"));
    let read = ["read", STREAM, "--start-time", "trim_horizon", "--fields"];
    let finished = run(Some(server.endpoint()), &[&read[..], &["message,nosuch"]].concat()).await;
    assert_says(
        &finished,
        2,
        &["error: --fields: no field \"nosuch\" in the first event; it has timestamp, log_group"],
    );
    let finished = run(Some(server.endpoint()), &[&read[..], &["%aws.nosuch"]].concat()).await;
    assert_says(&finished, 2, &["unknown metadata \"%aws.nosuch\"; known are %aws.owner"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_flags_and_formats_are_usage_errors_with_the_choices() {
    let finished = run(None, &["read", STREAM, "--format", "xml"]).await;
    assert_says(&finished, 2, &["invalid value 'xml'", "tsv, csv, json, raw"]);
    let finished = run(None, &["read"]).await;
    assert_says(&finished, 2, &["<STREAM>", "--help"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_explains_itself_with_examples() {
    for name in ["read", "decode", "shards", "run", "validate", "test", "graph", "generate", "generate-schema"] {
        let help = run(None, &[name, "--help"]).await;
        let text = help.clean();
        assert!(text.contains("Example") && text.contains(&format!("kinesis-logs-reader {name}")), "{text}");
    }
}
