//! What `check` has found, before anybody has chosen how to read it.

use crate::policy::message;
use crate::policy::plan::{Judged, Plan};

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReport {
    /// As it was given, or found in a directory that was given.
    pub path: String,
    /// Its text, to quote from.
    pub text: String,
    /// Its statements, in order.
    pub statements: Vec<StatementReport>,
    /// What could not be judged, and why.
    pub problems: Vec<Problem>,
    /// No server was asked: the facts are assumed.
    pub assumed: bool,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementReport {
    /// Its place in the file, from 0.
    pub index: usize,
    /// Where it begins.
    pub at: Position,
    /// Bytes of the file's text.
    pub span: std::ops::Range<usize>,
    /// What the proxy would do.
    pub plan: Plan,
    /// What the rules found.
    pub findings: Vec<Judged>,
    /// It stands in a transaction.
    pub in_transaction: bool,
    /// It is refused, and persons may lift that.
    pub approvable: bool,
    /// `ALTER TABLE t`, where it is one: stands before a command that takes the place of one of its own.
    pub prefix: String,
}

/// What could not be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it begins; none for a whole file.
    pub at: Option<Position>,
    /// Why.
    pub message: String,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

/// Where the lines of a text begin.
pub struct Lines(Vec<usize>);

impl Lines {
    /// Of this text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// The place of a byte of it.
    #[must_use]
    pub fn position(&self, text: &str, at: usize) -> Position {
        let line = self.0.partition_point(|start| *start <= at).max(1);
        let start = self.0.get(line - 1).copied().unwrap_or(0);
        Position { line, column: text.get(start..at).unwrap_or_default().chars().count() + 1 }
    }
}

/// What the proxy would do with a statement, from the mildest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Forward it.
    Pass,
    /// Run something else in its place.
    Rewrite,
    /// Run a part of it after COMMIT.
    Defer,
    /// Answer with an error.
    Refuse,
}

impl Outcome {
    /// As scripts read it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Rewrite => "rewrite",
            Self::Defer => "defer",
            Self::Refuse => "refuse",
        }
    }
}

impl StatementReport {
    /// How the ALTER TABLE begins that a finding is about.
    #[must_use]
    pub fn prefix_of<'a>(&'a self, judged: &'a Judged) -> &'a str {
        judged.inner.as_deref().unwrap_or(&self.prefix)
    }

    /// What the proxy would do.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.plan {
            Plan::Pass => Outcome::Pass,
            Plan::Edit(_) | Plan::Rewrite(_) | Plan::Settle { .. } => Outcome::Rewrite,
            Plan::Defer(_) | Plan::Split | Plan::Enclose | Plan::Gate => Outcome::Defer,
            Plan::Await(_) | Plan::Refuse(_) | Plan::TakeBack(_) => Outcome::Refuse,
        }
    }

    /// The same as scripts read it, where also `approval` is a word: refused until persons let it through.
    #[must_use]
    pub fn decision(&self) -> &'static str {
        match self.outcome() {
            Outcome::Refuse if self.approvable => "approval",
            outcome => outcome.word(),
        }
    }

    /// What runs in its place, as far as it is known beforehand.
    #[must_use]
    pub fn instead(&self) -> Vec<String> {
        match &self.plan {
            Plan::Rewrite(form) | Plan::Defer(form) => form.steps().into_iter().map(|step| step.sql).collect(),
            _ => Vec::new(),
        }
    }
}

impl FileReport {
    /// The worst of its statements.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.statements.iter().map(StatementReport::outcome).max().unwrap_or(Outcome::Pass)
    }

    /// The statement as it stands in the file.
    #[must_use]
    pub fn sql(&self, statement: &StatementReport) -> &str {
        self.text.get(statement.span.clone()).unwrap_or_default()
    }
}

impl FileReport {
    /// What to do about a finding, or what the proxy does about it.
    #[must_use]
    pub fn help(&self, statement: &StatementReport, judged: &Judged) -> String {
        let alone = !statement.in_transaction && judged.inner.is_none();
        let advice = || message::help(&judged.finding, statement.prefix_of(judged), alone);
        match &statement.plan {
            Plan::Rewrite(form) => format!("pgairlock runs in its place: {};", message::sql_of(&form.steps())),
            Plan::Defer(form) => format!("pgairlock runs in its place, {};", message::now_and_then(form)),
            Plan::Split | Plan::Enclose | Plan::Gate => {
                format!("pgairlock runs it in a transaction, and looks before the COMMIT at what it has locked. Better: {}", advice())
            }
            _ => advice(),
        }
    }
}
