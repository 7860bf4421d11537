//! The examples' sinks against servers that look whether requests are as their documentation has it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use kinesis_logs_pipeline::config::ConfigFile;
use kinesis_logs_pipeline::{Pipeline, built_in};
use serde_json::{Value, json};

use crate::finish;
use crate::server::{Received, Server};

/// An example's text, and the tables of some of its components.
fn example(name: &str, tables: &[&str]) -> (String, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let table = |name: &&str| text.split("\n\n").find(|part| part.starts_with(&format!("[{name}]"))).unwrap();
    let tables = tables.iter().map(table).collect::<Vec<_>>().join("\n\n");
    (text, tables)
}

/// What is sent of two hundred flow logs that come by the name of the source.
async fn received(tables: &str, input: &str, variables: &[(&str, &str)]) -> Vec<Received> {
    let (server, uri) = Server::start([]).await;
    run(tables, input, variables, &uri).await;
    server.received()
}

/// Sends two hundred flow logs that come by the name of the source.
async fn run(tables: &str, input: &str, variables: &[(&str, &str)], uri: &str) {
    let source =
        format!("[sources.{input}]\ntype = 'demo_logs'\ncount = 200\nevents_per_record = 50\ninterval = 0.0\n");
    let lookup = |name: &str| match name.ends_with("_URL") {
        true => Some(uri.to_owned()),
        false => variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
    };
    let files = vec![ConfigFile::new("test", format!("{source}{tables}"))];
    let pipeline = Pipeline::build_with(files, &built_in(), &lookup).unwrap_or_else(|error| panic!("{error}"));
    let report = finish(pipeline).await;
    assert!(report.is_clean(), "{report:?}");
}

/// A body that was compressed.
pub(crate) fn inflated(received: &Received) -> String {
    assert_eq!(received.header("content-encoding"), "gzip");
    let mut inflated = flate2::write::GzDecoder::new(Vec::new());
    inflated.write_all(&received.body).unwrap();
    String::from_utf8(inflated.finish().unwrap()).unwrap()
}

/// The objects of a body that was compressed, one a line.
fn objects(received: &Received) -> Vec<serde_json::Map<String, Value>> {
    let text = inflated(received);
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

// https://vector.dev/docs/reference/configuration/sources/http_server/
#[tokio::test]
async fn vector_gets_a_json_object_a_line() {
    let (text, table) = example("http_to_vector.toml", &["sinks.vector"]);
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
    let (text, table) = example("clickhouse.toml", &["sinks.table"]);
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
        assert_eq!(query["input_format_skip_unknown_fields"], "0");
        assert_eq!(request.header("authorization"), "Basic ZGVmYXVsdDpodW50ZXIy");
        for object in objects(request) {
            assert_eq!(object.keys().map(String::as_str).collect::<BTreeSet<_>>(), columns);
            assert!(object["start"].is_u64() && object["srcaddr"].is_string(), "{object:?}");
        }
    }
}

// https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs
#[tokio::test]
async fn loki_gets_pairs_of_a_time_and_a_line() {
    let (_, tables) = example("loki.toml", &["transforms.pairs", "sinks.loki"]);
    let received = received(&tables, "flows", &[]).await;
    let mut lines = 0;
    for request in &received {
        assert_eq!((request.method.as_str(), request.uri.as_str()), ("POST", "/loki/api/v1/push"));
        assert_eq!(request.header("content-type"), "application/json");
        let body: Value = serde_json::from_str(&inflated(request)).unwrap();
        assert_eq!(body["streams"].as_array().unwrap().len(), 1);
        assert_eq!(body["streams"][0]["stream"]["job"], "kinesis-logs-reader");
        for pair in body["streams"][0]["values"].as_array().unwrap() {
            let nanoseconds = pair[0].as_str().unwrap();
            assert!(nanoseconds.len() == 19 && nanoseconds.parse::<u64>().is_ok(), "{pair}");
            assert!(pair[1].as_str().unwrap().starts_with("2 "), "{pair}");
            assert_eq!(pair.as_array().unwrap().len(), 2);
            lines += 1;
        }
    }
    assert_eq!(lines, 200);
}

// https://docs.splunk.com/Documentation/Splunk/latest/Data/FormateventsforHTTPEventCollector
#[tokio::test]
async fn splunk_gets_events_with_their_times() {
    let (_, tables) = example("splunk.toml", &["transforms.events", "sinks.splunk"]);
    let received = received(&tables, "flows", &[("SPLUNK_TOKEN", "hunter2")]).await;
    assert_eq!(received.iter().map(|request| objects(request).len()).sum::<usize>(), 200);
    for request in &received {
        assert_eq!((request.method.as_str(), request.uri.as_str()), ("POST", "/services/collector/event"));
        assert_eq!(request.header("authorization"), "Splunk hunter2");
        for object in objects(request) {
            let names: Vec<&str> = object.keys().map(String::as_str).collect();
            assert_eq!(names, ["event", "source", "sourcetype", "time"]);
            assert!(object["event"].as_str().unwrap().starts_with("2 ") && object["time"].is_f64(), "{object:?}");
        }
    }
}

