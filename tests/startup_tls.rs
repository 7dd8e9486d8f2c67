//! TLS on either leg of the proxy, on real servers and with libpq: who gets a session, who does not, and what is never let through.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::path::Path;
use std::process::Output;

use pgairlock::config::settings::{ClientTls, Identity};
use pgairlock::transport::tls::Acceptor;
use pgairlock::wire::startup::SSL_REQUEST;
use support::certificates::{self, certificates};
use support::raw::{self, first_column, text};
use support::{Cluster, Proxy, RawClient, clusters, psql};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const TRUSTED: &[(&str, &str)] = &[("user", "trusted"), ("database", "postgres")];
const ENCRYPTED: &[(&str, &str)] = &[("user", "encrypted"), ("database", "postgres")];

/// A proxy with these TLS modes: `client` with an identity, `server` as TOML.
fn proxy(address: &str, client: &str, identity: &certificates::Identity, server: &str) -> Proxy {
    let (certificate, key) = (identity.certificate.display(), identity.key.display());
    Proxy::start(&format!(
        "[[listener]]\nname = \"m\"\naddress = \"{{listen}}\"\ntls = {{ mode = \"{client}\", certificate = \"{certificate}\", key = \"{key}\" }}\n\
         [[upstream]]\nname = \"main\"\ndatabases = [\"*\"]\nhosts = [\"{address}\"]\ntls = {{ {server} }}\n"
    ))
}

fn before(cluster: &Cluster, client: &str, server: &str) -> Proxy {
    proxy(&format!("127.0.0.1:{}", cluster.port), client, &certificates().proxy, &format!("mode = \"{server}\""))
}

/// A session's first answer, or SQLSTATE and message of the refusal.
async fn session(mut client: RawClient, parameters: &[(&str, &str)]) -> Result<String, (String, String)> {
    client.start(parameters).await;
    match client.until(b'Z').await.pop() {
        Some((b'Z', _)) => Ok(first_column(&client.query("SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()").await).remove(0)),
        Some((_, error)) => Err((text(&error, b'C'), text(&error, b'M'))),
        None => panic!("closed without a word"),
    }
}

#[tokio::test]
async fn a_client_gets_tls_as_the_listener_offers_it() {
    for cluster in clusters() {
        let prefer = before(cluster, "prefer", "disable");
        assert!(session(RawClient::connect(prefer.port).await, TRUSTED).await.is_ok());
        assert!(session(RawClient::connect_ssl_request(prefer.port).await.unwrap(), TRUSTED).await.is_ok());
        let require = before(cluster, "require", "disable");
        assert!(session(RawClient::connect_ssl_request(require.port).await.unwrap(), TRUSTED).await.is_ok());
        let (sqlstate, message) = session(RawClient::connect(require.port).await, TRUSTED).await.unwrap_err();
        assert_eq!(sqlstate, "28000");
        assert!(message.contains("TLS"), "{message}");
    }
}

#[tokio::test]
async fn direct_tls_needs_its_application_protocol() {
    for cluster in clusters() {
        let proxy = before(cluster, "require", "disable");
        let client = RawClient::connect_tls(proxy.port, &[b"postgresql"]).await.unwrap();
        assert!(session(client, TRUSTED).await.is_ok());
        let other = RawClient::connect_tls(proxy.port, &[b"http/1.1"]).await;
        assert!(other.is_none(), "another protocol");
        let mut nameless = RawClient::connect_tls(proxy.port, &[]).await.unwrap();
        assert_eq!(nameless.rest().await, "", "no protocol named");
    }
}

#[tokio::test]
async fn clear_text_behind_a_request_for_tls_is_never_read() {
    for cluster in clusters() {
        let proxy = before(cluster, "prefer", "disable");
        let mut client = RawClient::connect(proxy.port).await;
        client.send(&[&SSL_REQUEST[..], &raw::startup(0, TRUSTED), &raw::frame(b'Q', b"CREATE TABLE injected ()\0")].concat()).await;
        assert_eq!(client.rest().await, "");
        let mut later = RawClient::connect(proxy.port).await;
        later.send(&SSL_REQUEST).await;
        assert_eq!(later.byte().await, Some(b'S'));
        later.send(&raw::startup(0, TRUSTED)).await;
        let answer = later.rest().await;
        assert!(answer.first().is_none_or(|record| *record == 0x15), "anything but a TLS alert: {answer:?}");
        assert_eq!(cluster.connect("postgres").await.value("SELECT count(*) FROM pg_class WHERE relname = 'injected'").await, "0");
    }
}

