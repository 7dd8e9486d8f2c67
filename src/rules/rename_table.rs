//! A table, view or schema changes its name, or its schema, under running code.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::name::{Identifier, RelationName};
use crate::sql::statement::{RenameKind, Statement};

use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("rename-table"),
    sqlstate: "PA001",
    hazard: "A renamed or moved table, view or schema breaks running code that uses the old name.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Decision,
    remedy: "Rename and put a view of the old name in its place, in one transaction, with an exemption; drop the view when no code uses it.",
    bad: "ALTER TABLE t RENAME TO t2",
    good: &["CREATE VIEW t2 AS SELECT * FROM t"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    match &case.parsed.statement {
        Statement::SetSchema { relation } => moved(case, relation, "SET SCHEMA", None),
        Statement::Rename(rename) => match &rename.kind {
            // PostgreSQL lets ALTER INDEX rename a table; an index itself bears it.
            RenameKind::Table | RenameKind::View | RenameKind::Index => moved(case, rename.relation.as_ref()?, "RENAME", Some(&rename.to)),
            RenameKind::Schema(schema) => {
                let consequence = format!("RENAME of schema {} breaks running code that uses anything in it", Identifier(schema));
                let advice = "Make the new schema, and move the tables one by one behind views of their old names.".to_owned();
                Some(case.general(&RULE, consequence, vec![advice]))
            }
            RenameKind::Column(_) | RenameKind::Constraint(_) | RenameKind::Other(_) => None,
        },
        _ => None,
    }
}

fn moved(case: &Case<'_>, relation: &RelationName, how: &str, to: Option<&str>) -> Option<Finding> {
    let target = case.target(relation);
    // No application names an index; sequences are named by column defaults, which follow.
    let unnamed = target.facts.is_some_and(|facts| ['i', 'I', 'S'].contains(&facts.kind));
    if target.bears_loss() || unnamed {
        return None;
    }
    let swap = match to {
        Some(to) => format!("ALTER TABLE {relation} RENAME TO {0}; CREATE VIEW {relation} AS SELECT * FROM {0};", Identifier(to)),
        None => format!("ALTER TABLE {relation} SET SCHEMA …; CREATE VIEW {relation} AS SELECT * FROM the new place;"),
    };
    let remedy = Remedy::Advice(vec![
        format!("In steps: 1. have this exempted, with the reason, and do both in one transaction: {swap}"),
        "2. release code that uses the new name only; 3. drop the view.".to_owned(),
    ]);
    let used = target.facts.map(|facts| facts.evidence_of(None)).unwrap_or_default();
    let consequence = format!("{how} of {} breaks running code that still uses that name{used}", target.name);
    Some(case.finding(&RULE, &target, consequence, remedy))
}
