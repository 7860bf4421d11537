//! What the sink `http` is configured with, and what is wrong with it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use reqwest::Url;
use reqwest::header::{
    AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING, USER_AGENT,
};
use serde::Deserialize;

use super::HttpSink;
use super::auth::{self, AuthConfig, secret_value};
use super::bulk::BulkConfig;
use super::client::Endpoint;
use super::payload::{FramingConfig, Payload};
use super::secret::{Secret, Secrets};
use crate::codecs::EncodingConfig;
use crate::component::{BuildContext, BuildError, Problem, Sink, SinkConfig};
use crate::compression::Compression;
use crate::sinks::requests::{Backoff, Batcher, Limits, Problems, REJECTED};

/// Sends events to an HTTP server, many in a request. An event counts as delivered when its request was answered by 2xx; with `bulk`,
/// when the answer says so of it.
///
/// What a server answers by anything else than 2xx, 401, 403, 408, 429 or 5xx goes to the output `<id>.rejected`. By 400, 413 and 422
/// some of a request's events may be meant: it is halved until those are found.
///
/// ```toml
/// [sinks.api]
/// type = "http"
/// inputs = ["flows"]
/// uri = "https://logs.example.com/in"
/// encoding.codec = "json"
/// ```
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct HttpConfig {
    /// Where to, `http://` or `https://`. `user:password@` in it is as `auth.strategy = "basic"`. Neither that nor the values of
    /// its query are ever shown. Requests go by the proxy that `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` name, if any.
    uri: Secret,
    /// The method of requests. Default: `post`.
    #[serde(default)]
    method: Method,
    /// How events are written. The header `Content-Type` follows from it, unless `request.headers` has one.
    encoding: EncodingConfig,
    /// How events are told from one another in a body.
    #[serde(default)]
    framing: FramingConfig,
    /// What every body begins with, as `{"events":`. Default: nothing.
    #[serde(default)]
    payload_prefix: String,
    /// What every body ends with, as `}`. Default: nothing.
    #[serde(default)]
    payload_suffix: String,
    /// Bulk requests, as OpenSearch and Elasticsearch take them. The codec is `json` then. Default: none.
    bulk: Option<BulkConfig>,
    /// How bodies are compressed, which the header `Content-Encoding` says. Default: `none`.
    #[serde(default)]
    compression: Compression,
    /// Who the sink says that it is, in the header `Authorization`. Default: nobody.
    auth: Option<AuthConfig>,
    /// How requests are made, and made again.
    #[serde(default)]
    request: RequestConfig,
    /// What is in a request.
    #[serde(default)]
    batch: BatchConfig,
    /// Whom the sink trusts, of servers with `https`.
    #[serde(default)]
    tls: TlsConfig,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
enum Method {
    #[default]
    Post,
    Put,
    Patch,
}

#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
struct RequestConfig {
    /// Headers of every request. Their values are not shown. Default: none.
    headers: BTreeMap<String, Secret>,
    /// Seconds after which a request without an answer has failed. Default: 60.
    timeout_secs: f64,
    /// How many requests are under way at once, those included that wait to be sent again; fewer if they hold 32 MiB, of bodies and of
    /// what events were read from. With 1, events arrive in order. While there is no room for another, nothing more is taken.
    /// Default: 4.
    concurrency: usize,
    /// How often a request is sent again that was not answered, or by 401, 403, 408, 429 or 5xx. Then the sink ends, and its events are
    /// abandoned. Default: for ever.
    retry_attempts: Option<u64>,
    /// The most seconds before a request is sent again for the first time. They double each time, and chance takes any part of
    /// them; a server's `Retry-After` is waited for, up to an hour. Default: 1.
    retry_initial_backoff_secs: f64,
    /// The most seconds that those waits grow to. Default: 30.
    retry_max_duration_secs: f64,
}

impl Default for RequestConfig {
    fn default() -> Self {
        RequestConfig {
            headers: BTreeMap::new(),
            timeout_secs: 60.0,
            concurrency: 4,
            retry_attempts: None,
            retry_initial_backoff_secs: 1.0,
            retry_max_duration_secs: 30.0,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
struct BatchConfig {
    /// The most events. Default: as many as there is room for.
    max_events: Option<usize>,
    /// The most bytes of a body, before it is compressed; an event that is larger goes alone. Default: 10000000.
    max_bytes: usize,
    /// The most seconds that an event waits for others. Default: 1.
    timeout_secs: f64,
}

impl Default for BatchConfig {
    fn default() -> Self {
        BatchConfig { max_events: None, max_bytes: 10_000_000, timeout_secs: 1.0 }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
struct TlsConfig {
    /// A file of certificates (PEM) of authorities that are trusted beside those of the system.
    ca_file: Option<PathBuf>,
}

impl SinkConfig for HttpConfig {
    fn build(&self, context: &BuildContext) -> Result<Box<dyn Sink>, BuildError> {
        let mut problems = Problems::default();
        problems.0.extend(self.compression.problem());
        let encoder = problems.note(self.encoding.build());
        let payload = encoder.and_then(|encoder| {
            problems.note(Payload::new(encoder, &self.framing, &self.payload_prefix, &self.payload_suffix))
        });
        let payload = match &self.bulk {
            None => payload,
            Some(bulk) => {
                let actions = problems.note(bulk.build());
                payload.zip(actions).and_then(|(payload, actions)| problems.note(payload.of_bulk(actions)))
            }
        };
        let content_type = payload.as_ref().and_then(Payload::content_type);
        let mut endpoint = self.endpoint(content_type, &mut problems);
        let healthcheck_uri = context.healthcheck_uri.as_deref().and_then(|uri| problems.note(healthcheck_url(uri)));
        if let (Some(endpoint), Some(uri)) = (&mut endpoint, &healthcheck_uri) {
            endpoint.secrets.add_query(uri);
        }
        let limits = self.limits(&mut problems);
        let backoff = self.backoff(&mut problems);
        match (payload, endpoint, limits, backoff, problems.0.is_empty()) {
            (Some(payload), Some(endpoint), Some(limits), Some(backoff), true) => Ok(Box::new(HttpSink {
                id: context.id.clone(),
                frame: payload.frame(),
                bulk: self.bulk.as_ref().map(BulkConfig::action),
                batcher: Batcher::new(payload, limits),
                endpoint,
                healthcheck_uri,
                compression: self.compression,
                backoff,
                concurrency: self.request.concurrency,
            })),
            _ => Err(BuildError { problems: problems.0 }),
        }
    }

    fn outputs(&self) -> Vec<String> {
        vec![REJECTED.to_owned()]
    }

    fn asks_a_uri(&self) -> bool {
        true
    }
}

/// No line of the file is shown, with the secrets that may be in it.
fn healthcheck_url(text: &str) -> Result<Url, Problem> {
    let problem = |why: &str| Err(Problem::new(format!("healthcheck.uri cannot be used: {why}")));
    match Url::parse(text) {
        Err(error) => problem(&error.to_string()),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => problem("it is neither http nor https"),
        Ok(url) if !url.username().is_empty() || url.password().is_some() => problem("who the sink is says its auth")
            .map_err(|problem| problem.hint("leave user and password out of it")),
        Ok(url) => Ok(url),
    }
}

impl HttpConfig {
    fn limits(&self, problems: &mut Problems) -> Option<Limits> {
        let BatchConfig { max_events, max_bytes, timeout_secs } = self.batch;
        problems.at_least_one("batch.max_events", max_events.unwrap_or(1));
        problems.at_least_one("batch.max_bytes", max_bytes);
        let wait = problems.seconds("batch.timeout_secs", timeout_secs)?;
        Some(Limits { events: max_events.unwrap_or(usize::MAX), bytes: max_bytes, wait })
    }

    fn backoff(&self, problems: &mut Problems) -> Option<Backoff> {
        let request = &self.request;
        problems.at_least_one("request.concurrency", request.concurrency);
        let (initial, max) = (request.retry_initial_backoff_secs, request.retry_max_duration_secs);
        problems.backoff(initial, max, request.retry_attempts)
    }

    fn endpoint(&self, content_type: Option<&'static str>, problems: &mut Problems) -> Option<Endpoint> {
        let timeout = problems.seconds("request.timeout_secs", self.request.timeout_secs);
        let mut secrets = Secrets::default();
        let mut headers = self.headers(content_type, &mut secrets, problems);
        let mut url = problems.note(self.url())?;
        secrets.add_query(&url);
        let of_uri = problems.note(auth::of_uri(&mut url, &mut secrets)).flatten();
        let of_auth = self.auth.as_ref().and_then(|auth| problems.note(auth.header(&mut secrets)));
        let said_by = [("the uri", of_uri), ("auth", of_auth), ("a header", headers.get(AUTHORIZATION).cloned())];
        let mut said_by = said_by.into_iter().filter_map(|(what, value)| Some((what, value?)));
        if let Some((what, value)) = said_by.next() {
            headers.insert(AUTHORIZATION, value);
            if let Some((other, _)) = said_by.next() {
                problems.0.push(Problem::new(format!("{what} says who the sink is, and so does {other}")));
            }
        }
        Some(Endpoint {
            url,
            method: match self.method {
                Method::Post => reqwest::Method::POST,
                Method::Put => reqwest::Method::PUT,
                Method::Patch => reqwest::Method::PATCH,
            },
            headers,
            timeout: timeout?,
            ca_file: self.tls.ca_file.clone(),
            reads_answers: self.bulk.is_some(),
            secrets,
        })
    }

    fn url(&self) -> Result<Url, Problem> {
        let text = self.uri.reveal();
        let problem = |message: String| {
            let problem = Problem::new(message).hint("as http://host:port/path, or https://");
            // The line of the file is shown at its place, where no password must be.
            if text.contains(['@', '?']) { problem } else { problem.key("uri") }
        };
        let url = Url::parse(text).map_err(|error| problem(format!("the uri cannot be used: {error}")))?;
        match url.scheme() {
            "http" | "https" => Ok(url),
            _ => Err(problem("the uri is neither http nor https".to_owned())),
        }
    }

    fn headers(&self, content_type: Option<&'static str>, secrets: &mut Secrets, problems: &mut Problems) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let program = concat!("kinesis-logs-reader/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(program));
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        let coding = self.compression.content_coding();
        if let Some(coding) = coding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        for (name, text) in &self.request.headers {
            secrets.add(text.reveal());
            let problem = match (name.parse::<HeaderName>(), secret_value(text.reveal())) {
                (Err(_), _) => format!("{name:?} is no name for a header"),
                (Ok(CONTENT_LENGTH | TRANSFER_ENCODING | CONNECTION), _) => {
                    format!("the header {name} is the sink's own")
                }
                (Ok(CONTENT_ENCODING), _) if coding.is_some() => format!("the header {name} follows from compression"),
                (Ok(_), None) => format!("the value of {name} cannot stand in a header"),
                (Ok(name), Some(value)) => {
                    headers.insert(name, value);
                    continue;
                }
            };
            // It points to no line of the file, which would be shown, with the secrets in it. So it is for `auth`.
            problems.0.push(Problem::new(problem));
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_is_in_neither_the_config_nor_what_is_built_of_it() {
        let json = r#"{
            "uri": "https://ann:hunter2@logs.test/in?token=hunter2",
            "encoding": { "codec": "json" },
            "request": { "headers": { "X-Key": "hunter2", "hunter 2": "hunter2" } },
            "auth": { "strategy": "bearer", "token": "hunter2", "password": "hunter2" }
        }"#;
        let mut config: HttpConfig = serde_json::from_str(json).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        let error = config.build(&BuildContext::new("out", None)).err().unwrap();
        assert_eq!(error.problems.len(), 2);
        config.auth = None;
        config.request.headers.remove("hunter 2");
        assert!(config.build(&BuildContext::new("out", None)).is_ok());
        let shown = format!("{config:?} {error:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