#[tokio::test]
async fn within_tls_there_is_nothing_left_to_ask_for() {
    for cluster in clusters() {
        let proxy = before(cluster, "prefer", "disable");
        for request in [&SSL_REQUEST, b"\0\0\0\x08\x04\xd2\x16\x30"] {
            let mut client = RawClient::connect_ssl_request(proxy.port).await.unwrap();
            client.send(request).await;
            assert_eq!(client.fatal().await.0, "0A000");
        }
    }
}

#[tokio::test]
async fn the_server_gets_tls_as_the_upstream_asks_for_it() {
    for cluster in clusters() {
        for (mode, expected) in [("disable", "false"), ("prefer", "true"), ("require", "true")] {
            let proxy = before(cluster, "prefer", mode);
            assert_eq!(session(RawClient::connect(proxy.port).await, TRUSTED).await.unwrap(), expected, "{mode}");
            let encrypted = session(RawClient::connect(proxy.port).await, ENCRYPTED).await;
            if mode == "disable" {
                assert_eq!(encrypted.unwrap_err().0, "28000", "the server's own refusal");
            } else {
                assert_eq!(encrypted.unwrap(), "true");
            }
        }
    }
}

#[tokio::test]
async fn verify_full_checks_issuer_and_name() {
    let verified =
        |host: &str, ca: &Path| proxy(host, "prefer", &certificates().proxy, &format!("mode = \"verify-full\", ca = \"{}\"", ca.display()));
    for cluster in clusters() {
        let port = cluster.port;
        for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}")] {
            let proxy = verified(&host, &certificates().ca);
            assert_eq!(session(RawClient::connect(proxy.port).await, TRUSTED).await.unwrap(), "true", "{host}");
        }
        let elsewhere = relay("127.0.0.2:0", port).await;
        for (host, ca) in [(format!("127.0.0.1:{port}"), &certificates().other_ca), (elsewhere, &certificates().ca)] {
            let proxy = verified(&host, ca);
            let (sqlstate, message) = session(RawClient::connect(proxy.port).await, TRUSTED).await.unwrap_err();
            assert_eq!(sqlstate, "08001");
            assert!(message.contains("certificate"), "{message}");
        }
        let proxy = verified(&format!("127.0.0.1:{port}"), Path::new("missing.crt"));
        let (sqlstate, message) = session(RawClient::connect(proxy.port).await, TRUSTED).await.unwrap_err();
        assert_eq!(sqlstate, "08001");
        assert!(message.contains("missing.crt"), "{message}");
    }
}

/// Another address of a server.
async fn relay(address: &str, port: u16) -> String {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    address.to_string()
}

/// A server that answers SSLRequest like this, and what it hears after it.
async fn answering(answer: &'static [u8]) -> (String, tokio::task::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heard = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 8];
        socket.read_exact(&mut request).await.unwrap();
        assert_eq!(request, SSL_REQUEST);
        socket.write_all(answer).await.unwrap();
        let mut heard = Vec::new();
        let _ = socket.read_to_end(&mut heard).await;
        heard
    });
    (address, heard)
}

