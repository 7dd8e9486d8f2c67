//! Whether a statement outside of any transaction took effect, where nobody heard its end: what it would have left in the catalog, and whether that
//! is there.
//!
//! Only what the catalog had not before the statement, and has because of it, is a trace; a statement that leaves none is not told of. That nobody else
//! did or undid the same is not in the catalog: what else stands in the log has to speak for it.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::sql::name::RelationName;
use crate::sql::statement::{
    AddColumn, AlterAction, AlterTable, Constraint, ConstraintKind, CreateIndex, CreateTable, Drop, Rename, RenameKind, Script, Statement,
};
use crate::sql::trace::{Kind, Trace};

use super::facts::{Facts, Lookup, RelationFacts, Scope};

/// Parameter: traces, from [`parameter`]. One row of JSON: what there is of each.
pub const QUESTION: &str = include_str!("sql/aftermath.sql");

/// What the catalog tells of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All is as it leaves it.
    Done,
    /// Nothing is.
    Undone,
    /// Neither: a part of it is, or what it was about is gone.
    Unclear,
}

/// What is there of a trace.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Sight {
    n: usize,
    /// It is there, and whole.
    found: bool,
    /// Something of it is there.
    partly: bool,
    /// Its row was written by a transaction that had not ended when the statement was decided upon.
    new: bool,
    /// What it belongs to is still there.
    place: bool,
}

/// What the one statement of this string leaves; nothing where that cannot be told. In several steps only what no step leaves half is told.
#[must_use]
pub fn traces(script: &Script, facts: &Facts, in_steps: bool) -> Vec<Trace> {
    let ([parsed], Some(scope)) = (script.statements.as_slice(), facts.scope(0)) else { return Vec::new() };
    let traces = match &parsed.statement {
        Statement::CreateTable(create) => created(create, scope).map(|trace| vec![trace]),
        Statement::CreateIndex(create) => index(create, scope).map(|trace| vec![trace]),
        Statement::DropIndex(drop) => dropped(drop, scope),
        Statement::DropTable(drop) if !in_steps => dropped(drop, scope),
        Statement::Rename(rename) => renamed(rename, scope),
        Statement::AlterTable(alter) if !in_steps => altered(alter, scope),
        Statement::AlterTable(alter) => altered_in_steps(alter, scope),
        _ => None,
    };
    traces.unwrap_or_default()
}

/// The parameter of [`QUESTION`]: traces with the number that the next transaction was to have when they were noted.
#[must_use]
pub fn parameter<'a>(traces: impl Iterator<Item = (&'a Trace, &'a str)>) -> String {
    let row = |(n, (trace, next_xid)): (usize, (&Trace, &str))| json!({"n": n, "kind": trace.kind, "schema": trace.schema, "relation": trace.relation, "oid": trace.oid, "part": trace.part, "since": next_xid});
    Value::from(traces.enumerate().map(row).collect::<Vec<_>>()).to_string()
}

/// What the answer says of statements with these traces, in order.
///
/// # Errors
/// When it is not what the question asks for.
pub fn verdicts<'a>(statements: impl Iterator<Item = &'a [Trace]>, answer: &str) -> Result<Vec<Verdict>, serde_json::Error> {
    let sights: Vec<Sight> = serde_json::from_str(answer)?;
    let mut number = 0;
    let mut next = |trace: &Trace| {
        let sight = sights.iter().find(|sight| sight.n == number);
        number += 1;
        sight.map_or(Verdict::Unclear, |sight| verdict(trace, sight))
    };
    Ok(statements.map(|traces| together(&traces.iter().map(&mut next).collect::<Vec<_>>())).collect())
}

fn verdict(trace: &Trace, sight: &Sight) -> Verdict {
    match (trace.there, sight.found, sight.partly) {
        (true, true, false) if sight.new => Verdict::Done,
        (true, false, false) if sight.place => Verdict::Undone,
        (false, true, false) => Verdict::Undone,
        (false, false, false) if sight.place => Verdict::Done,
        _ => Verdict::Unclear,
    }
}

