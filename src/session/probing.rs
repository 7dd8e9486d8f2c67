//! A command is tried on an empty copy of its table, where neither the catalog nor our tables tell what it writes anew; then it is decided again.

use crate::catalog::facts::Facts;
use crate::catalog::probe::{Probe, Probed};
use crate::policy::decide::Outcome;

use super::effects::Effects;
use super::own::{Ending, OwnExchange, RELEASE, ROLLBACK_TO, SAVEPOINT};
use super::work::{Subject, Work};
use super::{Progress, Session, Status};

impl Session {
    /// What is to be tried before this outcome is believed.
    pub(super) fn to_probe(&self, outcome: &Outcome) -> Option<Probe> {
        let wanted = outcome.decision.findings.iter().find_map(|judged| judged.finding.probe.clone());
        wanted.filter(|_| self.status != Status::Failed)
    }

    /// Tries it. In a batch without a block a failure would be the client's, so it becomes a block first.
    pub(super) fn look_closer(&mut self, subject: Subject, facts: Facts, probe: Probe, out: &mut Effects) {
        if self.own_ending() == Ending::Sync {
            self.probe(subject, facts, probe, out);
        } else {
            self.enclose(subject, out);
        }
    }

    fn probe(&mut self, subject: Subject, facts: Facts, probe: Probe, out: &mut Effects) {
        let (open, close): (&str, &[&str]) =
            if self.status == Status::InTransaction { (SAVEPOINT, &[ROLLBACK_TO, RELEASE]) } else { ("BEGIN", &["ROLLBACK"]) };
        let tried = probe.statements(&format!("{}_probe", self.own_name));
        self.begin_own(Ending::Sync);
        self.own_statement(open, &[], out);
        tried.iter().for_each(|(sql, parameters)| self.own_statement(sql, parameters, out));
        close.iter().for_each(|sql| self.own_statement(sql, &[], out));
        self.own_end(Ending::Sync, out);
        self.work = Work::Probing(Box::new(subject), Box::new(facts), probe);
    }

    /// The answers are in. What failed is not known, and the transaction that was opened for it goes.
    pub(super) fn probed(&mut self, subject: Subject, mut facts: Facts, probe: Probe, exchange: &OwnExchange, out: &mut Effects) -> Progress {
        let written = if exchange.error.is_none() { Probe::read(&exchange.answers) } else { None };
        facts.probed.push(Probed { probe, written });
        if self.status != Status::Failed {
            return self.decide(subject, facts, out);
        }
        if subject.in_transaction {
            self.roll_back_question(out);
        } else {
            self.run_owns_behind_failure(&[("ROLLBACK", &[])], out);
        }
        self.work = Work::Unprobing(Box::new(subject), Box::new(facts));
        Ok(())
    }
}
