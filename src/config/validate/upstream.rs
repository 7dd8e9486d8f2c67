//! `[[upstream]]`.

use std::collections::BTreeSet;
use std::ops::Range;

use super::super::file::{self, Maybe, UpstreamTls, UpstreamTlsMode};
use super::super::problem::Problems;
use super::super::settings::{Pooler, ServerTls, UpstreamSettings};
use super::{Context, optional, required, text};

const SECTION: &str = "[[upstream]]";

/// What the upstreams before this one took.
#[derive(Default)]
struct Taken {
    names: BTreeSet<String>,
    databases: BTreeSet<String>,
}

/// Every upstream that could be read.
pub(super) fn all(written: Vec<(file::Upstream, Range<usize>)>, context: &Context<'_>, problems: &mut Problems<'_>) -> Vec<UpstreamSettings> {
    let mut taken = Taken::default();
    if written.is_empty() && context.overrides.upstream.is_empty() {
        problems.anywhere("no server to forward to: give --upstream or an [[upstream]] with hosts");
    }
    written.into_iter().filter_map(|(upstream, at)| one(upstream, &at, &mut taken, context, problems)).collect()
}

fn one(
    written: file::Upstream,
    at: &Range<usize>,
    taken: &mut Taken,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Option<UpstreamSettings> {
    let name = text(written.name, SECTION, "name", at, problems);
    if let Some((name, span)) = &name
        && !taken.names.insert(name.clone())
    {
        problems.at(span, format!("{SECTION} name: \"{name}\" names another upstream already"));
    }
    let databases = databases(written.databases, at, taken, problems);
    let hosts = hosts(written.hosts, at, problems);
    let tls = tls(written.tls, context, problems);
    let pooler = optional(written.pooler, "[[upstream]] pooler", problems).map_or(Pooler::None, |(pooler, _)| pooler.into());
    Some(UpstreamSettings { name: name?.0, databases, hosts: hosts?, tls: tls?, pooler })
}

/// The first upstream that names a database serves it, so a later mention would never be used.
fn databases(written: Maybe<Vec<String>>, at: &Range<usize>, taken: &mut Taken, problems: &mut Problems<'_>) -> Vec<String> {
    let (databases, span) = optional(written, "[[upstream]] databases", problems).unwrap_or_else(|| (vec!["*".to_owned()], at.clone()));
    if databases.is_empty() {
        problems.at(&span, "[[upstream]] databases: is empty; name databases, or \"*\" for all");
    }
    for database in &databases {
        if taken.databases.contains("*") || taken.databases.contains(database) {
            problems.at(&span, format!("[[upstream]] databases: \"{database}\" goes to an earlier upstream, this one would never get it"));
        }
    }
    taken.databases.extend(databases.iter().cloned());
    databases
}

fn hosts(written: Maybe<Vec<String>>, at: &Range<usize>, problems: &mut Problems<'_>) -> Option<Vec<String>> {
    let (hosts, span) = required(written, SECTION, "hosts", at, problems)?;
    if hosts.is_empty() {
        problems.at(&span, "[[upstream]] hosts: is empty; name at least one \"host:port\"");
    }
    for message in hosts.iter().filter_map(|name| host(name).err()) {
        problems.at(&span, format!("[[upstream]] hosts: {message}"));
    }
    Some(hosts)
}

/// Checks `host:port`; an IPv6 address stands in brackets.
///
/// # Errors
/// With a message that shows the right form.
pub(in crate::config) fn host(text: &str) -> Result<(), String> {
    // Not repeated: it may hold a password.
    if text.contains("://") {
        return Err("is a URL; write host and port only, such as \"db.example:5432\" (role and password come from the client)".to_owned());
    }
    let Some((name, port)) = text.rsplit_once(':') else {
        return Err(format!("\"{text}\" has no port; write \"{text}:5432\""));
    };
    let bracketed = name.starts_with('[') && name.ends_with(']');
    if name.contains(':') && !bracketed {
        return Err(format!("\"{text}\": an IPv6 address stands in brackets, such as \"[::1]:5432\""));
    }
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '/' || c == '@') {
        return Err(format!("\"{text}\" is not host:port, such as \"db.example:5432\""));
    }
    match port.parse::<u16>() {
        Ok(1..) => Ok(()),
        _ => Err(format!("\"{text}\": \"{port}\" is not a port (1 to 65535)")),
    }
}

fn tls(written: Maybe<UpstreamTls>, context: &Context<'_>, problems: &mut Problems<'_>) -> Option<ServerTls> {
    let Some((tls, _)) = optional(written, "[[upstream]] tls", problems) else { return Some(ServerTls::Prefer) };
    let mode = optional(tls.mode, "[[upstream]] tls.mode", problems).map_or(UpstreamTlsMode::Prefer, |(mode, _)| mode);
    let ca = optional(tls.ca, "[[upstream]] tls.ca", problems);
    if let (UpstreamTlsMode::Prefer | UpstreamTlsMode::Require, Some((_, span))) = (mode, &ca) {
        // Believing in a check that does not happen is worse than none.
        problems.at(span, "[[upstream]] tls.ca: certificates are checked only with mode = \"verify-full\"");
    }
    Some(match mode {
        UpstreamTlsMode::Disable => ServerTls::Disable,
        UpstreamTlsMode::Prefer => ServerTls::Prefer,
        UpstreamTlsMode::Require => ServerTls::Require,
        UpstreamTlsMode::VerifyFull => ServerTls::VerifyFull(ca.map(|(path, _)| context.directory.join(path))),
    })
}

impl From<file::Pooler> for Pooler {
    fn from(pooler: file::Pooler) -> Self {
        match pooler {
            file::Pooler::None => Self::None,
            file::Pooler::Session => Self::Session,
        }
    }
}
