//! What of the session's transactions stands in the log: their numbers, their ends, and what they have done.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use crate::audit::approval::UseEnded;
use crate::audit::event::{Fate, LockHeld, SessionEnded, Trail, Transaction};
use crate::audit::listed::is_unheard;
use crate::audit::record::{DecisionId, Outcome, RecordedFact};
use crate::catalog::facts::{Facts, RelationFacts};
use crate::catalog::footprint::Footprint;
use crate::catalog::former::Formerly;
use crate::catalog::overlay::Overlay;
use crate::sql::name::RelationName;
use crate::sql::statement::{Statement, TransactionControl};
use crate::sql::trace::Trace;

use super::server::micros;

/// So many kinds of statements are counted apart; there are not that many.
const KINDS: usize = 200;
/// So many tables of one transaction are remembered as they were.
const FILES: usize = 10_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Chronicle {
    session: String,
    number: i64,
    /// A decision of this transaction is in the log.
    used: bool,
    /// The first of those that share their transaction with others.
    since: Option<Instant>,
    failed: bool,
    /// A block is open: only its COMMIT commits, whatever failed and was taken back in it.
    in_block: bool,
    /// Tables that decisions were about, and the files that they had then.
    files: HashMap<u32, u32>,
    /// What the last decision went by.
    facts: Vec<RecordedFact>,
    /// And what was before it.
    former: Vec<Formerly>,
    /// What it leaves in the catalog, and the first transaction number that had not ended then.
    traces: Option<(String, Vec<Trace>)>,
    /// Transactions that have ended and are not yet in the log.
    ended: Vec<Transaction>,
    /// How many statements of each kind have completed.
    kinds: BTreeMap<String, u64>,
    /// What persons have let through, taken and not yet told to be used or given back.
    taken: Vec<Taken>,
    given_back: Vec<UseEnded>,
}

/// A use of an approval.
#[derive(Debug, Clone, Copy)]
struct Taken {
    id: DecisionId,
    /// It is used when the transaction is committed; otherwise when its statement has succeeded.
    in_transaction: bool,
    /// That statement, once it is on disk.
    decision: Option<DecisionId>,
}

impl Chronicle {
    pub(super) fn new(session: String) -> Self {
        Self {
            session,
            number: 1,
            used: false,
            since: None,
            failed: false,
            in_block: false,
            files: HashMap::new(),
            facts: Vec::new(),
            former: Vec::new(),
            traces: None,
            ended: Vec::new(),
            kinds: BTreeMap::new(),
            taken: Vec::new(),
            given_back: Vec::new(),
        }
    }

    /// Of the transaction that is open or comes next.
    pub(super) fn number(&self) -> i64 {
        self.number
    }

    /// A decision is on disk.
    pub(super) fn decided(&mut self, in_transaction: bool, now: Instant) {
        self.used = true;
        if in_transaction {
            self.since.get_or_insert(now);
        }
    }

    /// A use of an approval is taken for the statement that is decided next.
    pub(super) fn approval_taken(&mut self, id: DecisionId, in_transaction: bool) {
        self.taken.push(Taken { id, in_transaction, decision: None });
    }

    /// Its decision is on disk, or will never be.
    pub(super) fn approval_recorded(&mut self, decision: Option<DecisionId>) {
        let Some(place) = self.taken.iter().position(|taken| taken.decision.is_none()) else { return };
        match (decision, self.taken.get_mut(place)) {
            (Some(decision), Some(taken)) => taken.decision = Some(decision),
            _ => self.given_back.push(UseEnded { of: self.taken.remove(place).id, consumed: false }),
        }
    }

    /// What became of uses: with the end of their transactions, or with these outcomes.
    pub(super) fn take_uses(&mut self, outcomes: &[(DecisionId, Outcome)]) -> Vec<UseEnded> {
        let mut ended = std::mem::take(&mut self.given_back);
        self.taken.retain(|taken| {
            let outcome = outcomes.iter().find(|(id, _)| !taken.in_transaction && Some(*id) == taken.decision);
            let heard = outcome.filter(|(_, outcome)| !outcome.sqlstate.as_deref().is_some_and(is_unheard));
            ended.extend(heard.map(|(_, outcome)| UseEnded { of: taken.id, consumed: outcome.sqlstate.is_none() }));
            outcome.is_none()
        });
        ended
    }

