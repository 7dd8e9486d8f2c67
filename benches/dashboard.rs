//! `make dashboard-bench`: how long each page of the dashboard takes among a million records and beside 200 open sessions. Prints; no test, since it
//! measures time. Needs PGAIRLOCK_STORE, the URL of an empty PostgreSQL (scripts/with-postgres): the sessions are real ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout, missing_docs, reason = "a benchmark may fail")]

#[path = "support/records.rs"]
mod records;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pgairlock::audit::approval::Approval;
use pgairlock::store::{Place, Store};
use records::{Times, fill};
use tokio_postgres::{Client, NoTls};

/// Open sessions, of which each second one has a transaction.
const SESSIONS: usize = 200;
/// Statements that somebody has approved.
const APPROVED: u32 = 20;
/// Requests of each page, one after the other.
const REQUESTS: usize = 60;

#[tokio::main]
async fn main() {
    let records: usize = std::env::var("RECORDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let url = std::env::var("PGAIRLOCK_STORE").expect("PGAIRLOCK_STORE; run it by make dashboard-bench");
    let upstream = url.rsplit_once('@').and_then(|(_, rest)| rest.split('/').next()).unwrap().to_owned();
    let directory =
        tempfile::Builder::new().prefix("dashboard-bench").tempdir_in(std::env::var("CARGO_TARGET_DIR").unwrap_or("target".into())).unwrap();
    let place = directory.path().join("store.db");
    let (migration, record, approval) = filled(&place, records).await;
    println!("  the store has {} MB", std::fs::metadata(&place).unwrap().len() >> 20);

    let proxy = Proxy::start(directory.path(), &upstream);
    let sessions = proxy.sessions().await;
    println!("{records} records, {} sessions, p95 of {REQUESTS} requests each", sessions.len());
    let pages = [
        ("sessions", "/".to_owned()),
        ("migrations", "/migrations".into()),
        ("one migration", format!("/migrations/{migration}")),
        ("one record", format!("/records/{record}")),
        ("after-commit work", "/work".into()),
        ("refusals, 24 hours", "/refusals?since=24h".into()),
        ("refusals, 30 days", "/refusals?since=30d".into()),
        ("approvals", "/approvals".into()),
        ("one approval", format!("/approvals/{approval}")),
        ("search, newest", "/search".into()),
        ("search, rule and role", "/search?rule=drop-column&role=team_9".into()),
        ("search, table", "/search?table=public.table_77".into()),
        ("search, rare word", "/search?sql=column_12345".into()),
        ("search, two words, table", "/search?sql=add+column&table=public.table_77".into()),
        ("api: sessions", "/api/v1/sessions".into()),
        ("api: audit", "/api/v1/audit?limit=500".into()),
        ("metrics", "/metrics".into()),
    ];
    for (name, path) in pages {
        let (mut times, mut bytes) = (Vec::new(), 0);
        for _ in 0..REQUESTS {
            let begun = Instant::now();
            bytes = proxy.get(&path);
            times.push(begun.elapsed());
        }
        println!("  {name:26} {} ({} kB)", Times::of(times), bytes >> 10);
    }
}

/// Fills the store; a migration, a record of it, and the fingerprint of a statement that somebody has approved.
async fn filled(place: &Path, records: usize) -> (String, String, String) {
    let store = Store::open(&Place::File(place.to_owned())).unwrap();
    fill(&store, records).await;
    let migration = store.migrations(None, 1).await.unwrap().remove(0);
    let record = migration.attribution.decisions[0].to_string();
    let requests = store.requests(None, APPROVED).await.unwrap();
    for request in &requests {
        let approval = Approval {
            fingerprint: request.fingerprint.clone(),
            by: "adam".into(),
            known_by: "token".into(),
            reason: "unread since March".into(),
            expires_unix_micros: i64::MAX,
            uses: 3,
        };
        store.approve(approval).await.unwrap();
    }
    let approval = requests[0].fingerprint.clone();
    store.close().await.unwrap();
    (migration.id.to_string(), record, approval)
}

struct Proxy {
    child: Child,
    port: u16,
    admin: u16,
}

impl Proxy {
    fn start(directory: &Path, upstream: &str) -> Self {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (port, admin) = (free(), free());
        let mut child = Command::new(env!("CARGO_BIN_EXE_pgairlock"))
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--admin", &format!("127.0.0.1:{admin}"), "--upstream", upstream, "--store"])
            .arg(directory.join("store.db"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = child.stderr.take().unwrap();
        std::thread::spawn(move || BufReader::new(log).lines().for_each(drop));
        let proxy = Self { child, port, admin };
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "pgairlock does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        proxy
    }

    async fn sessions(&self) -> Vec<Client> {
        let mut sessions = Vec::new();
        for number in 0..SESSIONS {
            let parameters =
                format!("host=127.0.0.1 port={} user=postgres password=postgres dbname=postgres application_name=alembic-{number}", self.port);
            let (client, connection) = tokio_postgres::connect(&parameters, NoTls).await.unwrap();
            tokio::spawn(connection);
            if number % 2 == 0 {
                client.batch_execute("BEGIN; SELECT count(*) FROM pg_class WHERE relname LIKE 'pg%'").await.unwrap();
            }
            sessions.push(client);
        }
        sessions
    }

    /// How many bytes came.
    fn get(&self, path: &str) -> usize {
        let mut socket = TcpStream::connect(("127.0.0.1", self.admin)).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{path}: {}", String::from_utf8_lossy(&answer).lines().next().unwrap_or_default());
        answer.len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
