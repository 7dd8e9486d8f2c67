//! Why a login ended, and what the client may read about it.

use std::net::IpAddr;
use std::time::Duration;

use crate::transport::tls::TlsError;
use crate::upstream::connect::Unreachable;
use crate::wire::errors::Report;
use crate::wire::proxy_protocol::HeaderError;
use crate::wire::startup::StartupError;
use crate::wire::startup_settings::Unacceptable;

/// Why there is no session. The client has been told already, where `told` has something to tell.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// It closed the connection, or its socket failed.
    #[error("the client closed the connection")]
    ClientGone,
    /// It did not say what it had to say before the login deadline.
    #[error("the client was silent until the login deadline")]
    ClientSilent,
    /// A listener behind load balancers, and somebody else has connected.
    #[error("this listener of pgairlock takes connections from its load balancers only (proxy_protocol_from), and {0} is none of them")]
    NoBalancer(IpAddr),
    /// What says whose connection it is does not, or is not there.
    #[error(transparent)]
    ProxyHeader(#[from] HeaderError),
    /// Its first packet is none.
    #[error(transparent)]
    Malformed(#[from] StartupError),
    /// Clear text came behind a request for encryption.
    #[error("received unencrypted data after a request for encryption")]
    UnencryptedData,
    /// TLS with the client failed.
    #[error("{0}")]
    ClientTls(TlsError),
    /// TLS from the first byte where it is not spoken, or without ALPN `postgresql`.
    #[error("direct TLS without TLS on this listener, or without ALPN postgresql")]
    DirectTls,
    /// The listener asks for TLS.
    #[error("this listener of pgairlock accepts TLS only: connect with sslmode=require")]
    TlsRequired,
    /// The start-up packet names no role.
    #[error("no PostgreSQL user name specified in start-up packet")]
    NoRole,
    /// Role or database could be mistaken for another one.
    #[error("role and database names have to be UTF-8")]
    NotUtf8,
    /// The packet asks for something that the proxy cannot work with.
    #[error("{}", about(.0))]
    Unacceptable(Unacceptable),
    /// Every place is taken.
    #[error("pgairlock has as many sessions as [limits] sessions allows; try again when one has ended")]
    TooManySessions,
    /// There is no room for `lock_timeout`.
    #[error("the start-up packet is too long: with lock_timeout it exceeds 10000 bytes")]
    TooLong,
    /// No upstream serves the database.
    #[error("no [[upstream]] of pgairlock serves the database \"{0}\"")]
    UnknownDatabase(String),
    /// No host of the upstream can be used.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// The server was connected and then said nothing.
    #[error("the database server {upstream} did not finish the login within {limit:?}; nothing was run")]
    ServerSilent {
        /// The upstream.
        upstream: String,
        /// `timeouts.login`.
        limit: Duration,
    },
    /// The server closed the connection.
    #[error("the database server {0} closed the connection during the login; nothing was run")]
    ServerGone(String),
    /// The server's own answer; it was forwarded.
    #[error("the server refused the login: {0}")]
    ServerRefused(String),
    /// The server sent what does not belong into a login.
    #[error("unexpected message type {0:?} from the database server during the login")]
    ServerProtocol(char),
    /// The client sent something else than its answer to the server's question.
    #[error("expected a password or SASL response, got message type {0:?}")]
    ClientProtocol(char),
    /// The client would be refused by the server, for it sees TLS on both legs.
    #[error(
        "pgairlock ends TLS on both sides, which the SCRAM channel binding check of this client does not allow: connect with \
         channel_binding=disable, or use TLS on one side only, or give the listener the database server's own certificate and key"
    )]
    ChannelBinding,
}

