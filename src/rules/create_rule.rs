//! CREATE RULE: what the application's statements mean changes under it.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::statement::Statement;

use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("create-rule"),
    sqlstate: "PA001",
    hazard: "A rule rewrites the statements of everybody who uses the table, such as DO INSTEAD NOTHING: rows are lost without an error.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Decision,
    remedy: "A trigger, which is seen where it runs; or an exemption with the reason.",
    bad: "CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING",
    good: &["CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let Statement::Unjudged { what: "CREATE RULE", relations } = &case.parsed.statement else { return None };
    let target = case.judged(relations).find(|target| !target.bears_loss())?;
    let consequence = format!("CREATE RULE on {} changes what the statements of everybody who uses it do", target.name);
    let advice = vec!["Write a trigger instead, or have it exempted, with the reason.".to_owned()];
    Some(case.finding(&RULE, &target, consequence, Remedy::Advice(advice)))
}
