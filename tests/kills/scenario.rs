//! What is run, who runs it, and who dies.

use std::path::Path;

use super::support::frontend::{Reply, statement, sync};
use super::support::scene::set_up;
use super::support::{Cluster, Proxy, RawClient, Session, catalog, directory};

/// Tables with rows count as large.
pub(super) const STRICT: &str = "[limits]\nsmall_table = \"1B\"\n";

const TABLES: &str = "CREATE TABLE p (id int PRIMARY KEY);
    INSERT INTO p SELECT generate_series(1, 100);
    CREATE TABLE t (id int NOT NULL, a int, b text, c int);
    INSERT INTO t SELECT i, i, i::text, i FROM generate_series(1, 100) i;
    CREATE INDEX t_c ON t (c);
    CREATE INDEX t_b ON t (b);
    CREATE TABLE before AS SELECT 't_b'::regclass::oid AS t_b;
    CREATE TABLE alembic_version (version_num text);
    INSERT INTO alembic_version VALUES ('0')";

/// Statements, and the question whether one is done: `t`, when the tool need not run it again.
type Migration = &'static [(&'static str, &'static str)];

const MIGRATION: Migration = &[
    ("CREATE INDEX t_a ON t (a)", "SELECT bool_and(indisvalid) FROM pg_index WHERE indexrelid = to_regclass('t_a')"),
    ("ALTER TABLE t ADD CONSTRAINT t_k UNIQUE (a)", "SELECT EXISTS (SELECT FROM pg_constraint WHERE conname = 't_k')"),
    ("ALTER TABLE t ADD CONSTRAINT t_check CHECK (c > 0)", "SELECT EXISTS (SELECT FROM pg_constraint WHERE conname = 't_check' AND convalidated)"),
    (
        "ALTER TABLE t ALTER COLUMN b SET NOT NULL",
        "SELECT attnotnull AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = attrelid AND (NOT convalidated OR conname LIKE '\\_\\_%'))
         FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'b'",
    ),
];

