//! What a statement leaves in the catalog, as far as its inverse needs to name it: the names that [`super::super::statement`] does not keep.

use pg_query::protobuf::{
    AlterDomainStmt, AlterEnumStmt, AlterObjectSchemaStmt, CreateFunctionStmt, CreateStatsStmt, DefineStmt, FunctionParameter, FunctionParameterMode,
    ObjectType, ObjectWithArgs, RangeVar, RenameStmt, TypeName as Type,
};
use pg_query::{Node, NodeEnum};

use super::super::name::{Identifier, Literal, RelationName};
use super::super::naming;
use super::tree;

/// What brings it back to what was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The statement that does so.
    pub back: String,
    /// What was there under the name may have been replaced: OR REPLACE.
    pub replaces: bool,
    /// It may have been there before: IF NOT EXISTS.
    pub unless_there: bool,
}

impl Trace {
    fn new(back: String) -> Self {
        Self { back, replaces: false, unless_there: false }
    }

    fn made(kind: &str, name: impl std::fmt::Display) -> Self {
        Self::new(format!("DROP {kind} {name}"))
    }

    fn replacing(self, replaces: bool) -> Self {
        Self { replaces, ..self }
    }

    fn unless_there(self, unless_there: bool) -> Self {
        Self { unless_there, ..self }
    }
}

/// Of a statement that makes, names or moves one thing; of tables, indexes and their columns nothing, which the statement itself tells.
#[must_use]
pub fn of(sql: &str) -> Option<Trace> {
    let statements = super::statements(sql).ok()?;
    let [raw] = &*statements else { return None };
    let node = raw.stmt.as_ref()?.node.as_ref()?;
    made(node).or_else(|| made_for_relation(node)).or_else(|| outside(node)).or_else(|| changed(node))
}

fn made(node: &NodeEnum) -> Option<Trace> {
    Some(match node {
        NodeEnum::CreateSchemaStmt(stmt) if stmt.schema_elts.is_empty() => {
            Trace::made("SCHEMA", Identifier(&tree::filled(&stmt.schemaname)?)).unless_there(stmt.if_not_exists)
        }
        NodeEnum::ViewStmt(stmt) => Trace::made("VIEW", relation(stmt.view.as_ref())?).replacing(stmt.replace),
        NodeEnum::CreateTableAsStmt(stmt) if ObjectType::try_from(stmt.objtype) == Ok(ObjectType::ObjectMatview) => {
            Trace::made("MATERIALIZED VIEW", relation(stmt.into.as_ref()?.rel.as_ref())?).unless_there(stmt.if_not_exists)
        }
        NodeEnum::CompositeTypeStmt(stmt) => Trace::made("TYPE", relation(stmt.typevar.as_ref())?),
        NodeEnum::CreateEnumStmt(stmt) => Trace::made("TYPE", listed(&stmt.type_name)?),
        NodeEnum::CreateRangeStmt(stmt) => Trace::made("TYPE", listed(&stmt.type_name)?),
        NodeEnum::CreateDomainStmt(stmt) => Trace::made("DOMAIN", listed(&stmt.domainname)?),
        NodeEnum::CreateSeqStmt(stmt) => Trace::made("SEQUENCE", relation(stmt.sequence.as_ref())?).unless_there(stmt.if_not_exists),
        NodeEnum::CreateExtensionStmt(stmt) => Trace::made("EXTENSION", Identifier(&stmt.extname)).unless_there(stmt.if_not_exists),
        NodeEnum::CreateEventTrigStmt(stmt) => Trace::made("EVENT TRIGGER", Identifier(&stmt.trigname)),
        NodeEnum::CreateRoleStmt(stmt) => Trace::made("ROLE", Identifier(&stmt.role)),
        NodeEnum::CreatePublicationStmt(stmt) => Trace::made("PUBLICATION", Identifier(&stmt.pubname)),
        NodeEnum::CreateFunctionStmt(stmt) => function(stmt)?,
        NodeEnum::CreateStatsStmt(stmt) => statistics(stmt)?,
        NodeEnum::DefineStmt(stmt) => defined(stmt)?,
        NodeEnum::CreateCastStmt(stmt) => {
            Trace::made("CAST", format!("({} AS {})", argument(stmt.sourcetype.as_ref()?)?, argument(stmt.targettype.as_ref()?)?))
        }
        _ => return None,
    })
}

