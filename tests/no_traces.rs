//! Of pgairlock's work nothing is left in the user's database, in his session, or on its way to a subscriber.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail")]

mod support;

#[path = "no_traces/catalogs.rs"]
mod catalogs;
#[path = "no_traces/session.rs"]
mod session;
#[path = "no_traces/subscriber.rs"]
mod subscriber;

use support::RawClient;

/// Tables with rows count as large.
const STRICT: &str = "[limits]\nsmall_table = \"1B\"\n";

/// Two large tables, one for each way of running a migration, and what they refer to.
const TABLES: &str = "CREATE TABLE customers (id int PRIMARY KEY);
    CREATE TABLE orders (id int PRIMARY KEY, customer int, number int, amount int, note text);
    CREATE TABLE items (LIKE orders INCLUDING ALL);";

const ROWS: &str = "INSERT INTO customers SELECT generate_series(1, 100);
    INSERT INTO orders SELECT i, i, i, i, 'x' FROM generate_series(1, 100) i;
    INSERT INTO items SELECT * FROM orders;";

/// How a migration is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// All of it in one transaction: what waits is done after COMMIT.
    Transaction,
    /// Each statement by itself: the safe form runs in its place.
    Autocommit,
}

const WAYS: [Way; 2] = [Way::Transaction, Way::Autocommit];

impl Way {
    /// The table that is migrated this way.
    fn table(self) -> &'static str {
        match self {
            Self::Transaction => "orders",
            Self::Autocommit => "items",
        }
    }

    /// A migration as most people write it, of all that pgairlock makes safe.
    fn statements(self) -> Vec<String> {
        let table = self.table();
        let naive = [
            format!("CREATE INDEX {table}_note_idx ON {table} (note)"),
            format!("ALTER TABLE {table} ADD CONSTRAINT {table}_number_key UNIQUE (number)"),
            format!("ALTER TABLE {table} ADD CONSTRAINT {table}_customer_fkey FOREIGN KEY (customer) REFERENCES customers (id)"),
            format!("ALTER TABLE {table} ADD CONSTRAINT {table}_amount_check CHECK (amount > 0)"),
            format!("ALTER TABLE {table} ALTER COLUMN amount SET NOT NULL"),
        ];
        let (first, last) = if self == Self::Transaction { (Some("BEGIN"), Some("COMMIT")) } else { (None, None) };
        first.map(str::to_owned).into_iter().chain(naive).chain(last.map(str::to_owned)).collect()
    }

    /// Runs it through the proxy, and requires that pgairlock had its hands in each statement.
    async fn migrate(self, client: &mut RawClient) {
        let mut notices = Vec::new();
        for sql in self.statements() {
            let reply = client.ask(&sql).await;
            assert!(reply.errors.is_empty(), "{sql}: {reply:?}");
            notices.extend(reply.notices);
        }
        let made_safe = notices.iter().filter(|notice| notice.starts_with("pgairlock [")).count();
        assert!(made_safe >= 5, "{self:?}: {notices:?}");
    }
}
