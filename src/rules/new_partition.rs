//! ATTACH PARTITION of a table with rows, and a new partition beside a default one with rows.

use crate::catalog::facts::RelationFacts;
use crate::catalog::joining::{DefaultPartition, JoiningFacts};
use crate::catalog::locks::{LockMode, Work};
use crate::deferred::operation::Operation;
use crate::sql::name::{Identifier, RelationName};
use crate::sql::statement::{AlterAction, Bound, CreateTable, Statement};

use super::case::Case;
use super::joining::Joining;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rewrite, Rule, RuleId};
use super::target::{Standing, Target};

pub(super) const RULE: Rule = Rule {
    id: RuleId("new-partition-scanning"),
    sqlstate: "PA001",
    hazard: "A table that becomes a partition, and the default partition beside it, are read under an AccessExclusive lock, and indexes are built.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::Scan,
    versions: ALL_VERSIONS,
    class: RemedyClass::Outside,
    remedy: "What the table lacks is built CONCURRENTLY, and a valid CHECK of the bounds (their opposite on the default partition) leaves nothing to read.",
    bad: "ALTER TABLE t ATTACH PARTITION p FOR VALUES FROM (1) TO (9)",
    good: &["CREATE TABLE p_new PARTITION OF t FOR VALUES FROM (1) TO (9)"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    if let Some((statement, command)) = case.command {
        let AlterAction::AttachPartition { child, bound } = &command.action else { return None };
        return attach(case, &statement.relation, child, bound);
    }
    let Statement::CreateTable(create) = &case.parsed.statement else { return None };
    self::create(case, create)
}

fn attach(case: &Case<'_>, parent: &RelationName, child: &RelationName, bound: &Bound) -> Option<Finding> {
    let (table, partition) = (case.target(parent), case.target(child));
    if is_refused(case, &table, &partition, bound) {
        return None;
    }
    let facts = joining(&table, partition.facts.map(|facts| facts.oid));
    let default = with_rows(case, &table, facts);
    let certain = facts.filter(|_| !case.is_changed(&table) && !case.is_changed(&partition));
    let is_prepared = certain.is_some_and(|facts| {
        Joining { parent: &table, written: parent, facts, bound, partition: partition.name.clone(), child: None, default: None }
            .is_prepared(&partition)
    });
    let (reads, reads_default) = (!partition.bears_work() && !is_prepared, *bound != Bound::Default && default != Beside::Nothing);
    let (about, consequence) = if case.relation == Some(parent) && reads_default {
        (
            &table,
            format!("ATTACH PARTITION of {} stops everybody at the default partition of {} while all its rows are read", partition.name, table.name),
        )
    } else if case.relation == Some(child) && reads {
        (
            &partition,
            format!("ATTACH PARTITION of {} stops all its readers and writers while its rows are read and indexes are built", partition.name),
        )
    } else {
        return None;
    };
    let known = facts.filter(|_| {
        default != Beside::Unknown && !case.is_changed(&table) && !case.is_changed(&partition) && !is_awaited(case, &[&table, &partition])
    });
    let steps =
        known.ok_or("its tables are not known, or changed by an earlier statement of this string or transaction".to_owned()).map(|facts| Joining {
            parent: &table,
            written: parent,
            facts,
            bound,
            partition: partition.name.clone(),
            child: Some(&partition).filter(|_| reads || reads_default && will_be_read(case, &partition)),
            default: if reads_default { default.known() } else { None },
        });
    let remedy = remedy(steps, false, case.slice(&case.parsed.span));
    let finding = case.finding(&RULE, about, consequence, remedy);
    // ATTACH leaves the readers and writers of the partitioned table itself alone.
    match default.known().filter(|_| about.name == table.name) {
        Some(default) => Some(Finding { locked: Some(RelationName::qualified(&*default.schema, &*default.name)), bytes: default.bytes, ..finding }),
        None => Some(finding),
    }
}

fn create(case: &Case<'_>, create: &CreateTable) -> Option<Finding> {
    let (parent, bound) = (create.partition_of.as_ref()?, create.bound.as_ref()?);
    let table = case.target(parent);
    let facts = joining(&table, None);
    let default = with_rows(case, &table, facts);
    // It is there, or is a second default partition: the server says so.
    let place = case.creation_place(&create.relation);
    let is_there = case.lookup(&create.relation).found().is_some_and(|found| Some(found.qualified()) == place);
    if default == Beside::Nothing || is_there || *bound == Bound::Default || create.temporary {
        return None;
    }
    let known = facts.filter(|_| default != Beside::Unknown && !case.is_changed(&table) && !is_awaited(case, &[&table])).zip(place);
    let steps = known
        .ok_or("its tables are not known, or changed by an earlier statement of this string or transaction".to_owned())
        .map(|(facts, partition)| Joining { parent: &table, written: parent, facts, bound, partition, child: None, default: default.known() });
    let remedy = remedy(steps, true, case.slice(&case.parsed.span));
    let consequence =
        format!("CREATE TABLE … PARTITION OF {} stops everybody at it and its default partition while all rows of that are read", table.name);
    Some(case.finding(&RULE, &table, consequence, remedy))
}

/// Nobody else sees it before the COMMIT; but what waits for that will find it as large as it is then.
fn will_be_read(case: &Case<'_>, partition: &Target<'_>) -> bool {
    let is_small = case.is_small(&partition.name, partition.facts.and_then(|facts| facts.bytes));
    partition.standing == Standing::New && partition.facts.is_some() && !is_small
}

fn joining<'a>(table: &Target<'a>, child: Option<u32>) -> Option<&'a JoiningFacts> {
    table.facts?.joining.iter().find(|facts| facts.child == child)
}