/// What has a name of its own within a relation.
fn made_for_relation(node: &NodeEnum) -> Option<Trace> {
    let on = |name: &str, var: Option<&RangeVar>| Some(format!("{} ON {}", Identifier(name), relation(var)?));
    Some(match node {
        NodeEnum::CreateTrigStmt(stmt) => Trace::made("TRIGGER", on(&stmt.trigname, stmt.relation.as_ref())?).replacing(stmt.replace),
        NodeEnum::CreatePolicyStmt(stmt) => Trace::made("POLICY", on(&stmt.policy_name, stmt.table.as_ref())?),
        NodeEnum::RuleStmt(stmt) => Trace::made("RULE", on(&stmt.rulename, stmt.relation.as_ref())?).replacing(stmt.replace),
        _ => return None,
    })
}

/// What leads to other servers.
fn outside(node: &NodeEnum) -> Option<Trace> {
    Some(match node {
        NodeEnum::CreateFdwStmt(stmt) => Trace::made("FOREIGN DATA WRAPPER", Identifier(&stmt.fdwname)),
        NodeEnum::CreateForeignServerStmt(stmt) => Trace::made("SERVER", Identifier(&stmt.servername)).unless_there(stmt.if_not_exists),
        NodeEnum::CreateForeignTableStmt(stmt) => {
            let base = stmt.base_stmt.as_ref()?;
            Trace::made("FOREIGN TABLE", relation(base.relation.as_ref())?).unless_there(base.if_not_exists)
        }
        _ => return None,
    })
}

fn changed(node: &NodeEnum) -> Option<Trace> {
    match node {
        NodeEnum::RenameStmt(stmt) => renamed(stmt).map(Trace::new),
        NodeEnum::AlterObjectSchemaStmt(stmt) => moved(stmt).map(Trace::new),
        NodeEnum::AlterEnumStmt(stmt) if !stmt.old_val.is_empty() => enum_value(stmt).map(Trace::new),
        NodeEnum::AlterDomainStmt(stmt) => domain(stmt).map(Trace::new),
        _ => None,
    }
}

fn relation(var: Option<&RangeVar>) -> Option<RelationName> {
    var.map(tree::relation)
}

fn listed(parts: &[Node]) -> Option<RelationName> {
    tree::qualified(tree::strings(parts))
}

/// The name of an object that is a list of strings, a type, or one string.
fn object(node: Option<&Node>) -> Option<RelationName> {
    match tree::inner(node)? {
        NodeEnum::List(list) => listed(&list.items),
        NodeEnum::TypeName(name) => listed(&name.names),
        NodeEnum::String(text) => Some(RelationName::unqualified(text.sval.clone())),
        _ => None,
    }
}

/// A type, where it stands for one by itself.
fn argument(name: &Type) -> Option<String> {
    (!name.pct_type && !name.names.is_empty()).then(|| tree::type_name(Some(name)).to_string())
}

/// The arguments by which a routine is known: those that go in, and for a procedure those that come out.
fn function(stmt: &CreateFunctionStmt) -> Option<Trace> {
    let parameters = stmt.parameters.iter().filter_map(|node| match tree::kind(node) {
        Some(NodeEnum::FunctionParameter(parameter)) => parameter_type(parameter, stmt.is_procedure),
        _ => None,
    });
    let arguments = parameters.collect::<Option<Vec<String>>>()?.join(", ");
    let kind = if stmt.is_procedure { "PROCEDURE" } else { "FUNCTION" };
    Some(Trace::made(kind, format!("{}({arguments})", listed(&stmt.funcname)?)).replacing(stmt.replace))
}

