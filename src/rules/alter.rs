//! What rules on commands of ALTER TABLE share: names, and the pieces of safe sequences.

use crate::catalog::facts::{ConstraintFacts, PartitionFacts, RelationFacts};
use crate::deferred::operation::{AttachKey, Class, Operation, SetNotNull, Validate};
use crate::deferred::partitions::Adopt;
use crate::deferred::search::Search;
use crate::sql::name::{Identifier, RelationName};
use crate::sql::naming;
use crate::sql::rewrite::{self, Command, Meaning};
use crate::sql::statement::{AlterAction, AlterCommand, AlterTable, Constraint, ConstraintKind};

use super::case::Case;
use super::names;
use super::rule::Rewrite;
use super::target::{Among, Target};
use super::tree::Tree;

/// `ALTER TABLE t`, with ONLY where the user wrote it.
pub(super) fn table(alter: &AlterTable) -> String {
    format!("ALTER TABLE {}{}", if alter.only { "ONLY " } else { "" }, alter.relation)
}

/// A name that PostgreSQL would choose for a constraint of this table.
pub(super) fn choose(alter: &AlterTable, target: &Target<'_>, columns: &[String], suffix: &str) -> String {
    naming::choose(names::table(alter, target), columns, suffix, &|name| target.is_taken(name, Among::Constraints))
}

/// VALIDATE CONSTRAINT of one that was there before: reads the whole table and disturbs nobody.
pub(super) fn validate(alter: &AlterTable, constraint: &str) -> Operation {
    Operation::Validate(validation(alter, constraint, Class::Existing, None, false))
}

/// VALIDATE CONSTRAINT of one that takes the place of a command: `instead` adds it.
fn validate_added(alter: &AlterTable, constraint: &str, class: Class, instead: &str) -> Validate {
    validation(alter, constraint, class, Some(format!("{} {instead}", table(alter))), true)
}

/// The constraint is added NOT VALID by `add`, a statement of its own, and validated.
pub(super) fn add_and_validate(alter: &AlterTable, constraint: &str, class: Class, add: String) -> Operation {
    Operation::Validate(validation(alter, constraint, class, Some(add), false))
}

fn validation(alter: &AlterTable, constraint: &str, class: Class, add: Option<String>, in_place: bool) -> Validate {
    Validate { table: alter.relation.clone(), only: alter.only, constraint: constraint.to_owned(), class, in_place, add, search: None }
}

/// A constraint that takes over a finished index.
pub(super) fn attach(alter: &AlterTable, constraint: &str, columns: &[String], sql: String) -> Operation {
    let (table, constraint, columns) = (alter.relation.clone(), constraint.to_owned(), columns.to_vec());
    Operation::AttachKey(AttachKey { table, only: alter.only, constraint, columns, sql })
}

/// DROP CONSTRAINT, as an undo: a later step may have dropped it already.
pub(super) fn drop_constraint(alter: &AlterTable, constraint: &str) -> String {
    format!("{} DROP CONSTRAINT IF EXISTS {}", table(alter), Identifier(constraint))
}

/// A NOT NULL of the column that is NOT VALID yet (18).
pub(super) fn waiting_not_null<'a>(target: &Target<'a>, column: &str) -> Option<&'a str> {
    let mut constraints = target.facts?.constraints.iter();
    let waiting = constraints.find(|constraint| constraint.kind == 'n' && !constraint.validated && constraint.columns == [column])?;
    Some(&waiting.name)
}

/// Begins the names of our own constraints: what a crash leaves behind can be told from the user's.
pub(super) const OURS: &str = "__pgairlock_";

