//! The pieces of work that no transaction can hold, each with the steps that do it from whatever there is of it already.
//!
//! An operation is data: it is kept in the store over a COMMIT, and rendered only when it runs. What of it is the user's own text (a definition of
//! an index) is one statement of a known kind, and is read again before it runs.

use serde::{Deserialize, Serialize};

use crate::sql::name::{Identifier, RelationName};

use super::detach::Detach;
use super::drop_table::{DropForeignKey, DropTable};
use super::joining::{ForJoin, Join, Proof};
use super::partitions::{Adopt, Object, OnPartition};
use super::search::Search;
use super::seen::{Seen, SeenIndex};
use super::step::{Debris, ErrorMapping, Step};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Operation {
    /// A concurrent build.
    CreateIndex(CreateIndex),
    /// A constraint that takes over a finished unique index.
    AttachKey(AttachKey),
    /// A constraint that is, or is to be, NOT VALID.
    Validate(Validate),
    /// NOT NULL by a CHECK that proves it (before 18).
    SetNotNull(SetNotNull),
    /// A concurrent drop.
    DropIndex(DropIndex),
    /// A concurrent rebuild.
    Reindex(Reindex),
    /// Any of these on one partition, for the whole table's sake.
    OnPartition(OnPartition),
    /// What a partitioned table takes over from its partitions.
    Adopt(Adopt),
    /// A partition that leaves its table, concurrently.
    Detach(Detach),
    /// The CHECK that stays on a partition that has left so.
    DropBounds(Detach),
    /// A foreign key that goes before its table.
    DropForeignKey(DropForeignKey),
    /// Tables whose foreign keys are gone.
    DropTable(DropTable),
    /// A CHECK that proves what a new partition demands.
    Prove(Proof),
    /// Any of these on a table that is to become a partition.
    ForJoin(ForJoin),
    /// A table that becomes a partition.
    Join(Join),
    /// The CHECK is not needed any more.
    DropProof(Proof),
}

/// See [`Operation::CreateIndex`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateIndex {
    /// The table.
    pub table: RelationName,
    /// The index as the server resolves it, where its name is certain.
    pub index: Option<RelationName>,
    /// UNIQUE.
    pub unique: bool,
    /// The columns of its key, where it has nothing else.
    pub key: Option<Vec<String>>,
    /// It has no predicate.
    pub whole: bool,
    /// NULLS NOT DISTINCT.
    pub nulls_not_distinct: bool,
    /// `CREATE INDEX CONCURRENTLY …`.
    pub sql: String,
}

/// See [`Operation::AttachKey`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachKey {
    /// The table.
    pub table: RelationName,
    /// ONLY stands before it.
    pub only: bool,
    /// The constraint's name.
    pub constraint: String,
    /// The columns of the key, where they are known.
    pub columns: Vec<String>,
    /// `ALTER TABLE … ADD CONSTRAINT … USING INDEX …`.
    pub sql: String,
}

/// See [`Operation::Validate`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validate {
    /// The table.
    pub table: RelationName,
    /// ONLY stands before it.
    pub only: bool,
    /// The constraint's name.
    pub constraint: String,
    /// What it is.
    pub class: Class,
    /// The statement itself adds it, NOT VALID.
    pub in_place: bool,
    /// `ALTER TABLE … ADD CONSTRAINT … NOT VALID`; none where it was there before.
    pub add: Option<String>,
    /// How to look for rows that it does not allow, before anything is done.
    #[serde(skip)]
    pub search: Option<Search>,
}

/// Kinds of constraints that can be NOT VALID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// CHECK.
    Check,
    /// FOREIGN KEY.
    ForeignKey,
    /// NOT NULL (18).
    NotNull,
    /// One that was there before: which kind is not known.
    Existing,
}

