//! An independent parser reads the corpus too: wherever it understands a statement, it must find in it what we found.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

use std::path::{Path, PathBuf};

use pgairlock::sql::name::RelationName;
use pgairlock::sql::parse::script;
use pgairlock::sql::statement::{AddColumn, AlterAction, Constraint, ConstraintKind, RenameKind, Statement, Using};
use sqlparser::ast;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

const CORPUS: &[(&str, &str)] = &[
    ("tables.sql", include_str!("corpus/tables.sql")),
    ("alter.sql", include_str!("corpus/alter.sql")),
    ("indexes.sql", include_str!("corpus/indexes.sql")),
    ("other.sql", include_str!("corpus/other.sql")),
];

/// What one reader says of a statement, a line for each fact.
type Facts = Vec<String>;

#[test]
fn two_readers_agree() {
    let (mut read, mut compared) = (0, 0);
    for (file, text) in CORPUS {
        let script = script(text, 1 << 20).unwrap_or_else(|error| panic!("{file}: {error}"));
        for parsed in &script.statements {
            let statement = &text[parsed.span.clone()];
            read += 1;
            let Some(second) = second_reading(statement) else { continue };
            compared += 1;
            assert_eq!(ours(&parsed.statement), second, "{file}: {statement}");
        }
    }
    assert!(read >= 220, "the corpus has {read} statements");
    assert!(compared >= 90, "both readers understood {compared} statements only");
}

/// Of each thousand statements of a real project one may be read otherwise; each is printed. `make corpus` says where the files are.
const MOST_DIFFERENCES_PER_MILLE: usize = 1;

#[test]
fn two_readers_agree_about_a_real_project() {
    let Some(directory) = std::env::var_os("PGAIRLOCK_CORPUS") else { return };
    let (mut read, mut compared, mut different) = (0, 0, 0);
    for file in sql_files(directory.as_ref()) {
        let text = std::fs::read_to_string(&file).unwrap();
        let script = script(&text, 1 << 24).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for parsed in &script.statements {
            let statement = &text[parsed.span.clone()];
            read += 1;
            let Some(second) = second_reading(statement) else { continue };
            compared += 1;
            if ours(&parsed.statement) != second {
                different += 1;
                println!("{}: {statement}\n  ours: {:?}\n  theirs: {second:?}", file.display(), ours(&parsed.statement));
            }
        }
    }
    println!("{read} statements, {compared} understood by both, {different} read otherwise");
    assert!(compared >= 1_000, "both readers understood {compared} of {read} statements only");
    assert!(different * 1_000 <= compared * MOST_DIFFERENCES_PER_MILLE, "{different} of {compared} differ");
}

fn sql_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sql_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The splits agree too, statement by statement, but for the known gaps of the second reader.
#[test]
fn every_statement_of_the_corpus_stands_alone() {
    for (file, text) in CORPUS {
        let whole = script(text, 1 << 20).unwrap();
        for parsed in &whole.statements {
            let statement = &text[parsed.span.clone()];
            let alone = script(statement, 1 << 20).unwrap();
            assert_eq!(alone.statements.len(), 1, "{file}: {statement}");
            assert_eq!(alone.statements[0].span, 0..statement.len(), "{file}: {statement}");
            assert_eq!(alone.statements[0].functions, parsed.functions, "{file}: {statement}");
        }
    }
}

