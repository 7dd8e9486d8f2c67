//! What `sql` says of a text is what a real server does with it: where it splits, and which names it gives.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write;

use pgairlock::sql::functions::is_harmless_builtin;
use pgairlock::sql::name::Identifier;
use pgairlock::sql::naming::choose;
use pgairlock::sql::parse::script;
use pgairlock::sql::statement::{FunctionCall, Statement};
use support::{RawClient, Session, clusters};

const LIMIT: usize = 1 << 20;

/// Each hides, or seems to hide, a DROP TABLE t from some reader.
const STRINGS: &[&str] = &[
    "SELECT 1 END; DROP TABLE t",
    "COPY x FROM STDIN; DROP TABLE t",
    "COPY x TO STDIN; DROP TABLE t",
    "SELECT E'a'\n'\\''; DROP TABLE t; --'",
    "SELECT E'a' -- b\n  '\\''; DROP TABLE t; --'",
    "SELECT '\\'; DROP TABLE t; --'",
    "DROP TABLE U&\"\\0074\"",
    "DROP TABLE \"t\"",
    "/* /* */ */ DROP TABLE t",
    "/* /* */ DROP TABLE t */ SELECT 1",
    "SELECT $a$; $b$; $a$; DROP TABLE t",
    "SELECT $a$; DROP TABLE t; $a$",
    "SELECT 1 -- ; DROP TABLE t",
    "SELECT 1 --\r; DROP TABLE t",
    "SELECT 1 AS a$$; DROP TABLE t; --$$",
    "SELECT '; DROP TABLE t' AS \"; DROP TABLE t\"",
    ";; DROP TABLE t ;;",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; DROP TABLE t; DROP FUNCTION f",
];

#[tokio::test]
async fn the_server_splits_as_we_do() {
    for cluster in clusters() {
        let database = cluster.database().await;
        let session = cluster.connect(&database).await;
        session.batch_execute("CREATE TABLE x (a text)").await.unwrap();
        let mut client = RawClient::log_in(cluster.port, &database).await;
        // BEGIN ATOMIC and labels without AS that are keywords came with 14.
        let known = STRINGS.iter().filter(|text| cluster.version != "13" || !text.contains(" END;"));
        for text in known {
            session.batch_execute("DROP TABLE IF EXISTS t; CREATE TABLE t ()").await.unwrap();
            let messages = client.query_with_copy(text).await;
            assert!(messages.iter().all(|(tag, _)| *tag != b'E'), "{text} on {}: {messages:?}", cluster.version);
            let done = messages.iter().filter(|(tag, _)| *tag == b'C').count();
            let dropped = session.value("SELECT to_regclass('t') IS NULL").await == "t";
            let ours = script(text, LIMIT).unwrap().statements;
            let drops = ours.iter().any(|parsed| matches!(&parsed.statement, Statement::DropTable(drop) if drop.relations[0].name == "t"));
            assert_eq!((ours.len(), drops), (done, dropped), "{text} on {}", cluster.version);
        }
    }
}

trait QueryWithCopy {
    async fn query_with_copy(&mut self, sql: &str) -> Vec<support::raw::Message>;
}

impl QueryWithCopy for RawClient {
    /// A simple Query and the end of the data that a COPY may ask for; where none does, the server passes over it.
    async fn query_with_copy(&mut self, sql: &str) -> Vec<support::raw::Message> {
        self.send_message(b'Q', format!("{sql}\0").as_bytes()).await;
        self.send_message(b'c', b"").await;
        self.until(b'Z').await
    }
}

#[tokio::test]
async fn the_server_gives_the_names_that_we_choose() {
    for cluster in clusters() {
        let session = cluster.connect(&cluster.database().await).await;
        let mut expected = Names::default();
        session.batch_execute(&expected.invent(40)).await.unwrap();
        assert_eq!(indexes(&session).await, expected.indexes, "on {}", cluster.version);
        assert_eq!(constraints(&session).await, expected.constraints, "on {}", cluster.version);
    }
}

async fn indexes(session: &Session) -> BTreeSet<String> {
    let sql = "SELECT relname FROM pg_class WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace";
    session.column(sql).await.into_iter().collect()
}

async fn constraints(session: &Session) -> BTreeSet<String> {
    let sql = "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'";
    session.column(sql).await.into_iter().collect()
}

