//! Who somebody is, and what he may do. Everybody is nobody until one of the ways says otherwise; each is off unless the config sets it up.
//!
//! In this order: a token in `Authorization`, the word of a trusted proxy, a client certificate, the cookie of a browser that has logged in. What is
//! there and wrong is refused, and the next way is not tried.

mod limiter;
mod sessions;
pub mod tokens;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE};
use ring::hmac;

use super::listen::Peer;
use crate::config::admin::{Dashboard, DashboardSettings, Role, Who};
use limiter::Limiter;
use sessions::{Guest, Sessions};
use tokens::Token;

/// No name is longer, in bytes.
const LONGEST_NAME: usize = 200;
/// Between two looks at the file of tokens.
const LOOK: Duration = Duration::from_secs(2);

/// Somebody who may look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Visitor {
    /// His name; none where everybody may look.
    pub(super) name: Option<String>,
    /// What he may do.
    pub(super) role: Role,
    /// How he is known.
    pub(super) by: By,
    /// What his forms must say.
    pub(super) csrf: String,
}

/// How somebody is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// Not at all.
    Nothing,
    /// A token in the request: no browser sends it by itself.
    Bearer,
    /// A cookie.
    Cookie,
    /// A trusted proxy.
    Proxy,
    /// A client certificate.
    Certificate,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// He has said nothing, or nothing that counts.
    Unknown,
    /// A token that is none.
    WrongToken,
    /// He was wrong too often.
    TooOften(Duration),
    /// He is known, and no role is his.
    NoRole(String),
    /// The trusted proxy says something that is no name.
    WrongName,
    /// The name in the address bar is not of this machine: somebody else's page may be asking.
    WrongHost,
}

/// See the module.
pub(super) struct Access {
    settings: DashboardSettings,
    /// Whoever comes may look.
    everybody: bool,
    /// But only under a name of this machine.
    local_names_only: bool,
    tokens: RwLock<Arc<Vec<Token>>>,
    /// What the file of tokens was like at the last look, and whether that was told.
    seen: Mutex<Option<String>>,
    sessions: Sessions,
    limiter: Limiter,
    key: hmac::Key,
}

