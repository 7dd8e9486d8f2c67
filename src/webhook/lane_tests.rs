use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

use super::*;
use crate::config::settings::WebhookUrl;
use crate::notify::Format;
use crate::notify::event::{Event as Told, Kind, Test};

fn settings(port: u16) -> WebhookSettings {
    WebhookSettings {
        name: "w".into(),
        url: WebhookUrl::read(&format!("http://127.0.0.1:{port}/secret-path")).unwrap(),
        format: Format::Json,
        events: Kind::ALL.to_vec(),
        databases: Vec::new(),
        roles: Vec::new(),
        secret_file: None,
        ca: None,
    }
}

fn message(number: u32, at_unix_micros: i64) -> Arc<Notification> {
    Arc::new(Notification { id: number.to_string(), at_unix_micros, event: Told::Test(Test { webhook: "w".into() }) })
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

/// Runs it on one thread, with metrics of its own.
fn with_metrics<F: Future<Output = ()>>(test: impl FnOnce(PrometheusHandle) -> F) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(test(handle)));
}

fn has(handle: &PrometheusHandle, line: &str) {
    let metrics = handle.render();
    assert!(metrics.lines().any(|told| told == line), "{line}:\n{metrics}");
}

#[test]
fn what_finds_the_queue_full_is_dropped_and_counted() {
    with_metrics(async |handle| {
        let receiver = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let lane = Lane::open(settings(receiver.local_addr().unwrap().port()), 2);
        lane.tell(&message(1, now()));
        // It is on its way, and no answer comes.
        let (_held, _) = receiver.accept().await.unwrap();
        (2..=5).for_each(|number| lane.tell(&message(number, now())));
        has(&handle, "pgairlock_webhook_dropped_total{webhook=\"w\",why=\"full\"} 2");
        has(&handle, "pgairlock_webhook_queue{webhook=\"w\"} 3");
        lane.end(Duration::from_millis(10)).await;
        has(&handle, "pgairlock_webhook_dropped_total{webhook=\"w\",why=\"shutdown\"} 3");
        has(&handle, "pgairlock_webhook_queue{webhook=\"w\"} 0");
    });
}

#[test]
fn what_is_too_old_and_what_ends_with_the_process_is_given_up_after_one_attempt() {
    with_metrics(async |handle| {
        // Nobody listens there any more.
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let lane = Lane::open(settings(port), 9);
        let hour = i64::try_from(GIVE_UP.as_micros()).unwrap();
        lane.tell(&message(1, now() - hour));
        while lane.waiting.is() > 0 {
            tokio::task::yield_now().await;
        }
        has(&handle, "pgairlock_webhook_deliveries_total{webhook=\"w\",result=\"expired\"} 1");
        lane.ending.send_replace(true);
        lane.tell(&message(2, now()));
        lane.end(Duration::from_secs(60)).await;
        has(&handle, "pgairlock_webhook_deliveries_total{webhook=\"w\",result=\"shutdown\"} 1");
        assert!(!handle.render().contains("pgairlock_webhook_dropped_total"), "it was tried");
    });
}

#[test]
fn an_error_shows_neither_path_nor_secret() {
    with_metrics(async |_| {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let error = post::deliver(&settings(port), &message(1, now())).await.unwrap_err();
        assert!(error.starts_with(&format!("127.0.0.1:{port}: ")) && !error.contains("secret-path"), "{error}");
        let files = tempfile::tempdir().unwrap();
        let file = files.path().join("secret");
        for (text, expected) in [(Some("short\n"), "holds fewer than 16 bytes"), (None, "No such file")] {
            if let Some(text) = text {
                std::fs::write(&file, text).unwrap();
            } else {
                std::fs::remove_file(&file).unwrap();
            }
            let webhook = WebhookSettings { secret_file: Some(file.clone()), ..settings(port) };
            let error = post::deliver(&webhook, &message(1, now())).await.unwrap_err();
            assert!(error.contains(expected) && !error.contains("short"), "{error}");
            assert!(super::super::check(&[webhook]).is_err());
        }
    });
}