    /// What is known of tables before a statement touches them.
    pub(super) fn note_facts(&mut self, facts: &Facts) {
        let found = facts.scopes.iter().flat_map(|scope| scope.relations.values()).filter_map(|lookup| lookup.found());
        let known: BTreeMap<u32, RecordedFact> = found.clone().map(|relation| (relation.oid, recorded(relation))).collect();
        self.facts = known.into_values().collect();
        self.former.clone_from(&facts.former);
        for relation in found {
            if let Some(file) = relation.file
                && self.files.len() < FILES
            {
                self.files.entry(relation.oid).or_insert(file);
            }
        }
    }

    /// Those of the statement that is being recorded.
    pub(super) fn take_facts(&mut self) -> (Vec<RecordedFact>, Vec<Formerly>) {
        (std::mem::take(&mut self.facts), std::mem::take(&mut self.former))
    }

    /// What the statement leaves in the catalog.
    pub(super) fn note_traces(&mut self, next_xid: Option<&String>, traces: Vec<Trace>) {
        self.traces = next_xid.filter(|_| !traces.is_empty()).map(|next_xid| (next_xid.clone(), traces));
    }

    /// That of the statement that is being recorded.
    pub(super) fn take_traces(&mut self) -> Option<(String, Vec<Trace>)> {
        self.traces.take()
    }

    /// Decisions that share a transaction are in the log, and it may still commit.
    pub(super) fn is_open(&self) -> bool {
        self.since.is_some()
    }

    pub(super) fn failed(&mut self) {
        self.failed = true;
    }

    /// A statement completed.
    pub(super) fn completed(&mut self, tag: &str, statement: Option<&Statement>, now: Instant) {
        let kind = tag.find(|c: char| c.is_ascii_digit()).map_or(tag, |digits| tag.get(..digits).unwrap_or(tag)).trim_end();
        if self.kinds.len() < KINDS || self.kinds.contains_key(kind) {
            *self.kinds.entry(kind.to_owned()).or_default() += 1;
        }
        if let Some(Statement::Transaction(TransactionControl::Commit { .. } | TransactionControl::Rollback { .. })) = statement {
            self.ended(tag == "COMMIT", now);
        }
        // COMMIT PREPARED or ROLLBACK PREPARED ends it, in whatever session.
        if tag == "PREPARE TRANSACTION" {
            self.ended_as(Fate::Unknown, now);
        }
    }

    /// The server has said COMMIT or ROLLBACK.
    pub(super) fn ended(&mut self, committed: bool, now: Instant) {
        self.ended_as(if committed { Fate::Committed } else { Fate::RolledBack }, now);
    }

    fn ended_as(&mut self, fate: Fate, now: Instant) {
        if let Some(since) = self.since {
            self.ended.push(Transaction { session: self.session.clone(), transaction: self.number, fate, duration_micros: micros(now, since) });
        }
        let (of_it, others): (Vec<Taken>, Vec<Taken>) = self.taken.iter().partition(|taken| taken.in_transaction);
        self.taken = others;
        // What is prepared may still be committed.
        let consumed = fate != Fate::RolledBack;
        self.given_back.extend(of_it.iter().map(|taken| UseEnded { of: taken.id, consumed }));
        self.begin_anew();
    }

    /// A statement of ours completed, with this tag.
    pub(super) fn own_completed(&mut self, tag: Option<&str>, now: Instant) {
        if tag == Some("COMMIT") {
            self.ended(true, now);
        }
    }

    /// The server is in a block.
    pub(super) fn in_block(&mut self) {
        self.in_block = true;
    }

    /// The server is outside of any transaction: one without BEGIN has ended with the string or the batch, and a block of which no COMMIT was seen was
    /// rolled back.
    pub(super) fn idle(&mut self, now: Instant) {
        self.ended(!self.in_block && !self.failed, now);
    }

    fn begin_anew(&mut self) {
        self.number += i64::from(self.used);
        (self.used, self.since, self.failed, self.in_block) = (false, None, false, false);
        self.files.clear();
    }

    pub(super) fn take_ended(&mut self) -> Vec<Transaction> {
        std::mem::take(&mut self.ended)
    }

    /// What the transaction has done so far.
    pub(super) fn trail(&self, footprints: Option<Vec<Footprint>>, overlay: &Overlay, now: Instant) -> Trail {
        let held = |footprint: &Footprint| LockHeld {
            relation: footprint.called(),
            mode: footprint.mode().to_owned(),
            new: footprint.relation().is_some_and(|name| overlay.created(&name)),
            rewritten: footprint.is_rewritten(&self.files),
            scans: footprint.scans,
            rows_read: footprint.rows_read,
        };
        Trail {
            locks: footprints.map(|footprints| footprints.iter().map(held).collect()),
            open_micros: self.since.map_or(0, |since| micros(now, since)),
        }
    }

