//! What a person may let through: one statement, told apart from every other by its fingerprint.

use std::collections::BTreeSet;

use ring::digest::{Context, SHA256};

use crate::catalog::facts::{Facts, Lookup};
use crate::rules::guards_the_proxy;
use crate::rules::rule::Remedy;
use crate::sql::parse::comments;
use crate::sql::statement::{CreateTable, Script, Statement};

use super::decide::{self, Situation};
use super::judge::Found;
use super::message;
use super::plan::{Plan, Refusal};
use super::settings::Approvable;

/// Stands at the front of what is hashed, so that no other hash of ours can be taken for a fingerprint.
const DOMAIN: &str = "pgairlock approval 1";
/// So many digits of a fingerprint are shown: enough to find it among those that wait. What is compared is all of it.
const SHOWN: usize = 12;

/// A refusal that persons may lift.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Of the statement: SHA-256 as 64 hexadecimal digits.
    pub fingerprint: String,
    /// The rules that would be lifted.
    pub rules: Vec<String>,
    /// So many persons have to say so.
    pub people: u32,
    /// How long the statement may wait for them, in milliseconds.
    pub wait_ms: u64,
    /// Its page, where there is one.
    pub page: Option<String>,
}

/// What persons have lifted for one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// These rules.
    pub rules: Vec<String>,
    /// Who, and why.
    pub told: String,
}

impl Wanted {
    /// What people write for it.
    #[must_use]
    pub fn short(&self) -> &str {
        short(&self.fingerprint)
    }

    /// Where, or with what, a person approves it: `on https://…`, `with: pgairlock approve …`.
    #[must_use]
    pub fn how(&self) -> String {
        let command = format!("pgairlock approve {} --reason \"…\"", self.short());
        self.page.as_ref().map_or_else(|| format!("with: {command}"), |page| format!("on {page} (or with: {command})"))
    }
}

/// The digits of a fingerprint that people see.
#[must_use]
pub fn short(fingerprint: &str) -> &str {
    fingerprint.get(..SHOWN).unwrap_or(fingerprint)
}

/// Persons may lift this finding, or have: so many of them, and so long may be waited for them.
pub(super) fn terms<'a>(found: &Found, situation: &'a Situation<'_>) -> Option<&'a Approvable> {
    let rule = found.finding.rule.0;
    if guards_the_proxy(rule) || found.protected.is_some() {
        return None;
    }
    let principal = situation.principal;
    let is = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| found == Some(wanted));
    situation.settings.approvals.iter().find(|terms| {
        terms.rules.iter().any(|named| named == rule)
            && is(&terms.role, Some(&principal.role))
            && is(&terms.database, Some(&principal.database))
            && is(&terms.application_name, principal.application_name.as_deref())
    })
}

/// The finding is lifted by persons: their words.
pub(super) fn granted(found: &Found, situation: &Situation<'_>) -> Option<String> {
    let granted = situation.granted?;
    let named = granted.rules.iter().any(|rule| rule == found.finding.rule.0);
    (named && terms(found, situation).is_some()).then(|| granted.told.clone())
}

/// Whether the string would not be refused any more if persons lifted what they may: what has no safe form first, and only where that does not do the
/// rest.
pub(super) fn wanted(script: &Script, facts: &Facts, situation: &Situation<'_>, acting: &[&Found]) -> Option<Wanted> {
    let system = situation.system?;
    [false, true].into_iter().find_map(|also_safe| {
        let lifts = |found: &&&Found| (also_safe || !matches!(found.finding.remedy, Remedy::Rewrite(_))) && terms(found, situation).is_some();
        let lifted: Vec<&Found> = acting.iter().filter(lifts).copied().collect();
        let rest: Vec<&Found> = acting.iter().filter(|found| !lifts(found)).copied().collect();
        if lifted.is_empty() || matches!(decide::plan(script, facts, situation, &rest), Plan::Refuse(_)) {
            return None;
        }
        let terms: Vec<&Approvable> = lifted.iter().filter_map(|found| terms(found, situation)).collect();
        let fingerprint = fingerprint(script, facts, situation, system);
        Some(Wanted {
            page: situation.settings.dashboard.as_ref().map(|url| format!("{url}/approvals/{}", short(&fingerprint))),
            fingerprint,
            rules: lifted.iter().map(|found| found.finding.rule.0.to_owned()).collect::<BTreeSet<_>>().into_iter().collect(),
            people: terms.iter().map(|terms| terms.people).max().unwrap_or(1),
            wait_ms: terms.iter().map(|terms| terms.wait_ms).min().unwrap_or(0),
        })
    })
}

/// The refusal of what persons may lift.
pub(super) fn refusal(refusal: Refusal, wanted: &Wanted) -> Refusal {
    Refusal { sqlstate: "PA003", message: message::may_be_approved(&refusal.message, wanted), ..refusal }
}

/// Of the exact letters but for comments and white space, who sends them where, what they run that was prepared before, and what every name in them
/// stands for.
fn fingerprint(script: &Script, facts: &Facts, situation: &Situation<'_>, system: &str) -> String {
    let mut hash = Hash(Context::new(&SHA256));
    hash.part(DOMAIN);
    [system, &situation.principal.database, &situation.principal.role].into_iter().for_each(|part| hash.part(part));
    hash.text(&script.text);
    for parsed in &script.statements {
        if let Some(executed) = executed(&parsed.statement).and_then(|name| situation.prepared.script(name)) {
            hash.text(&executed.text);
        }
    }
    for named in names(facts, situation) {
        hash.part(&named);
    }
    hash.0.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Each part with its length, so that no two lists of them are alike.
struct Hash(Context);

impl Hash {
    fn part(&mut self, part: &str) {
        self.0.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.0.update(part.as_bytes());
    }

    fn text(&mut self, text: &str) {
        comments::pieces(text).for_each(|piece| self.part(piece));
        self.part("");
    }
}

fn executed(statement: &Statement) -> Option<&str> {
    match statement {
        Statement::Execute { name } | Statement::CreateTable(CreateTable { execute: Some(name), .. }) => Some(name),
        _ => None,
    }
}

/// Names with the oids that they stand for, in an order of their own. What the transaction itself has made has another oid each time.
fn names(facts: &Facts, situation: &Situation<'_>) -> BTreeSet<String> {
    fn oid<T>(lookup: &Lookup<T>, oid: impl Fn(&T) -> u32) -> String {
        match lookup {
            Lookup::Found(found) => oid(found).to_string(),
            Lookup::Missing => "none".into(),
            Lookup::Unknown => "unknown".into(),
        }
    }
    let relations = facts.scopes.iter().enumerate().flat_map(|(scope, names)| {
        names.relations.iter().map(move |(name, found)| {
            let made = situation.overlay.created(name) || found.found().is_some_and(|found| situation.overlay.created(&found.qualified()));
            let stands_for = if made { "new".into() } else { oid(found, |found| found.oid) };
            format!("{scope} relation {name} {stands_for}")
        })
    });
    let types =
        facts.scopes.iter().enumerate().flat_map(|(scope, names)| {
            names.types.iter().map(move |(name, found)| format!("{scope} type {name:?} {}", oid(found, |found| found.oid)))
        });
    relations.chain(types).collect()
}
