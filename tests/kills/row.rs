//! One death, and what must hold after the next run.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::time::timeout;

use super::places::Place;
use super::scenario::{Scenario, Victim};
use super::support::{Cluster, Proxy, Session, catalog, directory};
use super::{PATIENCE, until};

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) scenario: Scenario,
    pub(super) victim: Victim,
    pub(super) place: Place,
    /// Of an undisturbed run past the proxy.
    pub(super) schema: String,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scenario, victim, place) = (format!("{:?}", self.scenario), format!("{:?}", self.victim), self.place.to_string());
        write!(f, "{scenario:18} {victim:7} {place:58}")
    }
}

/// What came of a row.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) row: Row,
    version: String,
    /// What the client saw of the run that was disturbed.
    seen: String,
    committed: bool,
    /// What became of its promises.
    states: Vec<String>,
    pub(super) wrong: Vec<String>,
}

impl Told {
    pub(super) fn failed(&self) -> bool {
        !self.wrong.is_empty()
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen: String = self.seen.chars().take(60).collect();
        let end = if self.committed { "committed" } else { "-" };
        let result = if self.wrong.is_empty() { "ok".to_owned() } else { format!("FAILED: {}", self.wrong.join("; ")) };
        write!(f, "{:3} {} {seen:60} {end:9} {:10} {result}", self.version, self.row, self.states.join(","))
    }
}

/// A panic in it is the row's failure, not that of all.
pub(super) fn run(cluster: &Cluster, row: Row) -> Told {
    let mut told = Told { row, version: cluster.version.clone(), seen: String::new(), committed: false, states: Vec::new(), wrong: Vec::new() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let carried_out = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.block_on(told.carry_out(cluster))));
    if let Err(why) = carried_out.unwrap_or_else(|_| Err("a panic, see above".to_owned())) {
        told.wrong.push(why);
    }
    told
}

impl Told {
    async fn carry_out(&mut self, cluster: &Cluster) -> Result<(), String> {
        let scenario = self.row.scenario;
        let Left { database, proxy, blocker } = self.disturbed(cluster).await?;
        if let Some(blocker) = blocker {
            self.seen = early(scenario, cluster, &database, proxy.port, blocker).await?;
        }
        until_quiet(cluster, &database).await?;
        let direct = cluster.connect(&database).await;
        self.committed = scenario.is_committed(&direct).await;
        if self.row.victim == Victim::Number {
            self.reuse(&proxy, &database, &direct).await?;
        }
        let before = made(&direct).await;
        let again = scenario.tool(proxy.port, &database).await;
        if again != "done" {
            self.wrong.push(format!("the next run saw {again}"));
        }
        until_written(&proxy).await?;
        self.states = column(&proxy, "SELECT state FROM promises ORDER BY id");
        self.wrong.extend(open(&proxy).into_iter().map(|promise| format!("promise {promise}")));
        let after = made(&direct).await;
        self.wrong.extend(before.iter().filter(|made| !after.contains(made)).map(|made| format!("made again: {made}")));
        let schema = catalog(&direct).await;
        let other = |one: &str, another: &str| one.lines().filter(|line| !another.contains(*line)).map(str::to_owned).collect::<Vec<_>>();
        self.wrong.extend(other(&schema, &self.row.schema).into_iter().map(|line| format!("too much: {line}")));
        self.wrong.extend(other(&self.row.schema, &schema).into_iter().map(|line| format!("missing: {line}")));
        self.wrong.extend(direct.column(UNFINISHED).await);
        if self.failed() {
            eprintln!("{}: {}", self.row, proxy.log());
        }
        Ok(())
    }

    /// The run in which somebody dies.
    async fn disturbed(&mut self, cluster: &Cluster) -> Result<Left, String> {
        let (scenario, victim, place) = (self.row.scenario, self.row.victim, self.row.place.variable());
        if victim == Victim::Proxy && !self.row.place.within {
            let (database, mut proxy) = scenario.begin(cluster, &[("PGAIRLOCK_FAILPOINT", &place)]).await;
            self.seen = scenario.tool(proxy.port, &database).await;
            until("the proxy dies", async || !proxy.is_alive()).await?;
            return Ok(Left { database, proxy: proxy.again(&[]), blocker: None });
        }
        let socket = socket();
        let listener = UnixListener::bind(&socket).unwrap();
        let environment = [("PGAIRLOCK_FAILPOINT_PAUSE", &*place), ("PGAIRLOCK_FAILPOINT_SOCKET", &*socket)];
        let (database, mut proxy) = scenario.begin(cluster, &environment).await;
        let (port, name) = (proxy.port, database.clone());
        let mut tool = tokio::spawn(async move { scenario.tool(port, &name).await });
        let (mut waits, _) = timeout(PATIENCE, listener.accept()).await.map_err(|_| "the place was not reached".to_owned())?.unwrap();
        let mut blocker = None;
        if self.row.place.within {
            blocker = Some(self.block(cluster, &database).await);
            waits.shutdown().await.unwrap();
            until_blocked(cluster, &database).await?;
        }
        match victim {
            Victim::Proxy | Victim::Orphan => {
                proxy.signal("KILL");
                self.seen = tool.await.unwrap();
                proxy = proxy.again(&[]);
                return Ok(Left { database, proxy, blocker: blocker.filter(|_| victim == Victim::Orphan) });
            }
            Victim::Client => {
                tool.abort();
                let _ = (&mut tool).await;
                drop((waits, blocker));
                self.seen = "(it is the victim)".to_owned();
                until_written(&proxy).await?;
                return Ok(Left { database, proxy, blocker: None });
            }
            Victim::Server | Victim::Number => cluster.stop(),
            Victim::Backend => terminate(cluster, &database, self.row.place.within).await,
        }
        drop((waits, blocker));
        self.seen = tool.await.unwrap();
        if victim.is_server() {
            cluster.restart();
        }
        Ok(Left { database, proxy, blocker: None })
    }

