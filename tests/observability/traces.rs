//! What a collector of OpenTelemetry hears, read with the protocol's own schema.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

use super::support::scene::set_up;
use super::support::{Proxy, connect_to, until};
use super::{SETTINGS, TABLES, newest, samples, value};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// What was posted, head and body.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<(String, ExportTraceServiceRequest)>>>);

/// Takes what is posted, or only holds the connection.
fn collector(answers: bool) -> (u16, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, heard) = (listener.local_addr().unwrap().port(), Heard::default());
    let kept = heard.clone();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for socket in listener.incoming().map_while(Result::ok) {
            if answers { hear(socket, &kept) } else { held.push(socket) }
        }
    });
    (port, heard)
}

fn hear(socket: TcpStream, heard: &Heard) {
    let mut reader = BufReader::new(socket);
    let mut head = String::new();
    while reader.read_line(&mut head).unwrap() > 2 {}
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    heard.0.lock().unwrap().push((head, ExportTraceServiceRequest::decode(&*body).expect("the protocol's own schema")));
    reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n").unwrap();
}

impl Heard {
    fn spans(&self) -> Vec<Span> {
        let heard = self.0.lock().unwrap();
        let scopes = heard.iter().flat_map(|(_, request)| &request.resource_spans).flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    fn text(value: &AnyValue) -> String {
        match value.value.as_ref().unwrap() {
            Value::StringValue(text) => text.clone(),
            Value::BoolValue(truth) => truth.to_string(),
            Value::ArrayValue(array) => array.values.iter().map(text).collect::<Vec<_>>().join(","),
            other => panic!("{other:?}"),
        }
    }
    attributes.iter().map(|pair| (pair.key.clone(), text(pair.value.as_ref().unwrap()))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn of(port: u16) -> String {
    format!("{SETTINGS}[telemetry]\notlp_endpoint = \"http://127.0.0.1:{port}\"\n")
}

#[tokio::test]
async fn a_collector_hears_of_sessions_statements_steps_and_waits() {
    let cluster = newest();
    let (port, heard) = collector(true);
    let (database, _) = set_up(cluster, TABLES).await;
    let mut proxy = Proxy::in_front_of(cluster, "enforce", &of(port));
    let session = proxy.connect(&database).await;
    session.batch_execute("CREATE INDEX i ON t (a)").await.unwrap();
    session.batch_execute("BEGIN; CREATE INDEX j ON t (id)").await.unwrap();
    session.batch_execute("COMMIT").await.unwrap();
    session.error(&format!("/*traceparent='00-{TRACE}-b7ad6b7169203331-01'*/ DROP TABLE t")).await;
    session.batch_execute("CREATE ROLE traced PASSWORD 'hunter2'").await.unwrap();
    let reader = cluster.connect(&database).await;
    reader.batch_execute("BEGIN; SELECT count(*) FROM t").await.unwrap();
    session.error("ALTER TABLE t ADD COLUMN b int").await;
    let parameters = format!("user=postgres password=postgres dbname={database} application_name=00-{TRACE}-c7ad6b7169203331-01");
    connect_to(proxy.port, &parameters).await.unwrap().batch_execute("CREATE TABLE n ()").await.unwrap();
    let unwanted = format!("user=postgres password=postgres dbname={database} application_name=00-{}-c7ad6b7169203331-00", TRACE.replace('0', "1"));
    connect_to(proxy.port, &unwanted).await.unwrap().batch_execute("CREATE TABLE unsampled ()").await.unwrap();
    let log = proxy.log();
    let opened = log.lines().find(|line| line.contains("session_opened")).unwrap();
    let id = serde_json::from_str::<serde_json::Value>(opened).unwrap()["session"].as_str().unwrap().to_owned();
    drop((session, reader));
    proxy.signal("TERM");
    assert_eq!(proxy.wait(), Some(0), "what waits is posted before the end");

    let (head, request) = heard.0.lock().unwrap()[0].clone();
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n") && head.to_ascii_lowercase().contains("content-type: application/x-protobuf"), "{head}");
    let resource = texts(&request.resource_spans[0].resource.as_ref().unwrap().attributes);
    assert_eq!((&*resource["service.name"], &*resource["service.version"]), ("pgairlock", env!("CARGO_PKG_VERSION")));

    let spans: Vec<(Span, BTreeMap<String, String>)> = heard.spans().into_iter().map(|span| (span.clone(), texts(&span.attributes))).collect();
    let find = |what: &dyn Fn(&Span, &BTreeMap<String, String>) -> bool| {
        let found = spans.iter().find(|(span, texts)| what(span, texts));
        found.unwrap_or_else(|| panic!("not among {spans:#?}")).clone()
    };
    let statement = |start: &str| find(&|span, texts| span.name == "statement" && texts["db.query.text"].contains(start));
    let below =
        |parent: &Span| spans.iter().filter(|(span, _)| span.parent_span_id == parent.span_id).map(|(span, _)| span.name.clone()).collect::<Vec<_>>();
    let (root, about) = find(&|span, texts| span.name == "session" && texts["pgairlock.session"] == id);
    assert_eq!((hex(&root.trace_id), root.parent_span_id.len(), root.kind), (id.replace('-', ""), 0, 2), "the trace of a session has its id");
    assert_eq!((&*about["db.system.name"], &*about["db.namespace"], &*about["pgairlock.role"]), ("postgresql", &*database, "postgres"));

    let (rewritten, texts) = statement("CREATE INDEX i");
    assert_eq!(
        (&*texts["pgairlock.decision"], &*texts["pgairlock.rules"], &*texts["pgairlock.in_transaction"]),
        ("rewrite", "create-index-blocking", "false")
    );
    assert_eq!((&rewritten.trace_id, &rewritten.parent_span_id), (&root.trace_id, &root.span_id));
    assert!(below(&rewritten).contains(&"step".to_owned()) && rewritten.status.is_none());
    let (step, _) = find(&|span, texts| {
        span.name == "step" && texts["db.query.text"].starts_with("CREATE INDEX CONCURRENTLY") && span.parent_span_id == rewritten.span_id
    });
    assert!(step.start_time_unix_nano >= rewritten.start_time_unix_nano && step.end_time_unix_nano <= rewritten.end_time_unix_nano);

    let (after, _) = find(&|span, _| span.name == "after commit");
    assert_eq!((after.parent_span_id.clone(), below(&after).contains(&"step".to_owned())), (root.span_id.clone(), true));

    let (refused, texts) = statement("DROP TABLE t");
    assert_eq!((hex(&refused.trace_id), hex(&refused.parent_span_id)), (TRACE.to_owned(), "b7ad6b7169203331".to_owned()));
    assert_eq!((&*texts["db.response.status_code"], &*texts["pgairlock.decision"], refused.status.unwrap().code), ("PA001", "refuse", 2));
    assert_eq!(texts["pgairlock.session"], id, "the way back from a trace of others");

    let (waited, texts) = statement("ALTER TABLE t ADD COLUMN b");
    assert_eq!((&*texts["db.response.status_code"], below(&waited)), ("55P03", vec!["lock wait".to_owned()]));

    let (named, _) = find(&|span, texts| span.name == "session" && hex(&span.trace_id) == TRACE && texts["pgairlock.session"] != id);
    assert_eq!(hex(&named.parent_span_id), "c7ad6b7169203331");
    let told = format!("{spans:?}");
    assert!(!told.contains("hunter2") && told.contains("CREATE ROLE traced"), "as the record has it");
    assert!(!told.contains("unsampled"), "whoever began the trace does not keep it");
    let ids: std::collections::BTreeSet<_> = spans.iter().map(|(span, _)| &span.span_id).collect();
    assert_eq!(ids.len(), spans.len(), "each span has its own id");
}

#[tokio::test]
async fn a_collector_that_is_away_or_hangs_costs_spans_and_no_time() {
    let cluster = newest();
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (hangs, _) = collector(false);
    let (database, _) = set_up(cluster, TABLES).await;
    for port in [refused, hangs] {
        let mut proxy = Proxy::in_front_of(cluster, "enforce", &of(port));
        let session = proxy.connect(&database).await;
        for _ in 0..50 {
            session.batch_execute("CREATE TABLE x (); DROP TABLE x").await.unwrap();
        }
        drop(session);
        until("they are counted", async || value(&samples(&proxy), "pgairlock_trace_spans_total{result=\"failed\"}") >= 1.0).await;
        assert!(proxy.log().contains("\"event\":\"spans_lost\""));
        assert_eq!(value(&samples(&proxy), "pgairlock_trace_spans_total{result=\"exported\"}"), 0.0);
        proxy.signal("TERM");
        assert_eq!(proxy.wait(), Some(0), "nobody waits for it at the end");
    }
}
