//! Follows a script statement by statement: findings, and the effects that later statements are judged by.

use std::collections::HashMap;
use std::sync::Arc;

use crate::catalog::facts::{Facts, Scope};
use crate::catalog::overlay::{Effect, Overlay};
use crate::catalog::path::Paths;
use crate::rules;
use crate::rules::OPAQUE_CODE;
use crate::rules::case::{Case, Doubt, Stale};
use crate::rules::estimate;
use crate::rules::rule::Finding;
use crate::sql::name::RelationName;
use crate::sql::statement::{AlterAction, CreateTable, Definition, Drop, Parsed, Script, SettingChange, Statement, TransactionControl};

use super::decide::Situation;
use super::effect;

/// A finding with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) finding: Finding,
    /// The statement, in the script.
    pub(super) statement: usize,
    /// The command, where the statement is an ALTER TABLE.
    pub(super) command: Option<usize>,
    /// It belongs to a prepared statement that the script only executes.
    pub(super) inner: bool,
}

/// What the rules say about a script.
pub(super) struct Judgement {
    pub(super) found: Vec<Found>,
    pub(super) effects: Vec<Effect>,
}

static NOWHERE: std::sync::LazyLock<Scope> = std::sync::LazyLock::new(Scope::default);

/// Judges every statement in turn.
pub(super) fn script(script: &Script, facts: &Facts, situation: &Situation<'_>) -> Judgement {
    let several = script.statements.len() > 1;
    let mut judge = Judge { in_transaction: situation.in_transaction || several, alone: !several, ..Judge::new(facts, situation) };
    let paths = Paths::of(script);
    let mut judgement = Judgement { found: Vec::new(), effects: Vec::new() };
    for (index, parsed) in script.statements.iter().enumerate() {
        let scope = facts.scope(paths.number_of(index)).unwrap_or(&NOWHERE);
        let (found, effect) = judge.next(&script.text, parsed, scope);
        judgement.found.extend(found.into_iter().map(|found| Found { statement: index, ..found }));
        judgement.effects.push(effect);
    }
    judgement
}

/// Goes from statement to statement, and knows what those before have changed.
pub(super) struct Judge<'a> {
    facts: &'a Facts,
    situation: &'a Situation<'a>,
    /// What the transaction did so far.
    pub(super) overlay: Overlay,
    /// The statement stands in a transaction.
    pub(super) in_transaction: bool,
    /// The facts were asked just before it.
    pub(super) alone: bool,
    /// Only what this script did.
    here: Overlay,
    stale: Stale,
    /// Functions that this script created or replaced.
    defined: Vec<Definition>,
    /// The transaction has failed: what stands before its end does nothing.
    dead: bool,
    /// What this script prepared; none where it took the name away.
    prepared_here: HashMap<String, Option<Arc<Script>>>,
    /// This script took all names away.
    deallocated: bool,
}

impl<'a> Judge<'a> {
    pub(super) fn new(facts: &'a Facts, situation: &'a Situation<'a>) -> Self {
        Self {
            facts,
            situation,
            overlay: situation.overlay.clone(),
            in_transaction: situation.in_transaction,
            alone: true,
            here: Overlay::default(),
            stale: Stale::default(),
            defined: Vec::new(),
            dead: situation.failed_transaction,
            prepared_here: HashMap::new(),
            deallocated: false,
        }
    }

    /// What the rules find in the next statement, and what it changes.
    pub(super) fn next(&mut self, text: &str, parsed: &Parsed, scope: &Scope) -> (Vec<Found>, Effect) {
        if self.dead && !ends_failure(&parsed.statement) {
            return (Vec::new(), Effect::Nothing);
        }
        self.dead = false;
        let inner = executed(&parsed.statement).and_then(|name| self.prepared(name));
        let case = Case { alone: self.alone, ..self.case(text, parsed, scope, inner.is_none()) };
        let mut found = findings(&case);
        let mut effects = vec![effect::of(&case)];
        let mut stale = effect::stale_after(&case);
        for parsed in inner.iter().flat_map(|script| &script.statements) {
            let text = inner.as_ref().map_or("", |script| &script.text);
            // Only one level was asked about: what executes further is unseen.
            let case = self.case(text, parsed, scope, true);
            found.extend(findings(&case).into_iter().map(|found| Found { inner: true, ..found }));
            effects.push(effect::of(&case));
            stale = effect::stale_after(&Case { stale, ..case });
        }
        let effect = if effects.len() == 1 { effects.remove(0) } else { Effect::All(effects) };
        self.stale = Stale { names: stale.names.max(self.doubt(&parsed.statement, &inner, &found)), ..stale };
        self.defined.extend(parsed.defines.clone());
        self.note_prepared(text, &parsed.statement);
        self.overlay.apply(&effect);
        self.remember(&effect);
        (found, effect)
    }

