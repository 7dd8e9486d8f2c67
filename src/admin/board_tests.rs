//! The dashboard over HTTP, byte for byte, over a store with a migration in it.

use std::collections::BTreeMap;

use metrics_exporter_prometheus::PrometheusBuilder;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::audit::event::{Attribution, Direction, Event as Logged, Fate, LockHeld, Migration, Trail, Transaction};
use crate::audit::record::{DecisionId, Outcome, Record, RecordedFinding};
use crate::config::admin::{Dashboard, Role};
use crate::config::settings::DashboardSettings;
use crate::deferred::promise::{Place as At, Promise};
use crate::store::Place;

pub(super) struct Lab {
    directory: TempDir,
    address: SocketAddr,
    pub(super) store: Store,
    _tls: tokio::sync::watch::Sender<Option<Arc<crate::transport::tls::Acceptor>>>,
}

pub(super) struct Answer {
    pub(super) status: u16,
    headers: BTreeMap<String, String>,
    pub(super) body: String,
}

impl Lab {
    async fn open() -> Self {
        Self::with(DashboardSettings { shown: Dashboard::Open, ..DashboardSettings::default() }).await
    }

    /// With a token for each role; the tokens.
    pub(super) async fn with_tokens() -> (Self, [String; 2]) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let made = [tokens::random().unwrap(), tokens::random().unwrap()];
        let lines = [tokens::line("vera", Role::Viewer, &made[0]), tokens::line("adam", Role::Approver, &made[1])];
        std::fs::write(file.path(), lines.join("\n")).unwrap();
        (Self::with(DashboardSettings { tokens: Some(file.path().to_owned()), ..DashboardSettings::default() }).await, made)
    }

    pub(super) async fn with(settings: DashboardSettings) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&Place::File(directory.path().join("store.db"))).unwrap();
        let recorder = PrometheusBuilder::new().build_recorder();
        let sessions: Sessions = Arc::new(|| vec![pages::a_session("running")]);
        let board = Board::new(settings, sessions, store.apart().unwrap(), "{\"version\": 1}".into()).unwrap();
        let metrics = Metrics::from(recorder.handle());
        let state =
            AdminState { readiness: Readiness::default(), store: store.clone(), metrics, checkpoints: Failing::default(), board: Some(board) };
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, tls) = tokio::sync::watch::channel(None);
        tokio::spawn(serve(listener, tls, state));
        Self { directory, address, store, _tls: sender }
    }

    pub(super) async fn get(&self, path: &str, headers: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")).await
    }

    pub(super) async fn post(&self, path: &str, headers: &str, form: &str) -> Answer {
        let length = form.len();
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {length}\r\n{headers}\r\n{form}"
        ))
        .await
    }

    async fn ask(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let headers = head.lines().skip(1).filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_owned(), value.to_owned()));
        Answer { status: head.split(' ').nth(1).unwrap().parse().unwrap(), headers: headers.collect(), body: body.to_owned() }
    }

    /// The cookie of somebody who has logged in, as a header.
    pub(super) async fn logged_in(&self, token: &str) -> String {
        let answer = self.post("/login", "Origin: http://localhost\r\n", &format!("token={token}&next=%2Fwork")).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/work"));
        let cookie = answer.header("set-cookie");
        assert!(cookie.contains("; HttpOnly; SameSite=Strict") && !cookie.contains(token), "{cookie}");
        format!("Cookie: {}\r\n", cookie.split(';').next().unwrap())
    }

    /// A migration of two statements, of which one has left something for after its COMMIT; and a refusal.
    async fn with_a_migration(&self) -> (DecisionId, DecisionId) {
        let first = self.store.record(record("ALTER TABLE orders ADD COLUMN <b> int", "pass")).await.unwrap();
        let second = self.store.record(record("CREATE INDEX i ON orders (b)", "defer")).await.unwrap();
        for id in [first, second] {
            self.store.outcome(id, Outcome { tag: Some("ALTER TABLE".into()), duration_micros: 1_500, ..Outcome::default() }).await.unwrap();
        }
        let locks = vec![LockHeld {
            relation: "public.orders".into(),
            mode: "AccessExclusive".into(),
            new: false,
            rewritten: Some(false),
            scans: None,
            rows_read: None,
        }];
        self.store.promise(promise(), Trail { locks: Some(locks), open_micros: 4_000 }).await.unwrap();
        let ended = Transaction { session: "s".into(), transaction: 1, fate: Fate::Committed, duration_micros: 9_000 };
        self.store.event(Logged::Transaction(ended)).await.unwrap();
        let refused = Record { transaction: 2, ..record("DROP TABLE orders", "refuse") };
        let refused = self.store.record(refused).await.unwrap();
        let entry = self.store.event(Logged::Attribution(attribution(vec![first, second]))).await.unwrap();
        while self.store.underived().await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
        (entry, refused)
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(super) fn has(&self, words: &[&str]) {
        for word in words {
            assert!(self.body.contains(word), "{word}: {}", self.body);
        }
    }
}