/// The default partition beside the new one.
#[derive(PartialEq, Eq)]
enum Beside<'a> {
    /// There is none whose rows take long to read.
    Nothing,
    This(&'a DefaultPartition),
    Unknown,
}

impl<'a> Beside<'a> {
    fn known(&self) -> Option<&'a DefaultPartition> {
        if let Self::This(default) = self { Some(default) } else { None }
    }
}

fn with_rows<'a>(case: &Case<'_>, table: &Target<'a>, facts: Option<&'a JoiningFacts>) -> Beside<'a> {
    let Some(known) = table.facts.filter(|known| known.has_default_partition && !table.bears_work()) else { return Beside::Nothing };
    match facts.and_then(|facts| facts.default.as_ref()) {
        Some(default)
            if known.kind == 'p'
                && (default.bytes == Some(0) || case.is_small(&default.qualified(), default.bytes) && case.is_small(&table.name, default.bytes)) =>
        {
            Beside::Nothing
        }
        Some(default) => Beside::This(default),
        None => Beside::Unknown,
    }
}

/// What this transaction left for after its COMMIT changes one of the tables, other than by another new partition.
fn is_awaited(case: &Case<'_>, tables: &[&Target<'_>]) -> bool {
    case.overlay.deferred().iter().any(|deferred| {
        let of_one = |name: &RelationName| tables.iter().any(|table| table.name == *name);
        deferred.operation.joins().is_none() && (of_one(&deferred.table) || deferred.operation.table().is_some_and(of_one))
    })
}

/// PostgreSQL refuses it as soon as it looks at the two: it is none to be attached, or lacks what its rows must have.
fn is_refused(case: &Case<'_>, table: &Target<'_>, partition: &Target<'_>, bound: &Bound) -> bool {
    if [table, partition].iter().any(|target| target.standing == Standing::Missing) {
        return true;
    }
    let (Some(parent), Some(child)) = (table.facts, partition.facts) else { return false };
    if case.is_changed(table) || case.is_changed(partition) {
        return false;
    }
    let is_second_default = *bound == Bound::Default && parent.has_default_partition;
    child.is_partition || parent.kind != 'p' || is_second_default || !has_columns(parent, child) || lacks_check(parent, child)
}

fn has_columns(parent: &RelationFacts, child: &RelationFacts) -> bool {
    let same = parent.columns.iter().all(|wanted| {
        let own = child.column(&wanted.name);
        own.is_some_and(|own| (own.type_oid, own.type_modifier) == (wanted.type_oid, wanted.type_modifier) && own.not_null >= wanted.not_null)
    });
    same && parent.columns.len() == child.columns.len()
}

fn lacks_check(parent: &RelationFacts, child: &RelationFacts) -> bool {
    let has = |name: &str| child.constraints.iter().any(|own| own.kind == 'c' && own.name == name);
    parent.constraints.iter().any(|check| check.kind == 'c' && !check.no_inherit && !has(&check.name))
}

fn remedy(steps: Result<Joining<'_>, String>, creates: bool, sql: &str) -> Remedy {
    match steps {
        Ok(joining) => match joining.operations(creates, sql) {
            Ok(then) => Remedy::Rewrite(Rewrite { instead: None, undo: None, then }),
            Err(why) => Remedy::Advice(by_hand(&why, Some(&joining), sql)),
        },
        Err(why) => Remedy::Advice(by_hand(&why, None, sql)),
    }
}

fn by_hand(why: &str, joining: Option<&Joining<'_>>, sql: &str) -> Vec<String> {
    let proofs = joining.and_then(|joining| joining.proofs().ok()).unwrap_or_default();
    let mut advice = vec![format!("It cannot be done in safe steps: {why}.")];
    if proofs.is_empty() {
        advice.push(
            "Add a CHECK of the partition's bounds to the table that joins (NOT VALID, then VALIDATE), and its opposite to a default partition."
                .to_owned(),
        );
    }
    for proof in &proofs {
        let name = Identifier(&proof.constraint);
        advice.push(format!("ALTER TABLE {} ADD CONSTRAINT {name} CHECK ({}) NOT VALID;", proof.table, proof.expression));
        advice.push(format!("ALTER TABLE {} VALIDATE CONSTRAINT {name};", proof.table));
    }
    advice.push("Build its missing indexes CONCURRENTLY and its foreign keys NOT VALID, then VALIDATE.".to_owned());
    advice.push(format!("Then this reads nothing; have it exempted, with the reason: {sql};"));
    let drops =
        proofs.iter().map(|proof| format!("{};", Operation::DropProof(proof.clone()).steps().iter().map(|step| &*step.sql).collect::<String>()));
    advice.extend(drops);
    advice
}