/// SET NOT NULL without a scan under a strong lock, as the remedy of a command: 18 knows NOT NULL constraints that are NOT VALID; before, a CHECK
/// proves the same.
pub(super) fn set_not_null(alter: &AlterTable, target: &Target<'_>, column: &str, native: bool) -> Rewrite {
    if native {
        let (name, command) = native_not_null(alter, target, column);
        let search = Some(Search::nulls(&alter.relation, alter.only, column));
        let then = vec![Operation::Validate(Validate { search, ..validate_added(alter, &name, Class::NotNull, &command) })];
        return Rewrite { instead: Some(own(command)), undo: Some(drop_constraint(alter, &name)), then };
    }
    let left_over = left_over_check(target, column).is_some();
    let by_check = by_check(alter, target, column, !left_over);
    let instead = (!left_over).then(|| own(by_check.add_command()));
    let undo = (!left_over).then(|| by_check.drop_if_exists());
    Rewrite { instead, undo, then: vec![Operation::SetNotNull(by_check)] }
}

fn native_not_null(alter: &AlterTable, target: &Target<'_>, column: &str) -> (String, String) {
    let name = choose(alter, target, &[column.to_owned()], "not_null");
    // As the server takes SET NOT NULL of a parent alone.
    let alone = alter.only && target.facts.is_some_and(|facts| facts.has_children && facts.kind != 'p');
    let inherit = if alone { " NO INHERIT" } else { "" };
    let command = format!("ADD CONSTRAINT {} NOT NULL {}{inherit} NOT VALID", Identifier(&name), Identifier(column));
    (name, command)
}

fn by_check(alter: &AlterTable, target: &Target<'_>, column: &str, in_place: bool) -> SetNotNull {
    let name = left_over_check(target, column).map_or_else(|| check_name(target, names::table(alter, target), column), |check| check.name.clone());
    SetNotNull {
        table: alter.relation.clone(),
        only: alter.only,
        column: column.to_owned(),
        helper: name,
        in_place,
        was_not_null: target.facts.and_then(|facts| facts.column(column)).is_some_and(|column| column.not_null),
    }
}

fn check_name(target: &Target<'_>, table_name: &str, column: &str) -> String {
    let of_table = |name: &str| target.facts.is_some_and(|facts| facts.constraints.iter().any(|constraint| constraint.name == name));
    naming::choose(&format!("{OURS}{table_name}"), &[column.to_owned()], "nn", &|name| target.is_taken(name, Among::Constraints) || of_table(name))
}

/// Our own CHECK that proves the column, left behind by a run that lost its connection.
pub(super) fn left_over_check<'a>(target: &Target<'a>, column: &str) -> Option<&'a ConstraintFacts> {
    target.facts?.constraints.iter().find(|check| check.name.starts_with(OURS) && check.proves_not_null && check.columns == [column])
}

/// What makes these columns NOT NULL before a primary key asks for it.
pub(super) fn not_null_first<'c>(
    case: &Case<'_>,
    alter: &AlterTable,
    target: &Target<'_>,
    columns: impl Iterator<Item = &'c String>,
) -> Vec<Operation> {
    let one = |column: &String| match waiting_not_null(target, column) {
        Some(constraint) => validate(alter, constraint),
        None if case.at_least(18) => {
            let (name, command) = native_not_null(alter, target, column);
            let add = Some(format!("{} {command}", table(alter)));
            let search = Some(Search::nulls(&alter.relation, alter.only, column));
            Operation::Validate(Validate { search, ..validation(alter, &name, Class::NotNull, add, false) })
        }
        None => Operation::SetNotNull(by_check(alter, target, column, false)),
    };
    columns.map(one).collect()
}

/// The same on each partition that has rows, for the key of this name.
pub(super) fn not_null_on_partitions<'c>(
    case: &Case<'_>,
    alter: &AlterTable,
    target: &Target<'_>,
    columns: impl Iterator<Item = &'c String>,
    key: &str,
) -> Vec<Operation> {
    let Some(tree) = Tree::of(case, target) else { return Vec::new() };
    let one = |column: &String| {
        // One that is there is the whole table's.
        if waiting_not_null(target, column).is_some() {
            return not_null_first(case, alter, target, std::iter::once(column));
        }
        let nullable = tree.leaves().filter(|leaf| !leaf.not_null.contains(column));
        let on = |leaf: &PartitionFacts| not_null_first(case, &about(&leaf.qualified()), target, std::iter::once(column));
        nullable.flat_map(on).map(|operation| operation.on_partition(key)).collect()
    };
    columns.flat_map(one).collect()
}

