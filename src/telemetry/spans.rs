//! Events of spans on their way to a collector.

use metrics::counter;
use tracing::warn;

use super::{Event, names};

/// The collector has some.
#[derive(Debug, Clone, Copy)]
pub struct SpansExported(pub u64);

impl Event for SpansExported {
    fn emit(self) {
        counter!(names::TRACE_SPANS_TOTAL, "result" => "exported").increment(self.0);
    }
}

/// One was not kept, since too many wait already. There may be many: they are counted only.
#[derive(Debug, Clone, Copy)]
pub struct SpanDropped;

impl Event for SpanDropped {
    fn emit(self) {
        counter!(names::TRACE_SPANS_TOTAL, "result" => "dropped").increment(1);
    }
}

/// The collector did not take them.
#[derive(Debug, Clone, Copy)]
pub struct SpansLost<'a> {
    /// How many.
    pub count: u64,
    /// Why.
    pub error: &'a str,
}

impl Event for SpansLost<'_> {
    fn emit(self) {
        let Self { count, error } = self;
        counter!(names::TRACE_SPANS_TOTAL, "result" => "failed").increment(count);
        warn!(event = "spans_lost", count, error, "the collector of [telemetry] otlp_endpoint did not take spans");
    }
}
