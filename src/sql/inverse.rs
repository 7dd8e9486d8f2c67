//! The way back: for each statement the SQL that undoes it, with the user's own names, or that there is none, and why.
//!
//! From the statement itself, and from what was recorded of before it ([`Former`]). Where the way back needs more, it is said to be unknown.

mod alter;
mod grant;
mod restored;
mod rollback;

use super::former::{Aspect, Former, Was};
use super::name::{Identifier, RelationName};
use super::naming;
use super::parse;
use super::parse::traces::{self, Trace};
use super::statement::{
    Copy, CreateIndex, CreateTable, DomainChange, External, Parsed, Query, Rename, RenameKind, Script, SettingChange, Statement, TransactionControl,
};
use super::tokens::{self, Token};
pub use rollback::{Applied, Undone, rollback};

/// The way back from one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inverse {
    /// These statements.
    Sql {
        /// In this order.
        statements: Vec<String>,
        /// Data that goes with it, where there may be some.
        loses: Option<String>,
        /// What else is to be known before they run.
        remarks: Vec<String>,
    },
    /// It left nothing that is to be taken back.
    Nothing {
        /// Why.
        why: String,
    },
    /// What it took away is gone.
    NoneWithoutLoss {
        /// And what to do.
        why: String,
    },
    /// It needs to be known what was before.
    NotKnown {
        /// What, and what to do.
        why: String,
    },
}

impl Inverse {
    fn sql(statement: String) -> Self {
        Self::Sql { statements: vec![statement], loses: None, remarks: Vec::new() }
    }

    fn losing(statement: String, loses: &str) -> Self {
        Self::Sql { statements: vec![statement], loses: Some(loses.to_owned()), remarks: Vec::new() }
    }

    fn remarked(statement: String, remark: &str) -> Self {
        Self::Sql { statements: vec![statement], loses: None, remarks: vec![remark.to_owned()] }
    }

    fn nothing(why: &str) -> Self {
        Self::Nothing { why: why.to_owned() }
    }

    fn lost(why: &str) -> Self {
        Self::NoneWithoutLoss { why: why.to_owned() }
    }

    fn unknown(why: impl Into<String>) -> Self {
        Self::NotKnown { why: why.into() }
    }

    /// Behind IF NOT EXISTS it is only right where the thing was not there.
    fn unless_there(self, unless_there: bool, part: Option<&str>, former: &Former) -> Self {
        match (&self, former.was_there(part)) {
            (_, Some(true)) if unless_there => Self::nothing("it was there before (IF NOT EXISTS)"),
            (Self::Sql { statements, .. }, None) if unless_there => Self::unknown(format!(
                "IF NOT EXISTS: whether it was there before is not recorded; where this statement made it: {}",
                statements.join("; ")
            )),
            _ => self,
        }
    }
}

const ROWS: &str = "all rows that were written into it since";

/// Of one statement of a script.
#[must_use]
pub fn of(script: &Script, parsed: &Parsed, former: &Former) -> Inverse {
    let sql = script.text.get(parsed.span.clone()).unwrap_or_default();
    match &parsed.statement {
        Statement::Transaction(control) => transaction(control),
        Statement::Setting(change) => setting(change),
        Statement::Query(query) => rows(query, sql),
        Statement::Copy(copy) => copied(copy),
        Statement::CreateTable(create) => table(create, sql, former),
        Statement::CreateIndex(create) => index(create).unless_there(create.if_not_exists, create.name.as_deref(), former),
        Statement::DropIndex(drop) => restored::index(drop, former),
        Statement::DropTable(_) => Inverse::lost(
            "the rows went with the table: restore it from a backup, or from a replica that lags behind, into another database, and copy it",
        ),
        Statement::Reindex(_) => Inverse::nothing("an index that is built anew is the same index"),
        Statement::AlterTable(table) => alter::table(table, script, former),
        Statement::Rename(rename) => renamed(rename, sql),
        Statement::SetSchema { relation } => traced(sql, former).or_else(|| restored::schema(sql, former)).unwrap_or_else(|| {
            Inverse::unknown(format!("{relation} is written without the schema that it came from: ALTER TABLE … SET SCHEMA that one"))
        }),
        Statement::LockTable { .. } => Inverse::nothing("a lock ends with its transaction"),
        Statement::Prepare { .. } | Statement::Deallocate(_) => Inverse::nothing("what is prepared ends with its session"),
        Statement::Execute { name } => Inverse::unknown(format!("what it ran stands in the PREPARE of {}", Identifier(name))),
        Statement::AlterDomain { change: DomainChange::Validate(_), .. } => Inverse::nothing("a constraint that was found to hold does no harm"),
        Statement::AlterDomain { .. } => made(sql, former),
        Statement::CreateEnum { .. } => made(sql, former),
        Statement::AddEnumValue { name, value } => Inverse::NoneWithoutLoss {
            why: format!(
                "PostgreSQL takes no value out of an enum. An unused value does no harm; to be rid of \"{value}\", make a new type without it, change the columns of \
                 type {name} to that, and drop this one"
            ),
        },
        Statement::Opaque(_) => Inverse::unknown("what code did does not stand in its call: look at its body, and at the catalog"),
        Statement::External(external) => outside(external, sql, former),
        Statement::Brief(what) => brief(what, sql, former),
        Statement::Unjudged { what, .. } => unjudged(what, sql, former),
    }
}

