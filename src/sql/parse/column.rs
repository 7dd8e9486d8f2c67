//! ADD COLUMN: what its definition says, and where each part of it stands.

use std::ops::Range;

use pg_query::protobuf::{ColumnDef, ConstrType, Constraint as Definition};
use pg_query::{Node, NodeEnum};

use super::super::statement::{AddColumn, Constraint, ConstraintKind, DefaultValue, Generated, InlineConstraint};
use super::super::tokens::{self, Token};
use super::{ParseError, Source, constraint, operators, tree, walk};

/// A clause of a column definition with its place and the attributes (DEFERRABLE …) that follow it.
struct Clause<'a> {
    definition: &'a Definition,
    kind: ConstrType,
    attributes: Vec<ConstrType>,
    span: Range<usize>,
}

/// Reads the column that the command `piece` adds.
pub(super) fn add(piece: &Source<'_>, def: &ColumnDef, if_not_exists: bool) -> Result<AddColumn, ParseError> {
    let clauses = clauses(piece, def)?;
    let has = |kinds: &[ConstrType]| clauses.iter().any(|clause| kinds.contains(&clause.kind));
    let constraints = clauses.iter().filter_map(|clause| inline(piece, &def.colname, clause).transpose()).collect::<Result<_, _>>()?;
    Ok(AddColumn {
        column: def.colname.clone(),
        if_not_exists,
        type_name: tree::type_name(def.type_name.as_ref()),
        default: clauses.iter().find(|clause| clause.kind == ConstrType::ConstrDefault).map(|clause| default(piece, clause)).transpose()?,
        not_null: has(&[ConstrType::ConstrNotnull, ConstrType::ConstrPrimary]),
        sequence: has(&[ConstrType::ConstrIdentity]) || is_serial(def),
        generated: clauses.iter().find(|clause| clause.kind == ConstrType::ConstrGenerated).map(generated),
        constraints,
    })
}

fn is_serial(def: &ColumnDef) -> bool {
    const SERIAL: &[&str] = &["serial", "serial2", "serial4", "serial8", "smallserial", "bigserial"];
    def.type_name
        .as_ref()
        .is_some_and(|name| !name.pct_type && matches!(tree::strings(&name.names).as_slice(), [only] if SERIAL.contains(&only.as_str())))
}

fn generated(clause: &Clause<'_>) -> Generated {
    if clause.definition.generated_kind == "v" { Generated::Virtual } else { Generated::Stored }
}

/// The clauses in order. One ends where the next one, or COLLATE, begins.
fn clauses<'a>(piece: &Source<'_>, def: &'a ColumnDef) -> Result<Vec<Clause<'a>>, ParseError> {
    let mut clauses: Vec<Clause<'a>> = Vec::new();
    let tokens = constraint::tokens(piece)?;
    let mut starts: Vec<usize> = def.coll_clause.iter().filter_map(|clause| usize::try_from(clause.location).ok()).collect();
    for definition in def.constraints.iter().filter_map(definition) {
        let kind = ConstrType::try_from(definition.contype).unwrap_or(ConstrType::Undefined);
        match clauses.last_mut() {
            Some(last) if is_attribute(kind) => last.attributes.push(kind),
            _ => {
                let start = usize::try_from(definition.location).map_err(|_| unlocated())?;
                starts.push(start);
                clauses.push(Clause { definition, kind, attributes: Vec::new(), span: start..start });
            }
        }
    }
    for clause in &mut clauses {
        let next = starts.iter().copied().filter(|&start| start > clause.span.start).min().unwrap_or(piece.span.end);
        clause.span.end = end_before(&tokens, next).filter(|&end| end > clause.span.start).ok_or_else(unlocated)?;
    }
    Ok(clauses)
}

fn definition(node: &Node) -> Option<&Definition> {
    match tree::kind(node)? {
        NodeEnum::Constraint(definition) => Some(definition),
        _ => None,
    }
}

fn is_attribute(kind: ConstrType) -> bool {
    use ConstrType as Type;
    matches!(
        kind,
        Type::ConstrAttrDeferrable
            | Type::ConstrAttrNotDeferrable
            | Type::ConstrAttrDeferred
            | Type::ConstrAttrImmediate
            | Type::ConstrAttrEnforced
            | Type::ConstrAttrNotEnforced
    )
}

fn end_before(tokens: &[Token], limit: usize) -> Option<usize> {
    tokens.iter().rfind(|token| token.span.start < limit).map(|token| token.span.end)
}

fn default(piece: &Source<'_>, clause: &Clause<'_>) -> Result<DefaultValue, ParseError> {
    let expression = clause.definition.raw_expr.as_deref();
    let tokens = tokens::significant(piece.text, &clause.span).map_err(|_| unlocated())?;
    let keyword = tokens.iter().position(|token| token.kind.is_keyword("DEFAULT")).ok_or_else(unlocated)?;
    let first = tokens.get(keyword + 1).ok_or_else(unlocated)?;
    Ok(DefaultValue {
        null: expression.is_some_and(is_null),
        functions: tree::inner(expression).map(walk::functions).unwrap_or_default(),
        operators: tree::inner(expression).map(operators::foreign).unwrap_or_default(),
        span: first.span.start..clause.span.end,
    })
}

fn is_null(node: &Node) -> bool {
    match tree::kind(node) {
        Some(NodeEnum::AConst(constant)) => constant.isnull,
        Some(NodeEnum::TypeCast(cast)) => cast.arg.as_deref().is_some_and(is_null),
        _ => false,
    }
}

fn inline(piece: &Source<'_>, column: &str, clause: &Clause<'_>) -> Result<Option<InlineConstraint>, ParseError> {
    use ConstrType as Type;
    if !matches!(clause.kind, Type::ConstrCheck | Type::ConstrUnique | Type::ConstrPrimary | Type::ConstrForeign) {
        return Ok(None);
    }
    let place = Source { text: piece.text, span: clause.span.clone() };
    let mut constraint = constraint::of_table(&place, clause.definition)?;
    of_column(&mut constraint, column, &clause.attributes);
    Ok(Some(InlineConstraint { constraint, span: clause.span.clone() }))
}

/// Beside a column neither the column nor the attributes stand in the constraint's own node.
fn of_column(constraint: &mut Constraint, column: &str, attributes: &[ConstrType]) {
    let has = |kind| attributes.contains(&kind);
    match &mut constraint.kind {
        ConstraintKind::Unique(unique) => {
            unique.columns = vec![column.to_owned()];
            unique.initially_deferred |= has(ConstrType::ConstrAttrDeferred);
            unique.deferrable |= has(ConstrType::ConstrAttrDeferrable) || unique.initially_deferred;
        }
        ConstraintKind::ForeignKey { columns, .. } => *columns = vec![column.to_owned()],
        ConstraintKind::Check { .. } | ConstraintKind::UsingIndex { .. } | ConstraintKind::Exclude | ConstraintKind::NotNull { .. } => {}
    }
    constraint.not_valid |= has(ConstrType::ConstrAttrNotEnforced);
}

fn unlocated() -> ParseError {
    ParseError::not_understood("the parts of this column definition cannot be located")
}