fn ours(statement: &Statement) -> Facts {
    match statement {
        Statement::CreateTable(table) => {
            let mut facts = vec![format!("create table {}", dotted(&table.relation))];
            push_if(&mut facts, table.if_not_exists, "if not exists");
            push_if(&mut facts, table.temporary, "temporary");
            facts.extend(table.references.iter().map(|name| format!("references {}", dotted(name))));
            facts
        }
        Statement::CreateIndex(index) => {
            let mut facts = vec![format!("create index {} on {}", index.name.as_deref().unwrap_or("?"), dotted(&index.table))];
            push_if(&mut facts, index.unique, "unique");
            push_if(&mut facts, index.concurrently, "concurrently");
            push_if(&mut facts, index.if_not_exists, "if not exists");
            facts
        }
        Statement::DropTable(drop) | Statement::DropIndex(drop) => {
            let kind = if matches!(statement, Statement::DropTable(_)) { "table" } else { "index" };
            let mut facts: Facts = drop.relations.iter().map(|name| format!("drop {kind} {}", dotted(name))).collect();
            push_if(&mut facts, drop.if_exists, "if exists");
            push_if(&mut facts, drop.cascade, "cascade");
            facts
        }
        Statement::AlterTable(alter) => {
            let mut facts = vec![format!("alter table {}", dotted(&alter.relation))];
            push_if(&mut facts, alter.if_exists, "if exists");
            push_if(&mut facts, alter.only, "only");
            alter.commands.iter().for_each(|command| our_command(&mut facts, &command.action));
            facts
        }
        Statement::Rename(rename) => {
            let relation = rename.relation.as_ref().map_or_else(String::new, dotted);
            vec![match &rename.kind {
                RenameKind::Column(column) => format!("rename column {relation}.{column} to {}", rename.to),
                RenameKind::Constraint(name) => format!("rename constraint {relation}.{name} to {}", rename.to),
                RenameKind::Table => format!("rename table {relation} to {}", rename.to),
                other => format!("rename {other:?}"),
            }]
        }
        other => vec![format!("{other:?}")],
    }
}

fn our_command(facts: &mut Facts, action: &AlterAction) {
    match action {
        AlterAction::AddColumn(column) => our_column(facts, column),
        AlterAction::AddConstraint(constraint) => {
            facts.push(our_constraint(constraint));
            push_if(facts, constraint.not_valid, "not valid");
        }
        AlterAction::ValidateConstraint(name) => facts.push(format!("validate {name}")),
        AlterAction::DropConstraint { name, if_exists, cascade } => {
            facts.push(format!("drop constraint {name} if exists {if_exists} cascade {cascade}"));
        }
        AlterAction::DropColumn { column, if_exists, cascade } => facts.push(format!("drop column {column} if exists {if_exists} cascade {cascade}")),
        AlterAction::SetNotNull(column) => facts.push(format!("not null {column}")),
        AlterAction::AlterType(alter) => {
            let simple = matches!(alter.using, None | Some(Using::Column { .. }));
            facts.push(format!("type of {} using {} simple {simple}", alter.column, alter.using.is_some()));
        }
        AlterAction::AttachPartition { .. }
        | AlterAction::DetachPartition(_)
        | AlterAction::Inherit(_)
        | AlterAction::DropNotNull(_)
        | AlterAction::DropDefault(_)
        | AlterAction::Brief(_)
        | AlterAction::Store(_)
        | AlterAction::SetExpression(_)
        | AlterAction::Unjudged(_) => facts.push("another command".to_owned()),
    }
}

fn our_column(facts: &mut Facts, column: &AddColumn) {
    facts.push(format!("add column {} if not exists {}", column.column, column.if_not_exists));
    push_if(facts, column.not_null, "not null");
    push_if(facts, column.default.is_some(), "default");
    push_if(facts, column.generated.is_some(), "generated");
    facts.extend(column.constraints.iter().map(|inline| our_constraint(&inline.constraint)));
}

fn our_constraint(constraint: &Constraint) -> String {
    let name = constraint.name.as_deref().unwrap_or("?");
    match &constraint.kind {
        ConstraintKind::Check { .. } => format!("{name} check"),
        ConstraintKind::ForeignKey { columns, references, referenced_columns } => {
            format!("{name} foreign key {columns:?} references {} {referenced_columns:?}", dotted(references))
        }
        ConstraintKind::Unique(unique) => format!("{name} {} {:?}", if unique.primary { "primary key" } else { "unique" }, unique.columns),
        other => format!("{name} {other:?}"),
    }
}

fn dotted(name: &RelationName) -> String {
    name.schema.iter().chain([&name.name]).map(String::as_str).collect::<Vec<_>>().join(".")
}

fn push_if(facts: &mut Facts, holds: bool, fact: &str) {
    if holds {
        facts.push(fact.to_owned());
    }
}