fn transaction(control: &TransactionControl) -> Inverse {
    match control {
        TransactionControl::TwoPhase => Inverse::unknown("what a prepared transaction did stands in the statements before its PREPARE TRANSACTION"),
        TransactionControl::Begin
        | TransactionControl::Commit { .. }
        | TransactionControl::Rollback { .. }
        | TransactionControl::Savepoint(_)
        | TransactionControl::Release(_)
        | TransactionControl::RollbackTo(_) => Inverse::nothing("it changes nothing by itself"),
    }
}

fn setting(change: &SettingChange) -> Inverse {
    match change {
        SettingChange::Set { .. }
        | SettingChange::Reset { .. }
        | SettingChange::ResetAll
        | SettingChange::DiscardAll
        | SettingChange::Transaction
        | SettingChange::Other => Inverse::nothing("a setting ends with its session"),
    }
}

const NO_ROWS: &str = "what the rows were before is not recorded: restore them from a backup, or write the statement that brings them back";

fn rows(query: &Query, sql: &str) -> Inverse {
    let may_write = query.written.is_some() || tokens::significant(sql, &(0..sql.len())).map_or(true, |tokens| writes(&tokens));
    if may_write { Inverse::unknown(NO_ROWS) } else { Inverse::nothing("it reads, unless a function that it calls writes") }
}

/// `FOR [NO KEY] UPDATE` only locks.
fn writes(tokens: &[Token]) -> bool {
    let writes = |token: &Token| ["INSERT", "UPDATE", "DELETE", "MERGE"].iter().any(|word| token.kind.is_keyword(word));
    let locks = |before: Option<&Token>| before.is_some_and(|before| before.kind.is_keyword("FOR") || before.kind.is_keyword("KEY"));
    tokens.iter().enumerate().any(|(at, token)| writes(token) && !locks(at.checked_sub(1).and_then(|before| tokens.get(before))))
}

fn copied(copy: &Copy) -> Inverse {
    match copy {
        Copy::FromClient => Inverse::unknown(NO_ROWS),
        Copy::ToClient => Inverse::nothing("it reads"),
        Copy::Program | Copy::ServerFile => Inverse::unknown("what it read or wrote on the server is not recorded"),
    }
}

fn table(create: &CreateTable, sql: &str, former: &Former) -> Inverse {
    let back = traces::of(sql).map_or_else(|| format!("DROP TABLE {}", create.relation), |trace| trace.back);
    let inverse = if back.contains("MATERIALIZED") { Inverse::sql(back) } else { Inverse::losing(back, ROWS) };
    inverse.unless_there(create.if_not_exists, None, former)
}

fn index(create: &CreateIndex) -> Inverse {
    let chosen = || naming::choose(&create.table.name, &create.key_names, "idx", &|_| false);
    let name = create.table.sibling(create.name.clone().unwrap_or_else(chosen));
    let mut remarks = Vec::new();
    if create.name.is_none() {
        remarks.push(format!("PostgreSQL chose the name: where {} was taken, the index has a number behind it", Identifier(&name.name)));
    }
    if create.only {
        remarks.push("without CONCURRENTLY where the table is partitioned: PostgreSQL drops a partitioned index in no other way".to_owned());
    }
    Inverse::Sql { statements: vec![format!("DROP INDEX CONCURRENTLY {name}")], loses: None, remarks }
}

