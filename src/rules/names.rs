//! The names of the constraints that one ALTER TABLE adds: the user's, or those that PostgreSQL would choose.

use std::collections::BTreeSet;

use crate::sql::naming;
use crate::sql::statement::{AlterAction, AlterTable, Constraint, ConstraintKind, Unique};

use super::case::Case;
use super::target::{Among, Target};
use super::unique;

/// The name of a constraint.
pub(super) fn of(case: &Case<'_>, alter: &AlterTable, target: &Target<'_>, constraint: &Constraint) -> String {
    let before = || Names { case, alter, target, taken: BTreeSet::new() }.before(constraint);
    constraint.name.clone().unwrap_or_else(|| before().chosen(constraint))
}

/// What else a foreign key takes, beside its name: one for each partition of the table that it refers to, before 18.
pub(super) fn beside(case: &Case<'_>, alter: &AlterTable, target: &Target<'_>, constraint: &Constraint) -> Vec<String> {
    let mut names = Names { case, alter, target, taken: BTreeSet::new() }.before(constraint);
    names.taken.insert(constraint.name.clone().unwrap_or_else(|| names.chosen(constraint)));
    names.of_partitions(constraint)
}

/// The names that the NOT NULL of new columns would have (18), which PostgreSQL chooses behind all others.
pub(super) fn of_new_columns<'n>(alter: &'n AlterTable, target: &'n Target<'n>) -> impl Iterator<Item = String> + 'n {
    alter.commands.iter().filter_map(|command| match &command.action {
        AlterAction::AddColumn(column) if column.not_null => {
            let is_taken = |name: &str| target.is_taken(name, Among::Constraints);
            Some(naming::choose(table(alter, target), std::slice::from_ref(&column.column), "not_null", &is_taken))
        }
        _ => None,
    })
}

/// The table, as its constraints are named after it.
pub(super) fn table<'a>(alter: &'a AlterTable, target: &Target<'a>) -> &'a str {
    target.facts.map_or(alter.relation.name.as_str(), |facts| facts.name.as_str())
}

/// Of more names than these in one statement it is not followed which are taken: the server will say that they collide.
const MOST_NAMES: usize = 500;

/// The names that earlier commands of the statement take.
struct Names<'n> {
    case: &'n Case<'n>,
    alter: &'n AlterTable,
    target: &'n Target<'n>,
    taken: BTreeSet<String>,
}

impl Names<'_> {
    fn before(mut self, constraint: &Constraint) -> Self {
        for earlier in in_order(self.alter).into_iter().take_while(|other| !std::ptr::eq(*other, constraint)) {
            if self.taken.len() >= MOST_NAMES {
                break;
            }
            let name = earlier.name.clone().unwrap_or_else(|| self.chosen(earlier));
            self.taken.insert(name);
            let beside = self.of_partitions(earlier);
            self.taken.extend(beside);
        }
        self
    }

    fn chosen(&self, constraint: &Constraint) -> String {
        match &constraint.kind {
            // PostgreSQL names a CHECK after its column when there is exactly one.
            ConstraintKind::Check { columns, .. } => self.choose(if columns.len() == 1 { columns } else { &[] }, "check"),
            ConstraintKind::ForeignKey { columns, .. } => self.choose(columns, "fkey"),
            ConstraintKind::Unique(key) => self.key(key),
            ConstraintKind::UsingIndex { index, .. } => index.clone(),
            ConstraintKind::Exclude => self.choose(&[], "excl"),
            ConstraintKind::NotNull { column } => self.choose(std::slice::from_ref(column), "not_null"),
        }
    }

    fn choose(&self, columns: &[String], suffix: &str) -> String {
        let among = if suffix == "excl" { Among::Both } else { Among::Constraints };
        let is_taken = |name: &str| self.target.is_taken(name, among) || self.taken.contains(name);
        naming::choose(table(self.alter, self.target), columns, suffix, &is_taken)
    }

    /// What a lost build of this key left behind gives its name back.
    fn key(&self, key: &Unique) -> String {
        // A column that is there twice is numbered, as in an index.
        let columns = if key.primary { Vec::new() } else { naming::distinct([&key.columns[..], &key.including].concat().into_iter()) };
        let is_there = |name: &str| self.target.is_taken(name, Among::Both) && !unique::is_left_over(self.target, key, name);
        let is_taken = |name: &str| self.taken.contains(name) || is_there(name);
        naming::choose(table(self.alter, self.target), &columns, if key.primary { "pkey" } else { "key" }, &is_taken)
    }

    /// Before 18 the constraint for each partition of the other side is named as the whole would be; from then on after the whole (measured).
    fn of_partitions(&self, constraint: &Constraint) -> Vec<String> {
        let ConstraintKind::ForeignKey { references, columns, .. } = &constraint.kind else { return Vec::new() };
        let referred = self.case.target(references).facts.filter(|_| !self.case.at_least(18));
        let mut taken = Names { taken: self.taken.clone(), ..*self };
        let mut next = |_| {
            let name = taken.choose(columns, "fkey");
            taken.taken.insert(name.clone());
            name
        };
        (0..referred.map_or(0, |facts| facts.partitions.len()).min(MOST_NAMES)).map(&mut next).collect()
    }
}

/// As PostgreSQL comes to them: keys first, then what stands in a new column, then the others (measured).
fn in_order(alter: &AlterTable) -> Vec<&Constraint> {
    let all = alter.commands.iter().flat_map(|command| match &command.action {
        AlterAction::AddConstraint(constraint) => vec![(2, constraint)],
        AlterAction::AddColumn(column) => column.constraints.iter().map(|inline| (1, &inline.constraint)).collect(),
        _ => Vec::new(),
    });
    let is_key =
        |constraint: &Constraint| matches!(constraint.kind, ConstraintKind::Unique(_) | ConstraintKind::UsingIndex { .. } | ConstraintKind::Exclude);
    let mut ordered: Vec<_> = all.map(|(pass, constraint)| (if is_key(constraint) { 0 } else { pass }, constraint)).collect();
    ordered.sort_by_key(|(pass, _)| *pass);
    ordered.into_iter().map(|(_, constraint)| constraint).collect()
}
