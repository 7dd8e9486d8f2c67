//! ADD FOREIGN KEY that checks every row under its lock.

use crate::catalog::locks::{LockMode, Work};
use std::collections::BTreeSet;

use crate::deferred::operation::{Class, Operation};
use crate::sql::name::Identifier;
use crate::sql::statement::{AlterAction, ConstraintKind};

use super::alter::{self, Adding};
use super::case::Case;
use super::names;
use super::natively;
use super::referenced::{self, Referenced};
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rewrite, Rule, RuleId};
use super::target::Target;
use super::tree::Tree;

pub(super) const RULE: Rule = Rule {
    id: RuleId("add-foreign-key-validating"),
    sqlstate: "PA001",
    hazard: "ADD FOREIGN KEY holds a ShareRowExclusive lock on both tables while it checks every row: writes to both wait.",
    lock: Some(LockMode::ShareRowExclusive),
    work: Work::Scan,
    versions: ALL_VERSIONS,
    class: RemedyClass::InPlace,
    remedy: "ADD … NOT VALID, and VALIDATE CONSTRAINT in a later transaction.",
    bad: "ALTER TABLE t ADD CONSTRAINT t_a_fkey FOREIGN KEY (a) REFERENCES p (id)",
    good: &["ALTER TABLE t ADD CONSTRAINT t_a_fkey FOREIGN KEY (a) REFERENCES p (id) NOT VALID", "ALTER TABLE t VALIDATE CONSTRAINT t_a_fkey"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let (statement, command) = case.command?;
    let AlterAction::AddConstraint(constraint) = &command.action else { return None };
    let ConstraintKind::ForeignKey { references, columns, referenced_columns } = &constraint.kind else { return None };
    let target = case.target(&statement.relation);
    if constraint.not_valid || target.bears_work() || natively::refuses_foreign_key(case, statement, &target, constraint, columns, references) {
        return None;
    }
    let name = names::of(case, statement, &target, constraint);
    let parent = case.target(references).name;
    let consequence = format!("ADD FOREIGN KEY on {} blocks writes to it and to {parent} while every row is checked", target.name);
    let remedy = if target.is_partitioned() && !case.at_least(18) {
        match on_partitions(
            case,
            &target,
            columns,
            &Referenced { table: references, columns: referenced_columns },
            &Adding { constraint, name: &name },
        ) {
            Ok(then) => Remedy::Rewrite(Rewrite { instead: None, undo: None, then }),
            Err(why) => Remedy::Advice(vec![
                format!("It cannot be done partition by partition: {why}."),
                format!(
                    "Before PostgreSQL 18 a partitioned table has no NOT VALID foreign key; for each partition: ALTER TABLE the_partition ADD CONSTRAINT {0} FOREIGN KEY … NOT VALID; and in a later transaction: ALTER TABLE the_partition VALIDATE CONSTRAINT {0};",
                    Identifier(&name)
                ),
                format!("then {}, which adopts them: name it {}.", alter::table(statement), Identifier(&name)),
            ]),
        }
    } else {
        Remedy::Rewrite(alter::not_valid_first(case, statement, command, constraint, &name, Class::ForeignKey))
    };
    Some(case.finding(&RULE, &target, consequence, remedy))
}

/// Before 18 a partitioned table has no NOT VALID foreign key: each partition gets it first, and the table's own takes them over.
fn on_partitions(
    case: &Case<'_>,
    target: &Target<'_>,
    columns: &[String],
    referenced: &Referenced<'_>,
    adding: &Adding<'_>,
) -> Result<Vec<Operation>, String> {
    let tree = Tree::of(case, target).ok_or("its partitions are not known")?;
    tree.work_on_each()?;
    if !referenced.is_key(case) {
        return Err(format!("it is not certain that {} has a key of these columns", referenced.table));
    }
    if !referenced.fits(case, &referenced::types_of(target, columns)) {
        return Err("it is not certain that the types of both sides go together".to_owned());
    }
    if let Some(foreign) = tree.foreign() {
        return Err(format!("{} is a foreign table, which cannot have a foreign key", foreign.qualified()));
    }
    let key: BTreeSet<&String> = columns.iter().collect();
    for partition in tree.own() {
        if partition.constraints.iter().any(|name| name == adding.name) {
            return Err(format!("{} has a constraint {} already", partition.qualified(), adding.name));
        }
        if partition.foreign_keys.iter().any(|other| other.iter().collect::<BTreeSet<_>>() == key) {
            return Err(format!("{} has a foreign key of the same columns, which PostgreSQL may take over", partition.qualified()));
        }
    }
    let each = tree.leaves().map(|leaf| alter::foreign_key_of_partition(case, adding, &leaf.qualified()));
    let whole = std::iter::once_with(|| alter::adopt(case, adding, columns, tree.len()));
    each.chain(whole).collect::<Option<Vec<_>>>().ok_or_else(|| "the constraint cannot be added by itself".to_owned())
}
