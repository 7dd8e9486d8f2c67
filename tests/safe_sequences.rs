//! The steps that a statement becomes, on real servers: they end where the statement itself would, and a failure leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use pgairlock::catalog::overlay::Overlay;
use pgairlock::deferred::step::Step;
use pgairlock::policy::decide::{Situation, decide};
use pgairlock::policy::plan::{Plan, SafeForm};
use pgairlock::policy::settings::{Mode, PolicySettings, Principal};
use pgairlock::session::runner::{Failure, Next, Runner, ServerError};
use pgairlock::sql::name::Literal;
use support::asking::{NothingPrepared, facts, script};
use support::{Session, catalog, clusters};
use tokio_postgres::SimpleQueryMessage;

/// Statements whose steps must end where they themselves do.
const NAIVE: &[&str] = &[
    "CREATE INDEX ON t (a)",
    "CREATE UNIQUE INDEX ON t (lower(b), (a + 1)) INCLUDE (ts) WHERE a > 0",
    "CREATE INDEX IF NOT EXISTS by_a ON public.t USING hash (a)",
    "DROP INDEX t_b_idx",
    "REINDEX TABLE t",
    "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",
    "ALTER TABLE t ADD CHECK (a > 0)",
    "ALTER TABLE t ADD CHECK (a > 0 OR id > 0)",
    "ALTER TABLE t ADD CONSTRAINT \"Ä k\" CHECK (a > 0) NO INHERIT",
    "ALTER TABLE t ALTER a SET NOT NULL",
    "ALTER TABLE t ALTER COLUMN \"Ünïcode\" SET NOT NULL, ADD UNIQUE (a)",
    "ALTER TABLE t ADD UNIQUE (a, b) INCLUDE (ts)",
    "ALTER TABLE t ADD CONSTRAINT u UNIQUE (a) WITH (fillfactor = 70) DEFERRABLE",
    "ALTER TABLE t DROP CONSTRAINT t_pkey",
    "ALTER TABLE k ADD PRIMARY KEY (a, b)",
    "ALTER TABLE k ADD CONSTRAINT pk PRIMARY KEY USING INDEX k_a",
    "ALTER TABLE k ADD PRIMARY KEY (b, a), ALTER a SET NOT NULL",
    "ALTER TABLE up ALTER c SET NOT NULL",
    "ALTER TABLE t ADD COLUMN c int CHECK (c > 0)",
    "ALTER TABLE t -- a\n ADD COLUMN c int -- b\n CHECK (c > 0) -- c\n DEFAULT 5, -- d\n ADD COLUMN d int",
    "ALTER TABLE t ADD COLUMN c int DEFAULT 1 REFERENCES p (id) CONSTRAINT named CHECK (c > a - 1000000)",
    "ALTER TABLE t ADD COLUMN c int UNIQUE, ADD COLUMN d text NOT NULL DEFAULT ''",
];

/// The same in the words of 18.
const NAIVE_18: &[&str] = &[
    "ALTER TABLE k ADD CONSTRAINT pn NOT NULL a, ADD PRIMARY KEY (a)",
    "ALTER TABLE k ADD CONSTRAINT pn -- why\n NOT NULL a, ADD PRIMARY KEY (a, b)",
    "ALTER TABLE k ADD CONSTRAINT pk PRIMARY KEY USING INDEX k_a, ADD NOT NULL b",
];

const TABLES: &str = r#"
CREATE TABLE p (id int PRIMARY KEY);
INSERT INTO p SELECT generate_series(1, 100);
CREATE TABLE t (id int PRIMARY KEY, a int, b text, ts timestamp, "Ünïcode" int);
CREATE INDEX ON t (b);
INSERT INTO t SELECT g, g, g::text, now(), g FROM generate_series(1, 100) AS g;
CREATE TABLE k (a int, b int);
CREATE UNIQUE INDEX k_a ON k (a) INCLUDE (b);
CREATE TABLE up (c int, CONSTRAINT alone CHECK (c IS NOT NULL) NO INHERIT);
CREATE TABLE down () INHERITS (up);
INSERT INTO down SELECT generate_series(1, 100);
INSERT INTO k SELECT g, g FROM generate_series(1, 100) AS g;
"#;

