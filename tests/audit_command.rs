//! `pgairlock audit` over both kinds of store: what a reviewer asks, and what it answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::scene::{BIG, set_up};
use support::{Proxy, Session, clusters};

/// A database behind a proxy, and where its log is.
struct Scene {
    proxy: Proxy,
    database: String,
    store: String,
}

impl Scene {
    /// On every server: with a file, and with a database that stands for a fleet's.
    async fn all(mode: &str) -> Vec<Self> {
        let mut scenes = Vec::new();
        for cluster in clusters() {
            for shared in [false, true] {
                let (database, _) = set_up(cluster, BIG).await;
                let url = format!("postgres://postgres:postgres@127.0.0.1:{}/{}?sslmode=disable", cluster.port, cluster.database().await);
                let environment = [("PGAIRLOCK_STORE", url.as_str())];
                let proxy = Proxy::in_front_of_with(cluster, mode, "", if shared { &environment } else { &[] });
                let store = if shared { url } else { proxy.store.display().to_string() };
                scenes.push(Self { proxy, database, store });
            }
        }
        scenes
    }

    async fn connect(&self) -> Session {
        self.proxy.connect(&self.database).await
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgairlock"));
        command.env_clear().arg("audit").args(arguments).args(["--store", &self.store]).output().unwrap()
    }

    fn printed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Of each record that `list` finds: what was sent, and what became of it.
    fn found(&self, filter: &[&str]) -> Vec<String> {
        let text = self.printed(&[&["list", "--format", "json"], filter].concat());
        let json: Value = serde_json::from_str(&text).unwrap();
        let records = json["records"].as_array().unwrap();
        records.iter().map(|record| format!("{} | {}", record["sql"].as_str().unwrap(), record["state"].as_str().unwrap())).collect()
    }
}

