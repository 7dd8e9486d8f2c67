//! The tables below a partitioned one: where the work is, and the names that things on them get.

use crate::catalog::facts::{NameBeside, OwnIndex, PartitionFacts};
use crate::sql::name::RelationName;
use crate::sql::naming;

use super::case::Case;
use super::natively;
use super::target::{Among, Target};

/// A partitioned table whose partitions are known.
pub(super) struct Tree<'a> {
    target: &'a Target<'a>,
    partitions: &'a [PartitionFacts],
    taken: &'a [NameBeside],
}

/// A partition with rows, and the name that its index or constraint gets.
pub(super) struct Leaf {
    pub(super) table: RelationName,
    pub(super) name: String,
}

/// What PostgreSQL looks for on a partition before it builds there, as far as it can be told whether it finds it.
pub(super) struct Wanted<'w> {
    /// The columns of the key; none when there is an expression among them.
    pub(super) key: Option<&'w [String]>,
    pub(super) including: &'w [String],
    pub(super) unique: bool,
    /// It backs a constraint of this kind.
    pub(super) constraint: Option<char>,
    /// See [`OwnIndex::ordinary`].
    pub(super) ordinary: bool,
}

/// What a partition has for an index that its table is to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Has {
    Nothing,
    /// PostgreSQL takes this one over.
    It,
    /// It may, or may not.
    Perhaps,
}

impl<'a> Tree<'a> {
    /// Of a target, unless an earlier statement of the string may have changed it.
    pub(super) fn of(case: &Case<'_>, target: &'a Target<'a>) -> Option<Self> {
        let facts =
            target.facts.filter(|facts| facts.kind == 'p' && facts.has_children != facts.partitions.is_empty() && !case.is_changed(target))?;
        Some(Self { target, partitions: &facts.partitions, taken: &facts.partition_names })
    }

    /// How many tables are below it.
    pub(super) fn len(&self) -> usize {
        self.partitions.len()
    }

    /// A foreign table below it.
    pub(super) fn foreign(&self) -> Option<&'a PartitionFacts> {
        self.partitions.iter().find(|partition| partition.kind == 'f')
    }

    /// What belongs to another role cannot be worked on by itself, although the owner of the whole may alter it with the whole.
    pub(super) fn work_on_each(&self) -> Result<(), String> {
        match self.own().find(|partition| partition.of_another_role) {
            Some(partition) => Err(format!("{} belongs to another role", partition.qualified())),
            None => Ok(()),
        }
    }

    /// A partition that is partitioned by something that this key has not, so that it cannot be unique there.
    pub(super) fn not_unique_on(&self, key: Option<&[String]>) -> Option<&'a PartitionFacts> {
        self.own().find(|partition| partition.partition_key.as_ref().is_some_and(|by| !covers(key, by)))
    }

    /// Everything below it that is no foreign table.
    pub(super) fn own(&self) -> impl Iterator<Item = &'a PartitionFacts> {
        self.partitions.iter().filter(|partition| partition.kind != 'f')
    }

    /// Those that have rows.
    pub(super) fn leaves(&self) -> impl Iterator<Item = &'a PartitionFacts> {
        self.own().filter(|partition| partition.kind == 'r')
    }

    /// Where an index has to be built, each under the name that PostgreSQL would choose there while the table's own has `whole`.
    ///
    /// # Errors
    /// Why it cannot be told what PostgreSQL would do.
    pub(super) fn to_build(&self, wanted: &Wanted<'_>, whole: &str, columns: &[String], suffix: &str) -> Result<Vec<Leaf>, String> {
        let mut named: Vec<RelationName> = vec![self.target.name.sibling(whole)];
        let mut leaves = Vec::new();
        for facts in self.own() {
            match wanted.found_on(facts) {
                (Has::It, _) if facts.kind == 'r' => continue,
                // What a partitioned partition has is taken over with all that is below it.
                (Has::It | Has::Perhaps, index) => {
                    return Err(format!("it is not certain whether PostgreSQL would take over the index {index} of {}", facts.qualified()));
                }
                (Has::Nothing, _) => {}
            }
            let table = facts.qualified();
            let among = if wanted.constraint.is_some() { Among::Both } else { Among::Relations };
            let is_taken = |name: &str| self.is_taken(&table, name, among) || named.first() == Some(&table.sibling(name));
            let name = naming::choose(&facts.name, columns, suffix, &is_taken);
            if named.contains(&table.sibling(&*name)) {
                return Err(format!("the name {name} would be given to more than one partition, and which one gets it is not certain"));
            }
            named.push(table.sibling(&*name));
            if facts.kind == 'r' {
                leaves.push(Leaf { table, name });
            }
        }
        Ok(leaves)
    }

    /// Unknown is free: the server will say.
    fn is_taken(&self, beside: &RelationName, name: &str, among: Among) -> bool {
        let awaited = self.target.deferred.iter().any(|deferred| deferred.operation.gives(name));
        let counts = |taken: &&NameBeside| among == Among::Both || taken.by_relation;
        awaited || self.taken.iter().filter(counts).any(|taken| Some(&taken.schema) == beside.schema.as_ref() && taken.name == name)
    }
}

/// PostgreSQL refuses this index or key of a partitioned table as soon as it looks at it: its name is there, a column is not, or it cannot be unique.
pub(super) fn is_refused(case: &Case<'_>, target: &Target<'_>, name: Option<&str>, key: Option<&[String]>, unique: bool) -> bool {
    let Some(facts) = natively::certain(case, target).filter(|facts| facts.kind == 'p') else { return false };
    let is_there = facts.indexes.iter().any(|index| name == Some(&index.name));
    let lacks = key.unwrap_or_default().iter().any(|column| case.lacks(target, column));
    let not_unique = unique && facts.partition_key.as_ref().is_some_and(|by| !covers(key, by));
    is_there || lacks || not_unique
}

/// A unique key must have every column by which the table is partitioned, and none may be an expression.
fn covers(key: Option<&[String]>, by: &[String]) -> bool {
    key.is_some_and(|key| by.iter().all(|column| key.contains(column)))
}

impl Wanted<'_> {
    /// What there is of it, and its name.
    fn found_on<'p>(&self, partition: &'p PartitionFacts) -> (Has, &'p str) {
        let has = partition.indexes.iter().map(|index| (self.compare(index), index.name.as_str()));
        has.max_by_key(|(has, _)| *has).unwrap_or((Has::Nothing, ""))
    }

    fn compare(&self, index: &OwnIndex) -> Has {
        // A constraint takes over constraints alone; what is no constraint takes over both.
        if self.unique != index.unique || self.constraint.is_some() && index.constraint.is_none() {
            return Has::Nothing;
        }
        match (self.key, self.ordinary, index.ordinary) {
            (Some(key), ..) if key != index.key || *self.including != *index.including => Has::Nothing,
            (Some(_), true, true) if index.valid && (self.constraint.is_none() || self.constraint == index.constraint) => Has::It,
            (_, true, false) | (_, false, true) => Has::Nothing,
            _ => Has::Perhaps,
        }
    }
}