#[tokio::test]
async fn the_steps_end_in_the_same_schema() {
    for cluster in clusters() {
        let of_version = if cluster.version.starts_with("18") { NAIVE_18 } else { &[] };
        for naive in NAIVE.iter().chain(of_version) {
            let (direct, stepwise) = (cluster.connect(&cluster.database().await).await, cluster.connect(&cluster.database().await).await);
            direct.batch_execute(TABLES).await.unwrap();
            stepwise.batch_execute(TABLES).await.unwrap();
            direct.batch_execute(naive).await.unwrap();
            let ran = run(&stepwise, naive).await;
            assert_eq!(ran, Ok(()), "{naive} on {}", cluster.version);
            assert_eq!(catalog(&stepwise).await, catalog(&direct).await, "{naive} on {}", cluster.version);
        }
    }
}

/// Statements that the rows of this schema do not allow.
const IMPOSSIBLE: &[&str] = &[
    "CREATE UNIQUE INDEX ON t (b)",
    "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p",
    "ALTER TABLE t ADD CHECK (a > 10)",
    "ALTER TABLE t ALTER ts SET NOT NULL",
    "ALTER TABLE t ADD UNIQUE (b)",
    "ALTER TABLE k ADD PRIMARY KEY (a)",
    "ALTER TABLE k ADD PRIMARY KEY (b)",
    "ALTER TABLE k ADD CONSTRAINT pk PRIMARY KEY USING INDEX k_a",
    "ALTER TABLE t ADD COLUMN c int DEFAULT 1 UNIQUE",
    "ALTER TABLE t ADD COLUMN c int DEFAULT 1 CHECK (c > 1)",
    "ALTER TABLE t ADD COLUMN c int, ADD CONSTRAINT fine CHECK (a > 0), ADD CONSTRAINT not_fine CHECK (a > 10)",
];

const DIRT: &str =
    "UPDATE t SET b = 'same', ts = NULL WHERE id > 50; UPDATE t SET a = 1000 WHERE id = 100; UPDATE k SET a = NULL, b = 1 WHERE b = 100";

#[tokio::test]
async fn a_step_that_fails_is_taken_back_and_tells_the_servers_own_error() {
    for cluster in clusters() {
        for naive in IMPOSSIBLE {
            let (direct, stepwise) = (cluster.connect(&cluster.database().await).await, cluster.connect(&cluster.database().await).await);
            for session in [&direct, &stepwise] {
                session.batch_execute(TABLES).await.unwrap();
                session.batch_execute(DIRT).await.unwrap();
            }
            let before = catalog(&stepwise).await;
            let expected = direct.error(naive).await;
            let failure = run(&stepwise, naive).await.unwrap_err();
            let told = (failure.error.sqlstate.as_str(), failure.error.message.as_str(), failure.left_over.len());
            assert_eq!(told, (expected.code().code(), expected.message(), 0), "{naive} on {}", cluster.version);
            assert_eq!(catalog(&stepwise).await, before, "{naive} on {}", cluster.version);
        }
    }
}

#[tokio::test]
async fn what_the_server_would_read_under_its_lock_is_read_before() {
    for cluster in clusters() {
        let session = cluster.connect(&cluster.database().await).await;
        session.batch_execute(TABLES).await.unwrap();
        for sql in ["ALTER TABLE k ADD PRIMARY KEY USING INDEX k_a", "ALTER TABLE up ALTER c SET NOT NULL"] {
            let steps = steps(&session, sql).await;
            assert!(steps.iter().any(|step| step.sql.contains("VALIDATE")), "{sql} on {}: {steps:?}", cluster.version);
        }
        let only = steps(&session, "ALTER TABLE ONLY up ALTER c SET NOT NULL").await;
        assert_eq!(only.len(), 1, "{only:?}");
    }
}

