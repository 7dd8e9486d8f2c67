//! A statement in a transaction of which a part waits for COMMIT.
//!
//! ```text
//!   Context ─▶ Definition ─▶ Search ⟲ ─▶ Now ─▶ answered as the original
//!                   error │ (TakingBack: not searched)
//!                         ▼               ▼
//!      rows that are not allowed    the server's error
//! ```
//!
//! Everything runs on the client's own session, in its transaction; what asks is guarded by a savepoint. The rows are searched before the part
//! that takes a strong lock, and not at all where the transaction holds one already: nobody is to wait for a search.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use crate::audit::record::Outcome as Recorded;
use crate::catalog::overlay::Effect;
use crate::catalog::questions::Answer;
use crate::deferred::operation::Operation;
use crate::deferred::promise::{Deferred, Progress as Became, PromiseId};
use crate::deferred::search::{self, Need, Search};
use crate::policy::decide::Outcome;
use crate::policy::plan::{Notice, Refusal, SafeForm, Verdict};
use crate::policy::strong::StrongLock;
use crate::sql::name::RelationName;
use crate::sql::statement::Statement;
use crate::wire::messages;

use super::completion::Decided;
use super::effects::Effects;
use super::own::{OwnExchange, server_error};
use super::refusals;
use super::runner::sql::CONTEXT;
use super::server::micros;
use super::work::{Shape, Subject, Work};
use super::{Progress, Session};

/// A statement on its way.
#[derive(Debug)]
pub(super) struct Deferring {
    subject: Subject,
    effects: Vec<Effect>,
    rule: &'static str,
    /// As the server resolved it.
    table: RelationName,
    form: SafeForm,
    decided: Option<Decided>,
    context: String,
    /// Operations whose data is still to be looked at.
    unsearched: VecDeque<Operation>,
    /// What the part that runs at once waits for.
    lock: Option<StrongLock>,
    stage: Stage,
    /// What was not looked at for lack of time, or because it cannot be.
    blind: bool,
}

#[derive(Debug)]
enum Stage {
    Context,
    Now,
    Definition(Operation),
    Search(Search),
    /// Back to the savepoint: the search, or its question, has failed.
    TakingBack,
}

impl Deferring {
    pub(super) fn subject(&self) -> &Subject {
        &self.subject
    }

    pub(super) fn decided(&self) -> Option<Decided> {
        self.decided
    }
}

impl Session {
    pub(super) fn defer(&mut self, subject: Subject, outcome: Outcome, form: SafeForm, decided: Option<Decided>, out: &mut Effects) {
        let enforced = outcome.decision.findings.iter().find(|judged| judged.verdict == Verdict::Enforced).map(|judged| &judged.finding);
        let (Some(rule), Some(table)) = (enforced.map(|finding| finding.rule.0), enforced.and_then(|finding| finding.relation.clone())) else {
            return self.refuse(&subject, &refusals::deferred_without_table(), decided, out);
        };
        if let Some(refusal) = self.what_cannot_be(&table, &form) {
            return self.refuse(&subject, &refusal, decided, out);
        }
        if let Some(name) = self.name_that_is_promised(&form) {
            return self.name_is_taken(&subject, &name, form.tag, decided, out);
        }
        if let Some(name) = self.name_that_is_gone(&form) {
            return self.name_is_gone(&subject, &name, form.tag, decided, out);
        }
        let unsearched = form.then.iter().cloned().collect();
        let lock = outcome.lock_timeout.strong().filter(|_| self.may_try(&subject));
        let deferring = Deferring {
            subject,
            effects: outcome.effects,
            rule,
            table,
            form,
            decided,
            context: String::new(),
            unsearched,
            lock,
            stage: Stage::Context,
            blind: false,
        };
        self.run_own(CONTEXT, &[], self.own_ending(), out);
        self.work = Work::Deferring(Box::new(deferring));
    }

