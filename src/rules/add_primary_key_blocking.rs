//! ADD PRIMARY KEY: an index built, and NULLs looked for, under AccessExclusive.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::statement::{AlterAction, AlterCommand, AlterTable, Constraint, ConstraintKind};

use super::alter::{self, Adding};
use super::case::Case;
use super::names;
use super::natively;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rewrite, Rule, RuleId};
use super::target::Target;
use super::unique::{self, NotNull};

pub(super) const RULE: Rule = Rule {
    id: RuleId("add-primary-key-blocking"),
    sqlstate: "PA001",
    hazard: "ADD PRIMARY KEY builds its index, and looks for NULLs, under an AccessExclusive lock: all reads and writes wait.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::Scan,
    versions: ALL_VERSIONS,
    class: RemedyClass::Outside,
    remedy: "NOT NULL first, then CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT … PRIMARY KEY USING INDEX.",
    bad: "ALTER TABLE t ADD CONSTRAINT t_pkey PRIMARY KEY (id)",
    good: &["CREATE UNIQUE INDEX CONCURRENTLY t_pkey ON t (id)", "ALTER TABLE t ADD CONSTRAINT t_pkey PRIMARY KEY USING INDEX t_pkey"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let (statement, command) = case.command?;
    let AlterAction::AddConstraint(constraint) = &command.action else { return None };
    let target = case.target(&statement.relation);
    // The key of a partitioned table alone waits for those of its partitions, and has nothing to build.
    if target.bears_work() || statement.only && target.is_partitioned() {
        return None;
    }
    let remedy = match &constraint.kind {
        ConstraintKind::UsingIndex { index, primary: true } => return using_index(case, statement, command, &target, constraint, index),
        ConstraintKind::Unique(key) if natively::refuses_key(case, &target, constraint, key) => return None,
        ConstraintKind::Unique(key) if key.primary => {
            let name = names::of(case, statement, &target, constraint);
            match target.facts {
                Some(_) => {
                    let not_null = not_null(case, statement, &target, &key.columns, &name);
                    unique::remedy(case, statement, &target, key, &Adding { constraint, name: &name }, not_null)
                }
                None => Remedy::Advice(vec![
                    "Make the columns NOT NULL, build the unique index CONCURRENTLY, then ADD CONSTRAINT … PRIMARY KEY USING INDEX.".to_owned(),
                ]),
            }
        }
        _ => return None,
    };
    let consequence = format!("ADD PRIMARY KEY on {} blocks all reads and writes while its index is built", target.name);
    Some(case.finding(&RULE, &target, consequence, remedy))
}

/// An index that exists leaves only the search for NULLs.
fn using_index(
    case: &Case<'_>,
    statement: &AlterTable,
    command: &AlterCommand,
    target: &Target<'_>,
    constraint: &Constraint,
    index: &str,
) -> Option<Finding> {
    let known = target.facts.filter(|_| !case.is_changed(target));
    let key = known.map(|facts| facts.indexes.iter().find(|known| known.name == index).map_or(&[][..], |index| &index.key));
    let columns = key.map(|key| nullable(statement, target, key).collect::<Vec<_>>());
    if columns.as_ref().is_some_and(Vec::is_empty) {
        return None;
    }
    let operations = columns.and_then(|columns| {
        let mut operations = alter::not_null_first(case, statement, target, columns.into_iter());
        let name = names::of(case, statement, target, constraint);
        operations.push(alter::attach(statement, &name, key?, alter::alone(case, statement, command)?));
        Some(operations)
    });
    let remedy = match operations {
        Some(then) => Remedy::Rewrite(Rewrite { instead: None, undo: None, then }),
        None => Remedy::Advice(vec!["Make its columns NOT NULL first, each in a migration of its own.".to_owned()]),
    };
    let consequence = format!("ADD PRIMARY KEY USING INDEX on {} blocks all reads and writes while every row is searched for NULLs", target.name);
    Some(case.finding(&RULE, target, consequence, remedy))
}

fn not_null(case: &Case<'_>, statement: &AlterTable, target: &Target<'_>, key: &[String], name: &str) -> NotNull {
    let nullable = || nullable(statement, target, key);
    if !target.is_partitioned() {
        return NotNull { first: alter::not_null_first(case, statement, target, nullable()), of_whole: Vec::new() };
    }
    NotNull {
        first: alter::not_null_on_partitions(case, statement, target, nullable(), name),
        of_whole: alter::not_null_of_whole(case, statement, target, nullable(), name),
    }
}

/// What the key itself would have to search for NULLs. A column that a valid CHECK proves is marked NOT NULL without a scan.
fn nullable<'k>(statement: &AlterTable, target: &Target<'_>, key: &'k [String]) -> impl Iterator<Item = &'k String> {
    key.iter().filter(|column| {
        let is_proven = |facts| alter::is_not_null(facts, column) || alter::is_proven_by_check(statement, facts, column);
        !alter::sets_not_null(statement, column) && target.facts.is_some_and(|facts| !is_proven(facts))
    })
}
