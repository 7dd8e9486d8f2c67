//! A store that cannot be written: DDL is refused, everything else goes on, and all is well when the store answers again.

use std::fs;
use std::path::{Path, PathBuf};

use super::support::{Proxy, Session, clusters};
use super::{events, stored, until, with_large_table};

/// As the store's directory under another name, with every file of it.
fn files(store: &Path) -> Vec<PathBuf> {
    ["", "-wal", "-shm"].iter().map(|end| PathBuf::from(format!("{}{end}", store.display()))).collect()
}

/// DDL is refused in time, in and out of a transaction; ROLLBACK and queries are not.
async fn refuses_ddl_only(session: &Session) -> String {
    let refused = session.error("CREATE INDEX ON large (id)").await;
    assert_eq!(refused.code().code(), "PA005");
    session.batch_execute("BEGIN").await.unwrap();
    assert_eq!(session.value("SELECT 1").await, "1");
    assert_eq!(session.error("ALTER TABLE large ADD COLUMN a int").await.code().code(), "PA005");
    session.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(session.value("SELECT count(*) FROM information_schema.columns WHERE table_name = 'large'").await, "2");
    refused.message().to_owned()
}

async fn until_ready(proxy: &Proxy) {
    until("ready again", async || proxy.http("/readyz").unwrap().contains("200")).await;
}

/// A probe that had no answer in time says so, and the next one is asked.
async fn until_not_ready(proxy: &Proxy, why: &str) {
    let told = |answer: &str| answer.contains("503") && answer.contains(why);
    until(&format!("not ready: {why}"), async || told(&proxy.http("/readyz").unwrap())).await;
}

async fn works_again(proxy: &Proxy, session: &Session) {
    until_ready(proxy).await;
    session.batch_execute("ALTER TABLE large ADD COLUMN b int").await.unwrap();
    let last = "SELECT sql || ' ' || coalesce(outcome_tag, '?') FROM records ORDER BY id DESC LIMIT 1";
    until("recorded", async || stored(proxy, last) == ["ALTER TABLE large ADD COLUMN b int ALTER TABLE"]).await;
}

#[tokio::test]
async fn locked_by_another_process() {
    let cluster = clusters()[0];
    let (database, _direct) = with_large_table(cluster).await;
    // Far more than the wait for the other process, whose reason is to be told.
    let proxy = Proxy::in_front_of(cluster, "enforce", "[timeouts]\nstore = \"60s\"\n");
    let session = proxy.connect(&database).await;
    let other = rusqlite::Connection::open(&proxy.store).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    until_not_ready(&proxy, "locked by another process").await;
    let told = refuses_ddl_only(&session).await;
    assert!(told.contains("locked by another process"), "{told}");
    assert_eq!(events(&proxy, "store_failed")[0]["kind"], "busy");
    other.execute_batch("COMMIT").unwrap();
    works_again(&proxy, &session).await;
    assert!(proxy.http("/metrics").unwrap().contains("pgairlock_store_errors_total{kind=\"busy\"} 2"));
}

#[tokio::test]
async fn deleted_under_the_running_process() {
    let cluster = clusters()[0];
    let (database, _direct) = with_large_table(cluster).await;
    let proxy = Proxy::in_front_of(cluster, "enforce", "");
    let session = proxy.connect(&database).await;
    session.batch_execute("ALTER TABLE large ADD COLUMN first int; ALTER TABLE large RENAME COLUMN first TO second").await.unwrap_err();
    let kept = proxy.store.with_file_name("elsewhere");
    fs::create_dir(&kept).unwrap();
    for file in files(&proxy.store) {
        fs::rename(&file, kept.join(file.file_name().unwrap())).unwrap();
    }
    until_not_ready(&proxy, "deleted or replaced").await;
    let told = refuses_ddl_only(&session).await;
    assert!(told.contains("deleted or replaced"), "{told}");
    assert!(!proxy.store.exists(), "an empty store in the place of a lost one would hide the loss");
    for file in files(&proxy.store) {
        fs::rename(kept.join(file.file_name().unwrap()), &file).unwrap();
    }
    works_again(&proxy, &session).await;
}

#[tokio::test]
async fn replaced_by_a_copy() {
    let cluster = clusters()[0];
    let (database, _direct) = with_large_table(cluster).await;
    let proxy = Proxy::in_front_of(cluster, "enforce", "");
    let session = proxy.connect(&database).await;
    session.batch_execute("ALTER TABLE large ADD COLUMN a int").await.unwrap();
    let copy = proxy.store.with_file_name("copy.db");
    rusqlite::Connection::open(&proxy.store).unwrap().execute_batch(&format!("VACUUM INTO '{}'", copy.display())).unwrap();
    for file in files(&proxy.store) {
        fs::remove_file(file).unwrap();
    }
    fs::rename(&copy, &proxy.store).unwrap();
    works_again(&proxy, &session).await;
    assert_eq!(stored(&proxy, "SELECT count(*) || '' FROM records"), ["2"]);
}

#[tokio::test]
async fn passwords_are_in_no_log_and_in_no_store() {
    let cluster = clusters()[0];
    let database = cluster.database().await;
    let proxy = Proxy::in_front_of(cluster, "enforce", "");
    let session = proxy.connect(&database).await;
    let role = format!("keeper_{database}");
    for statement in [
        "CREATE ROLE NAME PASSWORD 'hunter2-a'",
        "ALTER ROLE NAME WITH ENCRYPTED PASSWORD $pw$hunter2-b$pw$",
        "ALTER USER NAME PASSWORD E'hunter2-c\\''",
        "DO $$ BEGIN EXECUTE 'ALTER ROLE NAME PASSWORD ''hunter2-d'''; END $$",
        "ALTER ROLE NAME PASSWORD 'hunter2-e",
        "CREATE SUBSCRIPTION s CONNECTION 'host=nowhere password=hunter2-f' PUBLICATION p",
        "DROP ROLE NAME",
    ] {
        let _either = session.simple_query(&statement.replace("NAME", &role)).await;
    }
    until("judged", async || events(&proxy, "decision").len() >= 5).await;
    let log = proxy.log();
    assert!(log.contains(&role) && log.contains("CREATE ROLE"), "{log}");
    assert!(!log.contains("hunter2"), "{}", log.lines().filter(|line| line.contains("hunter2")).collect::<Vec<_>>().join("\n"));
    for file in files(&proxy.store) {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"hunter2"), "{}", file.display());
    }
}
