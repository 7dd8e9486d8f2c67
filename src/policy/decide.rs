//! The decision about one string of SQL.

use crate::catalog::facts::Facts;
use crate::catalog::locks::Work;
use crate::catalog::overlay::{Effect, Overlay, Ungated};
use crate::catalog::questions::Prepared;
use crate::deferred::promise::Pending;
use crate::rules::NOT_UNDERSTOOD;
use crate::rules::rule::{Certainty, Finding, Remedy};
use crate::sql::functions;
use crate::sql::parse::ParseError;
use crate::sql::statement::{Copy, Parsed, Script, Statement};

use super::advisory::AdvisoryLock;
use super::allowance::Allowance;
use super::approval::{self, Granted, Wanted};
use super::by_itself::ByItself;
use super::directives::Requests;
use super::judge::{self, Found};
use super::lock_timeout::{self, Held};
use super::message::{self, Place};
use super::plan::{Decision, Judged, Notice, Operation, Plan, SafeForm, Verdict};
use super::settings::{Mode, PolicySettings, Principal};
use super::strong::{self, StrongLock};
use super::verdict::{self, Ruling};
use super::{compose, settle, split};

/// Everything around a string of SQL that its decision depends on.
pub struct Situation<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// The settings that decide.
    pub settings: &'a PolicySettings,
    /// What the listener does with findings.
    pub mode: Mode,
    /// It runs in an explicit block, or in an implicit transaction with other statements.
    pub in_transaction: bool,
    /// It runs in an explicit block, which a COMMIT will end: what no transaction can hold may wait for that.
    pub in_block: bool,
    /// It is known where promises are kept, so that something may wait for a COMMIT.
    pub promises: bool,
    /// The transaction has failed already: only ROLLBACK does anything.
    pub failed_transaction: bool,
    /// What the transaction did so far.
    pub overlay: &'a Overlay,
    /// What earlier transactions were promised, and nobody has done.
    pub pending: &'a [Pending],
    /// The lock_timeout that the session keeps, in milliseconds; 0 is none.
    pub lock_timeout_cap_ms: u64,
    /// Prepared statements.
    pub prepared: &'a dyn Prepared,
    /// It came by the extended protocol.
    pub extended: bool,
    /// What `pgairlock.allow` is set to.
    pub allowance: &'a Allowance,
    /// The cluster, where it is known: persons let something through there and nowhere else.
    pub system: Option<&'a str>,
    /// What persons have let through for this very string.
    pub granted: Option<&'a Granted>,
}

/// What the session does about lock_timeout around a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockTimeoutCare {
    /// Nothing.
    None,
    /// A lone statement that waits without harm (an advisory lock, CONCURRENTLY, VALIDATE): no lock_timeout while it runs.
    LiftDuring,
    /// A lone statement that waits for an advisory lock: it is tried again and again in its place.
    Poll {
        /// What is tried.
        lock: AdvisoryLock,
        /// The lock_timeout that the session keeps does not end it; one of the client's own that is stricter does.
        lift: bool,
    },
    /// CONCURRENTLY and VALIDATE outside of a transaction, or anything else that refuses one, by the extended protocol, where our own questions
    /// stand in the same implicit one: it is run as a statement of ours.
    RunByItself(ByItself),
    /// It may have raised lock_timeout: set the cap again afterwards.
    ReapplyAfter,
    /// A lone statement that waits for a strong lock: it is tried again and again, so that nobody stands behind it for long.
    Try(StrongLock),
}

impl LockTimeoutCare {
    /// The lock that is waited for.
    #[must_use]
    pub fn strong(&self) -> Option<StrongLock> {
        if let Self::Try(lock) = self { Some(lock.clone()) } else { None }
    }
}

