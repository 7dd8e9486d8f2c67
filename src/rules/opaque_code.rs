//! Code whose effect the statement's text does not show: DO, CALL, functions, EXECUTE.

use crate::catalog::facts::{FunctionFacts, Lookup, SourceFacts};
use crate::catalog::locks::Work;
use crate::catalog::words::words;
use crate::sql::functions::{self, Special};
use crate::sql::statement::{Code, CreateTable, FunctionCall, Opaque, Statement};

use super::case::Case;
use super::code;
use super::rule::{ALL_VERSIONS, Certainty, Finding, OLDEST, Remedy, RemedyClass, Rule, RuleId};

pub(super) const RULE: Rule = Rule {
    id: RuleId("opaque-code"),
    sqlstate: "PA002",
    hazard: "DO, CALL, EXECUTE and functions may run DDL that nobody sees in the statement.",
    lock: None,
    work: Work::None,
    versions: ALL_VERSIONS,
    class: RemedyClass::Gate,
    remedy: "Write the DDL as statements of the migration; code that only reads and writes rows passes. In a transaction the rest may run, and is \
             taken back before the COMMIT where it has locked, or dropped, what others use.",
    bad: "DO $$ BEGIN EXECUTE 'ALTER TABLE t ADD COLUMN c int'; END $$",
    good: &["DO $$ BEGIN UPDATE t SET a = 1 WHERE id = 1; END $$"],
    good_since: OLDEST,
    judge,
};

/// Why code may do more than read and write rows.
struct Doubt {
    /// The end of "runs code that …".
    why: String,
    /// It may do what its locks would not tell, or end the transaction in which they are looked at.
    escapes: bool,
}

impl Doubt {
    fn escaping(why: impl Into<String>) -> Self {
        Self { why: why.into(), escapes: true }
    }

    /// The worst of several.
    fn worst(doubts: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut worst: Option<Self> = None;
        for doubt in doubts {
            if worst.as_ref().is_none_or(|known| doubt.escapes && !known.escapes) {
                worst = Some(doubt);
            }
        }
        worst
    }

    fn in_words(self, words: impl FnOnce(String) -> String) -> Self {
        Self { why: words(self.why), ..self }
    }
}

fn judge(case: &Case<'_>) -> Option<Finding> {
    let own = match &case.parsed.statement {
        Statement::Opaque(Opaque::Do { language, body }) => {
            block(case, language, body).map(|doubt| doubt.in_words(|why| format!("DO runs code that {why}")))
        }
        Statement::Opaque(Opaque::Call(procedure)) => {
            call(case, procedure).map(|doubt| doubt.in_words(|why| ran(&format!("CALL {}", label(procedure)), &why)))
        }
        Statement::Execute { name } | Statement::CreateTable(CreateTable { execute: Some(name), .. }) if case.unseen => {
            Some(Doubt::escaping(format!("EXECUTE {name} runs a statement that was not seen being prepared")))
        }
        Statement::Prepare { .. } => return None,
        _ => None,
    };
    let calls = case.parsed.functions.iter().filter_map(|function| Some(called(function, look(case, function)?)));
    let attributes = case.parsed.attributes.iter().filter_map(|name| attribute(case, name));
    let doubt = Doubt::worst(own.into_iter().chain(calls).chain(attributes))?;
    let advice = vec!["Write its DDL as plain statements of the migration, or split what only changes rows from it.".to_owned()];
    let remedy = if doubt.escapes || !runs_now(&case.parsed.statement) { Remedy::Advice(advice) } else { Remedy::Gate(advice) };
    Some(Finding { certainty: Certainty::Assumed, remedy, ..case.general(&RULE, doubt.why, Vec::new()) })
}

/// What it runs, it runs at once, and not whenever something else is used.
fn runs_now(statement: &Statement) -> bool {
    match statement {
        Statement::Opaque(_) | Statement::Execute { .. } => true,
        Statement::Query(query) => !query.declares,
        Statement::CreateTable(create) => create.from_query,
        _ => false,
    }
}

fn label(call: &FunctionCall) -> String {
    let schema = call.schema.as_ref().map(|schema| format!("{schema}.")).unwrap_or_default();
    format!("{schema}{}", call.name)
}

fn ran(what: &str, why: &str) -> String {
    format!("{what} runs code that {why}")
}

fn called(function: &FunctionCall, doubt: Doubt) -> Doubt {
    doubt.in_words(|why| ran(&format!("{}()", label(function)), &why))
}

