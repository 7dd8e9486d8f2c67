//! Certificates of clients: who shows a good one stands by his name in log and record, who shows a bad one or none is told why.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use pgairlock::config::settings::{self, ClientCertificates, ClientTls};
use pgairlock::transport::tls::Acceptor;
use rustls::HandshakeKind;
use rustls::pki_types::ServerName;
use serde_json::Value;
use support::certificates::{Identity, certificates};
use support::raw::tls_config;
use support::{Cluster, Proxy, RawClient, clusters, directory, psql, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const GOOD: &str = "CN=deploy,O=Example\\, Inc.";

/// In front of one server, with these keys beside the proxy's own certificate.
fn before(cluster: &Cluster, mode: &str, keys: &str) -> Proxy {
    let (port, identity) = (cluster.port, &certificates().proxy);
    let (certificate, key) = (identity.certificate.display(), identity.key.display());
    Proxy::start(&format!(
        "[[listener]]\nname = \"m\"\naddress = \"{{listen}}\"\n\
         [listener.tls]\nmode = \"{mode}\"\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n{keys}\n\
         [[upstream]]\nname = \"main\"\ndatabases = [\"*\"]\nhosts = [\"127.0.0.1:{port}\"]\ntls = {{ mode = \"disable\" }}\n"
    ))
}

fn asking(cluster: &Cluster, mode: &str, wanted: &str) -> Proxy {
    before(cluster, mode, &format!("client_ca = \"{}\"\nclient_cert = \"{wanted}\"", certificates().clients.ca.display()))
}

/// psql with this certificate, or with none; `None` where there is no psql.
fn psql_as(port: u16, ssl: &str, identity: Option<&Identity>, sql: &str) -> Option<Result<String, String>> {
    let mut command = psql()?;
    let none = Path::new("/nowhere");
    let (certificate, key) = identity.map_or((none, none), |identity| (identity.certificate.as_path(), identity.key.as_path()));
    let address = format!("host=localhost port={port} user=postgres dbname=postgres sslmode={ssl}");
    command.args(["-c", sql]).arg(address).env("PGSSLROOTCERT", &certificates().ca).env("PGSSLCERT", certificate).env("PGSSLKEY", key);
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Some(if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) })
}

/// The only record whose SQL has this in it.
fn record(proxy: &Proxy, sql: &str) -> Value {
    let mut records: Vec<_> = proxy.exported().into_iter().filter(|record| record["sql"].as_str().unwrap().contains(sql)).collect();
    assert_eq!(records.len(), 1, "{records:?}");
    records.remove(0)
}

/// A login by TLS, on request or from the first byte, and a statement that is recorded; what its record has.
async fn recorded(proxy: &Proxy, direct: bool, identity: Option<&Identity>, name: &str) -> Value {
    let mut socket = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
    if !direct {
        socket.write_all(&pgairlock::wire::startup::SSL_REQUEST).await.unwrap();
        assert_eq!(socket.read_u8().await.unwrap(), b'S');
    }
    let mut client = RawClient::handshake_with(socket, tls_config(&[b"postgresql"], identity)).await.unwrap();
    client.start(&[("user", "trusted"), ("database", "postgres")]).await;
    assert_eq!(client.until(b'Z').await.last().unwrap().0, b'Z');
    client.query(&format!("DROP VIEW IF EXISTS {name}")).await;
    record(proxy, name)["tls"].clone()
}

#[tokio::test]
async fn who_shows_a_good_certificate_stands_by_its_name_everywhere() {
    let clients = &certificates().clients;
    for cluster in clusters() {
        let proxy = asking(cluster, "require", "required");
        assert_eq!(recorded(&proxy, false, Some(&clients.good), "asked").await, GOOD);
        assert_eq!(recorded(&proxy, true, Some(&clients.good), "direct").await, GOOD);
        assert_eq!(recorded(&proxy, true, Some(&clients.nameless), "nameless").await, "URI:spiffe://example/ci");
        if let Some(answer) = psql_as(proxy.port, "verify-full", Some(&clients.good), "DROP VIEW IF EXISTS by_psql") {
            answer.unwrap();
            assert_eq!(record(&proxy, "by_psql")["tls"], GOOD);
        }
        let opened = proxy.events("session_opened");
        assert!(opened.len() >= 3 && opened.iter().all(|line| !line["tls"].is_null()), "{opened:?}");
        assert_eq!(opened[0]["tls"], GOOD);
        let id = record(&proxy, "direct")["id"].as_str().unwrap().to_owned();
        let run = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_pgairlock"));
            let output = command.env_clear().arg("audit").args(arguments).arg("--store").arg(&proxy.store).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        let shown = run(&["show", &id]);
        assert!(shown.contains(&format!("\n  tls          {GOOD}\n")), "{shown}");
        let csv = run(&["export", "--format", "csv"]);
        let (head, rows) = csv.split_once("\r\n").unwrap();
        assert!(head.ends_with(",tls") && rows.contains(&format!("\"{GOOD}\"\r\n")), "{csv}");
    }
}

