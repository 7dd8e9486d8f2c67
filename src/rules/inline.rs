//! Constraints written beside the column that ADD COLUMN adds: taken out of it and added one by one, where they would scan or build.

use crate::deferred::operation::{Class, Operation};
use crate::deferred::partitions::Adopt;
use crate::sql::name::Identifier;
use crate::sql::rewrite::{self, Command, Meaning};
use crate::sql::statement::{AddColumn, AlterAction, AlterCommand, AlterTable, Constraint, ConstraintKind, InlineConstraint};

use super::case::Case;
use super::names;
use super::referenced::Referenced;
use super::rule::Rewrite;
use super::target::Target;
use super::tree::Tree;
use super::{alter, unique};

/// ADD COLUMN on a relation where work hurts.
pub(super) struct Addition<'a> {
    pub(super) statement: &'a AlterTable,
    pub(super) command: &'a AlterCommand,
    pub(super) column: &'a AddColumn,
    pub(super) target: Target<'a>,
    /// No B-tree sorts its type by itself: the server refuses a key on it at once.
    unsorted: bool,
}

impl<'a> Addition<'a> {
    /// Of a case, unless nothing is added or nobody is hurt.
    pub(super) fn of(case: &Case<'a>) -> Option<Self> {
        let (statement, command) = case.command?;
        let AlterAction::AddColumn(column) = &command.action else { return None };
        let target = case.target(&statement.relation);
        let known = target.facts.is_some_and(|facts| facts.column(&column.column).is_some());
        let exists = column.if_not_exists && known && !case.is_changed(&target) && statement.commands.len() == 1;
        let unsorted = case.type_facts(&column.type_name).is_some_and(|facts| facts.unsorted);
        (!target.bears_work() && !exists).then_some(Self { statement, command, column, target, unsorted })
    }

    /// `public.t.c`, for people.
    pub(super) fn label(&self) -> String {
        format!("{}.{}", self.target.name, Identifier(&self.column.column))
    }

    /// The default puts a value into existing rows.
    pub(super) fn fills(&self) -> bool {
        self.column.default.as_ref().is_some_and(|default| !default.null)
    }

    /// The constraint cannot stay beside the column: it reads rows or builds an index.
    fn is_apart(&self, constraint: &Constraint) -> bool {
        match &constraint.kind {
            ConstraintKind::Check { .. } => !constraint.not_valid,
            ConstraintKind::ForeignKey { .. } => !constraint.not_valid && self.fills(),
            ConstraintKind::Unique(key) => !key.primary && !self.unsorted,
            ConstraintKind::UsingIndex { .. } | ConstraintKind::Exclude | ConstraintKind::NotNull { .. } => false,
        }
    }

