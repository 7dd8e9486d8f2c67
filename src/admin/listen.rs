//! Connections to the admin port: plain or TLS, each with who is at its other end.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::transport::client_certificate;
use crate::transport::stream::Stream;
use crate::transport::tls::Acceptor;

/// Connections at once; further ones wait.
const MOST: usize = 256;
/// A handshake that takes longer is given up.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// A connection on which nothing comes or goes for so long is closed.
const IDLE: Duration = Duration::from_secs(75);
/// After an error of the listening socket, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    /// Of its certificate, which was checked.
    pub(super) subject: Option<String>,
    pub(super) is_tls: bool,
}

/// TLS, where there is some; it may be replaced at any time.
pub type Tls = watch::Receiver<Option<Arc<Acceptor>>>;

/// The open socket.
pub(super) struct Doors {
    incoming: mpsc::Receiver<(Guarded, Peer)>,
    local: SocketAddr,
}

impl Doors {
    /// Takes connections from now on; handshakes go on beside each other.
    pub(super) fn open(listener: TcpListener, tls: Tls) -> io::Result<Self> {
        let local = listener.local_addr()?;
        let (arrived, incoming) = mpsc::channel(MOST);
        tokio::spawn(take(listener, tls, arrived));
        Ok(Self { incoming, local })
    }
}

async fn take(listener: TcpListener, tls: Tls, arrived: mpsc::Sender<(Guarded, Peer)>) {
    let room = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = arrived.closed() => return,
        };
        let Ok((socket, address)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (tls, arrived) = (tls.borrow().clone(), arrived.clone());
        tokio::spawn(async move {
            // Who breaks the handshake hears nothing more.
            if let Ok(Some(stream)) = timeout(HANDSHAKE, greet(socket, tls)).await {
                // Whose certificate names nobody is nobody.
                let subject = stream.peer_leaf().and_then(|leaf| client_certificate::subject(leaf).ok());
                let peer = Peer { address: address.ip().to_canonical(), subject, is_tls: stream.is_tls() };
                let _ = arrived.send((Guarded::new(stream, permit), peer)).await;
            }
        });
    }
}

async fn greet(socket: TcpStream, tls: Option<Arc<Acceptor>>) -> Option<Stream> {
    let _ = socket.set_nodelay(true);
    match tls {
        None => Some(Stream::Plain(socket)),
        Some(tls) => tls.accept(socket).await.ok(),
    }
}

impl axum::serve::Listener for Doors {
    type Io = Guarded;
    type Addr = Peer;

    async fn accept(&mut self) -> (Guarded, Peer) {
        match self.incoming.recv().await {
            Some(arrived) => arrived,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer { address: self.local.ip(), subject: None, is_tls: false })
    }
}

impl Connected<IncomingStream<'_, Doors>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Doors>) -> Self {
        stream.remote_addr().clone()
    }
}

/// A connection that does not stay for ever when nobody speaks.
pub(super) struct Guarded {
    stream: Stream,
    silence: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl Guarded {
    fn new(stream: Stream, permit: OwnedSemaphorePermit) -> Self {
        Self { stream, silence: Box::pin(sleep_until(Instant::now() + IDLE)), _permit: permit }
    }

    /// What became of an attempt; an error where it has waited too long.
    fn guarded<T>(&mut self, cx: &mut Context<'_>, attempt: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if attempt.is_ready() {
            self.silence.as_mut().reset(Instant::now() + IDLE);
            return attempt;
        }
        ready!(self.silence.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let attempt = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.guarded(cx, attempt)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let attempt = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.guarded(cx, attempt)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let attempt = Pin::new(&mut self.stream).poll_flush(cx);
        self.guarded(cx, attempt)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let attempt = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.guarded(cx, attempt)
    }
}
