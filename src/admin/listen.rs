//! Connections to the admin port: plain or TLS, each with who is at its other end.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
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
/// A connection on which so long no request has come to its end of headers, the first or the next, is closed.
const HEAD: Duration = Duration::from_secs(30);
/// Connections of one address at once; of its further ones nothing is heard. Others have room, too.
const MOST_OF_ONE: usize = 128;
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
}

impl Doors {
    /// Takes connections from now on; handshakes go on beside each other.
    pub(super) fn open(listener: TcpListener, tls: Tls) -> Self {
        let (arrived, incoming) = mpsc::channel(MOST);
        tokio::spawn(take(listener, tls, arrived));
        Self { incoming }
    }

    /// Answers until dropped. Not by `axum::serve`, which gives a client for ever to say what it wants.
    pub(super) async fn serve(mut self, routes: Router) {
        while let Some((stream, peer)) = self.incoming.recv().await {
            let service = TowerToHyperService::new(routes.clone().layer(Extension(ConnectInfo(peer))));
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD);
            // Whoever breaks the connection off hears nothing more.
            tokio::spawn(async move { http.serve_connection(TokioIo::new(stream), service).await });
        }
        std::future::pending().await
    }
}

async fn take(listener: TcpListener, tls: Tls, arrived: mpsc::Sender<(Guarded, Peer)>) {
    let (room, guests) = (Arc::new(Semaphore::new(MOST)), Guests::default());
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
        let Some(place) = guests.seat(address.ip().to_canonical()) else { continue };
        let (tls, arrived) = (tls.borrow().clone(), arrived.clone());
        tokio::spawn(async move {
            // Who breaks the handshake hears nothing more.
            if let Ok(Some(stream)) = timeout(HANDSHAKE, greet(socket, tls)).await {
                // Whose certificate names nobody is nobody.
                let subject = stream.peer_leaf().and_then(|leaf| client_certificate::subject(leaf).ok());
                let peer = Peer { address: address.ip().to_canonical(), subject, is_tls: stream.is_tls() };
                let _ = arrived.send((Guarded::new(stream, (permit, place)), peer)).await;
            }
        });
    }
}

/// How many connections each address has.
#[derive(Debug, Clone, Default)]
struct Guests(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One of them, until this is dropped.
struct Place(Guests, IpAddr);

impl Guests {
    fn seat(&self, address: IpAddr) -> Option<Place> {
        let mut guests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = guests.entry(address).or_default();
        if *count >= MOST_OF_ONE {
            return None;
        }
        *count += 1;
        Some(Place(self.clone(), address))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self(guests, address) = self;
        let mut guests = guests.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = guests.get_mut(address) {
            *count -= 1;
            if *count == 0 {
                guests.remove(address);
            }
        }
    }
}

async fn greet(socket: TcpStream, tls: Option<Arc<Acceptor>>) -> Option<Stream> {
    let _ = socket.set_nodelay(true);
    match tls {
        None => Some(Stream::Plain(socket)),
        Some(tls) => tls.accept(socket).await.ok(),
    }
}

/// A connection that does not stay for ever when nobody speaks.
pub(super) struct Guarded {
    stream: Stream,
    silence: Pin<Box<Sleep>>,
    _room: (OwnedSemaphorePermit, Place),
}

impl Guarded {
    fn new(stream: Stream, room: (OwnedSemaphorePermit, Place)) -> Self {
        Self { stream, silence: Box::pin(sleep_until(Instant::now() + IDLE)), _room: room }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_all_the_room() {
        let (guests, own, other) = (Guests::default(), "10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let mut places: Vec<Place> = (0..MOST_OF_ONE).map(|_| guests.seat(own).unwrap()).collect();
        assert!(guests.seat(own).is_none() && guests.seat(other).is_some());
        places.pop();
        assert!(guests.seat(own).is_some());
        drop(places);
        assert!(guests.0.lock().unwrap().is_empty(), "who has gone is forgotten");
    }
}
