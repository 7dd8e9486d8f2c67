//! What a statement writes over, takes away, or makes unless it is there: without what was before, its way back is not known.

use pg_query::protobuf::{
    AlterObjectSchemaStmt, AlterTableCmd, AlterTableStmt, AlterTableType, CommentStmt, ConstrType, Constraint, CreateFunctionStmt, DropStmt,
    FunctionParameterMode, IndexStmt, IntoClause, ObjectType, RangeVar, TypeName as Type,
};
use pg_query::{Node, NodeEnum};

use super::super::former::{Aspect, Place, Wanted};
use super::super::name::RelationName;
use super::super::statement::TypeName;
use super::tree;

/// So much of one statement is asked at most.
const MOST: usize = 50;

/// Of one statement, in its own order.
pub(super) fn by(node: &NodeEnum) -> Vec<Wanted> {
    let mut wanted = match node {
        NodeEnum::AlterTableStmt(stmt) => altered(stmt),
        NodeEnum::DropStmt(stmt) => dropped(stmt),
        NodeEnum::AlterObjectSchemaStmt(stmt) => moved(stmt).into_iter().collect(),
        NodeEnum::CommentStmt(stmt) => commented(stmt).into_iter().collect(),
        other => made(other).into_iter().collect(),
    };
    wanted.truncate(MOST);
    wanted
}

/// Behind IF NOT EXISTS and OR REPLACE.
fn made(node: &NodeEnum) -> Option<Wanted> {
    match node {
        NodeEnum::CreateStmt(stmt) if stmt.if_not_exists => new(Place::New, stmt.relation.as_ref()),
        NodeEnum::CreateTableAsStmt(stmt) if stmt.if_not_exists => new(Place::New, stmt.into.as_deref().and_then(target)),
        NodeEnum::CreateSeqStmt(stmt) if stmt.if_not_exists => new(Place::New, stmt.sequence.as_ref()),
        NodeEnum::ViewStmt(stmt) if stmt.replace => new(Place::View, stmt.view.as_ref()),
        NodeEnum::IndexStmt(stmt) if stmt.if_not_exists => index(stmt),
        NodeEnum::CreateFunctionStmt(stmt) if stmt.replace => routine(stmt),
        NodeEnum::CreateSchemaStmt(stmt) if stmt.if_not_exists => named(Place::Schema, &stmt.schemaname),
        NodeEnum::CreateExtensionStmt(stmt) if stmt.if_not_exists => named(Place::Extension, &stmt.extname),
        _ => None,
    }
}

fn target(into: &IntoClause) -> Option<&RangeVar> {
    into.rel.as_ref()
}

fn named(place: Place, name: &str) -> Option<Wanted> {
    tree::filled(name).map(|name| Wanted::new(Aspect::Object, place, RelationName::unqualified(name)))
}

/// What is temporary goes by itself.
fn new(place: Place, var: Option<&RangeVar>) -> Option<Wanted> {
    let var = var.filter(|var| var.relpersistence != "t" && var.schemaname != "pg_temp")?;
    Some(Wanted::new(Aspect::Object, place, tree::relation(var)))
}

fn index(stmt: &IndexStmt) -> Option<Wanted> {
    Some(Wanted::of_part(Aspect::Object, Place::Beside, tree::relation(stmt.relation.as_ref()?), tree::filled(&stmt.idxname)?))
}

fn routine(stmt: &CreateFunctionStmt) -> Option<Wanted> {
    use FunctionParameterMode as Mode;
    let mut arguments = Vec::new();
    for node in &stmt.parameters {
        let Some(NodeEnum::FunctionParameter(parameter)) = tree::kind(node) else { return None };
        match Mode::try_from(parameter.mode) {
            Ok(Mode::FuncParamTable | Mode::FuncParamOut) => {}
            _ => arguments.push(argument(parameter.arg_type.as_ref()?)?),
        }
    }
    Some(Wanted { arguments, ..Wanted::new(Aspect::Object, Place::Routine, tree::qualified(tree::strings(&stmt.funcname))?) })
}

/// One that `%TYPE` points at is not known by its name.
fn argument(name: &Type) -> Option<TypeName> {
    (!name.pct_type && !name.names.is_empty()).then(|| tree::type_name(Some(name)))
}

