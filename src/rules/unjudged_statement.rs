//! Statements that PostgreSQL's grammar knows and no other rule judges.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::name::RelationName;
use crate::sql::statement::{AlterAction, Statement};

use super::case::Case;
use super::rule::{ALL_VERSIONS, Certainty, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};
use super::target::Target;

pub(super) const RULE: Rule = Rule {
    id: RuleId("unjudged-statement"),
    sqlstate: "PA002",
    hazard: "What no rule understands may lock, rewrite or lose anything.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::Rewrite,
    versions: ALL_VERSIONS,
    class: RemedyClass::Refusal,
    remedy: "Another way to the same end, or an exemption with a reason.",
    bad: "TRUNCATE t",
    good: &["DELETE FROM t WHERE id BETWEEN 1 AND 1000"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    if let Some((statement, command)) = case.command {
        let target = case.target(&statement.relation);
        return match &command.action {
            AlterAction::Unjudged(what) if !target.bears_work() => Some(found(case, what, &target)),
            AlterAction::DropConstraint { name, cascade: true, .. } if !target.bears_loss() && others_may_need(case, &target, name) => {
                Some(found(case, "DROP CONSTRAINT … CASCADE", &target))
            }
            _ => None,
        };
    }
    match &case.parsed.statement {
        Statement::Unjudged { what, relations } if relations.is_empty() => Some(general(case, what)),
        Statement::Unjudged { what, relations } => {
            let mut targets = case.judged(relations);
            let bears = |target: &Target<'_>| match loses_rows(what) {
                true if what.starts_with("DROP") && !target.takes_along().is_empty() => false,
                true if *what == "TRUNCATE … CASCADE" && empties_others(case, target, relations) => false,
                true => target.bears_loss() || (*what == "TRUNCATE" && holds_a_tools_version(target)),
                false => target.bears_work(),
            };
            targets.find(|target| !bears(target)).map(|target| found(case, what, &target))
        }
        _ => None,
    }
}

/// Foreign keys of other tables, and views, may go with a key; nothing goes with another constraint.
fn others_may_need(case: &Case<'_>, target: &Target<'_>, constraint: &str) -> bool {
    let Some(facts) = target.facts.filter(|_| !case.is_changed(target)) else { return true };
    facts.constraints.iter().any(|known| known.name == constraint && ['p', 'u'].contains(&known.kind))
}

/// Rows, or what others rely on, go away.
fn loses_rows(what: &str) -> bool {
    what.starts_with("DROP") || what.starts_with("TRUNCATE") || what.starts_with("CREATE RULE")
}

/// TRUNCATE … CASCADE empties every table whose foreign keys reference it.
fn empties_others(case: &Case<'_>, target: &Target<'_>, named: &[RelationName]) -> bool {
    let named: Vec<String> =
        named.iter().filter_map(|name| case.target(name).facts).map(|facts| format!("{}.{}", facts.schema, facts.name)).collect();
    let others = target.facts.is_some_and(|facts| facts.referenced_by.iter().any(|other| !named.contains(other)));
    // A foreign key of the same string may reference it by now.
    others || case.is_changed(target)
}

/// golang-migrate empties its one-row table, `(version bigint, dirty boolean)`, and fills it again around every migration (facts: tools).
fn holds_a_tools_version(target: &Target<'_>) -> bool {
    let columns = target.facts.map(|facts| facts.columns.iter().map(|column| (&*column.name, &*column.type_text)).collect::<Vec<_>>());
    columns.is_some_and(|columns| columns == [("version", "bigint"), ("dirty", "boolean")]) && target.bears_work()
}

fn found(case: &Case<'_>, what: &str, target: &Target<'_>) -> Finding {
    let consequence = format!("{what} on {} is judged by no rule: it may block, rewrite or lose it", target.name);
    let work = if is_brief(what) { Work::None } else { RULE.work };
    Finding { work, certainty: Certainty::Assumed, ..case.finding(&RULE, target, consequence, Remedy::Advice(advice())) }
}

/// Nothing is read or written anew: what goes, or begins to mean something else, does so at once.
fn is_brief(what: &str) -> bool {
    what.starts_with("DROP") || what == "CREATE RULE"
}

fn general(case: &Case<'_>, what: &str) -> Finding {
    let finding = case.general(&RULE, format!("{what} is judged by no rule: it may block, rewrite or lose tables"), advice());
    let (lock, work) = of_what_is_not_named(what);
    Finding { lock, work, certainty: Certainty::Assumed, ..finding }
}

/// The lock and the work on tables that the statement does not name: those that have columns of a domain.
fn of_what_is_not_named(what: &str) -> (Option<LockMode>, Work) {
    if what.starts_with("ALTER DOMAIN") { (Some(LockMode::Share), Work::Scan) } else { (None, Work::None) }
}

fn advice() -> Vec<String> {
    vec!["Find another way to the same end, or have it exempted, with the reason.".to_owned()]
}
