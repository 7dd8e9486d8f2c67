//! Which migration a decision belongs to: told by what each tool itself writes into its table of versions.
//!
//! ```text
//!   a small write ──recognise──▶ VersionWrite ──▶ Tracker ──▶ Attribution: tool, version, name, direction, decisions
//!   the rest that is seen ──guess──▶ Guess ─┘           ▲
//!   decisions, ends of transactions and sessions ──────┘
//! ```
//!
//! Most tools name the version behind the statements that it consists of, so decisions are kept until their version comes; some name it before, and
//! what follows belongs to it. What cannot be told is called unknown; the guess stands in the record of the decision, and is called one.

pub mod group;
pub mod guess;
pub mod history;
mod numbered;
pub mod recognise;
mod row;
mod rows;
pub mod tool;
pub mod tracker;
pub mod value;

pub use group::Group;
pub use guess::Guess;
pub use tool::Tool;
pub use tracker::Tracker;
pub use value::Given;

/// What stands in the place of a value that could not be read.
pub const UNREAD: &str = "?";

/// A migration tool has written into its table of versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionWrite {
    /// The tool.
    pub tool: Tool,
    /// Its table, as named in the statement.
    pub table: String,
    /// The version; [`UNREAD`] where its value could not be read.
    pub version: String,
    /// The migration's name, where the tool writes one.
    pub name: Option<String>,
    /// What that says of the migration.
    pub kind: Kind,
}

/// What a version write says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The migration has been applied.
    Applied,
    /// The migration has been taken back.
    TakenBack,
    /// The one version that the table holds was this, and is now `version`; forward or back.
    Set {
        /// What it was.
        from: String,
    },
    /// The same where the statement does not say what it was: a number.
    Numbered,
    /// The migration begins: what follows belongs to it.
    Begun,
    /// The same, to a number, forward or back.
    Dirty,
    /// What has begun is done.
    Finished,
    /// The table says nothing any more, until the next row.
    Emptied,
    /// The migration has failed, and the tool says so.
    Failed,
}

/// What a session has seen that matters here, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noticed {
    /// A version write was completed.
    Wrote(VersionWrite),
    /// A table of versions was created that was not there before: it says nothing so far.
    Created(String),
    /// SAVEPOINT, where a decision or a version write came before it in its transaction.
    Savepoint(String),
    /// ROLLBACK TO; where its savepoint was not told of, nothing came before that.
    RolledBackTo(String),
    /// A transaction with decisions or version writes in it has ended.
    Ended {
        /// The server said so.
        committed: bool,
    },
}

/// A decision as far as the tracker needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Decision {
    /// It was refused.
    pub refused: bool,
    /// It is about the tool's own tables, and belongs to no migration.
    pub housekeeping: bool,
}

#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod recognise_tests;
#[cfg(test)]
mod tracker_tests;
