//! Code that nobody sees runs in a transaction, and before that is committed the locks are looked at that it has really taken.

use crate::catalog::held::{Held, HeldLock};
use crate::catalog::locks::{LockMode, Work};
use crate::catalog::overlay::Ungated;
use crate::rules::OPAQUE_CODE;
use crate::rules::protection::Protection;
use crate::rules::rule::{Certainty, Finding, Remedy};
use crate::sql::name::RelationName;

use super::decide::{LockTimeoutCare, Outcome, Situation, rule_on};
use super::directives::Requests;
use super::judge::{Found, Protected};
use super::message;
use super::plan::{Decision, Judged, Plan, Verdict};

/// Nothing has to be said against what the code did, or it is taken back: with `Plan::TakeBack` at the COMMIT, with `Plan::Refuse` elsewhere.
#[must_use]
pub fn judge(ungated: &Ungated, now: &Held, at_commit: bool, situation: &Situation<'_>) -> Option<Outcome> {
    let settings = situation.settings;
    let found = now.since(&ungated.before).filter_map(|lock| {
        let protected = lock.relation().and_then(|relation| protected(&settings.protected, relation));
        let borne = protected.is_none() && is_borne(lock, &ungated.before, settings.small_table_bytes);
        (!borne).then(|| Found { finding: breach(lock, ungated), statement: 0, command: None, inner: None, protected })
    });
    // A directive at the statement that ran the code has let it through before.
    let ruled = found.map(|found| (rule_on(&found, &Requests::default(), situation), found));
    let judged: Vec<Judged> = ruled
        .map(|(ruling, found)| Judged {
            finding: found.finding,
            statement: 0,
            verdict: ruling.verdict,
            not_honoured: ruling.not_honoured,
            inner: None,
        })
        .collect();
    let enforced = || judged.iter().filter(|judged| judged.verdict == Verdict::Enforced);
    // What has a name is told before what has lost it.
    let first = enforced().find(|judged| judged.finding.relation.is_some()).or_else(|| enforced().next())?;
    let refusal = message::gated(&first.finding);
    let plan = if at_commit { Plan::TakeBack(refusal) } else { Plan::Refuse(refusal) };
    let decision = Decision { plan, findings: judged, notices: Vec::new() };
    Some(Outcome { decision, would: None, effects: Vec::new(), lock_timeout: LockTimeoutCare::None, record: true, wanted: None })
}

fn protected(protected: &[Protection], table: RelationName) -> Option<Protected> {
    let reason = protected.iter().find(|protection| protection.covers(&table))?.reason.clone();
    Some(Protected { table, reason })
}

/// It hurts nobody. What an exclusive lock was for is not seen: a column may have gone, or changed its name, so that it is borne only where there are no
/// rows, nor have been.
fn is_borne(lock: &HeldLock, before: &Held, small_table_bytes: u64) -> bool {
    let is_index = matches!(lock.kind, Some('i' | 'I'));
    match (lock.mode(), lock.bytes) {
        _ if lock.relation().is_none() => false,
        (LockMode::AccessExclusive, Some(bytes)) if is_index => bytes < small_table_bytes,
        (LockMode::AccessExclusive, bytes) => bytes == Some(0) && !lock.is_rewritten(before),
        // A table without storage of its own is partitioned.
        (_, bytes) => bytes.is_none_or(|bytes| bytes < small_table_bytes) && lock.kind != Some('p'),
    }
}

/// What is said of a lock.
fn breach(lock: &HeldLock, ungated: &Ungated) -> Finding {
    let (mode, relation) = (lock.mode(), lock.relation());
    let did = match &relation {
        Some(relation) => format!("took lock {mode} on {relation}, under which {}", mode.stops()),
        None => "dropped a table, view or index that was there before".to_owned(),
    };
    Finding {
        rule: OPAQUE_CODE,
        sqlstate: "PA001",
        relation,
        consequence: format!("{}, and it {did}", ungated.what),
        lock: Some(mode),
        locked: None,
        work: Work::None,
        certainty: Certainty::Proven,
        bytes: lock.bytes,
        rebuilds: Vec::new(),
        estimate: None,
        probe: None,
        remedy: Remedy::Advice(vec!["Write its DDL as plain statements of the migration, which pgairlock can judge and make safe.".to_owned()]),
    }
}
