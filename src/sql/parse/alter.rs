//! ALTER TABLE, and its relatives of the same node; ALTER DOMAIN.

use std::ops::Range;

use pg_query::protobuf::{AlterDomainStmt, AlterTableCmd, AlterTableStmt, AlterTableType, ObjectType, RangeVar};
use pg_query::{Node, NodeEnum};

use super::super::statement::{AlterAction, AlterCommand, AlterTable, AlterType, DomainChange, Statement, Storage, Using};
use super::super::tokens::{self, Kind, Token};
use super::{ParseError, Source, bound, column, constraint, statement, tree, verify};

/// ALTER TABLE of a table, foreign table or materialized view with all its commands; of anything else as a whole.
pub(super) fn table(source: &Source<'_>, stmt: &AlterTableStmt) -> Result<Statement, ParseError> {
    match ObjectType::try_from(stmt.objtype) {
        Ok(ObjectType::ObjectTable | ObjectType::ObjectForeignTable | ObjectType::ObjectMatview) => {}
        Ok(kind) => return Ok(relative(kind, stmt)),
        Err(_) => return Err(ParseError::not_understood("ALTER of an unknown kind of object")),
    }
    let relation = stmt.relation.as_ref().ok_or_else(|| ParseError::not_understood("ALTER TABLE without a table"))?;
    Ok(Statement::AlterTable(AlterTable {
        relation: tree::relation(relation),
        if_exists: stmt.missing_ok,
        only: !relation.inh,
        commands: commands(source, relation, stmt)?,
    }))
}

fn commands(source: &Source<'_>, relation: &RangeVar, stmt: &AlterTableStmt) -> Result<Vec<AlterCommand>, ParseError> {
    let pieces = pieces(source, relation)?;
    if pieces.len() != stmt.cmds.len() {
        return Err(ParseError::not_understood("the commands of this ALTER TABLE cannot be located"));
    }
    verify::pieces(source, stmt, &pieces)?;
    stmt.cmds.iter().zip(pieces).map(|(node, span)| command(source, node, span)).collect()
}

fn command(source: &Source<'_>, node: &Node, span: Range<usize>) -> Result<AlterCommand, ParseError> {
    let Some(NodeEnum::AlterTableCmd(cmd)) = tree::kind(node) else {
        return Err(ParseError::not_understood("ALTER TABLE with something that is no command"));
    };
    let piece = Source { text: source.text, span };
    Ok(AlterCommand { action: action(&piece, cmd)?, span: piece.span })
}

/// Where the commands stand: behind the name, between the commas outside of parentheses.
fn pieces(source: &Source<'_>, relation: &RangeVar) -> Result<Vec<Range<usize>>, ParseError> {
    let tokens = tokens::significant(source.text, &source.span).map_err(|error| ParseError::not_understood(error.to_string()))?;
    let location = usize::try_from(relation.location).unwrap_or_default();
    let name = tokens.iter().position(|token| token.span.start >= location).unwrap_or(tokens.len());
    let rest = after_name(tokens.get(name..).unwrap_or_default());
    Ok(rest
        .split(|token| token.depth == 0 && token.kind == Kind::Comma)
        .filter_map(|piece| Some(piece.first()?.span.start..piece.last()?.span.end))
        .collect())
}

/// Skips `name`, `schema.name`, the `)` of `ONLY (name)` and the `*` behind it.
fn after_name(tokens: &[Token]) -> &[Token] {
    let kind_at = |at: usize| tokens.get(at).map(|token| &token.kind);
    let mut at = 1;
    while kind_at(at) == Some(&Kind::Period) {
        at += 2;
    }
    while matches!(kind_at(at), Some(Kind::Close | Kind::Star)) {
        at += 1;
    }
    tokens.get(at..).unwrap_or_default()
}

