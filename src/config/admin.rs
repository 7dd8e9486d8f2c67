//! `[admin]` as used: who may see the dashboard, and who may decide there.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

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

/// Addresses: `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
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

impl Network {
    /// Whether the address is one of it. An IPv4 address may come as an IPv6 one.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => same_head(u128::from(own.to_bits()) << 96, u128::from(other.to_bits()) << 96, self.bits),
            (IpAddr::V6(own), IpAddr::V6(other)) => same_head(own.to_bits(), other.to_bits(), self.bits),
            _ => false,
        }
    }
}

fn same_head(one: u128, other: u128, bits: u8) -> bool {
    bits == 0 || (one ^ other) >> (128 - u32::from(bits.min(128))) == 0
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no network; write an IP address and how many bits of it count, such as \"10.0.0.5/32\"");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| wrong())?;
        if bits > most { Err(wrong()) } else { Ok(Self { address, bits }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_the_addresses_that_begin_like_it() {
        let has = |network: &str, address: &str| network.parse::<Network>().unwrap().has(address.parse().unwrap());
        assert!(has("10.0.0.5/32", "10.0.0.5") && !has("10.0.0.5/32", "10.0.0.4"));
        assert!(has("10.0.0.5", "::ffff:10.0.0.5"), "a socket for both has it so");
        assert!(has("10.0.0.0/8", "10.9.9.9") && !has("10.0.0.0/8", "11.0.0.0") && has("0.0.0.0/0", "8.8.8.8"));
        assert!(has("fd00::/8", "fd12::1") && !has("fd00::/8", "fe80::1") && !has("::/0", "10.0.0.5"));
        for wrong in ["", "10.0.0.5/33", "10.0.0.0/x", "host/8", "::/129", "10.0.0.5/-1"] {
            assert!(wrong.parse::<Network>().is_err_and(|why| why.contains("such as")), "{wrong}");
        }
        assert_eq!("10.0.0.5".parse::<Network>().unwrap().to_string(), "10.0.0.5/32");
    }
}