/// They come and go together.
fn together(verdicts: &[Verdict]) -> Verdict {
    match verdicts {
        [first, rest @ ..] if rest.iter().all(|other| other == first) => *first,
        _ => Verdict::Unclear,
    }
}

fn created(create: &CreateTable, scope: &Scope) -> Option<Trace> {
    let schema = create.relation.schema.as_ref().or(scope.creation_schema.as_ref()).filter(|schema| !schema.starts_with("pg_temp"))?;
    let is_new = scope.relations.get(&create.relation) == Some(&Lookup::Missing);
    (is_new && !create.temporary && create.execute.is_none()).then(|| Trace {
        kind: Kind::Relation,
        schema: schema.clone(),
        relation: create.relation.name.clone(),
        oid: None,
        part: None,
        there: true,
    })
}

/// What the name means; not a temporary relation, which goes with its session.
fn lasting<'a>(name: &RelationName, scope: &'a Scope) -> Option<&'a RelationFacts> {
    scope.relations.get(name)?.found().filter(|relation| relation.persistence != 't')
}

fn of(relation: &RelationFacts, kind: Kind, part: Option<&str>, there: bool) -> Trace {
    let (schema, name) = (relation.schema.clone(), relation.name.clone());
    Trace { kind, schema, relation: name, oid: Some(relation.oid), part: part.map(str::to_owned), there }
}

fn index(create: &CreateIndex, scope: &Scope) -> Option<Trace> {
    let (name, table) = (create.name.as_ref()?, lasting(&create.table, scope)?);
    (!table.taken.relations.contains(name)).then(|| of(table, Kind::Index, Some(name), true))
}

fn dropped(drop: &Drop, scope: &Scope) -> Option<Vec<Trace>> {
    let mut traces = Vec::new();
    for name in &drop.relations {
        match scope.relations.get(name)? {
            Lookup::Missing if drop.if_exists => {}
            Lookup::Missing | Lookup::Unknown => return None,
            Lookup::Found(_) => {
                let relation = lasting(name, scope)?;
                if relation.index.as_ref().is_some_and(|index| !index.valid) {
                    return None;
                }
                traces.push(of(relation, Kind::Relation, None, false));
            }
        }
    }
    Some(traces)
}

fn renamed(rename: &Rename, scope: &Scope) -> Option<Vec<Trace>> {
    let relation = lasting(rename.relation.as_ref()?, scope)?;
    let to = &rename.to;
    let both = |kind, from: &str| vec![of(relation, kind, Some(from), false), of(relation, kind, Some(to), true)];
    match &rename.kind {
        RenameKind::Table | RenameKind::Index | RenameKind::View => (relation.name != *to).then(|| vec![of(relation, Kind::Name, Some(to), true)]),
        RenameKind::Column(from) => (relation.column(from).is_some() && relation.column(to).is_none()).then(|| both(Kind::Column, from)),
        RenameKind::Constraint(from) => (has_constraint(relation, from) && !has_constraint(relation, to)).then(|| both(Kind::Constraint, from)),
        RenameKind::Schema(_) | RenameKind::Other(_) => None,
    }
}

fn has_constraint(relation: &RelationFacts, name: &str) -> bool {
    relation.constraints.iter().any(|constraint| constraint.name == name)
}

/// Its commands come and go together, so that those that leave a trace speak for the others.
fn altered(alter: &AlterTable, scope: &Scope) -> Option<Vec<Trace>> {
    let table = lasting(&alter.relation, scope)?;
    Some(alter.commands.iter().filter_map(|command| action(&command.action, table)).collect())
}

/// A CHECK or foreign key is NOT VALID in between, which is seen; of what else a step may leave is not.
fn altered_in_steps(alter: &AlterTable, scope: &Scope) -> Option<Vec<Trace>> {
    let [command] = alter.commands.as_slice() else { return None };
    match &command.action {
        AlterAction::AddConstraint(Constraint { kind: ConstraintKind::Check { .. } | ConstraintKind::ForeignKey { .. }, .. })
        | AlterAction::ValidateConstraint(_) => altered(alter, scope),
        _ => None,
    }
}