fn altered(stmt: &AlterTableStmt) -> Vec<Wanted> {
    let is_table = matches!(ObjectType::try_from(stmt.objtype), Ok(ObjectType::ObjectTable | ObjectType::ObjectForeignTable));
    let Some(relation) = stmt.relation.as_ref().filter(|_| is_table).map(tree::relation) else { return Vec::new() };
    let commands = stmt.cmds.iter().filter_map(|node| match tree::kind(node)? {
        NodeEnum::AlterTableCmd(cmd) => Some(command(&relation, cmd)),
        _ => None,
    });
    commands.flatten().collect()
}

fn command(relation: &RelationName, cmd: &AlterTableCmd) -> Vec<Wanted> {
    use AlterTableType as Type;
    let of = |aspect, place, part: &str| Wanted::of_part(aspect, place, relation.clone(), part);
    match (AlterTableType::try_from(cmd.subtype), tree::inner(cmd.def.as_deref())) {
        (Ok(Type::AtColumnDefault), _) => vec![of(Aspect::Default, Place::Column, &cmd.name)],
        (Ok(Type::AtAlterColumnType), _) => vec![of(Aspect::Type, Place::Column, &cmd.name), of(Aspect::Default, Place::Column, &cmd.name)],
        (Ok(Type::AtSetNotNull | Type::AtDropNotNull), _) => vec![of(Aspect::NotNull, Place::Column, &cmd.name)],
        (Ok(Type::AtDropConstraint), _) => vec![of(Aspect::Object, Place::Constraint, &cmd.name)],
        (Ok(Type::AtAddColumn), Some(NodeEnum::ColumnDef(column))) if cmd.missing_ok => vec![of(Aspect::Object, Place::Column, &column.colname)],
        (Ok(Type::AtAddConstraint), Some(NodeEnum::Constraint(constraint))) => {
            primary(constraint).map(|column| of(Aspect::NotNull, Place::Column, &column)).collect()
        }
        _ => Vec::new(),
    }
}

/// The columns that a primary key makes NOT NULL.
fn primary(constraint: &Constraint) -> impl Iterator<Item = String> {
    let is_primary = ConstrType::try_from(constraint.contype) == Ok(ConstrType::ConstrPrimary);
    tree::strings(&constraint.keys).into_iter().filter(move |_| is_primary)
}

fn dropped(stmt: &DropStmt) -> Vec<Wanted> {
    if ObjectType::try_from(stmt.remove_type) != Ok(ObjectType::ObjectIndex) {
        return Vec::new();
    }
    // By its own name each: there may be several.
    let of = |name: RelationName| Wanted { part: Some(name.name.clone()), ..Wanted::new(Aspect::Object, Place::Index, name) };
    stmt.objects.iter().filter_map(|node| list(node).map(of)).collect()
}

fn list(node: &Node) -> Option<RelationName> {
    tree::qualified(parts(node)?)
}

fn parts(node: &Node) -> Option<Vec<String>> {
    match tree::kind(node)? {
        NodeEnum::List(list) => Some(tree::strings(&list.items)),
        _ => None,
    }
}

/// A schema that is written need not be asked.
fn moved(stmt: &AlterObjectSchemaStmt) -> Option<Wanted> {
    let relation = tree::relation(stmt.relation.as_ref()?);
    relation.schema.is_none().then(|| Wanted::new(Aspect::Schema, Place::Relation, relation))
}

fn commented(stmt: &CommentStmt) -> Option<Wanted> {
    use ObjectType as Kind;
    let object = stmt.object.as_deref()?;
    let of = |place, name| Wanted::new(Aspect::Comment, place, name);
    let of_part = |place| {
        let mut parts = parts(object)?;
        let part = parts.pop()?;
        Some(Wanted { part: Some(part), ..of(place, tree::qualified(parts)?) })
    };
    match ObjectType::try_from(stmt.objtype) {
        Ok(Kind::ObjectTable | Kind::ObjectForeignTable | Kind::ObjectView | Kind::ObjectMatview | Kind::ObjectIndex | Kind::ObjectSequence) => {
            Some(of(Place::Relation, list(object)?))
        }
        Ok(Kind::ObjectColumn) => of_part(Place::Column),
        Ok(Kind::ObjectTabconstraint) => of_part(Place::Constraint),
        Ok(Kind::ObjectSchema) => Some(of(Place::Schema, RelationName::unqualified(tree::string(object)?))),
        Ok(Kind::ObjectExtension) => Some(of(Place::Extension, RelationName::unqualified(tree::string(object)?))),
        _ => None,
    }
}
