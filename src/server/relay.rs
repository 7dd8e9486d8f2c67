//! The conversation between start-up packet and the server's first ReadyForQuery, frame by frame.
//!
//! ```text
//!  StartupMessage ─▶ Server's turn ──R 3, 5, 7, 8, 10, 11──▶ Client's turn
//!                      ▲   │  ▲                                 │
//!                      │   │  └────────────── p ────────────────┘
//!                      │   └─R 0─▶ Settled ──S, K, N, v──▶ Settled ──Z──▶ done (Z is kept back)
//!                      └── E, in any state: forwarded, the end
//! ```

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::accept::Client;
use super::login_error::LoginError;
use crate::transport::stream::Stream;
use crate::transport::tls::Acceptor;
use crate::wire::authentication::{self, Request};
use crate::wire::errors;

/// PostgreSQL's limit for a client's answer, and more than any server says in one message of a login.
const MAX_FRAME: u32 = 65_535;

/// Frames that a client sends ahead wait here; more than this is left in its socket.
const READ_AHEAD: usize = 1 << 16;

/// The server's connection with what was read ahead of it.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) upstream: String,
    pub(super) stream: Stream,
    pub(super) buffer: BytesMut,
}

/// What happens to SCRAM's channel binding between the two legs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    /// Both ends see the same: nothing is touched.
    Untouched,
    /// The server offers it, and the client's leg has no TLS: it is taken out of the offer.
    Stripped,
    /// Both legs have TLS with different certificates: taken out, and a client that then suspects an attack is told what to do.
    Impossible,
}

impl Binding {
    pub(super) fn between(client: &Stream, server: &Stream, tls: Option<&Acceptor>) -> Self {
        match (client.is_tls(), server.is_tls()) {
            (_, false) => Self::Untouched,
            (false, true) => Self::Stripped,
            (true, true) if server.peer_leaf().is_some() && server.peer_leaf() == tls.map(Acceptor::leaf) => Self::Untouched,
            (true, true) => Self::Impossible,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Server,
    Client { chooses_mechanism: bool },
    Settled,
}

/// The state of one login, and what the server told about the session.
#[derive(Debug)]
pub(super) struct Exchange {
    binding: Binding,
    turn: Turn,
    refused: Option<String>,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) backend_pid: u32,
    /// The whole of BackendKeyData; empty when none came.
    pub(super) backend_key: Bytes,
}

impl Exchange {
    pub(super) fn new(binding: Binding) -> Self {
        Self { binding, turn: Turn::Server, refused: None, parameters: Vec::new(), backend_pid: 0, backend_key: Bytes::new() }
    }

    /// Whose silence it is when the deadline passes.
    pub(super) fn waits_for_client(&self) -> bool {
        matches!(self.turn, Turn::Client { .. })
    }

    /// Runs the login up to ReadyForQuery. Not cancel safe.
    ///
    /// # Errors
    /// The server's own error has been forwarded; anything else the client has yet to be told.
    pub(super) async fn run(&mut self, client: &mut Client, server: &mut Server) -> Result<(), LoginError> {
        loop {
            let mut forward = BytesMut::new();
            let ready = self.hear_server(&mut server.buffer, &mut forward)?;
            client.write(&forward).await?;
            if let Some(sqlstate) = self.refused.take() {
                return Err(LoginError::ServerRefused(sqlstate));
            }
            if ready {
                return Ok(());
            }
            if let Some(answer) = self.hear_client(&mut client.buffer)? {
                server.write(&answer).await?;
            }
            tokio::select! {
                read = server.read() => read?,
                read = client.read(), if client.buffer.len() < READ_AHEAD => read?,
            }
        }
    }

