//! Who comes to the dashboard.

use std::net::IpAddr;

use metrics::counter;
use tracing::{error, info, warn};

use super::{Event, names};
use crate::audit::record::DecisionId;

/// Somebody has logged in with a token.
#[derive(Debug, Clone, Copy)]
pub struct AdminLoggedIn<'a> {
    /// The token's name.
    pub name: &'a str,
    /// Its role.
    pub role: &'a str,
    /// From where.
    pub client: IpAddr,
}

impl Event for AdminLoggedIn<'_> {
    fn emit(self) {
        let Self { name, role, client } = self;
        counter!(names::ADMIN_LOGINS_TOTAL, "result" => "ok").increment(1);
        info!(event = "admin_login", name, role, %client, "somebody has logged in to the dashboard");
    }
}

/// Somebody was not let in. What was said instead of a token is told nobody.
#[derive(Debug, Clone, Copy)]
pub struct AdminRefused<'a> {
    /// Why, in one word: the label of the metric.
    pub why: &'static str,
    /// What was asked for, without its query.
    pub path: &'a str,
    /// From where.
    pub client: IpAddr,
}

impl Event for AdminRefused<'_> {
    fn emit(self) {
        let Self { why, path, client } = self;
        counter!(names::ADMIN_LOGINS_TOTAL, "result" => why).increment(1);
        warn!(event = "admin_refused", why, path, %client, "somebody was not let in to the dashboard");
    }
}

/// Somebody has approved a refused statement, or has taken that back; who and why stands in the audit log.
#[derive(Debug, Clone, Copy)]
pub struct AdminDecided<'a> {
    /// `approved` or `revoked`.
    pub what: &'static str,
    /// The statement, as its page was called.
    pub fingerprint: &'a str,
    /// What the audit log has of it.
    pub entry: DecisionId,
    /// Who.
    pub name: &'a str,
    /// From where.
    pub client: IpAddr,
}

impl Event for AdminDecided<'_> {
    fn emit(self) {
        let Self { what, fingerprint, entry, name, client } = self;
        info!(event = "admin_decided", what, fingerprint, %entry, name, %client, "somebody has decided upon a refused statement on the dashboard");
    }
}

/// The file of tokens has changed, and cannot be read any more.
#[derive(Debug, Clone, Copy)]
pub struct AdminTokensUnreadable<'a> {
    /// Which file, and why.
    pub error: &'a str,
}

impl Event for AdminTokensUnreadable<'_> {
    fn emit(self) {
        error!(event = "admin_tokens_unreadable", error = self.error, "tokens of the dashboard cannot be read; those of before count");
    }
}
