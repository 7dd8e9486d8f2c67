//! Collects what the statements of a script name.

use std::hash::Hash;

use crate::sql::functions;
use crate::sql::name::RelationName;
use crate::sql::statement::{
    AddColumn, AlterAction, AlterTable, ConstraintKind, CreateTable, FunctionCall, Opaque, Parsed, Query, Reach, ReindexTarget, Rename, RenameKind,
    Script, Statement, TypeName, Using,
};

use super::former::{self, Asked};
use super::path::{Paths, may_set_time_zone};
use super::questions::Prepared;
use super::shadows::Shadows;
use super::words::words;

/// Everything that a script names, each with the number of its search path, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Names {
    pub(super) relations: Unique<(usize, RelationName)>,
    /// Names whose presence beside a relation matters: by the relation's place in `relations`.
    pub(super) beside: Unique<(usize, String)>,
    /// Relations that a DROP TABLE names: their places in `relations`.
    pub(super) dropped: Unique<usize>,
    /// Tables that get a partition, and the table that becomes it, where that is there before: places in `relations`.
    pub(super) joining: Unique<(usize, Option<usize>)>,
    /// Relations, by their places, that are to go or to change their names; or one column of them.
    pub(super) evidence: Unique<(usize, Option<String>)>,
    pub(super) types: Unique<(usize, TypeName)>,
    /// Domains whose tables matter: places in `types`.
    pub(super) domains: Unique<usize>,
    pub(super) functions: Unique<(usize, FunctionCall)>,
    /// What statements write over or take away.
    pub(super) former: Vec<Asked>,
    /// Words of unparsed code.
    pub(super) words: Unique<String>,
    /// The string changes the type of a column where it may have set TimeZone before.
    pub(super) sets_time_zone: bool,
}

/// A list without duplicates that keeps the order of arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unique<T: Hash + Eq> {
    pub(super) items: Vec<T>,
    places: std::collections::HashMap<T, usize>,
}

impl<T: Hash + Eq> Default for Unique<T> {
    fn default() -> Self {
        Self { items: Vec::new(), places: std::collections::HashMap::new() }
    }
}

impl<T: Hash + Eq + Clone> Unique<T> {
    /// Adds an item unless it is there; its place either way.
    fn add(&mut self, item: T) -> usize {
        let next = self.items.len();
        let place = *self.places.entry(item.clone()).or_insert(next);
        if place == next {
            self.items.push(item);
        }
        place
    }
}

/// What a string is read against.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) prepared: &'a dyn Prepared,
    pub(super) shadows: &'a Shadows,
    /// Which rows matter, after what the transaction has done before.
    pub(super) rows: Rows,
}

/// Which rows that are written matter, after what the transaction has done before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Rows {
    /// Only every row of a table.
    #[default]
    Whole,
    /// Those of which there may be many: a lock is held meanwhile.
    Many,
    /// Any: they may have a value that is new.
    Any,
}

impl Names {
    pub(super) fn of(script: &Script, paths: &Paths, around: Around<'_>) -> Self {
        let mut around = around;
        let mut names = Self { former: former::asked(script, paths), ..Self::default() };
        let mut sets_time_zone = false;
        for (index, parsed) in script.statements.iter().enumerate() {
            names.statement(paths.number_of(index), parsed, &around, true);
            around.rows = around.rows.max(rows_after(&parsed.statement));
            names.sets_time_zone |= sets_time_zone && changes_a_type(parsed);
            sets_time_zone |= may_set_time_zone(parsed);
            // Later statements of the string may run it.
            if let (Some(new), true) = (&parsed.defines, index + 1 < script.statements.len()) {
                names.code(&new.body);
            }
        }
        names
    }

