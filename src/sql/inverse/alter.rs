//! ALTER TABLE: command by command, the last one first.

use std::collections::BTreeSet;

use super::{Aspect, Former, Inverse, NO_FORMER, Was};
use crate::sql::name::Identifier;
use crate::sql::naming;
use crate::sql::statement::{AddColumn, AlterAction, AlterCommand, AlterTable, AlterType, Constraint, ConstraintKind, Script, Storage, TypeName};
use crate::sql::tokens::{self, Kind, Token};

/// The way back from one command.
enum Back {
    /// Commands of an ALTER TABLE of the same table.
    Commands(Vec<String>),
    /// The same, and data that goes with it.
    Losing(String, String),
    /// The same, and what is to be known.
    Remarked(Vec<String>, String),
    Nothing,
    Lost(String),
    Unknown(String),
}

/// One ALTER TABLE again, or what stands in its way.
pub(super) fn table(table: &AlterTable, script: &Script, former: &Former) -> Inverse {
    let (mut commands, mut loses, mut remarks) = (Vec::new(), Vec::new(), Vec::new());
    let (mut lost, mut unknown) = (Vec::new(), Vec::new());
    let mut taken = BTreeSet::new();
    let backs: Vec<Back> = table.commands.iter().map(|command| of(command, table, script, former, &mut taken)).collect();
    for back in backs.into_iter().rev() {
        match back {
            Back::Nothing => {}
            Back::Commands(back) => commands.extend(back),
            Back::Losing(back, data) => {
                commands.push(back);
                loses.push(data);
            }
            Back::Remarked(back, remark) => {
                commands.extend(back);
                remarks.push(remark);
            }
            Back::Lost(why) => lost.push(why),
            Back::Unknown(why) => unknown.push(why),
        }
    }
    let only = if table.only { "ONLY " } else { "" };
    let statement = (!commands.is_empty()).then(|| format!("ALTER TABLE {only}{} {}", table.relation, commands.join(", ")));
    // The part that is known is not left out for the part that is not.
    let also = statement.as_ref().map_or_else(String::new, |statement| format!("; its other commands: {statement}"));
    match (lost.is_empty(), unknown.is_empty(), statement) {
        (false, _, _) => Inverse::NoneWithoutLoss { why: [lost, unknown].concat().join("; ") + &also },
        (true, false, _) => Inverse::unknown(unknown.join("; ") + &also),
        (true, true, None) => Inverse::nothing("what it found to hold does no harm"),
        (true, true, Some(statement)) => Inverse::Sql { statements: vec![statement], loses: (!loses.is_empty()).then(|| loses.join("; ")), remarks },
    }
}

fn of(command: &AlterCommand, table: &AlterTable, script: &Script, former: &Former, taken: &mut BTreeSet<String>) -> Back {
    let column = |column: &str, change: &str| Back::Commands(vec![format!("ALTER COLUMN {} {change}", Identifier(column))]);
    match &command.action {
        AlterAction::AddColumn(add) => added(add, former),
        AlterAction::AddConstraint(constraint) => constrained(constraint, table, former, taken),
        AlterAction::ValidateConstraint(_) => Back::Nothing,
        AlterAction::DropConstraint { name, if_exists, cascade } => unconstrained(name, *if_exists, *cascade, former),
        AlterAction::DropColumn { column, .. } => {
            let column = Identifier(column);
            Back::Lost(format!("the values of {column} are gone: add the column again, and fill it from a backup"))
        }
        AlterAction::SetNotNull(name) if was_not_null(name, former) == Some(true) => Back::Nothing,
        AlterAction::SetNotNull(name) => column(name, "DROP NOT NULL"),
        AlterAction::AlterType(change) => retyped(change, former),
        AlterAction::AttachPartition { child, .. } => Back::Remarked(
            vec![format!("DETACH PARTITION {child}")],
            format!(
                "the indexes and constraints that {child} got from its table stay; where no default partition is there, DETACH … CONCURRENTLY stops nobody, and leaves a CHECK of the bounds"
            ),
        ),
        AlterAction::DetachPartition(child) => {
            Back::Unknown(format!("the bounds of {child} are not recorded: ATTACH PARTITION {child} FOR VALUES …"))
        }
        AlterAction::Inherit(parent) => Back::Commands(vec![format!("NO INHERIT {parent}")]),
        AlterAction::DropNotNull(name) if was_not_null(name, former) == Some(false) => Back::Nothing,
        AlterAction::DropNotNull(name) => {
            let command = format!("ALTER COLUMN {} SET NOT NULL", Identifier(name));
            Back::Remarked(vec![command], format!("it fails while there are rows without a value in {}", Identifier(name)))
        }
        AlterAction::DropDefault(name) => former_default(name, former)
            .map_or_else(|| Back::Unknown(format!("the former default of {} is not recorded", Identifier(name))), |back| Back::Commands(vec![back])),
        AlterAction::Brief(what) => brief(what, script.text.get(command.span.clone()).unwrap_or_default(), former),
        AlterAction::Store(storage) => stored(storage),
        AlterAction::SetExpression(name) => Back::Unknown(format!("the former expression of {} is not recorded", Identifier(name))),
        AlterAction::Unjudged(what) => Back::Unknown(format!("{what}: {NO_FORMER}")),
    }
}