    /// What the session did beside its decisions.
    pub(super) fn statements(&mut self) -> Vec<(String, u64)> {
        std::mem::take(&mut self.kinds).into_iter().collect()
    }
}

fn recorded(relation: &RelationFacts) -> RecordedFact {
    RecordedFact {
        relation: RelationName::qualified(&relation.schema, &relation.name).to_string(),
        oid: relation.oid,
        kind: relation.kind,
        bytes: relation.bytes,
        rows: relation.volume.map(|volume| volume.rows),
        file: relation.file,
    }
}

impl super::Session {
    /// The session as it is told at its end, but for how long it was and why it ended.
    pub fn told_at_end(&mut self) -> SessionEnded {
        let principal = &self.identity.principal;
        SessionEnded {
            session: self.identity.id.clone(),
            client: self.identity.client.clone(),
            role: principal.role.clone(),
            database: principal.database.clone(),
            application_name: principal.application_name.clone(),
            duration_micros: 0,
            reason: String::new(),
            statements: self.chronicle.statements(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_committed_by_its_commit_and_by_nothing_else() {
        let now = Instant::now();
        let ends = |steps: &dyn Fn(&mut Chronicle)| {
            let mut chronicle = Chronicle::new("s".into());
            chronicle.decided(true, now);
            chronicle.in_block();
            steps(&mut chronicle);
            chronicle.idle(now);
            chronicle.take_ended().into_iter().map(|ended| ended.fate).collect::<Vec<_>>()
        };
        // What failed was taken back to a savepoint.
        let ours = |chronicle: &mut Chronicle| {
            chronicle.failed();
            chronicle.own_completed(Some("ROLLBACK"), now);
            chronicle.own_completed(Some("COMMIT"), now);
        };
        assert_eq!(ends(&ours), [Fate::Committed]);
        assert_eq!(ends(&|chronicle| chronicle.own_completed(Some("ROLLBACK"), now)), [Fate::RolledBack], "a COMMIT that could not be announced");
    }

    #[test]
    fn a_transaction_has_a_number_and_an_end() {
        let now = Instant::now();
        let mut chronicle = Chronicle::new("s".into());
        let commit = Statement::Transaction(TransactionControl::Commit { chain: false });
        chronicle.completed("SELECT 5", None, now);
        chronicle.idle(now);
        assert_eq!((chronicle.number(), chronicle.take_ended()), (1, vec![]), "nothing of it is in the log");
        chronicle.decided(false, now);
        chronicle.idle(now);
        assert_eq!((chronicle.number(), chronicle.take_ended()), (2, vec![]), "its outcome says it all");
        chronicle.decided(true, now);
        chronicle.completed("ROLLBACK", Some(&Statement::Transaction(TransactionControl::RollbackTo("a".into()))), now);
        assert!(chronicle.is_open());
        chronicle.completed("COMMIT", Some(&commit), now);
        let end = |transaction, fate| Transaction { session: "s".into(), transaction, fate, duration_micros: 0 };
        assert_eq!((chronicle.number(), chronicle.take_ended()), (3, vec![end(2, Fate::Committed)]));
        chronicle.decided(true, now);
        chronicle.failed();
        chronicle.completed("ROLLBACK", Some(&commit), now);
        assert_eq!(chronicle.take_ended(), [end(3, Fate::RolledBack)], "COMMIT of a failed transaction");
        chronicle.decided(true, now);
        chronicle.failed();
        chronicle.idle(now);
        assert_eq!(chronicle.take_ended(), [end(4, Fate::RolledBack)], "a string of several");
        chronicle.decided(true, now);
        chronicle.completed("PREPARE TRANSACTION", Some(&Statement::Transaction(TransactionControl::TwoPhase)), now);
        chronicle.idle(now);
        assert_eq!(chronicle.take_ended(), [end(5, Fate::Unknown)], "another session may commit it");
        let kinds: Vec<(String, u64)> = chronicle.statements();
        assert_eq!(kinds, [("COMMIT".to_owned(), 1), ("PREPARE TRANSACTION".into(), 1), ("ROLLBACK".into(), 2), ("SELECT".into(), 1)]);
    }
}
