//! Sessions of one runner, as far as can be told: some tools write the version by another session than the migration.

use std::collections::VecDeque;

use super::super::record::DecisionId;

/// So many decisions of a group wait for their version; then the oldest are let go, and belong to no migration.
pub(super) const MOST_PENDING: usize = 10_000;

/// What sessions of one run of a tool have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Group {
    client: String,
    role: String,
    database: String,
    upstream: String,
}

impl Group {
    /// `client` as `address:port`, of which the port is left out.
    #[must_use]
    pub fn new(client: &str, role: &str, database: &str, upstream: &str) -> Self {
        let address = client.rsplit_once(':').map_or(client, |(address, _)| address);
        let owned = str::to_owned;
        Self { client: owned(address), role: owned(role), database: owned(database), upstream: owned(upstream) }
    }

    pub(super) fn database(&self) -> &str {
        &self.database
    }

    pub(super) fn role(&self) -> &str {
        &self.role
    }
}

/// A decision that belongs to no migration so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) id: DecisionId,
    pub(super) session: String,
    /// Which of the session's transactions.
    pub(super) transaction: u64,
    /// Which of the transaction's decisions, from 0.
    pub(super) place: usize,
    pub(super) fate: Fate,
}

/// What has become of the statement of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its transaction has not ended.
    Open,
    /// Its transaction was committed.
    Kept,
    /// Refused, failed, or rolled back.
    Lost,
}

impl Pending {
    pub(super) fn is_of(&self, session: &str, transaction: u64) -> bool {
        self.session == session && self.transaction == transaction
    }
}

/// The sessions of a group.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// How many there are.
    pub(super) sessions: usize,
    pending: VecDeque<Pending>,
}

/// Whose decisions a version write claims.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claiming<'a> {
    pub(super) session: &'a str,
    /// Those of the other sessions too.
    pub(super) of_all: bool,
    /// Those too that came to nothing.
    pub(super) of_lost: bool,
}

impl Members {
    pub(super) fn add(&mut self, pending: Pending) {
        if self.pending.len() >= MOST_PENDING {
            self.pending.pop_front();
        }
        self.pending.push_back(pending);
    }

    /// Takes out what a version write claims. What came to nothing before is let go with it: no later version is to claim it.
    pub(super) fn claim(&mut self, claiming: Claiming<'_>) -> Vec<Pending> {
        let Claiming { session, of_all, of_lost } = claiming;
        let (concerned, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending).into_iter().partition(|pending| of_all || pending.session == session);
        self.pending = rest.into();
        concerned.into_iter().filter(|pending| of_lost || pending.fate != Fate::Lost).collect()
    }

    /// A transaction has ended.
    pub(super) fn ended(&mut self, session: &str, transaction: u64, fate: Fate) {
        let open = |pending: &&mut Pending| pending.fate == Fate::Open && pending.is_of(session, transaction);
        self.pending.iter_mut().filter(open).for_each(|pending| pending.fate = fate);
    }

    /// A transaction goes on as if its decisions from this place on had not been.
    pub(super) fn taken_back(&mut self, session: &str, transaction: u64, place: usize) {
        let concerned = |pending: &&mut Pending| pending.is_of(session, transaction) && pending.place >= place;
        self.pending.iter_mut().filter(concerned).for_each(|pending| pending.fate = Fate::Lost);
    }

    /// The statement of a decision has failed.
    pub(super) fn failed(&mut self, id: DecisionId) {
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.id == id) {
            pending.fate = Fate::Lost;
        }
    }
}
