//! Constraints, of a table or beside a column.

use pg_query::protobuf::{ConstrType, Constraint as Definition};

use super::super::statement::{Constraint, ConstraintKind, Unique};
use super::super::tokens::{self as lexer, Kind, Token};
use super::{ParseError, Source, tree, walk};

/// Reads a constraint that stands in `place`.
pub(super) fn of_table(place: &Source<'_>, definition: &Definition) -> Result<Constraint, ParseError> {
    use ConstrType as Type;
    let kind = ConstrType::try_from(definition.contype).unwrap_or(Type::Undefined);
    let enforceable = matches!(kind, Type::ConstrCheck | Type::ConstrForeign);
    Ok(Constraint {
        name: tree::filled(&definition.conname),
        not_valid: definition.skip_validation || (enforceable && !definition.is_enforced),
        kind: match kind {
            Type::ConstrCheck => check(definition),
            Type::ConstrForeign => foreign_key(definition),
            Type::ConstrExclusion => ConstraintKind::Exclude,
            Type::ConstrNotnull => ConstraintKind::NotNull { column: definition.keys.first().and_then(tree::string).unwrap_or_default().to_owned() },
            Type::ConstrPrimary | Type::ConstrUnique if !definition.indexname.is_empty() => {
                ConstraintKind::UsingIndex { index: definition.indexname.clone(), primary: kind == Type::ConstrPrimary }
            }
            Type::ConstrPrimary | Type::ConstrUnique => ConstraintKind::Unique(unique(place, definition, kind == Type::ConstrPrimary)?),
            _ => return Err(ParseError::not_understood("a constraint of an unknown kind")),
        },
    })
}

fn check(definition: &Definition) -> ConstraintKind {
    let expression = tree::inner(definition.raw_expr.as_deref());
    ConstraintKind::Check {
        columns: expression.map(walk::columns).unwrap_or_default(),
        functions: expression.map(walk::functions).unwrap_or_default(),
    }
}

fn foreign_key(definition: &Definition) -> ConstraintKind {
    ConstraintKind::ForeignKey {
        columns: tree::strings(&definition.fk_attrs),
        references: tree::required(definition.pktable.as_ref()),
        referenced_columns: tree::strings(&definition.pk_attrs),
    }
}

fn unique(place: &Source<'_>, definition: &Definition, primary: bool) -> Result<Unique, ParseError> {
    Ok(Unique {
        columns: tree::strings(&definition.keys),
        including: tree::strings(&definition.including),
        nulls_not_distinct: definition.nulls_not_distinct,
        primary,
        deferrable: definition.deferrable,
        initially_deferred: definition.initdeferred,
        tablespace: tree::filled(&definition.indexspace),
        with: if definition.options.is_empty() { None } else { Some(storage_parameters(place)?) },
        without_overlaps: definition.without_overlaps,
    })
}

/// The text between the parentheses of WITH (…).
fn storage_parameters(place: &Source<'_>) -> Result<String, ParseError> {
    let tokens = tokens(place)?;
    let with =
        tokens.windows(2).position(|pair| matches!(pair, [with, open] if with.depth == 0 && with.kind.is_keyword("WITH") && open.kind == Kind::Open));
    let inside = with.map_or(&[][..], |at| tokens.get(at + 2..).unwrap_or_default());
    let inside: Vec<_> = inside.iter().take_while(|token| token.depth > 0).collect();
    let (Some(first), Some(last)) = (inside.first(), inside.last()) else {
        return Err(ParseError::not_understood("a constraint whose WITH cannot be located"));
    };
    Ok(place.text.get(first.span.start..last.span.end).unwrap_or_default().to_owned())
}

/// The tokens of a place.
pub(super) fn tokens(place: &Source<'_>) -> Result<Vec<Token>, ParseError> {
    lexer::significant(place.text, &place.span).map_err(|error| ParseError::not_understood(error.to_string()))
}
