//! `[[webhook]]` as used.

use std::fmt;
use std::path::PathBuf;

use crate::notify::Format;
use crate::notify::event::{Event, Kind};

/// One receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Its name in logs and metrics.
    pub name: String,
    /// Where it is.
    pub url: WebhookUrl,
    /// How messages are written.
    pub format: Format,
    /// Which it gets.
    pub events: Vec<Kind>,
    /// Only those about these databases; all where it is empty.
    pub databases: Vec<String>,
    /// Only those about these roles; all where it is empty.
    pub roles: Vec<String>,
    /// What requests are signed with; read with each of them.
    pub secret_file: Option<PathBuf>,
    /// The authorities to trust; those of the system where it is absent.
    pub ca: Option<PathBuf>,
}

impl WebhookSettings {
    /// Whether it is told of this.
    #[must_use]
    pub fn wants(&self, event: &Event) -> bool {
        let Some(kind) = event.kind() else { return true };
        let among = |names: &[String], name: &str| names.is_empty() || names.iter().any(|one| one == name);
        self.events.contains(&kind) && event.who().is_none_or(|who| among(&self.databases, &who.database) && among(&self.roles, &who.role))
    }
}

/// A URL of HTTP. Its path may be a secret (that of Slack is), so it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    /// Over TLS.
    pub https: bool,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Path and query, from `/` on.
    pub path: String,
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/…", if self.https { "https" } else { "http" }, self.authority())
    }
}

impl WebhookUrl {
    /// Host and port, as `Host` has them: the usual port left out.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == usual_port(self.https) { host } else { format!("{host}:{}", self.port) }
    }

    /// Reads it.
    ///
    /// # Errors
    /// With what is wrong; the URL itself is not repeated, since it may be a secret.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("has blanks or letters that are not ASCII; write them as %20 and the like, and names as xn--…");
        }
        let (scheme, rest) = text.split_once("://").ok_or("is no URL; write https://host/path")?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err("must begin with https:// or http://"),
        };
        if rest.contains('#') {
            return Err("has a fragment (#…), which is never sent; leave it out");
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("has a login before the host; use secret_file, by which the receiver can tell who sends");
        }
        let (host, port) = host_and_port(authority)?;
        let port =
            port.map_or(Some(usual_port(https)), |port| port.parse().ok().filter(|port| *port > 0)).ok_or("has a port that is none (1 to 65535)")?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { https, host: host.to_owned(), port, path })
    }
}

fn host_and_port(authority: &str) -> Result<(&str, Option<&str>), &'static str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, port) = bracketed.split_once(']').ok_or("has an IPv6 address without its second bracket")?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| "has brackets around what is no IPv6 address")?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or("has more behind its IPv6 address than a port")?) })
        }
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || !host.chars().all(is_name) { Err("names no host; write https://host/path") } else { Ok((host, port)) }
}

fn usual_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::event::{Started, Test, Who};

    #[test]
    fn urls_are_read_and_their_paths_never_shown() {
        for (text, expected) in [
            ("https://hooks.example.com/services/T/B/secret", ("hooks.example.com", 443, "/services/T/B/secret", "https://hooks.example.com/…")),
            ("http://127.0.0.1:8080", ("127.0.0.1", 8080, "/", "http://127.0.0.1:8080/…")),
            ("HTTPS://[::1]:8443?a=b", ("::1", 8443, "/?a=b", "https://[::1]:8443/…")),
        ] {
            let url = WebhookUrl::read(text).unwrap();
            assert_eq!((url.host.as_str(), url.port, url.path.as_str(), format!("{url:?}").as_str()), expected);
        }
        for (text, why) in [
            ("hooks.example.com", "is no URL"),
            ("ftp://a/b", "must begin with"),
            ("https:///a", "names no host"),
            ("https://user:secret@a/b", "has a login"),
            ("https://a:0/b", "has a port"),
            ("https://a:99999/b", "has a port"),
            ("https://a:/b", "has a port"),
            ("https://a/b#c", "has a fragment"),
            ("https://a/b c", "has blanks"),
            ("https://ü.example/", "has blanks"),
            ("https://[::1/b", "has an IPv6"),
            ("https://[x]/b", "has brackets"),
            ("https://[::1]b/b", "has more behind"),
            ("https://a\\b/c", "names no host"),
        ] {
            let told = WebhookUrl::read(text).unwrap_err();
            assert!(told.starts_with(why), "{text}: {told}");
        }
    }

    #[test]
    fn filters_are_about_kind_database_and_role() {
        let all = WebhookSettings {
            name: "w".into(),
            url: WebhookUrl::read("http://a").unwrap(),
            format: Format::Json,
            events: Kind::ALL.to_vec(),
            databases: Vec::new(),
            roles: Vec::new(),
            secret_file: None,
            ca: None,
        };
        let who = Who { database: "app".into(), role: "r".into(), ..Who::default() };
        let started = Event::MigrationStarted(Started { run: "1-1".into(), tool: None, who, sql: String::new() });
        assert!(all.wants(&started));
        let only = |databases: &[&str], roles: &[&str], events: &[Kind]| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            WebhookSettings { databases: owned(databases), roles: owned(roles), events: events.to_vec(), ..all.clone() }
        };
        assert!(only(&["x", "app"], &["r"], &[Kind::MigrationStarted]).wants(&started));
        assert!(!only(&["x"], &[], &Kind::ALL).wants(&started));
        assert!(!only(&[], &["x"], &Kind::ALL).wants(&started));
        assert!(!only(&[], &[], &[Kind::Refused]).wants(&started));
        assert!(only(&["x"], &["x"], &[Kind::Refused]).wants(&Event::Test(Test { webhook: "w".into() })));
    }
}
