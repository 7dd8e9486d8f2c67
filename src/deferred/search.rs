//! Rows that a constraint would not allow, looked for before it is left for after COMMIT: bad data should fail the statement, in PostgreSQL's words.

use serde::Deserialize;

use crate::sql::name::{Identifier, RelationName};

use super::operation::{Class, CreateIndex, Operation, Validate};

/// Parameters: the table and the constraint's name. The answer is JSON text; nothing when there is no such constraint.
pub const QUESTION: &str = "SELECT pg_catalog.json_build_object('expression', pg_catalog.pg_get_expr(c.conbin, c.conrelid), \
     'columns', (SELECT pg_catalog.json_agg(a.attname ORDER BY k.n) FROM pg_catalog.unnest(c.conkey) WITH ORDINALITY k (number, n) \
        JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.conrelid AND a.attnum OPERATOR(pg_catalog.=) k.number), \
     'parent_schema', n.nspname, 'parent', p.relname, \
     'parent_columns', (SELECT pg_catalog.json_agg(a.attname ORDER BY k.n) FROM pg_catalog.unnest(c.confkey) WITH ORDINALITY k (number, n) \
        JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.confrelid AND a.attnum OPERATOR(pg_catalog.=) k.number))::pg_catalog.text \
     FROM pg_catalog.pg_constraint c LEFT JOIN pg_catalog.pg_class p ON p.oid OPERATOR(pg_catalog.=) c.confrelid \
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.relnamespace \
     WHERE c.conrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1)::pg_catalog.oid AND c.conname OPERATOR(pg_catalog.=) $2::pg_catalog.name";

/// The answer to [`QUESTION`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Definition {
    expression: Option<String>,
    columns: Option<Vec<String>>,
    parent_schema: Option<String>,
    parent: Option<String>,
    parent_columns: Option<Vec<String>>,
}

/// A query that finds one row that is not allowed, and what that is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Answers with the DETAIL of the error, perhaps empty; with no row when all is well.
    pub sql: String,
    /// SQLSTATE.
    pub sqlstate: &'static str,
    /// The primary message.
    pub message: String,
}

/// What has to be known before a search can be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// Nothing can be wrong: no search.
    Nothing,
    /// This is the search.
    Search(Search),
    /// The constraint as the server has it: the parameters of [`QUESTION`].
    Definition(Vec<String>),
    /// What an expression or predicate says is not read: it shows only when the operation runs.
    Unsearchable,
}

impl Operation {
    /// How to look for rows that it would fail on.
    #[must_use]
    pub fn search(&self) -> Need {
        match self {
            Self::CreateIndex(create) if create.unique => duplicates(create).map_or(Need::Unsearchable, Need::Search),
            Self::SetNotNull(set) => Need::Search(Search::nulls(&set.table, set.only, &set.column)),
            Self::Validate(validate) if validate.class == Class::Existing => {
                Need::Definition(vec![validate.table.to_string(), validate.constraint.clone()])
            }
            Self::Validate(validate) => validate.search.clone().map_or(Need::Unsearchable, Need::Search),
            Self::OnPartition(part) => part.operation.search(),
            Self::CreateIndex(_)
            | Self::AttachKey(_)
            | Self::DropIndex(_)
            | Self::Reindex(_)
            | Self::Adopt(_)
            | Self::Detach(_)
            | Self::DropBounds(_)
            | Self::DropForeignKey(_)
            | Self::DropTable(_) => Need::Nothing,
        }
    }

    /// The search for a constraint that the server has described.
    #[must_use]
    pub fn search_by(&self, answer: Option<&str>) -> Option<Search> {
        let Self::Validate(validate) = self else { return None };
        let definition: Definition = serde_json::from_str(answer?).ok()?;
        definition.search(validate)
    }
}

fn list(columns: &[String], prefix: &str) -> String {
    columns.iter().map(|column| format!("{prefix}{}", Identifier(column))).collect::<Vec<_>>().join(", ")
}

fn each(columns: &[String], one: impl Fn(&String) -> String) -> String {
    columns.iter().map(one).collect::<Vec<_>>().join(" AND ")
}

/// `Key (a, b)=(` … as the value of an expression.
fn key(columns: &[String], prefix: &str, end: &str) -> String {
    let names = columns.join(", ").replace('\'', "''");
    format!("pg_catalog.concat('Key ({names})=(', pg_catalog.concat_ws(', ', {}), '{}')", list(columns, prefix), end.replace('\'', "''"))
}

fn from(table: &RelationName, only: bool) -> String {
    format!("FROM {}{table}", if only { "ONLY " } else { "" })
}

fn duplicates(create: &CreateIndex) -> Option<Search> {
    let columns = create.key.as_ref().filter(|key| !key.is_empty() && create.whole)?;
    let filled = if create.nulls_not_distinct {
        String::new()
    } else {
        format!(" WHERE {}", each(columns, |column| format!("{} IS NOT NULL", Identifier(column))))
    };
    let by = list(columns, "");
    Some(Search {
        sql: format!(
            "SELECT {} {}{filled} GROUP BY {by} HAVING pg_catalog.count(*) > 1 LIMIT 1",
            key(columns, "", ") is duplicated."),
            from(&create.table, true)
        ),
        sqlstate: "23505",
        message: format!("could not create unique index \"{}\"", create.index.as_ref()?.name),
    })
}

