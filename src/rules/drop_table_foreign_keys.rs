//! DROP TABLE of a table that foreign keys join with others.

use crate::catalog::drops::{DropFacts, KeyFacts};
use crate::catalog::facts::RelationFacts;
use crate::catalog::locks::{LockMode, Work};
use crate::deferred::drop_table::{Doomed, DropForeignKey, DropTable};
use crate::deferred::operation::Operation;
use crate::sql::name::{Identifier, RelationName};
use crate::sql::parse;
use crate::sql::statement::{AlterAction, ConstraintKind, Drop, Statement};

use super::case::Case;
use super::rule::{ALL_VERSIONS, Certainty, Finding, OLDEST, Remedy, RemedyClass, Rewrite, Rule, RuleId};
use super::target::{Standing, Target};

pub(super) const RULE: Rule = Rule {
    id: RuleId("drop-table-foreign-keys"),
    sqlstate: "PA001",
    hazard: "DROP TABLE locks every table that foreign keys join it with, all at once and until COMMIT: their reads and writes stop, also while it waits.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Outside,
    remedy: "Drop the foreign keys first, each in a short transaction of its own, then the table.",
    bad: "DROP TABLE e",
    good: &["ALTER TABLE e DROP CONSTRAINT e_a_fkey", "DROP TABLE e"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let Statement::DropTable(drop) = &case.parsed.statement else { return None };
    let statement = Dropping { case, drop, targets: drop.relations.iter().map(|name| case.target(name)).collect() };
    // What the server refuses is not begun, and partitions have locks of their own that this does not spare.
    if statement.is_refused() || statement.is_partitioned() {
        return None;
    }
    case.judged(&drop.relations).find_map(|target| statement.finding(&target))
}

/// The statement as a whole, of which each table has a finding of its own.
struct Dropping<'a, 'c> {
    case: &'a Case<'c>,
    drop: &'a Drop,
    targets: Vec<Target<'c>>,
}

impl<'c> Dropping<'_, 'c> {
    fn found(&self) -> impl Iterator<Item = (&'c RelationFacts, Option<&'c DropFacts>)> {
        self.targets.iter().filter_map(|target| target.facts).map(|facts| (facts, facts.drop.as_ref()))
    }

    /// The server will not do it, whatever becomes of the foreign keys.
    fn is_refused(&self) -> bool {
        let is_missing = !self.drop.if_exists && self.targets.iter().any(|target| target.standing == Standing::Missing);
        is_missing || self.found().any(|(facts, drop)| drop.is_some_and(|drop| self.refuses(facts, drop)))
    }

    fn refuses(&self, facts: &RelationFacts, drop: &DropFacts) -> bool {
        let is_used = || drop.used || drop.keys.iter().any(|key| key.comes_to(facts.oid) && !self.goes(key.oid) && !self.awaited(&key.table_name()));
        drop.forbidden || !self.drop.cascade && is_used()
    }

    fn is_partitioned(&self) -> bool {
        self.found().any(|(facts, _)| facts.kind != 'r' || facts.has_children || facts.is_partition)
    }

    /// The table of this oid goes with the same statement.
    fn goes(&self, oid: u32) -> bool {
        self.found().any(|(facts, _)| facts.oid == oid)
    }

    /// An earlier statement of the transaction has left its drop for after COMMIT.
    fn awaited(&self, table: &RelationName) -> bool {
        self.case.overlay.deferred().iter().any(|deferred| deferred.operation.drops(table))
    }

    fn finding(&self, target: &Target<'c>) -> Option<Finding> {
        let facts = target.facts?;
        let Some(drop) = &facts.drop else { return self.unknown(target, facts) };
        let keys: Vec<&KeyFacts> = drop.keys.iter().filter(|key| self.matters(key, facts.oid)).collect();
        let first = drop.keys.iter().map(KeyFacts::table_name).find(|table| self.awaited(table));
        let consequence = match (keys.as_slice(), first) {
            ([], None) => return None,
            ([], Some(first)) => format!("DROP TABLE {} has to come after that of {first}, which waits for COMMIT", target.name),
            (keys, _) => self.consequence(target, keys.iter().map(|key| key.other(facts.oid).0.to_string())),
        };
        if keys.iter().any(|key| key.partitioned) {
            return None;
        }
        let remedy = self.remedy(&keys);
        Some(self.case.finding(&RULE, target, consequence, remedy))
    }

    fn consequence(&self, target: &Target<'_>, joined: impl Iterator<Item = String>) -> String {
        let mut joined: Vec<String> = joined.collect();
        joined.sort();
        joined.dedup();
        let until = if self.case.in_transaction { "all at once and until COMMIT" } else { "all at once" };
        format!("DROP TABLE {} also locks {}, which foreign keys join it with, {until}", target.name, joined.join(", "))
    }

    /// The drop locks the other table of this key, and somebody would notice.
    fn matters(&self, key: &KeyFacts, oid: u32) -> bool {
        let (other, other_oid) = key.other(oid);
        let is_locked = (self.drop.cascade || !key.comes_to(oid)) && !self.goes(other_oid) && !self.awaited(&other);
        let is_small = self.case.is_small(&other, key.bytes);
        is_locked && !is_small && !key.temporary && !self.case.overlay.created(&other) && !self.case.here.left(&other)
    }

    /// What it is joined with is known, but not how large that is.
    fn unknown(&self, target: &Target<'_>, facts: &RelationFacts) -> Option<Finding> {
        let own = format!("{}.{}", facts.schema, facts.name);
        let keys = facts.constraints.iter().filter_map(|constraint| constraint.references.clone());
        let others = keys.chain(facts.referenced_by.iter().filter(|_| self.drop.cascade).cloned());
        let joined: Vec<String> = others.filter(|other| *other != own).collect();
        let advice = format!("Drop its foreign keys first, each in a transaction of its own, and then: {};", self.case.slice(&self.case.parsed.span));
        (!joined.is_empty()).then(|| Finding {
            certainty: Certainty::Assumed,
            ..self.case.finding(&RULE, target, self.consequence(target, joined.into_iter()), Remedy::Advice(vec![advice]))
        })
    }

    fn remedy(&self, keys: &[&KeyFacts]) -> Remedy {
        let Some(keys) = keys.iter().map(|key| operation(key)).collect::<Option<Vec<DropForeignKey>>>() else {
            let steps = keys.iter().map(|key| format!("ALTER TABLE {} DROP CONSTRAINT {};", key.table_name(), Identifier(&key.name)));
            let by = "Have the foreign keys dropped first by the role that they belong to, each in a transaction of its own:";
            let steps: Vec<String> = steps.chain([format!("{};", self.case.slice(&self.case.parsed.span))]).collect();
            return Remedy::Advice(vec![format!("{by} {}", steps.join(" "))]);
        };
        let tables = Operation::DropTable(self.tables());
        let then = keys.into_iter().map(Operation::DropForeignKey).chain([tables]).collect();
        Remedy::Rewrite(Rewrite { instead: None, undo: None, then })
    }

    /// What is not there needs no drop, and may have been made by the time of that.
    fn tables(&self) -> DropTable {
        let found = self.targets.iter().filter_map(|target| Some((target.name.clone(), target.facts?)));
        let mut tables: Vec<Doomed> = Vec::new();
        let mut takes = Vec::new();
        for (name, facts) in found {
            if tables.iter().all(|table| table.oid != facts.oid) {
                tables.push(Doomed { name, oid: facts.oid });
                let (parts, views) = facts.drop.as_ref().map_or((&[][..], &[][..]), |drop| (&drop.parts, &drop.views));
                takes.extend(parts.iter().chain(views.iter().filter(|_| self.drop.cascade)).cloned());
            }
        }
        DropTable { tables, if_exists: self.drop.if_exists, cascade: self.drop.cascade, takes }
    }
}

/// The drop of one key; none where this role could not do it, or not take it back.
fn operation(key: &KeyFacts) -> Option<DropForeignKey> {
    let drop = DropForeignKey {
        table: key.table_name(),
        oid: key.oid,
        constraint: key.name.clone(),
        joined: key.joined_name(),
        joined_oid: key.joined_oid,
        definition: key.definition.clone()?,
        validated: key.validated,
    };
    (key.permitted && adds(&drop)).then_some(drop)
}

/// What would take it back says what it should: one foreign key of this name, from this table to that.
fn adds(drop: &DropForeignKey) -> bool {
    let add = drop.add().sql;
    let Ok(script) = parse::script(&add, add.len()) else { return false };
    let [parsed] = script.statements.as_slice() else { return false };
    let Statement::AlterTable(alter) = &parsed.statement else { return false };
    let [command] = alter.commands.as_slice() else { return false };
    let AlterAction::AddConstraint(constraint) = &command.action else { return false };
    let same_end = matches!(&constraint.kind, ConstraintKind::ForeignKey { references, .. } if *references == drop.joined);
    alter.relation == drop.table && constraint.name.as_ref() == Some(&drop.constraint) && same_end
}
