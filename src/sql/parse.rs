//! SQL text to [`Script`], by PostgreSQL's own grammar.
//!
//! This module and its children are the only importers of `pg_query`. The tree is turned once into the types of [`super::statement`];
//! a statement that the grammar knows and we do not becomes `Unjudged`, never `Brief`.

mod alter;
mod arguments;
mod block;
mod bound;
mod carried;
pub mod code;
mod column;
pub mod comments;
mod constraint;
mod create;
mod drop;
mod external;
mod figure;
mod letters;
mod locked;
mod operators;
mod query;
mod rename;
mod replaced;
mod rows;
mod setting;
mod statement;
pub mod traces;
mod tree;
pub mod uses;
mod verify;
mod walk;
mod written;

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::RawStmt;
use thiserror::Error;

use super::statement::{Parsed, Script, Statement};
pub use bound::bound;
pub(in crate::sql) use verify::{Change, adds_apart, consists_of, consists_of_on, differs_only_by};
use walk::Found;

/// Comments nested deeper than this are not parsed: the time for them grows with the square of the depth.
const COMMENT_DEPTH: usize = 100;

/// The tree of a query longer than this, some sixty times its size, is not made: its letters say what decisions need.
const LARGE: usize = 256 * 1024;

/// Why a text is no script.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParseError {
    /// Longer than the limit.
    #[error("the SQL is {bytes} bytes long, more than the limit of {limit}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Comments or expressions nested beyond what can be read.
    #[error("the SQL is nested too deeply")]
    TooDeep,
    /// A NUL byte, which the server would take for the end.
    #[error("the SQL contains a NUL byte")]
    Nul,
    /// PostgreSQL's grammar does not accept it, or its parts cannot be located.
    #[error("{message}")]
    NotUnderstood {
        /// The parser's own words.
        message: String,
    },
}

impl ParseError {
    fn not_understood(message: impl Into<String>) -> Self {
        Self::NotUnderstood { message: message.into() }
    }
}

/// The text of a whole script, and the place of the statement that is being read.
#[derive(Debug, Clone)]
struct Source<'a> {
    text: &'a str,
    span: Range<usize>,
}

/// Splits and reads a string of SQL as the server would with `standard_conforming_strings` on.
///
/// # Errors
/// When the text is over a limit, or PostgreSQL's grammar does not accept it.
pub fn script(text: &str, limit_bytes: usize) -> Result<Script, ParseError> {
    guard(text, limit_bytes)?;
    if text.len() > LARGE
        && let Ok(script) = letters::script(text)
    {
        return Ok(script);
    }
    match read(text) {
        Ok(statements) => Ok(Script { text: Arc::from(text), statements }),
        Err(ParseError::TooDeep) => letters::script(text),
        Err(error) => Err(error),
    }
}

/// The tokens of a longer text are not read one by one: they take some twenty times its size.
const SCANNED: usize = 4 * 1024 * 1024;