fn action(action: &AlterAction, table: &RelationFacts) -> Option<Trace> {
    let trace = |kind, part: &str, there| Some(of(table, kind, Some(part), there));
    match action {
        AlterAction::AddColumn(AddColumn { column, .. }) if table.column(column).is_none() => trace(Kind::Column, column, true),
        AlterAction::DropColumn { column, .. } if table.column(column).is_some() => trace(Kind::Column, column, false),
        AlterAction::AddConstraint(Constraint { name: Some(name), not_valid, .. }) if !has_constraint(table, name) => {
            trace(if *not_valid { Kind::Constraint } else { Kind::ValidConstraint }, name, true)
        }
        AlterAction::DropConstraint { name, .. } if has_constraint(table, name) => trace(Kind::Constraint, name, false),
        AlterAction::ValidateConstraint(name) => {
            let open = table.constraints.iter().any(|constraint| constraint.name == *name && !constraint.validated);
            open.then(|| of(table, Kind::Validated, Some(name), true))
        }
        AlterAction::SetNotNull(column) if table.column(column).is_some_and(|known| !known.not_null) => trace(Kind::NotNull, column, true),
        AlterAction::DropNotNull(column) if table.column(column).is_some_and(|known| known.not_null) => trace(Kind::NotNull, column, false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ConstraintFacts, IndexOf, NothingPrepared, RelationFacts, World};
    use super::*;
    use crate::sql::parse::script;

    fn world() -> World {
        let constraint = |name: &str, validated| ConstraintFacts { name: name.into(), kind: 'c', validated, ..ConstraintFacts::default() };
        let index = |name: &str, valid| RelationFacts {
            schema: "public".into(),
            name: name.into(),
            kind: 'i',
            index: Some(IndexOf { valid, ..IndexOf::default() }),
            ..RelationFacts::default()
        };
        let temporary = RelationFacts { schema: "pg_temp".into(), name: "passing".into(), kind: 'r', persistence: 't', ..RelationFacts::default() };
        World::default()
            .altering(|table| {
                table.constraints = vec![constraint("proven", true), constraint("open", false)];
                table.taken.relations = vec!["taken".into()];
            })
            .with(index("good", true))
            .with(index("bad", false))
            .with(temporary)
    }

    fn of(sql: &str, in_steps: bool) -> String {
        let script = script(sql, 1 << 20).unwrap();
        let facts = world().facts(&script, &NothingPrepared);
        let sign = |trace: &Trace| if trace.there { '+' } else { '-' };
        traces(&script, &facts, in_steps).iter().map(|trace| format!("{}{}", sign(trace), trace.words())).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn what_a_statement_leaves_is_known_where_it_was_not_there_before() {
        for (sql, expected) in [
            ("CREATE TABLE fresh (a int)", "+public.fresh"),
            ("CREATE TABLE IF NOT EXISTS fresh (a int)", "+public.fresh"),
            ("CREATE TABLE fresh AS SELECT 1 AS a", "+public.fresh"),
            ("CREATE TABLE t (a int)", ""),
            ("CREATE TABLE IF NOT EXISTS t (a int)", ""),
            ("CREATE TEMP TABLE fresh (a int)", ""),
            ("CREATE TABLE pg_temp.fresh (a int)", ""),
            ("CREATE INDEX i ON t (a)", "+index i on public.t"),
            ("CREATE INDEX taken ON t (a)", ""),
            ("CREATE INDEX ON t (a)", ""),
            ("DROP TABLE t", "-public.t"),
            ("DROP TABLE t, nowhere", ""),
            ("DROP TABLE IF EXISTS t, nowhere", "-public.t"),
            ("DROP TABLE IF EXISTS nowhere", ""),
            ("DROP TABLE pg_temp.passing", ""),
            ("DROP INDEX good", "-public.good"),
            ("DROP INDEX bad", ""),
            ("ALTER TABLE t RENAME TO u", "+the name u of public.t"),
            ("ALTER TABLE t RENAME a TO z", "-column a of public.t; +column z of public.t"),
            ("ALTER TABLE t RENAME nothing TO z", ""),
            ("ALTER TABLE t ADD COLUMN z int", "+column z of public.t"),
            ("ALTER TABLE t ADD COLUMN IF NOT EXISTS a int", ""),
            ("ALTER TABLE t DROP COLUMN a", "-column a of public.t"),
            ("ALTER TABLE t ADD COLUMN z int, ALTER COLUMN a SET DEFAULT 1", "+column z of public.t"),
            ("ALTER TABLE t ALTER COLUMN a SET DEFAULT 1", ""),
            ("ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0)", "+constraint k of public.t"),
            ("ALTER TABLE t ADD CHECK (a > 0)", ""),
            ("ALTER TABLE t ADD CONSTRAINT open CHECK (a > 0)", ""),
            ("ALTER TABLE t DROP CONSTRAINT proven", "-constraint proven of public.t"),
            ("ALTER TABLE t VALIDATE CONSTRAINT open", "+constraint open of public.t"),
            ("ALTER TABLE t VALIDATE CONSTRAINT proven", ""),
            ("ALTER TABLE t ALTER COLUMN a SET NOT NULL", "+NOT NULL of column a of public.t"),
            ("ALTER TABLE t ALTER COLUMN a DROP NOT NULL", ""),
            ("CREATE TABLE fresh (a int); CREATE TABLE fresher (a int)", ""),
            ("CREATE SEQUENCE s", ""),
            ("TRUNCATE t", ""),
        ] {
            assert_eq!(of(sql, false), expected, "{sql}");
        }
    }

    #[test]
    fn of_steps_only_what_none_of_them_leaves_half() {
        for (sql, expected) in [
            ("CREATE INDEX i ON t (a)", "+index i on public.t"),
            ("DROP INDEX good", "-public.good"),
            ("DROP TABLE t", ""),
            ("ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0)", "+constraint k of public.t"),
            ("ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)", ""),
            ("ALTER TABLE t ALTER COLUMN a SET NOT NULL", ""),
            ("ALTER TABLE t ADD COLUMN z int CONSTRAINT k CHECK (z > 0)", ""),
        ] {
            assert_eq!(of(sql, true), expected, "{sql}");
        }
    }

    #[test]
    fn nothing_is_claimed_of_what_is_half_there() {
        let trace = |there| Trace { kind: Kind::Column, schema: "public".into(), relation: "t".into(), oid: Some(1), part: Some("a".into()), there };
        let said = |traces: &[Trace], sights: &str| verdicts(std::iter::once(traces), sights).unwrap();
        let sight = |n, found, partly, new, place| format!(r#"{{"n": {n}, "found": {found}, "partly": {partly}, "new": {new}, "place": {place}}}"#);
        let one = |there, found, partly, new, place| said(&[trace(there)], &format!("[{}]", sight(0, found, partly, new, place)))[0];
        assert_eq!(one(true, true, false, true, true), Verdict::Done);
        assert_eq!(one(true, true, false, false, true), Verdict::Unclear, "it was written before the statement");
        assert_eq!(one(true, false, true, true, true), Verdict::Unclear, "an index that is not valid");
        assert_eq!(one(true, false, false, false, true), Verdict::Undone);
        assert_eq!(one(true, false, false, false, false), Verdict::Unclear, "its table is gone");
        assert_eq!(one(false, false, false, false, true), Verdict::Done);
        assert_eq!(one(false, false, false, false, false), Verdict::Unclear, "with its table");
        assert_eq!(one(false, true, false, false, true), Verdict::Undone);
        let both = |second: String| said(&[trace(true), trace(false)], &format!("[{}, {second}]", sight(0, true, false, true, true)));
        assert_eq!(both(sight(1, false, false, false, true)), [Verdict::Done]);
        assert_eq!(both(sight(1, true, false, false, true)), [Verdict::Unclear], "they do not agree");
        assert_eq!(said(&[trace(true)], "[]"), [Verdict::Unclear]);
        assert!(verdicts(std::iter::empty(), "{}").is_err());
    }
}
