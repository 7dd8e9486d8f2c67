//! A server that goes away, several of them, and a pgairlock that is killed.

use std::process::Command;

use super::support::raw::{Message, frame, text};
use super::support::{Cluster, Proxy, RawClient, clusters};
use super::{blocker, events, stored, unfinished, until, until_logged, until_running, with_large_table};

/// Servers of their own, since they are stopped.
fn own_clusters() -> Vec<Cluster> {
    clusters().into_iter().map(|shared| Cluster::start(&shared.version).unwrap()).collect()
}

fn error(messages: &[Message]) -> (String, String) {
    let (_, body) = messages.iter().find(|(tag, _)| *tag == b'E').unwrap_or_else(|| panic!("no error: {messages:?}"));
    (text(body, b'C'), text(body, b'M'))
}

#[tokio::test]
async fn a_restart_ends_sessions_with_words_and_the_next_ones_are_well() {
    for cluster in own_clusters() {
        let proxy = Proxy::in_front_of(&cluster, "enforce", "");
        let mut idle = RawClient::log_in(proxy.port, "postgres").await;
        let mut busy = RawClient::log_in(proxy.port, "postgres").await;
        busy.query("BEGIN").await;
        busy.query("CREATE TABLE unfinished ()").await;
        cluster.stop();
        for client in [&mut idle, &mut busy] {
            let (sqlstate, message) = error(&client.until(b'E').await);
            assert!(["57P01", "57P02", "08006"].contains(&&*sqlstate), "{sqlstate}: {message}");
            assert_eq!(client.rest().await, "");
        }
        let mut refused = RawClient::connect(proxy.port).await;
        refused.start(&[("user", "trusted"), ("database", "postgres")]).await;
        let (sqlstate, message) = refused.fatal().await;
        assert_eq!(sqlstate, "08001");
        assert!(message.contains("connection refused") && message.contains("nothing was run"), "{message}");
        cluster.restart();
        let mut after = RawClient::log_in(proxy.port, "postgres").await;
        assert_eq!(after.query("SELECT FROM unfinished").await[0].0, b'E');
        until("sessions gone", async || proxy.http("/metrics").unwrap().contains("pgairlock_sessions{listener=\"migrations\"} 1")).await;
        assert!(proxy.http("/metrics").unwrap().contains("pgairlock_upstream_errors_total{upstream=\"main\",kind=\"lost\"} 2"));
    }
}

#[tokio::test]
async fn a_server_that_dies_under_a_rewrite_leaves_instructions_and_an_outcome() {
    for cluster in own_clusters() {
        let (database, direct) = with_large_table(&cluster).await;
        let _blocking = blocker(&cluster, &database).await;
        let proxy = Proxy::in_front_of(&cluster, "enforce", "");
        let mut client = RawClient::log_in(proxy.port, &database).await;
        client.send(&frame(b'Q', b"CREATE INDEX i ON large (id)\0")).await;
        until_running(&direct, "CREATE INDEX CONCURRENTLY%").await;
        cluster.stop();
        let (sqlstate, message) = error(&client.until(b'E').await);
        assert_eq!(sqlstate, "08006");
        assert!(
            message.contains("CREATE INDEX CONCURRENTLY i ON large (id)") && message.contains("The next session of this role takes back"),
            "{message}"
        );
        until_logged(&proxy, "session_closed").await;
        until("outcome", async || stored(&proxy, "SELECT outcome_sqlstate FROM records") == ["08006"]).await;
        assert_eq!(unfinished(&proxy), ["CREATE INDEX i ON large (id)"]);
    }
}

