//! What rules on commands of ALTER TABLE share: names, and the pieces of safe sequences.

use crate::catalog::facts::{ConstraintFacts, RelationFacts};
use crate::sql::name::Identifier;
use crate::sql::naming;
use crate::sql::rewrite::{self, Command, Meaning};
use crate::sql::statement::{AlterAction, AlterCommand, AlterTable, Constraint, ConstraintKind, Unique};

use super::case::Case;
use super::rule::{ErrorMapping, Rewrite, Step};
use super::target::Target;
use super::unique;

/// `ALTER TABLE t`, with ONLY where the user wrote it.
pub(super) fn table(alter: &AlterTable) -> String {
    format!("ALTER TABLE {}{}", if alter.only { "ONLY " } else { "" }, alter.relation)
}

/// The name of a constraint: the user's, or the one that PostgreSQL would choose.
pub(super) fn constraint_name(alter: &AlterTable, target: &Target<'_>, constraint: &Constraint) -> String {
    constraint.name.clone().unwrap_or_else(|| chosen(alter, target, constraint, &names_before(alter, target, constraint)))
}

/// Of more constraints than these in one statement the names are not followed: the server will say that they collide.
const MOST_NAMES: usize = 50;

/// The names that PostgreSQL chooses for constraints that stand earlier in the same statement.
fn names_before(alter: &AlterTable, target: &Target<'_>, constraint: &Constraint) -> Vec<String> {
    let all = alter.commands.iter().flat_map(|command| match &command.action {
        AlterAction::AddConstraint(constraint) => vec![constraint],
        AlterAction::AddColumn(column) => column.constraints.iter().map(|inline| &inline.constraint).collect(),
        _ => Vec::new(),
    });
    let earlier = all.take_while(|other| !std::ptr::eq(*other, constraint)).filter(|other| other.name.is_none()).take(MOST_NAMES);
    earlier.fold(Vec::new(), |mut names, other| {
        names.push(chosen(alter, target, other, &names));
        names
    })
}

fn chosen(alter: &AlterTable, target: &Target<'_>, constraint: &Constraint, before: &[String]) -> String {
    let is_taken = |name: &str| target.is_taken(name) || before.iter().any(|taken| taken == name);
    let choose = |columns: &[String], suffix: &str| naming::choose(table_name(alter, target), columns, suffix, &is_taken);
    match &constraint.kind {
        // PostgreSQL names a CHECK after its column when there is exactly one.
        ConstraintKind::Check { columns, .. } => choose(if columns.len() == 1 { columns } else { &[] }, "check"),
        ConstraintKind::ForeignKey { columns, .. } => choose(columns, "fkey"),
        ConstraintKind::Unique(key) => key_name(alter, target, key),
        ConstraintKind::UsingIndex { index, .. } => index.clone(),
        ConstraintKind::Exclude => choose(&[], "excl"),
        ConstraintKind::NotNull { column } => choose(std::slice::from_ref(column), "not_null"),
    }
}

/// What a lost build of this key left behind gives its name back.
fn key_name(alter: &AlterTable, target: &Target<'_>, key: &Unique) -> String {
    let columns = if key.primary { Vec::new() } else { [&key.columns[..], &key.including].concat() };
    let is_taken = |name: &str| target.is_taken(name) && !unique::is_left_over(target, key, name);
    naming::choose(table_name(alter, target), &columns, if key.primary { "pkey" } else { "key" }, &is_taken)
}

fn table_name<'a>(alter: &'a AlterTable, target: &Target<'a>) -> &'a str {
    target.facts.map_or(alter.relation.name.as_str(), |facts| facts.name.as_str())
}

/// A name that PostgreSQL would choose on this table.
pub(super) fn choose(alter: &AlterTable, target: &Target<'_>, columns: &[String], suffix: &str) -> String {
    naming::choose(table_name(alter, target), columns, suffix, &|name| target.is_taken(name))
}

