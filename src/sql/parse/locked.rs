//! The relations that a statement locks strongly, where our `Statement` does not name them.

use pg_query::protobuf::{DropStmt, ObjectType};
use pg_query::{Node, NodeEnum};

use super::super::name::RelationName;
use super::{statement, tree};

/// Those that were there before; none for a statement that does not wait, or that our `Statement` says more of.
pub(super) fn relations(node: &NodeEnum) -> Vec<RelationName> {
    let of = |relation: &Option<pg_query::protobuf::RangeVar>| relation.iter().map(tree::relation).collect();
    match node {
        NodeEnum::LockStmt(stmt) if stmt.mode >= statement::SHARE_LOCK && !stmt.nowait => tree::relations(&stmt.relations),
        NodeEnum::CreateTrigStmt(stmt) => of(&stmt.relation),
        NodeEnum::CreatePolicyStmt(stmt) => of(&stmt.table),
        NodeEnum::AlterPolicyStmt(stmt) => of(&stmt.table),
        NodeEnum::AlterSeqStmt(stmt) => of(&stmt.sequence),
        NodeEnum::AlterTableStmt(stmt) if matches!(ObjectType::try_from(stmt.objtype), Ok(ObjectType::ObjectView | ObjectType::ObjectSequence)) => {
            of(&stmt.relation)
        }
        NodeEnum::ViewStmt(stmt) if stmt.replace => of(&stmt.view),
        NodeEnum::DropStmt(stmt) => dropped(stmt),
        _ => Vec::new(),
    }
}

fn dropped(stmt: &DropStmt) -> Vec<RelationName> {
    use ObjectType as Kind;
    // What stands on a table is named behind it.
    let behind = match ObjectType::try_from(stmt.remove_type) {
        Ok(Kind::ObjectTrigger | Kind::ObjectPolicy | Kind::ObjectRule) => 1,
        Ok(Kind::ObjectView | Kind::ObjectSequence | Kind::ObjectForeignTable) => 0,
        _ => return Vec::new(),
    };
    stmt.objects.iter().filter_map(|object| named(object, behind)).collect()
}

fn named(object: &Node, behind: usize) -> Option<RelationName> {
    let Some(NodeEnum::List(parts)) = tree::kind(object) else { return None };
    let mut names = tree::strings(&parts.items);
    names.truncate(names.len().saturating_sub(behind));
    tree::qualified(names)
}
