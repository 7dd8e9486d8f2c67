//! Which statement a tree is: every statement of PostgreSQL's list has its line here.

use pg_query::NodeEnum;
use pg_query::protobuf::{DiscardMode, TransactionStmt, TransactionStmtKind};

use super::super::statement::{External, Opaque, SettingChange, Statement, TransactionControl};
use super::{ParseError, Source, alter, create, drop, external, query, rename, rows, setting, tree};

/// ShareLock in PostgreSQL's numbers of lock modes.
pub(super) const SHARE_LOCK: i32 = 5;

/// Turns the tree of one statement into ours.
pub(super) fn of(source: &Source<'_>, node: &NodeEnum) -> Result<Statement, ParseError> {
    Ok(match node {
        NodeEnum::TransactionStmt(stmt) => transaction(stmt)?,
        NodeEnum::VariableSetStmt(stmt) => Statement::Setting(setting::change(stmt)),
        NodeEnum::DiscardStmt(stmt) => Statement::Setting(match DiscardMode::try_from(stmt.target) {
            Ok(DiscardMode::DiscardAll) => SettingChange::DiscardAll,
            _ => SettingChange::Other,
        }),
        NodeEnum::PrepareStmt(stmt) => query::prepare(source, stmt)?,
        NodeEnum::ExplainStmt(stmt) => query::explain(source, stmt)?,
        NodeEnum::AlterTableStmt(stmt) => alter::table(source, stmt)?,
        other => of_rows(other).or_else(|| schema(other)).or_else(|| maintenance(other)).or_else(|| outside(other)).unwrap_or_else(|| brief(other)),
    })
}

fn transaction(stmt: &TransactionStmt) -> Result<Statement, ParseError> {
    use TransactionStmtKind as Kind;
    let name = || stmt.savepoint_name.clone();
    Ok(Statement::Transaction(match Kind::try_from(stmt.kind) {
        Ok(Kind::TransStmtBegin | Kind::TransStmtStart) => TransactionControl::Begin,
        Ok(Kind::TransStmtCommit) => TransactionControl::Commit { chain: stmt.chain },
        Ok(Kind::TransStmtRollback) => TransactionControl::Rollback { chain: stmt.chain },
        Ok(Kind::TransStmtSavepoint) => TransactionControl::Savepoint(name()),
        Ok(Kind::TransStmtRelease) => TransactionControl::Release(name()),
        Ok(Kind::TransStmtRollbackTo) => TransactionControl::RollbackTo(name()),
        Ok(Kind::TransStmtPrepare | Kind::TransStmtCommitPrepared | Kind::TransStmtRollbackPrepared) => TransactionControl::TwoPhase,
        Ok(Kind::Undefined) | Err(_) => return Err(ParseError::not_understood("a transaction command without a kind")),
    }))
}

/// Rows, cursors, prepared statements and code.
fn of_rows(node: &NodeEnum) -> Option<Statement> {
    Some(match node {
        NodeEnum::SelectStmt(stmt) => query::select(stmt),
        NodeEnum::InsertStmt(stmt) => rows::insert(stmt),
        NodeEnum::UpdateStmt(stmt) => rows::update(stmt),
        NodeEnum::DeleteStmt(stmt) => rows::delete(stmt),
        NodeEnum::MergeStmt(stmt) => rows::merge(stmt.relation.as_ref()),
        NodeEnum::DeclareCursorStmt(_) => query::declare(),
        NodeEnum::ClosePortalStmt(_) => query::plain(),
        NodeEnum::FetchStmt(_) => query::fetch(),
        NodeEnum::CopyStmt(stmt) => query::copy(stmt),
        NodeEnum::ExecuteStmt(stmt) => Statement::Execute { name: stmt.name.clone() },
        NodeEnum::DeallocateStmt(stmt) => Statement::Deallocate((!stmt.isall).then(|| stmt.name.clone())),
        NodeEnum::DoStmt(stmt) => Statement::Opaque(query::anonymous_block(stmt)),
        NodeEnum::CallStmt(stmt) => Statement::Opaque(Opaque::Call(tree::function(stmt.funccall.as_ref().map_or(&[], |call| &call.funcname)))),
        NodeEnum::LockStmt(stmt) => Statement::LockTable { relations: tree::relations(&stmt.relations), strong: stmt.mode >= SHARE_LOCK },
        _ => return None,
    })
}