/// See [`Operation::SetNotNull`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetNotNull {
    /// The table.
    pub table: RelationName,
    /// ONLY stands before it.
    pub only: bool,
    /// The column.
    pub column: String,
    /// The name of the CHECK that proves it.
    pub helper: String,
    /// The statement itself adds the CHECK, NOT VALID.
    pub in_place: bool,
    /// The column was NOT NULL before (in the parent of an inheritance tree, say): that is not to be taken back.
    pub was_not_null: bool,
}

/// See [`Operation::DropIndex`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropIndex {
    /// The index's table.
    pub table: RelationName,
    /// The index.
    pub index: RelationName,
    /// `DROP INDEX CONCURRENTLY …`.
    pub sql: String,
}

/// See [`Operation::Reindex`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reindex {
    /// The table, where it is one index or one table.
    pub table: Option<RelationName>,
    /// The index, and its oid before: the rebuilt one is another.
    pub index: Option<(RelationName, u32)>,
    /// `REINDEX … CONCURRENTLY …`.
    pub sql: String,
}

/// How often an operation was tried before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Try {
    /// Never: what stands in its way is the server's to refuse, as it would refuse the original.
    First,
    /// It was promised, or begun: what is there may be its own work.
    Again {
        /// It failed, and what it had left was cleaned up.
        cleaned: bool,
    },
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Course {
    /// These steps; none when it is done.
    Steps(Vec<Step>),
    /// Another session is at it: look again later.
    Wait,
    /// What it was about is gone: there is nothing left to do.
    Gone,
}