/// From 18 on NOT NULL has a name, which would be another one on the table where its partitions have the one that it would get.
pub(super) fn not_null_of_whole<'c>(
    case: &Case<'_>,
    alter: &AlterTable,
    target: &Target<'_>,
    columns: impl Iterator<Item = &'c String>,
    key: &str,
) -> Vec<Operation> {
    let named = columns.filter(|column| case.at_least(18) && waiting_not_null(target, column).is_none());
    let one = |column: &String| {
        let name = choose(alter, target, std::slice::from_ref(column), "not_null");
        let sql = format!("{} ADD CONSTRAINT {} NOT NULL {}", table(alter), Identifier(&name), Identifier(column));
        Operation::Adopt(Adopt::constraint(&alter.relation, name, vec![column.clone()], partitions_of(target), sql)).on_partition(key)
    };
    named.map(one).collect()
}

fn partitions_of(target: &Target<'_>) -> usize {
    target.facts.map_or(0, |facts| facts.partitions.len())
}

/// An ALTER TABLE of another table, without commands.
pub(super) fn about(table: &RelationName) -> AlterTable {
    AlterTable { relation: table.clone(), if_exists: false, only: false, commands: Vec::new() }
}

/// A command of the same statement makes the column NOT NULL.
pub(super) fn sets_not_null(alter: &AlterTable, column: &str) -> bool {
    alter.commands.iter().any(|command| match &command.action {
        AlterAction::SetNotNull(set) => set == column,
        AlterAction::AddConstraint(constraint) => matches!(&constraint.kind, ConstraintKind::NotNull { column: set } if set == column),
        _ => false,
    })
}

/// A command that adds a constraint, in the user's own words, but with its name.
fn named(command: &str, constraint: &Constraint, name: &str) -> Command {
    let sql = match (&constraint.name, command.get(3..)) {
        // The command begins with ADD.
        (None, Some(definition)) => format!("ADD CONSTRAINT {}{definition}", Identifier(name)),
        (Some(_), _) | (None, None) => command.to_owned(),
    };
    Command { sql, meaning: Meaning::Named(name.to_owned()) }
}

/// `ADD CONSTRAINT … NOT VALID` in the user's own words: a command of ALTER TABLE that adds a constraint, named and unchecked.
fn not_valid(command: &str, constraint: &Constraint, name: &str) -> Command {
    Command { sql: format!("{} NOT VALID", named(command, constraint, name).sql), meaning: Meaning::NotValid(name.to_owned()) }
}

/// The constraint of a command, added NOT VALID in its place and validated afterwards.
pub(super) fn not_valid_first(
    case: &Case<'_>,
    alter: &AlterTable,
    command: &AlterCommand,
    constraint: &Constraint,
    name: &str,
    class: Class,
) -> Rewrite {
    let instead = not_valid(case.slice(&command.span), constraint, name);
    let search = search(case, alter, command, constraint, name);
    let then = vec![Operation::Validate(Validate { search, ..validate_added(alter, name, class, &instead.sql) })];
    Rewrite { instead: Some(instead), undo: Some(drop_constraint(alter, name)), then }
}