/// `None` where the second reader does not understand the statement, or knows no facts of its kind.
fn second_reading(text: &str) -> Option<Facts> {
    let statements = Parser::parse_sql(&PostgreSqlDialect {}, text).ok()?;
    let [statement] = statements.as_slice() else { return None };
    match statement {
        ast::Statement::CreateTable(table) => Some(their_table(table)),
        ast::Statement::CreateIndex(index) => {
            let name = index.name.as_ref().map_or_else(|| "?".to_owned(), object);
            let mut facts = vec![format!("create index {name} on {}", object(&index.table_name))];
            push_if(&mut facts, index.unique, "unique");
            push_if(&mut facts, index.concurrently, "concurrently");
            push_if(&mut facts, index.if_not_exists, "if not exists");
            Some(facts)
        }
        ast::Statement::Drop { object_type, if_exists, names, cascade, .. } => {
            let kind = match object_type {
                ast::ObjectType::Table => "table",
                ast::ObjectType::Index => "index",
                _ => return None,
            };
            let mut facts: Facts = names.iter().map(|name| format!("drop {kind} {}", object(name))).collect();
            push_if(&mut facts, *if_exists, "if exists");
            push_if(&mut facts, *cascade, "cascade");
            Some(facts)
        }
        ast::Statement::AlterTable(alter) => their_alter(alter),
        _ => None,
    }
}

fn their_table(table: &ast::CreateTable) -> Facts {
    let mut facts = vec![format!("create table {}", object(&table.name))];
    push_if(&mut facts, table.if_not_exists, "if not exists");
    push_if(&mut facts, table.temporary, "temporary");
    let beside_columns = table.columns.iter().flat_map(|column| &column.options).filter_map(|option| match &option.option {
        ast::ColumnOption::ForeignKey(key) => Some(key),
        _ => None,
    });
    let of_table = table.constraints.iter().filter_map(|constraint| match constraint {
        ast::TableConstraint::ForeignKey(key) => Some(key),
        _ => None,
    });
    facts.extend(beside_columns.chain(of_table).map(|key| format!("references {}", object(&key.foreign_table))));
    facts
}

fn their_alter(alter: &ast::AlterTable) -> Option<Facts> {
    let table = object(&alter.name);
    match alter.operations.as_slice() {
        [ast::AlterTableOperation::RenameColumn { old_column_name, new_column_name }] => {
            return Some(vec![format!("rename column {table}.{} to {}", ident(old_column_name), ident(new_column_name))]);
        }
        [ast::AlterTableOperation::RenameConstraint { old_name, new_name }] => {
            return Some(vec![format!("rename constraint {table}.{} to {}", ident(old_name), ident(new_name))]);
        }
        [ast::AlterTableOperation::RenameTable { table_name: ast::RenameTableNameKind::To(name) | ast::RenameTableNameKind::As(name) }] => {
            return Some(vec![format!("rename table {table} to {}", object(name))]);
        }
        _ => {}
    }
    let mut facts = vec![format!("alter table {table}")];
    push_if(&mut facts, alter.if_exists, "if exists");
    push_if(&mut facts, alter.only, "only");
    for operation in &alter.operations {
        their_command(&mut facts, operation)?;
    }
    Some(facts)
}

