//! ALTER COLUMN … TYPE that writes the table or an index anew, or reads it.

use crate::catalog::facts::{ColumnFacts, IndexFacts, RelationFacts, TypeFacts};
use crate::catalog::locks::{LockMode, Work};
use crate::catalog::probe::{Probe, Written};
use crate::sql::name::Identifier;
use crate::sql::statement::{AlterAction, AlterTable, AlterType, Using};

use super::alter;
use super::case::Case;
use super::rule::{ALL_VERSIONS, Certainty, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};
use super::target::Target;
use super::type_change::{self, Change};

pub(super) const RULE: Rule = Rule {
    id: RuleId("alter-column-type"),
    sqlstate: "PA001",
    hazard: "ALTER COLUMN … TYPE rewrites the table and all its indexes under an AccessExclusive lock, unless the old values are stored as the new type would.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::Rewrite,
    versions: ALL_VERSIONS,
    class: RemedyClass::Backfill,
    remedy: "A new column, kept in step by a trigger, filled in batches, swapped by name; or a change that is metadata only.",
    bad: "ALTER TABLE t ALTER COLUMN a TYPE bigint",
    good: &[
        "ALTER TABLE t ADD COLUMN a_new bigint",
        "CREATE FUNCTION t_a_new() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.a_new := NEW.a; RETURN NEW; END $$",
        "CREATE TRIGGER t_a_new BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION t_a_new()",
        "UPDATE t SET a_new = a WHERE a_new IS DISTINCT FROM a AND id BETWEEN 1 AND 1000",
    ],
    good_since: OLDEST,
    judge,
};

/// What the change costs.
struct Cost {
    what: String,
    work: Work,
    certainty: Certainty,
    rebuilds: Vec<String>,
    advice: Vec<String>,
    /// What would tell more.
    probe: Option<Probe>,
}

fn judge(case: &Case<'_>) -> Option<Finding> {
    let (statement, command) = case.command?;
    let AlterAction::AlterType(change) = &command.action else { return None };
    let target = case.target(&statement.relation);
    if target.bears_work() {
        return None;
    }
    let cost = cost(case, statement, &target, change)?;
    let consequence =
        format!("ALTER COLUMN {}.{} TYPE {} and blocks all reads and writes meanwhile", target.name, Identifier(&change.column), cost.what);
    let mut finding = case.finding(&RULE, &target, consequence, Remedy::Advice(cost.advice));
    (finding.work, finding.rebuilds, finding.probe) = (cost.work, cost.rebuilds, cost.probe);
    if cost.certainty == Certainty::Assumed {
        finding.certainty = Certainty::Assumed;
    }
    Some(finding)
}

fn cost(case: &Case<'_>, statement: &AlterTable, target: &Target<'_>, change: &AlterType) -> Option<Cost> {
    let rewrite = |what: &str, certainty| Cost {
        what: what.to_owned(),
        work: Work::Rewrite,
        certainty,
        rebuilds: Vec::new(),
        probe: None,
        advice: expand_contract(statement, change),
    };
    if case.lacks(target, &change.column) {
        // The server's error to tell.
        return None;
    }
    let known = target.facts.filter(|_| !case.is_changed(target)).and_then(|facts| Some((facts, facts.column(&change.column)?)));
    let Some((facts, column)) = known else { return Some(rewrite("may rewrite the whole table", Certainty::Assumed)) };
    let Some(to) = case.type_facts(&change.type_name).filter(|_| !case.stale.domains) else {
        return Some(rewrite("may rewrite the whole table", Certainty::Assumed));
    };
    let unsure = matches!(change.using, Some(Using::Expression)) || type_change::is_unmeasured(column, to, &change.type_name);
    let how = match (how(case, column, to, change), unsure) {
        (Change::Rewrite, true) => match tried(case, target) {
            Tried::No(probe) => return Some(Cost { probe, ..rewrite("may rewrite the whole table", Certainty::Assumed) }),
            Tried::Writes(change) => change,
        },
        (how, _) => how,
    };
    match how {
        Change::Rewrite => Some(rewrite("rewrites the whole table", Certainty::Proven)),
        Change::Indexes => by_indexes(facts, &change.column, |_| true).or_else(|| by_check(statement, facts, change)),
        Change::Metadata => by_indexes(facts, &change.column, |plain| !plain).or_else(|| by_check(statement, facts, change)),
    }
}