impl Operation {
    /// The steps where nothing of it is there yet: what people are told.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        match self {
            Self::CreateIndex(create) => vec![create.build()],
            Self::AttachKey(attach) => vec![attach.step()],
            Self::Validate(validate) => validate.steps(!validate.in_place),
            Self::SetNotNull(set) if set.in_place => set.proving(),
            Self::SetNotNull(set) => std::iter::once(set.add()).chain(set.proving()).collect(),
            Self::DropIndex(drop) => vec![Step::long(&*drop.sql).debris(Debris::HalfDropped(drop.index.clone()))],
            Self::Reindex(reindex) => vec![reindex.step()],
            Self::OnPartition(part) => part.operation.steps(),
            Self::Adopt(adopt) => vec![adopt.step()],
            Self::Detach(detach) => vec![detach.step()],
            // Its name is PostgreSQL's choice.
            Self::DropBounds(_) => Vec::new(),
            Self::DropForeignKey(drop) => vec![drop.step()],
            Self::DropTable(drop) => vec![drop.step()],
            Self::Prove(proof) => proof.steps(),
            Self::ForJoin(part) => part.operation.steps(),
            Self::Join(join) => vec![join.step()],
            Self::DropProof(proof) => vec![proof.drop()],
        }
    }

    /// The steps where its table is there and nothing else of it.
    #[must_use]
    pub fn anew(&self, tried: Try) -> Vec<Step> {
        match self.course(&Seen { table: Some(0), ..Seen::default() }, tried) {
            Course::Steps(steps) => steps,
            Course::Wait | Course::Gone => self.steps(),
        }
    }

    /// The table whose indexes it rebuilds, as the question for what an earlier run has left of that asks for it; empty for all.
    #[must_use]
    pub fn rebuilds(&self) -> Option<String> {
        let Self::Reindex(reindex) = self else { return None };
        Some(reindex.table.as_ref().map(ToString::to_string).unwrap_or_default())
    }

    /// The table that it works on.
    #[must_use]
    pub fn table(&self) -> Option<&RelationName> {
        match self {
            Self::CreateIndex(CreateIndex { table, .. })
            | Self::AttachKey(AttachKey { table, .. })
            | Self::Validate(Validate { table, .. })
            | Self::SetNotNull(SetNotNull { table, .. })
            | Self::DropIndex(DropIndex { table, .. })
            | Self::Adopt(Adopt { table, .. })
            | Self::Detach(Detach { table, .. })
            | Self::DropBounds(Detach { table, .. })
            | Self::Prove(Proof { table, .. })
            | Self::Join(Join { table, .. })
            | Self::DropProof(Proof { table, .. })
            | Self::DropForeignKey(DropForeignKey { table, .. }) => Some(table),
            Self::OnPartition(part) => part.operation.table(),
            Self::ForJoin(part) => part.operation.table(),
            Self::Reindex(reindex) => reindex.table.as_ref(),
            Self::DropTable(drop) => drop.tables.first().map(|table| &table.name),
        }
    }

    /// What of it is there can be told by its names: only then can it wait, and be taken up again.
    #[must_use]
    pub fn can_be_found(&self) -> bool {
        match self {
            Self::CreateIndex(create) => create.index.is_some(),
            Self::Reindex(reindex) => reindex.table.is_some(),
            Self::OnPartition(part) => part.operation.can_be_found(),
            Self::ForJoin(part) => part.operation.can_be_found(),
            Self::AttachKey(_)
            | Self::Validate(_)
            | Self::SetNotNull(_)
            | Self::DropIndex(_)
            | Self::Adopt(_)
            | Self::Detach(_)
            | Self::DropBounds(_)
            | Self::DropForeignKey(_)
            | Self::DropTable(_)
            | Self::Prove(_)
            | Self::Join(_)
            | Self::DropProof(_) => true,
        }
    }

    /// This table goes with it.
    #[must_use]
    pub fn drops(&self, table: &RelationName) -> bool {
        matches!(self, Self::DropTable(drop) if drop.names(table))
    }

    /// PostgreSQL takes what it makes away together with this column of its table.
    #[must_use]
    pub fn goes_with_column(&self, column: &str) -> bool {
        self.columns().iter().any(|name| name == column)
    }

    /// The name that it gives, or takes, beside its table or on it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::CreateIndex(create) => create.index.as_ref().map(|index| &*index.name),
            Self::AttachKey(attach) => Some(&attach.constraint),
            Self::Validate(validate) => Some(&validate.constraint),
            Self::SetNotNull(set) => Some(&set.helper),
            Self::DropIndex(drop) => Some(&drop.index.name),
            Self::OnPartition(part) => part.operation.name(),
            Self::ForJoin(part) => part.operation.name(),
            Self::Prove(proof) | Self::DropProof(proof) => Some(&proof.constraint),
            Self::Join(join) => Some(&join.partition.name),
            Self::Adopt(adopt) => Some(adopt.name()),
            Self::Detach(detach) | Self::DropBounds(detach) => Some(&detach.partition.name),
            Self::DropForeignKey(drop) => Some(&drop.constraint),
            Self::Reindex(_) | Self::DropTable(_) => None,
        }
    }

    /// It is about something of this name, or gives the name besides.
    #[must_use]
    pub fn gives(&self, name: &str) -> bool {
        self.name() == Some(name) || matches!(self.own(), Self::Adopt(adopt) if adopt.beside.iter().any(|other| other == name))
    }

    /// A primary key that takes over its index.
    #[must_use]
    pub fn is_primary_key(&self) -> bool {
        matches!(self, Self::AttachKey(key) if key.is_primary())
    }

    /// The parameters of [`super::seen::QUESTION`].
    #[must_use]
    pub fn inquiry(&self) -> Vec<String> {
        let table = self.table().map(ToString::to_string).unwrap_or_default();
        let (index, constraint, column) = match self {
            Self::CreateIndex(create) => (create.index.as_ref().map(ToString::to_string), None, None),
            Self::AttachKey(attach) => (None, Some(&attach.constraint), None),
            Self::Validate(validate) => (None, Some(&validate.constraint), None),
            Self::SetNotNull(set) => (None, Some(&set.helper), Some(&set.column)),
            Self::DropIndex(drop) => (Some(drop.index.to_string()), None, None),
            Self::Reindex(reindex) => (reindex.index.as_ref().map(|(index, _)| index.to_string()), None, None),
            Self::Adopt(Adopt { object: Object::Index(index), .. }) => (Some(index.to_string()), None, None),
            Self::Adopt(Adopt { object: Object::Constraint(name), .. }) => (None, Some(name), None),
            Self::DropForeignKey(drop) => (None, Some(&drop.constraint), None),
            Self::Prove(proof) | Self::DropProof(proof) => (None, Some(&proof.constraint), None),
            Self::DropTable(_) | Self::Detach(_) | Self::DropBounds(_) | Self::Join(_) => (None, None, None),
            Self::OnPartition(part) => return part.operation.inquiry(),
            Self::ForJoin(part) => return part.inquiry(),
        };
        let others = match self {
            Self::DropForeignKey(drop) => drop.others(),
            Self::DropTable(drop) => drop.others(),
            _ => Vec::new(),
        };
        let (partition, checks) = self.partition();
        let text = |value: Option<&String>| value.cloned().unwrap_or_default();
        let joining = self.joins().map(ToString::to_string).unwrap_or_default();
        let (columns, others, checks) = (json(self.columns()), json(&others), json(checks));
        vec![table, index.unwrap_or_default(), text(constraint), text(column), columns, others, partition, checks, joining]
    }

    /// A partition that is to leave its table, and the CHECKs that it has of its own.
    fn partition(&self) -> (String, &[String]) {
        match self {
            Self::Detach(detach) | Self::DropBounds(detach) => (detach.partition.to_string(), &detach.checks),
            Self::Join(join) => (join.partition.to_string(), &[]),
            _ => (String::new(), &[]),
        }
    }

    /// The columns that it cannot do without, as far as they are known.
    fn columns(&self) -> &[String] {
        match self {
            Self::CreateIndex(create) => create.key.as_deref().unwrap_or_default(),
            Self::SetNotNull(set) => std::slice::from_ref(&set.column),
            Self::AttachKey(attach) => &attach.columns,
            Self::Adopt(adopt) => &adopt.columns,
            Self::Detach(detach) | Self::DropBounds(detach) => &detach.columns,
            Self::Join(join) => &join.columns,
            Self::OnPartition(part) => part.operation.columns(),
            Self::ForJoin(part) => part.operation.columns(),
            Self::Prove(_) | Self::DropProof(_) => &[],
            Self::Validate(_) | Self::DropIndex(_) | Self::Reindex(_) | Self::DropForeignKey(_) | Self::DropTable(_) => &[],
        }
    }

    /// What is to be done, from what there is.
    #[must_use]
    pub fn course(&self, seen: &Seen, tried: Try) -> Course {
        let gone = self.table().is_some() && (seen.table.is_none() || seen.lacks_column);
        // What drops is at its end where nothing is.
        let drops = matches!(self, Self::DropForeignKey(_) | Self::DropTable(_));
        if tried != Try::First && gone && !drops {
            return Course::Gone;
        }
        match self {
            Self::CreateIndex(create) => create.course(seen, tried),
            Self::AttachKey(_) if tried != Try::First && seen.constraint.is_some() => Course::Steps(Vec::new()),
            Self::AttachKey(attach) => Course::Steps(vec![attach.step()]),
            Self::Validate(validate) => validate.course(seen, tried),
            Self::SetNotNull(set) => Course::Steps(set.course(seen, tried)),
            Self::DropIndex(_) if tried != Try::First && seen.index.is_none() => Course::Steps(Vec::new()),
            Self::DropIndex(_) => Course::Steps(self.steps()),
            Self::Reindex(reindex) => reindex.course(seen, tried),
            Self::OnPartition(part) => part.operation.course(seen, tried),
            Self::Adopt(adopt) => adopt.course(seen, tried),
            Self::Detach(detach) => detach.course(seen, tried),
            Self::DropBounds(detach) => detach.without_bounds(seen),
            Self::DropForeignKey(drop) => drop.course(seen, tried),
            Self::DropTable(drop) => Course::Steps(drop.course(seen, tried)),
            Self::Prove(proof) => Course::Steps(proof.course(seen)),
            Self::ForJoin(part) => part.course(seen, tried),
            Self::Join(join) => join.course(seen, tried),
            Self::DropProof(proof) => Course::Steps(proof.without(seen)),
        }
    }

    /// What must not stay when it has failed: a CHECK that is NOT VALID refuses updates of old rows that have nothing to do with it (facts:
    /// postgres, "End states"). Taking away what is not there is no error.
    #[must_use]
    pub fn clean_up(&self) -> Option<String> {
        match self {
            Self::Validate(validate) if matches!(validate.class, Class::Check | Class::NotNull) => Some(validate.drop()),
            Self::SetNotNull(set) => Some(set.drop_if_exists()),
            Self::Prove(proof) | Self::DropProof(proof) => Some(proof.drop_if_exists()),
            Self::OnPartition(part) => part.operation.clean_up(),
            Self::ForJoin(part) => part.operation.clean_up(),
            _ => None,
        }
    }
}

