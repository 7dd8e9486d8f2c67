//! Work on a partitioned table: partition by partition, where nobody waits for it; then one brief statement on the table itself, which takes over
//! what the partitions have.

use serde::{Deserialize, Serialize};

use crate::sql::name::{Identifier, RelationName};

use super::operation::{Course, Operation, Try};
use super::seen::Seen;
use super::step::{Step, Wait};

/// An operation on one partition, for the sake of the table that it is a part of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnPartition {
    /// The name of the index or constraint that will take it over: without that one it is not wanted.
    pub part_of: String,
    /// What is done.
    pub operation: Box<Operation>,
}

/// The statement on the partitioned table itself: PostgreSQL takes what fits of the partitions' own, and has nothing left to build or to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopt {
    /// The partitioned table.
    pub table: RelationName,
    /// What it gets.
    pub object: Object,
    /// The columns that it is about, as far as they are known.
    pub columns: Vec<String>,
    /// How many partitions there were: each is locked.
    pub partitions: u64,
    /// The statement.
    pub sql: String,
    /// Names of constraints that PostgreSQL gives besides: a foreign key has one for each partition of the table that it refers to.
    #[serde(default)]
    pub beside: Vec<String>,
}

/// What a partitioned table gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Object {
    /// An index.
    Index(RelationName),
    /// A constraint of this name.
    Constraint(String),
}

/// What the statement itself takes at most, once it has its locks: what waits for the locks of a whole tree stops whoever wants one of them, so they
/// are bounded together (`session::runner`).
const WORK_MS: u64 = 200;
/// More for each partition: its entries in the catalog.
const EACH_MS: u64 = 10;

impl Operation {
    /// The same, for the sake of an index or constraint of the whole table.
    #[must_use]
    pub fn on_partition(self, part_of: &str) -> Self {
        Self::OnPartition(OnPartition { part_of: part_of.to_owned(), operation: Box::new(self) })
    }

    /// What is done, whatever for.
    #[must_use]
    pub fn own(&self) -> &Self {
        match self {
            Self::OnPartition(part) => part.operation.own(),
            Self::ForJoin(part) => part.operation.own(),
            operation => operation,
        }
    }

    /// The index or constraint of a partitioned table that it makes, or helps to make.
    #[must_use]
    pub fn part_of(&self) -> Option<&str> {
        match self {
            Self::OnPartition(part) => Some(&part.part_of),
            Self::Adopt(adopt) => Some(adopt.name()),
            _ => None,
        }
    }
}

impl Adopt {
    /// A constraint of this name, by this statement.
    #[must_use]
    pub fn constraint(table: &RelationName, name: String, columns: Vec<String>, partitions: usize, sql: String) -> Self {
        let partitions = u64::try_from(partitions).unwrap_or(u64::MAX);
        Self { table: table.clone(), object: Object::Constraint(name), columns, partitions, sql, beside: Vec::new() }
    }

    /// The same, where names are given besides.
    #[must_use]
    pub fn beside(self, beside: Vec<String>) -> Self {
        Self { beside, ..self }
    }

    /// The name of what the table gets.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.object {
            Object::Index(index) => &index.name,
            Object::Constraint(name) => name,
        }
    }

    /// Takes it away, and with it what it has taken over.
    #[must_use]
    pub fn drop(&self) -> String {
        match &self.object {
            Object::Index(index) => format!("DROP INDEX IF EXISTS {index}"),
            Object::Constraint(name) => format!("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}", self.table, Identifier(name)),
        }
    }

    pub(super) fn step(&self) -> Step {
        let wait = Wait::Bounded(WORK_MS.saturating_add(EACH_MS.saturating_mul(self.partitions)));
        Step { wait, ..Step::short(&*self.sql) }.undo(self.drop())
    }

    pub(super) fn course(&self, seen: &Seen, tried: Try) -> Course {
        let done = tried != Try::First && self.is_there(seen);
        Course::Steps(if done { Vec::new() } else { vec![self.step()] })
    }

    pub(super) fn is_there(&self, seen: &Seen) -> bool {
        match &self.object {
            Object::Index(_) => seen.index.as_ref().is_some_and(|index| index.on_table && index.valid),
            Object::Constraint(_) => seen.constraint.is_some(),
        }
    }

    /// Nothing has its name.
    pub(super) fn is_free(&self, seen: &Seen) -> bool {
        match &self.object {
            Object::Index(_) => seen.index.is_none(),
            Object::Constraint(_) => seen.constraint.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::operation::AttachKey;
    use super::super::seen::{SeenConstraint, SeenIndex};
    use super::*;

    const AGAIN: Try = Try::Again { cleaned: false };

    fn adopt(object: Object) -> Operation {
        let (table, sql) = (RelationName::unqualified("m"), "make it".to_owned());
        Operation::Adopt(Adopt { table, object, columns: Vec::new(), partitions: 3, sql, beside: Vec::new() })
    }

    fn seen(valid: Option<bool>) -> Seen {
        let index = valid.map(|valid| SeenIndex { on_table: true, valid, ..SeenIndex::default() });
        Seen { table: Some(1), index, ..Seen::default() }
    }

    fn sql(course: Course) -> Vec<String> {
        let Course::Steps(steps) = course else { panic!("{course:?}") };
        steps.into_iter().map(|step| step.sql).collect()
    }

    #[test]
    fn an_index_is_taken_over_once_and_taken_back_with_all_of_it() {
        let adopt = adopt(Object::Index(RelationName::qualified("s", "n")));
        assert_eq!(sql(adopt.course(&seen(None), Try::First)), ["make it"]);
        assert_eq!(sql(adopt.course(&seen(Some(true)), AGAIN)), [""; 0]);
        assert_eq!(sql(adopt.course(&seen(Some(false)), AGAIN)), ["make it"], "one that waits for partitions is somebody else's");
        assert_eq!(sql(adopt.way_back(&seen(Some(true)))), ["DROP INDEX IF EXISTS s.n"]);
        assert_eq!(sql(adopt.way_back(&seen(None))), [""; 0]);
        assert!(adopt.is_fresh(&seen(None)) && !adopt.is_fresh(&seen(Some(false))));
    }

    #[test]
    fn a_constraint_is_taken_over_once() {
        let adopt = adopt(Object::Constraint("K".into()));
        let there = Seen { constraint: Some(SeenConstraint { validated: true }), ..seen(None) };
        assert_eq!(sql(adopt.course(&there, AGAIN)), [""; 0]);
        assert_eq!(sql(adopt.course(&there, Try::First)), ["make it"], "the server refuses the second of a name");
        assert_eq!(sql(adopt.way_back(&there)), ["ALTER TABLE m DROP CONSTRAINT IF EXISTS \"K\""]);
    }

    #[test]
    fn what_is_done_on_a_partition_is_done_as_elsewhere() {
        let attach =
            AttachKey { table: RelationName::unqualified("leaf"), only: false, constraint: "k".into(), columns: Vec::new(), sql: "attach".into() };
        let own = Operation::AttachKey(attach);
        let part = own.clone().on_partition("whole");
        assert_eq!((part.own(), part.part_of(), own.part_of()), (&own, Some("whole"), None));
        assert_eq!((part.steps(), part.inquiry(), part.name(), part.table()), (own.steps(), own.inquiry(), own.name(), own.table()));
        assert_eq!(part.course(&seen(None), AGAIN), own.course(&seen(None), AGAIN));
        let text = serde_json::to_string(&part).unwrap();
        assert_eq!(serde_json::from_str::<Operation>(&text).unwrap(), part);
    }
}
