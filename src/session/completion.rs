//! What follows when the server has answered a frame.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::audit::attribution::Given;
use crate::audit::record::DecisionId;
use crate::catalog::overlay::Effect;
use crate::sql::statement::Script;

/// What an entry of the reply queue does to the session when it is answered; lost when the server skips it.
#[derive(Debug)]
pub enum Completion {
    /// Nothing.
    Nothing,
    /// A prepared statement exists now.
    Prepared {
        /// Its name; empty for the unnamed one.
        name: Vec<u8>,
        /// What it runs.
        script: Arc<Script>,
    },
    /// A portal exists now.
    Bound {
        /// Its name; empty for the unnamed one.
        portal: Vec<u8>,
        /// What it runs, when its statement is known.
        script: Option<Arc<Script>>,
    },
    /// A statement (`S`) or portal (`P`) is gone.
    Closed {
        /// `S` or `P`.
        kind: u8,
        /// Its name.
        name: Vec<u8>,
    },
    /// Statements ran.
    Ran(Ran),
}

/// The statements of a Query, or the one of an Execute, while they run.
#[derive(Debug, Default)]
pub struct Ran {
    /// One effect for each statement whose CommandComplete is still to come.
    pub effects: VecDeque<Effect>,
    /// The script, whose PREPARE and DEALLOCATE change the registry as they complete.
    pub script: Option<Arc<Script>>,
    /// How many statements have completed.
    pub completed: usize,
    /// The record that waits for its outcome.
    pub decision: Option<Decided>,
    /// Tags so far.
    pub tags: Vec<String>,
    /// SQLSTATE of its error.
    pub sqlstate: Option<String>,
    /// The portal of an Execute.
    pub portal: Option<Vec<u8>>,
    /// The parameters of an Execute that may write a version.
    pub given: Vec<Given>,
}

/// A recorded decision whose outcome is not recorded yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    /// Its record.
    pub id: DecisionId,
    /// When it was taken.
    pub at: Instant,
}