/// An index as `_bulk` fills it: what is stored under which id, and how often each was sent.
#[derive(Debug, Default)]
struct Index {
    stored: BTreeMap<String, Value>,
    sent: BTreeMap<String, usize>,
    requests: usize,
}

impl Index {
    /// Looks whether a request is one, does what it says, and answers as the filter says that all clients should use.
    fn bulk(&mut self, request: &Received) -> (u16, String) {
        assert_eq!(request.method, "POST");
        assert_eq!(request.uri, "/_bulk?filter_path=errors,items.*.status,items.*.error");
        assert_eq!(request.header("content-type"), "application/x-ndjson");
        assert_eq!(request.header("authorization"), "Basic YWRtaW46aHVudGVyMg==");
        let text = inflated(request);
        assert!(text.ends_with('\n'), "the last line ends too");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let items: Vec<Value> = lines.chunks(2).map(|pair| self.item(pair)).collect();
        self.requests += 1;
        if self.requests == 1 {
            // It has taken all of it, and its answer is lost.
            return (504, String::new());
        }
        let errors = items.iter().any(|item| item["create"]["error"].is_object());
        (200, json!({ "errors": errors, "items": items }).to_string())
    }

    fn item(&mut self, pair: &[Value]) -> Value {
        let [action, document] = pair else { panic!("an action without a document: {pair:?}") };
        let create = &action["create"];
        assert_eq!(action.as_object().unwrap().len(), 1);
        assert!(create["_index"].as_str().unwrap().starts_with("flow-logs-20"), "{action}");
        let id = create["_id"].as_str().unwrap().to_owned();
        assert!(document["srcaddr"].is_string() && document["start"].is_u64(), "{document}");
        let times = self.sent.entry(id.clone()).or_default();
        *times += 1;
        let event: usize = id.rsplit('-').next().unwrap().parse().unwrap();
        let failed = |status: u16, kind: &str| json!({ "create": { "status": status, "error": { "type": kind, "reason": "no" } } });
        match event {
            7 | 33 => failed(400, "mapper_parsing_exception"),
            20..30 if *times < 4 => failed(429, "rejected_execution_exception"),
            _ if self.stored.contains_key(&id) => failed(409, "version_conflict_engine_exception"),
            _ => {
                self.stored.insert(id, document.clone());
                json!({ "create": { "status": 201 } })
            }
        }
    }
}

// https://docs.opensearch.org/latest/api-reference/document-apis/bulk/
#[tokio::test]
async fn opensearch_stores_every_event_once_and_what_does_not_fit_is_put_aside() {
    let (text, tables) = example("opensearch.toml", &["sinks.opensearch"]);
    assert!(text.contains("inputs = [\"opensearch.rejected\", \"flows.undecodable\"]"));
    let index = Arc::new(Mutex::new(Index::default()));
    let stub = index.clone();
    let (_server, uri) = Server::deciding(move |request| stub.lock().unwrap().bulk(request)).await;
    let path = crate::scratch("opensearch");
    let refused = format!(
        "\n[sinks.refused]\ntype = 'file'\ninputs = ['opensearch.rejected']\npath = '{}'\n\
         encoding = {{ codec = 'csv', csv.fields = ['%rejected', '%kinesis.event_index'] }}\n",
        path.display()
    );
    let tables = format!("{tables}\nrequest.retry_initial_backoff_secs = 0.01\n{refused}");
    run(&tables, "flows", &[("OPENSEARCH_PASSWORD", "hunter2")], &uri).await;
    let index = index.lock().unwrap();
    assert_eq!(
        (index.stored.len(), index.sent.len()),
        (192, 200),
        "four records of fifty events, two of each do not fit"
    );
    let mut refused: Vec<String> = std::fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    refused.sort();
    let line = |event| format!("status 400: mapper_parsing_exception: no,{event}");
    assert_eq!(refused, [line(33), line(33), line(33), line(33), line(7), line(7), line(7), line(7)]);
    let again = |(id, times): (&String, &usize)| (id.rsplit('-').next().unwrap().parse::<usize>().unwrap(), *times);
    for (event, times) in index.sent.iter().map(again) {
        let expected = if (20..30).contains(&event) { 4 } else { 2 };
        assert_eq!(times, expected, "the first answer was lost, and only what was busy comes again: {event}");
    }
}

#[tokio::test]
async fn an_answer_that_says_nothing_of_events_is_no_success() {
    let (_, tables) = example("opensearch.toml", &["sinks.opensearch"]);
    let mut answers = ["", "ok", "{\"errors\":false}", "{\"errors\":false,\"items\":[]}"].into_iter();
    let (server, uri) = Server::deciding(move |request| match answers.next() {
        Some(answer) => (200, answer.to_owned()),
        None => {
            let events = inflated(request).lines().count() / 2;
            (200, json!({ "items": vec![json!({ "create": { "status": 201 } }); events] }).to_string())
        }
    })
    .await;
    let tables = format!("{tables}\nrequest.retry_initial_backoff_secs = 0.01\nrequest.concurrency = 1");
    run(&tables, "flows", &[("OPENSEARCH_PASSWORD", "hunter2")], &uri).await;
    let texts: Vec<String> = server.received().iter().map(inflated).collect();
    assert!(texts.len() > 4 && texts[..5].iter().all(|text| *text == texts[0]), "all of it is sent again");
}
