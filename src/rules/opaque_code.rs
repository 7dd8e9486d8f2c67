//! Code whose effect the statement's text does not show: DO, CALL, functions, EXECUTE.

use crate::catalog::facts::{FunctionFacts, Lookup, SourceFacts};
use crate::catalog::locks::Work;
use crate::catalog::words::words;
use crate::sql::functions::{self, Special};
use crate::sql::statement::{Code, CreateTable, FunctionCall, Opaque, Statement};

use super::case::Case;
use super::code;
use super::rule::{ALL_VERSIONS, Certainty, Finding, OLDEST, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("opaque-code"),
    sqlstate: "PA002",
    hazard: "DO, CALL, EXECUTE and functions may run DDL that nobody sees in the statement.",
    lock: None,
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Refusal,
    remedy: "Write the DDL as statements of the migration; code that only reads and writes rows passes.",
    bad: "DO $$ BEGIN EXECUTE 'ALTER TABLE t ADD COLUMN c int'; END $$",
    good: &["DO $$ BEGIN UPDATE t SET a = 1 WHERE id = 1; END $$"],
    good_since: OLDEST,
    judge,
};

fn judge(case: &Case<'_>) -> Option<Finding> {
    let consequence = match &case.parsed.statement {
        Statement::Opaque(Opaque::Do { language, body }) => block(case, language, body).map(|why| format!("DO runs code that {why}")),
        Statement::Opaque(Opaque::Call(procedure)) => call(case, procedure).map(|why| format!("CALL {} runs code that {why}", label(procedure))),
        Statement::Execute { name } | Statement::CreateTable(CreateTable { execute: Some(name), .. }) if case.unseen => {
            Some(format!("EXECUTE {name} runs a statement that was not seen being prepared"))
        }
        Statement::Prepare { .. } => return None,
        _ => None,
    };
    let calls = || case.parsed.functions.iter().find_map(|function| Some(ran(function, &look(case, function)?)));
    let consequence = consequence.or_else(calls).or_else(|| case.parsed.attributes.iter().find_map(|name| attribute(case, name)))?;
    let advice = "Write its DDL as plain statements of the migration, or split what only changes rows from it.".to_owned();
    let mut finding = case.general(&RULE, consequence, vec![advice]);
    finding.certainty = Certainty::Assumed;
    Some(finding)
}

fn label(call: &FunctionCall) -> String {
    let schema = call.schema.as_ref().map(|schema| format!("{schema}.")).unwrap_or_default();
    format!("{schema}{}", call.name)
}

fn ran(function: &FunctionCall, why: &str) -> String {
    format!("{}() runs code that {why}", label(function))
}

/// `row.name` where a user function of a row has that name.
fn attribute(case: &Case<'_>, name: &str) -> Option<String> {
    let function = FunctionCall { schema: None, name: name.to_owned() };
    let exists = case.scope.functions.contains_key(&function) || case.defined.iter().any(|new| new.name == name);
    exists.then(|| call(case, &function)).flatten().map(|why| ran(&function, &why))
}

/// A call inside a query.
fn look(case: &Case<'_>, function: &FunctionCall) -> Option<String> {
    let may_be_the_users = case.scope.functions.contains_key(function) || case.defined.iter().any(|new| new.name == function.name);
    match functions::special(function) {
        Some(Special::RunsQuery) => Some("is given to it as text".to_owned()),
        _ if may_be_the_users || functions::needs_a_look(function) => call(case, function),
        _ => None,
    }
}

/// Why a function may do more than read and write rows; none when its sources show that it does not.
fn call(case: &Case<'_>, function: &FunctionCall) -> Option<String> {
    let known = |overloads: &[FunctionFacts]| overloads.iter().find_map(doubt);
    if case.defined.iter().any(|new| new.name == function.name) {
        let older = case.scope.functions.get(function).and_then(Lookup::found);
        return doubt_of_new(case, &function.name, &mut Vec::new()).or_else(|| older.and_then(|overloads| known(overloads)));
    }
    case.functions(function).map_or_else(|| Some("could not be read".to_owned()), known)
}

/// Functions of that name which the same string creates: their bodies, and what those mention.
fn doubt_of_new(case: &Case<'_>, name: &str, seen: &mut Vec<String>) -> Option<String> {
    if seen.iter().any(|known| known == name) {
        return None;
    }
    seen.push(name.to_owned());
    case.defined.iter().filter(|new| new.name == name).find_map(|new| match new.language.as_str() {
        "sql" | "plpgsql" => code::doubt(&new.body).or_else(|| mentioned(case, &new.body, seen)),
        language => Some(format!("is written in {language}")),
    })
}

/// What the user functions do that a piece of code may call.
fn mentioned(case: &Case<'_>, body: &str, seen: &mut Vec<String>) -> Option<String> {
    let words = words(body);
    if !words.is_empty() && (case.stale.functions || !case.scope.mentions_known) {
        return Some("may call functions that could not be read".to_owned());
    }
    words.into_iter().find_map(|word| {
        let older = || case.scope.mentioned.get(&word)?.iter().find_map(doubt);
        doubt_of_new(case, &word, seen).or_else(older).map(|why| format!("calls {word}(), which {why}"))
    })
}

fn doubt(function: &FunctionFacts) -> Option<String> {
    if function.builtin {
        return None;
    }
    if function.sources.is_empty() {
        return Some("could not be read".to_owned());
    }
    function.sources.iter().find_map(doubt_of_source)
}

fn doubt_of_source(source: &SourceFacts) -> Option<String> {
    match source.language.as_str() {
        "sql" | "plpgsql" => code::doubt(&source.source),
        // What an extension brings in C does what its manual says; those that run SQL elsewhere are known by name.
        "c" | "internal" if source.extension.is_some() => None,
        // It does what its functions do, and those are sources beside it.
        "internal" if source.source == "aggregate_dummy" => None,
        language => Some(format!("is written in {language}")),
    }
}

/// An anonymous block: its own text, but for the statements that rules judge, and the user functions that it mentions.
fn block(case: &Case<'_>, language: &str, body: &Code) -> Option<String> {
    if !language.eq_ignore_ascii_case("plpgsql") {
        return Some(format!("is written in {language}"));
    }
    if let Some(why) = code::doubt(&body.rest) {
        return Some(why);
    }
    if !body.statements.is_empty() && code::sets(&body.rest) {
        return Some("says SET beside statements whose names may mean something else then".to_owned());
    }
    mentioned(case, &body.text, &mut Vec::new())
}
