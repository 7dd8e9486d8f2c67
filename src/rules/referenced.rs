//! The other side of a foreign key.

use std::collections::BTreeSet;

use crate::sql::name::RelationName;

use super::case::Case;
use super::target::{Standing, Target};

/// As written.
pub(super) struct Referenced<'a> {
    pub(super) table: &'a RelationName,
    pub(super) columns: &'a [String],
}

/// The types behind the domains of these columns, as far as they are known.
pub(super) fn types_of(target: &Target<'_>, columns: &[String]) -> Vec<Option<u32>> {
    columns.iter().map(|column| Some(target.facts?.column(column)?.base_oid)).collect()
}

impl Referenced<'_> {
    /// PostgreSQL can certainly compare it with columns of these types: otherwise it would say so only when the work on the partitions begins.
    pub(super) fn fits(&self, case: &Case<'_>, types: &[Option<u32>]) -> bool {
        let others = self.types(case);
        types.len() == others.len() && types.iter().zip(others).all(|(one, other)| go_together(*one, other))
    }

    /// It is there, and as far as it is known something is unique there that can be referred to: otherwise PostgreSQL would say so only when the work
    /// on the partitions begins.
    pub(super) fn is_key(&self, case: &Case<'_>) -> bool {
        let parent = case.target(self.table);
        let Some(facts) = parent.facts.filter(|_| !case.is_changed(&parent)) else { return parent.standing == Standing::New };
        let wanted: BTreeSet<&String> = self.columns.iter().collect();
        let fits = |key: &[String]| key.iter().collect::<BTreeSet<_>>() == wanted;
        let of_constraint = facts
            .constraints
            .iter()
            .any(|key| if wanted.is_empty() { key.kind == 'p' } else { ['p', 'u'].contains(&key.kind) && fits(&key.columns) });
        of_constraint || facts.indexes.iter().any(|index| index.unique && index.valid && index.plain && fits(&index.key))
    }

    /// It may not be able to compare it with a column of this type: both types are known.
    pub(super) fn clashes(&self, case: &Case<'_>, its_type: Option<u32>) -> bool {
        its_type.is_some() && self.types(case).first().is_some_and(|other| other.is_some() && !go_together(its_type, *other))
    }

    fn types(&self, case: &Case<'_>) -> Vec<Option<u32>> {
        let parent = case.target(self.table);
        let key = parent.facts.and_then(|facts| facts.constraints.iter().find(|key| key.kind == 'p')).map(|key| &*key.columns);
        types_of(&parent, if self.columns.is_empty() { key.unwrap_or_default() } else { self.columns })
    }
}

fn go_together(one: Option<u32>, other: Option<u32>) -> bool {
    let is_whole = |oid: u32| [INT2, INT4, INT8].contains(&oid);
    one.is_some() && (one == other || one.is_some_and(is_whole) && other.is_some_and(is_whole))
}

const INT2: u32 = 21;
const INT4: u32 = 23;
const INT8: u32 = 20;
