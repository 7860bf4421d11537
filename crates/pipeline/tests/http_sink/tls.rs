//! Requests over TLS, with an authority of the tests' own.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::serve::Listener;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::numbers::told;
use crate::server::Server;
use crate::{delivered, pipeline, run};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http_sink/tls").join(name)
}

/// Connections that have shaken hands.
struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let Ok((stream, address)) = self.listener.accept().await else { continue };
            // Who does not trust the certificate has gone.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A server on `localhost`, and its port.
async fn start() -> (Server, u16) {
    let certificate = CertificateDer::from_pem_file(file("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate], key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = Server::default();
    server.listen(TlsListener { listener, acceptor: TlsAcceptor::from(Arc::new(config)) });
    (server, port)
}

#[tokio::test]
async fn a_server_is_trusted_by_the_authority_of_a_file() {
    let (server, port) = start().await;
    let keys = format!("tls.ca_file = '{}'", file("authority.pem").display());
    let report = run(&pipeline("tls", "[2]", &format!("https://localhost:{port}/in"), &keys)).await;
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((server.texts(), told("tls")), (vec!["0\n1\n".to_owned()], delivered(1)));
}

#[tokio::test]
async fn a_server_of_another_name_is_not_trusted() {
    let (server, port) = start().await;
    let keys = format!("request.retry_attempts = 1\ntls.ca_file = '{}'", file("authority.pem").display());
    let report = run(&pipeline("other_name", "[1]", &format!("https://127.0.0.1:{port}/in"), &keys)).await;
    let error = report.failures[0].error.to_string();
    assert!(error.contains("certificate"), "{error}");
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn a_file_without_certificates_is_named() {
    for (name, why) in [("server.key", "there are none in it"), ("none.pem", "o such file")] {
        let keys = format!("tls.ca_file = '{}'", file(name).display());
        let report = run(&pipeline(&format!("{name}_ca").replace('.', "_"), "[1]", "https://localhost:1", &keys)).await;
        let error = report.failures[0].to_string();
        assert!(error.contains(name) && error.contains(why), "{error}");
    }
}
