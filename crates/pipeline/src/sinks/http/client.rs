//! The HTTP client: a body goes out, a status comes back.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Method, Response, Url, redirect, retry};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::Instant;

use super::answer::{Answer, Unread, http_date, retry_after};
use super::delivery::{Transport, Unanswered};
use super::secret::{Secrets, shown};
use crate::component::ComponentError;
use crate::run::chain;

/// How much of an answer is read, so that its connection can be used again.
const READ_BYTES: usize = 64 << 10;
/// How much of an answer is read, and kept, that says of each event what became of it.
const WHOLE_BYTES: usize = 32 << 20;
/// How much of it is looked at for what to show.
const LOOKED_AT_BYTES: usize = 4 << 10;
/// How much of it is shown.
const SHOWN_CHARS: usize = 300;

/// Where requests go, and how. Full of secrets, so that it has no `Debug`.
#[derive(Clone)]
pub(super) struct Endpoint {
    /// Without user and password, which are among the headers.
    pub(super) url: Url,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    pub(super) ca_file: Option<PathBuf>,
    /// Whether answers of 2xx say more than that they are.
    pub(super) reads_answers: bool,
    pub(super) secrets: Secrets,
}

/// Sends requests over connections that it keeps.
pub(super) struct Client {
    client: reqwest::Client,
    endpoint: Endpoint,
}

impl Client {
    /// A client that has read the certificates of authorities that it needs. It connects when there is something to send.
    pub(super) async fn open(endpoint: Endpoint) -> Result<Self, ComponentError> {
        let (is_tls, ca_file) = (endpoint.url.scheme() == "https", endpoint.ca_file.clone());
        let roots =
            tokio::task::spawn_blocking(
                move || if is_tls { roots(ca_file.as_deref()) } else { Ok(RootCertStore::empty()) },
            );
        let roots =
            roots.await.map_err(|error| ComponentError::new("reading certificates ended").caused_by(error))??;
        let unusable = |error: &dyn Error| ComponentError::new(format!("cannot set up TLS: {}", chain(error)));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut tls = tls.map_err(|error| unusable(&error))?.with_root_certificates(roots).with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            // One that is followed with another method says 200 without having taken anything.
            .redirect(redirect::Policy::none())
            // It is decided elsewhere.
            .retry(retry::never())
            .build();
        Ok(Client { client: client.map_err(|error| unusable(&error))?, endpoint })
    }

    /// Asks whether the server is well, as one that may send events.
    pub(super) async fn is_well(&self, uri: Url) -> Result<(), ComponentError> {
        let failed = |why: String| ComponentError::new(format!("{} answers {why}", shown(&uri)));
        let mut headers = self.endpoint.headers.clone();
        headers.remove(CONTENT_TYPE);
        headers.remove(CONTENT_ENCODING);
        let asked = self.client.get(uri.clone()).headers(headers).timeout(self.endpoint.timeout).send().await;
        let response = asked.map_err(|error| failed(format!("nothing: {}", self.unanswered(error).0)))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let mut beginning = Vec::new();
        // The status says enough.
        let _ = read(response, LOOKED_AT_BYTES, LOOKED_AT_BYTES, &mut beginning).await;
        let text = self.shown_bytes(&beginning);
        Err(failed(Answer { status, retry_after: None, text, body: Err(Unread::NotAsked) }.to_string()))
    }

    /// What an error says, without the URI.
    fn unanswered(&self, error: reqwest::Error) -> Unanswered {
        let error = error.without_url();
        // Itself it says no more than that there was one.
        let why = error.source().map_or_else(|| error.to_string(), chain);
        Unanswered(self.endpoint.secrets.hidden_in(&why))
    }

    /// What the body of an answer begins with, on one line.
    fn shown_bytes(&self, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body);
        let line = text.split(|char: char| char.is_whitespace() || char.is_control()).filter(|word| !word.is_empty());
        let line = self.endpoint.secrets.hidden_in(&line.collect::<Vec<_>>().join(" "));
        match line.char_indices().nth(SHOWN_CHARS) {
            Some((end, _)) => format!("{} ...", &line[..end]),
            None => line,
        }
    }
}

impl Transport for Client {
    async fn send(&self, body: Bytes) -> Result<Answer, Unanswered> {
        let Endpoint { url, method, headers, timeout, .. } = &self.endpoint;
        let deadline = Instant::now() + *timeout;
        let request = self.client.request(method.clone(), url.clone()).headers(headers.clone()).body(body);
        let response = match tokio::time::timeout_at(deadline, request.send()).await {
            Ok(response) => response.map_err(|error| self.unanswered(error))?,
            Err(_) => return Err(Unanswered(format!("no answer within {} s", timeout.as_secs_f64()))),
        };
        let status = response.status();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let now = header(DATE).and_then(http_date).unwrap_or_else(Timestamp::now);
        let retry_after = header(RETRY_AFTER).and_then(|value| retry_after(value, now));
        let is_read = self.endpoint.reads_answers && status.is_success();
        let (most, kept) = if is_read { (WHOLE_BYTES, WHOLE_BYTES) } else { (READ_BYTES, LOOKED_AT_BYTES) };
        let mut body = Vec::new();
        // Where nothing more is asked the status counts, whether the rest comes or not.
        let read = tokio::time::timeout_at(deadline, read(response, most, kept, &mut body)).await;
        let text = self.shown_bytes(&body[..body.len().min(LOOKED_AT_BYTES)]);
        let body = match (is_read, read) {
            (false, _) => Err(Unread::NotAsked),
            (true, Ok(Ok(()))) => Ok(body),
            (true, Ok(Err(unread))) => Err(unread),
            (true, Err(_)) => Err(Unread::BrokenOff),
        };
        Ok(Answer { status, retry_after, text, body })
    }

    fn shown(&self, text: &str) -> String {
        self.shown_bytes(text.as_bytes())
    }
}

/// Reads an answer to its end, but no more than `most` bytes, and keeps the first of them.
async fn read(mut response: Response, most: usize, kept: usize, beginning: &mut Vec<u8>) -> Result<(), Unread> {
    let mut read = 0;
    while let Some(chunk) = response.chunk().await.map_err(|_| Unread::BrokenOff)? {
        read += chunk.len();
        let room = kept.saturating_sub(beginning.len()).min(chunk.len());
        beginning.extend_from_slice(&chunk[..room]);
        if read > most {
            return Err(Unread::TooLong);
        }
    }
    Ok(())
}

/// The authorities that the system trusts, and those of a file.
fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, ComponentError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = ca_file {
        let unusable = |error: Box<dyn Error + Send + Sync>| {
            ComponentError::new(format!("cannot read certificates from {}", path.display())).caused_by(error)
        };
        let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.into()))?;
        let before = roots.len();
        for certificate in certificates {
            let certificate = certificate.map_err(|error| unusable(error.into()))?;
            roots.add(certificate).map_err(|error| unusable(error.into()))?;
        }
        if roots.len() == before {
            return Err(unusable("there are none in it".into()));
        }
    }
    if roots.is_empty() {
        let why = system.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        return Err(ComponentError::new(format!(
            "the system has no certificates of authorities that can be used {why}"
        ))
        .with_hint("install the package ca-certificates, or set tls.ca_file"));
    }
    Ok(roots)
}
