//! `[store] retention` of the real proxy, over both kinds of store: what is old goes, and the log stays whole, also where the proxy dies in the midst.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pgairlock::audit::record::{Outcome, Record};
use pgairlock::store::Store;
use serde_json::Value;
use support::scene::{BIG, set_up};
use support::{Cluster, Proxy, Session, clusters};

/// Its own SQL, past pgairlock.
enum Direct {
    File(PathBuf),
    Database(Session),
}

impl Direct {
    async fn run(&self, sql: &str) {
        match self {
            Self::File(path) => rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap(),
            Self::Database(session) => session.batch_execute(&format!("SET search_path = pgairlock; {sql}")).await.unwrap(),
        }
    }

    async fn count(&self, of: &str) -> i64 {
        match self {
            Self::File(path) => {
                rusqlite::Connection::open(path).unwrap().query_row(&format!("SELECT count(*) FROM {of}"), [], |row| row.get(0)).unwrap()
            }
            Self::Database(session) => session.value(&format!("SELECT count(*)::text FROM pgairlock.{of}")).await.parse().unwrap(),
        }
    }
}

struct Scene {
    proxy: Proxy,
    database: String,
    store: String,
    direct: Direct,
    key: PathBuf,
    checkpoints: PathBuf,
}

impl Scene {
    /// On every server, with a file and with a database: a proxy that signs, and keeps everything.
    async fn all() -> Vec<Self> {
        let mut scenes = Vec::new();
        for cluster in clusters() {
            scenes.push(Self::new(cluster, false).await);
            scenes.push(Self::new(cluster, true).await);
        }
        scenes
    }

    async fn new(cluster: &'static Cluster, shared: bool) -> Self {
        let (database, _) = set_up(cluster, BIG).await;
        let of_store = cluster.database().await;
        let url = format!("postgres://postgres:postgres@127.0.0.1:{}/{of_store}?sslmode=disable", cluster.port);
        let environment = [("PGAIRLOCK_STORE", url.as_str())];
        let proxy = Proxy::in_front_of_with(cluster, "enforce", "", if shared { &environment } else { &[] });
        let direct = if shared { Direct::Database(cluster.connect(&of_store).await) } else { Direct::File(proxy.store.clone()) };
        let store = if shared { url } else { proxy.store.display().to_string() };
        let home = proxy.config.parent().unwrap();
        let (key, checkpoints) = (home.join("key"), home.join("checkpoints"));
        assert!(Command::new(env!("CARGO_BIN_EXE_pgairlock")).args(["audit", "key", "create"]).arg(&key).status().unwrap().success());
        let public = Command::new(env!("CARGO_BIN_EXE_pgairlock")).args(["audit", "key", "public"]).arg(&key).output().unwrap();
        std::fs::write(home.join("key.pub"), public.stdout).unwrap();
        let keys = format!("signing_key = \"{}\"\ncheckpoints = \"{}\"\n", key.display(), checkpoints.display());
        Self { proxy, database, store, direct, key, checkpoints }.again(&keys)
    }

    /// The next process, with this added to `[store]`.
    fn again(self, more: &str) -> Self {
        configure(&self.proxy.config, more);
        self.restart()
    }

    fn restart(self) -> Self {
        let environment = [("PGAIRLOCK_STORE", self.store.as_str())];
        let proxy = self.proxy.again(if self.store.starts_with("postgres://") { &environment } else { &[] });
        Self { proxy, ..self }
    }

    /// It ends as it should, and that was long ago.
    async fn stop(&mut self) {
        self.proxy.signal("TERM");
        assert_eq!(self.proxy.wait(), Some(0));
        self.direct.run("UPDATE writers SET seen_at = 0").await;
    }

    async fn connect(&self) -> Session {
        self.proxy.connect(&self.database).await
    }

    fn audit(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_pgairlock")).env_clear().arg("audit").args(arguments).args(["--store", &self.store]).output().unwrap()
    }

