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
use crate::rules::protection;
use crate::rules::rule::Finding;
use crate::sql::name::RelationName;
use crate::sql::statement::{AlterAction, CreateTable, Definition, Drop, Opaque, Parsed, Script, SettingChange, Statement, TransactionControl};

use super::decide::Situation;
use super::settings::PolicySettings;
use super::{compose, effect};

/// A finding with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) finding: Finding,
    /// The statement, in the script.
    pub(super) statement: usize,
    /// The command, where the statement is an ALTER TABLE.
    pub(super) command: Option<usize>,
    /// It belongs to a statement that this one only runs: how that begins, where it is an ALTER TABLE.
    pub(super) inner: Option<String>,
    /// The protected table that it hits.
    pub(super) protected: Option<Protected>,
}

/// A protected table, and why it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Protected {
    pub(super) table: RelationName,
    pub(super) reason: String,
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
        let prepared = executed(&parsed.statement).and_then(|name| self.prepared(name));
        let case = Case { alone: self.alone, ..self.case(text, parsed, scope, prepared.is_none()) };
        let settings = self.situation.settings;
        let mut found = findings(&case, settings);
        let mut effects = vec![effect::of(&case)];
        let mut stale = effect::stale_after(&case);
        let inner = Inner::of(&parsed.statement, prepared.as_deref());
        let (mut overlay, mut here) = (self.overlay.clone(), self.here.clone());
        for (text, parsed) in inner.statements() {
            let in_transaction = self.in_transaction || inner.is_code;
            // Only one level was asked about: what executes further is unseen.
            let case = Case { overlay: &overlay, here: &here, stale, in_transaction, ..self.case(text, parsed, scope, true) };
            let begins = Some(compose::prefix(&parsed.statement));
            found.extend(findings(&case, settings).into_iter().map(|found| Found { inner: begins.clone(), ..found }));
            let effect = if inner.is_code { effect::perhaps(effect::of(&case)) } else { effect::of(&case) };
            stale = effect::stale_after(&case);
            overlay.apply(&effect);
            remember(&mut here, &effect);
            effects.push(effect);
            self.defined.extend(parsed.defines.clone());
        }
        let effect = if effects.len() == 1 { effects.remove(0) } else { Effect::All(effects) };
        self.stale = Stale { names: stale.names.max(self.doubt(&parsed.statement, &inner, &found)), ..stale };
        self.defined.extend(parsed.defines.clone());
        self.note_prepared(text, &parsed.statement);
        self.overlay.apply(&effect);
        remember(&mut self.here, &effect);
        (found, effect)
    }

    /// What a statement does to the meaning of names by where it stands, or unseen.
    fn doubt(&self, statement: &Statement, inner: &Inner<'_>, found: &[Found]) -> Doubt {
        use TransactionControl as Control;
        // Where policy lets unread code run, it may have done anything.
        if found.iter().any(|found| found.finding.rule == OPAQUE_CODE) {
            return Doubt::All;
        }
        match statement {
            Statement::Transaction(Control::Rollback { .. } | Control::RollbackTo(_)) if self.rolls_back_what_was_asked() => Doubt::All,
            // SET LOCAL ends, temporary tables may go ON COMMIT; a BEGIN in between has begun nothing.
            Statement::Transaction(Control::Commit { .. } | Control::TwoPhase) if self.situation.in_transaction => Doubt::Unqualified,
            // It is not followed which of them ran.
            _ if inner.is_code && inner.statements().any(|(_, parsed)| !matches!(parsed.statement, Statement::Query(_))) => Doubt::All,
            _ if inner.statements().any(|(_, parsed)| Paths::moved_by(parsed)) => Doubt::Unqualified,
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
            protected: &self.situation.settings.protected,
            lock_timeout_cap_ms: self.situation.lock_timeout_cap_ms,
            alone: false,
            defined: &self.defined,
            unseen,
            stale: self.stale,
        }
    }
}

/// The facts stay as old as they are when a transaction ends.
fn remember(here: &mut Overlay, effect: &Effect) {
    match effect {
        Effect::Ended
        | Effect::Savepoint(_)
        | Effect::Release(_)
        | Effect::RollbackTo(_)
        | Effect::VersionWritten
        | Effect::Ungated(_)
        | Effect::Gated
        | Effect::EnumCreated(_)
        | Effect::ValueAdded { .. } => {}
        Effect::All(effects) => effects.iter().for_each(|effect| remember(here, effect)),
        Effect::Nothing
        | Effect::Created(_)
        | Effect::Altered(_)
        | Effect::Locked(_)
        | Effect::Dropped(_)
        | Effect::Renamed { .. }
        | Effect::Deferred(_)
        | Effect::Settled(_)
        | Effect::Needless(_)
        | Effect::Adopted(_) => here.apply(effect),
    }
}

/// Only the end of a failed transaction, or the way back to a savepoint, does anything.
fn ends_failure(statement: &Statement) -> bool {
    use TransactionControl as Control;
    matches!(statement, Statement::Transaction(Control::Commit { .. } | Control::Rollback { .. } | Control::RollbackTo(_)))
}

/// The statements that another one runs.
struct Inner<'a> {
    scripts: &'a [Script],
    /// They stand in code, which may run them or not, in a transaction.
    is_code: bool,
}

impl<'a> Inner<'a> {
    fn of(statement: &'a Statement, prepared: Option<&'a Script>) -> Self {
        match statement {
            Statement::Opaque(Opaque::Do { body, .. }) => Self { scripts: &body.statements, is_code: true },
            _ => Self { scripts: prepared.map_or(&[], std::slice::from_ref), is_code: false },
        }
    }

    fn statements(&self) -> impl Iterator<Item = (&'a str, &'a Parsed)> + use<'a> {
        self.scripts.iter().flat_map(|script| script.statements.iter().map(|parsed| (&*script.text, parsed)))
    }
}

fn executed(statement: &Statement) -> Option<&str> {
    match statement {
        Statement::Execute { name } | Statement::CreateTable(CreateTable { execute: Some(name), .. }) => Some(name),
        _ => None,
    }
}

/// What the rules find in one statement; what they say of several relations of one command alike, once.
fn findings(case: &Case<'_>, settings: &PolicySettings) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut add = |case: &Case<'_>, command| {
        for new in run(case, settings, command) {
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

/// Each rule sees the size below which its own hazards pass.
fn run<'a>(case: &'a Case<'a>, settings: &'a PolicySettings, command: Option<usize>) -> impl Iterator<Item = Found> + 'a {
    let findings = rules::all().iter().filter_map(|rule| match settings.thresholds.get(rule.id.0) {
        Some(bytes) => (rule.judge)(&Case { small_table_bytes: *bytes, ..*case }),
        None => (rule.judge)(case),
    });
    findings.map(move |finding| {
        let met = protection::met(case, &finding);
        let protected = met.map(|(protection, table)| Protected { table, reason: protection.reason.clone() });
        let estimate = estimate::of(case, &finding);
        Found { finding: Finding { estimate, ..finding }, statement: 0, command, inner: None, protected }
    })
}
