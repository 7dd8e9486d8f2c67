//! lock_timeout stays at the cap, whatever a client says and however it says it; what has to wait longer may.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::time::{Duration, Instant};

use support::frontend::{bind_values, execute, parse, query, statement, sync};
use support::scene::scenes_with;
use support::{BIG, PROTOCOLS, Protocol, Scene, Session, connect_to, scenes};

const SHORT: &str = "[timeouts]\nlock = \"200ms\"\nlock_total = \"500ms\"\n";

async fn holds(session: &Session, expected: &str, after: &str) {
    assert_eq!(session.value("SHOW lock_timeout").await, expected, "after {after}");
}

fn told(session: &Session, after: &str) {
    let notices = session.notice_texts();
    assert!(notices.iter().any(|text| text.starts_with("pgairlock") && text.contains("lock_timeout")), "after {after}: {notices:?}");
}

#[tokio::test]
async fn every_way_back_to_the_default_leads_to_the_cap() {
    for scene in scenes("").await {
        let session = scene.connect().await;
        holds(&session, "2s", "the login").await;
        for reset in ["RESET ALL", "DISCARD ALL", "SET lock_timeout TO DEFAULT", "RESET lock_timeout", "SET SESSION lock_timeout = DEFAULT"] {
            for protocol in PROTOCOLS {
                session.batch_execute("SET lock_timeout = '300ms'").await.unwrap();
                session.run(protocol, reset).await.unwrap();
                holds(&session, "2s", reset).await;
            }
        }
        for protocol in PROTOCOLS {
            session.batch_execute("BEGIN; SET lock_timeout = '300ms'").await.unwrap();
            session.run(protocol, "SET LOCAL lock_timeout TO DEFAULT").await.unwrap();
            holds(&session, "2s", "SET LOCAL … TO DEFAULT").await;
            session.batch_execute("ROLLBACK").await.unwrap();
            holds(&session, "2s", "ROLLBACK").await;
        }
    }
}

#[tokio::test]
async fn it_cannot_be_raised() {
    for scene in scenes("").await {
        let session = scene.connect().await;
        let told_beforehand = [
            "SET lock_timeout = 0",
            "SET lock_timeout = '1h'",
            "SET lock_timeout = 2001",
            "SET SESSION lock_timeout TO '0.5min'",
            "SET \"lock_timeout\" = 0",
            "SET LOCK_TIMEOUT = 0",
            "SELECT set_config('lock_timeout', '1h', false)",
            "SELECT pg_catalog.set_config('Lock_Timeout', '0', false)",
            "SELECT U&\"\\0073et_config\"('lock_timeout', '1h', false)",
            "SELECT set_config(U&'\\006cock_timeout', '1h', false)",
        ];
        for sql in told_beforehand {
            for protocol in PROTOCOLS {
                session.run(protocol, sql).await.unwrap();
                told(&session, sql);
                holds(&session, "2s", sql).await;
            }
        }
        let hidden = [
            "SELECT set_config('lock_' || 'timeout', '1h', false)",
            "SELECT set_config(name, '1h', false) FROM pg_settings WHERE name = 'lock_timeout'",
            "WITH x AS (SELECT set_config('lock_timeout', '1h', false)) SELECT * FROM x",
            "SELECT (SELECT set_config('lock_timeout', '0', false))",
            "SELECT set_config('search_path', set_config('lock_timeout', '0', false), false)",
            "SELECT 1; SET lock_timeout = 0; SELECT 2",
            "UPDATE pg_settings SET setting = '1h' WHERE name = 'lock_timeout'",
        ];
        for sql in hidden {
            for protocol in PROTOCOLS {
                if protocol == Protocol::Extended && sql.contains("; ") {
                    continue;
                }
                // Some may be refused; the cap holds all the same.
                let _ = session.run(protocol, sql).await;
                holds(&session, "2s", sql).await;
            }
        }
        for parameters in [["lock_timeout", "1h"], ["LOCK_TIMEOUT", "0"]] {
            let refused = session.query("SELECT set_config($1, $2, false)", &[&parameters[0], &parameters[1]]).await;
            assert!(refused.is_err_and(|error| error.code().is_some_and(|code| code.code() == "PA006")), "the name is known to the server alone");
            holds(&session, "2s", "bind parameters").await;
        }
        session.query("SELECT set_config('lock_timeout', $1, false)", &[&"1h"]).await.unwrap();
        holds(&session, "2s", "a bind parameter").await;
    }
}

