//! Persons let a refused statement through: exactly that one, as often as they said, and the log names them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::process::{Command, Output};

use serde_json::Value;
use support::scene::set_up;
use support::told::Told;
use support::{BIG, Cluster, PROTOCOLS, Protocol, Proxy, Session, clusters, connect_to, until};

const ONE: &str = "[[approval]]\nrules = [\"drop-column\", \"drop-table\"]\n";
const TWO: &str = "[[approval]]\nrules = [\"drop-column\"]\npeople = 2\n";
const WAITS: &str = "[[approval]]\nrules = [\"drop-column\"]\nwait = \"1h\"\n";
const DROP: &str = "ALTER TABLE big DROP COLUMN a";

struct Stage {
    cluster: &'static Cluster,
    proxy: Proxy,
    database: String,
    direct: Session,
}

impl Stage {
    async fn on(cluster: &'static Cluster, config: &str) -> Self {
        let (database, direct) = set_up(cluster, BIG).await;
        Self { cluster, proxy: Proxy::in_front_of(cluster, "enforce", config), database, direct }
    }

    async fn connect(&self) -> Session {
        self.proxy.connect(&self.database).await
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_pgairlock"))
            .args(arguments)
            .arg("--store")
            .arg(&self.proxy.store)
            .env_remove("SUDO_USER")
            .env("USER", "ann")
            .output()
            .unwrap()
    }