    /// What the server would refuse at once if it knew of all that waits, in its words: a second primary key, and a key of the name of another
    /// constraint of the same statement.
    fn what_cannot_be(&self, table: &RelationName, form: &SafeForm) -> Option<Refusal> {
        let refusal = |sqlstate, message| Some(Refusal { sqlstate, message, detail: None, hint: None, position: None });
        let has_one = self.overlay.deferred().iter().any(|waits| waits.table == *table && waits.operation.is_primary_key());
        if has_one && form.then.iter().any(Operation::is_primary_key) {
            return refusal("42P16", format!("multiple primary keys for table \"{}\" are not allowed", table.name));
        }
        let keys = form.then.iter().filter_map(|operation| if let Operation::AttachKey(key) = operation { Some(&key.constraint) } else { None });
        let taken = |name: &&String| {
            let has_it =
                |operation: &&Operation| matches!(operation, Operation::AttachKey(_) | Operation::Validate(_)) && operation.name() == Some(name);
            form.then.iter().filter(has_it).count() > 1
        };
        let name = keys.into_iter().find(taken)?;
        refusal("42710", format!("constraint \"{name}\" for relation \"{}\" already exists", table.name))
    }

    /// The name of an index that this transaction has left for after its COMMIT already: the server does not know of it.
    fn name_that_is_promised(&self, form: &SafeForm) -> Option<String> {
        let mut promised: Vec<&RelationName> = Vec::new();
        for deferred in self.overlay.deferred() {
            match &deferred.operation {
                Operation::CreateIndex(create) => promised.extend(&create.index),
                Operation::DropIndex(drop) => promised.retain(|index| index.name != drop.index.name),
                _ => {}
            }
        }
        let wanted =
            form.then.iter().filter_map(|operation| if let Operation::CreateIndex(create) = operation { create.index.as_ref() } else { None });
        wanted.into_iter().find(|index| promised.contains(index)).map(|index| index.name.clone())
    }

    /// The name of an index whose drop this transaction has left for after its COMMIT already: the server still has it.
    fn name_that_is_gone(&self, form: &SafeForm) -> Option<String> {
        let mut gone: Vec<&RelationName> = Vec::new();
        for deferred in self.overlay.deferred() {
            match &deferred.operation {
                Operation::DropIndex(drop) => gone.push(&drop.index),
                Operation::CreateIndex(create) => gone.retain(|index| create.index.as_ref() != Some(*index)),
                _ => {}
            }
        }
        let unwanted = form.then.iter().filter_map(|operation| if let Operation::DropIndex(drop) = operation { Some(&drop.index) } else { None });
        unwanted.into_iter().find(|index| gone.contains(index)).map(|index| index.name.clone())
    }

    /// In the server's words.
    fn name_is_gone(&mut self, subject: &Subject, name: &str, tag: &'static str, decided: Option<Decided>, out: &mut Effects) {
        let message = format!("index \"{name}\" does not exist");
        let skips = subject.script.statements.iter().any(|parsed| matches!(&parsed.statement, Statement::DropIndex(drop) if drop.if_exists));
        if !skips {
            return self.refuse(subject, &Refusal { sqlstate: "42704", message, detail: None, hint: None, position: None }, decided, out);
        }
        let notice = Notice { severity: "NOTICE", sqlstate: "00000", message: format!("{message}, skipping"), detail: None };
        self.say_notice(&notice, out);
        self.say_outcome(subject, tag, decided, out);
    }

    /// In the server's words.
    fn name_is_taken(&mut self, subject: &Subject, name: &str, tag: &'static str, decided: Option<Decided>, out: &mut Effects) {
        let message = format!("relation \"{name}\" already exists");
        let skips =
            subject.script.statements.iter().any(|parsed| matches!(&parsed.statement, Statement::CreateIndex(create) if create.if_not_exists));
        if !skips {
            return self.refuse(subject, &Refusal { sqlstate: "42P07", message, detail: None, hint: None, position: None }, decided, out);
        }
        let notice = Notice { severity: "NOTICE", sqlstate: "42P07", message: format!("{message}, skipping"), detail: None };
        self.say_notice(&notice, out);
        self.say_outcome(subject, tag, decided, out);
    }

