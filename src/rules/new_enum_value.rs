//! A value of an enum that is used before the transaction which added it has ended.

use crate::catalog::locks::Work;
use crate::sql::name::Literal;
use crate::sql::statement::Statement;
use crate::sql::tokens::{self, Kind};

use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, RemedyClass, Rule, RuleId};
use super::target::Standing;

pub(super) const RULE: Rule = Rule {
    id: RuleId("new-enum-value"),
    sqlstate: "PA001",
    hazard: "A value that ALTER TYPE … ADD VALUE adds cannot be used before its COMMIT: the whole migration fails with \"unsafe use of new value\".",
    lock: None,
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Refusal,
    remedy: "ADD VALUE in a migration of its own, before the one that uses the value.",
    bad: "ALTER TYPE state ADD VALUE 'returned'; SELECT 'returned'::state",
    good: &["ALTER TYPE state ADD VALUE 'returned'", "SELECT 'returned'::state"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    if matches!(case.parsed.statement, Statement::AddEnumValue { .. } | Statement::Transaction(_) | Statement::Setting(_)) {
        return None;
    }
    let text = case.slice(&case.parsed.span);
    let (of, value) = case.overlay.new_values().find(|(of, value)| text.contains(value) && holds(text, value) && is_of(case, text, of))?;
    let value = Literal(value);
    let consequence = format!("{value} was added to the enum {of} by this transaction, and cannot be used before its COMMIT");
    let advice = format!("Put ALTER TYPE {of} ADD VALUE {value}; into a migration of its own, before this one.");
    Some(case.general(&RULE, consequence, vec![advice]))
}

/// One of its constants.
fn holds(text: &str, value: &str) -> bool {
    let means = |constant: &str| constant.trim_matches('\'').replace("''", "'") == value;
    tokens::significant(text, &(0..text.len()))
        .is_ok_and(|tokens| tokens.iter().any(|token| token.kind == Kind::Text && text.get(token.span.clone()).is_some_and(means)))
}

/// The statement casts to the enum, or is about a relation that has a column of it, or may have.
fn is_of(case: &Case<'_>, text: &str, of: &str) -> bool {
    let is_type = |text: &str| text.trim_end_matches("[]").rsplit('.').next().is_some_and(|name| name.trim_matches('"') == of);
    let named = text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == of);
    named
        || case.parsed.relations.iter().any(|name| {
            let target = case.target(name);
            match target.facts {
                Some(facts) => facts.columns.iter().any(|column| is_type(&column.type_text)),
                None => target.standing == Standing::Unknown,
            }
        })
}