/// How to look for rows that a constraint does not allow.
fn search(case: &Case<'_>, alter: &AlterTable, command: &AlterCommand, constraint: &Constraint, name: &str) -> Option<Search> {
    let (table, only) = (&alter.relation, alter.only);
    match &constraint.kind {
        ConstraintKind::Check { .. } => {
            let expression = rewrite::parenthesized_after(case.text, &command.span, "CHECK")?;
            Some(Search::false_rows(table, only, name, expression))
        }
        ConstraintKind::ForeignKey { columns, references, referenced_columns } => {
            let parent = case.target(references);
            let key = parent.facts.and_then(|facts| facts.constraints.iter().find(|key| key.kind == 'p')).map(|key| &key.columns);
            let parents = if referenced_columns.is_empty() { key? } else { referenced_columns };
            Search::orphans(table, only, name, columns, &parent.name, parents)
        }
        ConstraintKind::NotNull { column } => Some(Search::nulls(table, only, column)),
        ConstraintKind::Unique(_) | ConstraintKind::UsingIndex { .. } | ConstraintKind::Exclude => None,
    }
}

/// A command in which nothing is the user's text.
fn own(sql: String) -> Command {
    Command { sql, meaning: Meaning::Own }
}

/// The column is marked NOT NULL.
pub(super) fn is_not_null(facts: &RelationFacts, column: &str) -> bool {
    facts.column(column).is_some_and(|found| found.not_null)
}

/// The command reaches inheritance children, which may differ from their parent; a partition may not.
pub(super) fn reaches_children(alter: &AlterTable, facts: &RelationFacts) -> bool {
    facts.has_children && facts.kind != 'p' && !alter.only
}

/// A valid CHECK proves that the column holds no NULL, in children too where the command reaches them.
pub(super) fn is_proven_by_check(alter: &AlterTable, facts: &RelationFacts, column: &str) -> bool {
    let below = reaches_children(alter, facts);
    facts.constraints.iter().any(|check| check.validated && check.proves_not_null && check.columns == [column] && !(below && check.no_inherit))
}

/// A command as a statement of its own, in the user's words.
pub(super) fn alone(case: &Case<'_>, alter: &AlterTable, command: &AlterCommand) -> Option<String> {
    let same = Command { sql: case.slice(&command.span).to_owned(), meaning: Meaning::AsWritten };
    rewrite::compose_alter(case.text, case.parsed, alter.commands.first()?.span.start, &[(number(alter, command)?, same)]).ok()
}

fn number(alter: &AlterTable, command: &AlterCommand) -> Option<usize> {
    alter.commands.iter().position(|other| std::ptr::eq(other, command))
}

/// The constraint of a command, added to a partitioned table whose partitions have it already.
pub(super) fn adopt(case: &Case<'_>, adding: &Adding<'_>, columns: &[String], partitions: usize) -> Option<Operation> {
    let (alter, command) = case.command?;
    let named = named(case.slice(&command.span), adding.constraint, adding.name);
    let sql = rewrite::compose_alter(case.text, case.parsed, alter.commands.first()?.span.start, &[(number(alter, command)?, named)]).ok()?;
    let beside = names::beside(case, alter, &case.target(&alter.relation), adding.constraint);
    let adopt = Adopt::constraint(&alter.relation, adding.name.to_owned(), columns.to_vec(), partitions, sql);
    Some(Operation::Adopt(adopt.beside(beside)))
}

/// The foreign key of a command, added to one partition NOT VALID and validated.
pub(super) fn foreign_key_of_partition(case: &Case<'_>, adding: &Adding<'_>, partition: &RelationName) -> Option<Operation> {
    let (alter, command) = case.command?;
    let not_valid = not_valid(case.slice(&command.span), adding.constraint, adding.name);
    let add = rewrite::alter_of(case.text, case.parsed, partition, &[(number(alter, command)?, not_valid)]).ok()?;
    let of_partition = about(partition);
    let search = search(case, &of_partition, command, adding.constraint, adding.name);
    let validate = validation(&of_partition, adding.name, Class::ForeignKey, Some(add), false);
    Some(Operation::Validate(Validate { search, ..validate }).on_partition(adding.name))
}

/// A constraint that a command adds.
pub(super) struct Adding<'a> {
    pub(super) constraint: &'a Constraint,
    /// Its own, or the one that PostgreSQL would choose.
    pub(super) name: &'a str,
}