#[tokio::test]
async fn it_cannot_be_raised_within_a_transaction() {
    for scene in scenes("").await {
        let session = scene.connect().await;
        for protocol in PROTOCOLS {
            for sql in ["SET LOCAL lock_timeout = 0", "SET lock_timeout = '1h'", "SELECT set_config('lock_timeout', '1h', true)"] {
                session.batch_execute("BEGIN").await.unwrap();
                session.run(protocol, sql).await.unwrap();
                told(&session, sql);
                holds(&session, "2s", sql).await;
                session.batch_execute("COMMIT").await.unwrap();
                holds(&session, "2s", "COMMIT").await;
            }
            session.batch_execute("BEGIN").await.unwrap();
            session.query("SELECT set_config('lock_timeout', $1, true)", &[&"1h"]).await.unwrap();
            holds(&session, "2s", "bind parameters").await;
            session.batch_execute("ROLLBACK").await.unwrap();
        }
        // Raised and used in one string, in one batch, in one write.
        let raw = |bytes: Vec<u8>, replies: usize| {
            let scene = &scene;
            async move { scene.raw().await.exchange(&bytes, replies).await.pop().unwrap() }
        };
        let last = raw(query("BEGIN; SET LOCAL lock_timeout = 0; SHOW lock_timeout; COMMIT"), 1).await;
        assert_eq!(last.rows, ["2s"]);
        let last = raw([statement("SET lock_timeout = 0"), statement("SHOW lock_timeout"), sync()].concat(), 1).await;
        assert_eq!(last.rows, ["2s"]);
        let last = raw([query("SET lock_timeout = 0"), query("SHOW lock_timeout")].concat(), 2).await;
        assert_eq!(last.rows, ["2s"]);
        let by_value = [parse("", "SELECT set_config('lock_timeout', $1, false)"), bind_values(&["0"]), execute("")].concat();
        let last = raw([by_value.clone(), sync(), query("SHOW lock_timeout")].concat(), 2).await;
        assert_eq!(last.rows, ["2s"]);
        let last = raw([by_value, statement("SHOW lock_timeout"), sync()].concat(), 1).await;
        assert_eq!(last.rows.last().map(String::as_str), Some("2s"));
    }
}

#[tokio::test]
async fn it_may_be_lowered() {
    for scene in scenes("").await {
        let session = scene.connect().await;
        for protocol in PROTOCOLS {
            for (sql, expected) in [
                ("SET lock_timeout = '300ms'", "300ms"),
                ("SELECT set_config('lock_timeout', '400ms', false)", "400ms"),
                ("SET lock_timeout = 2000", "2s"),
                ("SET lock_timeout = '1s'", "1s"),
            ] {
                session.run(protocol, sql).await.unwrap();
                holds(&session, expected, sql).await;
            }
        }
        session.query("SELECT set_config('lock_timeout', $1, false)", &[&"70ms"]).await.unwrap();
        holds(&session, "70ms", "bind parameters").await;
        assert_eq!(session.notice_texts(), Vec::<String>::new());
        session.batch_execute("BEGIN; SET LOCAL lock_timeout = '50ms'").await.unwrap();
        holds(&session, "50ms", "SET LOCAL").await;
        session.batch_execute("COMMIT").await.unwrap();
        holds(&session, "70ms", "COMMIT").await;
    }
}