/// The server goes on by itself, and the store shows what was under way.
#[tokio::test]
async fn a_killed_pgairlock_leaves_a_decision_without_outcome() {
    for cluster in clusters() {
        let (database, direct) = with_large_table(cluster).await;
        let blocking = blocker(cluster, &database).await;
        let mut proxy = Proxy::in_front_of(cluster, "enforce", "");
        let mut client = RawClient::log_in(proxy.port, &database).await;
        client.send(&frame(b'Q', b"CREATE INDEX i ON large (id)\0")).await;
        until_running(&direct, "CREATE INDEX CONCURRENTLY%").await;
        proxy.signal("KILL");
        assert_eq!(proxy.wait(), None);
        assert!(client.until(b'Z').await.iter().all(|(tag, _)| *tag == b'N'), "nothing was confirmed");
        // What can be searched of it is made by who opens the store next.
        let listed = Command::new(env!("CARGO_BIN_EXE_pgairlock")).args(["audit", "list", "--store"]).arg(&proxy.store).output().unwrap();
        assert!(listed.status.success(), "{listed:?}");
        let open = "SELECT decision || ' ' || steps FROM records WHERE outcome_tag IS NULL AND outcome_sqlstate IS NULL";
        assert_eq!(stored(&proxy, open), ["rewrite [\"CREATE INDEX CONCURRENTLY i ON large (id)\"]"]);
        assert_eq!(unfinished(&proxy), ["CREATE INDEX i ON large (id)"]);
        blocking.batch_execute("COMMIT").await.unwrap();
        let valid = "SELECT indisvalid::text FROM pg_index WHERE indexrelid = to_regclass('i')";
        until("the server has built it", async || direct.value(valid).await == "true").await;
    }
}

#[tokio::test]
async fn listeners_with_modes_and_upstreams_by_database() {
    let cluster = clusters()[0];
    let ((one, direct_one), (two, direct_two)) = (with_large_table(cluster).await, with_large_table(cluster).await);
    let warns = super::support::free_port();
    let port = cluster.port;
    let proxy = Proxy::start(&format!(
        "[[listener]]\nname = \"strict\"\naddress = \"{{listen}}\"\n\
         [[listener]]\nname = \"lenient\"\naddress = \"127.0.0.1:{warns}\"\nmode = \"warn\"\n\
         [[upstream]]\nname = \"one\"\ndatabases = [\"{one}\"]\nhosts = [\"127.0.0.1:1\", \"127.0.0.1:{port}\"]\ntls = {{ mode = \"disable\" }}\n\
         [[upstream]]\nname = \"two\"\ndatabases = [\"{two}\"]\nhosts = [\"127.0.0.1:{port}\"]\ntls = {{ mode = \"disable\" }}\n"
    ));
    let mut strict = RawClient::log_in(proxy.port, &one).await;
    assert_eq!(error(&strict.query("ALTER TABLE large DROP COLUMN t").await).0, "PA001");
    let mut lenient = RawClient::log_in(warns, &two).await;
    let answer = lenient.query("ALTER TABLE large DROP COLUMN t").await;
    assert_eq!(answer.iter().map(|(tag, _)| *tag).collect::<Vec<_>>(), b"NCZ", "{answer:?}");
    let columns = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'large'";
    assert_eq!((&*direct_one.value(columns).await, &*direct_two.value(columns).await), ("2", "1"));
    let mut unknown = RawClient::connect(proxy.port).await;
    unknown.start(&[("user", "trusted"), ("database", "three")]).await;
    let (sqlstate, message) = unknown.fatal().await;
    assert_eq!((&*sqlstate, message.contains("\"three\"")), ("3D000", true), "{message}");
    until_logged(&proxy, "login_failed").await;
    let opened: Vec<String> = events(&proxy, "session_opened").iter().map(|line| format!("{} {}", line["listener"], line["upstream"])).collect();
    assert_eq!(opened, ["\"strict\" \"one\"", "\"lenient\" \"two\""]);
    let decided: Vec<String> = events(&proxy, "decision").iter().map(|line| line["decision"].to_string()).collect();
    assert_eq!(decided, ["\"refuse\"", "\"would-refuse\""]);
    let metrics = proxy.http("/metrics").unwrap();
    for line in [
        "pgairlock_decisions_total{rule=\"drop-column\",decision=\"refuse\"} 1",
        "pgairlock_decisions_total{rule=\"drop-column\",decision=\"would-refuse\"} 1",
        "pgairlock_login_failures_total{kind=\"unknown-database\"} 1",
        "pgairlock_sessions_total{listener=\"lenient\"} 1",
    ] {
        assert!(metrics.lines().any(|told| told == line), "{line}: {metrics}");
    }
}
