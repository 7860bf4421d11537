//! The examples' sinks against servers that look whether requests are as their documentation has it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use kinesis_logs_pipeline::config::ConfigFile;
use kinesis_logs_pipeline::{Pipeline, built_in};
use serde_json::Value;

use crate::finish;
use crate::server::{Received, Server};

/// An example's text, and the table of one of its sinks.
fn example(name: &str, sink: &str) -> (String, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let table = text.split("\n\n").find(|part| part.starts_with(&format!("[sinks.{sink}]"))).unwrap().to_owned();
    (text, table)
}

/// What a sink sends of two hundred flow logs that come by the name that it takes them from.
async fn received(table: &str, input: &str, variables: &[(&str, &str)]) -> Vec<Received> {
    let (server, uri) = Server::start([]).await;
    let source =
        format!("[sources.{input}]\ntype = 'demo_logs'\ncount = 200\nevents_per_record = 50\ninterval = 0.0\n");
    let lookup = |name: &str| match name.ends_with("_URL") {
        true => Some(uri.clone()),
        false => variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
    };
    let files = vec![ConfigFile::new("test", format!("{source}{table}"))];
    let pipeline = Pipeline::build_with(files, &built_in(), &lookup).unwrap_or_else(|error| panic!("{error}"));
    let report = finish(pipeline).await;
    assert!(report.is_clean(), "{report:?}");
    server.received()
}

/// The objects of a body that was compressed, one a line.
fn objects(received: &Received) -> Vec<serde_json::Map<String, Value>> {
    assert_eq!(received.header("content-encoding"), "gzip");
    let mut inflated = flate2::write::GzDecoder::new(Vec::new());
    inflated.write_all(&received.body).unwrap();
    let text = String::from_utf8(inflated.finish().unwrap()).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

// https://vector.dev/docs/reference/configuration/sources/http_server/
#[tokio::test]
async fn vector_gets_a_json_object_a_line() {
    let (text, table) = example("http_to_vector.toml", "vector");
    for setting in ["path = \"/rejects\"", "framing.method = \"newline_delimited\"", "decoding.codec = \"json\""] {
        assert!(text.contains(setting), "what the sink does not do is told to do");
    }
    let received = received(&table, "rejects", &[]).await;
    assert_eq!(received.iter().map(|request| objects(request).len()).sum::<usize>(), 200);
    for request in &received {
        assert_eq!((request.method.as_str(), request.uri.as_str()), ("POST", "/rejects"));
        assert_eq!(request.header("content-type"), "application/x-ndjson");
        assert!(objects(request).iter().all(|object| object["srcaddr"].is_string()));
    }
}

// https://clickhouse.com/docs/interfaces/http
#[tokio::test]
async fn clickhouse_gets_rows_that_fit_the_table() {
    let (text, table) = example("clickhouse.toml", "table");
    let received = received(&table, "flows", &[("CLICKHOUSE_PASSWORD", "hunter2")]).await;
    assert_eq!(received.iter().map(|request| objects(request).len()).sum::<usize>(), 200);
    let columns = text.split_once("CREATE TABLE flow_logs (").unwrap().1.split_once(") ENGINE").unwrap().0;
    let columns = columns.split([',', '#', '\n']).filter_map(|column| column.split_whitespace().next());
    let columns: BTreeSet<&str> = columns.collect();
    for request in &received {
        let url = reqwest::Url::parse(&format!("http://test{}", request.uri)).unwrap();
        let query: BTreeMap<_, _> = url.query_pairs().collect();
        assert_eq!((request.method.as_str(), url.path()), ("POST", "/"));
        assert_eq!(query["query"], "INSERT INTO flow_logs FORMAT JSONEachRow");
        assert_eq!((&*query["async_insert"], &*query["wait_for_async_insert"]), ("1", "1"));
        assert_eq!(request.header("authorization"), "Basic ZGVmYXVsdDpodW50ZXIy");
        for object in objects(request) {
            assert_eq!(object.keys().map(String::as_str).collect::<BTreeSet<_>>(), columns);
            assert!(object["start"].is_u64() && object["srcaddr"].is_string(), "{object:?}");
        }
    }
}