#[tokio::test]
async fn who_shows_a_bad_one_or_none_is_told_why() {
    let clients = &certificates().clients;
    let none = (None, "certificate required", "the client showed no certificate, and this listener asks for one");
    let bad = [
        (Some(&clients.strange), "unknown ca", "was not issued by an authority of this listener (client_ca)"),
        (Some(&clients.forged), "decrypt error", "names an authority of this listener (client_ca), which did not sign it"),
        (Some(&clients.expired), "certificate expired", "the client's certificate has expired"),
        // It says no more than that it is a bad one.
        (Some(&clients.wrong_purpose), "certificate", "is not one for clients (extended key usage)"),
    ];
    for cluster in clusters() {
        for (wanted, cases) in [("required", [&[none][..], &bad].concat()), ("optional", bad.to_vec())] {
            let proxy = asking(cluster, "require", wanted);
            for (identity, alert, words) in cases {
                // Again and again: an end of the connection could overtake the alert.
                for _ in 0..10 {
                    let Some(answer) = psql_as(proxy.port, "require", identity, "SELECT 1") else { return };
                    let told = answer.unwrap_err();
                    assert!(told.contains("alert") && told.contains(alert), "{wanted}: {told}");
                }
                let line = proxy.event("login_failed", words).await;
                assert_eq!(line["kind"], "client-certificate", "{line}");
            }
            assert!(proxy.events("session_opened").is_empty());
        }
        let plain = psql_as(asking(cluster, "require", "required").port, "disable", None, "SELECT 1").unwrap().unwrap_err();
        assert!(plain.contains("accepts TLS only"), "{plain}");
    }
}

#[tokio::test]
async fn nobody_has_a_name_who_need_not_show_one_and_does_not() {
    let clients = &certificates().clients;
    for cluster in clusters() {
        let optional = asking(cluster, "prefer", "optional");
        assert_eq!(recorded(&optional, false, None, "silent").await, Value::Null);
        assert_eq!(recorded(&optional, true, Some(&clients.good), "shown").await, GOOD);
        let mut plain = RawClient::log_in(optional.port, "postgres").await;
        plain.query("DROP VIEW IF EXISTS plain").await;
        assert_eq!(record(&optional, "plain")["tls"], Value::Null);
        // A certificate that nobody has asked for, and nobody could check.
        let unasked = before(cluster, "prefer", "");
        assert_eq!(recorded(&unasked, false, Some(&clients.strange), "unasked").await, Value::Null);
        assert!(unasked.events("session_opened").iter().all(|line| line["tls"].is_null()));
    }
}

#[tokio::test]
async fn authorities_change_with_sighup() {
    let clients = &certificates().clients;
    for cluster in clusters() {
        let ca: PathBuf = directory("client_authorities").join(format!("{}.crt", cluster.version));
        std::fs::copy(&clients.ca, &ca).unwrap();
        let proxy = before(cluster, "require", &format!("client_ca = \"{}\"\nclient_cert = \"required\"", ca.display()));
        assert_eq!(recorded(&proxy, true, Some(&clients.good), "one").await, GOOD);
        std::fs::copy(&clients.other_ca, &ca).unwrap();
        proxy.signal("HUP");
        until("it has read them", async || proxy.events("config_reloaded").len() == 1).await;
        assert_eq!(recorded(&proxy, true, Some(&clients.strange), "two").await, GOOD);
        assert!(psql_as(proxy.port, "require", Some(&clients.good), "SELECT 1").is_none_or(|answer| answer.unwrap_err().contains("unknown ca")));
        // What cannot be used changes nothing.
        std::fs::write(&ca, "").unwrap();
        proxy.signal("HUP");
        proxy.event("config_rejected", "holds no certificate").await;
        assert_eq!(recorded(&proxy, true, Some(&clients.strange), "three").await, GOOD);
    }
}

/// A session that is resumed would show no certificate, and the one of before may have expired.
#[tokio::test]
async fn every_connection_shows_its_certificate_anew() {
    for cluster in clusters() {
        let config = Arc::new(tls_config(&[b"postgresql"], Some(&certificates().clients.good)));
        let kinds = async |proxy: &Proxy| {
            let mut kinds = Vec::new();
            for _ in 0..2 {
                let socket = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
                let name = ServerName::try_from("localhost").unwrap();
                let mut stream = tokio_rustls::TlsConnector::from(Arc::clone(&config)).connect(name, socket).await.unwrap();
                // Tickets come behind the handshake, before the answer.
                stream.write_all(&support::raw::startup(0, &[("user", "trusted"), ("database", "postgres")])).await.unwrap();
                stream.read_u8().await.unwrap();
                kinds.push(stream.get_ref().1.handshake_kind().unwrap());
            }
            kinds
        };
        assert_eq!(kinds(&asking(cluster, "require", "required")).await, [HandshakeKind::Full, HandshakeKind::Full]);
        assert_eq!(kinds(&before(cluster, "require", "")).await, [HandshakeKind::Full, HandshakeKind::Resumed], "as without certificates");
    }
}

#[test]
fn authorities_that_cannot_be_used_are_named() {
    let known = certificates();
    let empty = directory("client_authorities").join("empty.crt");
    std::fs::write(&empty, "").unwrap();
    for (ca, expected) in [("missing.crt".into(), "missing.crt"), (empty, "holds no certificate"), (known.proxy.key.clone(), "holds no certificate")]
    {
        let clients = Some(ClientCertificates { ca, required: false });
        let identity = settings::Identity { certificate: known.proxy.certificate.clone(), key: known.proxy.key.clone(), clients };
        let error = Acceptor::from_settings(&ClientTls::Require(identity)).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
