//! With `[monitor]`, a client that waits behind its COMMIT hears how far the build is and whom it waits for; without, or where that fails, the time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::time::{Duration, Instant};

use support::scene::set_up;
use support::{Cluster, Proxy, Session, Told, clusters, connect_to, directory};
use tokio::net::{TcpListener, TcpStream};

const TABLE: &str = "CREATE TABLE t (id int, a int, b text); INSERT INTO t SELECT i, i, repeat('x', 100) FROM generate_series(1, 2000) i";
const STEP: &str = "CREATE INDEX CONCURRENTLY i ON t (a)";

/// Tables with rows count as large; this role looks, with what stands in this file as its password.
fn watched_by(role: &str, password: &str) -> String {
    let file = directory("monitor").join(role);
    std::fs::write(&file, format!("{password}\n")).unwrap();
    format!("[limits]\nsmall_table = \"1B\"\n[monitor]\nuser = \"{role}\"\npassword_file = \"{}\"\n", file.display())
}

/// A role that may look, as the documentation makes it.
async fn make_watcher(cluster: &Cluster, role: &str) {
    let sql = format!("CREATE ROLE {role} LOGIN PASSWORD 'the right password'; GRANT pg_monitor TO {role}");
    cluster.connect("postgres").await.batch_execute(&sql).await.unwrap();
}

/// A session that has a transaction open in which it wrote to the table, and its process id.
async fn writer(cluster: &Cluster, database: &str, name: &str, id: u32) -> (Session, String) {
    let parameters = format!("user=postgres password=postgres dbname={database} application_name={name}");
    let writer = connect_to(cluster.port, &parameters).await.unwrap();
    writer.batch_execute("BEGIN").await.unwrap();
    writer.batch_execute(&format!("UPDATE t SET b = 'the card number'\n WHERE id = {id}")).await.unwrap();
    let pid = cluster.connect(database).await.value(&format!("SELECT pid FROM pg_stat_activity WHERE application_name = '{name}'")).await;
    (writer, pid)
}

/// A session whose COMMIT will have a build to wait for.
async fn migration(proxy: &Proxy, database: &str, build: &str) -> Session {
    let session = proxy.connect(database).await;
    for sql in ["BEGIN", build] {
        session.batch_execute(sql).await.unwrap();
    }
    session.notices();
    session
}

/// How long the step had been running.
fn seconds(notice: &str) -> u32 {
    notice.split_once("running for ").and_then(|(_, rest)| rest.split_once(" s: ")).unwrap().0.parse().unwrap()
}