    fn approve(&self, arguments: &[&str]) -> String {
        let output = self.run(&[&["approve"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(&[&["approve"], arguments].concat());
        assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }

    fn requests(&self) -> Vec<Value> {
        let document: Value = serde_json::from_str(&self.approve(&["--format", "json"])).unwrap();
        document["requests"].as_array().unwrap().clone()
    }

    async fn has(&self, column: &str) -> bool {
        self.direct.value(&format!("SELECT count(*) FROM pg_attribute WHERE attrelid = 'big'::regclass AND attname = '{column}'")).await == "1"
    }

    /// What the log has of the newest decision about this SQL.
    fn shown(&self, like: &str) -> String {
        let store = self.proxy.searchable();
        let number: String =
            store.query_row("SELECT number FROM records WHERE sql LIKE ?1 ORDER BY at_unix_micros DESC LIMIT 1", [like], |row| row.get(0)).unwrap();
        String::from_utf8(self.run(&["audit", "show", &number]).stdout).unwrap()
    }

    /// So many uses of words are in this state.
    fn uses(&self, state: &str) -> i64 {
        let store = rusqlite::Connection::open(&self.proxy.store).unwrap();
        store.query_row("SELECT count(*) FROM uses WHERE state = ?1", [state], |row| row.get(0)).unwrap()
    }
}

/// The fingerprint that a refusal names; the request for it is in the store.
async fn refused(stage: &Stage, session: &Session, protocol: Protocol, sql: &str) -> String {
    let (code, message) = session.refusal(protocol, sql).await;
    assert_eq!(code, "PA003", "{message}");
    let fingerprint = message.split("pgairlock approve ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let known = |request: &Value| request["fingerprint"].as_str().unwrap().starts_with(&fingerprint);
    until("the request", async || stage.requests().iter().any(known)).await;
    fingerprint
}

#[tokio::test]
async fn a_person_lets_one_statement_through_once() {
    for cluster in clusters() {
        let stage = Stage::on(cluster, ONE).await;
        for (protocol, column) in PROTOCOLS.into_iter().zip(["a", "b"]) {
            let session = stage.connect().await;
            let sql = format!("ALTER TABLE big DROP COLUMN {column}");
            let fingerprint = refused(&stage, &session, protocol, &sql).await;
            let told = stage.approve(&[&fingerprint, "--reason", "unread since March"]);
            assert!(told.starts_with("approved by ann (entry ") && told.contains(&sql), "{told}");
            session.run(protocol, &sql).await.unwrap();
            assert!(!stage.has(column).await);
            let notices = session.notice_texts().join("\n");
            assert!(notices.contains("approved by ann (unread since March)"), "{notices}");
            until("told in the log", async || stage.shown(&sql).contains("the approval is used")).await;
            let shown = stage.shown(&sql);
            assert!(shown.contains("drop-column lifted by ann (entry ") && shown.contains("unread since March"), "{shown}");
            // The table is another one for the next.
            stage.direct.batch_execute(&format!("ALTER TABLE big ADD COLUMN {column} int")).await.unwrap();
            refused(&stage, &session, protocol, &sql).await;
        }
        assert_eq!((stage.uses("consumed"), stage.uses("reserved")), (2, 0));
    }
}

#[tokio::test]
async fn another_letter_role_or_table_is_another_statement() {
    let cluster = clusters()[0];
    let stage = Stage::on(cluster, ONE).await;
    let session = stage.connect().await;
    let fingerprint = refused(&stage, &session, Protocol::Simple, DROP).await;
    stage.approve(&[&fingerprint, "--reason", "r", "--uses", "5"]);
    refused(&stage, &session, Protocol::Simple, "ALTER TABLE big DROP COLUMN b").await;
    refused(&stage, &session, Protocol::Simple, "ALTER TABLE public.big DROP COLUMN a").await;
    stage.direct.batch_execute("ALTER TABLE big OWNER TO trusted").await.unwrap();
    let other = connect_to(stage.proxy.port, &format!("user=trusted dbname={}", stage.database)).await.unwrap();
    refused(&stage, &other, Protocol::Simple, DROP).await;
    // Another table of the same name.
    stage.direct.batch_execute(&format!("DROP TABLE big; {BIG}")).await.unwrap();
    refused(&stage, &session, Protocol::Simple, DROP).await;
    assert_eq!(stage.uses("free"), 5);
}

#[tokio::test]
async fn a_use_that_is_rolled_back_is_there_again() {
    for cluster in clusters() {
        let stage = Stage::on(cluster, ONE).await;
        let session = stage.connect().await;
        let fingerprint = refused(&stage, &session, Protocol::Simple, DROP).await;
        stage.approve(&[&fingerprint, "--reason", "r"]);
        session.batch_execute("BEGIN").await.unwrap();
        session.batch_execute(DROP).await.unwrap();
        assert_eq!(stage.uses("reserved"), 1);
        let second = stage.connect().await;
        assert_eq!(second.refusal(Protocol::Simple, DROP).await.0, "PA003", "it is taken");
        session.batch_execute("ROLLBACK").await.unwrap();
        until("given back", async || stage.uses("free") == 1).await;
        // A session that is gone takes it along until that is known.
        second.batch_execute("BEGIN").await.unwrap();
        second.batch_execute(DROP).await.unwrap();
        drop(second);
        let mut third = stage.connect().await;
        until("given back by the end of the session", async || {
            third = stage.connect().await;
            third.batch_execute("BEGIN").await.unwrap();
            third.batch_execute(DROP).await.is_ok()
        })
        .await;
        third.batch_execute("COMMIT").await.unwrap();
        until("used", async || stage.uses("consumed") == 1).await;
        assert!(!stage.has("a").await);
        // A statement that the server refuses has used nothing.
        let session = stage.connect().await;
        let fingerprint = refused(&stage, &session, Protocol::Simple, "DROP TABLE big").await;
        stage.approve(&[&fingerprint, "--reason", "r"]);
        stage.direct.batch_execute("CREATE VIEW v AS SELECT * FROM big").await.unwrap();
        assert_eq!(session.refusal(Protocol::Simple, "DROP TABLE big").await.0, "2BP01");
        until("given back by the failure", async || stage.uses("free") == 1).await;
    }
}

#[tokio::test]
async fn expired_used_up_and_taken_back_it_lets_nothing_through() {
    let stage = Stage::on(clusters()[0], ONE).await;
    let session = stage.connect().await;
    let fingerprint = refused(&stage, &session, Protocol::Simple, DROP).await;
    stage.approve(&[&fingerprint, "--reason", "r", "--expires", "1ms"]);
    until("expired", async || stage.approve(&[]).contains("(expired ")).await;
    refused(&stage, &session, Protocol::Simple, DROP).await;
    stage.approve(&[&fingerprint, "--reason", "r", "--by", "bob"]);
    let back = stage.approve(&[&fingerprint, "--revoke", "--reason", "not yet"]);
    assert!(back.starts_with("taken back: what bob said (entry "), "{back}");
    refused(&stage, &session, Protocol::Simple, DROP).await;
    let told = stage.approve(&[]);
    assert!(told.contains("not approved") && told.contains("bob (taken back by ann: not yet): r") && told.contains(DROP), "{told}");
    assert!(stage.fails(&[&fingerprint, "--revoke", "--reason", "again"]).contains("nothing is in force"));
}

#[tokio::test]
async fn two_persons_are_two() {
    let stage = Stage::on(clusters()[0], TWO).await;
    let session = stage.connect().await;
    let fingerprint = refused(&stage, &session, Protocol::Simple, DROP).await;
    assert!(stage.approve(&[&fingerprint, "--reason", "r"]).ends_with("1 more person has to approve it\n"));
    stage.approve(&[&fingerprint, "--reason", "r again"]);
    refused(&stage, &session, Protocol::Simple, DROP).await;
    stage.approve(&[&fingerprint, "--reason", "seen", "--by", "bob"]);
    session.batch_execute(DROP).await.unwrap();
    until("told in the log", async || stage.shown(DROP).contains("the approval is used")).await;
    let shown = stage.shown(DROP);
    assert!(shown.contains("lifted by ann") && shown.contains("and by bob"), "{shown}");
    assert_eq!((stage.uses("consumed"), stage.uses("free")), (2, 1));
}

#[tokio::test]
async fn a_string_of_several_statements_is_one() {
    for cluster in clusters() {
        let stage = Stage::on(cluster, ONE).await;
        let session = stage.connect().await;
        let sql = "CREATE INDEX i ON big (b); ALTER TABLE big DROP COLUMN a; SELECT 1";
        let fingerprint = refused(&stage, &session, Protocol::Simple, sql).await;
        stage.approve(&[&fingerprint, "--reason", "r"]);
        session.batch_execute(sql).await.unwrap();
        assert!(!stage.has("a").await);
        assert_eq!(stage.direct.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass").await, "t");
        until("used", async || stage.uses("consumed") == 1).await;
        assert_eq!(session.refusal(Protocol::Simple, "ALTER TABLE big DROP COLUMN b").await.0, "PA003", "the next string has none");
    }
}

#[tokio::test]
async fn a_deploy_waits_for_its_reviewer_and_holds_nothing() {
    for cluster in clusters() {
        let stage = Stage::on(cluster, WAITS).await;
        for in_block in [false, true] {
            let session = stage.connect().await;
            if in_block {
                session.batch_execute("BEGIN").await.unwrap();
            }
            let sql = if in_block { "ALTER TABLE big DROP COLUMN b" } else { DROP };
            let (ended, ()) = tokio::join!(session.batch_execute(sql), async {
                let words = Told::by(&session).until(&["waiting for an approval", "pgairlock approve "]).await;
                let fingerprint = words.split("pgairlock approve ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
                until("the request", async || !stage.requests().is_empty()).await;
                stage.direct.batch_execute("LOCK TABLE big IN ACCESS EXCLUSIVE MODE NOWAIT").await.unwrap_err();
                stage.direct.batch_execute("BEGIN; LOCK TABLE big IN ACCESS EXCLUSIVE MODE NOWAIT; COMMIT").await.unwrap();
                stage.approve(&[&fingerprint, "--reason", "seen"]);
            });
            ended.unwrap();
            if in_block {
                session.batch_execute("COMMIT").await.unwrap();
            }
        }
        assert!(!stage.has("a").await && !stage.has("b").await);
        // What others wait for is not held: the answer is immediate.
        stage.direct.batch_execute("CREATE TABLE other (a int); INSERT INTO other VALUES (1); ALTER TABLE big ADD COLUMN c int").await.unwrap();
        let session = stage.connect().await;
        session.batch_execute("BEGIN; INSERT INTO other VALUES (2)").await.unwrap();
        assert_eq!(session.refusal(Protocol::Simple, "ALTER TABLE big DROP COLUMN c").await.0, "PA003");
        let _ = stage.cluster;
    }
}

#[tokio::test]
async fn a_wait_is_cancelled_and_ends_with_its_client() {
    let stage = Stage::on(clusters()[0], WAITS).await;
    let session = stage.connect().await;
    let cancel = session.cancel_token();
    let (ended, ()) = tokio::join!(session.batch_execute(DROP), async {
        Told::by(&session).until(&["waiting for an approval"]).await;
        cancel.cancel_query(tokio_postgres::NoTls).await.unwrap();
    });
    let code = ended.unwrap_err().as_db_error().unwrap().code().code().to_owned();
    assert_eq!((code.as_str(), stage.has("a").await), ("57014", true));
    session.batch_execute("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn the_command_says_what_is_wrong() {
    let stage = Stage::on(clusters()[0], ONE).await;
    assert_eq!(stage.approve(&[]), "nothing was refused that may be approved\n");
    assert!(stage.fails(&["0123456789ab", "--reason", "r"]).contains("no statement of the fingerprint 0123456789ab was refused"));
    assert!(stage.fails(&["xyz", "--reason", "r"]).contains("8 to 64 hexadecimal digits"));
    assert!(stage.fails(&["0123456789ab"]).contains("--reason is missing"));
    assert!(stage.fails(&["0123456789ab", "--reason", " "]).contains("say why; it stands in the log"));
}