/// Names that exist, of the server's choice as we foresee it.
#[derive(Default)]
struct Names {
    tables: BTreeSet<String>,
    indexes: BTreeSet<String>,
    constraints: BTreeSet<String>,
    random: u64,
}

impl Names {
    /// SQL that makes tables, and on each indexes and constraints without names.
    fn invent(&mut self, tables: usize) -> String {
        let mut sql = String::new();
        while self.tables.len() < tables {
            let table = self.word(70);
            if !self.tables.insert(table.clone()) {
                continue;
            }
            let columns: BTreeSet<String> = (0..4).map(|_| self.word(60)).collect();
            let columns: Vec<String> = columns.into_iter().collect();
            let definitions: Vec<_> = columns.iter().map(|column| format!("{} text", Identifier(column))).collect();
            writeln!(sql, "CREATE TABLE {} ({});", Identifier(&table), definitions.join(", ")).unwrap();
            for round in 0..5 {
                let on = self.index(&table, &columns);
                writeln!(sql, "{on};").unwrap();
                let add = self.constraint(round, &table, &columns);
                writeln!(sql, "ALTER TABLE {} ADD {add};", Identifier(&table)).unwrap();
            }
        }
        sql
    }

    fn index(&mut self, table: &str, columns: &[String]) -> String {
        let keys: Vec<_> = (0..=self.below(3)).map(|_| self.key(columns)).collect();
        let sql = format!("CREATE INDEX ON {} ({})", Identifier(table), keys.join(", "));
        let Statement::CreateIndex(index) = script(&sql, LIMIT).unwrap().statements.remove(0).statement else { panic!("{sql}") };
        let name = choose(table, &index.key_names, "idx", &|name| self.is_relation(name));
        self.indexes.insert(name);
        sql
    }

    fn key(&mut self, columns: &[String]) -> String {
        let column = columns[self.below(columns.len())].clone();
        let column = Identifier(&column);
        match self.below(9) {
            0 => format!("lower({column})"),
            1 => format!("({column} || 'x')"),
            2 => format!("((length({column}))::text)"),
            3 => format!("COALESCE({column}, 'x')"),
            4 => format!("(CASE WHEN {column} = 'a' THEN 1 ELSE 2 END)"),
            _ => column.to_string(),
        }
    }

    fn constraint(&mut self, round: usize, table: &str, columns: &[String]) -> String {
        let column = columns[self.below(columns.len())].clone();
        let (definition, of, suffix) = match round {
            0 => (format!("PRIMARY KEY ({})", Identifier(&column)), vec![], "pkey"),
            1 | 2 => (format!("UNIQUE ({})", Identifier(&column)), vec![column], "key"),
            3 => (format!("CHECK ({} > 'a')", Identifier(&column)), vec![column], "check"),
            _ => ("CHECK (1 > 0)".to_owned(), vec![], "check"),
        };
        let is_index = suffix != "check";
        let name = choose(table, &of, suffix, &|name| self.constraints.contains(name) || (is_index && self.is_relation(name)));
        if is_index {
            self.indexes.insert(name.clone());
        }
        self.constraints.insert(name);
        definition
    }

    fn is_relation(&self, name: &str) -> bool {
        self.tables.contains(name) || self.indexes.contains(name)
    }

    /// A name of at most 63 bytes, of characters of one to three bytes.
    fn word(&mut self, longest: usize) -> String {
        let letters: Vec<char> = "abcdefghijklmnopqrstuvwxyzü€ A\"".chars().collect();
        let mut word = String::new();
        for _ in 0..=self.below(longest) {
            let letter = letters[self.below(letters.len())];
            if word.len() + letter.len_utf8() <= 63 {
                word.push(letter);
            }
        }
        word
    }

    /// A linear congruential generator: the same names in every run.
    fn below(&mut self, limit: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.random >> 33) % u64::try_from(limit).unwrap()).unwrap()
    }
}

#[tokio::test]
async fn the_server_knows_the_functions_that_we_know() {
    for cluster in clusters() {
        let session = cluster.connect("postgres").await;
        let names = session.column("SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace").await;
        let known = names.into_iter().filter(|name| is_harmless_builtin(&FunctionCall { schema: None, name: name.clone() })).count();
        assert!(known > 450, "{known} on {}", cluster.version);
    }
}
