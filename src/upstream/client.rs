//! A session of our own on the server, past the proxy: one statement at a time.

use std::error::Error as _;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Config, NoTls};

use super::connect::connect_to;
use crate::config::settings::ServerTls;

/// What the server sees as application_name where the URL names none.
const APPLICATION_NAME: &str = "pgairlock deferred";

/// Where to connect, and as whom. Never shown: it may hold a password.
#[derive(Clone, PartialEq)]
pub struct DatabaseUrl {
    config: Config,
    /// `host:port`, tried in order.
    hosts: Vec<String>,
    tls: ServerTls,
}

impl DatabaseUrl {
    /// Reads `postgres://user:password@host:port/database?sslmode=…`, with libpq's meanings. The password may come from elsewhere.
    ///
    /// # Errors
    /// What is wrong with it, without repeating it.
    pub fn read(text: &str, password: Option<&str>) -> Result<Self, String> {
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err("is not a URL; write postgres://user@host:port/database".into());
        }
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let is_tls = |pair: &&str| pair.starts_with("sslmode=") || pair.starts_with("sslrootcert=");
        let (tls, others): (Vec<&str>, Vec<&str>) = query.split('&').filter(|pair| !pair.is_empty()).partition(is_tls);
        let mut config: Config =
            format!("{base}?{}", others.join("&")).parse().map_err(|error| format!("cannot be read: {}", with_causes(&error)))?;
        if config.get_user().is_none_or(str::is_empty) {
            return Err("names no role; write postgres://user@host:port/database".into());
        }
        if let Some(password) = password.filter(|_| config.get_password().is_none()) {
            config.password(password);
        }
        if config.get_application_name().is_none() {
            config.application_name(APPLICATION_NAME);
        }
        let tls = tls_settings(&tls)?;
        // TLS is ours: the connection that it gets is encrypted already.
        config.ssl_mode(SslMode::Disable);
        Ok(Self { hosts: hosts(&config)?, tls, config })
    }

    /// For one `host:port`, without a password.
    #[must_use]
    pub fn new(address: &str, database: &str, user: &str, tls: &ServerTls) -> Self {
        let mut config = Config::new();
        config.dbname(database).user(user).application_name(APPLICATION_NAME).ssl_mode(SslMode::Disable);
        Self { hosts: vec![address.to_owned()], tls: tls.clone(), config }
    }

    /// With this password, where there is one.
    #[must_use]
    pub fn with_password(mut self, password: Option<&str>) -> Self {
        if let Some(password) = password {
            self.config.password(password);
        }
        self
    }

    /// With this application_name, where the URL names none.
    #[must_use]
    pub fn named(mut self, application_name: &str) -> Self {
        if self.config.get_application_name() == Some(APPLICATION_NAME) {
            self.config.application_name(application_name);
        }
        self
    }

    /// With this application_name and these start-up options.
    #[must_use]
    pub fn with_session(mut self, application_name: &str, options: &str) -> Self {
        self.config.application_name(application_name).options(options);
        self
    }

    /// It sets lock_timeout itself.
    #[must_use]
    pub fn sets_lock_timeout(&self) -> bool {
        self.config.get_options().is_some_and(|options| options.contains("lock_timeout"))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://{}/{}", self.hosts.join(","), self.config.get_dbname().unwrap_or_default())
    }
}

fn tls_settings(pairs: &[&str]) -> Result<ServerTls, String> {
    let value = |name: &str| pairs.iter().rev().find_map(|pair| pair.strip_prefix(name));
    let (mode, root) = (value("sslmode=").unwrap_or("prefer"), value("sslrootcert="));
    match (mode, root) {
        ("disable", None) => Ok(ServerTls::Disable),
        ("prefer", None) => Ok(ServerTls::Prefer),
        ("require", None) => Ok(ServerTls::Require),
        ("verify-full", None | Some("system")) => Ok(ServerTls::VerifyFull(None)),
        ("verify-full", Some(file)) => Ok(ServerTls::VerifyFull(Some(PathBuf::from(file)))),
        ("disable" | "prefer" | "require", Some(_)) => {
            Err(format!("has sslmode={mode} with sslrootcert, which then is not used; write sslmode=verify-full"))
        }
        _ => Err("has an sslmode that is not known here; it may be disable, prefer, require or verify-full".into()),
    }
}

fn hosts(config: &Config) -> Result<Vec<String>, String> {
    let ports = config.get_ports();
    let port = |index: usize| ports.get(index).or_else(|| ports.first()).copied().unwrap_or(5432);
    let address = |(index, host): (usize, &Host)| match host {
        Host::Tcp(name) if name.contains(':') => Ok(format!("[{name}]:{}", port(index))),
        Host::Tcp(name) => Ok(format!("{name}:{}", port(index))),
        Host::Unix(_) => Err("leads to a Unix socket, which is not supported; name a host and a port".to_owned()),
    };
    match config.get_hosts() {
        [] => Err("names no host; write postgres://user@host:port/database".into()),
        hosts => hosts.iter().enumerate().map(address).collect(),
    }
}

/// Why no session could be had; each host with its reason.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect: {0}")]
pub struct NoSession(String);

/// Why a statement did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// The server's own words.
    #[error("{message} ({sqlstate})")]
    Server {
        /// SQLSTATE.
        sqlstate: String,
        /// Primary message.
        message: String,
        /// DETAIL.
        detail: Option<String>,
        /// HINT.
        hint: Option<String>,
    },
    /// The connection is lost: what became of the statement is not known.
    #[error("{0}")]
    Lost(String),
}

