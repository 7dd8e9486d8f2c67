//! A statement outside of any transaction, in several steps: it ends as a whole, or leaves nothing.
//!
//! While its steps run it is a promise, too: whoever dies in the midst, the next session of its role takes back what is there of it, as the
//! server would have done with the original; or goes on with it, when the same statement comes again.
//!
//! Only what was not there before it began is taken back. So nothing is promised where one of its names is taken: then the server refuses it.

use serde::{Deserialize, Serialize};

use super::operation::{Course, Operation, Reindex, SetNotNull, Try};
use super::seen::Seen;
use super::step::Step;

/// What a promise keeps of it besides its operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whole {
    /// As the client sent it.
    pub sql: String,
    /// The part that ran before its operations, as one statement.
    pub first: Option<FirstPart>,
}

/// See [`Whole::first`]. It counts as the first of the operations that are done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstPart {
    /// What was run.
    pub sql: String,
    /// What takes it back.
    pub undo: Option<String>,
    /// A column that its operations need was not there before it.
    pub makes_columns: bool,
}

impl FirstPart {
    /// What is kept of such a step.
    #[must_use]
    pub fn of(step: &Step, makes_columns: bool) -> Self {
        Self { sql: step.sql.clone(), undo: step.undo.clone(), makes_columns }
    }

    /// The step.
    #[must_use]
    pub fn step(&self) -> Step {
        Step { undo: self.undo.clone(), ..Step::short(&*self.sql) }
    }

    /// It has run: what is there of this operation came with it. That it has not cannot be told by every operation.
    #[must_use]
    pub fn shows_in(&self, operation: &Operation, seen: &Seen) -> bool {
        let in_place = match operation {
            Operation::Validate(validate) => validate.in_place,
            Operation::SetNotNull(set) => set.in_place,
            Operation::CreateIndex(_)
            | Operation::AttachKey(_)
            | Operation::DropIndex(_)
            | Operation::Reindex(_)
            | Operation::OnPartition(_)
            | Operation::Adopt(_)
            | Operation::Detach(_)
            | Operation::DropBounds(_)
            | Operation::DropForeignKey(_)
            | Operation::DropTable(_) => false,
        };
        in_place && seen.constraint.is_some() || self.makes_columns && seen.table.is_some() && !seen.lacks_column
    }
}

impl Operation {
    /// Nothing of that name is there: what is found later is its own work. Or what it drops is there, so that what is missing later is.
    #[must_use]
    pub fn is_fresh(&self, seen: &Seen) -> bool {
        match self {
            Self::CreateIndex(_) => seen.index.as_ref().is_none_or(|index| index.on_table && index.abandoned),
            Self::AttachKey(_) => seen.constraint.is_none(),
            Self::Validate(validate) => validate.add.is_none() || seen.constraint.is_none(),
            Self::SetNotNull(set) => seen.not_null == set.was_not_null && (!set.in_place || seen.constraint.is_none()),
            Self::DropIndex(_) | Self::Reindex(_) | Self::Detach(_) | Self::DropBounds(_) | Self::DropTable(_) => true,
            Self::OnPartition(part) => part.operation.is_fresh(seen),
            Self::Adopt(adopt) => adopt.is_free(seen),
            Self::DropForeignKey(drop) => drop.is_there(seen),
        }
    }

    /// All of it is there.
    #[must_use]
    pub fn is_complete(&self, seen: &Seen) -> bool {
        matches!(self.course(seen, Try::Again { cleaned: false }), Course::Steps(steps) if steps.is_empty())
    }

    /// What takes back what is there of it. An index that was being dropped stays, as does what was being rebuilt.
    #[must_use]
    pub fn way_back(&self, seen: &Seen) -> Course {
        if self.table().is_some() && seen.table.is_none() {
            return Course::Gone;
        }
        Course::Steps(match self {
            Self::CreateIndex(create) => match (seen.index.as_ref().filter(|index| index.on_table), create.drop()) {
                (Some(index), Some(drop)) if index.abandoned || index.valid && create.is(index) => vec![Step::long(drop)],
                (Some(index), Some(_)) if !index.valid => return Course::Wait,
                _ => Vec::new(),
            },
            Self::AttachKey(attach) => seen.constraint.iter().map(|_| Step::short(attach.drop())).collect(),
            Self::Validate(validate) if validate.add.is_some() => seen.constraint.iter().map(|_| Step::short(validate.drop())).collect(),
            Self::SetNotNull(set) => set.way_back(seen),
            // What has begun to leave cannot stay.
            Self::Detach(detach) => detach.finalize(seen).into_iter().collect(),
            Self::DropBounds(detach) => return detach.without_bounds(seen),
            Self::OnPartition(part) => return part.operation.way_back(seen),
            Self::Adopt(adopt) => {
                if adopt.is_there(seen) {
                    vec![Step::short(adopt.drop())]
                } else {
                    Vec::new()
                }
            }
            Self::DropForeignKey(drop) => return drop.way_back(seen),
            Self::Validate(_) | Self::DropIndex(_) | Self::Reindex(Reindex { .. }) | Self::DropTable(_) => Vec::new(),
        })
    }
}

