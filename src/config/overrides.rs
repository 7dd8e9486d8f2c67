//! What environment variables and flags say over the file.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::admin::Dashboard;
use super::problem::Problems;
use super::settings::{ClientTls, ListenerSettings, Pooler, ProxyProtocol, ServerTls, UpstreamSettings};
use crate::policy::settings::Mode;

/// Values from outside the file; each replaces the file's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Address of the only listener.
    pub listen: Option<SocketAddr>,
    /// Hosts of the only upstream; empty leaves the file's.
    pub upstream: Vec<String>,
    /// Address of admin HTTP.
    pub admin: Option<SocketAddr>,
    /// Whether the dashboard is there.
    pub dashboard: Option<Dashboard>,
    /// Mode of every listener.
    pub mode: Option<Mode>,
    /// Path of the store; relative to the working directory.
    pub store: Option<PathBuf>,
}

impl Overrides {
    /// Changes the file's listeners, or makes one when the file has none.
    pub(super) fn listeners(&self, listeners: &mut Vec<ListenerSettings>, problems: &mut Problems<'_>) {
        match (self.listen, listeners.as_mut_slice()) {
            (None, _) => {}
            (Some(address), []) => listeners.push(default_listener(address)),
            (Some(address), [only]) => only.address = address,
            (Some(_), several) => problems.outside(ambiguous("--listen (PGAIRLOCK_LISTEN)", "listener", several.len())),
        }
        if let Some(mode) = self.mode {
            listeners.iter_mut().for_each(|listener| listener.mode = mode);
        }
    }

    /// Changes the file's upstream, or makes one for all databases when the file has none.
    pub(super) fn upstreams(&self, upstreams: &mut Vec<UpstreamSettings>, problems: &mut Problems<'_>) {
        if self.upstream.is_empty() {
            return;
        }
        for host in &self.upstream {
            if let Err(message) = super::validate::host(host) {
                problems.outside(format!("--upstream (PGAIRLOCK_UPSTREAM): {message}"));
            }
        }
        match upstreams.as_mut_slice() {
            [] => upstreams.push(default_upstream(self.upstream.clone())),
            [only] => only.hosts.clone_from(&self.upstream),
            several => problems.outside(ambiguous("--upstream (PGAIRLOCK_UPSTREAM)", "upstream", several.len())),
        }
    }
}

fn default_listener(address: SocketAddr) -> ListenerSettings {
    ListenerSettings { name: "default".into(), address, mode: Mode::Enforce, tls: ClientTls::Disable, proxy_protocol: ProxyProtocol::Off }
}

fn default_upstream(hosts: Vec<String>) -> UpstreamSettings {
    UpstreamSettings { name: "default".into(), databases: vec!["*".into()], hosts, tls: ServerTls::Prefer, pooler: Pooler::None }
}

fn ambiguous(flag: &str, section: &str, count: usize) -> String {
    format!("{flag} can replace one [[{section}]], but the file has {count}; change it in the file")
}
