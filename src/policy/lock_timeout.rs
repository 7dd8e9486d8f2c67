//! lock_timeout: held at the cap whatever the script sets.

use std::ops::Range;

use crate::catalog::facts::Facts;
use crate::rules::duration;
use crate::sql::statement::{AlterAction, Parsed, Script, SettingChange, Statement};

use super::advisory;
use super::by_itself;
use super::decide::{LockTimeoutCare, Situation};
use super::plan::Notice;
use super::settings::Mode;

/// What a script's own settings of lock_timeout lead to.
pub(super) struct Held {
    pub(super) edits: Vec<(Range<usize>, String)>,
    pub(super) notices: Vec<Notice>,
    pub(super) care: LockTimeoutCare,
}

/// Looks through the settings of a script.
pub(super) fn hold(script: &Script, facts: &Facts, situation: &Situation<'_>) -> Held {
    let mut held = Held { edits: Vec::new(), notices: Vec::new(), care: LockTimeoutCare::None };
    if let Some(by_itself) = by_itself::of(script, facts, situation) {
        held.care = LockTimeoutCare::RunByItself(by_itself);
        return held;
    }
    let may_lift = situation.lock_timeout_cap_ms > 0 && !(situation.in_transaction && situation.overlay.holds_locks());
    if let ([parsed], Mode::Enforce) = (script.statements.as_slice(), situation.mode)
        && let Some(lock) = advisory::lock(parsed)
    {
        held.care = LockTimeoutCare::Poll { lock, lift: may_lift };
        return held;
    }
    if situation.lock_timeout_cap_ms == 0 {
        return held;
    }
    for parsed in &script.statements {
        held.statement(parsed, situation);
    }
    if let [parsed] = script.statements.as_slice()
        && (waits_without_harm(parsed) || advisory::is_lock(parsed))
        && may_lift
    {
        held.care = LockTimeoutCare::LiftDuring;
    }
    held
}

impl Held {
    fn statement(&mut self, parsed: &Parsed, situation: &Situation<'_>) {
        let cap = situation.lock_timeout_cap_ms;
        match &parsed.statement {
            Statement::Setting(SettingChange::Set { name, value, local }) if name == "lock_timeout" && duration::exceeds(value, cap) => {
                self.notices.push(notice(value, cap));
                if situation.extended {
                    // The statement is parsed at the server already.
                    self.care = LockTimeoutCare::ReapplyAfter;
                } else {
                    self.edits.push((parsed.span.clone(), format!("SET {}lock_timeout = '{cap}ms'", if *local { "LOCAL " } else { "" })));
                }
            }
            // The role's own stricter one is not what the session starts with.
            Statement::Setting(SettingChange::Reset { name, .. }) if name == "lock_timeout" => self.care = LockTimeoutCare::ReapplyAfter,
            Statement::Setting(SettingChange::ResetAll | SettingChange::DiscardAll) => self.care = LockTimeoutCare::ReapplyAfter,
            Statement::Execute { name } => self.executed(name, situation),
            _ => self.calls(parsed, cap),
        }
    }

    fn calls(&mut self, parsed: &Parsed, cap: u64) {
        for set in &parsed.sets {
            match (set.name.as_deref(), set.value.as_deref()) {
                (Some("lock_timeout"), Some(value)) if !duration::exceeds(value, cap) => {}
                (Some("lock_timeout"), Some(value)) => {
                    self.notices.push(notice(value, cap));
                    self.care = LockTimeoutCare::ReapplyAfter;
                }
                (Some("lock_timeout") | None, _) => self.care = LockTimeoutCare::ReapplyAfter,
                (Some(_), _) => {}
            }
        }
    }

    /// What was prepared earlier, with the same words.
    fn executed(&mut self, name: &str, situation: &Situation<'_>) {
        match situation.prepared.script(name) {
            Some(script) => script.statements.iter().for_each(|parsed| self.calls(parsed, situation.lock_timeout_cap_ms)),
            None => self.care = LockTimeoutCare::ReapplyAfter,
        }
    }
}

/// Nobody queues behind it, unless the transaction holds a strong lock already: CONCURRENTLY, VALIDATE. A lock_timeout would only break it off,
/// and leave an INVALID index behind.
pub(super) fn waits_without_harm(parsed: &Parsed) -> bool {
    match &parsed.statement {
        Statement::CreateIndex(create) => create.concurrently,
        Statement::DropIndex(drop) => drop.concurrently,
        Statement::Reindex(reindex) => reindex.concurrently,
        Statement::AlterTable(alter) => alter
            .commands
            .iter()
            .all(|command| matches!(command.action, AlterAction::ValidateConstraint(_) | AlterAction::Brief("DETACH PARTITION … CONCURRENTLY"))),
        _ => false,
    }
}

fn notice(value: &str, cap: u64) -> Notice {
    Notice {
        severity: "NOTICE",
        sqlstate: "00000",
        message: format!("pgairlock: lock_timeout stays at {cap}ms; {value} would let a statement wait longer"),
        detail: Some("Every statement that queues for a strong lock makes the traffic behind it wait as long.".to_owned()),
    }
}
