//! What `pgairlock.allow` is set to, followed as the server holds it through transactions and savepoints. Where that cannot be told it counts as not
//! set: a directive that is missed costs a refusal, one that is taken for there costs a table.

use crate::sql::directive::SETTING;
use crate::sql::statement::{Parsed, SettingChange, Statement, TransactionControl};

/// The parameter in one session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowance {
    /// As it was before the transaction.
    outside: Option<String>,
    now: Values,
    savepoints: Vec<(String, Values)>,
    /// Something in the transaction has failed: whether its SETs hold at its end is not followed.
    failed: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Values {
    session: Option<String>,
    /// Until the end of the transaction, where SET LOCAL said something.
    local: Option<Option<String>>,
}

impl Allowance {
    /// What it is set to.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.now.local.as_ref().unwrap_or(&self.now.session).as_deref()
    }

    /// The statement has succeeded.
    pub fn completed(&mut self, parsed: &Parsed) {
        match &parsed.statement {
            Statement::Setting(change) => self.changed(change),
            Statement::Transaction(control) => self.controlled(control),
            // Another way to set it is followed no further than that it is not what it was.
            _ if parsed.sets.iter().any(|set| set.name.as_deref().is_none_or(|name| name == SETTING)) => self.forget(),
            _ => {}
        }
    }

    /// A statement has failed.
    pub fn failed(&mut self) {
        self.failed = true;
    }

    /// No transaction is open any more.
    pub fn ended(&mut self) {
        self.now.local = None;
        self.savepoints.clear();
        if self.failed && self.now.session != self.outside {
            self.now.session = None;
        }
        self.failed = false;
        self.outside.clone_from(&self.now.session);
    }

    fn changed(&mut self, change: &SettingChange) {
        match change {
            SettingChange::Set { name, value, local: true } if name == SETTING => self.now.local = Some(Some(value.clone())),
            SettingChange::Set { name, value, local: false } if name == SETTING => {
                self.now = Values { session: Some(value.clone()), local: None };
            }
            SettingChange::Reset { name, local: true } if name == SETTING => self.now.local = Some(None),
            SettingChange::Reset { name, local: false } if name == SETTING => self.forget(),
            SettingChange::ResetAll | SettingChange::DiscardAll => self.forget(),
            SettingChange::Set { .. } | SettingChange::Reset { .. } | SettingChange::Transaction | SettingChange::Other => {}
        }
    }

    fn forget(&mut self) {
        self.now = Values::default();
    }

    fn controlled(&mut self, control: &TransactionControl) {
        use TransactionControl as Control;
        match control {
            Control::Begin => {}
            Control::Commit { .. } => self.ended(),
            Control::Rollback { .. } | Control::TwoPhase => {
                self.failed();
                self.ended();
            }
            Control::Savepoint(name) => self.savepoints.push((name.clone(), self.now.clone())),
            Control::Release(name) => {
                let at = self.position(name).unwrap_or(self.savepoints.len());
                self.savepoints.truncate(at);
            }
            Control::RollbackTo(name) => match self.position(name) {
                Some(at) => {
                    self.savepoints.truncate(at + 1);
                    self.now = self.savepoints.last().map(|(_, values)| values.clone()).unwrap_or_default();
                }
                None => self.forget(),
            },
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.savepoints.iter().rposition(|(savepoint, _)| savepoint == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse::script;

    /// After these statements, of which `!` is one that fails, and `;` behind one is the end of its transaction.
    fn after(statements: &[&str]) -> Option<String> {
        let mut allowance = Allowance::default();
        for sql in statements {
            match *sql {
                "!" => allowance.failed(),
                "idle" => allowance.ended(),
                sql => script(sql, 1 << 20).unwrap().statements.iter().for_each(|parsed| allowance.completed(parsed)),
            }
        }
        allowance.value().map(str::to_owned)
    }

    const SET: &str = "SET pgairlock.allow = 'x'";
    const LOCAL: &str = "SET LOCAL pgairlock.allow = 'y'";

    #[test]
    fn it_holds_as_the_server_holds_it() {
        for (statements, expected) in [
            (&[SET, "idle"][..], Some("x")),
            (&["set session PgAirlock.Allow to 'x'", "idle"], Some("x")),
            (&[SET, "idle", "SELECT 1", "idle", "BEGIN"], Some("x")),
            (&["BEGIN", SET, "COMMIT", "idle"], Some("x")),
            (&["BEGIN", LOCAL], Some("y")),
            (&["BEGIN", LOCAL, "COMMIT", "idle"], None),
            (&[LOCAL, "idle"], None),
            (&[SET, "idle", "BEGIN", LOCAL, "COMMIT"], Some("x")),
            (&[SET, "idle", "BEGIN", LOCAL, "ROLLBACK", "idle"], Some("x")),
            (&["BEGIN", LOCAL, SET], Some("x")),
            (&[SET, "idle", "RESET pgairlock.allow", "idle"], None),
            (&[SET, "idle", "SET pgairlock.allow TO DEFAULT", "idle"], None),
            (&[SET, "idle", "RESET ALL", "idle"], None),
            (&[SET, "idle", "DISCARD ALL", "idle"], None),
            (&[SET, "idle", "SET LOCAL pgairlock.allow TO DEFAULT"], None),
            (&["BEGIN", "SAVEPOINT a", SET, "ROLLBACK TO a"], None),
            (&["BEGIN", SET, "SAVEPOINT a", LOCAL, "ROLLBACK TO a"], Some("x")),
            (&["BEGIN", "SAVEPOINT a", LOCAL, "RELEASE a"], Some("y")),
        ] {
            assert_eq!(after(statements).as_deref(), expected, "{statements:?}");
        }
    }

    #[test]
    fn in_doubt_it_is_not_set() {
        for statements in [
            &["BEGIN", SET, "ROLLBACK", "idle"][..],
            &["BEGIN", SET, "!", "COMMIT", "idle"],
            &[SET, "!", "idle"],
            &[SET, "idle", "BEGIN", "RESET pgairlock.allow", "ROLLBACK", "idle"],
            &["BEGIN", SET, "PREPARE TRANSACTION 'p'", "idle"],
            &[SET, "idle", "SELECT set_config('pgairlock.allow', 'z', false)"],
            &[SET, "idle", "SELECT set_config(name, 'z', false) FROM pg_settings"],
        ] {
            assert_eq!(after(statements), None, "{statements:?}");
        }
    }
}
