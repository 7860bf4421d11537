//! The sink `http` in pipelines, against a server on this machine.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod examples;
mod numbers;
mod server;
mod tls;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kinesis_logs_pipeline::component::Outcome;
use kinesis_logs_pipeline::config::ConfigFile;
use kinesis_logs_pipeline::{Pipeline, Report, built_in};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use numbers::{Numbers, Told, sent, told};
use server::{Says, Server, says};

fn build(toml: &str) -> Pipeline {
    let registry = built_in().source::<Numbers>("numbers");
    Pipeline::build(vec![ConfigFile::new("test", toml)], &registry).unwrap_or_else(|error| panic!("{error}"))
}

async fn run(toml: &str) -> Report {
    finish(build(toml)).await
}

async fn finish(pipeline: Pipeline) -> Report {
    let running = pipeline.run(std::future::pending(), Duration::from_secs(20));
    tokio::time::timeout(Duration::from_secs(30), running).await.expect("it ends")
}

/// Waits until something is so.
async fn until(is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it becomes so");
}

/// A pipeline from numbers to a server; `keys` are the sink's.
fn pipeline(id: &str, batches: &str, uri: &str, keys: &str) -> String {
    format!(
        r#"
        [sources.{id}]
        type = "numbers"
        batches = {batches}

        [sinks.{id}_out]
        type = "http"
        inputs = ["{id}"]
        uri = "{uri}"
        encoding = {{ codec = "csv", csv.fields = ["number"] }}
        request.retry_initial_backoff_secs = 0.01
        {keys}
    "#
    )
}

fn delivered(batches: usize) -> Told {
    (0..batches).map(|index| (index, Outcome::Delivered)).collect()
}

fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("http-sink-{name}-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

#[tokio::test]
async fn bodies_are_as_the_codec_and_the_framing_say() {
    let comma = "framing = { method = 'character_delimited', character_delimited.delimiter = ',' }";
    let around = "payload_prefix = '{\"rows\":'\npayload_suffix = '}'";
    for (index, (codec, keys, content_type, body)) in [
        ("json", "", "application/x-ndjson", "{\"number\":0}\n{\"number\":1}\n"),
        ("json", comma, "application/json", r#"[{"number":0},{"number":1}]"#),
        ("json", &format!("{comma}\n{around}"), "application/json", r#"{"rows":[{"number":0},{"number":1}]}"#),
        ("csv", "", "text/csv", "0\n1\n"),
        ("tsv", comma, "text/tab-separated-values", "0,1"),
        ("csv", "framing.method = 'bytes'\npayload_suffix = '.'", "text/csv", "01."),
        ("json", "request.headers.content-type = 'text/json'", "text/json", "{\"number\":0}\n{\"number\":1}\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let (server, uri) = Server::start([]).await;
        let id = format!("bodies{index}");
        let toml = pipeline(&id, "[1, 0, 1]", &format!("{uri}/in?a=b"), keys);
        let toml = toml.replace("codec = \"csv\", csv", &format!("codec = \"{codec}\", {codec}"));
        let report = run(&toml.replace(", json.fields = [\"number\"]", "")).await;
        assert!(report.is_clean(), "{report:?}");
        let received = server.received();
        assert_eq!(received.len(), 1, "batches are merged");
        assert_eq!((received[0].method.as_str(), received[0].uri.as_str()), ("POST", "/in?a=b"));
        assert_eq!((received[0].header("content-type"), received[0].text()), (content_type, body));
        assert!(received[0].header("user-agent").starts_with("kinesis-logs-reader/"));
        let mut told = told(&id);
        told.sort();
        assert_eq!(told, delivered(3));
    }
}

#[tokio::test]
async fn requests_are_made_and_authorized_as_configured() {
    let basic = "Basic YW5uOmh1bnRlcjI6";
    for (index, (user, keys, method, authorization)) in [
        ("", "auth = { strategy = 'basic', user = 'ann', password = 'hunter2:' }", "POST", basic),
        ("ann:hunter2%3A@", "method = 'put'", "PUT", basic),
        ("", "auth = { strategy = 'bearer', token = 'hunter2' }\nmethod = 'patch'", "PATCH", "Bearer hunter2"),
        ("", "request.headers.Authorization = 'Splunk hunter2'", "POST", "Splunk hunter2"),
    ]
    .into_iter()
    .enumerate()
    {
        let (server, uri) = Server::start([]).await;
        let uri = uri.replace("://", &format!("://{user}"));
        let report = run(&pipeline(&format!("auth{index}"), "[1]", &uri, keys)).await;
        assert!(report.is_clean(), "{report:?}");
        let received = &server.received()[0];
        assert_eq!((received.method.as_str(), received.header("authorization")), (method, authorization));
    }
}

#[tokio::test]
async fn a_compressed_body_says_so() {
    let (server, uri) = Server::start([says(503)]).await;
    assert!(run(&pipeline("gzip", "[1000]", &uri, "compression = 'gzip'")).await.is_clean());
    let received = server.received();
    assert_eq!(received.len(), 2);
    for received in received {
        assert_eq!(received.header("content-encoding"), "gzip");
        let mut inflated = flate2::write::GzDecoder::new(Vec::new());
        inflated.write_all(&received.body).unwrap();
        let lines = String::from_utf8(inflated.finish().unwrap()).unwrap();
        assert_eq!(lines, (0..1000).map(|number| format!("{number}\n")).collect::<String>());
        assert!(received.body.len() < lines.len());
    }
}

#[tokio::test]
async fn what_failed_is_sent_again_before_what_comes_behind_it() {
    let (server, uri) = Server::start([says(200), says(500), says(408), says(200)]).await;
    let keys = "request.concurrency = 1\nbatch.max_events = 2";
    assert!(run(&pipeline("again", "[3, 1, 2]", &uri, keys)).await.is_clean());
    assert_eq!(server.texts(), ["0\n1\n", "2\n3\n", "2\n3\n", "2\n3\n", "4\n5\n"]);
    assert_eq!(told("again"), delivered(3));
}

#[tokio::test]
async fn a_server_that_is_busy_is_left_alone_as_long_as_it_asks() {
    let (server, uri) = Server::start([Says { headers: vec![("retry-after", "1".to_owned())], ..says(429) }]).await;
    assert!(run(&pipeline("busy", "[1]", &uri, "")).await.is_clean());
    let received = server.received();
    assert!(received[1].at - received[0].at >= Duration::from_secs(1), "{received:?}");
    assert_eq!(told("busy"), delivered(1));
}

#[tokio::test]
async fn what_is_never_taken_goes_to_an_output_and_the_rest_goes_on() {
    let (server, uri) = Server::start([says(200), says(404)]).await;
    let path = scratch("rejected");
    let keys = format!("request.concurrency = 1\nbatch.max_events = 2\n{}", rejected_to("rejected", &path));
    let report = run(&pipeline("rejected", "[3, 3]", &uri, &keys)).await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(server.texts(), ["0\n1\n", "2\n3\n", "4\n5\n"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "2,status 404 Not Found\n3,status 404 Not Found\n");
    assert_eq!(told("rejected"), delivered(2), "by both sinks");
    let sink = report.components.iter().find(|component| component.id == "rejected_out").unwrap();
    assert_eq!(sink.set_aside, BTreeMap::from([("rejected".to_owned(), 2)]));
}

/// A sink that takes what a pipeline's other one rejects.
fn rejected_to(id: &str, path: &Path) -> String {
    format!(
        "[sinks.aside]\ntype = 'file'\ninputs = ['{id}_out.rejected']\npath = '{}'\n\
         encoding = {{ codec = 'csv', csv.fields = ['number', '%rejected'] }}",
        path.display()
    )
}

#[tokio::test]
async fn of_a_request_that_is_not_taken_only_the_events_are_rejected_that_it_is_for() {
    for (index, compression) in ["none", "gzip"].into_iter().enumerate() {
        let (server, uri) = Server::deciding(move |request| {
            let text = if compression == "gzip" { examples::inflated(request) } else { request.text().to_owned() };
            if text.lines().any(|line| line == "5") { (400, "no 5".to_owned()) } else { (200, String::new()) }
        })
        .await;
        let (id, path) = (format!("halved{index}"), scratch(&format!("halved{index}")));
        let keys = format!("request.concurrency = 1\ncompression = '{compression}'\n{}", rejected_to(&id, &path));
        assert!(run(&pipeline(&id, "[8]", &uri, &keys)).await.is_clean());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "5,status 400 Bad Request: no 5\n");
        assert_eq!(told(&id), delivered(1));
        if compression == "none" {
            let all = "0\n1\n2\n3\n4\n5\n6\n7\n";
            assert_eq!(
                server.texts(),
                [all, "0\n1\n2\n3\n", "4\n5\n6\n7\n", "4\n5\n", "4\n", "5\n", "6\n7\n"],
                "in order"
            );
        }
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_arrives_in_parts() {
    let take = |request: &server::Received| (if request.text().lines().count() > 2 { 413 } else { 200 }, String::new());
    let (server, uri) = Server::deciding(take).await;
    assert!(run(&pipeline("too_large", "[8]", &uri, "request.concurrency = 1")).await.is_clean());
    assert_eq!(server.texts()[2..], ["0\n1\n", "2\n3\n", "4\n5\n6\n7\n", "4\n5\n", "6\n7\n"]);
    assert_eq!(told("too_large"), delivered(1));
}

#[tokio::test]
async fn a_server_that_takes_nothing_at_all_is_not_asked_of_every_event() {
    let (server, uri) = Server::deciding(|_| (400, "no such column".to_owned())).await;
    let path = scratch("hopeless");
    assert!(run(&pipeline("hopeless", "[3000]", &uri, &rejected_to("hopeless", &path))).await.is_clean());
    assert_eq!(server.received().len(), 1000);
    let rejected = std::fs::read_to_string(&path).unwrap();
    let expected = (0..3000).map(|number| format!("{number},status 400 Bad Request: no such column\n"));
    assert_eq!(rejected, expected.collect::<String>());
}

#[tokio::test]
async fn what_is_never_taken_and_nobody_wants_is_rejected() {
    // A redirect that is followed by GET would say 200, and have taken nothing.
    let moved = Says { headers: vec![("location", "/elsewhere".to_owned())], ..says(302) };
    let (server, uri) = Server::start([moved]).await;
    let keys = "request.concurrency = 1\nbatch.max_events = 1";
    assert!(run(&pipeline("unwanted", "[1, 1]", &uri, keys)).await.is_clean());
    assert_eq!(told("unwanted"), [(0, Outcome::Rejected), (1, Outcome::Delivered)]);
    assert_eq!(server.texts(), ["0\n", "1\n"]);
}

#[tokio::test]
async fn a_server_that_comes_late_gets_everything() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let server = Server::default();
    let late = server.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        late.listen(TcpListener::bind(address).await.unwrap());
    });
    let keys = "request.retry_max_duration_secs = 0.1";
    assert!(run(&pipeline("late", "[1, 1]", &format!("http://{address}"), keys)).await.is_clean());
    assert_eq!((server.texts(), told("late")), (vec!["0\n1\n".to_owned()], delivered(2)));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_asked_again() {
    let (server, uri) = Server::start([Says { after: Duration::from_secs(3600), ..says(200) }]).await;
    assert!(run(&pipeline("hangs", "[1]", &uri, "request.timeout_secs = 0.2")).await.is_clean());
    assert!(server.texts().len() >= 2);
    assert_eq!(told("hangs"), delivered(1));
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_allowed_and_the_source_waits() {
    let (server, uri) = Server::start([]).await;
    let gate = Arc::new(Semaphore::new(0));
    server.0.lock().unwrap().gate = Some(gate.clone());
    let keys = "request.concurrency = 3\nbatch.max_events = 1\nbuffer.max_events = 2";
    let toml = pipeline("slow", &format!("{:?}", [1; 12]), &uri, keys);
    let running = tokio::spawn(async move { run(&toml).await });
    let seen = || (server.received().len(), sent("slow"));
    until(|| seen() == (3, 5)).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(seen(), (3, 5), "three are under way, two wait, and that is all");
    gate.close();
    assert!(running.await.unwrap().is_clean());
    assert_eq!(server.0.lock().unwrap().most_under_way, 3);
    assert_eq!((server.received().len(), told("slow").len()), (12, 12));
}

#[tokio::test]
async fn what_waits_for_others_goes_in_time_and_at_the_end() {
    let (server, uri) = Server::start([]).await;
    let toml = pipeline("time", "[2]", &uri, "batch.timeout_secs = 0.1").replace("[2]", "[2]\nlingers = 60_000");
    // While the source runs.
    let delivered_in_time = until(|| told("time") == delivered(1));
    let report = build(&toml).run(delivered_in_time, Duration::from_secs(20)).await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(server.texts(), ["0\n1\n"]);
    let (server, uri) = Server::start([]).await;
    assert!(run(&pipeline("end", "[2, 1]", &uri, "batch.timeout_secs = 3600")).await.is_clean());
    assert_eq!((server.texts(), told("end")), (vec!["0\n1\n2\n".to_owned()], delivered(2)));
}

#[tokio::test]
async fn bodies_have_no_more_bytes_than_allowed() {
    let (server, uri) = Server::start([]).await;
    let keys = "batch.max_bytes = 100\nrequest.concurrency = 1";
    assert!(run(&pipeline("bytes", "[90, 30]", &uri, keys)).await.is_clean());
    let texts = server.texts();
    assert!(texts.iter().all(|text| text.len() <= 100), "{texts:?}");
    assert_eq!(texts.concat(), (0..120).map(|number| format!("{number}\n")).collect::<String>());
    assert!(texts.len() <= 5, "and they are filled: {texts:?}");
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let report = run(&pipeline("gone", "[1]", &format!("http://{address}/in"), "request.retry_attempts = 0")).await;
    assert_eq!(told("gone"), [(0, Outcome::Abandoned)]);
    let error = report.failures[0].error.to_string();
    assert!(error.starts_with(&format!("cannot deliver to http://{address}/in, tried once: ")), "{error}");
    assert!(error.contains("refused"), "{error}");
}

#[tokio::test]
async fn what_is_not_answered_by_the_deadline_is_abandoned() {
    let (server, uri) = Server::start([Says { after: Duration::from_secs(3600), ..says(200) }]).await;
    let keys = "request.concurrency = 1\nbatch.max_events = 1";
    let asked = until(|| !server.received().is_empty());
    let report = build(&pipeline("deadline", "[1, 2]", &uri, keys)).run(asked, Duration::from_millis(200)).await;
    assert_eq!(report.unfinished, ["deadline", "deadline_out"]);
    let mut told = told("deadline");
    told.sort();
    assert_eq!(told, [(0, Outcome::Abandoned), (1, Outcome::Abandoned)]);
    assert_eq!(server.texts(), ["0\n"]);
}

#[tokio::test]
async fn a_server_is_asked_whether_it_is_well_as_by_one_who_may_send() {
    let (server, uri) = Server::start([says(204), Says { body: "no hunter2-query\nhere", ..says(503) }]).await;
    let toml = |check: &str| {
        let keys = format!("auth = {{ strategy = 'bearer', token = 'hunter2-token' }}\n{check}\ncompression = 'gzip'");
        pipeline("healthcheck", "[1]", &format!("{uri}/in"), &keys)
    };
    let pipeline = build(&toml(&format!("healthcheck.uri = '{uri}/health?key=hunter2-query'")));
    assert!(pipeline.healthchecks().await.is_empty());
    let unhealthy = pipeline.healthchecks().await;
    assert_eq!(
        unhealthy[0].to_string(),
        format!(
            "sink \"healthcheck_out\" is not healthy: {uri}/health?key=*** answers status 503 Service Unavailable: no *** here"
        )
    );
    let received = server.received();
    assert_eq!(
        (received.len(), received[0].method.as_str(), received[0].uri.as_str()),
        (2, "GET", "/health?key=hunter2-query")
    );
    assert_eq!(received[0].header("authorization"), "Bearer hunter2-token");
    assert_eq!((received[0].header("content-type"), received[0].header("content-encoding")), ("", ""));
    assert!(!format!("{pipeline:?} {unhealthy:?}").contains("hunter2"));
    assert!(build(&toml("")).healthchecks().await.is_empty());
    assert_eq!(server.received().len(), 2, "it is asked nothing that it was not told to be asked");
}

#[tokio::test]
async fn what_a_sink_needs_and_cannot_reach_is_told_before_it_runs() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let gone = pipeline("gone", "[1]", &format!("http://{address}"), &format!("healthcheck.uri = 'http://{address}/'"));
    let told = build(&gone).healthchecks().await[0].to_string();
    assert!(told.contains(&format!("http://{address}/ answers nothing: ")) && told.contains("refused"), "{told}");
    let no_file = pipeline("tls", "[1]", &format!("https://{address}"), "tls.ca_file = '/nonexistent.pem'");
    let told = build(&no_file).healthchecks().await[0].to_string();
    assert!(told.contains("cannot read certificates from /nonexistent.pem"), "{told}");
}

/// Everything that is logged.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn when_attempts_are_used_up_it_says_what_happened_and_no_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::level_filters::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let body = "no\nroom for hunter2-password, hunter2-header, hunter2-query, or YW5uOmh1bnRlcjItcGFzc3dvcmQ=";
    let (server, uri) = Server::start([]).await;
    server.0.lock().unwrap().otherwise = Some(Says { body, ..says(507) });
    let keys = r#"
        auth = { strategy = "basic", user = "ann", password = "hunter2-password" }
        request.headers = { X-Key = "hunter2-header" }
        request.retry_attempts = 2
        compression = "gzip"
    "#;
    let toml = pipeline("used_up", "[1]", &format!("{uri}/in?key=hunter2-query"), keys);
    let (shown, report) = (format!("{:?}", build(&toml)), run(&toml).await);
    assert_eq!((server.received().len(), told("used_up")), (3, vec![(0, Outcome::Abandoned)]));
    let error = report.failures[0].to_string();
    assert_eq!(
        error,
        format!(
            "sink \"used_up_out\" failed: cannot deliver to {uri}/in?key=***, tried 3 times: \
             status 507 Insufficient Storage: no room for ***, ***, ***, or ***"
        )
    );
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("not delivered, sent again") && log.contains("key=***"), "{log}");
    for text in [log, error, shown, format!("{report:?}")] {
        assert!(!text.contains("hunter2") && !text.contains("YW5uOmh1"), "{text}");
    }
}