    fn statement(&mut self, path: usize, parsed: &Parsed, around: &Around<'_>, follow: bool) {
        if !matches!(parsed.statement, Statement::Prepare { .. }) {
            self.calls(path, parsed, around.shadows);
        }
        match &parsed.statement {
            Statement::CreateTable(create) => {
                self.create_table(path, create, around, follow);
                if create.from_query && around.rows >= Rows::Many {
                    self.all(path, &parsed.relations);
                }
            }
            Statement::CreateIndex(create) => self.with_beside(path, &create.table, create.name.iter()),
            Statement::DropIndex(drop) => self.all(path, &drop.relations),
            Statement::DropTable(drop) => self.dropped(path, &drop.relations),
            Statement::Reindex(reindex) => match &reindex.target {
                ReindexTarget::Index(relation) | ReindexTarget::Table(relation) => _ = self.relation(path, relation),
                ReindexTarget::Schema(_) | ReindexTarget::Database | ReindexTarget::System => {}
            },
            Statement::AlterTable(alter) => self.alter_table(path, alter),
            Statement::Rename(rename) => self.renamed(path, rename),
            Statement::SetSchema { relation } => self.missed(path, relation, None),
            Statement::Unjudged { relations, .. } => self.all(path, relations),
            Statement::AddEnumValue { name, .. } => _ = self.types.add((path, name.clone())),
            Statement::AlterDomain { name, .. } => {
                let place = self.types.add((path, name.clone()));
                self.domains.add(place);
            }
            Statement::Opaque(Opaque::Do { body, .. }) => {
                self.code(&body.text);
                let inside = Around { rows: Rows::Many, ..*around };
                body.statements.iter().flat_map(|script| &script.statements).for_each(|inner| self.statement(path, inner, &inside, false));
            }
            Statement::Opaque(Opaque::Call(call)) => self.function(path, call),
            Statement::Execute { name } => self.execute(path, name, around, follow),
            Statement::Query(query) => self.query(path, parsed, query, around),
            Statement::Setting(_)
            | Statement::Transaction(_)
            | Statement::Copy(_)
            | Statement::LockTable { .. }
            | Statement::Prepare { .. }
            | Statement::Deallocate(_)
            | Statement::External(_)
            | Statement::CreateEnum { .. }
            | Statement::Brief(_) => {}
        }
    }

    fn renamed(&mut self, path: usize, rename: &Rename) {
        let Some(relation) = &rename.relation else { return };
        match &rename.kind {
            RenameKind::Schema(_) | RenameKind::Other(_) => {}
            RenameKind::Column(column) => self.missed(path, relation, Some(column)),
            RenameKind::Table | RenameKind::View => self.missed(path, relation, None),
            RenameKind::Index | RenameKind::Constraint(_) => _ = self.relation(path, relation),
        }
    }

    /// Whoever uses it, or the column, will miss it.
    fn missed(&mut self, path: usize, relation: &RelationName, column: Option<&String>) {
        let place = self.relation(path, relation);
        self.evidence.add((place, column.cloned()));
    }

    /// What it writes, where that may be many rows; and what it reads them from, where a lock would be held meanwhile.
    fn query(&mut self, path: usize, parsed: &Parsed, query: &Query, around: &Around<'_>) {
        let Some(written) = &query.written else { return };
        match query.reach {
            Reach::All => _ = self.relation(path, written),
            Reach::Given if around.rows >= Rows::Any => _ = self.relation(path, written),
            Reach::Pinned(_) if around.rows >= Rows::Many => _ = self.relation(path, written),
            Reach::Queried if around.rows >= Rows::Many => self.all(path, &parsed.relations),
            Reach::Given | Reach::Pinned(_) | Reach::Queried => {}
        }
    }

    fn relation(&mut self, path: usize, relation: &RelationName) -> usize {
        self.relations.add((path, relation.clone()))
    }

    fn all(&mut self, path: usize, relations: &[RelationName]) {
        relations.iter().for_each(|relation| _ = self.relation(path, relation));
    }

    fn dropped(&mut self, path: usize, relations: &[RelationName]) {
        for relation in relations {
            let place = self.relations.add((path, relation.clone()));
            self.evidence.add((place, None));
            self.dropped.add(place);
        }
    }