/// Relations and their relatives come and go, and change their names.
fn schema(node: &NodeEnum) -> Option<Statement> {
    Some(match node {
        NodeEnum::CreateStmt(stmt) => Statement::CreateTable(create::table(stmt)),
        NodeEnum::CreateTableAsStmt(stmt) => create::table_as(stmt),
        NodeEnum::IndexStmt(stmt) => Statement::CreateIndex(create::index(stmt)),
        NodeEnum::CreateSchemaStmt(stmt) if !stmt.schema_elts.is_empty() => unjudged("CREATE SCHEMA with elements"),
        NodeEnum::RuleStmt(stmt) => Statement::Unjudged { what: "CREATE RULE", relations: stmt.relation.iter().map(tree::relation).collect() },
        NodeEnum::DropStmt(stmt) => drop::objects(stmt),
        NodeEnum::DropdbStmt(_) => unjudged("DROP DATABASE"),
        NodeEnum::DropOwnedStmt(_) => unjudged("DROP OWNED"),
        NodeEnum::ReassignOwnedStmt(_) => unjudged("REASSIGN OWNED"),
        NodeEnum::RenameStmt(stmt) => rename::rename(stmt),
        NodeEnum::AlterObjectSchemaStmt(stmt) => rename::set_schema(stmt),
        NodeEnum::CreateEnumStmt(stmt) => Statement::CreateEnum { name: tree::bare_type(&stmt.type_name) },
        NodeEnum::AlterEnumStmt(stmt) => rename::enum_value(stmt),
        NodeEnum::AlterDomainStmt(stmt) => alter::domain(stmt),
        NodeEnum::AlterTableMoveAllStmt(_) => unjudged("ALTER … ALL IN TABLESPACE"),
        NodeEnum::CreateFunctionStmt(stmt) => external::create_function(stmt),
        NodeEnum::AlterFunctionStmt(stmt) => external::function_settings("ALTER FUNCTION", &stmt.actions),
        _ => return None,
    })
}

/// Work on what is there, and on the whole database.
fn maintenance(node: &NodeEnum) -> Option<Statement> {
    Some(match node {
        NodeEnum::ReindexStmt(stmt) => create::reindex(stmt)?,
        NodeEnum::TruncateStmt(stmt) => {
            let what = if tree::cascades(stmt.behavior) { "TRUNCATE … CASCADE" } else { "TRUNCATE" };
            Statement::Unjudged { what, relations: tree::relations(&stmt.relations) }
        }
        NodeEnum::ClusterStmt(stmt) => Statement::Unjudged { what: "CLUSTER", relations: stmt.relation.iter().map(tree::relation).collect() },
        NodeEnum::VacuumStmt(stmt) if stmt.is_vacuumcmd && tree::switched_on(&stmt.options, "full") => {
            Statement::Unjudged { what: "VACUUM FULL", relations: tree::relations(&stmt.rels) }
        }
        NodeEnum::RefreshMatViewStmt(stmt) => {
            let what = if stmt.concurrent { "REFRESH MATERIALIZED VIEW CONCURRENTLY" } else { "REFRESH MATERIALIZED VIEW" };
            Statement::Unjudged { what, relations: stmt.relation.iter().map(tree::relation).collect() }
        }
        NodeEnum::CreatedbStmt(_) => unjudged("CREATE DATABASE"),
        NodeEnum::AlterDatabaseStmt(stmt) if tree::options(&stmt.options).any(|option| option.defname == "tablespace") => {
            unjudged("ALTER DATABASE … SET TABLESPACE")
        }
        NodeEnum::CreateTableSpaceStmt(_) => unjudged("CREATE TABLESPACE"),
        // An extension's script may do anything to its own tables.
        NodeEnum::AlterExtensionStmt(_) => unjudged("ALTER EXTENSION … UPDATE"),
        _ => return None,
    })
}

/// Ways out of the database.
fn outside(node: &NodeEnum) -> Option<Statement> {
    Some(match node {
        NodeEnum::CreateSubscriptionStmt(_) | NodeEnum::AlterSubscriptionStmt(_) | NodeEnum::DropSubscriptionStmt(_) => {
            Statement::External(External::Subscription)
        }
        NodeEnum::CreateFdwStmt(_)
        | NodeEnum::AlterFdwStmt(_)
        | NodeEnum::CreateForeignServerStmt(_)
        | NodeEnum::AlterForeignServerStmt(_)
        | NodeEnum::CreateForeignTableStmt(_)
        | NodeEnum::CreateUserMappingStmt(_)
        | NodeEnum::AlterUserMappingStmt(_)
        | NodeEnum::ImportForeignSchemaStmt(_) => Statement::External(External::ForeignData),
        NodeEnum::LoadStmt(_) => Statement::External(External::Load),
        NodeEnum::AlterSystemStmt(stmt) => external::persistent("ALTER SYSTEM", stmt.setstmt.as_ref()),
        NodeEnum::AlterRoleSetStmt(stmt) => external::persistent("ALTER ROLE", stmt.setstmt.as_ref()),
        NodeEnum::AlterDatabaseSetStmt(stmt) => external::persistent("ALTER DATABASE", stmt.setstmt.as_ref()),
        _ => return None,
    })
}

/// What takes at most a brief lock. Whatever has no line here is unknown to us and says so.
fn brief(node: &NodeEnum) -> Statement {
    brief_create(node).or_else(|| brief_alter(node)).or_else(|| brief_other(node)).map_or_else(|| unjudged("this statement"), Statement::Brief)
}