/// A decision with what the session needs to carry it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The decision.
    pub decision: Decision,
    /// In warn mode: what enforce would have done, when that is not to pass.
    pub would: Option<Plan>,
    /// What each statement changes once it succeeded, one per statement of the script.
    pub effects: Vec<Effect>,
    /// Care for lock_timeout.
    pub lock_timeout: LockTimeoutCare,
    /// It belongs into the audit log.
    pub record: bool,
    /// It is refused, and persons may lift that.
    pub wanted: Option<Wanted>,
}

/// Judges every statement of `script` and says what happens with the whole.
#[must_use]
pub fn decide(script: &Script, facts: &Facts, situation: &Situation<'_>) -> Outcome {
    let judgement = judge::script(script, facts, situation);
    let held = lock_timeout::hold(script, facts, situation);
    let judged = rule_on_all(script, judgement.found, situation);
    let acting: Vec<&Found> = judged.iter().filter(|(_, ruling)| ruling.verdict == Verdict::Enforced).map(|(found, _)| found).collect();
    let plan = with_directives(plan(script, facts, situation, &acting), &judged);
    let wanted =
        matches!((&plan, situation.mode), (Plan::Refuse(_), Mode::Enforce)).then(|| approval::wanted(script, facts, situation, &acting)).flatten();
    let plan = match (plan, &wanted) {
        (Plan::Refuse(refusal), Some(wanted)) => Plan::Refuse(approval::refusal(refusal, wanted)),
        (plan, _) => plan,
    };
    let effects = if plan == Plan::Gate { ungated(judgement.effects, facts, &acting) } else { judgement.effects };
    // It is decided again, and recorded then: the statements of a string one by one.
    let taken_apart = situation.mode == Mode::Enforce && matches!(plan, Plan::Split | Plan::Enclose);
    let record = !taken_apart && (!judged.is_empty() || script.statements.iter().any(is_recorded));
    let strong = strong::of(script, facts, situation, judged.is_empty()).map(LockTimeoutCare::Try);
    let care = match plan {
        Plan::Pass | Plan::Edit(_) if held.care == LockTimeoutCare::None => strong.unwrap_or(LockTimeoutCare::None),
        Plan::Rewrite(_) | Plan::Defer(_) if situation.mode == Mode::Enforce => strong.unwrap_or(LockTimeoutCare::None),
        _ if situation.mode != Mode::Enforce || plan == Plan::Pass => held.care.clone(),
        _ => LockTimeoutCare::None,
    };
    let findings = |mode: Mode| judged.iter().map(|(found, ruling)| report(found, ruling, mode)).collect();
    match (situation.mode, plan) {
        (Mode::Enforce, plan) => {
            let notices = notices(&judged, &acting, &plan);
            let decision = Decision { notices: with_held(notices, &held, &plan), plan: held_plan(plan, &held), findings: findings(Mode::Enforce) };
            Outcome { decision, would: None, effects, lock_timeout: care, record, wanted }
        }
        (Mode::Warn | Mode::Off, plan) => {
            let notices = would_notices(&judged, &acting, &plan);
            let decision =
                Decision { notices: with_held(notices, &held, &Plan::Pass), plan: held_plan(Plan::Pass, &held), findings: findings(situation.mode) };
            let would = (plan != Plan::Pass).then_some(plan);
            Outcome { decision, would, effects, lock_timeout: care, record, wanted: None }
        }
    }
}

