//! What migrations left for after their COMMIT, in the hands of a person.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use support::scene::set_up;
use support::{Cluster, Proxy, Session, certificates::certificates, clusters, connect_to};

/// Tables with rows count as large.
const STRICT: &str = "[limits]\nsmall_table = \"1B\"\n";

const TABLES: &str = "CREATE TABLE t (id int NOT NULL, a int);
    INSERT INTO t SELECT i, i FROM generate_series(1, 100) i;
    CREATE TABLE alembic_version (version_num text);
    INSERT INTO alembic_version VALUES ('0')";

const MEND: &str = "DELETE FROM t WHERE id = 99999";

/// A proxy, a database in which a promise has failed, and the server itself.
struct Failed {
    cluster: &'static Cluster,
    proxy: Proxy,
    database: String,
    direct: Session,
}

impl Failed {
    /// Duplicates that come after the search: a red COMMIT, and a promise that waits for a person.
    async fn on(cluster: &'static Cluster) -> Self {
        let (database, direct) = set_up(cluster, TABLES).await;
        let proxy = Proxy::in_front_of(cluster, "enforce", STRICT);
        let session = proxy.connect(&database).await;
        for sql in ["BEGIN", "ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)", "UPDATE alembic_version SET version_num = '1'"] {
            session.batch_execute(sql).await.unwrap();
        }
        direct.batch_execute("INSERT INTO t VALUES (99999, 1)").await.unwrap();
        assert_eq!(session.error("COMMIT").await.code().code(), "PA004");
        let failed = Self { cluster, proxy, database, direct };
        failed.until("committed 23505").await;
        failed
    }

    fn store(&self) -> rusqlite::Connection {
        self.proxy.searchable()
    }

    /// State and error of its promise.
    fn state(&self) -> String {
        self.store().query_row("SELECT state || coalesce(' ' || sqlstate, '') FROM promises", [], |row| row.get(0)).unwrap()
    }

    async fn until(&self, expected: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.state() != expected {
            assert!(Instant::now() < deadline, "{}, not {expected}", self.state());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn set(&self, assignments: &str) {
        assert_eq!(self.store().execute(&format!("UPDATE announced SET {assignments}"), []).unwrap(), 1);
    }

    fn url(&self, role: &str, port: u16) -> String {
        format!("postgres://{role}@127.0.0.1:{port}/{}", self.database)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = pgairlock(arguments);
        command.arg("--store").arg(&self.proxy.store);
        command
    }

    fn run_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&[&["run"], arguments].concat());
        command.env("PGAIRLOCK_DATABASE_URL", self.url("postgres", self.cluster.port));
        command
    }

    /// Without the id and the time, which are another's each time.
    fn told(&self, arguments: &[&str]) -> Told {
        told(self.command(arguments).output().unwrap())
    }

    fn run(&self, arguments: &[&str]) -> Told {
        told(self.run_command(arguments).output().unwrap())
    }

    /// The constraint is there, and what it stands on is VALID.
    async fn is_done(&self) -> bool {
        let sql = "SELECT count(*) FROM pg_constraint c JOIN pg_index i ON i.indexrelid = c.conindid
                   WHERE conname = 'k' AND convalidated AND indisvalid AND indisunique";
        self.direct.value(sql).await == "1"
    }
}

/// Exit code, stdout, stderr.
type Told = (Option<i32>, String, String);

fn told(output: Output) -> Told {
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn pgairlock(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgairlock"));
    command.arg("deferred").args(arguments).env_clear().env("PGPASSWORD", "postgres").stdin(Stdio::null());
    command
}

/// A command that runs, with what it prints line by line.
struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn until(&mut self, words: &str) {
        let mut seen = Vec::new();
        for line in self.lines.by_ref() {
            seen.push(line.unwrap());
            if seen.last().unwrap().contains(words) {
                return;
            }
        }
        panic!("{words}: {seen:#?}");
    }

    fn end(mut self) -> (Option<i32>, String) {
        let rest: Vec<String> = self.lines.by_ref().map(Result::unwrap).collect();
        (self.child.wait().unwrap().code(), rest.join("\n"))
    }
}

