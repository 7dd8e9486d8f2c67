//! A client that sends what it is told to send.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use pgairlock::wire::errors::field;
use pgairlock::wire::startup::StartupMessage;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::certificates::{Identity, certificates};

/// An event that is waited for comes within this, or the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

trait Duplex: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Duplex for T {}

/// A message of the server: its type and its body.
pub type Message = (u8, Bytes);

pub struct RawClient {
    stream: Pin<Box<dyn Duplex>>,
    buffer: BytesMut,
}

impl RawClient {
    pub async fn connect(port: u16) -> Self {
        Self::over(TcpStream::connect(("127.0.0.1", port)).await.unwrap())
    }

    /// TLS from the first byte, with these application protocols. `None` when the handshake fails.
    pub async fn connect_tls(port: u16, alpn: &[&[u8]]) -> Option<Self> {
        Self::handshake(TcpStream::connect(("127.0.0.1", port)).await.unwrap(), alpn).await
    }

    /// SSLRequest, and TLS when the answer is `S`.
    pub async fn connect_ssl_request(port: u16) -> Option<Self> {
        Self::ask_for_tls(TcpStream::connect(("127.0.0.1", port)).await.unwrap()).await
    }

    /// The same on a socket that is there.
    pub async fn ask_for_tls(mut socket: TcpStream) -> Option<Self> {
        socket.write_all(&pgairlock::wire::startup::SSL_REQUEST).await.unwrap();
        match timeout(PATIENCE, socket.read_u8()).await.unwrap().unwrap() {
            b'S' => Self::handshake(socket, &[b"postgresql"]).await,
            b'N' => None,
            answer => panic!("answer to SSLRequest: {answer}"),
        }
    }

    /// TLS from here on, on a socket that is there.
    pub async fn handshake(socket: TcpStream, alpn: &[&[u8]]) -> Option<Self> {
        Self::handshake_with(socket, tls_config(alpn, None)).await
    }

    /// The same with settings of its own.
    pub async fn handshake_with(socket: TcpStream, config: ClientConfig) -> Option<Self> {
        let name = ServerName::try_from("localhost").unwrap();
        let connecting = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, socket);
        timeout(PATIENCE, connecting).await.unwrap().ok().map(Self::over)
    }

    /// On a connection that is there.
    pub fn over(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        Self { stream: Box::pin(stream), buffer: BytesMut::new() }
    }

    /// Role `trusted` needs no password.
    pub async fn log_in(port: u16, database: &str) -> Self {
        let mut client = Self::connect(port).await;
        client.start(&[("user", "trusted"), ("database", database)]).await;
        let messages = client.until(b'Z').await;
        assert_eq!(messages.first().map(|(tag, _)| *tag), Some(b'R'), "{messages:?}");
        client
    }

    /// Sends a StartupMessage of protocol 3.0.
    pub async fn start(&mut self, parameters: &[(&str, &str)]) {
        self.send(&startup(0, parameters)).await;
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Sends one message with its type and length.
    pub async fn send_message(&mut self, tag: u8, body: &[u8]) {
        self.send(&frame(tag, body)).await;
    }

    /// A simple Query, and everything up to ReadyForQuery.
    pub async fn query(&mut self, sql: &str) -> Vec<Message> {
        self.send_message(b'Q', format!("{sql}\0").as_bytes()).await;
        self.until(b'Z').await
    }

    /// The next message; `None` at the end of the stream.
    pub async fn message(&mut self) -> Option<Message> {
        loop {
            if let Some([_, length @ ..]) = self.buffer.first_chunk::<5>() {
                let size = usize::try_from(u32::from_be_bytes(*length)).unwrap() + 1;
                if self.buffer.len() >= size {
                    let mut frame = self.buffer.split_to(size).freeze();
                    let tag = frame.get_u8();
                    frame.advance(4);
                    return Some((tag, frame));
                }
            }
            if self.read().await == 0 {
                assert!(self.buffer.is_empty(), "the stream ends within a message: {:?}", self.buffer);
                return None;
            }
        }
    }

    /// Messages up to one of type `last`, or to the end of the stream.
    pub async fn until(&mut self, last: u8) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.message().await {
            let tag = message.0;
            messages.push(message);
            if tag == last {
                break;
            }
        }
        messages
    }

    /// One byte, as after SSLRequest; `None` at the end of the stream.
    pub async fn byte(&mut self) -> Option<u8> {
        if self.buffer.is_empty() && self.read().await == 0 {
            return None;
        }
        Some(self.buffer.get_u8())
    }

    /// Everything up to the end of the stream.
    pub async fn rest(&mut self) -> Bytes {
        while self.read().await > 0 {}
        self.buffer.split().freeze()
    }

    /// The error that ends the connection: SQLSTATE and message. Whatever comes before it is passed over.
    pub async fn fatal(&mut self) -> (String, String) {
        let messages = self.until(b'E').await;
        let (tag, body) = messages.last().expect("closed without a word").clone();
        assert_eq!(tag, b'E', "{messages:?}");
        assert_eq!(text(&body, b'V'), "FATAL");
        assert_eq!(self.rest().await, "", "something came after FATAL");
        (text(&body, b'C'), text(&body, b'M'))
    }

    /// A reset counts as the end of the stream.
    async fn read(&mut self) -> usize {
        timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await.expect("nothing came").unwrap_or(0)
    }
}

/// TLS with these application protocols, and a certificate where there is one.
pub fn tls_config(alpn: &[&[u8]], identity: Option<&Identity>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&certificates().ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = CertificateDer::pem_file_iter(&identity.certificate).unwrap().map(Result::unwrap).collect();
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&identity.key).unwrap()).unwrap()
        }
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config
}

/// A StartupMessage of protocol 3.`minor`.
pub fn startup(minor: u16, parameters: &[(&str, &str)]) -> Bytes {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    let parameters = parameters.iter().map(|(key, value)| (bytes(key), bytes(value))).collect();
    StartupMessage { minor, parameters }.encode().unwrap()
}

/// A message with its type and length.
pub fn frame(tag: u8, body: &[u8]) -> Bytes {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag], length.as_slice(), body].concat().into()
}

/// A field of an error's body.
pub fn text(body: &[u8], code: u8) -> String {
    String::from_utf8_lossy(field(body, code).unwrap_or_default()).into_owned()
}

/// The text of every DataRow's first column; nothing for NULL.
pub fn first_column(messages: &[Message]) -> Vec<String> {
    let rows = messages.iter().filter(|(tag, _)| *tag == b'D');
    rows.map(|(_, body)| {
        let mut body = body.slice(2..);
        let length = usize::try_from(body.get_i32()).unwrap_or(0);
        String::from_utf8(body[..length].to_vec()).unwrap()
    })
    .collect()
}
