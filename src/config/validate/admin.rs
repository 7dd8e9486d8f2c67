//! `[admin]`: nothing that would let somebody in by mistake.

use std::net::SocketAddr;
use std::ops::Range;

use super::{Context, Maybe, optional, required};
use crate::config::admin::{AdminTls, AdminUser, Dashboard, DashboardSettings, Role, Who};
use crate::config::file::{self, NetworkText};
use crate::config::network::Network;
use crate::config::problem::Problems;
use crate::config::settings::{ClientCertificates, Identity, Settings};

/// Where it listens, and what is served there to whom.
pub(super) fn admin(written: Option<file::Admin>, context: &Context<'_>, problems: &mut Problems<'_>) -> (SocketAddr, DashboardSettings) {
    let mut written = written.unwrap_or_default();
    let in_file = optional(written.address.take(), "[admin] address", problems);
    let address = context.overrides.admin.or(in_file.as_ref().map(|(address, _)| address.0)).unwrap_or(Settings::DEFAULT_ADMIN);
    let dashboard = dashboard(written, context, problems);
    if dashboard.shown == Dashboard::On && !dashboard.knows_who() && !address.ip().to_canonical().is_loopback() {
        let message = format!(
            "[admin] address: {address} is reached from other machines, and nothing says who may see the dashboard there: make a token with `pgairlock \
             admin token NAME` and name its file with tokens, or set tls.client_ca or identity_header; with dashboard = \"off\" only probes and metrics \
             are served, with \"open\" everybody may look (--dashboard, PGAIRLOCK_DASHBOARD)"
        );
        match in_file.filter(|_| context.overrides.admin.is_none()) {
            Some((_, span)) => problems.at(&span, message),
            None => problems.outside(message),
        }
    }
    (address, dashboard)
}

fn dashboard(written: file::Admin, context: &Context<'_>, problems: &mut Problems<'_>) -> DashboardSettings {
    let in_file = optional(written.dashboard, "[admin] dashboard", problems).map(|(shown, _)| match shown {
        file::Dashboard::On => Dashboard::On,
        file::Dashboard::Off => Dashboard::Off,
        file::Dashboard::Open => Dashboard::Open,
    });
    let tokens = optional(written.tokens, "[admin] tokens", problems);
    if let Some((_, span)) = tokens.as_ref().filter(|(path, _)| path.as_os_str().is_empty()) {
        problems.at(span, "[admin] tokens: is empty; give the path of a file, or leave the key out");
    }
    let (identity_header, trusted_proxies) = before(written.identity_header, written.trusted_proxies, problems);
    let tls = optional(written.tls, "[admin.tls]", problems).and_then(|(tls, at)| tls_of(tls, &at, context, problems));
    let users = super::sections(written.user, "admin.user", problems);
    let users: Vec<(AdminUser, Range<usize>)> = users.into_iter().filter_map(|(one, at)| Some((user(one, &at, problems)?, at))).collect();
    for (place, (user, at)) in users.iter().enumerate() {
        if users.iter().take(place).any(|(before, _)| before.who == user.who) {
            problems.at(at, "[[admin.user]]: stands here twice; who it is has one role");
        }
        match user.who {
            Who::Name(_) if identity_header.is_none() => {
                problems.at(at, "[[admin.user]] name: nobody says names here; set [admin] identity_header, or give the subject of a certificate");
            }
            Who::Subject(_) if tls.as_ref().is_none_or(|tls| tls.identity.clients.is_none()) => {
                problems.at(at, "[[admin.user]] subject: nobody is asked for a certificate; set client_ca in [admin.tls]");
            }
            _ => {}
        }
    }
    DashboardSettings {
        shown: context.overrides.dashboard.or(in_file).unwrap_or_default(),
        tokens: tokens.map(|(path, _)| context.directory.join(path)),
        identity_header,
        trusted_proxies,
        url: url(written.url, problems),
        tls,
        users: users.into_iter().map(|(user, _)| user).collect(),
    }
}

/// A header that anybody can send is worth nothing without the address that it may come from.
fn before(header: Maybe<String>, proxies: Maybe<Vec<NetworkText>>, problems: &mut Problems<'_>) -> (Option<String>, Vec<Network>) {
    let header = optional(header, "[admin] identity_header", problems);
    let proxies = optional(proxies, "[admin] trusted_proxies", problems);
    match (&header, &proxies) {
        (Some((_, span)), None) => {
            problems
                .at(span, "[admin] identity_header: everybody can send it; say with trusted_proxies = [\"10.0.0.5/32\"] from whom it is believed");
        }
        (None, Some((_, span))) => problems.at(span, "[admin] trusted_proxies: of what are they believed? Name the header with identity_header"),
        _ => {}
    }
    if let Some((name, span)) = &header
        && !is_header_name(name)
    {
        problems.at(span, format!("[admin] identity_header: \"{name}\" is no name of a header, such as \"X-Forwarded-User\""));
    }
    let networks = proxies.map(|(proxies, _)| proxies).unwrap_or_default().into_iter().map(|NetworkText(network)| network);
    (header.map(|(name, _)| name), networks.collect())
}

/// As people write it into their browsers; paths are put behind it.
fn url(written: Maybe<String>, problems: &mut Problems<'_>) -> Option<String> {
    let (url, span) = optional(written, "[admin] url", problems)?;
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let is_one =
        rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && rest.chars().all(|c| c.is_ascii_graphic() && !"?#\"<>\\".contains(c)));
    if !is_one {
        problems.at(&span, format!("[admin] url: \"{url}\" is not where a browser finds the dashboard, such as \"https://pgairlock.example.com\""));
        return None;
    }
    Some(url.trim_end_matches('/').to_owned())
}

/// The names that HTTP allows, but for those by which somebody logs in.
fn is_header_name(name: &str) -> bool {
    let is_taken = ["authorization", "cookie", "host"].contains(&name.to_ascii_lowercase().as_str());
    !name.is_empty() && !is_taken && name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}

fn tls_of(written: file::AdminTls, at: &Range<usize>, context: &Context<'_>, problems: &mut Problems<'_>) -> Option<AdminTls> {
    let certificate = required(written.certificate, "[admin.tls]", "certificate", at, problems);
    let key = required(written.key, "[admin.tls]", "key", at, problems);
    let client_ca = optional(written.client_ca, "[admin.tls] client_ca", problems);
    let within = |path: std::path::PathBuf| context.directory.join(path);
    let clients = client_ca.map(|(path, _)| ClientCertificates { ca: within(path), required: false });
    Some(AdminTls { identity: Identity { certificate: within(certificate?.0), key: within(key?.0), clients } })
}

fn user(written: file::AdminUser, at: &Range<usize>, problems: &mut Problems<'_>) -> Option<AdminUser> {
    let role = required(written.role, "[[admin.user]]", "role", at, problems);
    let name = optional(written.name, "[[admin.user]] name", problems);
    let subject = optional(written.subject, "[[admin.user]] subject", problems);
    let who = match (name, subject) {
        (Some((name, _)), None) if !name.trim().is_empty() => Who::Name(name),
        (None, Some((subject, _))) if !subject.trim().is_empty() => Who::Subject(subject),
        _ => {
            problems.at(at, "[[admin.user]] needs either name, as the trusted proxy says it, or subject, of a certificate");
            return None;
        }
    };
    let role = match role?.0 {
        file::AdminRole::Viewer => Role::Viewer,
        file::AdminRole::Approver => Role::Approver,
    };
    Some(AdminUser { who, role })
}
