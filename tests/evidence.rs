//! A refusal of what running code would miss says who still uses it: statements that the server has counted, views, functions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use support::cluster::versions;
use support::{BIG, Cluster, Protocol, Proxy, Session, scenes};

const USERS: &str = "
    CREATE VIEW names AS SELECT id, b FROM big;
    CREATE FUNCTION first_name() RETURNS text LANGUAGE sql AS 'SELECT b FROM big WHERE id = 1';
    CREATE FUNCTION bigger() RETURNS int LANGUAGE sql AS 'SELECT 1 AS b';";

/// A server that counts statements.
async fn counting(version: &str) -> Option<(Cluster, String, Session)> {
    let cluster = Cluster::start(version).map_err(|reason| support::skipped(&format!("PostgreSQL {version}: {reason}"))).ok()?;
    cluster.connect("postgres").await.batch_execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'").await.unwrap();
    cluster.stop();
    cluster.restart();
    let database = cluster.database().await;
    let direct = cluster.connect(&database).await;
    direct.batch_execute("CREATE SCHEMA stats; CREATE EXTENSION pg_stat_statements SCHEMA stats").await.unwrap();
    direct.batch_execute(&format!("{BIG}{USERS}")).await.unwrap();
    Some((cluster, database, direct))
}

#[tokio::test]
async fn statements_that_were_counted_are_parsed_and_told() {
    for version in versions() {
        let Some((cluster, database, direct)) = counting(&version).await else { continue };
        direct.batch_execute("SELECT stats.pg_stat_statements_reset()").await.unwrap();
        for _ in 0..3 {
            direct.value("SELECT b FROM big WHERE id = 1 AND b < '<&>'").await;
        }
        direct.value("SELECT id FROM big WHERE id = 1").await;
        direct.value("SELECT 'a of big'").await;
        let proxy = Proxy::in_front_of(&cluster, "enforce", "");
        let session = proxy.connect(&database).await;
        let told = |sql: &'static str| async { session.refusal(Protocol::Simple, sql).await.1 };

        let column = told("ALTER TABLE big DROP COLUMN b").await;
        let expected = "; 1 statement in pg_stat_statements uses it (3 calls): SELECT b FROM big WHERE id = $1 AND b < $2; the view names uses it; \
                        the function first_name uses it.";
        assert!(column.contains(expected), "{version}: {column}");
        let unused = told("ALTER TABLE big DROP COLUMN a").await;
        assert!(unused.contains("; no statement in pg_stat_statements uses it."), "{version}: {unused}");
        let renamed = told("ALTER TABLE big RENAME COLUMN b TO c").await;
        assert!(renamed.contains("(3 calls): SELECT b FROM big"), "{version}: {renamed}");
        let table = told("DROP TABLE big").await;
        assert!(table.contains("; 2 statements in pg_stat_statements use it (4 calls), first: SELECT b FROM big"), "{version}: {table}");

        // Another role sees what it may.
        direct.batch_execute("ALTER TABLE big OWNER TO clear").await.unwrap();
        let other = support::connect_to(proxy.port, &format!("user=clear password=clear dbname={database}")).await.unwrap();
        let message = other.refusal(Protocol::Simple, "ALTER TABLE big DROP COLUMN b").await.1;
        assert!(message.contains("still uses it; the view names uses it"), "{version}: {message}");
        direct.batch_execute("GRANT USAGE ON SCHEMA stats TO clear").await.unwrap();
        let message = other.refusal(Protocol::Simple, "ALTER TABLE big DROP COLUMN b").await.1;
        assert!(message.contains("no statement in pg_stat_statements uses it, as far as this role may see them"), "{version}: {message}");
        cluster.stop();
    }
}

/// Where nothing is counted, the catalog still tells.
#[tokio::test]
async fn without_counted_statements_the_catalog_tells() {
    for scene in scenes(&format!("{BIG}{USERS}")).await {
        let session = scene.connect().await;
        let message = session.refusal(Protocol::Simple, "ALTER TABLE big DROP COLUMN b").await.1;
        assert!(message.contains("still uses it; the view names uses it; the function first_name uses it."), "{message}");
        // Installed, but not loaded by the server.
        scene.direct.batch_execute("CREATE EXTENSION pg_stat_statements").await.unwrap();
        let message = session.refusal(Protocol::Simple, "ALTER TABLE big DROP COLUMN b").await.1;
        assert!(message.contains("still uses it; the view names uses it; the function first_name uses it."), "{message}");
    }
}
