//! What no transaction can hold is done after its COMMIT, and nothing of it is lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use support::frontend::{bind, describe, execute, parse, sync};
use support::scene::{scenes_with, set_up};
use support::{PROTOCOLS, Proxy, Session, catalog, clusters};

/// Tables with rows count as large.
const STRICT: &str = "[limits]\nsmall_table = \"1B\"\n";

const TABLES: &str = "CREATE TABLE p (id int PRIMARY KEY, name text);
    INSERT INTO p SELECT i, 'x' FROM generate_series(1, 100) i;
    CREATE TABLE t (id int NOT NULL, a int, b text, c int);
    INSERT INTO t SELECT i, i, i::text, i FROM generate_series(1, 100) i;
    CREATE INDEX t_c_idx ON t (c);
    CREATE TABLE alembic_version (version_num text);
    INSERT INTO alembic_version VALUES ('0')";

/// Migrations in one transaction each, as their tools would write them.
const MIGRATIONS: &[&[&str]] = &[
    &["CREATE INDEX t_a ON t (a)"],
    &["CREATE INDEX ON t (a)", "CREATE INDEX ON t (a)", "CREATE INDEX ON t (lower(b))"],
    &["CREATE UNIQUE INDEX u ON t (a) WHERE a > 5"],
    &["ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)"],
    &["ALTER TABLE t ADD UNIQUE (a, b)"],
    &["ALTER TABLE t ADD PRIMARY KEY (id)"],
    &["ALTER TABLE t ADD PRIMARY KEY (a)"],
    &["ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES p (id)"],
    &["ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p"],
    &["ALTER TABLE t ADD CHECK (a > 0)", "ALTER TABLE t ALTER COLUMN b SET NOT NULL"],
    &["ALTER TABLE t ADD CONSTRAINT v CHECK (a > 0) NOT VALID", "ALTER TABLE t VALIDATE CONSTRAINT v"],
    &["ALTER TABLE t ALTER a SET NOT NULL, ALTER b SET NOT NULL"],
    &["DROP INDEX t_c_idx"],
    &["REINDEX INDEX t_c_idx", "REINDEX TABLE t"],
    &["ALTER TABLE t ADD COLUMN d int CHECK (d > 0)", "ALTER TABLE t ADD COLUMN e int DEFAULT 5 REFERENCES p"],
    &["ALTER TABLE t ADD COLUMN d int UNIQUE", "COMMENT ON TABLE t IS 'x'"],
    &["CREATE TABLE n (id int PRIMARY KEY)", "CREATE INDEX ON n (id)", "CREATE INDEX t_a ON t (a)", "INSERT INTO t VALUES (0, 0, '0', 0)"],
];

#[tokio::test]
async fn a_naive_migration_in_a_transaction_ends_in_the_same_schema() {
    for scene in scenes_with("enforce", STRICT, TABLES).await {
        for protocol in PROTOCOLS {
            for migration in MIGRATIONS {
                let (direct, proxied) = (set_up(scene.cluster, TABLES).await, set_up(scene.cluster, TABLES).await);
                let session = scene.proxy.connect(&proxied.0).await;
                for session in [&direct.1, &session] {
                    for sql in ["BEGIN"].iter().chain(*migration).chain(&["COMMIT"]) {
                        let ran = session.run(protocol, sql).await;
                        assert!(ran.is_ok(), "{sql}: {ran:?}");
                    }
                }
                let told = session.notice_texts();
                assert!(told.iter().any(|notice| notice.contains("after COMMIT: ")), "{migration:?}: {told:?}");
                assert_eq!(catalog(&proxied.1).await, catalog(&direct.1).await, "{migration:?} by {protocol:?} on {}", scene.cluster.version);
                assert_eq!(catalog_of_validity(&proxied.1).await, Vec::<String>::new(), "{migration:?}");
                assert_eq!(session.value("SHOW statement_timeout").await, "0", "the limits are as before");
                assert_eq!(session.value("SHOW search_path").await, "\"$user\", public");
            }
        }
    }
}

