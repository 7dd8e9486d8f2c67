//! From the first byte to a session, on real servers, in clear text: settings of the start-up packet, refusals, failures, cancel requests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use pgairlock::wire::startup_settings::{milliseconds, setting};
use support::raw::{self, first_column, text};
use support::{Proxy, RawClient, clusters};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const LOCK_TIMEOUT: &str = "SELECT setting || ' ' || reset_val FROM pg_settings WHERE name = 'lock_timeout'";

/// What `lock_timeout` (setting and reset value, in ms) is after this start-up packet of `trusted`; the SQLSTATE where there is no session.
async fn lock_timeout(port: u16, parameters: &[(&str, &str)]) -> String {
    let mut client = RawClient::connect(port).await;
    client.start(&[&[("user", "trusted"), ("database", "postgres")], parameters].concat()).await;
    match client.until(b'Z').await.last().unwrap() {
        (b'Z', _) => first_column(&client.query(LOCK_TIMEOUT).await).remove(0),
        (_, error) => text(error, b'C'),
    }
}

async fn refusal(port: u16, parameters: &[(&str, &str)]) -> (String, String) {
    let mut client = RawClient::connect(port).await;
    client.start(parameters).await;
    client.fatal().await
}

fn as_trusted<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("user", "trusted"), ("database", "postgres")], more].concat()
}

#[tokio::test]
async fn lock_timeout_is_the_sessions_default_and_the_strictest_wins() {
    for cluster in clusters() {
        let proxy = Proxy::in_front_of(cluster, "enforce", "[timeouts]\nlock = \"3s\"\n");
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[], "3000 3000"),
            (&[("lock_timeout", "0")], "3000 3000"),
            (&[("lock_timeout", "1h")], "3000 3000"),
            (&[("lock_timeout", "700ms")], "700 700"),
            (&[("options", "-c lock_timeout=0.7\\ s")], "700 700"),
            (&[("options", "-c lock_timeout=0 --lock-timeout=0")], "3000 3000"),
            (&[("options", "-c lock_timeout=700"), ("lock_timeout", "0")], "3000 3000"),
            (&[("LOCK_TIMEOUT", "700"), ("lock_timeout", "1h")], "3000 3000"),
            (&[("lock_timeout", "1h"), ("LOCK_TIMEOUT", "700")], "700 700"),
            (&[("lock_timeout", "5 parsecs")], "22023"),
        ];
        for (parameters, expected) in cases {
            assert_eq!(lock_timeout(proxy.port, parameters).await, *expected, "{parameters:?} on {}", cluster.version);
        }
    }
}

#[tokio::test]
async fn mode_off_leaves_the_packet_alone() {
    for cluster in clusters() {
        let proxy = Proxy::in_front_of(cluster, "off", "");
        assert_eq!(lock_timeout(proxy.port, &[]).await, "0 0");
        let mut client = RawClient::connect(proxy.port).await;
        client.start(&as_trusted(&[("client_encoding", "LATIN1"), ("options", "-c standard_conforming_strings=off")])).await;
        assert_eq!(client.until(b'Z').await.last().unwrap().0, b'Z');
        assert_eq!(first_column(&client.query("SHOW client_encoding").await), ["LATIN1"]);
        let mut walsender = RawClient::connect(proxy.port).await;
        walsender.start(&as_trusted(&[("replication", "database")])).await;
        assert_eq!(walsender.until(b'Z').await.last().unwrap().0, b'Z');
        assert_eq!(walsender.query("IDENTIFY_SYSTEM").await[0].0, b'T');
    }
}

