//! Our own statements on the client's session: sent behind what flows, their replies hidden and gathered.

use std::time::Instant;

use bytes::Bytes;

use crate::catalog::questions::Answer;
use crate::wire::{errors, messages};

use super::completion::Completion;
use super::effects::Effects;
use super::replies::{Kind, Owner};
use super::runner::{Answered, ServerError};
use super::{Session, Status};

/// The replies gathered so far.
#[derive(Debug)]
pub(super) struct OwnExchange {
    /// How it was sent.
    pub(super) ending: Ending,
    /// When it was sent.
    pub(super) begun: Option<Instant>,
    /// One for each statement that completed.
    pub(super) answers: Vec<Answer>,
    /// The tag of each.
    pub(super) tags: Vec<String>,
    /// The value of the statement that runs.
    row: Option<String>,
    /// The body of an ErrorResponse.
    pub(super) error: Option<Bytes>,
    /// A frame of the client before ours failed, and took ours along.
    pub(super) overtaken: bool,
}

/// How our statements end on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Sync: outside the client's batches, or inside an explicit block, where it closes nothing.
    Sync,
    /// Flush: inside a batch whose implicit transaction must stay open.
    Flush,
}

pub(super) const SAVEPOINT: &str = "SAVEPOINT _pgairlock";
pub(super) const RELEASE: &str = "RELEASE SAVEPOINT _pgairlock";
/// For so many milliseconds at most, until the transaction ends.
pub(super) const LIMIT: &str = "SELECT pg_catalog.set_config('statement_timeout', $1, true)";
/// The place of what [`Session::run_guarded`] runs among its answers.
pub(super) const GUARDED: usize = 2;
/// Also the way out after a failed question: the second statement runs only when the first did.
pub(super) const ROLLBACK_TO: &str = "ROLLBACK TO SAVEPOINT _pgairlock";

impl OwnExchange {
    fn new(ending: Ending) -> Self {
        Self { ending, begun: None, answers: Vec::new(), tags: Vec::new(), row: None, error: None, overtaken: false }
    }

    /// Nothing was sent, and nothing can have failed.
    pub(super) fn nothing() -> Self {
        Self::new(Ending::Sync)
    }

    pub(super) fn row(&mut self, value: Option<&[u8]>) {
        self.row = value.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    }

    pub(super) fn completed(&mut self, tag: Option<&str>) {
        self.tags.extend(tag.map(str::to_owned));
        self.answers.push(Answer::Text(self.row.take()));
    }

    /// The result of an exchange of one statement.
    pub(super) fn into_answered(self) -> Answered {
        match self.error {
            Some(body) => Err(server_error(&body)),
            None => Ok(self.answers.into_iter().next_back().and_then(|answer| match answer {
                Answer::Text(text) => text,
                Answer::Failed => None,
            })),
        }
    }
}

/// The fields of an ErrorResponse that are kept.
pub(super) fn server_error(body: &[u8]) -> ServerError {
    let text = |code| errors::field(body, code).map(|value| String::from_utf8_lossy(value).into_owned());
    ServerError {
        sqlstate: text(b'C').unwrap_or_default(),
        message: text(b'M').unwrap_or_default(),
        detail: text(b'D'),
        hint: text(b'H'),
        position: text(b'P').and_then(|position| position.parse().ok()),
    }
}

impl Session {
    /// Sends one statement of ours; what it answers arrives in `own_finished`.
    pub(super) fn run_own(&mut self, sql: &str, parameters: &[String], ending: Ending, out: &mut Effects) {
        self.run_owns(&[(sql, parameters)], ending, out);
    }

    /// The same for several; the answers come in their order.
    pub(super) fn run_owns(&mut self, statements: &[(&str, &[String])], ending: Ending, out: &mut Effects) {
        self.own = Some(OwnExchange::new(ending));
        for (sql, parameters) in statements {
            self.own_statement(sql, parameters, out);
        }
        self.own_end(ending, out);
    }

    /// One statement behind a savepoint, for so long at most: it leaves nothing, not even the limit. It is the one of number [`GUARDED`].
    pub(super) fn run_guarded(&mut self, sql: &str, parameters: &[String], limit_ms: u64, out: &mut Effects) {
        let limit = [limit_ms.to_string()];
        let statements = [(SAVEPOINT, &[][..]), (LIMIT, &limit), (sql, parameters), (ROLLBACK_TO, &[]), (RELEASE, &[])];
        self.run_owns(&statements, Ending::Sync, out);
    }

    /// Takes back a guarded question that failed.
    pub(super) fn roll_back_question(&mut self, out: &mut Effects) {
        self.run_owns_behind_failure(&[(ROLLBACK_TO, &[]), (RELEASE, &[])], out);
    }

    /// Several statements of ours, the first of which goes back behind one of ours that has failed in a block. Its portal stands until then, and no
    /// other may have its name.
    pub(super) fn run_owns_behind_failure(&mut self, statements: &[(&str, &[String])], out: &mut Effects) {
        self.own = Some(OwnExchange::new(Ending::Sync));
        self.send(messages::close_portal(self.own_name.as_bytes()), out);
        self.replies.expect(Kind::Close, Owner::Own, Completion::Nothing);
        for (sql, parameters) in statements {
            self.own_statement(sql, parameters, out);
        }
        self.own_end(Ending::Sync, out);
    }

    /// A Sync would commit the client's implicit transaction in the middle of a batch; in an explicit block it closes nothing. Behind a COMMIT
    /// or the like in the same batch it is not known which of the two it is.
    pub(super) fn own_ending(&self) -> Ending {
        if self.batch.open && !self.in_block() { Ending::Flush } else { Ending::Sync }
    }

    /// Nothing but a Sync of ours: ends a batch that has executed nothing.
    pub(super) fn leave_batch(&mut self, out: &mut Effects) {
        self.own = Some(OwnExchange::new(Ending::Sync));
        self.own_end(Ending::Sync, out);
    }

    /// Replies to statements of ours are gathered from here on.
    pub(super) fn begin_own(&mut self, ending: Ending) {
        self.own = Some(OwnExchange::new(ending));
    }

    pub(super) fn own_statement(&mut self, sql: &str, parameters: &[String], out: &mut Effects) {
        // In a failed transaction the portal of the statement that failed is still there, and a second of its name would be an error.
        let name = if self.status == Status::Failed { format!("{}_back", self.own_name) } else { self.own_name.clone() };
        self.send(messages::own_statement(&name, sql, parameters), out);
        for kind in [Kind::Close, Kind::Parse, Kind::Bind, Kind::Execute, Kind::Close, Kind::Close] {
            self.replies.expect(kind, Owner::Own, Completion::Nothing);
        }
    }

    pub(super) fn own_end(&mut self, ending: Ending, out: &mut Effects) {
        match ending {
            Ending::Sync => {
                self.send(messages::sync(), out);
                self.replies.expect(Kind::Sync, Owner::Own, Completion::Nothing);
            }
            Ending::Flush => self.send(messages::flush(), out),
        }
    }
}
