//! The two places of a login that a proxy has to look into: the server's list of SASL mechanisms, and how the client begins.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The mechanism that binds to the TLS certificate which the client sees.
const PLUS: &[u8] = b"SCRAM-SHA-256-PLUS";

/// What an Authentication message asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Nothing any more: the role is logged in.
    Ok,
    /// A list of SASL mechanisms to choose from.
    Sasl,
    /// The server's last word before Ok; no answer.
    SaslFinal,
    /// Anything else: a password, the next step of SASL or GSSAPI.
    Answer,
}

/// The kind of an Authentication message, from its body.
#[must_use]
pub fn request(body: &[u8]) -> Option<Request> {
    let code = body.first_chunk::<4>().map(|word| u32::from_be_bytes(*word))?;
    Some(match code {
        0 => Request::Ok,
        10 => Request::Sasl,
        12 => Request::SaslFinal,
        _ => Request::Answer,
    })
}

/// The whole AuthenticationSASL frame for the mechanisms of `body` without channel binding.
#[must_use]
pub fn without_plus(body: &[u8]) -> Bytes {
    let mut kept = BytesMut::new();
    kept.put_u32(10);
    for mechanism in body.get(4..).unwrap_or_default().split(|byte| *byte == 0).filter(|name| !name.is_empty() && *name != PLUS) {
        kept.extend_from_slice(mechanism);
        kept.put_u8(0);
    }
    kept.put_u8(0);
    let mut frame = BytesMut::with_capacity(kept.len() + 5);
    frame.put_u8(b'R');
    frame.put_u32(u32::try_from(kept.len() + 4).unwrap_or(u32::MAX));
    frame.extend_from_slice(&kept);
    frame.freeze()
}

/// Does this SASLInitialResponse say "I could bind to the channel, but you do not offer it"? A server with TLS takes that for an attack.
#[must_use]
pub fn says_server_cannot_bind(body: &[u8]) -> bool {
    let Some(end) = body.iter().position(|byte| *byte == 0) else { return false };
    let mut rest = body.get(end + 1..).unwrap_or_default();
    rest.try_get_u32().is_ok() && body.get(..end).is_some_and(|name| name.starts_with(b"SCRAM-")) && rest.starts_with(b"y")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_binding_is_taken_out_of_the_list() {
        let both = b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
        let plain = b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0";
        assert_eq!(&without_plus(both)[..], plain);
        assert_eq!(&without_plus(&plain[5..])[..], plain);
        assert_eq!(&without_plus(b"\0\0\0\x0aOAUTHBEARER\0")[..], b"R\0\0\0\x15\0\0\0\x0aOAUTHBEARER\0\0");
    }

    #[test]
    fn requests_are_told_apart() {
        let of = |code: u8| request(&[0, 0, 0, code, 9]);
        assert_eq!(
            [of(0), of(10), of(12), of(3), of(11)],
            [Request::Ok, Request::Sasl, Request::SaslFinal, Request::Answer, Request::Answer].map(Some)
        );
        assert_eq!(request(b"\0\0\0"), None);
    }

    #[test]
    fn the_flag_of_a_scram_client_is_found() {
        assert!(says_server_cannot_bind(b"SCRAM-SHA-256\0\0\0\0\x08y,,n=,r="));
        assert!(!says_server_cannot_bind(b"SCRAM-SHA-256\0\0\0\0\x08n,,n=,r="));
        assert!(!says_server_cannot_bind(b"SCRAM-SHA-256-PLUS\0\0\0\0\x08p=tls-server-end-point,,"));
        assert!(!says_server_cannot_bind(b"OAUTHBEARER\0\0\0\0\x08y,,"));
        for broken in [b"".as_slice(), b"SCRAM-SHA-256", b"SCRAM-SHA-256\0", b"SCRAM-SHA-256\0\0\0\0", b"y,,"] {
            assert!(!says_server_cannot_bind(broken), "{broken:?}");
        }
    }
}