/// Our reading of times and options against the server's own.
#[tokio::test]
async fn settings_are_read_as_the_server_reads_them() {
    let values = [
        "5",
        " 5 ms ",
        "1s",
        "1min",
        "1500us",
        "500us",
        "400us",
        "0.5",
        "1.5",
        "2.5",
        "0.7s",
        ".5s",
        "1e3",
        "0x10",
        "010",
        "010.5",
        "08",
        "-1",
        "-0",
        "5m",
        "5 S",
        "0.00001d",
        "0.00005d",
        "1.00001h",
        "0.4999999ms",
        "2147483647",
        "2147483648",
        "'2s'",
        "",
        "5e",
        "1e",
        "5.",
        "+5",
        "infinity",
        "0x",
        "7 ms x",
    ];
    let options = [
        "-c lock_timeout=7",
        "-clock_timeout=7",
        "--lock_timeout=7",
        "--LOCK-timeout=7",
        "-ec lock_timeout=7",
        "-S 64 -c lock_timeout=7",
        "-c geqo=off",
        "-c lock\\_timeout=7",
        "-c lock_timeout=7\\ ms",
        "-c lock_timeout=7 ms",
        "-c lock_timeout=7 -c lock_timeout=8",
        "-- -c lock_timeout=7",
        "--",
        "-c lock_timeout=\\7 \\",
        "-c",
        "",
        "  ",
        "-nF -c lock_timeout=9",
    ];
    for cluster in clusters() {
        for value in values {
            let theirs = lock_timeout(cluster.port, &[("lock_timeout", value)]).await;
            let ours = milliseconds(value.as_bytes()).map_or("22023".to_owned(), |value| format!("{value} {value}"));
            assert_eq!(ours, theirs, "{value:?} on {}", cluster.version);
        }
        for option in options {
            let theirs = lock_timeout(cluster.port, &[("options", option)]).await;
            let message = pgairlock::wire::startup::StartupMessage { minor: 0, parameters: vec![("options".into(), option.into())] };
            let ours = setting(&message, "lock_timeout").and_then(|value| milliseconds(&value)).unwrap_or(0);
            // What the server refuses is read somehow, since it has no session.
            assert!(theirs == format!("{ours} {ours}") || !theirs.contains(' '), "{option:?} on {}: {theirs}, not {ours}", cluster.version);
        }
    }
}

#[tokio::test]
async fn what_the_rules_cannot_read_is_refused_with_the_way_out() {
    for cluster in clusters() {
        for mode in ["enforce", "warn"] {
            let proxy = Proxy::in_front_of(cluster, mode, "");
            for parameter in [("client_encoding", "LATIN1"), ("client_encoding", "auto"), ("options", "-c client-encoding=SJIS")] {
                let (sqlstate, message) = refusal(proxy.port, &as_trusted(&[parameter])).await;
                assert_eq!(sqlstate, "PA006");
                assert!(message.contains("client_encoding=UTF8"), "{message}");
            }
            let (sqlstate, message) = refusal(proxy.port, &as_trusted(&[("options", "-c standard_conforming_strings=off")])).await;
            assert_eq!(sqlstate, "PA006");
            assert!(message.contains("standard_conforming_strings"), "{message}");
            for value in ["true", "database", "1"] {
                let (sqlstate, message) = refusal(proxy.port, &as_trusted(&[("replication", value)])).await;
                assert_eq!(sqlstate, "0A000");
                assert!(message.contains("replication"), "{message}");
            }
            assert_eq!(refusal(proxy.port, &[("database", "postgres")]).await.0, "28000");
            for encoding in ["utf8", "UTF-8", "'utf-8'", "unicode"] {
                let mut client = RawClient::connect(proxy.port).await;
                client.start(&as_trusted(&[("client_encoding", encoding)])).await;
                assert_eq!(client.until(b'Z').await.last().unwrap().0, b'Z', "{encoding}");
            }
        }
    }
}

#[tokio::test]
async fn a_role_that_is_not_utf8_is_refused() {
    for cluster in clusters() {
        let proxy = Proxy::in_front_of(cluster, "enforce", "");
        let mut client = RawClient::connect(proxy.port).await;
        client.send(b"\0\0\0\x10\0\x03\0\0user\0\xff\0\0").await;
        assert_eq!(client.fatal().await.0, "22021");
    }
}

#[tokio::test]
async fn every_kind_of_password_passes() {
    for cluster in clusters() {
        let proxy = Proxy::in_front_of(cluster, "enforce", "");
        for (role, password) in [("postgres", "postgres"), ("clear", "clear"), ("hashed", "hashed")] {
            let session = support::connect_to(proxy.port, &format!("user={role} password={password} dbname=postgres")).await.unwrap();
            assert_eq!(session.value("SELECT session_user").await, role);
            let wrong = support::connect_to(proxy.port, &format!("user={role} password=wrong dbname=postgres")).await.err().unwrap();
            let error = support::client::db_error(&wrong);
            assert_eq!((error.code().code(), error.message()), ("28P01", format!("password authentication failed for user \"{role}\"").as_str()));
        }
    }
}

#[tokio::test]
async fn the_server_introduces_itself_as_it_does_directly() {
    for cluster in clusters() {
        let proxy = Proxy::in_front_of(cluster, "enforce", "");
        let mut greetings = Vec::new();
        for port in [cluster.port, proxy.port] {
            let mut client = RawClient::connect(port).await;
            client.start(&as_trusted(&[("application_name", "deploy")])).await;
            let messages = client.until(b'Z').await;
            let key = messages.iter().find(|(tag, _)| *tag == b'K').unwrap().1.clone();
            let pid = u32::from_be_bytes(key[..4].try_into().unwrap());
            assert_eq!(first_column(&client.query("SELECT pg_backend_pid()").await), [pid.to_string()]);
            greetings.push(messages.into_iter().filter(|(tag, _)| *tag != b'K').collect::<Vec<_>>());
        }
        assert_eq!(greetings[0], greetings[1]);
    }
}

