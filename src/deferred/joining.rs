//! A partition that joins its table without anybody's rows being read under a lock.
//!
//! What PostgreSQL would look for in the rows is proven beforehand: by a CHECK of the bounds on the table that joins, and by one of their opposite on
//! the default partition. Then the user's own statement reads nothing, and the CHECKs go. From the moment in which the partition has joined, its table
//! may put rows into it: so that is never taken back, and what is left is finished instead.

use serde::{Deserialize, Serialize};

use crate::sql::name::{Identifier, RelationName};

use super::operation::{Course, Operation, Try};
use super::search::Search;
use super::seen::Seen;
use super::step::{ErrorMapping, Step, Wait};

/// A CHECK that says of a table's rows what PostgreSQL would look for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The table, as the server resolved it.
    pub table: RelationName,
    /// The partition for whose sake it is there, as the server resolved it.
    pub partition: RelationName,
    /// The CHECK's name.
    pub constraint: String,
    /// What it says.
    pub expression: String,
    /// What PostgreSQL says of a row that does not fit.
    pub violated: String,
    /// How many tables get it.
    pub tables: u64,
}

/// The user's own statement, ATTACH PARTITION or CREATE TABLE … PARTITION OF.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// The partitioned table.
    pub table: RelationName,
    /// The same, as the server resolved it.
    pub of: RelationName,
    /// The partition, as the server resolved it, or would make it.
    pub partition: RelationName,
    /// The statement makes it.
    pub creates: bool,
    /// The columns that its bounds are about.
    pub columns: Vec<String>,
    /// How many tables are locked.
    pub tables: u64,
    /// The statement.
    pub sql: String,
}

/// What a table gets before it becomes a partition, so that nothing has to be built then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForJoin {
    /// The partition, as the server resolved it.
    pub partition: RelationName,
    /// What is done.
    pub operation: Box<Operation>,
}

/// What a brief statement takes for itself, once it has its locks (`deferred::partitions`).
const WORK_MS: u64 = 200;
/// More for each table.
const EACH_MS: u64 = 10;

fn bounded(sql: String, tables: u64) -> Step {
    Step { wait: Wait::Bounded(WORK_MS.saturating_add(EACH_MS.saturating_mul(tables))), ..Step::short(sql) }
}

impl Proof {
    fn add(&self) -> Step {
        let sql = format!("ALTER TABLE {} ADD CONSTRAINT {} CHECK ({}) NOT VALID", self.table, Identifier(&self.constraint), self.expression);
        bounded(sql, self.tables).undo(self.drop_if_exists())
    }

    fn validate(&self) -> Step {
        let violated = ErrorMapping { from: "23514", to: "23514", message: self.violated.clone() };
        Step::long(format!("ALTER TABLE {} VALIDATE CONSTRAINT {}", self.table, Identifier(&self.constraint))).errors(violated)
    }

    /// Takes it away, wherever the sequence stopped.
    #[must_use]
    pub fn drop_if_exists(&self) -> String {
        format!("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}", self.table, Identifier(&self.constraint))
    }

    /// What is told.
    pub(super) fn steps(&self) -> Vec<Step> {
        vec![self.add(), self.validate()]
    }

    pub(super) fn drop(&self) -> Step {
        bounded(format!("ALTER TABLE {} DROP CONSTRAINT {}", self.table, Identifier(&self.constraint)), self.tables)
    }

    pub(super) fn course(&self, seen: &Seen) -> Vec<Step> {
        match &seen.constraint {
            Some(check) if check.validated => Vec::new(),
            Some(_) => vec![self.validate()],
            None if seen.joined => Vec::new(),
            None => self.steps(),
        }
    }

    /// It goes, wherever it still is: forward and back alike.
    pub(super) fn without(&self, seen: &Seen) -> Vec<Step> {
        seen.constraint.iter().map(|_| self.drop()).collect()
    }

    /// How to look for a row that does not fit.
    pub(super) fn search(&self) -> Search {
        let sql = format!("SELECT '' FROM {} WHERE NOT ({}) LIMIT 1", self.table, self.expression);
        Search { sql, sqlstate: "23514", message: self.violated.clone() }
    }
}

impl Join {
    pub(super) fn step(&self) -> Step {
        bounded(self.sql.clone(), self.tables).settling()
    }

    pub(super) fn course(&self, seen: &Seen, tried: Try) -> Course {
        match &seen.partition {
            Some(partition) if tried != Try::First && partition.attached => Course::Steps(Vec::new()),
            None if tried != Try::First && !self.creates => Course::Gone,
            _ => Course::Steps(vec![self.step()]),
        }
    }
}

impl ForJoin {
    /// The parameters of [`super::seen::QUESTION`].
    pub(super) fn inquiry(&self) -> Vec<String> {
        let mut parameters = self.operation.inquiry();
        parameters.pop();
        parameters.push(self.partition.to_string());
        parameters
    }

    pub(super) fn course(&self, seen: &Seen, tried: Try) -> Course {
        if tried != Try::First && seen.joined { Course::Steps(Vec::new()) } else { self.operation.course(seen, tried) }
    }

    pub(super) fn way_back(&self, seen: &Seen) -> Course {
        if seen.joined { Course::Steps(Vec::new()) } else { self.operation.way_back(seen) }
    }
}

