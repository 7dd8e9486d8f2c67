//! Which decisions belong to which migration: over the transaction, over the session, and over the sessions of one runner.
//!
//! A version write claims the decisions of its session since its last one, in its own transaction or in earlier ones that were committed; where the
//! tool uses several sessions, those of its group. A write that comes before the migration opens it: what follows belongs to it, refused or not. What
//! is claimed is told when the transaction of the version write has been committed, and not at all when it has not.
//!
//! Memory is bounded: by [`MOST_PENDING`] decisions that wait for a version (the oldest are let go then, and belong to no migration) and by as many
//! in one migration, version writes in one transaction, and tables. A group is forgotten with its last session.

use std::collections::HashMap;

use super::super::event::{Attribution, Migration};
use super::super::record::DecisionId;
use super::group::{Claiming, Fate, MOST_PENDING, Members, Pending};
use super::history::History;
use super::recognise::NOTHING;
use super::{Decision, Group, Kind, Noticed, Tool, VersionWrite};

/// See the module.
const MOST: usize = MOST_PENDING;

/// The state of all sessions of the process.
#[derive(Debug, Default)]
pub struct Tracker {
    sessions: HashMap<String, Session>,
    groups: HashMap<Group, Members>,
    /// By database and table.
    histories: HashMap<(String, String), History>,
}

#[derive(Debug)]
struct Session {
    group: Group,
    /// The number of the transaction that is open or comes next.
    transaction: u64,
    /// Version writes of the open transaction.
    claims: Vec<Claim>,
    /// How many decisions it has.
    decided: usize,
    savepoints: Vec<Savepoint>,
    /// A migration that was begun and is not finished.
    open: Option<Open>,
}

/// What there was of a transaction at its savepoint.
#[derive(Debug)]
struct Savepoint {
    name: String,
    claims: usize,
    decided: usize,
}

/// A version write and what belongs to it, until its transaction has ended.
#[derive(Debug)]
struct Claim {
    write: VersionWrite,
    /// What it comes to, where that was told at its beginning.
    migration: Option<Migration>,
    decisions: Vec<Pending>,
    unfinished: bool,
}

/// A migration that was begun.
#[derive(Debug)]
struct Open {
    write: VersionWrite,
    migration: Migration,
    decisions: Vec<DecisionId>,
    /// In which transaction it was begun, while that is open.
    transaction: Option<u64>,
}

impl Tracker {
    /// A session begins.
    pub fn began(&mut self, session: &str, group: Group) {
        self.groups.entry(group.clone()).or_default().sessions += 1;
        self.sessions.insert(session.to_owned(), Session::new(group));
    }

    /// What an earlier process has found out.
    pub fn remember(&mut self, attribution: &Attribution) {
        if let Some(history) = history(&mut self.histories, &attribution.database, &attribution.migration.table) {
            history.learn(&attribution.migration);
        }
    }

    /// A decision was recorded.
    pub fn decided(&mut self, session: &str, id: DecisionId, decision: Decision) {
        let Some(state) = self.sessions.get_mut(session).filter(|_| !decision.housekeeping) else { return };
        if let Some(open) = &mut state.open {
            if open.decisions.len() < MOST {
                open.decisions.push(id);
            }
            return;
        }
        let fate = if decision.refused { Fate::Lost } else { Fate::Open };
        let pending = Pending { id, session: session.to_owned(), transaction: state.transaction, place: state.decided, fate };
        state.decided += 1;
        self.groups.entry(state.group.clone()).or_default().add(pending);
    }

    /// The statement of a decision came to nothing.
    pub fn failed(&mut self, session: &str, id: DecisionId) {
        let Some(state) = self.sessions.get_mut(session) else { return };
        if let Some(members) = self.groups.get_mut(&state.group) {
            members.failed(id);
        }
        state.claims.iter_mut().filter(|claim| !claim.unfinished).for_each(|claim| claim.decisions.retain(|decision| decision.id != id));
    }

    /// Something that a session has seen.
    pub fn noticed(&mut self, session: &str, noticed: Noticed) -> Vec<Attribution> {
        match noticed {
            Noticed::Wrote(write) => return self.wrote(session, write).into_iter().collect(),
            Noticed::Ended { committed } => return self.ended(session, committed),
            Noticed::Savepoint(name) => {
                if let Some(state) = self.sessions.get_mut(session) {
                    state.savepoint(name);
                }
            }
            Noticed::RolledBackTo(name) => self.rolled_back_to(session, &name),
            Noticed::Created(table) => {
                if let Some(state) = self.sessions.get(session)
                    && let Some(history) = history(&mut self.histories, state.group.database(), &table)
                {
                    history.created();
                }
            }
        }
        Vec::new()
    }