/// What is INVALID or NOT VALID.
async fn catalog_of_validity(session: &Session) -> Vec<String> {
    session
        .column(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid
             UNION ALL SELECT conname FROM pg_constraint WHERE NOT convalidated",
        )
        .await
}

fn states(proxy: &Proxy) -> Vec<String> {
    let store = rusqlite::Connection::open(&proxy.store).unwrap();
    let mut rows = store.prepare("SELECT state || coalesce(' ' || sqlstate, '') FROM promises ORDER BY id").unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

async fn until_states(proxy: &Proxy, expected: &[&str]) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while states(proxy) != expected {
        assert!(std::time::Instant::now() < deadline, "{:?}, not {expected:?}", states(proxy));
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_is_rolled_back_is_not_done() {
    for cluster in clusters() {
        let (database, direct) = set_up(cluster, TABLES).await;
        let proxy = Proxy::in_front_of(cluster, "enforce", STRICT);
        let session = proxy.connect(&database).await;
        for sql in [
            "BEGIN; ",
            "CREATE INDEX never ON t (a)",
            "ROLLBACK",
            "BEGIN",
            "CREATE INDEX kept ON t (a)",
            "SAVEPOINT s",
            "CREATE INDEX never ON t (a)",
            "ROLLBACK TO s",
            "COMMIT",
            "BEGIN",
            "SAVEPOINT s",
            "CREATE INDEX released ON t (a)",
            "RELEASE s",
            "COMMIT",
            "BEGIN",
            "CREATE INDEX never ON t (a)",
        ] {
            session.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        }
        assert_eq!(session.error("SELECT 1/0").await.code().code(), "22012");
        session.batch_execute("COMMIT").await.unwrap();
        assert_eq!(
            direct.column("SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 't'::regclass ORDER BY 1").await,
            ["kept", "released", "t_c_idx"]
        );
        until_states(&proxy, &["settled", "settled"]).await;
    }
}

#[tokio::test]
async fn a_commit_that_fails_leaves_nothing_to_do() {
    for cluster in clusters() {
        let (database, direct) = set_up(cluster, TABLES).await;
        direct.batch_execute("ALTER TABLE p ADD CONSTRAINT later UNIQUE (id) DEFERRABLE INITIALLY DEFERRED").await.unwrap();
        direct.batch_execute("CREATE TABLE q (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)").await.unwrap();
        let proxy = Proxy::in_front_of(cluster, "enforce", STRICT);
        let session = proxy.connect(&database).await;
        for sql in ["BEGIN", "CREATE INDEX never ON t (a)", "INSERT INTO q VALUES (1), (1)"] {
            session.batch_execute(sql).await.unwrap();
        }
        assert_eq!(session.error("COMMIT").await.code().code(), "23505");
        assert_eq!(direct.value("SELECT to_regclass('never') IS NULL").await, "t");
        assert_eq!(session.value("SELECT 1").await, "1");
        until_states(&proxy, &["aborted"]).await;
    }
}

#[tokio::test]
async fn bad_data_fails_the_statement_as_it_would_natively() {
    let dirt = "UPDATE t SET a = 1 WHERE id = 2; UPDATE t SET b = NULL WHERE id = 3; UPDATE t SET c = 99999 WHERE id = 4";
    for scene in scenes_with("enforce", STRICT, TABLES).await {
        scene.direct.batch_execute(dirt).await.unwrap();
        for protocol in PROTOCOLS {
            for sql in [
                "CREATE UNIQUE INDEX u ON t (a)",
                "ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)",
                "ALTER TABLE t ALTER b SET NOT NULL",
                "ALTER TABLE t ADD CONSTRAINT w CHECK (c < 50000)",
                "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (c) REFERENCES p",
            ] {
                let session = scene.connect().await;
                let mut told = Vec::new();
                for session in [&scene.direct, &session] {
                    session.batch_execute("BEGIN").await.unwrap();
                    let error = session.run(protocol, sql).await.unwrap_err();
                    told.push((error.code().code().to_owned(), error.message().to_owned(), error.detail().map(str::to_owned)));
                    let failed = session.run(protocol, "SELECT 1").await.unwrap_err();
                    assert_eq!(failed.code().code(), "25P02", "{sql}");
                    session.batch_execute("ROLLBACK").await.unwrap();
                }
                assert_eq!(told[1], told[0], "{sql} on {}", scene.cluster.version);
            }
        }
    }
}

#[tokio::test]
async fn a_commit_in_a_batch_and_by_a_named_statement() {
    for scene in scenes_with("enforce", STRICT, TABLES).await {
        // As pgjdbc does it: BEGIN in one batch with the DDL, COMMIT as a named statement.
        let mut client = scene.raw().await;
        let begin = [parse("", "BEGIN"), bind("", ""), execute("")].concat();
        let ddl = [parse("", "CREATE INDEX one ON t (a)"), bind("", ""), describe(""), execute("")].concat();
        let reply = client.exchange(&[begin, ddl, sync()].concat(), 1).await.remove(0);
        assert_eq!((&*reply.shape, reply.tags, reply.status), ("12C12nCZ", vec!["BEGIN".to_owned(), "CREATE INDEX".into()], b'T'));
        client.exchange(&[parse("S_1", "COMMIT"), sync()].concat(), 1).await;
        let reply = client.exchange(&[bind("", "S_1"), execute(""), sync()].concat(), 1).await.remove(0);
        assert_eq!((&*reply.shape, reply.tags, reply.status), ("2CZ", vec!["COMMIT".to_owned()], b'I'));
        assert!(scene.has("one").await);
        // COMMIT in the middle of a batch; what follows runs after it.
        client.ask("BEGIN").await;
        client.ask("CREATE INDEX two ON t (a)").await;
        let commit = [parse("", "COMMIT"), bind("", ""), execute("")].concat();
        let more = [parse("", "SELECT count(*) FROM pg_index WHERE indexrelid = 'two'::regclass AND indisvalid"), bind("", ""), execute("")].concat();
        let reply = client.exchange(&[commit, more, sync()].concat(), 1).await.remove(0);
        assert_eq!((reply.rows, reply.status), (vec!["1".to_owned()], b'I'));
    }
}

#[tokio::test]
async fn chained_and_followed_commits() {
    for scene in scenes_with("enforce", STRICT, TABLES).await {
        let mut client = scene.raw().await;
        client.ask("BEGIN ISOLATION LEVEL REPEATABLE READ").await;
        client.ask("CREATE INDEX one ON t (a)").await;
        let reply = client.ask("COMMIT AND CHAIN").await;
        assert_eq!((&*reply.shape, reply.tags, reply.status), ("CZ", vec!["COMMIT".to_owned()], b'T'));
        assert!(scene.has("one").await);
        assert_eq!(client.ask("SHOW transaction_isolation").await.rows, ["repeatable read"]);
        client.ask("CREATE INDEX two ON t (a)").await;
        let reply = client.ask("COMMIT; BEGIN").await;
        assert_eq!((&*reply.shape, reply.tags, reply.status), ("CCZ", vec!["COMMIT".to_owned(), "BEGIN".into()], b'T'));
        assert!(scene.has("two").await);
        client.ask("CREATE INDEX three ON t (a)").await;
        let reply = client.ask("PREPARE TRANSACTION 'x'").await;
        assert_eq!((reply.sqlstate(), reply.status), ("0A000", b'E'));
        client.ask("ROLLBACK").await;
    }
}

#[tokio::test]
async fn duplicates_that_come_later_make_a_red_deploy_and_a_promise_that_waits() {
    for cluster in clusters() {
        let (database, direct) = set_up(cluster, TABLES).await;
        let proxy = Proxy::in_front_of(cluster, "enforce", STRICT);
        let session = proxy.connect(&database).await;
        for sql in ["BEGIN", "ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)", "UPDATE alembic_version SET version_num = '1'"] {
            session.batch_execute(sql).await.unwrap();
        }
        direct.batch_execute("INSERT INTO t VALUES (99999, 1)").await.unwrap();
        let error = session.error("COMMIT").await;
        assert_eq!(error.code().code(), "PA004", "{error:?}");
        assert!(error.message().contains("could not create unique index \"k\"") && error.message().contains("23505"), "{}", error.message());
        assert_eq!(direct.value("SELECT version_num FROM alembic_version").await, "1", "the migration itself is committed");
        assert_eq!(catalog_of_validity(&direct).await, Vec::<String>::new());
        until_states(&proxy, &["committed 23505"]).await;
        // Without a version row it is a warning: the tool would run the migration again.
        direct.batch_execute("CREATE TABLE w (a int); INSERT INTO w SELECT i FROM generate_series(1, 100) i").await.unwrap();
        for sql in ["BEGIN", "ALTER TABLE w ADD UNIQUE (a)"] {
            session.batch_execute(sql).await.unwrap();
        }
        direct.batch_execute("INSERT INTO w VALUES (1)").await.unwrap();
        session.notices();
        session.batch_execute("COMMIT").await.unwrap();
        let warnings: Vec<_> = session.notices().into_iter().filter(|notice| notice.severity() == "WARNING").collect();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        until_states(&proxy, &["committed 23505", "committed 23505"]).await;
    }
}

#[tokio::test]
async fn what_is_dropped_before_its_commit_is_never_made() {
    for cluster in clusters() {
        let (database, direct) = set_up(cluster, TABLES).await;
        let proxy = Proxy::in_front_of(cluster, "enforce", STRICT);
        for protocol in PROTOCOLS {
            let session = proxy.connect(&database).await;
            for sql in [
                "BEGIN",
                "CREATE INDEX i ON t (a)",
                "ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)",
                "ALTER TABLE t ADD CONSTRAINT w CHECK (a > 0)",
                "DROP INDEX i",
                "ALTER TABLE t DROP CONSTRAINT k",
                "ALTER TABLE t DROP CONSTRAINT w",
                "COMMIT",
            ] {
                session.run(protocol, sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            }
            assert_eq!(direct.column("SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 't'::regclass").await, ["t_c_idx"]);
            // Dropped, and made again under the same name.
            for sql in ["BEGIN", "DROP INDEX t_c_idx", "CREATE INDEX t_c_idx ON t (a)", "COMMIT"] {
                session.run(protocol, sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            }
            let definition = direct.value("SELECT pg_get_indexdef('t_c_idx'::regclass)").await;
            assert!(definition.ends_with("(a)"), "{definition}");
            direct.batch_execute("DROP INDEX t_c_idx; CREATE INDEX t_c_idx ON t (c)").await.unwrap();
        }
        until_states(&proxy, &["settled", "settled"]).await;
    }
}

/// A unique constraint whose duplicates came after the search: the promise waits for a person.
async fn with_a_failed_promise(proxy: &Proxy, database: &str, direct: &Session) {
    let session = proxy.connect(database).await;
    for sql in ["BEGIN", "ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)", "UPDATE alembic_version SET version_num = '1'"] {
        session.batch_execute(sql).await.unwrap();
    }
    direct.batch_execute("INSERT INTO t VALUES (99999, 1)").await.unwrap();
    assert_eq!(session.error("COMMIT").await.code().code(), "PA004");
    until_states(proxy, &["committed 23505"]).await;
}

#[tokio::test]
async fn a_failed_promise_stops_ddl_on_its_table_until_it_is_settled() {
    for cluster in clusters() {
        for protocol in PROTOCOLS {
            let (database, direct) = set_up(cluster, TABLES).await;
            let proxy = Proxy::in_front_of(cluster, "enforce", STRICT);
            with_a_failed_promise(&proxy, &database, &direct).await;
            let later = proxy.connect(&database).await;
            let (sqlstate, message) = later.refusal(protocol, "ALTER TABLE t ADD COLUMN d int").await;
            assert!(sqlstate == "PA004" && message.contains("pgairlock deferred run 1"), "{sqlstate}: {message}");
            later.run(protocol, "ALTER TABLE p ADD COLUMN d int").await.unwrap();
            // The downgrade, rolled back and then for good.
            for end in ["ROLLBACK", "COMMIT"] {
                later.run(protocol, "BEGIN").await.unwrap();
                later.run(protocol, "ALTER TABLE t DROP CONSTRAINT k").await.unwrap();
                later.run(protocol, "UPDATE alembic_version SET version_num = '0'").await.unwrap();
                later.run(protocol, end).await.unwrap();
                let expected = if end == "COMMIT" { "settled" } else { "committed 23505" };
                until_states(&proxy, &[expected]).await;
            }
            later.run(protocol, "ALTER TABLE t ADD COLUMN d int").await.unwrap();
        }
    }
}

/// The proxy dies while it takes away a constraint that old rows do not allow: without a note of the failure it would look as if somebody had dropped
/// what was promised.
#[tokio::test]
async fn a_failure_is_on_disk_before_what_it_left_is_taken_away() {
    for cluster in clusters() {
        let (database, direct) = set_up(cluster, TABLES).await;
        direct.batch_execute("INSERT INTO t VALUES (99999, 0)").await.unwrap();
        let dying = [("PGAIRLOCK_FAILPOINT", "sent ALTER TABLE DROP CONSTRAINT IF EXISTS:1")];
        let mut proxy = Proxy::in_front_of_with(cluster, "enforce", STRICT, &dying);
        let session = proxy.connect(&database).await;
        // Behind a strong lock the rows are not searched.
        for sql in ["BEGIN", "ALTER TABLE t ADD COLUMN d int", "ALTER TABLE t ADD CONSTRAINT h CHECK (a > 0)"] {
            session.batch_execute(sql).await.unwrap();
        }
        session.batch_execute("COMMIT").await.unwrap_err();
        proxy.wait();
        let proxy = proxy.again(&[]);
        let later = proxy.connect(&database).await;
        for sql in ["BEGIN", "COMMIT"] {
            later.batch_execute(sql).await.unwrap();
        }
        until_states(&proxy, &["committed 23514"]).await;
        assert_eq!(later.error("ALTER TABLE t ADD COLUMN e int").await.code().code(), "PA004");
    }
}

#[tokio::test]
async fn what_was_mended_by_hand_is_seen() {
    for cluster in clusters() {
        for (by_hand, after) in [
            ("DELETE FROM t WHERE id = 99999; ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)", "settled"),
            ("ALTER TABLE t DROP COLUMN a", "settled"),
            ("DROP TABLE t", "settled"),
            ("SELECT 1", "committed 23505"),
        ] {
            let (database, direct) = set_up(cluster, TABLES).await;
            let proxy = Proxy::in_front_of(cluster, "enforce", STRICT);
            with_a_failed_promise(&proxy, &database, &direct).await;
            direct.batch_execute(by_hand).await.unwrap();
            let later = proxy.connect(&database).await;
            later.batch_execute("BEGIN").await.unwrap();
            later.batch_execute("COMMIT").await.unwrap();
            until_states(&proxy, &[after]).await;
        }
    }
}

#[tokio::test]
async fn what_needs_the_object_is_refused_with_the_way_out() {
    for scene in scenes_with("enforce", STRICT, TABLES).await {
        let session = scene.connect().await;
        for protocol in PROTOCOLS {
            for needs in ["COMMENT ON INDEX u IS 'x'", "INSERT INTO t (id) VALUES (1) ON CONFLICT DO NOTHING", "ALTER TABLE t RENAME COLUMN a TO z"] {
                session.run(protocol, "BEGIN").await.unwrap();
                session.run(protocol, "CREATE UNIQUE INDEX u ON t (a)").await.unwrap();
                let (sqlstate, message) = session.refusal(protocol, needs).await;
                assert!(sqlstate == "PA001", "{needs}: {message}");
                if !needs.contains("RENAME") {
                    assert!(message.contains("[waits-for-commit]") && message.contains("transaction_per_migration"), "{message}");
                }
                assert_eq!(session.refusal(protocol, "SELECT 1").await.0, "25P02");
                session.run(protocol, "COMMIT").await.unwrap();
                assert!(!scene.has("u").await);
            }
        }
    }
}

/// As Flyway does it: the DDL on one connection, the version row in a transaction that commits later, on another or the same one.
#[tokio::test]
async fn the_commit_of_the_version_row_is_the_one_that_turns_red() {
    for cluster in clusters() {
        let (database, direct) = set_up(cluster, TABLES).await;
        direct.batch_execute("CREATE TABLE flyway_schema_history (version text)").await.unwrap();
        let proxy = Proxy::in_front_of(cluster, "enforce", STRICT);
        let (main, migrating) = (proxy.connect(&database).await, proxy.connect(&database).await);
        main.batch_execute("BEGIN").await.unwrap();
        for sql in ["BEGIN", "ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)"] {
            migrating.batch_execute(sql).await.unwrap();
        }
        main.batch_execute("INSERT INTO flyway_schema_history VALUES ('1')").await.unwrap();
        direct.batch_execute("INSERT INTO t VALUES (99999, 1)").await.unwrap();
        migrating.batch_execute("COMMIT").await.unwrap();
        until_states(&proxy, &["committed 23505"]).await;
        let error = main.error("COMMIT").await;
        assert!(error.code().code() == "PA004" && error.message().contains("could not create unique index \"k\""), "{error:?}");
        assert_eq!(direct.value("SELECT version FROM flyway_schema_history").await, "1");
        // Told once.
        for sql in ["BEGIN", "UPDATE flyway_schema_history SET version = '2'", "COMMIT"] {
            main.batch_execute(sql).await.unwrap();
        }
    }
}

/// Where nothing waits, a COMMIT among other statements passes; where something does, they are run one by one, unless they cannot be taken apart.
#[tokio::test]
async fn a_commit_among_others_commits_what_waits() {
    for scene in scenes_with("enforce", STRICT, TABLES).await {
        let mut client = scene.raw().await;
        client.ask("BEGIN").await;
        client.ask("UPDATE alembic_version SET version_num = '1'").await;
        let reply = client.ask("SELECT 1; COMMIT").await;
        assert_eq!((reply.tags, reply.status), (vec!["SELECT 1".to_owned(), "COMMIT".into()], b'I'));
        for (string, sqlstate) in [("SELECT 1; COMMIT", None), ("SELECT 1; COMMIT AND CHAIN", Some("0A000"))] {
            client.ask("BEGIN").await;
            client.ask("CREATE INDEX i ON t (a)").await;
            let reply = client.ask(string).await;
            assert_eq!(reply.errors.first().map(|(sqlstate, _)| &**sqlstate), sqlstate, "{string}: {reply:?}");
            client.ask("ROLLBACK").await;
            assert_eq!(scene.has("i").await, sqlstate.is_none());
            scene.direct.batch_execute("DROP INDEX IF EXISTS i").await.unwrap();
        }
    }
}

/// A search that does not come to its end in its time is given up, and the statement is left for after COMMIT all the same.
#[tokio::test]
async fn a_search_that_takes_too_long_is_given_up() {
    const MANY: &str = "CREATE TABLE many (id int, a int); INSERT INTO many SELECT i, i FROM generate_series(1, 300000) i";
    for scene in scenes_with("enforce", "[after_commit]\nsearch = \"1ms\"\n", MANY).await {
        for protocol in PROTOCOLS {
            let session = scene.connect().await;
            session.run(protocol, "BEGIN").await.unwrap();
            session.run(protocol, "CREATE UNIQUE INDEX u ON many (a)").await.unwrap();
            assert!(session.notice_texts().iter().any(|notice| notice.contains("not wholly, searched")), "{protocol:?}");
            session.run(protocol, "COMMIT").await.unwrap();
            assert!(scene.has("u").await);
            scene.direct.batch_execute("DROP INDEX u").await.unwrap();
        }
    }
}