/// What a run that was killed leaves behind; from 18 on nothing of ours.
#[tokio::test]
async fn set_not_null_is_finished_by_the_next_run() {
    let left = ["(a IS NOT NULL) NOT VALID", "(a IS NOT NULL)"].map(|check| format!("ALTER TABLE t ADD CONSTRAINT __pgairlock_t_a_nn CHECK {check}"));
    let sql = "ALTER TABLE t ALTER a SET NOT NULL";
    for cluster in clusters().into_iter().filter(|cluster| !cluster.version.starts_with("18")) {
        for left in left.each_ref() {
            let (direct, stepwise) = (cluster.connect(&cluster.database().await).await, cluster.connect(&cluster.database().await).await);
            direct.batch_execute(TABLES).await.unwrap();
            direct.batch_execute(sql).await.unwrap();
            stepwise.batch_execute(TABLES).await.unwrap();
            stepwise.batch_execute(left).await.unwrap();
            assert_eq!(run(&stepwise, sql).await, Ok(()), "{left} on {}", cluster.version);
            assert_eq!(catalog(&stepwise).await, catalog(&direct).await, "{left} on {}", cluster.version);
        }
        let session = cluster.connect(&cluster.database().await).await;
        session.batch_execute(TABLES).await.unwrap();
        let before = catalog(&session).await;
        session.batch_execute("UPDATE t SET a = NULL WHERE id = 1").await.unwrap();
        session.batch_execute(&left[0]).await.unwrap();
        let failure = run(&session, sql).await.unwrap_err();
        assert_eq!((failure.error.sqlstate.as_str(), catalog(&session).await), ("23502", before), "on {}", cluster.version);
    }
}

/// Runs what a statement becomes as a session does, and takes back what was done when a step fails.
async fn run(session: &Session, sql: &str) -> Result<(), Failure> {
    let form = match plan(session, sql).await {
        Plan::Rewrite(form) => form,
        Plan::Pass => SafeForm { now: Some(Step::short(sql)), then: Vec::new(), tag: "" },
        other => panic!("{sql}: {other:?}"),
    };
    let mut runner = Runner::new("lock", 60_000, &form);
    let mut next = runner.start();
    loop {
        match next {
            Next::Run(sql, parameters) => next = runner.answered(answer(session, sql, &parameters).await),
            Next::Quiet | Next::Note(_) => next = runner.answered(Ok(None)),
            Next::Promise => next = runner.promise_answered(Ok(true)),
            Next::Finished(result) => return result,
        }
    }
}

/// The last row's first value, or the error.
async fn answer(session: &Session, sql: String, parameters: &[String]) -> Result<Option<String>, ServerError> {
    let numbered = parameters.iter().enumerate();
    let sql = numbered.fold(sql, |sql, (index, value)| sql.replace(&format!("${}", index + 1), &Literal(value).to_string()));
    match session.simple_query(&sql).await {
        Ok(messages) => {
            let rows = messages.iter().filter_map(|message| if let SimpleQueryMessage::Row(row) = message { Some(row) } else { None });
            Ok(rows.last().and_then(|row| row.get(0).map(str::to_owned)))
        }
        Err(error) => {
            let error = support::client::db_error(&error);
            Err(ServerError { sqlstate: error.code().code().into(), message: error.message().into(), ..ServerError::default() })
        }
    }
}

async fn steps(session: &Session, sql: &str) -> Vec<Step> {
    match plan(session, sql).await {
        Plan::Rewrite(form) => form.steps(),
        Plan::Pass => vec![Step::short(sql)],
        other => panic!("{sql}: {other:?}"),
    }
}

/// What is done with a statement; every table with rows counts as large.
async fn plan(session: &Session, sql: &str) -> Plan {
    let settings = PolicySettings { small_table_bytes: 1, ..PolicySettings::default() };
    let situation = Situation {
        promises: true,
        principal: &Principal::default(),
        settings: &settings,
        mode: Mode::Enforce,
        in_transaction: false,
        in_block: false,
        failed_transaction: false,
        overlay: &Overlay::default(),
        pending: &[],
        lock_timeout_cap_ms: 2_000,
        prepared: &NothingPrepared,
        extended: false,
        allowance: &pgairlock::policy::allowance::Allowance::default(),
        system: None,
        granted: None,
    };
    decide(&script(sql), &facts(session, sql).await, &situation).decision.plan
}