    fn verify(&self) -> (Option<i32>, String) {
        let (public, checkpoints) = (format!("{}.pub", self.key.display()), self.checkpoints.display().to_string());
        let output = self.audit(&["verify", "--public-key", &public, "--checkpoints", &checkpoints]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
    }

    fn intact(&self) -> String {
        let (code, text) = self.verify();
        assert_eq!(code, Some(0), "{text}");
        text
    }

    fn listed(&self) -> Vec<String> {
        let output = self.audit(&["list", "--format", "json"]);
        let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let records = json["records"].as_array().unwrap();
        records.iter().map(|record| format!("{} | {}", record["sql"].as_str().unwrap(), record["state"].as_str().unwrap())).collect()
    }
}

/// Puts further keys into `[store]`.
fn configure(file: &Path, keys: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    std::fs::write(file, text.replace("\n[store]\n", &format!("\n[store]\n{keys}"))).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_goes_and_the_log_stays_whole() {
    for mut scene in Scene::all().await {
        // Two processes of old, the second of which ended as it should.
        scene.connect().await.batch_execute("CREATE TABLE old (a int)").await.unwrap();
        scene.proxy.signal("KILL");
        scene = scene.again("");
        let session = scene.connect().await;
        session.batch_execute("CREATE INDEX slow ON big (a)").await.unwrap();
        session.batch_execute("ALTER TABLE big DROP COLUMN b").await.unwrap_err();
        drop(session);
        scene.stop().await;
        assert_eq!(scene.listed().len(), 3);
        scene.intact();

        scene = scene.again("retention = \"1s\"\n");
        let session = scene.connect().await;
        session.batch_execute("BEGIN").await.unwrap();
        session.batch_execute("CREATE TABLE new (a int)").await.unwrap();
        // What is under way stays, whatever its age.
        let expected = ["CREATE TABLE new (a int) | uncommitted"];
        support::until("only that is left", async || {
            scene.intact();
            scene.listed() == expected
        })
        .await;
        assert!(scene.proxy.log().contains("\"event\":\"audit_entries_removed\""), "{}", scene.proxy.log());
        // Of each chain when it is done with.
        support::until("counted", async || {
            let metrics = scene.proxy.http("/metrics").unwrap();
            let removed = metrics.lines().find_map(|line| line.strip_prefix("pgairlock_audit_entries_removed_total ")).unwrap();
            removed.parse::<u64>().unwrap() >= 8
        })
        .await;
        session.batch_execute("COMMIT").await.unwrap();
        drop(session);
        support::until("that is old, too", async || {
            scene.intact();
            scene.listed().is_empty()
        })
        .await;
        for table in ["marks", "follows", "transactions", "announced", "decisions"] {
            assert_eq!(scene.direct.count(table).await, 0, "{table}");
        }
        scene.stop().await;
        let text = scene.intact();
        assert!(text.contains("removed by retention") && text.contains("with good signatures"), "{text}");

        // Who says that of himself is not believed.
        scene.direct.run("UPDATE anchors SET body = replace(body, '\"removed\":', '\"removed\":1')").await;
        let (code, text) = scene.verify();
        assert!(code == Some(1) && text.contains("is not believed: its signature is not that of the key"), "{text}");
        // Nor is that made good by the next process.
        scene = scene.restart();
        support::until("it says so", async || scene.proxy.log().contains("audit_retention_failed")).await;
        assert_eq!(scene.verify().0, Some(1));
        scene.direct.run("DELETE FROM anchors").await;
        assert_eq!(scene.verify().0, Some(1));
    }
}

fn record(session: &str) -> Record {
    Record {
        session: session.into(),
        transaction: 1,
        listener: "l".into(),
        client: "127.0.0.1:5".into(),
        role: "deployer".into(),
        database: "app".into(),
        application_name: None,
        sql: format!("CREATE TABLE {session} (a int)"),
        decision: "pass".into(),
        findings: Vec::new(),
        steps: Vec::new(),
        in_transaction: false,
        commit_is_announced: false,
        facts: Vec::new(),
        server_version: 150_000,
        former: vec![],
        tool_guess: None,
        approval: None,
        tls: None,
        mark: None,
    }
}

/// Killed wherever it is at that moment, again and again: the log is whole each time, and at last what is old is gone.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_dies_in_the_midst_leaves_a_whole_log() {
    for mut scene in Scene::all().await {
        scene.stop().await;
        let place = pgairlock::config::settings::StorePlace::read(Path::new(&scene.store)).unwrap();
        let place = pgairlock::store::Place::read(&place).unwrap();
        let store = tokio::task::spawn_blocking(move || Store::open(&place).unwrap()).await.unwrap();
        let told = (0..3_000).map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let id = store.record(record(&format!("s{number}"))).await.unwrap();
                store.outcome(id, Outcome { tag: Some("CREATE TABLE".into()), ..Outcome::default() }).await.unwrap();
            })
        });
        for told in told.collect::<Vec<_>>() {
            told.await.unwrap();
        }
        store.close().await.unwrap();
        configure(&scene.proxy.config, "retention = \"1s\"\n");
        let mut kills = 0;
        let mut left = scene.direct.count("entries").await;
        while left > 1_000 {
            scene.direct.run("UPDATE writers SET seen_at = 0; UPDATE turns SET until = 0").await;
            scene = scene.restart();
            support::until("some of it is gone", async || scene.direct.count("entries").await < left).await;
            scene.proxy.signal("KILL");
            scene.proxy.wait();
            kills += 1;
            left = scene.direct.count("entries").await;
            scene.intact();
        }
        assert!(kills > 1, "it was never killed in the midst");
        scene.direct.run("UPDATE writers SET seen_at = 0; UPDATE turns SET until = 0").await;
        scene = scene.restart();
        support::until("all of it is gone", async || scene.direct.count("decisions").await == 0).await;
        scene.stop().await;
        println!("{kills} kills, then: {}", scene.intact().lines().next().unwrap());
    }
}

