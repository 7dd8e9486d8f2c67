//! What neither the catalog nor our tables tell of an ALTER COLUMN … TYPE, the server tells, on an empty copy of the table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use support::cluster::versions;
use support::{BIG, Cluster, PROTOCOLS, Protocol, Proxy, Session, connect_to, scenes};

const TYPES: &str = "
    ALTER TABLE big ADD tags varchar(10)[] DEFAULT '{}', ADD key text DEFAULT 'x', ADD code varchar(10);
    CREATE INDEX ON big (key);
";

/// A server on which no transaction can be prepared, as PostgreSQL comes.
struct Alone {
    cluster: Cluster,
    proxy: Proxy,
    database: String,
    direct: Session,
}

async fn alone() -> Vec<Alone> {
    let mut all = Vec::new();
    for version in versions() {
        match Cluster::start(&version) {
            Ok(cluster) => all.push(set_up(cluster).await),
            Err(reason) => support::skipped(&format!("PostgreSQL {version}: {reason}")),
        }
    }
    all
}

async fn set_up(cluster: Cluster) -> Alone {
    cluster.connect("postgres").await.batch_execute("ALTER SYSTEM SET max_prepared_transactions = 0").await.unwrap();
    cluster.stop();
    cluster.restart();
    let database = cluster.database().await;
    let direct = cluster.connect(&database).await;
    direct.batch_execute(&format!("{BIG}{TYPES}")).await.unwrap();
    let proxy = Proxy::in_front_of(&cluster, "enforce", "");
    Alone { cluster, proxy, database, direct }
}

impl Alone {
    async fn connect(&self) -> Session {
        self.proxy.connect(&self.database).await
    }

    /// Tables anew, for another round.
    async fn again(&self) {
        self.direct.batch_execute(&format!("DROP TABLE big; {BIG}{TYPES}")).await.unwrap();
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        self.cluster.stop();
    }
}

/// The file of the table.
async fn file(scene: &Alone) -> String {
    scene.direct.value("SELECT pg_relation_filenode('big')").await
}

/// Of each it is not known beforehand what it writes: on some versions it may be nothing.
const UNSURE: &[&str] = &[
    "ALTER TABLE big ALTER key TYPE varchar USING (key::text)::varchar",
    "ALTER TABLE big ALTER tags TYPE varchar(20)[]",
    "ALTER TABLE big ALTER tags TYPE text[]",
    "ALTER TABLE big ALTER code TYPE varchar(30) USING (code::text)::varchar(30)",
    "ALTER TABLE big ALTER code TYPE text USING (code::varchar)::text",
    "ALTER TABLE big ALTER b TYPE text USING (b || '')::text",
    "ALTER TABLE big ALTER key TYPE varchar USING (key::text)::varchar",
];

#[tokio::test]
async fn what_writes_nothing_passes_and_what_does_is_known_to() {
    for scene in alone().await {
        for protocol in PROTOCOLS {
            scene.again().await;
            let session = scene.connect().await;
            let before = file(&scene).await;
            let mut passed = Vec::new();
            for sql in UNSURE {
                let stays = file_stays(&scene, sql).await;
                let result = session.run(protocol, sql).await;
                assert_eq!(result.is_ok(), stays, "{protocol:?} {sql} on {}: {result:?}", scene.cluster.version);
                let told = result.err().map(|error| error.message().to_owned()).unwrap_or_default();
                assert!(stays || told.contains("rewrites the whole table"), "{sql}: {told}");
                passed.push(stays);
            }
            assert!(passed.contains(&true) && passed.contains(&false), "{passed:?}");
            assert_eq!(file(&scene).await, before, "nothing was written anew");
        }
    }
}

/// What the statement would do, tried on a copy with rows.
async fn file_stays(scene: &Alone, sql: &str) -> bool {
    scene.direct.batch_execute("DROP TABLE IF EXISTS copy; CREATE TABLE copy AS SELECT * FROM big LIMIT 10").await.unwrap();
    let file = || scene.direct.value("SELECT pg_relation_filenode('copy')");
    let before = file().await;
    scene.direct.batch_execute(&sql.replace(" big ", " copy ")).await.unwrap();
    file().await == before
}

