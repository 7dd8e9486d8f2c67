//! Start-up packets: the only ones without a tag byte. `Ok(None)` means that more bytes are needed.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// PostgreSQL's limit, without the length word.
pub const MAX_BODY: usize = 10_000;

/// `CancelRequest`: 1234.5678.
const CANCEL: u32 = 80_877_102;
/// `SSLRequest`: 1234.5679.
const SSL: u32 = 80_877_103;
/// `GSSENCRequest`: 1234.5680.
const GSS: u32 = 80_877_104;

/// The eight bytes of an SSLRequest.
pub const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f];

/// One start-up packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// A session is wanted.
    Session(StartupMessage),
    /// TLS is wanted.
    Ssl,
    /// GSSAPI encryption is wanted.
    Gss,
    /// A statement of another session is to be cancelled.
    Cancel(CancelRequest),
}

/// StartupMessage of protocol 3. Keys and values are kept as they came: order, duplicates and bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StartupMessage {
    /// Minor version; libpq greases it, so any value passes.
    pub minor: u16,
    /// Key and value.
    pub parameters: Vec<(Bytes, Bytes)>,
}

/// A CancelRequest, kept verbatim: its key is the server's, none of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelRequest {
    /// The whole packet with its length.
    pub packet: Bytes,
}

impl CancelRequest {
    /// Of a session whose BackendKeyData had this body.
    #[must_use]
    pub fn of(backend_key: &[u8]) -> Self {
        let length = u32::try_from(backend_key.len() + 8).unwrap_or(u32::MAX);
        Self { packet: [&length.to_be_bytes(), &CANCEL.to_be_bytes(), backend_key].concat().into() }
    }
}

/// Why a start-up packet is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StartupError {
    /// Shorter than its own code, or longer than PostgreSQL takes. Most often: another protocol.
    #[error("invalid length of start-up packet: {0}")]
    Length(u32),
    /// A CancelRequest whose key is shorter than 4 or longer than 256 bytes.
    #[error("invalid length of cancel request: {0}")]
    CancelLength(usize),
    /// A protocol other than 3, or a request code that nobody knows.
    #[error("unsupported frontend protocol {major}.{minor}: pgairlock supports 3.0 and later minor versions")]
    Unsupported {
        /// Upper half of the code.
        major: u16,
        /// Lower half of the code.
        minor: u16,
    },
    /// The key/value list does not end where the packet ends.
    #[error("invalid start-up packet layout: expected terminator as last byte")]
    Layout,
}

/// Takes one packet off the front of `buffer` when it is there as a whole.
///
/// # Errors
/// As soon as the bytes at hand cannot begin a packet; a length that is too long is found with its fourth byte.
pub fn parse(buffer: &mut BytesMut) -> Result<Option<Packet>, StartupError> {
    let Some(length) = buffer.first_chunk::<4>().map(|word| u32::from_be_bytes(*word)) else { return Ok(None) };
    let size = usize::try_from(length).map_err(|_| StartupError::Length(length))?;
    if !(8..=MAX_BODY + 4).contains(&size) {
        return Err(StartupError::Length(length));
    }
    if buffer.len() < size {
        return Ok(None);
    }
    packet(buffer.split_to(size).freeze()).map(Some)
}

fn packet(bytes: Bytes) -> Result<Packet, StartupError> {
    let mut body = bytes.slice(4..);
    match body.get_u32() {
        SSL if body.is_empty() => Ok(Packet::Ssl),
        GSS if body.is_empty() => Ok(Packet::Gss),
        CANCEL => cancel(bytes),
        code => session(code, body),
    }
}

/// Process id and key; the key has 4 bytes up to protocol 3.0 and as many as the server likes in 3.2.
fn cancel(packet: Bytes) -> Result<Packet, StartupError> {
    match packet.len() {
        16..=268 => Ok(Packet::Cancel(CancelRequest { packet })),
        length => Err(StartupError::CancelLength(length)),
    }
}

