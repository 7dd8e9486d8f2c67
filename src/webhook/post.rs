//! One request: to the host of the config and nowhere else, with a deadline for all of it.

use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::check;
use crate::config::settings::{WebhookSettings, WebhookUrl};
use crate::notify::backoff::retry_after;
use crate::notify::event::Notification;
use crate::notify::signature::{SIGNATURE_HEADER, TIMESTAMP_HEADER, signature};
use crate::transport::stream::Stream;
use crate::transport::tls;

/// For name, connection, TLS, request and answer together.
const LIMIT: Duration = Duration::from_secs(10);
/// So much of an answer is read.
const MOST_READ: usize = 4096;
/// So many characters of it are told.
const MOST_TOLD: usize = 200;

/// What the receiver said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Its beginning, on one line.
    pub(super) body: String,
    /// How long it asks to be left alone.
    pub(super) retry_after: Option<Duration>,
}

/// Sends a message, signed with the time of this attempt.
///
/// # Errors
/// When no answer came, with why; the path of the URL and the secret are never in it.
pub(super) async fn deliver(webhook: &WebhookSettings, notification: &Notification) -> Result<Answer, String> {
    let exchange = async {
        let body = crate::notify::body(notification, webhook.format);
        let signed = match &webhook.secret_file {
            Some(file) => {
                let secret = check::secret(file.clone()).await?;
                let timestamp = unix_seconds();
                Some((timestamp, signature(&secret, timestamp, &body)))
            }
            None => None,
        };
        send(webhook, request(&webhook.url, signed, body)?).await
    };
    timeout(LIMIT, exchange).await.unwrap_or_else(|_| Err(format!("no answer within {LIMIT:?}")))
}

fn request(url: &WebhookUrl, signed: Option<(i64, String)>, body: String) -> Result<Request<Full<Bytes>>, String> {
    let mut request = Request::post(url.path.as_str())
        .header(HOST, url.authority())
        .header(USER_AGENT, concat!("pgairlock/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/json")
        .header(CONNECTION, "close");
    if let Some((timestamp, signature)) = signed {
        request = request.header(TIMESTAMP_HEADER, timestamp).header(SIGNATURE_HEADER, signature);
    }
    // Not with its reason, which may repeat the path.
    request.body(Full::new(Bytes::from(body))).map_err(|_| "its URL cannot be sent in a request".to_owned())
}

async fn send(webhook: &WebhookSettings, request: Request<Full<Bytes>>) -> Result<Answer, String> {
    let stream = connect(webhook).await?;
    let failed = |error: hyper::Error| format!("{}: {}", webhook.url.authority(), chain(&error));
    let (mut sender, connection) = http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await.map_err(failed)?;
    let exchange = async { read(sender.send_request(request).await?).await };
    // Both belong to this future, so that the deadline ends both.
    let drive = async {
        // An error of it is told to the exchange too.
        let _ = connection.await;
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        answer = exchange => answer.map_err(failed),
        never = drive => match never {},
    }
}

async fn connect(webhook: &WebhookSettings) -> Result<Stream, String> {
    let WebhookUrl { https, host, port, .. } = &webhook.url;
    let socket = TcpStream::connect((host.as_str(), *port)).await.map_err(|error| format!("{}: {error}", webhook.url.authority()))?;
    if !https {
        return Ok(Stream::Plain(socket));
    }
    tls::connect_to_web(webhook.ca.as_deref(), socket, host).await.map_err(|error| format!("{}: {}", webhook.url.authority(), chain(&error)))
}

async fn read(response: Response<Incoming>) -> Result<Answer, hyper::Error> {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value: &HeaderValue| retry_after(value.to_str().ok()?));
    let (mut body, mut bytes) = (response.into_body(), Vec::new());
    while let Some(frame) = body.frame().await {
        bytes.extend_from_slice(frame?.data_ref().map(Bytes::as_ref).unwrap_or_default());
        if bytes.len() >= MOST_READ {
            break;
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let line: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST_TOLD).collect();
    Ok(Answer { status, body: line, retry_after })
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn unix_seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or_default()
}