    /// All replies to our statements are there.
    pub(super) fn deferring(&mut self, mut deferring: Box<Deferring>, exchange: OwnExchange, now: Instant, out: &mut Effects) -> Progress {
        let error = exchange.error.clone();
        match (std::mem::replace(&mut deferring.stage, Stage::TakingBack), error) {
            (Stage::Context | Stage::Now, Some(error)) => {
                self.original_failed(&deferring, &error, now, out);
                Ok(())
            }
            (Stage::Context, None) => {
                deferring.context = exchange.into_answered().ok().flatten().unwrap_or_default();
                if self.overlay.locked().is_some() {
                    let searched = std::mem::take(&mut deferring.unsearched);
                    deferring.blind = searched.iter().any(|operation| operation.search() != Need::Nothing);
                }
                self.search_next(deferring, now, out);
                Ok(())
            }
            (Stage::TakingBack, None) => {
                self.search_next(deferring, now, out);
                Ok(())
            }
            (Stage::Now, None) => {
                self.original_done(*deferring, now, out);
                Ok(())
            }
            (Stage::Definition(operation), None) => {
                match operation.search_by(asked(&exchange).as_deref()) {
                    Some(search) => self.search(deferring, search, out),
                    None => {
                        deferring.blind = true;
                        self.search_next(deferring, now, out);
                    }
                }
                Ok(())
            }
            (Stage::Search(search), None) => {
                match asked(&exchange) {
                    Some(detail) => self.not_allowed(&deferring, search, detail, out),
                    None => self.search_next(deferring, now, out),
                }
                Ok(())
            }
            (Stage::Definition(_) | Stage::Search(_), Some(error)) if is_cancel_request(&error) => {
                // The client's own cancel request: it is the statement that was cancelled.
                self.original_failed(&deferring, &error, now, out);
                Ok(())
            }
            (Stage::Definition(_) | Stage::Search(_), Some(_)) => {
                deferring.blind = true;
                self.roll_back_question(out);
                self.work = Work::Deferring(deferring);
                Ok(())
            }
            (Stage::TakingBack, Some(error)) => {
                Err(super::Fatal::protocol(format!("a question could not be taken back: {}", server_error(&error).message)))
            }
        }
    }

    fn search_next(&mut self, mut deferring: Box<Deferring>, now: Instant, out: &mut Effects) {
        while let Some(operation) = deferring.unsearched.pop_front() {
            match operation.search() {
                Need::Nothing => {}
                Need::Unsearchable => deferring.blind = true,
                Need::Search(search) => return self.search(deferring, search, out),
                Need::Definition(parameters) => {
                    self.run_guarded(search::QUESTION, &parameters, self.settings.search_ms, out);
                    deferring.stage = Stage::Definition(operation);
                    self.work = Work::Deferring(deferring);
                    return;
                }
            }
        }
        match deferring.form.now.clone() {
            Some(step) => {
                if let Some(lock) = deferring.lock.take() {
                    return self.try_deferred(deferring, step.sql, lock, out);
                }
                deferring.stage = Stage::Now;
                self.run_own(&step.sql, &[], self.own_ending(), out);
                self.work = Work::Deferring(deferring);
            }
            None => self.original_done(*deferring, now, out),
        }
    }

    fn search(&mut self, mut deferring: Box<Deferring>, search: Search, out: &mut Effects) {
        self.run_guarded(&search.sql, &[], self.settings.search_ms, out);
        deferring.stage = Stage::Search(search);
        self.work = Work::Deferring(deferring);
    }

    /// Rows that the constraint does not allow: the statement fails as it would have natively, and with it the transaction on the server.
    fn not_allowed(&mut self, deferring: &Deferring, search: Search, detail: String, out: &mut Effects) {
        let detail = (!detail.is_empty()).then_some(detail);
        let refusal = Refusal { sqlstate: search.sqlstate, message: search.message, detail, hint: None, position: None };
        self.refuse(&deferring.subject, &refusal, deferring.decided, out);
    }

    /// The server's own error is the client's: it is about the client's statement.
    pub(super) fn original_failed(&mut self, deferring: &Deferring, error: &Bytes, now: Instant, out: &mut Effects) {
        self.work = Work::Open;
        let error = server_error(error);
        self.say_error(&error.sqlstate, &error.message, error.detail.as_deref(), error.hint.as_deref(), out);
        self.close_record(deferring.decided, None, Some(error.sqlstate), now, out);
        match deferring.subject.shape {
            Shape::Query => self.say_ready(out),
            Shape::Execute | Shape::Parse => self.skipping = true,
        }
    }