impl Search {
    /// A NULL in a column.
    #[must_use]
    pub fn nulls(table: &RelationName, only: bool, column: &str) -> Self {
        Self {
            sql: format!("SELECT '' {} WHERE {} IS NULL LIMIT 1", from(table, only), Identifier(column)),
            sqlstate: "23502",
            message: format!("column \"{column}\" of relation \"{}\" contains null values", table.name),
        }
    }

    /// A row for which a CHECK is false.
    #[must_use]
    pub fn false_rows(table: &RelationName, only: bool, constraint: &str, expression: &str) -> Self {
        Self {
            sql: format!("SELECT '' {} WHERE NOT ({expression}) LIMIT 1", from(table, only)),
            sqlstate: "23514",
            message: format!("check constraint \"{constraint}\" of relation \"{}\" is violated by some row", table.name),
        }
    }

    /// A row without its parent. Rows with a NULL in their key have none to have; of these MATCH FULL says more, which shows when it is validated.
    #[must_use]
    pub fn orphans(
        table: &RelationName,
        only: bool,
        constraint: &str,
        columns: &[String],
        parent: &RelationName,
        parents: &[String],
    ) -> Option<Self> {
        if columns.is_empty() || columns.len() != parents.len() {
            return None;
        }
        let filled = each(columns, |column| format!("f.{} IS NOT NULL", Identifier(column)));
        let same = columns.iter().zip(parents).map(|(own, theirs)| format!("p.{} = f.{}", Identifier(theirs), Identifier(own)));
        let detail = key(columns, "f.", &format!(") is not present in table \"{}\".", parent.name));
        Some(Self {
            sql: format!(
                "SELECT {detail} {} f WHERE {filled} AND NOT EXISTS (SELECT FROM {parent} p WHERE {}) LIMIT 1",
                from(table, only),
                same.collect::<Vec<_>>().join(" AND ")
            ),
            sqlstate: "23503",
            message: format!("insert or update on table \"{}\" violates foreign key constraint \"{constraint}\"", table.name),
        })
    }
}

impl Definition {
    fn search(self, validate: &Validate) -> Option<Search> {
        let (table, only, name) = (&validate.table, validate.only, &*validate.constraint);
        if let (Some(schema), Some(parent)) = (self.parent_schema, self.parent) {
            let parent = RelationName::qualified(schema, parent);
            return Search::orphans(table, only, name, &self.columns?, &parent, &self.parent_columns?);
        }
        match self.expression {
            Some(expression) => Some(Search::false_rows(table, only, name, &expression)),
            None => Some(Search::nulls(table, only, self.columns?.first()?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> RelationName {
        RelationName::unqualified("t")
    }

    #[test]
    fn duplicates_are_looked_for_where_the_key_is_columns_alone() {
        let create = CreateIndex {
            table: table(),
            index: Some(table().sibling("i")),
            unique: true,
            key: Some(vec!["a".into(), "B".into()]),
            whole: true,
            nulls_not_distinct: false,
            sql: String::new(),
        };
        let Need::Search(search) = Operation::CreateIndex(create.clone()).search() else { panic!() };
        assert_eq!(
            search.sql,
            "SELECT pg_catalog.concat('Key (a, B)=(', pg_catalog.concat_ws(', ', a, \"B\"), ') is duplicated.') FROM ONLY t \
             WHERE a IS NOT NULL AND \"B\" IS NOT NULL GROUP BY a, \"B\" HAVING pg_catalog.count(*) > 1 LIMIT 1"
        );
        assert_eq!((search.sqlstate, &*search.message), ("23505", "could not create unique index \"i\""));
        for other in [CreateIndex { whole: false, ..create.clone() }, CreateIndex { key: None, ..create.clone() }] {
            assert_eq!(Operation::CreateIndex(other).search(), Need::Unsearchable);
        }
        assert_eq!(Operation::CreateIndex(CreateIndex { unique: false, ..create }).search(), Need::Nothing);
    }

    #[test]
    fn a_constraint_is_searched_as_the_server_describes_it() {
        let validate = Operation::Validate(Validate {
            table: table(),
            only: false,
            constraint: "k".into(),
            class: Class::Existing,
            in_place: false,
            add: None,
            search: None,
        });
        assert_eq!(validate.search(), Need::Definition(vec!["t".into(), "k".into()]));
        let check = validate.search_by(Some(r#"{"expression":"(a > 0)","columns":["a"]}"#)).unwrap();
        assert_eq!((&*check.sql, check.sqlstate), ("SELECT '' FROM t WHERE NOT ((a > 0)) LIMIT 1", "23514"));
        let key = r#"{"columns":["a"],"parent_schema":"public","parent":"p","parent_columns":["id"]}"#;
        assert_eq!(
            validate.search_by(Some(key)).unwrap().sql,
            "SELECT pg_catalog.concat('Key (a)=(', pg_catalog.concat_ws(', ', f.a), ') is not present in table \"p\".') FROM t f \
             WHERE f.a IS NOT NULL AND NOT EXISTS (SELECT FROM public.p p WHERE p.id = f.a) LIMIT 1"
        );
        let not_null = validate.search_by(Some(r#"{"columns":["a"]}"#)).unwrap();
        assert_eq!(not_null.message, "column \"a\" of relation \"t\" contains null values");
        assert_eq!(validate.search_by(None), None);
    }
}