#[tokio::test]
async fn what_is_tried_leaves_nothing_and_harms_no_transaction() {
    for scene in alone().await {
        let session = scene.connect().await;
        for protocol in PROTOCOLS {
            session.run(protocol, "BEGIN").await.unwrap();
            session.run(protocol, "INSERT INTO big (id) VALUES (-1)").await.unwrap();
            let (_, message) = session.refusal(protocol, "ALTER TABLE big ALTER b TYPE text USING (b || '')::text").await;
            assert!(message.contains("rewrites the whole table"), "it was tried, and is known: {message}");
            session.run(protocol, "ROLLBACK").await.unwrap();
        }
        let temporary = "SELECT count(*) FROM pg_class WHERE relpersistence = 't'";
        assert_eq!(scene.direct.value(temporary).await, "0");
        assert_eq!(session.value("SELECT count(*) FROM pg_my_temp_schema() AS s(oid) WHERE s.oid <> 0").await, "0");
    }
}

#[tokio::test]
async fn where_it_may_not_be_tried_the_worst_is_assumed() {
    for scene in alone().await {
        let sql = "ALTER TABLE big ALTER b TYPE text USING (b || '')::text";
        let database = &scene.database;
        scene
            .direct
            .batch_execute(&format!("REVOKE TEMPORARY ON DATABASE \"{database}\" FROM PUBLIC; ALTER TABLE big OWNER TO clear"))
            .await
            .unwrap();
        let session = connect_to(scene.proxy.port, &format!("user=clear password=clear dbname={database}")).await.unwrap();
        let (_, message) = session.refusal(Protocol::Simple, sql).await;
        assert!(message.contains("may rewrite the whole table"), "without the right to make temporary tables: {message}");
        let triggers = "CREATE FUNCTION seen() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER seen ON ddl_command_end EXECUTE FUNCTION seen()";
        scene.direct.batch_execute(&format!("GRANT TEMPORARY ON DATABASE \"{database}\" TO PUBLIC; {triggers}")).await.unwrap();
        let (_, message) = session.refusal(Protocol::Simple, sql).await;
        assert!(message.contains("may rewrite the whole table"), "an event trigger would see it: {message}");
        scene.direct.batch_execute("DROP EVENT TRIGGER seen").await.unwrap();
        let (_, message) = session.refusal(Protocol::Simple, sql).await;
        assert!(message.contains("rewrites the whole table"), "{message}");
        // The copy cannot be made: its owner may not use a type of his own table.
        scene
            .direct
            .batch_execute("CREATE TYPE mood AS ENUM ('good'); ALTER TABLE big ADD m mood; GRANT CREATE ON SCHEMA public TO clear; REVOKE USAGE ON TYPE mood FROM PUBLIC")
            .await
            .unwrap();
        for protocol in PROTOCOLS {
            assert!(session.refusal(protocol, sql).await.1.contains("may rewrite the whole table"));
            session.run(protocol, "BEGIN").await.unwrap();
            session.run(protocol, "CREATE TABLE kept (id int)").await.unwrap();
            let passing = "ALTER TABLE kept ALTER id TYPE bigint";
            session.run(protocol, passing).await.unwrap();
            assert!(session.refusal(protocol, sql).await.1.contains("may rewrite the whole table"));
            session.run(protocol, "ROLLBACK").await.unwrap();
        }
        assert_eq!(session.value("SELECT 1").await, "1");
    }
}

/// A copy, be it rolled back, would stand in the way of PREPARE TRANSACTION.
#[tokio::test]
async fn where_transactions_are_prepared_nothing_is_tried() {
    for scene in scenes(&format!("{BIG}{TYPES}")).await {
        let session = scene.connect().await;
        let (_, message) = session.refusal(Protocol::Simple, "ALTER TABLE big ALTER b TYPE text USING (b || '')::text").await;
        assert!(message.contains("may rewrite the whole table"), "{message}");
    }
}