    /// A session has ended, and with it what it has begun.
    pub fn left(&mut self, session: &str) -> Vec<Attribution> {
        let mut told = self.ended(session, false);
        let Some(mut state) = self.sessions.remove(session) else { return told };
        told.extend(state.open.take().map(|open| open.unfinished(session, &state.group)));
        if let Some(members) = self.groups.get_mut(&state.group) {
            members.sessions = members.sessions.saturating_sub(1);
            if members.sessions == 0 {
                self.groups.remove(&state.group);
            }
        }
        told
    }

    /// An attribution comes at once only of a migration that was left unfinished for the next one.
    fn wrote(&mut self, session: &str, write: VersionWrite) -> Option<Attribution> {
        let state = self.sessions.get_mut(session)?;
        let database = state.group.database().to_owned();
        match write.kind {
            Kind::Begun | Kind::Dirty => {
                if state.open.as_ref().is_some_and(|open| open.is_of(&write)) {
                    return None;
                }
                let history = self.histories.get(&(database, write.table.clone()));
                let migration = history.unwrap_or(&History::default()).migration(&write);
                let open = Open { write, migration, decisions: Vec::new(), transaction: Some(state.transaction) };
                state.open.replace(open).map(|left| left.unfinished(session, &state.group))
            }
            Kind::Finished | Kind::Emptied => {
                let finishes = |open: &mut Open| open.is_finished_by(&write);
                match state.open.take_if(finishes) {
                    Some(open) => self.finish(session, open),
                    None if write.kind == Kind::Emptied || write.tool == Tool::Prisma => {}
                    None if write.tool == Tool::GolangMigrate => state.claim(write, Vec::new()),
                    None => self.claim(session, write),
                }
                None
            }
            Kind::Applied | Kind::TakenBack | Kind::Set { .. } | Kind::Numbered | Kind::Failed => {
                self.claim(session, write);
                None
            }
        }
    }

    /// What is open is done; told when its last write is committed.
    fn finish(&mut self, session: &str, open: Open) {
        let Some(state) = self.sessions.get_mut(session) else { return };
        let mut decisions: Vec<Pending> = open.decisions.into_iter().map(|id| kept(id, session)).collect();
        if decisions.is_empty() && open.write.tool.uses_several_sessions() {
            let claiming = Claiming { session, of_all: true, of_lost: false };
            decisions = self.groups.get_mut(&state.group).map(|members| members.claim(claiming)).unwrap_or_default();
        }
        state.push(Claim { write: open.write, migration: Some(open.migration), decisions, unfinished: false });
    }

    /// What came before a version write belongs to it.
    fn claim(&mut self, session: &str, write: VersionWrite) {
        let Some(state) = self.sessions.get_mut(session) else { return };
        let claiming = Claiming { session, of_all: write.tool.uses_several_sessions(), of_lost: write.kind == Kind::Failed };
        let decisions = self.groups.get_mut(&state.group).map(|members| members.claim(claiming)).unwrap_or_default();
        state.claim(write, decisions);
    }

    /// Version writes since then do not hold; what they have claimed from before may be claimed again.
    fn rolled_back_to(&mut self, session: &str, name: &str) {
        let Some(state) = self.sessions.get_mut(session) else { return };
        let found = state.savepoints.iter().rposition(|savepoint| savepoint.name == name);
        let (claims, decided) = found.and_then(|at| state.savepoints.get(at)).map_or((0, 0), |savepoint| (savepoint.claims, savepoint.decided));
        state.savepoints.truncate(found.map_or(0, |at| at + 1));
        let given_up = state.claims.split_off(claims.min(state.claims.len()));
        let Some(members) = self.groups.get_mut(&state.group) else { return };
        given_up.into_iter().flat_map(|claim| claim.decisions).for_each(|decision| members.add(decision));
        members.taken_back(session, state.transaction, decided);
    }