/// Outcomes are written beside what the client hears.
async fn until_closed(scene: &Scene) {
    support::until("every outcome is there", async || {
        scene.found(&[]).iter().all(|line| !line.ends_with("running") && !line.ends_with("uncommitted"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reviewer_finds_what_was_done_and_what_came_of_it() {
    for scene in Scene::all("enforce").await {
        let session = scene.connect().await;
        session.batch_execute("BEGIN").await.unwrap();
        session.batch_execute("ALTER TABLE big ADD COLUMN c int").await.unwrap();
        session.batch_execute("CREATE INDEX slow ON big (a)").await.unwrap();
        session.batch_execute("COMMIT").await.unwrap();
        session.batch_execute("ALTER TABLE big DROP COLUMN b").await.unwrap_err();
        session.batch_execute("BEGIN").await.unwrap();
        session.batch_execute("CREATE TABLE never (a int)").await.unwrap();
        session.batch_execute("ROLLBACK").await.unwrap();
        session.batch_execute("CREATE ROLE reviewed PASSWORD 'hunter2'").await.unwrap();
        session.batch_execute("DROP ROLE reviewed").await.unwrap();
        until_closed(&scene).await;
        let all = [
            "DROP ROLE reviewed | done",
            "CREATE ROLE reviewed PASSWORD '***' | done",
            "CREATE TABLE never (a int) | rolled-back",
            "ALTER TABLE big DROP COLUMN b | failed",
            "CREATE INDEX slow ON big (a) | done",
            "ALTER TABLE big ADD COLUMN c int | done",
        ];
        assert_eq!(scene.found(&[]), all);
        assert_eq!(scene.found(&["--limit", "2"]), all[..2]);
        assert_eq!(scene.found(&["--decision", "refuse"]), all[3..4]);
        assert_eq!(scene.found(&["--rule", "create-index-blocking"]), all[4..5]);
        assert_eq!(scene.found(&["--table", "public.big", "--rule", "drop-column"]), all[3..4]);
        assert_eq!(scene.found(&["--sql", "big COLUMN"]), [all[3], all[5]]);
        assert_eq!(scene.found(&["--sql", "hunter2"]), [""; 0]);
        assert_eq!(scene.found(&["--role", "postgres", "--database", &scene.database, "--since", "1h"]).len(), 6);
        assert_eq!(scene.found(&["--until", "1h"]), [""; 0]);
        assert_eq!(scene.found(&["--role", "nobody"]), [""; 0]);
        assert_eq!(scene.found(&["--open"]), [""; 0]);

        let text = scene.printed(&["list"]);
        assert!(text.lines().nth(4).unwrap().contains("drop-column") && text.contains("error PA001"), "{text}");
        let id = text.lines().find(|line| line.contains("ADD COLUMN c")).unwrap().split_whitespace().next().unwrap();
        let shown = scene.printed(&["show", id]);
        for part in [
            "sent:\n    ALTER TABLE big ADD COLUMN c int",
            "its COMMIT is sent, as transaction",
            "AccessExclusive on public.big, not written anew",
            "afterwards   CREATE INDEX CONCURRENTLY",
            "its transaction: committed",
            "public.big (oid ",
            "migration: unknown",
        ] {
            assert!(shown.contains(part), "{part} is not in: {shown}");
        }
        let json: Value = serde_json::from_str(&scene.printed(&["show", id, "--format", "json"])).unwrap();
        let kinds: Vec<&str> = json["entries"].as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds[..3], ["decision", "outcome", "committing"], "{kinds:?}");
        assert_eq!(kinds.last(), Some(&"transaction"));

        let nobody = scene.run(&["show", "7-7"]);
        assert_eq!(nobody.status.code(), Some(1), "{nobody:?}");
        assert!(String::from_utf8_lossy(&nobody.stderr).contains("the log has no decision 7-7; see: pgairlock audit list"), "{nobody:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_have_every_decision_and_tails_have_what_comes() {
    for scene in Scene::all("enforce").await {
        let session = scene.connect().await;
        session.batch_execute("CREATE TABLE \"a,\"\"b\" (a int)").await.unwrap();
        let mut following = Command::new(env!("CARGO_BIN_EXE_pgairlock"))
            .env_clear()
            .args(["audit", "tail", "-f", "--format", "jsonl", "--store", &scene.store])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(following.stdout.take().unwrap()));
        let mut next = |kind: &str| loop {
            let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
            if line["kind"] == kind {
                return line;
            }
        };
        assert_eq!(next("decision")["sql"], "CREATE TABLE \"a,\"\"b\" (a int)");
        session.batch_execute("ALTER TABLE big DROP COLUMN a").await.unwrap_err();
        let decision = next("decision");
        let outcome = next("outcome");
        assert_eq!((&decision["decision"], &outcome["decision"], &outcome["sqlstate"]), (&"refuse".into(), &decision["id"], &"PA001".into()));
        following.kill().unwrap();
        following.wait().unwrap();

        until_closed(&scene).await;
        let lines: Vec<Value> = scene.printed(&["export"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let document: Value = serde_json::from_str(&scene.printed(&["export", "--format", "json"])).unwrap();
        assert_eq!(document["records"].as_array().unwrap(), &lines);
        let told: Vec<String> =
            lines.iter().map(|line| format!("{} {}", line["decision"].as_str().unwrap(), line["state"].as_str().unwrap())).collect();
        assert_eq!(told, ["pass done", "refuse failed"]);
        assert_eq!(lines[1]["findings"][0]["rule"], "drop-column");
        assert!(lines[1]["facts"][0]["bytes"].as_u64().unwrap() > 1_000_000, "{}", lines[1]);
        let csv = scene.printed(&["export", "--format", "csv"]);
        assert_eq!(csv.lines().count(), 3);
        assert!(csv.contains("\"CREATE TABLE \"\"a,\"\"\"\"b\"\" (a int)\""), "{csv}");
        assert_eq!(scene.printed(&["export", "--since", "1h"]).lines().count(), 2);
    }
}

/// Nothing is lost, and nothing is guessed: what nobody heard is unknown until the server can be asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_nobody_heard_is_settled_by_the_next_session() {
    for cluster in clusters() {
        for (place, after) in [("reply COMMIT:1", "done"), ("send COMMIT:1", "rolled-back")] {
            let (database, _) = set_up(cluster, BIG).await;
            let proxy = Proxy::in_front_of_with(cluster, "enforce", "", &[("PGAIRLOCK_FAILPOINT", place)]);
            let store = proxy.store.display().to_string();
            let mut scene = Scene { proxy, database, store };
            let session = scene.connect().await;
            session.batch_execute("BEGIN").await.unwrap();
            session.batch_execute("CREATE TABLE perhaps (a int)").await.unwrap();
            session.batch_execute("COMMIT").await.unwrap_err();
            scene.proxy = scene.proxy.again(&[]);
            // Its process is dead, but has lived a moment ago.
            assert_eq!(scene.found(&[]), ["CREATE TABLE perhaps (a int) | uncommitted"]);
            let next = scene.connect().await;
            next.batch_execute("CREATE TABLE another (a int)").await.unwrap();
            let expected = ["CREATE TABLE another (a int) | done".to_owned(), format!("CREATE TABLE perhaps (a int) | {after}")];
            support::until("it is settled", async || scene.found(&[]) == expected).await;
        }
    }
}
