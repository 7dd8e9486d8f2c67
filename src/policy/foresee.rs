//! What would become of the statements of a file, sent one after the other. Nothing runs: what each would change is taken for done, and the facts are
//! those from before the first one.

use crate::catalog::assumed;
use crate::catalog::facts::{Facts, Scope};
use crate::catalog::overlay::{Effect, Overlay};
use crate::catalog::path::Paths;
use crate::deferred::promise::Deferred;
use crate::rules::rule::Certainty;
use crate::sql::statement::{Script, Statement, TransactionControl};

use super::decide::{self, Situation};
use super::judge::{Found, Judge};
use super::plan::{Judged, Plan, SafeForm, Verdict};

/// What the proxy would do with one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreseen {
    /// What would happen.
    pub plan: Plan,
    /// What the rules found.
    pub findings: Vec<Judged>,
    /// It stands in a transaction.
    pub in_transaction: bool,
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
    for (index, parsed) in script.statements.iter().enumerate() {
        let scope = match basis {
            Basis::Catalog => facts.scope(paths.number_of(index)).cloned().unwrap_or_default(),
            Basis::Nothing => assumed::scope(parsed),
        };
        judge.in_transaction = in_block;
        judge.alone = index == 0 && !so_far.begun;
        let overlay = judge.overlay.clone();
        let (found, _) = judge.next(&script.text, parsed, &scope);
        let here = Situation { in_transaction: in_block, in_block, promises: in_block, overlay: &overlay, ..*situation };
        let one = Script { text: script.text.clone(), statements: vec![parsed.clone()] };
        let (plan, findings) = plan(&one, &of_scope(facts, scope), &here, found, basis);
        if let Plan::Defer(form) = &plan {
            judge.overlay.apply(&waiting(form, &findings));
        }
        foreseen.push(Foreseen {
            plan,
            findings: findings.into_iter().map(|judged| Judged { statement: index, ..judged }).collect(),
            in_transaction: in_block,
        });
        in_block = is_in_block(&parsed.statement, in_block);
    }
    *so_far = SoFar { overlay: judge.overlay, in_block, begun: true };
    foreseen
}

fn of_scope(facts: &Facts, scope: Scope) -> Facts {
    Facts { scopes: vec![scope], server_version: facts.server_version, time_zone_is_utc: facts.time_zone_is_utc, held: facts.held.clone() }
}

fn plan(one: &Script, facts: &Facts, here: &Situation<'_>, found: Vec<Found>, basis: Basis) -> (Plan, Vec<Judged>) {
    let judged: Vec<(Found, Verdict)> = found.into_iter().map(|found| (found.clone(), decide::rule_on(&found.finding, here))).collect();
    let acting: Vec<Found> = judged.iter().filter(|(_, verdict)| *verdict == Verdict::Enforced).map(|(found, _)| taken(found, basis)).collect();
    let plan = decide::plan(one, facts, here, &acting.iter().collect::<Vec<_>>());
    (plan, judged.into_iter().map(|(found, verdict)| Judged { finding: found.finding, statement: 0, verdict }).collect())
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