/// The session.
pub struct Client {
    client: tokio_postgres::Client,
    address: String,
    tls: ServerTls,
    limit: Duration,
}

impl Client {
    /// Logs in at the first host that answers; each has `limit` for its connection, and again for the login. Cancel safe.
    ///
    /// # Errors
    /// When no host lets us in.
    pub async fn connect(url: &DatabaseUrl, limit: Duration) -> Result<Self, NoSession> {
        let mut reasons = Vec::new();
        for address in &url.hosts {
            match Self::log_in(url, address, limit).await {
                Ok(client) => return Ok(client),
                Err(reason) => reasons.push(format!("{address}: {reason}")),
            }
        }
        Err(NoSession(reasons.join("; ")))
    }

    async fn log_in(url: &DatabaseUrl, address: &str, limit: Duration) -> Result<Self, String> {
        let stream = connect_to(address, &url.tls, limit).await.map_err(|error| error.to_string())?;
        let login = timeout(limit, url.config.connect_raw(stream, NoTls)).await.map_err(|_| format!("no answer to the login within {limit:?}"))?;
        let (client, connection) = login.map_err(|error| with_causes(&error))?;
        tokio::spawn(connection);
        Ok(Self { client, address: address.to_owned(), tls: url.tls.clone(), limit })
    }

    /// Runs one statement with text parameters by itself; the first value of its last row, where that is text. Not cancel safe: the server goes
    /// on with it.
    ///
    /// # Errors
    /// The server's error, or that the connection is lost.
    pub async fn run(&self, sql: &str, parameters: &[String]) -> Result<Option<String>, StatementError> {
        let parameters: Vec<(&(dyn ToSql + Sync), Type)> = parameters.iter().map(|text| (text as &(dyn ToSql + Sync), Type::TEXT)).collect();
        let rows = self.client.query_typed(sql, &parameters).await.map_err(|error| statement_error(&error))?;
        Ok(rows.last().and_then(|row| row.try_get::<_, Option<String>>(0).ok().flatten()))
    }

    /// The session itself, for more than one statement at a time.
    pub(crate) fn raw(&self) -> &tokio_postgres::Client {
        &self.client
    }

    /// Asks the server to cancel what runs. It has no answer.
    pub async fn cancel(&self) {
        if let Ok(stream) = connect_to(&self.address, &self.tls, self.limit).await {
            let _ = timeout(self.limit, self.client.cancel_token().cancel_query_raw(stream, NoTls)).await;
        }
    }
}

fn statement_error(error: &tokio_postgres::Error) -> StatementError {
    match error.as_db_error() {
        // FATAL: the session ends with it.
        Some(server) if server.parsed_severity().is_none_or(|severity| severity == tokio_postgres::error::Severity::Error) => {
            StatementError::Server {
                sqlstate: server.code().code().to_owned(),
                message: server.message().to_owned(),
                detail: server.detail().map(str::to_owned),
                hint: server.hint().map(str::to_owned),
            }
        }
        Some(server) => StatementError::Lost(format!("{} ({})", server.message(), server.code().code())),
        None => StatementError::Lost(with_causes(error)),
    }
}

/// tokio-postgres tells the kind of an error, and the reason as its cause.
fn with_causes(error: &tokio_postgres::Error) -> String {
    if let Some(server) = error.as_db_error() {
        return format!("{} ({})", server.message(), server.code().code());
    }
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<DatabaseUrl, String> {
        DatabaseUrl::read(text, None)
    }

    #[test]
    fn a_url_names_role_hosts_and_tls() {
        let url = read("postgres://deployer:secret@db.example:6000,[::1]/app?sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout=3").unwrap();
        assert_eq!((url.config.get_user(), url.config.get_dbname()), (Some("deployer"), Some("app")));
        assert_eq!(url.hosts[0], "db.example:6000");
        assert_eq!(url.tls, ServerTls::VerifyFull(Some("/ca.pem".into())));
        assert_eq!(url.config.get_application_name(), Some(APPLICATION_NAME));
        for (mode, tls) in [("disable", ServerTls::Disable), ("prefer", ServerTls::Prefer), ("require", ServerTls::Require)] {
            assert_eq!(read(&format!("postgres://a@h/d?sslmode={mode}")).unwrap().tls, tls);
        }
        assert_eq!(read("postgresql://a@h/d").unwrap().tls, ServerTls::Prefer);
        assert_eq!(read("postgresql://a@h/d").unwrap().hosts, ["h:5432"]);
    }

    #[test]
    fn a_password_comes_from_elsewhere_where_the_url_has_none() {
        let password = |url| DatabaseUrl::read(url, Some("p")).unwrap().config.get_password().map(<[u8]>::to_vec);
        assert_eq!(password("postgres://a@h/d"), Some(b"p".to_vec()));
        assert_eq!(password("postgres://a:own@h/d"), Some(b"own".to_vec()));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (text, expected) in [
            ("host=h user=a password=secret", "is not a URL"),
            ("postgres://:secret@h/d", "names no role"),
            ("postgres://a:secret@h/d?sslmode=verify-ca", "sslmode that is not known"),
            ("postgres://a:secret@h/d?sslmode=require&sslrootcert=x", "write sslmode=verify-full"),
            ("postgres://a:secret@%2Ftmp/d", "Unix socket"),
            ("postgres://a:secret@h/d?nonsense=secret", "cannot be read"),
        ] {
            let told = read(text).map(drop).unwrap_err();
            assert!(told.contains(expected) && !told.contains("secret"), "{text}: {told}");
        }
    }
}