impl CreateIndex {
    /// Takes the index away, wherever its build stopped.
    #[must_use]
    pub fn drop(&self) -> Option<String> {
        self.index.as_ref().map(|index| format!("DROP INDEX CONCURRENTLY IF EXISTS {index}"))
    }

    fn build(&self) -> Step {
        let debris = self.index.clone().map(Debris::Index);
        Step { debris, undo: self.drop(), ..Step::long(&*self.sql) }
    }

    fn course(&self, seen: &Seen, tried: Try) -> Course {
        let steps = match (&seen.index, self.drop()) {
            (None, _) => vec![self.build()],
            (Some(index), Some(drop)) if index.on_table && index.abandoned => vec![Step::long(drop), self.build()],
            (Some(index), _) if tried != Try::First && index.on_table && !index.valid => return Course::Wait,
            (Some(index), _) if tried != Try::First && self.is(index) => Vec::new(),
            // Somebody else's: the server refuses to make another of that name, and nothing of it is ours to remove.
            (Some(_), _) => vec![Step::long(&*self.sql)],
        };
        Course::Steps(steps)
    }

    /// The index that was found is the one that was promised, as far as that can be told without building another.
    pub(super) fn is(&self, found: &SeenIndex) -> bool {
        found.on_table && found.unique == self.unique && self.key.as_ref().is_none_or(|key| *key == found.key)
    }
}

