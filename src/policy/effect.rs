//! What a statement changes when it succeeds, as far as later judgements depend on it.

use super::settle;
use crate::catalog::facts::{FunctionFacts, Lookup};
use crate::catalog::overlay::Effect;
use crate::catalog::words::words;
use crate::deferred::promise::is_version_table;
use crate::rules::case::{Case, Doubt, Stale};
use crate::rules::target::Standing;
use crate::sql::functions;
use crate::sql::name::RelationName;
use crate::sql::statement::{
    AlterAction, AlterTable, ConstraintKind, CreateTable, Drop, External, FunctionCall, Opaque, Rename, RenameKind, SettingChange, Statement,
    TransactionControl, TypeName,
};

/// The effect of the case's statement.
pub(super) fn of(case: &Case<'_>) -> Effect {
    all(vec![of_statement(case), settle::beside(case.parsed, case.overlay, |name| case.target(name).name)])
}

fn of_statement(case: &Case<'_>) -> Effect {
    match &case.parsed.statement {
        Statement::Transaction(control) => transaction(control),
        Statement::CreateTable(create) => create_table(case, create),
        Statement::AlterTable(alter) => alter_table(case, alter),
        Statement::CreateIndex(create) if !create.concurrently => all(vec![locked(case, [&create.table])]),
        Statement::DropTable(drop) => dropped(case, &drop.relations),
        Statement::DropIndex(drop) if drop.concurrently => dropped(case, &drop.relations),
        Statement::DropIndex(drop) => {
            let owners = drop.relations.iter().map(|name| owner(case, name)).collect();
            all(vec![Effect::Altered(owners), dropped(case, &drop.relations)])
        }
        Statement::Unjudged { what, relations } if what.starts_with("DROP") => dropped(case, relations),
        Statement::Unjudged { relations, .. } => altered(case, relations),
        // It is not asked what stands there: a question would take the snapshot that must come after the lock.
        Statement::LockTable { relations, strong: true } => Effect::Locked(relations.clone()),
        Statement::Rename(rename) => renamed(case, rename),
        // Where it went is not followed: it counts as old from now on.
        Statement::SetSchema { relation } => dropped(case, [relation]),
        Statement::Setting(SettingChange::DiscardAll) => Effect::Ended,
        Statement::CreateEnum { name } => name.names.last().map_or(Effect::Nothing, |name| Effect::EnumCreated(name.clone())),
        Statement::AddEnumValue { name, value } => value_added(case, name, value),
        Statement::Query(query) if query.written.as_ref().is_some_and(is_version_table) => Effect::VersionWritten,
        _ => Effect::Nothing,
    }
}

/// Nothing where it is there already.
fn value_added(case: &Case<'_>, name: &TypeName, value: &str) -> Effect {
    let known = case.type_facts(name).is_some_and(|facts| facts.labels.iter().any(|label| label == value));
    match name.names.last() {
        Some(of) if !known => Effect::ValueAdded { of: of.clone(), value: value.to_owned() },
        _ => Effect::Nothing,
    }
}

/// What is certain of an effect that may come or not: what it makes may have been there before.
pub(super) fn perhaps(effect: Effect) -> Effect {
    match effect {
        Effect::Created(_) | Effect::EnumCreated(_) => Effect::Nothing,
        Effect::All(effects) => all(effects.into_iter().map(perhaps).collect()),
        other => other,
    }
}

/// Several effects in order; those that change nothing fall away.
fn all(mut effects: Vec<Effect>) -> Effect {
    effects.retain(|effect| *effect != Effect::Nothing);
    if effects.len() > 1 { Effect::All(effects) } else { effects.pop().unwrap_or(Effect::Nothing) }
}

fn altered<'a>(case: &Case<'_>, relations: impl IntoIterator<Item = &'a RelationName> + Clone) -> Effect {
    let names: Vec<RelationName> = relations.clone().into_iter().map(|name| case.target(name).name).collect();
    if names.is_empty() { Effect::Nothing } else { all(vec![Effect::Altered(names), locked(case, relations)]) }
}

fn dropped<'a>(case: &Case<'_>, relations: impl IntoIterator<Item = &'a RelationName> + Clone) -> Effect {
    let names = relations.clone().into_iter().map(|name| case.target(name).name).collect();
    all(vec![Effect::Dropped(names), locked(case, relations)])
}