pub(super) fn record(sql: &str, decision: &str) -> Record {
    Record {
        session: "s".into(),
        transaction: 1,
        listener: "l".into(),
        client: "10.0.0.1:5".into(),
        role: "deployer".into(),
        database: "shop".into(),
        application_name: Some("alembic".into()),
        sql: sql.into(),
        decision: decision.into(),
        findings: vec![RecordedFinding {
            rule: "drop-table".into(),
            relation: Some("public.orders".into()),
            verdict: "enforced".into(),
            certainty: "proven".into(),
            lock: Some("AccessExclusive".into()),
            work: "none".into(),
            bytes: None,
            estimate: None,
            message: "loses all of it".into(),
        }],
        steps: if decision == "defer" { vec!["CREATE INDEX CONCURRENTLY i ON orders (b)".into()] } else { Vec::new() },
        in_transaction: true,
        commit_is_announced: true,
        facts: Vec::new(),
        former: Vec::new(),
        tool_guess: None,
        server_version: 150_000,
        approval: None,
        tls: None,
        mark: None,
    }
}

fn promise() -> Promise {
    Promise {
        session: "s".into(),
        transaction: 1,
        place: At { system: "1".into(), database: "shop".into() },
        role: "deployer".into(),
        xid: "77".into(),
        life: "l".into(),
        operations: Vec::new(),
        whole: None,
    }
}

fn attribution(decisions: Vec<DecisionId>) -> Attribution {
    Attribution {
        session: "s".into(),
        database: "shop".into(),
        role: "deployer".into(),
        migration: Migration {
            tool: "alembic".into(),
            table: "alembic_version".into(),
            version: "ae10".into(),
            name: None,
            direction: Direction::Up,
            from: None,
            to: None,
        },
        decisions,
        unfinished: false,
    }
}

#[tokio::test]
async fn pages_tell_what_the_log_has() {
    let lab = Lab::open().await;
    let (entry, refused) = lab.with_a_migration().await;
    lab.get("/", "").await.has(&["<strong>1</strong> open", "deployer", "not logged in (viewer)"]);
    lab.get("/migrations", "").await.has(&["ae10", "applied", &format!("/migrations/{entry}"), "alembic"]);
    let migration = lab.get(&format!("/migrations/{entry}"), "").await;
    migration.has(&[
        "<svg",
        "AccessExclusive on public.orders",
        "pg_locks, before the COMMIT",
        "<ins>+ CREATE INDEX CONCURRENTLY i ON orders (b);</ins>",
        "ADD COLUMN &lt;b&gt; int",
        "Its transaction: committed, 9.000 ms after its first decision",
        "pgairlock audit rollback-sql ae10",
    ]);
    assert!(!migration.body.contains("ADD COLUMN <b>"), "others' words are no markup");
    let record = lab.get(&format!("/records/{refused}"), "").await;
    record.has(&["refuse", "loses all of it", "DROP TABLE orders", "The migration is not known"]);
    lab.get("/refusals", "").await.has(&["<strong>1 refused statement</strong>", "drop-table", "deployer", "Alembic"]);
    lab.get("/search?rule=drop-table&decision=refuse&sql=orders", "").await.has(&[&format!("/records/{refused}"), "value=\"drop-table\""]);
    lab.get("/work", "").await.has(&["Nothing is left to do."]);
    for (path, status) in [
        ("/records/3-118", 404),
        ("/records/x", 400),
        ("/migrations/1-1", 404),
        ("/search?since=yesterday", 400),
        ("/nowhere", 404),
        ("/approvals/00000000", 404),
        ("/approvals/x", 400),
    ] {
        assert_eq!(lab.get(path, "").await.status, status, "{path}");
    }
    assert!(lab.directory.path().exists());
}