fn added(add: &AddColumn, former: &Former) -> Back {
    let column = Identifier(&add.column);
    let back = format!("DROP COLUMN {column}");
    match former.was_there(Some(&add.column)) {
        Some(true) if add.if_not_exists => Back::Nothing,
        None if add.if_not_exists => {
            Back::Unknown(format!("IF NOT EXISTS: whether {column} was there before is not recorded; where this statement made it: {back}"))
        }
        _ => Back::Losing(back, format!("all values that were written into {column} since")),
    }
}

/// Under its own name, or under the one that PostgreSQL chooses where nobody has it.
fn constrained(constraint: &Constraint, table: &AlterTable, former: &Former, taken: &mut BTreeSet<String>) -> Back {
    if let ConstraintKind::UsingIndex { index, .. } = &constraint.kind {
        return Back::Unknown(format!(
            "the index {} became the constraint's own and goes with it: DROP CONSTRAINT {}, then build the index again",
            Identifier(index),
            Identifier(constraint.name.as_ref().unwrap_or(index))
        ));
    }
    let Some(name) = constraint.name.clone().or_else(|| chosen(constraint, &table.relation.name, taken)) else {
        return Back::Unknown("PostgreSQL chose the name of the constraint: look it up, and DROP CONSTRAINT it".to_owned());
    };
    taken.insert(name.clone());
    let mut remarks = Vec::new();
    if constraint.name.is_none() {
        remarks.push(format!("PostgreSQL chose the name: where {} was taken, the constraint has a number behind it", Identifier(&name)));
    }
    let mut back = vec![format!("DROP CONSTRAINT {}", Identifier(&name))];
    if let ConstraintKind::Unique(key) = &constraint.kind
        && key.primary
    {
        let nullable = |column: &&String| was_not_null(column, former) == Some(false);
        back.extend(key.columns.iter().filter(nullable).map(|column| format!("ALTER COLUMN {} DROP NOT NULL", Identifier(column))));
        let unknown: Vec<String> =
            key.columns.iter().filter(|column| was_not_null(column, former).is_none()).map(|column| Identifier(column).to_string()).collect();
        if !unknown.is_empty() {
            remarks.push(format!("{} stay NOT NULL; where they were not before: ALTER COLUMN … DROP NOT NULL", unknown.join(", ")));
        }
    }
    if remarks.is_empty() { Back::Commands(back) } else { Back::Remarked(back, remarks.join("; ")) }
}

fn was_not_null(column: &str, former: &Former) -> Option<bool> {
    former.was(Aspect::NotNull, Some(column)).map(|was| *was != Was::Nothing)
}