#[tokio::test]
async fn nobody_in_between_can_take_tls_away() {
    let verified = format!("mode = \"verify-full\", ca = \"{}\"", certificates().ca.display());
    for settings in ["mode = \"require\"", &verified] {
        let (address, heard) = answering(b"N").await;
        let proxy = proxy(&address, "prefer", &certificates().proxy, settings);
        let (sqlstate, message) = session(RawClient::connect(proxy.port).await, TRUSTED).await.unwrap_err();
        assert_eq!(sqlstate, "08001");
        assert!(message.contains("does not speak TLS"), "{message}");
        assert_eq!(heard.await.unwrap(), b"", "nothing is said in clear text");
    }
    let (address, heard) = answering(b"SR\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await;
    let proxy = proxy(&address, "prefer", &certificates().proxy, "mode = \"require\"");
    assert_eq!(session(RawClient::connect(proxy.port).await, TRUSTED).await.unwrap_err().0, "08001", "clear text behind S");
    assert!(heard.await.unwrap().starts_with(&[0x16]), "only a TLS handshake");
}

#[tokio::test]
async fn a_cancel_request_passes_through_tls_on_both_sides() {
    for cluster in clusters() {
        let proxy = before(cluster, "prefer", "require");
        let mut sleeper = RawClient::connect_ssl_request(proxy.port).await.unwrap();
        sleeper.start(TRUSTED).await;
        let greeting = sleeper.until(b'Z').await;
        let key = greeting.iter().find(|(tag, _)| *tag == b'K').unwrap().1.clone();
        sleeper.send_message(b'Q', b"SELECT pg_sleep(600)\0").await;
        cluster.until_asleep(&key[..4]).await;
        let mut cancel = RawClient::connect_ssl_request(proxy.port).await.unwrap();
        cancel.send(&[b"\0\0\0\x10\x04\xd2\x16\x2e", &key[..]].concat()).await;
        assert_eq!(cancel.rest().await, "");
        assert_eq!(text(&sleeper.until(b'E').await.pop().unwrap().1, b'C'), "57014");
    }
}

/// A login with SCRAM by libpq, which is particular about channel binding.
fn libpq(port: u16, ssl: &str, binding: &str) -> Option<Output> {
    let address = format!("host=localhost port={port} user=postgres dbname=postgres sslmode={ssl} channel_binding={binding}");
    Some(psql()?.args(["-c", "SELECT 'in'"]).arg(address).env("PGSSLROOTCERT", &certificates().ca).output().unwrap())
}

/// `Ok` with the answer, or what psql complains about.
fn outcome(output: &Output) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[tokio::test]
async fn scram_works_on_every_pair_of_legs_that_allows_it() {
    for cluster in clusters() {
        let server = &certificates().server;
        let address = format!("127.0.0.1:{}", cluster.port);
        let plain = before(cluster, "prefer", "disable");
        let secured = before(cluster, "prefer", "require");
        let same = proxy(&address, "prefer", server, "mode = \"require\"");
        let cases = [
            (&plain, "disable", "prefer"),
            (&plain, "verify-full", "prefer"),
            (&secured, "disable", "prefer"),
            (&secured, "require", "disable"),
            (&same, "verify-full", "require"),
            (&same, "require", "prefer"),
        ];
        for (index, (proxy, ssl, binding)) in cases.into_iter().enumerate() {
            let Some(output) = libpq(proxy.port, ssl, binding) else { return };
            assert_eq!(outcome(&output), Ok("in".to_owned()), "case {index} on {}: {ssl} {binding}", cluster.version);
        }
        let refused = outcome(&libpq(secured.port, "require", "prefer").unwrap()).unwrap_err();
        assert!(refused.contains("channel_binding=disable"), "{refused}");
        let careful = outcome(&libpq(secured.port, "require", "require").unwrap()).unwrap_err();
        assert!(careful.contains("channel binding"), "{careful}");
    }
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    let known = certificates();
    let cases = [
        (known.proxy.certificate.clone(), "missing.key".into(), "missing.key"),
        ("missing.crt".into(), known.proxy.key.clone(), "missing.crt"),
        (known.proxy.key.clone(), known.proxy.key.clone(), "holds no certificate"),
        (known.proxy.certificate.clone(), known.proxy.certificate.clone(), "proxy.crt"),
        (known.proxy.certificate.clone(), known.server.key.clone(), "does not fit"),
    ];
    for (certificate, key, expected) in cases {
        let error = Acceptor::from_settings(&ClientTls::Prefer(Identity { certificate, key, clients: None })).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(Acceptor::from_settings(&ClientTls::Disable).unwrap().is_none());
}
