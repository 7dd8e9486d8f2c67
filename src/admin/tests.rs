use metrics_exporter_prometheus::PrometheusBuilder;
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::store::Place;

/// Admin HTTP on a free port, over a store of its own.
struct Running {
    directory: TempDir,
    address: SocketAddr,
    state: AdminState,
}

impl Running {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&Place::File(directory.path().join("store.db"))).unwrap();
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || metrics::counter!("pgairlock_test_total").increment(3));
        let metrics = Metrics::from(recorder.handle());
        let state = AdminState { readiness: Readiness::default(), store, metrics, checkpoints: Failing::default(), board: None };
        Self::serve(directory, state).await
    }

    async fn serve(directory: TempDir, state: AdminState) -> Self {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        // Without TLS.
        let (_never, tls) = tokio::sync::watch::channel(None);
        tokio::spawn(serve(listener, tls, state.clone()));
        Self { directory, address, state }
    }

    /// The status code and the whole reply.
    async fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        (reply.split(' ').nth(1).unwrap().parse().unwrap(), reply)
    }

    async fn ready(&self) -> (u16, String) {
        let (status, reply) = self.get("/readyz").await;
        (status, reply.lines().last().unwrap().to_owned())
    }

    fn store(&self) -> Connection {
        Connection::open(self.directory.path().join("store.db")).unwrap()
    }
}

#[tokio::test]
async fn health_is_told_whatever_else_is_wrong() {
    let running = Running::start().await;
    running.state.store.close().await.unwrap();
    assert_eq!(running.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn ready_means_listening_and_not_draining() {
    let running = Running::start().await;
    assert_eq!(running.ready().await, (503, "not ready: starting".into()));
    running.state.readiness.set_listening();
    assert_eq!(running.ready().await, (200, "ready".into()));
    running.state.readiness.set_draining();
    assert_eq!(running.ready().await, (503, "not ready: draining".into()));
}

#[tokio::test]
async fn ready_means_that_the_store_can_be_written() {
    let running = Running::start().await;
    running.state.readiness.set_listening();
    let other = running.store();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(running.ready().await, (503, "not ready: store is locked by another process".into()));
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(running.ready().await, (200, "ready".into()));
    running.state.store.close().await.unwrap();
    assert_eq!(running.ready().await, (503, "not ready: store is closed".into()));
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let (status, reply) = Running::start().await.get("/metrics").await;
    assert_eq!(status, 200);
    assert!(reply.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{reply}");
    assert!(reply.lines().any(|line| line == "pgairlock_test_total 3"), "{reply}");
}

#[tokio::test]
async fn other_paths_are_not_found() {
    assert_eq!(Running::start().await.get("/").await.0, 404);
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let running = Running::start().await;
    let error = bind(running.address).await.map(drop).unwrap_err().to_string();
    assert!(error.starts_with(&format!("admin address {}: Address already in use", running.address)), "{error}");
}

/// Just then somebody looks at them.
#[tokio::test]
async fn metrics_do_not_wait_for_a_store_that_hangs() {
    let running = Running::start().await;
    let store = running.store();
    store.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (status, reply) = time::timeout(READY_DEADLINE / 2, running.get("/metrics")).await.expect("at once");
    assert!(status == 200 && reply.contains("pgairlock_test_total 3"), "{reply}");
    assert_eq!(running.ready().await.0, 503);
}
