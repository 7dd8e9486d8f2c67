//! `pgairlock audit verify` over what a real `serve` wrote: with checkpoints that are signed, over a change of the key, beside a log that is being
//! written, and after somebody has laid hands on it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use support::scene::{BIG, set_up};
use support::{Cluster, Proxy, Session, clusters, connect_to};

/// A proxy that signs, and where all of it is.
struct Scene {
    cluster: &'static Cluster,
    database: String,
    home: PathBuf,
    proxy: Proxy,
    /// The store, as `--store` takes it.
    store: String,
}

fn pgairlock(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pgairlock")).env_clear().args(arguments).output().unwrap()
}

fn printed(arguments: &[&str]) -> String {
    let output = pgairlock(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

impl Scene {
    async fn start(cluster: &'static Cluster, shared: bool) -> Self {
        let (database, _) = set_up(cluster, BIG).await;
        let home = support::directory("signed").join(format!("{}-{database}", cluster.version));
        std::fs::create_dir(&home).unwrap();
        let path = |name: &str| home.join(name).display().to_string();
        printed(&["audit", "key", "create", &path("old.key")]);
        std::fs::write(home.join("old.pub"), printed(&["audit", "key", "public", &path("old.key")])).unwrap();
        let url = format!("postgres://postgres:postgres@127.0.0.1:{}/{}?sslmode=disable", cluster.port, cluster.database().await);
        let environment = [("PGAIRLOCK_STORE", url.as_str())];
        let more = format!("[store]\nsigning_key = \"{}\"\ncheckpoints = \"{}\"\n", path("old.key"), path("checkpoints"));
        let proxy = Proxy::in_front_of_with(cluster, "enforce", &more, if shared { &environment } else { &[] });
        let store = if shared { url.clone() } else { proxy.store.display().to_string() };
        Self { cluster, database, home, proxy, store }
    }

    fn path(&self, name: &str) -> String {
        self.home.join(name).display().to_string()
    }

    async fn connect(&self) -> Session {
        self.proxy.connect(&self.database).await
    }

    /// As a deployment ends it.
    fn stop(&mut self) {
        self.proxy.signal("TERM");
        assert_eq!(self.proxy.wait(), Some(0), "{}", self.proxy.log());
    }

    /// What is found with the key that was there first, by these checkpoints; and the exit code.
    fn verify(&self, checkpoints: &Path) -> (Value, Option<i32>) {
        let checkpoints = checkpoints.display().to_string();
        let public = self.path("old.pub");
        let output =
            pgairlock(&["audit", "verify", "--store", &self.store, "--public-key", &public, "--checkpoints", &checkpoints, "--format", "json"]);
        let verdict = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        (verdict, output.status.code())
    }
}

/// Some statements in a transaction, some not, and one that is refused.
async fn migrate(session: &Session, name: &str) {
    let run = async |sql: &str| session.batch_execute(&sql.replace("NAME", name)).await;
    for sql in ["BEGIN", "CREATE TABLE NAME (a int)", "CREATE INDEX NAME_i ON big (a)", "ALTER TABLE big ADD COLUMN NAME int", "COMMIT"] {
        run(sql).await.unwrap();
    }
    run("CREATE INDEX NAME_j ON big (b)").await.unwrap();
    run("ALTER TABLE NAME ADD COLUMN b text DEFAULT 'x'").await.unwrap();
    run("ALTER TABLE big DROP COLUMN NAME").await.unwrap_err();
    run("DROP INDEX NAME_i").await.unwrap();
}

/// A log in which two processes have written, each with a key of its own.
async fn of_two_keys(cluster: &'static Cluster, shared: bool) -> Scene {
    let mut scene = Scene::start(cluster, shared).await;
    migrate(&scene.connect().await, "first").await;
    scene.stop();
    printed(&["audit", "key", "rotate", &scene.path("old.key"), &scene.path("new.key")]);
    let config = std::fs::read_to_string(&scene.proxy.config).unwrap();
    std::fs::write(&scene.proxy.config, config.replace("old.key", "new.key")).unwrap();
    let store = scene.store.clone();
    let environment = [("PGAIRLOCK_STORE", store.as_str())];
    scene.proxy = scene.proxy.again(if shared { &environment } else { &[] });
    migrate(&scene.connect().await, "second").await;
    scene.stop();
    scene
}

fn told(verdict: &Value) -> String {
    serde_json::to_string_pretty(verdict).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_intact_over_a_change_of_the_key() {
    for cluster in clusters() {
        for shared in [false, true] {
            let scene = of_two_keys(cluster, shared).await;
            let (verdict, code) = scene.verify(&scene.home.join("checkpoints"));
            assert_eq!((code, &verdict["intact"], &verdict["proof"]), (Some(0), &true.into(), &"signed".into()), "{}", told(&verdict));
            assert_eq!((verdict["chains"].as_array().unwrap().len(), &verdict["beyond"]), (2, &0.into()), "{}", told(&verdict));
            assert!(verdict["entries"].as_u64().unwrap() > 30, "{}", told(&verdict));
            // Neither the new key alone nor a stranger's speaks for what the old one signed.
            std::fs::write(scene.home.join("old.pub"), printed(&["audit", "key", "public", &scene.path("new.key")])).unwrap();
            let (verdict, code) = scene.verify(&scene.home.join("checkpoints"));
            assert_eq!(code, Some(1), "{}", told(&verdict));
        }
    }
}

/// Somebody who can write the store.
fn with_hands_on(store: &Path, sql: &str) {
    let store = rusqlite::Connection::open(store).unwrap();
    store.execute_batch(sql).unwrap();
}

fn one(store: &Path, sql: &str) -> i64 {
    rusqlite::Connection::open(store).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_done_to_it_is_found_and_names_the_entry() {
    for cluster in clusters() {
        let mut scene = of_two_keys(cluster, false).await;
        let (original, checkpoints) = (scene.proxy.store.clone(), scene.home.join("checkpoints"));
        let finds = |scene: &Scene, checkpoints: &Path, kind: &str| -> Value {
            let (verdict, code) = scene.verify(checkpoints);
            assert_eq!(code, Some(1), "{}", told(&verdict));
            let findings = verdict["findings"].as_array().unwrap();
            findings.iter().find(|finding| finding["kind"] == kind).unwrap_or_else(|| panic!("no {kind}: {}", told(&verdict))).clone()
        };
        let altered = |name: &str, sql: &str| {
            let copy = scene.home.join(name);
            std::fs::copy(&original, &copy).unwrap();
            with_hands_on(&copy, sql);
            copy
        };

        let chosen = one(&original, "SELECT id & 1099511627775 FROM decisions WHERE head LIKE 'CREATE INDEX first_j%'");
        let flipped = altered(
            "flipped",
            "UPDATE entries SET body = replace(body, 'first_j', 'first_k') WHERE id IN (SELECT id FROM decisions WHERE head LIKE 'CREATE INDEX first_j%')",
        );
        let last = one(&original, "SELECT max(id) & 1099511627775 FROM entries WHERE id >> 40 = 2");
        let cut = altered(
            "cut",
            "CREATE TEMP TABLE gone AS SELECT id FROM entries WHERE id >> 40 = 2 ORDER BY id DESC LIMIT 3;
             DELETE FROM decisions WHERE id IN (SELECT id FROM gone); DELETE FROM follows WHERE entry IN (SELECT id FROM gone);
             DELETE FROM entries WHERE id IN (SELECT id FROM gone)",
        );
        scene.store = flipped.display().to_string();
        let found = finds(&scene, &checkpoints, "entries-changed");
        assert_eq!((&found["number"], &found["from"], &found["to"]), (&1.into(), &chosen.into(), &chosen.into()), "{found}");
        scene.store = cut.display().to_string();
        let found = finds(&scene, &checkpoints, "tail-cut");
        assert_eq!((&found["number"], &found["last"]), (&2.into(), &(last - 3).into()), "{found}");
        assert_eq!(found["named"], last, "{found}");

        scene.store = original.display().to_string();
        let text = std::fs::read_to_string(&checkpoints).unwrap();
        let line = text.lines().position(|line| line.contains("\"seq\"")).unwrap();
        let changed: String = text
            .lines()
            .enumerate()
            .map(|(number, each)| if number == line { each.replacen("\"seq\":", "\"seq\":1", 1) + "\n" } else { format!("{each}\n") })
            .collect();
        let forged = scene.home.join("forged");
        std::fs::write(&forged, changed).unwrap();
        let found = finds(&scene, &forged, "checkpoint-distrusted");
        assert_eq!((&found["line"], &found["why"]), (&(line + 1).into(), &"bad-signature".into()), "{found}");
    }
}

/// Whoever looks while it is written finds nothing, however often.
#[tokio::test(flavor = "multi_thread")]
async fn beside_a_running_proxy_nothing_is_found_that_is_not_so() {
    for cluster in clusters() {
        for shared in [false, true] {
            let mut scene = Scene::start(cluster, shared).await;
            let ends = Arc::new(AtomicBool::new(false));
            let migrations: Vec<_> =
                (0..3).map(|tool| tokio::spawn(under_load(scene.proxy.port, scene.database.clone(), tool, Arc::clone(&ends)))).collect();
            let checkpoints = scene.home.join("checkpoints");
            support::until("the first checkpoint", async || scene.verify(&checkpoints).0["proof"] == "signed").await;
            let (mut looks, mut grown) = (0, 0);
            let begun = std::time::Instant::now();
            while looks < 12 || begun.elapsed() < Duration::from_secs(6) {
                let (verdict, code) = scene.verify(&checkpoints);
                assert_eq!((code, &verdict["proof"]), (Some(0), &"signed".into()), "look {looks}: {}", told(&verdict));
                let entries = verdict["entries"].as_u64().unwrap();
                assert!(entries >= grown, "{}", told(&verdict));
                (looks, grown) = (looks + 1, entries);
            }
            ends.store(true, Ordering::Relaxed);
            let mut ran = 0;
            for migration in migrations {
                ran += migration.await.unwrap();
            }
            scene.stop();
            let (verdict, code) = scene.verify(&checkpoints);
            assert_eq!((code, &verdict["beyond"]), (Some(0), &0.into()), "{}", told(&verdict));
            println!("PostgreSQL {}, shared {shared}: {looks} looks, {ran} migrations, {} entries", scene.cluster.version, verdict["entries"]);
            assert!(ran > 10, "hardly anything was written meanwhile");
        }
    }
}

/// How many it ran.
async fn under_load(port: u16, database: String, tool: usize, ends: Arc<AtomicBool>) -> usize {
    let session = connect_to(port, &format!("user=trusted dbname={database}")).await.unwrap();
    let mut ran = 0;
    while !ends.load(Ordering::Relaxed) {
        let name = format!("t_{tool}_{ran}");
        for sql in
            ["BEGIN", "CREATE TABLE NAME (a int)", "ALTER TABLE NAME ADD b int", "COMMIT", "ALTER TABLE NAME ADD COLUMN c int", "DROP TABLE NAME"]
        {
            session.batch_execute(&sql.replace("NAME", &name)).await.unwrap();
        }
        session.batch_execute("ALTER TABLE big DROP COLUMN a").await.unwrap_err();
        ran += 1;
    }
    ran
}