/// The decision about a string that the grammar does not accept.
#[must_use]
pub fn not_understood(error: &ParseError, situation: &Situation<'_>) -> Outcome {
    let finding = Finding {
        rule: NOT_UNDERSTOOD,
        sqlstate: "PA002",
        relation: None,
        consequence: "this SQL could not be read, so it cannot be judged".to_owned(),
        lock: None,
        locked: None,
        work: Work::None,
        certainty: Certainty::Assumed,
        bytes: None,
        rebuilds: Vec::new(),
        estimate: None,
        probe: None,
        remedy: Remedy::Advice(vec!["Write it in the words of PostgreSQL 18 or older, in smaller pieces.".to_owned()]),
    };
    let found = Found { finding, statement: 0, command: None, inner: None, protected: None };
    // What is not read has no directives.
    let ruling = rule_on(&found, &Requests::default(), situation);
    let finding = &found.finding;
    let refusal = Plan::Refuse(message::not_understood(finding, error));
    let (plan, would, notices) = match (&ruling.verdict, situation.mode) {
        (Verdict::Enforced, Mode::Enforce) => (refusal, None, Vec::new()),
        (Verdict::Enforced, Mode::Warn | Mode::Off) => (Plan::Pass, Some(refusal), vec![message::would("refuse it", finding, "")]),
        (Verdict::Warned, _) => (Plan::Pass, None, vec![message::warning(finding)]),
        (Verdict::Off | Verdict::Exempted(_) | Verdict::Allowed(_) | Verdict::Approved(_), _) => (Plan::Pass, None, Vec::new()),
    };
    let decision = Decision { plan, findings: vec![report(&found, &ruling, situation.mode)], notices };
    // What it does to lock_timeout is not known either.
    Outcome { decision, would, effects: Vec::new(), lock_timeout: LockTimeoutCare::ReapplyAfter, record: true, wanted: None }
}

/// What policy would say where it is enforced: warn mode needs to know as well.
pub(super) fn rule_on(found: &Found, requests: &Requests, situation: &Situation<'_>) -> Ruling {
    let (settings, principal) = (situation.settings, situation.principal);
    let ruling = verdict::of(found, settings, principal, || requests.answer(found, settings, principal));
    match approval::granted(found, situation) {
        Some(told) if ruling.verdict == Verdict::Enforced => Ruling { verdict: Verdict::Approved(told), not_honoured: None },
        _ => ruling,
    }
}

fn rule_on_all(script: &Script, found: Vec<Found>, situation: &Situation<'_>) -> Vec<(Found, Ruling)> {
    if found.is_empty() {
        return Vec::new();
    }
    let requests = Requests::of(script, situation.allowance);
    found.into_iter().map(|found| (found.clone(), rule_on(&found, &requests, situation))).collect()
}

fn report(found: &Found, ruling: &Ruling, mode: Mode) -> Judged {
    let verdict = match (&ruling.verdict, mode) {
        (Verdict::Enforced, Mode::Warn | Mode::Off) => Verdict::Warned,
        (verdict, _) => verdict.clone(),
    };
    Judged {
        finding: found.finding.clone(),
        statement: found.statement,
        verdict,
        not_honoured: ruling.not_honoured.clone(),
        inner: found.inner.clone(),
    }
}

/// A refusal says why the directive at its statement did not help.
fn with_directives(plan: Plan, judged: &[(Found, Ruling)]) -> Plan {
    let Plan::Refuse(mut refusal) = plan else { return plan };
    let told = |found: &Found| refusal.message.starts_with(&message::sentence(&found.finding));
    let why = judged.iter().filter(|(found, _)| told(found)).find_map(|(_, ruling)| ruling.not_honoured.as_deref());
    if let Some(why) = why {
        refusal.message = format!("{} {why}", refusal.message);
    }
    Plan::Refuse(refusal)
}