/// The outer `None` is an argument that does not belong to the name, the inner one a type that cannot be written.
fn parameter_type(parameter: &FunctionParameter, is_procedure: bool) -> Option<Option<String>> {
    use FunctionParameterMode as Mode;
    let name = parameter.arg_type.as_ref().and_then(argument);
    match Mode::try_from(parameter.mode) {
        Ok(Mode::FuncParamTable) => None,
        Ok(Mode::FuncParamOut) if !is_procedure => None,
        Ok(Mode::FuncParamOut) => Some(name.map(|name| format!("OUT {name}"))),
        _ => Some(name),
    }
}

fn statistics(stmt: &CreateStatsStmt) -> Option<Trace> {
    listed(&stmt.defnames).map(|name| Trace::made("STATISTICS", name).unless_there(stmt.if_not_exists))
}

/// Aggregates and operators are known by arguments that are written in more than one way.
fn defined(stmt: &DefineStmt) -> Option<Trace> {
    use ObjectType as Kind;
    let kind = match Kind::try_from(stmt.kind) {
        Ok(Kind::ObjectType) => "TYPE",
        Ok(Kind::ObjectCollation) => "COLLATION",
        Ok(Kind::ObjectTsconfiguration) => "TEXT SEARCH CONFIGURATION",
        Ok(Kind::ObjectTsdictionary) => "TEXT SEARCH DICTIONARY",
        Ok(Kind::ObjectTsparser) => "TEXT SEARCH PARSER",
        Ok(Kind::ObjectTstemplate) => "TEXT SEARCH TEMPLATE",
        _ => return None,
    };
    Some(Trace::made(kind, listed(&stmt.defnames)?).unless_there(stmt.if_not_exists).replacing(stmt.replace))
}

fn with_arguments(object: &ObjectWithArgs, name: &RelationName) -> Option<String> {
    if object.args_unspecified {
        return Some(name.to_string());
    }
    let types = object.objargs.iter().map(|node| match tree::kind(node) {
        Some(NodeEnum::TypeName(name)) => argument(name),
        _ => None,
    });
    Some(format!("{name}({})", types.collect::<Option<Vec<String>>>()?.join(", ")))
}

/// The word of ALTER for what is known by its name alone.
fn word(kind: ObjectType) -> Option<&'static str> {
    use ObjectType as Kind;
    Some(match kind {
        Kind::ObjectType => "TYPE",
        Kind::ObjectDomain => "DOMAIN",
        Kind::ObjectSequence => "SEQUENCE",
        Kind::ObjectStatisticExt => "STATISTICS",
        Kind::ObjectCollation => "COLLATION",
        Kind::ObjectConversion => "CONVERSION",
        Kind::ObjectPublication => "PUBLICATION",
        Kind::ObjectSubscription => "SUBSCRIPTION",
        Kind::ObjectEventTrigger => "EVENT TRIGGER",
        Kind::ObjectForeignServer => "SERVER",
        Kind::ObjectFdw => "FOREIGN DATA WRAPPER",
        Kind::ObjectLanguage => "LANGUAGE",
        Kind::ObjectTsconfiguration => "TEXT SEARCH CONFIGURATION",
        Kind::ObjectTsdictionary => "TEXT SEARCH DICTIONARY",
        Kind::ObjectTsparser => "TEXT SEARCH PARSER",
        Kind::ObjectTstemplate => "TEXT SEARCH TEMPLATE",
        Kind::ObjectFunction => "FUNCTION",
        Kind::ObjectProcedure => "PROCEDURE",
        Kind::ObjectRoutine => "ROUTINE",
        _ => return None,
    })
}

