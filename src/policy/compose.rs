//! One plan of steps for a statement with several findings.

use crate::catalog::facts::{RelationFacts, Scope};
use crate::deferred::operation::{Class, Operation};
use crate::deferred::step::Step;
use crate::rules::rule::{Remedy, Rewrite};
use crate::sql::name::{Identifier, RelationName};
use crate::sql::rewrite::{self, Command, Meaning};
use crate::sql::statement::{AlterAction, AlterTable, ConstraintKind, Parsed, Statement};

use super::judge::Found;
use super::plan::SafeForm;

/// What does what `parsed` asks for, with every finding settled; none when no such plan can be taken back half-way.
pub(super) fn safe_form(text: &str, parsed: &Parsed, acting: &[&Found], scope: Option<&Scope>) -> Option<SafeForm> {
    let rewrites: Vec<(&Found, &Rewrite)> = acting
        .iter()
        .map(|found| match &found.finding.remedy {
            Remedy::Rewrite(rewrite) if found.inner.is_none() => Some((*found, rewrite)),
            Remedy::Rewrite(_) | Remedy::Gate(_) | Remedy::Advice(_) => None,
        })
        .collect::<Option<_>>()?;
    let tag = tag(&parsed.statement);
    match (&parsed.statement, rewrites.as_slice()) {
        (Statement::AlterTable(alter), rewrites) => {
            let (now, then) = Alter { text, parsed, alter, rewrites, facts: facts(scope, &alter.relation) }.parts()?;
            Some(SafeForm { now, then, tag }).filter(is_sound)
        }
        (Statement::DropTable(_), [_, _, ..]) => Some(SafeForm { now: None, then: one_drop(&rewrites), tag }),
        (_, [(_, rewrite)]) => {
            Some(SafeForm { now: rewrite.instead.as_ref().map(|whole| Step::short(&*whole.sql)), then: rewrite.then.clone(), tag })
        }
        _ => None,
    }
}

/// Each table of a DROP TABLE brings its foreign keys; all are dropped by one statement at the end.
fn one_drop(rewrites: &[(&Found, &Rewrite)]) -> Vec<Operation> {
    let mut keys: Vec<Operation> = Vec::new();
    let mut tables = None;
    for operation in rewrites.iter().flat_map(|(_, rewrite)| &rewrite.then) {
        match operation {
            Operation::DropTable(_) => tables = Some(operation.clone()),
            key if !keys.contains(key) => keys.push(key.clone()),
            _ => {}
        }
    }
    keys.into_iter().chain(tables).collect()
}

/// The id of the rule that has this name.
#[must_use]
pub fn rule_named(name: &str) -> Option<&'static str> {
    crate::rules::all().iter().map(|rule| rule.id.0).find(|id| *id == name)
}

/// The CommandComplete tag of a statement that may be rewritten.
#[must_use]
pub fn tag(statement: &Statement) -> &'static str {
    match statement {
        Statement::CreateIndex(_) => "CREATE INDEX",
        Statement::DropIndex(_) => "DROP INDEX",
        Statement::Reindex(_) => "REINDEX",
        Statement::DropTable(_) => "DROP TABLE",
        Statement::CreateTable(_) => "CREATE TABLE",
        Statement::Unjudged { what: "REFRESH MATERIALIZED VIEW", .. } => "REFRESH MATERIALIZED VIEW",
        _ => "ALTER TABLE",
    }
}

/// `ALTER TABLE t`, as the rules write it.
#[must_use]
pub fn prefix(statement: &Statement) -> String {
    match statement {
        Statement::AlterTable(alter) => format!("ALTER TABLE {}{}", if alter.only { "ONLY " } else { "" }, alter.relation),
        _ => String::new(),
    }
}

fn facts<'a>(scope: Option<&'a Scope>, name: &RelationName) -> Option<&'a RelationFacts> {
    scope?.relations.get(name)?.found()
}

struct Alter<'a> {
    text: &'a str,
    parsed: &'a Parsed,
    alter: &'a AlterTable,
    rewrites: &'a [(&'a Found, &'a Rewrite)],
    facts: Option<&'a RelationFacts>,
}

/// One command after its rewrites: what stays in the statement, how that is taken back, what follows.
struct Part {
    kept: Option<Command>,
    /// None: it cannot be taken back. An empty text: there is nothing to take back.
    undo: Option<String>,
    then: Vec<Operation>,
}