#[tokio::test]
async fn start_up_parameters_cannot_raise_it() {
    for scene in scenes("").await {
        for (parameters, expected) in
            [("options='-c lock_timeout=1h'", "2s"), ("options='--lock-timeout=0'", "2s"), ("options='-c lock_timeout=300ms'", "300ms")]
        {
            let session = scene.connect_with(parameters).await;
            holds(&session, expected, parameters).await;
            session.batch_execute("SET lock_timeout = 1; RESET ALL").await.unwrap();
            holds(&session, expected, "RESET ALL").await;
        }
        for (key, expected) in [("lock_timeout", "2s"), ("LOCK_TIMEOUT", "2s")] {
            let mut client = support::RawClient::connect(scene.proxy.port).await;
            client.start(&[("user", "trusted"), ("database", &scene.database), (key, "1h")]).await;
            client.until(b'Z').await;
            assert_eq!(client.ask("SHOW lock_timeout").await.rows, [expected], "{key}");
        }
    }
}

#[tokio::test]
async fn roles_databases_and_functions_cannot_keep_a_higher_one() {
    for scene in scenes("CREATE ROLE keeper").await {
        let database = &scene.database;
        let session = scene.connect().await;
        let settings = [
            "ALTER ROLE keeper SET lock_timeout = 0".to_owned(),
            "ALTER USER keeper SET lock_timeout = '1h'".to_owned(),
            format!("ALTER ROLE keeper IN DATABASE {database} SET lock_timeout = '1h'"),
            "ALTER ROLE ALL SET lock_timeout = '1h'".to_owned(),
            format!("ALTER DATABASE {database} SET lock_timeout TO '1h'"),
            "ALTER SYSTEM SET lock_timeout = '1h'".to_owned(),
            "CREATE FUNCTION patient() RETURNS int LANGUAGE sql SET lock_timeout = 0 AS 'SELECT 1'".to_owned(),
        ];
        for sql in &settings {
            for protocol in PROTOCOLS {
                let (sqlstate, message) = session.refusal(protocol, sql).await;
                assert_eq!((&*sqlstate, message.contains("[protected-setting]")), ("PA006", true), "{sql}: {message}");
            }
        }
        assert_eq!(
            scene
                .direct
                .value("SELECT count(*) FROM pg_db_role_setting WHERE setconfig::text LIKE '%lock_timeout%' AND setrole = 'keeper'::regrole")
                .await,
            "0"
        );
        session.batch_execute("ALTER ROLE keeper SET lock_timeout = '300ms'").await.unwrap();
        scene.direct.batch_execute("CREATE FUNCTION patient() RETURNS text LANGUAGE sql SET lock_timeout = 0 AS $$ SELECT 'done' $$").await.unwrap();
        for protocol in PROTOCOLS {
            let _ = session.run(protocol, "SELECT patient()").await;
            holds(&session, "2s", "a function with a SET clause").await;
        }
        session.batch_execute("DROP FUNCTION patient(); DROP ROLE keeper").await.unwrap();
    }
}

#[tokio::test]
async fn a_role_keeps_its_own_stricter_one() {
    for scene in scenes("CREATE ROLE strict LOGIN SUPERUSER PASSWORD 'strict'; ALTER ROLE strict SET lock_timeout = '500ms'").await {
        let parameters = format!("user=strict password=strict dbname={}", scene.database);
        let session = connect_to(scene.proxy.port, &parameters).await.unwrap();
        holds(&session, "500ms", "the login").await;
        for protocol in PROTOCOLS {
            for sql in ["RESET ALL", "DISCARD ALL", "RESET lock_timeout", "SET lock_timeout TO DEFAULT"] {
                session.run(protocol, sql).await.unwrap();
                holds(&session, "500ms", sql).await;
            }
            session.notices();
            session.run(protocol, "SET lock_timeout = '1s'").await.unwrap();
            told(&session, "SET above the role's own");
            holds(&session, "500ms", "SET above the role's own").await;
        }
        drop(session);
        scene.direct.batch_execute("DROP ROLE strict").await.unwrap();
    }
}