    /// Other transactions commit until one has the number of the one that was lost. Nothing of what that was promised may be done then.
    async fn reuse(&mut self, proxy: &Proxy, database: &str, direct: &Session) -> Result<(), String> {
        let number = column(proxy, "SELECT xid FROM promises").remove(0);
        // Whatever is asked for has a number, and commits.
        until("the number is taken again", async || direct.value("SELECT pg_current_xact_id()").await == number).await?;
        let before = catalog(direct).await;
        self.row.scenario.visit(proxy.port, database).await?;
        if catalog(direct).await != before {
            self.wrong.push("what was rolled back is done".to_owned());
        }
        Ok(())
    }

    /// A session that has a lock which the step at this place waits for.
    async fn block(&self, cluster: &Cluster, database: &str) -> Session {
        let session = cluster.connect(database).await;
        let mode = if self.row.place.name.contains("VALIDATE") { "SHARE UPDATE EXCLUSIVE" } else { "ROW EXCLUSIVE" };
        session.batch_execute(&format!("BEGIN; LOCK TABLE t IN {mode} MODE")).await.unwrap();
        session
    }
}

/// What there is when somebody has died.
struct Left {
    database: String,
    /// The one that is there for the next run.
    proxy: Proxy,
    /// In whose way the server's work still stands.
    blocker: Option<Session>,
}

const UNFINISHED: &str = "SELECT 'INVALID ' || indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid
    UNION ALL SELECT 'NOT VALID ' || conname FROM pg_constraint WHERE NOT convalidated
    UNION ALL SELECT 'helper ' || conname FROM pg_constraint WHERE conname LIKE '\\_\\_pgairlock\\_%'";

/// What the migration has made, with the numbers that it gets anew when it is made again.
async fn made(direct: &Session) -> Vec<String> {
    direct
        .column(
            "SELECT format('index %s %s %s', c.relname, c.oid, c.relfilenode) FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
             WHERE x.indisvalid AND x.indrelid = 't'::regclass AND c.relname <> 't_c' AND c.oid NOT IN (SELECT t_b FROM before)
             UNION ALL SELECT format('constraint %s %s', conname, oid) FROM pg_constraint WHERE convalidated AND conrelid = 't'::regclass
               AND conname NOT LIKE '\\_\\_pgairlock\\_%'",
        )
        .await
}

/// Returns when they are gone. PostgreSQL 13 cannot be told to wait for that.
async fn terminate(cluster: &Cluster, database: &str, blocked: bool) {
    let server = cluster.connect("postgres").await;
    let whom = if blocked { BLOCKED } else { "true" };
    let pids = server.column(&format!("SELECT pid FROM pg_stat_activity WHERE datname = '{database}' AND {whom}")).await.join(",");
    server.column(&format!("SELECT pg_terminate_backend(pid) FROM unnest('{{{pids}}}'::int[]) pid")).await;
    let left = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = ANY ('{{{pids}}}')");
    until("the victims are gone", async || server.value(&left).await == "0").await.unwrap();
}

const BLOCKED: &str = "wait_event_type = 'Lock'";

async fn until_blocked(cluster: &Cluster, database: &str) -> Result<(), String> {
    let server = cluster.connect("postgres").await;
    let sessions = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND {BLOCKED}");
    until("the step waits for its lock", async || server.value(&sessions).await != "0").await
}

/// A run that comes while the server still works: what it sees is its own business, what it leaves is not. It may wait until the work is done.
async fn early(scenario: Scenario, cluster: &Cluster, database: &str, port: u16, blocker: Session) -> Result<String, String> {
    let name = database.to_owned();
    let early = tokio::spawn(async move { scenario.tool(port, &name).await });
    let server = cluster.connect("postgres").await;
    let waiting = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND wait_event = 'PgSleep'");
    until("an early run waits, or ends", async || early.is_finished() || server.value(&waiting).await != "0").await?;
    drop(blocker);
    Ok(early.await.unwrap())
}

/// What a session goes on with that nobody listens to any more has come to its end.
async fn until_quiet(cluster: &Cluster, database: &str) -> Result<(), String> {
    let server = cluster.connect("postgres").await;
    let sessions = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'");
    until("the sessions are gone", async || server.value(&sessions).await == "0").await
}

fn column(proxy: &Proxy, sql: &str) -> Vec<String> {
    let store = proxy.searchable();
    let mut rows = store.prepare(sql).unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// All sessions have ended, and with them the writing down of what became of promises.
async fn until_written(proxy: &Proxy) -> Result<(), String> {
    // A session is counted before its client hears of it; its line in the log may come later.
    let open = || proxy.http("/metrics").is_none_or(|page| page.lines().any(|line| line.starts_with("pgairlock_sessions{") && !line.ends_with(" 0")));
    until("the sessions end", async || !open()).await
}

/// Promises that are not at an end.
fn open(proxy: &Proxy) -> Vec<String> {
    column(proxy, "SELECT id || ' is ' || state || coalesce(': ' || message, '') FROM promises WHERE state NOT IN ('settled', 'aborted')")
}

/// A name of few letters: the path of a socket has room for a hundred.
fn socket() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let path = directory("kills").join(COUNT.fetch_add(1, Ordering::Relaxed).to_string());
    Path::new(&path).display().to_string()
}
