//! What a statement really did: the locks that its session holds, the files of tables and indexes, and the scans that the server counts.

use std::collections::BTreeMap;

use pgairlock::catalog::locks::{LockMode, Work};
use tokio_postgres::error::DbError;

use crate::support::Session;
use crate::support::client::db_error;

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Measured {
    /// The strongest lock on each table, index and view that was there before, by its qualified name.
    pub(crate) locks: BTreeMap<String, LockMode>,
    /// The most that was done to any table or index that was there before.
    pub(crate) work: Work,
    /// Which of them are tables and views: an index may be locked more strongly than its table.
    tables: Vec<String>,
}

impl Measured {
    /// The strongest lock on any table or view.
    pub(crate) fn on_tables(&self) -> Option<LockMode> {
        self.tables.iter().filter_map(|table| self.locks.get(table)).max().copied()
    }

    /// The strongest lock on anything.
    pub(crate) fn on_anything(&self) -> Option<LockMode> {
        self.locks.values().max().copied()
    }
}

/// A table, an index or a view.
struct Relation {
    name: String,
    kind: String,
    file: Option<u32>,
    scans: i64,
    /// The table of an index.
    table: Option<u32>,
}

type Relations = BTreeMap<u32, Relation>;

/// Runs it in a transaction and rolls that back, or commits it.
pub(crate) async fn in_transaction(session: &Session, sql: &str, end: &str) -> Result<Measured, DbError> {
    session.batch_execute("BEGIN").await.map_err(|error| db_error(&error))?;
    let before = relations(session).await;
    let result = session.batch_execute(sql).await.map_err(|error| db_error(&error));
    if let Err(error) = result {
        session.batch_execute("ROLLBACK").await.unwrap();
        return Err(error);
    }
    let measured = Measured {
        locks: locks(session, &before).await,
        work: work(&before, &relations(session).await),
        tables: before.values().filter(|relation| ["r", "p", "m", "v"].contains(&&*relation.kind)).map(|relation| relation.name.clone()).collect(),
    };
    session.batch_execute(end).await.map_err(|error| db_error(&error))?;
    Ok(measured)
}

/// Runs what no transaction can hold. Its locks are gone by the time that it is done, and what it read is counted elsewhere: left is what it wrote anew.
pub(crate) async fn rewrites_outside(session: &Session, sql: &str) -> Result<bool, DbError> {
    let before = relations(session).await;
    session.batch_execute(sql).await.map_err(|error| db_error(&error))?;
    Ok(work(&before, &relations(session).await) == Work::Rewrite)
}

/// Not those of the catalogs, nor TOAST, which follows its table.
async fn relations(session: &Session) -> Relations {
    let sql = "SELECT c.oid, format('%s.%s', n.nspname, c.relname), c.relkind::text, pg_relation_filenode(c.oid), pg_stat_get_xact_numscans(c.oid), i.indrelid
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid
        WHERE c.oid >= 16384 AND n.nspname !~ '^pg_' AND c.relkind IN ('r', 'p', 'm', 'v', 'i', 'I')";
    let rows = session.query(sql, &[]).await.unwrap();
    let relation =
        |row: &tokio_postgres::Row| Relation { name: row.get(1), kind: row.get(2), file: row.get(3), scans: row.get(4), table: row.get(5) };
    rows.iter().map(|row| (row.get(0), relation(row))).collect()
}

async fn locks(session: &Session, known: &Relations) -> BTreeMap<String, LockMode> {
    let sql =
        "SELECT l.relation, l.mode FROM pg_locks l WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted AND l.relation >= 16384";
    let mut strongest = BTreeMap::new();
    for row in session.query(sql, &[]).await.unwrap() {
        let (oid, mode): (u32, String) = (row.get(0), row.get(1));
        let mode = LockMode::ALL.into_iter().find(|known| format!("{known}Lock") == mode).unwrap_or_else(|| panic!("the lock {mode}"));
        if let Some(relation) = known.get(&oid) {
            let held = strongest.entry(relation.name.clone()).or_insert(mode);
            *held = mode.max(*held);
        }
    }
    strongest
}

fn work(before: &Relations, after: &Relations) -> Work {
    after.iter().map(|(oid, now)| work_on(*oid, now, before)).max().unwrap_or(Work::None)
}

/// An index that ALTER TYPE rebuilds has a new oid, and its old name; one that takes the name of a constraint has its old oid.
fn work_on(oid: u32, now: &Relation, before: &Relations) -> Work {
    let then = before.get(&oid).or_else(|| before.values().find(|then| then.name == now.name));
    match then {
        Some(then) if then.file != now.file => Work::Rewrite,
        Some(then) if before.contains_key(&oid) && then.scans != now.scans => Work::Scan,
        // A new index on rows that were there.
        None if now.table.is_some_and(|table| before.contains_key(&table)) => Work::Scan,
        _ => Work::None,
    }
}
