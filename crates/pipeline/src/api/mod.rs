//! An HTTP server that tells how a running pipeline stands: what `[api]` in a configuration asks for.
//!
//! It only answers `GET`, and nothing that it answers is of a configuration but names of components, their types and streams.

mod exposition;
mod prometheus;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header::CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::component::{ComponentError, ShardStatus};
use crate::run::Metrics;

/// How long the end waits for whoever is being answered.
const MAX_END: Duration = Duration::from_secs(1);

/// Its place, taken: whoever connects waits until there is a pipeline to tell of.
#[derive(Debug)]
pub(crate) struct Listener(TcpListener);

impl Listener {
    /// # Errors
    ///
    /// If it cannot listen there.
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, ComponentError> {
        TcpListener::bind(address).await.map(Listener).map_err(|error| {
            ComponentError::new(format!("cannot listen at {address}, which is api.address"))
                .caused_by(error)
                .with_hint("set api.address to one that is free, or api.enabled = false")
        })
    }
}

/// A server that answers.
#[derive(Debug)]
pub(crate) struct Server {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    /// Answers from now on, also those who have waited.
    pub(crate) fn start(Listener(listener): Listener, metrics: Metrics) -> Self {
        if let Ok(address) = listener.local_addr() {
            tracing::info!(%address, "the API listens");
            if !address.ip().is_loopback() {
                tracing::warn!(%address, "the API answers everybody who can reach it, and asks nobody who they are");
            }
        }
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(async move {
            let serving = axum::serve(listener, routes(metrics)).with_graceful_shutdown(async {
                // A sender that is dropped means the same.
                let _ = ended.await;
            });
            if let Err(error) = serving.await {
                tracing::error!(%error, "the API has ended");
            }
        });
        Server { end, task }
    }

    /// Listens no more.
    pub(crate) async fn end(mut self) {
        let _ = self.end.send(());
        if tokio::time::timeout(MAX_END, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

fn routes(metrics: Metrics) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(prometheus_text))
        .route("/components", get(components))
        .route("/shards", get(shards))
        .with_state(metrics)
}

async fn health(State(metrics): State<Metrics>) -> impl IntoResponse {
    let is_healthy = metrics.is_healthy();
    let status = if is_healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, as_json(&json!({ "ok": is_healthy })))
}

async fn prometheus_text(State(metrics): State<Metrics>) -> impl IntoResponse {
    let text = prometheus::text(&metrics.snapshot(), &metrics.streams().await);
    ([(CONTENT_TYPE, exposition::CONTENT_TYPE)], text)
}

async fn components(State(metrics): State<Metrics>) -> impl IntoResponse {
    let snapshot = metrics.snapshot();
    as_json(&json!({ "uptime_seconds": snapshot.uptime.as_secs_f64(), "components": snapshot.components }))
}

/// A stream, without the counters that `/metrics` has.
#[derive(Serialize)]
struct Stream<'a> {
    component_id: &'a str,
    stream: &'a str,
    worker_id: &'a Option<String>,
    max_millis_behind_latest: Option<i64>,
    unsettled_bytes: u64,
    shards: &'a [ShardStatus],
}

async fn shards(State(metrics): State<Metrics>) -> impl IntoResponse {
    let streams = metrics.streams().await;
    let streams = streams.iter().map(|(component_id, status)| Stream {
        component_id,
        stream: &status.stream,
        worker_id: &status.worker_id,
        max_millis_behind_latest: status.max_millis_behind_latest(),
        unsettled_bytes: status.unsettled_bytes,
        shards: &status.shards,
    });
    as_json(&json!({ "streams": streams.collect::<Vec<_>>() }))
}

fn as_json(value: &serde_json::Value) -> impl IntoResponse + use<> {
    ([(CONTENT_TYPE, "application/json")], value.to_string())
}