impl Operation {
    /// The same, for the sake of a table that is to become this partition.
    #[must_use]
    pub fn for_join(self, partition: &RelationName) -> Self {
        Self::ForJoin(ForJoin { partition: partition.clone(), operation: Box::new(self) })
    }

    /// The partition that is to join its table.
    #[must_use]
    pub fn joins(&self) -> Option<&RelationName> {
        match self {
            Self::Prove(proof) | Self::DropProof(proof) => Some(&proof.partition),
            Self::Join(join) => Some(&join.partition),
            Self::ForJoin(part) => Some(&part.partition),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::seen::{SeenConstraint, SeenIndex, SeenPartition};
    use super::*;

    const AGAIN: Try = Try::Again { cleaned: false };

    fn name(name: &str) -> RelationName {
        RelationName::qualified("s", name)
    }

    fn proof(table: &str) -> Proof {
        let (constraint, expression, violated) = ("__c".to_owned(), "id > 1".to_owned(), "no".to_owned());
        Proof { table: name(table), partition: name("c"), constraint, expression, violated, tables: 1 }
    }

    fn join(creates: bool) -> Operation {
        let (table, columns, sql) = (RelationName::unqualified("m"), vec!["id".to_owned()], "join it".to_owned());
        Operation::Join(Join { table, of: name("m"), partition: name("c"), creates, columns, tables: 2, sql })
    }

    fn seen(check: Option<bool>, joined: bool) -> Seen {
        let partition = Some(SeenPartition { attached: joined, ..SeenPartition::default() });
        Seen { table: Some(1), constraint: check.map(|validated| SeenConstraint { validated }), partition, joined, ..Seen::default() }
    }

    fn sql(course: Course) -> Vec<String> {
        match course {
            Course::Steps(steps) => steps.into_iter().map(|step| step.sql).collect(),
            other => vec![format!("{other:?}")],
        }
    }

    const ADD: &str = "ALTER TABLE s.c ADD CONSTRAINT __c CHECK (id > 1) NOT VALID";
    const VALIDATE: &str = "ALTER TABLE s.c VALIDATE CONSTRAINT __c";
    const DROP: &str = "ALTER TABLE s.c DROP CONSTRAINT __c";

    #[test]
    fn a_proof_is_there_until_the_partition_has_joined() {
        let (prove, forget) = (Operation::Prove(proof("c")), Operation::DropProof(proof("c")));
        for (seen, forward, rest, back) in [
            (seen(None, false), vec![ADD, VALIDATE], vec![], vec![]),
            (seen(Some(false), false), vec![VALIDATE], vec![DROP], vec![DROP]),
            (seen(Some(true), false), vec![], vec![DROP], vec![DROP]),
            (seen(Some(true), true), vec![], vec![DROP], vec![DROP]),
            (seen(None, true), vec![], vec![], vec![]),
        ] {
            assert_eq!(sql(prove.course(&seen, AGAIN)), forward, "{seen:?}");
            assert_eq!(sql(forget.course(&seen, AGAIN)), rest, "{seen:?}");
            assert_eq!(
                (sql(prove.way_back(&seen)), sql(forget.way_back(&seen))),
                (back.clone().into_iter().map(str::to_owned).collect(), back.into_iter().map(str::to_owned).collect()),
                "{seen:?}"
            );
        }
        assert!(prove.is_fresh(&seen(None, false)) && !prove.is_fresh(&seen(Some(true), false)));
        assert_eq!(prove.inquiry().get(8).map(String::as_str), Some("s.c"));
    }

    #[test]
    fn who_has_joined_stays() {
        for creates in [false, true] {
            let join = join(creates);
            assert_eq!(sql(join.course(&seen(None, false), AGAIN)), ["join it"]);
            assert_eq!(sql(join.course(&seen(None, true), AGAIN)), [""; 0]);
            assert_eq!(sql(join.course(&seen(None, true), Try::First)), ["join it"], "the server says that it is one");
            assert_eq!(sql(join.way_back(&seen(None, true))), [""; 0]);
            let gone = Seen { partition: None, ..seen(None, false) };
            assert_eq!(sql(join.course(&gone, AGAIN)), [if creates { "join it" } else { "Gone" }]);
        }
    }

    #[test]
    fn what_was_built_for_it_stays_with_it() {
        let create = super::super::operation::CreateIndex {
            table: name("c"),
            index: Some(name("i")),
            unique: false,
            key: None,
            whole: true,
            nulls_not_distinct: false,
            sql: "build".into(),
        };
        let build = Operation::CreateIndex(create).for_join(&name("c"));
        let index = Some(SeenIndex { on_table: true, valid: true, ..SeenIndex::default() });
        let built = |joined| Seen { index: index.clone(), ..seen(None, joined) };
        assert_eq!(sql(build.way_back(&built(false))), ["DROP INDEX CONCURRENTLY IF EXISTS s.i"]);
        assert_eq!(sql(build.way_back(&built(true))), [""; 0]);
        assert_eq!(sql(build.course(&seen(None, true), AGAIN)), [""; 0]);
        let text = serde_json::to_string(&build).unwrap();
        assert_eq!(serde_json::from_str::<Operation>(&text).unwrap(), build);
    }
}
