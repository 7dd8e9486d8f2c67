//! Decisions as they are looked for and listed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::event::{Attribution, Event};
use super::record::{DecisionId, Record};

/// What is looked for; all of it must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// At this time or later, in microseconds since 1970.
    pub since_unix_micros: Option<i64>,
    /// Before this time.
    pub until_unix_micros: Option<i64>,
    /// Older than this one, which came at that time.
    pub before: Option<(i64, DecisionId)>,
    /// The tool.
    pub tool: Option<String>,
    /// The version of the migration.
    pub version: Option<String>,
    /// A relation that a rule had something to say about: `schema.name`.
    pub table: Option<String>,
    /// A rule.
    pub rule: Option<String>,
    /// `refuse`, `rewrite` …
    pub decision: Option<String>,
    /// The role that logged in.
    pub role: Option<String>,
    /// The database.
    pub database: Option<String>,
    /// The session.
    pub session: Option<String>,
    /// Words that its SQL has.
    pub words: Option<String>,
    /// Only those without an outcome.
    pub open: bool,
    /// So many at most.
    pub most: u32,
}

/// What became of a statement, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Standing {
    /// Nobody has heard its end, and its session lives.
    Running,
    /// It succeeded, and so did its transaction, where it shared one.
    Done {
        /// The server's tag.
        tag: String,
    },
    /// It succeeded, and its transaction is open.
    Uncommitted {
        /// The server's tag.
        tag: String,
    },
    /// It succeeded, and its transaction was rolled back.
    RolledBack {
        /// The server's tag, where it was heard.
        tag: Option<String>,
    },
    /// It failed, or was refused.
    Failed {
        /// The code of the error that the client saw.
        sqlstate: String,
    },
    /// Nobody has heard its end, and nobody will.
    Unknown {
        /// The server's tag, where only the end of its transaction is unknown.
        tag: Option<String>,
    },
}

/// A lost connection: what the statement did by then, nobody heard.
const UNHEARD: [&str; 2] = ["08006", "57P01"];

/// Whether an error of this code tells only that nobody heard how the statement ended.
#[must_use]
pub fn is_unheard(sqlstate: &str) -> bool {
    UNHEARD.contains(&sqlstate)
}

impl Standing {
    /// From what the store has. It shares its transaction with others; the session is over, or the process that wrote for it is.
    #[must_use]
    pub fn of(tag: Option<String>, sqlstate: Option<String>, fate: Option<&str>, shared: bool, is_over: bool) -> Self {
        match (tag, sqlstate, fate) {
            (tag, None, Some("rolled-back")) => Self::RolledBack { tag },
            (tag, None, Some("committed")) => Self::Done { tag: tag.unwrap_or_default() },
            (tag @ Some(_), None, Some("unknown")) => Self::Unknown { tag },
            (_, Some(sqlstate), Some("committed")) if UNHEARD.contains(&&*sqlstate) => Self::Done { tag: String::new() },
            (_, Some(sqlstate), Some("rolled-back")) if UNHEARD.contains(&&*sqlstate) => Self::RolledBack { tag: None },
            (_, Some(sqlstate), _) if sqlstate == "08006" => Self::Unknown { tag: None },
            (_, Some(sqlstate), _) => Self::Failed { sqlstate },
            (None, None, _) if is_over => Self::Unknown { tag: None },
            (None, None, _) => Self::Running,
            (Some(tag), None, _) if !shared => Self::Done { tag },
            (Some(tag), None, _) if !is_over => Self::Uncommitted { tag },
            (tag, None, _) => Self::Unknown { tag },
        }
    }

    /// In a few words.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Running => "running".into(),
            Self::Done { tag } if tag.is_empty() => "done".into(),
            Self::Done { tag } => tag.clone(),
            Self::Uncommitted { tag } => format!("{tag}, not committed yet"),
            Self::RolledBack { .. } => "rolled back".into(),
            Self::Failed { sqlstate } => format!("error {sqlstate}"),
            Self::Unknown { tag: None } => "outcome unknown".into(),
            Self::Unknown { tag: Some(tag) } => format!("{tag}, COMMIT unknown"),
        }
    }
}