/// VALIDATE CONSTRAINT: reads the whole table and disturbs nobody.
pub(super) fn validate(alter: &AlterTable, constraint: &str) -> Step {
    Step::long(format!("ALTER TABLE {} VALIDATE CONSTRAINT {}", alter.relation, Identifier(constraint)))
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

/// SET NOT NULL without a scan under a strong lock: what takes its place, how that is undone, and what follows.
pub(super) struct NotNull {
    instead: Option<String>,
    undo: Option<String>,
    then: Vec<Step>,
}

/// Begins the names of our own constraints: what a crash leaves behind can be told from the user's.
const OURS: &str = "__pgairlock_";

impl NotNull {
    /// 18 knows NOT NULL constraints that are NOT VALID; before, a CHECK proves the same.
    pub(super) fn of(alter: &AlterTable, target: &Target<'_>, column: &str, native: bool) -> Self {
        if native { Self::native(alter, target, column) } else { Self::by_check(alter, target, column) }
    }

    fn native(alter: &AlterTable, target: &Target<'_>, column: &str) -> Self {
        let name = choose(alter, target, &[column.to_owned()], "not_null");
        Self {
            instead: Some(format!("ADD CONSTRAINT {} NOT NULL {} NOT VALID", Identifier(&name), Identifier(column))),
            undo: Some(drop_constraint(alter, &name)),
            then: vec![validate(alter, &name)],
        }
    }

    /// As the remedy of a command.
    pub(super) fn rewrite(self) -> Rewrite {
        Rewrite { instead: self.instead.map(own), undo: self.undo, then: self.then }
    }

    /// As statements of their own.
    pub(super) fn steps(self, alter: &AlterTable) -> Vec<Step> {
        let first = self.instead.map(|command| Step { undo: self.undo, ..Step::short(format!("{} {command}", table(alter))) });
        first.into_iter().chain(self.then).collect()
    }

    fn by_check(alter: &AlterTable, target: &Target<'_>, column: &str) -> Self {
        let table_name = target.facts.map_or(alter.relation.name.as_str(), |facts| facts.name.as_str());
        let left_over = left_over_check(target, column);
        let name = left_over.map_or_else(|| check_name(target, table_name, column), |check| check.name.clone());
        let column_sql = Identifier(column);
        let violated =
            ErrorMapping { from: "23514", to: "23502", message: format!("column \"{column}\" of relation \"{table_name}\" contains null values") };
        let prefix = table(alter);
        let mut set = Step::short(format!("{prefix} ALTER COLUMN {column_sql} SET NOT NULL"));
        if target.facts.and_then(|facts| facts.column(column)).is_none_or(|column| !column.not_null) {
            set = set.undo(format!("{prefix} ALTER COLUMN {column_sql} DROP NOT NULL"));
        }
        let drop = Step::short(format!("{prefix} DROP CONSTRAINT {}", Identifier(&name)));
        let add = format!("ADD CONSTRAINT {} CHECK ({column_sql} IS NOT NULL) NOT VALID", Identifier(&name));
        let undo = drop_constraint(alter, &name);
        let proven = [validate(alter, &name).errors(violated), set.clone(), drop.clone()];
        match left_over {
            None => Self { instead: Some(add), undo: Some(undo), then: proven.to_vec() },
            Some(check) if check.validated => Self { instead: None, undo: None, then: vec![set, drop] },
            // Added anew, so that it goes when there is a NULL after all.
            Some(_) => {
                let again = Step::short(format!("{prefix} DROP CONSTRAINT {}, {add}", Identifier(&name))).undo(undo);
                Self { instead: None, undo: None, then: std::iter::once(again).chain(proven).collect() }
            }
        }
    }
}

fn check_name(target: &Target<'_>, table_name: &str, column: &str) -> String {
    let of_table = |name: &str| target.facts.is_some_and(|facts| facts.constraints.iter().any(|constraint| constraint.name == name));
    naming::choose(&format!("{OURS}{table_name}"), &[column.to_owned()], "nn", &|name| target.is_taken(name) || of_table(name))
}

/// Our own CHECK that proves the column, left behind by a run that lost its connection.
pub(super) fn left_over_check<'a>(target: &Target<'a>, column: &str) -> Option<&'a ConstraintFacts> {
    target.facts?.constraints.iter().find(|check| check.name.starts_with(OURS) && check.proves_not_null && check.columns == [column])
}

/// The steps that make these columns NOT NULL before a primary key asks for it.
pub(super) fn not_null_steps<'c>(case: &Case<'_>, alter: &AlterTable, target: &Target<'_>, columns: impl Iterator<Item = &'c String>) -> Vec<Step> {
    columns
        .flat_map(|column| match waiting_not_null(target, column) {
            Some(constraint) => vec![validate(alter, constraint)],
            None => NotNull::of(alter, target, column, case.at_least(18)).steps(alter),
        })
        .collect()
}

/// A command of the same statement makes the column NOT NULL.
pub(super) fn sets_not_null(alter: &AlterTable, column: &str) -> bool {
    alter.commands.iter().any(|command| match &command.action {
        AlterAction::SetNotNull(set) => set == column,
        AlterAction::AddConstraint(constraint) => matches!(&constraint.kind, ConstraintKind::NotNull { column: set } if set == column),
        _ => false,
    })
}

/// `ADD CONSTRAINT … NOT VALID` in the user's own words: a command of ALTER TABLE that adds a constraint, named and unchecked.
pub(super) fn not_valid(command: &str, constraint: &Constraint, name: &str) -> Command {
    let sql = match (&constraint.name, command.get(3..)) {
        // The command begins with ADD.
        (None, Some(definition)) => format!("ADD CONSTRAINT {}{definition} NOT VALID", Identifier(name)),
        (Some(_), _) | (None, None) => format!("{command} NOT VALID"),
    };
    Command { sql, meaning: Meaning::NotValid(name.to_owned()) }
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
    let number = alter.commands.iter().position(|other| std::ptr::eq(other, command))?;
    let same = Command { sql: case.slice(&command.span).to_owned(), meaning: Meaning::AsWritten };
    rewrite::compose_alter(case.text, case.parsed, alter.commands.first()?.span.start, &[(number, same)]).ok()
}
