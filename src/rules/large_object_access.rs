//! Large objects.

use crate::catalog::locks::Work;
use crate::sql::functions::Special;

use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, RemedyClass, Rule, RuleId};
use super::special;

pub(super) const RULE: Rule = Rule {
    id: RuleId("large-object-access"),
    sqlstate: "PA001",
    hazard: "lo_import and lo_export reach the server's files; the other lo_ functions change data outside of any table.",
    lock: None,
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Refusal,
    remedy: "A bytea column, or an exemption with a reason.",
    bad: "SELECT lo_import('/etc/passwd')",
    good: &["ALTER TABLE t ADD COLUMN content bytea"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let name = special::called(case, Special::LargeObject)?;
    let consequence = format!("{name}() works on large objects, which no rule can judge");
    Some(case.general(&RULE, consequence, vec!["Keep the data in a bytea column.".to_owned()]))
}