fn renamed(rename: &Rename, sql: &str) -> Inverse {
    let to = Identifier(&rename.to);
    let back = |relation: &RelationName, what: String| Inverse::sql(format!("ALTER TABLE {relation} RENAME {what}"));
    match (&rename.kind, &rename.relation) {
        (RenameKind::Index, Some(was)) => Inverse::sql(format!("ALTER INDEX {} RENAME TO {}", was.sibling(rename.to.clone()), Identifier(&was.name))),
        // ALTER TABLE renames views of either kind too.
        (RenameKind::Table | RenameKind::View, Some(was)) => back(&was.sibling(rename.to.clone()), format!("TO {}", Identifier(&was.name))),
        (RenameKind::Column(was), Some(relation)) => back(relation, format!("COLUMN {to} TO {}", Identifier(was))),
        (RenameKind::Constraint(was), Some(relation)) => back(relation, format!("CONSTRAINT {to} TO {}", Identifier(was))),
        (RenameKind::Schema(was), _) => Inverse::sql(format!("ALTER SCHEMA {to} RENAME TO {}", Identifier(was))),
        (kind, _) => traces::of(sql).map_or_else(
            || Inverse::unknown(format!("no way back is written here for {kind:?}: rename it by hand")),
            |trace| Inverse::sql(trace.back),
        ),
    }
}

/// By what the tree names.
fn traced(sql: &str, former: &Former) -> Option<Inverse> {
    let Trace { back, replaces, unless_there } = traces::of(sql)?;
    if replaces && former.was_there(None) != Some(false) {
        return Some(restored::replaced(&back, former));
    }
    let inverse = match back.as_str() {
        back if back.starts_with("DROP SEQUENCE") => Inverse::losing(back.to_owned(), "how far it has counted"),
        back if back.starts_with("DROP EXTENSION") => Inverse::losing(back.to_owned(), "what is kept in tables of the extension's own"),
        _ => Inverse::sql(back),
    };
    Some(inverse.unless_there(unless_there, None, former))
}

fn made(sql: &str, former: &Former) -> Inverse {
    traced(sql, former)
        .unwrap_or_else(|| Inverse::unknown("no way back is written here for this statement: look at what it made, and drop that by its name"))
}

fn outside(external: &External, sql: &str, former: &Former) -> Inverse {
    match external {
        External::Subscription => Inverse::unknown("a subscription has a slot on the other server too: look at both before it is dropped"),
        External::ForeignData => made(sql, former),
        External::Load => Inverse::nothing("a library is loaded for one session"),
        // A function that carries a setting.
        External::PersistentSetting { what, .. } if what.starts_with("CREATE") => made(sql, former),
        External::PersistentSetting { what, name, .. } => {
            let name = name.as_deref().unwrap_or("ALL");
            Inverse::unknown(format!("the former value is not recorded: set it again, or where there was none: {what} … RESET {name}"))
        }
    }
}

const NO_FORMER: &str = "what was before is not recorded";

/// By the command's name; whatever is made is found in the tree.
fn brief(what: &str, sql: &str, former: &Former) -> Inverse {
    match what {
        "SHOW" | "LISTEN" | "UNLISTEN" | "NOTIFY" | "CHECKPOINT" | "SET CONSTRAINTS" | "VACUUM" | "ANALYZE" => {
            Inverse::nothing("it changes no schema and no rows")
        }
        "GRANT" | "ALTER DEFAULT PRIVILEGES" => grant::back(sql),
        "COMMENT" => restored::comment(sql, former)
            .unwrap_or_else(|| Inverse::unknown(format!("{NO_FORMER}: the former comment, or where there was none: the same COMMENT … IS NULL"))),
        what if what.starts_with("DROP") => {
            Inverse::unknown(format!("{NO_FORMER}: its definition stands in the migration that made it; no rows are lost"))
        }
        what if what.starts_with("CREATE") => made(sql, former),
        "ALTER … SET SCHEMA" | "ALTER DOMAIN" => traced(sql, former).unwrap_or_else(|| Inverse::unknown(NO_FORMER)),
        _ => Inverse::unknown(NO_FORMER),
    }
}

fn unjudged(what: &str, sql: &str, former: &Former) -> Inverse {
    match what {
        "TRUNCATE" | "TRUNCATE … CASCADE" => Inverse::lost("the rows are gone: restore them from a backup"),
        "DROP SCHEMA" | "DROP DATABASE" | "DROP OWNED" | "DROP EXTENSION" => Inverse::lost("what was in it is gone: restore it from a backup"),
        what if what.starts_with("DROP") && what.ends_with("CASCADE") => Inverse::lost(
            "what depended on it went too, and the statement does not say what: compare the schema with that of a backup, and restore it from there",
        ),
        "DROP MATERIALIZED VIEW" => {
            Inverse::unknown("its query and its indexes stand in the migrations that made them; its rows come from the query again")
        }
        "CLUSTER" | "VACUUM FULL" | "REFRESH MATERIALIZED VIEW" | "REFRESH MATERIALIZED VIEW CONCURRENTLY" => {
            Inverse::nothing("it changes how rows are stored, and no schema")
        }
        "CREATE RULE" => made(sql, former),
        _ => Inverse::unknown("no way back is written here for this statement: look at what it changed"),
    }
}

#[cfg(test)]
mod tests;
