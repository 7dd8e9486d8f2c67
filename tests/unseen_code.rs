//! Code that nobody sees in the statement: it runs in a transaction, and what it has really locked is looked at before the next statement and before
//! the COMMIT.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use support::frontend::{bind, execute, parse, query, statement, sync};
use support::{BIG, PROTOCOLS, Protocol, Scene, scenes};

const CODE: &str = "
    CREATE TABLE little (id int PRIMARY KEY, note text);
    INSERT INTO little VALUES (1, 'a');
    CREATE TABLE empty (id int);
    CREATE PROCEDURE run(command text) LANGUAGE plpgsql AS $$ BEGIN EXECUTE command; END $$;
    CREATE FUNCTION runs(command text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE command; RETURN 42; END $$;
    CREATE PROCEDURE makes_and_drops() LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE 'CREATE TEMP TABLE scratch AS SELECT 1 AS n'; EXECUTE 'DROP TABLE scratch';
        EXECUTE 'CREATE TABLE made (id int)'; EXECUTE 'CREATE INDEX ON made (id)'; EXECUTE 'DROP TABLE IF EXISTS nothing';
    END $$;
    CREATE PROCEDURE adds(INOUT n int) LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT $1 + 1' INTO n USING n; END $$;
    CREATE PROCEDURE ends() LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT 1'; COMMIT; END $$;";

async fn scene() -> Vec<Scene> {
    scenes(&format!("{BIG}{CODE}")).await
}

/// What is refused once it has run, and why.
const HARMFUL: &[(&str, &str)] = &[
    ("ALTER TABLE big ADD COLUMN c int", "it took lock AccessExclusive on public.big"),
    ("CREATE INDEX ON big (a)", "it took lock Share on public.big"),
    ("ALTER TABLE big RENAME TO great", "it took lock AccessExclusive on public.great"),
    ("DROP TABLE big", "it dropped a table, view or index that was there before"),
    ("DROP INDEX big_pkey_but_named", "does not exist"),
    ("ALTER TABLE little DROP COLUMN note", "it took lock AccessExclusive on public.little"),
    ("TRUNCATE big", "it took lock AccessExclusive on public.big"),
];

const HARMLESS: &[&str] = &[
    "UPDATE big SET a = 7 WHERE id = 1",
    "CREATE INDEX ON little (note)",
    "ALTER TABLE empty ADD COLUMN IF NOT EXISTS c int",
    "CREATE OR REPLACE VIEW seen AS SELECT 1 AS one",
    "CREATE TABLE IF NOT EXISTS quick (id int)",
];

fn quoted(sql: &str) -> String {
    sql.replace('\'', "''")
}

#[tokio::test]
async fn outside_a_transaction_it_gets_one_and_is_taken_back() {
    for scene in scene().await {
        let session = scene.connect().await;
        for protocol in PROTOCOLS {
            for (sql, why) in HARMFUL {
                for call in [format!("CALL run('{}')", quoted(sql)), format!("SELECT runs('{}')", quoted(sql))] {
                    let (sqlstate, message) = session.refusal(protocol, &call).await;
                    assert!(message.contains(why), "{protocol:?} {call} on {}: {sqlstate} {message}", scene.cluster.version);
                    assert!(*why == "does not exist" || sqlstate == "PA001" && message.contains("[opaque-code]"), "{call}: {sqlstate} {message}");
                    assert_eq!(scene.direct.value("SELECT count(*) FROM big").await, "12000", "{call}");
                }
            }
            for sql in HARMLESS {
                session.run(protocol, &format!("CALL run('{}')", quoted(sql))).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            }
            assert!(scene.has_column("little", "note").await && !scene.has_column("big", "c").await);
            session.run(protocol, "CALL makes_and_drops()").await.unwrap();
            assert!(scene.has("made").await, "what is new is nobody's");
            scene.direct.batch_execute("DROP TABLE made; DROP VIEW seen").await.unwrap();
        }
        assert_eq!(session.value("SELECT runs('SELECT 1')").await, "42", "rows come as they are");
        assert_eq!(session.value("CALL adds(1)").await, "2");
        let (sqlstate, message) = session.refusal(Protocol::Simple, "CALL ends()").await;
        assert_eq!((&*sqlstate, message.contains("[opaque-code]")), ("PA002", true), "what ends its transaction cannot be looked at: {message}");
    }
}

#[tokio::test]
async fn in_a_block_it_is_taken_back_at_the_commit() {
    for scene in scene().await {
        let session = scene.connect().await;
        for protocol in PROTOCOLS {
            session.run(protocol, "BEGIN").await.unwrap();
            session.run(protocol, "INSERT INTO little VALUES (2, 'b')").await.unwrap();
            session.run(protocol, "CALL run('ALTER TABLE big ADD COLUMN c int')").await.unwrap();
            let (sqlstate, message) = session.refusal(protocol, "COMMIT").await;
            assert_eq!((&*sqlstate, message.contains("Nothing of it is committed.")), ("PA001", true), "{message}");
            assert_eq!(session.value("SELECT count(*) FROM little").await, "1", "the transaction is over, and nothing of it is there");
            assert!(!scene.has_column("big", "c").await);

            session.run(protocol, "BEGIN").await.unwrap();
            session.run(protocol, "CALL run('CREATE TABLE quick (id int)')").await.unwrap();
            session.run(protocol, "COMMIT").await.unwrap();
            assert!(scene.has("quick").await);
            scene.direct.batch_execute("DROP TABLE quick").await.unwrap();
        }
    }
}

/// What a later statement locks is its own affair.
#[tokio::test]
async fn in_a_block_it_is_told_before_the_next_ddl() {
    for scene in scene().await {
        let session = scene.connect().await;
        for protocol in PROTOCOLS {
            session.run(protocol, "BEGIN").await.unwrap();
            session.run(protocol, "CALL run('DROP TABLE big')").await.unwrap();
            let (sqlstate, message) = session.refusal(protocol, "CREATE TABLE after (id int)").await;
            assert_eq!((&*sqlstate, message.contains("it dropped a table")), ("PA001", true), "{message}");
            assert_eq!(session.refusal(protocol, "SELECT 1").await.0, "25P02");
            session.run(protocol, "COMMIT").await.unwrap();

            session.run(protocol, "BEGIN").await.unwrap();
            session.run(protocol, "CALL run('CREATE TABLE quick (id int)')").await.unwrap();
            session.run(protocol, "ALTER TABLE big ADD COLUMN later int").await.unwrap();
            session.run(protocol, "COMMIT").await.unwrap();
            assert!(scene.has_column("big", "later").await, "judged by itself, it may");
            scene.direct.batch_execute("ALTER TABLE big DROP COLUMN later; DROP TABLE quick").await.unwrap();

            session.run(protocol, "BEGIN").await.unwrap();
            session.run(protocol, "SAVEPOINT s").await.unwrap();
            session.run(protocol, "CALL run('ALTER TABLE big ADD COLUMN c int')").await.unwrap();
            session.run(protocol, "ROLLBACK TO s").await.unwrap();
            session.run(protocol, "COMMIT").await.unwrap();
        }
        assert!(!scene.has_column("big", "c").await);
    }
}

/// The lock was there before the code ran: what it did to the table tells.
#[tokio::test]
async fn under_a_lock_that_is_held_already_it_is_seen_all_the_same() {
    for scene in scene().await {
        let session = scene.connect().await;
        for protocol in PROTOCOLS {
            for hidden in [
                "DROP TABLE big",
                "TRUNCATE big",
                "ALTER TABLE big DROP COLUMN b",
                "ALTER TABLE big RENAME COLUMN b TO d",
                "CREATE INDEX ON big (a)",
                "ALTER TABLE big ADD CHECK (a > -10)",
                "ALTER TABLE big ALTER a TYPE bigint",
            ] {
                session.run(protocol, "BEGIN").await.unwrap();
                session.run(protocol, "ALTER TABLE big ADD COLUMN seen int").await.unwrap();
                session.run(protocol, &format!("CALL run('{hidden}')")).await.unwrap();
                let (sqlstate, message) = session.refusal(protocol, "COMMIT").await;
                assert_eq!((&*sqlstate, message.contains("[opaque-code]")), ("PA001", true), "{hidden} on {}: {message}", scene.cluster.version);
            }
            session.run(protocol, "BEGIN").await.unwrap();
            session.run(protocol, "ALTER TABLE big ADD COLUMN seen int").await.unwrap();
            session.run(protocol, "CALL run('UPDATE big SET seen = 1 WHERE id = 1')").await.unwrap();
            session.run(protocol, "COMMIT").await.unwrap();
            assert_eq!(scene.direct.value("SELECT seen FROM big WHERE id = 1").await, "1", "rows it may write");
            scene.direct.batch_execute("ALTER TABLE big DROP COLUMN seen").await.unwrap();
        }
    }
}

#[tokio::test]
async fn in_strings_and_pipelines() {
    for scene in scene().await {
        let mut client = scene.raw().await;
        let harmful = "CALL run('ALTER TABLE big ADD COLUMN c int')";
        let reply = client.ask(&format!("INSERT INTO little VALUES (3, 'c'); {harmful}; INSERT INTO little VALUES (4, 'd')")).await;
        assert_eq!((reply.sqlstate(), reply.status), ("PA001", b'I'));
        let reply = client.ask("INSERT INTO little VALUES (3, 'c'); CALL run('SELECT 1'); INSERT INTO little VALUES (4, 'd')").await;
        assert_eq!(
            (reply.tags.clone(), reply.status),
            (vec!["INSERT 0 1".to_owned(), "CALL".to_owned(), "INSERT 0 1".to_owned()], b'I'),
            "{reply:?}"
        );
        // As pgjdbc sends it: BEGIN, the call and COMMIT without waiting.
        let batch = [statement("BEGIN"), statement(harmful), statement("COMMIT"), sync()].concat();
        let reply = client.exchange(&batch, 1).await.remove(0);
        assert_eq!((reply.sqlstate(), reply.status), ("PA001", b'I'), "{reply:?}");
        let batch = [statement("INSERT INTO little VALUES (5, 'e')"), statement(harmful), sync()].concat();
        let reply = client.exchange(&batch, 1).await.remove(0);
        assert_eq!((reply.sqlstate(), reply.status), ("PA001", b'I'), "{reply:?}");
        let named = [parse("again", "CALL run('SELECT 1')"), bind("", "again"), execute(""), sync()].concat();
        for _ in 0..2 {
            let reply = client.exchange(&named, 1).await.remove(0);
            assert_eq!((reply.tags.clone(), reply.status), (vec!["CALL".to_owned()], b'I'), "{reply:?}");
            client.exchange(&[&[b'C', 0, 0, 0, 11, b'S'][..], b"again\0", &sync()].concat(), 1).await;
        }
        let reply = client.exchange(&query("SELECT count(*) FROM little"), 1).await.remove(0);
        assert_eq!(reply.rows, ["3"]);
        assert!(!scene.has_column("big", "c").await);
        // Behind a block each statement is asked about anew, and all of them end together.
        let block = "DO $$ BEGIN CREATE TYPE mood AS ENUM ('good'); EXCEPTION WHEN duplicate_object THEN NULL; END $$; ";
        let reply = client.ask(&format!("{block}CREATE INDEX big_a ON big (a); ALTER TABLE big ADD COLUMN m mood")).await;
        assert_eq!((reply.tags.clone(), reply.status), (["DO", "CREATE INDEX", "ALTER TABLE"].map(str::to_owned).to_vec(), b'I'), "{reply:?}");
        assert_eq!(scene.direct.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'big_a'::regclass").await, "t");
        let reply = client.ask(&format!("{block}CREATE TABLE half (id int); ALTER TABLE big DROP COLUMN m")).await;
        assert_eq!((reply.sqlstate(), reply.status), ("PA001", b'I'), "{reply:?}");
        assert!(!scene.has("half").await, "what stood before the refused one is taken back with it");
    }
}

/// The form in which ORMs write what may be there already.
#[tokio::test]
async fn plain_ddl_in_a_block_passes_where_it_is_safe() {
    for scene in scene().await {
        let session = scene.connect().await;
        for protocol in PROTOCOLS {
            for _ in 0..2 {
                let guarded = "DO $$ BEGIN CREATE TYPE mood AS ENUM ('good', 'bad'); EXCEPTION WHEN duplicate_object THEN NULL; END $$";
                session.run(protocol, guarded).await.unwrap();
                let key = "DO $$ BEGIN ALTER TABLE empty ADD CONSTRAINT k FOREIGN KEY (id) REFERENCES little (id); EXCEPTION WHEN duplicate_object THEN NULL; END $$";
                session.run(protocol, key).await.unwrap();
            }
            let slow = "DO $$ BEGIN ALTER TABLE big ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES little (id); EXCEPTION WHEN duplicate_object THEN NULL; END $$";
            let (sqlstate, message) = session.refusal(protocol, slow).await;
            assert!(
                sqlstate == "PA001" && message.contains("ALTER TABLE big ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES little (id) NOT VALID"),
                "{sqlstate} {message}"
            );
        }
    }
}
