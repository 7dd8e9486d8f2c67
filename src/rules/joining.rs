//! What has to be done before a table becomes a partition, so that nothing is read or built then.

use crate::catalog::joining::{DefaultPartition, JoiningFacts, SameIndex, WantedIndex, WantedKey};
use crate::deferred::joining::{Join, Proof};
use crate::deferred::operation::{AttachKey, Class, CreateIndex, Operation, Validate};
use crate::sql::name::{Identifier, RelationName};
use crate::sql::statement::Bound;
use crate::sql::{naming, parse, rewrite};

use super::alter::OURS;
use super::bounds::Bounds;
use super::proven;
use super::target::{Among, Target};

/// A partition and the table that gets it.
pub(super) struct Joining<'a> {
    pub(super) parent: &'a Target<'a>,
    /// As the statement names it.
    pub(super) written: &'a RelationName,
    pub(super) facts: &'a JoiningFacts,
    pub(super) bound: &'a Bound,
    /// As the server resolves it, or will.
    pub(super) partition: RelationName,
    /// The table, where it is there before and its rows would be read.
    pub(super) child: Option<&'a Target<'a>>,
    /// The default partition, where its rows would be read.
    pub(super) default: Option<&'a DefaultPartition>,
}

impl Joining<'_> {
    /// Everything, the statement itself included.
    ///
    /// # Errors
    /// Why there is no way.
    pub(super) fn operations(&self, creates: bool, sql: &str) -> Result<Vec<Operation>, String> {
        let mut operations = match self.child {
            Some(child) => self.built(child)?,
            None => Vec::new(),
        };
        let proofs = self.proofs()?;
        operations.extend(proofs.iter().cloned().map(Operation::Prove));
        operations.push(Operation::Join(Join {
            table: self.written.clone(),
            of: self.parent.name.clone(),
            partition: self.partition.clone(),
            creates,
            columns: self.facts.keys.iter().map(|key| key.column.clone()).filter(|column| !column.is_empty()).collect(),
            tables: 2 + self.child.map_or(0, below) + self.default.map_or(0, |default| default.below),
            sql: sql.to_owned(),
        }));
        operations.extend(proofs.into_iter().map(Operation::DropProof));
        Ok(operations)
    }

    /// The CHECKs that leave nothing to be read.
    pub(super) fn proofs(&self) -> Result<Vec<Proof>, String> {
        let bounds = Bounds::of(self.facts);
        let mut proofs = Vec::new();
        if let Some(child) = self.child
            && let Some(expression) = bounds.inside(self.bound)?
            && !proven::by_checks(&expression, &self.facts.checks, child)
        {
            let taken = |name: &str| child.facts.is_some_and(|facts| facts.constraints.iter().any(|constraint| constraint.name == name));
            let violated = format!("partition constraint of relation \"{}\" is violated by some row", self.partition.name);
            proofs.push(self.proof(&self.partition, &taken, expression, violated, 1 + below(child)));
        }
        if let Some(default) = self.default {
            let taken = |name: &str| default.constraints.iter().any(|constraint| constraint == name);
            let violated = format!("updated partition constraint for default partition \"{}\" would be violated by some row", default.name);
            proofs.push(self.proof(&default.qualified(), &taken, bounds.outside(self.bound)?, violated, default.below));
        }
        Ok(proofs)
    }

    fn proof(&self, table: &RelationName, taken: &dyn Fn(&str) -> bool, expression: String, violated: String, tables: u64) -> Proof {
        let awaited = |name: &str| self.parent.deferred.iter().any(|deferred| deferred.operation.gives(name));
        let constraint = naming::choose(&format!("{OURS}{}", table.name), &[], "bounds", &|name| taken(name) || awaited(name));
        Proof { table: table.clone(), partition: self.partition.clone(), constraint, expression, violated, tables }
    }

    /// The table that joins has everything already: nothing is read and nothing built.
    pub(super) fn is_prepared(&self, child: &Target<'_>) -> bool {
        let proven = match Bounds::of(self.facts).inside(self.bound) {
            Ok(Some(expression)) => proven::by_checks(&expression, &self.facts.checks, child),
            Ok(None) => true,
            Err(_) => false,
        };
        proven && self.built(child).is_ok_and(|missing| missing.is_empty())
    }

    /// The indexes and foreign keys that the table has and the partition has not.
    fn built(&self, child: &Target<'_>) -> Result<Vec<Operation>, String> {
        let mut operations = Vec::new();
        let (mut names, mut found): (Vec<String>, Vec<&str>) = (Vec::new(), Vec::new());
        for index in &self.facts.indexes {
            match taken_over(index)? {
                Some(same) if found.contains(&&*same.name) => {
                    return Err(format!("it is not certain for which index of {} PostgreSQL would take over {}", self.parent.name, same.name));
                }
                Some(same) => found.push(&same.name),
                None => {
                    let name = self.name(child, index, &names);
                    operations.extend(self.index(child, index, &name)?);
                    names.push(name);
                }
            }
        }
        for key in self.facts.foreign_keys.iter().filter(|key| !key.there) {
            operations.push(self.foreign_key(child, key)?);
        }
        Ok(operations.into_iter().map(|operation| operation.for_join(&self.partition)).collect())
    }

    /// The one that PostgreSQL would choose.
    fn name(&self, child: &Target<'_>, index: &WantedIndex, names: &[String]) -> String {
        let (columns, suffix, among) = match index.constraint {
            Some('p') => (&[][..], "pkey", Among::Both),
            Some(_) => (&*index.names, "key", Among::Both),
            None => (&*index.names, "idx", Among::Relations),
        };
        naming::choose(&self.partition.name, columns, suffix, &|name| child.is_taken(name, among) || names.iter().any(|taken| taken == name))
    }

    fn index(&self, child: &Target<'_>, index: &WantedIndex, name: &str) -> Result<Vec<Operation>, String> {
        let backs_a_key = index.constraint.is_some();
        if child.is_partitioned() {
            return Err(format!("{} is partitioned itself, and lacks an index like {}", self.partition, index.name));
        }
        if index.placed || backs_a_key && (index.constraint == Some('x') || !index.definition.contains(" USING btree (")) {
            return Err(format!("{} lacks an index like {}, which cannot be built beforehand", self.partition, index.name));
        }
        let sql = definition_on(&index.definition, &self.partition, name).ok_or_else(|| format!("the index {} is not understood", index.name))?;
        let build = Operation::CreateIndex(CreateIndex {
            table: self.partition.clone(),
            index: Some(self.partition.sibling(name)),
            unique: index.unique,
            key: Some(index.key.clone()).filter(|key| key.iter().all(|column| !column.is_empty())),
            whole: !index.partial,
            nulls_not_distinct: index.nulls_not_distinct,
            sql,
        });
        let key = backs_a_key.then(|| self.key(index, name));
        Ok(std::iter::once(build).chain(key).collect())
    }

    /// The constraint that takes the index.
    fn key(&self, index: &WantedIndex, name: &str) -> Operation {
        let (quoted, kind) = (Identifier(name), if index.constraint == Some('p') { "PRIMARY KEY" } else { "UNIQUE" });
        let deferral = match (index.deferrable, index.deferred) {
            (_, true) => " DEFERRABLE INITIALLY DEFERRED",
            (true, false) => " DEFERRABLE",
            (false, false) => "",
        };
        let sql = format!("ALTER TABLE {} ADD CONSTRAINT {quoted} {kind} USING INDEX {quoted}{deferral}", self.partition);
        Operation::AttachKey(AttachKey { table: self.partition.clone(), only: false, constraint: name.to_owned(), columns: index.key.clone(), sql })
    }

    fn foreign_key(&self, child: &Target<'_>, key: &WantedKey) -> Result<Operation, String> {
        if child.is_partitioned() {
            return Err(format!("{} is partitioned itself, and lacks the foreign key {}", self.partition, key.name));
        }
        if key.alike {
            return Err(format!("it is not certain whether PostgreSQL would take over a foreign key of {} for {}", self.partition, key.name));
        }
        let definition = key.definition.as_ref().ok_or_else(|| format!("the foreign key {} refers to its own table", key.name))?;
        let add = format!("ALTER TABLE {} ADD CONSTRAINT {} {definition} NOT VALID", self.partition, Identifier(&key.name));
        Ok(Operation::Validate(Validate {
            table: self.partition.clone(),
            only: false,
            constraint: key.name.clone(),
            class: Class::ForeignKey,
            in_place: false,
            add: Some(add),
            search: None,
        }))
    }
}

/// How many tables are below it.
fn below(target: &Target<'_>) -> u64 {
    target.facts.map_or(0, |facts| u64::try_from(facts.partitions.len()).unwrap_or(u64::MAX))
}

/// The index of the joining table that PostgreSQL takes for one of the partitioned table's: the first that it finds. A constraint takes over
/// constraints alone; some versions look at their kind, and some do not.
fn taken_over(index: &WantedIndex) -> Result<Option<&SameIndex>, String> {
    let first = index.same.iter().find(|same| index.constraint.is_none() || same.constraint.is_some());
    match first {
        Some(same) if !same.valid || index.constraint.is_some() && same.constraint != index.constraint => {
            Err(format!("it is not certain whether PostgreSQL would take over the index {} for {}", same.name, index.name))
        }
        first => Ok(first),
    }
}

/// The server's own definition of an index, as that of an index of another table.
fn definition_on(definition: &str, table: &RelationName, name: &str) -> Option<String> {
    let script = parse::script(definition, definition.len()).ok()?;
    let [parsed] = script.statements.as_slice() else { return None };
    rewrite::create_index_on(definition, parsed, table, name).ok()
}
