use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::config;
use crate::notify::event::Who;
use crate::store::Place;

/// One request to it, answered with 200.
async fn request(receiver: &TcpListener) -> String {
    let (mut socket, _) = receiver.accept().await.unwrap();
    let mut text = String::new();
    let mut bytes = [0; 4096];
    while !text.ends_with("}}") {
        let read = socket.read(&mut bytes).await.unwrap();
        assert!(read > 0, "{text}");
        text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
    socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    text
}

#[tokio::test]
async fn an_approval_that_is_wanted_is_told_past_the_log() {
    let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = receiver.local_addr().unwrap().port();
    let text = format!(
        "[[listener]]\nname = \"m\"\naddress = \"127.0.0.1:1\"\n[[upstream]]\nname = \"u\"\nhosts = [\"h:1\"]\n\
         [[webhook]]\nname = \"w\"\nurl = \"http://127.0.0.1:{port}/approve?a=b\"\nformat = \"json\"\n"
    );
    let settings = watch::Sender::new(Arc::new(config::from_str(&text, "p.toml", &[]).unwrap()));
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&Place::File(directory.path().join("s.db"))).unwrap();
    let (notifier, telling) = begin(settings.subscribe(), store.clone(), Box::new(|_| None));
    notifier.approval_wanted(ApprovalWanted {
        request: "7".into(),
        rules: vec!["drop-column".into()],
        table: None,
        message: "it loses data".into(),
        who: Who::default(),
        sql: "ALTER TABLE t DROP COLUMN a".into(),
        approve: "pgairlock approve 7".into(),
        expires: None,
    });
    let request = request(&receiver).await;
    assert!(request.starts_with("POST /approve?a=b HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\"id\":\"7:approval_wanted\"") && request.contains("\"approve\":\"pgairlock approve 7\""), "{request}");
    telling.end().await;
    store.close().await.unwrap();
}