impl AttachKey {
    /// It is a primary key.
    #[must_use]
    pub fn is_primary(&self) -> bool {
        self.sql.contains(&format!(" ADD CONSTRAINT {} PRIMARY KEY USING INDEX ", Identifier(&self.constraint)))
    }

    /// Takes the constraint away, and its index with it.
    #[must_use]
    pub fn drop(&self) -> String {
        drop_constraint(&self.table, self.only, &self.constraint)
    }

    fn step(&self) -> Step {
        Step::short(&*self.sql).undo(self.drop())
    }
}

impl Validate {
    fn step(&self) -> Step {
        Step::long(format!("ALTER TABLE {} VALIDATE CONSTRAINT {}", self.table, Identifier(&self.constraint)))
    }

    /// Takes the constraint away.
    #[must_use]
    pub fn drop(&self) -> String {
        drop_constraint(&self.table, self.only, &self.constraint)
    }

    fn steps(&self, adding: bool) -> Vec<Step> {
        let add = self.add.as_ref().filter(|_| adding).map(|add| Step::short(&**add).undo(self.drop()));
        add.into_iter().chain([self.step()]).collect()
    }

    fn course(&self, seen: &Seen, tried: Try) -> Course {
        Course::Steps(match (&seen.constraint, tried) {
            (_, Try::First) => self.steps(!self.in_place),
            (Some(constraint), Try::Again { .. }) if constraint.validated => Vec::new(),
            (Some(_), Try::Again { .. }) => self.steps(false),
            (None, Try::Again { cleaned }) if cleaned || !self.in_place => self.steps(true),
            (None, Try::Again { .. }) => return Course::Gone,
        })
    }
}

