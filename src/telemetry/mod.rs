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
mod session;
mod sink;

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

pub use admin::{AdminLoggedIn, AdminRefused, AdminTokensUnreadable};
pub use attribution::Attributed;
pub use checkpoint::{CheckpointFailed, CheckpointWritten};
pub use decision::{Decision, DecisionEnded, RewriteFinished, StoreFailed, StoreWritten};
pub use names::{Labels, register};
pub use process::{ConfigRejected, ConfigReloaded, Draining, Listening, Panicked, RestartNeeded, Stopped, TooFewFiles};
pub use promise::{PromiseProgress, Promised};
pub use session::{LoginFailed, SessionClosed, SessionOpened, UpstreamError};
use sink::Sink;

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

/// Buckets make `_seconds` real histograms, which add up over replicas; the exporter's default would be summaries.
fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Full(names::REWRITE_SECONDS.into()),
            &[0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 28800.0],
        )?
        .set_buckets_for_metric(
            Matcher::Full(names::STORE_SECONDS.into()),
            &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0],
        )
}

#[cfg(test)]
mod tests;
