//! The header in which a load balancer says whose connection it passes on: the PROXY protocol, version 2 (HAProxy, `proxy-protocol.txt`, 2.2).
//!
//! ```text
//!  signature (12) · version and command (1) · family (1) · length (2) · addresses · TLVs, which are skipped
//! ```
//!
//! What follows it is the client's own, and may be TLS: so it is read to its last byte, and never beyond ([`length`]).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The first bytes of every header.
pub const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Everything up to and with the length.
pub const FIXED: usize = 16;
/// So many bytes may follow; with all that balancers tell in TLVs it is less than a kilobyte.
pub const MAX_BODY: usize = 4096;

/// How a header of version 1 begins.
const VERSION_1: &[u8] = b"PROXY";

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The balancer's own, as a health check is; or that of a client of whom it knows no address but its own host's.
    Peer,
    /// A client's.
    Client(SocketAddr),
}

/// Why a header is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Something else begins here.
    #[error(
        "this listener of pgairlock is behind a load balancer (proxy_protocol = true), and this connection does not begin with a header of the \
         PROXY protocol version 2: connect through the load balancer, and have it send one"
    )]
    Missing,
    /// The text of version 1.
    #[error(
        "the load balancer sent version 1 of the PROXY protocol, and pgairlock reads version 2 only: have it send that (HAProxy: send-proxy-v2 in \
         place of send-proxy)"
    )]
    Version1,
    /// A version that is still to come.
    #[error("the load balancer sent version {0} of the PROXY protocol, and pgairlock reads version 2 only")]
    Version(u8),
    /// Neither LOCAL nor PROXY.
    #[error("the load balancer's PROXY protocol header has command {0}, which version 2 does not have")]
    Command(u8),
    /// No kind of address that a TCP connection has.
    #[error("the load balancer's PROXY protocol header says that this is no connection by TCP (family and transport {0:#04x})")]
    Family(u8),
    /// Longer than [`MAX_BODY`].
    #[error("the load balancer's PROXY protocol header announces {0} bytes, and pgairlock takes no more than {MAX_BODY}")]
    TooLong(usize),
    /// The addresses do not fit in.
    #[error("the load balancer's PROXY protocol header is too short for the addresses that it announces")]
    Short,
    /// The connection ended within it.
    #[error("the connection ended within its PROXY protocol header")]
    Truncated,
}

/// How long the header is, as far as its first bytes tell: [`FIXED`] until they are there, then all of it.
///
/// # Errors
/// As soon as these bytes cannot begin a header.
pub fn length(bytes: &[u8]) -> Result<usize, HeaderError> {
    let known = bytes.len().min(SIGNATURE.len());
    if bytes.get(..known) != SIGNATURE.get(..known) {
        let is_version_1 = bytes.starts_with(VERSION_1) || !bytes.is_empty() && VERSION_1.starts_with(bytes);
        return Err(if is_version_1 { HeaderError::Version1 } else { HeaderError::Missing });
    }
    if let Some(byte) = bytes.get(SIGNATURE.len()) {
        if byte >> 4 != 2 {
            return Err(HeaderError::Version(byte >> 4));
        }
        if byte & 0xf > 1 {
            return Err(HeaderError::Command(byte & 0xf));
        }
    }
    let Some([.., high, low]) = bytes.first_chunk::<FIXED>() else { return Ok(FIXED) };
    let body = usize::from(u16::from_be_bytes([*high, *low]));
    if body > MAX_BODY { Err(HeaderError::TooLong(body)) } else { Ok(FIXED + body) }
}

/// What a whole header says.
///
/// # Errors
/// When it is none, or ends before its addresses do.
pub fn origin(header: &[u8]) -> Result<Origin, HeaderError> {
    if header.len() < length(header)? {
        return Err(HeaderError::Truncated);
    }
    let Some(([.., command, family, _, _], body)) = header.split_first_chunk::<FIXED>() else { return Err(HeaderError::Truncated) };
    // Of a connection of its own, whatever else stands there is to be passed over.
    if command & 0xf == 0 {
        return Ok(Origin::Peer);
    }
    match family {
        0x00 => Ok(Origin::Peer),
        0x11 => tcp4(body).map(Origin::Client).ok_or(HeaderError::Short),
        0x21 => tcp6(body).map(Origin::Client).ok_or(HeaderError::Short),
        // A client on the balancer's own host: its address is what says where that is.
        0x31 => {
            if body.len() < UNIX {
                Err(HeaderError::Short)
            } else {
                Ok(Origin::Peer)
            }
        }
        family => Err(HeaderError::Family(*family)),
    }
}

/// The addresses of a connection by a UNIX socket: two paths.
pub const UNIX: usize = 216;

/// Source and destination, then their ports.
fn tcp4(body: &[u8]) -> Option<SocketAddr> {
    let (addresses, ports) = body.split_first_chunk::<8>()?;
    let source = Ipv4Addr::from(*addresses.first_chunk::<4>()?);
    Some(SocketAddr::new(IpAddr::V4(source), u16::from_be_bytes(*ports.first_chunk::<4>()?.first_chunk()?)))
}

