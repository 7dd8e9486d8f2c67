//! What is taken for known where no server was asked: that PostgreSQL's own functions are what they are everywhere, that other types are no domains
//! with constraints, that the words of a block of code are nobody's functions, and that what only partitioned tables have is said of a partitioned table.

use crate::sql::statement::{AlterAction, FunctionCall, Parsed, Statement};

use super::facts::{FunctionFacts, Lookup, RelationFacts, Scope, TypeFacts};

/// PostgreSQL's own functions that stand in defaults, and are not volatile (`pg_proc.provolatile` on 13 to 18).
const STEADY: &[&str] = &[
    "abs",
    "age",
    "array_append",
    "array_cat",
    "array_fill",
    "array_length",
    "array_prepend",
    "array_to_string",
    "btrim",
    "ceil",
    "ceiling",
    "concat",
    "concat_ws",
    "convert_from",
    "convert_to",
    "current_database",
    "current_schema",
    "current_setting",
    "date",
    "date_part",
    "date_trunc",
    "daterange",
    "decode",
    "div",
    "encode",
    "exp",
    "extract",
    "float8",
    "floor",
    "format",
    "int4",
    "int4range",
    "int8",
    "int8range",
    "json_build_array",
    "json_build_object",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_object",
    "justify_interval",
    "left",
    "length",
    "ln",
    "lower",
    "lpad",
    "ltrim",
    "make_date",
    "make_interval",
    "make_time",
    "make_timestamp",
    "make_timestamptz",
    "md5",
    "mod",
    "now",
    "numeric",
    "numrange",
    "point",
    "power",
    "quote_ident",
    "quote_literal",
    "repeat",
    "replace",
    "reverse",
    "right",
    "round",
    "rpad",
    "rtrim",
    "sha256",
    "sha512",
    "split_part",
    "sqrt",
    "statement_timestamp",
    "string_to_array",
    "substr",
    "substring",
    "text",
    "timezone",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_number",
    "to_timestamp",
    "to_tsvector",
    "transaction_timestamp",
    "translate",
    "trunc",
    "tsrange",
    "tstzrange",
    "upper",
    "varchar",
];

/// What is assumed of everything that a statement names.
#[must_use]
pub fn scope(parsed: &Parsed) -> Scope {
    let mut scope = Scope { creation_schema: Some("public".to_owned()), mentions_known: true, ..Scope::default() };
    let mut function = |call: &FunctionCall| {
        let own = call.schema.as_deref().is_none_or(|schema| schema == "pg_catalog") && STEADY.contains(&&*call.name);
        if own {
            scope.functions.insert(call.clone(), Lookup::Found(vec![steady()]));
        }
    };
    parsed.functions.iter().for_each(&mut function);
    match &parsed.statement {
        // Without IF NOT EXISTS it fails unless it is new.
        Statement::CreateTable(create) if !create.if_not_exists => {
            scope.relations.insert(create.relation.clone(), Lookup::Missing);
        }
        // What is said of a parent alone.
        Statement::CreateIndex(create) if create.only => {
            let schema = create.table.schema.clone().unwrap_or_else(|| "public".to_owned());
            let facts = RelationFacts { schema, name: create.table.name.clone(), kind: 'p', persistence: 'p', ..RelationFacts::default() };
            scope.relations.insert(create.table.clone(), Lookup::Found(facts));
        }
        Statement::AlterTable(alter) => {
            for command in &alter.commands {
                if let AlterAction::AddColumn(column) = &command.action {
                    column.default.iter().flat_map(|default| &default.functions).for_each(&mut function);
                    scope.types.insert(column.type_name.clone(), Lookup::Found(plain()));
                }
            }
        }
        _ => {}
    }
    scope
}

fn steady() -> FunctionFacts {
    FunctionFacts { schema: "pg_catalog".into(), builtin: true, volatility: 's', language: "internal".into(), ..FunctionFacts::default() }
}

fn plain() -> TypeFacts {
    TypeFacts {
        oid: 0,
        constrained_domain: false,
        base_oid: 0,
        base_modifier: -1,
        unsorted: false,
        users: None,
        labels: Vec::new(),
        binary_from: Vec::new(),
    }
}