/// Two replicas with one log, both of which keep it short, and a client at each; whoever verifies meanwhile finds nothing.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_do_not_get_into_each_others_way() {
    for cluster in clusters() {
        let mut one = Scene::new(cluster, true).await.again("retention = \"1s\"\n");
        let mut other = Scene::new(cluster, true).await;
        (other.store, other.key, other.checkpoints) = (one.store.clone(), one.key.clone(), one.checkpoints.clone());
        let of_one = other.proxy.config.with_file_name("of-one");
        std::fs::copy(one.proxy.config.with_file_name("key"), &of_one).unwrap();
        let text = std::fs::read_to_string(&other.proxy.config).unwrap();
        let text = text.lines().map(|line| match line.split_once(" = ") {
            Some(("signing_key", _)) => format!("signing_key = \"{}\"\nretention = \"1s\"\n", of_one.display()),
            Some(("checkpoints", _)) => format!("checkpoints = \"{}\"\n", one.checkpoints.display()),
            _ => format!("{line}\n"),
        });
        std::fs::write(&other.proxy.config, text.collect::<String>()).unwrap();
        other = other.restart();

        let sessions = [one.connect().await, other.connect().await];
        let clients: Vec<_> = sessions.into_iter().map(|session| tokio::spawn(migrate(session))).collect();
        let mut verified = 0;
        while verified < 5 || !clients.iter().all(tokio::task::JoinHandle::is_finished) {
            one.intact();
            verified += 1;
        }
        for client in clients {
            client.await.unwrap();
        }
        support::until("all of it is old and gone", async || one.direct.count("decisions").await == 0).await;
        for scene in [&mut one, &mut other] {
            assert!(!scene.proxy.log().contains("audit_retention_failed"), "{}", scene.proxy.log());
            scene.stop().await;
        }
        let text = one.intact();
        assert!(text.contains("removed by retention"), "{text}");
    }
}

async fn migrate(session: Session) {
    for number in 0..300 {
        session.batch_execute(&format!("CREATE TABLE t_{number} (a int)")).await.unwrap();
    }
}
