//! A schema with its rows, and a migration of it: two lists of statements.

use std::fmt;

/// Any part of both lists is a case as well, since a statement that fails is one that fails on both sides. That makes shrinking simple.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    /// Where it comes from: a seed, or a file's name.
    pub(super) name: String,
    pub(super) schema: Vec<String>,
    pub(super) migration: Vec<String>,
}

const SCHEMA: &str = "-- schema";
const MIGRATION: &str = "-- migration";

impl Case {
    /// What `Display` writes, with comments of one line where they please. A statement ends at the end of its line.
    pub(super) fn parse(name: &str, text: &str) -> Self {
        let (schema, migration) = text.split_once(&format!("{MIGRATION}\n")).unwrap_or_else(|| panic!("{name}: no line '{MIGRATION}'"));
        Self { name: name.to_owned(), schema: statements(schema), migration: statements(migration) }
    }
}

fn statements(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("--"));
    lines
        .map(|line| line.strip_suffix(';').unwrap_or_else(|| panic!("a statement is one line that ends with a semicolon: {line}")).to_owned())
        .collect()
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "-- {}\n{SCHEMA}", self.name)?;
        self.schema.iter().try_for_each(|sql| writeln!(f, "{sql};"))?;
        writeln!(f, "{MIGRATION}")?;
        self.migration.iter().try_for_each(|sql| writeln!(f, "{sql};"))
    }
}
