//! Who still uses a table or a column: what the server has counted, and what else in the database depends on it.

use serde::Deserialize;

use crate::sql::name::RelationName;
use crate::sql::parse::uses;

use super::words::words;

/// Most characters of a statement that are shown.
const SHOWN: usize = 100;

/// Who uses a table, or one column of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// The column; none for the table.
    pub column: Option<String>,
    /// Views that depend on it.
    pub views: Vec<String>,
    /// Functions whose source names it.
    pub functions: Vec<String>,
    /// What `pg_stat_statements` has of it; none where that is not there, or not for this role.
    pub statements: Option<Statements>,
}

/// Statements that the server has counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Statements {
    /// How many use it.
    pub count: usize,
    /// How often these ran.
    pub calls: u64,
    /// The one that ran most often, shortened.
    pub example: Option<String>,
    /// Those of other roles cannot be seen.
    pub hidden: bool,
    /// How many name it, as far as their letters tell, and could not be read.
    pub unread: usize,
}

/// The answer of the server, before it is read.
#[derive(Debug, Deserialize)]
pub(super) struct EvidenceAnswer {
    objects: Option<Vec<ObjectAnswer>>,
    statements: Option<Vec<CountedAnswer>>,
}

#[derive(Debug, Deserialize)]
struct ObjectAnswer {
    n: usize,
    oid: u32,
    column: Option<String>,
    views: Vec<String>,
    functions: Vec<FunctionAnswer>,
}

#[derive(Debug, Deserialize)]
struct FunctionAnswer {
    name: String,
    source: String,
}

#[derive(Debug, Deserialize)]
struct CountedAnswer {
    query: String,
    calls: u64,
}

impl EvidenceAnswer {
    /// What is known of a relation of that oid, which has this name; with the number of what was asked for.
    pub(super) fn of(&self, oid: u32, table: &RelationName) -> Vec<Evidence> {
        let objects = self.objects.iter().flatten().filter(|object| object.oid == oid);
        let mut objects: Vec<&ObjectAnswer> = objects.collect();
        objects.sort_by_key(|object| object.n);
        objects.iter().map(|object| self.read(object, table)).collect()
    }

    fn read(&self, object: &ObjectAnswer, table: &RelationName) -> Evidence {
        let column = object.column.as_deref();
        let named = |source: &str| {
            let words = words(source);
            words.contains(&table.name) && column.is_none_or(|column| words.contains(column))
        };
        Evidence {
            column: object.column.clone(),
            views: object.views.clone(),
            functions: object.functions.iter().filter(|function| named(&function.source)).map(|function| function.name.clone()).collect(),
            statements: self.statements.as_ref().map(|counted| statements(counted, table, column)),
        }
    }
}

fn statements(counted: &[CountedAnswer], table: &RelationName, column: Option<&str>) -> Statements {
    let mut found = Statements::default();
    for statement in counted {
        if statement.query == "<insufficient privilege>" {
            found.hidden = true;
            continue;
        }
        match uses::of(&statement.query) {
            Some(uses) if uses.mention(table, column) => {
                found.count += 1;
                found.calls = found.calls.saturating_add(statement.calls);
                found.example.get_or_insert_with(|| shortened(&statement.query));
            }
            Some(_) => {}
            None if is_about_rows(&statement.query) => found.unread += 1,
            None => {}
        }
    }
    found
}

fn is_about_rows(query: &str) -> bool {
    let first = query.split_whitespace().next().unwrap_or_default();
    ["select", "insert", "update", "delete", "with", "merge"].iter().any(|word| first.eq_ignore_ascii_case(word))
}

fn shortened(query: &str) -> String {
    let line = query.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SHOWN { line } else { format!("{}…", line.chars().take(SHOWN).collect::<String>()) }
}

impl Evidence {
    /// The end of a sentence about it; empty where nothing is known.
    #[must_use]
    pub fn told(&self) -> String {
        let mut told = self.statements.as_ref().map(Statements::told).unwrap_or_default();
        for (what, names) in [("view", &self.views), ("function", &self.functions)] {
            if !names.is_empty() {
                let plural = if names.len() > 1 { "s" } else { "" };
                told += &format!("; the {what}{plural} {} use{} it", names.join(", "), if names.len() > 1 { "" } else { "s" });
            }
        }
        told
    }
}

impl Statements {
    fn told(&self) -> String {
        let hidden = if self.hidden { ", as far as this role may see them" } else { "" };
        match (&self.example, self.count, self.unread) {
            (Some(example), 1, _) => format!("; 1 statement in pg_stat_statements uses it ({} calls){hidden}: {example}", self.calls),
            (Some(example), count, _) => {
                format!("; {count} statements in pg_stat_statements use it ({} calls){hidden}, first: {example}", self.calls)
            }
            (None, _, 0) => format!("; no statement in pg_stat_statements uses it{hidden}"),
            (None, _, unread) => format!("; no statement in pg_stat_statements is known to use it{hidden}, but {unread} could not be read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(column: Option<&str>, statements: &str) -> String {
        let column = serde_json::to_string(&column).unwrap();
        let json = format!(
            "{{\"objects\": [{{\"n\": 0, \"oid\": 7, \"column\": {column}, \"views\": [\"v\"],
              \"functions\": [{{\"name\": \"f\", \"source\": \"SELECT email FROM users\"}}, {{\"name\": \"g\", \"source\": \"SELECT 1 FROM users_old\"}}]}}],
              \"statements\": {statements}}}"
        );
        let answer: EvidenceAnswer = serde_json::from_str(&json).unwrap();
        answer.of(7, &RelationName::qualified("public", "users")).remove(0).told()
    }

    #[test]
    fn evidence_is_read_and_told() {
        let some = r#"[{"query": "SELECT email\n FROM users", "calls": 1000}, {"query": "SELECT id FROM users", "calls": 5}, {"query": "SELECT id FROM users WHERE (", "calls": 5}]"#;
        assert_eq!(
            told(Some("email"), some),
            "; 1 statement in pg_stat_statements uses it (1000 calls): SELECT email FROM users; the view v uses it; the function f uses it"
        );
        assert_eq!(
            told(None, some),
            "; 2 statements in pg_stat_statements use it (1005 calls), first: SELECT email FROM users; the view v uses it; the function f uses it"
        );
        assert!(told(Some("age"), some).starts_with("; no statement in pg_stat_statements is known to use it, but 1 could not be read"));
        assert!(told(Some("age"), "[]").starts_with("; no statement in pg_stat_statements uses it; the view v uses it"));
        assert!(told(Some("age"), r#"[{"query": "<insufficient privilege>", "calls": 1}]"#).contains("as far as this role may see them"));
        assert_eq!(told(Some("age"), "null"), "; the view v uses it");
    }
}
