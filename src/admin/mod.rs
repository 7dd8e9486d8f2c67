//! Admin HTTP: health and metrics for everybody, and the dashboard for whom the config lets in.

mod access;
mod api;
mod assets;
mod board;
mod deciding;
mod gate;
mod listen;
pub mod live;
mod login;
mod pages;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::time;

use crate::store::Store;
use crate::telemetry::{AdminTokensUnreadable, Event, Metrics, Scraped};
pub use access::tokens;
pub use board::{Board, Sessions};
use listen::Doors;
pub use listen::Tls;

/// A probe waits this long for the store; shorter than the probes of usual orchestrators would be strict.
const READY_DEADLINE: Duration = Duration::from_secs(1);
/// Between two foldings of histogram samples.
const UPKEEP: Duration = Duration::from_secs(5);

/// Why admin HTTP does not run.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address cannot be listened on.
    #[error("admin address {address}: {source}")]
    Bind {
        /// As configured.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Nobody could be told from anybody.
    #[error("{0}")]
    Access(String),
}

/// Where the process stands; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicU8>);

const STARTING: u8 = 0;
const LISTENING: u8 = 1;
const DRAINING: u8 = 2;

impl Readiness {
    /// All listeners are open.
    pub fn set_listening(&self) {
        self.0.store(LISTENING, Ordering::Release);
    }

    /// No new sessions from now on.
    pub fn set_draining(&self) {
        self.0.store(DRAINING, Ordering::Release);
    }

    /// Why not, if not.
    fn check(&self) -> Result<(), &'static str> {
        match self.0.load(Ordering::Acquire) {
            STARTING => Err("starting"),
            LISTENING => Ok(()),
            _ => Err("draining"),
        }
    }
}

/// Whether something failed when it was last tried; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Failing(Arc<std::sync::atomic::AtomicBool>);

impl Failing {
    /// Whether that is so.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// From now on.
    pub fn set(&self, failing: bool) {
        self.0.store(failing, Ordering::Relaxed);
    }
}

/// What the handlers look at.
#[derive(Clone)]
pub struct AdminState {
    /// Whether checkpoints of the log can be written.
    pub checkpoints: Failing,
    /// Where the process stands.
    pub readiness: Readiness,
    /// Asked by `/readyz`.
    pub store: Store,
    /// Shown by `/metrics`.
    pub metrics: Metrics,
    /// The dashboard, where there is to be one.
    pub board: Option<Board>,
}

/// Opens the socket.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, AdminError> {
    TcpListener::bind(address).await.map_err(|source| AdminError::Bind { address, source })
}

/// Serves until dropped.
pub async fn serve(listener: TcpListener, tls: Tls, state: AdminState) {
    let store = Failing::default();
    let upkeep = keep_up(state.clone(), store.clone());
    let board = state.board.clone();
    let probes = Router::new().route("/healthz", get(health)).route("/readyz", get(ready)).with_state(state.clone());
    let probes = probes.merge(Router::new().route("/metrics", get(metrics)).with_state((state, store)));
    let routes = match &board {
        None => probes,
        Some(board) => probes.merge(pages::routes(board.clone())),
    };
    let doors = Doors::open(listener, tls);
    tokio::select! {
        () = doors.serve(routes) => {}
        () = upkeep => {}
        () = keep_tokens(board) => {}
    }
}

async fn keep_tokens(board: Option<Board>) {
    match board {
        None => std::future::pending().await,
        Some(board) => board.access.keep_up(|error| AdminTokensUnreadable { error }.emit()).await,
    }
}

/// Also looks whether the store answers, so that who reads the metrics does not wait for one that hangs: it is then that they are needed.
async fn keep_up(state: AdminState, store: Failing) {
    let mut interval = time::interval(UPKEEP);
    loop {
        interval.tick().await;
        state.metrics.upkeep();
        store.set(store_fails(&state).await.is_some());
    }
}

/// The process answers: it lives.
async fn health() -> &'static str {
    "ok\n"
}

async fn ready(State(state): State<AdminState>) -> (StatusCode, String) {
    match reason_against(&state).await {
        None => (StatusCode::OK, "ready\n".into()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    }
}

async fn reason_against(state: &AdminState) -> Option<String> {
    match reason_at_hand(state) {
        None => store_fails(state).await,
        reason => reason,
    }
}

/// What nobody need be asked for.
fn reason_at_hand(state: &AdminState) -> Option<String> {
    if let Err(reason) = state.readiness.check() {
        return Some(reason.into());
    }
    state.checkpoints.is_set().then(|| "no checkpoint of the audit log can be written; see the log".into())
}

async fn store_fails(state: &AdminState) -> Option<String> {
    match time::timeout(READY_DEADLINE, state.store.ready()).await {
        Ok(answer) => answer.err().map(|error| error.to_string()),
        Err(_) => Some(format!("store did not answer within {READY_DEADLINE:?}")),
    }
}

async fn metrics(State((state, store)): State<(AdminState, Failing)>) -> impl IntoResponse {
    let ready = reason_at_hand(&state).is_none() && !store.is_set();
    Scraped { ready, owed: state.store.owed(), queued: state.store.queued() }.emit();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.metrics.render())
}

#[cfg(test)]
mod approvals_tests;
#[cfg(test)]
mod board_tests;
#[cfg(test)]
mod tests;
