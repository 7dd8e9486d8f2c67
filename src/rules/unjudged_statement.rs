//! Statements that PostgreSQL's grammar knows and no other rule judges.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::statement::{AlterAction, Statement};

use super::case::Case;
use super::rule::{ALL_VERSIONS, Certainty, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};
use super::target::Target;

pub(super) const RULE: Rule = Rule {
    id: RuleId("unjudged-statement"),
    sqlstate: "PA002",
    hazard: "What no rule understands may lock, rewrite or lose anything.",
    lock: None,
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Refusal,
    remedy: "Another way to the same end, or an exemption with a reason.",
    bad: "ALTER DATABASE app SET TABLESPACE fast",
    good: &["ALTER DATABASE app RESET work_mem"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    if let Some((statement, command)) = case.command {
        let AlterAction::Unjudged(what) = &command.action else { return None };
        let target = case.target(&statement.relation);
        return (!target.bears_work()).then(|| found(case, what, &target));
    }
    match &case.parsed.statement {
        Statement::Unjudged { what, .. } if is_judged(what) => None,
        Statement::Unjudged { what, relations } if relations.is_empty() => Some(general(case, what)),
        Statement::Unjudged { what, relations } => {
            case.judged(relations).find(|target| !target.bears_work()).map(|target| found(case, what, &target))
        }
        _ => None,
    }
}

/// A rule of its own looks at it.
fn is_judged(what: &str) -> bool {
    ["DROP", "TRUNCATE", "CREATE RULE", "REFRESH", "VACUUM FULL", "CLUSTER", "ALTER INDEX"].iter().any(|word| what.starts_with(word))
}

fn found(case: &Case<'_>, what: &str, target: &Target<'_>) -> Finding {
    let consequence = format!("{what} on {} is judged by no rule: it may block, rewrite or lose it", target.name);
    let finding = case.finding(&RULE, target, consequence, Remedy::Advice(advice()));
    // It may be the worst.
    Finding { lock: Some(LockMode::AccessExclusive), work: Work::Rewrite, certainty: Certainty::Assumed, ..finding }
}

fn general(case: &Case<'_>, what: &str) -> Finding {
    let mut finding = case.general(&RULE, format!("{what} is judged by no rule: it may block, rewrite or lose tables"), advice());
    finding.certainty = Certainty::Assumed;
    finding
}

fn advice() -> Vec<String> {
    vec!["Find another way to the same end, or have it exempted, with the reason.".to_owned()]
}