/// What the server says when it is asked itself.
enum Tried {
    Writes(Change),
    /// It was not, or had no answer; with what may be asked.
    No(Option<Probe>),
}

fn tried(case: &Case<'_>, target: &Target<'_>) -> Tried {
    let Some((_, command)) = case.command else { return Tried::No(None) };
    let probe = Probe { table: target.name.clone(), command: case.slice(&command.span).to_owned() };
    match case.facts.probed.iter().find(|probed| probed.probe == probe) {
        Some(probed) => probed.written.map_or(Tried::No(None), |written| {
            Tried::Writes(match written {
                Written::Nothing => Change::Metadata,
                Written::Indexes => Change::Indexes,
                Written::Table => Change::Rewrite,
            })
        }),
        None => Tried::No((case.facts.may_probe && case.alone).then_some(probe)),
    }
}

fn how(case: &Case<'_>, column: &ColumnFacts, to: &TypeFacts, change: &AlterType) -> Change {
    let converts = match &change.using {
        None | Some(Using::Column { cast: None }) => false,
        Some(Using::Column { cast: Some(cast) }) => *cast != change.type_name,
        Some(Using::Expression) => true,
    };
    if converts {
        return Change::Rewrite;
    }
    let change_of_type = type_change::of(column, to, &change.type_name, case.facts.time_zone_is_utc);
    let collation = change.collation || !column.default_collation;
    if collation && change_of_type == Change::Metadata { Change::Indexes } else { change_of_type }
}

fn by_indexes(facts: &RelationFacts, column: &str, is_rebuilt: impl Fn(bool) -> bool) -> Option<Cost> {
    let rebuilt = |index: &&IndexFacts| index.columns.iter().any(|name| name == column) && is_rebuilt(index.plain);
    let index = facts.indexes.iter().chain(&facts.child_indexes).find(rebuilt)?;
    Some(Cost {
        what: format!("rebuilds the index {}", Identifier(&index.name)),
        work: Work::Rewrite,
        certainty: Certainty::Proven,
        probe: None,
        rebuilds: facts.indexes.iter().chain(&facts.child_indexes).filter(rebuilt).map(|index| index.name.clone()).collect(),
        advice: vec![format!(
            "Drop the index first and build it again afterwards, both CONCURRENTLY: DROP INDEX CONCURRENTLY {0}; … CREATE INDEX CONCURRENTLY {0} …;",
            Identifier(&index.name)
        )],
    })
}

fn by_check(statement: &AlterTable, facts: &RelationFacts, change: &AlterType) -> Option<Cost> {
    let check = facts
        .constraints
        .iter()
        .chain(&facts.child_checks)
        .find(|check| check.kind == 'c' && check.validated && check.columns.contains(&change.column))?;
    let (name, table) = (Identifier(&check.name), alter::table(statement));
    Some(Cost {
        what: format!("checks every row against {name}"),
        work: Work::Scan,
        certainty: Certainty::Proven,
        rebuilds: Vec::new(),
        probe: None,
        advice: vec![
            format!(
                "Write instead: {table} DROP CONSTRAINT {name}, ALTER COLUMN {} TYPE …, ADD CONSTRAINT {name} CHECK (…) NOT VALID;",
                Identifier(&change.column)
            ),
            format!("and in a later transaction: {table} VALIDATE CONSTRAINT {name};"),
        ],
    })
}

fn expand_contract(statement: &AlterTable, change: &AlterType) -> Vec<String> {
    let (table, column, new) = (alter::table(statement), Identifier(&change.column), format!("{}_new", change.column));
    let new = Identifier(&new);
    vec![
        format!("In steps: 1. {table} ADD COLUMN {new} {}, with a trigger that keeps it equal to {column};", change.type_name),
        format!("2. fill it in batches: UPDATE {} SET {new} = {column} WHERE {new} IS DISTINCT FROM {column} AND …;", statement.relation),
        "3. swap the two names in one short transaction, and drop the old column later.".to_owned(),
    ]
}
