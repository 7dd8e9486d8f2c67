//! ADD COLUMN with a CHECK beside it.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::statement::ConstraintKind;

use super::case::Case;
use super::inline::Addition;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("add-column-check"),
    sqlstate: "PA001",
    hazard: "ADD COLUMN … CHECK reads the whole table under an AccessExclusive lock, even with a constant default.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::Scan,
    versions: ALL_VERSIONS,
    class: RemedyClass::InPlace,
    remedy: "ADD COLUMN without it, then ADD CONSTRAINT … CHECK … NOT VALID, and VALIDATE CONSTRAINT in a later transaction.",
    bad: "ALTER TABLE t ADD COLUMN c int CHECK (c > 0)",
    good: &[
        "ALTER TABLE t ADD COLUMN c int",
        "ALTER TABLE t ADD CONSTRAINT t_c_check CHECK (c > 0) NOT VALID",
        "ALTER TABLE t VALIDATE CONSTRAINT t_c_check",
    ],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let addition = Addition::of(case)?;
    let is_check = |kind: &ConstraintKind| matches!(kind, ConstraintKind::Check { .. });
    addition.apart(is_check)?;
    let remedy = match addition.validated(case, is_check) {
        Some(steps) => Remedy::Rewrite(addition.rewrite(case, steps)),
        None => Remedy::Advice(vec![
            "Add the column without the CHECK, then the CHECK as a constraint NOT VALID, and VALIDATE it in a later transaction.".to_owned(),
        ]),
    };
    let consequence = format!("ADD COLUMN {} with a CHECK blocks all reads and writes while every row is read", addition.label());
    Some(case.finding(&RULE, &addition.target, consequence, remedy))
}
