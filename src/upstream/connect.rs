//! A connection to a database server: hosts in order, TLS as configured.

use std::fmt::{self, Display};
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::settings::{ServerTls, UpstreamSettings};
use crate::transport::stream::{self, Stream};
use crate::transport::tls::{self, TlsError};
use crate::wire::startup::SSL_REQUEST;

/// Why one host could not be used.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Not `host:port`.
    #[error("not of the form host:port")]
    Address,
    /// Name resolution or TCP.
    #[error("{}", plainly(.0))]
    Io(#[from] io::Error),
    /// Neither yes nor no within the time for it.
    #[error("no answer within {0:?}")]
    Silent(Duration),
    /// The server answered `N` although TLS is required.
    #[error("the server does not speak TLS, but tls = \"{0}\" asks for it")]
    NoTls(&'static str),
    /// The server answered an SSLRequest with neither `S` nor `N`.
    #[error("it answered as no PostgreSQL server does")]
    Strange,
    /// The TLS handshake or its certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// No host of an upstream could be used; each with its reason.
#[derive(Debug)]
pub struct Unreachable {
    pub(crate) upstream: String,
    hosts: Vec<(String, HostError)>,
}

impl Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pgairlock cannot reach the database server {} (", self.upstream)?;
        for (index, (host, error)) in self.hosts.iter().enumerate() {
            let (before, between) = if index == 0 { ("", "): ") } else { ("; ", ": ") };
            write!(f, "{before}{host}{between}{error}")?;
        }
        f.write_str("; nothing was run")
    }
}

impl std::error::Error for Unreachable {}

/// Connects to the first host that answers, and says which; each has `limit` for TCP and TLS together. Cancel safe: nothing was sent that matters.
///
/// # Errors
/// When no host can be used.
pub async fn connect(upstream: &UpstreamSettings, limit: Duration) -> Result<(String, Stream), Unreachable> {
    let mut hosts = Vec::new();
    for address in &upstream.hosts {
        match connect_to(address, &upstream.tls, limit).await {
            Ok(stream) => return Ok((address.clone(), stream)),
            Err(error) => hosts.push((address.clone(), error)),
        }
    }
    Err(Unreachable { upstream: upstream.name.clone(), hosts })
}

/// Connects to one `host:port` within `limit`. Cancel safe.
///
/// # Errors
/// When it cannot be used.
pub async fn connect_to(address: &str, tls: &ServerTls, limit: Duration) -> Result<Stream, HostError> {
    timeout(limit, open(address, tls)).await.unwrap_or(Err(HostError::Silent(limit)))
}

async fn open(address: &str, tls: &ServerTls) -> Result<Stream, HostError> {
    let (host, _) = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).ok_or(HostError::Address)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let mut socket = TcpStream::connect(address).await?;
    stream::prepare(&socket)?;
    if *tls == ServerTls::Disable {
        return Ok(Stream::Plain(socket));
    }
    socket.write_all(&SSL_REQUEST).await?;
    // Exactly one byte is read: what someone put behind it in clear text can only break the handshake.
    match (socket.read_u8().await?, tls) {
        (b'S', _) => Ok(tls::connect(tls, socket, host).await?),
        (b'N', ServerTls::Require) => Err(HostError::NoTls("require")),
        (b'N', ServerTls::VerifyFull(_)) => Err(HostError::NoTls("verify-full")),
        (b'N', ServerTls::Disable | ServerTls::Prefer) => Ok(Stream::Plain(socket)),
        _ => Err(HostError::Strange),
    }
}

/// The words that people look for, without error numbers.
fn plainly(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        _ => error.to_string(),
    }
}