/// Waits until somebody has waited for a lock of this type for longer than the cap of [`SHORT`].
async fn until_waiting(scene: &Scene, locktype: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let waiting = format!(
        "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.datname = current_database() AND NOT l.granted
           AND l.locktype = '{locktype}' AND clock_timestamp() - a.query_start > interval '500 ms'"
    );
    while scene.direct.value(&waiting).await != "1" {
        assert!(Instant::now() < deadline, "nobody waits for an {locktype} lock: {}", scene.proxy.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_advisory_lock_of_a_computed_key_may_be_waited_for() {
    for scene in scenes_with("enforce", SHORT, "").await {
        let holder = scene.cluster.connect(&scene.database).await;
        for protocol in PROTOCOLS {
            for (begin, call, end) in [
                ("", "SELECT pg_advisory_lock(3 + 4)", "SELECT pg_advisory_unlock(7)"),
                ("BEGIN", "SELECT pg_advisory_xact_lock(3 + 4)", "COMMIT"),
                ("BEGIN", "SELECT pg_catalog.pg_advisory_lock(3 + 4)", "COMMIT; SELECT pg_advisory_unlock(7)"),
            ] {
                let session = scene.connect().await;
                session.batch_execute(begin).await.unwrap();
                holder.batch_execute("SELECT pg_advisory_lock(7)").await.unwrap();
                let release = async {
                    until_waiting(&scene, "advisory").await;
                    holder.batch_execute("SELECT pg_advisory_unlock(7)").await.unwrap();
                };
                let (waited, ()) = tokio::join!(session.run(protocol, call), release);
                waited.unwrap_or_else(|error| panic!("{protocol:?} {call}: {error:?}"));
                holds(&session, "200ms", call).await;
                session.batch_execute(end).await.unwrap();
                holds(&session, "200ms", end).await;
            }
        }
    }
}

#[tokio::test]
async fn ddl_behind_a_lock_gives_up() {
    for scene in scenes_with("enforce", SHORT, &format!("{BIG} CREATE TABLE small (id int)")).await {
        let before = support::catalog(&scene.direct).await;
        let holder = scene.cluster.connect(&scene.database).await;
        holder.batch_execute("BEGIN; LOCK TABLE big, small IN ACCESS SHARE MODE").await.unwrap();
        let session = scene.connect().await;
        for protocol in PROTOCOLS {
            for sql in [
                "ALTER TABLE big ADD COLUMN c int",
                "DROP TABLE small",
                "ALTER TABLE big ADD CHECK (a > 0)",
                "ALTER TABLE big ALTER COLUMN a SET NOT NULL",
            ] {
                assert_eq!(session.refusal(protocol, sql).await.0, "55P03", "{protocol:?} {sql} on {}", scene.cluster.version);
                holds(&session, "200ms", sql).await;
            }
            session.batch_execute("BEGIN").await.unwrap();
            assert_eq!(session.refusal(protocol, "ALTER TABLE big ADD COLUMN c int").await.0, "55P03");
            session.batch_execute("ROLLBACK").await.unwrap();
        }
        holder.batch_execute("COMMIT").await.unwrap();
        assert_eq!(support::catalog(&scene.direct).await, before, "nothing is left behind");
    }
}

#[tokio::test]
async fn other_modes() {
    for (mode, expected) in [("warn", "2s"), ("off", "0")] {
        for scene in scenes_with(mode, "", "").await {
            let session = scene.connect().await;
            holds(&session, expected, mode).await;
            session.batch_execute("SET lock_timeout = '1h'").await.unwrap();
            holds(&session, if mode == "warn" { "2s" } else { "1h" }, "SET").await;
        }
    }
}