/// Until there are so many connections of the monitor, all with TLS.
async fn until_monitors(cluster: &Cluster, database: &str, expected: &str) {
    let session = cluster.connect("postgres").await;
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
         WHERE datname = '{database}' AND application_name = 'pgairlock monitor' AND ssl"
    );
    let deadline = Instant::now() + Duration::from_secs(60);
    while session.value(&sql).await != expected {
        assert!(Instant::now() < deadline, "not {expected} of our own connections");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn is_built(direct: &Session) -> bool {
    direct.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'i'::regclass").await == "t"
}

/// Two writers: whichever the build waits for ends first, then it is half through.
#[tokio::test]
async fn who_is_waited_for_is_named_and_how_far_the_build_is() {
    for cluster in clusters() {
        make_watcher(cluster, "sees_names").await;
        let (database, direct) = set_up(cluster, TABLE).await;
        // It goes where the session went, in the same way.
        let proxy = Proxy::start(&format!(
            "[[listener]]\nname = \"migrations\"\naddress = \"{{listen}}\"\n\
             [[upstream]]\nname = \"main\"\nhosts = [\"127.0.0.1:1\", \"127.0.0.1:{}\"]\ntls = {{ mode = \"require\" }}\n{}",
            cluster.port,
            watched_by("sees_names", "the right password")
        ));
        let session = migration(&proxy, &database, "CREATE INDEX i ON t (a)").await;
        let (one, one_pid) = writer(cluster, &database, "nightly_report", 5).await;
        let (two, two_pid) = writer(cluster, &database, "second_report", 7).await;
        let mut told = Told::by(&session);
        let releases = async {
            let first = told.until(&[STEP, "; waiting for writers before build, 0 %; waits for pid "]).await;
            until_monitors(cluster, &database, "1").await;
            let (one, two) = ((one, one_pid, "nightly_report"), (two, two_pid, "second_report"));
            let (waited_for, other) = if first.contains("nightly_report") { (one, two) } else { (two, one) };
            assert_is_named(&first, &waited_for.1, waited_for.2);
            waited_for.0.batch_execute("COMMIT").await.unwrap();
            let second = told.until(&["; waiting for writers before build, 50 %; waits for pid "]).await;
            assert_is_named(&second, &other.1, other.2);
            other.0.batch_execute("COMMIT").await.unwrap();
        };
        let (committed, ()) = tokio::join!(session.batch_execute("COMMIT"), releases);
        committed.unwrap();
        assert!(is_built(&direct).await);
        let log = proxy.log();
        for secret in ["card number", "the right password"] {
            assert!(!told.all.iter().any(|notice| notice.contains(secret)) && !log.contains(secret), "{secret}: {:?}\n{log}", told.all);
        }
        assert!(!log.contains("\"kind\":\"monitor\""), "{log}");
        until_monitors(cluster, &database, "0").await;
    }
}

fn assert_is_named(notice: &str, pid: &str, name: &str) {
    let who = format!("waits for pid {pid} (role postgres, application \"{name}\", transaction open for ");
    let what = " s, idle in transaction after: UPDATE t SET b = ? WHERE id = ?)";
    assert!(notice.contains(&who) && notice.ends_with(what), "{notice}");
}

/// As docs/after-commit.md says.
#[tokio::test]
async fn without_its_grant_the_monitor_sees_names_only() {
    for cluster in clusters() {
        cluster.connect("postgres").await.batch_execute("CREATE ROLE sees_little LOGIN PASSWORD 'the right password'").await.unwrap();
        let (database, _direct) = set_up(cluster, TABLE).await;
        let proxy = Proxy::in_front_of(cluster, "enforce", &watched_by("sees_little", "the right password"));
        let session = migration(&proxy, &database, "CREATE INDEX i ON t (a)").await;
        let (writer, pid) = writer(cluster, &database, "the_writer", 5).await;
        let mut told = Told::by(&session);
        let releases = async {
            let notice = told.until(&["; waits for "]).await;
            assert!(notice.ends_with(&format!("{STEP}; waits for pid {pid} (role postgres, application \"the_writer\")")), "{notice}");
            writer.batch_execute("COMMIT").await.unwrap();
        };
        let (committed, ()) = tokio::join!(session.batch_execute("COMMIT"), releases);
        committed.unwrap();
    }
}

/// A build that stands in the midst of its table: the function of the index waits for somebody.
#[tokio::test]
async fn a_scan_is_told_in_percent() {
    let stands = "CREATE FUNCTION stands(id int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN IF id = 1000 THEN PERFORM pg_advisory_xact_lock(7); END IF; RETURN id; END $$";
    for cluster in clusters() {
        make_watcher(cluster, "sees_percent").await;
        let (database, direct) = set_up(cluster, &format!("{TABLE}; {stands}")).await;
        let more = format!("[rules]\nopaque-code = \"off\"\n{}", watched_by("sees_percent", "the right password"));
        let proxy = Proxy::in_front_of(cluster, "enforce", &more);
        let session = migration(&proxy, &database, "CREATE INDEX i ON t (stands(id))").await;
        direct.batch_execute("SELECT pg_advisory_lock(7)").await.unwrap();
        let mut told = Told::by(&session);
        let releases = async {
            let notice = told.until(&["; building index: scanning table, "]).await;
            let percent: u32 = notice.split_once("scanning table, ").and_then(|(_, rest)| rest.split_once(" %")).unwrap().0.parse().unwrap();
            assert!((40..=60).contains(&percent), "{notice}");
            direct.batch_execute("SELECT pg_advisory_unlock(7)").await.unwrap();
        };
        let (committed, ()) = tokio::join!(session.batch_execute("COMMIT"), releases);
        committed.unwrap();
        assert!(is_built(&direct).await);
    }
}

#[tokio::test]
async fn a_change_of_phase_is_told_between_the_notices() {
    for cluster in clusters() {
        make_watcher(cluster, "sees_phases").await;
        let (database, _direct) = set_up(cluster, TABLE).await;
        let proxy = Proxy::in_front_of(cluster, "enforce", &watched_by("sees_phases", "the right password"));
        let session = migration(&proxy, &database, "CREATE INDEX i ON t (a)").await;
        let (before, _) = writer(cluster, &database, "before_the_build", 5).await;
        let mut told = Told::by(&session);
        let releases = async {
            told.until(&["; waiting for writers before build"]).await;
            // It comes after those that the first phase waits for, so the second one waits for it.
            let (during, _) = writer(cluster, &database, "during_the_build", 7).await;
            let last = told.until(&["running for 10 s: ", "; waiting for writers before build"]).await;
            before.batch_execute("COMMIT").await.unwrap();
            let next = told.until(&["; waiting for writers before validation", "during_the_build"]).await;
            assert!(seconds(&next) < seconds(&last) + 5, "the next notice without it would be after 15 s: {next}");
            during.batch_execute("COMMIT").await.unwrap();
        };
        let (committed, ()) = tokio::join!(session.batch_execute("COMMIT"), releases);
        committed.unwrap();
    }
}

/// A held COMMIT whose client hears three plain notices; then whoever it waits for ends.
async fn assert_is_not_disturbed(cluster: &Cluster, proxy: &Proxy, database: &str, direct: &Session) {
    let session = migration(proxy, database, "CREATE INDEX i ON t (a)").await;
    let (writer, _) = writer(cluster, database, "the_writer", 5).await;
    let mut told = Told::by(&session);
    let releases = async {
        for _ in 0..3 {
            told.until(&["running for "]).await;
        }
        writer.batch_execute("COMMIT").await.unwrap();
    };
    let (committed, ()) = tokio::join!(session.batch_execute("COMMIT"), releases);
    committed.unwrap();
    assert!(told.all.iter().all(|notice| notice.ends_with(&format!(" s: {STEP}"))), "{:?}", told.all);
    assert!(is_built(direct).await);
}

/// What the log says of it, which must be one line.
fn warning(proxy: &Proxy) -> String {
    let log = proxy.log();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("[monitor]")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    let metrics = proxy.http("/metrics").unwrap();
    assert!(metrics.contains("pgairlock_upstream_errors_total{upstream=\"main\",kind=\"monitor\"} 1"), "{metrics}");
    warnings[0].to_owned()
}

#[tokio::test]
async fn a_monitor_with_a_wrong_password_disturbs_nothing() {
    for cluster in clusters() {
        make_watcher(cluster, "sees_nothing").await;
        let (database, direct) = set_up(cluster, TABLE).await;
        let proxy = Proxy::in_front_of(cluster, "enforce", &watched_by("sees_nothing", "a wrong password"));
        assert_is_not_disturbed(cluster, &proxy, &database, &direct).await;
        let warning = warning(&proxy);
        assert!(warning.contains("\"level\":\"WARN\"") && warning.contains("28P01") && !warning.contains("a wrong password"), "{warning}");
    }
}

/// In front of a server: the first connection goes through, the later ones are taken and never answered.
async fn relay_for_one(port: u16) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let relay = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        let mut silent = Vec::new();
        while let Ok((client, _)) = listener.accept().await {
            silent.push(client);
        }
    });
    relay
}

#[tokio::test]
async fn a_monitor_that_hears_nothing_disturbs_nothing() {
    for cluster in clusters() {
        let (database, direct) = set_up(cluster, TABLE).await;
        let relay = relay_for_one(cluster.port).await;
        let proxy = Proxy::start(&format!(
            "[[listener]]\nname = \"migrations\"\naddress = \"{{listen}}\"\n\
             [[upstream]]\nname = \"main\"\nhosts = [\"127.0.0.1:{relay}\"]\ntls = {{ mode = \"disable\" }}\n{}",
            watched_by("hears_nothing", "any")
        ));
        assert_is_not_disturbed(cluster, &proxy, &database, &direct).await;
        let warning = warning(&proxy);
        assert!(warning.contains("no answer ") && warning.contains("within 2s"), "{warning}");
    }
}
