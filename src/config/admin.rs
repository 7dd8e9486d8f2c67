//! `[admin]` as used: who may see the dashboard, and who may decide there.

use std::path::PathBuf;
use std::str::FromStr;

use super::network::Network;
use super::settings::Identity;

/// What is served beside the probes, and to whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DashboardSettings {
    /// Whether it is there.
    pub shown: Dashboard,
    /// The file of tokens.
    pub tokens: Option<PathBuf>,
    /// A header in which a proxy before this one says who somebody is.
    pub identity_header: Option<String>,
    /// Whose word counts for that.
    pub trusted_proxies: Vec<Network>,
    /// HTTPS, and client certificates.
    pub tls: Option<AdminTls>,
    /// Where people reach it: refusals and webhooks lead there. Without a `/` at its end.
    pub url: Option<String>,
    /// Who may do what, of those that a certificate or a proxy names.
    pub users: Vec<AdminUser>,
}

/// Whether the dashboard is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dashboard {
    /// For whoever logs in; where nothing says how, for everybody on this machine to look at.
    #[default]
    On,
    /// Only probes and metrics are served.
    Off,
    /// As on, but everybody who reaches it may look without a login.
    Open,
}

/// `[admin.tls]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminTls {
    /// What is shown, and who signs the certificates of users; nobody has to have one.
    pub identity: Identity,
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Viewer,
    /// Decide, too.
    Approver,
}

/// `[[admin.user]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminUser {
    /// Who.
    pub who: Who,
    /// What he may do.
    pub role: Role,
}

/// How somebody is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// By the name that the trusted proxy gives; `*` is everybody that it knows.
    Name(String),
    /// By the subject of the client certificate: `CN=alice,O=Example`.
    Subject(String),
}

impl DashboardSettings {
    /// Something says who somebody is.
    #[must_use]
    pub fn knows_who(&self) -> bool {
        self.tokens.is_some() || self.identity_header.is_some() || self.tls.as_ref().is_some_and(|tls| tls.identity.clients.is_some())
    }
}

impl Role {
    /// As written in config and files.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Approver => "approver",
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "viewer" => Ok(Self::Viewer),
            "approver" => Ok(Self::Approver),
            _ => Err(format!("{text:?} is no role; roles are viewer and approver")),
        }
    }
}