fn action(piece: &Source<'_>, cmd: &AlterTableCmd) -> Result<AlterAction, ParseError> {
    use AlterTableType as Type;
    let subtype = Type::try_from(cmd.subtype).unwrap_or(Type::Undefined);
    let definition = tree::inner(cmd.def.as_deref());
    Ok(match (subtype, definition) {
        (Type::AtAddColumn, Some(NodeEnum::ColumnDef(def))) => AlterAction::AddColumn(column::add(piece, def, cmd.missing_ok)?),
        (Type::AtAddConstraint, Some(NodeEnum::Constraint(def))) => AlterAction::AddConstraint(constraint::of_table(piece, def)?),
        (Type::AtAlterColumnType, Some(NodeEnum::ColumnDef(def))) => AlterAction::AlterType(AlterType {
            column: cmd.name.clone(),
            type_name: tree::type_name(def.type_name.as_ref()),
            using: def.raw_default.as_deref().map(|expression| using(&cmd.name, expression)),
            collation: def.coll_clause.is_some(),
        }),
        (Type::AtValidateConstraint, _) => AlterAction::ValidateConstraint(cmd.name.clone()),
        (Type::AtDropConstraint, _) => {
            AlterAction::DropConstraint { name: cmd.name.clone(), if_exists: cmd.missing_ok, cascade: tree::cascades(cmd.behavior) }
        }
        (Type::AtDropColumn, _) => {
            AlterAction::DropColumn { column: cmd.name.clone(), if_exists: cmd.missing_ok, cascade: tree::cascades(cmd.behavior) }
        }
        (Type::AtSetLogged, _) => AlterAction::Store(Storage::Logged),
        (Type::AtSetUnLogged, _) => AlterAction::Store(Storage::Unlogged),
        (Type::AtSetTableSpace, _) => AlterAction::Store(Storage::Tablespace(cmd.name.clone())),
        (Type::AtSetAccessMethod, _) => AlterAction::Store(Storage::AccessMethod((!cmd.name.is_empty()).then(|| cmd.name.clone()))),
        (Type::AtSetExpression, _) => AlterAction::SetExpression(cmd.name.clone()),
        (Type::AtDropNotNull, _) => AlterAction::DropNotNull(cmd.name.clone()),
        (Type::AtColumnDefault, None) => AlterAction::DropDefault(cmd.name.clone()),
        (Type::AtSetNotNull, _) => AlterAction::SetNotNull(cmd.name.clone()),
        (other, definition) => other_action(other, definition),
    })
}

fn using(column: &str, expression: &Node) -> Using {
    let is_column = |node: Option<&NodeEnum>| matches!(node, Some(NodeEnum::ColumnRef(found)) if tree::strings(&found.fields) == [column]);
    match tree::kind(expression) {
        Some(NodeEnum::TypeCast(cast)) if is_column(tree::inner(cast.arg.as_deref())) => {
            Using::Column { cast: Some(tree::type_name(cast.type_name.as_ref())) }
        }
        node if is_column(node) => Using::Column { cast: None },
        _ => Using::Expression,
    }
}

/// Commands of which only the effort matters.
fn other_action(subtype: AlterTableType, definition: Option<&NodeEnum>) -> AlterAction {
    match (subtype, definition) {
        (AlterTableType::AtDetachPartition, Some(NodeEnum::PartitionCmd(partition))) if partition.concurrent => {
            AlterAction::Brief("DETACH PARTITION … CONCURRENTLY")
        }
        (AlterTableType::AtDetachPartition, Some(NodeEnum::PartitionCmd(partition))) => match &partition.name {
            Some(child) => AlterAction::DetachPartition(tree::relation(child)),
            None => AlterAction::Unjudged("DETACH PARTITION"),
        },
        (AlterTableType::AtAlterConstraint, Some(NodeEnum::AtalterConstraint(change))) if !change.alter_inheritability => {
            if change.alter_enforceability && change.is_enforced {
                AlterAction::Unjudged("ALTER CONSTRAINT … ENFORCED")
            } else {
                AlterAction::Brief("ALTER CONSTRAINT")
            }
        }
        (AlterTableType::AtAttachPartition, Some(NodeEnum::PartitionCmd(partition))) => match (&partition.name, &partition.bound) {
            (Some(child), Some(spec)) => AlterAction::AttachPartition { child: tree::relation(child), bound: bound::of(spec) },
            _ => AlterAction::Unjudged("ATTACH PARTITION"),
        },
        (AlterTableType::AtAddInherit, Some(NodeEnum::RangeVar(parent))) => AlterAction::Inherit(tree::relation(parent)),
        (subtype, _) => brief_action(subtype).map_or_else(|| AlterAction::Unjudged(unjudged_action(subtype)), AlterAction::Brief),
    }
}