#[tokio::test]
async fn newer_protocol_versions_are_negotiated_with_the_server() {
    for cluster in clusters() {
        let proxy = Proxy::in_front_of(cluster, "enforce", "");
        let mut answers = Vec::new();
        for port in [cluster.port, proxy.port] {
            let mut client = RawClient::connect(port).await;
            let greased = raw::startup(9999, &as_trusted(&[("_pq_.test_protocol_negotiation", "")]));
            client.send(&greased).await;
            let messages = client.until(b'Z').await;
            answers.push(messages.into_iter().find(|(tag, _)| *tag == b'v').expect("NegotiateProtocolVersion"));
        }
        assert_eq!(answers[0], answers[1]);
    }
}

#[tokio::test]
async fn a_cancel_request_finds_its_session() {
    for cluster in clusters() {
        let proxy = Proxy::in_front_of(cluster, "enforce", "");
        for minor in [0, 2] {
            let mut sleeper = RawClient::connect(proxy.port).await;
            sleeper.send(&raw::startup(minor, &as_trusted(&[]))).await;
            let greeting = sleeper.until(b'Z').await;
            let key = greeting.iter().find(|(tag, _)| *tag == b'K').unwrap().1.clone();
            assert_eq!(key.len(), if minor == 2 && cluster.version == "18" { 36 } else { 8 });
            sleeper.send_message(b'Q', b"SELECT pg_sleep(600)\0").await;
            cluster.until_asleep(&key[..4]).await;
            let mut cancel = RawClient::connect(proxy.port).await;
            let length = u32::try_from(key.len() + 8).unwrap();
            cancel.send(&[&length.to_be_bytes(), &80_877_102u32.to_be_bytes(), &key[..]].concat()).await;
            assert_eq!(cancel.rest().await, "", "a cancel request has no answer");
            let error = sleeper.until(b'E').await.pop().unwrap();
            assert_eq!(text(&error.1, b'C'), "57014");
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_start_up_packet_end_the_connection() {
    for cluster in clusters() {
        let mut proxy = Proxy::in_front_of(cluster, "enforce", "");
        let silent: [&[u8]; 6] =
            [b"GET / HTTP/1.1\r\n\r\n", b"\x40\0\0\0\0\x03\0\0", b"\0\0\0\x04", b"\0\0\0\0\0\0\0\0", b"\xff\xff\xff\xff", b"\x16\x03\x01\x02\0\x01"];
        for bytes in silent {
            let mut client = RawClient::connect(proxy.port).await;
            client.send(bytes).await;
            assert_eq!(client.rest().await, "", "{bytes:?}");
        }
        let told: [(&[u8], &str); 4] = [
            (b"\0\0\0\x08\0\x02\0\0", "0A000"),
            (b"\0\0\0\x08\x04\xd2\x16\x31", "0A000"),
            (b"\0\0\0\x09\x04\xd2\x16\x2fx", "0A000"),
            (b"\0\0\0\x0d\0\x03\0\0user\0", "08P01"),
        ];
        for (bytes, sqlstate) in told {
            let mut client = RawClient::connect(proxy.port).await;
            client.send(bytes).await;
            assert_eq!(client.fatal().await.0, sqlstate, "{bytes:?}");
        }
        assert!(proxy.is_alive());
        assert!(!proxy.log().contains("panicked"), "{}", proxy.log());
    }
}

#[tokio::test]
async fn requests_for_encryption_are_declined_once_each_where_there_is_none() {
    const SSL: &[u8] = &pgairlock::wire::startup::SSL_REQUEST;
    const GSS: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x30";
    for cluster in clusters() {
        let proxy = Proxy::in_front_of(cluster, "enforce", "");
        for (first, second) in [(SSL, GSS), (GSS, SSL)] {
            let mut client = RawClient::connect(proxy.port).await;
            for request in [first, second] {
                client.send(request).await;
                assert_eq!(client.byte().await, Some(b'N'));
            }
            client.start(&as_trusted(&[])).await;
            assert_eq!(client.until(b'Z').await.last().unwrap().0, b'Z');
            let mut again = RawClient::connect(proxy.port).await;
            again.send(first).await;
            assert_eq!(again.byte().await, Some(b'N'));
            again.send(first).await;
            assert_eq!(again.fatal().await.0, "0A000");
        }
        for request in [SSL, GSS] {
            let mut client = RawClient::connect(proxy.port).await;
            client.send(&[request, &raw::startup(0, &as_trusted(&[]))].concat()).await;
            assert_eq!(client.rest().await, "", "clear text behind a request for encryption");
        }
    }
}

#[tokio::test]
async fn only_an_answer_may_follow_the_servers_question() {
    for cluster in clusters() {
        let proxy = Proxy::in_front_of(cluster, "enforce", "");
        for message in [raw::frame(b'Q', b"DROP TABLE t\0"), bytes::Bytes::from_static(b"p\0\x01\0\0"), bytes::Bytes::from_static(b"p\0\0\0\0")] {
            let mut client = RawClient::connect(proxy.port).await;
            client.start(&[("user", "clear"), ("database", "postgres")]).await;
            assert_eq!(client.message().await.unwrap().0, b'R');
            client.send(&message).await;
            assert_eq!(client.fatal().await.0, "08P01", "{message:?}");
        }
    }
}

#[tokio::test]
async fn a_query_that_is_sent_ahead_is_the_sessions_first() {
    for cluster in clusters() {
        let proxy = Proxy::in_front_of(cluster, "enforce", "");
        let mut client = RawClient::connect(proxy.port).await;
        client.send(&[raw::startup(0, &as_trusted(&[])), raw::frame(b'Q', b"SELECT 'early'\0")].concat()).await;
        client.until(b'Z').await;
        assert_eq!(first_column(&client.until(b'Z').await), ["early"]);
    }
}

#[tokio::test]
async fn the_first_host_that_answers_is_used_and_an_unreachable_server_is_named() {
    let config = |database: &str, hosts: &str| {
        format!(
            "[[listener]]\nname = \"m\"\naddress = \"{{listen}}\"\n[[upstream]]\nname = \"main\"\ndatabases = [\"{database}\"]\nhosts = [{hosts}]\n\
             tls = {{ mode = \"disable\" }}\n"
        )
    };
    for cluster in clusters() {
        let (port, closed) = (cluster.port, support::free_port());
        let proxy = Proxy::start(&config("*", &format!("\"127.0.0.1:{closed}\", \"127.0.0.1:{port}\"")));
        assert_eq!(proxy.connect("postgres").await.value("SELECT 1").await, "1");
        let proxy = Proxy::start(&config("postgres", &format!("\"127.0.0.1:{closed}\"")));
        let expected = format!("pgairlock cannot reach the database server main (127.0.0.1:{closed}): connection refused; nothing was run");
        assert_eq!(refusal(proxy.port, &as_trusted(&[])).await, ("08001".to_owned(), expected));
        assert_eq!(refusal(proxy.port, &[("user", "trusted"), ("database", "other")]).await.0, "3D000");
    }
}

#[tokio::test]
async fn one_deadline_covers_the_login() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let proxy = Proxy::start(&format!(
        "[[listener]]\nname = \"m\"\naddress = \"{{listen}}\"\n[[upstream]]\nname = \"main\"\ndatabases = [\"*\"]\nhosts = [\"{address}\"]\n\
         tls = {{ mode = \"disable\" }}\n[timeouts]\nlogin = \"500ms\"\n"
    ));
    let mut mute = RawClient::connect(proxy.port).await;
    assert_eq!(mute.rest().await, "", "silence is answered with silence");
    let mut waiting = RawClient::connect(proxy.port).await;
    waiting.start(&as_trusted(&[])).await;
    let (sqlstate, message) = waiting.fatal().await;
    assert_eq!(sqlstate, "08001");
    assert!(message.contains("main did not finish the login within 500ms"), "{message}");
}

#[tokio::test]
async fn a_server_that_is_none_is_said() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    tokio::spawn(async move {
        for answer in [b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(), b""] {
            let (mut socket, _) = server.accept().await.unwrap();
            socket.read_u8().await.unwrap();
            socket.write_all(answer).await.unwrap();
        }
    });
    let proxy = Proxy::start(&format!(
        "[[listener]]\nname = \"m\"\naddress = \"{{listen}}\"\n[[upstream]]\nname = \"main\"\ndatabases = [\"*\"]\nhosts = [\"{address}\"]\n\
         tls = {{ mode = \"disable\" }}\n"
    ));
    assert_eq!(refusal(proxy.port, &as_trusted(&[])).await.0, "08P01");
    let (sqlstate, message) = refusal(proxy.port, &as_trusted(&[])).await;
    assert_eq!(sqlstate, "08001");
    assert!(message.contains("closed the connection"), "{message}");
}