const REST: Migration = &[
    (
        "ALTER TABLE t ADD CONSTRAINT t_f FOREIGN KEY (a) REFERENCES p",
        "SELECT EXISTS (SELECT FROM pg_constraint WHERE conname = 't_f' AND convalidated)",
    ),
    ("DROP INDEX t_c", "SELECT to_regclass('t_c') IS NULL"),
    // A concurrent rebuild is another index.
    ("REINDEX INDEX t_b", "SELECT t_b <> 't_b'::regclass FROM before"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scenario {
    /// The migration and its version row in one transaction.
    Transaction,
    /// Its statements, each by itself.
    Autocommit,
    /// The first session of a role whose proxy died when the COMMIT had been answered by the server.
    Resuming,
    /// Other statements in one transaction, by the extended protocol.
    Extended,
    /// The same, each by itself.
    ExtendedAutocommit,
    /// The migration and its version row in one batch of the extended protocol, without BEGIN.
    Batch,
}

pub(super) const SCENARIOS: [Scenario; 6] =
    [Scenario::Transaction, Scenario::Autocommit, Scenario::Resuming, Scenario::Extended, Scenario::ExtendedAutocommit, Scenario::Batch];

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Victim {
    Proxy,
    /// The proxy, and the next run comes while the server still works on what that has left.
    Orphan,
    Client,
    Backend,
    Server,
    /// The whole server, before it has written down that the transaction had a number; another transaction gets that number then.
    Number,
}

impl Victim {
    /// Nothing else can go on meanwhile.
    pub(super) fn is_server(self) -> bool {
        matches!(self, Self::Server | Self::Number)
    }
}

impl Scenario {
    /// The schema that an undisturbed run past the proxy makes.
    pub(super) async fn schema(self, cluster: &Cluster) -> String {
        let (database, direct) = set_up(cluster, TABLES).await;
        assert_eq!(self.tool(cluster.port, &database).await, "done");
        catalog(&direct).await
    }

    /// The places that an undisturbed run through the proxy passes, in order.
    pub(super) async fn places(self, cluster: &Cluster) -> Vec<String> {
        let log = directory("places").join(format!("{}-{self:?}", cluster.version));
        let (database, proxy) = self.begin(cluster, &[("PGAIRLOCK_FAILPOINTS_LOG", &log.display().to_string())]).await;
        assert_eq!(self.tool(proxy.port, &database).await, "done");
        let mut proxy = proxy;
        proxy.signal("TERM");
        proxy.wait();
        read(&log)
    }

    /// A database and a proxy, at the point where the run begins.
    pub(super) async fn begin(self, cluster: &Cluster, environment: &[(&str, &str)]) -> (String, Proxy) {
        let (database, _) = set_up(cluster, TABLES).await;
        if self != Self::Resuming {
            return (database, Proxy::in_front_of_with(cluster, "enforce", STRICT, environment));
        }
        let dying = Proxy::in_front_of_with(cluster, "enforce", STRICT, &[("PGAIRLOCK_FAILPOINT", "reply COMMIT:1")]);
        assert_ne!(self.tool(dying.port, &database).await, "done");
        (database, dying.again(environment))
    }

    /// The tool: what it saw, `done` when it came to its end.
    pub(super) async fn tool(self, port: u16, database: &str) -> String {
        match self.steps(port, database).await {
            Ok(()) => "done".to_owned(),
            Err(seen) => seen,
        }
    }

    fn migration(self) -> Migration {
        if self.is_extended() { REST } else { MIGRATION }
    }

    fn is_extended(self) -> bool {
        matches!(self, Self::Extended | Self::ExtendedAutocommit)
    }

    /// Nothing of it is in a transaction of the tool's.
    pub(super) fn is_autocommit(self) -> bool {
        matches!(self, Self::Autocommit | Self::ExtendedAutocommit)
    }

    async fn steps(self, port: u16, database: &str) -> Result<(), String> {
        let mut client = log_in(port, database).await?;
        if self.is_autocommit() {
            for (sql, done) in self.migration() {
                if self.ask(&mut client, done).await?.rows != ["t"] {
                    self.ask(&mut client, sql).await?;
                }
            }
            // As the tool writes its version row.
            for sql in ["BEGIN", "COMMIT"] {
                self.ask(&mut client, sql).await?;
            }
            return Ok(());
        }
        if self.ask(&mut client, "SELECT version_num FROM alembic_version").await?.rows == ["1"] {
            for sql in ["BEGIN", "SELECT version_num FROM alembic_version", "COMMIT"] {
                self.ask(&mut client, sql).await?;
            }
            return Ok(());
        }
        let version = "UPDATE alembic_version SET version_num = '1'";
        if self == Self::Batch {
            let batch: Vec<u8> = self.migration().iter().map(|(sql, _)| *sql).chain([version]).flat_map(statement).collect();
            let reply = client.exchange(&[batch, sync()].concat(), 1).await.remove(0);
            return seen("the batch", reply).map(drop);
        }
        for sql in ["BEGIN"].into_iter().chain(self.migration().iter().map(|(sql, _)| *sql)).chain([version, "COMMIT"]) {
            self.ask(&mut client, sql).await?;
        }
        Ok(())
    }

    async fn ask(self, client: &mut RawClient, sql: &str) -> Result<Reply, String> {
        let reply = if self.is_extended() { client.ask_extended(sql).await } else { client.ask(sql).await };
        seen(sql, reply)
    }

    /// A session that finishes what is left to do, and does nothing else.
    pub(super) async fn visit(self, port: u16, database: &str) -> Result<(), String> {
        let mut client = log_in(port, database).await?;
        for sql in ["BEGIN", "COMMIT"] {
            self.ask(&mut client, sql).await?;
        }
        Ok(())
    }

    /// The server has committed the migration.
    pub(super) async fn is_committed(self, direct: &Session) -> bool {
        !self.is_autocommit() && direct.value("SELECT version_num FROM alembic_version").await == "1"
    }
}

pub(super) fn read(log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).expect("a build without debug assertions has no failpoints");
    text.lines().map(str::to_owned).collect()
}

async fn log_in(port: u16, database: &str) -> Result<RawClient, String> {
    let mut client = RawClient::connect(port).await;
    client.start(&[("user", "trusted"), ("database", database)]).await;
    seen("login", Reply::of(&client.until(b'Z').await))?;
    Ok(client)
}

fn seen(what: &str, reply: Reply) -> Result<Reply, String> {
    match reply.errors.first() {
        Some((sqlstate, message)) => Err(format!("{what}: {sqlstate} {message}")),
        None if reply.status == 0 => Err(format!("{what}: end of stream")),
        None => Ok(reply),
    }
}