/// `row.name` where a user function of a row has that name.
fn attribute(case: &Case<'_>, name: &str) -> Option<Doubt> {
    let function = FunctionCall { schema: None, name: name.to_owned() };
    let exists = case.scope.functions.contains_key(&function) || case.defined.iter().any(|new| new.name == name);
    exists.then(|| call(case, &function)).flatten().map(|doubt| called(&function, doubt))
}

/// A call inside a query.
fn look(case: &Case<'_>, function: &FunctionCall) -> Option<Doubt> {
    let may_be_the_users = case.scope.functions.contains_key(function) || case.defined.iter().any(|new| new.name == function.name);
    match functions::special(function) {
        Some(Special::RunsQuery) => Some(Doubt::escaping("is given to it as text")),
        _ if may_be_the_users || functions::needs_a_look(function) => call(case, function),
        _ => None,
    }
}

/// Why a function may do more than read and write rows; none when its sources show that it does not.
fn call(case: &Case<'_>, function: &FunctionCall) -> Option<Doubt> {
    let known = |overloads: &[FunctionFacts]| Doubt::worst(overloads.iter().filter_map(doubt));
    if case.defined.iter().any(|new| new.name == function.name) {
        let older = case.scope.functions.get(function).and_then(Lookup::found);
        return Doubt::worst(doubt_of_new(case, &function.name, &mut Vec::new()).into_iter().chain(older.and_then(|overloads| known(overloads))));
    }
    case.functions(function).map_or_else(|| Some(Doubt::escaping("could not be read")), known)
}

/// Functions of that name which the same string creates: their bodies, and what those mention.
fn doubt_of_new(case: &Case<'_>, name: &str, seen: &mut Vec<String>) -> Option<Doubt> {
    if seen.iter().any(|known| known == name) {
        return None;
    }
    seen.push(name.to_owned());
    let named = case.defined.iter().filter(|new| new.name == name);
    Doubt::worst(named.filter_map(|new| match new.language.as_str() {
        "sql" | "plpgsql" => Doubt::worst(of_code(&new.body).into_iter().chain(mentioned(case, &new.body, seen))),
        language => Some(Doubt::escaping(format!("is written in {language}"))),
    }))
}

/// What the user functions do that a piece of code may call.
fn mentioned(case: &Case<'_>, body: &str, seen: &mut Vec<String>) -> Option<Doubt> {
    let words = words(body);
    if !words.is_empty() && (case.stale.functions || !case.scope.mentions_known) {
        return Some(Doubt::escaping("may call functions that could not be read"));
    }
    let doubts = words.into_iter().filter_map(|word| {
        let older = case.scope.mentioned.get(&word).and_then(|functions| Doubt::worst(functions.iter().filter_map(doubt)));
        let worst = Doubt::worst(doubt_of_new(case, &word, seen).into_iter().chain(older))?;
        Some(worst.in_words(|why| format!("calls {word}(), which {why}")))
    });
    Doubt::worst(doubts)
}

fn doubt(function: &FunctionFacts) -> Option<Doubt> {
    if function.builtin {
        return None;
    }
    if function.sources.is_empty() {
        return Some(Doubt::escaping("could not be read"));
    }
    Doubt::worst(function.sources.iter().filter_map(doubt_of_source))
}

fn doubt_of_source(source: &SourceFacts) -> Option<Doubt> {
    match source.language.as_str() {
        "sql" | "plpgsql" => of_code(&source.source),
        // What an extension brings in C does what its manual says; those that run SQL elsewhere are known by name.
        "c" | "internal" if source.extension.is_some() => None,
        // It does what its functions do, and those are sources beside it.
        "internal" if source.source == "aggregate_dummy" => None,
        language => Some(Doubt::escaping(format!("is written in {language}"))),
    }
}

fn of_code(text: &str) -> Option<Doubt> {
    code::doubt(text).map(|why| Doubt { why, escapes: code::escapes(text) })
}

/// An anonymous block: its own text, but for the statements that rules judge, and the user functions that it mentions.
fn block(case: &Case<'_>, language: &str, body: &Code) -> Option<Doubt> {
    if !language.eq_ignore_ascii_case("plpgsql") {
        return Some(Doubt::escaping(format!("is written in {language}")));
    }
    let own = code::doubt(&body.rest).map(|why| Doubt { why, escapes: code::escapes(&body.text) });
    let sets = || Doubt::escaping("says SET beside statements whose names may mean something else then");
    let path = (!body.statements.is_empty() && code::sets(&body.rest)).then(sets);
    Doubt::worst(own.into_iter().chain(path).chain(mentioned(case, &body.text, &mut Vec::new())))
}
