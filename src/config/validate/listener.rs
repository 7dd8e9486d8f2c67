//! `[[listener]]`.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;

use super::super::file::{self, ClientCert, ListenerTls, ListenerTlsMode, Maybe, NetworkText};
use super::super::problem::Problems;
use super::super::settings::{ClientCertificates, ClientTls, Identity, ListenerSettings, ProxyProtocol};
use super::{Context, optional, required, text};
use crate::policy::settings::Mode;

const SECTION: &str = "[[listener]]";

/// Every listener that could be read.
pub(super) fn all(written: Vec<(file::Listener, Range<usize>)>, context: &Context<'_>, problems: &mut Problems<'_>) -> Vec<ListenerSettings> {
    let mut names = BTreeSet::new();
    let nothing_said = written.is_empty() && context.overrides.listen.is_none();
    if nothing_said {
        problems.anywhere("nothing to listen on: give --listen or a [[listener]] with an address");
    }
    written.into_iter().filter_map(|(listener, at)| one(listener, &at, &mut names, context, problems)).collect()
}

fn one(
    written: file::Listener,
    at: &Range<usize>,
    names: &mut BTreeSet<String>,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Option<ListenerSettings> {
    let name = text(written.name, SECTION, "name", at, problems);
    if let Some((name, span)) = &name
        && !names.insert(name.clone())
    {
        problems.at(span, format!("{SECTION} name: \"{name}\" names another listener already"));
    }
    let address = required(written.address, SECTION, "address", at, problems);
    let mode = optional(written.mode, "[[listener]] mode", problems).map_or(Mode::Enforce, |(mode, _)| mode.into());
    let tls = tls(written.tls, context, problems);
    let proxy_protocol = proxy_protocol(written.proxy_protocol, written.proxy_protocol_from, problems);
    Some(ListenerSettings { name: name?.0, address: address?.0.0, mode, tls: tls?, proxy_protocol })
}

/// A list that nobody looks at would be taken for protection.
fn proxy_protocol(required: Maybe<bool>, from: Maybe<Vec<NetworkText>>, problems: &mut Problems<'_>) -> ProxyProtocol {
    let required = optional(required, "[[listener]] proxy_protocol", problems).is_some_and(|(required, _)| required);
    let from = optional(from, "[[listener]] proxy_protocol_from", problems);
    match &from {
        Some((_, span)) if !required => {
            problems.at(span, "[[listener]] proxy_protocol_from: counts only with proxy_protocol = true; add it, or leave the key out");
        }
        Some((networks, span)) if networks.is_empty() => {
            problems.at(span, "[[listener]] proxy_protocol_from: is empty, so nobody could connect; name the load balancers, or leave the key out");
        }
        _ => {}
    }
    if !required {
        return ProxyProtocol::Off;
    }
    ProxyProtocol::Required { from: from.map(|(from, _)| from.into_iter().map(|network| network.0).collect()).unwrap_or_default() }
}

/// A port that is listened on twice would fail only at start, and on a reload too late.
pub(super) fn check_addresses(listeners: &[ListenerSettings], admin: SocketAddr, problems: &mut Problems<'_>) {
    let mut seen = BTreeSet::new();
    for address in listeners.iter().map(|listener| listener.address).chain([admin]) {
        // Port 0 is another free port each time.
        if address.port() != 0 && !seen.insert(address) {
            problems.anywhere(format!("{address} is given to two listeners (each [[listener]] and [admin] needs its own)"));
        }
    }
}

fn tls(written: Maybe<ListenerTls>, context: &Context<'_>, problems: &mut Problems<'_>) -> Option<ClientTls> {
    let Some((tls, at)) = optional(written, "[[listener]] tls", problems) else { return Some(ClientTls::Disable) };
    let mode = optional(tls.mode, "[[listener]] tls.mode", problems).map(|(mode, _)| mode);
    let clients = client_certificates(tls.client_ca, tls.client_cert, mode, context, problems);
    let certificate = optional(tls.certificate, "[[listener]] tls.certificate", problems);
    let key = optional(tls.key, "[[listener]] tls.key", problems);
    let identity = match (certificate, key) {
        (Some((certificate, _)), Some((key, _))) => {
            Some(Identity { certificate: context.directory.join(certificate), key: context.directory.join(key), clients })
        }
        _ => None,
    };
    client_tls(mode, identity).map_err(|message| problems.at(&at, format!("[[listener]] tls: {message}"))).ok()
}

/// The one without the other would check nothing.
fn client_certificates(
    ca: Maybe<PathBuf>,
    wanted: Maybe<ClientCert>,
    mode: Option<ListenerTlsMode>,
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Option<ClientCertificates> {
    let ca = optional(ca, "[[listener]] tls.client_ca", problems);
    let wanted = optional(wanted, "[[listener]] tls.client_cert", problems);
    match (ca, wanted) {
        (None, None) => None,
        (Some((_, span)), None) => {
            problems.at(&span, "[[listener]] tls.client_ca: no certificate is asked for; add client_cert = \"optional\" or \"required\"");
            None
        }
        (None, Some((_, span))) => {
            problems.at(&span, "[[listener]] tls.client_cert: by whom is it issued? add client_ca, the path of a PEM file");
            None
        }
        (Some(_), Some((ClientCert::Required, span))) if mode != Some(ListenerTlsMode::Require) => {
            problems.at(&span, "[[listener]] tls.client_cert: a plain connection shows no certificate; \"required\" needs mode = \"require\"");
            None
        }
        (Some((ca, _)), Some((wanted, _))) => Some(ClientCertificates { ca: context.directory.join(ca), required: wanted == ClientCert::Required }),
    }
}

fn client_tls(mode: Option<ListenerTlsMode>, identity: Option<Identity>) -> Result<ClientTls, &'static str> {
    match (mode, identity) {
        (Some(ListenerTlsMode::Disable), _) | (None, None) => Ok(ClientTls::Disable),
        (Some(ListenerTlsMode::Prefer), Some(identity)) => Ok(ClientTls::Prefer(identity)),
        (Some(ListenerTlsMode::Require), Some(identity)) => Ok(ClientTls::Require(identity)),
        (Some(ListenerTlsMode::Prefer | ListenerTlsMode::Require), None) => Err("TLS needs \"certificate\" and \"key\", paths of PEM files"),
        // Silently plain would be a surprise.
        (None, Some(_)) => Err("a certificate without a mode is not used; add mode = \"prefer\" or \"require\""),
    }
}

impl From<file::Mode> for Mode {
    fn from(mode: file::Mode) -> Self {
        match mode {
            file::Mode::Enforce => Self::Enforce,
            file::Mode::Warn => Self::Warn,
            file::Mode::Off => Self::Off,
        }
    }
}
