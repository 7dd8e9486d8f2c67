//! One run: from the first decision that changes something to the end of what belongs together.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use super::event::{Finished, Migrated, RunResult, Who};
use crate::audit::event::{Attribution, Committing, DeferredStep, Fate, Transaction};
use crate::audit::record::{DecisionId, Outcome, Record};

/// So much of a list stands in a message.
const MOST_TOLD: usize = 100;
/// So many decisions and migrations of one run are remembered.
pub(super) const MOST_KEPT: usize = 10_000;

/// All sessions have ended: some tools open another one for the next migration.
const AFTER_ITS_SESSIONS: Duration = Duration::from_secs(2);
/// A version is written and nothing is open, but a session stays: that of an application which migrates when it starts.
const AFTER_ITS_VERSION: Duration = Duration::from_secs(10);
/// The same where no version was written: a person may be thinking.
const AFTER_ITS_STATEMENTS: Duration = Duration::from_secs(60);
/// Something is open, and nothing was heard of it: longer than any step may take by default.
const UNHEARD_OF: Duration = Duration::from_secs(24 * 3600);

/// See the module.
#[derive(Debug)]
pub(super) struct Run {
    id: DecisionId,
    who: Who,
    tool: Option<String>,
    began_unix_micros: i64,
    heard_unix_micros: i64,
    heard: Instant,
    /// Those that have decided something and have not ended.
    sessions: HashMap<String, InSession>,
    decisions: Vec<DecisionId>,
    known: HashSet<DecisionId>,
    migrations: Vec<Migrated>,
    statements: u64,
    failed: u64,
    refused: u64,
    after_commit_failed: u64,
    /// What has come to nothing since the last version that was written.
    misfortune: Option<String>,
}

/// What of a session is open.
#[derive(Debug, Default)]
struct InSession {
    /// Decisions whose outcome has not come.
    owed: BTreeSet<DecisionId>,
    /// A transaction with decisions in it, and whether its COMMIT was announced.
    transaction: Option<(i64, bool)>,
    /// Work after a COMMIT goes on.
    after_commit: bool,
    /// The session has ended; what became of that work is written apart, and may come behind.
    left: bool,
}

impl InSession {
    fn is_quiet(&self) -> bool {
        self.left || self.owed.is_empty() && self.transaction.is_none() && !self.after_commit
    }
}

impl Run {
    pub(super) fn new(id: DecisionId, record: &Record, tool: Option<String>, at: i64, now: Instant) -> Self {
        Self {
            id,
            who: who(record),
            tool,
            began_unix_micros: at,
            heard_unix_micros: at,
            heard: now,
            sessions: HashMap::new(),
            decisions: Vec::new(),
            known: HashSet::new(),
            migrations: Vec::new(),
            statements: 0,
            failed: 0,
            refused: 0,
            after_commit_failed: 0,
            misfortune: None,
        }
    }

    /// Something of it was heard.
    pub(super) fn hear(&mut self, at: i64, now: Instant) {
        self.heard_unix_micros = self.heard_unix_micros.max(at);
        self.heard = now;
    }

    pub(super) fn id(&self) -> DecisionId {
        self.id
    }

    pub(super) fn has(&self, session: &str) -> bool {
        self.sessions.contains_key(session)
    }

    pub(super) fn knows(&self, decision: DecisionId) -> bool {
        self.known.contains(&decision)
    }

    pub(super) fn decided(&mut self, id: DecisionId, record: &Record) {
        if self.known.len() < MOST_KEPT {
            self.known.insert(id);
        }
        if self.decisions.len() < MOST_TOLD {
            self.decisions.push(id);
        }
        let session = self.sessions.entry(record.session.clone()).or_default();
        if record.in_transaction && session.transaction.is_none_or(|(number, _)| number != record.transaction) {
            session.transaction = Some((record.transaction, false));
        }
        if record.decision == "refuse" {
            self.refused += 1;
            let rules: BTreeSet<&str> =
                record.findings.iter().filter(|finding| finding.verdict == "enforced").map(|finding| &*finding.rule).collect();
            let by = if rules.is_empty() { String::new() } else { format!(" by {}", rules.into_iter().collect::<Vec<_>>().join(", ")) };
            self.came_to_nothing(format!("a statement was refused{by} (decision {id})"));
        } else {
            session.owed.insert(id);
            self.statements += 1;
        }
    }

    pub(super) fn ended(&mut self, id: DecisionId, outcome: &Outcome) {
        let owing = self.sessions.values_mut().find_map(|session| session.owed.take(&id));
        if let (Some(_), Some(sqlstate)) = (owing, &outcome.sqlstate) {
            self.failed += 1;
            self.came_to_nothing(format!("a statement failed with SQLSTATE {sqlstate} (decision {id})"));
        }
    }