impl LoginError {
    /// Every word of [`LoginError::kind`], and the listener's own for sockets that could not be accepted.
    pub const KINDS: &'static [&'static str] = &[
        "accept",
        "too-many-sessions",
        "client-gone",
        "client-silent",
        "proxy-peer",
        "proxy-header",
        "malformed",
        "unencrypted-data",
        "client-tls",
        "client-certificate",
        "tls-required",
        "protected-setting",
        "unknown-database",
        "unreachable",
        "server-silent",
        "server-gone",
        "server-refused",
        "server-protocol",
        "client-protocol",
        "channel-binding",
    ];

    /// The label of metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ClientGone => "client-gone",
            Self::ClientSilent => "client-silent",
            Self::NoBalancer(_) => "proxy-peer",
            Self::ProxyHeader(_) => "proxy-header",
            Self::Malformed(_) | Self::NoRole | Self::NotUtf8 | Self::TooLong => "malformed",
            Self::UnencryptedData => "unencrypted-data",
            Self::ClientTls(TlsError::ClientCertificate(_)) => "client-certificate",
            Self::ClientTls(_) | Self::DirectTls => "client-tls",
            Self::TooManySessions => "too-many-sessions",
            Self::TlsRequired => "tls-required",
            Self::Unacceptable(_) => "protected-setting",
            Self::UnknownDatabase(_) => "unknown-database",
            Self::Unreachable(_) => "unreachable",
            Self::ServerSilent { .. } => "server-silent",
            Self::ServerGone(_) => "server-gone",
            Self::ServerRefused(_) => "server-refused",
            Self::ServerProtocol(_) => "server-protocol",
            Self::ClientProtocol(_) => "client-protocol",
            Self::ChannelBinding => "channel-binding",
        }
    }

    /// SQLSTATE of what the client is told; `None` where it is told nothing.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&'static str> {
        match self {
            Self::ClientGone | Self::ClientSilent | Self::UnencryptedData | Self::ClientTls(_) | Self::DirectTls | Self::ServerRefused(_) => None,
            // The balancer, which reads none of this.
            Self::ProxyHeader(HeaderError::Truncated) => None,
            Self::Malformed(StartupError::Length(_) | StartupError::CancelLength(_)) => None,
            Self::Malformed(StartupError::Unsupported { .. }) | Self::Unacceptable(Unacceptable::Replication) => Some("0A000"),
            Self::Malformed(StartupError::Layout) | Self::TooLong | Self::ServerProtocol(_) | Self::ClientProtocol(_) => Some("08P01"),
            Self::TlsRequired | Self::NoRole | Self::ChannelBinding | Self::NoBalancer(_) | Self::ProxyHeader(HeaderError::Missing) => Some("28000"),
            Self::ProxyHeader(_) => Some("08P01"),
            Self::TooManySessions => Some("53300"),
            Self::NotUtf8 => Some("22021"),
            Self::Unacceptable(_) => Some("PA006"),
            Self::UnknownDatabase(_) => Some("3D000"),
            Self::Unreachable(_) | Self::ServerSilent { .. } | Self::ServerGone(_) => Some("08001"),
        }
    }

    /// The words of the client's FATAL: this list, and nothing else, is what a stranger can read.
    pub(super) fn tell<T>(&self, with: impl FnOnce(&Report<'_>) -> T) -> Option<T> {
        let sqlstate = self.sqlstate()?;
        Some(with(&Report::new("FATAL", sqlstate, &self.to_string())))
    }
}

fn about(unacceptable: &Unacceptable) -> String {
    let what = match unacceptable {
        Unacceptable::Replication => {
            "replication connections do not pass, because their commands cannot be judged. Connect to the database server directly".to_owned()
        }
        Unacceptable::StandardConformingStrings(value) => {
            format!("standard_conforming_strings = '{value}' would end strings elsewhere than the rules read them. Leave it on")
        }
        Unacceptable::ClientEncoding(value) => {
            format!("client_encoding = '{value}' cannot be read safely. Connect with client_encoding=UTF8 (PGCLIENTENCODING=UTF8)")
        }
        Unacceptable::SessionReplicationRole(value) => {
            format!("session_replication_role = '{value}' would switch triggers and foreign keys off. Leave it at origin")
        }
        Unacceptable::EventTriggers(value) => format!("event_triggers = '{value}' would switch event triggers off. Leave it on"),
    };
    format!("pgairlock [protected-setting]: {what}")
}
