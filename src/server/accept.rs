//! From an accepted socket to the client's start-up packet: TLS, GSSAPI, cancel requests.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::login_error::LoginError;
use crate::config::settings::{ClientTls, ListenerSettings};
use crate::transport::client_certificate;
use crate::transport::stream::{self, Stream};
use crate::transport::tls::{ALPN, Acceptor};
use crate::wire::errors;
use crate::wire::startup::{self, CancelRequest, Packet, StartupError, StartupMessage};

/// How long a client that is turned away may take to read why.
const FAREWELL: Duration = Duration::from_secs(1);

/// The first byte of a TLS handshake record.
const TLS_RECORD: u8 = 0x16;

/// A client's connection with what was read ahead of it.
#[derive(Debug)]
pub struct Client {
    /// The connection.
    pub stream: Stream,
    /// Read but not consumed.
    pub buffer: BytesMut,
    /// The subject of the client's certificate, which has been verified.
    pub certificate: Option<String>,
}

/// What the client wants.
#[derive(Debug)]
pub enum Wish {
    /// A session.
    Session(StartupMessage),
    /// To cancel a statement of another session.
    Cancel(CancelRequest),
}

/// Reads up to the packet that says what the client wants; answers requests for encryption. Not cancel safe.
///
/// # Errors
/// The client has been told, where it is told anything.
pub async fn accept(socket: TcpStream, listener: &ListenerSettings, tls: Option<&Acceptor>) -> Result<(Client, Wish), LoginError> {
    stream::prepare(&socket).map_err(|_| LoginError::ClientGone)?;
    let mut client = Client::open(socket, tls).await?;
    let (mut asked_tls, mut asked_gss) = (false, false);
    loop {
        let packet = match startup::parse(&mut client.buffer) {
            Ok(Some(packet)) => packet,
            Ok(None) => {
                client.read().await?;
                continue;
            }
            Err(error) => return Err(client.refuse(error.into()).await),
        };
        client = match packet {
            Packet::Ssl if !asked_tls && !client.stream.is_tls() => {
                asked_tls = true;
                client.encrypt(tls).await?
            }
            Packet::Gss if !asked_gss && !client.stream.is_tls() => {
                asked_gss = true;
                client.decline().await?
            }
            // As the server does: a second request is a protocol that nobody knows.
            Packet::Ssl => return Err(client.refuse(StartupError::Unsupported { major: 1234, minor: 5679 }.into()).await),
            Packet::Gss => return Err(client.refuse(StartupError::Unsupported { major: 1234, minor: 5680 }.into()).await),
            // libpq up to 16 sends them in clear text whatever the session uses, and servers take them.
            Packet::Cancel(request) => return Ok((client, Wish::Cancel(request))),
            Packet::Session(_) if matches!(listener.tls, ClientTls::Require(_)) && !client.stream.is_tls() => {
                return Err(client.refuse(LoginError::TlsRequired).await);
            }
            Packet::Session(message) => return Ok((client, Wish::Session(message))),
        };
    }
}

impl Client {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, buffer: BytesMut::new(), certificate: None }
    }

    /// The handshake, and what the client has shown in it.
    async fn secured(socket: TcpStream, tls: &Acceptor) -> Result<Self, LoginError> {
        let stream = match tls.accept(socket).await {
            Ok(stream) => stream,
            Err((error, socket)) => return Err(Self::new(Stream::Plain(socket)).refuse(LoginError::ClientTls(error)).await),
        };
        match stream.peer_leaf().map(client_certificate::subject).transpose() {
            Ok(certificate) => Ok(Self { certificate, ..Self::new(stream) }),
            Err(error) => Err(Self::new(stream).refuse(LoginError::ClientTls(error)).await),
        }
    }

    /// Looks at the first byte: TLS from the start has to be left in the socket for the handshake.
    async fn open(socket: TcpStream, tls: Option<&Acceptor>) -> Result<Self, LoginError> {
        let mut first = [0];
        if socket.peek(&mut first).await.unwrap_or(0) == 0 {
            return Err(LoginError::ClientGone);
        }
        if first != [TLS_RECORD] {
            return Ok(Self::new(Stream::Plain(socket)));
        }
        let client = Self::secured(socket, tls.ok_or(LoginError::DirectTls)?).await?;
        // Without it a browser could be made to talk to a database.
        if client.stream.alpn() == Some(ALPN) { Ok(client) } else { Err(LoginError::DirectTls) }
    }

    /// Answers an SSLRequest. What came behind it was not encrypted: someone in between may have put it there.
    async fn encrypt(mut self, tls: Option<&Acceptor>) -> Result<Self, LoginError> {
        if !self.buffer.is_empty() {
            return Err(LoginError::UnencryptedData);
        }
        match (self.stream, tls) {
            (Stream::Plain(mut socket), Some(tls)) => {
                socket.write_all(b"S").await.map_err(|_| LoginError::ClientGone)?;
                Self::secured(socket, tls).await
            }
            (stream, _) => {
                self.stream = stream;
                self.decline().await
            }
        }
    }

    /// Answers "no" to a request for encryption.
    async fn decline(mut self) -> Result<Self, LoginError> {
        if !self.buffer.is_empty() {
            return Err(LoginError::UnencryptedData);
        }
        self.write(b"N").await?;
        Ok(self)
    }

    /// Reads some more. Cancel safe.
    ///
    /// # Errors
    /// At the end of the stream, too.
    pub(super) async fn read(&mut self) -> Result<(), LoginError> {
        self.buffer.reserve(1024);
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(1..) => Ok(()),
            Ok(0) | Err(_) => Err(LoginError::ClientGone),
        }
    }

    /// Writes all of it. Not cancel safe.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), LoginError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.stream.write_all(bytes).await.map_err(|_| LoginError::ClientGone)?;
        self.stream.flush().await.map_err(|_| LoginError::ClientGone)
    }

    /// Tells the client why (where it is told anything) and closes. Returns the reason.
    pub(super) async fn refuse(mut self, error: LoginError) -> LoginError {
        let frame = error.tell(errors::error);
        // Behind a handshake that failed an alert has said it.
        if frame.is_some() || matches!(error, LoginError::ClientTls(_)) {
            let _ = timeout(FAREWELL, self.farewell(&frame.unwrap_or_default())).await;
        }
        error
    }

    /// A socket that is closed with unread bytes in it is reset, and the reset may overtake the message: read until the client closes.
    async fn farewell(&mut self, frame: &[u8]) -> Result<(), LoginError> {
        self.write(frame).await?;
        self.stream.shutdown().await.map_err(|_| LoginError::ClientGone)?;
        loop {
            self.buffer.clear();
            self.read().await?;
        }
    }
}