fn tcp6(body: &[u8]) -> Option<SocketAddr> {
    let (addresses, ports) = body.split_first_chunk::<32>()?;
    let source = Ipv6Addr::from(*addresses.first_chunk::<16>()?);
    // An IPv4 address that came over an IPv6 socket is told as what it is.
    Some(SocketAddr::new(IpAddr::V6(source).to_canonical(), u16::from_be_bytes(*ports.first_chunk::<4>()?.first_chunk()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;

    fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        [&SIGNATURE[..], &[command, family], &u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
    }

    fn ports(source: u16) -> [u8; 4] {
        let [high, low] = source.to_be_bytes();
        [high, low, 0x15, 0x38]
    }

    fn body4() -> Vec<u8> {
        [&[192, 0, 2, 7, 10, 0, 0, 1][..], &ports(40_000)].concat()
    }

    fn body6(source: &str) -> Vec<u8> {
        let source: Ipv6Addr = source.parse().unwrap();
        [&source.octets()[..], &Ipv6Addr::LOCALHOST.octets(), &ports(40_001)].concat()
    }

    fn client(text: &str) -> Result<Origin, HeaderError> {
        Ok(Origin::Client(text.parse().unwrap()))
    }

    #[test]
    fn the_client_is_who_the_header_says() {
        assert_eq!(origin(&header(PROXY, 0x11, &body4())), client("192.0.2.7:40000"));
        assert_eq!(origin(&header(PROXY, 0x21, &body6("2001:db8::7"))), client("[2001:db8::7]:40001"));
        assert_eq!(origin(&header(PROXY, 0x21, &body6("::ffff:192.0.2.7"))), client("192.0.2.7:40001"));
        let with_tlv = [body4(), vec![0x03, 0, 4, 1, 2, 3, 4], vec![0xea, 0, 1, 9]].concat();
        assert_eq!(origin(&header(PROXY, 0x11, &with_tlv)), client("192.0.2.7:40000"));
    }

    #[test]
    fn without_an_address_it_is_the_peer_itself() {
        for family in [0x00, 0x11, 0x21, 0x31, 0x12, 0xff] {
            for body in [&[][..], &[1, 2, 3], &body4()] {
                assert_eq!(origin(&header(LOCAL, family, body)), Ok(Origin::Peer), "{family:#x} {body:?}");
            }
        }
        assert_eq!(origin(&header(PROXY, 0x00, b"whatever")), Ok(Origin::Peer));
        assert_eq!(origin(&header(PROXY, 0x31, &[b'/'; UNIX])), Ok(Origin::Peer));
    }

    #[test]
    fn what_is_wrong_with_it_is_told() {
        let cases: &[(Vec<u8>, HeaderError)] = &[
            (header(0x11, 0x11, &body4()), HeaderError::Version(1)),
            (header(0x31, 0x11, &body4()), HeaderError::Version(3)),
            (header(0x22, 0x11, &body4()), HeaderError::Command(2)),
            (header(PROXY, 0x12, &body4()), HeaderError::Family(0x12)),
            (header(PROXY, 0x10, &body4()), HeaderError::Family(0x10)),
            (header(PROXY, 0x41, &body4()), HeaderError::Family(0x41)),
            (header(PROXY, 0x11, &body4()[..11]), HeaderError::Short),
            (header(PROXY, 0x21, &body6("::1")[..35]), HeaderError::Short),
            (header(PROXY, 0x31, &[b'/'; UNIX - 1]), HeaderError::Short),
            (header(PROXY, 0x11, &[0; MAX_BODY + 1]), HeaderError::TooLong(MAX_BODY + 1)),
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 40000 5432\r\n".to_vec(), HeaderError::Version1),
            (b"PRO".to_vec(), HeaderError::Version1),
            (crate::wire::startup::SSL_REQUEST.to_vec(), HeaderError::Missing),
            (b"\x16\x03\x01".to_vec(), HeaderError::Missing),
            (b"GET / HTTP/1.1\r\n".to_vec(), HeaderError::Missing),
            (b"\r\n\r\n\r\n".to_vec(), HeaderError::Missing),
        ];
        for (bytes, expected) in cases {
            assert_eq!(origin(bytes), Err(*expected), "{bytes:?}");
        }
        let longest = [body4(), vec![0; MAX_BODY - 12]].concat();
        assert_eq!(origin(&header(PROXY, 0x11, &longest)), client("192.0.2.7:40000"));
    }

    #[test]
    fn a_header_is_asked_for_to_its_last_byte_and_no_further() {
        let whole = header(PROXY, 0x11, &[body4(), vec![4, 0, 1, 0]].concat());
        let followed = [&whole[..], b"\0\0\0\x08\x04\xd2\x16\x2f"].concat();
        for cut in 0..whole.len() {
            assert_eq!(length(&whole[..cut]), Ok(if cut < FIXED { FIXED } else { whole.len() }), "{cut}");
            assert_eq!(origin(&whole[..cut]), Err(HeaderError::Truncated), "{cut}");
        }
        assert_eq!(length(&followed), Ok(whole.len()));
    }

    proptest! {
        #[test]
        fn hostile_bytes_neither_panic_nor_ask_for_much(bytes in proptest::collection::vec(any::<u8>(), 0..300), signed: bool) {
            let bytes = if signed { [&SIGNATURE[..], &bytes].concat() } else { bytes };
            if let Ok(wanted) = length(&bytes) {
                prop_assert!((FIXED..=FIXED + MAX_BODY).contains(&wanted));
            }
            // What is decided does not change with what comes behind it.
            if let Ok(told) = origin(&bytes) {
                prop_assert_eq!(origin(&[&bytes[..], b"more"].concat()), Ok(told));
            }
        }

        #[test]
        fn more_of_a_wrong_beginning_never_makes_it_right(bytes in proptest::collection::vec(any::<u8>(), 1..40), cut in 0usize..40) {
            let part = &bytes[..cut.min(bytes.len())];
            if length(part).is_err() {
                prop_assert!(length(&bytes).is_err());
            }
        }
    }
}