/// A decision in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its number.
    pub id: DecisionId,
    /// When, in microseconds since 1970.
    pub at_unix_micros: i64,
    /// The session.
    pub session: String,
    /// Which of its transactions.
    pub transaction: i64,
    /// The client's address.
    pub client: String,
    /// The role that logged in.
    pub role: String,
    /// The database.
    pub database: String,
    /// `application_name`.
    pub application_name: Option<String>,
    /// The beginning of its SQL.
    pub head: String,
    /// `pass`, `refuse` …
    pub decision: String,
    /// The rules, with a comma between.
    pub rules: String,
    /// The relations that they were about, with a comma between.
    pub relations: String,
    /// What became of it.
    pub standing: Standing,
    /// How long it took, in microseconds.
    pub duration_micros: Option<i64>,
    /// How long what was sent ran itself, in microseconds; none where that was not measured.
    pub ran_micros: Option<i64>,
    /// The migration tool; none where it is not known.
    pub tool: Option<String>,
    /// The migration's version.
    pub version: Option<String>,
    /// The migration's name.
    pub name: Option<String>,
    /// `up`, `down`, `unknown`.
    pub direction: Option<String>,
    /// The tool began it, and has not said that it is done, or has said that it failed.
    pub unfinished: bool,
    /// The tool that it seemed to be of when it was decided.
    pub tool_guess: Option<String>,
}

/// One decision and all that followed: each with its number and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// The decision.
    pub listed: Listed,
    /// Its entries, and those of its transaction.
    pub events: Vec<(DecisionId, i64, Event)>,
}

impl Story {
    /// What was decided.
    #[must_use]
    pub fn record(&self) -> Option<&Record> {
        self.events.iter().find_map(|(_, _, event)| if let Event::Decision(record) = event { Some(&**record) } else { None })
    }
}

/// A migration in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The entry that says which statements belong to it.
    pub id: DecisionId,
    /// When its tool wrote the version, in microseconds since 1970.
    pub at_unix_micros: i64,
    /// Which, and by what.
    pub attribution: Attribution,
    /// How many statements had which decision.
    pub decisions: BTreeMap<String, u64>,
    /// What became of it.
    pub course: Course,
}

/// What became of a migration, by what became of its statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// All that is known of has taken effect.
    Applied,
    /// A statement has failed or was refused, or the tool has not said that it is done.
    Failed,
    /// It was rolled back.
    RolledBack,
    /// Something of it runs, or is not committed.
    Running,
    /// Nobody has heard the end of a statement.
    Unknown,
    /// It has committed, and what was left for after that is not done yet.
    WorkOpen,
    /// It has committed, and what was left for after that has failed: a person has to look at it.
    WorkFailed,
}

/// What is left of the work that the transactions of a migration were promised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Left {
    /// Nothing.
    #[default]
    Nothing,
    /// Some of it.
    Open,
    /// Some of it, which has failed.
    Failed,
}

/// A migration with all that it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// Which.
    pub applied: Applied,
    /// Its statements in order, with what was recorded of each.
    pub decisions: Vec<(Listed, Event)>,
    /// What is known of their transactions and of the work behind those: each with its number and its time.
    pub events: Vec<(DecisionId, i64, Event)>,
}

impl Course {
    /// In a word.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Failed => "failed",
            Self::RolledBack => "rolled back",
            Self::Running => "running",
            Self::Unknown => "unknown",
            Self::WorkOpen => "work after COMMIT open",
            Self::WorkFailed => "work after COMMIT failed",
        }
    }

    /// Tools try what failed again in the same migration: of a statement that is there a second time the last counts.
    fn of<'a>(unfinished: bool, left: Left, statements: impl Iterator<Item = &'a Listed>) -> Self {
        let mut last: BTreeMap<&str, &Standing> = BTreeMap::new();
        for statement in statements {
            last.insert(&statement.head, &statement.standing);
        }
        let any = |is: fn(&Standing) -> bool| last.values().any(|standing| is(standing));
        if left == Left::Failed {
            Self::WorkFailed
        } else if unfinished || any(|standing| matches!(standing, Standing::Failed { .. })) {
            Self::Failed
        } else if left == Left::Open {
            Self::WorkOpen
        } else if any(|standing| matches!(standing, Standing::RolledBack { .. })) {
            Self::RolledBack
        } else if any(|standing| matches!(standing, Standing::Running | Standing::Uncommitted { .. })) {
            Self::Running
        } else if any(|standing| matches!(standing, Standing::Unknown { .. })) {
            Self::Unknown
        } else {
            Self::Applied
        }
    }
}

