//! UPDATE and DELETE of every row of a large table in one statement.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::name::Identifier;
use crate::sql::statement::Statement;

use super::case::Case;
use super::rule::{ALL_VERSIONS, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};
use super::target::Target;

pub(super) const RULE: Rule = Rule {
    id: RuleId("unbatched-write"),
    sqlstate: "PA001",
    hazard: "An UPDATE or DELETE of every row locks each row until COMMIT and leaves a dead one: writers wait, and the table grows to twice its size.",
    lock: Some(LockMode::RowExclusive),
    work: Work::Scan,
    versions: ALL_VERSIONS,
    class: RemedyClass::Backfill,
    remedy: "The same in batches of some thousand rows, each in a transaction of its own.",
    bad: "UPDATE t SET a = 0",
    good: &["UPDATE t SET a = 0 WHERE id >= 1 AND id < 1000 AND a IS DISTINCT FROM 0"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let Statement::Query(query) = &case.parsed.statement else { return None };
    let written = query.written.as_ref().filter(|_| query.all_rows)?;
    let target = case.target(written);
    if target.bears_work() {
        return None;
    }
    let deletes = case.slice(&case.parsed.span).trim_start().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("delete"));
    let what = if deletes { "DELETE of every row of" } else { "UPDATE of every row of" };
    let consequence = format!("{what} {} locks all of them until COMMIT, and writers wait for it", target.name);
    Some(case.finding(&RULE, &target, consequence, Remedy::Advice(vec![batches(&target, deletes)])))
}

/// With the table's own key, where it has one of one column.
fn batches(target: &Target<'_>, deletes: bool) -> String {
    let key = target.facts.and_then(|facts| facts.constraints.iter().find(|key| key.kind == 'p')).map_or(&[][..], |key| &key.columns);
    let column = if let [column] = key { Identifier(column).to_string() } else { "ctid".to_owned() };
    let name = &target.name;
    if deletes {
        return format!(
            "In batches, each in a transaction of its own, until no row is left: DELETE FROM {name} WHERE {column} IN (SELECT {column} FROM {name} LIMIT 5000);"
        );
    }
    format!(
        "In batches, each in a transaction of its own, until no row is found: UPDATE {name} SET … WHERE {column} IN (SELECT {column} FROM {name} WHERE … IS DISTINCT FROM … LIMIT 5000);"
    )
}
