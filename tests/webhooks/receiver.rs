//! A real web server that keeps what it gets and answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::support::certificates::certificates;
use super::support::until;

/// What it answers to one request; 200 when nothing is said.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reply {
    /// 429 asks for three seconds.
    Status(u16),
    Redirect,
    Never,
}

/// What it got.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) body: String,
    pub(super) timestamp: String,
    pub(super) signature: String,
    pub(super) at: Instant,
}

impl Request {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[derive(Debug, Default)]
struct Kept {
    taken: Vec<Request>,
    replies: VecDeque<Reply>,
}

pub(super) struct Receiver {
    port: u16,
    scheme: &'static str,
    kept: Arc<Mutex<Kept>>,
}

impl Receiver {
    pub(super) async fn start() -> Self {
        Self::at(0).await
    }

    pub(super) async fn at(port: u16) -> Self {
        let socket = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        Self::serve(socket, port, "http")
    }

    /// With the certificate of the tests' authority.
    pub(super) async fn over_tls() -> Self {
        let identity = &certificates().server;
        let chain = CertificateDer::pem_file_iter(&identity.certificate).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        Self::serve(Tls { socket, acceptor: TlsAcceptor::from(Arc::new(config)) }, port, "https")
    }

    fn serve<L>(listener: L, port: u16, scheme: &'static str) -> Self
    where
        L: Listener,
        L::Addr: std::fmt::Debug,
    {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let routes = Router::new().fallback(take).with_state(Arc::clone(&kept));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { port, scheme, kept }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}{path}", self.scheme, self.port)
    }

    /// To the next requests, in this order.
    pub(super) fn answers(&self, replies: impl IntoIterator<Item = Reply>) {
        self.kept.lock().unwrap().replies.extend(replies);
    }

    /// Everything it got, once that is so much at least.
    pub(super) async fn taken(&self, count: usize) -> Vec<Request> {
        let so_many = async || self.kept.lock().unwrap().taken.len() >= count;
        until(&format!("{count} requests"), so_many).await;
        self.kept.lock().unwrap().taken.clone()
    }

    pub(super) async fn bodies(&self, count: usize) -> Vec<Value> {
        self.taken(count).await.iter().map(Request::json).collect()
    }
}

async fn take(State(kept): State<Arc<Mutex<Kept>>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    assert_eq!(header("content-type"), "application/json");
    let request = Request {
        path: uri.path().to_owned(),
        body: String::from_utf8(body.to_vec()).unwrap(),
        timestamp: header("x-pgairlock-timestamp"),
        signature: header("x-pgairlock-signature"),
        at: Instant::now(),
    };
    let reply = {
        let mut kept = kept.lock().unwrap();
        kept.taken.push(request);
        kept.replies.pop_front().unwrap_or(Reply::Status(200))
    };
    match reply {
        Reply::Status(200) => "ok".into_response(),
        Reply::Status(429) => (StatusCode::TOO_MANY_REQUESTS, [("Retry-After", "3")], "no").into_response(),
        Reply::Status(status) => (StatusCode::from_u16(status).unwrap(), "no").into_response(),
        Reply::Redirect => (StatusCode::TEMPORARY_REDIRECT, [("Location", "/elsewhere")]).into_response(),
        Reply::Never => std::future::pending().await,
    }
}

struct Tls {
    socket: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (socket, address) = self.socket.accept().await.unwrap();
            // Who does not trust us goes away.
            if let Ok(stream) = self.acceptor.accept(socket).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.socket.local_addr()
    }
}