/// DROP CONSTRAINT.
fn unconstrained(name: &str, if_exists: bool, cascade: bool, former: &Former) -> Back {
    let constraint = Identifier(name);
    match former.was(Aspect::Object, Some(name)) {
        Some(Was::Nothing) if if_exists => Back::Nothing,
        Some(Was::Text(definition)) if cascade => {
            Back::Unknown(format!("what CASCADE took along is not recorded; of {constraint} itself: ADD CONSTRAINT {constraint} {definition}"))
        }
        Some(Was::Text(definition)) => Back::Commands(vec![format!("ADD CONSTRAINT {constraint} {definition}")]),
        _ => Back::Unknown(format!("the definition of {constraint} stands in the migration that made it: add it again NOT VALID, and validate it")),
    }
}

/// None where it is not recorded.
fn former_default(column: &str, former: &Former) -> Option<String> {
    let name = Identifier(column);
    match former.was(Aspect::Default, Some(column))? {
        Was::Nothing => Some(format!("ALTER COLUMN {name} DROP DEFAULT")),
        Was::Text(default) => Some(format!("ALTER COLUMN {name} SET DEFAULT {default}")),
        Was::Withheld => None,
    }
}

/// ALTER COLUMN … TYPE. A default goes first and comes last: that of the other type may have no cast.
fn retyped(change: &AlterType, former: &Former) -> Back {
    let name = Identifier(&change.column);
    let Some(Was::Text(was)) = former.was(Aspect::Type, Some(&change.column)) else {
        return Back::Unknown(format!(
            "the former type of {name} is not recorded; what does not fit into {} any more is lost, and the way back rewrites the table",
            change.type_name
        ));
    };
    let using = if needs_using(&change.type_name, was) { format!(" USING {name}::{}", without_collation(was)) } else { String::new() };
    let back = format!("ALTER COLUMN {name} TYPE {was}{using}");
    let remark = format!(
        "a value of {name} that is none of {} makes it fail, digits behind its last one are rounded away; it may write the table anew",
        without_collation(was)
    );
    match former.was(Aspect::Default, Some(&change.column)) {
        Some(Was::Nothing) => Back::Remarked(vec![back], remark),
        Some(Was::Text(default)) => {
            Back::Remarked(vec![format!("ALTER COLUMN {name} DROP DEFAULT"), back, format!("ALTER COLUMN {name} SET DEFAULT {default}")], remark)
        }
        _ => Back::Remarked(vec![back], format!("{remark}; whether its default is still the one before is not recorded")),
    }
}

fn without_collation(name: &str) -> &str {
    name.split(" COLLATE ").next().unwrap_or(name)
}

/// Types between whose members a value is assigned without a word.
const KIN: &[&[&str]] = &[
    &["smallint", "integer", "bigint", "numeric", "real", "double precision", "int2", "int4", "int8", "float4", "float8"],
    &["timestamp", "timestamptz", "date", "timestamp without time zone", "timestamp with time zone"],
];
/// Everything can be assigned to these. An explicit cast to one would cut off what is too long, where the assignment fails.
const TEXTS: &[&str] = &["text", "character varying", "character", "varchar", "char", "bpchar", "name"];

/// From `is` back to `was`, as `format_type` writes that.
fn needs_using(is: &TypeName, was: &str) -> bool {
    let is = base(&is.to_string());
    let was = base(without_collation(was));
    let akin = KIN.iter().any(|kin| kin.contains(&&*is) && kin.contains(&&*was));
    !(akin || is == was || TEXTS.contains(&&*was))
}

/// Without what stands in parentheses.
fn base(name: &str) -> String {
    match (name.find('('), name.find(')')) {
        (Some(open), Some(close)) if open < close => {
            let rest = name.get(close + 1..).unwrap_or_default();
            format!("{}{rest}", name.get(..open).unwrap_or_default().trim_end())
        }
        _ => name.to_owned(),
    }
}

fn chosen(constraint: &Constraint, table: &str, taken: &BTreeSet<String>) -> Option<String> {
    let choose = |columns: &[String], suffix: &str| Some(naming::choose(table, columns, suffix, &|name| taken.contains(name)));
    match &constraint.kind {
        ConstraintKind::Check { columns, .. } => choose(if columns.len() == 1 { columns } else { &[] }, "check"),
        ConstraintKind::ForeignKey { columns, .. } => choose(columns, "fkey"),
        ConstraintKind::Unique(key) if key.primary => choose(&[], "pkey"),
        ConstraintKind::Unique(key) => choose(&naming::distinct([&key.columns[..], &key.including].concat().into_iter()), "key"),
        ConstraintKind::NotNull { column } => choose(std::slice::from_ref(column), "not_null"),
        ConstraintKind::UsingIndex { .. } | ConstraintKind::Exclude => None,
    }
}

