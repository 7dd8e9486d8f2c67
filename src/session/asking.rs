//! Questions about the catalog, on the client's session.
//!
//! To plan one takes longer than to answer it (8 ms and 2 ms, measured), and in a block the client's locks may be held meanwhile. So there they are
//! prepared once, with a plan for any parameters, and closed when the block has ended.

use crate::catalog::questions::{Answer, Question};
use crate::sql::statement::{SettingChange, Statement};
use crate::wire::messages;

use super::completion::Completion;
use super::effects::Effects;
use super::own::{Ending, OwnExchange, RELEASE, ROLLBACK_TO, SAVEPOINT};
use super::replies::{Kind, Owner};
use super::work::Work;
use super::{Session, Status};

/// SHOW needs no snapshot: before LOCK TABLE a SELECT of ours would change what the client sees.
const READ_LOCK_TIMEOUT: &str = "SHOW lock_timeout";
/// It goes with the savepoint.
const ANY_PARAMETERS: &str = "SELECT pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true)";
/// What stands between lock_timeout and the questions in a block: SAVEPOINT and the setting; as much stands behind them.
const GUARD: usize = 2;

/// The questions that are prepared on the server, each under a name with its place; of those that are none it is not known whether something has
/// their name.
#[derive(Debug, Default)]
pub(super) struct Questions {
    prepared: Vec<Option<&'static str>>,
}

impl Questions {
    /// It is not known which of them are: the client has closed all statements, or one has failed.
    pub(super) fn forget(&mut self) {
        self.prepared.fill(None);
    }

    /// The place of one, and whether it is prepared already.
    fn place(&mut self, sql: &'static str) -> (usize, bool) {
        let of = |wanted: Option<&'static str>| self.prepared.iter().position(|known| *known == wanted);
        if let Some(place) = of(Some(sql)) {
            return (place, true);
        }
        let place = of(None).unwrap_or(self.prepared.len());
        self.prepared.resize(self.prepared.len().max(place + 1), None);
        if let Some(free) = self.prepared.get_mut(place) {
            *free = Some(sql);
        }
        (place, false)
    }

    /// The same, where this statement closes them.
    pub(super) fn note(&mut self, statement: &Statement) {
        if matches!(statement, Statement::Deallocate(None) | Statement::Setting(SettingChange::DiscardAll)) {
            self.forget();
        }
    }
}

impl Session {
    /// Reads lock_timeout, which has no snapshot and cannot fail, and asks questions. Inside a block a savepoint keeps a failed question from
    /// failing the client (facts: protocol, 3).
    pub(super) fn ask(&mut self, questions: &[Question], out: &mut Effects) {
        let ending = self.own_ending();
        self.begin_own(ending);
        self.own_statement(READ_LOCK_TIMEOUT, &[], out);
        if ending == Ending::Sync && self.status == Status::InTransaction && !questions.is_empty() {
            self.ask_guarded(questions, out);
        } else {
            for question in questions {
                self.own_statement(question.sql, &question.parameters, out);
            }
        }
        self.own_end(ending, out);
    }

    fn ask_guarded(&mut self, questions: &[Question], out: &mut Effects) {
        self.own_statement(SAVEPOINT, &[], out);
        self.own_statement(ANY_PARAMETERS, &[], out);
        for question in questions {
            self.ask_prepared(question, out);
        }
        self.own_statement(ROLLBACK_TO, &[], out);
        self.own_statement(RELEASE, &[], out);
    }

    fn ask_prepared(&mut self, question: &Question, out: &mut Effects) {
        let (place, is_prepared) = self.questions.place(question.sql);
        let statement = self.name_of_question(place);
        if !is_prepared {
            self.send(messages::own_prepare(&statement, question.sql), out);
            self.expect_own(&[Kind::Close, Kind::Parse]);
        }
        self.send(messages::own_execute(&self.own_name, &statement, &question.parameters), out);
        self.expect_own(&[Kind::Bind, Kind::Execute, Kind::Close]);
    }

    fn name_of_question(&self, place: usize) -> String {
        format!("{}_{place}", self.own_name)
    }

    fn expect_own(&mut self, kinds: &[Kind]) {
        for kind in kinds {
            self.replies.expect(*kind, Owner::Own, Completion::Nothing);
        }
    }

    /// lock_timeout, and what was answered to so many questions; no answers where one has failed.
    pub(super) fn answers(&mut self, exchange: OwnExchange, count: usize) -> (Option<Answer>, Vec<Answer>) {
        let failed = exchange.error.is_some();
        let guard = if exchange.answers.len() > count + 1 { GUARD } else { 0 };
        let mut answers = exchange.answers.into_iter();
        let lock_timeout = answers.next();
        (lock_timeout, if failed { Vec::new() } else { answers.skip(guard).take(count).collect() })
    }

    /// Closes the questions of a block that has ended: the client is not to find them.
    pub(super) fn close_questions(&mut self, out: &mut Effects) {
        let idle = self.status == Status::Idle && self.work.is_open() && self.split.is_none() && self.replies.is_empty() && !self.batch.open;
        if !idle || self.own.is_some() || self.closed || self.questions.prepared.is_empty() {
            return;
        }
        self.begin_own(Ending::Sync);
        for place in 0..std::mem::take(&mut self.questions.prepared).len() {
            self.send(messages::close_statement(&self.name_of_question(place)), out);
            self.expect_own(&[Kind::Close]);
        }
        self.own_end(Ending::Sync, out);
        self.work = Work::Closing;
    }
}
