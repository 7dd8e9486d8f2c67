//! RENAME, SET SCHEMA and what else takes a name away from running code.

use pg_query::protobuf::{AlterEnumStmt, AlterObjectSchemaStmt, ObjectType, RenameStmt};

use super::super::statement::{Rename, RenameKind, Statement};
use super::tree;

/// ALTER … RENAME.
pub(super) fn rename(stmt: &RenameStmt) -> Statement {
    let relation = stmt.relation.as_ref().map(tree::relation);
    Statement::Rename(Rename { kind: kind(stmt), relation, to: stmt.newname.clone() })
}

fn kind(stmt: &RenameStmt) -> RenameKind {
    use ObjectType as Kind;
    match Kind::try_from(stmt.rename_type) {
        Ok(Kind::ObjectTable | Kind::ObjectForeignTable) => RenameKind::Table,
        Ok(Kind::ObjectColumn) => RenameKind::Column(stmt.subname.clone()),
        Ok(Kind::ObjectIndex) => RenameKind::Index,
        Ok(Kind::ObjectTabconstraint) => RenameKind::Constraint(stmt.subname.clone()),
        Ok(Kind::ObjectView | Kind::ObjectMatview) => RenameKind::View,
        Ok(Kind::ObjectSchema) => RenameKind::Schema(stmt.subname.clone()),
        Ok(Kind::ObjectSequence) => RenameKind::Other("sequence"),
        Ok(Kind::ObjectType) => RenameKind::Other("type"),
        Ok(Kind::ObjectAttribute) => RenameKind::Other("attribute"),
        Ok(Kind::ObjectDomain) => RenameKind::Other("domain"),
        Ok(Kind::ObjectDomconstraint) => RenameKind::Other("domain constraint"),
        Ok(Kind::ObjectFunction) => RenameKind::Other("function"),
        Ok(Kind::ObjectProcedure) => RenameKind::Other("procedure"),
        Ok(Kind::ObjectRoutine) => RenameKind::Other("routine"),
        Ok(Kind::ObjectAggregate) => RenameKind::Other("aggregate"),
        Ok(Kind::ObjectRole) => RenameKind::Other("role"),
        Ok(Kind::ObjectDatabase) => RenameKind::Other("database"),
        Ok(Kind::ObjectTrigger) => RenameKind::Other("trigger"),
        Ok(Kind::ObjectPolicy) => RenameKind::Other("policy"),
        Ok(Kind::ObjectRule) => RenameKind::Other("rule"),
        Ok(Kind::ObjectStatisticExt) => RenameKind::Other("statistics"),
        Ok(Kind::ObjectPublication) => RenameKind::Other("publication"),
        Ok(Kind::ObjectSubscription) => RenameKind::Other("subscription"),
        _ => RenameKind::Other("object"),
    }
}

/// ALTER … SET SCHEMA. For what is no relation it is as brief as any change of a catalog row.
pub(super) fn set_schema(stmt: &AlterObjectSchemaStmt) -> Statement {
    match &stmt.relation {
        Some(relation) => Statement::SetSchema { relation: tree::relation(relation) },
        None => Statement::Brief("ALTER … SET SCHEMA"),
    }
}

/// ALTER TYPE … ADD VALUE, or RENAME VALUE.
pub(super) fn enum_value(stmt: &AlterEnumStmt) -> Statement {
    if stmt.old_val.is_empty() {
        return Statement::AddEnumValue { name: tree::bare_type(&stmt.type_name), value: stmt.new_val.clone() };
    }
    Statement::Rename(Rename { kind: RenameKind::Other("enum value"), relation: None, to: stmt.new_val.clone() })
}