fn session(code: u32, mut body: Bytes) -> Result<Packet, StartupError> {
    let [major, minor] =
        [code.to_be_bytes().first_chunk(), code.to_be_bytes().last_chunk()].map(|half| half.map_or(0, |half| u16::from_be_bytes(*half)));
    if major != 3 {
        return Err(StartupError::Unsupported { major, minor });
    }
    let mut parameters = Vec::new();
    loop {
        let key = text(&mut body)?;
        if key.is_empty() {
            break;
        }
        parameters.push((key, text(&mut body)?));
    }
    if body.is_empty() { Ok(Packet::Session(StartupMessage { minor, parameters })) } else { Err(StartupError::Layout) }
}

/// A string up to its NUL.
fn text(body: &mut Bytes) -> Result<Bytes, StartupError> {
    let end = body.iter().position(|byte| *byte == 0).ok_or(StartupError::Layout)?;
    let text = body.split_to(end);
    body.advance(1);
    Ok(text)
}

impl StartupMessage {
    /// The value of a key that PostgreSQL compares byte for byte (`user`, `database`, `options`, `replication`); the last one counts.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Bytes> {
        self.parameters.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The packet. `None` when it is longer than PostgreSQL takes.
    #[must_use]
    pub fn encode(&self) -> Option<Bytes> {
        let mut body = BytesMut::new();
        body.put_u16(3);
        body.put_u16(self.minor);
        for text in self.parameters.iter().flat_map(|(key, value)| [key, value]) {
            body.extend_from_slice(text);
            body.put_u8(0);
        }
        body.put_u8(0);
        if body.len() > MAX_BODY {
            return None;
        }
        let mut packet = BytesMut::with_capacity(body.len() + 4);
        packet.put_u32(u32::try_from(body.len() + 4).ok()?);
        packet.extend_from_slice(&body);
        Some(packet.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse_all(bytes: &[u8]) -> Result<Option<Packet>, StartupError> {
        parse(&mut BytesMut::from(bytes))
    }

    fn with_code(code: u32, rest: &[u8]) -> Vec<u8> {
        let length = u32::try_from(rest.len() + 8).unwrap();
        [&length.to_be_bytes(), &code.to_be_bytes(), rest].concat()
    }

    fn message(minor: u16, parameters: &[(&'static str, &'static str)]) -> StartupMessage {
        let parameters = parameters.iter().map(|(key, value)| (Bytes::from_static(key.as_bytes()), Bytes::from_static(value.as_bytes())));
        StartupMessage { minor, parameters: parameters.collect() }
    }

    #[test]
    fn a_start_up_message_keeps_order_and_duplicates() {
        let expected = message(0, &[("user", "b"), ("database", "a"), ("user", "c")]);
        let bytes = with_code(3 << 16, b"user\0b\0database\0a\0user\0c\0\0");
        assert_eq!(parse_all(&bytes), Ok(Some(Packet::Session(expected.clone()))));
        assert_eq!(expected.value("user").unwrap(), "c");
        assert_eq!(expected.encode().unwrap(), bytes);
    }

    #[test]
    fn newer_and_greased_minor_versions_pass() {
        for minor in [2u16, 9999] {
            let bytes = with_code((3 << 16) | u32::from(minor), b"user\0b\0_pq_.test_protocol_negotiation\0\0\0");
            let expected = message(minor, &[("user", "b"), ("_pq_.test_protocol_negotiation", "")]);
            assert_eq!(parse_all(&bytes), Ok(Some(Packet::Session(expected))));
        }
    }

    #[test]
    fn requests_are_recognised() {
        assert_eq!(parse_all(&SSL_REQUEST), Ok(Some(Packet::Ssl)));
        assert_eq!(parse_all(&with_code(GSS, b"")), Ok(Some(Packet::Gss)));
    }

    #[test]
    fn cancel_keys_of_4_to_256_bytes_are_kept_verbatim() {
        for size in [4, 32, 256] {
            let packet = with_code(CANCEL, &vec![7; size + 4]);
            assert_eq!(parse_all(&packet), Ok(Some(Packet::Cancel(CancelRequest { packet: packet.clone().into() }))));
        }
        let made = CancelRequest::of(&[7; 8]);
        assert_eq!(parse_all(&made.packet), Ok(Some(Packet::Cancel(made))));
        assert_eq!(parse_all(&with_code(CANCEL, &[7; 7])), Err(StartupError::CancelLength(15)));
        assert_eq!(parse_all(&with_code(CANCEL, &[7; 261])), Err(StartupError::CancelLength(269)));
    }

    #[test]
    fn more_bytes_are_asked_for_until_the_packet_is_whole() {
        let bytes = with_code(3 << 16, b"user\0b\0\0");
        for end in 0..bytes.len() {
            let mut buffer = BytesMut::from(&bytes[..end]);
            assert_eq!(parse(&mut buffer), Ok(None));
            assert_eq!(buffer.len(), end);
        }
    }

    #[test]
    fn what_follows_stays_in_the_buffer() {
        let mut buffer = BytesMut::from([SSL_REQUEST.as_slice(), b"sneaky"].concat().as_slice());
        assert_eq!(parse(&mut buffer), Ok(Some(Packet::Ssl)));
        assert_eq!(&buffer[..], b"sneaky");
    }

    #[test]
    fn impossible_lengths_are_found_at_once() {
        for length in [0u32, 4, 7, 10_005, 1 << 30, u32::MAX] {
            assert_eq!(parse_all(&length.to_be_bytes()), Err(StartupError::Length(length)));
        }
        assert_eq!(parse_all(b"GET / HTTP/1.1\r\n"), Err(StartupError::Length(0x4745_5420)));
        assert_eq!(parse_all(&10_004u32.to_be_bytes()), Ok(None));
    }

    #[test]
    fn unknown_codes_name_themselves() {
        assert_eq!(parse_all(&with_code(2 << 16, b"")), Err(StartupError::Unsupported { major: 2, minor: 0 }));
        assert_eq!(parse_all(&with_code(80_877_105, b"")), Err(StartupError::Unsupported { major: 1234, minor: 5681 }));
        assert_eq!(parse_all(&with_code(SSL, b"x")), Err(StartupError::Unsupported { major: 1234, minor: 5679 }));
    }

    #[test]
    fn a_list_that_does_not_end_with_the_packet_is_refused() {
        for rest in [b"".as_slice(), b"user\0b\0", b"user\0b", b"user\0", b"user\0b\0\0x", b"\0\0"] {
            assert_eq!(parse_all(&with_code(3 << 16, rest)), Err(StartupError::Layout), "{rest:?}");
        }
        assert_eq!(parse_all(&with_code(3 << 16, b"\0")), Ok(Some(Packet::Session(StartupMessage::default()))));
    }

    #[test]
    fn what_postgresql_would_not_take_is_not_built() {
        let long = |size| StartupMessage { minor: 0, parameters: vec![("k".into(), vec![b'v'; size].into())] };
        assert_eq!(long(MAX_BODY - 8).encode().map(|packet| packet.len()), Some(MAX_BODY + 4));
        assert_eq!(long(MAX_BODY - 7).encode(), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse_all(&bytes);
            let _ = parse_all(&with_code(3 << 16, &bytes));
        }

        #[test]
        fn what_is_built_is_read_back(minor: u16, parameters in proptest::collection::vec(("[a-z_.]{1,8}", "[^\0]{0,8}"), 0..5)) {
            let parameters = parameters.into_iter().map(|(key, value)| (Bytes::from(key), Bytes::from(value))).collect();
            let message = StartupMessage { minor, parameters };
            prop_assert_eq!(parse_all(&message.encode().unwrap()), Ok(Some(Packet::Session(message))));
        }
    }
}
