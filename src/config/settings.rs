//! Config as used: validated, complete, without defaults left to guess. `file` is config as written.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::network::Network;
use crate::policy::settings::{Mode, PolicySettings};
use crate::policy::strong::Patience;

pub use super::admin::DashboardSettings;
pub use super::store::{AuditSettings, FleetPlace, StorePlace};
pub use super::webhook::{WebhookSettings, WebhookUrl};

/// Everything that `serve` needs. Replaced as a whole on reload, never in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// At least one.
    pub listeners: Vec<ListenerSettings>,
    /// At least one; the first that names the database (or `*`) is used.
    pub upstreams: Vec<UpstreamSettings>,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// What decides.
    pub policy: PolicySettings,
    /// Where decisions are kept.
    pub store: StorePlace,
    /// What holds the log.
    pub audit: AuditSettings,
    /// Admin HTTP.
    pub admin: SocketAddr,
    /// What is served there beside probes and metrics.
    pub dashboard: DashboardSettings,
    /// Where traces go; without it nowhere.
    pub collector: Option<Collector>,
    /// Who looks at a session from outside while its client waits; without it nobody does.
    pub monitor: Option<MonitorSettings>,
    /// Sessions at once over all listeners; further ones get FATAL 53300. Default 1000.
    pub max_sessions: usize,
    /// Who is told what happens; each has its own name.
    pub webhooks: Vec<WebhookSettings>,
}

/// `[[listener]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerSettings {
    /// Its name in logs and metrics.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it does with findings.
    pub mode: Mode,
    /// TLS towards clients.
    pub tls: ClientTls,
    /// Whether load balancers stand in front of it.
    pub proxy_protocol: ProxyProtocol,
}

/// Whether each connection begins with a header that says whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ProxyProtocol {
    /// Its address says whose it is.
    #[default]
    Off,
    /// A connection without the header (version 2) is refused.
    Required {
        /// Who may connect; empty is anyone.
        from: Vec<Network>,
    },
}

/// TLS towards clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientTls {
    /// SSLRequest is answered `N`.
    Disable,
    /// Offered; plain is allowed too.
    Prefer(Identity),
    /// Plain is refused.
    Require(Identity),
}

/// A certificate chain and its key, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Chain, leaf first.
    pub certificate: PathBuf,
    /// PKCS#8, PKCS#1 or SEC1 key.
    pub key: PathBuf,
    /// What clients are asked to show; nothing where there is none.
    pub clients: Option<ClientCertificates>,
}

/// Certificates of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificates {
    /// The authorities that issue them, PEM.
    pub ca: PathBuf,
    /// Without one there is no session. A bad one is refused in either case.
    pub required: bool,
}

/// `[[upstream]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// Its name in logs and metrics.
    pub name: String,
    /// Databases that it serves; `*` is all.
    pub databases: Vec<String>,
    /// `host:port`, tried in order.
    pub hosts: Vec<String>,
    /// TLS towards the server.
    pub tls: ServerTls,
    /// A pooler stands between.
    pub pooler: Pooler,
}

/// TLS towards the server, with libpq's meanings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerTls {
    /// Never.
    Disable,
    /// When the server offers it; its certificate is not checked.
    Prefer,
    /// Always; its certificate is not checked.
    Require,
    /// Always; certificate and host name are checked against this CA file, or the system's roots.
    VerifyFull(Option<PathBuf>),
}

/// What stands between proxy and server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooler {
    /// Nothing: a backend pid that differs from BackendKeyData is refused.
    None,
    /// A session pooler.
    Session,
}

/// `[telemetry] otlp_endpoint`: who takes OTLP over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// `https`: its certificate is checked against the system's roots.
    pub tls: bool,
    /// `host:port`.
    pub address: String,
    /// Where spans are posted: the path of the endpoint with `/v1/traces` behind it.
    pub path: String,
}

/// `[monitor]`. The password itself is not kept: its file is read at each login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorSettings {
    /// The role that logs in.
    pub user: String,
    /// The file that holds its password; without it the server must not ask for one.
    pub password_file: Option<PathBuf>,
}

/// `[timeouts]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// lock_timeout of migration sessions. Default 2 s.
    pub lock: Duration,
    /// lock_timeout of one try of a statement that waits for a strong lock. Default 100 ms.
    pub lock_try: Duration,
    /// Between two tries, for those who stood behind the first. Default 500 ms.
    pub lock_pause: Duration,
    /// All tries together; zero: it is not tried again. Default 60 s.
    pub lock_total: Duration,
    /// TCP and TLS connect to the server. Default 5 s.
    pub connect: Duration,
    /// A whole login, from the first byte to ReadyForQuery. Default 15 s.
    pub login: Duration,
    /// Drain at SIGTERM. Default 30 s.
    pub drain: Duration,
    /// A write to the store. Default 5 s.
    pub store: Duration,
    /// A step of a rewrite that may wait without hurting anyone, such as a concurrent build. Default 6 h.
    pub step: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let (seconds, milliseconds) = (Duration::from_secs, Duration::from_millis);
        Self {
            lock: seconds(2),
            lock_try: milliseconds(100),
            lock_pause: milliseconds(500),
            lock_total: seconds(60),
            connect: seconds(5),
            login: seconds(15),
            drain: seconds(30),
            store: seconds(5),
            step: seconds(6 * 3600),
        }
    }
}

impl Timeouts {
    /// How statements wait for strong locks.
    #[must_use]
    pub fn patience(&self) -> Patience {
        let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Patience {
            try_ms: milliseconds(self.lock_try),
            pause_ms: milliseconds(self.lock_pause),
            total_ms: milliseconds(self.lock_total),
            longest_ms: milliseconds(self.lock),
        }
    }
}

impl Settings {
    /// Where admin HTTP listens when nothing else is said: for this machine only.
    pub const DEFAULT_ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9187);
    /// Where decisions are kept when nothing else is said.
    pub const DEFAULT_STORE: &'static str = "pgairlock.db";
    /// Sessions at once when nothing else is said.
    pub const DEFAULT_MAX_SESSIONS: usize = 1000;

    /// The upstream that serves `database`.
    #[must_use]
    pub fn upstream_for(&self, database: &str) -> Option<&UpstreamSettings> {
        self.upstreams.iter().find(|upstream| upstream.databases.iter().any(|name| name == "*" || name == database))
    }
}
