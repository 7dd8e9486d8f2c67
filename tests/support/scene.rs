//! A database of its own behind a proxy that the tests of a process share.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::cluster::kill_at_exit;
use super::{Cluster, Proxy, RawClient, Session, clusters, connect_to};

/// A table over the default `small_table`.
pub const BIG: &str = "CREATE TABLE big (id int PRIMARY KEY, a int, b text);
    INSERT INTO big SELECT i, i, repeat('x', 100) FROM generate_series(1, 12000) i;";

pub struct Scene {
    pub cluster: &'static Cluster,
    pub proxy: &'static Proxy,
    pub database: String,
    /// The superuser, past the proxy.
    pub direct: Session,
}

/// A scene on every server, with this SQL run in it, behind a proxy that enforces.
pub async fn scenes(sql: &str) -> Vec<Scene> {
    scenes_with("enforce", "", sql).await
}

/// A scene on every server behind a proxy of this mode and with this further configuration.
pub async fn scenes_with(mode: &str, more: &str, sql: &str) -> Vec<Scene> {
    let mut scenes = Vec::new();
    for cluster in clusters() {
        let (database, direct) = set_up(cluster, sql).await;
        scenes.push(Scene { cluster, proxy: shared(cluster, mode, more), database, direct });
    }
    scenes
}

/// A new database in which this SQL was run, and the session that ran it.
pub async fn set_up(cluster: &Cluster, sql: &str) -> (String, Session) {
    let database = cluster.database().await;
    let direct = cluster.connect(&database).await;
    direct.batch_execute(sql).await.unwrap();
    (database, direct)
}

/// One proxy for each configuration, alive until the process ends.
fn shared(cluster: &'static Cluster, mode: &str, more: &str) -> &'static Proxy {
    static STARTED: Mutex<BTreeMap<String, &'static Proxy>> = Mutex::new(BTreeMap::new());
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    started.entry(format!("{}\n{mode}\n{more}", cluster.version)).or_insert_with(|| {
        let proxy = Proxy::in_front_of(cluster, mode, more);
        kill_at_exit(proxy.pid());
        Box::leak(Box::new(proxy))
    })
}

impl Scene {
    /// The superuser, through the proxy.
    pub async fn connect(&self) -> Session {
        self.proxy.connect(&self.database).await
    }

    /// Another role without a password, through the proxy, with further words of a connection string.
    pub async fn connect_with(&self, parameters: &str) -> Session {
        connect_to(self.proxy.port, &format!("user=trusted dbname={} {parameters}", self.database)).await.unwrap()
    }

    /// A client that says what it is told to say, through the proxy.
    pub async fn raw(&self) -> RawClient {
        RawClient::log_in(self.proxy.port, &self.database).await
    }

    /// The same past the proxy.
    pub async fn raw_direct(&self) -> RawClient {
        RawClient::log_in(self.cluster.port, &self.database).await
    }

    /// Whether a relation is there.
    pub async fn has(&self, relation: &str) -> bool {
        self.direct.value(&format!("SELECT to_regclass('{relation}') IS NOT NULL")).await == "t"
    }

    pub async fn has_column(&self, table: &str, column: &str) -> bool {
        let sql = format!("SELECT count(*) FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attname = '{column}'");
        self.direct.value(&sql).await == "1"
    }
}