    /// Takes the server's whole frames; `true` when it is ready.
    fn hear_server(&mut self, buffer: &mut BytesMut, forward: &mut BytesMut) -> Result<bool, LoginError> {
        while let Some(frame) = frame(buffer).map_err(LoginError::ServerProtocol)? {
            let tag = frame.first().copied().unwrap_or_default();
            let body = frame.get(5..).unwrap_or_default();
            match tag {
                b'Z' if self.turn == Turn::Settled => return Ok(true),
                b'R' => {
                    self.authentication(&frame, body, forward)?;
                    continue;
                }
                b'E' => self.refused = Some(String::from_utf8_lossy(errors::field(body, b'C').unwrap_or_default()).into_owned()),
                b'S' => self.parameter(body),
                b'K' => {
                    self.backend_pid = body.first_chunk().map_or(0, |pid| u32::from_be_bytes(*pid));
                    self.backend_key = Bytes::copy_from_slice(body);
                }
                b'N' | b'v' | b'A' => {}
                _ => return Err(LoginError::ServerProtocol(tag.into())),
            }
            forward.extend_from_slice(&frame);
        }
        Ok(false)
    }

    fn authentication(&mut self, frame: &Bytes, body: &[u8], forward: &mut BytesMut) -> Result<(), LoginError> {
        let request = authentication::request(body).ok_or(LoginError::ServerProtocol('R'))?;
        self.turn = match request {
            Request::Ok => Turn::Settled,
            Request::SaslFinal => Turn::Server,
            Request::Sasl => Turn::Client { chooses_mechanism: true },
            Request::Answer => Turn::Client { chooses_mechanism: false },
        };
        match self.binding {
            Binding::Stripped | Binding::Impossible if request == Request::Sasl => forward.extend_from_slice(&authentication::without_plus(body)),
            Binding::Untouched | Binding::Stripped | Binding::Impossible => forward.extend_from_slice(frame),
        }
        Ok(())
    }

    /// The last value of a name counts.
    fn parameter(&mut self, body: &[u8]) {
        let mut texts = body.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
        let (Some(name), Some(value)) = (texts.next(), texts.next()) else { return };
        self.parameters.retain(|(known, _)| *known != name);
        self.parameters.push((name, value));
    }

    /// The client's answer, when it is its turn and the answer is there as a whole. What it sends otherwise stays in the buffer.
    fn hear_client(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, LoginError> {
        let Turn::Client { chooses_mechanism } = self.turn else { return Ok(None) };
        match buffer.first() {
            None => return Ok(None),
            Some(b'p') => {}
            Some(b'X') => return Err(LoginError::ClientGone),
            Some(tag) => return Err(LoginError::ClientProtocol((*tag).into())),
        }
        let Some(answer) = frame(buffer).map_err(LoginError::ClientProtocol)? else { return Ok(None) };
        let body = answer.get(5..).unwrap_or_default();
        if chooses_mechanism && self.binding == Binding::Impossible && authentication::says_server_cannot_bind(body) {
            return Err(LoginError::ChannelBinding);
        }
        self.turn = Turn::Server;
        Ok(Some(answer))
    }
}

impl Server {
    /// Reads some more. Cancel safe.
    async fn read(&mut self) -> Result<(), LoginError> {
        self.buffer.reserve(4096);
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(1..) => Ok(()),
            Ok(0) | Err(_) => Err(LoginError::ServerGone(self.upstream.clone())),
        }
    }

    /// Writes all of it. Not cancel safe.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), LoginError> {
        let written = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        written.await.map_err(|_: std::io::Error| LoginError::ServerGone(self.upstream.clone()))
    }
}

/// Takes one whole frame off the front; its type where its length is impossible.
fn frame(buffer: &mut BytesMut) -> Result<Option<Bytes>, char> {
    let Some([tag, length @ ..]) = buffer.first_chunk::<5>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length);
    if !(4..=MAX_FRAME).contains(&length) {
        return Err((*tag).into());
    }
    let size = usize::try_from(length).map_err(|_| char::from(*tag))? + 1;
    Ok((buffer.len() >= size).then(|| buffer.split_to(size).freeze()))
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