    fn with_beside<'a>(&mut self, path: usize, relation: &RelationName, names: impl Iterator<Item = &'a String>) {
        let place = self.relations.add((path, relation.clone()));
        names.for_each(|name| _ = self.beside.add((place, name.clone())));
    }

    fn create_table(&mut self, path: usize, create: &CreateTable, around: &Around<'_>, follow: bool) {
        self.relation(path, &create.relation);
        create.columns.iter().filter(|_| create.if_not_exists).for_each(|(_, of)| _ = self.types.add((path, of.clone())));
        if let Some(parent) = &create.partition_of {
            let parent = self.relation(path, parent);
            self.joining.add((parent, None));
        }
        self.all(path, &create.inherits);
        self.all(path, &create.references);
        if let Some(name) = &create.execute {
            self.execute(path, name, around, follow);
        }
    }

    fn alter_table(&mut self, path: usize, alter: &AlterTable) {
        let constraints = alter.commands.iter().filter_map(|command| match &command.action {
            AlterAction::AddConstraint(constraint) => constraint.name.as_ref(),
            _ => None,
        });
        self.with_beside(path, &alter.relation, constraints);
        for command in &alter.commands {
            match &command.action {
                AlterAction::AddColumn(column) => self.add_column(path, column),
                AlterAction::AddConstraint(constraint) => {
                    if let ConstraintKind::ForeignKey { references, .. } = &constraint.kind {
                        self.relation(path, references);
                    }
                }
                AlterAction::AlterType(alter) => {
                    self.types.add((path, alter.type_name.clone()));
                    if let Some(Using::Column { cast: Some(cast) }) = &alter.using {
                        self.types.add((path, cast.clone()));
                    }
                }
                AlterAction::AttachPartition { child, .. } => {
                    let (parent, child) = (self.relation(path, &alter.relation), self.relation(path, child));
                    self.joining.add((parent, Some(child)));
                }
                AlterAction::DropColumn { column, .. } => self.missed(path, &alter.relation, Some(column)),
                AlterAction::DetachPartition(other) | AlterAction::Inherit(other) => _ = self.relation(path, other),
                AlterAction::ValidateConstraint(_)
                | AlterAction::DropConstraint { .. }
                | AlterAction::SetNotNull(_)
                | AlterAction::DropNotNull(_)
                | AlterAction::DropDefault(_)
                | AlterAction::Brief(_)
                | AlterAction::Store(_)
                | AlterAction::SetExpression(_)
                | AlterAction::Unjudged(_) => {}
            }
        }
    }

    fn add_column(&mut self, path: usize, column: &AddColumn) {
        self.types.add((path, column.type_name.clone()));
        let default = column.default.as_ref().map_or(&[][..], |default| &default.functions);
        default.iter().for_each(|call| self.function(path, call));
        for inline in &column.constraints {
            if let ConstraintKind::ForeignKey { references, .. } = &inline.constraint.kind {
                self.relation(path, references);
            }
        }
    }

    fn execute(&mut self, path: usize, name: &str, around: &Around<'_>, follow: bool) {
        // One level: a prepared EXECUTE of an EXECUTE stays opaque.
        if !follow {
            return;
        }
        let Some(script) = around.prepared.script(name) else { return };
        script.statements.iter().for_each(|inner| self.statement(path, inner, around, false));
    }

    fn calls(&mut self, path: usize, parsed: &Parsed, shadows: &Shadows) {
        let calls = parsed.functions.iter().filter(|call| functions::needs_a_look(call) || shadows.calls(&call.name));
        calls.for_each(|call| self.function(path, call));
        let attributes = parsed.attributes.iter().filter(|name| shadows.attributes(name));
        attributes.for_each(|name| self.function(path, &FunctionCall { schema: None, name: name.clone() }));
    }

    fn function(&mut self, path: usize, call: &FunctionCall) {
        self.functions.add((path, call.clone()));
    }

    fn code(&mut self, body: &str) {
        words(body).into_iter().for_each(|word| _ = self.words.add(word));
    }
}

/// Which rows matter behind this statement of the same string.
fn rows_after(statement: &Statement) -> Rows {
    match statement {
        Statement::Query(_) | Statement::Transaction(_) | Statement::Setting(_) => Rows::Whole,
        Statement::AddEnumValue { .. } => Rows::Any,
        _ => Rows::Many,
    }
}

/// Whether an ALTER TABLE stands here, or may.
fn changes_a_type(parsed: &Parsed) -> bool {
    matches!(parsed.statement, Statement::AlterTable(_) | Statement::Execute { .. })
}
