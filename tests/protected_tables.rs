//! `[[protect]]` and `[thresholds]` on real servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use support::scene::scenes_with;
use support::{BIG, PROTOCOLS, Protocol};

const PROTECTED: &str = "[rules]\ndrop-column = \"off\"\nrename-table = \"warn\"\n\
    [[protect]]\ntable = \"public.users\"\nreason = \"every login reads it\"\n\
    [[protect]]\ntable = \"events\"\nreason = \"the law\"\n\
    [[exempt]]\nrules = [\"drop-table\", \"drop-column\"]\nreason = \"all of it\"\n\
    [[exempt]]\ntable = \"public.users\"\nrules = [\"truncate\"]\nreason = \"a test of it\"\n\
    [[directive]]\nrules = [\"drop-table\", \"drop-column\"]\n";

const TABLES: &str = "CREATE TABLE users (id int PRIMARY KEY, a int); INSERT INTO users SELECT i, i FROM generate_series(1, 10) i;
    CREATE TABLE others (id int PRIMARY KEY, a int); INSERT INTO others SELECT i, i FROM generate_series(1, 10) i;
    CREATE SCHEMA app; CREATE TABLE app.users (id int, a int);
    CREATE TABLE events (id int, at int) PARTITION BY RANGE (id);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10) PARTITION BY RANGE (at);
    CREATE TABLE events_1_1 PARTITION OF events_1 FOR VALUES FROM (0) TO (10);
    CREATE INDEX leaf ON events_1_1 (at);";

#[tokio::test]
async fn whatever_hits_a_protected_table_counts_and_only_its_own_exemption_lifts_it() {
    for scene in scenes_with("enforce", PROTECTED, TABLES).await {
        let session = scene.connect().await;
        for protocol in PROTOCOLS {
            for sql in [
                "ALTER TABLE users DROP COLUMN a",
                "-- pgairlock:allow drop-column reason=\"x\"\nALTER TABLE public.users DROP COLUMN a",
                "ALTER TABLE users RENAME TO people",
                "DROP TABLE users",
                "DROP TABLE others, users",
                "DROP TABLE events",
                "DROP TABLE events_1_1",
                "ALTER TABLE events_1_1 DROP COLUMN at",
                "ALTER TABLE users ALTER COLUMN a TYPE bigint",
            ] {
                assert_eq!(session.refusal(protocol, sql).await.0, "PA001", "{sql}");
            }
            let error = session.run(protocol, "DROP TABLE users").await.unwrap_err();
            assert!(error.hint().unwrap().starts_with("public.users is under [[protect]] (every login reads it)"), "{error:?}");
        }
        for sql in ["ALTER TABLE others DROP COLUMN a", "DROP TABLE app.users", "TRUNCATE users"] {
            session.run(Protocol::Simple, sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        }
        // What can be made safe is made safe, however small the table.
        session.batch_execute("CREATE INDEX on_others ON others (id); CREATE INDEX on_users ON users (a)").await.unwrap();
        session.batch_execute("DROP INDEX leaf").await.unwrap();
        let told = session.notice_texts().join("\n");
        assert!(told.contains("CREATE INDEX CONCURRENTLY on_users") && !told.contains("CONCURRENTLY on_others"), "{told}");
        assert!(told.contains("DROP INDEX CONCURRENTLY leaf"), "{told}");
        assert!(scene.has("on_users").await && !scene.has("leaf").await);
    }
}

#[tokio::test]
async fn a_rule_may_have_a_size_of_its_own() {
    let thresholds = "[thresholds]\ncreate-index-blocking = \"1GB\"\nadd-check-validating = \"8kB\"\n";
    for scene in
        scenes_with("enforce", thresholds, &format!("{BIG} CREATE TABLE small (a int); INSERT INTO small SELECT i FROM generate_series(1, 500) i"))
            .await
    {
        let session = scene.connect().await;
        session.batch_execute("CREATE INDEX i ON big (a)").await.unwrap();
        assert_eq!(session.notice_texts(), [""; 0]);
        session.batch_execute("ALTER TABLE small ADD CHECK (a > 0)").await.unwrap();
        assert!(session.notice_texts().join("\n").contains("[add-check-validating]"));
        session.batch_execute("DROP INDEX i").await.unwrap();
        assert!(session.notice_texts().join("\n").contains("DROP INDEX CONCURRENTLY i"), "the others go by small_table");
    }
}