    pub(super) fn transaction(&mut self, transaction: &Transaction) {
        let Some(session) = self.sessions.get_mut(&transaction.session) else { return };
        if session.transaction.take_if(|(number, _)| *number <= transaction.transaction).is_none() {
            return;
        }
        match transaction.fate {
            Fate::Committed => {}
            Fate::RolledBack => self.came_to_nothing("its transaction was rolled back".into()),
            Fate::Unknown => self.came_to_nothing("whether its transaction was committed is not known".into()),
        }
    }

    pub(super) fn committing(&mut self, committing: &Committing) {
        let Some(session) = self.sessions.get_mut(&committing.session) else { return };
        if let Some((_, announced)) = &mut session.transaction {
            *announced = true;
        }
        session.after_commit = !committing.operations.is_empty();
    }

    pub(super) fn deferred(&mut self, step: &DeferredStep) {
        let Some(session) = self.sessions.get_mut(&step.session) else { return };
        if matches!(step.progress.as_str(), "aborted" | "failed" | "settled" | "unknown" | "dropped") {
            session.after_commit = false;
        }
        self.after_commit_failed += u64::from(step.progress == "failed");
    }

    /// A tool has written a version: it knows itself what went wrong before, and what did not.
    pub(super) fn attributed(&mut self, attribution: &Attribution) {
        let migration = &attribution.migration;
        self.tool = Some(migration.tool.clone());
        if attribution.unfinished {
            self.came_to_nothing(format!("{} has not said that {} is done", migration.tool, migration.version));
        } else {
            self.misfortune = None;
        }
        if self.migrations.len() < MOST_KEPT {
            self.migrations.push(Migrated {
                version: migration.version.clone(),
                name: migration.name.clone(),
                direction: migration.direction.label().to_owned(),
                done: !attribution.unfinished,
            });
        }
    }

    pub(super) fn left(&mut self, session: &str) {
        let ended = self.sessions.remove(session);
        if ended.as_ref().is_some_and(|ended| ended.after_commit) {
            self.sessions.insert(session.to_owned(), InSession { after_commit: true, left: true, ..InSession::default() });
        }
        match ended {
            Some(InSession { transaction: Some((_, true)), .. }) => {
                self.came_to_nothing("its session ended in COMMIT, and whether that was done is not known".into());
            }
            Some(InSession { transaction: Some((_, false)), .. }) => self.came_to_nothing("its session ended before COMMIT".into()),
            Some(InSession { owed, .. }) if !owed.is_empty() => self.came_to_nothing("its session ended before its statement".into()),
            Some(_) | None => {}
        }
    }

    /// The first of several misfortunes is the reason of the others.
    fn came_to_nothing(&mut self, why: String) {
        self.misfortune.get_or_insert(why);
    }

    /// When it is over, if nothing more is heard.
    pub(super) fn over(&self) -> Instant {
        self.heard
            + if !self.sessions.values().all(InSession::is_quiet) {
                UNHEARD_OF
            } else if self.sessions.values().all(|session| session.left) {
                AFTER_ITS_SESSIONS
            } else if !self.migrations.is_empty() && self.misfortune.is_none() {
                AFTER_ITS_VERSION
            } else {
                AFTER_ITS_STATEMENTS
            }
    }

    /// What is told of it, and when the last of it happened.
    pub(super) fn finish(mut self) -> (i64, Finished) {
        if !self.sessions.values().all(InSession::is_quiet) {
            self.came_to_nothing("how it ended was not heard".into());
        }
        if self.sessions.values().any(|session| session.left && session.after_commit) {
            self.came_to_nothing("its session ended before the work after COMMIT was done".into());
        }
        if self.after_commit_failed > 0 {
            self.came_to_nothing("it is committed, but work after a COMMIT has failed; see pgairlock deferred list".into());
        }
        let duration = self.heard_unix_micros.saturating_sub(self.began_unix_micros);
        self.migrations.truncate(MOST_TOLD);
        let finished = Finished {
            run: self.id.to_string(),
            result: if self.misfortune.is_some() { RunResult::Failed } else { RunResult::Ok },
            reason: self.misfortune,
            tool: self.tool,
            who: self.who,
            migrations: self.migrations,
            duration_ms: u64::try_from(duration / 1000).unwrap_or(0),
            statements: self.statements,
            failed: self.failed,
            refused: self.refused,
            after_commit_failed: self.after_commit_failed,
            decisions: self.decisions.iter().map(ToString::to_string).collect(),
        };
        (self.heard_unix_micros, finished)
    }
}

/// Of whom a record is.
pub(super) fn who(record: &Record) -> Who {
    Who {
        database: record.database.clone(),
        role: record.role.clone(),
        application_name: record.application_name.clone(),
        client: Some(record.client.clone()),
        session: Some(record.session.clone()),
    }
}
