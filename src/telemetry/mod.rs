//! What can be observed: one struct per event, which writes the log line and moves the metric.
//!
//! Log: JSON lines on stderr, one object each, with `event` as its stable name. Metrics: Prometheus, read through `metrics()`.

mod admin;
mod attribution;
mod checkpoint;
mod decision;
mod names;
mod process;
mod promise;
mod resources;
mod retention;
mod session;
mod sink;
pub mod span;
mod spans;
mod statement;
mod webhook;

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

pub use admin::{AdminDecided, AdminLoggedIn, AdminRefused, AdminTokensUnreadable};
pub use attribution::Attributed;
pub use checkpoint::{CheckpointFailed, CheckpointWritten};
pub use decision::{Decision, DecisionEnded, EstimateMet, RewriteFinished, StoreFailed, StoreWritten};
pub use names::{Kind, Label, Labels, Metric, TABLE, Unit, Values, register};
pub use process::{ConfigRejected, ConfigReloaded, Draining, Listening, Panicked, RestartNeeded, Started, Stopped, TooFewFiles};
pub use promise::{PromiseProgress, Promised, PromisesCounted};
pub use resources::{Scraped, most_files};
pub use retention::{EntriesRemoved, RetentionFailed, RetentionRan};
pub use session::{LoginFailed, SessionClosed, SessionOpened, UpstreamError};
use sink::Sink;
pub use spans::{SpanDropped, SpansExported, SpansLost};
pub use statement::{Decided, LockTried, LockWaited, Refused, StepEnded, Waiting};
pub use webhook::{WebhookDelivered, WebhookDropped, WebhookFailed, WebhookGivenUp, webhook_queue};

/// Something that happened.
pub trait Event {
    /// Writes the log line and moves the metric.
    fn emit(self);
}

/// Why nothing could be observed.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The filter of log lines cannot be read.
    #[error("log filter \"{filter}\": {reason}")]
    Filter {
        /// As given.
        filter: String,
        /// Why not.
        reason: String,
    },
    /// Somebody else in this process logs already.
    #[error("logging: {0}")]
    Log(String),
    /// Somebody else in this process counts already.
    #[error("metrics: {0}")]
    Metrics(#[from] BuildError),
}

/// A reader of all metrics.
#[derive(Clone, Default)]
pub struct Metrics(Option<PrometheusHandle>);

/// The recorder is one per process (that is how the `metrics` crate works), and so is its reader.
static METRICS: OnceLock<Metrics> = OnceLock::new();
/// The way to stderr, one per process too.
static LOG: OnceLock<Sink> = OnceLock::new();

/// Starts logs and metrics of this process; `filter` is a level (`info`) or tracing's directives.
///
/// # Errors
/// When the filter cannot be read, or when called twice.
pub fn init(filter: &str) -> Result<(), InitError> {
    let directives = EnvFilter::try_new(filter).map_err(|error| InitError::Filter { filter: filter.to_owned(), reason: error.to_string() })?;
    let sink = Sink::start(std::io::stderr()).map_err(|error| InitError::Log(error.to_string()))?;
    let sink = LOG.get_or_init(|| sink).clone();
    subscriber(directives, sink).try_init().map_err(|error| InitError::Log(error.to_string()))?;
    let handle = builder()?.install_recorder()?;
    METRICS.get_or_init(|| handle.into());
    names::describe();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        Panicked { place: &place }.emit();
    }));
    Ok(())
}

/// Waits a moment for the log lines written so far; to be called at the end of the process.
pub fn flush() {
    if let Some(sink) = LOG.get() {
        sink.flush(Duration::from_secs(1));
    }
}

/// The reader of this process's metrics; empty before `init`.
#[must_use]
pub fn metrics() -> Metrics {
    METRICS.get().cloned().unwrap_or_default()
}

impl Metrics {
    /// All metrics in Prometheus's text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.as_ref().map(PrometheusHandle::render).unwrap_or_default()
    }

    /// Folds new samples into histograms; without it, and without readers, they would pile up.
    pub fn upkeep(&self) {
        if let Some(handle) = &self.0 {
            handle.run_upkeep();
        }
    }
}

impl From<PrometheusHandle> for Metrics {
    fn from(handle: PrometheusHandle) -> Self {
        Self(Some(handle))
    }
}

/// Writes one JSON object a line.
fn subscriber<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt().json().flatten_event(true).with_target(false).with_env_filter(filter).with_writer(writer).finish()
}

/// Unix time in seconds.
fn now_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Buckets make `_seconds` real histograms, which add up over replicas; the exporter's default would be summaries.
fn builder() -> Result<PrometheusBuilder, BuildError> {
    TABLE.iter().try_fold(PrometheusBuilder::new(), |builder, metric| match metric.kind {
        Kind::Histogram(bounds) => builder.set_buckets_for_metric(Matcher::Full(metric.name.into()), bounds),
        Kind::Counter | Kind::Gauge => Ok(builder),
    })
}

#[cfg(test)]
mod tests;