    fn ended(&mut self, session: &str, committed: bool) -> Vec<Attribution> {
        let Some(state) = self.sessions.get_mut(session) else { return Vec::new() };
        let (transaction, group) = (state.transaction, state.group.clone());
        state.transaction += 1;
        state.decided = 0;
        state.savepoints.clear();
        let claims = std::mem::take(&mut state.claims);
        let mut told = Vec::new();
        if let Some(open) = &mut state.open
            && open.transaction.take_if(|begun| *begun == transaction).is_some()
        {
            if !committed {
                let attempt = state.open.take().filter(|open| !open.decisions.is_empty());
                told.extend(attempt.map(|open| open.unfinished(session, &group)));
            } else if let Some(history) = history(&mut self.histories, group.database(), &open.write.table) {
                history.learn(&open.migration);
            }
        }
        if let Some(members) = self.groups.get_mut(&group) {
            members.ended(session, transaction, if committed { Fate::Kept } else { Fate::Lost });
        }
        if !committed {
            let others = self.sessions.values_mut().filter(|other| other.group == group).flat_map(|other| &mut other.claims);
            others.filter(|claim| !claim.unfinished).for_each(|claim| claim.decisions.retain(|decision| !decision.is_of(session, transaction)));
            return told;
        }
        told.extend(claims.into_iter().map(|claim| self.tell(session, &group, claim)));
        told
    }

    fn tell(&mut self, session: &str, group: &Group, claim: Claim) -> Attribution {
        let mut unknown = History::default();
        let history = history(&mut self.histories, group.database(), &claim.write.table).unwrap_or(&mut unknown);
        let migration = claim.migration.unwrap_or_else(|| history.migration(&claim.write));
        history.learn(&migration);
        let decisions = claim.decisions.into_iter().map(|decision| decision.id).collect();
        attribution(session, group, migration, decisions, claim.unfinished)
    }
}

impl Session {
    fn new(group: Group) -> Self {
        Self { group, transaction: 0, claims: Vec::new(), decided: 0, savepoints: Vec::new(), open: None }
    }

    /// Beyond what is kept, a way back to it takes back everything.
    fn savepoint(&mut self, name: String) {
        if self.savepoints.len() < MOST {
            self.savepoints.push(Savepoint { name, claims: self.claims.len(), decided: self.decided });
        }
    }

    fn claim(&mut self, write: VersionWrite, decisions: Vec<Pending>) {
        let unfinished = write.kind == Kind::Failed;
        let mut claim = Claim { write, migration: None, decisions, unfinished };
        if let Some(before) = self.claims.pop_if(|before| claim.absorbs(before)) {
            claim.decisions = before.decisions;
        }
        self.push(claim);
    }

    fn push(&mut self, claim: Claim) {
        if self.claims.len() < MOST {
            self.claims.push(claim);
        }
    }
}

impl Claim {
    /// Alembic writes twice where branches meet or part: a row goes or comes, and then another one changes. Both are one migration.
    fn absorbs(&self, before: &Self) -> bool {
        let Kind::Set { from } = &self.write.kind else { return false };
        let of_one = self.write.table == before.write.table && matches!(before.write.kind, Kind::Applied | Kind::TakenBack);
        self.write.tool == Tool::Alembic && self.decisions.is_empty() && of_one && *from != before.write.version
    }
}

impl Open {
    fn is_of(&self, write: &VersionWrite) -> bool {
        self.write.tool == write.tool && self.write.table == write.table && self.write.version == write.version
    }

    /// Prisma names its row by another key; it has one at a time.
    fn is_finished_by(&self, write: &VersionWrite) -> bool {
        match write.kind {
            Kind::Emptied => self.write.tool == Tool::GolangMigrate && self.write.table == write.table && self.write.version == NOTHING,
            _ => self.is_of(write) || write.tool == Tool::Prisma && self.write.tool == Tool::Prisma,
        }
    }

    fn unfinished(self, session: &str, group: &Group) -> Attribution {
        attribution(session, group, self.migration, self.decisions, true)
    }
}

fn attribution(session: &str, group: &Group, migration: Migration, decisions: Vec<DecisionId>, unfinished: bool) -> Attribution {
    let (database, role) = (group.database().to_owned(), group.role().to_owned());
    Attribution { session: session.to_owned(), database, role, migration, decisions, unfinished }
}

fn kept(id: DecisionId, session: &str) -> Pending {
    Pending { id, session: session.to_owned(), transaction: u64::MAX, place: 0, fate: Fate::Kept }
}

/// `None` where there are too many tables to remember one more.
fn history<'a>(histories: &'a mut HashMap<(String, String), History>, database: &str, table: &str) -> Option<&'a mut History> {
    let key = (database.to_owned(), table.to_owned());
    let room = histories.len() < MOST || histories.contains_key(&key);
    room.then(|| histories.entry(key).or_default())
}