/// Those of the relations whose lock makes others wait long.
fn locked<'a>(case: &Case<'_>, relations: impl IntoIterator<Item = &'a RelationName>) -> Effect {
    let targets = relations.into_iter().map(|name| case.target(name)).filter(|target| !target.bears_work());
    let names: Vec<RelationName> = targets.map(|target| target.name).collect();
    if names.is_empty() { Effect::Nothing } else { Effect::Locked(names) }
}

fn transaction(control: &TransactionControl) -> Effect {
    match control {
        TransactionControl::Begin => Effect::Nothing,
        TransactionControl::Commit { .. } | TransactionControl::Rollback { .. } | TransactionControl::TwoPhase => Effect::Ended,
        TransactionControl::Savepoint(name) => Effect::Savepoint(name.clone()),
        TransactionControl::Release(name) => Effect::Release(name.clone()),
        TransactionControl::RollbackTo(name) => Effect::RollbackTo(name.clone()),
    }
}

fn create_table(case: &Case<'_>, create: &CreateTable) -> Effect {
    let parents: Vec<_> = create.references.iter().chain(&create.partition_of).chain(&create.inherits).collect();
    let locked = altered(case, parents);
    let place =
        if create.temporary { Some(RelationName::qualified("pg_temp", &*create.relation.name)) } else { case.creation_place(&create.relation) };
    let Some(name) = place else { return locked };
    let existed = match case.scope.relations.get(&create.relation) {
        _ if case.stale.names >= Doubt::Unqualified => true,
        _ if case.here.left(&name) && !case.here.given(&name.name) => false,
        Some(Lookup::Missing) => false,
        // What is found elsewhere says nothing of the place itself: with IF NOT EXISTS one may stand there, behind the other.
        Some(Lookup::Found(facts)) => create.if_not_exists || facts.qualified() == name,
        // IF NOT EXISTS proves nothing, nor does an unanswered question.
        Some(Lookup::Unknown) | None => true,
    };
    if existed { locked } else { all(vec![locked, Effect::Created(name)]) }
}

/// Every command but VALIDATE takes a strong lock, or may.
fn alter_table(case: &Case<'_>, alter: &AlterTable) -> Effect {
    if alter.commands.iter().all(|command| matches!(command.action, AlterAction::ValidateConstraint(_))) {
        return Effect::Nothing;
    }
    let parents = alter.commands.iter().filter_map(|command| match &command.action {
        AlterAction::AddConstraint(constraint) => match &constraint.kind {
            ConstraintKind::ForeignKey { references, .. } => Some(references),
            _ => None,
        },
        AlterAction::AttachPartition { child: other, .. } | AlterAction::DetachPartition(other) | AlterAction::Inherit(other) => Some(other),
        _ => None,
    });
    let relations: Vec<_> = std::iter::once(&alter.relation).chain(parents).collect();
    let adopted = alter.commands.iter().filter_map(|command| adopted(case, alter, &command.action));
    all(adopted.chain([altered(case, relations)]).collect())
}

/// A relation that is not new became the child of one that may be.
fn adopted(case: &Case<'_>, alter: &AlterTable, action: &AlterAction) -> Option<Effect> {
    let (parent, child) = match action {
        AlterAction::AttachPartition { child, .. } => (&alter.relation, child),
        AlterAction::Inherit(parent) => (parent, &alter.relation),
        _ => return None,
    };
    let nothing_to_lose = matches!(case.target(child).standing, Standing::New | Standing::Missing | Standing::Empty);
    (!nothing_to_lose).then(|| Effect::Adopted(case.target(parent).name))
}

fn owner(case: &Case<'_>, index: &RelationName) -> RelationName {
    let target = case.target(index);
    target.facts.and_then(|facts| facts.index.as_ref()).map_or(target.name, |index| index.table_name())
}

fn renamed(case: &Case<'_>, rename: &Rename) -> Effect {
    let Some(relation) = &rename.relation else { return Effect::Nothing };
    let from = case.target(relation).name;
    let locked = locked(case, [relation]);
    match &rename.kind {
        // ALTER INDEX renames a table as well.
        RenameKind::Table | RenameKind::View | RenameKind::Index => all(vec![Effect::Renamed { to: from.sibling(&*rename.to), from }, locked]),
        RenameKind::Column(_) | RenameKind::Constraint(_) => all(vec![Effect::Altered(vec![from]), locked]),
        RenameKind::Schema(_) | RenameKind::Other(_) => Effect::Nothing,
    }
}

