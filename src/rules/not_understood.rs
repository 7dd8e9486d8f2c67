//! A string that PostgreSQL's grammar does not accept. It has no statement to judge: the decision is made where parsing fails.

use crate::catalog::locks::Work;

use super::rule::{ALL_VERSIONS, OLDEST, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("not-understood"),
    sqlstate: "PA002",
    hazard: "What PostgreSQL's grammar (18) does not read cannot be judged: where its statements begin and end is not known either.",
    lock: None,
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Refusal,
    remedy: "Write it so that PostgreSQL itself would accept it; the message says where it stops reading.",
    bad: "ALTER TABEL t ADD COLUMN c int",
    good: &["ALTER TABLE t ADD COLUMN c int"],
    good_since: OLDEST,
    judge: |_| None,
};
