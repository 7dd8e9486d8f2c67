//! Listeners behind a load balancer: the client whom its header names stands in log and record, and nobody gets in without one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

use pgairlock::wire::proxy_protocol::{SIGNATURE, UNIX};
use pgairlock::wire::startup::SSL_REQUEST;
use support::certificates::certificates;
use support::raw::{self, text};
use support::{Cluster, Proxy, RawClient, clusters, free_port, until};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const TRUSTED: &[(&str, &str)] = &[("user", "trusted"), ("database", "postgres")];

/// A listener with these keys, in front of one server.
fn behind(cluster: &Cluster, keys: &str, more: &str) -> Proxy {
    let port = cluster.port;
    Proxy::start(&format!(
        "[[listener]]\nname = \"m\"\naddress = \"{{listen}}\"\nproxy_protocol = true\n{keys}\n\
         [[upstream]]\nname = \"main\"\ndatabases = [\"*\"]\nhosts = [\"127.0.0.1:{port}\"]\ntls = {{ mode = \"disable\" }}\n{more}"
    ))
}

const PROXIED: u8 = 0x21;
const LOCAL: u8 = 0x20;

fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    [&SIGNATURE[..], &[command, family], &u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}

/// What a balancer says of a client at this address.
fn of_client(address: &str) -> Vec<u8> {
    let address: SocketAddr = address.parse().unwrap();
    let ports = [address.port().to_be_bytes(), 5432_u16.to_be_bytes()].concat();
    match address.ip() {
        IpAddr::V4(ip) => header(PROXIED, 0x11, &[&ip.octets()[..], &[10, 0, 0, 1], &ports].concat()),
        IpAddr::V6(ip) => header(PROXIED, 0x21, &[&ip.octets()[..], &[0; 16], &ports].concat()),
    }
}

async fn connect(port: u16) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap()
}