fn stored(storage: &Storage) -> Back {
    let rewrites = |command: &str| Back::Remarked(vec![command.to_owned()], "it writes the whole table anew under an exclusive lock".to_owned());
    match storage {
        Storage::Logged => rewrites("SET UNLOGGED"),
        Storage::Unlogged => rewrites("SET LOGGED"),
        Storage::Tablespace(_) | Storage::AccessMethod(_) => Back::Unknown(format!("{}: the former one is not recorded", storage.words())),
    }
}

/// What is switched on is switched off, and the other way round.
fn brief(what: &str, command: &str, former: &Former) -> Back {
    let tokens = tokens::significant(command, &(0..command.len())).unwrap_or_default();
    let unknown = || Back::Unknown(format!("{what}: {NO_FORMER}"));
    let rest = |from: usize| tokens.get(from).and_then(|token| command.get(token.span.start..)).unwrap_or_default();
    let switch = |back: &str| Back::Commands(vec![back.to_owned()]);
    match what {
        "ENABLE ROW LEVEL SECURITY" => switch("DISABLE ROW LEVEL SECURITY"),
        "DISABLE ROW LEVEL SECURITY" => switch("ENABLE ROW LEVEL SECURITY"),
        "FORCE ROW LEVEL SECURITY" => switch("NO FORCE ROW LEVEL SECURITY"),
        "NO FORCE ROW LEVEL SECURITY" => switch("FORCE ROW LEVEL SECURITY"),
        "DISABLE TRIGGER" => {
            Back::Remarked(vec![format!("ENABLE {}", rest(1))], "a trigger that was disabled before, or enabled ALWAYS, is so no more".to_owned())
        }
        "ENABLE TRIGGER" if is_word(tokens.get(1), "TRIGGER") => Back::Commands(vec![format!("DISABLE {}", rest(1))]),
        "DISABLE RULE" => Back::Commands(vec![format!("ENABLE {}", rest(1))]),
        "ENABLE RULE" if is_word(tokens.get(1), "RULE") => Back::Commands(vec![format!("DISABLE {}", rest(1))]),
        "NO INHERIT" => Back::Commands(vec![format!("INHERIT {}", rest(2))]),
        "OF" => switch("NOT OF"),
        "SET DEFAULT" => {
            altered_column(&tokens, command).and_then(|column| former_default(&column, former)).map_or_else(unknown, |back| switch(&back))
        }
        "ADD GENERATED … AS IDENTITY" => column(&tokens, command).map_or_else(unknown, |column| {
            Back::Losing(format!("ALTER COLUMN {column} DROP IDENTITY"), "how far its sequence has counted".to_owned())
        }),
        _ => unknown(),
    }
}

fn is_word(token: Option<&Token>, word: &str) -> bool {
    token.is_some_and(|token| token.kind.is_keyword(word))
}

/// The same, folded or without its quotes.
fn altered_column(tokens: &[Token], command: &str) -> Option<String> {
    let written = column(tokens, command)?;
    match written.strip_prefix('"') {
        Some(quoted) => Some(quoted.strip_suffix('"')?.replace("\"\"", "\"")),
        None if written.contains('"') => None,
        None => Some(written.to_lowercase()),
    }
}

/// The name behind ALTER [COLUMN], as it is written.
fn column<'t>(tokens: &[Token], command: &'t str) -> Option<&'t str> {
    let at = if is_word(tokens.get(1), "COLUMN") && matches!(tokens.get(2)?.kind, Kind::Word(_) | Kind::Quoted) && !is_word(tokens.get(2), "ADD") {
        2
    } else {
        1
    };
    command.get(tokens.get(at)?.span.clone())
}
