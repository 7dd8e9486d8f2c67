//! ADD COLUMN with REFERENCES and a default: every row is looked up.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::statement::ConstraintKind;

use super::case::Case;
use super::inline::Addition;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("add-column-references"),
    sqlstate: "PA001",
    hazard: "ADD COLUMN … DEFAULT … REFERENCES looks up every row in the other table under an AccessExclusive lock.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::Scan,
    versions: ALL_VERSIONS,
    class: RemedyClass::InPlace,
    remedy: "ADD COLUMN without REFERENCES, then ADD FOREIGN KEY … NOT VALID, and VALIDATE CONSTRAINT in a later transaction.",
    bad: "ALTER TABLE t ADD COLUMN c bigint DEFAULT 1 REFERENCES p (id)",
    good: &[
        "ALTER TABLE t ADD COLUMN c bigint DEFAULT 1",
        "ALTER TABLE t ADD CONSTRAINT t_c_fkey FOREIGN KEY (c) REFERENCES p (id) NOT VALID",
        "ALTER TABLE t VALIDATE CONSTRAINT t_c_fkey",
    ],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let addition = Addition::of(case)?;
    let is_key = |kind: &ConstraintKind| matches!(kind, ConstraintKind::ForeignKey { .. });
    addition.apart(is_key)?;
    let by_partition = addition.target.is_partitioned() && !case.at_least(18);
    let steps = if by_partition { addition.foreign_keys_on_partitions(case) } else { addition.validated(case, is_key) };
    let remedy = match steps {
        Some(steps) => Remedy::Rewrite(addition.rewrite(case, steps)),
        None => Remedy::Advice(vec!["Add the column without REFERENCES, then the foreign key NOT VALID (before PostgreSQL 18: on each partition), and VALIDATE it in a later transaction.".to_owned()]),
    };
    let consequence =
        format!("ADD COLUMN {} with a default and REFERENCES blocks all reads and writes while every row is looked up", addition.label());
    Some(case.finding(&RULE, &addition.target, consequence, remedy))
}
