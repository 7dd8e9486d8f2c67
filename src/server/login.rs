//! From an accepted socket to a session that waits for its first ReadyForQuery.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::accept::{self, Client, Wish};
pub use super::login_error::LoginError;
use super::relay::{Binding, Exchange, Server};
use crate::config::settings::{ListenerSettings, Settings, UpstreamSettings};
use crate::policy::settings::{Mode, Principal};
use crate::transport::stream::Stream;
use crate::transport::tls::Acceptor;
use crate::upstream::{cancel, connect};
use crate::wire::startup::{CancelRequest, StartupMessage};
use crate::wire::startup_settings::{Who, unacceptable, who, with_lock_timeout};

/// How a connection's first seconds ended well.
#[derive(Debug)]
pub enum Login {
    /// A role is logged in; the session keeps its place until it ends.
    Session(Box<Established>, OwnedSemaphorePermit),
    /// A cancel request was passed on.
    Cancelled(CancelRequest),
}

/// A session whose client waits for ReadyForQuery. It has everything else of the login.
#[derive(Debug)]
pub struct Established {
    /// The client.
    pub client: Stream,
    /// Read from the client but not consumed.
    pub client_buffer: BytesMut,
    /// The server.
    pub server: Stream,
    /// Read from the server but not consumed.
    pub server_buffer: BytesMut,
    /// Who logged in.
    pub principal: Principal,
    /// The start-up packet as the client sent it.
    pub startup: StartupMessage,
    /// ParameterStatus by name, the last values.
    pub parameters: Vec<(String, String)>,
    /// Process id of BackendKeyData; 0 when a pooler sent none.
    pub backend_pid: u32,
    /// What cancels the session's statement; `None` when a pooler sent no key.
    pub cancel: Option<CancelRequest>,
    /// The upstream's name.
    pub upstream_name: String,
    /// `host:port` of the one that was connected to.
    pub upstream_address: String,
    /// What was put into the start-up packet; 0 is nothing.
    pub lock_timeout_ms: u64,
    /// The subject of the client's certificate, which has been verified.
    pub certificate: Option<String>,
}

/// Logs a client in where there is room, or passes its cancel request on, which needs none. Not cancel safe.
///
/// # Errors
/// The client has been told already, where it is told anything; the sockets are closed.
pub async fn login(
    stream: TcpStream,
    address: SocketAddr,
    listener: &ListenerSettings,
    tls: Option<&Acceptor>,
    settings: &Settings,
    deadline: Instant,
    room: Arc<Semaphore>,
) -> Result<Login, LoginError> {
    let accepted = timeout_at(deadline, accept::accept(stream, listener, tls)).await;
    let (client, wish) = accepted.unwrap_or(Err(LoginError::ClientSilent))?;
    match wish {
        Wish::Cancel(request) => {
            tracing::debug!(client = %address, listener = listener.name, "cancel request");
            cancel::forward(&request, settings).await;
            let mut stream = client.stream;
            // libpq takes an end without close_notify for a failed cancel; a client that is gone already needs no answer.
            let _ = stream.shutdown().await;
            Ok(Login::Cancelled(request))
        }
        Wish::Session(startup) => match room.try_acquire_owned() {
            Ok(place) => {
                session(client, startup, Context { listener, tls, settings, deadline }).await.map(|established| Login::Session(established, place))
            }
            Err(_) => Err(client.refuse(LoginError::TooManySessions).await),
        },
    }
}

#[derive(Clone, Copy)]
struct Context<'a> {
    listener: &'a ListenerSettings,
    tls: Option<&'a Acceptor>,
    settings: &'a Settings,
    deadline: Instant,
}

impl Context<'_> {
    fn server_silent(&self, upstream: &UpstreamSettings) -> LoginError {
        LoginError::ServerSilent { upstream: upstream.name.clone(), limit: self.settings.timeouts.login }
    }
}

async fn session(mut client: Client, startup: StartupMessage, context: Context<'_>) -> Result<Box<Established>, LoginError> {
    match establish(&mut client, &startup, context).await {
        Ok((server, address, exchange, admitted)) => Ok(Box::new(Established {
            client: client.stream,
            client_buffer: client.buffer,
            certificate: client.certificate,
            server: server.stream,
            server_buffer: server.buffer,
            principal: admitted.principal,
            startup,
            parameters: exchange.parameters,
            backend_pid: exchange.backend_pid,
            cancel: (!exchange.backend_key.is_empty()).then(|| CancelRequest::of(&exchange.backend_key)),
            upstream_name: server.upstream,
            upstream_address: address,
            lock_timeout_ms: admitted.lock_timeout_ms,
        })),
        Err(error) => Err(client.refuse(error).await),
    }
}

async fn establish(client: &mut Client, startup: &StartupMessage, context: Context<'_>) -> Result<(Server, String, Exchange, Admitted), LoginError> {
    let admitted = admit(startup, context.listener.mode, context.settings.timeouts.lock)?;
    let database = &admitted.principal.database;
    let upstream = context.settings.upstream_for(database).ok_or_else(|| LoginError::UnknownDatabase(database.clone()))?;
    let connected = timeout_at(context.deadline, connect::connect(upstream, context.settings.timeouts.connect)).await;
    let (address, stream) = connected.map_err(|_| context.server_silent(upstream))??;
    let mut exchange = Exchange::new(Binding::between(&client.stream, &stream, context.tls));
    let mut server = Server { upstream: upstream.name.clone(), stream, buffer: BytesMut::new() };
    let packet = admitted.message.encode().ok_or(LoginError::TooLong)?;
    let conversation = async {
        server.write(&packet).await?;
        exchange.run(client, &mut server).await
    };
    match timeout_at(context.deadline, conversation).await {
        Ok(result) => result?,
        Err(_) if exchange.waits_for_client() => return Err(LoginError::ClientSilent),
        Err(_) => return Err(context.server_silent(upstream)),
    }
    Ok((server, address, exchange, admitted))
}

/// A start-up packet that may go to a server.
struct Admitted {
    principal: Principal,
    message: StartupMessage,
    lock_timeout_ms: u64,
}

/// Mode `off` forwards the packet as it is.
fn admit(startup: &StartupMessage, mode: Mode, lock: Duration) -> Result<Admitted, LoginError> {
    let Who { role, database, application_name } = who(startup).ok_or(LoginError::NoRole)?;
    let principal = Principal { role, database, application_name };
    if mode == Mode::Off {
        return Ok(Admitted { principal, message: startup.clone(), lock_timeout_ms: 0 });
    }
    // Exemptions go by name: two names must not look alike.
    if ["user", "database"].iter().filter_map(|key| startup.value(key)).any(|name| std::str::from_utf8(name).is_err()) {
        return Err(LoginError::NotUtf8);
    }
    if let Some(unacceptable) = unacceptable(startup) {
        return Err(LoginError::Unacceptable(unacceptable));
    }
    let cap = u64::try_from(lock.as_millis()).unwrap_or(u64::MAX);
    let (message, lock_timeout_ms) = with_lock_timeout(startup, cap);
    Ok(Admitted { principal, message, lock_timeout_ms })
}