    pub(super) fn original_done(&mut self, deferring: Deferring, now: Instant, out: &mut Effects) {
        self.work = Work::Open;
        // What is left as a whole for later has locked and changed nothing yet. But what a table was promised need not be done to drop it.
        for effect in &deferring.effects {
            self.overlay.apply(&if deferring.form.now.is_some() { effect.clone() } else { effect.settling() });
        }
        let operations = deferring.form.then.into_iter().map(|operation| Deferred {
            table: deferring.table.clone(),
            operation,
            rule: deferring.rule.to_owned(),
            context: deferring.context.clone(),
        });
        self.overlay.apply(&Effect::Deferred(operations.collect()));
        if deferring.blind {
            self.say_notice(&not_searched(), out);
        }
        self.close_record(deferring.decided, Some(deferring.form.tag), None, now, out);
        self.say_complete(messages::command_complete(deferring.form.tag), out);
        match deferring.subject.shape {
            Shape::Query => self.say_ready(out),
            Shape::Execute | Shape::Parse => self.batch.open = true,
        }
    }

    /// What the statement drops is still to be made: it is not made, and the client hears what it would have heard.
    pub(super) fn settle_promised(&mut self, subject: &Subject, effect: Effect, tag: &'static str, decided: Option<Decided>, out: &mut Effects) {
        match effect {
            // Nothing can fail any more, and no COMMIT follows.
            Effect::Needless(operations) if !self.in_block() => {
                out.progress.extend(operations.iter().map(|(id, operation)| (*id, Became::Needless(*operation))));
                self.forget_pending(&operations);
            }
            effect => self.overlay.apply(&effect),
        }
        self.say_notice(&not_made(), out);
        self.say_outcome(subject, tag, decided, out);
    }

    /// The client hears that its statement is done, of which nothing was sent.
    fn say_outcome(&mut self, subject: &Subject, tag: &'static str, decided: Option<Decided>, out: &mut Effects) {
        self.close_record(decided, Some(tag), None, subject.since, out);
        self.say_complete(messages::command_complete(tag), out);
        match subject.shape {
            Shape::Query => self.say_ready(out),
            Shape::Execute | Shape::Parse => self.batch.open = true,
        }
    }

    /// Earlier promises of which nothing is left.
    pub(super) fn forget_pending(&mut self, operations: &[(PromiseId, usize)]) {
        for pending in &mut self.pending {
            while operations.contains(&(pending.id, pending.done)) {
                pending.done += 1;
                pending.error = None;
            }
        }
        self.pending.retain(|pending| !pending.rest().is_empty());
    }

    pub(super) fn close_record(&mut self, decided: Option<Decided>, tag: Option<&str>, sqlstate: Option<String>, now: Instant, out: &mut Effects) {
        let Some(decided) = decided else { return };
        let duration_micros = micros(now, decided.at);
        out.outcomes.push((decided.id, Recorded { tag: tag.map(str::to_owned), sqlstate, duration_micros, ..Default::default() }));
    }
}

/// A timeout has the same SQLSTATE, and in a server that speaks another language than English also reads otherwise: then it counts as a timeout.
pub(super) fn is_cancel_request(error: &[u8]) -> bool {
    let error = server_error(error);
    error.sqlstate == "57014" && error.message.contains("user request")
}

/// The value of a guarded question: what stands third, behind SAVEPOINT and the limit.
fn asked(exchange: &OwnExchange) -> Option<String> {
    match exchange.answers.get(super::own::GUARDED) {
        Some(Answer::Text(text)) => text.clone(),
        _ => None,
    }
}

fn not_made() -> Notice {
    let message = "pgairlock: what is dropped was still to be made after a COMMIT; it is not made".to_owned();
    Notice { severity: "NOTICE", sqlstate: "00000", message, detail: None }
}

fn not_searched() -> Notice {
    Notice {
        severity: "NOTICE",
        sqlstate: "00000",
        message: "pgairlock: the rows were not, or not wholly, searched for what the statement does not allow; that will show after COMMIT"
            .to_owned(),
        detail: None,
    }
}