impl Alter<'_> {
    fn parts(&self) -> Option<(Option<Step>, Vec<Operation>)> {
        let mut parts = (0..self.alter.commands.len()).map(|index| self.part(index)).collect::<Option<Vec<Part>>>()?;
        let beside: Vec<Vec<Command>> = parts.iter_mut().map(|part| self.beside(part)).collect();
        let kept = parts
            .iter()
            .zip(beside)
            .enumerate()
            .flat_map(|(index, (part, beside))| part.kept.iter().cloned().chain(beside).map(move |command| (index, command)));
        let kept: Vec<(usize, Command)> = kept.collect();
        // A primary key wants what the other commands make NOT NULL.
        let (keys, others): (Vec<_>, Vec<_>) = parts.iter().zip(&self.alter.commands).partition(|(_, command)| adds_primary_key(&command.action));
        let then = others.into_iter().chain(keys).flat_map(|(part, _)| part.then.iter().cloned()).collect();
        if kept.is_empty() {
            return Some((None, then));
        }
        let first = self.alter.commands.first()?.span.start;
        let mut now = Step::short(rewrite::compose_alter(self.text, self.parsed, first, &kept).ok()?);
        let takes_back = parts.iter().filter(|part| part.kept.is_some());
        now.undo = match takes_back.map(|part| part.undo.as_deref()).collect::<Option<Vec<_>>>() {
            Some(undo) => self.undo(&undo),
            None if parts.iter().any(|part| !part.then.is_empty()) => return None,
            None => None,
        };
        Some((Some(now), then))
    }

    /// What is added beside a new column and validated later stands in the same statement: the server says at once what cannot be, and whoever waits
    /// waits once. It goes with its column.
    fn beside(&self, part: &mut Part) -> Vec<Command> {
        let mut commands = Vec::new();
        for operation in part.then.iter_mut().filter(|_| part.kept.is_some()) {
            let Operation::Validate(validate) = operation else { continue };
            let of_column = !validate.in_place && matches!(validate.class, Class::Check | Class::ForeignKey);
            if let Some(add) = validate.add.as_deref().filter(|_| of_column) {
                commands.push(Command { sql: self.without_prefix(add).to_owned(), meaning: Meaning::Own });
                validate.in_place = true;
            }
        }
        commands
    }

    fn part(&self, index: usize) -> Option<Part> {
        let command = self.alter.commands.get(index)?;
        let mine: Vec<&Rewrite> = self.rewrites.iter().filter(|(found, _)| found.command == Some(index)).map(|(_, rewrite)| *rewrite).collect();
        let Some(first) = mine.first() else {
            let kept = Command { sql: self.text.get(command.span.clone())?.to_owned(), meaning: Meaning::AsWritten };
            return Some(Part { kept: Some(kept), undo: self.undo_of(&command.action), then: Vec::new() });
        };
        // Rules that see the same command agree on what remains of it.
        if mine.iter().any(|rewrite| rewrite.instead != first.instead) {
            return None;
        }
        let undo = first.undo.as_deref().map(|undo| self.without_prefix(undo).to_owned());
        // What is found of both its tables is settled by the same steps.
        let mut then: Vec<&Vec<Operation>> = Vec::new();
        mine.iter().filter(|rewrite| !rewrite.then.is_empty()).for_each(|rewrite| {
            if !then.contains(&&rewrite.then) {
                then.push(&rewrite.then);
            }
        });
        Some(Part { kept: first.instead.clone(), undo, then: then.into_iter().flatten().cloned().collect() })
    }

    /// What takes an unchanged command back.
    fn undo_of(&self, action: &AlterAction) -> Option<String> {
        match action {
            AlterAction::AddColumn(column) => {
                let existed = self.facts.is_none_or(|facts| facts.column(&column.column).is_some());
                (!(column.if_not_exists && existed)).then(|| format!("DROP COLUMN {}", Identifier(&column.column)))
            }
            AlterAction::AddConstraint(constraint) => constraint.name.as_ref().map(|name| format!("DROP CONSTRAINT IF EXISTS {}", Identifier(name))),
            AlterAction::SetNotNull(column) => {
                let already = self.facts.and_then(|facts| facts.column(column)).is_some_and(|column| column.not_null);
                Some(if already { String::new() } else { format!("ALTER COLUMN {} DROP NOT NULL", Identifier(column)) })
            }
            AlterAction::ValidateConstraint(_) => Some(String::new()),
            AlterAction::DropConstraint { .. }
            | AlterAction::DropColumn { .. }
            | AlterAction::AlterType(_)
            | AlterAction::AttachPartition { .. }
            | AlterAction::DetachPartition(_)
            | AlterAction::Inherit(_)
            | AlterAction::DropNotNull(_)
            | AlterAction::DropDefault(_)
            | AlterAction::Brief(_)
            | AlterAction::Store(_)
            | AlterAction::SetExpression(_)
            | AlterAction::Unjudged(_) => None,
        }
    }

    fn without_prefix<'t>(&self, undo: &'t str) -> &'t str {
        undo.strip_prefix(&prefix(&self.parsed.statement)).map_or(undo, str::trim_start)
    }

    /// In reverse: what came last goes first.
    fn undo(&self, parts: &[&str]) -> Option<String> {
        let parts: Vec<&str> = parts.iter().rev().copied().filter(|part| !part.is_empty()).collect();
        (!parts.is_empty()).then(|| format!("{} {}", prefix(&self.parsed.statement), parts.join(", ")))
    }
}

fn adds_primary_key(action: &AlterAction) -> bool {
    let AlterAction::AddConstraint(constraint) = action else { return false };
    match &constraint.kind {
        ConstraintKind::Unique(key) => key.primary,
        ConstraintKind::UsingIndex { primary, .. } => *primary,
        ConstraintKind::Check { .. } | ConstraintKind::ForeignKey { .. } | ConstraintKind::Exclude | ConstraintKind::NotNull { .. } => false,
    }
}

/// Two rules that want the same step, or the same name, do not go together.
fn is_sound(form: &SafeForm) -> bool {
    // On a partition the name is another's.
    let of_table = |operation: &&Operation| !matches!(operation, Operation::OnPartition(_));
    let steps: Vec<Step> = form.now.iter().cloned().chain(form.then.iter().filter(of_table).flat_map(Operation::steps)).collect();
    steps
        .iter()
        .enumerate()
        .all(|(index, step)| steps.iter().skip(index + 1).all(|later| later.sql != step.sql && !step.sql.ends_with(&added(&later.sql))))
}

/// The command of an ALTER TABLE that adds a constraint; a text that ends nothing otherwise.
fn added(sql: &str) -> String {
    sql.find(" ADD CONSTRAINT ").and_then(|at| sql.get(at..)).map_or_else(|| "\0".to_owned(), str::to_owned)
}
