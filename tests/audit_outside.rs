//! Statements outside of transactions: what the log says of them that was seen, measured, or found out later.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::frontend::{statement, sync};
use support::raw::RawClient;
use support::scene::{BIG, set_up};
use support::{Cluster, Proxy, clusters, connect_to, directory};

/// A log beside a proxy.
struct Log(String);

impl Log {
    fn of(proxy: &Proxy) -> Self {
        Self(proxy.store.display().to_string())
    }

    fn printed(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgairlock"));
        let output = command.env_clear().arg("audit").args(arguments).args(["--store", &self.0]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The records of this text, oldest first.
    fn records(&self, sql: &str) -> Vec<Value> {
        let exported = self.printed(&["export"]);
        let records = exported.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        records.filter(|record| record["sql"] == sql).collect()
    }

    /// The only one.
    fn record(&self, sql: &str) -> Value {
        let mut records = self.records(sql);
        assert_eq!(records.len(), 1, "{sql}: {records:#?}");
        records.remove(0)
    }

    fn shown(&self, sql: &str) -> String {
        self.printed(&["show", self.record(sql)["id"].as_str().unwrap()])
    }

    /// The outcome that was written for it.
    fn outcome(&self, sql: &str) -> Option<Value> {
        let shown = self.printed(&["show", self.record(sql)["id"].as_str().unwrap(), "--format", "json"]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        shown["entries"].as_array().unwrap().iter().find(|entry| entry["kind"] == "outcome").cloned()
    }

    async fn until_ended(&self, sql: &str) -> Value {
        support::until(&format!("{sql} has an outcome"), async || self.outcome(sql).is_some()).await;
        self.outcome(sql).unwrap()
    }

    async fn until_state(&self, sql: &str, state: &str) {
        support::until(&format!("{sql} is {state}"), async || self.record(sql)["state"] == state).await;
    }
}

const SCENE: &str = "CREATE TABLE t (a int, b int NOT NULL, c int, CONSTRAINT proven CHECK (b > 0));
    ALTER TABLE t ADD CONSTRAINT open CHECK (a > 0) NOT VALID;
    CREATE TABLE gone (a int); CREATE INDEX old ON t (c)";

/// The statement, and by which words the places at which the proxy dies are named.
const FORMS: &[(&str, &str)] = &[
    ("CREATE TABLE fresh (a int)", "CREATE TABLE"),
    ("CREATE TABLE fresh AS SELECT 1 AS a", "CREATE TABLE AS SELECT AS"),
    ("CREATE INDEX i ON t (a)", TRIED),
    ("DROP INDEX old", TRIED),
    ("DROP TABLE gone", TRIED),
    ("ALTER TABLE gone RENAME TO went", TRIED),
    ("ALTER TABLE t RENAME COLUMN c TO d", TRIED),
    ("ALTER TABLE t ADD COLUMN d int", TRIED),
    ("ALTER TABLE t DROP COLUMN c", TRIED),
    ("ALTER TABLE t ADD CONSTRAINT k CHECK (a > 1)", TRIED),
    ("ALTER TABLE t ADD CONSTRAINT k CHECK (a > 1) NOT VALID", TRIED),
    ("ALTER TABLE t DROP CONSTRAINT proven", TRIED),
    ("ALTER TABLE t VALIDATE CONSTRAINT open", "ALTER TABLE VALIDATE CONSTRAINT"),
    ("ALTER TABLE t ALTER COLUMN a SET NOT NULL", TRIED),
    ("ALTER TABLE t ALTER COLUMN b DROP NOT NULL", TRIED),
];
/// A statement that is tried with a lock_timeout of its own goes together with what sets it, which is longer.
const TRIED: &str = "set_config+json_each_text";

/// Before it is sent, and when the server has answered it.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_heard_is_seen_in_the_catalog_afterwards() {
    for cluster in clusters() {
        for (sql, place) in FORMS {
            for (when, state) in [("send", "rolled-back"), ("reply", "done")] {
                let (database, direct) = set_up(cluster, SCENE).await;
                let dies = format!("{when} {place}:1");
                let proxy = Proxy::in_front_of_with(cluster, "enforce", "", &[("PGAIRLOCK_FAILPOINT", &dies)]);
                let session = proxy.connect(&database).await;
                let error = session.batch_execute(sql).await.unwrap_err();
                assert!(error.is_closed() || error.code().is_none(), "{sql}, {dies}: {error:?}");
                let proxy = proxy.again(&[]);
                let log = Log::of(&proxy);
                until_alone(&direct, &database).await;
                let next = proxy.connect(&database).await;
                next.batch_execute("CREATE TABLE another (a int)").await.unwrap();
                log.until_state(sql, state).await;
                let shown = log.shown(sql);
                assert!(shown.contains("looked up later by catalog") && shown.contains("seen in the catalog afterwards"), "{shown}");
            }
        }
    }
}

/// Until no process of the server is at work for anybody else in this database.
async fn until_alone(direct: &support::Session, database: &str) {
    let others = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND pid <> pg_backend_pid()");
    support::until("the server has noticed", async || direct.value(&others).await == "0").await;
}

/// The tool runs its migration again: what became of the first try is known before the second is in the log.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_statement_again_is_not_taken_for_the_first() {
    const SQL: &str = "CREATE TABLE fresh (a int)";
    for cluster in clusters() {
        let (database, direct) = set_up(cluster, SCENE).await;
        let proxy = Proxy::in_front_of_with(cluster, "enforce", "", &[("PGAIRLOCK_FAILPOINT", "send CREATE TABLE:1")]);
        proxy.connect(&database).await.batch_execute(SQL).await.unwrap_err();
        let proxy = proxy.again(&[]);
        let log = Log::of(&proxy);
        until_alone(&direct, &database).await;
        proxy.connect(&database).await.batch_execute(SQL).await.unwrap();
        support::until("both are told", async || {
            let states: Vec<String> = log.records(SQL).iter().map(|record| record["state"].as_str().unwrap().to_owned()).collect();
            states == ["rolled-back", "done"]
        })
        .await;
    }
}

/// Somebody else has done the same by the time that it is looked at.
#[tokio::test(flavor = "multi_thread")]
async fn what_others_may_have_done_is_not_claimed() {
    const SQL: &str = "CREATE TABLE fresh (a int)";
    for cluster in clusters() {
        let (database, direct) = set_up(cluster, &format!("{SCENE}; GRANT ALL ON SCHEMA public TO public")).await;
        let proxy = Proxy::in_front_of_with(cluster, "enforce", "", &[("PGAIRLOCK_FAILPOINT", "send CREATE TABLE:1")]);
        proxy.connect(&database).await.batch_execute(SQL).await.unwrap_err();
        let proxy = proxy.again(&[]);
        let log = Log::of(&proxy);
        until_alone(&direct, &database).await;
        let other = connect_to(proxy.port, &format!("user=trusted dbname={database}")).await.unwrap();
        other.batch_execute("CREATE TABLE public.fresh (b int)").await.unwrap();
        proxy.connect(&database).await.batch_execute("CREATE TABLE another (a int)").await.unwrap();
        support::until("it is told", async || log.shown(SQL).contains("looked up later by catalog: unknown")).await;
        assert!(log.shown(SQL).contains("other statements in the log had to do with the same"), "{}", log.shown(SQL));
    }
}

/// The server goes on with what it has begun: nothing is said before it has ended.
#[tokio::test(flavor = "multi_thread")]
async fn what_still_runs_is_left_alone() {
    const SQL: &str = "CREATE TABLE fresh (a int)";
    for cluster in clusters() {
        let (database, direct) = set_up(cluster, SCENE).await;
        let proxy = Proxy::in_front_of(cluster, "enforce", "[timeouts]\nlock = \"10min\"\n");
        let first = cluster.connect(&database).await;
        first.batch_execute(&format!("BEGIN; {SQL}")).await.unwrap();
        let session = proxy.connect(&database).await;
        let sent = tokio::spawn(async move { session.batch_execute(SQL).await });
        let waits = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND wait_event_type = 'Lock'");
        support::until("the statement waits", async || direct.value(&waits).await == "1").await;
        proxy.signal("KILL");
        sent.await.unwrap().unwrap_err();
        let proxy = proxy.again(&[]);
        let log = Log::of(&proxy);
        proxy.connect(&database).await.batch_execute("CREATE TABLE another (a int)").await.unwrap();
        log.until_ended("CREATE TABLE another (a int)").await;
        assert!(!log.shown(SQL).contains("looked up later"), "{}", log.shown(SQL));
        first.batch_execute("ROLLBACK").await.unwrap();
        drop(first);
        support::until("it has ended", async || direct.value(&waits).await == "0").await;
        let of_proxy = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND query = '{SQL}'");
        support::until("its process is gone", async || direct.value(&of_proxy).await == "0").await;
        proxy.connect(&database).await.batch_execute("CREATE TABLE third (a int)").await.unwrap();
        log.until_state(SQL, "done").await;
        assert_eq!(direct.value("SELECT to_regclass('fresh')").await, "fresh");
    }
}

/// This role looks, with what stands in a file as its password.
async fn watched(cluster: &Cluster, role: &str) -> String {
    let sql = format!("CREATE ROLE {role} LOGIN PASSWORD 'the right password'; GRANT pg_monitor TO {role}");
    cluster.connect("postgres").await.batch_execute(&sql).await.unwrap();
    let file = directory("audit_outside").join(role);
    std::fs::write(&file, "the right password\n").unwrap();
    format!("[monitor]\nuser = \"{role}\"\npassword_file = \"{}\"\n", file.display())
}

/// Until the monitor has looked twice at a session that holds this lock all the time. On a server that is slow to let it in it rests for a minute.
async fn until_seen_with(cluster: &Cluster, database: &str, mode: &str) {
    let session = cluster.connect(database).await;
    let held = format!("SELECT count(*) FROM pg_locks WHERE relation = 'big'::regclass AND mode = '{mode}Lock' AND granted");
    support::until("the lock is held", async || session.value(&held).await == "1").await;
    for _ in 0..2 {
        let since = session.value("SELECT clock_timestamp()").await;
        let looked = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND application_name = 'pgairlock monitor' AND state = 'idle'
               AND query LIKE '%pg_stat_progress_create_index%' AND query_start > '{since}'"
        );
        let deadline = Instant::now() + Duration::from_secs(240);
        while session.value(&looked).await != "1" {
            assert!(Instant::now() < deadline, "the monitor does not look");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// In steps of ours, and as the client wrote it.
#[tokio::test(flavor = "multi_thread")]
async fn locks_are_seen_while_they_are_held() {
    // No lock_timeout ends this wait.
    const STANDS: &str = "CREATE FUNCTION stands(a int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN WHILE NOT pg_try_advisory_xact_lock(7) LOOP PERFORM pg_sleep(0.01); END LOOP; RETURN a; END $$";
    for cluster in clusters() {
        let more = watched(cluster, "sees_locks").await;
        for (rule, decision, mode) in [("refuse", "rewrite", "ShareUpdateExclusive"), ("off", "pass", "Share")] {
            let (database, direct) = set_up(cluster, &format!("{BIG}; {STANDS}")).await;
            let rules = format!("[rules]\nopaque-code = \"off\"\ncreate-index-blocking = \"{rule}\"\n");
            let proxy = Proxy::in_front_of(cluster, "enforce", &format!("{rules}{more}"));
            let log = Log::of(&proxy);
            let session = proxy.connect(&database).await;
            direct.batch_execute("SELECT pg_advisory_lock(7)").await.unwrap();
            let sql = "CREATE INDEX slow ON big (stands(a)) WHERE a = 1";
            let runs = tokio::spawn(async move { session.batch_execute(sql).await });
            until_seen_with(cluster, &database, mode).await;
            direct.batch_execute("SELECT pg_advisory_unlock(7)").await.unwrap();
            runs.await.unwrap().unwrap();
            let outcome = log.until_ended(sql).await;
            assert_eq!(log.record(sql)["decision"], decision);
            let seen = outcome["locks_seen"].as_array().unwrap_or_else(|| panic!("{decision}: {outcome}"));
            assert_eq!((seen.len(), &seen[0]["relation"], &seen[0]["mode"]), (1, &"public.big".into(), &mode.into()), "{outcome}");
            assert!(seen[0]["looks"].as_u64().unwrap() >= 2 && outcome["looks"].as_u64() >= seen[0]["looks"].as_u64(), "{outcome}");
            let (first, last) = (seen[0]["first_micros"].as_i64().unwrap(), seen[0]["last_micros"].as_i64().unwrap());
            assert!(first > 0 && last > first && last <= outcome["duration_micros"].as_i64().unwrap(), "{outcome}");
            let shown = log.shown(sql);
            assert!(shown.contains(&format!("lock seen    {mode} on public.big, in ")), "{shown}");
            assert!(!shown.contains("predicted, not seen"), "{shown}");
        }
    }
}

/// Without a monitor, and where a statement is shorter than its cadence.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_saw_is_called_predicted() {
    const SQL: &str = "ALTER TABLE big DROP COLUMN b";
    for cluster in clusters() {
        for more in [String::new(), watched(cluster, "sees_nothing_in_time").await] {
            let (database, _direct) = set_up(cluster, BIG).await;
            let proxy = Proxy::in_front_of(cluster, "warn", &more);
            proxy.connect(&database).await.batch_execute(SQL).await.unwrap();
            let log = Log::of(&proxy);
            log.until_ended(SQL).await;
            let shown = log.shown(SQL);
            assert!(shown.contains("AccessExclusive on public.big: predicted, not seen (nobody looked meanwhile)"), "{shown}");
        }
    }
}

/// By the simple protocol, by the extended one, and where more is on its way already.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_anew_is_measured_behind_the_answer() {
    for cluster in clusters() {
        let (database, _direct) = set_up(cluster, BIG).await;
        let proxy = Proxy::in_front_of(cluster, "warn", "");
        let log = Log::of(&proxy);
        let session = proxy.connect(&database).await;
        let measured = async |sql: &str| log.until_ended(sql).await["rewritten"].clone();
        let table = |anew: bool| serde_json::json!([{"relation": "public.big", "anew": anew}]);
        session.batch_execute("ALTER TABLE big ALTER COLUMN a TYPE bigint").await.unwrap();
        assert_eq!(measured("ALTER TABLE big ALTER COLUMN a TYPE bigint").await, table(true));
        session.batch_execute("ALTER TABLE big ADD COLUMN c int").await.unwrap();
        assert_eq!(measured("ALTER TABLE big ADD COLUMN c int").await, table(false));
        session.execute("ALTER TABLE big ADD COLUMN d timestamptz DEFAULT clock_timestamp()", &[]).await.unwrap();
        let sql = "ALTER TABLE big ADD COLUMN d timestamptz DEFAULT clock_timestamp()";
        assert_eq!(measured(sql).await, table(true));
        let shown = log.shown(sql);
        assert!(shown.contains("public.big was written anew: it has another file than before; scans are not measured"), "{shown}");
        session.batch_execute("VACUUM FULL big").await.unwrap();
        assert_eq!(measured("VACUUM FULL big").await, table(true));
        session.batch_execute("ALTER TABLE big ALTER COLUMN a SET DEFAULT 1").await.unwrap();
        assert_eq!(measured("ALTER TABLE big ALTER COLUMN a SET DEFAULT 1").await, Value::Null, "nothing to ask");

        // Two batches at once: the second is under way when the first is answered.
        let mut raw = RawClient::log_in(proxy.port, &database).await;
        let first = "ALTER TABLE big ADD COLUMN e int";
        let batch = |sql: &str| [statement(sql), sync()].concat();
        raw.send(&[batch(first), batch("SELECT 5")].concat()).await;
        raw.until(b'Z').await;
        let rows = support::raw::first_column(&raw.until(b'Z').await);
        assert_eq!(rows, ["5"]);
        let outcome = log.until_ended(first).await;
        assert!(outcome["rewritten"].is_null() || outcome["rewritten"] == table(false), "{outcome}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_of_its_time_stands_beside_what_it_took() {
    for cluster in clusters() {
        let (database, _direct) = set_up(cluster, BIG).await;
        let proxy = Proxy::in_front_of(cluster, "enforce", "");
        let log = Log::of(&proxy);
        let session = proxy.connect(&database).await;
        let (rewritten, refused) = ("CREATE INDEX slow ON big (a)", "ALTER TABLE big ALTER COLUMN a TYPE bigint");
        session.batch_execute(rewritten).await.unwrap();
        session.batch_execute(refused).await.unwrap_err();
        for sql in [rewritten, refused] {
            log.until_ended(sql).await;
        }
        let record = log.record(rewritten);
        let estimate = &record["estimate"];
        assert_eq!((&estimate["of"], &estimate["with_waiting"]), (&"safe-form".into(), &false.into()), "{record}");
        let (took, whole) = (record["ran_seconds"].as_f64().unwrap(), record["duration_seconds"].as_f64().unwrap());
        assert!(took > 0.0 && took <= whole && estimate["took_seconds"] == took, "{record}");
        let likely = estimate["likely_seconds"].as_f64().unwrap();
        assert!((estimate["ratio"].as_f64().unwrap() - took / likely.max(0.001)).abs() < 1e-6, "{estimate}");
        assert!(log.record(refused)["estimate"].is_null(), "nothing of it ran");
        let shown = log.shown(rewritten);
        assert!(shown.contains("its steps begin") && !log.shown(refused).contains("its steps begin"), "{shown}");
        assert!(shown.contains("  estimate     said ") && shown.contains(" in its safe form; took "), "{shown}");
        assert!(proxy.http("/metrics").unwrap().contains("pgairlock_estimate_ratio_count{of=\"safe-form\"} 1"));
    }
}
