//! One listener: accepts, logs in, hands over.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::config::settings::ListenerSettings;
use crate::telemetry::{Event, LoginFailed, UpstreamError};

use super::connection::{self, Drain, Shared};
use super::login::{Login, LoginError, login};
use super::origin;
use crate::transport::tls::Acceptor;

/// What a listener is made of; replaced on reload for the connections that come then.
#[derive(Clone)]
pub(super) struct Front {
    pub(super) settings: ListenerSettings,
    pub(super) tls: Option<Arc<Acceptor>>,
}

/// Accepts until told to drain.
pub(super) async fn accept(socket: TcpListener, front: watch::Receiver<Front>, mut shared: Shared, room: Arc<Semaphore>, sessions: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            _ = shared.draining.wait_for(|drain| *drain != Drain::No) => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (front, shared, room) = (front.borrow().clone(), shared.clone(), Arc::clone(&room));
                sessions.spawn(async move { welcome(stream, peer, front, shared, room).await });
            }
            // Out of file descriptors, most likely: let some session end first.
            Err(error) => {
                LoginFailed { listener: &front.borrow().settings.name, client: "", kind: "accept", message: &error.to_string() }.emit();
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn welcome(stream: TcpStream, peer: SocketAddr, front: Front, shared: Shared, room: Arc<Semaphore>) {
    let id = Uuid::now_v7().to_string();
    let settings = Arc::clone(&shared.settings.borrow());
    // It covers the whole login.
    let deadline = Instant::now() + settings.timeouts.login;
    let (stream, address) = match origin::find(stream, peer, &front.settings.proxy_protocol, deadline).await {
        Ok(found) => found,
        Err(error) => return report(&error, &id, &front.settings.name, &peer.to_string()),
    };
    let client = address.to_string();
    match login(stream, address, &front.settings, front.tls.as_deref(), &settings, deadline, room).await {
        Ok(Login::Session(established, _place)) => {
            connection::run(*established, id, front.settings.name, front.settings.mode, client, shared).await;
        }
        Ok(Login::Cancelled(request)) => shared.siblings.cancel(&request),
        Err(error) => report(&error, &id, &front.settings.name, &client),
    }
}

fn report(error: &LoginError, session: &str, listener: &str, client: &str) {
    let message = error.to_string();
    if let LoginError::Unreachable(unreachable) = error {
        UpstreamError { session, upstream: &unreachable.upstream, kind: "connect", message: &message }.emit();
    }
    LoginFailed { listener, client, kind: error.kind(), message: &message }.emit();
}
