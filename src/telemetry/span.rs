//! Spans, in the types of the OpenTelemetry protocol.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as Written, Status};
use prost::Message;
use uuid::Uuid;

use super::names::VERSION;

/// Of one text; a migration may be megabytes.
const LONGEST: usize = 4096;

/// Where a span is: its trace and itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    trace: [u8; 16],
    span: [u8; 8],
    /// Whoever began the trace keeps it; what nobody keeps is not sent.
    is_kept: bool,
}

impl Context {
    /// The root of a session's trace, which has the session's id: the log names it.
    #[must_use]
    pub fn of_session(id: &str) -> Self {
        let trace = Uuid::parse_str(id).unwrap_or_else(|_| Uuid::now_v7()).into_bytes();
        Self { trace, span: new_id(), is_kept: true }
    }

    /// A span below this one.
    #[must_use]
    pub fn child(self) -> Self {
        Self { span: new_id(), ..self }
    }

    /// W3C's `traceparent`, where the text has one: `00-TRACE-SPAN-FLAGS`, alone or among other words.
    #[must_use]
    pub fn named_in(text: &str) -> Option<Self> {
        text.split(|letter: char| !letter.is_ascii_hexdigit() && letter != '-').find_map(Self::read)
    }

    fn read(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('-').collect();
        let ["00", trace, span, flags] = parts.as_slice() else { return None };
        let (trace, span, [flags]) = (bytes(trace)?, bytes(span)?, bytes(flags)?);
        (trace != [0; 16] && span != [0; 8]).then_some(Self { trace, span, is_kept: flags & 1 == 1 })
    }
}

/// The random end of a new UUID.
fn new_id() -> [u8; 8] {
    let (_, end) = Uuid::now_v7().as_u64_pair();
    end.to_be_bytes()
}

fn bytes<const N: usize>(hexadecimal: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if hexadecimal.len() != 2 * N || !hexadecimal.is_ascii() {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hexadecimal.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Who a span is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What a client asked for.
    Server,
    /// What is done with it.
    Internal,
    /// What a server is asked for.
    Client,
}

/// A span on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Span(Written, bool);

impl Span {
    /// From then on, below that one.
    #[must_use]
    pub fn begin(name: &str, side: Side, context: Context, parent: Option<Context>, since: SystemTime) -> Self {
        let kind = match side {
            Side::Server => SpanKind::Server,
            Side::Internal => SpanKind::Internal,
            Side::Client => SpanKind::Client,
        };
        let written = Written {
            trace_id: context.trace.to_vec(),
            span_id: context.span.to_vec(),
            parent_span_id: parent.map(|parent| parent.span.to_vec()).unwrap_or_default(),
            name: name.to_owned(),
            kind: kind.into(),
            start_time_unix_nano: nanos(since),
            ..Written::default()
        };
        Self(written, context.is_kept)
    }

    /// With a text, if there is one.
    #[must_use]
    pub fn text<'a>(mut self, key: &str, value: impl Into<Option<&'a str>>) -> Self {
        if let Some(value) = value.into() {
            self.0.attributes.push(attribute(key, Value::StringValue(cut(value))));
        }
        self
    }

    /// With texts.
    #[must_use]
    pub fn texts<'a>(mut self, key: &str, values: impl Iterator<Item = &'a str>) -> Self {
        let values = values.map(|value| AnyValue { value: Some(Value::StringValue(cut(value))) }).collect();
        let value = Value::ArrayValue(opentelemetry_proto::tonic::common::v1::ArrayValue { values });
        self.0.attributes.push(attribute(key, value));
        self
    }

    /// With a yes or no.
    #[must_use]
    pub fn truth(mut self, key: &str, value: bool) -> Self {
        self.0.attributes.push(attribute(key, Value::BoolValue(value)));
        self
    }

    /// It has failed, with this SQLSTATE, if there is one.
    #[must_use]
    pub fn sqlstate(mut self, sqlstate: Option<&str>) -> Self {
        if let Some(sqlstate) = sqlstate {
            self.0.status = Some(Status { message: format!("SQLSTATE {sqlstate}"), code: StatusCode::Error.into() });
            return self.text("db.response.status_code", sqlstate).text("error.type", sqlstate);
        }
        self
    }

    /// It ends now; nothing where its trace is not kept.
    #[must_use]
    pub fn end(mut self) -> Option<Self> {
        self.0.end_time_unix_nano = nanos(SystemTime::now()).max(self.0.start_time_unix_nano);
        self.1.then_some(self)
    }
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn cut(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

fn nanos(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).ok().and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or_default()
}

/// The body of a request to a collector; the instance is the name of this process's chain in the log.
#[must_use]
pub fn request(spans: Vec<Span>, instance: &str) -> Vec<u8> {
    let named = |key: &str, value: &str| attribute(key, Value::StringValue(value.to_owned()));
    let about = vec![named("service.name", "pgairlock"), named("service.version", VERSION), named("service.instance.id", instance)];
    let scope = InstrumentationScope { name: "pgairlock".to_owned(), version: VERSION.to_owned(), ..InstrumentationScope::default() };
    let scope_spans = ScopeSpans { scope: Some(scope), spans: spans.into_iter().map(|Span(span, _)| span).collect(), ..ScopeSpans::default() };
    let resource = Resource { attributes: about, ..Resource::default() };
    let spans = ResourceSpans { resource: Some(resource), scope_spans: vec![scope_spans], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![spans] }.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_found_among_other_words() {
        let id = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context = Context::named_in(id).unwrap();
        assert_eq!((context.trace[0], context.span[7], context.is_kept), (0x0a, 0x31, true));
        assert_eq!(Context::named_in(&format!("deploy {id}")), Some(context));
        assert!(!Context::named_in(&id.replace("-01", "-00")).unwrap().is_kept);
        for wrong in ["", "alembic", "00-x-y-01", &id.replace("00-", "ff-"), &id[..54], &id.replace("b7ad6b7169203331", "0000000000000000")] {
            assert_eq!(Context::named_in(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_trace_of_a_session_is_found_by_its_id() {
        let context = Context::of_session("01a2269c-bbc0-71c4-96d2-c7cef69e3713");
        assert_eq!(Uuid::from_bytes(context.trace).to_string(), "01a2269c-bbc0-71c4-96d2-c7cef69e3713");
        assert!(context.child().trace == context.trace && context.child().span != context.span);
    }

    #[test]
    fn long_texts_are_cut_between_letters() {
        assert_eq!(cut(&"ä".repeat(3000)).chars().count(), LONGEST / 2 + 1);
    }
}
