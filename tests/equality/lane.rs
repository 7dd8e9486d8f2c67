//! Two databases of one server: in one a migration runs directly, in the other through a proxy. They are emptied for each run, which is
//! faster than new ones.

use std::process::Command;
use std::time::Duration;

use super::case::Case;
use super::shape::{Piece, Shape};
use super::support::catalog::contents;
use super::support::frontend::Reply;
use super::support::scene::set_up;
use super::support::{Cluster, Proxy, RawClient, Session, catalog};

pub(super) struct Lane {
    proxy: Proxy,
    direct: Side,
    proxied: Side,
}

struct Side {
    port: u16,
    database: String,
    /// Past the proxy on either side.
    session: Session,
}

/// What a client heard, and what there is at the end.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) replies: Vec<Reply>,
    pub(super) catalog: String,
    pub(super) contents: String,
}

/// Tables with rows count as large, and what loses data or names is let through, as for down migrations: the state of such a transaction is
/// what is followed here, not whether somebody wants it.
const CONFIG: &str = "[limits]
small_table = \"1B\"
[rules]
drop-column = \"off\"
drop-table = \"off\"
rename-column = \"off\"
rename-table = \"off\"
unbatched-write = \"off\"
";

/// What a case leaves, whatever it was.
const EMPTY: &str = "DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', name);
    END LOOP; END $$;
    CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO public;";

/// Roles of the whole server, of which one owns tables and one may read them.
const ROLES: &str = "CREATE ROLE owner; CREATE ROLE reader;";

pub(super) async fn roles(cluster: &Cluster) {
    cluster.connect("postgres").await.batch_execute(ROLES).await.unwrap();
}

impl Lane {
    pub(super) async fn on(cluster: &Cluster) -> Self {
        let proxy = Proxy::in_front_of(cluster, "enforce", CONFIG);
        let (direct, proxied) = (Side::new(cluster, cluster.port).await, Side::new(cluster, proxy.port).await);
        Self { proxy, direct, proxied }
    }

    /// Without the proxy. What the pieces are is the caller's business.
    pub(super) async fn directly(&self, case: &Case, shape: Shape, pieces: &[Piece]) -> Result<Run, String> {
        self.direct.begin(case).await?;
        self.direct.run(shape, pieces).await
    }

    /// The same without a single row in the beginning.
    pub(super) async fn directly_without_rows(&self, case: &Case, shape: Shape, pieces: &[Piece]) -> Result<Run, String> {
        self.direct.begin(case).await?;
        self.direct.truncate().await?;
        self.direct.run(shape, pieces).await
    }

    pub(super) async fn through_the_proxy(&self, case: &Case, shape: Shape) -> Result<Run, String> {
        self.proxied.begin(case).await?;
        self.proxied.run(shape, &shape.pieces(&case.migration)).await
    }

    /// After the proxy's run: all rows go, which mends whatever was wrong with them, and what is left to do is done.
    pub(super) async fn settle(&self) -> Result<String, String> {
        self.until_noted().await;
        self.proxied.truncate().await?;
        let url = format!("postgres://trusted@127.0.0.1:{}/{}", self.direct.port, self.proxied.database);
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgairlock"));
        command.args(["deferred", "run", "--database-url", &url, "--store"]).arg(&self.proxy.store);
        let output = command.output().unwrap();
        if output.status.success() {
            return Ok(catalog(&self.proxied.session).await);
        }
        Err(format!("deferred run: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
    }

    /// What the proxy still has to do here. It writes down what has become of a promise while the client hears of it already.
    pub(super) async fn promised(&self) -> Vec<String> {
        for _ in 0..200 {
            if self.open().is_empty() {
                return Vec::new();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.open()
    }

    /// Returns when the store knows of the failure. Who comes before that takes the constraint that was cleaned up for one that somebody has
    /// dropped, and does not add it again (docs/ARCHITECTURE.md, "Known gaps").
    async fn until_noted(&self) {
        let sql = "SELECT count(*) FROM promises WHERE state NOT IN ('settled', 'aborted') AND sqlstate IS NULL AND database = ?1";
        let unnoted = || self.store().query_row(sql, [&self.proxied.database], |row| row.get::<_, i64>(0)).unwrap();
        for _ in 0..500 {
            if unnoted() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn open(&self) -> Vec<String> {
        let (store, database) = (self.store(), &self.proxied.database);
        let open = "SELECT id || ' ' || state || ' ' || coalesce(message, '') || ' ' || operations FROM promises
            WHERE state NOT IN ('settled', 'aborted') AND database = ?1";
        let mut rows = store.prepare(open).unwrap();
        rows.query_map([database], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// Nothing of a case may reach the next one.
    pub(super) fn forget(&self) {
        let sql = "UPDATE announced SET state = 'settled', drop_reason = 'the test has seen it' WHERE state NOT IN ('settled', 'aborted') AND database = ?1";
        self.store().execute(sql, [&self.proxied.database]).unwrap();
    }

    fn store(&self) -> rusqlite::Connection {
        self.proxy.searchable()
    }
}

impl Side {
    async fn new(cluster: &Cluster, port: u16) -> Self {
        let (database, session) = set_up(cluster, "SET client_min_messages = error; SET lock_timeout = '20s'").await;
        Self { port, database, session }
    }

    async fn begin(&self, case: &Case) -> Result<(), String> {
        self.execute(EMPTY).await?;
        self.execute(&case.schema.join(";\n")).await.map_err(|why| format!("the schema itself fails: {why}"))
    }

    async fn execute(&self, sql: &str) -> Result<(), String> {
        self.session.batch_execute(sql).await.map_err(|error| error.as_db_error().map_or(error.to_string(), ToString::to_string))
    }

    async fn truncate(&self) -> Result<(), String> {
        let tables = "SELECT string_agg(oid::regclass::text, ', ') FROM pg_class WHERE relkind IN ('r', 'p') AND oid >= 16384
            AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)";
        match self.session.value(tables).await {
            none if none.is_empty() => Ok(()),
            tables => self.execute(&format!("TRUNCATE {tables} CASCADE")).await,
        }
    }

    async fn run(&self, shape: Shape, pieces: &[Piece]) -> Result<Run, String> {
        let mut client = RawClient::log_in(self.port, &self.database).await;
        let replies = shape.send(&mut client, pieces).await;
        drop(client);
        Ok(Run { replies, catalog: catalog(&self.session).await, contents: contents(&self.session).await })
    }
}
