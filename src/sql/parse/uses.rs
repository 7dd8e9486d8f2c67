//! What a statement of rows uses, for evidence: tables and columns, wherever in its tree.

use pg_query::{Node, NodeEnum};

use super::super::name::RelationName;
use super::{statements, tree, walk};

/// Tables and columns that a statement names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uses {
    /// Tables and views.
    pub relations: Vec<RelationName>,
    /// Columns, without their tables.
    pub columns: Vec<String>,
    /// All columns of a table: `*`, or an INSERT that lists none.
    pub every_column: bool,
}

impl Uses {
    /// It uses this table, and of it this column where there is one. A name without a schema may mean any.
    #[must_use]
    pub fn mention(&self, table: &RelationName, column: Option<&str>) -> bool {
        let is_table = |name: &RelationName| name.name == table.name && (name.schema.is_none() || name.schema == table.schema);
        let of_column = |column: &str| self.every_column || self.columns.iter().any(|name| name == column);
        self.relations.iter().any(is_table) && column.is_none_or(of_column)
    }
}

/// What a text of one statement uses, be its constants replaced by parameters; none where it cannot be read, or is not about rows.
#[must_use]
pub fn of(text: &str) -> Option<Uses> {
    let read = statements(text).ok()?;
    let [raw] = read.as_slice() else { return None };
    let node = tree::inner(raw.stmt.as_deref())?;
    let (targets, lists_none) = match node {
        NodeEnum::SelectStmt(_) | NodeEnum::DeleteStmt(_) | NodeEnum::MergeStmt(_) => (&[][..], false),
        NodeEnum::InsertStmt(stmt) => (&stmt.cols[..], stmt.cols.is_empty()),
        NodeEnum::UpdateStmt(stmt) => (&stmt.target_list[..], false),
        _ => return None,
    };
    let mut columns = walk::columns(node);
    targets.iter().filter_map(target).for_each(|name| walk::push_once(&mut columns, name));
    Some(Uses { relations: walk::found(node, false).relations, columns, every_column: lists_none || walk::names_every_column(node) })
}

fn target(node: &Node) -> Option<String> {
    match tree::kind(node)? {
        NodeEnum::ResTarget(target) => Some(target.name.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::sql::name::RelationName;

    #[test]
    fn a_column_is_used_where_the_tree_has_it() {
        let users = RelationName::qualified("app", "users");
        for (text, table, email) in [
            ("SELECT id FROM users WHERE email = $1", true, true),
            ("SELECT u.email FROM app.users AS u", true, true),
            ("SELECT * FROM users", true, true),
            ("SELECT count(*) FROM users", true, false),
            ("SELECT id FROM users WHERE note = 'email'", true, false),
            ("SELECT email FROM other.users", false, false),
            ("SELECT email FROM people", false, false),
            ("INSERT INTO users (id, email) VALUES ($1, $2)", true, true),
            ("INSERT INTO users VALUES ($1, $2)", true, true),
            ("INSERT INTO users (id) SELECT $1", true, false),
            ("UPDATE users SET email = $1 WHERE id = $2", true, true),
            ("UPDATE users SET note = $1 WHERE id = $2", true, false),
            ("DELETE FROM users WHERE id IN (SELECT user_id FROM mails WHERE email = $1)", true, true),
            ("WITH x AS (SELECT email FROM users) SELECT * FROM x", true, true),
        ] {
            let uses = of(text).unwrap();
            assert_eq!((uses.mention(&users, None), uses.mention(&users, Some("email"))), (table, email), "{text}");
        }
        for text in ["ALTER TABLE users DROP COLUMN email", "SELECT id FROM users WHERE (", "SELECT 1; SELECT email FROM users", ""] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