#[tokio::test]
async fn a_page_ends_where_the_next_begins() {
    let lab = Lab::open().await;
    for number in 0..7 {
        lab.store.record(record(&format!("DROP TABLE t{number}"), "refuse")).await.unwrap();
    }
    while lab.store.underived().await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
    for filter in ["", "&sql=drop"] {
        let (mut before, mut seen) = (String::new(), Vec::new());
        loop {
            let answer = lab.get(&format!("/api/v1/audit?limit=3{filter}&before={before}"), "").await;
            let page: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(page["version"], 1);
            seen.extend(page["records"].as_array().unwrap().iter().map(|record| record["sql"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => next.clone_into(&mut before),
                None => break,
            }
        }
        let expected: Vec<String> = (0..7).rev().map(|number| format!("DROP TABLE t{number}")).collect();
        assert_eq!(seen, expected, "{filter}");
    }
}

#[tokio::test]
async fn programs_hear_the_same_as_from_the_command_line() {
    let lab = Lab::open().await;
    let (_, refused) = lab.with_a_migration().await;
    let read = async |path: &str| serde_json::from_str::<serde_json::Value>(&lab.get(path, "").await.body).unwrap();
    let record = read(&format!("/api/v1/audit/{refused}")).await;
    assert_eq!((&record["record"]["id"], &record["record"]["decision"]), (&refused.to_string().into(), &"refuse".into()));
    assert_eq!(record["entries"][0]["kind"], "decision");
    let sessions = read("/api/v1/sessions").await;
    assert_eq!(
        (&sessions["version"], &sessions["sessions"][0]["role"], &sessions["sessions"][0]["state"]),
        (&1.into(), &"deployer".into(), &"running".into())
    );
    assert_eq!(read("/api/v1/deferred").await, serde_json::json!({"version": 1, "promises": []}));
    assert_eq!(read("/api/v1/rules").await["version"], 1);
    let wrong = lab.get("/api/v1/audit?since=x", "").await;
    assert_eq!((wrong.status, wrong.body.contains("how far back")), (400, true), "{}", wrong.body);
    assert_eq!(lab.get("/api/v1/nowhere", "").await.header("content-type"), "application/json");
}

#[tokio::test]
async fn nobody_comes_in_without_a_token_and_probes_stay_open() {
    let (lab, [viewer, _]) = Lab::with_tokens().await;
    for path in ["/", "/migrations", "/records/1-1", "/work", "/refusals", "/approvals", "/approvals/3f9a2c81d04b", "/search?rule=x", "/nowhere"] {
        let answer = lab.get(path, "").await;
        assert_eq!(answer.status, 303, "{path}");
        assert!(answer.header("location").starts_with("/login?next=%2F"), "{path}: {}", answer.header("location"));
    }
    for path in ["sessions", "audit", "audit/1-1", "deferred", "approvals", "rules"] {
        let answer = lab.get(&format!("/api/v1/{path}"), "").await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"), "{path}");
    }
    for path in ["/healthz", "/metrics", "/login", assets::STYLE.path.as_str(), assets::SCRIPT.path.as_str()] {
        assert_eq!(lab.get(path, "").await.status, 200, "{path}");
    }
    assert_eq!(lab.get("/readyz", "").await.status, 503, "it starts");
    let bearer = format!("Authorization: Bearer {viewer}\r\n");
    assert_eq!(lab.get("/api/v1/audit", &bearer).await.status, 200);
    assert_eq!(lab.get("/api/v1/audit", "Authorization: Bearer x\r\n").await.status, 401);
}

#[tokio::test]
async fn a_browser_logs_in_looks_and_logs_out() {
    let (lab, [viewer, _]) = Lab::with_tokens().await;
    let cookie = lab.logged_in(&viewer).await;
    let page = lab.get("/", &cookie).await;
    page.has(&["vera (viewer)", "Log out"]);
    let csrf = page.body.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(lab.post("/logout", &cookie, "csrf=0").await.status, 403, "without what the page says");
    assert_eq!(lab.post("/logout", &format!("{cookie}Sec-Fetch-Site: cross-site\r\n"), &format!("csrf={csrf}")).await.status, 403);
    assert_eq!(lab.post("/logout", &format!("{cookie}Origin: http://evil.example\r\n"), &format!("csrf={csrf}")).await.status, 403);
    assert_eq!(lab.get("/", &cookie).await.status, 200, "still there");
    assert_eq!(lab.post("/logout", &format!("{cookie}Sec-Fetch-Site: same-origin\r\n"), &format!("csrf={csrf}")).await.header("location"), "/login");
    assert_eq!(lab.get("/", &cookie).await.status, 303);
    let wrong = lab.post("/login", "", "token=wrong").await;
    assert_eq!((wrong.status, wrong.header("set-cookie")), (403, ""));
    wrong.has(&["That is no token of this dashboard."]);
    for _ in 0..9 {
        lab.post("/login", "", "token=wrong").await;
    }
    let limited = lab.post("/login", "", &format!("token={viewer}")).await;
    assert_eq!(limited.status, 429, "the right one too");
    assert!((1..=60).contains(&limited.header("retry-after").parse::<u32>().unwrap()));
}

#[tokio::test]
async fn a_viewer_changes_nothing_whatever_he_sends() {
    let (lab, [viewer, approver]) = Lab::with_tokens().await;
    let cookie = lab.logged_in(&viewer).await;
    let bearer = format!("Authorization: Bearer {viewer}\r\n");
    for path in ["/approvals/00000000/approve", "/", "/work", "/api/v1/audit"] {
        for headers in [&cookie, &bearer] {
            assert_eq!(lab.post(path, headers, "").await.status, 403, "{path}");
        }
    }
    let bearer = format!("Authorization: Bearer {approver}\r\n");
    assert_eq!((lab.post("/approvals/00000000/approve", &bearer, "").await.status, lab.post("/", &bearer, "").await.status), (404, 405));
    assert_eq!(lab.post("/approvals/00000000/approve", "", "").await.status, 303, "nobody is sent to the login");
}

#[tokio::test]
async fn browsers_are_told_to_take_nothing_from_elsewhere_and_to_keep_nothing() {
    let lab = Lab::open().await;
    for path in ["/", "/nowhere", "/api/v1/rules", "/records/x", assets::SCRIPT.path.as_str()] {
        let answer = lab.get(path, "").await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!((answer.header("x-content-type-options"), answer.header("referrer-policy")), ("nosniff", "same-origin"), "{path}");
        let kept = answer.header("cache-control");
        assert_eq!(kept == "no-store", !path.starts_with("/assets/"), "{path}: {kept}");
        if path == "/" {
            assert!(!answer.body.contains(" style=") && !answer.body.contains(" onclick=") && !answer.body.contains("<script>"), "{}", answer.body);
        }
    }
}