/// Where the statements of a text stand, as PostgreSQL's grammar splits it; nothing where it does not accept it.
#[must_use]
pub fn split(text: &str) -> Vec<Range<usize>> {
    if guard(text, text.len()).is_err() {
        return Vec::new();
    }
    let pieces = std::panic::catch_unwind(|| pg_query::split_with_parser(text)).ok().and_then(Result::ok).unwrap_or_default();
    let start = text.as_ptr() as usize;
    let place = |piece: &&str| (piece.as_ptr() as usize).checked_sub(start).map(|at| at..at + piece.len());
    pieces.iter().map(place).collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// Where the statements of a text stand, as far as its tokens tell: for one that the grammar does not accept as a whole. Not one where even its
/// tokens cannot be told apart, such as behind a quote that is never closed.
#[must_use]
pub fn pieces(text: &str) -> Vec<Range<usize>> {
    if guard(text, SCANNED).is_err() {
        return Vec::new();
    }
    let scanned = std::panic::catch_unwind(|| pg_query::scan(text)).ok().and_then(Result::ok);
    let mut pieces = Vec::new();
    let (mut from, mut depth) = (None, 0_usize);
    for token in scanned.iter().flat_map(|scan| &scan.tokens) {
        let (start, end) = (usize::try_from(token.start).unwrap_or(0), usize::try_from(token.end).unwrap_or(0));
        match text.get(start..end) {
            Some(";") if depth == 0 => pieces.extend(from.take().map(|from| from..start)),
            Some(comment) if comment.starts_with("--") || comment.starts_with("/*") => {}
            word => {
                from = from.or(Some(start));
                match word {
                    Some("(") => depth += 1,
                    Some(")") => depth = depth.saturating_sub(1),
                    _ => {}
                }
            }
        }
    }
    pieces.extend(from.map(|from| from..text.len()));
    pieces.retain(|span| text.get(span.clone()).is_some());
    pieces
}

fn read(text: &str) -> Result<Vec<Parsed>, ParseError> {
    statements(text)?.iter().map(|raw| parsed(text, raw)).collect()
}

fn guard(text: &str, limit: usize) -> Result<(), ParseError> {
    if text.len() > limit {
        return Err(ParseError::TooLong { bytes: text.len(), limit });
    }
    if text.as_bytes().contains(&0) {
        return Err(ParseError::Nul);
    }
    if comments::deeper_than(text, COMMENT_DEPTH) { Err(ParseError::TooDeep) } else { Ok(()) }
}

/// The server's own limits, by its words: the one of its stack, and the one of its grammar (`YYMAXDEPTH`).
fn is_too_deep(message: &str) -> bool {
    message.starts_with("stack depth limit exceeded") || message.starts_with("memory exhausted")
}

/// PostgreSQL's own tree. The crate reads more out of it than we ask for, and may panic there: that too is "not understood".
fn statements(text: &str) -> Result<Vec<RawStmt>, ParseError> {
    match std::panic::catch_unwind(|| pg_query::parse(text, 0)) {
        Ok(Ok(result)) => Ok(result.protobuf.stmts),
        Ok(Err(pg_query::Error::Decode(_))) => Err(ParseError::TooDeep),
        Ok(Err(pg_query::Error::Parse(message))) if is_too_deep(&message) => Err(ParseError::TooDeep),
        Ok(Err(pg_query::Error::Parse(message))) => Err(ParseError::not_understood(message)),
        Ok(Err(other)) => Err(ParseError::not_understood(other.to_string())),
        Err(_) => Err(ParseError::not_understood("the parser failed on this statement")),
    }
}

fn parsed(text: &str, raw: &RawStmt) -> Result<Parsed, ParseError> {
    let node = raw.stmt.as_ref().and_then(|stmt| stmt.node.as_ref()).ok_or_else(|| ParseError::not_understood("an empty statement"))?;
    let source = Source { text, span: span(text, raw)? };
    of_tree(source, node)
}

/// What a tree is, with everything that its walk finds.
fn of_tree(source: Source<'_>, node: &NodeEnum) -> Result<Parsed, ParseError> {
    let statement = match statement::of(&source, node)? {
        Statement::Query(_) | Statement::Copy(_) if walk::changes_catalog(node) => statement::unjudged("a change of a system catalog"),
        statement => statement,
    };
    let later = !matches!(statement, Statement::Query(_) | Statement::Copy(_)) || matches!(node, NodeEnum::DeclareCursorStmt(_));
    let Found { functions, sets, attributes, relations } = walk::found(node, later);
    Ok(Parsed {
        span: source.span,
        statement,
        functions,
        sets,
        attributes,
        relations,
        defines: carried::definition(node),
        locks: locked::relations(node),
        replaces: replaced::by(node),
    })
}

/// Where a statement stands, without the comments and white space before and after it.
fn span(text: &str, raw: &RawStmt) -> Result<Range<usize>, ParseError> {
    let start = usize::try_from(raw.stmt_location).unwrap_or(0);
    let length = usize::try_from(raw.stmt_len).unwrap_or(0);
    let end = if length == 0 { text.len() } else { start + length };
    let statement = text.get(start..end).ok_or_else(|| ParseError::not_understood("a statement outside its text"))?;
    let trimmed = comments::trim(statement).ok_or_else(|| ParseError::not_understood("a statement without tokens"))?;
    Ok(start + trimmed.start..start + trimmed.end)
}