impl SetNotNull {
    /// `ALTER TABLE t`, with ONLY where the user wrote it.
    fn table_sql(&self) -> String {
        alter_table(&self.table, self.only)
    }

    /// The command that adds the CHECK.
    #[must_use]
    pub fn add_command(&self) -> String {
        // What is said of the parent alone is not to reach its children, and a CHECK must, or say that it does not.
        let inherit = if self.only { " NO INHERIT" } else { "" };
        format!("ADD CONSTRAINT {} CHECK ({} IS NOT NULL){inherit} NOT VALID", Identifier(&self.helper), Identifier(&self.column))
    }

    /// Takes the CHECK away, wherever the sequence stopped.
    #[must_use]
    pub fn drop_if_exists(&self) -> String {
        drop_constraint(&self.table, self.only, &self.helper)
    }

    fn add(&self) -> Step {
        Step::short(format!("{} {}", self.table_sql(), self.add_command())).undo(self.drop_if_exists())
    }

    /// SET NOT NULL itself.
    #[must_use]
    pub fn set(&self) -> Step {
        let column = Identifier(&self.column);
        let set = Step::short(format!("{} ALTER COLUMN {column} SET NOT NULL", self.table_sql()));
        if self.was_not_null { set } else { set.undo(format!("{} ALTER COLUMN {column} DROP NOT NULL", self.table_sql())) }
    }

    fn drop(&self) -> Step {
        Step::short(format!("{} DROP CONSTRAINT {}", self.table_sql(), Identifier(&self.helper)))
    }

    /// VALIDATE, SET NOT NULL, DROP CONSTRAINT. A NULL is told as PostgreSQL tells it.
    fn proving(&self) -> Vec<Step> {
        let violated = ErrorMapping {
            from: "23514",
            to: "23502",
            message: format!("column \"{}\" of relation \"{}\" contains null values", self.column, self.table.name),
        };
        let validate = Step::long(format!("ALTER TABLE {} VALIDATE CONSTRAINT {}", self.table, Identifier(&self.helper)));
        vec![validate.errors(violated), self.set(), self.drop()]
    }

    fn course(&self, seen: &Seen, tried: Try) -> Vec<Step> {
        match &seen.constraint {
            Some(check) if check.validated && seen.not_null && !self.was_not_null => vec![self.drop()],
            Some(check) if check.validated => vec![self.set(), self.drop()],
            Some(_) => self.proving(),
            None if tried != Try::First && seen.not_null && !self.was_not_null => Vec::new(),
            None => std::iter::once(self.add()).chain(self.proving()).collect(),
        }
    }
}

impl Reindex {
    fn step(&self) -> Step {
        Step::long(&*self.sql).debris(Debris::Rebuilt(self.table.clone()))
    }

    fn course(&self, seen: &Seen, tried: Try) -> Course {
        let rebuilt = match (&self.index, &seen.index) {
            (Some((_, before)), Some(now)) => now.valid && now.oid != *before,
            (Some(_), None) => return if tried == Try::First { Course::Steps(vec![self.step()]) } else { Course::Gone },
            (None, _) => false,
        };
        Course::Steps(if tried != Try::First && rebuilt { Vec::new() } else { vec![self.step()] })
    }
}

fn json(list: &[String]) -> String {
    serde_json::to_string(list).unwrap_or_else(|_| "[]".to_owned())
}

/// `ALTER TABLE t`, with ONLY where the user wrote it.
fn alter_table(table: &RelationName, only: bool) -> String {
    format!("ALTER TABLE {}{table}", if only { "ONLY " } else { "" })
}

/// DROP CONSTRAINT of what a later step may have dropped already.
fn drop_constraint(table: &RelationName, only: bool, constraint: &str) -> String {
    format!("{} DROP CONSTRAINT IF EXISTS {}", alter_table(table, only), Identifier(constraint))
}

#[cfg(test)]
#[path = "operation_tests.rs"]
mod tests;