fn their_command(facts: &mut Facts, operation: &ast::AlterTableOperation) -> Option<()> {
    use ast::AlterTableOperation as Operation;
    match operation {
        Operation::AddColumn { if_not_exists, column_def, .. } => their_column(facts, column_def, *if_not_exists)?,
        Operation::AddConstraint { constraint, not_valid } => {
            facts.push(their_constraint(constraint)?);
            push_if(facts, *not_valid, "not valid");
        }
        Operation::ValidateConstraint { name } => facts.push(format!("validate {}", ident(name))),
        Operation::DropConstraint { if_exists, name, drop_behavior } => {
            let cascade = *drop_behavior == Some(ast::DropBehavior::Cascade);
            facts.push(format!("drop constraint {} if exists {if_exists} cascade {cascade}", ident(name)));
        }
        Operation::DropColumn { column_names, if_exists, drop_behavior, .. } => {
            let cascade = *drop_behavior == Some(ast::DropBehavior::Cascade);
            facts.extend(column_names.iter().map(|name| format!("drop column {} if exists {if_exists} cascade {cascade}", ident(name))));
        }
        Operation::AlterColumn { column_name, op: ast::AlterColumnOperation::SetNotNull } => facts.push(format!("not null {}", ident(column_name))),
        Operation::AlterColumn { column_name, op: ast::AlterColumnOperation::SetDataType { using, .. } } => {
            let simple = match using {
                None | Some(ast::Expr::Identifier(_)) => true,
                Some(ast::Expr::Cast { expr, .. }) => matches!(**expr, ast::Expr::Identifier(_)),
                Some(_) => false,
            };
            facts.push(format!("type of {} using {} simple {simple}", ident(column_name), using.is_some()));
        }
        _ => facts.push("another command".to_owned()),
    }
    Some(())
}

fn their_column(facts: &mut Facts, column: &ast::ColumnDef, if_not_exists: bool) -> Option<()> {
    let name = ident(&column.name);
    facts.push(format!("add column {name} if not exists {if_not_exists}"));
    let has = |wanted: fn(&ast::ColumnOption) -> bool| column.options.iter().any(|option| wanted(&option.option));
    push_if(facts, has(|option| matches!(option, ast::ColumnOption::NotNull | ast::ColumnOption::PrimaryKey(_))), "not null");
    push_if(facts, has(|option| matches!(option, ast::ColumnOption::Default(_))), "default");
    push_if(facts, has(|option| matches!(option, ast::ColumnOption::Generated { generation_expr: Some(_), .. })), "generated");
    for option in &column.options {
        let named = option.name.as_ref().map_or_else(|| "?".to_owned(), ident);
        match &option.option {
            ast::ColumnOption::Check(_) => facts.push(format!("{named} check")),
            ast::ColumnOption::Unique(_) => facts.push(format!("{named} unique {:?}", [&name])),
            ast::ColumnOption::PrimaryKey(_) => facts.push(format!("{named} primary key {:?}", [&name])),
            ast::ColumnOption::ForeignKey(key) => {
                facts.push(format!(
                    "{named} foreign key {:?} references {} {:?}",
                    [&name],
                    object(&key.foreign_table),
                    idents(&key.referred_columns)
                ));
            }
            _ => {}
        }
    }
    Some(())
}

fn their_constraint(constraint: &ast::TableConstraint) -> Option<String> {
    let named = |name: &Option<ast::Ident>| name.as_ref().map_or_else(|| "?".to_owned(), ident);
    Some(match constraint {
        ast::TableConstraint::Check(check) => format!("{} check", named(&check.name)),
        ast::TableConstraint::ForeignKey(key) => format!(
            "{} foreign key {:?} references {} {:?}",
            named(&key.name),
            idents(&key.columns),
            object(&key.foreign_table),
            idents(&key.referred_columns)
        ),
        ast::TableConstraint::Unique(unique) => format!("{} unique {:?}", named(&unique.name), index_columns(&unique.columns)?),
        ast::TableConstraint::PrimaryKey(key) => format!("{} primary key {:?}", named(&key.name), index_columns(&key.columns)?),
        _ => return None,
    })
}

fn index_columns(columns: &[ast::IndexColumn]) -> Option<Vec<String>> {
    columns
        .iter()
        .map(|column| match &column.column.expr {
            ast::Expr::Identifier(name) => Some(ident(name)),
            _ => None,
        })
        .collect()
}

fn object(name: &ast::ObjectName) -> String {
    name.0.iter().filter_map(ast::ObjectNamePart::as_ident).map(ident).collect::<Vec<_>>().join(".")
}

fn idents(names: &[ast::Ident]) -> Vec<String> {
    names.iter().map(ident).collect()
}

/// PostgreSQL folds what is not quoted, ASCII letters only in a UTF-8 database.
fn ident(name: &ast::Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_ascii_lowercase() }
}