impl Access {
    /// Reads the file of tokens.
    ///
    /// # Errors
    /// When it cannot be read, or a line of it is wrong.
    pub(super) fn new(settings: DashboardSettings) -> Result<Self, String> {
        let tokens = settings.tokens.as_ref().map(read_tokens).transpose()?.unwrap_or_default();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &tokens::random_bytes()?);
        let open = settings.shown == Dashboard::Open;
        Ok(Self {
            everybody: open || !settings.knows_who(),
            local_names_only: !open && !settings.knows_who(),
            settings,
            tokens: RwLock::new(Arc::new(tokens)),
            seen: Mutex::new(None),
            sessions: Sessions::default(),
            limiter: Limiter::default(),
            key,
        })
    }

    /// Somebody can log in with a token.
    pub(super) fn has_login(&self) -> bool {
        self.settings.tokens.is_some()
    }

    /// Who it is.
    pub(super) fn visitor(&self, headers: &HeaderMap, peer: &Peer, now: Instant) -> Result<Visitor, Refused> {
        if let Some(bearer) = bearer(headers)? {
            let token = self.token(bearer, peer.address, now)?;
            return Ok(self.known(token.name, token.role, By::Bearer, bearer));
        }
        if let Some(name) = self.named_by_proxy(headers, peer)? {
            let role = self.role(|who| matches!(who, Who::Name(known) if *known == name));
            let role = role.or_else(|| self.role(|who| matches!(who, Who::Name(any) if any == "*"))).ok_or_else(|| Refused::NoRole(name.clone()))?;
            return Ok(self.known(name, role, By::Proxy, ""));
        }
        if let Some(subject) = &peer.subject {
            let role = self.role(|who| matches!(who, Who::Subject(known) if known == subject));
            let role = role.ok_or_else(|| Refused::NoRole(subject.clone()))?;
            return Ok(self.known(subject.clone(), role, By::Certificate, ""));
        }
        if let Some((cookie, guest)) = self.guest(headers, peer, now) {
            return Ok(self.known(guest.0, guest.1, By::Cookie, &cookie));
        }
        if !self.everybody {
            return Err(Refused::Unknown);
        }
        if self.local_names_only && !is_local_name(headers) {
            return Err(Refused::WrongHost);
        }
        Ok(Visitor { name: None, role: Role::Viewer, by: By::Nothing, csrf: self.csrf("", "") })
    }

    /// The token of somebody who logs in, as his cookie says from then on.
    pub(super) fn log_in(&self, token: &str, address: IpAddr, now: Instant) -> Result<(Token, String), Refused> {
        let token = self.token(token, address, now)?;
        let guest = Guest { name: token.name.clone(), token: token.hash() };
        let cookie = self.sessions.begin(guest, now).map_err(|_| Refused::Unknown)?;
        Ok((token, cookie))
    }

    /// The cookie means nothing any more.
    pub(super) fn log_out(&self, headers: &HeaderMap) {
        cookies(headers).for_each(|(_, cookie)| self.sessions.end(cookie));
    }

    /// Cookies go over TLS only where the browser has come so; a trusted proxy says how it was asked.
    pub(super) fn is_secure(&self, headers: &HeaderMap, peer: &Peer) -> bool {
        let forwarded = headers.get("x-forwarded-proto").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"https"));
        peer.is_tls || forwarded && self.is_trusted(peer)
    }

    /// Keeps the tokens as the file has them: a line that is taken out lets nobody in any more. `tell` hears of a file that cannot be read, once; then
    /// those of before count.
    pub(super) async fn keep_up(&self, tell: impl Fn(&str)) {
        let Some(path) = self.settings.tokens.clone() else { return std::future::pending().await };
        loop {
            tokio::time::sleep(LOOK).await;
            let path = path.clone();
            // A file system that hangs holds up this alone.
            let read = tokio::task::spawn_blocking(move || read_tokens(&path)).await;
            self.take_over(read.unwrap_or_else(|error| Err(error.to_string())), &tell);
        }
    }

    fn take_over(&self, read: Result<Vec<Token>, String>, tell: &impl Fn(&str)) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(tokens) => {
                *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
                *seen = None;
            }
            Err(why) if seen.as_ref() != Some(&why) => {
                tell(&why);
                *seen = Some(why);
            }
            Err(_) => {}
        }
    }

    fn token(&self, token: &str, address: IpAddr, now: Instant) -> Result<Token, Refused> {
        if let Some(wait) = self.limiter.wait(address, now) {
            return Err(Refused::TooOften(wait));
        }
        tokens::find(&self.tokens(), token).cloned().ok_or_else(|| {
            self.limiter.failed(address, now);
            Refused::WrongToken
        })
    }

    fn tokens(&self) -> Arc<Vec<Token>> {
        Arc::clone(&self.tokens.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Of several headers of that name none counts: one of them may be the client's. An empty one says that nobody is known.
    fn named_by_proxy(&self, headers: &HeaderMap, peer: &Peer) -> Result<Option<String>, Refused> {
        let Some(header) = self.settings.identity_header.as_ref().filter(|_| self.is_trusted(peer)) else { return Ok(None) };
        let mut values = headers.get_all(header.as_str()).iter();
        let (Some(first), second) = (values.next(), values.next()) else { return Ok(None) };
        let name = std::str::from_utf8(first.as_bytes()).map_err(|_| Refused::WrongName)?.trim();
        match name.len() {
            _ if second.is_some() || name.chars().any(char::is_control) => Err(Refused::WrongName),
            0 => Ok(None),
            1..=LONGEST_NAME => Ok(Some(name.to_owned())),
            _ => Err(Refused::WrongName),
        }
    }

    fn is_trusted(&self, peer: &Peer) -> bool {
        self.settings.trusted_proxies.iter().any(|network| network.contains(peer.address))
    }

    fn role(&self, is: impl Fn(&Who) -> bool) -> Option<Role> {
        self.settings.users.iter().find(|user| is(&user.who)).map(|user| user.role)
    }

    /// Who has the cookie, as long as his token stands in the file; with the role that stands there now.
    fn guest(&self, headers: &HeaderMap, peer: &Peer, now: Instant) -> Option<(String, (String, Role))> {
        // Over TLS the one that no neighbour and no eavesdropper can have set.
        let name = cookie_name(self.is_secure(headers, peer));
        cookies(headers).filter(|(called, _)| *called == name).find_map(|(_, cookie)| {
            let guest = self.sessions.find(cookie, now)?;
            let tokens = self.tokens();
            let token = tokens::again(&tokens, &guest.name, &guest.token)?;
            Some((cookie.to_owned(), (token.name.clone(), token.role)))
        })
    }

    fn known(&self, name: String, role: Role, by: By, session: &str) -> Visitor {
        let csrf = self.csrf(&name, session);
        Visitor { name: Some(name), role, by, csrf }
    }

    /// Nobody can make it who does not see the pages of this visitor.
    fn csrf(&self, name: &str, session: &str) -> String {
        tokens::hex(hmac::sign(&self.key, format!("{}:{name}{session}", name.len()).as_bytes()).as_ref())
    }
}

impl Visitor {
    /// His form says what only his own pages say.
    pub(super) fn has_sent(&self, csrf: &str) -> bool {
        match (tokens::unhex(&self.csrf), tokens::unhex(csrf)) {
            (Some(own), Some(sent)) => tokens::same(&own, &sent),
            _ => false,
        }
    }
}

/// The name of the cookie; with the prefix a browser takes it over TLS alone, and for this host alone.
pub(super) fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-pgairlock" } else { "pgairlock" }
}

/// Until when a browser may keep it, in seconds.
pub(super) const COOKIE_SECONDS: u64 = sessions::LONGEST.as_secs();

/// Ours, each with its name.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(name, _)| [cookie_name(true), cookie_name(false)].contains(name))
}

/// What a program says who it is; other schemes are for somebody else.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refused> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let value = value.to_str().map_err(|_| Refused::WrongToken)?;
    Ok(value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim()))
}

/// `localhost`, or an address: a name of somebody else's may be made to lead here, and its pages would read what is here.
fn is_local_name(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(axum::http::header::HOST) else { return true };
    let Ok(host) = host.to_str() else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

fn read_tokens(path: &PathBuf) -> Result<Vec<Token>, String> {
    let told = |why: String| format!("[admin] tokens {}: {why}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| told(error.to_string()))?;
    tokens::read(&text).map_err(told)
}

#[cfg(test)]
mod tests;
