//! DROP of everything that shares one node of the tree.

use pg_query::protobuf::{DropStmt, ObjectType};
use pg_query::{Node, NodeEnum};

use super::super::name::RelationName;
use super::super::statement::{Drop, Statement};
use super::{statement, tree};

/// DROP TABLE, INDEX, VIEW, TYPE …
pub(super) fn objects(stmt: &DropStmt) -> Statement {
    use ObjectType as Kind;
    let cascade = tree::cascades(stmt.behavior);
    match Kind::try_from(stmt.remove_type) {
        Ok(Kind::ObjectTable) => Statement::DropTable(relations(stmt)),
        Ok(Kind::ObjectIndex) => Statement::DropIndex(relations(stmt)),
        Ok(Kind::ObjectMatview) => Statement::Unjudged { what: "DROP MATERIALIZED VIEW", relations: names(&stmt.objects) },
        Ok(Kind::ObjectSchema) => statement::unjudged("DROP SCHEMA"),
        // The extension's own tables go with it, without CASCADE too.
        Ok(Kind::ObjectExtension) => statement::unjudged("DROP EXTENSION"),
        Ok(kind) => plain(kind, cascade, &stmt.objects),
        Err(_) => statement::unjudged("DROP"),
    }
}

/// Without CASCADE the server refuses to drop what a table depends on; with it, columns and views may go.
fn plain(kind: ObjectType, cascade: bool, objects: &[Node]) -> Statement {
    use ObjectType as Kind;
    let relations = || names(objects);
    match (kind, cascade) {
        (Kind::ObjectView, false) => Statement::Brief("DROP VIEW"),
        (Kind::ObjectView, true) => Statement::Unjudged { what: "DROP VIEW … CASCADE", relations: relations() },
        (Kind::ObjectSequence, false) => Statement::Brief("DROP SEQUENCE"),
        (Kind::ObjectSequence, true) => Statement::Unjudged { what: "DROP SEQUENCE … CASCADE", relations: relations() },
        (Kind::ObjectForeignTable, false) => Statement::Brief("DROP FOREIGN TABLE"),
        (Kind::ObjectForeignTable, true) => Statement::Unjudged { what: "DROP FOREIGN TABLE … CASCADE", relations: relations() },
        (Kind::ObjectType, false) => Statement::Brief("DROP TYPE"),
        (Kind::ObjectType, true) => statement::unjudged("DROP TYPE … CASCADE"),
        (Kind::ObjectDomain, false) => Statement::Brief("DROP DOMAIN"),
        (Kind::ObjectDomain, true) => statement::unjudged("DROP DOMAIN … CASCADE"),
        (Kind::ObjectFunction | Kind::ObjectProcedure | Kind::ObjectRoutine | Kind::ObjectAggregate, false) => Statement::Brief("DROP FUNCTION"),
        (Kind::ObjectFunction | Kind::ObjectProcedure | Kind::ObjectRoutine | Kind::ObjectAggregate, true) => {
            statement::unjudged("DROP FUNCTION … CASCADE")
        }
        (Kind::ObjectTrigger, _) => Statement::Brief("DROP TRIGGER"),
        (Kind::ObjectPolicy, _) => Statement::Brief("DROP POLICY"),
        (Kind::ObjectRule, _) => Statement::Brief("DROP RULE"),
        (Kind::ObjectStatisticExt, _) => Statement::Brief("DROP STATISTICS"),
        (Kind::ObjectPublication, _) => Statement::Brief("DROP PUBLICATION"),
        (Kind::ObjectEventTrigger, _) => Statement::Brief("DROP EVENT TRIGGER"),
        (_, false) => Statement::Brief("DROP"),
        (_, true) => statement::unjudged("DROP … CASCADE"),
    }
}

fn relations(stmt: &DropStmt) -> Drop {
    Drop { relations: names(&stmt.objects), if_exists: stmt.missing_ok, cascade: tree::cascades(stmt.behavior), concurrently: stmt.concurrent }
}

fn names(objects: &[Node]) -> Vec<RelationName> {
    objects
        .iter()
        .filter_map(|object| match tree::kind(object)? {
            NodeEnum::List(parts) => tree::qualified(tree::strings(&parts.items)),
            _ => None,
        })
        .collect()
}