fn brief_create(node: &NodeEnum) -> Option<&'static str> {
    Some(match node {
        NodeEnum::CreateSchemaStmt(_) => "CREATE SCHEMA",
        NodeEnum::ViewStmt(_) => "CREATE VIEW",
        NodeEnum::CompositeTypeStmt(_) | NodeEnum::CreateRangeStmt(_) => "CREATE TYPE",
        NodeEnum::CreateDomainStmt(_) => "CREATE DOMAIN",
        NodeEnum::CreateSeqStmt(_) => "CREATE SEQUENCE",
        NodeEnum::CreateExtensionStmt(_) => "CREATE EXTENSION",
        NodeEnum::CreateTrigStmt(_) => "CREATE TRIGGER",
        NodeEnum::CreateEventTrigStmt(_) => "CREATE EVENT TRIGGER",
        NodeEnum::CreateRoleStmt(_) => "CREATE ROLE",
        NodeEnum::CreateStatsStmt(_) => "CREATE STATISTICS",
        NodeEnum::CreatePolicyStmt(_) => "CREATE POLICY",
        NodeEnum::CreatePublicationStmt(_) => "CREATE PUBLICATION",
        // Aggregates, operators, base types, collations and text search objects.
        NodeEnum::DefineStmt(_) => "CREATE",
        NodeEnum::CreateCastStmt(_) => "CREATE CAST",
        NodeEnum::CreateConversionStmt(_) => "CREATE CONVERSION",
        NodeEnum::CreateTransformStmt(_) => "CREATE TRANSFORM",
        NodeEnum::CreatePlangStmt(_) => "CREATE LANGUAGE",
        NodeEnum::CreateAmStmt(_) => "CREATE ACCESS METHOD",
        NodeEnum::CreateOpClassStmt(_) => "CREATE OPERATOR CLASS",
        NodeEnum::CreateOpFamilyStmt(_) => "CREATE OPERATOR FAMILY",
        _ => return None,
    })
}

fn brief_alter(node: &NodeEnum) -> Option<&'static str> {
    Some(match node {
        NodeEnum::AlterSeqStmt(_) => "ALTER SEQUENCE",
        NodeEnum::AlterTypeStmt(_) => "ALTER TYPE",
        NodeEnum::AlterOwnerStmt(_) => "ALTER … OWNER",
        NodeEnum::AlterObjectDependsStmt(_) => "ALTER … DEPENDS ON EXTENSION",
        NodeEnum::AlterOperatorStmt(_) => "ALTER OPERATOR",
        NodeEnum::AlterOpFamilyStmt(_) => "ALTER OPERATOR FAMILY",
        NodeEnum::AlterRoleStmt(_) => "ALTER ROLE",
        NodeEnum::AlterPolicyStmt(_) => "ALTER POLICY",
        NodeEnum::AlterPublicationStmt(_) => "ALTER PUBLICATION",
        NodeEnum::AlterStatsStmt(_) => "ALTER STATISTICS",
        NodeEnum::AlterEventTrigStmt(_) => "ALTER EVENT TRIGGER",
        NodeEnum::AlterExtensionContentsStmt(_) => "ALTER EXTENSION",
        NodeEnum::AlterCollationStmt(_) => "ALTER COLLATION",
        NodeEnum::AlterTsdictionaryStmt(_) => "ALTER TEXT SEARCH DICTIONARY",
        NodeEnum::AlterTsconfigurationStmt(_) => "ALTER TEXT SEARCH CONFIGURATION",
        NodeEnum::AlterTableSpaceOptionsStmt(_) => "ALTER TABLESPACE",
        NodeEnum::AlterDatabaseStmt(_) | NodeEnum::AlterDatabaseRefreshCollStmt(_) => "ALTER DATABASE",
        NodeEnum::AlterDefaultPrivilegesStmt(_) => "ALTER DEFAULT PRIVILEGES",
        _ => return None,
    })
}

fn brief_other(node: &NodeEnum) -> Option<&'static str> {
    Some(match node {
        NodeEnum::DropRoleStmt(_) => "DROP ROLE",
        NodeEnum::DropUserMappingStmt(_) => "DROP USER MAPPING",
        // It fails unless the tablespace is empty.
        NodeEnum::DropTableSpaceStmt(_) => "DROP TABLESPACE",
        NodeEnum::CommentStmt(_) => "COMMENT",
        NodeEnum::SecLabelStmt(_) => "SECURITY LABEL",
        NodeEnum::GrantStmt(_) | NodeEnum::GrantRoleStmt(_) => "GRANT",
        NodeEnum::VariableShowStmt(_) => "SHOW",
        NodeEnum::ListenStmt(_) => "LISTEN",
        NodeEnum::UnlistenStmt(_) => "UNLISTEN",
        NodeEnum::NotifyStmt(_) => "NOTIFY",
        NodeEnum::CheckPointStmt(_) => "CHECKPOINT",
        NodeEnum::ConstraintsSetStmt(_) => "SET CONSTRAINTS",
        NodeEnum::VacuumStmt(stmt) => {
            if stmt.is_vacuumcmd {
                "VACUUM"
            } else {
                "ANALYZE"
            }
        }
        _ => return None,
    })
}

/// A statement without relations that no rule of ours judges.
pub(super) fn unjudged(what: &'static str) -> Statement {
    Statement::Unjudged { what, relations: Vec::new() }
}