    /// The first constraint of a kind that cannot stay beside the column.
    pub(super) fn apart(&self, kind: impl Fn(&ConstraintKind) -> bool) -> Option<&'a InlineConstraint> {
        self.column.constraints.iter().find(|inline| kind(&inline.constraint.kind) && self.is_apart(&inline.constraint))
    }

    /// The column without what is added apart, and these steps afterwards. The same remainder for each rule, so that several agree.
    pub(super) fn rewrite(&self, case: &Case<'_>, then: Vec<Operation>) -> Rewrite {
        let undo = format!("{} DROP COLUMN {}", alter::table(self.statement), Identifier(&self.column.column));
        Rewrite { instead: Some(self.remainder(case)), undo: Some(undo), then }
    }

    fn remainder(&self, case: &Case<'_>) -> Command {
        let apart = self.column.constraints.iter().filter(|inline| self.is_apart(&inline.constraint));
        let places: Vec<_> = apart.map(|inline| inline.span.clone()).collect();
        // What cannot be taken out is found to mean something else when the statement is composed.
        let sql = rewrite::without(case.text, &self.command.span, &places).unwrap_or_else(|_| case.slice(&self.command.span).to_owned());
        Command { sql, meaning: Meaning::Without(places) }
    }

    /// Every constraint of a kind, added NOT VALID and validated.
    pub(super) fn validated(&self, case: &Case<'_>, kind: impl Fn(&ConstraintKind) -> bool) -> Option<Vec<Operation>> {
        let mut operations = Vec::new();
        for inline in self.column.constraints.iter().filter(|inline| kind(&inline.constraint.kind) && self.is_apart(&inline.constraint)) {
            let name = names::of(case, self.statement, &self.target, &inline.constraint);
            let definition = self.table_definition(case, inline)?;
            let add = format!("{} ADD CONSTRAINT {} {definition} NOT VALID", alter::table(self.statement), Identifier(&name));
            if !rewrite::adds_beside(case.text, case.parsed, inline, &name, &add) {
                return None;
            }
            let class = if matches!(inline.constraint.kind, ConstraintKind::ForeignKey { .. }) { Class::ForeignKey } else { Class::Check };
            operations.push(alter::add_and_validate(self.statement, &name, class, add));
        }
        Some(operations)
    }

    /// Every foreign key, added NOT VALID to each partition and validated there, and then taken over by the table's: before 18.
    pub(super) fn foreign_keys_on_partitions(&self, case: &Case<'_>) -> Option<Vec<Operation>> {
        let tree = Tree::of(case, &self.target).filter(|tree| tree.foreign().is_none() && !self.statement.only)?;
        let is_key = |kind: &ConstraintKind| matches!(kind, ConstraintKind::ForeignKey { .. });
        let mut operations = Vec::new();
        for inline in self.column.constraints.iter().filter(|inline| is_key(&inline.constraint.kind) && self.is_apart(&inline.constraint)) {
            let name = names::of(case, self.statement, &self.target, &inline.constraint);
            if tree.own().any(|partition| partition.constraints.contains(&name)) {
                return None;
            }
            let ConstraintKind::ForeignKey { references, referenced_columns, .. } = &inline.constraint.kind else { return None };
            let its_type = case.type_facts(&self.column.type_name).map(|facts| facts.base_oid);
            let referenced = Referenced { table: references, columns: referenced_columns };
            if !referenced.is_key(case) || referenced.clashes(case, its_type) {
                return None;
            }
            let definition = format!("ADD CONSTRAINT {} {}", Identifier(&name), self.table_definition(case, inline)?);
            for leaf in tree.leaves() {
                let add = format!("ALTER TABLE {} {definition} NOT VALID", leaf.qualified());
                if !rewrite::adds_beside(case.text, case.parsed, inline, &name, &add) {
                    return None;
                }
                operations.push(alter::add_and_validate(&alter::about(&leaf.qualified()), &name, Class::ForeignKey, add).on_partition(&name));
            }
            let (columns, sql) = (vec![self.column.column.clone()], format!("{} {definition}", alter::table(self.statement)));
            let beside = names::beside(case, self.statement, &self.target, &inline.constraint);
            operations.push(Operation::Adopt(Adopt::constraint(&self.statement.relation, name, columns, tree.len(), sql).beside(beside)));
        }
        Some(operations)
    }

    /// What a column constraint says, as a table constraint without its name.
    fn table_definition(&self, case: &Case<'_>, inline: &InlineConstraint) -> Option<String> {
        let text = case.slice(&inline.span);
        let body = if inline.constraint.name.is_some() { after_name(text)? } else { text };
        Some(match inline.constraint.kind {
            ConstraintKind::ForeignKey { .. } => format!("FOREIGN KEY ({}) {body}", Identifier(&self.column.column)),
            _ => body.to_owned(),
        })
    }

    /// Every UNIQUE, by an index built beforehand.
    pub(super) fn unique(&self, case: &Case<'_>) -> Vec<Operation> {
        let keys = self.column.constraints.iter().filter_map(|inline| match &inline.constraint.kind {
            ConstraintKind::Unique(key) if self.is_apart(&inline.constraint) => Some((&inline.constraint, key)),
            _ => None,
        });
        keys.flat_map(|(constraint, key)| {
            let name = names::of(case, self.statement, &self.target, constraint);
            unique::operations(self.statement, &self.target, key, &name)
        })
        .collect()
    }
}

/// Skips `CONSTRAINT name`. A comment between the two is more than we read: the answer is none.
fn after_name(text: &str) -> Option<&str> {
    let rest = text.get("CONSTRAINT".len()..)?.trim_start();
    let name_end = match rest.strip_prefix('"') {
        Some(quoted) => 1 + closing_quote(quoted)? + 1,
        None => rest.find(|character: char| character.is_ascii_whitespace())?,
    };
    let name = rest.get(..name_end)?;
    (!name.contains("--") && !name.contains("/*")).then_some(rest.get(name_end..)?.trim_start())
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        if byte == b'"' && bytes.next_if(|(_, next)| *next == b'"').is_none() {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::after_name;

    #[test]
    fn the_name_of_a_constraint_is_skipped() {
        assert_eq!(after_name("CONSTRAINT k CHECK (a > 0)"), Some("CHECK (a > 0)"));
        assert_eq!(after_name(r#"constraint  "a ""b"" references" REFERENCES p"#), Some("REFERENCES p"));
        assert_eq!(after_name("CONSTRAINT/* c */k CHECK (a > 0)"), None);
    }
}
