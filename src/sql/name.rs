//! Names as newtypes, and how they are written in SQL.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::statement::TypeName;

/// A relation as the user named it: with or without a schema. Resolution is the server's work (see `catalog`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RelationName {
    /// The schema, when the user wrote one.
    pub schema: Option<String>,
    /// The relation's own name, already folded to lower case or unquoted as PostgreSQL does.
    pub name: String,
}

impl RelationName {
    /// A name without a schema.
    pub fn unqualified(name: impl Into<String>) -> Self {
        Self { schema: None, name: name.into() }
    }

    /// A name with a schema.
    pub fn qualified(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: Some(schema.into()), name: name.into() }
    }

    /// The same schema, another name: an index lives in the schema of its table.
    #[must_use]
    pub fn sibling(&self, name: impl Into<String>) -> Self {
        Self { schema: self.schema.clone(), name: name.into() }
    }
}

impl fmt::Display for RelationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{}.", Identifier(schema))?;
        }
        write!(f, "{}", Identifier(&self.name))
    }
}

/// Writes an identifier as `quote_ident` does: bare when that is safe, else in double quotes.
#[derive(Debug, Clone, Copy)]
pub struct Identifier<'a>(pub &'a str);

impl fmt::Display for Identifier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_bare(self.0) { f.write_str(self.0) } else { write!(f, "\"{}\"", self.0.replace('"', "\"\"")) }
    }
}

/// Writes a string constant that means the same whatever `standard_conforming_strings` is.
#[derive(Debug, Clone, Copy)]
pub struct Literal<'a>(pub &'a str);

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = self.0.replace('\'', "''");
        if quoted.contains('\\') { write!(f, "E'{}'", quoted.replace('\\', "\\\\")) } else { write!(f, "'{quoted}'") }
    }
}

impl fmt::Display for TypeName {
    /// As a user would write it: the grammar's own names for the common types, everything else by its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.names {
            [schema, name] if schema == "pg_catalog" => f.write_str(common_name(name))?,
            names => f.write_str(&names.iter().map(|name| Identifier(name).to_string()).collect::<Vec<_>>().join("."))?,
        }
        // The modifiers of interval are bits, not what the user wrote.
        if !self.modifiers.is_empty() && self.names.last().is_none_or(|name| name != "interval") {
            write!(f, "({})", self.modifiers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))?;
        }
        f.write_str(if self.array { "[]" } else { "" })
    }
}

/// The name in the manual of a type of `pg_catalog`.
fn common_name(name: &str) -> &str {
    match name {
        "int2" => "smallint",
        "int4" => "integer",
        "int8" => "bigint",
        "float4" => "real",
        "float8" => "double precision",
        "bool" => "boolean",
        "bpchar" => "char",
        other => other,
    }
}

fn is_bare(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase() || first == b'_')
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !super::keyword::needs_quotes(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_read_as_in_the_manual() {
        let name = |names: &[&str], modifiers: &[i32], array| TypeName {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            modifiers: modifiers.to_vec(),
            array,
        };
        for (name, text) in [
            (name(&["pg_catalog", "int8"], &[], false), "bigint"),
            (name(&["pg_catalog", "numeric"], &[10, 2], false), "numeric(10, 2)"),
            (name(&["pg_catalog", "varchar"], &[20], true), "varchar(20)[]"),
            (name(&["text"], &[], false), "text"),
            (name(&["My", "type"], &[], false), "\"My\".type"),
            (name(&["pg_catalog", "interval"], &[32767, 3], false), "interval"),
        ] {
            assert_eq!(name.to_string(), text);
        }
    }
}