pub(super) fn plan(script: &Script, facts: &Facts, situation: &Situation<'_>, acting: &[&Found]) -> Plan {
    if let ([parsed], true) = (script.statements.as_slice(), situation.mode == Mode::Enforce)
        && let Some(effect) = settle::of(parsed, situation.overlay, situation.pending, facts)
    {
        return Plan::Settle { effect, tag: compose::tag(&parsed.statement) };
    }
    if let Some(plan) = gate(script, facts, situation, acting) {
        return plan;
    }
    let alone = !situation.in_transaction && script.statements.len() == 1;
    if let ([parsed], true, false) = (script.statements.as_slice(), alone, acting.is_empty())
        && let Some(form) = compose::safe_form(&script.text, parsed, acting, facts.scope(0))
    {
        return Plan::Rewrite(form);
    }
    if let ([parsed], true, false) = (script.statements.as_slice(), situation.in_block && situation.settings.defers, acting.is_empty())
        && let Some(form) = compose::safe_form(&script.text, parsed, acting, facts.scope(0)).filter(|form| may_wait(form, acting))
    {
        return Plan::Defer(form);
    }
    if enclosing_helps(script, facts, situation, acting) {
        return Plan::Enclose;
    }
    if split::helps(script, facts, situation, acting) {
        return Plan::Split;
    }
    // What cannot be helped is told before what can.
    let advised = acting.iter().find(|found| !matches!(found.finding.remedy, Remedy::Rewrite(_)));
    match advised.or(acting.first()) {
        Some(found) => Plan::Refuse(refuse(script, situation, found)),
        None => Plan::Pass,
    }
}

/// Code that is not seen may run where what it locks can be looked at: in a block, be it one of ours.
fn gate(script: &Script, facts: &Facts, situation: &Situation<'_>, acting: &[&Found]) -> Option<Plan> {
    let [_] = script.statements.as_slice() else { return None };
    if acting.is_empty() || !acting.iter().all(|found| is_gated(found)) || situation.failed_transaction {
        return None;
    }
    match (situation.in_block, situation.extended) {
        (true, _) => facts.held.is_some().then_some(Plan::Gate),
        (false, true) => Some(Plan::Enclose),
        (false, false) => (!situation.in_transaction).then_some(Plan::Split),
    }
}

/// What it locks can be looked at before the COMMIT.
pub(super) fn is_gated(found: &Found) -> bool {
    matches!(found.finding.remedy, Remedy::Gate(_))
}

/// The statement runs code whose locks are to be looked at.
fn ungated(mut effects: Vec<Effect>, facts: &Facts, acting: &[&Found]) -> Vec<Effect> {
    if let (Some(before), Some(found), Some(effect)) = (&facts.held, acting.first(), effects.pop()) {
        let ungated = Ungated { what: found.finding.consequence.clone(), before: before.clone() };
        effects.push(Effect::All(vec![effect, Effect::Ungated(Box::new(ungated))]));
    }
    effects
}

/// It stands in a batch without BEGIN, and could run in a block.
fn enclosing_helps(script: &Script, facts: &Facts, situation: &Situation<'_>, acting: &[&Found]) -> bool {
    let [parsed] = script.statements.as_slice() else { return false };
    let in_batch = situation.extended && situation.in_transaction && !situation.in_block && !situation.failed_transaction;
    let may_defer = in_batch && situation.promises && situation.settings.defers && !acting.is_empty();
    may_defer && compose::safe_form(&script.text, parsed, acting, facts.scope(0)).is_some_and(|form| may_wait(&form, acting))
}

/// Every operation can be found again by name, and is about what the server has resolved.
pub(super) fn may_wait(form: &SafeForm, acting: &[&Found]) -> bool {
    let resolved = acting.iter().all(|found| found.finding.certainty == Certainty::Proven && found.finding.relation.is_some());
    resolved && form.then.iter().all(Operation::can_be_found)
}

fn refuse(script: &Script, situation: &Situation<'_>, found: &Found) -> super::plan::Refusal {
    let several = script.statements.len() > 1;
    let place = match (several, situation.in_transaction || found.inner.is_some()) {
        (true, _) => Place::String,
        (false, true) => Place::Transaction,
        (false, false) => Place::Alone,
    };
    let statement = script.statements.get(found.statement);
    let prefix = found.inner.clone().or_else(|| statement.map(|parsed| compose::prefix(&parsed.statement))).unwrap_or_default();
    let position = statement.filter(|_| several).and_then(|parsed| Some(script.text.get(..parsed.span.start)?.chars().count() + 1));
    message::refusal(found, &prefix, place, position)
}

