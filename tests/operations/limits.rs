//! As many sessions as are allowed, and large messages.

use super::support::raw::{frame, text};
use super::support::{Proxy, RawClient, clusters};
use super::{events, until, until_logged};

#[tokio::test]
async fn one_session_too_many_is_told_also_behind_a_request_for_tls() {
    let cluster = clusters()[0];
    let proxy = Proxy::in_front_of(cluster, "enforce", "[limits]\nsessions = 1\n");
    let mut first = RawClient::log_in(proxy.port, "postgres").await;
    let mut second = RawClient::connect(proxy.port).await;
    // As libpq does by default; it shows no error that comes in answer to the request itself.
    second.send(&pgairlock::wire::startup::SSL_REQUEST).await;
    assert_eq!(second.byte().await, Some(b'N'));
    second.start(&[("user", "trusted"), ("database", "postgres")]).await;
    let (sqlstate, message) = second.fatal().await;
    assert_eq!(sqlstate, "53300");
    assert!(message.contains("[limits] sessions"), "{message}");
    assert_eq!(until_logged(&proxy, "login_failed").await["kind"], "too-many-sessions");
    first.send(&frame(b'X', b"")).await;
    assert_eq!(first.rest().await, "");
    until("the place is free", async || {
        let mut third = RawClient::connect(proxy.port).await;
        third.start(&[("user", "trusted"), ("database", "postgres")]).await;
        third.message().await.is_some_and(|(tag, _)| tag == b'R')
    })
    .await;
}

#[tokio::test]
async fn a_cancel_request_needs_no_place() {
    let cluster = clusters()[0];
    let mut proxy = Proxy::in_front_of(cluster, "enforce", "[limits]\nsessions = 1\n");
    let mut client = RawClient::connect(proxy.port).await;
    client.start(&[("user", "trusted"), ("database", "postgres")]).await;
    let login = client.until(b'Z').await;
    let key = login.iter().find(|(tag, _)| *tag == b'K').unwrap().1.clone();
    client.send(&frame(b'Q', b"SELECT pg_sleep(600)\0")).await;
    cluster.until_asleep(&key[..4]).await;
    let mut canceller = RawClient::connect(proxy.port).await;
    canceller.send(&[&16_u32.to_be_bytes()[..], &80_877_102_u32.to_be_bytes(), &key].concat()).await;
    assert_eq!(canceller.rest().await, "");
    let answer = client.until(b'Z').await;
    assert!(answer.iter().any(|(tag, body)| *tag == b'E' && text(body, b'C') == "57014"), "{answer:?}");
    proxy.signal("TERM");
    assert_eq!(proxy.wait(), Some(0));
    assert_eq!(events(&proxy, "login_failed"), [serde_json::Value::Null; 0]);
}