impl Applied {
    /// With what is known of its statements, in order.
    pub fn of<'a>(
        id: DecisionId,
        at_unix_micros: i64,
        attribution: Attribution,
        left: Left,
        statements: impl Iterator<Item = &'a Listed> + Clone,
    ) -> Self {
        let mut decisions = BTreeMap::new();
        for statement in statements.clone() {
            *decisions.entry(statement.decision.clone()).or_default() += 1;
        }
        let course = Course::of(attribution.unfinished, left, statements);
        Self { id, at_unix_micros, attribution, decisions, course }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(head: &str, standing: Standing) -> Listed {
        Listed {
            id: DecisionId { writer: 1, seq: 1 },
            at_unix_micros: 0,
            session: "s".into(),
            transaction: 1,
            client: "c".into(),
            role: "r".into(),
            database: "d".into(),
            application_name: None,
            head: head.into(),
            decision: "pass".into(),
            rules: String::new(),
            relations: String::new(),
            standing,
            duration_micros: None,
            tool: None,
            version: None,
            name: None,
            direction: None,
            unfinished: false,
            tool_guess: None,
            ran_micros: None,
        }
    }

    #[test]
    fn a_migration_is_what_its_statements_and_the_work_behind_them_came_to() {
        let done = || listed("a", Standing::Done { tag: "A".into() });
        let failed = || listed("b", Standing::Failed { sqlstate: "PA001".into() });
        let of = |unfinished, left, statements: &[Listed]| Course::of(unfinished, left, statements.iter());
        assert_eq!(of(false, Left::Nothing, &[done()]), Course::Applied);
        assert_eq!(of(false, Left::Nothing, &[done(), failed()]), Course::Failed);
        assert_eq!(of(false, Left::Nothing, &[failed(), listed("b", Standing::Done { tag: "B".into() })]), Course::Applied, "tried again");
        assert_eq!(of(true, Left::Nothing, &[done()]), Course::Failed);
        assert_eq!((of(false, Left::Open, &[done()]), of(false, Left::Failed, &[done()])), (Course::WorkOpen, Course::WorkFailed));
        assert_eq!(of(false, Left::Nothing, &[done(), listed("c", Standing::RolledBack { tag: None })]), Course::RolledBack);
        assert_eq!(of(false, Left::Nothing, &[listed("c", Standing::Unknown { tag: None })]), Course::Unknown);
    }

    #[test]
    fn what_became_of_it_is_said_as_far_as_it_is_known() {
        let of = |tag: Option<&str>, sqlstate: Option<&str>, fate, shared, over| {
            Standing::of(tag.map(str::to_owned), sqlstate.map(str::to_owned), fate, shared, over).words()
        };
        let words = |tag, sqlstate, fate, over| of(tag, sqlstate, fate, false, over);
        assert_eq!(of(Some("CREATE TABLE"), None, None, true, false), "CREATE TABLE, not committed yet");
        assert_eq!(of(Some("CREATE TABLE"), None, None, true, true), "CREATE TABLE, COMMIT unknown");
        assert_eq!(of(Some("CREATE TABLE"), None, Some("committed"), true, true), "CREATE TABLE");
        assert_eq!(words(None, None, None, false), "running");
        assert_eq!(words(None, None, None, true), "outcome unknown");
        assert_eq!(words(None, None, Some("committed"), true), "done");
        assert_eq!(words(None, None, Some("rolled-back"), true), "rolled back");
        assert_eq!(words(Some("CREATE TABLE"), None, None, false), "CREATE TABLE");
        assert_eq!(words(Some("CREATE TABLE"), None, Some("rolled-back"), true), "rolled back");
        assert_eq!(words(Some("CREATE TABLE"), None, Some("unknown"), true), "CREATE TABLE, COMMIT unknown");
        assert_eq!(words(None, Some("PA001"), Some("rolled-back"), true), "error PA001");
        assert_eq!(words(None, Some("08006"), None, true), "outcome unknown");
        assert_eq!(words(None, Some("08006"), Some("committed"), true), "done");
    }
}