impl SetNotNull {
    fn way_back(&self, seen: &Seen) -> Vec<Step> {
        let nullable = self.set().undo.filter(|_| seen.not_null);
        let without_helper = seen.constraint.as_ref().map(|_| self.drop_if_exists());
        nullable.into_iter().chain(without_helper).map(Step::short).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::operation::{AttachKey, CreateIndex};
    use super::super::seen::{SeenConstraint, SeenIndex};
    use super::*;
    use crate::sql::name::RelationName;

    fn create() -> Operation {
        Operation::CreateIndex(CreateIndex {
            table: RelationName::unqualified("t"),
            index: Some(RelationName::unqualified("i")),
            unique: true,
            key: Some(vec!["a".into()]),
            whole: true,
            nulls_not_distinct: false,
            sql: "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)".into(),
        })
    }

    fn set_not_null(was_not_null: bool) -> Operation {
        let (table, column, helper) = (RelationName::unqualified("t"), "a".to_owned(), "h".to_owned());
        Operation::SetNotNull(SetNotNull { table, only: false, column, helper, in_place: false, was_not_null })
    }

    fn seen(index: Option<(bool, bool)>) -> Seen {
        let index = index.map(|(valid, abandoned)| SeenIndex {
            on_table: true,
            valid,
            abandoned,
            unique: true,
            key: vec!["a".into()],
            ..SeenIndex::default()
        });
        Seen { table: Some(1), index, ..Seen::default() }
    }

    fn back(operation: &Operation, seen: &Seen) -> Vec<String> {
        match operation.way_back(seen) {
            Course::Steps(steps) => steps.into_iter().map(|step| step.sql).collect(),
            other => vec![format!("{other:?}")],
        }
    }

    #[test]
    fn an_index_is_taken_back_finished_or_not_unless_somebody_builds_it() {
        let drop = ["DROP INDEX CONCURRENTLY IF EXISTS i"];
        assert_eq!(back(&create(), &seen(Some((true, false)))), drop);
        assert_eq!(back(&create(), &seen(Some((false, true)))), drop);
        assert_eq!(back(&create(), &seen(Some((false, false)))), ["Wait"]);
        assert!(back(&create(), &seen(None)).is_empty());
        assert_eq!(back(&create(), &Seen::default()), ["Gone"]);
    }

    #[test]
    fn not_null_is_taken_back_only_where_it_is_new() {
        let check = Some(SeenConstraint { validated: true });
        let now = Seen { constraint: check, not_null: true, ..seen(None) };
        assert_eq!(back(&set_not_null(false), &now), ["ALTER TABLE t ALTER COLUMN a DROP NOT NULL", "ALTER TABLE t DROP CONSTRAINT IF EXISTS h"]);
        assert_eq!(back(&set_not_null(true), &now), ["ALTER TABLE t DROP CONSTRAINT IF EXISTS h"]);
        assert!(set_not_null(false).is_fresh(&seen(None)) && !set_not_null(false).is_fresh(&now) && set_not_null(true).is_fresh(&now));
    }

    #[test]
    fn a_first_part_that_ran_shows_in_what_needs_it() {
        let first = |makes_columns| FirstPart { sql: "sql".into(), undo: None, makes_columns };
        let lacking = Seen { lacks_column: true, ..seen(None) };
        assert!(first(true).shows_in(&create(), &seen(None)) && !first(true).shows_in(&create(), &lacking));
        assert!(!first(false).shows_in(&create(), &seen(None)));
        let Operation::SetNotNull(set) = set_not_null(false) else { panic!("another") };
        let in_place = Operation::SetNotNull(SetNotNull { in_place: true, ..set });
        let helped = Seen { constraint: Some(SeenConstraint { validated: false }), ..seen(None) };
        assert!(first(false).shows_in(&in_place, &helped) && !first(false).shows_in(&in_place, &seen(None)));
        assert!(in_place.is_fresh(&seen(None)) && !in_place.is_fresh(&helped));
    }

    #[test]
    fn what_has_a_name_that_is_taken_is_not_fresh() {
        let attach = Operation::AttachKey(AttachKey {
            table: RelationName::unqualified("t"),
            only: false,
            constraint: "k".into(),
            columns: vec!["a".into()],
            sql: String::new(),
        });
        let taken = Seen { constraint: Some(SeenConstraint { validated: true }), ..seen(Some((true, false))) };
        assert!(create().is_fresh(&seen(None)) && create().is_fresh(&seen(Some((false, true)))));
        assert!(!create().is_fresh(&taken) && !attach.is_fresh(&taken) && attach.is_fresh(&seen(None)));
        assert!(create().is_complete(&taken) && attach.is_complete(&taken) && !attach.is_complete(&seen(None)));
    }
}
