//! DROP of what others rely on, or takes others along: schemas, databases, extensions, materialized views, everything with CASCADE.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::statement::{AlterAction, Statement};

use super::case::Case;
use super::rule::{ALL_VERSIONS, Certainty, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};
use super::target::Target;

pub(super) const RULE: Rule = Rule {
    id: RuleId("drop-object"),
    sqlstate: "PA001",
    hazard: "What goes with a schema, an extension, or by CASCADE is not named in the statement: columns, views and tables of others may be among it.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Decision,
    remedy: "Drop each thing by its name, without CASCADE, once nothing uses it.",
    bad: "DROP MATERIALIZED VIEW v",
    good: &["REVOKE ALL ON v FROM PUBLIC"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    if let Some((statement, command)) = case.command {
        let AlterAction::DropConstraint { name, cascade: true, .. } = &command.action else { return None };
        let target = case.target(&statement.relation);
        let lost = !target.bears_loss() && others_may_need(case, &target, name);
        return lost.then(|| found(case, "DROP CONSTRAINT … CASCADE", &target));
    }
    match &case.parsed.statement {
        Statement::Unjudged { what, relations } if what.starts_with("DROP") && relations.is_empty() => Some(general(case, what)),
        Statement::Unjudged { what, relations } if what.starts_with("DROP") => {
            let bears = |target: &Target<'_>| target.takes_along().is_empty() && target.bears_loss();
            case.judged(relations).find(|target| !bears(target)).map(|target| found(case, what, &target))
        }
        _ => None,
    }
}

/// Foreign keys of other tables, and views, may go with a key; nothing goes with another constraint.
fn others_may_need(case: &Case<'_>, target: &Target<'_>, constraint: &str) -> bool {
    let Some(facts) = target.facts.filter(|_| !case.is_changed(target)) else { return true };
    facts.constraints.iter().any(|known| known.name == constraint && ['p', 'u'].contains(&known.kind))
}

fn found(case: &Case<'_>, what: &str, target: &Target<'_>) -> Finding {
    let along = match target.takes_along() {
        [] => String::new(),
        others => format!(", and with it {}", others.join(", ")),
    };
    let consequence = format!("{what} of {} takes it away for everybody who still uses it{along}", target.name);
    case.finding(&RULE, target, consequence, Remedy::Advice(advice(what)))
}

fn general(case: &Case<'_>, what: &str) -> Finding {
    let mut finding = case.general(&RULE, format!("{what} takes more away than it names"), advice(what));
    finding.certainty = Certainty::Assumed;
    finding
}

fn advice(what: &str) -> Vec<String> {
    vec![
        "In steps: 1. release code that does not use it;".to_owned(),
        format!("2. drop what depends on it by name, then have the {what} exempted, with the reason, and run it."),
    ]
}
