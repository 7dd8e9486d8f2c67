//! The dashboard before real servers: what it says of sessions while they wait, and whom it lets in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::certificates::{Identity, certificates};
use support::scene::scenes_with;
use support::{BIG, Proxy, Scene, cluster, directory, skipped, until};

/// JSON of the API.
fn api(proxy: &Proxy, path: &str) -> Value {
    let answer = proxy.http(&format!("/api/v1/{path}")).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(body).unwrap()
}

/// The sessions of this scene's database.
fn sessions(scene: &Scene) -> Vec<Value> {
    let all = api(scene.proxy, "sessions")["sessions"].as_array().unwrap().clone();
    all.into_iter().filter(|session| session["database"] == scene.database.as_str()).collect()
}

/// The session of this database in that state, as soon as `is` says so of it.
async fn session_in(scene: &Scene, state: &str, is: impl Fn(&Value) -> bool) -> Value {
    let mut found = Value::Null;
    until(&format!("a session {state}"), async || {
        found = sessions(scene).into_iter().find(|session| session["state"] == state && is(session)).unwrap_or_default();
        !found.is_null()
    })
    .await;
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_seen_as_they_come_and_go() {
    for scene in scenes_with("enforce", "", "").await {
        let session = scene.connect_with("application_name=alembic").await;
        let seen = session_in(&scene, "idle", |_| true).await;
        assert_eq!(
            (&seen["role"], &seen["tool"], &seen["mode"], &seen["waits"]),
            (&"trusted".into(), &"Alembic".into(), &"enforce".into(), &Value::Null)
        );
        assert_eq!(seen["server_pid"].to_string(), session.value("SELECT pg_backend_pid()").await);
        session.batch_execute("BEGIN").await.unwrap();
        session.batch_execute("SELECT 'a' AS secret, 1").await.unwrap();
        assert_eq!(session_in(&scene, "idle in transaction", |_| true).await["sql"], "SELECT ? AS secret, ?");
        assert!(session.batch_execute("SELECT 1/0").await.is_err());
        session_in(&scene, "idle in failed transaction", |_| true).await;
        session.batch_execute("ROLLBACK").await.unwrap();
        let sleeps = session.batch_execute("SELECT pg_sleep(300)");
        tokio::select! {
            _ = sleeps => panic!("it ends too early"),
            seen = session_in(&scene, "running", |_| true) => assert_eq!(seen["sql"], "SELECT pg_sleep(?)"),
        }
        drop(session);
        scene.direct.batch_execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'").await.unwrap();
        until("the session is gone", async || sessions(&scene).is_empty()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_masked_as_in_the_log() {
    for scene in scenes_with("enforce", "", "").await {
        let session = scene.connect().await;
        session.batch_execute("BEGIN").await.unwrap();
        session.batch_execute("CREATE ROLE dashboard_role PASSWORD 'hunter2'").await.unwrap();
        let seen = session_in(&scene, "idle in transaction", |_| true).await;
        assert_eq!(seen["sql"], "CREATE ROLE dashboard_role PASSWORD ?");
        let page = scene.proxy.http("/").unwrap();
        assert!(page.contains("dashboard_role") && !page.contains("hunter2"), "{page}");
        session.batch_execute("ROLLBACK").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_lock_is_seen_with_whom_it_waits_for() {
    for scene in scenes_with("enforce", "", BIG).await {
        let (session, holder) = (scene.connect().await, scene.cluster.connect(&scene.database).await);
        holder.batch_execute("BEGIN").await.unwrap();
        holder.batch_execute("SELECT count(*) FROM big").await.unwrap();
        let pid = holder.value("SELECT pg_backend_pid()").await;
        let statement = "ALTER TABLE big ADD COLUMN c int";
        let seen = {
            let alters = session.batch_execute(statement);
            tokio::pin!(alters);
            let seen = tokio::select! {
                _ = &mut alters => panic!("nobody was in its way"),
                seen = session_in(&scene, "waiting for a lock", |session| session["waits"]["tries"].as_u64() > Some(1)) => seen,
            };
            holder.batch_execute("COMMIT").await.unwrap();
            alters.await.unwrap();
            seen
        };
        let waits = &seen["waits"];
        assert_eq!(
            (&seen["sql"], &waits["for"], &waits["on"], &waits["lock"]),
            (&statement.into(), &"lock".into(), &"public.big".into(), &"AccessExclusive".into())
        );
        assert!(waits["in_the_way"].as_str().unwrap().contains(&format!("pid {pid}")), "{waits}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_held_back_is_seen_with_its_work_and_the_promise_with_it() {
    for scene in scenes_with("enforce", "", BIG).await {
        let (session, holder) = (scene.connect().await, scene.cluster.connect(&scene.database).await);
        session.batch_execute("BEGIN").await.unwrap();
        session.batch_execute("CREATE INDEX big_a ON big (a)").await.unwrap();
        // A concurrent build waits for snapshots that are older than it.
        holder.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
        holder.batch_execute("SELECT 1 FROM pg_class LIMIT 1").await.unwrap();
        let (seen, work) = {
            let commits = session.batch_execute("COMMIT");
            tokio::pin!(commits);
            let is_building = |session: &Value| session["waits"]["step"].as_str().is_some_and(|step| step.starts_with("CREATE INDEX CONCURRENTLY"));
            let seen = tokio::select! {
                _ = &mut commits => panic!("nothing was in its way"),
                seen = session_in(&scene, "COMMIT held back", is_building) => seen,
            };
            let work = scene.proxy.http("/work").unwrap();
            holder.batch_execute("COMMIT").await.unwrap();
            commits.await.unwrap();
            (seen, work)
        };
        assert_eq!((&seen["sql"], &seen["waits"]["done"], &seen["waits"]["of"]), (&"COMMIT".into(), &0.into(), &1.into()), "{seen}");
        assert!(work.contains("It is being done now") && work.contains("<progress max=\"1\" value=\"0\""), "{work}");
        assert!(scene.has("big_a").await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_the_command_lets_in_until_its_line_is_taken_out() {
    let cluster = cluster("15");
    let made = Command::new(env!("CARGO_BIN_EXE_pgairlock")).args(["admin", "token", "ci", "--role", "approver"]).output().unwrap();
    let text = String::from_utf8(made.stdout).unwrap();
    let (token, line) = (text.lines().next().unwrap().to_owned(), text.lines().last().unwrap().to_owned());
    assert!(line.starts_with("ci:approver:") && !line.contains(&token), "{text}");
    let file = directory("tokens").join("tokens");
    std::fs::write(&file, &line).unwrap();
    let proxy = Proxy::with_admin(cluster, &format!("tokens = \"{}\"\n", file.display()));
    let asked = |header: &str| {
        let answer = proxy.http_with("/api/v1/deferred", header).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    let bearer = format!("Authorization: Bearer {token}\r\n");
    assert_eq!((asked(&bearer).as_str(), asked("").as_str()), ("200", "401"));
    std::fs::write(&file, "# nobody\n").unwrap();
    until("the line counts no more", async || asked(&bearer) == "401").await;
    assert!(!proxy.log().contains(&token), "{}", proxy.log());
}

/// Status of a page by curl, with a client certificate or without; none where the handshake fails.
fn curl(proxy: &Proxy, path: &str, identity: Option<&Identity>) -> Option<String> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert"]).arg(&certificates().ca);
    if let Some(identity) = identity {
        command.arg("--cert").arg(&identity.certificate).arg("--key").arg(&identity.key);
    }
    let output = command.arg(format!("https://localhost:{}{path}", proxy.admin_port)).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_lets_in_whom_the_authority_knows() {
    if Command::new("curl").arg("--version").output().is_err() {
        return skipped("curl");
    }
    let (cluster, certificates) = (cluster("15"), certificates());
    let path = |path: &Path| path.display().to_string();
    let more = format!(
        "[admin.tls]\ncertificate = \"{}\"\nkey = \"{}\"\nclient_ca = \"{}\"\n[[admin.user]]\nsubject = \"CN=alice\"\nrole = \"viewer\"\n",
        path(&certificates.proxy.certificate),
        path(&certificates.proxy.key),
        path(&certificates.ca)
    );
    let proxy = Proxy::with_admin(cluster, &more);
    let status = |path, identity| curl(&proxy, path, identity);
    assert_eq!(status("/healthz", None).as_deref(), Some("200"));
    assert_eq!(status("/", None).as_deref(), Some("401"));
    assert_eq!(status("/", Some(&certificates.alice)).as_deref(), Some("200"));
    assert_eq!(status("/", Some(&certificates.server)).as_deref(), Some("403"), "known to the authority, and no user");
    assert_eq!(status("/", Some(&certificates.impostor)), None, "of another authority");
}

#[test]
fn it_does_not_start_before_strangers_without_saying_who_may_look() {
    let start = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgairlock"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1", "--admin", "0.0.0.0:0", "--store", "/nowhere/store.db"]);
        let output = command.args(more).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = start(&[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("nothing says who may see the dashboard there") && said.contains("pgairlock admin token"), "{said}");
    for shown in ["off", "open"] {
        let (code, said) = start(&["--dashboard", shown]);
        assert!(code == Some(1) && said.contains("/nowhere/store.db"), "it comes to the store: {said}");
    }
}