fn brief_action(subtype: AlterTableType) -> Option<&'static str> {
    use AlterTableType as Type;
    Some(match subtype {
        Type::AtColumnDefault => "SET DEFAULT",
        Type::AtDropExpression => "DROP EXPRESSION",
        Type::AtSetStatistics => "SET STATISTICS",
        Type::AtSetOptions | Type::AtSetRelOptions => "SET (…)",
        Type::AtResetOptions | Type::AtResetRelOptions => "RESET (…)",
        Type::AtSetStorage => "SET STORAGE",
        Type::AtSetCompression => "SET COMPRESSION",
        Type::AtChangeOwner => "OWNER TO",
        Type::AtClusterOn => "CLUSTER ON",
        Type::AtDropCluster => "SET WITHOUT CLUSTER",
        Type::AtDropOids => "SET WITHOUT OIDS",
        Type::AtEnableTrig | Type::AtEnableAlwaysTrig | Type::AtEnableReplicaTrig | Type::AtEnableTrigAll | Type::AtEnableTrigUser => {
            "ENABLE TRIGGER"
        }
        Type::AtDisableTrig | Type::AtDisableTrigAll | Type::AtDisableTrigUser => "DISABLE TRIGGER",
        Type::AtEnableRule | Type::AtEnableAlwaysRule | Type::AtEnableReplicaRule => "ENABLE RULE",
        Type::AtDisableRule => "DISABLE RULE",
        Type::AtAddInherit => "INHERIT",
        Type::AtDropInherit => "NO INHERIT",
        Type::AtAddOf => "OF",
        Type::AtDropOf => "NOT OF",
        Type::AtReplicaIdentity => "REPLICA IDENTITY",
        Type::AtEnableRowSecurity => "ENABLE ROW LEVEL SECURITY",
        Type::AtDisableRowSecurity => "DISABLE ROW LEVEL SECURITY",
        Type::AtForceRowSecurity => "FORCE ROW LEVEL SECURITY",
        Type::AtNoForceRowSecurity => "NO FORCE ROW LEVEL SECURITY",
        Type::AtDetachPartitionFinalize => "DETACH PARTITION … FINALIZE",
        Type::AtAddIdentity => "ADD GENERATED … AS IDENTITY",
        Type::AtSetIdentity => "SET GENERATED",
        Type::AtDropIdentity => "DROP IDENTITY",
        _ => return None,
    })
}

fn unjudged_action(subtype: AlterTableType) -> &'static str {
    use AlterTableType as Type;
    match subtype {
        Type::AtAlterConstraint => "ALTER CONSTRAINT … INHERIT",
        Type::AtAttachPartition => "ATTACH PARTITION",
        Type::AtDetachPartition => "DETACH PARTITION",
        Type::AtGenericOptions | Type::AtAlterColumnGenericOptions => "OPTIONS (…)",
        _ => "this command of ALTER TABLE",
    }
}

/// ALTER INDEX, VIEW, SEQUENCE and the attributes of ALTER TYPE: no rule looks into them.
fn relative(kind: ObjectType, stmt: &AlterTableStmt) -> Statement {
    let (what, heavy) = match kind {
        ObjectType::ObjectIndex => ("ALTER INDEX", "ALTER INDEX … SET TABLESPACE"),
        ObjectType::ObjectView => ("ALTER VIEW", "ALTER VIEW"),
        ObjectType::ObjectSequence => ("ALTER SEQUENCE", "ALTER SEQUENCE"),
        ObjectType::ObjectType => ("ALTER TYPE", "ALTER TYPE … CASCADE"),
        _ => return statement::unjudged("ALTER of this kind of object"),
    };
    let commands = stmt.cmds.iter().filter_map(|node| match tree::kind(node)? {
        NodeEnum::AlterTableCmd(cmd) => Some(cmd),
        _ => None,
    });
    let mut commands = commands.map(|cmd| is_brief_for(kind, cmd));
    if commands.all(|brief| brief) {
        return Statement::Brief(what);
    }
    Statement::Unjudged { what: heavy, relations: stmt.relation.iter().map(tree::relation).collect() }
}

fn is_brief_for(kind: ObjectType, cmd: &AlterTableCmd) -> bool {
    use AlterTableType as Type;
    let subtype = Type::try_from(cmd.subtype).unwrap_or(Type::Undefined);
    match kind {
        ObjectType::ObjectIndex if subtype == Type::AtAttachPartition => true,
        // One page is written anew.
        ObjectType::ObjectSequence if matches!(subtype, Type::AtSetLogged | Type::AtSetUnLogged) => true,
        // The server refuses to change the type of an attribute that a table stores.
        ObjectType::ObjectType => {
            matches!(subtype, Type::AtAddColumn | Type::AtDropColumn | Type::AtAlterColumnType) && !tree::cascades(cmd.behavior)
        }
        _ => subtype == Type::AtDropNotNull || brief_action(subtype).is_some(),
    }
}

/// ALTER DOMAIN: what must look at the rows of every table that uses it takes a lock on each.
pub(super) fn domain(stmt: &AlterDomainStmt) -> Statement {
    let not_valid = matches!(tree::inner(stmt.def.as_deref()), Some(NodeEnum::Constraint(def)) if def.skip_validation);
    let checked = |change| Statement::AlterDomain { name: tree::bare_type(&stmt.type_name), change };
    match stmt.subtype.as_str() {
        "T" | "N" | "X" => Statement::Brief("ALTER DOMAIN"),
        "C" if not_valid => Statement::Brief("ALTER DOMAIN"),
        "C" => checked(DomainChange::AddCheck),
        "O" => checked(DomainChange::SetNotNull),
        "V" => checked(DomainChange::Validate(stmt.name.clone())),
        _ => statement::unjudged("ALTER DOMAIN"),
    }
}
