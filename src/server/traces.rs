//! Spans on their way to a collector: in a bounded line, from which one task posts them. No session waits for it.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::config::settings::Collector;
use crate::telemetry::span::{Span, request};
use crate::telemetry::{Event, SpanDropped, SpansExported, SpansLost};
use crate::transport::stream::Stream;
use crate::transport::tls;

/// Spans that wait, each of some kilobytes at most.
const LINE: usize = 4096;
/// Spans of one request, at most.
const BATCH: usize = 512;
/// Others may come meanwhile, for the same request.
const LINGER: Duration = Duration::from_secs(1);
/// For one request.
const LIMIT: Duration = Duration::from_secs(10);
/// More of an answer is not read.
const ANSWER: usize = 64 << 10;

/// The way to the collector; clones share it. Without a collector nothing is traced.
#[derive(Debug, Clone, Default)]
pub(super) struct Traces(Option<mpsc::Sender<Span>>);

impl Traces {
    pub(super) fn are_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Gives a span away, and never waits.
    pub(super) fn send(&self, span: Option<Span>) {
        if let (Some(line), Some(span)) = (&self.0, span)
            && line.try_send(span).is_err()
        {
            SpanDropped.emit();
        }
    }
}

/// Begins to post; the task ends when `stop` says so and what waits is posted.
pub(super) fn begin(collector: Option<Collector>, instance: &str, stop: watch::Receiver<bool>) -> (Traces, Option<JoinHandle<()>>) {
    let Some(collector) = collector else { return (Traces::default(), None) };
    let (line, waiting) = mpsc::channel(LINE);
    let task = tokio::spawn(post_all(collector, instance.to_owned(), waiting, stop));
    (Traces(Some(line)), Some(task))
}

async fn post_all(collector: Collector, instance: String, mut waiting: mpsc::Receiver<Span>, mut stop: watch::Receiver<bool>) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut is_over = false;
    loop {
        tokio::select! {
            received = waiting.recv_many(&mut batch, BATCH) => if received == 0 { return },
            _ = stop.wait_for(|stop| *stop), if !is_over => {
                is_over = true;
                waiting.close();
                continue;
            }
        }
        if batch.len() < BATCH && !is_over {
            tokio::select! {
                () = sleep(LINGER) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
            while batch.len() < BATCH {
                let Ok(span) = waiting.try_recv() else { break };
                batch.push(span);
            }
        }
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let body = request(std::mem::take(&mut batch), &instance);
        match timeout(LIMIT, post(&collector, body)).await.unwrap_or_else(|_| Err(format!("no answer within {LIMIT:?}"))) {
            Ok(()) => SpansExported(count).emit(),
            Err(error) => SpansLost { count, error: &error }.emit(),
        }
    }
}

/// One connection for each request: there is one a second at most.
async fn post(collector: &Collector, body: Vec<u8>) -> Result<(), String> {
    let plainly = |error: &dyn std::fmt::Display| format!("{}: {error}", collector.address);
    let stream = connect(collector).await.map_err(|error| plainly(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| plainly(&error))?;
    let request = Request::post(&collector.path)
        .header(HOST, &collector.address)
        .header(USER_AGENT, concat!("pgairlock/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/x-protobuf")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| plainly(&error))?;
    let conversation = async {
        let answer = sender.send_request(request).await.map_err(|error| plainly(&error))?;
        let status = answer.status();
        // Read to its end, so that the collector is not cut off; what it says beyond that is its own business.
        let _ = Limited::new(answer.into_body(), ANSWER).collect().await;
        if status.is_success() { Ok(()) } else { Err(plainly(&format!("HTTP {status}"))) }
    };
    tokio::pin!(conversation);
    tokio::select! {
        answered = &mut conversation => answered,
        // Its end comes before the answer, or carries it.
        ended = connection => match ended {
            Ok(()) => conversation.await,
            Err(error) => Err(plainly(&error)),
        },
    }
}

async fn connect(collector: &Collector) -> Result<Stream, String> {
    let socket = TcpStream::connect(&collector.address).await.map_err(|error| error.to_string())?;
    if !collector.tls {
        return Ok(Stream::Plain(socket));
    }
    let host = collector.address.rsplit_once(':').map_or("", |(host, _)| host);
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    tls::connect_http(socket, host).await.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::telemetry::span::{Context, Side};

    #[test]
    fn what_does_not_fit_into_the_line_is_dropped_and_counted() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let (line, waiting) = mpsc::channel(2);
        let traces = Traces(Some(line));
        metrics::with_local_recorder(&recorder, || {
            for _ in 0..5 {
                traces.send(Span::begin("n", Side::Internal, Context::of_session(""), None, SystemTime::now()).end());
            }
        });
        assert_eq!(waiting.len(), 2);
        assert!(handle.render().contains("pgairlock_trace_spans_total{result=\"dropped\"} 3"), "{}", handle.render());
    }
}
