//! Whose connection it is that was accepted: the peer's, or that of a client for whom a load balancer speaks.

use std::net::SocketAddr;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::accept::Client;
use super::login_error::LoginError;
use crate::config::settings::ProxyProtocol;
use crate::transport::stream::Stream;
use crate::wire::proxy_protocol::{self, HeaderError, Origin};

/// The connection, of which the header has been read where there has to be one, and nothing behind it; and the client's address. Not cancel safe.
///
/// # Errors
/// Who is at the other end has been told already, where it is told anything; the socket is closed.
pub(super) async fn find(
    mut socket: TcpStream,
    peer: SocketAddr,
    expected: &ProxyProtocol,
    deadline: Instant,
) -> Result<(TcpStream, SocketAddr), LoginError> {
    let ProxyProtocol::Required { from } = expected else { return Ok((socket, peer)) };
    let trusted = from.is_empty() || from.iter().any(|network| network.contains(peer.ip()));
    let found = if trusted {
        timeout_at(deadline, header(&mut socket)).await.unwrap_or(Err(LoginError::ClientSilent))
    } else {
        Err(LoginError::NoBalancer(peer.ip().to_canonical()))
    };
    match found {
        Ok(Origin::Client(client)) => Ok((socket, client)),
        Ok(Origin::Peer) => Ok((socket, peer)),
        Err(error) => Err(Client::new(Stream::Plain(socket)).refuse(error).await),
    }
}

/// Reads the header and not a byte more: what follows may be TLS. Not cancel safe.
async fn header(socket: &mut TcpStream) -> Result<Origin, LoginError> {
    let mut header = Vec::new();
    loop {
        let wanted = proxy_protocol::length(&header)?;
        let have = header.len();
        if have == wanted {
            return Ok(proxy_protocol::origin(&header)?);
        }
        let missing = u64::try_from(wanted - have).unwrap_or(0);
        match (&mut *socket).take(missing).read_buf(&mut header).await {
            Ok(1..) => {}
            Ok(0) if have > 0 => return Err(HeaderError::Truncated.into()),
            Ok(0) | Err(_) => return Err(LoginError::ClientGone),
        }
    }
}
