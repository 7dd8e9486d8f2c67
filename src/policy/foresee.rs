//! What would become of the statements of a file, sent one after the other. Nothing runs: what each would change is taken for done, and the facts are
//! those from before the first one.

use crate::catalog::assumed;
use crate::catalog::facts::{Facts, Scope};
use crate::catalog::held::Held;
use crate::catalog::overlay::{Effect, Overlay};
use crate::catalog::path::Paths;
use crate::deferred::promise::Deferred;
use crate::rules::rule::Certainty;
use crate::sql::statement::{Script, Statement, TransactionControl};

use super::allowance::Allowance;
use super::approval;
use super::decide::{self, Situation};
use super::directives::Requests;
use super::judge::{Found, Judge};
use super::plan::{Judged, Plan, SafeForm, Verdict};
use super::verdict::Ruling;

/// What the proxy would do with one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreseen {
    /// What would happen.
    pub plan: Plan,
    /// What the rules found.
    pub findings: Vec<Judged>,
    /// It stands in a transaction.
    pub in_transaction: bool,
    /// It is refused, and persons may lift that.
    pub approvable: bool,
}

/// What the facts are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// A server was asked.
    Catalog,
    /// There was none: what a server would have said is assumed, the worst of it, but that it would have known the names.
    Nothing,
}

/// What the statements before have left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SoFar {
    /// What the transaction did.
    pub overlay: Overlay,
    /// A transaction is open.
    pub in_block: bool,
    /// Something stood before.
    pub begun: bool,
    /// What `pgairlock.allow` is set to.
    pub allowance: Allowance,
}

/// Judges each statement as if those before it had run; BEGIN and COMMIT in the script are followed. Of `situation` that counts which no statement
/// changes.
pub fn foresee(script: &Script, facts: &Facts, situation: &Situation<'_>, basis: Basis, so_far: &mut SoFar) -> Vec<Foreseen> {
    let paths = Paths::of(script);
    let before = so_far.overlay.clone();
    let situation = &Situation { overlay: &before, ..*situation };
    let mut judge = Judge::new(facts, situation);
    let mut in_block = so_far.in_block;
    let mut foreseen = Vec::with_capacity(script.statements.len());
    let requests = Requests::of(script, &so_far.allowance);
    let mut allowance = so_far.allowance.clone();
    for (index, parsed) in script.statements.iter().enumerate() {
        let scope = match basis {
            Basis::Catalog => facts.scope(paths.number_of(index)).cloned().unwrap_or_default(),
            Basis::Nothing => assumed::scope(parsed),
        };
        judge.in_transaction = in_block;
        judge.alone = index == 0 && !so_far.begun;
        let overlay = judge.overlay.clone();
        let (found, _) = judge.next(&script.text, parsed, &scope);
        let found = found.into_iter().map(|found| Found { statement: index, ..found }).collect();
        let here = Situation { in_transaction: in_block, in_block, promises: in_block, overlay: &overlay, ..*situation };
        let one = Script { text: script.text.clone(), statements: vec![parsed.clone()] };
        let (plan, findings, approvable) = plan(&one, &of_scope(facts, scope), &here, found, (&requests, basis));
        if let Plan::Defer(form) = &plan {
            judge.overlay.apply(&waiting(form, &findings));
        }
        foreseen.push(Foreseen { plan, findings, in_transaction: in_block, approvable });
        in_block = is_in_block(&parsed.statement, in_block);
        allowance.completed(parsed);
        if !in_block {
            allowance.ended();
        }
    }
    *so_far = SoFar { overlay: judge.overlay, in_block, begun: true, allowance };
    foreseen
}

fn of_scope(facts: &Facts, scope: Scope) -> Facts {
    // Nothing is tried where nothing runs.
    Facts {
        next_xid: None,
        scopes: vec![scope],
        server_version: facts.server_version,
        time_zone_is_utc: facts.time_zone_is_utc,
        // What is locked can be known when it is its turn.
        held: Some(Held::default()),
        speed: facts.speed,
        may_probe: false,
        former: Vec::new(),
        probed: Vec::new(),
    }
}

fn plan(one: &Script, facts: &Facts, here: &Situation<'_>, found: Vec<Found>, (requests, basis): (&Requests, Basis)) -> (Plan, Vec<Judged>, bool) {
    let judged: Vec<(Found, Ruling)> = found.into_iter().map(|found| (found.clone(), decide::rule_on(&found, requests, here))).collect();
    let enforced = judged.iter().filter(|(_, ruling)| ruling.verdict == Verdict::Enforced);
    let acting: Vec<Found> = enforced.map(|(found, _)| Found { statement: 0, ..taken(found, basis) }).collect();
    let acting: Vec<&Found> = acting.iter().collect();
    let plan = decide::plan(one, facts, here, &acting);
    let approvable = matches!(plan, Plan::Refuse(_)) && approval::wanted(one, facts, here, &acting).is_some();
    let report = |(found, ruling): (Found, Ruling)| Judged {
        finding: found.finding,
        statement: found.statement,
        verdict: ruling.verdict,
        not_honoured: ruling.not_honoured,
        inner: found.inner,
    };
    (plan, judged.into_iter().map(report).collect(), approvable)
}

/// Of what was assumed for want of a server it is assumed that a server would know it.
fn taken(found: &Found, basis: Basis) -> Found {
    let mut found = found.clone();
    if basis == Basis::Nothing {
        found.finding.certainty = Certainty::Proven;
    }
    found
}

fn waiting(form: &SafeForm, findings: &[Judged]) -> Effect {
    let first = findings.iter().find(|judged| judged.verdict == Verdict::Enforced).map(|judged| &judged.finding);
    let Some((finding, table)) = first.and_then(|finding| Some((finding, finding.relation.as_ref()?))) else { return Effect::Nothing };
    let deferred = |operation| Deferred { table: table.clone(), operation, rule: finding.rule.0.to_owned(), context: String::new() };
    Effect::Deferred(form.then.iter().cloned().map(deferred).collect())
}

fn is_in_block(statement: &Statement, before: bool) -> bool {
    use TransactionControl as Control;
    match statement {
        Statement::Transaction(Control::Begin) => true,
        Statement::Transaction(Control::Commit { chain } | Control::Rollback { chain }) => before && *chain,
        Statement::Transaction(Control::TwoPhase) => false,
        _ => before,
    }
}