/// What the facts no longer tell after the case's statement.
pub(super) fn stale_after(case: &Case<'_>) -> Stale {
    let mut stale = case.stale;
    stale.names = stale.names.max(doubt_after(case));
    match &case.parsed.statement {
        // Its body has been seen.
        _ if case.parsed.defines.is_some() => {}
        Statement::Rename(rename) => match &rename.kind {
            RenameKind::Other("function" | "procedure" | "routine" | "aggregate") => stale.functions = true,
            RenameKind::Other("type" | "domain") => stale.domains = true,
            _ => {}
        },
        Statement::Brief("ALTER … SET SCHEMA") => stale.functions = true,
        Statement::Unjudged { relations, .. } => stale.functions |= relations.is_empty(),
        Statement::External(External::PersistentSetting { what, .. }) => stale.functions |= *what == "ALTER FUNCTION",
        Statement::Brief("CREATE DOMAIN" | "ALTER DOMAIN") => stale.domains = true,
        _ => {}
    }
    stale
}

/// Which names may mean another relation after the case's statement, beside those that its effect tells of.
fn doubt_after(case: &Case<'_>) -> Doubt {
    let known = |name: &RelationName| case.target(name).standing != Standing::Unknown;
    let doubt = match &case.parsed.statement {
        Statement::Rename(rename) => match &rename.kind {
            RenameKind::Schema(_) => Doubt::All,
            RenameKind::Other("sequence" | "type") => Doubt::Dependents,
            RenameKind::Table | RenameKind::View | RenameKind::Index if !rename.relation.as_ref().is_some_and(known) => Doubt::All,
            _ => Doubt::None,
        },
        Statement::SetSchema { relation } => {
            let stays_new = matches!(case.target(relation).standing, Standing::New | Standing::Missing);
            if stays_new { Doubt::None } else { Doubt::All }
        }
        Statement::DropTable(drop) => drop.relations.iter().map(|name| doubt_after_drop(case, drop, name)).max().unwrap_or_default(),
        Statement::Unjudged { relations, .. } if relations.is_empty() => Doubt::All,
        Statement::Unjudged { what, .. } if what.starts_with("DROP") => Doubt::Dependents,
        Statement::Brief("DROP VIEW" | "DROP SEQUENCE" | "DROP FOREIGN TABLE" | "DROP TYPE" | "DROP") => Doubt::Dependents,
        _ => Doubt::None,
    };
    if runs_code_that_sets(case) { doubt.max(Doubt::Unqualified) } else { doubt }
}

/// A table takes its partitions along, and with CASCADE its children and views.
fn doubt_after_drop(case: &Case<'_>, drop: &Drop, name: &RelationName) -> Doubt {
    let target = case.target(name);
    let children = target.facts.is_some_and(|facts| facts.has_children);
    match (children, target.is_partitioned()) {
        (true, false) => Doubt::Unqualified,
        (true, true) => Doubt::Dependents,
        (false, _) if drop.cascade => Doubt::Dependents,
        (false, _) if target.standing == Standing::Unknown => Doubt::Unqualified,
        (false, _) => Doubt::None,
    }
}

/// Words by which code sets what names mean. Calls of set_config are opaque in code.
const SETTING_WORDS: &[&str] = &["authorization", "discard", "reset", "role", "schema", "search_path"];

/// The code that the statement runs, as far as it is seen, may set what names mean.
fn runs_code_that_sets(case: &Case<'_>) -> bool {
    let sets = |code: &str| words(code).iter().any(|word| SETTING_WORDS.contains(&word.as_str()));
    let source_sets = |functions: &[FunctionFacts]| functions.iter().flat_map(|function| &function.sources).any(|source| sets(&source.source));
    let calls = |call: &FunctionCall| functions::needs_a_look(call) && case.functions(call).is_some_and(source_sets);
    match &case.parsed.statement {
        Statement::Opaque(Opaque::Do { body, .. }) => {
            sets(&body.text) || words(&body.text).iter().filter_map(|word| case.scope.mentioned.get(word)).any(|found| source_sets(found))
        }
        Statement::Opaque(Opaque::Call(procedure)) => calls(procedure) || case.parsed.functions.iter().any(calls),
        _ => case.parsed.functions.iter().any(calls),
    }
}