    /// What a statement does to the meaning of names by where it stands, or unseen.
    fn doubt(&self, statement: &Statement, inner: &Option<Arc<Script>>, found: &[Found]) -> Doubt {
        use TransactionControl as Control;
        // Where policy lets unread code run, it may have done anything.
        if found.iter().any(|found| found.finding.rule == OPAQUE_CODE) {
            return Doubt::All;
        }
        match statement {
            Statement::Transaction(Control::Rollback { .. } | Control::RollbackTo(_)) if self.rolls_back_what_was_asked() => Doubt::All,
            // SET LOCAL ends, temporary tables may go ON COMMIT; a BEGIN in between has begun nothing.
            Statement::Transaction(Control::Commit { .. } | Control::TwoPhase) if self.situation.in_transaction => Doubt::Unqualified,
            _ if inner.iter().flat_map(|script| &script.statements).any(Paths::moved_by) => Doubt::Unqualified,
            _ => Doubt::None,
        }
    }

    /// The facts were asked in a transaction that is undone, or names that this string took away are given back.
    fn rolls_back_what_was_asked(&self) -> bool {
        self.situation.in_transaction || !self.here.names_are_kept()
    }

    /// What EXECUTE would run at this place of the script.
    fn prepared(&self, name: &str) -> Option<Arc<Script>> {
        match self.prepared_here.get(name) {
            Some(script) => script.clone(),
            None if self.deallocated => None,
            None => self.situation.prepared.script(name),
        }
    }

    fn note_prepared(&mut self, text: &str, statement: &Statement) {
        match statement {
            Statement::Prepare { name, inner } => {
                let script = Script { text: Arc::from(text), statements: vec![(**inner).clone()] };
                self.prepared_here.insert(name.clone(), Some(Arc::new(script)));
            }
            Statement::Deallocate(Some(name)) => {
                self.prepared_here.insert(name.clone(), None);
            }
            Statement::Deallocate(None) | Statement::Setting(SettingChange::DiscardAll) => {
                self.prepared_here.clear();
                self.deallocated = true;
            }
            _ => {}
        }
    }

    /// The facts stay as old as they are when a transaction ends.
    fn remember(&mut self, effect: &Effect) {
        match effect {
            Effect::Ended | Effect::Savepoint(_) | Effect::Release(_) | Effect::RollbackTo(_) | Effect::VersionWritten => {}
            Effect::All(effects) => effects.iter().for_each(|effect| self.remember(effect)),
            Effect::Nothing
            | Effect::Created(_)
            | Effect::Altered(_)
            | Effect::Locked(_)
            | Effect::Dropped(_)
            | Effect::Renamed { .. }
            | Effect::Deferred(_)
            | Effect::Settled(_)
            | Effect::Needless(_)
            | Effect::Adopted(_) => self.here.apply(effect),
        }
    }

    fn case<'c>(&'c self, text: &'c str, parsed: &'c Parsed, scope: &'c Scope, unseen: bool) -> Case<'c> {
        Case {
            text,
            parsed,
            command: None,
            relation: None,
            facts: self.facts,
            scope,
            overlay: &self.overlay,
            here: &self.here,
            pending: self.situation.pending,
            in_transaction: self.in_transaction,
            small_table_bytes: self.situation.settings.small_table_bytes,
            lock_timeout_cap_ms: self.situation.lock_timeout_cap_ms,
            alone: false,
            defined: &self.defined,
            unseen,
            stale: self.stale,
        }
    }
}

/// Only the end of a failed transaction, or the way back to a savepoint, does anything.
fn ends_failure(statement: &Statement) -> bool {
    use TransactionControl as Control;
    matches!(statement, Statement::Transaction(Control::Commit { .. } | Control::Rollback { .. } | Control::RollbackTo(_)))
}

fn executed(statement: &Statement) -> Option<&str> {
    match statement {
        Statement::Execute { name } | Statement::CreateTable(CreateTable { execute: Some(name), .. }) => Some(name),
        _ => None,
    }
}

/// What the rules find in one statement; what they say of several relations of one command alike, once.
fn findings(case: &Case<'_>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut add = |case: &Case<'_>, command| {
        for new in run(case, command) {
            if !found.iter().any(|known| known.finding == new.finding && known.command == new.command) {
                found.push(new);
            }
        }
    };
    let Statement::AlterTable(alter) = &case.parsed.statement else {
        relations(&case.parsed.statement).into_iter().for_each(|relation| add(&Case { relation, ..*case }, None));
        return found;
    };
    for (index, command) in alter.commands.iter().enumerate() {
        let parts = match &command.action {
            AlterAction::AttachPartition { child, .. } => vec![Some(&alter.relation), Some(child)],
            _ => vec![None],
        };
        parts.into_iter().for_each(|relation| add(&Case { command: Some((alter, command)), relation, ..*case }, Some(index)));
    }
    found
}

/// The relations that are judged one by one.
fn relations(statement: &Statement) -> Vec<Option<&RelationName>> {
    match statement {
        Statement::DropTable(Drop { relations, .. }) | Statement::DropIndex(Drop { relations, .. }) | Statement::Unjudged { relations, .. }
            if !relations.is_empty() =>
        {
            relations.iter().map(Some).collect()
        }
        _ => vec![None],
    }
}

fn run<'a>(case: &'a Case<'a>, command: Option<usize>) -> impl Iterator<Item = Found> + 'a {
    let findings = rules::all().iter().filter_map(|rule| (rule.judge)(case));
    findings.map(move |finding| {
        let estimate = estimate::of(case, &finding);
        Found { finding: Finding { estimate, ..finding }, statement: 0, command, inner: false }
    })
}