/// A session by tokio-postgres on a connection that begins with these bytes.
async fn session(mut socket: TcpStream, header: &[u8]) -> tokio_postgres::Client {
    socket.write_all(header).await.unwrap();
    let mut config = tokio_postgres::Config::new();
    let (client, connection) =
        config.user("postgres").password("postgres").dbname("postgres").connect_raw(socket, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The client of the only record whose SQL has this in it.
fn client_of(proxy: &Proxy, sql: &str) -> String {
    let records: Vec<_> = proxy.exported().into_iter().filter(|record| record["sql"].as_str().unwrap().contains(sql)).collect();
    assert_eq!(records.len(), 1, "{records:?}");
    records[0]["client"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_client_of_the_header_stands_in_log_and_record() {
    for cluster in clusters() {
        let proxy = behind(cluster, "proxy_protocol_from = [\"127.0.0.0/8\"]", "");
        let with_tlvs = {
            let mut bytes = of_client("192.0.2.8:40003");
            bytes.extend([0x05, 0, 3, 1, 2, 3, 0x20, 0, 5, 0, 0, 0, 0, 0]);
            bytes[15] += 14;
            bytes
        };
        let cases = [
            (of_client("192.0.2.7:40001"), Some("192.0.2.7:40001")),
            (of_client("[2001:db8::7]:40002"), Some("[2001:db8::7]:40002")),
            (of_client("[::ffff:192.0.2.9]:40004"), Some("192.0.2.9:40004")),
            (with_tlvs, Some("192.0.2.8:40003")),
            (header(LOCAL, 0, &[]), None),
            (header(LOCAL, 0x11, &of_client("192.0.2.7:1")[16..]), None),
            (header(PROXIED, 0, &[]), None),
            (header(PROXIED, 0x31, &[b'/'; UNIX]), None),
        ];
        for (index, (header, client)) in cases.into_iter().enumerate() {
            let socket = connect(proxy.port).await;
            let own = socket.local_addr().unwrap().to_string();
            let session = session(socket, &header).await;
            session.batch_execute(&format!("DROP VIEW IF EXISTS v{index}")).await.unwrap();
            let expected = client.unwrap_or(&own);
            assert_eq!(client_of(&proxy, &format!("v{index}")), expected, "case {index}");
            proxy.event("session_opened", &format!("\"{expected}\"")).await;
        }
        // A login that fails is told of the client, too.
        let mut stranger = RawClient::over(connect(proxy.port).await);
        stranger.send(&of_client("198.51.100.1:9")).await;
        stranger.start(&[("database", "postgres")]).await;
        assert_eq!(stranger.fatal().await.0, "28000");
        assert_eq!(proxy.event("login_failed", "198.51.100.1:9").await["kind"], "malformed");
    }
}

#[tokio::test]
async fn nothing_behind_the_header_is_taken_for_a_part_of_it() {
    let (certificate, key) = (certificates().proxy.certificate.display(), certificates().proxy.key.display());
    let tls = format!("tls = {{ mode = \"prefer\", certificate = \"{certificate}\", key = \"{key}\" }}");
    for cluster in clusters() {
        let proxy = behind(cluster, &tls, "");
        let header = of_client("192.0.2.7:40001");
        // With the packet behind it in one write.
        let mut client = RawClient::over(connect(proxy.port).await);
        client.send(&[&header[..], &raw::startup(0, TRUSTED)].concat()).await;
        assert_eq!(client.until(b'Z').await.last().unwrap().0, b'Z');
        // Byte by byte.
        let mut socket = connect(proxy.port).await;
        socket.set_nodelay(true).unwrap();
        for byte in &header {
            socket.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut client = RawClient::ask_for_tls(socket).await.unwrap();
        client.start(TRUSTED).await;
        assert_eq!(client.until(b'Z').await.last().unwrap().0, b'Z');
        // With an SSLRequest behind it in one write.
        let mut socket = connect(proxy.port).await;
        socket.write_all(&[&header[..], &SSL_REQUEST].concat()).await.unwrap();
        assert_eq!(tokio::io::AsyncReadExt::read_u8(&mut socket).await.unwrap(), b'S');
        let mut client = RawClient::handshake(socket, &[b"postgresql"]).await.unwrap();
        client.start(TRUSTED).await;
        assert_eq!(client.until(b'Z').await.last().unwrap().0, b'Z');
        // Direct TLS.
        let mut socket = connect(proxy.port).await;
        socket.write_all(&header).await.unwrap();
        let mut client = RawClient::handshake(socket, &[b"postgresql"]).await.unwrap();
        client.start(TRUSTED).await;
        assert_eq!(client.until(b'Z').await.last().unwrap().0, b'Z');
        assert_eq!(proxy.events("session_opened").iter().filter(|line| line["client"] == "192.0.2.7:40001").count(), 4);
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_header() {
    for cluster in clusters() {
        let proxy = behind(cluster, "", "[timeouts]\nlogin = \"2s\"\n");
        let startup = raw::startup(0, TRUSTED);
        let mut other = of_client("192.0.2.7:1");
        other[13] = 0x12;
        let cases: &[(&[u8], &str, &str)] = &[
            (&startup, "28000", "does not begin with a header of the PROXY protocol version 2"),
            (&SSL_REQUEST, "28000", "connect through the load balancer"),
            (b"GET / HTTP/1.1\r\n\r\n", "28000", "does not begin"),
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 40000 5432\r\n", "08P01", "send-proxy-v2 in place of send-proxy"),
            (&other, "08P01", "no connection by TCP"),
        ];
        for (bytes, sqlstate, words) in cases {
            let socket = connect(proxy.port).await;
            let own = format!("\"{}\"", socket.local_addr().unwrap());
            let mut client = RawClient::over(socket);
            client.send(bytes).await;
            let (code, message) = client.fatal().await;
            assert_eq!(code, *sqlstate, "{message}");
            assert!(message.contains(words), "{message}");
            let line = proxy.event("login_failed", &own).await;
            assert_eq!(line["kind"], "proxy-header", "{line}");
            assert!(line["error"].as_str().unwrap().contains(words), "{line}");
        }
        let cut = connect(proxy.port).await;
        let own = format!("\"{}\"", cut.local_addr().unwrap());
        let mut cut = RawClient::over(cut);
        cut.send(&of_client("192.0.2.7:1")[..20]).await;
        drop(cut);
        assert_eq!(proxy.event("login_failed", &own).await["error"], "the connection ended within its PROXY protocol header");
        let silent = connect(proxy.port).await;
        let own = format!("\"{}\"", silent.local_addr().unwrap());
        let mut silent = RawClient::over(silent);
        silent.send(&of_client("192.0.2.7:1")[..20]).await;
        assert_eq!(silent.rest().await, "");
        assert_eq!(proxy.event("login_failed", &own).await["kind"], "client-silent");
        assert_eq!(proxy.events("session_opened").len(), 0);
        let metrics = proxy.http("/metrics").unwrap();
        assert!(metrics.contains("pgairlock_login_failures_total{kind=\"proxy-header\"} 6"), "{metrics}");
    }
}

#[tokio::test]
async fn only_balancers_are_believed() {
    for cluster in clusters() {
        let proxy = behind(cluster, "proxy_protocol_from = [\"10.0.0.0/8\", \"::1\", \"127.0.0.2\"]", "");
        let mut client = RawClient::over(connect(proxy.port).await);
        client.send(&[&of_client("10.0.0.7:1")[..], &raw::startup(0, TRUSTED)].concat()).await;
        let (code, message) = client.fatal().await;
        assert_eq!(code, "28000");
        assert!(message.contains("(proxy_protocol_from), and 127.0.0.1 is none of them"), "{message}");
        assert_eq!(proxy.event("login_failed", "none of them").await["kind"], "proxy-peer");
        // The same from an address that stands there.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let socket = socket.connect((Ipv4Addr::LOCALHOST, proxy.port).into()).await.unwrap();
        let session = session(socket, &of_client("10.0.0.7:1")).await;
        session.batch_execute("DROP VIEW IF EXISTS v").await.unwrap();
        assert_eq!(client_of(&proxy, "DROP VIEW"), "10.0.0.7:1");
    }
}

#[tokio::test]
async fn a_cancel_request_comes_with_a_header_too() {
    for cluster in clusters() {
        let proxy = behind(cluster, "", "");
        let mut sleeper = RawClient::over(connect(proxy.port).await);
        sleeper.send(&of_client("192.0.2.7:40001")).await;
        sleeper.start(TRUSTED).await;
        let greeting = sleeper.until(b'Z').await;
        let key = greeting.iter().find(|(tag, _)| *tag == b'K').unwrap().1.clone();
        sleeper.send_message(b'Q', b"SELECT pg_sleep(600)\0").await;
        cluster.until_asleep(&key[..4]).await;
        let mut cancel = RawClient::over(connect(proxy.port).await);
        cancel.send(&[&of_client("192.0.2.7:40002")[..], b"\0\0\0\x10\x04\xd2\x16\x2e", &key[..]].concat()).await;
        assert_eq!(cancel.rest().await, "");
        assert_eq!(text(&sleeper.until(b'E').await.pop().unwrap().1, b'C'), "57014");
    }
}

/// A running HAProxy. It is killed when this is dropped.
struct Haproxy(Child);

impl Haproxy {
    /// In front of a port, with health checks; `None` (said, and a failure in CI) where there is no HAProxy.
    fn start(port: u16, in_front_of: u16) -> Option<Self> {
        // Debian has it where the PATH of most users does not look.
        let known = ["haproxy", "/usr/sbin/haproxy"];
        let Some(program) = known.into_iter().find(|program| Command::new(program).arg("-v").output().is_ok()) else {
            support::skipped("haproxy (apt-get install haproxy)");
            return None;
        };
        let file = support::directory("haproxy").join("haproxy.cfg");
        let servers = format!("server pgairlock 127.0.0.1:{in_front_of} send-proxy-v2 check check-send-proxy inter 100ms");
        std::fs::write(
            &file,
            format!(
                "defaults\n mode tcp\n timeout connect 20s\n timeout client 60s\n timeout server 60s\nlisten l\n bind 127.0.0.1:{port}\n {servers}\n"
            ),
        )
        .unwrap();
        Some(Self(Command::new(program).arg("-f").arg(&file).arg("-db").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()))
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_real_haproxy_says_who_it_is() {
    for cluster in clusters() {
        let proxy = behind(cluster, "proxy_protocol_from = [\"127.0.0.1\"]", "");
        let front = free_port();
        let Some(_haproxy) = Haproxy::start(front, proxy.port) else { return };
        until("HAProxy listens", async || TcpStream::connect((Ipv4Addr::LOCALHOST, front)).await.is_ok()).await;
        // From an address that only the header can have told.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.9:0".parse().unwrap()).unwrap();
        let socket = socket.connect((Ipv4Addr::LOCALHOST, front).into()).await.unwrap();
        let own = socket.local_addr().unwrap().to_string();
        let session = session(socket, &[]).await;
        session.batch_execute("DROP VIEW IF EXISTS v").await.unwrap();
        assert_eq!(client_of(&proxy, "DROP VIEW"), own);
        // Its health checks come with a header of their own.
        assert_eq!(proxy.event("login_failed", "client-gone").await["listener"], "m");
        let failed: Vec<_> = proxy.events("login_failed").into_iter().filter(|line| line["kind"] != "client-gone").collect();
        assert!(failed.is_empty(), "{failed:?}");
        // A cancel request finds its way as well.
        let token = session.cancel_token();
        let sleeping = tokio::spawn(async move { session.batch_execute("SELECT pg_sleep(600)").await });
        let watcher = cluster.connect("postgres").await;
        until("it sleeps", async || {
            watcher.value("SELECT count(*) FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep' AND wait_event = 'PgSleep'").await == "1"
        })
        .await;
        token.cancel_query_raw(connect(front).await, tokio_postgres::NoTls).await.unwrap();
        let error = sleeping.await.unwrap().unwrap_err();
        assert_eq!(error.code().map(|code| code.code().to_owned()), Some("57014".to_owned()), "{error:?}");
    }
}
