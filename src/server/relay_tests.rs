use super::*;

const OK: &[u8] = b"R\0\0\0\x08\0\0\0\0";
const READY: &[u8] = b"Z\0\0\0\x05I";
const SASL: &[u8] = b"R\0\0\0\x2a\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";

fn hear(exchange: &mut Exchange, bytes: &[u8]) -> (Result<bool, LoginError>, Vec<u8>) {
    let (mut buffer, mut forward) = (BytesMut::from(bytes), BytesMut::new());
    (exchange.hear_server(&mut buffer, &mut forward), forward.to_vec())
}

fn answer(exchange: &mut Exchange, bytes: &[u8]) -> Result<Option<Bytes>, LoginError> {
    exchange.hear_client(&mut BytesMut::from(bytes))
}

fn scram(gs2: &str) -> Vec<u8> {
    let body = [b"SCRAM-SHA-256\0\0\0\0\x0b".as_slice(), gs2.as_bytes(), b"n=,r=abc"].concat();
    [b"p".as_slice(), &u32::try_from(body.len() + 4).unwrap().to_be_bytes(), &body].concat()
}

#[test]
fn everything_but_ready_for_query_is_forwarded_and_kept() {
    let told = [
        OK,
        b"S\0\0\0\x0cTimeZo\0\0",
        b"S\0\0\0\x0aa\0old\0",
        b"S\0\0\0\x0aa\0new\0",
        b"K\0\0\0\x0c\0\0\x01\x02\x01\x02\x03\x04",
        b"N\0\0\0\x06M\0",
        b"v\0\0\0\x0c\0\x03\0\x02\0\0\0\0",
    ]
    .concat();
    let mut exchange = Exchange::new(Binding::Untouched);
    let (ready, forwarded) = hear(&mut exchange, &[told.as_slice(), READY].concat());
    assert!(ready.unwrap());
    assert_eq!(forwarded, told);
    assert_eq!(exchange.backend_pid, 258);
    assert_eq!(exchange.parameters, [("TimeZo".to_owned(), String::new()), ("a".to_owned(), "new".to_owned())]);
}

#[test]
fn half_a_frame_waits() {
    let mut exchange = Exchange::new(Binding::Untouched);
    let mut buffer = BytesMut::from(&OK[..7]);
    let mut forward = BytesMut::new();
    assert!(!exchange.hear_server(&mut buffer, &mut forward).unwrap());
    assert!(forward.is_empty());
    buffer.extend_from_slice(&[&OK[7..], READY].concat());
    assert!(exchange.hear_server(&mut buffer, &mut forward).unwrap());
    assert_eq!(&forward[..], OK);
}

#[test]
fn the_servers_error_is_forwarded_and_remembered() {
    let error = b"E\0\0\0\x0cC28P01\0\0";
    let mut exchange = Exchange::new(Binding::Untouched);
    let (ready, forwarded) = hear(&mut exchange, error);
    assert!(!ready.unwrap());
    assert_eq!(forwarded, error);
    assert_eq!(exchange.refused.as_deref(), Some("28P01"));
}

#[test]
fn the_client_speaks_only_when_it_is_asked() {
    let mut exchange = Exchange::new(Binding::Untouched);
    let password = b"p\0\0\0\x06x\0";
    assert_eq!(answer(&mut exchange, password).unwrap(), None);
    assert!(!exchange.waits_for_client());
    hear(&mut exchange, b"R\0\0\0\x08\0\0\0\x03").0.unwrap();
    assert!(exchange.waits_for_client());
    assert_eq!(answer(&mut exchange, password).unwrap().as_deref(), Some(password.as_slice()));
    assert_eq!(answer(&mut exchange, password).unwrap(), None, "one answer for one question");
    hear(&mut exchange, OK).0.unwrap();
    assert_eq!(answer(&mut exchange, b"Q\0\0\0\x05;\0").unwrap(), None, "what comes early is the session's");
}

#[test]
fn the_client_answers_with_nothing_else() {
    let mut exchange = Exchange::new(Binding::Untouched);
    hear(&mut exchange, b"R\0\0\0\x08\0\0\0\x03").0.unwrap();
    assert!(matches!(answer(&mut exchange, b"Q\0\0\0\x05;\0"), Err(LoginError::ClientProtocol('Q'))));
    assert!(matches!(answer(&mut exchange, b"X"), Err(LoginError::ClientGone)));
    assert!(matches!(answer(&mut exchange, b"p\0\x01\0\0"), Err(LoginError::ClientProtocol('p'))));
    assert!(matches!(answer(&mut exchange, b"p\0\0\0\x03"), Err(LoginError::ClientProtocol('p'))));
}

#[test]
fn channel_binding_is_offered_only_where_it_can_work() {
    for binding in [Binding::Stripped, Binding::Impossible] {
        let (_, forwarded) = hear(&mut Exchange::new(binding), SASL);
        assert_eq!(forwarded, b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0");
    }
    assert_eq!(hear(&mut Exchange::new(Binding::Untouched), SASL).1, SASL);
}

#[test]
fn a_client_that_would_suspect_an_attack_is_told_what_to_do() {
    let begin = |binding, gs2| {
        let mut exchange = Exchange::new(binding);
        hear(&mut exchange, SASL).0.unwrap();
        answer(&mut exchange, &scram(gs2))
    };
    assert!(matches!(begin(Binding::Impossible, "y,,"), Err(LoginError::ChannelBinding)));
    assert_eq!(begin(Binding::Impossible, "n,,").unwrap().as_deref(), Some(scram("n,,").as_slice()));
    assert_eq!(begin(Binding::Stripped, "y,,").unwrap().as_deref(), Some(scram("y,,").as_slice()));
    assert_eq!(begin(Binding::Untouched, "y,,").unwrap().as_deref(), Some(scram("y,,").as_slice()));
}

#[test]
fn a_server_that_is_none_ends_the_login() {
    for bytes in [b"HTTP/1.1 400".as_slice(), READY, b"D\0\0\0\x04", b"R\0\0\0\x04", b"R\0\0\0\0", b"S\xff\xff\xff\xff"] {
        assert!(matches!(hear(&mut Exchange::new(Binding::Untouched), bytes).0, Err(LoginError::ServerProtocol(_))), "{bytes:?}");
    }
}
