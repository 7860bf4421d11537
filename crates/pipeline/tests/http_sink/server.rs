//! A server that notes what comes and answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::serve::Listener;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) at: Instant,
}

impl Received {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// What a server says: a status, headers, a body, and how long it takes for that.
#[derive(Debug, Clone)]
pub(crate) struct Says {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: &'static str,
    pub(crate) after: Duration,
}

pub(crate) fn says(status: u16) -> Says {
    Says { status, headers: Vec::new(), body: "", after: Duration::ZERO }
}

/// What decides on an answer, a status and a body.
pub(crate) type Decides = Box<dyn FnMut(&Received) -> (u16, String) + Send>;

/// Notes what comes. It answers with what it was given, one after another, and then always with 200.
#[derive(Clone, Default)]
pub(crate) struct Server(pub(crate) Arc<Mutex<Noted>>);

#[derive(Default)]
pub(crate) struct Noted {
    pub(crate) received: Vec<Received>,
    answers: VecDeque<Says>,
    /// Answers instead of them.
    pub(crate) decides: Option<Decides>,
    /// What it says when it was given nothing else.
    pub(crate) otherwise: Option<Says>,
    /// While it is open, answers wait for its permits.
    pub(crate) gate: Option<Arc<Semaphore>>,
    under_way: usize,
    pub(crate) most_under_way: usize,
}

impl Server {
    pub(crate) async fn start(answers: impl IntoIterator<Item = Says>) -> (Self, String) {
        let server = Server::default();
        server.0.lock().unwrap().answers.extend(answers);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        server.listen(listener);
        (server, uri)
    }

    /// A server that answers as is decided of each request.
    pub(crate) async fn deciding(decides: impl FnMut(&Received) -> (u16, String) + Send + 'static) -> (Self, String) {
        let (server, uri) = Server::start([]).await;
        server.0.lock().unwrap().decides = Some(Box::new(decides));
        (server, uri)
    }

    pub(crate) fn listen<L: Listener<Addr: std::fmt::Debug>>(&self, listener: L) {
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.0.lock().unwrap().received.clone()
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        self.received().iter().map(|received| received.text().to_owned()).collect()
    }
}

async fn answer(State(server): State<Server>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    let (method, uri) = (parts.method.to_string(), parts.uri.to_string());
    let received = Received { method, uri, headers: parts.headers, body, at: Instant::now() };
    let (says, decided, gate) = {
        let mut noted = server.0.lock().unwrap();
        let decided = noted.decides.as_mut().map(|decides| decides(&received));
        noted.received.push(received);
        noted.under_way += 1;
        noted.most_under_way = noted.most_under_way.max(noted.under_way);
        let says = noted.answers.pop_front().or_else(|| noted.otherwise.clone()).unwrap_or(says(200));
        (says, decided, noted.gate.clone())
    };
    if let Some(gate) = gate {
        let _ = gate.acquire().await;
    }
    tokio::time::sleep(says.after).await;
    server.0.lock().unwrap().under_way -= 1;
    let (status, body) = decided.unwrap_or_else(|| (says.status, says.body.to_owned()));
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in says.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}
