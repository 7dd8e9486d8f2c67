//! ADD COLUMN that writes the whole table anew.

use crate::catalog::locks::{LockMode, Work};
use crate::sql::name::{Identifier, Literal};
use crate::sql::naming;
use crate::sql::statement::{DefaultValue, FunctionCall, Generated};

use super::alter;
use super::case::Case;
use super::inline::Addition;
use super::rule::{ALL_VERSIONS, Certainty, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};
use super::target::Among;

pub(super) const RULE: Rule = Rule {
    id: RuleId("add-column-rewrite"),
    sqlstate: "PA001",
    hazard: "ADD COLUMN with a volatile default, a sequence, a STORED expression or a constrained domain rewrites the whole table under AccessExclusive.",
    lock: Some(LockMode::AccessExclusive),
    work: Work::Rewrite,
    versions: ALL_VERSIONS,
    class: RemedyClass::Backfill,
    remedy: "ADD COLUMN without the default, SET DEFAULT for new rows, and fill the old ones in batches.",
    bad: "ALTER TABLE t ADD COLUMN c float8 DEFAULT random()",
    good: &[
        "ALTER TABLE t ADD COLUMN c float8",
        "ALTER TABLE t ALTER COLUMN c SET DEFAULT random()",
        "UPDATE t SET c = random() WHERE c IS NULL AND id BETWEEN 1 AND 1000",
    ],
    good_since: OLDEST,
    judge,
};

/// Why a table would be rewritten, and how sure that is.
struct Reason {
    why: String,
    certainty: Certainty,
    advice: Vec<String>,
}

fn judge(case: &Case<'_>) -> Option<Finding> {
    let addition = Addition::of(case)?;
    let reason = stored(&addition).or_else(|| sequence(&addition)).or_else(|| domain(case, &addition)).or_else(|| volatile(case, &addition))?;
    let consequence = format!("ADD COLUMN {} {} rewrites the whole table and blocks all reads and writes meanwhile", addition.label(), reason.why);
    let remedy = Remedy::Advice(reason.advice);
    let mut finding = case.finding(&RULE, &addition.target, consequence, remedy);
    if reason.certainty == Certainty::Assumed {
        finding.certainty = Certainty::Assumed;
    }
    Some(finding)
}

fn stored(addition: &Addition<'_>) -> Option<Reason> {
    let column = addition.column;
    (column.generated == Some(Generated::Stored)).then(|| Reason {
        why: "as a STORED expression".to_owned(),
        certainty: Certainty::Proven,
        advice: vec![
            format!("Write instead: {} ADD COLUMN {} {};", alter::table(addition.statement), Identifier(&column.column), column.type_name),
            "keep it up to date by a trigger and fill it in batches, or compute it in a view (on 18: VIRTUAL).".to_owned(),
        ],
    })
}

fn sequence(addition: &Addition<'_>) -> Option<Reason> {
    let (column, table) = (addition.column, alter::table(addition.statement));
    let (name, relation) = (Identifier(&column.column), &addition.statement.relation);
    let sequence = relation.sibling(naming::choose(&relation.name, std::slice::from_ref(&column.column), "seq", &|name| {
        addition.target.is_taken(name, Among::Relations)
    }));
    let value = sequence.to_string();
    let value = Literal(&value);
    column.sequence.then(|| Reason {
        why: "from a sequence".to_owned(),
        certainty: Certainty::Proven,
        advice: vec![
            format!("Write instead: {table} ADD COLUMN {name} bigint; CREATE SEQUENCE {sequence} OWNED BY {relation}.{name};"),
            format!("{table} ALTER COLUMN {name} SET DEFAULT nextval({value});"),
            format!("then fill the old rows in batches: UPDATE {relation} SET {name} = nextval({value}) WHERE {name} IS NULL AND …;"),
        ],
    })
}

/// Even without a default every row is checked against a domain's constraints, by writing it anew.
fn domain(case: &Case<'_>, addition: &Addition<'_>) -> Option<Reason> {
    let column = addition.column;
    if column.type_name.array || column.type_name.names.first().is_some_and(|schema| schema == "pg_catalog") {
        return None;
    }
    let certainty = match case.type_facts(&column.type_name) {
        Some(facts) if facts.constrained_domain => Certainty::Proven,
        Some(_) => return None,
        None if case.stale.domains || !case.is_missing(&column.type_name) => Certainty::Assumed,
        None => return None,
    };
    let (table, name) = (alter::table(addition.statement), Identifier(&column.column));
    Some(Reason {
        why: "of a domain with constraints".to_owned(),
        certainty,
        advice: vec![
            format!("Write instead: {table} ADD COLUMN {name} with the domain's base type;"),
            format!("{table} ADD CONSTRAINT … CHECK (…) NOT VALID; and in a later transaction VALIDATE CONSTRAINT."),
        ],
    })
}

fn volatile(case: &Case<'_>, addition: &Addition<'_>) -> Option<Reason> {
    let column = addition.column;
    let default = column.default.as_ref()?;
    let by_function = default.functions.iter().filter_map(|call| volatility(case, call)).next();
    // What a user's operator calls is not known.
    let certainty = by_function.or((!default.operators.is_empty()).then_some(Certainty::Assumed))?;
    Some(Reason { why: "with a volatile default".to_owned(), certainty, advice: by_batches(case, addition, default) })
}

/// How sure it is that a function may give each row another value; none for one that does not.
fn volatility(case: &Case<'_>, call: &FunctionCall) -> Option<Certainty> {
    match case.functions(call) {
        Some(overloads) => overloads.iter().any(|function| function.volatility == 'v').then_some(Certainty::Proven),
        None => Some(Certainty::Assumed),
    }
}

fn by_batches(case: &Case<'_>, addition: &Addition<'_>, default: &DefaultValue) -> Vec<String> {
    let (column, table) = (addition.column, alter::table(addition.statement));
    let (name, value) = (Identifier(&column.column), case.slice(&default.span));
    let mut advice = vec![
        format!("Write instead: {table} ADD COLUMN {name} {}; {table} ALTER COLUMN {name} SET DEFAULT {value};", column.type_name),
        format!("then fill the old rows in batches: UPDATE {} SET {name} = {value} WHERE {name} IS NULL AND …;", addition.statement.relation),
    ];
    if column.not_null {
        advice.push(format!("and at the end: {table} ALTER COLUMN {name} SET NOT NULL;"));
    }
    advice
}
