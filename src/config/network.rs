//! Ranges of addresses.

use std::fmt;
use std::net::IpAddr;

/// A range of addresses that share their first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// `10.0.0.0/8`, `fd00::/8`, or one address.
    ///
    /// # Errors
    /// When it is none, or its address goes on behind its bits: which of both is meant, nobody knows.
    pub fn read(text: &str) -> Result<Self, String> {
        let none = || format!("\"{text}\" is no range of addresses; write one such as \"10.0.0.0/8\", \"fd00::/8\" or \"192.0.2.7\"");
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| none())?;
        let most = length(address);
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(none)?,
            None => most,
        };
        if number(address) & !mask(address, bits) != 0 {
            return Err(format!("\"{text}\" has an address that goes on behind its first {bits} bits; set the rest to 0, or leave \"/{bits}\" out"));
        }
        Ok(Self { address, bits })
    }

    /// An IPv4 address that came over an IPv6 socket counts as what it is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && number(address) & mask(address, self.bits) == number(self.address)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

fn length(address: IpAddr) -> u32 {
    if address.is_ipv4() { u32::BITS } else { u128::BITS }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// The first `bits` of an address of this kind.
fn mask(address: IpAddr, bits: u32) -> u128 {
    let rest = length(address) - bits;
    u128::MAX.checked_shl(rest).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(network: &str, address: &str) -> bool {
        Network::read(network).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_range_holds_what_begins_as_it_does() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.128/25", "192.0.2.255", "192.0.2.127"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::/0", "ffff::", "1.2.3.4"),
            ("::1", "::1", "::2"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3"),
        ] {
            assert!(holds(network, inside), "{network} {inside}");
            assert!(!holds(network, outside), "{network} {outside}");
        }
    }

    #[test]
    fn what_is_no_range_is_told() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0/8", "balancer", "10.0.0.0/8/8"] {
            assert!(Network::read(text).unwrap_err().contains("is no range of addresses"), "{text}");
        }
        assert!(Network::read("10.0.0.1/8").unwrap_err().contains("goes on behind its first 8 bits"));
    }
}