fn notices(judged: &[(Found, Ruling)], acting: &[&Found], plan: &Plan) -> Vec<Notice> {
    let mut notices = warnings(judged, matches!(plan, Plan::Split | Plan::Enclose | Plan::Refuse(_)));
    if let Plan::Rewrite(form) | Plan::Defer(form) = plan {
        let mut acting = acting.iter();
        let told = if matches!(plan, Plan::Defer(_)) { message::deferred } else { message::runs_as };
        notices.extend(acting.next().map(|found| told(&found.finding, form)));
        notices.extend(acting.map(|found| message::also(&found.finding)));
    }
    if *plan == Plan::Gate {
        notices.extend(acting.iter().map(|found| message::gated_later(&found.finding)));
    }
    notices
}

/// What policy lets pass, and what its directives did about the rest; of a string that is decided again, or refused, not the latter.
fn warnings(judged: &[(Found, Ruling)], without_directives: bool) -> Vec<Notice> {
    let mut notices = Vec::new();
    for (found, ruling) in judged {
        match &ruling.verdict {
            Verdict::Warned => notices.push(message::warning(&found.finding)),
            Verdict::Allowed(reason) if !without_directives => notices.push(message::allowed(&found.finding, reason)),
            Verdict::Approved(told) if !without_directives => notices.push(message::approved(&found.finding, told)),
            Verdict::Allowed(_) | Verdict::Approved(_) | Verdict::Enforced | Verdict::Off | Verdict::Exempted(_) => {}
        }
        if let Some(why) = ruling.not_honoured.as_deref().filter(|_| !without_directives) {
            notices.push(message::not_honoured(&found.finding, why));
        }
    }
    notices
}

fn would_notices(judged: &[(Found, Ruling)], acting: &[&Found], plan: &Plan) -> Vec<Notice> {
    let mut notices = warnings(judged, false);
    let (what, rest) = match plan {
        Plan::Rewrite(form) => ("run it as:", message::sql_of(&form.steps())),
        Plan::Defer(form) => ("run it as:", message::now_and_then(form)),
        Plan::Split => ("run the string statement by statement", String::new()),
        Plan::Enclose => ("run what it can at once, and the rest at the end of the batch", String::new()),
        Plan::Gate => ("look at what it locks before the COMMIT", String::new()),
        Plan::Settle { .. } | Plan::Pass | Plan::Edit(_) | Plan::Await(_) | Plan::Refuse(_) | Plan::TakeBack(_) => ("refuse it", String::new()),
    };
    notices.extend(acting.iter().map(|found| message::would(what, &found.finding, &rest)));
    notices
}

/// Settings are only held where the string runs at all.
fn with_held(mut notices: Vec<Notice>, held: &Held, plan: &Plan) -> Vec<Notice> {
    if *plan == Plan::Pass {
        notices.extend(held.notices.iter().cloned());
    }
    notices
}

fn held_plan(plan: Plan, held: &Held) -> Plan {
    if plan == Plan::Pass && !held.edits.is_empty() { Plan::Edit(held.edits.clone()) } else { plan }
}

/// Rows, transactions and harmless settings leave no trace in the log; everything else does.
fn is_recorded(parsed: &Parsed) -> bool {
    let by_statement = !matches!(
        parsed.statement,
        Statement::Transaction(_)
            | Statement::Setting(_)
            | Statement::Query(_)
            | Statement::Copy(Copy::FromClient | Copy::ToClient)
            | Statement::LockTable { .. }
            | Statement::Prepare { .. }
            | Statement::Execute { .. }
            | Statement::Deallocate(_)
            | Statement::Brief("SHOW" | "LISTEN" | "UNLISTEN" | "NOTIFY" | "SET CONSTRAINTS")
    );
    let special = |special: functions::Special| {
        matches!(special, functions::Special::Backend | functions::Special::Server | functions::Special::Replication | functions::Special::RunsQuery)
    };
    by_statement || parsed.functions.iter().filter_map(functions::special).any(special)
}