#[tokio::test]
async fn a_failed_promise_is_shown_and_run_when_its_cause_is_mended() {
    for cluster in clusters() {
        let failed = Failed::on(cluster).await;
        let (code, table, _) = failed.told(&["list"]);
        assert_eq!(code, Some(0));
        for expected in
            ["ID  WHEN", "postgres  failed  CREATE UNIQUE INDEX CONCURRENTLY k ON", "ADD CONSTRAINT k UNIQUE USING INDEX k", "error 23505: "]
        {
            assert!(table.contains(expected), "{expected}: {table}");
        }
        let (code, json, _) = failed.told(&["list", "--format", "json"]);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let promise = &json["promises"][0];
        assert_eq!((code, &json["version"], &promise["id"], &promise["state"]), (Some(0), &1.into(), &1.into(), &"failed".into()));
        assert_eq!((&promise["error"]["sqlstate"], promise["runs_by_itself"].as_bool()), (&"23505".into(), Some(false)));
        assert_eq!(promise["to_do"].as_array().unwrap().len(), 2, "{promise}");

        let began = Instant::now();
        let (code, _, why) = failed.told(&["wait"]);
        assert!(code == Some(1) && why.contains("promise 1: failed") && began.elapsed() < Duration::from_secs(30), "{why}");

        let (code, out, _) = failed.run(&[]);
        assert_eq!(code, Some(1), "{out}");
        for expected in ["promise 1: CREATE UNIQUE INDEX CONCURRENTLY k", "could not create unique index \"k\" (23505)", "(a)=(1)", "deferred run 1"]
        {
            assert!(out.contains(expected), "{expected}: {out}");
        }
        assert_eq!(failed.direct.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid").await, "0", "nothing is left of the build");
        assert_eq!(failed.state(), "committed 23505");

        failed.direct.batch_execute(MEND).await.unwrap();
        let mut command = failed.run_command(&["1"]);
        let verified = format!("?sslmode=verify-full&sslrootcert={}", certificates().ca.display());
        command.env("PGAIRLOCK_DATABASE_URL", failed.url("postgres", cluster.port) + &verified);
        let (code, out, why) = told(command.output().unwrap());
        assert!(code == Some(0) && out.ends_with("promise 1: done\n"), "{out}{why}");
        assert!(failed.is_done().await);
        assert_eq!(failed.state(), "settled");
        assert_eq!(failed.run(&[]), (Some(0), "nothing is pending\n".into(), String::new()));
        assert_eq!(failed.told(&["wait"]), (Some(0), "nothing is pending\n".into(), String::new()));
        assert_eq!(failed.told(&["list"]), (Some(0), "nothing is pending\n".into(), String::new()));
        // A session that comes now may go on.
        failed.proxy.connect(&failed.database).await.batch_execute("ALTER TABLE t ADD COLUMN d int").await.unwrap();
    }
}

#[tokio::test]
async fn what_is_not_its_place_is_refused_with_what_to_do() {
    for cluster in clusters() {
        let failed = Failed::on(cluster).await;
        failed.direct.batch_execute(MEND).await.unwrap();
        let other = failed.url("postgres", cluster.port).replace(&failed.database, "postgres");
        let verified = |ca: &Path| failed.url("postgres", cluster.port) + "?sslmode=verify-full&sslrootcert=" + ca.to_str().unwrap();
        for (url, expected) in [
            (failed.url("trusted", cluster.port), "promise 1 was made by the role \"postgres\", and this is \"trusted\": give that role's URL"),
            (other, "promise 1 belongs to the database"),
            (failed.url("postgres", failed.proxy.port), "leads through pgairlock itself"),
            (failed.url("postgres:wrong", cluster.port), "password authentication failed"),
            (failed.url("postgres", 1), "connection refused"),
            (verified(&certificates().other_ca), "TLS handshake: "),
            ("nonsense".into(), "--database-url (PGAIRLOCK_DATABASE_URL) is not a URL"),
        ] {
            for arguments in [&[][..], &["1"]] {
                let (code, out, why) = told(failed.run_command(arguments).env("PGAIRLOCK_DATABASE_URL", &url).output().unwrap());
                assert!(code == Some(2) && why.contains(expected) && !why.contains("wrong"), "{url}: {code:?} {out}{why}");
            }
        }
        let (code, _, why) = failed.run(&["7"]);
        assert!(code == Some(2) && why.contains("promise 7: is not pending"), "{why}");
        let (code, _, why) = told(failed.command(&["run"]).output().unwrap());
        assert!(code == Some(2) && why.contains("--database-url"), "{why}");
        failed.set("system = '1'");
        let (code, _, why) = failed.run(&[]);
        assert!(code == Some(2) && why.contains("another cluster (system identifier 1; this server has"), "{why}");
        assert!(!failed.is_done().await);
    }
}

#[tokio::test]
async fn the_fate_of_its_transaction_is_settled_first() {
    for cluster in clusters() {
        let failed = Failed::on(cluster).await;
        failed.direct.batch_execute(MEND).await.unwrap();
        failed.set("state = 'promised', sqlstate = NULL, message = NULL");
        let xid: String = failed.store().query_row("SELECT xid FROM promises", [], |row| row.get(0)).unwrap();
        // Lost by the server before it was committed for good.
        failed.set("xid = '123456789012'");
        let (code, out, _) = failed.run(&[]);
        assert!(code == Some(0) && out.contains("was not committed, so there is nothing to do"), "{out}");
        assert_eq!(failed.state(), "aborted");
        failed.set("state = 'promised'");

        let open = cluster.connect(&failed.database).await;
        open.batch_execute("BEGIN").await.unwrap();
        let aborted = open.value("SELECT pg_current_xact_id()").await;
        failed.set(&format!("xid = '{aborted}'"));
        let (code, _, why) = failed.run(&[]);
        assert!(code == Some(2) && why.contains("still in progress"), "{why}");
        open.batch_execute("ROLLBACK").await.unwrap();
        let (code, out, _) = failed.run(&[]);
        assert!(code == Some(0) && out.contains("was not committed, so there is nothing to do"), "{out}");
        assert_eq!(failed.state(), "aborted");

        // Another transaction may have that number since the server crashed, and nothing ran in place that would tell.
        let life: String = failed.store().query_row("SELECT life FROM promises", [], |row| row.get(0)).unwrap();
        failed.set(&format!("state = 'promised', xid = '{xid}', life = 'another'"));
        let (code, _, why) = failed.run(&[]);
        assert!(code == Some(2) && why.contains("the server has crashed since"), "{why}");
        assert!(!failed.is_done().await);

        failed.set(&format!("life = '{life}'"));
        let (code, out, why) = failed.run(&[]);
        assert_eq!(code, Some(0), "{out}{why}");
        assert!(failed.is_done().await && failed.state() == "settled");
    }
}

#[tokio::test]
async fn another_session_at_the_same_table_is_waited_for() {
    for cluster in clusters() {
        let failed = Failed::on(cluster).await;
        failed.direct.batch_execute(MEND).await.unwrap();
        let key = "(1885813100, hashtext('public.t'))";
        failed.direct.batch_execute(&format!("SELECT pg_advisory_lock{key}")).await.unwrap();
        let mut running: Vec<Running> = (0..3).map(|_| Running::start(failed.run_command(&[]))).collect();
        running.iter_mut().for_each(|one| one.until("another session is at the same table"));
        // The store of a running proxy is open for all of them.
        let session = failed.proxy.connect(&failed.database).await;
        session.batch_execute("CREATE TABLE beside (a int)").await.unwrap();
        failed.direct.batch_execute(&format!("SELECT pg_advisory_unlock{key}")).await.unwrap();
        for one in running {
            let (code, rest) = one.end();
            assert_eq!(code, Some(0), "{rest}");
        }
        assert!(failed.is_done().await && failed.state() == "settled");
    }
}

#[tokio::test]
async fn a_signal_cancels_the_step_and_leaves_nothing_half_done() {
    for cluster in clusters() {
        let failed = Failed::on(cluster).await;
        failed.direct.batch_execute(MEND).await.unwrap();
        let holder = cluster.connect(&failed.database).await;
        holder.batch_execute("BEGIN; UPDATE t SET a = a WHERE id = 1").await.unwrap();
        let mut running = Running::start(failed.run_command(&[]));
        running.until("CREATE UNIQUE INDEX");
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgairlock deferred' AND wait_event_type = 'Lock'";
        while failed.direct.value(waits).await != "1" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(Command::new("kill").args(["-INT", &running.child.id().to_string()]).status().unwrap().success());
        running.until("error 57014");
        // What it leaves is dropped, which waits for the same transaction.
        holder.batch_execute("COMMIT").await.unwrap();
        let (code, rest) = running.end();
        assert!(code == Some(1) && rest.contains("57014") && rest.contains("nothing speaks against trying again"), "{code:?} {rest}");
        assert_eq!(failed.state(), "committed 57014");
        assert_eq!(failed.direct.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid").await, "0");
        assert_eq!(failed.run(&[]).0, Some(0));
        assert!(failed.is_done().await);
    }
}

#[tokio::test]
async fn what_is_dropped_is_left_to_a_person_with_its_sql() {
    for cluster in clusters() {
        let failed = Failed::on(cluster).await;
        for arguments in [&["drop", "1"][..], &["drop", "1", "--reason", " "], &["drop", "7", "--reason", "x"], &["drop", "--reason", "x"]] {
            let (code, out, why) = failed.told(arguments);
            assert!(code == Some(2) && out.is_empty() && !why.is_empty(), "{arguments:?}: {why}");
        }
        let (code, out, _) = failed.told(&["drop", "1", "--reason", "not wanted any more"]);
        assert_eq!(code, Some(0));
        let sql: Vec<&str> = out.lines().filter(|line| line.ends_with(';')).collect();
        assert_eq!(sql.len(), 3, "{out}");
        let kept = "SELECT concat_ws('|', state, sqlstate, drop_reason, dropped_at_unix_micros > at_unix_micros) FROM promises";
        let kept: String = failed.store().query_row(kept, [], |row| row.get(0)).unwrap();
        assert_eq!(kept, "settled|23505|not wanted any more|1");
        assert_eq!(failed.told(&["list"]).1, "nothing is pending\n");
        assert_eq!(failed.told(&["drop", "1", "--reason", "again"]).0, Some(2));
        failed.proxy.connect(&failed.database).await.batch_execute("ALTER TABLE t ADD COLUMN d int").await.unwrap();
        // What is printed does it.
        failed.direct.batch_execute(MEND).await.unwrap();
        for sql in sql {
            failed.direct.batch_execute(sql).await.unwrap();
        }
        assert!(failed.is_done().await);
    }
}

#[tokio::test]
async fn a_wait_ends_with_the_work_or_with_its_time() {
    for cluster in clusters() {
        let failed = Failed::on(cluster).await;
        // As if it had been cancelled: then the next session of its role takes it up.
        failed.set("sqlstate = '57014'");
        let (code, out, why) = failed.told(&["wait", "--timeout", "1s"]);
        assert!(code == Some(1) && out.contains("interrupted") && why.contains("promise 1: not done after 1s"), "{out}{why}");
        let waiting = Running::start(failed.command(&["wait", "--timeout", "5min"]));
        failed.direct.batch_execute(MEND).await.unwrap();
        let other = connect_to(failed.proxy.port, &format!("user=trusted dbname={}", failed.database)).await.unwrap();
        other.batch_execute("BEGIN; COMMIT").await.unwrap();
        assert_eq!(failed.state(), "committed 57014", "another role has nothing to do with it");
        let session = failed.proxy.connect(&failed.database).await;
        session.batch_execute("BEGIN").await.unwrap();
        session.batch_execute("COMMIT").await.unwrap();
        assert_eq!(waiting.end(), (Some(0), "nothing is pending".to_owned()));
        assert!(failed.is_done().await);
        let (code, _, why) = failed.told(&["wait", "--timeout", "5"]);
        assert!(code == Some(2) && why.contains("such as \"2s\""), "{why}");
    }
}

#[test]
fn the_store_is_found_as_serve_finds_it_and_never_made() {
    let home = tempfile::tempdir().unwrap();
    let missing = home.path().join("missing.db");
    for command in ["list", "wait"] {
        let (code, out, why) = told(pgairlock(&[command]).env("PGAIRLOCK_STORE", &missing).output().unwrap());
        assert!(code == Some(2) && out.is_empty() && why.contains("missing.db") && why.contains("--store"), "{why}");
    }
    assert!(!missing.exists());
    let config = home.path().join("p.toml");
    std::fs::write(&config, "[[listener]]\nname = \"m\"\naddress = \"127.0.0.1:1\"\n[store]\npath = \"kept.db\"\n").unwrap();
    let list = || {
        let mut command = pgairlock(&["list", "--config"]);
        command.arg(&config).env("PGAIRLOCK_UPSTREAM", "db:5432");
        command
    };
    let why = told(list().output().unwrap()).2;
    assert!(why.contains(home.path().join("kept.db").to_str().unwrap()), "{why}");
    let why = told(list().env("PGAIRLOCK_STORE", &missing).output().unwrap()).2;
    assert!(why.contains("missing.db"), "{why}");
    std::fs::write(&config, "nonsense = 1\n").unwrap();
    let (code, _, why) = told(list().output().unwrap());
    assert!(code == Some(2) && why.contains("unknown key \"nonsense\""), "{why}");
}

/// Several processes read and write it at once, and nobody waits for ever.
#[tokio::test]
async fn the_store_of_a_proxy_at_work_can_be_looked_at() {
    let Some(cluster) = clusters().into_iter().next() else { return };
    let failed = Failed::on(cluster).await;
    let session = failed.proxy.connect(&failed.database).await;
    for number in 0..20 {
        let listing = Running::start(failed.command(&["list"]));
        for inner in 0..5 {
            session.batch_execute(&format!("CREATE TABLE x_{number}_{inner} (a int)")).await.unwrap();
        }
        assert_eq!(listing.end().0, Some(0));
    }
    let decisions: i64 = failed.store().query_row("SELECT count(*) FROM records WHERE sql LIKE 'CREATE TABLE x%'", [], |row| row.get(0)).unwrap();
    assert_eq!(decisions, 100);
}
