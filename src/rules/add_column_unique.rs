//! ADD COLUMN with UNIQUE or PRIMARY KEY beside it.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::statement::{ConstraintKind, Unique};

use super::case::Case;
use super::inline::Addition;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("add-column-unique"),
    sqlstate: "PA001",
    hazard: "ADD COLUMN … UNIQUE or PRIMARY KEY builds its index under an AccessExclusive lock.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::Scan,
    versions: ALL_VERSIONS,
    class: RemedyClass::Outside,
    remedy: "ADD COLUMN without it, CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT … USING INDEX.",
    bad: "ALTER TABLE t ADD COLUMN c int UNIQUE",
    good: &[
        "ALTER TABLE t ADD COLUMN c int",
        "CREATE UNIQUE INDEX CONCURRENTLY t_c_key ON t (c)",
        "ALTER TABLE t ADD CONSTRAINT t_c_key UNIQUE USING INDEX t_c_key",
    ],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    // A key of a partitioned table must have the columns by which it is partitioned: the server refuses one of a new column alone.
    let addition = Addition::of(case).filter(|addition| !addition.target.is_partitioned())?;
    let key = addition.column.constraints.iter().find_map(|inline| match &inline.constraint.kind {
        ConstraintKind::Unique(key) => Some(key),
        _ => None,
    })?;
    let remedy = match key {
        Unique { primary: true, .. } => Remedy::Advice(vec![
            "A primary key needs a value in every row: add the column without the key, fill it in batches, then ADD PRIMARY KEY in a migration of its own.".to_owned(),
        ]),
        _ => Remedy::Rewrite(addition.rewrite(case, addition.unique(case))),
    };
    let what = if key.primary { "PRIMARY KEY" } else { "UNIQUE" };
    let consequence = format!("ADD COLUMN {} with {what} blocks all reads and writes while its index is built", addition.label());
    Some(case.finding(&RULE, &addition.target, consequence, remedy))
}