fn renamed(stmt: &RenameStmt) -> Option<String> {
    use ObjectType as Kind;
    let kind = Kind::try_from(stmt.rename_type).ok()?;
    let (new, old) = (Identifier(&stmt.newname), Identifier(&stmt.subname));
    let of_relation = || relation(stmt.relation.as_ref());
    Some(match kind {
        Kind::ObjectSequence => whole(stmt, "SEQUENCE", &of_relation()?),
        Kind::ObjectTrigger => format!("ALTER TRIGGER {new} ON {} RENAME TO {old}", of_relation()?),
        Kind::ObjectPolicy => format!("ALTER POLICY {new} ON {} RENAME TO {old}", of_relation()?),
        Kind::ObjectRule => format!("ALTER RULE {new} ON {} RENAME TO {old}", of_relation()?),
        Kind::ObjectAttribute => format!("ALTER TYPE {} RENAME ATTRIBUTE {new} TO {old}", of_relation()?),
        Kind::ObjectDomconstraint => format!("ALTER DOMAIN {} RENAME CONSTRAINT {new} TO {old}", object(stmt.object.as_deref())?),
        Kind::ObjectRole => format!("ALTER ROLE {new} RENAME TO {old}"),
        Kind::ObjectDatabase => format!("ALTER DATABASE {new} RENAME TO {old}"),
        Kind::ObjectTablespace => format!("ALTER TABLESPACE {new} RENAME TO {old}"),
        _ => match tree::inner(stmt.object.as_deref())? {
            NodeEnum::ObjectWithArgs(routine) => {
                let was = listed(&routine.objname)?;
                let is = with_arguments(routine, &was.sibling(stmt.newname.clone()))?;
                format!("ALTER {} {is} RENAME TO {}", word(kind)?, Identifier(&was.name))
            }
            _ => whole(stmt, word(kind)?, &object(stmt.object.as_deref())?),
        },
    })
}

fn whole(stmt: &RenameStmt, word: &str, was: &RelationName) -> String {
    format!("ALTER {word} {} RENAME TO {}", was.sibling(stmt.newname.clone()), Identifier(&was.name))
}

/// Only where the schema that it came from is written.
fn moved(stmt: &AlterObjectSchemaStmt) -> Option<String> {
    use ObjectType as Kind;
    let kind = Kind::try_from(stmt.object_type).ok()?;
    let there = |was: &RelationName| RelationName::qualified(stmt.newschema.clone(), was.name.clone());
    let back = |word: &str, is: String, was: &RelationName| Some(format!("ALTER {word} {is} SET SCHEMA {}", Identifier(was.schema.as_ref()?)));
    if let Some(was) = relation(stmt.relation.as_ref()) {
        let word = if kind == Kind::ObjectSequence { "SEQUENCE" } else { "TABLE" };
        return back(word, there(&was).to_string(), &was);
    }
    match tree::inner(stmt.object.as_deref())? {
        NodeEnum::ObjectWithArgs(routine) => {
            let was = listed(&routine.objname)?;
            back(word(kind)?, with_arguments(routine, &there(&was))?, &was)
        }
        _ => {
            let was = object(stmt.object.as_deref())?;
            back(word(kind)?, there(&was).to_string(), &was)
        }
    }
}

fn enum_value(stmt: &AlterEnumStmt) -> Option<String> {
    Some(format!("ALTER TYPE {} RENAME VALUE {} TO {}", listed(&stmt.type_name)?, Literal(&stmt.new_val), Literal(&stmt.old_val)))
}

/// Where the domain was otherwise before, nothing in the statement tells how.
fn domain(stmt: &AlterDomainStmt) -> Option<String> {
    let name = listed(&stmt.type_name)?;
    Some(match (stmt.subtype.as_str(), tree::inner(stmt.def.as_deref())) {
        ("C", Some(NodeEnum::Constraint(constraint))) => {
            let chosen = || naming::choose(&name.name, &[], "check", &|_| false);
            let constraint = tree::filled(&constraint.conname).unwrap_or_else(chosen);
            format!("ALTER DOMAIN {name} DROP CONSTRAINT {}", Identifier(&constraint))
        }
        ("O", _) => format!("ALTER DOMAIN {name} DROP NOT NULL"),
        ("N", _) => format!("ALTER DOMAIN {name} SET NOT NULL"),
        _ => return None,
    })
}
